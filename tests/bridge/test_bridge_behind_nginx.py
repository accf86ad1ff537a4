"""A bridge and a relay behind nginx, set up as their pages say."""

import asyncio
import os
import re
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from relay.test_relay_disguise import certificate
from support.homes import BridgeProcess, RelayProcess
from support.nginx import NGINX, Nginx, free_port, probe
from support.relay_client import Place
from whimbrel.wire.operations import Stat
from whimbrel.wire.paths import parse_path
from whimbrel.wire.texts import parse_address

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(NGINX is None, reason="nginx is missing: apt-get install nginx"),
]

PAGES = Path(__file__).parent.parent.parent / "docs" / "howto"


def shown(page: str) -> str:
    """The location that a page shows for nginx."""
    found = re.search(r"^    location .*?^    }", (PAGES / page).read_text(), re.MULTILINE | re.DOTALL)
    assert found
    return textwrap.dedent(found[0])


def front(tmp_path: Path, location: str) -> Nginx:
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("the site of the front")
    return Nginx(tmp_path / "nginx", site, *certificate(tmp_path), server=location)


def by(nginx: Nginx, text: str) -> str:
    """The address, by the front's plain port."""
    address = parse_address(text)
    here = (replace(route, transport="ws", host="127.0.0.1", port=nginx.plain) for route in address.routes)
    return replace(address, routes=tuple(here)).text


def handed_on(text: str) -> str:
    """As a friend has it."""
    address = parse_address(text)
    paths = [parse_path(route.path).handed_on(b"to bo").text for route in address.routes]
    routes = (replace(route, path=path) for route, path in zip(address.routes, paths, strict=True))
    return replace(address, routes=tuple(routes)).text


async def leads_there(text: str) -> bool:
    """Whether letters and sessions come to the relay of this address."""
    place = Place(text)
    assert (await asyncio.to_thread(place.keys)).identity == place.address.relay
    assert await asyncio.to_thread(place.exchange, Stat(os.urandom(32)))
    async with place.stream(Stat(os.urandom(32))) as stream:
        return bool(await stream.ask(Stat(os.urandom(32))))


async def test_a_bridge_works_behind_nginx_as_its_page_shows_it(tmp_path: Path) -> None:
    listen = f"127.0.0.1:{free_port()}"
    words = ["--public", "wss://site.example", "--behind"]
    with (
        RelayProcess(tmp_path / "relay") as relay,
        BridgeProcess(tmp_path / "bridge", relay.address, listen=listen, words=words) as bridge,
    ):
        path = parse_address(bridge.address).routes[0].path
        location = shown("bridge.md").replace("/THE-PLACE", path[:9]).replace("127.0.0.1:8441", listen)
        assert path[:9] in location
        assert listen in location
        nginx = front(tmp_path, location)
        try:
            assert await leads_there(by(nginx, bridge.address))
            assert await leads_there(by(nginx, handed_on(bridge.address)))
            home = probe(nginx.plain, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").heard
            assert home.endswith(b"the site of the front")
            bridge.end()
            gone = probe(nginx.plain, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).heard
            assert gone.startswith(b"HTTP/1.1 502 ")
        finally:
            nginx.close()


async def test_a_relay_works_behind_nginx_as_its_page_shows_it(tmp_path: Path) -> None:
    listen = f"127.0.0.1:{free_port()}"
    with RelayProcess(tmp_path / "relay", listen, words=["--public", "wss://relay.example"]) as relay:
        location = shown("relay.md").replace("127.0.0.1:8440", listen)
        assert listen in location
        nginx = front(tmp_path, location)
        try:
            assert await leads_there(by(nginx, relay.address))
        finally:
            nginx.close()
