-- SPDX-License-Identifier: GPL-2.0-only
--
-- From schema version 3 to 4: what was scanned.

CREATE TABLE scan (
    sha256  BLOB NOT NULL PRIMARY KEY CHECK (length(sha256) = 32),
    rules   BLOB NOT NULL CHECK (length(rules) = 32),
    time    INTEGER NOT NULL,
    matches TEXT NOT NULL
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 4;
