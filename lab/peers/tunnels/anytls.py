"""AnyTLS by sing-box: TLS whose first records are padded, and sessions that are used again."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from lab.city import City
from lab.peers.tunnels.sing_box import SingBox
from lab.peers.tunnels.tunnel import certificate


class AnyTls(SingBox):
    name = "anytls"
    title = "AnyTLS"
    about = (
        "sing-box on both sides, TLS on port 443 under a name that is on no list. The client's hello is that of Go: the package is built"
        " without uTLS."
    )
    files = ("anytls-server.json", "anytls-client.json")

    def secrets(self, city: City) -> tuple[Mapping[str, object], Mapping[str, object]]:
        issued = certificate(city)
        both = {"password": secrets.token_urlsafe(16)}
        return {**both, "chain": issued.chain, "key": issued.key}, both
