// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules of schema.sql once more, this time with all that lost.  A test compares
 * what is told here with what sigdb_lookup() answers.
 */
#include "explain.h"

#include "handle.h"
#include "text.h"

/* Column 0 is 0 for a hash, else the kind of the claim. */
static const char sql[] =
	"SELECT 0, s.label, h.trust, h.threat, h.verdict, a.name, a.version, 0, 0,"
	"       s.rank, s.id"
	"  FROM hash_signature h JOIN source s ON s.id = h.source"
	"  LEFT JOIN application a ON a.id = h.application"
	" WHERE h.sha256 = ?1"
	" UNION ALL "
	"SELECT c.kind, s.label, c.trust, c.threat, NULL, a.name, a.version,"
	"       " SIGDB_APPLICATION_HAS_HASH ","
	"       c.kind = 3 AND " SIGDB_FILE_NAME_HAS_HASH ", s.rank, s.id"
	"  FROM (" SIGDB_CLAIMS ") c JOIN source s ON s.id = c.source"
	"  JOIN application a ON a.id = c.application"
	" ORDER BY 1, 10, 11";

/* What the rows before have settled. */
struct settled {
	bool hash, levels, identity;
};

struct texts {
	char source[256], verdict[16], name[128], version[128];
};

static enum explain_outcome judge_hash(struct settled *done, bool has_identity)
{
	bool levels = !done->levels;
	bool identity = !done->identity && has_identity;

	done->hash = true;
	done->levels = true;
	done->identity |= has_identity;
	if (levels)
		return has_identity ? EXPLAIN_ALL : EXPLAIN_LEVELS;
	return identity ? EXPLAIN_IDENTITY : EXPLAIN_OUTRANKED;
}

static enum explain_outcome judge_claim(struct settled *done, sqlite3_stmt *stmt)
{
	if (done->hash)
		return EXPLAIN_HAS_HASH;
	if (sqlite3_column_int(stmt, 7))
		return EXPLAIN_KNOWN_NAME;
	if (sqlite3_column_int(stmt, 8))
		return EXPLAIN_KNOWN_FILE;
	if (done->identity)
		return EXPLAIN_OUTRANKED;
	done->identity = true;
	return EXPLAIN_ALL;
}

static const char *clean(sqlite3_stmt *stmt, int column, char *out, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	sigdb_text_clean(text ? text : "", out, size);
	return out;
}

static int take_row(sqlite3_stmt *stmt, struct settled *done, explain_fn fn, void *arg)
{
	static const char *const by[] = { "hash", "package file", "build-id", "file name" };
	bool has_identity = sqlite3_column_type(stmt, 5) != SQLITE_NULL;
	int kind = sqlite3_column_int(stmt, 0);
	struct texts t;
	struct explain_row row = {
		.by = by[kind & 3],
		.source = clean(stmt, 1, t.source, sizeof(t.source)),
		.trust = sqlite3_column_int(stmt, 2),
		.threat = sqlite3_column_int(stmt, 3),
		.verdict = clean(stmt, 4, t.verdict, sizeof(t.verdict)),
		.name = clean(stmt, 5, t.name, sizeof(t.name)),
		.version = clean(stmt, 6, t.version, sizeof(t.version)),
	};

	row.outcome = kind ? judge_claim(done, stmt) : judge_hash(done, has_identity);
	return fn(&row, arg);
}

int sigdb_explain(struct sigdb *db, const struct sigdb_question *q, explain_fn fn,
		  void *arg)
{
	struct settled done = { 0 };
	sqlite3_stmt *stmt;
	int rc, ret = 0;

	if (!q->sha256)
		return 0;
	if (sqlite3_prepare_v2(db->sql, sql, -1, &stmt, NULL) != SQLITE_OK)
		return sigdb_fail(db, "explaining");
	rc = sigdb_bind_question(stmt, q);
	if (rc == SQLITE_OK)
		while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && !ret)
			ret = take_row(stmt, &done, fn, arg);
	if (!ret && rc != SQLITE_DONE)
		ret = sigdb_fail(db, "explaining");
	sqlite3_finalize(stmt);
	return ret;
}

const char *explain_outcome_text(enum explain_outcome outcome)
{
	switch (outcome) {
	case EXPLAIN_ALL:
		return "gives the answer";
	case EXPLAIN_IDENTITY:
		return "says what it is; the levels are those of a source before it";
	case EXPLAIN_LEVELS:
		return "gives the levels, and no identity";
	case EXPLAIN_OUTRANKED:
		return "does not count: what it says is said by one before it";
	case EXPLAIN_HAS_HASH:
		return "does not count: the content has a signature of its own";
	case EXPLAIN_KNOWN_NAME:
		return "does not count: that application is known by its hashes";
	case EXPLAIN_KNOWN_FILE:
		return "does not count: a file of that name is known by its hash";
	}
	return "?";
}

const char *explain_outcome_name(enum explain_outcome outcome)
{
	static const char *const names[] = {
		[EXPLAIN_ALL] = "answer",
		[EXPLAIN_IDENTITY] = "identity",
		[EXPLAIN_LEVELS] = "levels",
		[EXPLAIN_OUTRANKED] = "outranked",
		[EXPLAIN_HAS_HASH] = "has_hash",
		[EXPLAIN_KNOWN_NAME] = "application_known_by_hash",
		[EXPLAIN_KNOWN_FILE] = "file_name_known_by_hash",
	};

	return names[outcome];
}
