"""How much memory does an idle session cost that watches three logs, at 5,000 and at 19,000, beside XMPP servers?

Ours: each session is a sealed stream that watches three logs of its own with an entry each, without TLS, and then again with
TLS inside the relay. Theirs: each session is a user of its own, logged in without TLS, bound,
present, with stream management and carbons, as clients of today are; no contacts. Then all are silent. What counts is how much
the server has grown since its warm-up, divided by the sessions; the smallest of several seconds. Sockets in the kernel come on top
(4 to 5 KB each, the same for every server).
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from _contest import TROUBLE, entry
from _record import Figure, tell
from _relay import CORES, LogOf, RelayProcess, ask_document, open_session
from peers import xmpp
from peers.ejabberd import Ejabberd
from peers.process import family, resident
from peers.prosody import Prosody
from whimbrel.relay.keys import open_secrets
from whimbrel.wire.admission import Limits, encode_admission, mint
from whimbrel.wire.answers import Failure, Fetched
from whimbrel.wire.operations import Append, Create, Watch, WatchItem

LOGS = 3
WARM = 300
"""Sessions that come and go before anything is measured, so that what every server needs after its first minute (code,
caches of its database) is not counted as theirs."""
AT_ONCE = 16
QUIET = 5
"""Seconds without a new smallest value after which the last one counts."""
LOGS_AT_ONCE = 30
OF_ADMISSION = 15_000
"""Logs made under one admission: the relay holds back whoever makes more than 20,000 at a stretch."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, nargs="+", default=[5000, 19_000])
    parser.add_argument("--only", nargs="*", help="whimbrel, tls, ejabberd, prosody")
    args = parser.parse_args()
    sizes: list[int] = sorted(args.sessions)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sizes = [size for size in sizes if size + WARM < hard - 100]
    os.sched_setaffinity(0, {CORES[-1]})
    figures: list[Figure] = []
    versions: dict[str, str | None] = {}
    absent: dict[str, str] = {}
    data = tempfile.TemporaryDirectory()
    if not args.only or {"whimbrel", "tls"} & set(args.only):
        print(f"  (making {LOGS * (WARM + max(sizes)):,} logs)", flush=True)
        make_logs(Path(data.name), WARM + max(sizes))
    for key, name, make in (
        ("whimbrel", "whimbrel relay", lambda folder: Ours(folder, Path(data.name), False)),
        ("tls", "whimbrel relay with TLS inside", lambda folder: Ours(folder, Path(data.name), True)),
        ("ejabberd", "ejabberd", lambda folder: OfEjabberd(folder, max(sizes))),
        ("prosody", "prosody", lambda folder: OfProsody(folder, max(sizes))),
    ):
        if args.only and key not in args.only:
            continue
        try:
            with tempfile.TemporaryDirectory() as folder:
                one = make(Path(folder))
                try:
                    versions |= one.versions
                    figures += grown(name, one, sizes, 8 if key == "whimbrel" else None)
                finally:
                    one.stop()
        except TROUBLE as error:
            if key in ("whimbrel", "tls"):
                raise
            absent[name] = f"{type(error).__name__}: {error}"
            print(f"  {name}: left out: {absent[name]}", flush=True)
    tell("relay_memory", figures, sizes=sizes, logs=LOGS, peers=versions, absent=absent)


