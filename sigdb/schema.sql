-- SPDX-License-Identifier: GPL-2.0-only
--
-- The signature database of sockgate, schema version 5.
--
-- A signature leads from the content of an executable (SHA-256) to the application
-- that it is.  A claim does the same from what anybody can give a file: the place
-- where a package puts it, its ELF build-id, its name.  How a question is answered:
--
--  1. A hash signature always wins, whatever the file is called.  A copy of curl
--     under the name `ls` is curl; a copy of aria2c under the name `curl` is aria2.
--  2. A hash may be known only as safe or unsafe, without an application.
--  3. A claim counts only for content that was verified and has no hash
--     signature, and only if no hash signature leads to an application of the name
--     that it gives (in any letter case); one by file name also only if no hash
--     signature was made of a file of that name.  What is known by its hashes can
--     never be claimed: an unknown executable that is called `curl`, or has
--     curl's build-id, or lies in /usr/bin/curl, stays unknown.
--  4. Of several claims that count, that of the package file (a whole path, which
--     the machine's administrator rules over) comes before that of the build-id
--     (which whoever links a program chooses), and the file name last.
--
-- trust, how far the identity can be relied upon:
--   0  not at all
--   1  by a claim only: package file, build-id or file name
--   2  an installed package whose origin is not known, or which brings no
--      checksums to compare the file with
--   3  an installed package of a known origin that is not the distribution, or a
--      version that the origin no longer offers; or a product of a reference
--      collection
--   4  an installed package of the distribution, in a version that it offers, the
--      file as the package brought it
--   5  vouched for by the administrator
--
-- threat, how dangerous the application is:
--   0  nothing known        1  could be misused       2  unwanted in many places
--   3  suspicious           4  very probably harmful  5  known to be malicious
--
-- application_id is 'sgsd'; user_version is the schema version.  A program refuses
-- a database of a version that it does not know.

-- Where signatures come from.  If two sources know one hash, each thing that is
-- asked for (identity; trust and threat) comes from the source of the lowest rank
-- that has it.
CREATE TABLE source (
    id    INTEGER PRIMARY KEY,
    label TEXT NOT NULL UNIQUE,    -- 'identify', 'csv', 'list:FILE', 'dpkg', 'dpkg:ROOT' for
                                   -- another root, 'nsrl', 'feed:NAME', 'yara'
    rank  INTEGER NOT NULL         -- 5 and 10 administrator, 15 feeds, 20 lists of what is
                                   -- harmful, 25 scans, 30 packages, 40 reference collections
) STRICT;

-- What an executable may turn out to be.  Lengths are in bytes, so that an answer
-- fits the fixed fields of struct sigdb_answer.
CREATE TABLE application (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,        -- for dpkg the name of the package
    version  TEXT NOT NULL,        -- these three: '' if not known
    category TEXT NOT NULL,
    vendor   TEXT NOT NULL,        -- who makes it
    origin   TEXT NOT NULL,        -- who distributes it, e.g. 'Debian'; for people
    CHECK (length(CAST(name     AS BLOB)) BETWEEN 1 AND 127),
    CHECK (length(CAST(version  AS BLOB)) < 128),
    CHECK (length(CAST(category AS BLOB)) < 64),
    CHECK (length(CAST(vendor   AS BLOB)) < 128),
    UNIQUE (name, version, category, vendor, origin)
) STRICT;
CREATE INDEX application_name ON application (name COLLATE NOCASE);

CREATE TABLE hash_signature (
    sha256      BLOB NOT NULL CHECK (length(sha256) = 32),
    source      INTEGER NOT NULL REFERENCES source (id),
    application INTEGER REFERENCES application (id),  -- NULL: known by verdict only
    verdict     TEXT CHECK (verdict IN ('safe', 'unsafe')),  -- NULL: none given
    trust       INTEGER NOT NULL CHECK (trust  BETWEEN 0 AND 5),
    threat      INTEGER NOT NULL CHECK (threat BETWEEN 0 AND 5),
    file_name   TEXT,              -- what the file was called; see 3. above
    seen        INTEGER NOT NULL,  -- number of the import that last found it
    changed     INTEGER NOT NULL DEFAULT 0,  -- and of that which last changed it
    gone        INTEGER,           -- seconds since 1970 at which an import did not find it
                                   -- any more; NULL: the last one did
    PRIMARY KEY (sha256, source),
    CHECK (application IS NOT NULL OR verdict IS NOT NULL)
) STRICT, WITHOUT ROWID;

-- For rule 3: is an application, or a file name, known by any hash?
CREATE INDEX hash_signature_application ON hash_signature (application)
    WHERE application IS NOT NULL;
CREATE INDEX hash_signature_file_name ON hash_signature (file_name)
    WHERE application IS NOT NULL AND file_name IS NOT NULL;

-- What is to be removed some time.
CREATE INDEX hash_signature_gone ON hash_signature (source, gone) WHERE gone IS NOT NULL;

CREATE TABLE claim (
    kind        INTEGER NOT NULL,  -- 1 package file, 2 build-id, 3 file name
    value       ANY NOT NULL,      -- an absolute path, a blob, a name without a path
    source      INTEGER NOT NULL REFERENCES source (id),
    application INTEGER NOT NULL REFERENCES application (id),
    trust       INTEGER NOT NULL CHECK (trust  BETWEEN 0 AND 1),
    threat      INTEGER NOT NULL CHECK (threat BETWEEN 0 AND 5),
    seen        INTEGER NOT NULL,
    changed     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, value, source),
    CHECK (CASE kind
           WHEN 1 THEN typeof(value) = 'text' AND substr(value, 1, 1) = '/'
                       AND length(CAST(value AS BLOB)) BETWEEN 2 AND 4095
           WHEN 2 THEN typeof(value) = 'blob' AND length(value) BETWEEN 4 AND 64
           WHEN 3 THEN typeof(value) = 'text' AND instr(value, '/') = 0
                       AND length(CAST(value AS BLOB)) BETWEEN 1 AND 255
           ELSE 0 END)
) STRICT, WITHOUT ROWID;

