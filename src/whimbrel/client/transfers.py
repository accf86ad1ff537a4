"""Transfers of files: chunks up and down, a few at a time, going on after a restart where they stood.

Up: the relay says which chunks it has (`stat`), the others go; a chunk that was answered is never sent again. Down:
chunks are asked in order and appended to a sealed copy; its length is how far it came.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from whimbrel.chat.attachments import STAGED, UNWANTED, Transfer, missing
from whimbrel.chat.records import FileRow, PutFact
from whimbrel.client.files import unfinished
from whimbrel.crypto.errors import CryptoError
from whimbrel.crypto.files import chunk_count, open_part, sealed_size
from whimbrel.store.errors import StoreError
from whimbrel.wire.answers import Answer, Chunk, Done, Extent, Failure, Status
from whimbrel.wire.operations import CHUNK, SEALED_CHUNK, Get, Put, Stat

if TYPE_CHECKING:
    from whimbrel.client.shell import Shell

WINDOW = 8
"""Chunks under way at once for one file."""
PATIENCE = 30.0
"""Seconds before what a relay refused for now is tried again."""
ROOM_AGAIN = 10.0
"""Seconds before what the disk did not take is tried again."""
TELL_EVERY = 0.25
"""Seconds between two words about how far a file is."""
PAUSED = "paused:"
"""How the facts begin that name the files that a person stopped."""

logger = logging.getLogger(__name__)


class Transfers:
    """All files on their way, of one home."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._tasks: dict[bytes, asyncio.Task[None]] = {}
        self._stopped = False
        self._aside: set[bytes] = set()
        self._done: dict[bytes, int] = {}
        self._told: dict[bytes, float] = {}
        self._paused = {
            bytes.fromhex(name.removeprefix(PAUSED))
            for name in shell.home.database.facts()
            if name.startswith(PAUSED)
        }
        self.watchers: list[Callable[[bytes, bytes], None]] = []
        """Called with the ids of a message and its file while bytes of it move; at most four times a second for each file."""

    # ----------------------------------------------------------------------------------- how far, and pauses

    def done(self, file: bytes) -> int:
        """Bytes of a file that is under way that went up or came down by now, as far as its transfer has looked."""
        known = self._done.get(file)
        if known is None and file in self._paused:
            row = self._shell.home.database.file(file)
            known = self._on_disk(row) if row is not None else 0
        return known or 0

    def _on_disk(self, row: FileRow) -> int:
        path = self.path(Transfer.decode(row.state_blob).blob)
        try:
            return path.with_name(path.name + ".part").stat().st_size // SEALED_CHUNK * CHUNK
        except FileNotFoundError:
            return 0

    def is_paused(self, file: bytes) -> bool:
        return file in self._paused

    def pause(self, row: FileRow) -> None:
        """Stop a transfer where it stands, until `resume`; also over a restart."""
        self._shell.home.database.commit([PutFact(PAUSED + row.id.hex(), b"")])
        self._paused.add(row.id)
        if (task := self._tasks.get(row.id)) is not None:
            task.cancel()
        self._tell(row)

    def resume(self, row: FileRow) -> None:
        """Go on where it stands."""
        self._shell.home.database.commit([PutFact(PAUSED + row.id.hex(), None)])
        self._paused.discard(row.id)
        self._aside.discard(row.id)
        self._tell(row)
        self.look()

    def _moved(self, row: FileRow, done: int) -> None:
        self._done[row.id] = done
        now = asyncio.get_running_loop().time()
        if now - self._told.get(row.id, 0.0) >= TELL_EVERY:
            self._told[row.id] = now
            self._tell(row)

    def _tell(self, row: FileRow) -> None:
        for watcher in self.watchers:
            watcher(row.message, row.id)
        self._shell.say_changed()

    # ---------------------------------------------------------------------------------------------- copies

    def path(self, blob: bytes) -> Path:
        """Where the sealed copy of a blob lies."""
        return self._shell.home.folder("files") / blob.hex()

    def sweep(self) -> None:
        """Remove the sealed copies whose message never came to be, or is gone: the program ended in between."""
        names = [name for name in self._shell.home.database.facts() if name.startswith((STAGED, UNWANTED))]
        self.remove(names)

    def remove(self, facts: Iterable[str]) -> None:
        """Remove the sealed copies that these facts name, and the facts. One that a message still names stays.

        Raises StoreError; what the disk does not give up is removed at the next start."""
        database, done = self._shell.home.database, list[str]()
        for name in facts:
            blob = bytes.fromhex(name.partition(":")[2])
            path = self.path(blob)
            try:
                if not database.messages_with(blob):
                    for copy in (path, unfinished(path), path.with_name(path.name + ".part")):
                        copy.unlink(missing_ok=True)
                done.append(name)
            except OSError as error:
                self._shell.note("file", f"A file that is to go cannot be removed: {error.strerror}.")
        if done:
            database.commit([PutFact(name, None) for name in done])

    async def stage(self, blob: bytes) -> Path:
        """Where a sealed copy is to be made, remembered so that it is swept if nothing is sent with it."""
        await self._shell.do(lambda person, now, fx: person.stage_file(blob, fx))
        return self.path(blob)

    def is_under_way(self, file: bytes) -> bool:
        return file in self._tasks

    def look(self) -> None:
        """Start what is not under way yet."""
        if self._stopped or self._shell.person is None:
            return
        for row in self._shell.home.database.files_under_way():
            if row.id in self._tasks or row.id in self._aside or row.id in self._paused:
                continue
            if row.state == "going" or row.state == "coming":
                run = self._up(row) if row.state == "going" else self._down(row)
                self._tasks[row.id] = self._shell.start(self._until_done(row.id, run))

    def busy(self) -> bool:
        return bool(self._tasks)

    def stop(self) -> None:
        self._stopped = True
        for task in self._tasks.values():
            task.cancel()

    async def fetch(self, row: FileRow) -> None:
        """Begin to fetch a file; it goes on by itself."""
        await self._shell.do(lambda person, now, fx: person.fetch_file(row, fx))
        self.look()

    async def _until_done(self, id: bytes, run: Coroutine[None, None, None]) -> None:
        """What this disk does not take is tried again in a while; what nobody foresaw concerns this file alone."""
        try:
            await run
            self._shell.well_again("file")
        except (OSError, StoreError) as error:
            if isinstance(error, OSError) and self._shell.home.database.file(id) is None:
                return  # its message was taken back, and its copy with it
            why = error.message if isinstance(error, StoreError) else f"{error.strerror}."
            self._shell.note("file", f"A file cannot go on here: {why} It is tried again.")
            if not self._stopped:
                asyncio.get_running_loop().call_later(ROOM_AGAIN, self.look)
        except Exception as error:
            self._aside.add(id)
            text = f"A file cannot go on ({type(error).__name__}). It is left alone until the next start."
            self._shell.note("internal", text)
            logger.exception("a transfer failed")
        finally:
            self._tasks.pop(id, None)
            if id not in self._paused:
                self._done.pop(id, None)
                self._told.pop(id, None)

    async def _ask(self, relay: bytes, operation: Put | Get | Stat) -> Answer:
        connection = self._shell.connection(relay)
        if connection is None:
            await asyncio.sleep(PATIENCE)
            return Failure(Status.BUSY)
        return await connection.submit(operation)

    # --------------------------------------------------------------------------------------------- up

    async def _up(self, row: FileRow) -> None:
        transfer = Transfer.decode(row.state_blob)
        path = self.path(transfer.blob)
        total = -(-sealed_size(transfer.size) // SEALED_CHUNK)
        while True:
            extent = await self._ask(transfer.relay, Stat(transfer.blob))
            ranges = extent.ranges if isinstance(extent, Extent) else ()
            todo = deque(missing(ranges, total))
            if not todo:
                break
            trouble = await self._put(row, transfer, path, todo, total - len(todo))
            if trouble is None:
                break  # each chunk was answered; that it is whole is looked at again with the message that needs it
            self._shell.note("upload", f"The relay does not take a file for now: {trouble.name.lower()}.")
            await asyncio.sleep(PATIENCE)
        if self._shell.home.database.file(row.id) is None:
            return  # its message was taken back meanwhile
        body = self._shell.home.database.facts().get("files:" + row.message.hex(), b"")
        await self._shell.do(lambda person, now, fx: person.file_is_there(row, body, fx))

    async def _put(
        self, row: FileRow, transfer: Transfer, path: Path, todo: deque[int], there: int
    ) -> Status | None:
        """Send chunks, a few at a time. A status when the relay refuses one."""
        size = sealed_size(transfer.size)
        under_way: set[asyncio.Task[Answer]] = set()
        refused: Status | None = None
        with path.open("rb") as sealed:
            while (todo and refused is None) or under_way:
                while todo and refused is None and len(under_way) < WINDOW:
                    n = todo.popleft()
                    sealed.seek(n * SEALED_CHUNK)
                    place = self._place(transfer)
                    if place is None:
                        return Status.DENIED
                    put = Put(transfer.blob, place[0], place[1], size, n, sealed.read(SEALED_CHUNK))
                    under_way.add(self._shell.start(self._ask(transfer.relay, put)))
                done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    answer = task.result()
                    if isinstance(answer, Done):
                        there += 1
                        self._moved(row, there * CHUNK)
                    else:
                        refused = answer.status if isinstance(answer, Failure) else Status.UNKNOWN
        return refused

    def _place(self, transfer: Transfer) -> tuple[bytes, bytes] | None:
        person = self._shell.person
        return person.place_for(transfer) if person is not None else None

    # ------------------------------------------------------------------------------------------- down

    async def _down(self, row: FileRow) -> None:
        transfer = Transfer.decode(row.state_blob)
        path = self.path(transfer.blob)
        part = path.with_name(path.name + ".part")
        total = chunk_count(transfer.size)
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b") as sealed:
            have = os.fstat(sealed.fileno()).st_size // SEALED_CHUNK
            sealed.seek(have * SEALED_CHUNK)
            sealed.truncate()
            failed = await self._get(row, transfer, sealed.write, have, total)
            sealed.flush()
            os.fsync(sealed.fileno())
        if self._shell.home.database.file(row.id) is None:
            part.unlink(missing_ok=True)  # its message was deleted, or vanished, meanwhile
            return
        if failed:
            part.unlink(missing_ok=True)
            await self._shell.do(lambda person, now, fx: person.file_is_lost(row, fx))
            return
        part.rename(path)
        await self._shell.do(lambda person, now, fx: person.file_is_here(row, fx))

    async def _get(
        self, row: FileRow, transfer: Transfer, write: Callable[[bytes], int], have: int, total: int
    ) -> bool:
        """Fetch chunks in order, a few ahead. True: the relay has it no more, or it is not what was said."""
        ahead: deque[asyncio.Task[Answer]] = deque()
        asked = n = have
        try:
            while n < total:
                while asked < total and len(ahead) < WINDOW:
                    ahead.append(self._shell.start(self._ask(transfer.relay, Get(transfer.blob, asked))))
                    asked += 1
                answer = await ahead.popleft()
                if isinstance(answer, Failure) and answer.status is Status.BUSY:
                    ahead.appendleft(self._shell.start(self._ask(transfer.relay, Get(transfer.blob, n))))
                    continue
                if not isinstance(answer, Chunk):
                    return True
                try:
                    open_part(transfer.key, transfer.size, n, answer.chunk)
                except CryptoError:
                    return True
                write(answer.chunk)
                n += 1
                self._moved(row, n * CHUNK)
        finally:
            for task in ahead:
                task.cancel()
        return False
