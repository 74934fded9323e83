-- SPDX-License-Identifier: GPL-2.0-only
--
-- From schema version 2 to 3: what has changed is known, for feeds to tell.

ALTER TABLE hash_signature ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE claim ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;

CREATE TABLE feed (
    direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    name      TEXT NOT NULL,
    serial    INTEGER NOT NULL CHECK (serial > 0),
    digest    BLOB NOT NULL CHECK (length(digest) = 32),
    run       INTEGER NOT NULL,
    PRIMARY KEY (direction, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE removed (
    kind  INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 3),
    value ANY NOT NULL,
    run   INTEGER NOT NULL,
    PRIMARY KEY (kind, value)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 3;
