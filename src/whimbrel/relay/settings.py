"""What a relay is told by its operator, and the limits it holds everybody to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

DAY = 86_400
MEBIBYTE = 1024 * 1024
GIBIBYTE = 1024 * MEBIBYTE


@dataclass(frozen=True, slots=True)
class Limits:
    """Every number that a relay refuses, delays or forgets by. Times in seconds, sizes in bytes."""

    # How long things live (FORMATS: 30, 400 and 60 days); the last turn's records always.
    entry_life: int = 30 * DAY
    advance_life: int = 400 * DAY
    id_life: int = 60 * DAY
    blob_life: int = 30 * DAY
    upload_life: int = 7 * DAY
    """An upload that is not whole is given up so long after its last chunk."""
    watch_set_life: int = 7 * DAY

    # Space.
    log_bytes: int = 64 * MEBIBYTE
    """Entries of one log, `RECORD_COST` for each included."""
    log_reserve: int = 2 * MEBIBYTE
    """What proven admins may go beyond it, so that a flooder can always be removed."""
    log_blobs: int = 20 * GIBIBYTE
    """Blobs put to one log."""
    blob_bytes: int = 2_250_000_000
    """As `wire.keydoc` takes for usual: a file of 2 GB, padded and sealed."""
    admission_bytes: int = 20 * GIBIBYTE
    """Blobs under one admission (its logs' blobs included) that names no number of its own."""
    admission_logs: int = 100_000
    disk_reserve: int = 256 * MEBIBYTE
    """Free space on the disk below which nothing more is taken."""

    # Pace.
    advance_burst: int = 10
    advance_every: int = 60
    """Advances of a log by those who are no admins: a burst, then one in so many seconds."""
    create_burst: int = 20_000
    create_every: float = 0.02
    """Logs made under one first link of an admission: all who use the relay's address share it. What it holds back is
    making and dropping logs in a circle, each of which leaves an id behind."""
    signal_burst: int = 60
    signal_every: float = 0.05
    """Signals of one session, or of one letter."""

    # What one answer holds.
    answer_bytes: int = 1_100_000
    """What fits a letter or frame (`wire.codec.MESSAGE_MAX`), with some room left: sixteen chunks, or about as much.
    Records and chunks in the answers to one letter or frame; what is beyond is `more` or `busy`."""
    fetch_records: int = 500
    signal_bytes: int = 16 * 1024

    # Who is connected.
    connections: int = 20_000
    watch_items: int = 2_000
    """Logs in one watch set."""
    watch_sets: int = 100_000
    watch_items_all: int = 1_000_000
    hold: int = 25
    """An exchange with `wait` is held so long at most: below the patience of proxies (nginx: 60 s, some 30 s)."""
    held: int = 5_000
    """Exchanges held at a time."""
    unanswered: int = 64
    """Requests of one stream under way; beyond, its bytes stay in the socket."""
    upload_queue: int = 32 * MEBIBYTE
    """Chunks on their way to the disk."""
    pieces_life: int = 120
    """A letter in pieces is forgotten so long after its last new piece, and its answer so long after it was made: some
    time for ways that allow four connections a minute."""
    pieces_bytes: int = 64 * MEBIBYTE
    """Letters in pieces, and their answers, in memory."""
    pieces_share: int = 32 * MEBIBYTE
    """The same, begun from one address: a bridge or proxy has many behind it, so it is a large part."""

    # Slow clients.
    head_timeout: int = 60
    body_timeout: int = 60
    keep_alive: int = 75
    """As nginx does by default."""
    write_high: int = 512 * 1024
    """Bytes waiting for one client above which nothing more is read from it or pushed to it."""
    write_timeout: int = 30
    """A client whose waiting bytes have not gone down below the low mark by then is cut off."""
    ping_every: int = 50
    """Silence after which a stream is pinged: below the 60 s after which many proxies and NATs forget."""
    silence: int = 160
    """Silence after which a stream is cut off."""
    tend_every: int = 10
    """Each stream is looked after once in so many seconds, a part of them in each: none has all of them."""
    drain: int = 10
    """How long streams have to close after SIGTERM."""


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """How a relay is run. `port` 0: the one in the data folder, or a free one that is then kept there."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 0
    cert: Path | None = None
    key: Path | None = None
    site: Path | None = None
    metrics_port: int | None = None
    public: tuple[str, ...] = ()
    """Ways to this relay from outside, as text; without any, the address has the one that it listens on."""
    ways: tuple[str, ...] = ()
    """Address texts of bridges that lead here: their ways stand behind the relay's own in its address."""
    limits: Limits = field(default_factory=Limits)
