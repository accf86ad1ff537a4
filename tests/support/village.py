"""A village: people with real stores and engines, and one relay's real engine, with time and the post in the test's hands.

Nothing runs by itself: `village.settle()` carries asks and records about until nobody has anything left to say. Between
two steps a test may lose answers, crash somebody (what was not saved is gone) or let time pass.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from whimbrel.chat.contacts import Contact
from whimbrel.chat.conversation import Conversation
from whimbrel.chat.effects import Ask, Effects, Watching
from whimbrel.chat.invite_keys import key_of
from whimbrel.chat.person import Person
from whimbrel.chat.records import MessageRow
from whimbrel.chat.relays import Relay
from whimbrel.client.desk import StoreDesk
from whimbrel.relay.engine import Budget, Engine, Identity
from whimbrel.relay.places import Places
from whimbrel.relay.settings import Limits
from whimbrel.relay.storage import BlobRow, Storage
from whimbrel.store.home import Home, open_home
from whimbrel.wire import codec
from whimbrel.wire.admission import Limits as AdmissionLimits
from whimbrel.wire.admission import encode_admission, mint
from whimbrel.wire.answers import Answer, Chunk, Done, Failure, Fetched, Status
from whimbrel.wire.operations import Alter, Append, Create, Fetch, Get, Keep, Put, Routes
from whimbrel.wire.purpose import public_of
from whimbrel.wire.texts import Invite, parse_invite

Deed = Callable[[Person, int, Effects], Any]


def hand_over(watching: Watching, what: Fetched | Failure, person: Person, now: int, fx: Effects) -> None:
    person.records(watching.relay, watching.log, what, now, fx)


class VillageRelay:
    """The relay's engine over its real storage. Blobs lie in memory here: their own tests have the folder."""

    def __init__(self, folder: Path, clock: Callable[[], int], limits: Limits | None = None) -> None:
        self.private, self.root = os.urandom(32), os.urandom(32)
        self.identity = public_of(self.private)
        self.clock = clock
        folder.mkdir()
        self.folder = folder
        self.limits = limits or Limits(create_burst=10_000)
        self._open()
        self.blobs: dict[tuple[bytes, int], bytes] = {}
        self.sizes: dict[bytes, int] = {}
        self.put_at: dict[bytes, int] = {}
        self.appends = 0

    def _open(self) -> None:
        self.storage = Storage(self.folder / "relay.db")
        places = Places(self.storage, self.limits, self.root)
        identity = Identity(self.private, self.identity)
        self.engine = Engine(self.storage, places, identity, self.limits, ())

    def backup(self, to: Path) -> None:
        """A copy of what the relay keeps, as its owner makes it."""
        self.storage.close()
        shutil.copytree(self.folder, to)
        self._open()

    def restore(self, backup: Path) -> None:
        """The relay is as it was when the backup was made."""
        self.storage.close()
        shutil.rmtree(self.folder)
        shutil.copytree(backup, self.folder)
        self._open()

    def known(self) -> Relay:
        admission = encode_admission(mint(self.root, b"\x00" * 8, AdmissionLimits()))
        return Relay(self.identity, ("ws://127.0.0.1:4711/relay",), admission)

    def ask(self, operation: Any) -> Answer:
        now = self.clock() // 1000
        # Through their bytes, as on the way.
        operation = codec.decode_operation(codec.encode_operation(operation))
        match operation:
            case Create():
                answer = self.engine.create(operation, now)
            case Append():
                self.appends += 1
                answer = self.engine.append(operation, now)
            case Alter():
                answer = self.engine.alter(operation)
            case Fetch():
                answer = self.engine.fetch(operation, Budget(1 << 20))
            case Put():
                answer = self._put(operation, now)
            case Get():
                chunk = self.blobs.get((operation.blob, operation.n))
                size = self.sizes.get(operation.blob, 0)
                answer = Chunk(chunk, size) if chunk is not None else Failure(Status.MISSING)
            case Keep():
                gone = tuple(blob for blob in operation.blobs if blob not in self.sizes)
                answer = Failure(Status.MISSING, missing=gone) if gone else Done()
                self.put_at |= {blob: now for blob in operation.blobs if not gone}
            case Routes():
                answer = self.engine.routes(operation, now)
            case _:
                raise AssertionError(operation)
        self.engine.news.clear()
        self.storage.commit()
        return codec.decode_answer(codec.encode_answer(answer))

    def expire_blobs(self) -> None:
        """What nobody kept for 30 days goes."""
        old = [blob for blob, at in self.put_at.items() if at + 30 * 24 * 3600 < self.clock() // 1000]
        for blob in old:
            del self.put_at[blob], self.sizes[blob]
        self.blobs = {place: chunk for place, chunk in self.blobs.items() if place[0] in self.sizes}

    def _put(self, put: Put, now: int) -> Answer:
        if self.blobs.get((put.blob, put.n), put.chunk) != put.chunk:
            return Failure(Status.EXISTS)
        self.blobs[put.blob, put.n] = put.chunk
        self.put_at.setdefault(put.blob, now)
        self.sizes[put.blob] = put.size
        have = sum(len(chunk) for (blob, _), chunk in self.blobs.items() if blob == put.blob)
        if have == put.size and self.storage.blob(put.blob) is None:
            place = self.storage.log(put.place)
            number = place.number if place is not None else None
            self.storage.save_blob(BlobRow(put.blob, number, b"", put.size, now + 10**6, True, None))
        return Done()


class Villager:
    """A person with a home on disk. `crash` forgets whatever was not saved."""

    def __init__(self, village: Village, name: str, relay: Relay) -> None:
        self.village = village
        self.name = name
        self.path = village.folder / name
        self.home: Home = open_home(self.path, create=True, find_keyring=lambda interactive: None)
        self.asks: list[Ask] = []
        self.news: list[dict[str, Any]] = []
        fx = Effects()
        self.person = Person.make(name, relay, StoreDesk(self.home), os.urandom, village.now, fx)
        self._keep(fx)

    @staticmethod
    def of(village: Village, name: str, path: Path) -> Villager:
        """Somebody who starts the program on a home that is there: a copy, say."""
        villager = Villager.__new__(Villager)
        villager.village, villager.name, villager.path = village, name, path
        villager.asks, villager.news = [], []
        villager.home = open_home(path, create=False, find_keyring=lambda interactive: None)
        villager.crash()
        return villager

    def _keep(self, fx: Effects) -> None:
        self.home.database.commit(fx.saves, self.person.engine.take_changes())
        self.asks += fx.asks
        self.news += fx.news

    def do(self, deed: Deed) -> Any:
        fx = Effects()
        result = deed(self.person, self.village.now, fx)
        self.person.pump(self.village.now, fx)
        self._keep(fx)
        return result

    def crash(self) -> None:
        """Everything in memory is gone; the home is opened again."""
        self.home.close()
        self.asks = []
        self.home = open_home(self.path, create=False, find_keyring=lambda interactive: None)
        store = self.home.database
        self.person = Person.restore(
            store.facts(), store.chats(), store.contacts(), store.outbox(), StoreDesk(self.home), os.urandom
        )

    # ---------------------------------------------------------------------------------------- the post

    def step(self, lose: Callable[[Ask], bool] = lambda ask: False) -> bool:
        """Have one ask answered, or read what one watched log has. False: nothing was to be done."""
        if self.asks:
            ask = self.asks.pop(0)
            answer = self.village.relays[ask.relay].ask(ask.operation)
            if not lose(ask):
                self.do(lambda person, now, fx: person.answer(ask.tag, answer, now, fx))
            return True
        for watching in self.person.watching():
            fetch = Fetch(watching.log, watching.read, watching.after)
            what = self.village.relays[watching.relay].ask(fetch)
            found = self.person._line(watching.relay, watching.log)
            behind = found is not None and not found[1].caught_up
            news = isinstance(what, Fetched) and (what.records or behind)
            inbox = watching.log == self.person.inbox.here().log and isinstance(what, Fetched | Failure)
            inbox = inbox and not self.person.set_back.is_told(what)
            if news or inbox or (isinstance(what, Failure) and found is not None):
                self.do(partial(hand_over, watching, what))
                return True
        before = len(self.asks)
        self.do(lambda person, now, fx: None)
        return len(self.asks) > before

    # ------------------------------------------------------------------------------------- what people do

    def invite(self) -> Invite:
        invite = self.do(lambda person, now, fx: person.doors.invites.make(now, fx))
        self.village.settle()
        return parse_invite(invite.text)

    def accept(self, invite: Invite) -> str:
        """Open an invite; how far it came."""
        self.do(lambda person, now, fx: person.doors.accept(invite, "", now, fx))
        self.village.settle()
        return self.person.doors.acceptances.all[key_of(invite)].stage

    def chat(self, name: str) -> Conversation:
        return next(chat for chat in self.person.chats.values() if chat.name == name)

    def contact(self, name: str) -> Contact:
        return next(c for c in self.person.contacts.values() if c.name == name)

    def send(self, chat: str, text: str) -> bytes:
        return self.do(lambda person, now, fx: person.send(self.chat(chat), text, [], None, now, fx))

    def group(self, name: str, *people: str) -> Conversation:
        members = [self.contact(each) for each in people]
        return self.do(lambda person, now, fx: person.make_group(name, members, now, fx))

    def rows(self, chat: str, events: bool = False) -> list[MessageRow]:
        return self.home.database.messages(self.chat(chat).id, None, None, events)

    def texts(self, chat: str) -> list[str]:
        return [row.text for row in self.rows(chat)]

    def events(self, chat: str) -> list[str]:
        return [row.event for row in self.rows(chat, True) if row.event is not None]

    def troubles(self) -> list[str]:
        return [news["code"] for news in self.news if news["event"] == "trouble"]


class Village:
    """Everybody, one relay, and the time (milliseconds)."""

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        self.folder = folder
        self.now = 1_790_000_000_000
        self.relay = VillageRelay(folder / "relay", lambda: self.now, limits)
        self.relays = {self.relay.identity: self.relay}
        self.people: dict[str, Villager] = {}

    def person(self, name: str, relay: Relay | None = None) -> Villager:
        """Somebody with a place on the village's relay, or on another one."""
        villager = Villager(self, name, relay or self.relay.known())
        villager.do(
            lambda person, now, fx: None
        )  # as the program does: its inbox is asked for before it is watched
        self.people[name] = villager
        self.settle()
        return villager

    def relay_at_home(self, name: str) -> Relay:
        """A relay inside somebody's home."""
        relay = VillageRelay(self.folder / f"relay of {name}", lambda: self.now)
        self.relays[relay.identity] = relay
        return replace(relay.known(), embedded=True)

    def friends(self, *names: str) -> list[Villager]:
        """People of whom each knows each."""
        people = [self.person(name) for name in names]
        for i, one in enumerate(people):
            for other in people[i + 1 :]:
                assert other.accept(one.invite()) == "done"
        return people

    def settle(self, steps: int = 100_000, patience: int = 10_000) -> None:
        """Let everything happen that happens by itself within `patience` milliseconds."""
        end = self.now + patience
        while steps:
            steps -= 1
            steps_taken = [villager.step() for villager in self.people.values()]
            if any(steps_taken):
                continue
            times = [villager.person.next_time() for villager in self.people.values()]
            later = min((time for time in times if time is not None), default=None)
            if later is None or max(later, self.now + 1) > end:
                return
            self.now = max(later, self.now + 1)
        raise AssertionError("it does not come to rest")

    def close(self) -> None:
        for villager in self.people.values():
            villager.home.close()
        for relay in self.relays.values():
            relay.storage.close()
