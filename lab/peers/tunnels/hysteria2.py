"""Hysteria2 by sing-box: QUIC on port 443, as it is, or disguised as nothing (salamander)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from lab.city import City
from lab.peers.tunnels.sing_box import SingBox
from lab.peers.tunnels.tunnel import HOST, certificate


class Hysteria2(SingBox):
    name = "hysteria2"
    title = "Hysteria2"
    about = "sing-box on both sides, QUIC version 1 on port 443 under a name that is on no list; whoever has no password sees a web site."
    files = ("hysteria2-server.json", "hysteria2-client.json")

    def secrets(self, city: City) -> tuple[Mapping[str, object], Mapping[str, object]]:
        issued = certificate(city)
        both = {"password": secrets.token_urlsafe(16)}
        server = {**both, "chain": issued.chain, "key": issued.key, "www": city.pages(HOST.name)}
        return server, both


class Salamander(Hysteria2):
    name = "salamander"
    title = "Hysteria2 with salamander"
    about = "Hysteria2 whose datagrams are made to look like nothing, as its documentation has it where QUIC is blocked."
    files = ("salamander-server.json", "salamander-client.json")

    def secrets(self, city: City) -> tuple[Mapping[str, object], Mapping[str, object]]:
        server, client = super().secrets(city)
        more = {"cry": secrets.token_urlsafe(16)}
        return {name: value for name, value in {**server, **more}.items() if name != "www"}, {
            **client,
            **more,
        }
