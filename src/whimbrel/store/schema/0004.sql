-- Version 4: indexes for what is asked with every change.

-- Files under way, without looking among all files.
CREATE INDEX files_under_way ON files (message, part) WHERE state IN ('coming', 'going');

-- What answers a message: its quote changes with it.
CREATE INDEX messages_answering ON messages (reply_to, n) WHERE reply_to IS NOT NULL;
