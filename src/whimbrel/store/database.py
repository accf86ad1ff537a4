"""The encrypted database of a home: opened once, migrated, written by one writer in whole batches.

It decides nothing about conversations. Every batch of changes is one transaction: after a crash all of it is there, or
nothing. The methods are synchronous and may be called from any thread; one runs at a time.
"""

from __future__ import annotations

import string
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlcipher3 import dbapi2 as sql

from whimbrel.chat.records import (
    ChatRow,
    ChatSettingsRow,
    ContactRow,
    DeedRow,
    FileRow,
    MessageRow,
    OutboxRow,
    ReceiptRow,
    Save,
)
from whimbrel.store import rows, saves
from whimbrel.store.errors import Ambiguous, home_damaged, home_newer, told_plainly
from whimbrel.store.reading import Reading
from whimbrel.store.search import query_of

# How many messages one search answers, and how many candidates an ambiguous id names, if nobody says otherwise.
FOUND_AT_ONCE: Final = 50
CANDIDATES: Final = 10

# SQLITE_OPEN_READWRITE, not CREATE, and SQLITE_OPEN_EXRESCODE: the long error codes tell a full disk from a broken one.
_OPEN_FLAGS: Final = 0x00000002 | 0x02000000

_Record = TypeVar("_Record")

# What of the database is kept decrypted in memory at most.
_CACHE_KIB: Final = 16 * 1024
# The write-ahead log is cut back to this after it grew in a large batch.
_JOURNAL_BYTES: Final = 8 * 1024 * 1024


def no_fault(place: str) -> None:
    """In the place of a test that lets the program die at "before-commit" or "after-commit"."""


