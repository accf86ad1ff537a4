"""The shell over link and transports, on virtual time with a network in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from cbor2 import CBOREncodeError

from support.relay_in_memory import Relay, Sea, entry, text_of
from whimbrel.client.link_runner import LinkState, RelayConnection
from whimbrel.link.link import Link
from whimbrel.wire.answers import Appended, Chunk, Failure, Fetched
from whimbrel.wire.operations import Append, Fetch, Get, Put, Signal, WatchItem
from whimbrel.wire.routes import Route, parse_route

pytestmark = [pytest.mark.looptime]

WSS = parse_route("wss://relay.example/x")
WSS2 = parse_route("wss://other.example/x")
HTTPS = parse_route("https://relay.example/x")
H = bytes(32)
LOG, READ, WRITE = b"l" * 32, b"r" * 32, b"w" * 32


def append(text: str, log: bytes = LOG) -> Append:
    return Append(log, WRITE, 0, (entry(text),))


class Person:
    """Somebody with a connection, and what came in by it."""

    def __init__(
        self,
        relay: Relay,
        sea: Sea,
        *routes: Route,
        documents: dict[bytes, bytes] | None = None,
        memory: object = None,
        network: str = "",
    ) -> None:
        self.texts: list[str] = []
        self.seqs: list[int] = []
        self.failures: list[Failure] = []
        self.signals: list[bytes] = []
        self.states: list[LinkState] = []
        self.documents = {} if documents is None else documents
        self.link = RelayConnection(
            relay.identity,
            routes,
            opening=sea,
            load_document=self.documents.get,
            save_document=self.documents.__setitem__,
            on_records=self._records,
            on_signal=lambda slot, body: self.signals.append(body),
            on_state=self.states.append,
            memory=memory,
            network=network,
        )

    def _records(self, slot: int, what: Fetched | Failure) -> None:
        if isinstance(what, Failure):
            self.failures.append(what)
            return
        self.texts += [text_of(r) for r in what.records]
        self.seqs += [r.seq for r in what.records]

    @asynccontextmanager
    async def online(self) -> AsyncIterator[RelayConnection]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.link.run())
            try:
                yield self.link
            finally:
                task.cancel()


both = pytest.mark.parametrize("route", [WSS, HTTPS], ids=["stream", "exchange"])


@both
async def test_an_operation_is_answered_and_a_watched_log_is_brought(route: Route) -> None:
    relay = Relay()
    ada = Person(relay, Sea(relay), route)
    async with ada.online() as link:
        link.watch({7: WatchItem(7, LOG, READ, 0)})
        answer = await link.submit(append("hello"))
        assert isinstance(answer, Appended)
        assert await link.settle(10)
        relay.add(LOG, entry("and a good day"))
        await asyncio.sleep(1)
    assert ada.texts == ["hello", "and a good day"]
    assert ada.documents[relay.identity] == relay.keys.document.encoded


@both
async def test_what_is_submitted_while_there_is_no_way_leaves_in_order_when_there_is_one(
    route: Route,
) -> None:
    relay = Relay()
    sea = Sea(relay)
    sea.closed.add(route.host)
    ada = Person(relay, sea, route)
    async with ada.online() as link:
        futures = [link.submit(append(str(n))) for n in range(10)]
        assert not await link.settle(100)
        assert not ada.link.state.up
        assert ada.link.state.trouble is not None
        sea.closed.clear()
        link.network_changed()
        answers = await asyncio.gather(*futures)
    assert [a.first for a in answers if isinstance(a, Appended)] == list(range(1, 11))


@both
async def test_two_talk_while_every_connection_is_cut_again_and_again(route: Route) -> None:
    relay = Relay()
    sea = Sea(relay, delay=0.005)
    sea.near = True
    ada, bo = Person(relay, sea, route), Person(relay, sea, route)
    async with ada.online() as link, bo.online() as other:
        other.watch({1: WatchItem(1, LOG, READ, 0)})

        async def cut() -> None:
            for n in range(100):
                await asyncio.sleep(0.2)
                sea.cut()
                if n % 10 == 0:
                    relay.sets.clear()  # a relay that started anew
                sea.closed.add(route.text)
                await asyncio.sleep(0.05)
                sea.closed.clear()

        async def talk() -> None:
            for n in range(200):
                await asyncio.sleep(0.1)
                await link.submit(append(str(n)))

        async with asyncio.TaskGroup() as group:
            group.create_task(cut())
            group.create_task(talk())
        assert await other.settle(10)
        assert await link.settle(10)
    assert bo.texts == [str(n) for n in range(200)]
    assert bo.seqs == list(range(1, 201))


async def test_an_hour_of_nothing_is_one_connection() -> None:
    relay = Relay()
    sea = Sea(relay)
    ada = Person(relay, sea, WSS, WSS2, HTTPS)
    async with ada.online() as link:
        assert await link.settle(10)
        before = sea.carried
        await asyncio.sleep(3600)
        assert sea.carried == before
    assert len(sea.dials) == 1
    assert [s.up for s in ada.states] == [False, True]


async def test_a_relay_that_is_away_for_an_hour_is_not_stormed() -> None:
    relay = Relay()
    sea = Sea(relay)
    routes = (WSS, WSS2, HTTPS)
    sea.closed |= {r.host for r in routes}
    ada = Person(relay, sea, *routes)
    async with ada.online():
        await asyncio.sleep(3600)
    assert len(sea.dials) < 90
    for start, _ in sea.dials:
        assert sum(start <= t < start + 60 for t, _ in sea.dials) <= 12, "three subnets, four a minute each"


async def test_a_way_that_falls_silent_is_left_for_another() -> None:
    relay = Relay()
    sea = Sea(relay)
    ada = Person(relay, sea, WSS, WSS2)
    async with ada.online() as link:
        assert await link.settle(10)
        first = link.state.route
        assert first is not None
        sea.silent.add(first)
        async with asyncio.timeout(20):
            assert isinstance(await link.submit(append("are you there?")), Appended)
        assert link.state.route not in (None, first)


async def test_it_climbs_back_to_the_better_way_and_loses_nothing() -> None:
    relay = Relay()
    sea = Sea(relay)
    sea.closed.add(WSS.text)
    ada = Person(relay, sea, WSS, HTTPS)
    async with ada.online() as link:
        link.watch({1: WatchItem(1, LOG, READ, 0)})
        assert await link.settle(10)
        assert link.state.route == HTTPS.text
        sea.closed.clear()
        for n in range(300):
            await link.submit(append(str(n)))
            await asyncio.sleep(0.5)
        assert link.state.route == WSS.text
        assert await link.settle(10)
    assert ada.texts == [str(n) for n in range(300)]
    ups = [s.route for s in ada.states if s.up]
    assert ups == [HTTPS.text, WSS.text]


async def test_a_message_does_not_wait_for_a_file() -> None:
    """200 MB wait; the way carries 1 MB/s; a message is through in about a second all the same."""
    relay = Relay()
    sea = Sea(relay, delay=0.05)
    sea.bytes_a_second = 1_000_000
    ada = Person(relay, sea, WSS)
    async with ada.online() as link:
        assert await link.settle(10)
        puts = [link.submit(Put(H, H, H, 3200 * 65552, n, bytes(65552))) for n in range(600)]
        await asyncio.sleep(5)
        took = []
        loop = asyncio.get_running_loop()
        for n in range(10):
            begun = loop.time()
            await link.submit(append(str(n)))
            took.append(loop.time() - begun)
            await asyncio.sleep(0.5)
        assert max(took) < 2.0
        begun, before = loop.time(), len(relay.puts)
        await asyncio.sleep(10)
        assert (len(relay.puts) - before) * 65552 / (loop.time() - begun) > 700_000, (
            "and the file gets what is left"
        )
        for put in puts:
            put.cancel()
    assert max(relay.puts.count(n) for n in set(relay.puts)) == 1


async def test_a_file_goes_on_after_a_cut_and_no_answered_chunk_goes_twice() -> None:
    relay = Relay()
    sea = Sea(relay)
    sea.near = True
    ada = Person(relay, sea, WSS)
    answered: list[int] = []
    async with ada.online() as link:
        puts = []
        for n in range(300):
            puts.append(link.submit(Put(H, H, H, 300 * 65552, n, bytes(65552))))
            puts[n].add_done_callback(lambda done, n=n: answered.append(n))
        while len(answered) < 300:
            await asyncio.sleep(0.3)
            sent_before = set(answered)
            sea.cut()
            count = len(relay.puts)
            await asyncio.sleep(0.3)
            assert not sent_before & set(relay.puts[count:])
        await asyncio.gather(*puts)
    assert set(relay.puts) == set(range(300))


# ------------------------------------------------------------------------------------------- keys


@both
async def test_a_key_that_is_gone_is_replaced_on_the_same_way(route: Route) -> None:
    relay = Relay()
    ada = Person(relay, Sea(relay), route)
    ada.documents[relay.identity] = relay.keys.document.encoded
    ada = Person(relay, Sea(relay), route, documents=ada.documents)
    relay.new_key(forget=True)
    async with ada.online() as link:
        async with asyncio.timeout(1):
            assert isinstance(await link.submit(append("hello")), Appended)
    assert ada.documents[relay.identity] == relay.keys.document.encoded


@both
async def test_the_next_key_comes_with_an_answer_in_time(route: Route) -> None:
    relay = Relay()
    old = relay.keys.document.encoded
    relay.new_key()
    ada = Person(relay, Sea(relay), route, documents={relay.identity: old})
    async with ada.online() as link:
        await link.submit(append("hello"))
    assert ada.documents[relay.identity] == relay.keys.document.encoded


@both
async def test_another_relay_at_the_same_place_is_refused_and_said(route: Route) -> None:
    relay, impostor = Relay(), Relay()
    ada = Person(relay, Sea(impostor), route)
    async with ada.online() as link:
        asked = link.submit(append("a secret"))
        await asyncio.sleep(5)
        assert not asked.done()
        assert link.state.trouble is not None
        assert "another relay" in link.state.trouble
    assert impostor.asked == [], "nothing was sealed to it"
    assert ada.documents == {}


async def test_a_damaged_document_in_the_home_is_asked_for_again() -> None:
    relay = Relay()
    ada = Person(relay, Sea(relay), WSS, documents={relay.identity: b"rubbish"})
    async with ada.online() as link:
        assert await link.settle(5)
    assert ada.documents[relay.identity] == relay.keys.document.encoded


# ------------------------------------------------------------------------------------------- the owner


@both
async def test_busy_is_waited_out(route: Route) -> None:
    relay = Relay()
    ada = Person(relay, Sea(relay), route)
    async with ada.online() as link:
        assert await link.settle(10)
        relay.busy = 2
        loop = asyncio.get_running_loop()
        begun = loop.time()
        assert isinstance(await link.submit(append("a")), Appended)
        assert 2 < loop.time() - begun < 3


async def test_signals_reach_who_watches() -> None:
    relay = Relay()
    sea = Sea(relay)
    ada, bo = Person(relay, sea, WSS), Person(relay, sea, WSS)
    async with ada.online() as link, bo.online() as other:
        other.watch({1: WatchItem(1, LOG, READ, 0)})
        assert await other.settle(10)
        await link.submit(Signal(LOG, WRITE, b"typing"))
        await asyncio.sleep(1)
    assert bo.signals == [b"typing"]


async def test_the_end_leaves_nothing_running() -> None:
    relay = Relay()
    sea = Sea(relay)
    ada = Person(relay, sea, WSS, HTTPS)
    before = asyncio.all_tasks()
    async with ada.online() as link:
        assert await link.settle(10)
        sea.silent.add(WSS.text)
        waiting = link.submit(append("never"))
        settling = asyncio.ensure_future(link.settle(1000))  # noqa: TID251 - a bystander of the test
        await asyncio.sleep(0.1)
    assert waiting.cancelled()
    assert await settling is False
    assert sea.pipes == set()
    assert asyncio.all_tasks() == before
    with pytest.raises(RuntimeError):
        link.submit(append("too late"))


@pytest.mark.parametrize("rounds", range(0, 40, 3))
async def test_it_can_be_ended_at_any_moment(rounds: int) -> None:
    relay = Relay()
    sea = Sea(relay, delay=0.0)
    ada = Person(relay, sea, WSS, HTTPS)
    async with asyncio.timeout(5), ada.online() as link:
        link.submit(append("a"))
        link.watch({1: WatchItem(1, LOG, READ, 0)})
        for _ in range(rounds):
            await asyncio.sleep(0)
    assert sea.pipes == set()


async def test_a_future_given_up_is_not_sent() -> None:
    relay = Relay()
    sea = Sea(relay)
    sea.closed.add(WSS.host)
    ada = Person(relay, sea, WSS)
    async with ada.online() as link:
        unwanted, wanted = link.submit(append("no")), link.submit(append("yes"))
        await asyncio.sleep(3)
        unwanted.cancel()
        await asyncio.sleep(0)
        assert link.unanswered == 1
        sea.closed.clear()
        await wanted
    assert [o.entries for o in relay.asked if isinstance(o, Append)] == [(entry("yes"),)]


async def test_what_the_protocol_cannot_say_is_the_callers_fault_at_once() -> None:
    relay = Relay()
    ada = Person(relay, Sea(relay), WSS)
    async with ada.online() as link:
        with pytest.raises(CBOREncodeError):
            link.submit(Append(LOG, WRITE, 0, (object(),)))  # type: ignore[arg-type]
        assert await link.settle(5)
        assert isinstance(await link.submit(Fetch(LOG, READ, 0)), Fetched)


async def test_a_fault_in_a_callback_ends_the_connection_and_is_seen() -> None:
    relay = Relay()

    def broken(slot: int, what: object) -> None:
        raise KeyError("a fault of the owner's")

    link = RelayConnection(relay.identity, [WSS], opening=Sea(relay), on_records=broken)
    link.watch({1: WatchItem(1, LOG, READ, 0)})
    with pytest.raises(ExceptionGroup) as caught:
        await link.run()
    assert caught.group_contains(KeyError)


async def test_without_a_way_that_it_knows_it_says_so() -> None:
    relay = Relay()
    ada = Person(relay, Sea(relay))
    async with ada.online() as link:
        assert not await link.settle(1)
        assert link.state.trouble is not None
        assert "does not know" in link.state.trouble
        link.set_routes([WSS])
        assert await link.settle(5)


async def test_what_worked_is_remembered_for_the_next_start() -> None:
    relay = Relay()
    sea = Sea(relay)
    sea.silent.add(WSS.text)
    ada = Person(relay, sea, WSS, WSS2, network="home")
    async with ada.online() as link:
        assert await link.settle(10)
        memory = link.memory_value
    sea.dials.clear()
    again = Person(relay, sea, WSS, WSS2, network="home", memory=memory)
    async with again.online() as link:
        assert await link.settle(10)
    assert [route for _, route in sea.dials] == [WSS2.text]


async def test_downloads_come_in_the_order_in_which_they_are_answered() -> None:
    relay = Relay()
    relay.blobs[H] = {n: bytes([n]) * 100 for n in range(20)}
    ada = Person(relay, Sea(relay), HTTPS)
    async with ada.online() as link:
        chunks = await asyncio.gather(*(link.submit(Get(H, n)) for n in range(20)))
        missing = await link.submit(Get(H, 99))
    assert [c.chunk[0] for c in chunks if isinstance(c, Chunk)] == list(range(20))
    assert isinstance(missing, Failure)


async def test_what_was_submitted_is_company_for_what_is_written_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where letters are few a text waits for the next one, but not beside something that is about to leave."""
    relay = Relay()
    ada = Person(relay, Sea(relay), WSS)
    monkeypatch.setattr(Link, "leaves_at", lambda link, now: now + 7)
    assert ada.link.leaves_in == 7
    ada.link.submit(append("leaves in this turn"))
    assert ada.link.leaves_in == 0
    monkeypatch.setattr(Link, "leaves_at", lambda link, now: None)
    assert Person(relay, Sea(relay), WSS).link.leaves_in == 0
