"""Letters, invites and cards that are not what they say: nothing is joined that should not be, and nothing breaks."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from support.mischief import altered, ignored, line_of, send_letter
from support.village import Village, Villager
from whimbrel.chat.contacts import Contact
from whimbrel.chat.founding import Founded, found
from whimbrel.chat.inbox import letter
from whimbrel.chat.invite_keys import card_of, key_of
from whimbrel.chat.line_state import Joiner, Standing
from whimbrel.crypto.accounts import pair_id
from whimbrel.crypto.cards import decode_card, encode_card, seal_card
from whimbrel.crypto.envelopes import (
    BlobRef,
    ContactRequest,
    Position,
    WelcomeEnvelope,
    decode_letter,
    encode_letter,
    sign_request,
)
from whimbrel.crypto.files import seal_whole
from whimbrel.crypto.invites import from_seed, ready_log
from whimbrel.crypto.leaf import Roles
from whimbrel.crypto.sealing import seal
from whimbrel.wire import codec
from whimbrel.wire.answers import Appended, Failure, Fetched, Head, Status
from whimbrel.wire.operations import SEALED_CHUNK, Append, Entry, EntryKind, Fetch, Put
from whimbrel.wire.paths import SecretPath
from whimbrel.wire.purpose import digest
from whimbrel.wire.texts import Invite, OneUse


def account(who: Villager) -> bytes:
    return who.person.identity.account


def joiner_of(sender: Villager, whom: Villager) -> Joiner:
    """What the sender knows of somebody, as it stands, so that a key package can be used twice."""
    joiner, _ = sender.contact(whom.name).joiner(sender.village.now)
    return joiner


def welcome(
    sender: Villager, to: Villager, roles: Roles, kind: str, conversation: bytes, *also: Joiner
) -> tuple[WelcomeEnvelope, Founded]:
    """A group that the sender founded, and the Welcome to it."""
    founded = sender.do(lambda person, now, fx: found(person, roles, [joiner_of(sender, to), *also], now))
    state, create = founded.on_new_log(
        sender.village.relay.identity,
        sender.village.now // 1000,
        os.urandom(32),
        sender.person.relays[sender.village.relay.identity].admission,
    )
    assert not isinstance(sender.village.relay.ask(create), Failure)
    envelope = WelcomeEnvelope(
        conversation=conversation,
        generation=sender.village.now // 1000,
        kind=kind,  # type: ignore[arg-type]
        move=None,
        log=state.log,
        relay=state.relay,
        routes=("wss://elsewhere.example:443/x",),
        read=founded.read,
        write=founded.write,
        position=Position(0, 0, state.h),
        change_n=0,
        welcome=founded.welcome or b"",
        tree=founded.tree,
        card=sender.person.inbox.here().card,
    )
    return envelope, founded


def pair_welcome(sender: Villager, to: Villager) -> WelcomeEnvelope:
    both = (account(sender), account(to))
    return welcome(sender, to, Roles(tuple(sorted(both))), "pair", pair_id(*both))[0]


def group_welcome(sender: Villager, to: Villager, conversation: bytes | None = None) -> WelcomeEnvelope:
    roles = Roles((account(sender),), name="bees")
    return welcome(sender, to, roles, "group", conversation or os.urandom(32))[0]


def picture(who: Villager) -> list[tuple[Any, ...]]:
    """All chats of somebody, so that it can be said that nothing changed."""
    return sorted(
        (chat.id, chat.name, chat.hidden, [line.state.log for line in chat.lines], chat.line is not None)
        for chat in who.person.chats.values()
    )


def still_friends(village: Village, one: Villager, other: Villager) -> None:
    one.crash(), other.crash()
    one.send(other.name, "still here?"), other.send(one.name, "still here")
    village.settle()
    for who, peer in ((one, other), (other, one)):
        assert {"still here?", "still here"} <= set(who.texts(peer.name))


# --------------------------------------------------------------------------------------- invites, hostile


def test_an_invite_whose_log_was_claimed_with_garbage_is_told_and_over(village: Village) -> None:
    ada, bo = village.person("Ada"), village.person("Bo")
    for body in (os.urandom(300), seal(ada.person.inbox.here().key_public, "letter", b"\x80", b"")):
        invite = ada.invite()
        assert isinstance(invite.secret, OneUse)
        keys = from_seed(invite.secret.seed)
        log = codec.log_id(codec.encode_log_body(ready_log(invite.secret.seed)))
        claim = Append(
            log, keys.write, 0, (codec.encode_entry(Entry(EntryKind.SEALED, bytes(16), body)),), True
        )
        assert isinstance(village.relay.ask(claim), Appended)
        village.settle()
        assert ada.troubles()[-1] == "invite"
        assert bo.accept(invite) == "used"
    assert not ada.person.chats
    assert not ada.person.doors.invites.watching()
    ada.crash()
    village.settle()


def test_a_claim_without_the_change_that_belongs_beside_it_makes_no_chat(village: Village) -> None:
    ada, bo = village.person("Ada"), village.person("Bo")
    invite = ada.invite()
    bo.do(lambda person, now, fx: person.doors.accept(invite, "", now, fx))
    real = village.relay.ask

    def without_change(operation: Any) -> Any:
        if isinstance(operation, Append) and operation.change is not None and operation.advance:
            operation = replace(operation, change=None, admin=None)
        return real(operation)

    village.relay.ask = without_change  # type: ignore[method-assign]
    village.settle()
    assert "invite" in ada.troubles()
    assert not ada.person.chats


@pytest.mark.parametrize("what", ["no key package", "garbage", "of somebody else", "inbox key", "too old"])
def test_a_card_that_nobody_can_be_let_in_by_ends_the_invite_in_words(village: Village, what: str) -> None:
    mal, bo = village.person("Mal"), village.person("Bo")
    invite = mal.invite()
    inbox = mal.person.inbox
    good = decode_card(inbox.here().card)
    card = {
        "no key package": replace(good, key_packages=()),
        "garbage": replace(good, key_packages=(os.urandom(2000), b"\x00")),
        "of somebody else": replace(
            good, key_packages=(bo.do(lambda person, now, fx: person.inbox.key_package(now, fx)),)
        ),
        "inbox key": replace(good, inbox_key=b"\xff" * 1216),
        "too old": good,
    }[what]
    id, key = card_of(invite)
    data = b"".join(seal_card(key, encode_card(card, mal.person.identity.account_private)))
    village.relay.blobs[id, 0], village.relay.sizes[id] = data, len(data)
    if what == "too old":
        village.now += 401 * 24 * 3600 * 1000
    assert bo.accept(invite) == "failed"
    assert "cannot be used" in bo.person.doors.acceptances.all[key_of(invite)].why
    bo.crash()
    village.settle()
    assert not bo.person.chats


@pytest.mark.parametrize("data", [b"", b"\x00" * 100, os.urandom(8208), os.urandom(SEALED_CHUNK)])
def test_an_invite_whose_card_is_no_card_ends_in_words(village: Village, data: bytes) -> None:
    mal, bo = village.person("Mal"), village.person("Bo")
    invite = mal.invite()
    id, _ = card_of(invite)
    if data:
        village.relay.blobs[id, 0], village.relay.sizes[id] = data, len(data)
    else:
        del village.relay.blobs[id, 0]
    assert bo.accept(invite) == "failed"
    assert not bo.person.chats


def test_a_used_invite_of_a_friend_takes_nothing_of_the_chat_with_them(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    cy = village.person("Cy")
    ada.send("Bo", "remember me")
    village.settle()
    line_of(bo, "Ada").state.standing = Standing.LOST
    bo.do(lambda person, now, fx: fx.save(bo.chat("Ada").save()))
    invite = ada.invite()
    assert cy.accept(invite) == "done"
    assert bo.accept(invite) == "used"
    assert bo.texts("Ada") == ["remember me"]


def test_a_relay_that_is_full_keeps_an_invite_waiting(village: Village) -> None:
    ada, bo = village.person("Ada"), village.person("Bo")
    invite = ada.invite()
    real, full = village.relay.ask, True

    def ask(operation: Any) -> Any:
        if full and isinstance(operation, Append):
            return Failure(Status.FULL)
        return real(operation)

    village.relay.ask = ask  # type: ignore[method-assign]
    assert bo.accept(invite) == "claim"
    assert "full" in bo.troubles()
    full = False
    village.settle(patience=200_000)
    assert bo.person.doors.acceptances.all[key_of(invite)].stage == "done"
    still_friends(village, ada, bo)


# --------------------------------------------------------------------------------------- letters, hostile


def test_a_welcome_that_would_take_the_place_of_something_is_refused(village: Village) -> None:
    ada, bo, mal = village.friends("Ada", "Bo", "Mal")
    ada.group("birds", "Bo", "Mal")
    village.settle()
    birds, pair = line_of(bo, "birds").state, line_of(bo, "Ada").state
    invite = bo.invite()
    assert isinstance(invite.secret, OneUse)
    door = codec.log_id(codec.encode_log_body(ready_log(invite.secret.seed)))
    before = picture(bo)
    group, own = group_welcome(mal, bo), pair_welcome(mal, bo)
    for wrong in (
        altered(group, conversation=ada.chat("birds").id),
        altered(group, conversation=ada.chat("birds").id, log=birds.log),
        altered(group, conversation=bo.chat("Ada").id),
        altered(group, log=birds.log),
        altered(group, log=pair.log),
        altered(group, log=bo.person.inbox.here().log),
        altered(group, log=door),
        altered(group, generation=(1 << 63) - 1),
        altered(group, card=ada.person.inbox.here().card),
        altered(group, card=bo.person.inbox.here().card),
        altered(own, conversation=bo.chat("Ada").id),
        altered(own, conversation=os.urandom(32)),
        altered(own, log=birds.log),
        altered(own, log=pair.log, conversation=bo.chat("Mal").id),
        altered(group, kind="pair", conversation=bo.chat("Mal").id),
        altered(group, welcome=b"\x00" * 50),
        altered(group, tree=b"\x00" * 50),
        altered(group, tree=own.tree),
    ):
        send_letter(mal, bo, wrong)
        count = len(ignored(bo))
        village.settle()
        assert len(ignored(bo)) == count + 1, wrong
        assert picture(bo) == before
    # What is behind them was good: as it is, it is taken, once.
    send_letter(mal, bo, group)
    village.settle()
    assert len(bo.person.chats) == len(before) + 1
    send_letter(mal, bo, group)
    village.settle()
    assert len(bo.person.chats) == len(before) + 1
    still_friends(village, ada, bo)
    bo.send("birds", "the real one")
    village.settle()
    assert "the real one" in ada.texts("birds")


def test_a_welcome_with_a_last_resort_key_package_cannot_be_replayed(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    ada.do(lambda person, now, fx: person.put_contact(replace(ada.contact("Bo"), stock=()), fx))
    envelope = group_welcome(ada, bo)
    send_letter(ada, bo, envelope)
    village.settle()
    chat = bo.person.chats[envelope.conversation]
    assert chat.line is not None
    authenticator = chat.line.group.epoch_authenticator()
    for _ in range(3):
        send_letter(ada, bo, envelope)
        send_letter(ada, bo, altered(envelope, log=os.urandom(32), conversation=os.urandom(32)))
        village.settle()
    bo.crash()
    chat = bo.person.chats[envelope.conversation]
    assert len(chat.lines) == 1
    assert chat.line.group.epoch_authenticator() == authenticator
    assert len(bo.person.chats) == 2


def test_strangers_and_blocked_people_cannot_let_anybody_in(village: Village) -> None:
    _ada, bo, mal = village.friends("Ada", "Bo", "Mal")
    for standing in ("blocked", "refused", "known", "asking"):
        before = picture(bo)
        contact = replace(bo.contact("Mal"), standing=standing)
        bo.do(lambda person, now, fx, contact=contact: person.put_contact(contact, fx))
        send_letter(mal, bo, group_welcome(mal, bo))
        send_letter(mal, bo, pair_welcome(mal, bo))
        village.settle()
        assert picture(bo) == before
        if standing == "blocked":  # from here on there is no chat that an admin of it could move
            bo.do(lambda person, now, fx: person.forget(bo.chat("Mal"), fx))


def test_a_pair_is_of_two(village: Village) -> None:
    ada, bo, mal = village.friends("Ada", "Bo", "Mal")
    before = picture(bo)
    both = tuple(sorted((account(mal), account(bo))))
    third, _ = welcome(mal, bo, Roles(both), "pair", pair_id(*both), joiner_of(mal, ada))
    send_letter(mal, bo, third)
    alone, _ = welcome(mal, bo, Roles((account(mal),)), "pair", pair_id(*both))
    send_letter(mal, bo, alone)
    village.settle()
    assert picture(bo) == before
    assert len(ignored(bo)) == 2


def test_whoever_lets_in_must_be_an_admin(village: Village) -> None:
    _, bo, mal = village.friends("Ada", "Bo", "Mal")
    before = picture(bo)
    envelope, _ = welcome(mal, bo, Roles((account(bo),)), "group", os.urandom(32))
    send_letter(mal, bo, envelope)
    nobody, _ = welcome(mal, bo, Roles((os.urandom(32),)), "group", os.urandom(32))
    send_letter(mal, bo, nobody)
    village.settle()
    assert picture(bo) == before


def test_nobody_lets_somebody_in_with_the_card_of_another(village: Village) -> None:
    ada, bo, mal = village.friends("Ada", "Bo", "Mal")
    blocked = replace(bo.contact("Mal"), standing="blocked")
    bo.do(lambda person, now, fx: person.put_contact(blocked, fx))
    before = picture(bo)
    roles = Roles(tuple(sorted((account(ada), account(mal)))), name="trap")
    trap, _ = welcome(mal, bo, roles, "group", os.urandom(32), joiner_of(mal, ada))
    send_letter(mal, bo, altered(trap, card=ada.person.inbox.here().card))
    village.settle()
    assert picture(bo) == before
    assert any("may not let people in" in why for why in ignored(bo))


def test_what_our_own_place_stands_on_is_never_given_up(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    village.relay.engine.disk_full = True
    ada.group("birds", "Bo")
    for _ in range(6):
        village.settle()
        village.now += 3_600_000
    assert ada.chat("birds").line.state.standing is Standing.FOUNDING
    assert "full" in ada.troubles()
    village.relay.engine.disk_full = False
    village.settle(patience=4_000_000)
    assert ada.chat("birds").line.state.standing is Standing.OPEN
    ada.send("birds", "at last")
    village.settle()
    assert bo.texts("birds") == ["at last"]


def test_a_contact_cannot_make_lines_without_end(village: Village) -> None:
    bo, mal = village.friends("Bo", "Mal")
    # By the key package that is for any number of uses.
    known = replace(mal.contact("Bo"), stock=(), card=bo.person.inbox.here().card, spent=())
    mal.do(lambda person, now, fx: person.put_contact(known, fx))
    for n in range(20):
        village.now += 1000
        send_letter(mal, bo, altered(pair_welcome(mal, bo), generation=village.now // 1000 + n))
        bo.do(lambda person, now, fx: None)
        for _ in range(40):
            bo.step()
    assert 4 < len(bo.chat("Mal").lines) <= 16


@pytest.mark.parametrize("size", [1 << 62, 3 * 1024**3, 2 * 1024**3, 0, 300])
def test_a_welcome_whose_tree_is_not_where_it_says_breaks_nothing(village: Village, size: int) -> None:
    ada, bo, mal = village.friends("Ada", "Bo", "Mal")
    before = picture(bo)
    blob = os.urandom(32)
    data = os.urandom(SEALED_CHUNK * 2)
    for n in range(2):
        chunk = data[n * SEALED_CHUNK : (n + 1) * SEALED_CHUNK]
        village.relay.ask(
            Put(blob, line_of(mal, "Bo").state.log, line_of(mal, "Bo").state.write, len(data), n, chunk)
        )
    for id in (blob, os.urandom(32)):
        ref = BlobRef(id, size, os.urandom(32), os.urandom(32))
        group = group_welcome(mal, bo)
        send_letter(mal, bo, altered(group, tree=ref))
        send_letter(mal, bo, altered(group, welcome=ref))
        village.settle()
        bo.crash()
        village.settle()
    assert picture(bo) == before
    assert not bo.person.doors.busy()
    still_friends(village, ada, bo)


def test_nobody_pushes_away_the_welcome_of_another_or_fills_the_store(village: Village) -> None:
    ada, bo, mal = village.friends("Ada", "Bo", "Mal")
    good = group_welcome(ada, bo)
    ref = BlobRef(os.urandom(32), len(good.tree), digest(good.tree), os.urandom(32))
    sealed = b"".join(seal_whole(ref.key, good.tree))
    village.relay.blobs[ref.id, 0], village.relay.sizes[ref.id] = sealed, len(sealed)
    send_letter(ada, bo, altered(good, tree=ref))
    for _ in range(30):
        send_letter(mal, bo, altered(group_welcome(mal, bo), tree=ref))
    village.settle()
    assert good.conversation in bo.person.chats
    assert not bo.person.doors.busy()


def test_letters_of_garbage_are_skipped(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    inbox, token = bo.person.inbox.here(), joiner_of(ada, bo).token
    for data in (b"", b"\x80", b"\x81\x01", os.urandom(1000), os.urandom(63_000), b"\x82\x18\x63\x00"):
        village.relay.ask(letter(inbox.log, token, inbox.key_public, data, os.urandom(16)))
    for kind, body in (
        (EntryKind.SEALED, os.urandom(2000)),
        (EntryKind.MLS, os.urandom(64)),
        (9, os.urandom(64)),
    ):
        entry = codec.encode_entry(Entry(kind, os.urandom(16), body))
        village.relay.ask(Append(inbox.log, token, 0, (entry,)))
    elsewhere = seal(inbox.key_public, "letter", encode_letter(pair_welcome(ada, bo)), os.urandom(32))
    entry = codec.encode_entry(Entry(EntryKind.SEALED, os.urandom(16), elsewhere))
    village.relay.ask(Append(inbox.log, token, 0, (entry,)))
    count = len(ignored(bo))
    village.settle()
    assert len(ignored(bo)) - count >= 9
    still_friends(village, ada, bo)


# --------------------------------------------------------------------------------------------- requests


def ask_in(village: Village, asker: Villager, owner: Villager, to: bytes | None = None) -> bytes:
    """The letter of a request, as the asker signs it."""
    card = asker.do(lambda person, now, fx: person.inbox.card((person.inbox.key_package(now, fx),), now))
    request = ContactRequest(to or owner.person.inbox.here().log, card, "let me in", village.now // 1000)
    return encode_letter(sign_request(asker.person.identity.account_private, request))


def open_way(owner: Villager) -> Invite:
    invite = owner.do(lambda person, now, fx: person.doors.invites.make_open(now, fx))
    owner.village.settle()
    return invite


def knock(owner: Villager, data: bytes) -> None:
    way = open_way(owner).secret
    inbox = owner.person.inbox.here()
    answer = owner.village.relay.ask(letter(way.inbox, way.token, inbox.key_public, data, os.urandom(16)))
    assert isinstance(answer, Appended)
    owner.village.settle()


def test_requests_for_others_replayed_or_in_a_false_name(village: Village) -> None:
    ada, bo, cy = village.person("Ada"), village.person("Bo"), village.person("Cy")
    knock(ada, ask_in(village, cy, bo))
    assert not ada.person.contacts
    assert "not for this inbox" in ignored(ada)[-1]
    knock(ada, ask_in(village, ada, ada))
    assert not ada.person.contacts
    data = ask_in(village, cy, ada)
    request = decode_letter(data)
    assert isinstance(request, ContactRequest)
    forged = b"".join((data[:-64], os.urandom(64)))
    knock(ada, forged)
    assert not ada.person.contacts
    knock(ada, data)
    assert [(c.name, c.standing) for c in ada.person.contacts.values()] == [("Cy", "asking")]
    refused = replace(ada.contact("Cy"), standing="refused")
    ada.do(lambda person, now, fx: person.put_contact(refused, fx))
    knock(ada, data)
    assert ada.contact("Cy").standing == "refused"


def test_a_request_does_not_undo_that_somebody_was_verified(village: Village) -> None:
    ada, cy = village.person("Ada"), village.person("Cy")
    card = cy.person.inbox.here().card
    known = Contact(account(cy), "Cy", "known", card, verified=True)
    ada.do(lambda person, now, fx: person.put_contact(known, fx))
    knock(ada, ask_in(village, cy, ada))
    assert ada.contact("Cy").standing == "asking"
    assert ada.contact("Cy").verified


def test_two_who_ask_each_other_come_together_when_one_accepts(village: Village) -> None:
    ada, bo = village.person("Ada"), village.person("Bo")
    for_bo, for_ada = open_way(ada), open_way(bo)
    assert bo.accept(for_bo) == "asked"
    assert ada.accept(for_ada) == "asked"
    request = replace(ada.contact("Bo"), standing="contact")
    id = pair_id(account(ada), account(bo))
    ada.do(lambda person, now, fx: person.make_pair(request, id, now, fx))
    village.settle()
    assert bo.contact("Ada").standing == "contact"
    still_friends(village, ada, bo)


# ------------------------------------------------------------------------------------- relays and ways


def test_nobody_changes_the_ways_to_our_own_relay(village: Village) -> None:
    _ada, bo, mal = village.friends("Ada", "Bo", "Mal")
    ways = bo.person.relays[village.relay.identity].routes
    send_letter(mal, bo, group_welcome(mal, bo))
    village.settle()
    assert bo.person.relays[village.relay.identity].routes == ways
    bo.do(lambda person, now, fx: person.hear_of(b"r" * 32, ["wss://one"], fx))
    bo.do(lambda person, now, fx: person.hear_of(b"r" * 32, [f"wss://n{n}" for n in range(30)], fx))
    assert bo.person.relays[b"r" * 32].routes[0] == "wss://one"
    assert len(bo.person.relays[b"r" * 32].routes) == 8


@pytest.mark.parametrize(
    "way",
    [
        "http://127.0.0.1:2375/containers/x/kill",
        "ws://192.168.1.1/goform/reboot",
        "ws://192.168.1.1/aaaabbbbccccdddd/more",
        "socks5://10.0.0.1:22|wss://relay.example/x",
        "connect://10.0.0.1:22|ws://10.0.0.2/aaaabbbbccccdddd",
        "pt:obfs4;cert=x|wss://relay.example/x?ip=203.0.113.9",
        "frag|wss://relay.example/x",
        f"key:{'a' * 52}|wss://192.168.1.1/goform/reboot",
        "wss://192.168.1.20/goform/reboot",
        "wss://relay.example/goform/reboot?sni=",
        "wss://relay.example/goform/reboot?ip=192.168.1.1",
        "carrier-pigeon://relay.example/x",
    ],
)
def test_a_way_that_would_send_what_somebody_likes_where_they_like_is_not_taken(
    village: Village, way: str
) -> None:
    bo = village.person("Bo")
    bo.do(lambda person, now, fx: person.hear_of(b"r" * 32, [way, "wss://relay.example/x"], fx))
    assert bo.person.relays[b"r" * 32].routes == ("wss://relay.example/x",)
    bo.do(lambda person, now, fx: person.hear_of(b"r" * 32, [way], fx))
    assert bo.person.relays[b"r" * 32].routes == ("wss://relay.example/x",)


def test_a_way_to_a_relay_on_the_same_network_is_taken(village: Village) -> None:
    bo = village.person("Bo")
    ways = (
        "ws://192.168.1.7:8080/aaaabbbbccccdddd",
        f"http://127.0.0.1:9000{SecretPath(b'place', (), b'and a tag.').text}",
        "key:" + "a" * 52 + "|wss://203.0.113.9/aaaabbbbccccdddd",
        "wss://192.168.1.7/aaaabbbbccccdddd",
    )
    bo.do(lambda person, now, fx: person.hear_of(b"r" * 32, ways, fx))
    assert bo.person.relays[b"r" * 32].routes == ways


def test_a_contact_with_a_broken_card_cannot_be_added_and_breaks_no_group(village: Village) -> None:
    ada, bo, mal = village.friends("Ada", "Bo", "Mal")
    ada.group("birds", "Bo")
    village.settle()
    card = replace(decode_card(mal.person.inbox.here().card), inbox_key=b"\xff" * 1216)
    broken = replace(ada.contact("Mal"), card=encode_card(card, mal.person.identity.account_private))
    ada.do(lambda person, now, fx: person.put_contact(broken, fx))
    with pytest.raises(Exception, match="cannot be added now"):
        ada.do(lambda person, now, fx: person.add_to_group(ada.chat("birds"), broken, now, fx))
    village.settle()
    ada.send("birds", "hello")
    village.settle()
    assert bo.texts("birds") == ["hello"]


def test_a_joiner_whom_no_letter_reaches_holds_up_nobody(village: Village) -> None:
    ada, bo, mal = village.friends("Ada", "Bo", "Mal")
    ada.group("birds", "Bo")
    village.settle()
    real = Contact.joiner

    def broken(self: Contact, now: int) -> tuple[Joiner, Contact]:
        joiner, rest = real(self, now)
        return replace(joiner, inbox_key=b"\xff" * 1216), rest

    Contact.joiner = broken  # type: ignore[method-assign]
    try:
        ada.do(lambda person, now, fx: person.add_to_group(ada.chat("birds"), ada.contact("Mal"), now, fx))
    finally:
        Contact.joiner = real  # type: ignore[method-assign]
    village.settle()
    assert "welcome" in ada.troubles()
    assert not mal.person.chats.get(ada.chat("birds").id)
    ada.send("birds", "hello")
    village.settle()
    assert bo.texts("birds") == ["hello"]


def test_a_relay_that_jumps_in_the_inbox_is_told(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    inbox = bo.person.inbox.here()
    send_letter(ada, bo, group_welcome(ada, bo))
    what = village.relay.ask(Fetch(inbox.log, inbox.read, inbox.seq))
    forged = replace(what.records[-1], h=os.urandom(32))
    fetched = Fetched((forged,), Head(forged.seq, 0, forged.h, 1), False, False)
    bo.do(lambda person, now, fx: person.records(inbox.relay, inbox.log, fetched, now, fx))
    assert "inbox" in bo.troubles()
    expired = Failure(Status.EXPIRED, first=inbox.seq + 50)
    bo.do(lambda person, now, fx: person.records(inbox.relay, inbox.log, expired, now, fx))
    assert bo.person.inbox.here().seq == expired.first - 1