class Database:
    """The tables of a home; see schema/ for them. The file is there already; with `create` it is
    empty, and the tables are made.

    `key` are the 32 bytes of the raw key (SQLCipher derives nothing from it, so that opening takes no time). Errors
    are those of `whimbrel.store.errors`; after one nothing has been changed, and the database can be used again.
    """

    def __init__(
        self, path: Path, key: bytes, *, create: bool = False, fault: Callable[[str], None] = no_fault
    ) -> None:
        if len(key) != 32:
            raise ValueError("the key of a database has 32 bytes")
        self._home = path.parent
        self._fault = fault
        self._lock = threading.Lock()
        with told_plainly(self._home):
            self._connection = _connect(path, key)
            try:
                _migrate(self._connection, self._home, create)
            except BaseException:
                self._connection.close()
                raise
        self.reading = Reading(self._rows)

    def close(self) -> None:
        with self._lock, told_plainly(self._home):
            self._connection.close()

    def commit(
        self, changes: Sequence[Save], mls_changes: Sequence[tuple[bytes, bytes, bytes | None]] = ()
    ) -> list[int]:
        """Write all the changes, in their order, in one transaction that is on the disk when this returns.

        `mls_changes` are (scope, key, value), None to delete. Gives the number of each added message, 0 for each
        one whose id was known.
        """
        with self._transaction() as cursor:
            for scope, key, value in mls_changes:
                saves.put_mls(cursor, scope, key, value)
            made = (saves.apply(cursor, change) for change in changes)
            return [n for n in made if n is not None]

    def facts(self) -> dict[str, bytes]:
        return dict(self._rows("SELECT name, value FROM facts ORDER BY name"))

    def mls_rows(self, scope: bytes) -> list[tuple[bytes, bytes]]:
        """The (key, value) of one scope, by key."""
        return self._rows("SELECT key, value FROM mls WHERE scope = ? ORDER BY key", scope)

    def mls_scopes(self) -> list[bytes]:
        return [scope for (scope,) in self._rows("SELECT DISTINCT scope FROM mls ORDER BY scope")]

    def chats(self) -> list[ChatRow]:
        """All of them, also hidden ones; the one with the newest message first."""
        return self._records(rows.chat_of, f"SELECT {rows.CHAT} FROM chats ORDER BY last_at DESC, id")

    def chat(self, id: bytes) -> ChatRow | None:
        return _only(self._records(rows.chat_of, f"SELECT {rows.CHAT} FROM chats WHERE id = ?", id))

    def contacts(self) -> list[ContactRow]:
        """All of them, whatever their standing, by name."""
        return self._records(rows.contact_of, f"SELECT {rows.CONTACT} FROM contacts ORDER BY name, account")

    def contact(self, account: bytes) -> ContactRow | None:
        return _only(
            self._records(rows.contact_of, f"SELECT {rows.CONTACT} FROM contacts WHERE account = ?", account)
        )

    def messages(
        self,
        chat: bytes | None = None,
        after_n: int | None = None,
        limit: int | None = None,
        events: bool = False,
        before_n: int | None = None,
    ) -> list[MessageRow]:
        """Messages of one chat or of all, oldest first; with `events` also what happened between them.

        With `after_n` a limit takes the first ones after it; otherwise the newest ones (before `before_n`).
        """
        where, values = _conditions(
            ("chat = ?", chat),
            ("n > ?", after_n),
            ("n < ?", before_n),
            ("event IS NULL OR ?", events),
        )
        order = "ASC" if after_n is not None else "DESC"
        found = self._records(
            rows.message_of,
            f"SELECT {rows.MESSAGE} FROM messages {where} ORDER BY n {order} LIMIT ?",
            *values,
            -1 if limit is None else limit,
        )
        return found if order == "ASC" else found[::-1]

    def message(self, id: bytes | str) -> MessageRow | None:
        """A message by its id, or by the beginning of the id in hexadecimal digits.

        Raises Ambiguous when several begin so.
        """
        if isinstance(id, bytes):
            return _only(
                self._records(rows.message_of, f"SELECT {rows.MESSAGE} FROM messages WHERE id = ?", id)
            )
        if (between := _ids_beginning(id)) is None:
            return None
        where, values = _conditions(("id >= ?", between[0]), ("id < ?", between[1]))
        found = self._records(
            rows.message_of,
            f"SELECT {rows.MESSAGE} FROM messages {where} ORDER BY id LIMIT {CANDIDATES}",
            *values,
        )
        if len(found) > 1:
            raise Ambiguous(id, [row.id for row in found])
        return _only(found)

    def known_message(self, id: bytes) -> bool:
        return bool(self._rows("SELECT 1 FROM messages WHERE id = ?", id))

    def unread_messages(self, chat: bytes, up_to_n: int) -> list[bytes]:
        """Ids of other people's messages up to and including number `up_to_n` not yet marked as read, oldest first."""
        found = self._rows(
            f"SELECT id FROM messages WHERE chat = ? AND n <= ? AND {rows.UNREAD} ORDER BY n",
            chat,
            up_to_n,
        )
        return [id for (id,) in found]

    def undelivered(self, chat: bytes) -> list[MessageRow]:
        """Own messages of a chat that are on a relay's disk and have no receipt, oldest first; deleted ones are not."""
        return self._records(
            rows.message_of,
            f"SELECT {rows.MESSAGE} FROM messages"
            " WHERE chat = ? AND mine = 1 AND state = 'sent' AND deleted = 0 ORDER BY n",
            chat,
        )

    def deed(self, id: bytes) -> DeedRow | None:
        return _only(self._records(rows.deed_of, f"SELECT {rows.DEED} FROM deeds WHERE id = ?", id))

    def deeds_to(self, target: bytes) -> list[DeedRow]:
        """What was done to a message, here already or not, in the order in which it counts."""
        return self._records(
            rows.deed_of, f"SELECT {rows.DEED} FROM deeds WHERE target = ? ORDER BY at, id", target
        )

    def own_deeds(self, chat: bytes) -> list[DeedRow]:
        """Own deeds of a chat that nobody is known to have, oldest first."""
        return self._records(
            rows.deed_of,
            f"SELECT {rows.DEED} FROM deeds"
            " WHERE chat = ? AND mine = 1 AND state IN ('queued', 'sent') ORDER BY at, id",
            chat,
        )

    def reactions_to(self, messages: Sequence[bytes]) -> dict[bytes, list[DeedRow]]:
        """The reactions to these messages that count: one of a person, in the order of their times."""
        found = self._records(
            rows.deed_of,
            f"SELECT {rows.DEED} FROM deeds WHERE kind = 'reaction' AND target IN ({_places(messages)})"
            " ORDER BY at, id",
            *messages,
        )
        last = {(row.target, row.sender): row for row in found}
        reactions: dict[bytes, list[DeedRow]] = {}
        for row in sorted(last.values(), key=lambda row: (row.at, row.id)):
            if row.text:
                reactions.setdefault(row.target, []).append(row)
        return reactions

    def is_gone(self, message: bytes) -> bool:
        """Whether a message vanished or was deleted here."""
        return bool(self._rows("SELECT 1 FROM gone WHERE id = ?", message))

    def next_vanishing(self) -> int | None:
        """When the next message goes (milliseconds)."""
        found: int | None = self._rows(
            "SELECT min(vanishes) FROM messages WHERE vanishes IS NOT NULL",
        )[0][0]
        return found

    def vanished(self, now: int, limit: int) -> list[MessageRow]:
        """Messages whose time is over by now (milliseconds), those first that went first."""
        return self._records(
            rows.message_of,
            f"SELECT {rows.MESSAGE} FROM messages WHERE vanishes <= ? ORDER BY vanishes LIMIT ?",
            now,
            limit,
        )

    def vanishing_late(self, now: int) -> bool:
        """Whether a message would stay longer from now (milliseconds) than it was given."""
        late = "vanishes IS NOT NULL AND expires IS NOT NULL AND vanishes > ? + expires * 1000"
        return bool(self._rows(f"SELECT 1 FROM messages WHERE {late} LIMIT 1", now))

    def has_old(self, before: int) -> bool:
        """Whether ForgetOld would find anything."""
        gone = "SELECT 1 FROM gone WHERE at < ?"
        early = "SELECT 1 FROM deeds WHERE came < ? AND NOT EXISTS (SELECT 1 FROM messages WHERE id = target)"
        return bool(self._rows(f"SELECT 1 WHERE EXISTS ({gone}) OR EXISTS ({early})", before, before))

    def chat_settings(self) -> dict[bytes, ChatSettingsRow]:
        """How chats are kept here, of those that were ever set, by the chat."""
        found = self._records(
            rows.chat_settings_of, f"SELECT {rows.CHAT_SETTINGS} FROM chat_settings ORDER BY chat"
        )
        return {row.chat: row for row in found}

    def files_of(self, message: bytes) -> list[FileRow]:
        return self._records(
            rows.file_of, f"SELECT {rows.FILE} FROM files WHERE message = ? ORDER BY part", message
        )

    def files_of_all(self, messages: Sequence[bytes]) -> dict[bytes, list[FileRow]]:
        """The files of each of these messages that has some, in the order of their parts."""
        found = self._records(
            rows.file_of,
            f"SELECT {rows.FILE} FROM files WHERE message IN ({_places(messages)}) ORDER BY message, part",
            *messages,
        )
        files: dict[bytes, list[FileRow]] = {}
        for row in found:
            files.setdefault(row.message, []).append(row)
        return files

    def files_of_chat(self, chat: bytes) -> list[FileRow]:
        return self._records(
            rows.file_of,
            f"SELECT {rows.FILE} FROM files WHERE message IN (SELECT id FROM messages WHERE chat = ?)",
            chat,
        )

    def messages_with(self, blob: bytes) -> list[bytes]:
        """The messages whose files lie in this blob."""
        return [message for (message,) in self._rows("SELECT message FROM files WHERE blob = ?", blob)]

    def messages_by_id(self, ids: Sequence[bytes]) -> dict[bytes, MessageRow]:
        """Those of these messages that are here, by id."""
        found = self._records(
            rows.message_of, f"SELECT {rows.MESSAGE} FROM messages WHERE id IN ({_places(ids)})", *ids
        )
        return {row.id: row for row in found}

    def file(self, id: bytes) -> FileRow | None:
        return _only(self._records(rows.file_of, f"SELECT {rows.FILE} FROM files WHERE id = ?", id))

    def files_under_way(self) -> list[FileRow]:
        """Those coming or going: what to go on with after a start."""
        return self._records(
            rows.file_of,
            f"SELECT {rows.FILE} FROM files WHERE state IN ('coming', 'going') ORDER BY message, part",
        )

    def picture(self, id: bytes) -> bytes | None:
        """A group's picture, by its SHA-256."""
        found = self._rows("SELECT data FROM pictures WHERE id = ? LIMIT 1", id)
        return found[0][0] if found else None

    def pictures(self, chat: bytes | None = None) -> list[bytes]:
        """Ids of the pictures that are here, of one group or of all."""
        where, values = _conditions(("chat = ?", chat))
        return [id for (id,) in self._rows(f"SELECT id FROM pictures {where} ORDER BY id", *values)]

    def outbox(self, chat: bytes | None = None, now: int | None = None) -> list[OutboxRow]:
        """What waits, in order; with `now` (ms) only what may leave by then."""
        where, values = _conditions(("chat = ?", chat), ("not_before <= ?", now))
        return self._records(rows.outbox_of, f"SELECT {rows.OUTBOX} FROM outbox {where} ORDER BY n", *values)

    def receipts_of(self, message: bytes) -> list[ReceiptRow]:
        return self._records(
            rows.receipt_of,
            f"SELECT {rows.RECEIPT} FROM receipts WHERE message = ? ORDER BY at, account",
            message,
        )

    def search(
        self,
        words: str,
        chat: bytes | None = None,
        limit: int = FOUND_AT_ONCE,
        before_n: int | None = None,
    ) -> list[MessageRow]:
        """The newest messages in which all the words (or, from three letters, words that begin so) occur, oldest first.

        Case and accents make no difference. Go on backwards with `before_n` = the first `n` of the last answer.
        """
        if (query := query_of(words)) is None:
            return []
        # One chat is told by its index alone, without reading the messages of the others.
        where, values = _conditions(
            ("messages_fts MATCH ?", query),
            ("f.rowid < ?", before_n),
            (
                "EXISTS (SELECT 1 FROM messages INDEXED BY messages_of_chat WHERE chat = ? AND n = f.rowid)",
                chat,
            ),
        )
        columns = ", ".join(f"m.{column}" for column in rows.MESSAGE.split(", "))
        return self._records(
            rows.message_of,
            f"SELECT {columns} FROM"
            f" (SELECT f.rowid AS found FROM messages_fts AS f {where} ORDER BY f.rowid DESC LIMIT ?)"
            " JOIN messages AS m ON m.n = found ORDER BY m.n",
            *values,
            limit,
        )

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with self._lock, told_plainly(self._home):
            cursor = self._connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
                self._fault("before-commit")
                cursor.execute("COMMIT")
            except BaseException:
                # A full disk can have ended the transaction already.
                if self._connection.in_transaction:
                    cursor.execute("ROLLBACK")
                raise
            self._fault("after-commit")

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with self._lock, told_plainly(self._home):
            found: list[Any] = self._connection.execute(query, values).fetchall()
            return found

    def _records(self, record: Callable[[rows.Columns], _Record], query: str, *values: Any) -> list[_Record]:
        return [record(columns) for columns in self._rows(query, *values)]


