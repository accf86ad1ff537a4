-- Version 4: what is under way is asked for with every change, and is not to be looked for among all files.

CREATE INDEX files_under_way ON files (message, part) WHERE state IN ('coming', 'going');
