"""Messages leave: written ones, with files, and those that are handed on."""

from __future__ import annotations

import asyncio
import mimetypes
import os
import stat
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from whimbrel.chat import composing, content
from whimbrel.chat.attachments import Transfer
from whimbrel.chat.composing import TYPE_MAX, Attachment
from whimbrel.chat.conversation import Conversation
from whimbrel.chat.effects import Effects
from whimbrel.chat.extensions import MENTIONS_MAX, UNKNOWN, Mention, are_fit, media_from_json
from whimbrel.chat.person import Person
from whimbrel.chat.records import FileRow, MessageRow
from whimbrel.client.chat_views import chat_items
from whimbrel.client.errors import CANNOT, NOT_FOUND, REFUSED, WRONG_USE, ServiceError
from whimbrel.client.files import FileChanged, reseal_file, seal_file
from whimbrel.client.lookup import find_chat, find_message
from whimbrel.client.methods.messages import fetched
from whimbrel.client.shapes import ChatItem, ForwardedItem, SentItem
from whimbrel.client.views import name_in
from whimbrel.crypto.files import FILE_MAX
from whimbrel.store.errors import home_full, is_full

if TYPE_CHECKING:
    from whimbrel.client.service import Service

FORWARDED_AT_ONCE = 20
"""Chats that one call hands a message on to."""


async def send(
    service: Service,
    chat: str,
    text: str | None = None,
    files: list[str] | None = None,
    uploads: list[str] | None = None,
    descriptions: list[str] | None = None,
    media: list[str] | None = None,
    reply_to: str | None = None,
    mentions: list[str] | None = None,
    wait: float | None = None,
) -> AsyncIterator[SentItem]:
    """Send a message; it is told when it is on the relay's disk, or that it waits.

    `descriptions` belong to the files and then the uploads, `media` (each a MediaItem as JSON, or nothing) to the uploads.
    `mentions` are `start:length:person`, counted in code points; a person is an account, or the name of a member.
    """
    person = service.person()
    to = find_chat(person, chat)
    answered = _answered(person, to, reply_to) if reply_to is not None else None
    named = mentions_in(person, to, text or "", mentions or [])
    waiting = uploads or []
    _check_counts(len(files or []) + len(waiting), descriptions or [], len(waiting), media or [])
    person.check_may_write(to)
    attachments = [await stage(service, person.relay_for_files(to), Path(path)) for path in files or []]
    attachments += _uploaded(service, to, waiting, media or [])
    for number, description in enumerate(descriptions or []):
        attachments[number] = replace(attachments[number], description=description)
    id = await service.shell.do(
        lambda person, now, fx: person.send(
            person.chats[to.id], text or "", attachments, answered, now, fx, mentions=named
        )
    )
    for upload in waiting:
        service.uploads.sent(upload)
    yield {"id": id.hex(), "state": await _until_taken(service, to, id, wait)}


async def note(
    service: Service,
    text: str | None = None,
    files: list[str] | None = None,
    descriptions: list[str] | None = None,
    reply_to: str | None = None,
    wait: float | None = None,
) -> AsyncIterator[SentItem]:
    """Send something to oneself: it stays in the home's own notes."""
    service.person()
    chat = await service.shell.do(lambda person, now, fx: person.note_to_self(now, fx).id.hex())
    async for item in send(
        service, chat, text, files, descriptions=descriptions, reply_to=reply_to, wait=wait
    ):
        yield item


async def forward(
    service: Service, message: str, chats: list[str], wait: float | None = None
) -> AsyncIterator[ForwardedItem]:
    """Hand a message on to other chats: its text and its files, each sealed anew under another key for each chat."""
    person = service.person()
    row = find_message(person, message)
    if row.event is not None or row.deleted:
        raise ServiceError("no-message", "There is nothing in that message to forward.", "", WRONG_USE)
    if not 0 < len(chats) <= FORWARDED_AT_ONCE:
        raise ServiceError(
            "chats", f"To how many? Up to {FORWARDED_AT_ONCE} chats at once.", "Name them.", WRONG_USE
        )
    places = list({chat.id: chat for chat in (find_chat(person, name) for name in chats)}.values())
    for to in places:
        person.check_may_write(to)
    here = [await fetched(service, file) for file in service.shell.home.database.files_of(row.id)]
    if not row.text and not here:
        raise ServiceError("newer", "There is nothing in that message that could be forwarded.", "")
    for to in places:
        copies = [await _sealed_anew(service, to, row, file) for file in here]

        def deed(
            person: Person,
            now: int,
            fx: Effects,
            to: bytes = to.id,
            copies: Sequence[Attachment] = copies,
        ) -> bytes:
            return person.send(person.chats[to], row.text, copies, None, now, fx, forwarded=True)

        id = await service.shell.do(deed)
        state = await _until_taken(service, to, id, wait)
        yield {"chat": to.id.hex(), "name": to.name, "id": id.hex(), "state": state}


async def note_to_self(service: Service) -> AsyncIterator[ChatItem]:
    """The chat with oneself, made at the first time."""
    service.person()
    id = await service.shell.do(lambda person, now, fx: person.note_to_self(now, fx).id)
    if service.wait:
        await service.shell.settle(service.wait)
    for item in chat_items(service.shell, [id]):
        yield item


# ----------------------------------------------------------------------------------------------------------


