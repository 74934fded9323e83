// SPDX-License-Identifier: GPL-2.0-only
#include "schema.h"

#include <stdint.h>

#include "handle.h"
#include "sigdb_schema.h"

#define APPLICATION_ID	0x73677364

/* What leads from each version to the next. */
static const char *const migrations[] = {
	[1] = migrate_1_sql,
	[2] = migrate_2_sql,
	[3] = migrate_3_sql,
	[4] = migrate_4_sql,
};

#define SCHEMA_VERSION	((int)(sizeof(migrations) / sizeof(migrations[0])))

static int exec(struct sigdb *db, const char *sql, const char *doing)
{
	if (sqlite3_exec(db->sql, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return sigdb_fail(db, doing);
}

static int number(struct sigdb *db, const char *sql, int64_t *value)
{
	sqlite3_stmt *stmt;
	int ret = -1;

	if (sqlite3_prepare_v2(db->sql, sql, -1, &stmt, NULL) != SQLITE_OK)
		return sigdb_fail(db, "reading it");
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		*value = sqlite3_column_int64(stmt, 0);
		ret = 0;
	} else {
		sigdb_fail(db, "reading it");
	}
	sqlite3_finalize(stmt);
	return ret;
}

/* Returns its version, 0 if it is empty, -1 if it must not be used. */
static int version_of(struct sigdb *db)
{
	int64_t id = -1, version = -1, tables = -1;

	if (number(db, "PRAGMA application_id", &id) ||
	    number(db, "PRAGMA user_version", &version) ||
	    number(db, "SELECT count(*) FROM sqlite_schema", &tables))
		return -1;
	if (!id && !version && !tables)
		return 0;
	if (id != APPLICATION_ID)
		return sigdb_failf(db, "is a database, but not one of signatures");
	if (version > SCHEMA_VERSION)
		return sigdb_failf(db, "has schema version %lld, this program knows up "
				   "to %d; use the newer program that made it",
				   (long long)version, SCHEMA_VERSION);
	if (version < 1)
		return sigdb_failf(db, "has schema version %lld, which this program "
				   "does not know", (long long)version);
	return (int)version;
}

/* In a transaction.  Somebody else may have been faster. */
static int bring_up_to_date(struct sigdb *db)
{
	int version = version_of(db);

	if (version < 0)
		return -1;
	if (!version)
		return exec(db, schema_sql, "making its tables");
	for (; version < SCHEMA_VERSION; version++)
		if (exec(db, migrations[version], "bringing it up to date"))
			return -1;
	return 0;
}

static int change(struct sigdb *db)
{
	/* Outside of a transaction, or it is silently ignored. */
	if (exec(db, "PRAGMA journal_mode = WAL", "setting it up") ||
	    exec(db, "BEGIN IMMEDIATE", "setting it up"))
		return -1;
	if (!bring_up_to_date(db) && !exec(db, "COMMIT", "setting it up"))
		return 0;
	sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
	return -1;
}

int schema_check(struct sigdb *db, bool write)
{
	int version = version_of(db);

	if (version < 0)
		return -1;
	if (version == SCHEMA_VERSION)
		return 0;
	if (write)
		return change(db);
	if (!version)
		return sigdb_failf(db, "is empty; fill it with \"sigdb import\"");
	return sigdb_failf(db, "has schema version %d, of an older program; \"sigdb "
			   "upgrade\", or any import, brings it to %d", version,
			   SCHEMA_VERSION);
}
