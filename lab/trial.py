"""One run: two people become friends on the open network, talk, and in the middle of it a measure strikes; or somebody comes anew
under it. What came of it is a `Record`, plain data."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from lab import controls, measures, peers, talk
from lab.city import City
from lab.namespaces import LabError
from lab.peers.peer import Correspondent
from lab.people import FIRST_WAY_ONLY, Person, cold_start, friends, send_file, until
from lab.plain_peer import PlainPerson
from lab.policy import Measure
from lab.talk import Arrived, Sent

PEERS = ("whimbrel", "first", "alone", "plain", *peers.names())
"""`first`: Whimbrel that knows its first way alone. `alone`: Whimbrel with all that it can make of the relay's two addresses. Both are in
a city without bridges."""
WITHOUT_BRIDGES = ("first", "alone")
Somebody = Person | PlainPerson | Correspondent
MODES = ("kept", "cut", "cold")
_CONTROLS_AFTER_S = 4.0
"""After the strike: those who talk are back by then, if they come back quickly, and are not disturbed."""
_RECOVERY_PATIENCE_S = 90.0
FILE_PATIENCE_S = 1800.0
"""A file of 1 MB takes two minutes over a line of 140 kbit/s and 24 behind the curtain of 25 packets."""
_TALKS_S, _TALK_EVERY_S = 60.0, 2.0
"""For so long somebody writes beside a file of 1 MB. A picture of 100 KB is alone."""
_REST_S = 60.0
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Task:
    """What to run."""

    measure: str
    peer: str
    mode: str
    seed: int
    repeat: int
    scale: float
    messages: int
    """Each way; a cold start has one."""
    every: float
    patience: float
    """Seconds to wait for what is still to come."""
    files: bool
    file_patience: float = FILE_PATIENCE_S
    """Seconds to wait for each of the two files."""

    @property
    def label(self) -> str:
        return f"{self.measure} {self.peer} {self.mode} #{self.repeat}"


@dataclass(slots=True)
class Record:
    """What came of it. Times in seconds; None: not in time, or not asked for."""

    measure: str
    peer: str
    mode: str
    repeat: int
    seed: int
    scale: float
    void: str = ""
    """Why the figures say nothing; '' when they do."""
    failed: str = ""
    """Why the run came to no end; '' when it did."""
    controls: dict[str, Any] = field(default_factory=dict)
    sent: int = 0
    delivered: int = 0
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    late: int = 0
    """Of the lost ones, what arrived once the network was open again."""
    next_message: float | None = None
    """From the strike until a message had arrived in each direction that was sent after it. Of a cold start: from the opening of the
    invite until the first message was at the other side."""
    after_worst: float | None = None
    """The longest that any message took that was sent after the strike; None also when one did not arrive."""
    accepted: float | None = None
    """Of a cold start: until there was a chat to write into."""
    p50: float | None = None
    p95: float | None = None
    worst: float | None = None
    before_p50: float | None = None
    """Of the messages sent before the strike."""
    picture: float | None = None
    """For 100 KB."""
    file: float | None = None
    """For 1 MB."""
    text_beside_file: float | None = None
    """The longest that a message took while the file was going."""
    outbox: int | None = None
    """What still waited at the end."""
    connections: int = 0
    """New ones of both people, from the strike until it was lifted; of UDP, new pairs of ports, but for questions for names."""
    most_in_a_minute: int = 0
    most_in_a_minute_to_a_net: int = 0
    """Of one person, to one /24."""
    bytes: int = 0
    seconds: float = 0.0
    """Between the strike and the lifting."""
    learnt: list[list[str]] = field(default_factory=list)
    counts: list[dict[str, int]] = field(default_factory=list)
    ways: list[list[Any]] = field(default_factory=list)
    """Which way each person was on, and since when, counted from the strike."""
    recovered: float | None = None
    """From the lifting until both are on the way that they were on before; of a peer, until each got a message that was said then."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def run(city: City, task: Task, measure_spec: str) -> Record:
    """`measure_spec`: what the border loads, for a mixture with its seed. Leaves the network open and the people gone."""
    record = Record(task.measure, task.peer, task.mode, task.repeat, task.seed, task.scale)
    measure = measures.load(measure_spec)
    try:
        with _people(city, task) as pair:
            before = controls.look(city)
            if task.mode == "cold":
                cold = _cold if isinstance(pair[0], Person) else _cold_plain
                during = cold(city, task, measure_spec, pair, record)
            else:
                during = _running(city, task, measure_spec, measure, pair, record)
            record.controls = {
                "before": {place: control.as_json() for place, control in before.items()},
                "during": {place: control.as_json() for place, control in during.items()},
            }
            record.void = controls.void(measure, before, during)
    except LabError as error:
        record.failed = str(error)
    finally:
        city.lift()
    return record


