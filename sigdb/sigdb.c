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
#include "schema.h"
#include "text.h"

/* In WAL mode a reader waits for nobody, but for the recovery after a crash. */
#define READ_WAIT_MS	250
#define WRITE_WAIT_MS	5000

/*
 * What hashes say.  In no order: that costs a sorter, and nearly always there is one
 * row.  Columns 6 and 7 are the order of the sources.  The last row is empty: as long
 * as the statement stands there, the next one sees the same state of the database,
 * and need not find out again which is the last.
 */
static const char hash_sql[] =
	"SELECT h.trust, h.threat, a.name, a.version, a.category, a.vendor,"
	"       s.rank, s.id, h.verdict"
	"  FROM hash_signature h JOIN source s ON s.id = h.source"
	"  LEFT JOIN application a ON a.id = h.application"
	" WHERE h.sha256 = ?1"
	" UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL";

/* Is anything claimed?  Mostly not, and opening what the next one needs costs more. */
static const char claimed_sql[] = SIGDB_CLAIMS;

/* What is claimed and counts, if no hash says anything; column 8 is the kind. */
static const char claim_sql[] =
	"SELECT c.trust, c.threat, a.name, a.version, a.category, a.vendor,"
	"       s.rank, s.id, c.kind"
	"  FROM (" SIGDB_CLAIMS ") c JOIN source s ON s.id = c.source"
	"  JOIN application a ON a.id = c.application"
	" WHERE NOT " SIGDB_APPLICATION_HAS_HASH
	"   AND NOT (c.kind = 3 AND " SIGDB_FILE_NAME_HAS_HASH ")";

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
	if (open_file(db, write) || schema_check(db, write))
		return -1;
	if (prepare(db, hash_sql, &db->hash) || prepare(db, claim_sql, &db->claim) ||
	    prepare(db, claimed_sql, &db->claimed) ||
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
	sqlite3_finalize(db->claim);
	sqlite3_finalize(db->claimed);
	sqlite3_finalize(db->hash);
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
	int trust = sqlite3_column_int(row, 0);
	int threat = sqlite3_column_int(row, 1);

	if (trust < 0 || trust > SIGDB_LEVEL_MAX || threat < 0 ||
	    threat > SIGDB_LEVEL_MAX)
		return sigdb_failf(db, "damaged: a level is not within 0..%d",
				   SIGDB_LEVEL_MAX);
	answer->trust = (uint8_t)trust;
	answer->threat = (uint8_t)threat;
	return 0;
}

static int copy_identity(struct sigdb *db, sqlite3_stmt *row,
			 struct sigdb_answer *answer)
{
	if (copy_text(db, row, 2, answer->name, sizeof(answer->name)) ||
	    copy_text(db, row, 3, answer->version, sizeof(answer->version)) ||
	    copy_text(db, row, 4, answer->category, sizeof(answer->category)) ||
	    copy_text(db, row, 5, answer->vendor, sizeof(answer->vendor)))
		return -1;
	return 0;
}

static void reset(sqlite3_stmt *stmt)
{
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
}

/* Which of several rows has the word: the lowest. */
struct order {
	int64_t kind, rank, source;
};

static const struct order last = { INT64_MAX, INT64_MAX, INT64_MAX };

static bool before(const struct order *a, const struct order *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind;
	return a->rank != b->rank ? a->rank < b->rank : a->source < b->source;
}

static struct order order_of(sqlite3_stmt *row)
{
	return (struct order){
		.rank = sqlite3_column_int64(row, 6),
		.source = sqlite3_column_int64(row, 7),
	};
}

/* The first source decides on the levels, the first with an identity on the rest. */
static int take_hash(struct sigdb *db, struct order *levels, struct order *identity,
		     struct sigdb_answer *answer)
{
	struct order order = order_of(db->hash);
	const char *verdict;

