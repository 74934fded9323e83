-- SPDX-License-Identifier: GPL-2.0-only
--
-- From schema version 4 to 5: a feed is bound to the key that it was first imported by;
-- signatures of what an upgrade has replaced may stay for a while.

ALTER TABLE feed ADD COLUMN key BLOB CHECK (length(key) = 32);

ALTER TABLE hash_signature ADD COLUMN gone INTEGER;
CREATE INDEX hash_signature_gone ON hash_signature (source, gone) WHERE gone IS NOT NULL;

PRAGMA user_version = 5;
