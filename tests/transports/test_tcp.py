"""TCP: the suite, addresses tried in turn, and where plain carriers may lead."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from transport_peers import listening, one_connection

from support.check_transport import BytePair, ByteStreamSuite, fails
from whimbrel.link.trouble import Reason, Stage
from whimbrel.transports import tcp
from whimbrel.transports.errors import of_os
from whimbrel.transports.policy import Where, is_private, is_public


class TestTcp(ByteStreamSuite):
    @asynccontextmanager
    async def pair(self) -> AsyncIterator[BytePair]:
        async with one_connection() as (port, came):
            yield BytePair(await tcp.connect("127.0.0.1", port), await came)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def nobody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_nobody_listening_is_refused_and_says_which_subnet_was_tried() -> None:
    error = await fails(lambda: tcp.connect("127.0.0.1", free_port()))
    assert (error.trouble.stage, error.trouble.reason) == (Stage.CONNECT, Reason.REFUSED)
    assert error.subnets == ("127.0.0.0/24",)


async def test_a_name_that_does_not_exist_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*arguments: object, **more: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known: relay.invalid")

    async def silent(*arguments: object, **more: object) -> list[object]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure: relay.invalid")

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "getaddrinfo", unknown)
    error = await fails(lambda: tcp.connect("relay.invalid", 443))
    assert (error.trouble.stage, error.trouble.reason) == (Stage.RESOLVE, Reason.NO_SUCH_NAME)
    assert "invalid" not in str(error)
    monkeypatch.setattr(loop, "getaddrinfo", silent)
    error = await fails(lambda: tcp.connect("relay.invalid", 443))
    assert (error.trouble.stage, error.trouble.reason) == (Stage.RESOLVE, Reason.NAME_FAILED)


async def test_a_name_too_long_for_any_resolver_is_no_name() -> None:
    error = await fails(lambda: tcp.connect("a" * 70 + ".example", 443))
    assert error.trouble.stage is Stage.RESOLVE


async def test_the_second_address_is_tried_when_the_first_refuses() -> None:
    async with listening(nobody) as port:
        stream = await tcp.connect("relay.example", port, known=["127.0.0.2", "127.0.0.1"])
        assert stream.peer == "127.0.0.1"
        assert stream.subnets == ("127.0.0.0/24", "127.0.0.0/24")
        await stream.close()


async def test_the_second_address_is_tried_beside_one_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    one = tcp._connect_one

    async def silent_first(address: str, port: int, sparing: bool) -> tcp.TcpStream:
        if address == "127.0.0.2":
            await asyncio.Event().wait()
        return await one(address, port, sparing)

    monkeypatch.setattr(tcp, "_connect_one", silent_first)
    async with listening(nobody) as port, asyncio.timeout(5):
        begun = asyncio.get_running_loop().time()
        stream = await tcp.connect("relay.example", port, known=["127.0.0.2", "127.0.0.1"])
        assert 0.2 < asyncio.get_running_loop().time() - begun < 1.0
        await stream.close()


async def test_a_cancelled_race_stays_cancelled_also_in_the_moment_of_winning() -> None:
    """A group that ended by an exception of the winner would forget the cancellation, and live on."""
    async with listening(nobody) as port:
        for rounds in range(12):
            async with asyncio.TaskGroup() as group:
                task = group.create_task(tcp.connect("127.0.0.1", port))
                for _ in range(rounds):
                    await asyncio.sleep(0)
                task.cancel()
            assert task.cancelled() or task.result() is not None
            if not task.cancelled():
                assert rounds > 2
                await task.result().close()


def test_families_take_turns() -> None:
    assert tcp.families_in_turn(["::1", "::2", "1.1.1.1", "2.2.2.2", "3.3.3.3"]) == [
        "::1",
        "1.1.1.1",
        "::2",
        "2.2.2.2",
        "3.3.3.3",
    ]


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("10.1.2.3", True),
        ("172.16.0.1", True),
        ("172.31.255.255", True),
        ("192.168.1.1", True),
        ("169.254.1.1", True),
        ("fe80::1", True),
        ("fe80::1%eth0", True),
        ("fd12:3456::1", True),
        ("::ffff:192.168.1.1", True),
        ("::ffff:8.8.8.8", False),
        ("8.8.8.8", False),
        ("172.32.0.1", False),
        ("100.64.0.1", False),
        ("192.0.2.1", False),
        ("0.0.0.0", False),
        ("2001:db8::1", False),
        ("::", False),
        ("relay.example", False),
        ("", False),
    ],
)
def test_what_counts_as_private(address: str, private: bool) -> None:
    assert is_private(address) is private


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("192.0.2.7", True),
        ("2001:db8::7", True),
        ("10.1.2.3", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.9", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:192.168.1.1", False),
        ("64:ff9b::a01:203", False),
        ("2002:a01:203::1", False),
        ("router.example", False),
    ],
)
def test_what_counts_as_public(address: str, public: bool) -> None:
    assert is_public(address) is public


async def test_a_way_of_others_does_not_lead_into_a_private_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by its address, nor by a name that resolves to one, nor by addresses that it brings along."""

    async def private(*arguments: object, **more: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    class Lying:
        """A resolver that says the same."""

        async def run(self, offer: Callable[[Sequence[str]], None]) -> None:
            offer(["127.0.0.1", "10.0.0.1"])

        def lost(self) -> None:
            raise AssertionError("nothing was tried")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", private)
    async with listening(nobody) as port:
        for connecting in (
            lambda: tcp.connect("127.0.0.1", port, where=Where.PUBLIC),
            lambda: tcp.connect("site.example", port, where=Where.PUBLIC),
            lambda: tcp.connect("site.example", port, where=Where.PUBLIC, search=Lying()),
            lambda: tcp.connect("site.example", port, where=Where.PUBLIC, known=("192.168.1.1",)),
        ):
            error = await fails(connecting)
            assert error.trouble.reason is Reason.PRIVATE_FORBIDDEN
            assert error.subnets == ()


async def test_a_plain_carrier_does_not_connect_to_a_public_address() -> None:
    error = await fails(lambda: tcp.connect("203.0.113.7", 80, where=Where.PRIVATE))
    assert (error.trouble.stage, error.trouble.reason) == (Stage.CONNECT, Reason.PLAIN_FORBIDDEN)
    assert "wss or https" in error.trouble.in_words()


async def test_a_name_is_judged_by_the_address_it_leads_to(monkeypatch: pytest.MonkeyPatch) -> None:
    async def public_and_private(*arguments: object, **more: object) -> list[object]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("203.0.113.7", port)), (*kind, ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", public_and_private)
    async with listening(nobody) as port:
        stream = await tcp.connect("house.example", port, where=Where.PRIVATE)
        assert stream.peer == "127.0.0.1"
        assert stream.subnets == ("127.0.0.0/24",), "the public one was not even tried"
        await stream.close()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('203.0.113.7', 443)"), Reason.REFUSED),
        (ConnectionResetError(104, "203.0.113.7"), Reason.RESET),
        (BrokenPipeError(32, "203.0.113.7"), Reason.RESET),
        (TimeoutError(110, "203.0.113.7"), Reason.TIMED_OUT),
        (OSError(113, "203.0.113.7"), Reason.UNREACHABLE),
        (OSError(101, "203.0.113.7"), Reason.UNREACHABLE),
        (OSError(9999, "203.0.113.7"), Reason.FAILED),
        (OSError("203.0.113.7"), Reason.FAILED),
    ],
)
def test_what_is_said_of_an_error_names_no_address(error: OSError, reason: Reason) -> None:
    found = of_os(Stage.CONNECT, error)
    assert found.trouble.reason is reason
    assert str(found) == f"connect: {reason.value}"
    assert "203" not in repr(found) + found.trouble.in_words()


@pytest.mark.skipif(tcp._NOTSENT_LOWAT is None, reason="this system keeps what it likes")
async def test_little_waits_unsent_so_that_what_is_urgent_can_still_go_before_it() -> None:
    """To a peer who takes nothing: what has left us is what its kernel and the path hold, and no more than that waits here."""
    async with one_connection() as (port, came), asyncio.timeout(10):
        stream = await tcp.connect("127.0.0.1", port)
        await came
        connected = stream._writer.get_extra_info("socket")
        assert connected.getsockopt(socket.IPPROTO_TCP, tcp._NOTSENT_LOWAT) == tcp.UNSENT_MAX
        stuck = False
        for _ in range(20_000):
            try:
                async with asyncio.timeout(0.3):
                    await stream.send(bytes(1024))
            except TimeoutError:
                stuck = True
                break
        assert stuck
        assert stream._writer.transport.get_write_buffer_size() <= 2 * tcp.UNSENT_MAX
        await stream.close()
