"""An invite that others have seen before it was opened, or after: real apps, a real relay, and Eve with a client of her own.

Eve reads the text and so has the seed: with it everything that the opener would have. What she learns, what she can spoil,
and that people are told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.homes import Home, RelayProcess
from support.relay_client import Place
from whimbrel.crypto.cards import decode_card, open_card
from whimbrel.crypto.errors import CryptoError
from whimbrel.crypto.invites import SeedKeys, from_seed, ready_log
from whimbrel.crypto.sealing import new_inbox_key, open_sealed
from whimbrel.wire import codec, proofs
from whimbrel.wire.admission import encode_admission
from whimbrel.wire.answers import Altered, Appended, Chunk, Created, Done, Failure, Fetched, Status
from whimbrel.wire.operations import (
    Alter,
    Append,
    Change,
    Create,
    Drop,
    Entry,
    EntryKind,
    Fetch,
    Get,
    LogBody,
    LogKind,
    Put,
)
from whimbrel.wire.purpose import token_hash
from whimbrel.wire.texts import OneUse, parse_invite

pytestmark = pytest.mark.processes

EVES = b"\x0e" * 32
"""A token, key or id of Eve's."""


@dataclass
class Eve:
    """Somebody who has read an invite: the relay as she reaches it, and all that the seed gives."""

    place: Place
    keys: SeedKeys
    log: bytes
    admission: bytes

    def ask(self, operation: Any) -> Any:
        return self.place.exchange(operation)[0]

    def fetch(self) -> Any:
        return self.ask(Fetch(self.log, self.keys.read, 0))

    def change(self, change: Change) -> Alter:
        return Alter(
            self.log, proofs.sign_change(change, self.keys.admin_private, self.place.address.relay, self.log)
        )

    def drop(self) -> Drop:
        relay = self.place.address.relay
        return Drop(self.log, None, proofs.drop_proof(self.keys.admin_private, relay, self.log, None))


@dataclass
class Street:
    relay: RelayProcess
    ada: Home
    bo: Home

    def eve(self, text: str) -> Eve:
        invite = parse_invite(text)
        assert isinstance(invite.secret, OneUse)
        assert invite.place is not None
        seed = invite.secret.seed
        log = codec.log_id(codec.encode_log_body(ready_log(seed)))
        return Eve(Place(self.relay.address), from_seed(seed), log, encode_admission(invite.place))


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    """Ada has a place on the relay; Bo has an account and no relay that others could reach."""
    with RelayProcess(tmp_path / "relay") as relay:
        ada, bo = Home(tmp_path / "ada"), Home(tmp_path / "bo")
        ada.make_account("Ada", relay.address)
        bo.make_account("Bo", relay.address)
        yield Street(relay, ada, bo)


def test_who_read_an_invite_that_somebody_else_opens_learns_the_name_and_nothing_more(street: Street) -> None:
    made = street.ada.run("invite").one
    eve = street.eve(made["invite"])
    shown = eve.ask(Get(eve.keys.card_id, 0))
    assert isinstance(shown, Chunk)
    card = decode_card(open_card(eve.keys.card_key, [shown.chunk]))
    assert card.name == "Ada"
    assert eve.fetch().records == ()

    assert street.bo.run("accept", made["invite"]).one["chat"]
    street.ada.wait_for(lambda: street.ada.run("contacts").all, bool)
    street.bo.run("send", "Ada", "nobody else reads this").ok()
    street.ada.wait_for_text("Bo", "nobody else reads this")
    street.ada.run("send", "Bo", "nor this").ok()

    # What she can still read is the claim itself: the Welcome, sealed to Ada's inbox key.
    seen = eve.fetch()
    assert isinstance(seen, Fetched)
    [claim] = seen.records
    assert seen.ended
    body = codec.decode_entry(claim.entry).body
    private, _ = new_inbox_key()
    with pytest.raises(CryptoError):
        open_sealed(private, "letter", body, eve.log)
    # And nothing that the seed gives opens, writes, changes or removes anything any more.
    entry = codec.encode_entry(Entry(EntryKind.MLS, bytes(16), bytes(300)))
    relay = eve.place.address.relay
    for operation in (
        Fetch(eve.log, eve.keys.read, 1),
        Append(eve.log, eve.keys.write, 1, (entry,)),
        Append(eve.log, eve.keys.write, 0, (entry,), advance=True),
        eve.change(Change(1, token_hash(EVES), token_hash(EVES))),
        eve.change(Change(2, token_hash(EVES), token_hash(EVES))),
        Drop(
            eve.log,
            eve.keys.card_id,
            proofs.drop_proof(eve.keys.admin_private, relay, eve.log, eve.keys.card_id),
        ),
        eve.drop(),
        Put(EVES, eve.log, eve.keys.write, 100, 0, bytes(100)),
    ):
        answer = eve.ask(operation)
        assert isinstance(answer, Failure), operation
        assert answer.status in (Status.DENIED, Status.WRONG_TURN), operation
    street.ada.run("send", "Bo", "still here").ok()
    street.bo.wait_for_text("Ada", "still here")


