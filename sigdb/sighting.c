// SPDX-License-Identifier: GPL-2.0-only
#include "sighting.h"

#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sigdb.h"
#include "text.h"

#define APPLICATION_ID "0x73677374"
#define WAIT_MS 2000
#define HOST_SIZE 256

static const char make_sql[] =
	"PRAGMA journal_mode = WAL;"
	"BEGIN IMMEDIATE;"
	"CREATE TABLE IF NOT EXISTS sighting ("
	" sha256 BLOB NOT NULL CHECK (length(sha256) = 32),"
	" host TEXT NOT NULL,"
	" path TEXT NOT NULL,"		/* the last one */
	" first INTEGER NOT NULL,"	/* seconds since 1970 */
	" last INTEGER NOT NULL,"
	" count INTEGER NOT NULL,"
	" PRIMARY KEY (sha256, host)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS sighting_last ON sighting (last);"
	"CREATE INDEX IF NOT EXISTS sighting_host ON sighting (host, last);"
	"CREATE TABLE IF NOT EXISTS scan ("
	" sha256 BLOB NOT NULL PRIMARY KEY CHECK (length(sha256) = 32),"
	" rules BLOB NOT NULL CHECK (length(rules) = 32),"	/* SHA-256 of their text */
	" time INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS scan_time ON scan (time);"
	"PRAGMA application_id = " APPLICATION_ID ";"
	"PRAGMA user_version = 1;"
	"COMMIT";

/* A name that says nothing does not take the place of one that does. */
static const char add_sql[] =
	"INSERT INTO sighting (sha256, host, path, first, last, count)"
	" VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET"
	" path = CASE ?3 WHEN '' THEN path ELSE ?3 END, first = min(first, ?4), last = max(last, ?5),"
	" count = min(count, ?7) + ?6";

/* What is too much, the oldest first. */
static const char bound_host_sql[] =
	"DELETE FROM sighting WHERE (sha256, host) IN (SELECT sha256, host FROM sighting"
	" WHERE host = ?1 ORDER BY last DESC LIMIT -1 OFFSET ?2)";
static const char bound_sql[] =
	"DELETE FROM sighting WHERE (sha256, host) IN (SELECT sha256, host FROM sighting"
	" ORDER BY last DESC LIMIT -1 OFFSET ?2)";

static const char bound_scans_sql[] =
	"DELETE FROM scan WHERE sha256 IN (SELECT sha256 FROM scan"
	" ORDER BY time DESC LIMIT -1 OFFSET ?2)";

struct sightings {
	sqlite3 *sql;
	sqlite3_stmt *add;
	struct stat st;			/* of what is only read */
	char path[PATH_MAX];
	char error[PATH_MAX + 256];
};

static int fail(struct sightings *s, const char *doing)
{
	snprintf(s->error, sizeof(s->error), "%s: %s: %s", s->path, doing,
		 sqlite3_errmsg(s->sql));
	return -1;
}

const char *sightings_error(const struct sightings *s)
{
	return s->error;
}

