-- Version 1. A file here never changes once it was released; a change is the next number. See docs/store.md.

-- Small things of the account.
CREATE TABLE facts (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The state of MLS: the scope is a group or the device itself.
CREATE TABLE mls (
    scope BLOB NOT NULL,
    key   BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE chats (
    id      BLOB NOT NULL PRIMARY KEY,
    kind    TEXT NOT NULL,
    name    TEXT NOT NULL,
    state   BLOB NOT NULL,
    last_at INTEGER NOT NULL,
    hidden  INTEGER NOT NULL
) STRICT;

CREATE TABLE contacts (
    account  BLOB NOT NULL PRIMARY KEY,
    name     TEXT NOT NULL,
    state    BLOB NOT NULL,
    standing TEXT NOT NULL
) STRICT;

-- Rows with an event are what happened in a chat; the others are messages. Numbers are never used again.
CREATE TABLE messages (
    n        INTEGER PRIMARY KEY AUTOINCREMENT,
    id       BLOB NOT NULL UNIQUE,
    chat     BLOB NOT NULL,
    sender   BLOB NOT NULL,
    mine     INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    event    TEXT,
    text     TEXT NOT NULL,
    content  BLOB NOT NULL,
    reply_to BLOB,
    state    TEXT NOT NULL,
    seq      INTEGER NOT NULL
) STRICT;
CREATE INDEX messages_of_chat ON messages (chat, n);
-- Counted when asked for: it holds only what is not read, and a count that is kept beside could be wrong.
CREATE INDEX messages_unread ON messages (chat, n) WHERE mine = 0 AND event IS NULL AND state <> 'read';

CREATE TABLE files (
    id         BLOB NOT NULL PRIMARY KEY,
    message    BLOB NOT NULL,
    part       INTEGER NOT NULL,
    name       TEXT NOT NULL,
    size       INTEGER NOT NULL,
    type       TEXT NOT NULL,
    state      TEXT NOT NULL,
    state_blob BLOB NOT NULL
) STRICT;
CREATE INDEX files_of_message ON files (message, part);

CREATE TABLE outbox (
    n          INTEGER PRIMARY KEY AUTOINCREMENT,
    chat       BLOB NOT NULL,
    kind       TEXT NOT NULL,
    message    BLOB,
    body       BLOB NOT NULL,
    not_before INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_of_message ON outbox (message) WHERE message IS NOT NULL;

CREATE TABLE receipts (
    message BLOB NOT NULL,
    account BLOB NOT NULL,
    state   TEXT NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (message, account)
) STRICT, WITHOUT ROWID;

-- Full-text search over what people wrote. The index keeps no text of its own: it reads it through this view, so
-- that 'rebuild' and 'integrity-check' see the same rows as the triggers.
CREATE VIEW messages_searched AS SELECT n, text FROM messages WHERE event IS NULL;

CREATE VIRTUAL TABLE messages_fts USING fts5 (
    text,
    content = 'messages_searched',
    content_rowid = 'n',
    tokenize = "unicode61 remove_diacritics 2",
    prefix = '2 3',
    columnsize = 0
);

-- What is deleted leaves the index at once, and not only when its pages are next merged.
INSERT INTO messages_fts (messages_fts, rank) VALUES ('secure-delete', 1);

CREATE TRIGGER message_added AFTER INSERT ON messages WHEN new.event IS NULL BEGIN
    INSERT INTO messages_fts (rowid, text) VALUES (new.n, new.text);
END;

CREATE TRIGGER message_dropped AFTER DELETE ON messages WHEN old.event IS NULL BEGIN
    INSERT INTO messages_fts (messages_fts, rowid, text) VALUES ('delete', old.n, old.text);
END;

CREATE TRIGGER message_edited AFTER UPDATE OF text ON messages WHEN old.event IS NULL BEGIN
    INSERT INTO messages_fts (messages_fts, rowid, text) VALUES ('delete', old.n, old.text);
    INSERT INTO messages_fts (rowid, text) VALUES (new.n, new.text);
END;
