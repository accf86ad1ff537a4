"""Make the store of the version that is current: `PYTHONPATH=src:tests python tests/store/make_store.py`.

Writes stores/N.db, N the newest version of the schema, with a row of every kind in it. Run it once when a version is
released and commit the file: test_migrations.py brings each of them up to the version of the day and reads it. An
old file is never made again.
"""

from dataclasses import replace
from pathlib import Path

from support.store import BO, GROUP, group_chat, message, message_id, pair_chat, waiting
from whimbrel.chat.records import (
    AddMessage,
    AddOutbox,
    ChatSettingsRow,
    ContactRow,
    DeedRow,
    EditMessage,
    FileRow,
    ForgetMessage,
    PutChat,
    PutChatSettings,
    PutContact,
    PutDeed,
    PutFact,
    PutFile,
    PutPicture,
    PutReceipt,
    ReceiptRow,
    Save,
)
from whimbrel.store.database import Database, migrations

STORES = Path(__file__).parent / "stores"
KEY = bytes(range(32))

# What each version's file holds; a later version adds to it, and says what its migration makes of the older ones.
MLS_ROWS = [(b"group", b"epoch", b"7"), (b"group", b"tree", bytes(100)), (b"device", b"key", b"k")]
SAVES: list[Save] = [
    PutFact("account", b"\0\1\2"),
    PutChat(pair_chat()),
    PutChat(group_chat()),
    PutContact(ContactRow(BO, "Bo", b"state", "contact")),
    AddMessage(message(1, "The whimbrel flies to Africa")),
    AddMessage(message(2, "Café at nine?", mine=True, state="sent")),
    AddMessage(message(3, '{"who":"Cy"}', chat=GROUP, event="joined")),
    AddMessage(message(4, "gulls", chat=GROUP)),
    EditMessage(message_id(4), "curlews", b"edited"),
    PutFile(FileRow(b"f", message_id(2), 1, "chart.png", 2**33, "image/png", "going", b"progress")),
    AddOutbox(waiting(b"body", message=message_id(2), not_before=5)),
    PutReceipt(ReceiptRow(message_id(2), BO, "delivered", 9)),
    # Since version 2. Version 1 has nothing of the kind.
    PutDeed(
        DeedRow(b"deed", GROUP, message_id(4), BO, False, "reaction", 7, "\N{BIRD}", b"content", "sent", 3, 8)
    ),
    AddMessage(replace(message(5, "not for long", chat=GROUP), expires=300)),
    ForgetMessage(message_id(5), GROUP, 10),
    PutChatSettings(ChatSettingsRow(GROUP, pinned=True, draft="to be said")),
    # Since version 3.
    PutPicture(GROUP, bytes(32), b"picture"),
]


def make(path: Path) -> None:
    path.touch()
    database = Database(path, KEY, create=True)
    database.commit(SAVES, MLS_ROWS)
    database.close()


if __name__ == "__main__":
    STORES.mkdir(exist_ok=True)
    made = STORES / f"{len(migrations())}.db"
    if made.exists():
        raise SystemExit(f"{made} is there already; it stays as it was when that version was released")
    make(made)
    print(made, made.stat().st_size, "bytes")
