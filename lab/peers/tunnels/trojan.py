"""Trojan over a WebSocket by sing-box, behind nginx, which is a web site to everybody who does not know the path."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from lab.city import City
from lab.peers import config
from lab.peers.programs import Programs, lacking
from lab.peers.tunnels.sing_box import SingBox
from lab.peers.tunnels.tunnel import HOST, NAME, certificate


class Trojan(SingBox):
    name = "trojan"
    title = "Trojan over WebSocket"
    about = (
        "sing-box on both sides, TLS and a site by nginx in front of the server, under a name that is on no list. The client's hello is that"
        " of Go: the package is built without uTLS."
    )
    files = ("trojan-server.json", "trojan-client.json", "trojan-site.conf")

    def missing(self) -> str | None:
        return super().missing() or lacking("nginx")

    def secrets(self, city: City) -> tuple[Mapping[str, object], Mapping[str, object]]:
        both = {"password": secrets.token_urlsafe(16), "path": secrets.token_urlsafe(12)}
        return both, both

    def serve(self, city: City, programs: Programs) -> None:
        super().serve(city, programs)
        issued = certificate(city)
        folder = programs.folder("trojan-site")
        path = config.write(
            folder,
            "trojan-site.conf",
            folder=folder,
            name=NAME,
            chain=issued.chain,
            key=issued.key,
            www=city.pages(HOST.name),
            path=self._secrets[0]["path"],
        )
        site = programs.start("trojan-site", HOST.name, ["nginx", "-c", path, "-e", folder / "error.log"])
        programs.until_listening(site, HOST.name, 443)
