"""Streams: a letter each way, then frames; and what becomes of a stream when anything is wrong with it."""

from __future__ import annotations

import sys

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_values import answers as any_answers
from wire_values import damaged, in_slots, operations, slots

from whimbrel.wire import cbor, codec, keydoc, letters
from whimbrel.wire.answers import Answer, Appended, Done, Failure, Pushed, Signalled, Status
from whimbrel.wire.errors import BadSignature, Malformed, StreamOver, WireError
from whimbrel.wire.keydoc import KeyDocument, public_kem_key
from whimbrel.wire.letters import RelayKeys
from whimbrel.wire.operations import Append, Entry, Operation, Stat, Unknown
from whimbrel.wire.purpose import public_of
from whimbrel.wire.streams import (
    Answered,
    ClientStream,
    KeysAsked,
    KeysNeeded,
    NewKeys,
    RelayStream,
    Request,
)

IDENTITY_PRIVATE = b"i" * 32
KEM_KEYS = {number: bytes((number,)) * 32 for number in (7, 8, 9)}
ASK = Stat(b"b" * 32)


def document(number: int) -> KeyDocument:
    return keydoc.make(IDENTITY_PRIVATE, number, 0, 1, public_kem_key(KEM_KEYS[number]))


OLD, NEW, NEXT = document(7), document(8), document(9)
KEYS = RelayKeys(NEW, {7: KEM_KEYS[7], 8: KEM_KEYS[8]})
FRESH_KEYS = RelayKeys(NEW, {8: KEM_KEYS[8]})
APP_RANDOM, RELAY_RANDOM = bytes(range(64)), bytes(range(64, 128))


def opened(known: KeyDocument = NEW) -> tuple[ClientStream, RelayStream]:
    """Both sides of a stream whose first letter was answered."""
    app, relay = ClientStream(known, APP_RANDOM), RelayStream(KEYS, RELAY_RANDOM)
    assert relay.receive(app.open([ASK])) == Request(0, (ASK,))
    app.receive(relay.answer(0, [Done()]))
    return app, relay


def test_the_first_flight_carries_operations_and_its_answer_opens_the_stream() -> None:
    app, relay = ClientStream(NEW, APP_RANDOM), RelayStream(KEYS, RELAY_RANDOM)
    asked = relay.receive(app.open([ASK, Unknown(99)]))
    assert asked == Request(0, (ASK, Unknown(99)))
    assert not app.ready
    assert not relay.ready
    found = app.receive(relay.answer(0, [Done(), Failure(Status.UNKNOWN)]))
    assert found == [Answered(0, (Done(), Failure(Status.UNKNOWN)))]
    assert app.ready
    assert relay.ready


@settings(max_examples=40)
@given(st.lists(operations, max_size=3), st.data())
def test_operations_and_answers_go_through_as_they_are(asked: list[Operation], data: st.DataObject) -> None:
    app, relay = opened()
    assert relay.receive(app.request(1, asked)) == Request(1, tuple(asked))
    given_answers: list[Answer] = [data.draw(any_answers) for _ in asked]
    assert app.receive(relay.answer(1, given_answers)) == [Answered(1, tuple(given_answers))]


@settings(max_examples=40)
@given(slots, in_slots, st.binary(min_size=1, max_size=100))
def test_pushes_and_signals_go_through_as_they_are(slot: int, what: object, body: bytes) -> None:
    app, relay = opened()
    pushed = Pushed(slot, what)  # type: ignore[arg-type]
    assert app.receive(relay.push(pushed)) == [pushed]
    assert app.receive(relay.push_encoded(slot, codec.encode_answer(pushed.what))) == [pushed]
    assert app.receive(relay.signal(Signalled(slot, body))) == [Signalled(slot, body)]


def test_answers_may_come_in_another_order_with_pushes_between() -> None:
    app, relay = opened()
    for n in (1, 2, 3):
        assert relay.receive(app.request(n, [ASK] * n)) == Request(n, (ASK,) * n)
    assert app.receive(relay.answer(3, [Done()] * 3)) == [Answered(3, (Done(),) * 3)]
    app.receive(relay.signal(Signalled(1, b"ring")))
    assert app.receive(relay.answer(1, [Done()])) == [Answered(1, (Done(),))]
    assert app.receive(relay.answer(2, [Done()] * 2)) == [Answered(2, (Done(), Done()))]


