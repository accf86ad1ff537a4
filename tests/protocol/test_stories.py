"""The recorded stories in docs/protocol/vectors: two who come together by an invite, and a group that somebody is removed from.

A reader that was written from the pages alone finds in them what they say; so do our own readers, MLS included.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import independent_people
import independent_reader
import pytest
from test_independent_client import imported

from support.vectors_stories import FOLDER, replay
from whimbrel.chat import composing, content
from whimbrel.chat.line import derived_change, epoch_tokens, log_admins
from whimbrel.chat.rules import check_commit, check_group, seat_of, seats
from whimbrel.crypto import mls
from whimbrel.crypto.accounts import pair_id
from whimbrel.crypto.cards import decode_card, open_card
from whimbrel.crypto.envelopes import Move, ReAdd, WelcomeEnvelope, credential_of, decode_letter, roster_hash
from whimbrel.crypto.invites import from_seed, ready_log
from whimbrel.crypto.payload import PayloadKind, decode_payload
from whimbrel.crypto.sealing import open_sealed
from whimbrel.wire import chain, codec, proofs
from whimbrel.wire.operations import EntryKind
from whimbrel.wire.purpose import public_of
from whimbrel.wire.texts import OneUse, parse_invite

READER = Path(independent_reader.__file__)
PAIR: dict[str, Any] = json.loads((FOLDER / "pair.json").read_text("utf-8"))
GROUP: dict[str, Any] = json.loads((FOLDER / "group.json").read_text("utf-8"))
BACK: dict[str, Any] = json.loads((FOLDER / "ways-back.json").read_text("utf-8"))
MOVED: dict[str, Any] = BACK["moved"]
raw = bytes.fromhex


def envelope_of(story: dict[str, Any]) -> WelcomeEnvelope:
    letter = decode_letter(raw(story["letter"]))
    assert isinstance(letter, WelcomeEnvelope)
    return letter


def content_of(envelope: WelcomeEnvelope) -> tuple[bytes, bytes]:
    """Welcome and tree, which stand in the envelope here."""
    assert isinstance(envelope.welcome, bytes)
    assert isinstance(envelope.tree, bytes)
    return envelope.welcome, envelope.tree


def texts_of(story: dict[str, Any]) -> list[str]:
    payloads = [decode_payload(raw(one["says"])) for one in story["says"] if "says" in one]
    bodies = [payload.body for payload in payloads if payload.kind == PayloadKind.CONTENT]
    return [composing.text_of(content.decode(body)) for body in bodies]


# ------------------------------------------------------------------------- by somebody who has the pages alone


def test_the_reader_has_at_most_100_lines_and_imports_nothing_of_ours() -> None:
    assert len(READER.read_text().splitlines()) <= 100
    libraries = imported(READER) - sys.stdlib_module_names
    assert libraries == {"cryptography", "independent_client"}


def test_a_stranger_reads_an_invite_and_all_that_follows_from_it() -> None:
    """The text, its seed, the card behind it, the device list in the card, the claim with its Welcome, the posts."""
    ran = subprocess.run(
        [sys.executable, str(READER), str(FOLDER / "pair.json")], capture_output=True, text=True, check=True
    )
    found = json.loads(ran.stdout)
    envelope = envelope_of(PAIR)
    account = public_of(raw(PAIR["inviter"]["account private"]))
    assert found["account"] == account.hex()
    assert found["devices"] == [public_of(raw(PAIR["inviter"]["device private"])).hex()]
    assert (found["relay"], found["log"], found["conversation"], found["card"]) == (
        PAIR["relay"],
        PAIR["log"],
        PAIR["conversation"],
        PAIR["card"]["blob"],
    )
    assert (found["read"], found["write"]) == (envelope.read.hex(), envelope.write.hex())
    assert found["names"] == ["Ada", "Ada"]
    assert found["texts"] == ["Are you there?", "Still?"]


def flipped(text: str, at: int) -> str:
    """A hex digit changed."""
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]


DAMAGE: dict[str, Callable[[dict[str, Any]], None]] = {
    "the invite": lambda story: story.update(
        invite=story["invite"][:40] + ("b" if story["invite"][40] != "b" else "c") + story["invite"][41:]
    ),
    "the card": lambda story: story["card"].update(chunks=[flipped(story["card"]["chunks"][0], 500)]),
    "the entry": lambda story: story["claim"].__setitem__(3, flipped(story["claim"][3], 500)),
    "the change": lambda story: story["claim"].__setitem__(4, flipped(story["claim"][4], 300)),
    "the chain": lambda story: story["claim"].__setitem__(5, flipped(story["claim"][5], 0)),
    "the key": lambda story: story["inviter"].update({"inbox private": "00" * 32}),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_the_reader_refuses_what_was_altered(what: str, tmp_path: Path) -> None:
    story = copy.deepcopy(PAIR)
    DAMAGE[what](story)
    path = tmp_path / "pair.json"
    path.write_text(json.dumps(story))
    ran = subprocess.run(
        [sys.executable, str(READER), str(path)], capture_output=True, text=True, check=False
    )
    assert ran.returncode != 0
    assert not ran.stdout


# --------------------------------------------------------------------------------------------- by ourselves


def test_the_invite_leads_to_the_card_and_the_log_of_the_story() -> None:
    invite = parse_invite(PAIR["invite"])
    assert isinstance(invite.secret, OneUse)
    keys = from_seed(invite.secret.seed)
    assert codec.log_id(codec.encode_log_body(ready_log(invite.secret.seed))).hex() == PAIR["log"]
    card = decode_card(open_card(keys.card_key, [raw(chunk) for chunk in PAIR["card"]["chunks"]]))
    assert card.key_packages == (raw(PAIR["key package"]["message"]),)
    assert seat_of(card.key_packages[0]).account == card.account


def test_the_claim_is_the_sealed_welcome_and_the_change_that_all_derive() -> None:
    seq, turn, advance, entry, change, h = PAIR["claim"]
    log, relay = raw(PAIR["log"]), raw(PAIR["relay"])
    assert (seq, turn, advance) == (1, 0, True)
    assert chain.step(chain.start(log), 1, 0, True, codec.entry_id(raw(entry)), raw(change)).hex() == h
    found = codec.decode_entry(raw(entry))
    assert found.kind == EntryKind.SEALED
    assert (
        open_sealed(raw(PAIR["inviter"]["inbox private"]), "letter", found.body, log).hex() == PAIR["letter"]
    )
    signed = codec.decode_signed_change(raw(change))
    assert proofs.verify_change(signed, relay, log)
    envelope = envelope_of(PAIR)
    accounts = (public_of(raw(PAIR["inviter"]["account private"])), decode_card(envelope.card).account)
    assert envelope.conversation == pair_id(*accounts)
    assert (envelope.position.seq, envelope.position.turn, envelope.change_n) == (0, 0, 0)
    group = join(PAIR, "inviter")
    roles, there = check_group(group, frozenset(accounts))
    assert signed.change == derived_change(1, envelope.read, envelope.write, roles, there)


def join(story: dict[str, Any], person: str) -> mls.Group:
    seed, own = raw(story[person]["device private"]), story["key package"]
    engine = mls.Engine(seed, public_of(seed))
    engine.feed([(b"", raw(own["row key"]), raw(own["row"]))])
    return engine.join(*content_of(envelope_of(story)), [])


@pytest.mark.parametrize(
    ("story", "person", "texts"),
    [
        (PAIR, "inviter", ["Are you there?", "Still?"]),
        (GROUP, "joiner", ["Welcome aboard.", "Two of us now."]),
        (BACK, "joiner", ["Welcome aboard.", "Cy is back."]),
        (MOVED, "joiner", ["In the new boat."]),
    ],
    ids=["pair", "group", "ways back", "moved"],
)
def test_mls_opens_the_records_to_what_they_say(story: dict[str, Any], person: str, texts: list[str]) -> None:
    """The story's own key package joins the group and reads what it says; the chain holds from record to record."""
    assert replay(story, person, *content_of(envelope_of(story))) == story["says"]
    assert texts_of(story) == texts
    at = story["claim"] if "claim" in story else [0, 0, False, "", None, envelope_of(story).position.h.hex()]
    seq, turn, h = at[0], at[1] + at[2], raw(at[5])
    for record in story["records"]:
        entry, change = raw(record[3]), None if record[4] is None else raw(record[4])
        h = chain.step(h, record[0], record[1], record[2], codec.entry_id(entry), change)
        assert (record[0], record[1], raw(record[5])) == (seq + 1, turn, h)
        seq, turn = record[0], turn + record[2]