def _connect(path: Path, key: bytes) -> Any:
    # isolation_level None: no statement ends a transaction by the way, BEGIN and COMMIT stand where they are written.
    connection = sql.connect(
        str(path), isolation_level=None, check_same_thread=False, timeout=1.0, flags=_OPEN_FLAGS
    )
    try:
        for pragma in (
            "cipher_log_level = NONE",  # else SQLCipher writes to stderr; the errors say it
            f"key = \"x'{key.hex()}'\"",
            "cipher_memory_security = OFF",
            "temp_store = MEMORY",
            # One connection, ever: no shared memory file, and a second program is kept out by SQLite, too.
            "locking_mode = EXCLUSIVE",
            "synchronous = FULL",
            "foreign_keys = OFF",
            "secure_delete = ON",
            f"cache_size = -{_CACHE_KIB}",
            f"journal_size_limit = {_JOURNAL_BYTES}",
        ):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


@cache
def migrations() -> tuple[str, ...]:
    """The files of schema/ in order: element 0 makes version 1 out of nothing, element 1 version 2 out of 1, …"""
    files = [
        file for file in (resources.files(__package__) / "schema").iterdir() if file.name.endswith(".sql")
    ]
    return tuple(file.read_text("utf-8") for file in sorted(files, key=lambda file: file.name))


