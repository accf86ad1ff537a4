"""What carries an XMPP client through something else: a server at the tunnel's host, a client beside the person's program."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lab import world
from lab.ca import Certificate
from lab.city import City
from lab.namespaces import ETC
from lab.peers import config
from lab.peers.programs import Programs

HOST = world.TUNNEL
ADDRESS = HOST.addresses[0]
NAME = next(iter(HOST.names))
"""For tunnels that show one; no list has it."""
FAR = next(iter(world.CHAT.names))
"""Where a tunnel leads."""
FAR_PORT = 443
FOREIGN_RESOLVER = world.RESOLVERS.addresses[0]
ENTRANCE_PORT = 5223
"""At 127.0.0.1 of a person, for programs that hand on a port."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where the person's program connects to in place of the server."""

    host: str
    port: int


class Tunnel(ABC):
    name: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]
    by_hand: ClassVar[str] = (
        "get the address and the key of another server from somebody, and enter them on both devices"
    )
    patience: ClassVar[float] = 0.0
    """As that of a `Peer`."""
    files: ClassVar[tuple[str, ...]]
    """Of `configs/`."""

    @abstractmethod
    def missing(self) -> str | None: ...

    @abstractmethod
    def serve(self, city: City, programs: Programs) -> None:
        """Start the server, until it takes connections."""

    @abstractmethod
    def enter(self, city: City, programs: Programs, place: str) -> Entrance:
        """Start the client of a person. After `serve`."""

    def configs(self) -> Mapping[str, str]:
        return {name: config.template(name) for name in self.files}


def certificate(city: City) -> Certificate:
    """Of the tunnel's name and address."""
    return city.authority.issue(HOST.name, [*HOST.names], HOST.addresses)


def resolving_at(city: City, programs: Programs, place: str, resolver: str = FOREIGN_RESOLVER) -> None:
    """Have the system of a place ask this resolver until the run ends: a server abroad, or a person whose VPN says so."""
    path = ETC / city.ground.name(place) / "resolv.conf"
    programs.until_the_end.enter_context(_written(path, f"nameserver {resolver}\n"))


@contextmanager
def _written(path: Path, text: str) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text() if path.exists() else None
    path.write_text(text)
    try:
        yield
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before)


def forward_for(city: City, programs: Programs, net: str) -> None:
    """Have the tunnel's host forward for people of an inner net, under its own address, until the run ends."""
    rule = f"POSTROUTING -s {net} -o eth0 -j MASQUERADE"
    programs.run(HOST.name, ["sysctl", "-qw", "net.ipv4.ip_forward=1"])
    programs.run(HOST.name, ["iptables", "-w", "-t", "nat", "-A", *rule.split()])
    programs.until_the_end.callback(
        programs.run, HOST.name, ["iptables", "-w", "-t", "nat", "-D", *rule.split()]
    )