def test_a_malformed_operation_is_answered_alone() -> None:
    app, relay = opened()
    wrong = Append(b"short", b"w" * 32, 0, (codec.encode_entry(Entry(1, bytes(16), bytes(40))),))
    assert relay.receive(app.request(1, [wrong, ASK])) == Request(1, (Failure(Status.MALFORMED), ASK))


# ---------------------------------------------------------------------------------------------------- keys


def test_a_key_that_is_gone_costs_one_more_exchange_on_the_same_stream() -> None:
    relay = RelayStream(FRESH_KEYS, RELAY_RANDOM)
    app = ClientStream(OLD, APP_RANDOM)
    shown = relay.receive(app.open([ASK]))
    assert isinstance(shown, KeysAsked)
    with pytest.raises(KeysNeeded) as needed:
        app.receive(shown.document)
    assert needed.value.document == NEW
    again = ClientStream(needed.value.document, APP_RANDOM)
    assert relay.receive(again.open([ASK])) == Request(0, (ASK,))
    assert again.receive(relay.answer(0, [Done()])) == [Answered(0, (Done(),))]
    with pytest.raises(StreamOver):
        app.receive(shown.document)


def test_who_knows_no_key_asks_first() -> None:
    relay = RelayStream(KEYS, RELAY_RANDOM)
    shown = relay.receive(letters.ask_keys())
    assert isinstance(shown, KeysAsked)
    found = letters.open_key_document(shown.document, public_of(IDENTITY_PRIVATE))
    app = ClientStream(found, APP_RANDOM)
    relay.receive(app.open([]))
    assert app.receive(relay.answer(0, [])) == [Answered(0, ())]


def test_an_older_key_works_and_the_answer_brings_the_newer_document() -> None:
    app, relay = ClientStream(OLD, APP_RANDOM), RelayStream(KEYS, RELAY_RANDOM)
    relay.receive(app.open([ASK]))
    assert app.receive(relay.answer(0, [Done()])) == [Answered(0, (Done(),)), NewKeys(NEW)]


def test_a_long_stream_gets_the_next_document_in_time() -> None:
    app, relay = opened()
    assert app.receive(relay.new_keys(NEXT)) == [NewKeys(NEXT)]


@pytest.mark.parametrize("shown", [OLD, NEW], ids=["an older one", "the same one"])
def test_a_document_that_is_not_newer_does_not_send_the_app_in_circles(shown: KeyDocument) -> None:
    app = ClientStream(NEW, APP_RANDOM)
    app.open([ASK])
    with pytest.raises(Malformed, match="not newer"):
        app.receive(b"\x02" + shown.encoded)


def test_a_document_of_somebody_else_is_not_believed() -> None:
    app = ClientStream(OLD, APP_RANDOM)
    app.open([ASK])
    forged = keydoc.make(b"x" * 32, 8, 0, 1, public_kem_key(KEM_KEYS[8]))
    with pytest.raises(BadSignature):
        app.receive(b"\x02" + forged.encoded)


# --------------------------------------------------------------------------------------- what must not work


@settings(max_examples=40)
@given(st.data())
def test_after_a_damaged_frame_the_relays_side_is_dead(data: st.DataObject) -> None:
    app, relay = opened()
    frame = app.request(1, [ASK])
    with pytest.raises(Malformed):
        relay.receive(data.draw(damaged(frame)))
    for _ in range(2):
        with pytest.raises(StreamOver):
            relay.receive(frame)
    with pytest.raises(StreamOver):
        relay.answer(1, [Done()])


@settings(max_examples=40)
@given(st.data())
def test_after_a_damaged_frame_the_apps_side_is_dead(data: st.DataObject) -> None:
    app, relay = opened()
    relay.receive(app.request(1, [ASK]))
    frame = relay.answer(1, [Done()])
    with pytest.raises(Malformed):
        app.receive(data.draw(damaged(frame)))
    with pytest.raises(StreamOver):
        app.receive(frame)
    with pytest.raises(StreamOver):
        app.request(2, [ASK])
    assert not app.ready


