"""A real relay in this process's loop, and real clients over WebSocket and POST."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from relay_paper import entry, status, text_of

from support.relay_client import Place
from whimbrel.relay.clock import Clocks
from whimbrel.relay.keys import WEEK
from whimbrel.relay.server import Relay
from whimbrel.relay.settings import Limits, RelaySettings
from whimbrel.serving.site import SiteUnfit
from whimbrel.wire import admission, codec
from whimbrel.wire.answers import Appended, Created, Fetched, Pushed, Signalled, Status, Watched
from whimbrel.wire.operations import (
    Append,
    Create,
    Fetch,
    LogBody,
    LogKind,
    Signal,
    Watch,
    WatchItem,
)
from whimbrel.wire.purpose import public_of, token_hash
from whimbrel.wire.streams import NewKeys

READ, WRITE = b"R" * 32, b"W" * 32
BODY = LogBody(LogKind.CONVERSATION, token_hash(READ), token_hash(WRITE), (public_of(b"a" * 32),), b"n" * 32)
LOG = codec.log_id(codec.encode_log_body(BODY))


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    one = Relay(RelaySettings(tmp_path / "data", limits=Limits(drain=2)))
    await one.start()
    yield one
    await one.close()


@pytest.fixture
def place(relay: Relay) -> Place:
    return Place(relay.address)


def create(place: Place) -> Create:
    assert place.address.admission is not None
    return Create(BODY, admission.encode_admission(place.address.admission))


def append(text: str) -> Append:
    return Append(LOG, WRITE, 0, (entry(text),))


async def test_the_first_letter_of_a_stream_creates_appends_and_watches_in_one_flight(place: Place) -> None:
    watch = Watch(items=(WatchItem(5, LOG, READ, 0),))
    async with place.stream(create(place), append("one"), watch) as stream:
        created, appended, watched = stream.first
        assert isinstance(created, Created)
        assert appended == Appended(1, 1, 0, appended.h)
        assert isinstance(watched, Watched)
        [(slot, fetched)] = watched.results
        assert slot == 5
        assert isinstance(fetched, Fetched)
        assert [text_of(record.entry) for record in fetched.records] == ["one"]


async def test_what_one_stream_appends_the_others_and_itself_are_pushed(place: Place) -> None:
    watch = Watch(items=(WatchItem(5, LOG, READ, 0),))
    async with place.stream(create(place), watch) as ada, place.stream(replace(watch)) as bo:
        await ada.ask(append("hello"))
        for stream in (ada, bo):
            pushed = await stream.next_push()
            assert isinstance(pushed, Pushed)
            assert isinstance(pushed.what, Fetched)
            assert [text_of(record.entry) for record in pushed.what.records] == ["hello"]
        [done] = await bo.ask(Signal(LOG, WRITE, b"typing"))
        assert status(done) is Status.OK
        assert await ada.next_push() == Signalled(5, b"typing")


async def test_a_letter_by_post_is_a_complete_exchange(place: Place) -> None:
    made, appended, fetched = await asyncio.to_thread(
        place.exchange, create(place), append("by post"), Fetch(LOG, READ, 0)
    )
    assert isinstance(made, Created)
    assert isinstance(appended, Appended)
    assert [text_of(record.entry) for record in fetched.records] == ["by post"]


async def test_an_exchange_that_watches_is_held_until_something_comes(place: Place) -> None:
    await asyncio.to_thread(place.exchange, create(place))
    watch = Watch(items=(WatchItem(5, LOG, READ, 0),))
    [first] = await asyncio.to_thread(place.exchange, watch)
    assert status(first) is Status.OK
    async with asyncio.TaskGroup() as group:
        held = group.create_task(asyncio.to_thread(place.exchange, Watch(handle=first.handle, wait=20)))
        await asyncio.sleep(0.3)
        assert not held.done()
        await asyncio.to_thread(place.exchange, append("at last"))
        async with asyncio.timeout(5):
            [answer] = await held
    [(slot, fetched)] = answer.results
    assert slot == 5
    assert [text_of(record.entry) for record in fetched.records] == ["at last"]


async def test_a_long_stream_is_shown_the_new_key_and_older_letters_still_work(
    relay: Relay, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(place.exchange, create(place))
    first = place.keys()
    async with place.stream() as stream:
        later = time.time() + WEEK + 1
        with monkeypatch.context() as clock:
            clock.setattr(relay, "_clocks", Clocks(wall=lambda: later))
            relay._renew()
        data = await stream.socket.recv()
        assert isinstance(data, bytes)
        [shown] = stream.wire.receive(data)
        assert isinstance(shown, NewKeys)
        assert shown.document.number == first.number + 1
        # The stream goes on, and a letter to last week's key is answered.
        assert isinstance((await stream.ask(Fetch(LOG, READ, 0)))[0], Fetched)
        assert isinstance((await asyncio.to_thread(place.exchange, Fetch(LOG, READ, 0)))[0], Fetched)


async def test_a_relay_inside_a_loop_keeps_its_address_over_restarts(tmp_path: Path) -> None:
    settings = RelaySettings(tmp_path / "data", limits=Limits(drain=1))
    addresses = []
    for _ in range(2):
        one = Relay(settings)
        await one.start()
        addresses.append((one.address, one.port, one.identity))
        await one.close()
        await one.close()
    assert addresses[0] == addresses[1]


async def test_a_failed_start_lets_go_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(SiteUnfit):
        await Relay(RelaySettings(tmp_path / "data", site=tmp_path / "nothing")).start()
    one = Relay(RelaySettings(tmp_path / "data", limits=Limits(drain=1)))
    await one.start()
    await one.close()
