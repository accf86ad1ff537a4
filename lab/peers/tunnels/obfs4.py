"""obfs4 by obfs4proxy, without Tor: ptadapter runs it as a tunnel with two ends."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys

from lab import world
from lab.city import City
from lab.namespaces import search_path
from lab.peers import config
from lab.peers.programs import Programs
from lab.peers.tunnels.tunnel import ADDRESS, ENTRANCE_PORT, FAR_PORT, HOST, Entrance, Tunnel
from lab.people import until


class Obfs4(Tunnel):
    name = "obfs4"
    title = "obfs4"
    about = "obfs4proxy on both sides as ptadapter runs it, port 443. It begins with random bytes."
    by_hand = "get the line of another bridge from somebody, and enter it on both devices"
    files = ("obfs4-server.ini", "obfs4-client.ini")

    def missing(self) -> str | None:
        if importlib.util.find_spec("ptadapter") is None:
            return "the package ptadapter (`make .setup/peers` installs it)"
        return None if _program() else "the program obfs4proxy (`.ci/tools lab` installs it)"

    def serve(self, city: City, programs: Programs) -> None:
        folder = programs.folder("obfs4-server")
        # A pluggable transport is given an address, not a name.
        far = world.CHAT.addresses[0]
        path = config.write(
            folder, "obfs4-server.ini", program=_program(), state=folder / "state", far=far, far_port=FAR_PORT
        )
        (folder / "state").mkdir()
        server = programs.start(
            "obfs4-server", HOST.name, [sys.executable, "-m", "ptadapter", "-S", "-v", path]
        )
        programs.until_listening(server, HOST.name, 443)
        line = folder / "state" / "obfs4_bridgeline.txt"
        found = until(
            lambda: line.exists() and re.search(r"cert=(\S+)", line.read_text()),
            "obfs4proxy has no bridge line",
        )
        assert found
        self._cert = found[1]

    def enter(self, city: City, programs: Programs, place: str) -> Entrance:
        folder = programs.folder(f"obfs4-{place}")
        (folder / "state").mkdir()
        path = config.write(
            folder,
            "obfs4-client.ini",
            program=_program(),
            state=folder / "state",
            listen_port=ENTRANCE_PORT,
            address=ADDRESS,
            cert=self._cert,
        )
        client = programs.start(
            f"obfs4-{place}", place, [sys.executable, "-m", "ptadapter", "-C", "-v", path]
        )
        programs.until_listening(client, place, ENTRANCE_PORT)
        return Entrance("127.0.0.1", ENTRANCE_PORT)


def _program() -> str | None:
    return shutil.which("lyrebird", path=search_path()) or shutil.which("obfs4proxy", path=search_path())
