// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opening the signature database and looking things up in it.  What a lookup
 * means is written down in schema.sql.
 */
#include "sigdb.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handle.h"
#include "sigdb_schema.h"
#include "text.h"

#define APPLICATION_ID	0x73677364
#define SCHEMA_VERSION	1

/* In WAL mode a reader waits for nobody, but for the recovery after a crash. */
#define READ_WAIT_MS	250
#define WRITE_WAIT_MS	5000

/*
 * One statement, so that the answer is that of one state of the database.  Column 8
 * tells a hash (1) from a name (2), 9 and 10 are the order of the sources.  The
 * first row decides on trust and threat, the first with an identity on the rest.
 */
static const char lookup_sql[] =
	"SELECT h.verdict, h.trust, h.threat,"
	"       a.name, a.version, a.category, a.vendor, 1, s.rank, s.id"
	"  FROM hash_signature h JOIN source s ON s.id = h.source"
	"  LEFT JOIN application a ON a.id = h.application"
	" WHERE h.sha256 = ?1"
	" UNION ALL "
	"SELECT NULL, n.trust, n.threat,"
	"       a.name, a.version, a.category, a.vendor, 2, s.rank, s.id"
	"  FROM name_signature n JOIN source s ON s.id = n.source"
	"  JOIN application a ON a.id = n.application"
	" WHERE n.file_name = ?2"
	"   AND NOT EXISTS (SELECT 1 FROM hash_signature WHERE sha256 = ?1)"
	"   AND NOT EXISTS (SELECT 1 FROM application b JOIN hash_signature h"
	"                       ON h.application = b.id AND h.application IS NOT NULL"
	"                    WHERE b.name = a.name COLLATE NOCASE)"
	"   AND NOT EXISTS (SELECT 1 FROM hash_signature h"
	"                    WHERE h.file_name = ?2 AND h.file_name IS NOT NULL"
	"                      AND h.application IS NOT NULL)"
	" ORDER BY 8, 9, 10";

/* ---- errors -------------------------------------------------------------- */

int sigdb_failf(struct sigdb *db, const char *fmt, ...)
{
	va_list args;
	int used;

	used = snprintf(db->error, sizeof(db->error), "%s: ", db->path);
	if (used < 0 || (size_t)used >= sizeof(db->error))
		return -1;
	va_start(args, fmt);
	vsnprintf(db->error + used, sizeof(db->error) - (size_t)used, fmt, args);
	va_end(args);
	return -1;
}

int sigdb_fail(struct sigdb *db, const char *doing)
{
	switch (sqlite3_errcode(db->sql)) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return sigdb_failf(db, "damaged, or not a signature database (%s: %s); "
				   "move it away and import again", doing,
				   sqlite3_errmsg(db->sql));
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return sigdb_failf(db, "in use by another import (%s); try again when "
				   "it has ended", doing);
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return sigdb_failf(db, "%s: %s; check the permissions of the file, of "
				   "its companions -wal and -shm, and of the folder",
				   doing, sqlite3_errmsg(db->sql));
	default:
		return sigdb_failf(db, "%s: %s", doing, sqlite3_errmsg(db->sql));
	}
}

const char *sigdb_error(const struct sigdb *db)
{
	return db->error;
}

/* ---- opening ------------------------------------------------------------- */

