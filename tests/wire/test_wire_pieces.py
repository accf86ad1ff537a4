"""Letters in pieces: their bytes, and an app that gets a letter there and its answer back whatever is lost on the way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_values import cbor_values, damaged, exactly

from whimbrel.wire import cbor, letters, pieces
from whimbrel.wire.errors import Malformed
from whimbrel.wire.letters import LETTER_MAX, LETTER_SIZES
from whimbrel.wire.pieces import (
    AROUND,
    DOWN_MIN,
    FORGOTTEN_MAX,
    MESSAGE_SIZES,
    UP_MIN,
    AnswerPiece,
    Got,
    Later,
    More,
    Outgoing,
    Piece,
    Reason,
    Refused,
    Sending,
    piece_of_answer,
    read_asked,
    read_told,
    write_asked,
    write_told,
)

ID = b"id".ljust(16, b".")
downs = st.integers(DOWN_MIN, 1 << 40)


@st.composite
def letter_pieces(draw: st.DrawFn) -> Piece:
    size = draw(st.sampled_from((1, 500, *LETTER_SIZES)))
    count = draw(st.integers(-(-size // 16384), max(1, -(-size // 16384), size // 2048)))
    step = pieces.step_of(size, count)
    index = draw(st.integers(0, count - 1))
    return Piece(draw(exactly(16)), index, count, size, draw(downs), bytes(min(step, size - index * step)))


asked = letter_pieces() | st.builds(More, exactly(16), st.integers(0, LETTER_MAX - 1), downs)
told = (
    st.integers(1, (1 << pieces.COUNT_MAX) - 1).map(Got)
    | st.builds(Refused, st.sampled_from(Reason), st.integers(0, pieces.RETRY_MAX))
    | st.builds(
        lambda body, at, more: AnswerPiece(at + len(body) + more, at, body),
        st.binary(min_size=1, max_size=40) | st.sampled_from([bytes(512), bytes(8192), bytes(16384)]),
        st.integers(0, 100_000),
        st.integers(0, 100_000),
    )
)


@given(asked)
def test_what_is_asked_comes_back_and_has_one_of_a_few_sizes(one: Piece | More) -> None:
    data = write_asked(one)
    assert pieces.is_piece(data)
    assert len(data) in MESSAGE_SIZES
    assert read_asked(data) == one


@given(told)
def test_what_is_told_comes_back_and_has_one_of_a_few_sizes(one: Got | AnswerPiece | Refused) -> None:
    data = write_told(one)
    assert len(data) in MESSAGE_SIZES
    assert read_told(data) == one


@given(st.data(), asked, told)
def test_damaged_bytes_are_another_message_or_refused(
    data: st.DataObject, one: Piece | More, other: Got | AnswerPiece | Refused
) -> None:
    for message, read in ((write_asked(one), read_asked), (write_told(other), read_told)):
        try:
            read(data.draw(damaged(message)))
        except Malformed:
            pass


@given(st.integers(0, 255), st.lists(cbor_values, max_size=7))
def test_any_values_are_a_message_or_refused(kind: int, values: list[Any]) -> None:
    data = bytes((kind,)) + cbor.encode(values) + b"\x80"
    for read, write in ((read_asked, write_asked), (read_told, write_told)):
        try:
            found = read(data)
        except Malformed:
            continue
        assert write(found).rstrip(b"\0") == data


def raw(kind: int, *values: Any) -> bytes:
    return bytes((kind,)) + cbor.encode(list(values)) + b"\x80"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x04",
        b"\x04\x80",
        b"\x04" + bytes(500),
        b"\x04" + cbor.encode([ID, 0, 1, 5, 600, b"12345"]),
        raw(3, ID, 0, 1, 5, 600, b"12345"),
        raw(6, ID, 0, 1, 5, 600, b"12345"),
        raw(4, ID[1:], 0, 1, 5, 600, b"12345"),
        raw(4, ID, 1, 1, 5, 600, b"12345"),
        raw(4, ID, 0, 0, 5, 600, b"12345"),
        raw(4, ID, 0, 1, 5, 600, b"1234"),
        raw(4, ID, 0, 1, 5, 600, b"123456"),
        raw(4, ID, 0, 1, 0, 600, b""),
        raw(4, ID, 0, 1, 5, 575, b"12345"),
        raw(4, ID, 0, 2, 2000, 600, bytes(1000)),
        raw(4, ID, 0, 3, 2500, 600, bytes(834)),
        raw(4, ID, 0, 5000, 1 << 20, 600, bytes(210)),
        raw(4, ID, 0, 100, LETTER_MAX + 1, 600, bytes(11142)),
        raw(5, ID, LETTER_MAX, 600),
        raw(5, ID, -1, 600),
        raw(5, ID, 0, 600, 0),
        raw(4, ID, 0, 1, 5, 600, b"12345").ljust(MESSAGE_SIZES[-1] + 1, b"\0"),
    ],
)
def test_is_no_piece(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_asked(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        raw(4, b"\x01"),
        raw(6, b""),
        raw(6, b"\x01\x00"),
        raw(6, b"\x01" * 137),
        raw(7, 10, 0, b""),
        raw(7, 10, 5, b"123456"),
        raw(7, 0, 0, b"1"),
        raw(7, LETTER_MAX + 1, 0, b"1"),
        raw(8, 3, 0),
        raw(8, 0, 3601),
        raw(8, 0),
    ],
)
def test_is_no_answer_to_a_piece(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_told(data)


@pytest.mark.parametrize("size", LETTER_SIZES)
@pytest.mark.parametrize("up", [UP_MIN, 5000, 8256, LETTER_MAX])
def test_all_pieces_of_a_letter_look_alike_and_are_as_few_as_can_be(size: int, up: int) -> None:
    sending = Sending(bytes(size), ID, up, DOWN_MIN)
    outs = []
    while (out := sending.next()) is not None:
        outs.append(out)
    assert len({len(out.message) for out in outs}) == 1
    assert len(outs[0].message) <= up
    assert len(outs) == -(-size // pieces.carried_by(up)) == sending.left
    found = [read_asked(out.message) for out in outs]
    assert b"".join(one.body for one in found if isinstance(one, Piece)) == bytes(size)


def test_a_letter_of_a_usual_size_is_one_message_a_little_larger() -> None:
    for size in LETTER_SIZES[:4]:
        [out] = [Sending(bytes(size), ID, 16448, DOWN_MIN).next()]
        assert out is not None
        assert len(out.message) == size + AROUND
    assert len(write_told(piece_of_answer(bytes(512), 0, 8256))) == 576


def test_no_pieces_smaller_than_can_be() -> None:
    for up, down, name in ((UP_MIN - 1, 600, ID), (UP_MIN, DOWN_MIN - 1, ID), (UP_MIN, 600, ID[1:])):
        with pytest.raises(ValueError):
            Sending(b"letter", name, up, down)


# ------------------------------------------------------------------------------------------- sending


LETTER = bytes(range(256)) * 16
ANSWER = bytes(reversed(range(256))) * 20


def sending() -> Sending:
    """A letter of two pieces, and an answer that will be of three."""
    return Sending(LETTER, ID, UP_MIN, 2112)


def following(one: Sending) -> Outgoing:
    out = one.next()
    assert out is not None
    return out


def answer_piece(at: int, answer: bytes = ANSWER) -> bytes:
    return write_told(piece_of_answer(answer, at, 2112))


def test_pieces_go_one_after_the_other_and_then_the_answer_comes() -> None:
    one = sending()
    assert one.receive(following(one), write_told(Got(1))) is None
    assert one.left == 1
    assert one.receive(following(one), answer_piece(0)) is None
    assert one.left == 2
    out = following(one)
    assert read_asked(out.message) == More(ID, 2048, 2112)
    assert one.receive(out, answer_piece(2048)) is None
    assert one.receive(following(one), answer_piece(4096)) == ANSWER
    assert one.next() is None
    assert one.left == 0


def test_what_is_asked_for_with_a_small_message_may_be_larger_than_what_comes_with_the_letter() -> None:
    one = Sending(LETTER, ID, UP_MIN, 2112, 4160)
    one.receive(following(one), write_told(Got(1)))
    assert one.receive(following(one), answer_piece(0)) is None
    assert one.left == 1
    out = following(one)
    assert read_asked(out.message) == More(ID, 2048, 4160)
    with pytest.raises(Malformed):
        Sending(LETTER, ID, UP_MIN, 2112, 4160).receive(out, answer_piece(2048))
    assert one.receive(out, write_told(piece_of_answer(ANSWER, 2048, 4160))) == ANSWER


def test_several_go_at_a_time_and_their_answers_come_in_any_order() -> None:
    one = sending()
    first, second = following(one), following(one)
    assert one.next() is None
    assert one.receive(second, write_told(Got(2))) is None
    assert one.next() is None, "the first is under way still"
    assert one.receive(first, answer_piece(0)) is None
    third, fourth = following(one), following(one)
    assert one.receive(fourth, answer_piece(4096)) is None
    assert one.receive(third, answer_piece(2048)) == ANSWER


def test_a_piece_that_was_told_of_meanwhile_is_not_sent_again() -> None:
    one = Sending(bytes(6144), ID, UP_MIN, DOWN_MIN)
    first, second, third = following(one), following(one), following(one)
    assert one.receive(third, write_told(Got(4))) is None
    # This answer was given before the third piece had come.
    assert one.receive(first, write_told(Got(1))) is None
    one.lost(second)
    assert following(one).place == 1
    assert one.next() is None


def test_what_is_lost_goes_again() -> None:
    one = sending()
    first = following(one)
    one.lost(first)
    again = following(one)
    assert again.message == first.message
    one.receive(again, write_told(Got(1)))
    last = following(one)
    one.lost(last)
    assert following(one).message == last.message


def test_when_all_seems_to_be_there_and_no_answer_comes_the_relay_is_asked_how_far_it_is() -> None:
    """It may have started anew between two pieces that were under way together."""
    one = Sending(bytes(6144), ID, UP_MIN, DOWN_MIN)
    first, second, third = following(one), following(one), following(one)
    one.receive(first, write_told(Got(1)))
    one.receive(second, write_told(Got(3)))
    one.receive(third, write_told(Got(4)))
    out = following(one)
    assert read_asked(out.message) == More(ID, 0, DOWN_MIN)
    one.receive(out, write_told(Got(4)))
    assert [following(one).place, following(one).place] == [0, 1]


def test_a_relay_without_room_is_asked_again_later() -> None:
    one = sending()
    first = following(one)
    assert one.receive(first, write_told(Refused(Reason.BUSY, 10))) == Later(10)
    assert following(one).message == first.message


def test_a_relay_that_has_forgotten_gets_the_letter_again() -> None:
    one = sending()
    one.receive(following(one), write_told(Got(1)))
    stale = following(one)
    one.receive(stale, answer_piece(0))
    third, fourth = following(one), following(one)
    assert one.receive(third, write_told(Refused(Reason.UNKNOWN))) is None
    first = following(one)
    assert read_asked(first.message) == read_asked(Sending(LETTER, ID, UP_MIN, 2112).next().message)  # type: ignore[union-attr]
    # What belongs to the answer that was forgotten is not mixed with the next one.
    assert one.receive(fourth, answer_piece(4096, bytes(5120))) is None
    one.receive(first, write_told(Got(1)))
    one.receive(following(one), answer_piece(0))
    one.receive(following(one), answer_piece(2048))
    assert one.receive(following(one), answer_piece(4096)) == ANSWER


def test_pieces_that_were_forgotten_go_again_and_not_for_ever() -> None:
    one = sending()
    one.receive(following(one), write_told(Got(1)))
    one.receive(following(one), write_told(Got(2)))
    for turn in range(FORGOTTEN_MAX - 1):
        out = following(one)
        assert out.place == turn % 2
        one.receive(out, write_told(Got(1 << out.place)))
    out = following(one)
    with pytest.raises(Malformed, match="forgets"):
        one.receive(out, write_told(Got(1 << out.place)))


@pytest.mark.parametrize(
    "told",
    [
        b"\x07nonsense",
        write_told(Refused(Reason.UNFIT)),
        write_told(Got(2)),
        write_told(Got(3)),
        write_told(Got(5)),
        answer_piece(2048),
        write_told(AnswerPiece(5120, 0, bytes(2047))),
        write_told(AnswerPiece(5120, 0, bytes(2049))),
    ],
)
def test_a_relay_that_says_what_cannot_be_is_no_good(told: bytes) -> None:
    one = sending()
    with pytest.raises(Malformed):
        one.receive(following(one), told)


def test_pieces_of_two_answers_are_not_mixed() -> None:
    one = Sending(LETTER, ID, 4160, 2112)
    one.receive(following(one), answer_piece(0))
    with pytest.raises(Malformed, match="another answer"):
        one.receive(following(one), answer_piece(2048, ANSWER + b"more"))


def test_types_are_not_those_of_whole_letters() -> None:
    whole = {letters.KEY_ASKED, letters.REQUEST, letters.KEY_DOCUMENT, letters.RESPONSE}
    assert not whole & {pieces.PIECE, pieces.MORE, pieces.GOT, pieces.ANSWER, pieces.REFUSED}
