"""A proxy in the manner of Signal's: TLS to an ordinary name, and within it TLS to the messenger's server."""

from __future__ import annotations

from pathlib import Path

from lab import world
from lab.city import City
from lab.peers import config
from lab.peers.programs import Programs, lacking
from lab.peers.tunnels.tunnel import (
    ADDRESS,
    ENTRANCE_PORT,
    FAR,
    FAR_PORT,
    HOST,
    NAME,
    Entrance,
    Tunnel,
    certificate,
)

_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")


class TlsInTls(Tunnel):
    name = "tls-proxy"
    title = "TLS proxy, as Signal's"
    about = (
        "nginx (stream) as the proxy, stunnel in place of the app's own outer TLS, port 443 under a name that is on no list. The hello is"
        " that of stunnel with OpenSSL, not that of Signal's app."
    )
    by_hand = "get the link of another proxy from somebody, and open it on both devices"
    files = ("tls-proxy-nginx.conf", "tls-proxy-stunnel.conf")

    def missing(self) -> str | None:
        if not _MODULE.exists():
            return "nginx's stream module (`.ci/tools peers` installs it)"
        return lacking("nginx", "stunnel4")

    def serve(self, city: City, programs: Programs) -> None:
        folder = programs.folder("tls-proxy")
        issued = certificate(city)
        path = config.write(
            folder,
            "tls-proxy-nginx.conf",
            folder=folder,
            chain=issued.chain,
            key=issued.key,
            far=FAR,
            far_address=world.CHAT.addresses[0],
            far_port=FAR_PORT,
        )
        server = programs.start("tls-proxy", HOST.name, ["nginx", "-c", path, "-e", folder / "error.log"])
        programs.until_listening(server, HOST.name, 443)

    def enter(self, city: City, programs: Programs, place: str) -> Entrance:
        path = config.write(
            programs.folder(f"tls-proxy-{place}"),
            "tls-proxy-stunnel.conf",
            listen_port=ENTRANCE_PORT,
            address=ADDRESS,
            name=NAME,
        )
        client = programs.start(f"tls-proxy-{place}", place, ["stunnel4", path])
        programs.until_listening(client, place, ENTRANCE_PORT)
        return Entrance("127.0.0.1", ENTRANCE_PORT)
