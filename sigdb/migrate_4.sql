-- SPDX-License-Identifier: GPL-2.0-only
--
-- From schema version 4 to 5: a feed is bound to the key that it was first imported by.

ALTER TABLE feed ADD COLUMN key BLOB CHECK (length(key) = 32);

PRAGMA user_version = 5;
