"""Letters in pieces at a relay: gathered, answered once, given out again, bounded; by hand, and over HTTP from a real one."""

from __future__ import annotations

import http.client
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from relay_paper import entry, status
from test_relay_processes import LOG, READ, WRITE, Running, create

from support.relay_client import Place
from whimbrel.relay.pieces import LETTER_COST, PIECE_COST, TO_BEGIN, WAITING_MAX, Pieces, Reply, address_of
from whimbrel.relay.settings import Limits
from whimbrel.wire import letters
from whimbrel.wire.answers import Appended, Done, Status
from whimbrel.wire.codec import decode_answers, encode_operations
from whimbrel.wire.keydoc import Feature
from whimbrel.wire.operations import SEALED_CHUNK, Append, Fetch, Get, Operation, Put, Watch, WatchItem
from whimbrel.wire.pieces import (
    DOWN_MIN,
    MESSAGE_SIZES,
    UP_MIN,
    AnswerPiece,
    Got,
    Later,
    More,
    Piece,
    Reason,
    Refused,
    Sending,
    read_told,
    write_asked,
)

ID, OTHER = b"id".ljust(16, b"."), b"other".ljust(16, b".")
ADA, BO = b"ada's address", b"bo's address"
LETTER = os.urandom(6000)
ANSWER = os.urandom(5000)


