"""Files of messages: their rows, and what a transfer of one needs to go on after a restart. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from whimbrel.chat.composing import Attachment
from whimbrel.chat.extensions import media_as_json
from whimbrel.chat.records import FileRow, FileState, PutFact, PutFile
from whimbrel.crypto.files import FILE_MAX
from whimbrel.wire import cbor

STAGED = "staged:"
"""How the facts begin that name the blob of a sealed copy until its message is there."""

UNWANTED = "unwanted:"
"""How the facts begin that name the blob of a sealed copy whose message is gone: it is to be removed."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Where a file's blob lies, in which chat it was sent, and how it is opened. `size` is the file's own."""

    chat: bytes
    relay: bytes
    blob: bytes
    key: bytes
    size: int
    hash: bytes

    def encode(self) -> bytes:
        return cbor.encode([self.chat, self.relay, self.blob, self.key, self.size, self.hash])

    @staticmethod
    def decode(data: bytes) -> Transfer:
        return Transfer(*cbor.decode(data))


def file_row(message: bytes, chat: bytes, number: int, file: Attachment, state: FileState) -> PutFile:
    """The row of file `number` (from 0) of a message."""
    transfer = Transfer(chat, file.relay, file.blob, file.key, file.size, file.hash)
    id = sha256(b"whimbrel/1 file" + message + number.to_bytes(4, "big")).digest()
    return PutFile(
        FileRow(
            id=id,
            message=message,
            part=number,
            name=file.name,
            size=file.size,
            type=file.type,
            state=state,
            state_blob=transfer.encode(),
            blob=file.blob,
            description=file.description,
            media=media_as_json(file.media),
        )
    )


def offered(message: bytes, chat: bytes, files: Iterable[Attachment], fetch_up_to: int) -> Iterator[PutFile]:
    """The rows of the files that somebody's message names; those that no honest program sends are left out.

    Files of up to `fetch_up_to` bytes are fetched at once, larger ones when they are asked for.
    """
    for number, file in enumerate(files):
        if file.size <= FILE_MAX:
            state: FileState = "coming" if file.size <= fetch_up_to else "offered"
            yield file_row(message, chat, number, file, state)


def unwanted(files: Iterable[FileRow]) -> Iterator[PutFact]:
    """Have the sealed copies of these files removed; one that another message names as well is not (`client.transfers`)."""
    for file in files:
        if file.blob:
            yield PutFact(UNWANTED + file.blob.hex(), b"")


def is_unwanted(fact: PutFact) -> bool:
    """Whether this says of a sealed copy that it is to be removed."""
    return fact.name.startswith(UNWANTED) and fact.value is not None


def missing(ranges: Iterable[tuple[int, int]], total: int) -> list[int]:
    """The chunk numbers below `total` that stand in none of these half-open ranges."""
    there = set[int]()
    for start, stop in ranges:
        there.update(range(max(0, start), min(stop, total)))
    return [n for n in range(total) if n not in there]