static int exec(struct sigdb *db, const char *sql, const char *doing)
{
	if (sqlite3_exec(db->sql, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return sigdb_fail(db, doing);
}

static int pragma_number(struct sigdb *db, const char *sql, int64_t *value)
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

/* Returns 1 if the file has our tables, 0 if it is empty, -1 if it must not be used. */
static int check_version(struct sigdb *db)
{
	int64_t id = -1, version = -1, tables = -1;

	if (pragma_number(db, "PRAGMA application_id", &id) ||
	    pragma_number(db, "PRAGMA user_version", &version) ||
	    pragma_number(db, "SELECT count(*) FROM sqlite_schema", &tables))
		return -1;
	if (!id && !version && !tables)
		return 0;
	if (id != APPLICATION_ID)
		return sigdb_failf(db, "is a database, but not one of signatures");
	if (version > SCHEMA_VERSION)
		return sigdb_failf(db, "has schema version %lld, this program knows up "
				   "to %d; use the newer program that made it",
				   (long long)version, SCHEMA_VERSION);
	if (version != SCHEMA_VERSION)
		return sigdb_failf(db, "has schema version %lld, which this program "
				   "does not know", (long long)version);
	return 1;
}

static int make_tables(struct sigdb *db)
{
	int state;

	/* Outside of a transaction, or it is silently ignored. */
	if (exec(db, "PRAGMA journal_mode = WAL", "setting it up") ||
	    exec(db, "BEGIN IMMEDIATE", "setting it up"))
		return -1;
	/* Somebody else may have been faster. */
	state = check_version(db);
	if (state == 0 && !exec(db, schema_sql, "making its tables"))
		state = 1;
	if (state == 1 && !exec(db, "COMMIT", "making its tables"))
		return 0;
	sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
	return -1;
}

/* The content may come from somewhere else: give it no power over the program. */
static int harden(struct sigdb *db)
{
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	return exec(db, "PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON",
		    "setting it up");
}

static int prepare(struct sigdb *db, const char *sql, sqlite3_stmt **stmt)
{
	if (sqlite3_prepare_v3(db->sql, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt,
			       NULL) == SQLITE_OK)
		return 0;
	return sigdb_fail(db, "reading its tables");
}

static int open_failed(struct sigdb *db, bool write)
{
	if (!db->sql)
		return sigdb_failf(db, "out of memory");
	if (!write && access(db->path, F_OK) && errno == ENOENT)
		return sigdb_failf(db, "is not there; fill it with \"sigdb import\"");
	return sigdb_fail(db, "opening it");
}

static int open_file(struct sigdb *db, bool write)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	int keep_wal = 1;

	flags |= write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
		       : SQLITE_OPEN_READONLY;
	if (sqlite3_open_v2(db->path, &db->sql, flags, NULL) != SQLITE_OK)
		return open_failed(db, write);
	sqlite3_extended_result_codes(db->sql, 0);
	sqlite3_busy_timeout(db->sql, write ? WRITE_WAIT_MS : READ_WAIT_MS);
	/*
	 * A user who may not write to the folder cannot make FILE-wal and FILE-shm
	 * again, and so could not read the database if closing it removed them.
	 */
	sqlite3_file_control(db->sql, "main", SQLITE_FCNTL_PERSIST_WAL, &keep_wal);
	return harden(db);
}

static int open_all(struct sigdb *db, bool write)
{
	int state;

	if (open_file(db, write))
		return -1;
	state = check_version(db);
	if (state == 0 && !write)
		return sigdb_failf(db, "is empty; fill it with \"sigdb import\"");
	if (state < 0 || (state == 0 && make_tables(db)))
		return -1;
	if (prepare(db, lookup_sql, &db->lookup) ||
	    prepare(db, "PRAGMA data_version", &db->version))
		return -1;
	return 0;
}

struct sigdb *sigdb_open(const char *path, bool write, char *why, size_t why_size)
{
	struct sigdb *db = calloc(1, sizeof(*db));

	if (db)
		db->path = strdup(path);
	if (!db || !db->path) {
		snprintf(why, why_size, "%s: out of memory", path);
		sigdb_close(db);
		return NULL;
	}
	if (open_all(db, write)) {
		snprintf(why, why_size, "%s", db->error);
		sigdb_close(db);
		return NULL;
	}
	return db;
}

void sigdb_close(struct sigdb *db)
{
	if (!db)
		return;
	sqlite3_finalize(db->version);
	sqlite3_finalize(db->lookup);
	sqlite3_close(db->sql);
	free(db->path);
	free(db);
}

static int give_up(void *arg)
{
	(void)arg;
	return 1;
}

void sigdb_limit(struct sigdb *db, int steps)
{
	sqlite3_progress_handler(db->sql, steps, give_up, NULL);
}

/* ---- looking up ---------------------------------------------------------- */

static int copy_text(struct sigdb *db, sqlite3_stmt *row, int column, char *out,
		     size_t size)
{
	const char *text = (const char *)sqlite3_column_text(row, column);
	int len = sqlite3_column_bytes(row, column);

	if (!text)
		return sigdb_failf(db, "out of memory, or a damaged row");
	if ((size_t)len >= size || strlen(text) != (size_t)len || !sigdb_text_valid(text))
		return sigdb_failf(db, "damaged: column %s holds what is not text, or "
				   "is too long", sqlite3_column_name(row, column));
	memcpy(out, text, (size_t)len + 1);
	return 0;
}

static int copy_levels(struct sigdb *db, sqlite3_stmt *row, struct sigdb_answer *answer)
{
	const char *verdict = (const char *)sqlite3_column_text(row, 0);
	int trust = sqlite3_column_int(row, 1);
	int threat = sqlite3_column_int(row, 2);

	if (trust < 0 || trust > SIGDB_LEVEL_MAX || threat < 0 ||
	    threat > SIGDB_LEVEL_MAX)
		return sigdb_failf(db, "damaged: a level is not within 0..%d",
				   SIGDB_LEVEL_MAX);
	answer->unsafe = verdict && strcmp(verdict, "unsafe") == 0;
	answer->trust = (uint8_t)trust;
	answer->threat = (uint8_t)threat;
	return 0;
}

static int copy_identity(struct sigdb *db, sqlite3_stmt *row,
			 struct sigdb_answer *answer)
{
	if (copy_text(db, row, 3, answer->name, sizeof(answer->name)) ||
	    copy_text(db, row, 4, answer->version, sizeof(answer->version)) ||
	    copy_text(db, row, 5, answer->category, sizeof(answer->category)) ||
	    copy_text(db, row, 6, answer->vendor, sizeof(answer->vendor)))
		return -1;
	return 0;
}

static int take_row(struct sigdb *db, sqlite3_stmt *row, struct sigdb_answer *answer)
{
	bool by_name = sqlite3_column_int(row, 7) == 2;

	if (answer->source == SIGDB_NONE) {
		if (copy_levels(db, row, answer))
			return -1;
		answer->source = SIGDB_HASH_ONLY;
	}
	if (answer->source == SIGDB_HASH_ONLY &&
	    sqlite3_column_type(row, 3) != SQLITE_NULL) {
		if (copy_identity(db, row, answer))
			return -1;
		answer->source = by_name ? SIGDB_FILE_NAME : SIGDB_HASH;
	}
	return 0;
}

static int take_rows(struct sigdb *db, struct sigdb_answer *answer)
{
	int rc;

	while ((rc = sqlite3_step(db->lookup)) == SQLITE_ROW)
		if (take_row(db, db->lookup, answer))
			return -1;
	return rc == SQLITE_DONE ? 0 : sigdb_fail(db, "looking up");
}

enum sigdb_result sigdb_lookup(struct sigdb *db, const uint8_t *sha256,
			       const char *file_name, struct sigdb_answer *answer)
{
	int ret;

	memset(answer, 0, sizeof(*answer));
	if (!sha256)
		return SIGDB_UNKNOWN;
	if (sqlite3_bind_blob(db->lookup, 1, sha256, SHA256_SIZE,
			      SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_bind_text(db->lookup, 2, file_name, -1, SQLITE_STATIC) != SQLITE_OK)
		ret = sigdb_fail(db, "looking up");
	else
		ret = take_rows(db, answer);
	sqlite3_reset(db->lookup);
	sqlite3_clear_bindings(db->lookup);
	if (ret) {
		memset(answer, 0, sizeof(*answer));
		return SIGDB_ERROR;
	}
	return answer->source == SIGDB_NONE ? SIGDB_UNKNOWN : SIGDB_KNOWN;
}

int sigdb_changes(struct sigdb *db, uint64_t *counter)
{
	int moved = 0;
	int64_t version;

	if (sqlite3_file_control(db->sql, "main", SQLITE_FCNTL_HAS_MOVED, &moved) !=
	    SQLITE_OK)
		return sigdb_fail(db, "looking for changes");
	if (moved)
		return sigdb_failf(db, "was removed or replaced; open it again");
	if (sqlite3_step(db->version) != SQLITE_ROW) {
		sqlite3_reset(db->version);
		return sigdb_fail(db, "looking for changes");
	}
	version = sqlite3_column_int64(db->version, 0);
	sqlite3_reset(db->version);
	/* data_version counts what others changed, the other what we did. */
	*counter = (uint64_t)version << 32 |
		   (uint32_t)sqlite3_total_changes64(db->sql);
	return 0;
}

const char *sigdb_source_name(enum sigdb_source source)
{
	switch (source) {
	case SIGDB_HASH:
		return "hash";
	case SIGDB_FILE_NAME:
		return "file name";
	case SIGDB_HASH_ONLY:
		return "hash only";
	default:
		return "none";
	}
}
