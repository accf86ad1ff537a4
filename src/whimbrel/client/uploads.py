"""Files that were given to the app and wait for their message.

They are sealed while they come in: what stands on the disk is what will go to a relay, and nothing else of it is ever
written. One that is never sent is swept: at once when it is taken back or cut off, after a day, or at the next start.
"""

from __future__ import annotations

import asyncio
import mimetypes
import os
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from whimbrel.chat.attachments import STAGED
from whimbrel.chat.composing import TYPE_MAX, Attachment
from whimbrel.chat.records import PutFact
from whimbrel.client.errors import NOT_FOUND, WRONG_USE, ServiceError
from whimbrel.client.files import written
from whimbrel.crypto.files import FILE_MAX, chunk_count, chunk_range, open_part, seal_part
from whimbrel.store.errors import home_full, is_full
from whimbrel.wire.operations import CHUNK, SEALED_CHUNK

if TYPE_CHECKING:
    from whimbrel.client.shell import Shell

WAITING_MAX = 64
"""Files that may wait for their messages."""
COMING_MAX = 8
"""Files that may come in at once."""
LIFE = 24 * 3600.0
"""Seconds that a file waits for its message at most."""
AT_ONCE = 16 * CHUNK
"""Bytes that are sealed and written in one go, beside the loop."""
SILENCE = 60.0
"""Seconds without a byte after which an upload is given up."""
CONTENT_MAX = 32 * 1024 * 1024
"""Bytes of an upload that is asked for as a whole (`content`)."""
UNKNOWN = "application/octet-stream"
NAME_MAX = 1024
"""Bytes of a name as it was given."""

_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")


@dataclass(frozen=True, slots=True)
class _Waiting:
    attachment: Attachment
    came: float


class Uploads:
    """The uploads of one home, by their ids (hexadecimal, known to whoever made them)."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._waiting: dict[str, _Waiting] = {}
        self._coming = 0

    async def take(self, name: str, type: str, size: int, content: AsyncIterator[bytes]) -> str:
        """Seal what comes in, and keep it until its message is sent; the id. ServiceError when it cannot be.

        If it is cancelled, or ends before `size` bytes have come, nothing of it is left.
        """
        self._check(name, size)
        self._coming += 1
        blob, key = os.urandom(32), os.urandom(32)
        self._shell.home.database.commit([PutFact(STAGED + blob.hex(), b"")])
        try:
            digest = await self._seal(blob, key, size, content)
        except BaseException as error:
            self._forget(blob)
            if isinstance(error, OSError):
                if is_full(error):
                    raise home_full(self._shell.home.path) from None
                raise ServiceError("file", f"{name} cannot be written here: {error.strerror}.") from None
            raise
        finally:
            self._coming -= 1
        id = os.urandom(16).hex()
        # Which relay it goes to is known when its message is sent.
        attachment = Attachment(b"", blob, key, size, digest, name, _type_of(type, name))
        self._waiting[id] = _Waiting(attachment, asyncio.get_running_loop().time())
        return id

    def _check(self, name: str, size: int) -> None:
        self.sweep()
        if not name or len(name.encode("utf-8", "surrogatepass")) > NAME_MAX:
            raise ServiceError("file", "A file needs a name that is not longer than usual.", "", WRONG_USE)
        if size > FILE_MAX:
            raise ServiceError("file-too-large", f"{name} is larger than 2 GB.", "Send it in parts.")
        if self._coming >= COMING_MAX or len(self._waiting) + self._coming >= WAITING_MAX:
            raise ServiceError(
                "too-many-files", "Too many files wait to be sent.", "Send or remove some of them first."
            )

    async def _seal(self, blob: bytes, key: bytes, size: int, content: AsyncIterator[bytes]) -> bytes:
        digest = sha256()
        n = 0
        with written(self._shell.transfers.path(blob)) as sealed:

            def seal(first: int, parts: list[bytes]) -> None:
                for number, part in enumerate(parts, first):
                    digest.update(part)
                    sealed.write(seal_part(key, size, number, part))

            async for parts in _in_parts(content, size):
                await _in_a_thread(partial(seal, n, parts))
                n += len(parts)
        return digest.digest()

    def attachment(self, id: str, relay: bytes) -> Attachment:
        """What waits under this id, to be sent by this relay. Raises ServiceError."""
        return replace(self._known(id), relay=relay)

    def _known(self, id: str) -> Attachment:
        waiting = self._waiting.get(id)
        if waiting is None:
            raise ServiceError("no-upload", "That file is not here any more.", "Attach it again.", NOT_FOUND)
        return waiting.attachment

    def size(self, id: str) -> int:
        return self._known(id).size

    def content(self, id: str) -> bytes:
        """All of a small one, opened. Raises ServiceError."""
        known = self._known(id)
        if known.size > CONTENT_MAX:
            raise ServiceError(
                "file-too-large", f"{known.name} is too large for this.", "Take a smaller one."
            )
        with self._shell.transfers.path(known.blob).open("rb") as sealed:
            return b"".join(
                open_part(known.key, known.size, n, sealed.read(SEALED_CHUNK))
                for n in range(chunk_count(known.size))
            )

    def sent(self, id: str) -> None:
        """Its message is there: the sealed copy belongs to that from now on."""
        self._waiting.pop(id, None)

    def drop(self, id: str) -> None:
        """It is not to be sent: nothing of it stays."""
        waiting = self._waiting.pop(id, None)
        if waiting is not None:
            self._forget(waiting.attachment.blob)

    def sweep(self) -> None:
        """Forget those that nobody sent for too long."""
        now = asyncio.get_running_loop().time()
        for id in [id for id, waiting in self._waiting.items() if now - waiting.came > LIFE]:
            self.drop(id)

    def _forget(self, blob: bytes) -> None:
        self._shell.transfers.path(blob).unlink(missing_ok=True)
        self._shell.home.database.commit([PutFact(STAGED + blob.hex(), None)])


async def _in_parts(content: AsyncIterator[bytes], size: int) -> AsyncIterator[list[bytes]]:
    """The content, cut as its chunks are, some at a time. ServiceError when it is shorter or longer than was said."""
    waiting = bytearray()
    n, chunks, came = 0, chunk_count(size), 0
    async for data in content:
        came += len(data)
        if came > size:
            raise _cut_off()
        waiting += data
        if len(waiting) >= AT_ONCE:
            parts = []
            while n < chunks and len(waiting) >= CHUNK:
                start, stop = chunk_range(size, n)
                parts.append(bytes(waiting[: stop - start]))
                del waiting[: stop - start]
                n += 1
            yield parts
    if came != size:
        raise _cut_off()
    rest = []
    while n < chunks:
        start, stop = chunk_range(size, n)
        rest.append(bytes(waiting[: stop - start]))
        del waiting[: stop - start]
        n += 1
    yield rest


def _cut_off() -> ServiceError:
    return ServiceError("upload-cut-off", "The file did not come whole.", "Attach it again.")


async def _in_a_thread(work: Callable[[], None]) -> None:
    """Wait for its end also when this is cancelled meanwhile: what it writes to is closed afterwards."""
    done = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        await asyncio.shield(done)
    except asyncio.CancelledError:
        await asyncio.wait([done])
        raise


def _type_of(type: str, name: str) -> str:
    """What it is said to be, when that says anything; else what its name says."""
    plain = type.split(";", 1)[0].strip().lower()
    if not _TYPE.fullmatch(plain) or plain == UNKNOWN:
        plain = mimetypes.guess_type(name)[0] or UNKNOWN
    return plain[:TYPE_MAX]
