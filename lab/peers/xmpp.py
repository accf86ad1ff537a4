"""XMPP: prosody as Debian has it, and slixmpp. By its name over TLS, or through a tunnel."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from lab import world
from lab.city import City
from lab.peers import config
from lab.peers.peer import Correspondent, Peer
from lab.peers.person import PipedPerson
from lab.peers.programs import Programs, lacking
from lab.peers.tunnels import TUNNELS, Entrance, Tunnel

NAME = next(iter(world.CHAT.names))
PORT = 443
_PASSWORD = "correct horse battery staple"


class Xmpp(Peer):
    """By name, or with a tunnel through it."""

    def __init__(self, place: int, tunnel: Tunnel | None = None) -> None:
        self.place = place
        self._tunnel = tunnel
        self.name = "xmpp" if tunnel is None else f"xmpp-{tunnel.name}"
        self.patience = tunnel.patience if tunnel else 0.0
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
                client = ["lab.peers.clients.xmpp_client", f"{name.lower()}@{NAME}", _PASSWORD]
                client += [entrances[place].host, str(entrances[place].port)]
                one = PipedPerson(city, place, name, self.name, client, folder, at=f"@{NAME}")
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