	if (before(&order, levels)) {
		*levels = order;
		verdict = (const char *)sqlite3_column_text(db->hash, 8);
		answer->unsafe = verdict && strcmp(verdict, "unsafe") == 0;
		if (copy_levels(db, db->hash, answer))
			return -1;
	}
	if (sqlite3_column_type(db->hash, 2) == SQLITE_NULL) {
		if (answer->source == SIGDB_NONE)
			answer->source = SIGDB_HASH_ONLY;
		return 0;
	}
	answer->source = SIGDB_HASH;
	if (!before(&order, identity))
		return 0;
	*identity = order;
	return copy_identity(db, db->hash, answer);
}

static int ask_hash(struct sigdb *db, const struct sigdb_question *q,
		    struct sigdb_answer *answer)
{
	struct order levels = last, identity = last;
	int rc;

	rc = sqlite3_bind_blob(db->hash, 1, q->sha256, SHA256_SIZE, SQLITE_STATIC);
	if (rc != SQLITE_OK)
		return sigdb_fail(db, "looking up");
	while ((rc = sqlite3_step(db->hash)) == SQLITE_ROW) {
		if (sqlite3_column_type(db->hash, 6) == SQLITE_NULL)
			return 0;
		if (take_hash(db, &levels, &identity, answer))
			return -1;
	}
	return sigdb_fail(db, "looking up");
}

static int take_claim(struct sigdb *db, struct order *best, struct sigdb_answer *answer)
{
	static const enum sigdb_source sources[] = {
		[SIGDB_CLAIM_PACKAGE_FILE] = SIGDB_PACKAGE_FILE,
		[SIGDB_CLAIM_BUILD_ID] = SIGDB_BUILD_ID,
		[SIGDB_CLAIM_FILE_NAME] = SIGDB_FILE_NAME,
	};
	struct order order = order_of(db->claim);

	order.kind = sqlite3_column_int64(db->claim, 8);
	if (!before(&order, best))
		return 0;
	*best = order;
	answer->source = sources[order.kind];
	if (copy_levels(db, db->claim, answer))
		return -1;
	return copy_identity(db, db->claim, answer);
}

/* Returns 1, 0 or -1. */
static int is_claimed(struct sigdb *db, const struct sigdb_question *q)
{
	int rc;

	if (!q->path && !q->build_id_size && !q->file_name)
		return 0;
	rc = sigdb_bind_question(db->claimed, q);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(db->claimed);
	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : sigdb_fail(db, "looking up");
}

static int ask_claims(struct sigdb *db, const struct sigdb_question *q,
		      struct sigdb_answer *answer)
{
	struct order best = last;
	int rc = is_claimed(db, q);

	reset(db->claimed);
	if (rc <= 0)
		return rc;
	rc = sigdb_bind_question(db->claim, q);
	if (rc != SQLITE_OK)
		return sigdb_fail(db, "looking up");
	while ((rc = sqlite3_step(db->claim)) == SQLITE_ROW)
		if (take_claim(db, &best, answer))
			return -1;
	return rc == SQLITE_DONE ? 0 : sigdb_fail(db, "looking up");
}

int sigdb_bind_question(sqlite3_stmt *stmt, const struct sigdb_question *q)
{
	int rc = sqlite3_bind_blob(stmt, 1, q->sha256, SHA256_SIZE, SQLITE_STATIC);

	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(stmt, 2, q->path, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK && q->build_id_size)
		rc = sqlite3_bind_blob(stmt, 3, q->build_id, (int)q->build_id_size,
				       SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(stmt, 4, q->file_name, -1, SQLITE_STATIC);
	return rc;
}

enum sigdb_result sigdb_lookup(struct sigdb *db, const struct sigdb_question *q,
			       struct sigdb_answer *answer)
{
	int ret;

	memset(answer, 0, sizeof(*answer));
	if (!q->sha256)
		return SIGDB_UNKNOWN;
	ret = ask_hash(db, q, answer);
	if (!ret && answer->source == SIGDB_NONE) {
		ret = ask_claims(db, q, answer);
		reset(db->claim);
	}
	reset(db->hash);
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
	case SIGDB_PACKAGE_FILE:
		return "package file";
	case SIGDB_BUILD_ID:
		return "build-id";
	default:
		return "none";
	}
}