def make_logs(data: Path, sessions: int) -> None:
    """Three logs with an entry each for every session, in a data folder for the relays to come."""
    relay = RelayProcess(data, CORES[0])
    try:
        document = ask_document(relay.address)
        root = open_secrets(data).root

        def some(first: int) -> None:
            logs = [LogOf(n) for n in range(first, min(first + LOGS_AT_ONCE, sessions * LOGS))]
            for operations in (
                [Create(log.body, admissions[first // OF_ADMISSION]) for log in logs],
                [Append(log.id, log.write, 0, (entry(),)) for log in logs],
            ):
                sock, _, answers = open_session(relay.address, document, list(operations))
                assert not any(isinstance(answer, Failure) for answer in answers), answers
                sock.close()

        # As many admissions as an operator would give out for so many people.
        needed = sessions * LOGS // OF_ADMISSION + 1
        admissions = [encode_admission(mint(root, os.urandom(8), Limits())) for _ in range(needed)]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(some, range(0, sessions * LOGS, LOGS_AT_ONCE)))
    finally:
        relay.stop()


class Ours:
    """Our relay, and what a session of it does."""

    def __init__(self, folder: Path, data: Path, tls: bool) -> None:
        words: list[str] = []
        self.tls = None
        if tls:
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-subj", "/CN=localhost", "-days", "2", "-out", folder / "cert.pem", "-keyout", folder / "key.pem"],
                check=True,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
            words = ["--cert", str(folder / "cert.pem"), "--key", str(folder / "key.pem")]
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE
        self.relay = RelayProcess(data, CORES[0], *words)
        self.document = ask_document(self.relay.address, self.tls)
        self.versions: dict[str, str | None] = {}

    def pids(self) -> list[int]:
        return family(self.relay.process.pid)

    def session(self, number: int) -> socket.socket:
        logs = [LogOf(number * LOGS + i) for i in range(LOGS)]
        operations = [Watch(items=tuple(WatchItem(i, log.id, log.read, 0) for i, log in enumerate(logs)))]
        sock, _, answers = open_session(self.relay.address, self.document, operations, self.tls)
        [watched] = answers
        results = watched.results
        assert len(results) == LOGS
        assert all(isinstance(fetched, Fetched) and fetched.records for _, fetched in results)
        return sock

    def stop(self) -> None:
        self.relay.stop()


class OfEjabberd:
    def __init__(self, folder: Path, sessions: int) -> None:
        self.server: Ejabberd | Prosody = Ejabberd(folder, CORES[0])
        self.versions = self.server.versions
        xmpp.register(self.server.port, users(sessions))

    def pids(self) -> list[int]:
        return self.server.pids()

    def session(self, number: int) -> socket.socket:
        return xmpp.login(self.server.port, f"u{number}", managed=True)

    def stop(self) -> None:
        self.server.stop()


class OfProsody(OfEjabberd):
    def __init__(self, folder: Path, sessions: int) -> None:
        self.server = Prosody(folder, CORES[0], users(sessions))
        self.versions = self.server.versions


def users(sessions: int) -> list[str]:
    return [f"u{number}" for number in range(WARM + sessions)]


def grown(name: str, one: Ours | OfEjabberd, sizes: Sequence[int], aim: float | None) -> list[Figure]:
    began = time.perf_counter()
    for sock in opened(one.session, 0, WARM):
        sock.close()
    warm, _ = settled(one)
    kept: list[socket.socket] = []
    figures = []
    for size in sizes:
        started = time.perf_counter()
        kept += opened(one.session, WARM + len(kept), size - len(kept))
        taken = time.perf_counter() - started
        rss, pss = settled(one)
        assert_open(kept)
        each = (rss - warm) / size / 1000
        print(f"  {name}: {size:,} sessions, {each:.2f} KB each (opened in {taken:.0f} s)", flush=True)
        figures.append(Figure(f"{name}: an idle session, of {size:,}", each, "KB", at_most=aim))
        figures.append(Figure("  the whole server, resident (RSS)", rss / 1e6, "MB"))
        figures.append(Figure("  the same, shared pages in parts (PSS)", pss / 1e6, "MB"))
    for sock in kept:
        sock.close()
    figures.append(Figure(f"{name}: after {WARM} sessions that are gone", warm / 1e6, "MB"))
    print(f"  ({time.perf_counter() - began:.0f} s)", flush=True)
    return figures


def opened(session: Callable[[int], socket.socket], first: int, count: int) -> list[socket.socket]:
    """So many sessions, some at a time."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(session, range(first, first + count)))


def settled(one: Ours | OfEjabberd) -> tuple[int, int]:
    """RSS and PSS when they do not fall any more: collectors and hibernation get their time."""
    least, since = resident(one.pids()), 0
    while since < QUIET:
        time.sleep(1)
        now = resident(one.pids())
        since = 0 if now[0] < least[0] * 0.998 else since + 1
        least = min(least, now)
    return least


def assert_open(sockets: Sequence[socket.socket]) -> None:
    for sock in sockets:
        raw = socket.socket(fileno=os.dup(sock.fileno()))
        try:
            assert raw.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT), "a session was ended by the server"
        except BlockingIOError:
            pass
        finally:
            raw.close()


if __name__ == "__main__":
    main()
