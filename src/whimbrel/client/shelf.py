"""The files of messages, as they are looked at: which are whole on this disk, and where."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from whimbrel.chat.attachments import Transfer
from whimbrel.chat.records import FileRow
from whimbrel.client.errors import NOT_FOUND, ServiceError
from whimbrel.client.lookup import find_chat
from whimbrel.client.pictures import kind_of_picture
from whimbrel.client.views import Item

if TYPE_CHECKING:
    from whimbrel.client.service import Service


@dataclass(frozen=True, slots=True)
class Stored:
    """A file whose sealed copy is whole on this disk. Name and type are as the sender wrote them."""

    id: bytes
    name: str
    type: str
    size: int
    sealed: Path
    key: bytes


def row_of(service: Service, file: str) -> FileRow:
    """The row of a file by its id in hexadecimal digits. Raises ServiceError."""
    row = None
    with contextlib.suppress(ValueError):
        row = service.shell.home.database.file(bytes.fromhex(file))
    if row is None:
        raise ServiceError("not-found", "There is no such file here (any more).", "", NOT_FOUND)
    return row


class Shelf:
    """Where the page's files go to and come from. While the app is locked nothing does either."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def take(
        self, chat: str | None, name: str, type: str, size: int, content: AsyncIterator[bytes]
    ) -> Item:
        """A file that is to be sent, into this chat when one is named. Raises ServiceError, CannotDo, StoreError."""
        service = self._service
        service.check_open()
        if chat is not None:
            person = service.person()
            person.relay_for_files(find_chat(person, chat))  # told now, and not after a gigabyte
        id = await service.uploads.take(name, type, size, content)
        waiting = service.uploads.attachment(id, b"")
        return {"upload": id, "name": waiting.name, "size": waiting.size, "type": waiting.type}

    def stored(self, file: str) -> Stored:
        """A file to be looked at. Raises ServiceError when it is not here."""
        self._service.check_open()
        row = row_of(self._service, file)
        transfer = Transfer.decode(row.state_blob)
        sealed = self._service.shell.transfers.path(transfer.blob)
        if row.state not in ("here", "going") or not sealed.is_file():
            raise ServiceError("not-here", f"{row.name} is not on this computer.", "Fetch it first.")
        return Stored(row.id, row.name, row.type, row.size, sealed, transfer.key)

    def picture(self, id: str) -> tuple[bytes, str] | None:
        """The picture of a group by its id, and its type."""
        self._service.check_open()
        try:
            data = self._service.shell.home.database.picture(bytes.fromhex(id))
        except ValueError:
            return None
        return (data, kind_of_picture(data) or "application/octet-stream") if data is not None else None
