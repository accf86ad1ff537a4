"""What somebody can do who does not keep to the rules, with a real membership: entries, commits, letters of all kinds."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import cbor2

from support.village import Villager
from whimbrel.chat.conversation import Conversation
from whimbrel.chat.inbox import letter
from whimbrel.chat.line import Line, derived_change
from whimbrel.chat.rules import Seat
from whimbrel.crypto import mls
from whimbrel.crypto.envelopes import WelcomeEnvelope, encode_letter
from whimbrel.crypto.leaf import Roles
from whimbrel.crypto.payload import Payload, encode_payload
from whimbrel.wire import codec, proofs
from whimbrel.wire.answers import Answer, Appended
from whimbrel.wire.operations import SEALED_CHUNK, Append, Change, Entry, EntryKind, Pointer, Put
from whimbrel.wire.purpose import digest


def line_of(who: Villager, chat: str) -> Line:
    """The line that this person writes to in a chat."""
    line = who.chat(chat).line
    assert line is not None
    return line


def entry(body: bytes, kind: int = EntryKind.MLS, tag: bytes | None = None) -> bytes:
    """An entry with this body, whatever it is."""
    return codec.encode_entry(Entry(kind, tag or os.urandom(16), body))


def sealed_post(
    who: Villager, chat: str, kind: int, body: bytes, seen: tuple[int, bytes] | None = None
) -> bytes:
    """A post made with the member's real keys: its MLS message. `seen`: what it claims to have read."""
    line = line_of(who, chat)
    seq, h = seen or (line.state.seq, line.state.h)
    sealed = line.group.encrypt(encode_payload(Payload(kind, seq, h, body)))
    who.do(lambda person, now, fx: None)
    return sealed


def append(who: Villager, chat: str, *entries: bytes, **more: Any) -> Answer:
    """Append by hand, in this person's turn and with this person's token."""
    state = line_of(who, chat).state
    turn = more.pop("turn", state.turn)
    write = more.pop("write", state.write)
    return who.village.relay.ask(Append(state.log, write, turn, entries, **more))


def post(who: Villager, chat: str, kind: int, body: bytes) -> Answer:
    """A post of any kind with any body, in the log at once."""
    answer = append(who, chat, entry(sealed_post(who, chat, kind, body)))
    assert isinstance(answer, Appended)
    return answer


def signed_change(who: Villager, chat: str, change: Change) -> Any:
    state = line_of(who, chat).state
    return proofs.sign_change(change, state.log_key, state.relay, state.log)


def right_change(who: Villager, chat: str, after: Roles, staying: list[Seat]) -> Any:
    """The signed change that belongs beside the commit that is pending."""
    line = line_of(who, chat)
    read, write = line.tokens(line.group.pending_export)
    return signed_change(who, chat, derived_change(line.state.n + 1, read, write, after, staying))


def commit(who: Villager, chat: str, **wish: Any) -> tuple[bytes, bytes | None]:
    """A commit with the member's real keys, whatever the rules say; nothing of it stays pending here."""
    group = line_of(who, chat).group
    made = group.commit(
        wish.get("adds", []), wish.get("removes", []), wish.get("roles"), wish.get("update", False), None
    )
    group.clear_pending()
    who.do(lambda person, now, fx: None)
    return made


def send_letter(sender: Villager, to: Villager, envelope: Any, via: str | None = None) -> Answer:
    """A letter into somebody's inbox, with the token that they gave to the sender."""
    data = envelope if isinstance(envelope, bytes) else encode_letter(envelope)
    contact = sender.contact(via or to.name)
    joiner, _ = contact.joiner(sender.village.now)
    inbox = to.person.inbox.here()
    return sender.village.relay.ask(letter(inbox.log, joiner.token, inbox.key_public, data, os.urandom(16)))


def altered(envelope: WelcomeEnvelope, **what: Any) -> WelcomeEnvelope:
    return replace(envelope, **what)


def deliver(who: Villager, chat: Conversation, fetched: Any) -> None:
    """Hand records to somebody as if the relay had shown them."""
    state = chat.lines[-1].state
    who.do(lambda person, now, fx: person.records(state.relay, state.log, fetched, now, fx))


def promote(admin: Villager, chat: str, whom: Villager) -> None:
    account = whom.person.identity.account
    admin.do(lambda person, now, fx: person.intend(admin.chat(chat), "roles", ["promote", account], fx))


def remove(admin: Villager, chat: str, whom: Villager) -> None:
    account = whom.person.identity.account
    admin.do(lambda person, now, fx: person.intend(admin.chat(chat), "remove", [account], fx))


def big(who: Villager, chat: str, data: bytes) -> Pointer:
    """Put a blob and say where it lies."""
    blob = os.urandom(32)
    state = line_of(who, chat).state
    for n, at in enumerate(range(0, len(data), SEALED_CHUNK)):
        chunk = data[at : at + SEALED_CHUNK]
        who.village.relay.ask(Put(blob, state.log, state.write, len(data), n, chunk))
    return Pointer(blob, len(data), digest(data))


def ignored(who: Villager) -> list[str]:
    return [news["why"] for news in who.news if news["event"] == "ignored"]


# ------------------------------------------------------------------------------- with state that was doctored


def rows_of(who: Villager, chat: str) -> dict[bytes, bytes]:
    """The rows of a chat's MLS group, as they are on this person's disk."""
    return dict(who.home.database.mls_rows(line_of(who, chat).state.group))


def impostor(who: Villager, chat: str, victim: Villager) -> mls.Group:
    """The member's own group, changed so that OpenMLS believes to sit at the victim's leaf: what it makes is encrypted
    with the keys of the victim's leaf, which every member has, and signed with the only key there is, the member's."""
    line = line_of(who, chat)
    leaf = next(m.index for m in line.members if m.account == victim.person.identity.account)
    rows = rows_of(who, chat)
    # A row is a byte, its format's number, and CBOR.
    messages = cbor2.loads(rows[b"messages"][1:])
    tree = messages["message_secrets"]["secret_tree"]
    tree["own_index"] = leaf
    for ratchets in (tree["handshake_sender_ratchets"], tree["application_sender_ratchets"]):
        if ratchets[leaf] is not None:
            ratchets[leaf] = {"EncryptionRatchet": ratchets[leaf]["DecryptionRatchet"]["ratchet_head"]}
    rows[b"messages"] = rows[b"messages"][:1] + cbor2.dumps(messages)
    rows[b"own index"] = rows[b"own index"][:1] + cbor2.dumps(leaf)
    engine = who.person.identity.engine()
    engine.feed([(line.state.group, key, value) for key, value in rows.items()])
    group = engine.load_group(line.state.group)
    assert group is not None
    assert group.own_index == leaf
    return group


def damage_path_keys(who: Villager, chat: str) -> None:
    """Other private keys for the tree of a group than the right ones: paths of others cannot be opened any more. The same
    comes of a path that its committer sealed wrongly for this part of the tree."""
    group = line_of(who, chat).state.group
    damaged = []
    for key, value in rows_of(who, chat).items():
        if key.startswith(b"epoch keys"):
            pairs = cbor2.loads(value[1:])
            for pair in pairs:
                pair["private_key"]["key"]["vec"] = list(os.urandom(32))
            damaged.append((group, key, value[:1] + cbor2.dumps(pairs)))
    assert damaged
    who.home.database.commit([], damaged)
    who.crash()
