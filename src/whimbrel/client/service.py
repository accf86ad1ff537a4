"""Everything that a person can have done, behind one call: for the commands, the page and bots alike."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from whimbrel.chat.living import renew_ways
from whimbrel.chat.person import Person
from whimbrel.chat.records import PutFact
from whimbrel.chat.refusal import CannotDo
from whimbrel.chat.relays import Relay
from whimbrel.client.embedded import OPEN, Embedded, reach_of
from whimbrel.client.errors import CANNOT, REFUSED, WRONG_USE, ServiceError
from whimbrel.client.helping import Helper
from whimbrel.client.home_errors import STORE_CODES, store_error
from whimbrel.client.lock import OPEN_METHODS, Lock
from whimbrel.client.looking import Looking
from whimbrel.client.methods import (
    account,
    chats,
    deeds,
    files,
    following,
    groups,
    helping,
    keeping,
    locking,
    messages,
    moves,
    network,
    people,
    reading,
    sending,
    ways,
)
from whimbrel.client.parameters import fault_of
from whimbrel.client.settings import settings_of
from whimbrel.client.shapes import RelayPlace, SettingsItem
from whimbrel.client.shelf import Shelf
from whimbrel.client.shell import Shell
from whimbrel.client.uploads import Uploads
from whimbrel.client.views import Item, lasting_troubles
from whimbrel.client.windows import Windows
from whimbrel.relay.storage import StorageError
from whimbrel.serving.folder import DataFolderDamaged
from whimbrel.serving.listening import CannotStart
from whimbrel.store.errors import HomeFull, StoreError, home_damaged, home_full, is_full
from whimbrel.store.home import Home, home_exists, open_home
from whimbrel.transports.registry import Opener

T = TypeVar("T")

METHODS: Mapping[str, Callable[..., AsyncIterator[Mapping[str, Any]]]] = {
    "init": account.init,
    "status": account.status,
    "catch_up": account.catch_up,
    "invite": people.invite,
    "accept": people.accept,
    "requests": people.requests,
    "chats": chats.chats,
    "chat_set": chats.chat_set,
    "contacts": chats.contacts,
    "verify": people.verify,
    "group_new": groups.group_new,
    "group_add": groups.group_add,
    "group_remove": groups.group_remove,
    "group_promote": groups.group_promote,
    "group_demote": groups.group_demote,
    "group_leave": groups.group_leave,
    "group_show": groups.group_show,
    "group_set": groups.group_set,
    "timer": groups.timer,
    "block": people.block,
    "unblock": people.unblock,
    "rename": people.rename,
    "move": moves.move,
    "send": sending.send,
    "note": sending.note,
    "forward": sending.forward,
    "note_to_self": sending.note_to_self,
    "edit": deeds.edit,
    "delete": deeds.delete,
    "react": deeds.react,
    "erase_chat": deeds.erase_chat,
    "messages": reading.messages,
    "message": reading.message,
    "receipts": reading.receipts,
    "seen": reading.seen,
    "read": reading.read,
    "search": reading.search,
    "save": messages.save,
    "follow": following.follow,
    "settings": keeping.settings,
    "set_settings": keeping.set_settings,
    "kept": keeping.kept,
    "lock": locking.lock,
    "unlock": locking.unlock,
    "touch": locking.touch,
    "set_passphrase": locking.set_passphrase,
    "cut_off": locking.cut_off,
    "erase_everything": locking.erase_everything,
    "fetch_file": files.fetch_file,
    "pause_file": files.pause_file,
    "resume_file": files.resume_file,
    "ticket": files.ticket,
    "drop_upload": files.drop_upload,
    "open_to_network": network.open_to_network,
    "network": network.look,
    "network_report": network.report,
    "set_relay": network.set_relay,
    "ways": ways.ways,
    "ways_add": ways.ways_add,
    "ways_remove": ways.ways_remove,
    "ways_whose": ways.ways_whose,
    "help_status": helping.help_status,
    "set_help": helping.set_help,
}

NO_ACCOUNT = ServiceError(
    "no-account", "There is no account in this home yet.", "Make one with `whimbrel init --name NAME`."
)

NOT_ALLOWED = frozenset(("not-a-member", "not-an-admin", "may-not-post", "blocked"))
"""Codes of what only others may do, or what this person has forbidden."""
ROOM_AGAIN = 10.0
"""Seconds between two tries to have the home's own relay up on a disk that was full."""
ADDRESSES_EVERY = 10.0
"""Seconds between two looks whether this computer has other addresses, while its relay is open to the network."""
FAREWELL = 2.0
"""Seconds at most that a command stays for what it would only have sent in a while (receipts)."""


