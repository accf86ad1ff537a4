"""What is shown of a home, read many rows at a time: a list of chats, a window of messages with all that hangs on them.

Each answer is a few queries by index, however many chats or messages there are; nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from whimbrel.chat.records import ChatSettingsRow, FileRow, MessageRow, MessageState
from whimbrel.store import rows

# SQLite takes 32,766 values in one statement (https://www.sqlite.org/limits.html#max_variable_number).
AT_ONCE: Final = 1_000
# Characters of a text that a list of chats shows at most.
GLIMPSE: Final = 200

_ON_DISK: Final = "('here', 'going', 'coming')"
_LAST: Final = (
    "m.chat, m.id, m.n, m.at, m.sender, m.mine, m.event, m.deleted, m.state,"
    f" substr(m.text, 1, {GLIMPSE}), CASE WHEN m.event IS NULL THEN x'' ELSE m.content END,"
    " EXISTS (SELECT 1 FROM files WHERE message = m.id)"
)


class Last(NamedTuple):
    """The newest row of a chat, as far as a list shows it: the beginning of a text, the details of what happened. (A list
    of all chats has thousands: a tuple is made in a third of the time of a data class.)"""

    chat: bytes
    id: bytes
    n: int
    at: int
    sender: bytes
    mine: bool
    event: str | None
    deleted: bool
    state: MessageState
    text: str
    content: bytes
    has_files: bool


class Overview(NamedTuple):
    """A chat as a list shows it."""

    chat: bytes
    last_at: int
    settings: ChatSettingsRow
    unread: int = 0
    first_unread: bytes | None = None
    mentioned: bool = False
    last: Last | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """How many of something are in the database, how many bytes they are, since when."""

    count: int
    bytes: int
    oldest: int = 0


class Reading:
    """The questions of the page, over one database."""

    def __init__(self, ask: Callable[..., list[Any]]) -> None:
        self._ask = ask

    # ------------------------------------------------------------------------------------------- chats

    def overviews(self, chats: Sequence[bytes] | None = None) -> list[Overview]:
        """All chats that are not hidden, or those of these; the one with the newest message first."""
        found = list(self._of_chats("SELECT id, last_at FROM chats WHERE hidden = 0", "id", chats))
        settings = {
            row.chat: row
            for row in map(
                rows.chat_settings_of,
                self._of_chats(f"SELECT {rows.CHAT_SETTINGS} FROM chat_settings WHERE true", "chat", chats),
            )
        }
        unread = {
            chat: (count, first)
            for chat, count, first in self._of_chats(
                f"SELECT chat, count(*), min(n) FROM messages WHERE {rows.UNREAD}",
                "chat",
                chats,
                " GROUP BY chat",
            )
        }
        mentioned = {
            chat
            for (chat,) in self._of_chats(
                "SELECT DISTINCT chat FROM messages INDEXED BY messages_mentioning"
                f" WHERE mentions_me = 1 AND {rows.UNREAD}",
                "chat",
                chats,
            )
        }
        firsts = dict(self._in("SELECT n, id FROM messages WHERE n", [first for _, first in unread.values()]))
        last = {
            columns[0]: Last._make(columns)
            for columns in self._of_chats(
                f"SELECT {_LAST} FROM chats AS c JOIN messages AS m"
                " ON m.n = (SELECT max(n) FROM messages WHERE chat = c.id) WHERE c.hidden = 0",
                "c.id",
                chats,
            )
        }
        listed = []
        for id, last_at in sorted(found, key=lambda pair: (-pair[1], pair[0])):
            count, first = unread.get(id, (0, 0))
            listed.append(
                Overview(
                    id,
                    last_at,
                    settings.get(id) or ChatSettingsRow(id),
                    count,
                    firsts.get(first),
                    id in mentioned,
                    last.get(id),
                )
            )
        return listed

    def settings_of(self, chat: bytes) -> ChatSettingsRow:
        """How a chat is kept here; as at first when nothing was chosen."""
        found = self._ask(f"SELECT {rows.CHAT_SETTINGS} FROM chat_settings WHERE chat = ?", chat)
        return rows.chat_settings_of(found[0]) if found else ChatSettingsRow(chat)

    def muted_for_a_while(self) -> list[tuple[bytes, int]]:
        """The chats that are heard again by themselves, and when (milliseconds)."""
        return self._ask("SELECT chat, muted_until FROM chat_settings WHERE muted = 1 AND muted_until > 0")

    # ---------------------------------------------------------------------------------------- messages

    def messages_by_id(self, ids: Iterable[bytes]) -> list[MessageRow]:
        """Those that there are, in the order of the home."""
        found = map(rows.message_of, self._in(f"SELECT {rows.MESSAGE} FROM messages WHERE id", ids))
        return sorted(found, key=lambda row: row.n)

    def place_of(self, chat: bytes, id: bytes) -> int | None:
        """The number of a message in this chat."""
        found = self._ask("SELECT n FROM messages WHERE id = ? AND chat = ?", id, chat)
        return found[0][0] if found else None

    def answers_to(self, messages: Iterable[bytes]) -> list[bytes]:
        """Ids of the newest messages that answer one of these; so many at most."""
        newest = f" ORDER BY n DESC LIMIT {AT_ONCE}"
        return [id for (id,) in self._in("SELECT id FROM messages WHERE reply_to", messages, newest)]

    def files_of(self, messages: Iterable[bytes]) -> dict[bytes, list[FileRow]]:
        """The files of each message, in their order."""
        found: dict[bytes, list[FileRow]] = {}
        for columns in self._in(f"SELECT {rows.FILE} FROM files WHERE message", messages):
            row = rows.file_of(columns)
            found.setdefault(row.message, []).append(row)
        for files in found.values():
            files.sort(key=lambda row: row.part)
        return found

    def fact(self, name: str) -> bytes | None:
        found = self._ask("SELECT value FROM facts WHERE name = ?", name)
        return found[0][0] if found else None

    # -------------------------------------------------------------------------------------- what is kept

    def kept(self) -> dict[str, Kept]:
        """Counts and bytes; how large messages are is what the others leave of the database's file."""
        (texts,) = self._ask("SELECT count(*) FROM messages INDEXED BY messages_of_chat WHERE chat > x''")
        oldest = self._ask("SELECT at FROM messages ORDER BY n LIMIT 1")
        (files,) = self._ask(f"SELECT count(*) FROM files WHERE state IN {_ON_DISK}")
        (contacts,) = self._ask("SELECT count(*), sum(length(state) + length(name)) FROM contacts")
        (secrets,) = self._ask("SELECT count(*), sum(length(value)) FROM mls")
        (facts,) = self._ask("SELECT sum(length(value)) FROM facts")
        (drafts,) = self._ask("SELECT count(*), sum(length(draft)) FROM chat_settings WHERE draft <> ''")
        return {
            "messages": Kept(texts[0], 0, oldest[0][0] if oldest else 0),
            "files": Kept(files[0], 0, self._oldest_file(files[0])),
            "contacts": Kept(contacts[0], contacts[1] or 0),
            "keys": Kept(secrets[0], (secrets[1] or 0) + (facts[0] or 0)),
            "drafts": Kept(drafts[0], drafts[1] or 0),
        }

    def _oldest_file(self, count: int) -> int:
        """When the oldest message with a file on this disk was sent; of many files one of the first messages has one."""
        if count > AT_ONCE:
            found = self._ask(
                "SELECT m.at FROM messages AS m WHERE EXISTS"
                f" (SELECT 1 FROM files WHERE message = m.id AND state IN {_ON_DISK}) ORDER BY m.n LIMIT 1"
            )
        else:
            found = self._ask(
                "SELECT min(m.at) FROM files AS f JOIN messages AS m ON m.id = f.message"
                f" WHERE f.state IN {_ON_DISK}"
            )
        return (found[0][0] if found else 0) or 0

    def vanishing(self) -> int:
        """How many messages go by themselves at a time that is known."""
        (found,) = self._ask("SELECT count(*) FROM messages WHERE vanishes IS NOT NULL")
        return int(found[0])

    # ------------------------------------------------------------------------------------------ helpers

    def _of_chats(
        self, query: str, column: str, chats: Sequence[bytes] | None, more: str = ""
    ) -> Iterator[Any]:
        """The rows of a query about all chats, or about these; it ends within its WHERE."""
        if chats is None:
            yield from self._ask(query + more)
        else:
            yield from self._in(f"{query} AND {column}", chats, more)

    def _in(self, query: str, values: Iterable[Any], more: str = "") -> Iterator[Any]:
        """The rows of a query that ends with a column, for these values of it."""
        wanted = list(dict.fromkeys(values))
        for start in range(0, len(wanted), AT_ONCE):
            part = wanted[start : start + AT_ONCE]
            yield from self._ask(f"{query} IN ({', '.join('?' * len(part))}){more}", *part)
