-- SPDX-License-Identifier: GPL-2.0-only
--
-- From schema version 1 to 2: claims by package file and build-id beside those by
-- file name, and more kinds of sources.  What schema.sql says of the tables is not repeated here.

CREATE TABLE claim (
    kind        INTEGER NOT NULL,
    value       ANY NOT NULL,
    source      INTEGER NOT NULL REFERENCES source (id),
    application INTEGER NOT NULL REFERENCES application (id),
    trust       INTEGER NOT NULL CHECK (trust  BETWEEN 0 AND 1),
    threat      INTEGER NOT NULL CHECK (threat BETWEEN 0 AND 5),
    seen        INTEGER NOT NULL,
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

INSERT INTO claim (kind, value, source, application, trust, threat, seen)
    SELECT 3, file_name, source, application, trust, threat, seen FROM name_signature;
DROP TABLE name_signature;

-- Lists of what is harmful have got a place between the administrator and packages.
UPDATE source SET rank = rank * 10 + 10 * (rank > 1);

-- Their build-ids are not known: the next import reads the files again.
DELETE FROM hashed_file;
ALTER TABLE hashed_file
    ADD COLUMN build_id BLOB CHECK (length(build_id) BETWEEN 4 AND 64);

PRAGMA user_version = 2;
