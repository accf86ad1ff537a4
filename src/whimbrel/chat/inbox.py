"""The inbox: where letters come in, and all that lets others write there: key packages, grants, the card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from whimbrel.chat.conversation import put_chunk
from whimbrel.chat.effects import Effects, Watching
from whimbrel.chat.errands import Errands
from whimbrel.chat.identity import Chance, Identity
from whimbrel.chat.records import PutFact
from whimbrel.chat.relays import streams
from whimbrel.crypto import mls
from whimbrel.crypto.cards import Card, decode_card, encode_card, seal_card
from whimbrel.crypto.leaf import Reach
from whimbrel.crypto.sealing import new_inbox_key, open_sealed, seal
from whimbrel.wire import cbor, chain, codec, proofs
from whimbrel.wire.answers import Head, Record
from whimbrel.wire.operations import (
    SEALED_CHUNK,
    Alter,
    Append,
    Change,
    Create,
    Entry,
    EntryKind,
    Grant,
    Keep,
    LogBody,
    LogKind,
    Put,
)
from whimbrel.wire.purpose import public_of, token_hash

GRANT_ENTRIES, GRANT_SIZE = 40, 4 * 1024 * 1024
"""What a token in one of our leaves is good for: a Welcome, a few requests to be added again."""
OPEN_ENTRIES, OPEN_SIZE = 2_000, 32 * 1024 * 1024
"""What the token in an open invite is good for: half of what an inbox holds, so that contacts' letters have room."""
OLD_CARDS = 8
"""Cards of former names that are kept alive."""
LEFT = "inboxes-left"
"""The fact that has the inboxes on relays where this account lived before."""
KEEP_EVERY = 7 * 24 * 3600
"""Seconds after which blobs that must live on are kept again."""


@dataclass(slots=True)
class InboxState:
    """Our inbox on one relay, and our card in it."""

    relay: bytes
    routes: tuple[str, ...]
    log: bytes
    read: bytes
    write: bytes
    admin: bytes
    key_private: bytes
    key_public: bytes
    card_id: bytes
    card_key: bytes
    card: bytes
    kept_at: int
    n: int
    seq: int
    h: bytes
    nonce: bytes = b""
    """The one in the body that the inbox was made with; the first homes did not keep it."""
    old_cards: tuple[bytes, ...] = ()
    """Cards of other names, which leaves and invites of before still lead to."""

    @staticmethod
    def unpack(packed: list[Any]) -> InboxState:
        relay, routes, *rest = packed
        state = InboxState(relay, tuple(routes), *rest)
        state.old_cards = tuple(state.old_cards)
        return state

    def pack(self) -> list[Any]:
        return [
            self.relay,
            list(self.routes),
            self.log,
            self.read,
            self.write,
            self.admin,
            self.key_private,
            self.key_public,
            self.card_id,
            self.card_key,
            self.card,
            self.kept_at,
            self.n,
            self.seq,
            self.h,
            self.nonce,
            list(self.old_cards),
        ]


@dataclass(frozen=True, slots=True)
class OwnKeyPackage:
    """What must be kept of a key package until somebody uses it."""

    log_key: bytes
    token: bytes
    last_resort: bool