@contextmanager
def _people(city: City, task: Task) -> Iterator[tuple[Somebody, Somebody]]:
    """Two who never were here before; their apps end with the run."""
    mark = f"{time.monotonic_ns() // 1_000_000 % 1_000_000}"
    if task.peer == "plain":
        ada, bo = (PlainPerson(city, place, f"{place.capitalize()}{mark}") for place in ("ada", "bo"))
        ada.other, bo.other = bo, ada
        try:
            if not (ada.wait_until_up(30.0) and bo.wait_until_up(30.0)):
                raise LabError("the plain peer does not come up on the open network")
            yield ada, bo
        finally:
            ada.stop()
            bo.stop()
        return
    if task.peer in peers.names():
        with peers.load(task.peer).people(city, mark) as (one, other):
            yield one, other
        return
    program = FIRST_WAY_ONLY if task.peer == "first" else None
    pair = (
        Person(city, "ada", f"Ada{mark}", program=program),
        Person(city, "bo", f"Bo{mark}", program=program),
    )
    try:
        yield friends(city, *pair)
    finally:
        for person in pair:
            person.kill()


# -- a conversation --------------------------------------------------------------------------------------------------


def _running(
    city: City, task: Task, spec: str, measure: Measure, pair: tuple[Somebody, Somebody], record: Record
) -> dict[str, controls.Control]:
    plain = [person.way() for person in pair]
    at: list[float] = []

    def strike() -> None:
        at.append(city.strike(spec, cut=task.mode == "cut", scale=task.scale, seed=task.seed))

    city.prepare(spec, scale=task.scale, seed=task.seed)
    with ThreadPoolExecutor(2) as beside:
        talking = beside.submit(_talk, pair, task, measure.lasts(task.scale), strike)
        while not at and not talking.done():
            time.sleep(0.05)
        if not at:
            talking.result()  # says why there was no strike
        watching = beside.submit(_controls_later, city)
        if measure.steps(task.scale):
            _go_through(city, measure, task, at[0])
        sent, arrived = talking.result()
        during = watching.result()
    _enter_figures(record, sent, arrived, at[0])
    if task.files and not isinstance(pair[0], PlainPerson) and record.next_message is not None:
        record.picture = _send(pair, 100_000, task.file_patience)
        if record.picture is not None:
            record.file = _file(pair, task, 1_000_000, record)
    _enter_traffic(city, pair, record, at[0])
    record.outbox = _outbox(pair, 0.0 if record.lost else _REST_S)  # what is lost was waited for already
    lifted = city.lift()
    if isinstance(pair[0], Person):
        record.recovered = _recovery(pair, plain, lifted)
    else:
        record.recovered = _talk_again(pair, lifted, min(_RECOVERY_PATIENCE_S, task.patience))
    record.late = _late(pair, sent, arrived)
    record.ways = [entry for person in pair if isinstance(person, Person) for entry in _ways(person, at[0])]
    return during


def _talk(
    pair: tuple[Somebody, Somebody], task: Task, lasts: float, strike: Callable[[], None]
) -> tuple[dict[str, list[Sent]], dict[str, list[Arrived]]]:
    """Half of the messages, the strike, and at once the other half, or more where it lasts; both speak at their own pace. Then up to
    `patience` for the rest."""
    heard = [len(person.arrived) for person in pair]
    half = task.messages // 2
    rest = max(task.messages - half, math.ceil(lasts / task.every))
    paused = threading.Barrier(2, action=strike)

    def speak(number: int) -> list[Sent]:
        person, other = pair[number], pair[1 - number]
        sent = []
        for beats in (range(half), range(half, half + rest)):
            start = time.monotonic()
            for beat in beats:
                time.sleep(max(0.0, start + (beat - beats.start) * task.every - time.monotonic()))
                sent.append(person.say(other.name, f"{person.name} {beat}"))
            if beats.start == 0:
                # What was said before is on its way when it strikes, as in life; in turn, so that the two do not beat together.
                time.sleep(task.every * (0.5 + 0.5 * number))
                paused.wait(task.patience)
        return sent

    with ThreadPoolExecutor(2) as at_once:
        one, other = at_once.map(speak, (0, 1))
    sent = {pair[0].name: one, pair[1].name: other}
    listeners = {pair[0].name: 1, pair[1].name: 0}

    def so_far() -> dict[str, list[Arrived]]:
        return {name: pair[at].arrived[heard[at] :] for name, at in listeners.items()}

    def all_there() -> bool:
        found = so_far()
        return all({m.text for m in sent[name]} <= {m.text for m in found[name]} for name in sent)

    end = time.monotonic() + task.patience
    while not all_there() and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.5)  # for a second one of the last
    return sent, so_far()