def _migrate(connection: Any, home: Path, create: bool) -> None:
    """Bring an older database up to this version, each step in one transaction. A newer one is left alone."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    steps = migrations()
    if version > len(steps):
        raise home_newer(home)
    if version == 0 and not create:
        # An empty file is a valid database to SQLite. It must not become an empty home.
        raise home_damaged(home, "the database is empty")
    connection.execute("PRAGMA journal_mode = WAL")
    for number, step in enumerate(steps[version:], start=version + 1):
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{step}\nPRAGMA user_version = {number};\nCOMMIT;")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _conditions(*wanted: tuple[str, Any]) -> tuple[str, list[Any]]:
    """A WHERE clause of those conditions whose value is not None, and the values."""
    given = [(condition, value) for condition, value in wanted if value is not None]
    if not given:
        return "", []
    return "WHERE " + " AND ".join(f"({condition})" for condition, _ in given), [value for _, value in given]


def _places(values: Sequence[Any]) -> str:
    """A place in a statement for each of these values."""
    return ", ".join("?" * len(values))


def _only(found: Sequence[_Record]) -> _Record | None:
    return found[0] if found else None


def _ids_beginning(digits: str) -> tuple[bytes, bytes | None] | None:
    """The first id that begins with these hexadecimal digits, and the first one after all those; None if not digits."""
    if not digits or not set(digits) <= set(string.hexdigits):
        return None
    after = int(digits, 16) + 1
    end = f"{after:0{len(digits)}x}"
    return _whole_bytes(digits), _whole_bytes(end) if len(end) == len(digits) else None


def _whole_bytes(digits: str) -> bytes:
    return bytes.fromhex(digits + "0" * (len(digits) % 2))
