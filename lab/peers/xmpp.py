"""XMPP: prosody as Debian has it, and slixmpp. By its name over TLS, or through a tunnel."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from lab import world
from lab.city import City
from lab.namespaces import LabError
from lab.peers import config
from lab.peers.peer import Correspondent, Peer
from lab.peers.programs import Programs, lacking
from lab.peers.tunnels import TUNNELS, Entrance, Tunnel
from lab.talk import Arrived, Sent

NAME = next(iter(world.CHAT.names))
PORT = 443
_UP_S = 30.0
_PASSWORD = "correct horse battery staple"


class XmppPerson:
    """The client of somebody, told what to do over a pipe."""

    def __init__(self, city: City, place: str, name: str, entrance: Entrance, way: str, folder: Path) -> None:
        self.place, self.name = place, name
        self.arrived: list[Arrived] = []
        self._way = way
        self._said = 0
        self._acknowledged = 0
        self._up = threading.Event()
        self._files: dict[str, Path] = {}
        self._folder = folder
        words = [sys.executable, "-m", "lab.peers.clients.xmpp_client", f"{name.lower()}@{NAME}", _PASSWORD]
        log = (city.folder / "log" / f"xmpp-{name}").open("wb")
        with log:
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", city.ground.name(place), *words, entrance.host, str(entrance.port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=city.environment({"PYTHONPATH": os.pathsep.join(sys.path)}),
                cwd=folder,
                text=True,
                bufsize=1,
            )
        self._log = Path(log.name)
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if "up" in told:
                (self._up.set if told["up"] else self._up.clear)()
            elif "arrived" in told:
                self.arrived.append(Arrived(told["arrived"], told["at"]))
            elif "acknowledged" in told:
                self._acknowledged += 1
            elif "file" in told:
                self._files[told["file"]] = Path(told["path"])

    def wait_until_up(self) -> None:
        if not self._up.wait(_UP_S):
            raise LabError(f"{self.name}'s XMPP client does not come up: {self._log.read_text()[-2000:]}")

    def say(self, chat: str, text: str) -> Sent:
        sent = Sent(text, time.monotonic())
        self._said += 1
        self._tell(to=f"{chat.lower()}@{NAME}", say=text)
        return sent

    def _tell(self, **what: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")

    def waiting(self) -> int:
        return self._said - self._acknowledged

    def way(self) -> str | None:
        return self._way if self._up.is_set() else None

    def send_file(self, other: Correspondent, size: int, patience: float) -> float | None:
        assert isinstance(other, XmppPerson)
        path = self._folder / f"file-{os.urandom(4).hex()}.bin"
        path.write_bytes(os.urandom(size))
        begun = time.monotonic()
        self._tell(to=f"{other.name.lower()}@{NAME}", file=str(path))
        while time.monotonic() < begun + patience:
            if path.name in other._files:
                took = time.monotonic() - begun
                if other._files[path.name].read_bytes() != path.read_bytes():
                    raise LabError("a file came out other than it went in")
                return took
            time.sleep(0.05)
        return None

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._listening.join(5.0)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


class Xmpp(Peer):
    """By name, or with a tunnel through it."""

    def __init__(self, place: int, tunnel: Tunnel | None = None) -> None:
        self.place = place
        self._tunnel = tunnel
        self.name = "xmpp" if tunnel is None else f"xmpp-{tunnel.name}"
        self.title = "XMPP" if tunnel is None else f"XMPP, {tunnel.title}"
        self.about = (
            "prosody and slixmpp by name over direct TLS on 443 (XEP-0368), with stream management (XEP-0198) and offline messages."
            if tunnel is None
            else tunnel.about
        )
        self.by_hand = (
            "get an account on another server, or a tunnel, and set it up on both devices"
            if tunnel is None
            else tunnel.by_hand
        )

    def missing(self) -> str | None:
        if importlib.util.find_spec("slixmpp") is None:
            return "the package slixmpp (`make .setup/peers` installs it)"
        return lacking("prosody", "prosodyctl") or (self._tunnel.missing() if self._tunnel else None)

    def configs(self) -> Mapping[str, str]:
        if self._tunnel is not None:
            return self._tunnel.configs()
        return {"prosody.cfg.lua": config.template("prosody.cfg.lua")}

    @contextmanager
    def people(self, city: City, mark: str) -> Iterator[tuple[Correspondent, Correspondent]]:
        names = {place: f"{place.capitalize()}{mark}" for place in ("ada", "bo")}
        with Programs(city) as programs:
            folder = programs.folder("xmpp")
            _serve(city, programs, folder, [name.lower() for name in names.values()])
            entrances = dict.fromkeys(names, Entrance(NAME, PORT))
            if self._tunnel is not None:
                self._tunnel.serve(city, programs)
                entrances = {place: self._tunnel.enter(city, programs, place) for place in names}
            pair = []
            for place, name in names.items():
                one = XmppPerson(city, place, name, entrances[place], self.name, folder)
                programs.until_the_end.callback(one.stop)
                pair.append(one)
            for one in pair:
                one.wait_until_up()
            yield pair[0], pair[1]


def _serve(city: City, programs: Programs, folder: Path, people: list[str]) -> None:
    """prosody, with accounts for them."""
    host = world.CHAT
    issued = city.authority.issue(host.name, [*host.names])
    (folder / "data").mkdir()
    path = config.write(folder, "prosody.cfg.lua", folder=folder, chain=issued.chain, key=issued.key)

    def register(name: str) -> None:
        programs.run(host.name, ["prosodyctl", "--root", "--config", path, "register", name, NAME, _PASSWORD])

    with ThreadPoolExecutor() as at_once:
        list(at_once.map(register, people))
    server = programs.start("prosody", host.name, ["prosody", "--root", "--config", path, "-F"])
    programs.until_listening(server, host.name, PORT)


PEERS = (Xmpp(10), *(Xmpp(20 + number, tunnel) for number, tunnel in enumerate(TUNNELS)))
