"""OpenVPN: all of a person's traffic, and their questions for names, go through it."""

from __future__ import annotations

import hashlib
import ssl
import subprocess
from pathlib import Path

from lab import world
from lab.city import City
from lab.peers import config
from lab.peers.programs import Programs, lacking
from lab.peers.tunnels.tunnel import (
    ADDRESS,
    FAR,
    FAR_PORT,
    FOREIGN_RESOLVER,
    HOST,
    Entrance,
    Tunnel,
    forward_for,
    resolving_at,
)


class OpenVpn(Tunnel):
    name = "openvpn"
    title = "OpenVPN"
    about = "OpenVPN 2.6 on both sides, UDP port 1194, as the example of its manual has it."
    patience = 75.0  # it takes a connection for dead after 60 s
    files = ("openvpn-server.conf", "openvpn-client.conf")

    def missing(self) -> str | None:
        return lacking("openvpn", "openssl")

    def serve(self, city: City, programs: Programs) -> None:
        self._folder = programs.folder("openvpn")
        self._prints = {who: _certify(self._folder, who) for who in ("server", "ada", "bo")}
        path = config.write(
            self._folder,
            "openvpn-server.conf",
            folder=self._folder,
            ada=self._prints["ada"],
            bo=self._prints["bo"],
            resolver=FOREIGN_RESOLVER,
        )
        forward_for(city, programs, "10.8.0.0/24")
        running = programs.start(
            "openvpn-server", HOST.name, ["openvpn", "--config", path, "--log-append", "/dev/stderr"]
        )
        programs.until_said(running, "Initialization Sequence Completed")

    def enter(self, city: City, programs: Programs, place: str) -> Entrance:
        # A person's machine knows its gateway by an onlink route alone; OpenVPN adds one to its server the ordinary way.
        gateway = world.gateway_address(world.PEOPLE[place][0])
        programs.run(place, ["ip", "route", "replace", f"{gateway}/32", "dev", "eth0"])
        path = self._folder / f"{place}.conf"
        path.write_text(
            config.filled(
                "openvpn-client.conf",
                address=ADDRESS,
                folder=self._folder,
                place=place,
                server=self._prints["server"],
            )
        )
        running = programs.start(
            f"openvpn-{place}", place, ["openvpn", "--config", path, "--log-append", "/dev/stderr"]
        )
        programs.until_said(running, "Initialization Sequence Completed")
        resolving_at(city, programs, place)
        return Entrance(FAR, FAR_PORT)


def _certify(folder: Path, who: str) -> str:
    """A certificate of its own, as the example makes it; its fingerprint."""
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:secp384r1",
        "-nodes",
        "-sha256",
        "-days",
        "3650",
    ]
    words += ["-keyout", f"{folder}/{who}.key", "-out", f"{folder}/{who}.crt", "-subj", f"/CN={who}"]
    subprocess.run(words, check=True, capture_output=True)
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert((folder / f"{who}.crt").read_text())).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
