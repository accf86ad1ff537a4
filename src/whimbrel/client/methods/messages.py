"""Messages and their files: sending and saving."""

from __future__ import annotations

import asyncio
import mimetypes
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from whimbrel.chat.attachments import Transfer
from whimbrel.chat.composing import TYPE_MAX, Attachment
from whimbrel.chat.records import FileRow
from whimbrel.client.errors import CANNOT, HOME, NOT_FOUND, REFUSED, WRONG_USE, ServiceError
from whimbrel.client.files import FileChanged, open_file, seal_file
from whimbrel.client.lookup import find_chat, find_message
from whimbrel.client.views import Item
from whimbrel.crypto.files import FILE_MAX
from whimbrel.store.errors import home_full, is_full

if TYPE_CHECKING:
    from whimbrel.client.service import Service

# ------------------------------------------------------------------------------------------------- sending


async def send(
    service: Service,
    chat: str,
    text: str | None = None,
    files: list[str] | None = None,
    reply_to: str | None = None,
    wait: float | None = None,
) -> AsyncIterator[Item]:
    """Send a message; it is told when it is on the relay's disk, or that it waits."""
    person = service.person()
    to = find_chat(person, chat)
    answered = find_message(person, reply_to).id if reply_to is not None else None
    attachments = [await _stage(service, person.relay_for_files(to), Path(path)) for path in files or []]
    id = await service.shell.do(
        lambda person, now, fx: person.send(person.chats[to.id], text or "", attachments, answered, now, fx)
    )
    state = await _until_sent(service, id, service.wait if wait is None else wait)
    if state == "failed":
        raise ServiceError("failed", f"{to.name} does not take your messages any more.", "", REFUSED)
    yield {"id": id.hex(), "state": "queued" if state == "queued" else "sent"}


async def _until_sent(service: Service, id: bytes, patience: float) -> str:
    """Wait until a message left. Patience (seconds) is for having no way; an upload may take its time."""
    loop = asyncio.get_running_loop()
    up_last = loop.time()
    while True:
        row = service.shell.desk.message(id)
        if row is None or row.state != "queued":
            return row.state if row is not None else "failed"
        if any(c.state.up for c in service.shell.connections.values()) and service.shell.transfers.busy():
            up_last = loop.time()
        if loop.time() - up_last >= patience:
            return "queued"
        await service.shell.until(lambda: _has_left(service, id), min(0.5, patience))


def _has_left(service: Service, id: bytes) -> bool:
    row = service.shell.desk.message(id)
    return row is None or row.state != "queued"


async def _stage(service: Service, relay: bytes, path: Path) -> Attachment:
    """A sealed copy of a file in the home, ready to go up."""
    try:
        about = path.stat()
    except OSError as error:
        raise ServiceError("file", f"{path} cannot be read: {error.strerror}.", "", NOT_FOUND) from None
    except ValueError:  # a zero in it, or characters that no file name is written with
        raise ServiceError("file", "That cannot be the name of a file.", "", NOT_FOUND) from None
    if not stat.S_ISREG(about.st_mode):
        raise ServiceError("file", f"{path} is not a file.", "Pack a folder into one file first.", WRONG_USE)
    if about.st_size > FILE_MAX:
        raise ServiceError("file-too-large", f"{path.name} is larger than 2 GB.", "Send it in parts.")
    blob, key = os.urandom(32), os.urandom(32)
    sealed = await service.shell.transfers.stage(blob)
    try:
        content_hash = await asyncio.to_thread(seal_file, path, sealed, key, about.st_size)
    except FileChanged as error:
        raise ServiceError("file-changed", f"{error}.", "Try again when nothing writes to it.") from None
    except OSError as error:
        if is_full(error):
            raise home_full(service.shell.home.path) from None
        raise ServiceError("file", f"{path} cannot be copied: {error.strerror}.", "", CANNOT) from None
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    name = os.fsencode(path.name).decode(
        "utf-8", "replace"
    )  # to the disk a name is bytes; to a message it is text
    return Attachment(relay, blob, key, about.st_size, content_hash, name, kind[:TYPE_MAX])


# -------------------------------------------------------------------------------------------------- saving


async def save(service: Service, message: str, dir: str = ".") -> AsyncIterator[Item]:
    """Write the files of a message into a folder."""
    row = find_message(service.person(), message)
    files = service.shell.home.database.files_of(row.id)
    folder = Path(dir)
    if not files:
        raise ServiceError("no-files", "That message has no files.", "")
    if not folder.is_dir():
        raise ServiceError("no-folder", f"{dir} is no folder.", "Make it first.", WRONG_USE)
    for file in files:
        here = await _fetched(service, file)
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


async def _fetched(service: Service, file: FileRow) -> FileRow:
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
