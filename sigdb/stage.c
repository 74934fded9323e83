// SPDX-License-Identifier: GPL-2.0-only
#include "stage.h"

#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "progress.h"

/* Fewer than these are put under the indexes one by one. */
#define FEW 20000

static const char make_sql[] =
	"CREATE TEMP TABLE staged (sha256 BLOB, application INTEGER, verdict TEXT,"
	" trust INTEGER, threat INTEGER, file_name TEXT, line INTEGER)";

enum {
	ADD,
	SORTED,
	INSERT,
	UPDATE,
	STATEMENTS,
};

static const char *const statements[STATEMENTS] = {
	[ADD] = "INSERT INTO temp.staged VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[SORTED] = "SELECT sha256, application, verdict, trust, threat, file_name, line"
		   " FROM temp.staged ORDER BY sha256, rowid",
	[INSERT] = "INSERT INTO hash_signature (sha256, application, verdict, trust,"
		   " threat, file_name, source, seen, changed)"
		   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8) ON CONFLICT DO NOTHING",
	[UPDATE] = "UPDATE hash_signature SET changed = CASE WHEN application IS ?2 AND"
		   " verdict IS ?3 AND trust = ?4 AND threat = ?5 AND file_name IS ?6"
		   " THEN changed ELSE ?8 END, application = ?2, verdict = ?3, trust = ?4,"
		   " threat = ?5, file_name = ?6, seen = ?8, gone = NULL"
		   " WHERE sha256 = ?1 AND source = ?7",
};

struct stage {
	struct sigdb *db;
	sqlite3_stmt *stmt[STATEMENTS];
	uint64_t staged;
};

/* An index that is taken away and built again: what made it. */
struct rebuilt {
	char *sql;
};

static int fail(struct stage *st)
{
	return sigdb_fail(st->db, "importing");
}