@given(st.binary(max_size=200))
def test_any_bytes_as_a_first_message_are_a_typed_error_or_a_question_for_keys(data: bytes) -> None:
    relay = RelayStream(KEYS, RELAY_RANDOM)
    try:
        assert isinstance(relay.receive(data), KeysAsked)
        assert data[0] == 0
    except WireError:
        with pytest.raises(StreamOver):
            relay.receive(ClientStream(NEW, APP_RANDOM).open([ASK]))
    app = ClientStream(NEW, APP_RANDOM)
    app.open([ASK])
    with pytest.raises(WireError):
        app.receive(data)


def test_frames_are_not_taken_twice_out_of_order_or_from_the_own_side() -> None:
    app, relay = opened()
    first, second = app.request(1, [ASK]), app.request(2, [ASK])
    relay.receive(first)
    with pytest.raises(Malformed):
        relay.receive(first)
    app, relay = opened()
    app.request(1, [ASK])
    with pytest.raises(Malformed):
        relay.receive(second)
    app, relay = opened()
    with pytest.raises(Malformed):
        app.receive(app.request(1, [ASK]))


def test_frames_of_another_stream_do_not_open() -> None:
    app, _ = opened()
    other_app, other = ClientStream(NEW, b"x" * 64), RelayStream(KEYS, b"y" * 64)
    other.receive(other_app.open([ASK]))
    other_app.receive(other.answer(0, [Done()]))
    with pytest.raises(Malformed):
        other.receive(app.request(1, [ASK]))


def test_a_repeated_letter_opens_nothing_for_who_repeats_it() -> None:
    app = ClientStream(NEW, APP_RANDOM)
    letter = app.open([ASK])
    first, second = RelayStream(KEYS, RELAY_RANDOM), RelayStream(KEYS, b"z" * 64)
    first.receive(letter)
    second.receive(letter)
    app.receive(first.answer(0, [Done()]))
    second.answer(0, [Done()])
    with pytest.raises(Malformed):
        second.receive(app.request(1, [ASK]))


@pytest.mark.parametrize(
    "share",
    [
        bytes(32),
        b"\x01" + bytes(31),
        bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ],
)
def test_shares_that_agree_with_everybody_are_refused_by_both_sides(share: bytes) -> None:
    sealed = letters.seal_request(NEW, codec.encode_operations([ASK]), b"s" * 32, share)
    relay = RelayStream(KEYS, RELAY_RANDOM)
    with pytest.raises(Malformed, match="share"):
        relay.receive(sealed.letter)
    app = ClientStream(NEW, APP_RANDOM)
    request = letters.open_request(KEYS, app.open([ASK]))
    with pytest.raises(Malformed, match="share"):
        app.receive(letters.seal_response(request, b"n" * 32, codec.encode_answers([Done()]), share))


def test_a_letter_or_an_answer_without_a_share_opens_no_stream() -> None:
    sealed = letters.seal_request(NEW, codec.encode_operations([ASK]), b"s" * 32)
    with pytest.raises(Malformed, match="share"):
        RelayStream(KEYS, RELAY_RANDOM).receive(sealed.letter)
    app = ClientStream(NEW, APP_RANDOM)
    request = letters.open_request(KEYS, app.open([ASK]))
    with pytest.raises(Malformed, match="share"):
        app.receive(letters.seal_response(request, b"n" * 32, codec.encode_answers([Done()])))


@pytest.mark.parametrize("count", [0, 2])
def test_as_many_answers_as_operations_or_the_stream_ends(count: int) -> None:
    app, relay = opened()
    relay.receive(app.request(1, [ASK]))
    with pytest.raises(Malformed, match="not asked"):
        app.receive(relay.answer(1, [Done()] * count))


def test_answers_to_what_was_never_asked_or_was_answered_end_the_stream() -> None:
    app, relay = opened()
    with pytest.raises(Malformed, match="not asked"):
        app.receive(relay.answer(5, []))
    app, relay = opened()
    app.request(1, [ASK])
    app.receive(relay.answer(1, [Done()]))
    with pytest.raises(Malformed, match="not asked"):
        app.receive(relay.answer(1, [Done()]))


