"""The demo's censor on real connections, its count of messages, and the doors of its page."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import aiohttp
import pytest
from test_demo_border import BRIDGE, RELAY, hello

from demo import place
from demo.border import Border
from demo.censor import Censor, Seen
from demo.server import FILES, Server
from demo.talk import Count
from demo.wire import ThroughCensor
from support.check_transport import fails
from whimbrel.link.trouble import Reason, Stage

SECRETS = {"Ada": "ada's", "Bo": "bo's"}


class Street:
    """A censor before one server that says everything twice."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.reached = 0
        self.port = 0

    def net(self, secret: str = SECRETS["Ada"]) -> ThroughCensor:
        return ThroughCensor(self.port, secret)

    async def twice(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reached += 1
        try:
            while data := await reader.read(65536):
                writer.write(2 * data)
                await writer.drain()
            writer.write(b"farewell")
        except OSError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def street(*on: str) -> AsyncIterator[tuple[Street, Censor]]:
    made = Street()
    server = await asyncio.start_server(made.twice, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    made.port = listening.getsockname()[1]
    censor = Censor(Border(Random(7)), SECRETS, dict.fromkeys((RELAY, BRIDGE), port), made.seen.append)
    for key in on:
        censor.switch(key, True)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(censor.serve(listening))
        yield made, censor
        serving.cancel()
    server.close()


async def test_what_is_said_goes_through_in_both_directions_and_each_ends_by_itself() -> None:
    async with street() as (made, censor):
        stream = await made.net().open(RELAY, 443)
        assert stream.peer_at_first == RELAY
        await stream.send(b"hello")
        assert await stream.receive() == b"hellohello"
        assert [flow.address for flow in censor.open_flows("Ada")] == [RELAY]
        assert censor.open_flows("Bo") == []
        await stream.end()
        assert await stream.receive() == b"farewell"
        assert await stream.receive() == b""
        await stream.close()
        assert [seen.what for seen in made.seen] == ["tried", "up"]


@pytest.mark.parametrize(
    "line",
    [
        b"somebody's open 203.0.113.10 443\n",
        b"ada's open 203.0.113.11 443\n",
        b"ada's open 127.0.0.1 443\n",
        b"ada's open 203.0.113.10 22\n",
        b"ada's open 203.0.113.10\n",
        b"ada's shut 203.0.113.10 443\n",
        b"ada's name\n",
        b"ada's name " + b"x" * 600 + b"\n",
        b"\xff\xff\xff\n",
        b"\n",
        b"ada's open 203.0.113.10 443",
        b"x" * 100_000,
    ],
)
async def test_whom_or_what_it_does_not_know_it_refuses(line: bytes) -> None:
    async with street() as (made, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        try:
            writer.write(line)
            writer.write_eof()
            assert await reader.read() == b""
        except ConnectionError:
            pass
        writer.close()
        assert made.reached == 0
        error = await fails(lambda: made.net("nobody's").open(RELAY, 443))
        assert (error.trouble.stage, error.trouble.reason) == (Stage.CONNECT, Reason.REFUSED)


async def test_names_are_answered_as_the_switches_say() -> None:
    async with street() as (made, censor):
        assert await made.net().look_up(place.RELAY_NAME) == list(place.RELAY)
        censor.switch("names", True)
        with pytest.raises(socket.gaierror):
            await made.net().look_up(place.RELAY_NAME)
        assert [seen.found for seen in made.seen] == [place.RELAY, ()]


async def test_a_reset_is_one_and_reaches_both_ends() -> None:
    async with street("reset") as (made, _):
        stream = await made.net().open(RELAY, 443)
        await stream.send(hello())
        error = await fails(stream.receive)
        assert error.trouble.reason is Reason.RESET
        await stream.close()
        assert [seen.what for seen in made.seen] == ["tried", "reset"]


async def test_what_is_cut_is_silent_and_not_closed() -> None:
    async with street() as (made, censor):
        stream = await made.net().open(BRIDGE, 443)
        await stream.send(b"one")
        assert await stream.receive() == b"oneone"
        censor.cut()
        await stream.send(b"two")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await stream.receive()
        assert censor.open_flows("Ada") == []
        await stream.close()
        other = await made.net().open(BRIDGE, 443)
        await other.send(b"three")
        assert await other.receive() == b"threethree"
        await other.close()


async def test_a_connection_that_is_not_let_through_stands_open_without_a_word() -> None:
    async with street("addresses") as (made, censor):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await made.net().open(RELAY, 443)
        opening = asyncio.ensure_future(made.net().open(RELAY, 443))  # noqa: TID251 - it is awaited here
        await asyncio.sleep(0.2)
        censor.switch("addresses", False)
        stream = await opening  # its opening packet is sent again a second later
        await stream.close()
        assert made.reached == 1


async def test_a_slow_line_is_slow() -> None:
    async with street("throttle") as (made, _):
        stream = await made.net().open(RELAY, 443)
        begun = asyncio.get_running_loop().time()
        await stream.send(b"x" * 8_750)  # half a second there, a whole one back, which begins meanwhile
        came = 0
        while came < 17_500:
            came += len(await stream.receive())
        assert 1.0 < asyncio.get_running_loop().time() - begun < 5.0
        await stream.close()


# ----------------------------------------------------------------------------------------- the count


def test_what_is_overtaken_is_lost_and_what_is_not_yet_there_is_on_the_way() -> None:
    count = Count()
    for number in range(5):
        count.wrote(str(number), float(number))
    assert (count.lost, count.waits, count.oldest_waiting()) == (0, 5, 0.0)
    count.came("0", "a")
    count.came("2", "c")
    assert (count.lost, count.waits) == (1, 3)
    count.came("1", "b")
    assert (count.lost, count.waits, count.oldest_waiting()) == (0, 2, 3.0)


def test_a_text_of_ours_that_comes_under_another_id_is_doubled() -> None:
    count = Count(said={"1. hello"})
    count.wrote("a", 0.0)
    count.came("a", "1. hello")
    count.came("a", "1. hello")
    assert count.doubled == 0
    count.came("b", "1. hello")
    count.came("c", "yes")
    count.came("d", "yes")
    assert count.doubled == 1, "what a visitor writes may be said twice"


def test_what_is_shown_at_the_other_side_first_has_arrived_all_the_same() -> None:
    count = Count()
    count.came("a", "yes")
    count.wrote("a", 0.0)
    count.wrote("a", 1.0)
    assert (count.written, count.arrived, count.waits, count.lost) == (1, 1, 0, 0)


# ------------------------------------------------------------------------------------- the page's doors


@pytest.fixture
async def page() -> AsyncIterator[Server]:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    server = Server(listening)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve())
        await asyncio.sleep(0.05)
        yield server
        serving.cancel()


async def asked(server: Server, path: str, method: str = "GET", **headers: str) -> aiohttp.ClientResponse:
    asking = aiohttp.request(method, server.origin + path, headers=headers, data=b"{}")
    async with asking as response:
        await response.read()
        return response


@pytest.mark.parametrize(
    "path", ["/api/people", "/api/events", "/api/link", "/api/switch", "/api/cut", "/api/talk"]
)
@pytest.mark.parametrize("token", [None, "", "x", "ü"])
async def test_nothing_is_told_or_done_without_the_token(page: Server, path: str, token: str | None) -> None:
    method = "GET" if path in ("/api/people", "/api/events") else "POST"
    given = {} if token is None else {"X-Demo": token}
    assert (await asked(page, path, method, **given)).status == 403


@pytest.mark.parametrize("path", [*FILES, "/api/people"])
async def test_other_names_and_other_sites_are_refused(page: Server, path: str) -> None:
    given = {"X-Demo": page.token}
    assert (
        await asked(page, path, Host=f"evil.example:{page.origin.rpartition(':')[2]}", **given)
    ).status == 421
    assert (await asked(page, path, Origin="http://evil.example", **given)).status == 403


@pytest.mark.parametrize("path", [*FILES, "/nothing", "/api/people"])
async def test_every_answer_forbids_what_the_page_does_not_need(page: Server, path: str) -> None:
    response = await asked(page, path)
    policy = response.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'none'"} <= set(
        policy
    )
    assert "unsafe" not in " ".join(policy)
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-store"
    assert page.token not in json.dumps(dict(response.headers))


def test_the_page_itself_holds_no_address_and_no_word_of_a_script() -> None:
    from demo.server import PAGE

    text = "".join((PAGE / name).read_text() for name, _ in FILES.values())
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text
    assert "innerHTML" not in text
