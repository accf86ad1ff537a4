"""The tunnels through which the XMPP client is carried, in the order in which they are told of."""

from lab.peers.tunnels.anytls import AnyTls
from lab.peers.tunnels.hysteria2 import Hysteria2, Salamander
from lab.peers.tunnels.obfs4 import Obfs4
from lab.peers.tunnels.openvpn import OpenVpn
from lab.peers.tunnels.shadowsocks import Shadowsocks
from lab.peers.tunnels.tls_in_tls import TlsInTls
from lab.peers.tunnels.trojan import Trojan
from lab.peers.tunnels.tunnel import Entrance, Tunnel
from lab.peers.tunnels.wireguard import WireGuard

TUNNELS: tuple[Tunnel, ...] = (
    WireGuard(),
    OpenVpn(),
    Shadowsocks(),
    Trojan(),
    Hysteria2(),
    Salamander(),
    AnyTls(),
    Obfs4(),
    TlsInTls(),
)

__all__ = ["TUNNELS", "Entrance", "Tunnel"]