# ------------------------------------------------------------------- frames that a later version might send


def frame_to_app(relay: RelayStream, value: object) -> bytes:
    return ChaCha20Poly1305(relay._send_key).encrypt(
        relay._sent.to_bytes(12, "big"), cbor.encode(value), None
    )


def frame_to_relay(app: ClientStream, value: object) -> bytes:
    return ChaCha20Poly1305(app._send_key).encrypt(app._sent.to_bytes(12, "big"), cbor.encode(value), None)


def test_unknown_odd_kinds_of_frames_are_ignored_and_even_ones_end_the_stream() -> None:
    app, relay = opened()
    assert app.receive(frame_to_app(relay, [3, "news"])) == []
    app, relay = opened()
    with pytest.raises(Malformed, match="must not be ignored"):
        app.receive(frame_to_app(relay, [6, "news"]))
    app, relay = opened()
    with pytest.raises(Malformed):
        relay.receive(frame_to_relay(app, [3, 1, []]))


@given(
    st.sampled_from(
        [
            [],
            [0],
            [0, 0, []],
            [0, 1],
            [0, 1, {}],
            [1, 1],
            [2, 1, [17, {}]],
            [2, 70000, [0, {}]],
            [4, 1, b""],
            [4, 1, "x"],
            {},
            0,
            None,
            [False, 1, []],
            ["x", 1],
        ]
    )
)
def test_a_well_sealed_frame_of_nonsense_ends_the_stream(value: object) -> None:
    app, relay = opened()
    with pytest.raises(Malformed):
        app.receive(frame_to_app(relay, value))
    app, relay = opened()
    if value != [0, 1, []]:
        with pytest.raises(Malformed):
            relay.receive(frame_to_relay(app, value))


# -------------------------------------------------------------------------------------------- our own faults


def test_misuse_is_told_and_does_no_harm() -> None:
    app, relay = ClientStream(NEW, APP_RANDOM), RelayStream(KEYS, RELAY_RANDOM)
    with pytest.raises(RuntimeError, match="not answered"):
        app.request(1, [ASK])
    letter = app.open([ASK])
    with pytest.raises(RuntimeError, match="opened before"):
        app.open([ASK])
    with pytest.raises(StreamOver):
        relay.push(Pushed(1, Failure(Status.DENIED)))
    relay.receive(letter)
    app.receive(relay.answer(0, [Done()]))
    for n in (0, -1, 1 << 32):
        with pytest.raises(ValueError, match="numbered"):
            app.request(n, [ASK])
    frame = app.request(1, [ASK])
    with pytest.raises(ValueError, match="numbered"):
        app.request(1, [ASK])
    with pytest.raises(ValueError, match="too much"):
        app.request(2, [Stat(b"b" * 32)] * 1025)
    with pytest.raises(ValueError, match="too much"):
        relay.push_encoded(1, bytes(letters.LETTER_MAX))
    assert relay.receive(frame) == Request(1, (ASK,))
    assert app.receive(relay.answer(1, [Done()])) == [Answered(1, (Done(),))]
    assert relay.receive(app.request(2, [ASK])) == Request(2, (ASK,))
    with pytest.raises(ValueError, match="random"):
        ClientStream(NEW, bytes(63))
    with pytest.raises(ValueError, match="random"):
        RelayStream(KEYS, bytes(63))


def test_an_idle_stream_holds_two_keys_and_two_counters() -> None:
    app, relay = opened()
    for n in range(1, 20):
        relay.receive(app.request(n, [ASK]))
        app.receive(relay.answer(n, [Appended(1, 1, 0, b"h" * 32)]))
    assert not hasattr(relay, "__dict__")
    assert relay._keys is None
    assert relay._opening is None
    held = [getattr(relay, name) for name in RelayStream.__slots__]
    assert sys.getsizeof(relay) + sum(map(sys.getsizeof, held)) < 400
    assert not any(isinstance(one, ChaCha20Poly1305) for one in held)
