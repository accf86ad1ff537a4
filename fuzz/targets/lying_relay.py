"""What a relay that does not keep to the rules says to somebody's conversations: any records of a log, any answer to what was asked.

The same village as in `village`. What comes of an input is thrown away afterwards, so that the next one meets the same
person; that somebody notices such a relay and finds a way back has tests of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fuzz.target import Shape, target
from fuzz.targets._seeds import vectors
from fuzz.targets.village import _place
from support.village import Villager
from whimbrel.chat.effects import Effects
from whimbrel.wire import chain
from whimbrel.wire.answering import decode_answer
from whimbrel.wire.answers import Answer, Failure, Fetched, Record
from whimbrel.wire.errors import Malformed

AS_IT_IS, CHAINED = 0, 1
"""The first byte: is what a record says of its place and its chain what a relay would have to say?"""


def _forget(who: Villager) -> None:
    """The person as they were saved last."""
    who.asks.clear()
    who.crash()


def _answer(data: bytes) -> Answer | None:
    try:
        return decode_answer(data)
    except Malformed:
        return None


def _fetched() -> Iterator[bytes]:
    for one in vectors("answers")["answers"]:
        if one["value"]["is"] in ("Fetched", "Failure"):
            for mode in (AS_IT_IS, CHAINED):
                for which in range(3):
                    yield bytes((mode, which)) + bytes.fromhex(one["encoded"])


@target(
    "chat-from-relay",
    "chat.person",
    "chat.line",
    seeds=_fetched,
    shape=Shape.CBOR,
    skip=2,
    longest=20_000,
)
def records(data: bytes) -> bool:
    """Any records of a watched log, or a refusal: read, ignored or noticed, and never an error of ours."""
    place, answer = _place(), _answer(data[2:])
    if not isinstance(answer, Fetched | Failure):
        return False
    person, now = place.bo.person, place.village.now
    watching = person.watching()[data[1] % len(person.watching())]
    if data[0] % 2 == CHAINED and isinstance(answer, Fetched):
        answer = _chained(place.bo, watching.log, answer)
    fx = Effects()
    try:
        person.records(watching.relay, watching.log, answer, now, fx)
        person.pump(now, fx)
    finally:
        _forget(place.bo)
    return True


def _chained(who: Villager, log: bytes, fetched: Fetched) -> Fetched:
    """The same entries behind what this person has read of the log, as an honest relay would chain them."""
    lines = (line.state for chat in who.person.chats.values() for line in chat.lines)
    state = next((state for state in lines if state.log == log), None)
    if state is None:
        inbox = who.person.inbox.here()
        seq, turn, h = (inbox.seq, 0, inbox.h) if inbox.log == log else (0, 0, chain.start(log))
    else:
        seq, turn, h = state.seq, state.turn, state.h
    found: list[Record] = []
    for record in fetched.records:
        seq += 1
        h = chain.step(h, seq, turn, record.advance, record.id, record.change)
        found.append(replace(record, seq=seq, turn=turn, h=h))
        turn += record.advance
    return replace(fetched, records=tuple(found), head=replace(fetched.head, seq=seq, turn=turn, h=h))


def _answers() -> Iterator[bytes]:
    for one in vectors("answers")["answers"]:
        for which in range(4):
            yield bytes((which,)) + bytes.fromhex(one["encoded"])


@target(
    "chat-from-relay-answer",
    "chat.person",
    "chat.errands",
    seeds=_answers,
    shape=Shape.CBOR,
    skip=1,
    longest=20_000,
)
def answers(data: bytes) -> bool:
    """Any answer, of any kind, to what was asked: a post, a commit, a new group, an invite."""
    place, answer = _place(), _answer(data[1:])
    if answer is None:
        return False
    bo, now = place.bo, place.village.now
    fx = Effects()
    try:
        match data[0] % 4:
            case 0:
                bo.person.send(bo.chat("birds"), "words", [], None, now, fx)
            case 1:
                bo.person.make_group("more birds", [bo.contact("Ada")], now, fx)
            case 2:
                bo.person.doors.invites.make(now, fx)
            case _:
                bo.person.doors.invites.make_open(now, fx)
        bo.person.pump(now, fx)
        for ask in fx.asks[:8]:
            later = Effects()
            bo.person.answer(ask.tag, answer, now, later)
            bo.person.pump(now + 1, later)
    finally:
        _forget(bo)
    return True
