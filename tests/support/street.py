"""A street of web servers that show the same folder: Debian's nginx, a relay and a bridge, each with and without TLS."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support import probes
from support.homes import BridgeProcess, RelayProcess
from support.nginx import Nginx
from whimbrel.wire.texts import parse_address


@dataclass
class Street:
    """nginx, a relay and a bridge with the same folder: their ports, nginx's first."""

    plain: list[int]
    tls: list[int]


@contextmanager
def built(folder: Path) -> Iterator[Street]:
    """In this folder; they end with the context, and a fault in the log of one of ours fails it."""
    site, cert, key = folder / "site", folder / "cert.pem", folder / "key.pem"
    make_site(site)
    make_certificate(cert, key)
    tls = ["--cert", str(cert), "--key", str(key)]
    shows = ["--site", str(site)]
    nginx = Nginx(folder / "nginx", site, cert, key)
    try:
        with (
            RelayProcess(folder / "relay", words=shows) as relay,
            RelayProcess(folder / "relay-tls", words=[*shows, *tls]) as relay_tls,
            BridgeProcess(folder / "bridge", relay.address, words=shows) as bridge,
            BridgeProcess(folder / "bridge-tls", relay.address, words=[*shows, *tls]) as bridge_tls,
        ):
            yield Street(
                [nginx.plain, port_of(relay), bridge.port], [nginx.tls, port_of(relay_tls), bridge_tls.port]
            )
            for one in (relay, relay_tls, bridge, bridge_tls):
                assert one.program is not None
                assert "fault" not in one.program.errors()
    finally:
        nginx.close()


def port_of(relay: RelayProcess) -> int:
    return parse_address(relay.address).routes[0].port


def make_site(site: Path) -> None:
    for name in ("sub", "empty", "a b"):
        (site / name).mkdir(parents=True)
    for name in probes.ODD_NAMES:
        (site / name).mkdir()
        (site / name / "index.html").write_text("x")
    (site / "index.html").write_text("<html>a page that is long enough for all of this</html>" * 3)
    (site / "sub" / "index.html").write_text("sub")
    (site / "style.css").write_text("body{}" * (probes.STYLE_SIZE // 6))
    (site / "none").write_text("no ending")
    (site / "zero.txt").write_text("")
    (site / "big.bin").write_bytes(os.urandom(300_000))
    (site / "café.html").write_text("c")
    for path in site.rglob("*"):
        os.utime(path, (probes.STYLE_TIME, probes.STYLE_TIME))


def make_certificate(cert: Path, key: Path) -> None:
    """With RSA, whose signatures are all of one length."""
    words = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key} -out {cert}"
    subprocess.run(words.split(), check=True, capture_output=True)
