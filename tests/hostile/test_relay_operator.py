"""Whoever runs a relay: what they can invent with a chain that is right, and what a thief of its keys can open later."""

from __future__ import annotations

import os
from typing import Any

import pytest

from support.mischief import entry, ignored, line_of
from support.village import Village, Villager
from whimbrel.wire import codec, keydoc, letters, proofs
from whimbrel.wire.answers import Appended, Done
from whimbrel.wire.codec import encode_signed_change
from whimbrel.wire.errors import WireError
from whimbrel.wire.keydoc import public_kem_key
from whimbrel.wire.letters import RelayKeys, SealedRequest
from whimbrel.wire.operations import Append, Change, Entry, EntryKind, Stat
from whimbrel.wire.purpose import token_hash
from whimbrel.wire.streams import ClientStream, RelayStream


@pytest.fixture
def birds(village: Village) -> tuple[Villager, Villager]:
    ada, bo = village.friends("Ada", "Bo")
    ada.group("birds", "Bo")
    village.settle()
    ada.send("birds", "truly Ada"), bo.send("birds", "truly Bo")
    village.settle()
    ada.do(lambda p, now, fx: p.intend(ada.chat("birds"), "update", [], fx))
    village.settle()
    return ada, bo


def put_in(village: Village, log_id: bytes, one: bytes, **more: Any) -> None:
    """An entry in a log without any of the checks, by the relay's own hand: seq, turn and chain are as they should be."""
    engine = village.relay.engine
    log = village.relay.storage.log(log_id)
    assert log is not None
    append = Append(log_id, bytes(32), log.turn, (one,), **more)
    change = encode_signed_change(append.change) if append.change is not None else None
    answer = engine._add(log, append, [codec.entry_id(one)], change, None, len(one), village.now // 1000)
    assert isinstance(answer, Appended)
    engine.news.clear()
    village.relay.storage.commit()


def entries(village: Village, log_id: bytes) -> list[tuple[bytes, bool]]:
    """What stands in a log, and whether it advanced the turn."""
    log = village.relay.storage.log(log_id)
    assert log is not None
    rows = village.relay.storage.rows(log.number, 0, log.seq, 10_000)
    return [(row[4], bool(row[2])) for row in rows if row[4]]


def test_what_a_relay_invents_or_shows_again_says_nothing(village: Village, birds: tuple) -> None:
    """Garbage, and each entry of the log once more, posts and commits, with a chain that nobody can find fault with."""
    ada, bo = birds
    log = line_of(ada, "birds").state.log
    texts, members = [who.texts("birds") for who in birds], ada.chat("birds").accounts()
    before = entries(village, log)
    assert [advance for _, advance in before].count(True) >= 1
    for one, advance in before:
        for again in (
            one,
            entry(os.urandom(300)),
            codec.encode_entry(Entry(EntryKind.MLS, os.urandom(16), codec.decode_entry(one).body)),
        ):
            put_in(village, log, again, advance=advance)
            village.settle()
    assert [who.texts("birds") for who in birds] == texts
    for who in birds:
        assert who.chat("birds").accounts() == members
        assert len(ignored(who)) >= 2 * len(before)
        assert not who.troubles()
        who.crash()
    ada.send("birds", "still Ada"), bo.send("birds", "still Bo")
    village.settle(patience=100_000)
    assert set(ada.texts("birds")) == set(bo.texts("birds")) == {*texts[0], "still Ada", "still Bo"}


def test_a_change_that_a_relay_invents_is_told_and_lets_nobody_in(village: Village, birds: tuple) -> None:
    ada, _ = birds
    state = line_of(ada, "birds").state
    key = os.urandom(32)
    own = Change(state.n + 1, token_hash(os.urandom(32)), token_hash(os.urandom(32)), ())
    signed = proofs.sign_change(own, key, state.relay, state.log)
    members = ada.chat("birds").accounts()
    put_in(village, state.log, entry(os.urandom(300)), change=signed)
    village.settle(patience=60_000)
    for who in birds:
        assert who.troubles()
        assert who.chat("birds").accounts() == members
        assert sorted(who.texts("birds")) == ["truly Ada", "truly Bo"]


def test_what_was_recorded_on_a_stream_stays_closed_to_whoever_seizes_the_relay_later() -> None:
    """A thief has the identity, this week's key, and all that passed: the letters open, with what a relay sees anyhow. The
    frames after them need a secret that both sides forgot."""
    identity, kem = b"i" * 32, b"k" * 32
    keys = RelayKeys(keydoc.make(identity, 7, 0, 1, public_kem_key(kem)), {7: kem})
    app, relay = ClientStream(keys.document, os.urandom(64)), RelayStream(keys, os.urandom(64))
    first = app.open([Stat(b"a" * 32)])
    relay.receive(first)
    answer = relay.answer(0, [Done()])
    app.receive(answer)
    up = [app.request(n, [Stat(b"b" * 32)]) for n in (1, 2, 3)]
    for message in up:
        relay.receive(message)
    down = [relay.answer(n, [Done()]) for n in (1, 2, 3)]

    opened = letters.open_request(keys, first)
    assert codec.decode_operations(opened.operations) == [Stat(b"a" * 32)]
    shown = letters.open_response(SealedRequest(first, opened.reply_secret), answer)
    assert shown.share is not None
    for _ in range(20):
        as_relay = RelayStream(keys, os.urandom(64))
        as_relay.receive(first)
        as_relay.answer(0, [Done()])
        with pytest.raises(WireError):
            as_relay.receive(up[0])
        as_app = ClientStream(keys.document, opened.reply_secret + os.urandom(32))
        as_app._letter = SealedRequest(first, opened.reply_secret)
        as_app._open_requests = {0: 1, 1: 1}
        as_app.receive(answer)
        with pytest.raises(WireError):
            as_app.receive(down[0])


def test_the_own_key_of_a_stream_is_all_that_the_thief_lacks() -> None:
    """The control of the test before: with the app's forgotten secret the same steps do open the frames."""
    identity, kem, secret = b"i" * 32, b"k" * 32, os.urandom(64)
    keys = RelayKeys(keydoc.make(identity, 7, 0, 1, public_kem_key(kem)), {7: kem})
    app, relay = ClientStream(keys.document, secret), RelayStream(keys, os.urandom(64))
    first = app.open([Stat(b"a" * 32)])
    relay.receive(first)
    answer = relay.answer(0, [Done()])
    app.receive(answer)
    relay.receive(app.request(1, [Stat(b"b" * 32)]))
    down = relay.answer(1, [Done()])
    opened = letters.open_request(keys, first)
    thief = ClientStream(keys.document, opened.reply_secret + secret[32:])
    thief._letter = SealedRequest(first, opened.reply_secret)
    thief._open_requests = {0: 1, 1: 1}
    thief.receive(answer)
    assert thief.receive(down)