CREATE INDEX claim_application ON claim (application);

-- Files that were hashed, so that the next import reads only what has changed.
-- No part of an answer: it may be emptied at any time.
CREATE TABLE hashed_file (
    source   INTEGER NOT NULL REFERENCES source (id),
    path     TEXT NOT NULL,
    device   INTEGER NOT NULL,
    inode    INTEGER NOT NULL,
    size     INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    sha256   BLOB NOT NULL CHECK (length(sha256) = 32),
    md5      BLOB NOT NULL CHECK (length(md5) = 16),
    seen     INTEGER NOT NULL,
    build_id BLOB CHECK (length(build_id) BETWEEN 4 AND 64),  -- NULL: has none
    PRIMARY KEY (source, path)
) STRICT, WITHOUT ROWID;

-- What feeds have brought, or been told, last.
CREATE TABLE feed (
    direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    name      TEXT NOT NULL,
    serial    INTEGER NOT NULL CHECK (serial > 0),
    digest    BLOB NOT NULL CHECK (length(digest) = 32),  -- of its signed head
    run       INTEGER NOT NULL,  -- number of the last import then
    key       BLOB CHECK (length(key) = 32),  -- public, of an import; NULL: not known
    PRIMARY KEY (direction, name)
) STRICT, WITHOUT ROWID;

-- What is no longer there and a feed has yet to tell; empty where none is exported.
CREATE TABLE removed (
    kind  INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 3),  -- 0 hash, else of a claim
    value ANY NOT NULL,
    run   INTEGER NOT NULL,
    PRIMARY KEY (kind, value)
) STRICT, WITHOUT ROWID;

-- What was scanned by rules of YARA, so that it is not once more.
CREATE TABLE scan (
    sha256  BLOB NOT NULL PRIMARY KEY CHECK (length(sha256) = 32),
    rules   BLOB NOT NULL CHECK (length(rules) = 32),  -- SHA-256 of their text
    time    INTEGER NOT NULL,  -- seconds since 1970
    matches TEXT NOT NULL      -- names of rules, with spaces between
) STRICT, WITHOUT ROWID;

-- One row: the number of the last import.
CREATE TABLE import (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    last INTEGER NOT NULL
) STRICT;
INSERT INTO import VALUES (1, 0);

PRAGMA application_id = 0x73677364;
PRAGMA user_version = 5;