class Paper:
    """A relay's pieces, a clock, and letters that are answered when the test says."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.now = 1000.0
        self.taken: list[bytes] = []
        self.replies: list[Reply] = []
        self.pieces = Pieces(limits or Limits(), lambda: self.now, self._take, b"secret")

    def _take(self, letter: bytes, reply: Reply) -> None:
        self.taken.append(letter)
        self.replies.append(reply)

    def answer(self, answer: bytes | None = ANSWER) -> None:
        self.replies.pop(0)(answer)

    def send(self, asked: Piece | More | bytes, source: bytes = ADA) -> list[Any]:
        """What is told, now or later."""
        data = asked if isinstance(asked, bytes) else write_asked(asked)
        found: list[Any] = []
        self.pieces.take(data, source, lambda told: found.append(told and read_told(told)))
        return found


def piece(index: int, name: bytes = ID, count: int = 3, letter: bytes = LETTER, down: int = 2112) -> Piece:
    step = -(-len(letter) // count)
    return Piece(name, index, count, len(letter), down, letter[index * step : (index + 1) * step])


def first(down: int = 2112) -> AnswerPiece:
    return AnswerPiece(len(ANSWER), 0, ANSWER[: 2048 if down == 2112 else 512])


def test_pieces_in_any_order_make_the_letter_and_the_last_one_brings_the_answer() -> None:
    paper = Paper()
    assert paper.send(piece(2)) == [Got(4)]
    assert paper.send(piece(0)) == [Got(5)]
    last = paper.send(piece(1))
    assert paper.taken == [LETTER]
    assert last == []
    paper.answer()
    assert last == [first()]
    assert paper.send(More(ID, 2048, 8256)) == [AnswerPiece(5000, 2048, ANSWER[2048:])]


def test_pieces_that_come_again_are_answered_again_and_the_letter_is_taken_once() -> None:
    paper = Paper()
    assert paper.send(piece(0)) == paper.send(piece(0)) == [Got(1)]
    paper.send(piece(1))
    last = paper.send(piece(2))
    again, asked, small = (
        paper.send(piece(2)),
        paper.send(More(ID, 2048, 2112)),
        paper.send(piece(0, down=600)),
    )
    assert last == again == asked == small == []
    paper.answer()
    assert last == again == [first()]
    assert asked == [AnswerPiece(5000, 2048, ANSWER[2048:4096])]
    assert small == [first(600)]
    for index in range(3):
        assert paper.send(piece(index)) == [first()]
    assert paper.taken == [LETTER]


def test_how_far_a_letter_is_can_be_asked() -> None:
    paper = Paper()
    assert paper.send(More(ID, 0, 600)) == [Refused(Reason.UNKNOWN)]
    paper.send(piece(1))
    assert paper.send(More(ID, 0, 600)) == [Got(2)]


def test_pieces_of_other_letters_are_not_mixed_in() -> None:
    paper = Paper()
    unfit = [Refused(Reason.UNFIT)]
    paper.send(piece(0))
    assert paper.send(piece(1, count=2)) == unfit
    assert paper.send(piece(1, letter=LETTER + b"x")) == unfit
    assert paper.send(piece(0, letter=bytes(6000))) == unfit
    assert paper.send(piece(1, OTHER, letter=bytes(6000))) == [Got(2)]
    paper.send(piece(1))
    last = paper.send(piece(2))
    assert paper.send(piece(1, count=2)) == unfit
    paper.answer()
    assert last == [first()]
    assert paper.taken == [LETTER]
    assert paper.send(piece(1, count=2)) == unfit
    assert paper.send(More(ID, 5000, 600)) == unfit


def test_what_is_no_piece_or_makes_no_letter_is_nothing() -> None:
    paper = Paper()
    for nonsense in (b"\x04", b"\x05" + bytes(571), b"\x04" + os.urandom(2111), b"\x01" + os.urandom(2047)):
        assert paper.send(nonsense) == [None]
    assert paper.pieces.weight == 0
    last = paper.send(piece(0, count=1))
    paper.answer(None)
    assert last == [None]
    assert paper.pieces.weight == 0
    assert paper.send(More(ID, 0, 600)) == [Refused(Reason.UNKNOWN)]


def test_only_a_few_wait_for_one_answer() -> None:
    paper = Paper()
    waiting = [paper.send(piece(0, count=1)) for _ in range(WAITING_MAX + 2)]
    assert [isinstance(one[0], Refused) if one else None for one in waiting] == [True] * 2 + [
        None
    ] * WAITING_MAX
    paper.answer()
    assert [len(one) for one in waiting] == [1] * (WAITING_MAX + 2)


# ---------------------------------------------------------------------------------------- room and time


def test_letters_and_answers_are_forgotten_after_two_minutes() -> None:
    paper = Paper()
    paper.send(piece(0))
    paper.send(piece(0, OTHER, count=1))
    paper.now += 119
    paper.send(piece(1))
    paper.answer()
    paper.now += 119
    # The same piece again is no life sign.
    assert paper.send(piece(1)) == [Got(3)]
    paper.pieces.tend()
    assert paper.send(More(OTHER, 0, 2112)) == [first()]
    paper.now += 2
    paper.pieces.tend()
    assert paper.send(More(ID, 0, 600)) == [Refused(Reason.UNKNOWN)]
    assert paper.send(More(OTHER, 0, 600)) == [Refused(Reason.UNKNOWN)]
    assert paper.pieces.weight == 0
    assert not paper.pieces._weights
    assert not paper.pieces._given


def test_no_address_is_kept_while_letters_are() -> None:
    paper = Paper()
    paper.send(piece(0))
    assert len(paper.pieces._weights) == 1
    assert ADA not in repr(vars(paper.pieces)).encode()


def test_a_letter_that_is_held_is_not_forgotten() -> None:
    paper = Paper()
    last = paper.send(piece(0, count=1))
    paper.now += 500
    paper.pieces.tend()
    paper.answer()
    assert last == [first()]
    assert paper.send(More(ID, 4096, 2112)) == [AnswerPiece(5000, 4096, ANSWER[4096:])]


def test_unfinished_letters_take_no_more_room_than_there_is_and_those_begun_can_end() -> None:
    limits = Limits(pieces_bytes=40_000, pieces_share=30_000)
    paper = Paper(limits)
    names = [bytes([n]) * 16 for n in range(100)]
    answers = [paper.send(piece(0, name, count=2))[0] for name in names]
    begun = answers.index(Refused(Reason.BUSY, 10))
    assert set(answers[begun:]) == {Refused(Reason.BUSY, 10)}
    assert begun == 30_000 * TO_BEGIN // (LETTER_COST + PIECE_COST + 3000)
    # Another source has what is left.
    assert paper.send(piece(0, OTHER, count=2), BO) == [Got(1)]
    assert paper.send(piece(0, names[0], count=2)) == [Got(1)], "what is there is there"
    for name in names[:begun]:
        ended = paper.send(piece(1, name, count=2))
        assert paper.pieces.weight <= limits.pieces_bytes
        paper.answer(ANSWER[:500])
        assert ended == [AnswerPiece(500, 0, ANSWER[:500])]
    paper.now += 121
    paper.pieces.tend()
    assert paper.pieces.weight == 0
    assert paper.send(piece(1, names[0], count=2)) == [Got(2)]


def test_very_many_very_small_letters_are_counted_as_what_they_take() -> None:
    paper = Paper(Limits(pieces_share=100_000))
    answers = [paper.send(Piece(os.urandom(16), 0, 2, 2049, 600, bytes(1025)))[0] for _ in range(1000)]
    assert sum(isinstance(one, Got) for one in answers) == 100_000 * TO_BEGIN // (
        LETTER_COST + PIECE_COST + 1025
    )


def test_an_answer_that_was_given_out_makes_room_and_one_that_was_not_does_not() -> None:
    paper = Paper(Limits(pieces_bytes=16_000, pieces_share=16_000))
    for name in (ID, OTHER):
        paper.send(piece(0, name, count=1))
        paper.answer()
    third = b"3" * 16
    assert paper.send(piece(0, third, count=1)) == [Refused(Reason.BUSY, 10)]
    for at in (2048, 4096):
        paper.send(More(OTHER, at, 2112))
    assert paper.send(piece(0, third, count=1)) == []
    assert paper.send(More(OTHER, 4096, 2112)) == [Refused(Reason.UNKNOWN)]
    assert paper.send(More(ID, 0, 2112)) == [first()]


def test_one_source_does_not_push_out_what_another_has_been_given() -> None:
    paper = Paper(Limits(pieces_bytes=1_000_000, pieces_share=8_000))
    paper.send(piece(0, count=1), BO)
    paper.answer(ANSWER[:500])
    assert [paper.send(piece(0, bytes([n]) * 16, count=1))[:1] for n in range(3)][1:] == [
        [Refused(Reason.BUSY, 10)]
    ] * 2
    assert paper.send(More(ID, 0, 600)) == [AnswerPiece(500, 0, ANSWER[:500])]


def test_an_answer_without_room_is_refused_and_the_letter_may_come_again() -> None:
    paper = Paper(Limits(pieces_share=8_000))
    last = paper.send(piece(0, count=1))
    paper.answer(bytes(10_000))
    assert last == [Refused(Reason.BUSY, 10)]
    assert paper.pieces.weight == 0
    again = paper.send(piece(0, count=1))
    paper.answer()
    assert again == [first()]


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("203.0.113.7", bytes([203, 0, 113, 7])),
        ("::ffff:203.0.113.7", bytes([203, 0, 113, 7])),
        ("2001:db8::1:2", b"\x20\x01\x0d\xb8" + bytes(4)),
        ("fe80::1%eth0", b"\xfe\x80" + bytes(6)),
        ("", b""),
    ],
)
def test_room_is_shared_by_address_or_network_of_ipv6(peer: str, address: bytes) -> None:
    assert address_of(peer) == address


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_lost_or_forgotten_the_answer_comes_whole(seed: int) -> None:
    """Several exchanges at a time, of which a third is lost on the way there or back, and a relay that may start anew."""
    chance = random.Random(seed)
    letter, answer = (
        chance.randbytes(chance.randrange(1, 60_000)),
        chance.randbytes(chance.randrange(1, 60_000)),
    )
    up, down = chance.choice(MESSAGE_SIZES[1:]), chance.choice(MESSAGE_SIZES)
    paper = Paper()
    restarts = 2
    one = Sending(letter, ID, up, down)
    under_way: list[tuple[Any, list[bytes | None]]] = []
    result: Any = None
    for _ in range(5000):
        while len(under_way) < 3 and (out := one.next()) is not None:
            told: list[bytes | None] = []
            if chance.random() > 0.2:
                paper.pieces.take(out.message, ADA, told.append)
            under_way.append((out, told))
        for whole in paper.taken:
            assert whole == letter
        while paper.replies:
            paper.answer(answer)
        out, told = under_way.pop(chance.randrange(len(under_way)))
        if told and chance.random() > 0.2:
            assert told[0] is not None
            result = one.receive(out, told[0])
            assert not isinstance(result, Later)
        else:
            one.lost(out)
        if isinstance(result, bytes):
            break
        if restarts and chance.random() < 0.02:
            restarts -= 1
            paper = Paper()
    assert result == answer


# ------------------------------------------------------------------------------------ a real relay, by HTTP


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    one = Running(tmp_path_factory.mktemp("pieces") / "data")
    place = one.place()
    place.exchange(create(place))
    yield one
    if one.process.poll() is None:
        one.kill()


@pytest.fixture
def place(running: Running) -> Place:
    place = running.place()
    assert place.keys().can(Feature.PIECES)
    return place


class Small:
    """Exchanges with a relay, each on a fresh connection and no larger than so much."""

    def __init__(self, place: Place, up: int = 8256, down: int = 8256) -> None:
        self.place = place
        self.up, self.down = up, down
        self.sizes: list[tuple[int, int]] = []

    def send(self, letter: bytes) -> bytes:
        sending = Sending(letter, os.urandom(16), self.up, self.down)
        while True:
            out = sending.next()
            assert out is not None
            status, data = self.place.post(out.message)
            assert status == 200
            self.sizes.append((len(out.message), len(data)))
            found = sending.receive(out, data)
            if isinstance(found, bytes):
                return found

    def exchange(self, *operations: Operation) -> list[Any]:
        sealed = letters.seal_request(self.place.keys(), encode_operations(operations), os.urandom(32))
        return decode_answers(letters.open_response(sealed, self.send(sealed.letter)).answers)


@pytest.mark.processes
def test_a_text_goes_in_one_small_exchange_or_in_smaller_ones(place: Place) -> None:
    small = Small(place)
    [answer] = small.exchange(Append(LOG, WRITE, 0, (entry("a text", 400),)))
    assert isinstance(answer, Appended)
    assert small.sizes == [(2112, 576)]


@pytest.mark.processes
def test_a_chunk_goes_up_and_comes_down_in_exchanges_of_8_kb(place: Place) -> None:
    small = Small(place)
    chunk = os.urandom(SEALED_CHUNK)
    assert small.exchange(Put(b"B" * 32, LOG, WRITE, SEALED_CHUNK, 0, chunk)) == [Done()]
    assert small.sizes == [(8256, 576)] * 9
    small.sizes.clear()
    [got] = small.exchange(Get(b"B" * 32, 0))
    assert got.chunk == chunk
    assert small.sizes == [(2112, 8256)] + [(576, 8256)] * 8
    tiny = Small(place, UP_MIN, DOWN_MIN)
    [again] = tiny.exchange(Get(b"B" * 32, 0))
    assert again == got
    assert max(tiny.sizes) == (2112, 576)


@pytest.mark.processes
def test_a_watch_is_held_in_its_last_exchange(place: Place) -> None:
    [fetched] = place.exchange(Fetch(LOG, READ, 0))
    [watched] = place.exchange(Watch(items=(WatchItem(1, LOG, READ, fetched.head.seq),)))
    heard: list[Any] = []
    small = Small(place, UP_MIN, DOWN_MIN)
    holding = threading.Thread(
        target=lambda: heard.extend(small.exchange(Watch(handle=watched.handle, wait=20)))
    )
    holding.start()
    time.sleep(0.3)
    assert heard == []
    began = time.monotonic()
    place.exchange(Append(LOG, WRITE, 0, (entry("what is waited for"),)))
    holding.join(10)
    assert time.monotonic() - began < 5
    assert [status(one) for one in heard] == [Status.OK]


@pytest.mark.processes
def test_a_key_that_is_gone_and_the_question_for_keys_are_answered_in_pieces_too(place: Place) -> None:
    for whole in (letters.ask_keys(), b"\x01" + os.urandom(5000)):
        small = Small(place, UP_MIN, DOWN_MIN)
        shown = letters.open_key_document(small.send(whole), place.address.relay)
        assert shown == place.keys()
        assert {down for _, down in small.sizes} == {576}


@pytest.mark.processes
def test_what_is_no_piece_gets_the_page_that_is_not_there(place: Place) -> None:
    def page(body: bytes) -> tuple[int, bytes]:
        return place.post(body)

    def in_a_piece(inside: bytes) -> bytes:
        out = Sending(inside, os.urandom(16), UP_MIN, DOWN_MIN).next()
        assert out is not None
        return out.message

    nonsense = page(b"nonsense")
    assert nonsense[0] == 404
    no_letter = in_a_piece(b"\x03 no letter")
    for body in (b"\x04", b"\x04" + os.urandom(575), b"\x05" + bytes(575), no_letter, b"\x06" + bytes(9)):
        assert page(body) == nonsense
    assert page(in_a_piece(in_a_piece(letters.ask_keys()))) == nonsense, "a piece of a letter is no letter"


@pytest.mark.processes
def test_a_relay_killed_in_the_middle_gets_the_letter_again_and_does_nothing_twice(tmp_path: Path) -> None:
    running = Running(tmp_path / "data")
    try:
        place = running.place()
        place.exchange(create(place))
        texts = tuple(entry(f"text {n}", 3000) for n in range(6))
        sealed = letters.seal_request(
            place.keys(),
            encode_operations([Append(LOG, WRITE, 0, texts), Fetch(LOG, READ, 0)]),
            os.urandom(32),
        )
        sending = Sending(sealed.letter, os.urandom(16), 4160, 4160)
        kills = {3, 10, 13}
        exchanges = 0
        found: Any = None
        while not isinstance(found, bytes):
            out = sending.next()
            assert out is not None
            exchanges += 1
            if exchanges in kills:
                running.kill()
                running.start()
            try:
                code, data = place.post(out.message)
            except (OSError, http.client.HTTPException):
                sending.lost(out)
                continue
            assert code == 200
            found = sending.receive(out, data)
        appended, fetched = decode_answers(letters.open_response(sealed, found).answers)
        assert isinstance(appended, Appended)
        assert (appended.first, appended.last) == (1, 6)
        assert [record.entry for record in fetched.records] == list(texts)  # type: ignore[union-attr]
        assert exchanges > max(kills)
    finally:
        running.kill()