class Inbox:
    """Makes and reads this account's inbox; and those that it has left for another relay, for as long as they are there."""

    def __init__(self, identity: Identity, engine: mls.Engine, errands: Errands, chance: Chance) -> None:
        self._identity = identity
        self.engine = engine
        self._errands = errands
        self._chance = chance
        self._grants: list[Grant] = []
        self._packages: dict[bytes, OwnKeyPackage] = {}
        self.state: InboxState | None = None
        self.left: list[InboxState] = []
        """Inboxes on relays where this account lived before: letters may still come there."""

    # -------------------------------------------------------------------------------------- remembering

    def restore(self, facts: dict[str, bytes]) -> None:
        if "inbox" in facts:
            self.state = InboxState.unpack(cbor.decode(facts["inbox"]))
        self.left = [InboxState.unpack(packed) for packed in cbor.decode(facts.get(LEFT, b"\x80"))]
        for name, value in facts.items():
            if name.startswith("kp:"):
                log_key, token, last_resort = cbor.decode(value)
                self._packages[bytes.fromhex(name[3:])] = OwnKeyPackage(log_key, token, last_resort)

    def save(self, fx: Effects) -> None:
        assert self.state is not None
        fx.save(PutFact("inbox", cbor.encode(self.state.pack())))

    def save_left(self, fx: Effects) -> None:
        fx.save(PutFact(LEFT, cbor.encode([state.pack() for state in self.left])))

    def here(self) -> InboxState:
        assert self.state is not None, "an account has an inbox from its first moment on"
        return self.state

    # ------------------------------------------------------------------------------------------- making

    def make(
        self, relay: bytes, routes: Sequence[str], admission: bytes, n: int, now: int, fx: Effects
    ) -> None:
        """Make the inbox on this relay, with the card in it."""
        read, write, admin, nonce = (self._chance(32) for _ in range(4))
        body = body_of(read, write, admin, nonce)
        log = codec.log_id(codec.encode_log_body(body))
        private, public = new_inbox_key()
        self.state = InboxState(
            relay,
            tuple(routes),
            log,
            read,
            write,
            admin,
            private,
            public,
            self._chance(32),
            self._chance(32),
            b"",
            now // 1000,
            0,
            0,
            chain.start(log),
            nonce,
        )
        self._errands.add(fx, n, log, relay, Create(body, admission), "inbox")

    def leave(
        self, relay: bytes, routes: Sequence[str], admission: bytes, n: int, now: int, fx: Effects
    ) -> None:
        """Make another inbox on this relay, for the same key, and go on reading the one before: others have its tokens until
        they hear of the new one."""
        before = self.here()
        self.make(relay, routes, admission, n, now, fx)
        self.here().key_private, self.here().key_public = before.key_private, before.key_public
        self.left.append(before)
        self.save_left(fx)

    def left_on(self, relay: bytes, log: bytes) -> InboxState | None:
        """The inbox that was left with this log."""
        return next((state for state in self.left if (state.relay, state.log) == (relay, log)), None)

    def forget_left(self, state: InboxState, fx: Effects) -> None:
        """The relay does not have it any more."""
        self.left.remove(state)
        self.save_left(fx)

    def logs(self) -> set[bytes]:
        """The logs of all of them."""
        return {self.here().log, *(state.log for state in self.left)}

    def make_again(self, admission: bytes, next_n: Callable[[], int], fx: Effects) -> None:
        """Make the same inbox again, on a relay that does not know it any more."""
        state = self.here()
        for errand in self._errands.in_lane(state.log):
            if isinstance(codec.decode_operation(errand.operation), Alter):
                self._errands.drop(errand, fx)
        state.n, state.seq, state.h = 0, 0, chain.start(state.log)
        create = Create(body_of(state.read, state.write, state.admin, state.nonce), admission)
        self._errands.add(fx, next_n(), state.log, state.relay, create, "inbox")
        self.save(fx)

    def is_made(self) -> bool:
        """Whether the relay has answered that it is there."""
        return all(errand.tag[0] != "inbox" for errand in self._errands.in_lane(self.here().log))

    def is_refused(self) -> bool:
        """Whether the relay has refused to make it, so far."""
        lane = self._errands.in_lane(self.here().log)
        return any(errand.tag[0] == "inbox" and errand.tries > 0 for errand in lane)

    def go_back_to(self, head: Head, fx: Effects) -> None:
        """The relay has less of the inbox than we read: go on from where it stands."""
        state = self.here()
        if head.seq < state.seq:
            state.seq, state.h = head.seq, head.h
        self.save(fx)

    def confirmed_n(self) -> int:
        """Changes of the inbox that the relay has answered."""
        state = self.here()
        waiting = (codec.decode_operation(errand.operation) for errand in self._errands.in_lane(state.log))
        first = next((alter.change.change.n for alter in waiting if isinstance(alter, Alter)), None)
        return state.n if first is None else first - 1

    def publish_card(self, next_n: Callable[[], int], now: int, fx: Effects) -> None:
        """Write the card (with a last-resort key package) where contacts and groups look for it."""
        state = self.here()
        package = self.key_package(now, fx, last_resort=True)
        # Newer than all before, also than those behind invites of this second.
        made_at = max(now // 1000, decode_card(state.card).made_at) + 1 if state.card else now // 1000
        state.card = self._signed_card((package,), made_at)
        self.put_card(state.card_id, state.card_key, state.card, state.log, state.write, next_n, fx)
        state.kept_at = now // 1000
        self.save(fx)

    def card(self, packages: tuple[bytes, ...], now: int) -> bytes:
        """A signed card with these key packages, as new as the one that is published, at least."""
        return self._signed_card(packages, max(now // 1000, decode_card(self.here().card).made_at))

    def _signed_card(self, packages: tuple[bytes, ...], made_at: int) -> bytes:
        state, identity = self.here(), self._identity
        reach = (self._reach(self.grant(GRANT_ENTRIES, GRANT_SIZE)),)
        card = Card(
            identity.account,
            identity.name,
            identity.device_list,
            state.key_public,
            packages,
            reach,
            made_at,
        )
        return encode_card(card, identity.account_private)

    def put_card(
        self,
        id: bytes,
        key: bytes,
        card: bytes,
        place: bytes,
        token: bytes,
        next_n: Callable[[], int],
        fx: Effects,
    ) -> None:
        data = b"".join(seal_card(key, card))
        for n in range(-(-len(data) // SEALED_CHUNK)):
            put = put_chunk(id, place, token, data, n)
            self._errands.add(fx, next_n(), place, self.here().relay, put, "card-put")

    def put_card_back(self, next_n: Callable[[], int], fx: Effects) -> None:
        """The relay has lost the card (it lives 30 days without `keep`): write the same bytes again, under the same id."""
        state = self.here()
        self.put_card(state.card_id, state.card_key, state.card, state.log, state.write, next_n, fx)

    def renew_card(self, next_n: Callable[[], int], now: int, fx: Effects) -> None:
        """Write another card, in another place: one key is for one card."""
        state = self.here()
        state.card_id, state.card_key = self._chance(32), self._chance(32)
        self.publish_card(next_n, now, fx)
        self.send_grants(next_n, fx)

    def rename(self, identity: Identity, next_n: Callable[[], int], now: int, fx: Effects) -> None:
        """The account is called otherwise: another card, and the one before lives on for whoever was told of it."""
        state = self.here()
        self._identity = identity
        state.old_cards = (*state.old_cards, state.card_id)[-OLD_CARDS:]
        self.renew_card(next_n, now, fx)

    def forget_old(self, card: bytes, fx: Effects) -> None:
        """The relay has a card of a former name no more."""
        state = self.here()
        state.old_cards = tuple(old for old in state.old_cards if old != card)
        self.save(fx)

    def is_of_card(self, operation: bytes) -> bool:
        """Whether an operation writes to the place of the card."""
        put = codec.decode_operation(operation)
        return isinstance(put, Put) and put.blob == self.here().card_id

    def keep(self, next_n: Callable[[], int], now: int, fx: Effects) -> None:
        """Let the card live on."""
        state = self.here()
        state.kept_at = now // 1000
        keep = Keep(state.log, state.write, (state.card_id,))
        self._errands.add(fx, next_n(), state.log, state.relay, keep, "keep")
        for old in state.old_cards:
            keep = Keep(state.log, state.write, (old,))
            self._errands.add(fx, next_n(), state.log, state.relay, keep, "keep-old", old)
        self.save(fx)

    def keep_is_due(self, now: int) -> bool:
        """Also when the last time lies ahead: a clock was wrong then or is wrong now."""
        return self.state is not None and not 0 <= now // 1000 - self.state.kept_at <= KEEP_EVERY

    def begin_anew(
        self, identity: Identity, engine: mls.Engine, next_n: Callable[[], int], now: int, fx: Effects
    ) -> None:
        """The account has a new device: forget the old one's key packages, and write another card."""
        self._identity, self.engine = identity, engine
        for ref in self._packages:
            fx.save(PutFact("kp:" + ref.hex(), None))
        self._packages.clear()
        self.renew_card(next_n, now, fx)

    # ------------------------------------------------------------------------------------ key packages

    def reach(self) -> Reach:
        """A way to reach us, with a token granted for it; `send_grants` tells the relay."""
        return self._reach(self.grant(GRANT_ENTRIES, GRANT_SIZE))

    def _reach(self, token: bytes) -> Reach:
        state = self.here()
        return Reach(state.relay, streams(state.routes), state.log, token, state.card_id, state.card_key)

    def leaf(self, now: int) -> tuple[bytes, bytes]:
        """A fresh log key, and the leaf extension with it and with a way to reach us granted for it."""
        log_key = self._chance(32)
        reach = self._reach(self.grant(GRANT_ENTRIES, GRANT_SIZE))
        return log_key, self._identity.leaf(public_of(log_key), (reach,), now)

    def key_package(self, now: int, fx: Effects, last_resort: bool = False) -> bytes:
        """A fresh key package of this device, good for being let into a group."""
        log_key = self._chance(32)
        token = self.grant(GRANT_ENTRIES, GRANT_SIZE)
        leaf = self._identity.leaf(public_of(log_key), (self._reach(token),), now)
        package, ref = self.engine.key_package(mls.HYBRID, self._identity.credential(), leaf, last_resort)
        self._packages[ref] = OwnKeyPackage(log_key, token, last_resort)
        fx.save(PutFact("kp:" + ref.hex(), cbor.encode([log_key, token, last_resort])))
        return package

    def find_package(self, welcome: bytes) -> OwnKeyPackage | None:
        """The key package that a Welcome is for, if it is ours and was not used."""
        found = (self._packages.get(ref) for ref in mls.welcome_refs(welcome))
        return next((own for own in found if own is not None), None)

    def use_package(self, welcome: bytes, fx: Effects) -> OwnKeyPackage | None:
        """The key package that a Welcome is for; one for one use is forgotten with it."""
        for ref in mls.welcome_refs(welcome):
            own = self._packages.get(ref)
            if own is not None:
                if not own.last_resort:
                    del self._packages[ref]
                    fx.save(PutFact("kp:" + ref.hex(), None))
                return own
        return None

    # ------------------------------------------------------------------------------------------- grants

    def package_tokens(self) -> list[bytes]:
        """The tokens granted with key packages that nobody has used."""
        return [own.token for own in self._packages.values()]

    def grant_again(self, token: bytes, entries: int, size: int) -> None:
        """Grant a token that somebody holds; `send_grants` tells the relay."""
        self._grants.append(Grant(token_hash(token), entries, size))

    def grant(self, entries: int, size: int) -> bytes:
        """A fresh write token for the inbox; it holds once `send_grants` was answered."""
        token = self._chance(32)
        self._grants.append(Grant(token_hash(token), entries, size))
        return token

    def send_grants(self, next_n: Callable[[], int], fx: Effects) -> None:
        """Tell the relay of the tokens granted since the last time."""
        if not self._grants:
            return
        state = self.here()
        while self._grants:
            batch, self._grants = self._grants[:64], self._grants[64:]
            state.n += 1
            change = Change(state.n, grants=tuple(batch))
            signed = proofs.sign_change(change, state.admin, state.relay, state.log)
            self._errands.add(fx, next_n(), state.log, state.relay, Alter(state.log, signed), "grant")
        self.save(fx)

    def renumber(self, n: int, fx: Effects) -> None:
        """The relay counts `n` changes of our inbox: what we want to change gets the numbers that follow. Others are
        missing when the home, or the relay, was restored."""
        state = self.here()
        waiting = [(e, codec.decode_operation(e.operation)) for e in self._errands.in_lane(state.log)]
        first = next((alter.change.change.n for _, alter in waiting if isinstance(alter, Alter)), None)
        if first is None or first == n + 1:
            return
        for errand, alter in waiting:
            if isinstance(alter, Alter):
                n += 1
                change = replace(alter.change.change, n=n)
                signed = proofs.sign_change(change, state.admin, state.relay, state.log)
                self._errands.rewrite(errand, Alter(state.log, signed), fx)
        state.n = n
        self.save(fx)

    # ------------------------------------------------------------------------------------------ letters

    def watching(self) -> list[Watching]:
        """The inbox, once it is made, and those that were left."""
        states = [*([self.here()] if self.is_made() else []), *self.left]
        return [Watching(state.relay, state.log, state.read, state.seq) for state in states]

    def follow(self, record: Record) -> bool:
        """Go on to the next record. False: it does not follow what was read; then the relay's word is taken for it."""
        state = self.here()
        h = b""
        if state.h and record.seq == state.seq + 1:
            h = chain.step(state.h, record.seq, record.turn, record.advance, record.id, record.change)
        follows = not state.h or h == record.h
        state.seq, state.h = record.seq, record.h
        return follows

    def open(self, entry: bytes, context: bytes) -> bytes:
        """What a sealed entry says. Raises WireError, CryptoError."""
        body = codec.decode_entry(entry).body
        return open_sealed(self.here().key_private, "letter", body, context)


def body_of(read: bytes, write: bytes, admin: bytes, nonce: bytes) -> LogBody:
    """What an inbox with these tokens, this admin's private key and this nonce is made of."""
    return LogBody(LogKind.INBOX, token_hash(read), token_hash(write), (public_of(admin),), nonce)


def letter(inbox: bytes, token: bytes, inbox_key: bytes, data: bytes, tag: bytes) -> Append:
    """The append that puts a letter into somebody's inbox. `tag`: 16 random bytes."""
    body = seal(inbox_key, "letter", data, inbox)
    entry = codec.encode_entry(Entry(EntryKind.SEALED, tag, body))
    return Append(inbox, token, 0, (entry,))
