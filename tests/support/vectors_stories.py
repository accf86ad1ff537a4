"""Records docs/protocol/vectors/pair.json, group.json and ways-back.json: how two come together by an invite, how people are let
into a group and removed, let in again, and how a group moves; as one of them sees it, to the byte.

    PYTHONPATH=src:tests .venv/bin/python tests/support/vectors_stories.py

People and the relay's engine are the real ones. What MLS and HPKE draw is never the same twice, so a run records other
bytes; run it when a format has changed, and say why. `tests/protocol/test_stories.py` reads what is there.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cbor2

from support.village import Village, Villager
from whimbrel.chat.invites import Door
from whimbrel.chat.line import Line, epoch_tokens
from whimbrel.crypto import mls
from whimbrel.crypto.cards import Card, decode_card, open_card
from whimbrel.crypto.envelopes import ReAdd, WelcomeEnvelope, decode_letter
from whimbrel.wire import codec
from whimbrel.wire.answers import Chunk, Fetched, Record
from whimbrel.wire.operations import Fetch, Get
from whimbrel.wire.purpose import public_of
from whimbrel.wire.texts import OneUse

FOLDER = Path(__file__).parents[2] / "docs" / "protocol" / "vectors"
ABOUT = (
    "Recorded. Bytes are in hex. `records` are those of operations.md, as they stand in an answer; `says` has, for each, "
    "what MLS opens it to for whoever joined with the key package: a padded payload, or the epoch that a commit began; `own` "
    "are entries of the joining device, which it cannot open. `row` is the key package as our own "
    "program keeps it (mls.md, Rows); others need only the two private keys beside it."
)


def packed(record: Record) -> list[Any]:
    """A record as in an answer, byte strings in hex."""
    entry = record.entry if record.entry is not None else record.id
    change = None if record.change is None else record.change.hex()
    return [record.seq, record.turn, record.advance, entry.hex(), change, record.h.hex()]


def records_of(village: Village, log: bytes, tokens: list[bytes], after: int) -> list[Record]:
    """All of a log after a seq, read from token to token as whoever was away does."""
    found: list[Record] = []
    for token in tokens:
        while True:
            answer = village.relay.ask(Fetch(log, token, found[-1].seq if found else after))
            if not isinstance(answer, Fetched):
                break
            found += answer.records
            if not answer.more:
                break
    assert [record.seq for record in found] == list(range(after + 1, after + 1 + len(found)))
    return found


def key_package(
    rows: list[tuple[bytes, bytes, bytes]], welcome: bytes, messages: list[bytes]
) -> dict[str, str]:
    """The key package that a Welcome is for, one of these `messages`, and its private half."""
    wanted = [list(ref) for ref in mls.welcome_refs(welcome)]
    for _, key, value in rows:
        if cbor2.loads(key.removeprefix(b"key package\0"))["value"]["vec"] not in wanted:
            continue
        bundle = cbor2.loads(value[1:])
        init = bytes(bundle["key_package"]["payload"]["init_key"]["key"]["vec"])
        [message] = [message for message in messages if init in message]
        return {
            "message": message.hex(),
            "init private": bytes(bundle["private_init_key"]["vec"]).hex(),
            "encryption private": bytes(bundle["private_encryption_key"]["key"]["vec"]).hex(),
            "row key": key.hex(),
            "row": value.hex(),
        }
    raise AssertionError("no key package of theirs")


def member(villager: Villager) -> dict[str, str]:
    """The private keys of a person that a joiner needs."""
    identity, inbox = villager.person.identity, villager.person.inbox.here()
    return {
        "account private": identity.account_private.hex(),
        "device private": identity.device_private.hex(),
        "inbox private": inbox.key_private.hex(),
        "inbox": inbox.log.hex(),
    }


def joined(line: Line) -> dict[str, Any]:
    """The group as it stands."""
    group = line.group
    return {
        "epoch": group.epoch,
        "epoch authenticator": group.epoch_authenticator().hex(),
        "read": line.state.read.hex(),
        "write": line.state.write.hex(),
        "roles": (group.roles() or b"").hex(),
        "leaves": [
            {"index": seat.index, "account": seat.account.hex(), "device": seat.device.hex(), "log key": seat.leaf.log_key.hex()}
            for seat in sorted(line.members, key=lambda seat: seat.index)
        ],
    }  # fmt: skip


def replay(story: dict[str, Any], person: str, welcome: bytes, tree: bytes) -> list[dict[str, Any]]:
    """What each record says to whoever joins now: nothing is known but what stands in the story."""
    seed = bytes.fromhex(story[person]["device private"])
    engine = mls.Engine(seed, public_of(seed))
    own = story["key package"]
    engine.feed([(b"", bytes.fromhex(own["row key"]), bytes.fromhex(own["row"]))])
    group = engine.join(welcome, tree, [])
    says: list[dict[str, Any]] = []
    for _, _, _, entry, _, _ in story["records"]:
        found = group.process(codec.decode_entry(bytes.fromhex(entry)).body)
        if found.kind == "application":
            says.append({"from": found.sender, "says": (found.plaintext or b"").hex()})
        elif found.kind == "commit":
            group.merge_staged()
            read, write = epoch_tokens(group.group_id, group.export)
            says.append(
                {
                    "from": found.sender,
                    "epoch": group.epoch,
                    "epoch authenticator": group.epoch_authenticator().hex(),
                    "read": read.hex(),
                    "write": write.hex(),
                }
            )
        else:
            says.append({"own": True})
    return says


def pair(folder: Path) -> dict[str, Any]:
    """pair.json: Ada made an invite, Bo opens it; Bo writes, and renews his leaf."""
    village = Village(folder)
    ada, bo = village.person("Ada"), village.person("Bo")
    invite = ada.invite()
    rows = ada.person.desk.mls_rows(b"")
    [door] = ada.person.doors.invites._doors.values()
    card = village.relay.ask(Get(door.keys.card_id, 0))
    assert isinstance(card, Chunk)
    assert isinstance(invite.secret, OneUse)
    assert bo.accept(invite) == "done"
    bo.send("Ada", "Are you there?")
    village.settle()
    chat = bo.chat("Ada")
    bo.do(lambda person, now, fx: person.intend(chat, "update", None, fx))
    village.settle()
    bo.send("Ada", "Still?")
    village.settle()
    line = ada.chat("Bo").line
    assert line is not None
    [claim, *records] = records_of(village, line.state.log, [door.keys.read, line.state.read], 0)
    assert claim.entry is not None
    opened = ada.person.inbox.open(claim.entry, line.state.log)
    envelope = decode_letter(opened)
    assert isinstance(envelope, WelcomeEnvelope)
    assert isinstance(envelope.welcome, bytes)
    story = {
        "about": ABOUT,
        "relay": village.relay.identity.hex(),
        "invite": invite.text,
        "inviter": member(ada),
        "key package": key_package(rows, envelope.welcome, list(card_behind(door, card.chunk).key_packages)),
        "card": {"blob": door.keys.card_id.hex(), "chunks": [card.chunk.hex()]},
        "log": line.state.log.hex(),
        "conversation": chat.id.hex(),
        "claim": packed(claim),
        "letter": opened.hex(),
        "records": [packed(record) for record in records],
        "at the end": joined(line),
    }
    assert isinstance(envelope.tree, bytes)
    story["says"] = replay(story, "inviter", envelope.welcome, envelope.tree)
    village.close()
    return story


def card_behind(door: Door, chunk: bytes) -> Card:
    return decode_card(open_card(door.keys.card_key, [chunk]))


class Joining:
    """Somebody who is about to be let in by a letter: what they have before it comes."""

    def __init__(self, joiner: Villager, packages: Sequence[bytes]) -> None:
        """`packages`: of which one will be used."""
        self.joiner = joiner
        self.rows = joiner.person.desk.mls_rows(b"")
        self.packages = list(packages)
        self.seq = joiner.person.inbox.here().seq

    def letter(self, village: Village, log: bytes) -> tuple[dict[str, Any], WelcomeEnvelope]:
        """The letter that came, and what opens it."""
        inbox = self.joiner.person.inbox.here()
        for record in records_of(village, inbox.log, [inbox.read], self.seq):
            assert record.entry is not None
            opened = self.joiner.person.inbox.open(record.entry, inbox.log)
            envelope = decode_letter(opened)
            if isinstance(envelope, WelcomeEnvelope) and envelope.log == log:
                break
        else:
            raise AssertionError("no Welcome to this log")
        assert isinstance(envelope.welcome, bytes)
        assert isinstance(envelope.tree, bytes)
        return {
            "joiner": member(self.joiner),
            "key package": key_package(self.rows, envelope.welcome, self.packages),
            "inbox record": packed(record),
            "letter": opened.hex(),
        }, envelope

    def story(self, village: Village, line: Line, tokens: list[bytes]) -> dict[str, Any]:
        """The letter that came, and all that came after it in the log."""
        letter, envelope = self.letter(village, line.state.log)
        assert isinstance(envelope.welcome, bytes)
        assert isinstance(envelope.tree, bytes)
        records = records_of(village, line.state.log, tokens, envelope.position.seq)
        story = {
            "about": ABOUT,
            "relay": village.relay.identity.hex(),
            "log": line.state.log.hex(),
            "conversation": envelope.conversation.hex(),
            **letter,
            "records": [packed(record) for record in records],
            "at the end": joined(line),
        }
        story["says"] = replay(story, "joiner", envelope.welcome, envelope.tree)
        return story


def line_of(villager: Villager, chat: str) -> Line:
    line = villager.chat(chat).line
    assert line is not None
    return line


def boat(village: Village) -> tuple[Villager, Villager, Villager, Joining]:
    """Ada lets Bo and Cy into a group; and what Bo had before. (Bo and Cy are no contacts.)"""
    ada, bo, cy = (village.person(name) for name in ("Ada", "Bo", "Cy"))
    for other in (bo, cy):
        assert other.accept(ada.invite()) == "done"
    joining = Joining(bo, ada.contact("Bo").stock)
    ada.group("Boat", "Bo", "Cy")
    village.settle()
    return ada, bo, cy, joining


def group(folder: Path) -> dict[str, Any]:
    """group.json: Ada lets Bo and Cy into a group, writes, removes Cy, and writes again; as Bo sees it."""
    village = Village(folder)
    ada, bo, _, joining = boat(village)
    line = line_of(bo, "Boat")
    tokens = [line.state.read]
    ada.send("Boat", "Welcome aboard.")
    village.settle()
    gone = ada.contact("Cy").account
    ada.do(lambda person, now, fx: person.intend(ada.chat("Boat"), "remove", [gone], fx))
    village.settle()
    ada.send("Boat", "Two of us now.")
    village.settle()
    story = joining.story(village, line, [*tokens, line.state.read])
    village.close()
    return story


def ways_back(folder: Path) -> dict[str, Any]:
    """ways-back.json: Cy lost the place in the group and is let in again; then Ada moves it; as Bo sees it. `request` is
    Cy's, in Ada's inbox, and `again` the letter that answers it; `moved` is the log where it goes on."""
    village = Village(folder)
    ada, bo, cy, joining = boat(village)
    line = line_of(bo, "Boat")
    tokens = [line.state.read]
    ada.send("Boat", "Welcome aboard.")
    village.settle()
    before = ada.person.inbox.here().seq
    lost = line_of(cy, "Boat")
    cy.do(lambda person, now, fx: lost.lose("expired"))
    while cy.step():
        pass
    inbox = ada.person.inbox.here()
    [request] = records_of(village, inbox.log, [inbox.read], before)
    assert request.entry is not None
    asked = decode_letter(ada.person.inbox.open(request.entry, inbox.log))
    assert isinstance(asked, ReAdd)
    let_in_again = Joining(cy, [asked.key_package])
    village.settle()
    tokens.append(line.state.read)
    ada.send("Boat", "Cy is back.")
    village.settle()
    again = Joining(bo, ada.contact("Bo").stock)
    ada.do(lambda person, now, fx: person.move(ada.chat("Boat"), None, now, fx))
    village.settle()
    ada.send("Boat", "In the new boat.")
    village.settle()
    story = joining.story(village, line, tokens)
    story["request"] = {
        "admin": member(ada),
        "inbox record": packed(request),
        "letter": ada.person.inbox.open(request.entry, inbox.log).hex(),
    }
    story["again"], _ = let_in_again.letter(village, line.state.log)
    new = line_of(bo, "Boat")
    story["moved"] = again.story(village, new, [new.state.read])
    village.close()
    return story


def written(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    for name, tell in (("pair", pair), ("group", group), ("ways-back", ways_back)):
        with tempfile.TemporaryDirectory() as folder:
            (FOLDER / f"{name}.json").write_text(written(tell(Path(folder))), "utf-8")


if __name__ == "__main__":
    main()
