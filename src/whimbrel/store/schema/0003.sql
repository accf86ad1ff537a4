-- Version 3: pictures of groups.

-- What a group looks like, and what somebody here wishes that it would: `id` is the SHA-256 of the picture.
CREATE TABLE pictures (
    chat BLOB NOT NULL,
    id   BLOB NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (chat, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX pictures_by_id ON pictures (id);