def mentions_in(person: Person, chat: Conversation, text: str, given: Sequence[str]) -> tuple[Mention, ...]:
    """The mentions that a call names. ServiceError when one does not stand in the text, or names nobody in this chat."""
    members = chat.accounts() if given else []
    named = tuple(sorted((_mention(person, members, one) for one in given), key=lambda one: one.start))
    if not are_fit(named, text):
        raise ServiceError(
            "mention",
            f"Mentions have to stand in the text, one after the other, and at most {MENTIONS_MAX}.",
            "start:length:person",
            WRONG_USE,
        )
    return named


def _mention(person: Person, members: Sequence[bytes], given: str) -> Mention:
    start, _, rest = given.partition(":")
    length, _, wanted = rest.partition(":")
    if not (start.isascii() and start.isdigit() and length.isascii() and length.isdigit()):
        raise ServiceError("mention", f"{given} is no mention.", "start:length:person", WRONG_USE)
    if len(start) > 9 or len(length) > 9:
        raise ServiceError("mention", f"{given} lies outside the text.", "", WRONG_USE)
    found = [a for a in members if a.hex() == wanted.lower()]
    found = found or [a for a in members if name_in(person, a).casefold() == wanted.casefold()]
    if len(found) != 1:
        many = "are several people" if found else "is nobody"
        raise ServiceError("mention", f"There {many} called {wanted} in this chat.", "", NOT_FOUND)
    return Mention(int(start), int(length), found[0])


def _answered(person: Person, to: Conversation, wanted: str) -> bytes:
    row = find_message(person, wanted)
    if row.chat != to.id or row.event is not None:
        raise ServiceError("reply", "That message is not in this chat.", "", NOT_FOUND)
    return row.id


def _check_counts(files: int, descriptions: Sequence[str], uploads: int, media: Sequence[str]) -> None:
    if len(descriptions) > files or len(media) > uploads:
        raise ServiceError("parameters", "There are more descriptions than files.", "", WRONG_USE)


def _uploaded(
    service: Service, to: Conversation, uploads: Sequence[str], media: Sequence[str]
) -> list[Attachment]:
    relay = service.person().relay_for_files(to) if uploads else b""
    found = [service.uploads.attachment(id, relay) for id in uploads]
    for number, text in enumerate(media):
        try:
            known = media_from_json(text) if text else UNKNOWN
        except ValueError as error:
            raise ServiceError("media", f"{str(error).capitalize()}.", "", WRONG_USE) from None
        found[number] = replace(found[number], media=known)
    return found


async def _sealed_anew(service: Service, to: Conversation, row: MessageRow, file: FileRow) -> Attachment:
    """A file of a message once more, for another chat: nobody can tell that it is the same one."""
    blob, key = os.urandom(32), os.urandom(32)
    relay = service.person().relay_for_files(to)
    transfer = Transfer.decode(file.state_blob)
    source, target = service.shell.transfers.path(transfer.blob), await service.shell.transfers.stage(blob)
    try:
        await asyncio.to_thread(reseal_file, source, transfer.key, target, key, transfer.size)
    except FileChanged as error:
        raise ServiceError(
            "damaged", f"{file.name} cannot be forwarded: {error}.", "Ask for it again."
        ) from None
    except OSError as error:
        raise _not_copied(service, file.name, error) from None
    known = next((one for one in _attachments(row) if one.blob == transfer.blob), None)
    media = known.media if known is not None else UNKNOWN
    return Attachment(
        relay,
        blob,
        key,
        transfer.size,
        transfer.hash,
        file.name,
        file.type,
        file.description,
        media=media,
    )


def _attachments(row: MessageRow) -> tuple[Attachment, ...]:
    return composing.attachments_of(content.decode(row.content))


def _not_copied(service: Service, name: str, error: OSError) -> Exception:
    if is_full(error):
        return home_full(service.shell.home.path)
    return ServiceError("file", f"{name} cannot be copied: {error.strerror}.", "", CANNOT)


async def _until_taken(
    service: Service, to: Conversation, id: bytes, wait: float | None
) -> Literal["queued", "sent"]:
    state = await until_sent(service, id, service.wait if wait is None else wait)
    if state == "failed":
        raise ServiceError("failed", f"{to.name} does not take your messages any more.", "", REFUSED)
    return "queued" if state == "queued" else "sent"


async def until_sent(service: Service, id: bytes, patience: float) -> str:
    """Wait until a message left. Patience (seconds) is for having no way; an upload may take its time."""
    loop = asyncio.get_running_loop()
    up_last = loop.time()
    while True:
        row = service.shell.desk.message(id)
        if row is None or row.state != "queued":
            return row.state if row is not None else "sent"  # it vanished, or was deleted here, since
        if any(c.state.up for c in service.shell.connections.values()) and service.shell.transfers.busy():
            up_last = loop.time()
        if loop.time() - up_last >= patience:
            return "queued"
        await service.shell.until(lambda: _has_left(service, id), min(0.5, patience))


def _has_left(service: Service, id: bytes) -> bool:
    row = service.shell.desk.message(id)
    return row is None or row.state != "queued"


async def stage(service: Service, relay: bytes, path: Path) -> Attachment:
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
        raise _not_copied(service, str(path), error) from None
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    name = os.fsencode(path.name).decode(
        "utf-8", "replace"
    )  # to the disk a name is bytes; to a message it is text
    return Attachment(relay, blob, key, about.st_size, content_hash, name, kind[:TYPE_MAX])
