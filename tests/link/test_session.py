"""The sealed side of a way: keys asked for, keys replaced, and nothing believed that the relay did not seal."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.relay_in_memory import Relay
from whimbrel.link.keys import Keys
from whimbrel.link.session import LetterSession, StreamSession
from whimbrel.wire import letters, streams
from whimbrel.wire.answers import Failure, Status
from whimbrel.wire.codec import decode_operations, encode_answers
from whimbrel.wire.errors import BadSignature, Malformed, WireError
from whimbrel.wire.operations import Stat

ASK = Stat(bytes(32))
ANSWER = Failure(Status.DENIED)


def keys_of(relay: Relay, known: bool = True) -> tuple[Keys, list[bytes]]:
    kept: list[bytes] = []
    return Keys(relay.identity, relay.keys.document.encoded if known else None, kept.append), kept


def reply(relay: Relay, letter: bytes) -> bytes:
    """What a relay answers to a letter."""
    if letters.is_asking_keys(letter):
        return relay.keys.document_answer()
    try:
        opened = letters.open_request(relay.keys, letter)
    except (letters.GoneKey, letters.NotForUs):
        return relay.keys.document_answer()
    answers = [ANSWER for _ in decode_operations(opened.operations)]
    return letters.seal_response(
        opened, os.urandom(32), encode_answers(answers), document=relay.keys.news_for(opened.number)
    )


def exchange(relay: Relay, session: LetterSession) -> tuple[int, tuple[object, ...]]:
    """The whole exchange: how many letters it took, and what it brought."""
    letter: bytes | None = session.start()
    count = 0
    while letter is not None:
        count += 1
        came = session.receive(reply(relay, letter))
        letter = came.send
    return count, came.values


def test_a_letter_to_a_known_relay_is_one_exchange() -> None:
    relay = Relay()
    keys, kept = keys_of(relay)
    count, values = exchange(relay, LetterSession(keys, 7, [ASK, ASK], os.urandom))
    assert count == 1
    assert values == (streams.Answered(7, (ANSWER, ANSWER)),)
    assert kept == []


def test_without_a_document_it_is_asked_for_first() -> None:
    relay = Relay()
    keys, kept = keys_of(relay, known=False)
    assert exchange(relay, LetterSession(keys, 0, [ASK], os.urandom))[0] == 2
    assert kept == [relay.keys.document.encoded]


def test_letters_under_way_together_survive_the_same_new_key() -> None:
    relay = Relay()
    keys, kept = keys_of(relay)
    relay_before = relay.keys
    sessions = [LetterSession(keys, n, [ASK], os.urandom) for n in range(3)]
    first = [session.start() for session in sessions]
    relay.new_key(forget=True)
    assert relay.keys is not relay_before
    for session, letter in zip(sessions, first, strict=True):
        came = session.receive(reply(relay, letter))
        assert came.send is not None
        assert session.receive(reply(relay, came.send)).values
    assert kept == [relay.keys.document.encoded], "kept once"


@pytest.mark.parametrize("kind", ["letter", "stream"])
def test_a_relay_that_only_shows_keys_is_given_up(kind: str) -> None:
    relay = Relay()
    keys, _ = keys_of(relay)
    session: LetterSession | StreamSession = (
        LetterSession(keys, 0, [ASK], os.urandom)
        if kind == "letter"
        else StreamSession(keys, [ASK], os.urandom)
    )
    session.start()
    for _ in range(3):
        relay.new_key(forget=True)
        assert session.receive(relay.keys.document_answer()).send is not None
    relay.new_key(forget=True)
    with pytest.raises(Malformed):
        session.receive(relay.keys.document_answer())


def test_an_older_document_is_not_taken_for_a_newer_one() -> None:
    relay = Relay()
    old = relay.keys
    relay.new_key()
    keys, kept = keys_of(relay)
    session = LetterSession(keys, 0, [ASK], os.urandom)
    session.start()
    with pytest.raises(Malformed):
        session.receive(old.document_answer())
    keys.learn(old.document)
    assert keys.document == relay.keys.document
    assert kept == []


def test_the_document_of_another_relay_is_refused() -> None:
    relay, other = Relay(), Relay()
    keys, kept = keys_of(relay, known=False)
    session = LetterSession(keys, 0, [ASK], os.urandom)
    session.start()
    with pytest.raises(BadSignature):
        session.receive(other.keys.document_answer())
    stream = StreamSession(keys, [ASK], os.urandom)
    stream.start()
    with pytest.raises(BadSignature):
        stream.receive(other.keys.document_answer())
    assert kept == []


def test_too_many_or_too_few_answers_are_refused() -> None:
    relay = Relay()
    keys, _ = keys_of(relay)
    for count in (0, 1, 3):
        session = LetterSession(keys, 0, [ASK, ASK], os.urandom)
        opened = letters.open_request(relay.keys, session.start())
        with pytest.raises(Malformed):
            session.receive(letters.seal_response(opened, os.urandom(32), encode_answers([ANSWER] * count)))


def test_a_stream_opens_after_asking_for_keys_on_the_same_carrier() -> None:
    relay = Relay()
    keys, kept = keys_of(relay, known=False)
    session = StreamSession(keys, [ASK], os.urandom)
    theirs = streams.RelayStream(relay.keys, os.urandom(64))
    shown = theirs.receive(session.start())
    assert isinstance(shown, streams.KeysAsked)
    came = session.receive(shown.document)
    assert came.values == ()
    assert came.send is not None
    request = theirs.receive(came.send)
    assert isinstance(request, streams.Request)
    assert session.receive(theirs.answer(0, [ANSWER])).values == (streams.Answered(0, (ANSWER,)),)
    second = theirs.receive(session.request(1, [ASK]))
    assert isinstance(second, streams.Request)
    assert session.receive(theirs.answer(1, [ANSWER])).values == (streams.Answered(1, (ANSWER,)),)
    relay.new_key()
    assert session.receive(theirs.new_keys(relay.keys.document)).values == ()
    assert kept[-1] == relay.keys.document.encoded


@given(
    st.binary(max_size=200)
    | st.binary(max_size=200).map(lambda b: b"\x02" + b)
    | st.binary(max_size=80).map(lambda b: b"\x03" + b)
)
def test_any_bytes_are_answered_by_an_error_of_the_wire(data: bytes) -> None:
    for known in (True, False):
        for kind in (0, 1):
            keys, kept = keys_of(RELAY, known)
            session = (
                StreamSession(keys, [ASK], os.urandom) if kind else LetterSession(keys, 0, [ASK], os.urandom)
            )
            session.start()
            with pytest.raises(WireError):
                session.receive(data)
            assert kept == []


RELAY = Relay()


def test_a_kept_document_that_is_damaged_or_anothers_is_forgotten() -> None:
    relay, other = Relay(), Relay()
    assert Keys(relay.identity, b"rubbish").document is None
    assert Keys(relay.identity, other.keys.document.encoded).document is None
    assert Keys(relay.identity, relay.keys.document.encoded).document == relay.keys.document
