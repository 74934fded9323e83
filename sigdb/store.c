// SPDX-License-Identifier: GPL-2.0-only
#include "store.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "progress.h"
#include "stage.h"

enum {
	FIND_APPLICATION,
	ADD_APPLICATION,
	FIND_CLAIM,
	PUT_CLAIM,
	NOTE_HASH,
	REMOVE_HASH,
	NOTE_CLAIM,
	REMOVE_CLAIM,
	FIND_FILE,
	PUT_FILE,
	STATEMENTS,
};

/* Only then somebody will want to know what has gone. */
#define FEED_GOES_OUT "EXISTS (SELECT 1 FROM feed WHERE direction = 'out')"

static const char *const statements[STATEMENTS] = {
	[FIND_APPLICATION] =
		"SELECT id FROM application WHERE name = ?1 AND version = ?2"
		" AND category = ?3 AND vendor = ?4 AND origin = ?5",
	[ADD_APPLICATION] =
		"INSERT INTO application (name, version, category, vendor, origin)"
		" VALUES (?1, ?2, ?3, ?4, ?5)",
	[FIND_CLAIM] =
		"SELECT seen FROM claim WHERE kind = ?1 AND value = ?2 AND source = ?3",
	[PUT_CLAIM] =
		"INSERT INTO claim (kind, value, source, application, trust, threat,"
		" seen, changed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)"
		" ON CONFLICT DO UPDATE SET changed = CASE WHEN application = ?4 AND"
		" trust = ?5 AND threat = ?6 THEN changed ELSE ?7 END,"
		" application = ?4, trust = ?5, threat = ?6, seen = ?7",
	[NOTE_HASH] =
		"REPLACE INTO removed (kind, value, run) SELECT 0, ?1, ?2 WHERE "
		FEED_GOES_OUT,
	[REMOVE_HASH] =
		"DELETE FROM hash_signature WHERE sha256 = ?1 AND source = ?2",
	[NOTE_CLAIM] =
		"REPLACE INTO removed (kind, value, run) SELECT ?1, ?2, ?3 WHERE "
		FEED_GOES_OUT,
	[REMOVE_CLAIM] =
		"DELETE FROM claim WHERE kind = ?1 AND value = ?2 AND source = ?3",
	[FIND_FILE] =
		"SELECT device, inode, size, mtime_ns, ctime_ns, sha256, md5, build_id"
		" FROM hashed_file WHERE source = ?1 AND path = ?2",
	[PUT_FILE] =
		"REPLACE INTO hashed_file (source, path, device, inode, size, mtime_ns,"
		" ctime_ns, sha256, md5, build_id, seen)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
};

/*
 * Rows of one application mostly come together, and looking for it costs more than
 * all else: so many are remembered, each where its hash says.
 */
#define REMEMBERED 4096

struct remembered {
	int64_t id;		/* 0: none */
	size_t length;
	char text[640];		/* the parts, each with its NUL */
};

/* Memory for SQLite's pages and for sorting, each, in KiB. */
#define CACHE_KIB "32768"

/* How many steps of SQLite's machine lie between two looks at interrupted(). */
#define STEPS 100000

struct store {
	struct sigdb *db;
	sqlite3_stmt *stmt[STATEMENTS];
	int64_t source;
	int64_t run;		/* number of this import */
	struct stage *stage;
	struct remembered *remembered;
	struct store_counts counts;
	int64_t now, grace;	/* seconds; grace 0: what is not found goes at once */
};

/* ---- helpers ------------------------------------------------------------- */

static int fail(struct store *st)
{
	return sigdb_fail(st->db, "importing");
}

