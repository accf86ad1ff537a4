"""The relay's own time: clocks that jump make nothing old."""

from pathlib import Path

import pytest
from relay_paper import PaperRelay, Room, entry

from support.relay_client import Place
from whimbrel.relay.clock import Clocks, SteadyClock
from whimbrel.relay.server import Relay
from whimbrel.relay.settings import DAY, Limits, RelaySettings
from whimbrel.serving.folder import DataFolderDamaged
from whimbrel.wire import admission, codec
from whimbrel.wire.answers import Created
from whimbrel.wire.operations import Append, Create, Fetch, LogBody, LogKind
from whimbrel.wire.purpose import public_of, token_hash

YEAR = 365 * DAY


class Machine:
    """A machine whose clock can be set."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.running = 50.0
        self.clocks = Clocks(lambda: self.wall, lambda: self.running)

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.running += seconds


def test_time_passes_as_on_the_machine(tmp_path: Path) -> None:
    machine = Machine()
    clock = SteadyClock(tmp_path / "clock", machine.clocks)
    for _ in range(100):
        machine.passes(DAY)
        assert clock.now() == pytest.approx(machine.wall)


@pytest.mark.parametrize("jump", [DAY, -DAY, YEAR, -YEAR])
def test_a_clock_that_jumps_and_comes_back_changes_nothing(tmp_path: Path, jump: float) -> None:
    machine = Machine()
    clock = SteadyClock(tmp_path / "clock", machine.clocks)
    before = clock.now()
    machine.wall += jump
    assert clock.now() == before
    machine.passes(3600)
    assert clock.now() == pytest.approx(before + 3600, abs=40)
    machine.wall -= jump
    machine.passes(3600)
    assert clock.now() == pytest.approx(before + 7200, abs=40)


@pytest.mark.parametrize(("apart", "believed"), [(0, 0), (DAY, DAY), (YEAR, 7 * DAY), (-DAY, 0), (-YEAR, 0)])
def test_between_two_runs_a_week_is_believed_at_most(tmp_path: Path, apart: float, believed: float) -> None:
    machine = Machine()
    first = SteadyClock(tmp_path / "clock", machine.clocks)
    first.keep()
    now = first.now()
    machine.wall += apart
    machine.running = 3.0
    second = SteadyClock(tmp_path / "clock", machine.clocks)
    assert second.now() == pytest.approx(now + believed)
    assert second.doubted == apart - believed


@pytest.mark.parametrize("content", [b"", b"soon", b"1800000000", b"\xff\xff"])
def test_a_damaged_clock_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clock").write_bytes(content)
    with pytest.raises(DataFolderDamaged):
        SteadyClock(tmp_path / "clock", Machine().clocks)


async def test_a_relay_whose_machine_jumps_ahead_a_year_forgets_nothing(tmp_path: Path) -> None:
    machine = Machine()
    read, write = b"R" * 32, b"W" * 32
    body = LogBody(LogKind.INBOX, token_hash(read), token_hash(write), (public_of(b"a" * 32),), b"n" * 32)
    log = codec.log_id(codec.encode_log_body(body))
    relay = Relay(RelaySettings(tmp_path / "data", limits=Limits(drain=1)), clocks=machine.clocks)
    await relay.start()
    place = Place(relay.address)
    assert place.address.admission is not None
    async with place.stream(Create(body, admission.encode_admission(place.address.admission))) as stream:
        assert isinstance(stream.first[0], Created)
        await stream.ask(Append(log, write, 0, (entry("one"),)), Append(log, write, 0, (entry("two"),)))
        for jump in (YEAR, -2 * YEAR, YEAR):
            machine.wall += jump
            while relay._expiry.step(int(relay._clock.now())):
                pass
            relay.desk.changed()
            [fetched] = await stream.ask(Fetch(log, read, 0))
            assert [record.entry for record in fetched.records] == [entry("one"), entry("two")]
    await relay.close()


def test_where_little_is_said_entries_become_old_too(relay: PaperRelay, room: Room) -> None:
    """Without a restart and without enough records to be settled by their number."""
    room.post("one")
    room.post("commit", advance=True)
    room.turn += 1
    relay.now += 31 * DAY
    while relay.expiry.step(int(relay.now)):
        pass
    relay.desk.changed()
    relay.turn()
    assert [record.entry is not None for record in room.fetch().records] == [False, True]
