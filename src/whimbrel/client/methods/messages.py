"""The files of messages: fetching them, and writing them into a folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from whimbrel.chat.attachments import Transfer
from whimbrel.chat.records import FileRow
from whimbrel.client.errors import HOME, WRONG_USE, ServiceError
from whimbrel.client.files import FileChanged, open_file
from whimbrel.client.lookup import find_message
from whimbrel.client.shapes import SavedItem
from whimbrel.store.errors import is_full

if TYPE_CHECKING:
    from whimbrel.client.service import Service


async def save(service: Service, message: str, dir: str = ".") -> AsyncIterator[SavedItem]:
    """Write the files of a message into a folder."""
    row = find_message(service.person(), message)
    files = service.shell.home.database.files_of(row.id)
    folder = Path(dir)
    if not files:
        raise ServiceError("no-files", "That message has no files.", "")
    if not folder.is_dir():
        raise ServiceError("no-folder", f"{dir} is no folder.", "Make it first.", WRONG_USE)
    for file in files:
        here = await fetched(service, file)
        transfer = Transfer.decode(here.state_blob)
        sealed = service.shell.transfers.path(transfer.blob)
        try:
            path = await asyncio.to_thread(
                open_file, sealed, folder, here.name, transfer.key, transfer.size, transfer.hash
            )
        except FileChanged as error:
            raise ServiceError(
                "damaged", f"{here.name} cannot be saved: {error}.", "Ask for it again."
            ) from None
        except OSError as error:
            do = "Make room there, or name another folder." if is_full(error) else ""
            raise ServiceError("file", f"{here.name} cannot be saved: {error.strerror}.", do) from None
        yield {"path": str(path), "id": here.id.hex()}


async def fetched(service: Service, file: FileRow) -> FileRow:
    """The file, whole on this disk; fetched first when it is not."""
    store = service.shell.home.database

    def current() -> FileRow:
        return store.file(file.id) or file

    if current().state in ("here", "going"):
        return current()
    await service.shell.transfers.fetch(current())
    loop = asyncio.get_running_loop()
    up_last = loop.time()
    while current().state == "coming":
        if not service.shell.transfers.is_under_way(file.id):
            raise ServiceError(
                "file", f"{file.name} cannot be written here.", "`whimbrel status` says what is wrong.", HOME
            )
        if any(connection.state.up for connection in service.shell.connections.values()):
            up_last = loop.time()
        if loop.time() - up_last > (service.wait or 5.0):
            raise ServiceError(
                "no-way",
                f"{file.name} is on its way, but there is no way to the relay now.",
                "Try again later; it goes on where it stands.",
            )
        await service.shell.until(lambda: current().state != "coming", 0.5)
    if current().state == "failed":
        raise ServiceError(
            "gone", f"{file.name} is not kept on the relay any more.", "Ask for it to be sent again."
        )
    return current()
