-- Version 2: what people do with messages, how chats are kept here, and what was made to vanish.

-- What a message is by now. Its content stays what came first (the id covers it); `edit` is the content of the edit that
-- counts. `expires`: seconds after reading; `vanishes`: when it goes (milliseconds), once that is known.
ALTER TABLE messages ADD COLUMN edit BLOB;
ALTER TABLE messages ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN forwarded INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN newer INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN mentions BLOB NOT NULL DEFAULT x'';
ALTER TABLE messages ADD COLUMN mentions_me INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN expires INTEGER;
ALTER TABLE messages ADD COLUMN vanishes INTEGER;
CREATE INDEX messages_vanishing ON messages (vanishes) WHERE vanishes IS NOT NULL;
CREATE INDEX messages_mentioning ON messages (chat, n)
    WHERE mentions_me = 1 AND mine = 0 AND event IS NULL AND state <> 'read';

-- What is known of a file before it is here, and its blob, so that a sealed copy goes with the last row that names it.
ALTER TABLE files ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE files ADD COLUMN media BLOB NOT NULL DEFAULT x'';
ALTER TABLE files ADD COLUMN blob BLOB NOT NULL DEFAULT x'';
-- The state of a transfer is CBOR: [chat, relay, blob, …], each of 32 bytes behind a head of two.
UPDATE files SET blob = substr(state_blob, 72, 32)
    WHERE length(state_blob) > 103 AND substr(state_blob, 1, 3) = x'865820' AND substr(state_blob, 70, 2) = x'5820';
CREATE INDEX files_of_blob ON files (blob);

-- Edits, deletions and reactions: of each person to each message the one that counts, and own ones on their way.
CREATE TABLE deeds (
    id      BLOB NOT NULL PRIMARY KEY,
    chat    BLOB NOT NULL,
    target  BLOB NOT NULL,
    sender  BLOB NOT NULL,
    mine    INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    at      INTEGER NOT NULL,
    text    TEXT NOT NULL,
    content BLOB NOT NULL,
    state   TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    came    INTEGER NOT NULL
) STRICT;
CREATE INDEX deeds_of_target ON deeds (target, kind, at);
CREATE INDEX deeds_of_chat ON deeds (chat, state) WHERE mine = 1;

-- Reactions were rows among the messages before.
INSERT INTO deeds (id, chat, target, sender, mine, kind, at, text, content, state, seq, came)
    SELECT id, chat, reply_to, sender, mine, 'reaction', at, text, content, 'sent', seq, at
    FROM messages WHERE event = 'reaction' AND reply_to IS NOT NULL;
DELETE FROM messages WHERE event = 'reaction';

-- Messages that vanished or were deleted here: they do not come back when somebody offers them once more.
CREATE TABLE gone (
    id   BLOB NOT NULL PRIMARY KEY,
    chat BLOB NOT NULL,
    at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How a person keeps a chat on this computer.
CREATE TABLE chat_settings (
    chat        BLOB NOT NULL PRIMARY KEY,
    pinned      INTEGER NOT NULL,
    archived    INTEGER NOT NULL,
    muted       INTEGER NOT NULL,
    muted_until INTEGER NOT NULL,
    unread_mark INTEGER NOT NULL,
    draft       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The list of chats, without reading what each of them remembers.
CREATE INDEX chats_listed ON chats (hidden, last_at, id);