static int open_all(struct sightings *s, bool write)
{
	int flags = SQLITE_OPEN_NOMUTEX;

	flags |= write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
	if (sqlite3_open_v2(s->path, &s->sql, flags, NULL) != SQLITE_OK)
		return fail(s, "opening it");
	sqlite3_busy_timeout(s->sql, WAIT_MS);
	sqlite3_db_config(s->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (!write)
		return 0;
	if (sqlite3_exec(s->sql, make_sql, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v3(s->sql, add_sql, -1, SQLITE_PREPARE_PERSISTENT, &s->add,
			       NULL) != SQLITE_OK)
		return fail(s, "opening it");
	return 0;
}

struct sightings *sightings_open(const char *signatures, bool write, char *why,
				 size_t why_size)
{
	struct sightings *s = calloc(1, sizeof(*s));
	int len;

	if (!s) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	len = snprintf(s->path, sizeof(s->path), "%s.sightings", signatures);
	if (len < 0 || (size_t)len >= sizeof(s->path)) {
		snprintf(why, why_size, "%s: its path is too long", signatures);
		free(s);
		return NULL;
	}
	if (!write && stat(s->path, &s->st)) {
		snprintf(why, why_size, "%s: %m", s->path);
		free(s);
		return NULL;
	}
	if (open_all(s, write)) {
		snprintf(why, why_size, "%s", s->error);
		sightings_close(s);
		errno = EIO;
		return NULL;
	}
	return s;
}

void sightings_close(struct sightings *s)
{
	if (!s)
		return;
	sqlite3_finalize(s->add);
	sqlite3_close(s->sql);
	free(s);
}

void sightings_never_wait(struct sightings *s)
{
	sqlite3_busy_timeout(s->sql, 0);
}

bool sightings_replaced(const struct sightings *s)
{
	struct stat st;

	return stat(s->path, &st) || st.st_dev != s->st.st_dev || st.st_ino != s->st.st_ino;
}

static int exec(struct sightings *s, const char *sql)
{
	if (sqlite3_exec(s->sql, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return fail(s, "writing");
}

static int add(struct sightings *s, const struct sighting *one)
{
	char host[HOST_SIZE], path[SIGDB_PATH_MAX + 1];
	int rc;

	sigdb_text_clean(one->host, host, sizeof(host));
	sigdb_text_clean(one->path, path, sizeof(path));
	sqlite3_bind_blob(s->add, 1, one->sha256, SHA256_SIZE, SQLITE_STATIC);
	sqlite3_bind_text(s->add, 2, host, -1, SQLITE_STATIC);
	sqlite3_bind_text(s->add, 3, path, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s->add, 4, one->first_s);
	sqlite3_bind_int64(s->add, 5, one->last_s);
	sqlite3_bind_int64(s->add, 6, one->count < SIGHTINGS_COUNT_MAX ?
				      (int64_t)one->count : SIGHTINGS_COUNT_MAX);
	sqlite3_bind_int64(s->add, 7, SIGHTINGS_COUNT_MAX);
	rc = sqlite3_step(s->add);
	sqlite3_reset(s->add);
	sqlite3_clear_bindings(s->add);
	return rc == SQLITE_DONE ? 0 : fail(s, "writing");
}

static int bound(struct sightings *s, const char *sql, const char *host, int64_t max)
{
	char clean[HOST_SIZE];
	sqlite3_stmt *stmt;
	int rc;

	sigdb_text_clean(host ? host : "", clean, sizeof(clean));
	if (sqlite3_prepare_v2(s->sql, sql, -1, &stmt, NULL) != SQLITE_OK)
		return fail(s, "writing");
	if (host)
		sqlite3_bind_text(stmt, 1, clean, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, max);
	rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? 0 : fail(s, "writing");
}

static int add_all(struct sightings *s, const struct sighting *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (add(s, &list[i]))
			return -1;
	for (size_t i = 0; i < count; i++) {
		/* A host's are mostly together. */
		if (i && strcmp(list[i].host, list[i - 1].host) == 0)
			continue;
		if (bound(s, bound_host_sql, list[i].host, SIGHTINGS_PER_HOST_MAX))
			return -1;
	}
	return bound(s, bound_sql, NULL, SIGHTINGS_MAX);
}

int sightings_add(struct sightings *s, const struct sighting *list, size_t count)
{
	if (exec(s, "BEGIN IMMEDIATE"))
		return -1;
	if (!add_all(s, list, count) && !exec(s, "COMMIT"))
		return 0;
	sqlite3_exec(s->sql, "ROLLBACK", NULL, NULL, NULL);
	return -1;
}

static int give_row(sqlite3_stmt *row, sightings_fn fn, void *arg)
{
	struct sighting one = {
		.host = (const char *)sqlite3_column_text(row, 1),
		.path = (const char *)sqlite3_column_text(row, 2),
		.first_s = sqlite3_column_int64(row, 3),
		.last_s = sqlite3_column_int64(row, 4),
		.count = (uint64_t)sqlite3_column_int64(row, 5),
	};

	if (sqlite3_column_bytes(row, 0) == SHA256_SIZE)
		memcpy(one.sha256, sqlite3_column_blob(row, 0), SHA256_SIZE);
	if (!one.host || !one.path)
		return 0;
	return fn(&one, arg);
}

int sightings_each(struct sightings *s, const char *host, uint64_t limit,
		   sightings_fn fn, void *arg)
{
	sqlite3_stmt *stmt;
	int rc, ret = 0;

	if (sqlite3_prepare_v2(s->sql, "SELECT sha256, host, path, first, last, count"
			       " FROM sighting WHERE ?1 IS NULL OR host = ?1"
			       " ORDER BY last DESC, sha256 LIMIT ?2", -1, &stmt,
			       NULL) != SQLITE_OK)
		return fail(s, "reading");
	sqlite3_bind_text(stmt, 1, host, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, (int64_t)limit);
	while (!ret && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		ret = give_row(stmt, fn, arg);
	if (!ret && rc != SQLITE_DONE)
		ret = fail(s, "reading");
	sqlite3_finalize(stmt);
	return ret;
}

int sightings_forget(struct sightings *s, const uint8_t *sha256)
{
	sqlite3_stmt *stmt;
	int rc;

	if (sqlite3_prepare_v2(s->sql, "DELETE FROM sighting WHERE sha256 = ?1", -1, &stmt,
			       NULL) != SQLITE_OK)
		return fail(s, "writing");
	sqlite3_bind_blob(stmt, 1, sha256, SHA256_SIZE, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? sqlite3_changes(s->sql) : fail(s, "writing");
}

/* ---- scans --------------------------------------------------------------- */

int sightings_scanned(struct sightings *s, const uint8_t *sha256, const uint8_t *rules)
{
	sqlite3_stmt *stmt;
	int rc;

	rc = sqlite3_prepare_v2(s->sql, "SELECT 1 FROM scan WHERE sha256 = ?1 AND rules = ?2",
				-1, &stmt, NULL);
	/* An older program's has no such table. */
	if (rc == SQLITE_ERROR)
		return 0;
	if (rc != SQLITE_OK)
		return fail(s, "reading");
	sqlite3_bind_blob(stmt, 1, sha256, SHA256_SIZE, SQLITE_STATIC);
	sqlite3_bind_blob(stmt, 2, rules, SHA256_SIZE, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return fail(s, "reading");
	return rc == SQLITE_ROW;
}

int sightings_note_scan(struct sightings *s, const uint8_t *sha256, const uint8_t *rules,
			int64_t now_s)
{
	sqlite3_stmt *stmt;
	int rc;

	if (sqlite3_prepare_v2(s->sql, "REPLACE INTO scan VALUES (?1, ?2, ?3)", -1, &stmt,
			       NULL) != SQLITE_OK)
		return fail(s, "writing");
	sqlite3_bind_blob(stmt, 1, sha256, SHA256_SIZE, SQLITE_STATIC);
	sqlite3_bind_blob(stmt, 2, rules, SHA256_SIZE, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 3, now_s);
	rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	if (rc != SQLITE_DONE)
		return fail(s, "writing");
	return bound(s, bound_scans_sql, NULL, SIGHTINGS_MAX);
}