class Service:
    """One home, open and running. Made by `open`."""

    def __init__(
        self, shell: Shell, embedded: Embedded | None, wait: float, reporter: Callable[[str], None]
    ) -> None:
        self.shell = shell
        self.wait = wait
        self.report = reporter
        self.uploads = Uploads(shell)
        self.windows = Windows(shell.home.database, shell.home.id)
        self.shelf = Shelf(self)
        self.looking = Looking(shell)
        self.helper = Helper(shell)
        self.lock = Lock(shell, lambda: self.lock_after, self._lock_changed)
        self.listed: set[bytes] = set()
        """Chats that were listed since the start: what a list says of them is noted beside them."""
        self.lock_after = 0
        """As in the settings."""
        self.over = asyncio.Event()
        """Set when the program is to end: there is nothing left that it could serve."""
        self._embedded = embedded

    @staticmethod
    @asynccontextmanager
    async def open(
        home: Path,
        *,
        passphrase: str | None = None,
        create: bool = True,
        embedded: bool = True,
        listen_port: str | None = None,
        wait: float = 5.0,
        reporter: Callable[[str], None] = lambda sentence: None,
        opener: Opener | None = None,
    ) -> AsyncIterator[Service]:
        """Open the home (with `create` make it where there is none), its relay if it has one of its own, and the ways to relays; with `wait` (seconds) catch up.

        `wait` of 0 is for an app: it stays up and needs not hurry. `opener`: what opens ways, in place of one as the environment
        wishes it. Raises ServiceError.
        """
        async with AsyncExitStack() as stack:
            opened = stack.enter_context(_opened(home, passphrase, create))
            shell = Shell(opened, opener=opener)
            is_open = OPEN in opened.database.facts()
            own = Embedded(opened.folder("relay"), listen_port, is_open) if embedded else None
            service = Service(shell, own, wait, reporter)
            service.take_settings(settings_of(opened.database.reading))
            if own is not None:
                stack.push_async_callback(own.close)
            await stack.enter_async_context(shell.running())
            if not wait:
                shell.keep_going(service.lock.watch())
                shell.keep_going(service._keep_ways_true())
                shell.keep_going(service.helper.run())
            await service._begin()
            try:
                yield service
            finally:
                if wait and shell.person is not None:
                    shell.hurry = True
                    with suppress(StoreError):  # said already by what was asked, if it had to be written
                        await shell.nudge()
                        await shell.settle(min(wait, FAREWELL))

    async def _begin(self) -> None:
        person = self.shell.person
        if person is None:
            return
        if self._embedded is not None and any(relay.embedded for relay in person.relays.values()):
            try:
                await self._own_relay_up()
            except (ServiceError, StoreError) as error:
                if not self._is_full(error):
                    raise
                self.shell.keep_going(self._own_relay_when_there_is_room())
        self.shell.connect()
        if self.wait and not await self.shell.settle(self.wait):
            self.report("No way to the relay now. Going on with what is here; nothing is lost.")

    async def _own_relay_up(self) -> None:
        home = await self.embedded_relay()
        await self.shell.do(lambda person, now, fx: renew_ways(person, home, fx))

    async def _own_relay_when_there_is_room(self) -> None:
        """On a full disk what is there can be read; the relay comes up once it can write."""
        while True:
            await asyncio.sleep(ROOM_AGAIN)
            try:
                await self._own_relay_up()
            except (ServiceError, StoreError) as error:
                if not self._is_full(error):
                    raise
                continue
            self.shell.well_again("home-full")
            return

    def _is_full(self, error: ServiceError | StoreError) -> bool:
        """Whether it is only that the disk is full; then `status` says so."""
        told = store_error(error) if isinstance(error, StoreError) else error
        if told.code != STORE_CODES[HomeFull]:
            return False
        self.shell.note(told.code, f"{told.message} {told.do}")
        return True

    # ----------------------------------------------------------------------------------------- the lock

    @property
    def locked(self) -> bool:
        return self.lock.locked

    def check_open(self) -> None:
        """Raises ServiceError while the app is locked."""
        self.lock.check()

    def _lock_changed(self) -> None:
        if self.locked:
            self.windows.close_files()
        self.shell.changes.anew()
        self.shell.say_changed()

    def take_settings(self, settings: SettingsItem) -> None:
        """What the settings say counts from now on. A command fetches no file without being asked."""
        self.lock_after = settings["lock_after"]
        if not self.wait:
            self.shell.fetch_up_to = settings["fetch_up_to"]
            if self.shell.person is not None:
                self.shell.person.fetch_up_to = self.shell.fetch_up_to

    # ----------------------------------------------------------------------------------------- calling

    async def call(self, method: str, params: Mapping[str, Any]) -> AsyncIterator[Item]:
        """Have something done. Raises ServiceError, and nothing else that a person could bring about."""
        function = METHODS.get(method)
        if function is None:
            raise ServiceError("unknown-method", f"There is nothing called {method}.", "", WRONG_USE)
        if method not in OPEN_METHODS:
            self.check_open()
        given = {name: value for name, value in params.items() if value is not None}
        try:
            inspect.signature(function).bind(self, **given)
        except TypeError as error:
            raise ServiceError("parameters", f"{method}: {error}.", "", WRONG_USE) from None
        if (fault := fault_of(function, given)) is not None:
            raise ServiceError("parameters", f"{method}: {fault}.", "", WRONG_USE)
        try:
            # Closed at once when the asker goes away, not when memory happens to be tidied up.
            async with aclosing(cast(AsyncGenerator[Item, None], function(self, **given))) as items:
                async for item in items:
                    yield item
        except CannotDo as error:
            exit = REFUSED if error.code in NOT_ALLOWED else CANNOT
            raise ServiceError(error.code, str(error), error.do, exit) from None
        except StoreError as error:
            raise store_error(error) from None

    def person(self) -> Person:
        """The account. ServiceError when there is none yet."""
        if self.shell.person is None:
            raise NO_ACCOUNT
        return self.shell.person

    # ------------------------------------------------------------------------------------ its own relay

    async def embedded_relay(self) -> Relay:
        """The home's own relay, running from now on."""
        if self._embedded is None:
            raise ServiceError(
                "no-relay",
                "This home's own relay is switched off.",
                "Give the address of one with --relay ADDRESS.",
            )
        return await self._with_trouble_told(self._embedded.running())

    async def _with_trouble_told(self, starting: Awaitable[T]) -> T:
        try:
            return await starting
        except OSError as error:
            if is_full(error):
                raise store_error(home_full(self.shell.home.path)) from None
            raise ServiceError(
                "relay",
                f"The home's own relay cannot start: {error.strerror or error}.",
                "Close what uses its port.",
            ) from None
        except CannotStart as error:
            raise ServiceError(
                "relay", f"The home's own relay {error}.", "Close what uses its port, then start again."
            ) from None
        except StorageError as error:
            home = self.shell.home.path
            raise store_error(
                home_full(home) if error.full else home_damaged(home, f"its relay: {error}")
            ) from None
        except DataFolderDamaged as error:
            raise store_error(home_damaged(self.shell.home.path, f"its relay: {error}")) from None

    def relay_of_inbox(self) -> Relay | None:
        """The relay on which this account's inbox is; None without an account."""
        person = self.shell.person
        return person.relays.get(person.inbox.here().relay) if person is not None else None

    def where_the_relay_is(self) -> RelayPlace:
        """From where the relay of one's inbox can be reached."""
        relay = self.relay_of_inbox()
        if relay is None:
            return "none"
        reach = reach_of(relay)
        return reach if relay.embedded and reach != "anywhere" else "elsewhere"

    async def open_to_network(self) -> Sequence[str]:
        """Have the home's own relay reached by neighbours, now and in later runs: at these addresses. ServiceError when it cannot be."""
        self.person()
        own = self._embedded
        if own is None or own.is_told_where:
            raise ServiceError(
                "relay-listen",
                "Where the relay in this home listens was said when it was started.",
                "Start it without --relay-listen and --no-relay.",
            )
        if not own.addresses():
            raise ServiceError(
                "no-network",
                "This computer is on no network now that others could reach it by.",
                "Connect it to the network on which your friend is, and try again.",
            )
        if not own.is_open:
            self.shell.home.database.commit([PutFact(OPEN, b"")])
            await self._with_trouble_told(own.open())
        await self._own_relay_up()
        return own.addresses()

    async def _keep_ways_true(self) -> None:
        """This computer's addresses change as it moves from network to network; what invites say follows."""
        own = self._embedded
        before: Sequence[str] | None = None
        while own is not None:
            if self.shell.person and own.is_open and before not in (None, own.addresses()):
                with suppress(ServiceError, StoreError):
                    await self._own_relay_up()
            before = own.addresses() if own.is_open else None
            await asyncio.sleep(ADDRESSES_EVERY)

    def what_is_wrong(self) -> list[dict[str, Any]]:
        """What was found wrong: since the start, and what lines remember."""
        wrong = list(self.shell.trouble)
        person = self.shell.person
        if person is not None:
            told = {(entry["code"], entry["chat"]) for entry in wrong}
            remembered = [*lasting_troubles(person)]
            wrong += [entry for entry in remembered if (entry["code"], entry["chat"]) not in told]
        return wrong


def _opened(home: Path, passphrase: str | None, create: bool) -> Home:
    if not create and not home_exists(home):
        raise NO_ACCOUNT
    try:
        return open_home(home, create=create, passphrase=passphrase, interactive=False)
    except StoreError as error:
        raise store_error(error) from None