static int exec(struct sigdb *db, const char *sql)
{
	if (sqlite3_exec(db->sql, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return sigdb_fail(db, "importing");
}

static int bind_blob(sqlite3_stmt *stmt, int at, const void *data, size_t size)
{
	if (!size)
		return sqlite3_bind_null(stmt, at);
	return sqlite3_bind_blob(stmt, at, data, (int)size, SQLITE_STATIC);
}

static int bind_value(sqlite3_stmt *stmt, int at, const struct store_claim *claim)
{
	if (claim->kind == SIGDB_CLAIM_BUILD_ID)
		return bind_blob(stmt, at, claim->value, claim->size);
	return sqlite3_bind_text(stmt, at, claim->value, -1, SQLITE_STATIC);
}

/*
 * Bind the arguments by the letters of @types (i: int64_t, t: text or NULL, h:
 * SHA-256, m: MD5, b: pointer and size_t, a size of 0 for NULL; v: value of a claim;
 * 0: NULL) and make the first step.
 */
static int step(struct store *st, int which, const char *types, ...)
{
	sqlite3_stmt *stmt = st->stmt[which];
	const void *data;
	va_list args;
	int rc = SQLITE_OK;

	va_start(args, types);
	for (int i = 1; types[i - 1] && rc == SQLITE_OK; i++) {
		switch (types[i - 1]) {
		case 'i':
			rc = sqlite3_bind_int64(stmt, i, va_arg(args, int64_t));
			break;
		case 't':
			rc = sqlite3_bind_text(stmt, i, va_arg(args, const char *), -1,
					       SQLITE_STATIC);
			break;
		case 'h':
			rc = sqlite3_bind_blob(stmt, i, va_arg(args, const uint8_t *),
					       SHA256_SIZE, SQLITE_STATIC);
			break;
		case 'm':
			rc = bind_blob(stmt, i, va_arg(args, const uint8_t *), 16);
			break;
		case 'b':
			data = va_arg(args, const void *);
			rc = bind_blob(stmt, i, data, va_arg(args, size_t));
			break;
		case 'v':
			rc = bind_value(stmt, i, va_arg(args, const struct store_claim *));
			break;
		default:
			rc = sqlite3_bind_null(stmt, i);
		}
	}
	va_end(args);
	return rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
}

static void reset(struct store *st, int which)
{
	sqlite3_reset(st->stmt[which]);
	sqlite3_clear_bindings(st->stmt[which]);
}

/* For statements that return no row. */
static int finish(struct store *st, int which, int rc)
{
	int ret = rc == SQLITE_DONE ? 0 : fail(st);

	reset(st, which);
	return ret;
}

/* ---- beginning and ending ------------------------------------------------ */

static void free_store(struct store *st)
{
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(st->stmt[i]);
	stage_close(st->stage);
	free(st->remembered);
	free(st);
}

/* Without a transaction these take effect. */
static int prepare_connection(struct sigdb *db)
{
	/* What is written here refers to what was just found or made. */
	return exec(db, "PRAGMA foreign_keys = OFF; PRAGMA cache_size = -" CACHE_KIB);
}

static int look_for_interrupt(void *arg)
{
	(void)arg;
	return interrupted();
}

static void end(struct sigdb *db)
{
	sqlite3_progress_handler(db->sql, 0, NULL, NULL);
	sqlite3_exec(db->sql, "PRAGMA foreign_keys = ON", NULL, NULL, NULL);
}

/* The first column of the first row; @text and @rank are bound if there is a text. */
static int number(struct store *st, const char *sql, const char *text, int64_t rank,
		  int64_t *value)
{
	sqlite3_stmt *stmt;
	int rc;

	if (sqlite3_prepare_v2(st->db->sql, sql, -1, &stmt, NULL) != SQLITE_OK)
		return fail(st);
	rc = text ? sqlite3_bind_text(stmt, 1, text, -1, SQLITE_STATIC) : SQLITE_OK;
	if (rc == SQLITE_OK && text)
		rc = sqlite3_bind_int64(stmt, 2, rank);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*value = sqlite3_column_int64(stmt, 0);
	else
		fail(st);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? 0 : -1;
}

static int prepare_all(struct store *st, const char *label, int rank)
{
	if (number(st, "UPDATE import SET last = last + 1 RETURNING last", NULL, 0,
		   &st->run) ||
	    number(st, "INSERT INTO source (label, rank) VALUES (?1, ?2)"
		   " ON CONFLICT (label) DO UPDATE SET rank = excluded.rank"
		   " RETURNING id", label, rank, &st->source))
		return -1;
	for (int i = 0; i < STATEMENTS; i++)
		if (sqlite3_prepare_v3(st->db->sql, statements[i], -1,
				       SQLITE_PREPARE_PERSISTENT, &st->stmt[i],
				       NULL) != SQLITE_OK)
			return fail(st);
	st->stage = stage_open(st->db);
	return st->stage ? 0 : -1;
}

struct store *store_begin(struct sigdb *db, const char *label, int rank)
{
	struct store *st = calloc(1, sizeof(*st));

	if (st)
		st->remembered = calloc(REMEMBERED, sizeof(*st->remembered));
	if (!st || !st->remembered) {
		sigdb_failf(db, "out of memory");
		goto failed;
	}
	st->db = db;
	if (prepare_connection(db) || exec(db, "BEGIN IMMEDIATE"))
		goto failed;
	sqlite3_progress_handler(db->sql, STEPS, look_for_interrupt, NULL);
	if (prepare_all(st, label, rank)) {
		store_rollback(st);
		return NULL;
	}
	return st;
failed:
	if (st)
		free(st->remembered);
	free(st);
	return NULL;
}

int store_commit(struct store *st, struct store_counts *counts)
{
	struct sigdb *db;

	if (store_flush(st, NULL)) {
		store_rollback(st);
		return -1;
	}
	*counts = st->counts;
	if (exec(st->db, "DELETE FROM application WHERE"
		 " NOT EXISTS (SELECT 1 FROM hash_signature h"
		 "              WHERE h.application = application.id"
		 "                AND h.application IS NOT NULL)"
		 " AND NOT EXISTS (SELECT 1 FROM claim c"
		 "                  WHERE c.application = application.id)") ||
	    exec(st->db, "COMMIT")) {
		store_rollback(st);
		return -1;
	}
	db = st->db;
	free_store(st);
	end(db);
	/* A large import leaves a log as large as the database; readers may be in the way. */
	sqlite3_wal_checkpoint_v2(db->sql, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	return 0;
}

void store_rollback(struct store *st)
{
	struct sigdb *db = st->db;

	/* So that it is not in the way of what follows. */
	sqlite3_progress_handler(db->sql, 0, NULL, NULL);
	free_store(st);
	/* It may have been rolled back by SQLite already: not an error then. */
	sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
	end(db);
}

/* ---- signatures ---------------------------------------------------------- */

static int64_t find_application(struct store *st, const struct store_identity *id)
{
	int64_t found = 0;
	int rc;

	rc = step(st, FIND_APPLICATION, "ttttt", id->name, id->version, id->category,
		  id->vendor, id->origin);
	if (rc == SQLITE_ROW) {
		found = sqlite3_column_int64(st->stmt[FIND_APPLICATION], 0);
		rc = SQLITE_DONE;
	}
	if (finish(st, FIND_APPLICATION, rc))
		return -1;
	if (found)
		return found;
	rc = step(st, ADD_APPLICATION, "ttttt", id->name, id->version, id->category,
		  id->vendor, id->origin);
	if (finish(st, ADD_APPLICATION, rc))
		return -1;
	return sqlite3_last_insert_rowid(st->db->sql);
}

/* Its parts one after the other; returns how long that is, 0 if it is too long. */
static size_t flatten(const struct store_identity *id, char *text, size_t size)
{
	const char *const part[] = {
		id->name, id->version, id->category, id->vendor, id->origin,
	};
	size_t used = 0;

	for (int i = 0; i < 5; i++) {
		size_t length = strlen(part[i]) + 1;

		if (length > size - used)
			return 0;
		memcpy(text + used, part[i], length);
		used += length;
	}
	return used;
}

/* FNV-1a */
static size_t slot_of(const char *text, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3;
	return (hash ^ hash >> 32) % REMEMBERED;
}

int64_t store_application(struct store *st, const struct store_identity *id)
{
	char text[sizeof(st->remembered->text)];
	size_t length = flatten(id, text, sizeof(text));
	struct remembered *known = &st->remembered[slot_of(text, length)];
	int64_t found;

	if (length && known->id && known->length == length &&
	    memcmp(known->text, text, length) == 0)
		return known->id;
	found = find_application(st, id);
	if (!length || found < 0)
		return found;
	known->id = found;
	known->length = length;
	memcpy(known->text, text, length);
	return found;
}

/* What FIND_CLAIM found out. */
static enum store_result known(struct store *st, int which, int rc)
{
	enum store_result result = STORE_NEW;

	if (rc == SQLITE_ROW) {
		result = sqlite3_column_int64(st->stmt[which], 0) == st->run ?
			 STORE_TWICE : STORE_AGAIN;
		rc = SQLITE_DONE;
	}
	return finish(st, which, rc) ? STORE_ERROR : result;
}

static void count(struct store *st, enum store_result result)
{
	st->counts.found++;
	if (result == STORE_NEW)
		st->counts.added++;
}

int store_hash(struct store *st, const uint8_t *sha256,
	       const struct store_signature *sig)
{
	return stage_add(st->stage, sha256, sig);
}

int store_flush(struct store *st, struct store_twice *twice)
{
	struct store_twice ignored;

	return stage_merge(st->stage, st->source, st->run, &st->counts,
			   twice ? twice : &ignored);
}

enum store_result store_claim(struct store *st, const struct store_claim *claim)
{
	int64_t kind = claim->kind;
	enum store_result result;

	result = known(st, FIND_CLAIM, step(st, FIND_CLAIM, "ivi", kind, claim, st->source));
	if (result == STORE_ERROR || result == STORE_TWICE)
		return result;
	if (finish(st, PUT_CLAIM,
		   step(st, PUT_CLAIM, "iviiiii", kind, claim, st->source,
			claim->application, (int64_t)claim->trust,
			(int64_t)claim->threat, st->run)))
		return STORE_ERROR;
	count(st, result);
	return result;
}

int store_remove_hash(struct store *st, const uint8_t *sha256)
{
	if (finish(st, NOTE_HASH, step(st, NOTE_HASH, "hi", sha256, st->run)) ||
	    finish(st, REMOVE_HASH, step(st, REMOVE_HASH, "hi", sha256, st->source)))
		return -1;
	st->counts.removed += (uint64_t)sqlite3_changes64(st->db->sql);
	return 0;
}

int store_remove_claim(struct store *st, const struct store_claim *claim)
{
	int64_t kind = claim->kind;

	if (finish(st, NOTE_CLAIM, step(st, NOTE_CLAIM, "ivi", kind, claim, st->run)) ||
	    finish(st, REMOVE_CLAIM,
		   step(st, REMOVE_CLAIM, "ivi", kind, claim, st->source)))
		return -1;
	st->counts.removed += (uint64_t)sqlite3_changes64(st->db->sql);
	return 0;
}

int64_t store_run(const struct store *st)
{
	return st->run;
}

/* ---- files --------------------------------------------------------------- */

static int take_file(struct store *st, sqlite3_stmt *row, struct store_file *file)
{
	if (sqlite3_column_bytes(row, 5) != sizeof(file->sha256) ||
	    sqlite3_column_bytes(row, 6) != sizeof(file->md5))
		return sigdb_failf(st->db, "damaged: a hash has the wrong length");
	file->device = (uint64_t)sqlite3_column_int64(row, 0);
	file->inode = (uint64_t)sqlite3_column_int64(row, 1);
	file->size = (uint64_t)sqlite3_column_int64(row, 2);
	file->mtime_ns = sqlite3_column_int64(row, 3);
	file->ctime_ns = sqlite3_column_int64(row, 4);
	memcpy(file->sha256, sqlite3_column_blob(row, 5), sizeof(file->sha256));
	memcpy(file->md5, sqlite3_column_blob(row, 6), sizeof(file->md5));
	file->build_id_size = (size_t)sqlite3_column_bytes(row, 7);
	if (file->build_id_size > sizeof(file->build_id))
		return sigdb_failf(st->db, "damaged: a build-id is too long");
	if (file->build_id_size)
		memcpy(file->build_id, sqlite3_column_blob(row, 7), file->build_id_size);
	return 1;
}

int store_file_get(struct store *st, const char *path, struct store_file *file)
{
	int rc = step(st, FIND_FILE, "it", st->source, path);
	int ret = 0;

	if (rc == SQLITE_ROW)
		ret = take_file(st, st->stmt[FIND_FILE], file);
	else if (rc != SQLITE_DONE)
		ret = fail(st);
	reset(st, FIND_FILE);
	return ret;
}

int store_file_put(struct store *st, const char *path, const struct store_file *file)
{
	int rc = step(st, PUT_FILE, "itiiiiihmbi", st->source, path, (int64_t)file->device,
		      (int64_t)file->inode, (int64_t)file->size, file->mtime_ns,
		      file->ctime_ns, file->sha256, file->md5, file->build_id,
		      file->build_id_size, st->run);

	return finish(st, PUT_FILE, rc);
}

/* ---- sweeping ------------------------------------------------------------ */

/* @at: a time, for those that look at one */
static int sweep_at(struct store *st, const char *sql, const char *application, int64_t at)
{
	sqlite3_stmt *stmt;
	int rc;

	if (sqlite3_prepare_v2(st->db->sql, sql, -1, &stmt, NULL) != SQLITE_OK)
		return fail(st);
	rc = sqlite3_bind_int64(stmt, 1, st->source);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(stmt, 2, st->run);
	if (rc == SQLITE_OK && application)
		rc = sqlite3_bind_text(stmt, 3, application, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK && sqlite3_bind_parameter_count(stmt) >= 4)
		rc = sqlite3_bind_int64(stmt, 4, at);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	if (rc != SQLITE_DONE)
		return fail(st);
	return 0;
}

static int sweep(struct store *st, const char *sql, const char *application)
{
	return sweep_at(st, sql, application, 0);
}

#define UNSEEN "WHERE source = ?1 AND seen <> ?2"
#define OF_APPLICATION " AND application IN (SELECT id FROM application WHERE name = ?3)"
#define NOTE(kind, value, table)						\
	"REPLACE INTO removed (kind, value, run) SELECT " kind ", " value ", ?2"	\
	" FROM " table " " UNSEEN " AND " FEED_GOES_OUT

static const struct {
	const char *note, *remove;
} sweeps[2][2] = {
	{
		{ NOTE("0", "sha256", "hash_signature"), "DELETE FROM hash_signature " UNSEEN },
		{ NOTE("kind", "value", "claim"), "DELETE FROM claim " UNSEEN },
	}, {
		{ NOTE("0", "sha256", "hash_signature") OF_APPLICATION,
		  "DELETE FROM hash_signature " UNSEEN OF_APPLICATION },
		{ NOTE("kind", "value", "claim") OF_APPLICATION,
		  "DELETE FROM claim " UNSEEN OF_APPLICATION },
	},
};

void store_grace(struct store *st, int64_t now_s, int64_t seconds)
{
	st->now = now_s;
	st->grace = seconds;
}

/* Of the hashes that were not found: since when is noted, and some have been for long. */
static int let_go(struct store *st, const char *application)
{
	static const char *const mark[] = {
		"UPDATE hash_signature SET gone = ?4 " UNSEEN " AND gone IS NULL",
		"UPDATE hash_signature SET gone = ?4 " UNSEEN " AND gone IS NULL"
		OF_APPLICATION,
	};
	static const char *const end[] = {
		NOTE("0", "sha256", "hash_signature") " AND gone <= ?4",
		"DELETE FROM hash_signature " UNSEEN " AND gone <= ?4",
	};

	if (sweep_at(st, mark[application ? 1 : 0], application, st->now))
		return -1;
	for (int i = 0; i < 2; i++)
		if (sweep_at(st, end[i], NULL, st->now - st->grace))
			return -1;
	st->counts.removed += (uint64_t)sqlite3_changes64(st->db->sql);
	return 0;
}

int store_sweep(struct store *st, const char *application)
{
	int which = application ? 1 : 0;

	if (store_flush(st, NULL) || (st->grace && let_go(st, application)))
		return -1;
	for (int i = st->grace ? 1 : 0; i < 2; i++) {
		if (sweep(st, sweeps[which][i].note, application) ||
		    sweep(st, sweeps[which][i].remove, application))
			return -1;
		st->counts.removed += (uint64_t)sqlite3_changes64(st->db->sql);
	}
	if (application)
		return 0;
	return sweep(st, "DELETE FROM hashed_file " UNSEEN, NULL);
}