def test_who_opens_it_first_is_the_contact_and_everybody_is_told(street: Street, tmp_path: Path) -> None:
    """That cannot be prevented: the text is all there is. Ada sees by which invite and that nobody compared numbers; Bo,
    for whom it was, is told to tell her."""
    made = street.ada.run("invite").one
    eve = Home(tmp_path / "eve")
    eve.make_account("Eve", street.relay.address)
    assert eve.run("accept", made["invite"]).one["name"] == "Ada"
    told = street.bo.run("accept", made["invite"]).failed(1)
    assert "already" in told["message"]
    assert "tell them" in told["message"] + told["do"]
    [contact] = street.ada.wait_for(lambda: street.ada.run("contacts").all, bool)
    assert (contact["name"], contact["verified"]) == ("Eve", False)
    assert "your invite of" in contact["came"]
    assert not street.bo.run("chats").all


@pytest.mark.parametrize("how", ["drops the log", "takes the locks", "claims it with garbage"])
def test_who_spoils_an_invite_gets_nothing_and_it_is_told(street: Street, how: str) -> None:
    made = street.ada.run("invite").one
    eve = street.eve(made["invite"])
    if how == "drops the log":
        assert isinstance(eve.ask(eve.drop()), Done)
    elif how == "takes the locks":
        taken = Change(1, token_hash(EVES), token_hash(EVES), (eve.keys.admin_public,))
        assert isinstance(eve.ask(eve.change(taken)), Altered)
    else:
        entry = codec.encode_entry(Entry(EntryKind.SEALED, bytes(16), bytes(3000)))
        claim = Append(eve.log, eve.keys.write, 0, (entry,), advance=True)
        assert isinstance(eve.ask(claim), Appended)
    told = street.bo.run("accept", made["invite"]).failed(1)
    assert "invite" in told["message"]
    assert not street.bo.run("chats").all
    assert not street.ada.run("contacts").all
    # The next one works: nothing else was spoilt.
    assert street.bo.run("accept", street.ada.run("invite").one["invite"]).one["chat"]
    street.bo.run("send", "Ada", "at last").ok()
    street.ada.wait_for_text("Bo", "at last")


def test_a_place_that_somebody_else_took_is_missing_and_the_chat_is_there(
    street: Street, tmp_path: Path
) -> None:
    """The place on the relay that an invite may bring is for one inbox. Eve takes it, before Cleo, who has none, comes:
    other invites to her, and groups, need one. Her chat with Ada does not."""
    made = street.ada.run("invite").one
    eve = street.eve(made["invite"])
    body = LogBody(LogKind.INBOX, token_hash(EVES), token_hash(EVES), (eve.keys.admin_public,), EVES)
    assert isinstance(eve.ask(Create(body, eve.admission)), Created)
    second = eve.ask(
        Create(LogBody(body.kind, body.read_hash, body.write_hash, body.admins, bytes(32)), eve.admission)
    )
    assert isinstance(second, Failure)
    assert second.status is Status.FULL
    cleo = Home(tmp_path / "cleo")
    cleo.make_account("Cleo")
    cleo.run("accept", made["invite"]).ok()
    # The chat itself is there, since its log was ready; what is missing waits, and is told.
    cleo.run("send", "Ada", "can you hear me?").ok()
    street.ada.wait_for_text("Cleo", "can you hear me?")
    told = cleo.run("status").one
    assert told["waiting"] > 0
    assert [wrong["code"] for wrong in told["wrong"]] == ["no-inbox"]


def test_an_invite_that_is_cut_or_altered_is_told_and_nothing_is_asked(street: Street) -> None:
    """Every cut and every wrong letter of the text: tests/wire/test_wire_texts.py. Here: what a person sees of it."""
    text = street.ada.run("invite").one["invite"]
    street.relay.end()  # so that anything that is asked would be seen to fail otherwise
    middle = len(text) // 2
    for broken in (
        text[:30],
        text[:middle],
        text[:-1],
        text + "a",
        text[:middle] + ("q" if text[middle] != "q" else "z") + text[middle + 1 :],
        text[:middle] + text[middle + 1 :] + text[middle],
    ):
        told = street.bo.run("accept", broken).failed(1)
        assert told["error"] in ("invite-cut", "invite-damaged")
        assert re.search("missing at the end|damaged: a character is wrong", told["message"]), told
    assert not street.bo.run("chats").all
