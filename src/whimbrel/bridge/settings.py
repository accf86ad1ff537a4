"""What a bridge is told by its operator, and the limits it holds everybody to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Every number that a bridge refuses, slows or cuts off by. Times in seconds, sizes in bytes.

    A *client* is an address (IPv6: a /64). Whole towns stand behind one address of their provider, so the numbers for one
    client are for a few hundred people: they keep one machine from taking everything, not one person from talking much.
    """

    connections: int = 8_000
    """Of all clients. Each session has a second one, to the relay."""
    client_connections: int = 512
    client_rate: int = 4 * MEBIBYTE
    """Bytes a second of one client, both ways together."""
    client_burst: int = 16 * MEBIBYTE
    """Bytes that go at full speed after a silence."""
    client_letters: int = 256
    """Letters of one client under way. An app that watches by letters has one held all the time."""
    letters: int = 4_000
    letter_bytes: int = 128 * MEBIBYTE
    """Of all letters and answers that are in memory; beyond, a client is told to come again."""

    connect_timeout: int = 10
    """To a relay, its TLS included."""
    letter_timeout: int = 55
    """Until a relay has answered a letter: it holds some for 25 s. Below the 60 s of proxies."""
    kept: int = 10
    """A connection to a relay is used for another letter within so many seconds: well below the relay's own 75."""
    kept_connections: int = 64

    head_timeout: int = 60
    body_timeout: int = 60
    keep_alive: int = 75
    """As nginx does by default, all three."""
    write_high: int = 64 * 1024
    """Bytes waiting for one side of a session above which nothing more is read from the other."""
    write_timeout: int = 30
    """A side whose waiting bytes have not gone down by then is cut off."""
    people: int | None = None
    """Who may be there at once: paths, each from so many networks as it is used from. None: as many as come."""
    networks_each: int | None = None
    """From how many networks at once one path that was handed on is used at most: one contact, or whoever has their path, does not take all places."""
    day_bytes: int | None = None
    """Bytes a day, of those that come in and those that go out together. Then sessions end and nothing more is taken until tomorrow."""
    keep_every: int = 10
    """Between two times that the numbers of the day are written down."""
    silence: int = 200
    """Nothing from one side for so long: the session is cut off. A relay pings every 50 s, and gives up after 160."""
    drain: int = 5


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """How a bridge is run. `to`: the texts of the relays. `port` 0: the one in the data folder, or a free one that is kept there."""

    data: Path
    to: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int = 0
    cert: Path | None = None
    key: Path | None = None
    site: Path | None = None
    public: tuple[str, ...] = ()
    authority: Path | None = None
    """A PEM file with the only certificates to trust at the relays, in place of the system's."""
    self_signed: bool = False
    """TLS with a certificate of its own making, whose key the texts name: for a bridge without a name."""
    outside: bool = False
    """It leads to addresses of the internet alone, never into a private network."""
    behind: bool = False
    """Behind a front of the operator's own, which says in X-Forwarded-For who asks."""
    limits: Limits = field(default_factory=Limits)