def test_the_private_halves_in_the_stories_are_those_of_the_rows() -> None:
    for story in (PAIR, GROUP, BACK, MOVED):
        own = story["key package"]
        row = raw(own["row"])
        for name in ("init private", "encryption private"):
            # In the row every byte is a CBOR number of its own: one byte below 24, else 18 and the byte.
            said = b"".join(bytes([b]) if b < 24 else bytes([0x18, b]) for b in raw(own[name]))
            assert said in row


def test_the_removal_in_the_group_brought_the_change_that_its_members_derive() -> None:
    [(record, says)] = [(r, s) for r, s in zip(GROUP["records"], GROUP["says"], strict=True) if "epoch" in s]
    assert record[2]
    signed = codec.decode_signed_change(raw(record[4]))
    assert proofs.verify_change(signed, raw(GROUP["relay"]), raw(GROUP["log"]))
    group = join(GROUP, "joiner")
    roles, there = check_group(group, None)
    assert signed.key in log_admins(roles, there)
    end = GROUP["at the end"]
    assert (end["read"], end["write"], end["epoch authenticator"]) == (
        says["read"],
        says["write"],
        says["epoch authenticator"],
    )
    left = [seat for seat in there if seat.index in {leaf["index"] for leaf in end["leaves"]}]
    assert len(left) == len(there) - 1 == 2
    assert signed.change == derived_change(1, raw(says["read"]), raw(says["write"]), roles, left)