def _outbox(people: Sequence[Somebody], patience: float = _REST_S) -> int:
    """What still waits. Receipts follow the last messages, so they are given a while."""
    end = time.monotonic() + patience
    while (waiting := sum(person.waiting() for person in people)) and time.monotonic() < end:
        time.sleep(0.1)
    return waiting


def _controls_later(city: City) -> dict[str, controls.Control]:
    time.sleep(_CONTROLS_AFTER_S)
    return controls.look(city)


def _go_through(city: City, measure: Measure, task: Task, struck: float) -> None:
    for after, name in measure.steps(task.scale):
        time.sleep(max(0.0, struck + after - time.monotonic()))
        city.strike(name, scale=task.scale, seed=task.seed)


def _send(pair: Sequence[Somebody], size: int, patience: float) -> float | None:
    one, other = pair
    if isinstance(one, Person) and isinstance(other, Person):
        return send_file(one, other, size, patience)
    if isinstance(one, Person | PlainPerson) or isinstance(other, Person | PlainPerson):
        return None
    return one.send_file(other, size, patience)


def _file(pair: Sequence[Somebody], task: Task, size: int, record: Record) -> float | None:
    """Seconds for a file from the first to the second, while the second goes on talking for a minute."""
    took: list[float | None] = []
    sending = threading.Thread(target=lambda: took.append(_send(pair, size, task.file_patience)))
    heard = len(pair[0].arrived)
    sending.start()
    said: list[Sent] = []
    while sending.is_alive() and len(said) * _TALK_EVERY_S < _TALKS_S:
        said.append(pair[1].say(pair[0].name, f"beside {size} {len(said)}"))
        sending.join(_TALK_EVERY_S)
    sending.join()
    end = time.monotonic() + 10.0
    while time.monotonic() < end and len(pair[0].arrived) - heard < len(said):
        time.sleep(0.05)
    beside = talk.figures({"": said}, {"": pair[0].arrived[heard:]})
    waits = [wait for wait in (record.text_beside_file, beside.worst) if wait is not None]
    record.text_beside_file = max(waits, default=None) if not beside.lost else None
    record.lost += beside.lost
    record.doubled += beside.doubled
    return took[0] if took else None


def _recovery(pair: tuple[Somebody, Somebody], plain: Sequence[str | None], lifted: float) -> float | None:
    try:
        until(
            lambda: (
                [_without_address(person.way()) for person in pair]
                == [_without_address(way) for way in plain]
            ),
            "not back",
            _RECOVERY_PATIENCE_S,
            every=0.1,
        )
    except LabError:
        return None
    return time.monotonic() - lifted


def _talk_again(pair: Sequence[Somebody], lifted: float, patience: float) -> float | None:
    """Each says one thing more; seconds from the lifting until both were heard."""
    said = [(other, one.say(other.name, f"{one.name} again").text) for one, other in (pair, pair[::-1])]

    def heard() -> bool:
        return all(any(one.text == text for one in listener.arrived) for listener, text in said)

    try:
        until(heard, "not back", patience, every=0.05)
    except LabError:
        return None
    return time.monotonic() - lifted


def _late(pair: Sequence[Somebody], sent: dict[str, list[Sent]], arrived: dict[str, list[Arrived]]) -> int:
    """How many of those that had not arrived when the talk ended are there by now."""
    found = 0
    for one, other in (pair, pair[::-1]):
        lost = {message.text for message in sent[one.name]} - {message.text for message in arrived[one.name]}
        found += len(lost & {message.text for message in other.arrived})
    return found


def _without_address(way: str | None) -> str | None:
    """The same way by another address of the relay is as plain as it was; another name, none, or a wrapper is not."""
    if way is None:
        return None
    before, _, query = way.partition("?")
    rest = "&".join(part for part in query.split("&") if not part.startswith("ip="))
    return f"{before}?{rest}" if rest else before


# -- a cold start ----------------------------------------------------------------------------------------------------


