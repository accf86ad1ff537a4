"""The program as it is, with a note of each chunk of a file that passes: `python chunks_noted.py NOTES WORDS…`.

A note is a line `came BLOB N` when a relay gets a chunk, and `answered BLOB N` when whoever sent it has the answer that it
is on the relay's disk. All programs of a test may write to one file: a line is one write, in the order in which it happened.
"""

import asyncio
import os
import sys
from typing import Any

from whimbrel.cli.main import main
from whimbrel.client.link_runner import RelayConnection
from whimbrel.relay.uploads import Uploads
from whimbrel.wire.answers import Answer, Done
from whimbrel.wire.operations import Operation, Put

notes = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
submit = RelayConnection.submit
take = Uploads.put


def note(what: str, put: Put) -> None:
    os.write(notes, f"{what} {put.blob.hex()} {put.n}\n".encode())


def noted_submit(connection: RelayConnection, operation: Operation, **options: Any) -> asyncio.Future[Answer]:
    future = submit(connection, operation, **options)

    def answered(done: asyncio.Future[Answer]) -> None:
        if isinstance(operation, Put) and not done.cancelled() and isinstance(done.result(), Done):
            note("answered", operation)

    future.add_done_callback(answered)
    return future


def noted_put(uploads: Uploads, put: Put, *rest: Any) -> Answer | None:
    note("came", put)
    return take(uploads, put, *rest)


RelayConnection.submit = noted_submit  # type: ignore[method-assign]
Uploads.put = noted_put  # type: ignore[method-assign]
sys.exit(main(sys.argv[2:]))
