"""A real nginx of Debian beside ours, and what can be seen of a server from outside."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

NGINX = shutil.which("nginx") or ("/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else None)
QUIET = 0.25
"""Seconds without anything after which a connection counts as left open."""

CONFIG = """
daemon off;
master_process off;
error_log {folder}/error.log crit;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_prefer_server_ciphers on;
    {settings}
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        root {site};
        index index.html;
        {server}
    }}
}}
"""


class Nginx:
    """nginx with this folder, on a plain port and one for TLS."""

    def __init__(
        self, folder: Path, site: Path, cert: Path, key: Path, settings: str = "", server: str = ""
    ) -> None:
        assert NGINX is not None
        folder.mkdir(exist_ok=True)
        self.plain, self.tls = free_port(), free_port()
        config = folder / "nginx.conf"
        config.write_text(
            CONFIG.format(
                folder=folder,
                site=site,
                cert=cert,
                key=key,
                plain=self.plain,
                tls=self.tls,
                settings=settings,
                server=server,
            )
        )
        self._process = subprocess.Popen(
            [NGINX, "-c", str(config), "-e", str(folder / "early.log"), "-p", str(folder)]
        )
        for port in (self.plain, self.tls):
            wait_for_port(port)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < end, "nothing listens"
            time.sleep(0.05)
        else:
            return


@dataclass(frozen=True)
class Seen:
    """What a prober has seen: bytes, and how it ended: "open", "end" (FIN), "reset"; over TLS also whether a farewell came.
    `late`: what bytes that were sent after the end met."""

    heard: bytes
    ended: str
    farewell: bool = False
    late: str = ""


def probe(
    port: int,
    *pieces: bytes,
    tls: bool = False,
    pause: float = 0.05,
    late: bool = False,
    quiet: float = QUIET,
) -> Seen:
    """Send these pieces on a new connection, and look at what happens."""
    raw = socket.create_connection(("127.0.0.1", port), 10)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    talk = _Tls(raw) if tls else _Plain(raw)
    try:
        if tls:
            talk.shake_hands()
        for n, piece in enumerate(pieces):
            if n:
                time.sleep(pause)
            talk.send(piece)
        heard, ended, farewell = talk.hear(quiet)
        after = ""
        if late and ended == "end":
            after = _late(raw)
        return Seen(heard, ended, farewell, after)
    finally:
        raw.close()


def _late(raw: socket.socket) -> str:
    """Whether a server that has ended its side still listens."""
    try:
        for _ in range(3):
            raw.sendall(b"x")
            time.sleep(0.05)
    except OSError:
        return "refused"
    return "heard"


class _Plain:
    def __init__(self, raw: socket.socket) -> None:
        self.raw = raw

    def shake_hands(self) -> None:
        pass

    def send(self, data: bytes) -> None:
        try:
            self.raw.sendall(data)
        except OSError:
            pass  # it has ended already; what was said before is still to be read

    def receive(self) -> bytes:
        return self.raw.recv(65536)

    def hear(self, quiet: float) -> tuple[bytes, str, bool]:
        heard = b""
        self.raw.settimeout(quiet)
        while True:
            try:
                data = self.raw.recv(65536)
            except TimeoutError:
                return heard, "open", False
            except OSError:
                return heard, "reset", False
            if not data:
                return heard, "end", False
            heard += data


class _Tls(_Plain):
    def __init__(self, raw: socket.socket) -> None:
        super().__init__(raw)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["http/1.1"])
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="site.example")

    def shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                data = self.raw.recv(65536)
                assert data, "no handshake"
                self._in.write(data)
            else:
                self._flush()
                return

    def _flush(self) -> None:
        super().send(self._out.read())

    def send(self, data: bytes) -> None:
        self._tls.write(data)
        self._flush()

    def hear(self, quiet: float) -> tuple[bytes, str, bool]:
        heard, farewell, ended = b"", False, ""
        self.raw.settimeout(quiet)
        while not ended:
            try:
                data = self.raw.recv(65536)
                if data:
                    self._in.write(data)
                else:
                    ended = "end"
            except TimeoutError:
                ended = "open"
            except OSError:
                ended = "reset"
            while True:
                try:
                    part = self._tls.read(65536)
                except ssl.SSLWantReadError:
                    break
                except ssl.SSLZeroReturnError:
                    farewell = True
                    break
                if not part:
                    farewell = True
                    break
                heard += part
        return heard, ended, farewell


Look = Callable[[int], Seen]
"""Probes the server at a port."""


def differences(
    looks: dict[str, Look], model: int, others: Sequence[int], at_a_time: int = 8
) -> dict[str, dict[int, Seen]]:
    """The probes that see something else at one of the other ports than at the model's. A busy machine is late now and then: what
    differs is looked at twice more, alone."""

    def once(look: Look) -> dict[int, Seen] | None:
        with ThreadPoolExecutor(1 + len(others)) as side_by_side:
            ports = (model, *others)
            seen = dict(
                zip(ports, side_by_side.map(lambda port: unnamed(look(port), port), ports), strict=True)
            )
        return None if all(seen[port] == seen[model] for port in others) else seen

    with ThreadPoolExecutor(at_a_time) as pool:
        first = dict(zip(looks, pool.map(once, looks.values()), strict=True))
    found: dict[str, dict[int, Seen]] = {}
    for name, seen in first.items():
        again = seen and once(looks[name]) and once(looks[name])
        if again:
            found[name] = again
    return found


def unnamed(seen: Seen, port: int) -> Seen:
    """Without what differs between two runs of the same server: date, port, boundaries, and what of a handshake is chance."""
    heard = re.sub(rb"Date: [^\r]*", b"Date: now", seen.heard)
    heard = re.sub(rb"[0-9]{20}", b"(a boundary)", heard).replace(b":%d/" % port, b":port/")
    if heard[:1] == b"\x16":
        heard = _shape(heard)
    return Seen(heard, seen.ended, seen.farewell, seen.late)


def _shape(flight: bytes) -> bytes:
    """A server's first flight: its hello without chance, and kind, version and length of each record behind it."""
    size = int.from_bytes(flight[3:5], "big")
    hello, rest = bytearray(flight[5 : 5 + size]), flight[5 + size :]
    hello[6:38] = bytes(32)
    share = hello.find(b"\x00\x33\x00\x24\x00\x1d\x00\x20")
    if share >= 0:
        hello[share + 8 : share + 40] = bytes(32)
    else:
        hello[39 : 39 + hello[38]] = bytes(hello[38])  # TLS 1.2: the id of the session is chance
    records = []
    while len(rest) >= 5:
        size = int.from_bytes(rest[3:5], "big")
        records.append((rest[0], rest[1:3].hex(), size))
        rest = rest[5 + size :]
    return bytes(hello) + repr(records).encode()


def shown(found: dict[str, dict[int, Seen]]) -> str:
    """Differences, for who reads a failed test."""
    return "\n".join(
        f"{name}\n" + "\n".join(f"    {port}: {seen}" for port, seen in all_seen.items())
        for name, all_seen in found.items()
    )