static int exec(struct stage *st, const char *sql)
{
	return sqlite3_exec(st->db->sql, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(st);
}

struct stage *stage_open(struct sigdb *db)
{
	struct stage *st = calloc(1, sizeof(*st));

	if (!st) {
		sigdb_failf(db, "out of memory");
		return NULL;
	}
	st->db = db;
	if (exec(st, make_sql))
		goto failed;
	for (int i = 0; i < STATEMENTS; i++)
		if (sqlite3_prepare_v3(db->sql, statements[i], -1,
				       SQLITE_PREPARE_PERSISTENT, &st->stmt[i],
				       NULL) != SQLITE_OK) {
			fail(st);
			goto failed;
		}
	return st;
failed:
	stage_close(st);
	return NULL;
}

void stage_close(struct stage *st)
{
	if (!st)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(st->stmt[i]);
	sqlite3_exec(st->db->sql, "DROP TABLE IF EXISTS temp.staged", NULL, NULL, NULL);
	free(st);
}

int stage_add(struct stage *st, const uint8_t *sha256, const struct store_signature *sig)
{
	static const char *const verdicts[] = { NULL, "safe", "unsafe" };
	sqlite3_stmt *stmt = st->stmt[ADD];
	int rc;

	sqlite3_bind_blob(stmt, 1, sha256, SHA256_SIZE, SQLITE_STATIC);
	if (sig->application)
		sqlite3_bind_int64(stmt, 2, sig->application);
	else
		sqlite3_bind_null(stmt, 2);
	sqlite3_bind_text(stmt, 3, verdicts[sig->verdict], -1, SQLITE_STATIC);
	sqlite3_bind_int(stmt, 4, sig->trust);
	sqlite3_bind_int(stmt, 5, sig->threat);
	sqlite3_bind_text(stmt, 6, sig->file_name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 7, (int64_t)sig->line);
	rc = sqlite3_step(stmt);
	sqlite3_reset(stmt);
	if (rc != SQLITE_DONE)
		return fail(st);
	st->staged++;
	return 0;
}

/* ---- the indexes --------------------------------------------------------- */

/* Returns 1 if so many rows are coming that the indexes had better be built anew. */
static int is_bulk(struct stage *st)
{
	sqlite3_stmt *stmt;
	int ret = -1;

	if (st->staged < FEW)
		return 0;
	/* Are there more than three times as many?  It counts no further. */
	if (sqlite3_prepare_v2(st->db->sql, "SELECT count(*) FROM (SELECT 1 FROM"
			       " hash_signature LIMIT ?1)", -1, &stmt, NULL) != SQLITE_OK)
		return fail(st);
	sqlite3_bind_int64(stmt, 1, (int64_t)st->staged * 3 + 1);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		ret = (uint64_t)sqlite3_column_int64(stmt, 0) <= st->staged * 3;
	else
		fail(st);
	sqlite3_finalize(stmt);
	return ret;
}

/* The result of a query as one text, freed by sqlite3_free(); NULL on failure. */
static char *text_of(struct stage *st, const char *sql)
{
	sqlite3_stmt *stmt;
	char *text = NULL;

	if (sqlite3_prepare_v2(st->db->sql, sql, -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		text = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
	if (!text)
		fail(st);
	sqlite3_finalize(stmt);
	return text;
}

#define THE_INDEXES " FROM sqlite_schema WHERE type = 'index'"			\
		    " AND tbl_name = 'hash_signature' AND sql IS NOT NULL"

static int drop_indexes(struct stage *st, struct rebuilt *rebuilt)
{
	char *drop;
	int ret;

	rebuilt->sql = text_of(st, "SELECT group_concat(sql, ';')" THE_INDEXES);
	if (!rebuilt->sql)
		return -1;
	drop = text_of(st, "SELECT group_concat('DROP INDEX ' || name, ';')" THE_INDEXES);
	ret = drop ? exec(st, drop) : -1;
	sqlite3_free(drop);
	return ret;
}

/* ---- merging ------------------------------------------------------------- */

static int put(struct stage *st, int which, sqlite3_stmt *row, int64_t source, int64_t run)
{
	sqlite3_stmt *stmt = st->stmt[which];
	int rc = SQLITE_OK;

	for (int i = 0; i < 6 && rc == SQLITE_OK; i++)
		rc = sqlite3_bind_value(stmt, i + 1, sqlite3_column_value(row, i));
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(stmt, 7, source);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(stmt, 8, run);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	sqlite3_reset(stmt);
	return rc == SQLITE_DONE ? 0 : fail(st);
}

static int merge_row(struct stage *st, sqlite3_stmt *row, int64_t source, int64_t run,
		     struct store_counts *counts)
{
	int added;

	if (put(st, INSERT, row, source, run))
		return -1;
	added = sqlite3_changes(st->db->sql);
	counts->found++;
	counts->added += (uint64_t)added;
	return added ? 0 : put(st, UPDATE, row, source, run);
}

static void note_twice(struct store_twice *twice, sqlite3_stmt *row)
{
	uint64_t line = (uint64_t)sqlite3_column_int64(row, 6);

	if (!twice->count++ || line < twice->line)
		twice->line = line;
}

static int merge_rows(struct stage *st, int64_t source, int64_t run,
		      struct store_counts *counts, struct store_twice *twice)
{
	sqlite3_stmt *row = st->stmt[SORTED];
	uint8_t last[SHA256_SIZE];
	uint64_t done = 0;
	int rc, ret = 0;

	while (!ret && (rc = sqlite3_step(row)) == SQLITE_ROW) {
		const uint8_t *sha256 = sqlite3_column_blob(row, 0);

		if (interrupted())
			ret = sigdb_failf(st->db, "interrupted; nothing was changed");
		else if (done++ && memcmp(sha256, last, SHA256_SIZE) == 0)
			note_twice(twice, row);
		else
			ret = merge_row(st, row, source, run, counts);
		memcpy(last, sha256, SHA256_SIZE);
		progress_set(done);
	}
	if (!ret && rc != SQLITE_DONE)
		ret = fail(st);
	sqlite3_reset(row);
	return ret;
}

int stage_merge(struct stage *st, int64_t source, int64_t run,
		struct store_counts *counts, struct store_twice *twice)
{
	struct rebuilt rebuilt = { NULL };
	int bulk, ret;

	memset(twice, 0, sizeof(*twice));
	if (!st->staged)
		return 0;
	bulk = is_bulk(st);
	ret = bulk < 0 || (bulk && drop_indexes(st, &rebuilt)) ? -1 : 0;
	if (!ret) {
		progress_begin("signatures", bulk ? st->staged : 0);
		ret = merge_rows(st, source, run, counts, twice);
		progress_end();
	}
	if (!ret && bulk)
		ret = exec(st, rebuilt.sql);
	sqlite3_free(rebuilt.sql);
	if (!ret)
		ret = exec(st, "DELETE FROM temp.staged");
	st->staged = 0;
	return ret;
}
