"""S10: VPNs are known by their signatures."""

from collections.abc import Sequence
from random import Random

from lab.censor import Bans, Rule, UdpPenalty
from lab.measures.filtered import Filtered
from lab.policy import World


class VpnSignatures(Filtered):
    name = "S10"
    about = "WireGuard and OpenVPN are dropped after their handshake, IKE at once; a server to which WireGuard was spoken loses all its UDP."
    source = "B16, B23, E11, E12, E14: bbs#274; TSPU IMC'22; LC:2022-xue-openvpn; bbs#490"
    numbers = (
        "WireGuard from the 4th packet of the client, OpenVPN from the 17th; UDP to the server for 600 s"
    )

    def rules(self, world: World, provider: int) -> Sequence[str]:
        mark = "iptables -t mangle -A LAB -p udp"
        drop = "iptables -A LAB -p udp -m connmark --mark"
        count = "--connbytes-dir original --connbytes-mode packets -j DROP"
        return [
            f'{mark} -m length --length 176 -m u32 --u32 "0>>22&0x3C@8=0x01000000" -j CONNMARK --set-mark 0x51',
            f"{drop} 0x51 -m connbytes --connbytes 4: {count}",
            f'{mark} -m u32 --u32 "0>>22&0x3C@8&0xFF000000=0x38000000" -j CONNMARK --set-mark 0x52',
            f"{drop} 0x52 -m connbytes --connbytes 17: {count}",
            "iptables -A LAB -p udp -m multiport --dports 500,4500 -j DROP",
        ]

    def filters(self, world: World, provider: int, scale: float, rng: Random, bans: Bans) -> list[Rule]:
        return [UdpPenalty(bans, scale=scale)]


MEASURE = VpnSignatures()