# ------------------------------------------------------------------------------------------ the two ways back


def commit_of(story: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    [found] = [(r, s) for r, s in zip(story["records"], story["says"], strict=True) if "epoch" in s]
    return found


def test_a_stranger_finds_all_letters_of_the_stories_signed() -> None:
    for letter in (GROUP["letter"], BACK["letter"], BACK["request"]["letter"], MOVED["letter"]):
        independent_people.check_letter(raw(letter))
    assert envelope_of(BACK).move is None
    assert envelope_of(MOVED).move is not None


def test_the_request_is_by_the_device_whose_leaf_goes_and_the_commit_does_what_it_asks() -> None:
    request = decode_letter(raw(BACK["request"]["letter"]))
    assert isinstance(request, ReAdd)
    entry = codec.decode_entry(raw(BACK["request"]["inbox record"][3]))
    admin = BACK["request"]["admin"]
    opened = open_sealed(raw(admin["inbox private"]), "letter", entry.body, raw(admin["inbox"]))
    assert opened.hex() == BACK["request"]["letter"]
    assert request.conversation == envelope_of(BACK).conversation
    assert credential_of(request).account == seat_of(request.key_package).account
    record, says = commit_of(BACK)
    group = join(BACK, "joiner")
    for one in BACK["records"][: record[0] - 1]:
        group.process(codec.decode_entry(raw(one[3])).body)
    roles, before = check_group(group, None)
    found = group.process(codec.decode_entry(raw(record[3])).body)
    assert found.commit is not None
    [gone] = found.commit.removes
    assert next(seat.device for seat in before if seat.index == gone) == request.replaces == request.device
    assert check_commit(roles, before, found.sender, found.commit, pair=False) == roles
    group.merge_staged()
    after = seats(group)
    assert seat_of(request.key_package).leaf in [seat.leaf for seat in after]
    signed = codec.decode_signed_change(raw(record[4]))
    assert signed.change == derived_change(1, raw(says["read"]), raw(says["write"]), roles, after)


def test_the_log_is_closed_with_the_move_that_the_welcome_brings() -> None:
    [*_, (last, said)] = zip(BACK["records"], BACK["says"], strict=True)
    closing = decode_payload(raw(said["says"]))
    assert closing.kind == PayloadKind.MOVE
    move, envelope = decode_letter(closing.body), envelope_of(MOVED)
    assert isinstance(move, Move)
    assert move == envelope.move
    before = BACK["records"][-2]
    assert (move.parent.log.hex(), move.log.hex()) == (BACK["log"], MOVED["log"])
    assert (move.parent.seq, move.parent.h.hex()) == (before[0], before[5])
    assert move.generation > envelope_of(BACK).generation
    group = join(MOVED, "joiner")
    roles, there = check_group(group, None)
    assert move.signer in roles.admins
    assert move.roster_hash == roster_hash(seat.account for seat in there)
    assert move.suite == group.suite
    assert epoch_tokens(group.group_id, group.export) == (envelope.read, envelope.write)
    change = codec.decode_signed_change(raw(last[4])).change
    assert (change.n, change.read_hash, change.admins) == (2, None, None)
    assert change.write_hash is not None