def _cold(
    city: City, task: Task, spec: str, pair: tuple[Somebody, Somebody], record: Record
) -> dict[str, controls.Control]:
    """The newcomer is at the other provider than the host, in turn."""
    host, place = (pair[0], "dov") if task.repeat % 2 == 0 else (pair[1], "cleo")
    assert isinstance(host, Person)
    newcomer = Person(city, place, f"{place.capitalize()}{host.name[-6:]}")
    newcomer.start(with_relay=True)
    try:
        invite = host.one("invite")["invite"]
        struck = city.strike(spec, scale=task.scale, seed=task.seed)
        came = cold_start(newcomer, host, invite, task.patience)
        record.accepted, record.next_message = came.accepted, came.delivered
        record.sent, record.delivered = 1, int(came.delivered is not None)
        record.lost = record.sent - record.delivered
        _enter_traffic(city, (host, newcomer), record, struck)
        during = controls.look(city)  # from where the newcomer is, too
        record.outbox = _outbox((newcomer,))
        city.lift()
    finally:
        newcomer.kill()
    return during


def _cold_plain(
    city: City, task: Task, spec: str, pair: tuple[Somebody, Somebody], record: Record
) -> dict[str, controls.Control]:
    """Connect by name, and have one message answered."""
    place = "dov" if task.repeat % 2 == 0 else "cleo"
    struck = city.strike(spec, scale=task.scale, seed=task.seed)
    newcomer, server = PlainPerson(city, place, place), pair[0]
    assert isinstance(server, PlainPerson)
    newcomer.other, heard = server, len(server.arrived)
    try:
        newcomer.say("", "here I am")
        end = struck + task.patience
        while len(server.arrived) == heard and time.monotonic() < end:
            time.sleep(0.02)
        came = server.arrived[heard:]
        record.sent, record.delivered, record.lost = 1, len(came), 1 - len(came)
        record.next_message = came[0].at - struck if came else None
        _enter_traffic(city, (newcomer,), record, struck)
        during = controls.look(city)
        record.outbox = _outbox((newcomer,))
        city.lift()
    finally:
        newcomer.stop()
    return during


# -- figures ---------------------------------------------------------------------------------------------------------


def _enter_figures(
    record: Record, sent: dict[str, list[Sent]], arrived: dict[str, list[Arrived]], struck: float
) -> None:
    found = talk.figures(sent, arrived, struck)
    record.sent, record.delivered, record.lost = found.sent, found.delivered, found.lost
    record.doubled, record.out_of_order = found.doubled, found.out_of_order
    record.p50, record.p95, record.worst = found.p50, found.p95, found.worst
    record.next_message = found.recovered_both
    late = {name: [one for one in said if one.at >= struck] for name, said in sent.items()}
    after = talk.figures(late, arrived)
    record.after_worst = after.worst if not after.lost else None
    early = {name: [one for one in said if one.at < struck] for name, said in sent.items()}
    record.before_p50 = talk.figures(early, arrived).p50


def _enter_traffic(city: City, pair: Sequence[Somebody], record: Record, struck: float) -> None:
    people = {person.place for person in pair}
    flows = [flow for flow in city.border.ask("flows", since=struck)["flows"] if flow["person"] in people]
    new = [flow for flow in flows if flow["first"] >= struck and not flow["to"].endswith(":53")]
    record.connections = len(new)
    record.bytes = sum(sum(flow["bytes"]) for flow in flows if flow["first"] >= struck)
    record.seconds = time.monotonic() - struck
    record.most_in_a_minute = max(
        (_most([f["first"] for f in new if f["person"] == one]) for one in people), default=0
    )
    nets: dict[tuple[str, str], list[float]] = {}
    for flow in new:
        nets.setdefault((flow["person"], flow["to"].rpartition(".")[0]), []).append(flow["first"])
    record.most_in_a_minute_to_a_net = max(map(_most, nets.values()), default=0)
    record.learnt = city.border.ask("learnt")["learnt"]
    record.counts = city.border.ask("counters")["policies"]


def _most(times: list[float]) -> int:
    """How many fall into one minute, at most."""
    times = sorted(times)
    return max((sum(1 for at in times if begun <= at < begun + _MINUTE) for begun in times), default=0)


def _ways(person: Person, struck: float) -> list[list[Any]]:
    """Whenever it changed."""
    found: list[list[Any]] = []
    for when, status in person.statuses:
        way = _own_way(status)
        if not found or found[-1][2] != way:
            found.append([person.place, round(when - struck, 2), way])
    return found


def _own_way(status: dict[str, Any]) -> str | None:
    return next((way["way"] for way in status.get("ways", ()) if way["own"] and way["up"]), None)


def summary_of(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    """What the filters of all providers did, together."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total)
