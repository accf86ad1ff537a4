"""Files of messages, one by one: fetching them, stopping and going on, and how a browser gets at them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from whimbrel.client.errors import WRONG_USE, ServiceError
from whimbrel.client.shapes import DroppedItem, FileStandItem, TicketItem
from whimbrel.client.shelf import row_of

if TYPE_CHECKING:
    from whimbrel.client.service import Service


async def fetch_file(service: Service, file: str) -> AsyncIterator[FileStandItem]:
    """Begin to fetch a file, or try again; it goes on by itself."""
    service.person()
    row = row_of(service, file)
    transfers = service.shell.transfers
    if transfers.is_paused(row.id):
        transfers.resume(row)
    if row.state in ("offered", "failed"):
        await transfers.fetch(row)
    yield _stand(service, file)


async def pause_file(service: Service, file: str) -> AsyncIterator[FileStandItem]:
    """Stop a file where it stands, on its way here or to the relay."""
    row = row_of(service, file)
    if row.state not in ("coming", "going"):
        raise ServiceError("not-under-way", f"{row.name} is not on its way.", "", WRONG_USE)
    service.shell.transfers.pause(row)
    yield _stand(service, file)


async def resume_file(service: Service, file: str) -> AsyncIterator[FileStandItem]:
    """Go on with a file where it stands."""
    service.shell.transfers.resume(row_of(service, file))
    yield _stand(service, file)


async def ticket(service: Service, file: str) -> AsyncIterator[TicketItem]:
    """An address under which a browser gets this one file for a while, beside the cookie: for a film, or to save it."""
    stored = service.shelf.stored(file)
    made = service.windows.ticket(stored.id, asyncio.get_running_loop().time())
    yield {"ticket": made, "url": f"/files/{stored.id.hex()}?ticket={made}"}


async def drop_upload(service: Service, upload: str) -> AsyncIterator[DroppedItem]:
    """A file that was given to the app is not to be sent: nothing of it stays."""
    service.uploads.drop(upload)
    yield {"upload": upload}


def _stand(service: Service, file: str) -> FileStandItem:
    row = row_of(service, file)
    transfers = service.shell.transfers
    done = row.size if row.state == "here" else min(row.size, transfers.done(row.id))
    return {"id": row.id.hex(), "state": row.state, "done": done, "paused": transfers.is_paused(row.id)}
