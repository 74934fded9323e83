// SPDX-License-Identifier: GPL-2.0-only
#include "policy_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include <sys/stat.h>

#define APPLICATION_ID 0x7367706d	/* "sgpm" */
#define SCHEMA_VERSION 1

static const char schema[] =
	"CREATE TABLE version ("
	"  number INTEGER PRIMARY KEY,"
	"  time INTEGER NOT NULL,"
	"  author TEXT NOT NULL,"
	"  comment TEXT NOT NULL,"
	"  size INTEGER NOT NULL,"
	"  sha256 BLOB NOT NULL,"
	"  signature BLOB NOT NULL,"
	"  text TEXT NOT NULL);"
	"CREATE TRIGGER version_kept BEFORE DELETE ON version"
	"  BEGIN SELECT raise(ABORT, 'a version is never deleted'); END;"
	"CREATE TRIGGER version_same BEFORE UPDATE ON version"
	"  BEGIN SELECT raise(ABORT, 'a version is never changed'); END;"
	"CREATE TRIGGER version_up BEFORE INSERT ON version"
	"  WHEN NEW.number <= (SELECT coalesce(max(number), 0) FROM version)"
	"  BEGIN SELECT raise(ABORT, 'the number of a version goes up'); END;"
	"CREATE TABLE server ("
	"  host TEXT PRIMARY KEY,"
	"  address TEXT NOT NULL,"
	"  version TEXT NOT NULL,"
	"  number INTEGER NOT NULL,"
	"  sha256 BLOB NOT NULL,"
	"  refused INTEGER NOT NULL,"
	"  reason TEXT NOT NULL,"
	"  state INTEGER NOT NULL,"
	"  since INTEGER NOT NULL,"
	"  seen INTEGER NOT NULL) WITHOUT ROWID;"
	"PRAGMA application_id = 1936158829;"
	"PRAGMA user_version = 1;";
_Static_assert(APPLICATION_ID == 1936158829, "the schema says it in decimal");

#define HEAD "number, time, author, comment, size, sha256, signature"

enum statement {
	LATEST,
	ADD,
	GET,
	GET_TEXT,
	LIST,
	PUT_SERVER,
	FORGET_SERVER,
	SERVERS,
	STATEMENT_COUNT,
};

static const char *const sql[] = {
	[LATEST] = "SELECT coalesce(max(number), 0) FROM version",
	[ADD] = "INSERT INTO version VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[GET] = "SELECT " HEAD " FROM version WHERE number = ?1",
	[GET_TEXT] = "SELECT " HEAD ", text FROM version WHERE number = ?1",
	[LIST] = "SELECT " HEAD " FROM version ORDER BY number DESC LIMIT ?1",
	[PUT_SERVER] = "REPLACE INTO server VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
	[FORGET_SERVER] = "DELETE FROM server WHERE host = ?1",
	[SERVERS] = "SELECT * FROM server ORDER BY host",
};
_Static_assert(sizeof(sql) / sizeof(sql[0]) == STATEMENT_COUNT, "a statement has no text");

struct policy_store {
	sqlite3 *handle;
	sqlite3_stmt *st[STATEMENT_COUNT];
	uint64_t latest;
	char error[512];
};

static int fail(struct policy_store *s, const char *what)
{
	snprintf(s->error, sizeof(s->error), "%s: %s: %s",
		 sqlite3_db_filename(s->handle, "main"), what, sqlite3_errmsg(s->handle));
	return -1;
}

const char *policy_store_error(const struct policy_store *s)
{
	return s->error;
}

/* ---- opening ---- */

static int run(struct policy_store *s, const char *text, const char *what)
{
	if (sqlite3_exec(s->handle, text, NULL, NULL, NULL) != SQLITE_OK)
		return fail(s, what);
	return 0;
}

static int number_of(struct policy_store *s, const char *text, int64_t *value)
{
	sqlite3_stmt *st;
	int rc;

	if (sqlite3_prepare_v2(s->handle, text, -1, &st, NULL) != SQLITE_OK)
		return fail(s, "cannot be read");
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*value = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 0 : fail(s, "cannot be read");
}

static int check_schema(struct policy_store *s)
{
	int64_t tables, id, version;

	if (number_of(s, "SELECT count(*) FROM sqlite_master", &tables) ||
	    number_of(s, "PRAGMA application_id", &id) ||
	    number_of(s, "PRAGMA user_version", &version))
		return -1;
	if (!tables)
		return run(s, schema, "tables cannot be made");
	if (id == APPLICATION_ID && version == SCHEMA_VERSION)
		return 0;
	snprintf(s->error, sizeof(s->error), "%s: %s", sqlite3_db_filename(s->handle, "main"),
		 id == APPLICATION_ID ? "was made by another version of policymgr, which "
		 "has to be used with it" : "is no store of policymgr");
	return -1;
}

/* FULL: in WAL mode a commit is on the disk only with it. */
static int set_up(struct policy_store *s)
{
	int64_t latest;

	if (run(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
		"cannot be written"))
		return -1;
	if (check_schema(s)) {
		sqlite3_exec(s->handle, "ROLLBACK", NULL, NULL, NULL);
		return -1;
	}
	if (run(s, "COMMIT", "cannot be written") || number_of(s, sql[LATEST], &latest))
		return -1;
	s->latest = (uint64_t)latest;
	for (int i = 0; i < STATEMENT_COUNT; i++) {
		if (sqlite3_prepare_v3(s->handle, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &s->st[i], NULL) != SQLITE_OK)
			return fail(s, "cannot be used");
	}
	return 0;
}

struct policy_store *policy_store_open(const char *path, char *why, size_t why_size)
{
	struct policy_store *s = calloc(1, sizeof(*s));
	mode_t mask;
	int rc;

	if (!s) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	/* What is let through is nobody else's business. */
	mask = umask(0077);
	rc = sqlite3_open_v2(path, &s->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
			     NULL);
	if (rc == SQLITE_OK)
		rc = set_up(s);
	else
		snprintf(s->error, sizeof(s->error), "%s: %s", path, sqlite3_errstr(rc));
	umask(mask);
	if (!rc)
		return s;
	snprintf(why, why_size, "%s", s->error);
	policy_store_close(s);
	return NULL;
}

void policy_store_close(struct policy_store *s)
{
	if (!s)
		return;
	for (int i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(s->st[i]);
	sqlite3_close(s->handle);
	free(s);
}

/* ---- versions ---- */

static void done(struct policy_store *s, enum statement which)
{
	sqlite3_reset(s->st[which]);
	sqlite3_clear_bindings(s->st[which]);
}

/* Of one that gives no rows.  Returns 0 or -1. */
static int execute(struct policy_store *s, enum statement which)
{
	int rc = sqlite3_step(s->st[which]) == SQLITE_DONE ? 0 : fail(s, "cannot be written");

	done(s, which);
	return rc;
}

uint64_t policy_store_latest(const struct policy_store *s)
{
	return s->latest;
}

int policy_store_add(struct policy_store *s, const struct signed_policy *p)
{
	sqlite3_stmt *st = s->st[ADD];

	sqlite3_bind_int64(st, 1, (int64_t)p->number);
	sqlite3_bind_int64(st, 2, p->time);
	sqlite3_bind_text(st, 3, p->author, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 4, p->comment, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 5, (int64_t)p->size);
	sqlite3_bind_blob(st, 6, p->sha256, SHA256_SIZE, SQLITE_STATIC);
	sqlite3_bind_blob(st, 7, p->signature, ED25519_SIGNATURE_SIZE, SQLITE_STATIC);
	sqlite3_bind_text(st, 8, p->text, (int)p->size, SQLITE_STATIC);
	/* A statement by itself is a transaction: committed when it has returned. */
	if (execute(s, ADD))
		return -1;
	s->latest = p->number;
	return 0;
}

static void copy_text(char *out, size_t size, sqlite3_stmt *st, int column)
{
	const char *text = (const char *)sqlite3_column_text(st, column);

	snprintf(out, size, "%s", text ? text : "");
}

static int copy_blob(uint8_t *out, int size, sqlite3_stmt *st, int column)
{
	const void *data = sqlite3_column_blob(st, column);

	if (!data || sqlite3_column_bytes(st, column) != size)
		return -1;
	memcpy(out, data, (size_t)size);
	return 0;
}

static int read_head(struct policy_store *s, sqlite3_stmt *st, struct signed_policy *p)
{
	memset(p, 0, sizeof(*p));
	p->number = (uint64_t)sqlite3_column_int64(st, 0);
	p->time = sqlite3_column_int64(st, 1);
	copy_text(p->author, sizeof(p->author), st, 2);
	copy_text(p->comment, sizeof(p->comment), st, 3);
	p->size = (uint64_t)sqlite3_column_int64(st, 4);
	if (!copy_blob(p->sha256, SHA256_SIZE, st, 5) &&
	    !copy_blob(p->signature, ED25519_SIGNATURE_SIZE, st, 6))
		return 0;
	snprintf(s->error, sizeof(s->error), "%s: version %" PRIu64 " is damaged",
		 sqlite3_db_filename(s->handle, "main"), p->number);
	return -1;
}

static int read_text(struct policy_store *s, sqlite3_stmt *st, struct signed_policy *p)
{
	const char *text = (const char *)sqlite3_column_text(st, 7);

	p->text = text ? strdup(text) : NULL;
	if (p->text && strlen(p->text) == p->size)
		return 0;
	snprintf(s->error, sizeof(s->error), "%s: version %" PRIu64 " %s",
		 sqlite3_db_filename(s->handle, "main"), p->number,
		 p->text || !text ? "is damaged" : "is too long for the memory there is");
	signed_policy_free(p);
	return -1;
}

int policy_store_get(struct policy_store *s, uint64_t number, bool text,
		     struct signed_policy *p)
{
	enum statement which = text ? GET_TEXT : GET;
	sqlite3_stmt *st = s->st[which];
	int rc, ret;

	sqlite3_bind_int64(st, 1, (int64_t)number);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		ret = read_head(s, st, p) || (text && read_text(s, st, p)) ? -1 : 1;
	else
		ret = rc == SQLITE_DONE ? 0 : fail(s, "cannot be read");
	done(s, which);
	return ret;
}

int policy_store_list(struct policy_store *s, uint32_t last,
		      int (*take)(const struct signed_policy *p, void *arg), void *arg)
{
	sqlite3_stmt *st = s->st[LIST];
	struct signed_policy p;
	int rc, ret = 0;

	sqlite3_bind_int64(st, 1, last);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && !ret)
		ret = read_head(s, st, &p) || take(&p, arg) ? -1 : 0;
	if (!ret && rc != SQLITE_DONE)
		ret = fail(s, "cannot be read");
	done(s, LIST);
	return ret;
}

/* ---- servers ---- */

int policy_store_put_server(struct policy_store *s, const struct server_record *r)
{
	sqlite3_stmt *st = s->st[PUT_SERVER];

	sqlite3_bind_text(st, 1, r->host, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, r->address, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 3, r->version, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 4, (int64_t)r->number);
	sqlite3_bind_blob(st, 5, r->sha256, SHA256_SIZE, SQLITE_STATIC);
	sqlite3_bind_int64(st, 6, (int64_t)r->refused);
	sqlite3_bind_text(st, 7, r->reason, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 8, r->state);
	sqlite3_bind_int64(st, 9, r->since);
	sqlite3_bind_int64(st, 10, r->seen);
	return execute(s, PUT_SERVER);
}

int policy_store_forget_server(struct policy_store *s, const char *host)
{
	sqlite3_bind_text(s->st[FORGET_SERVER], 1, host, -1, SQLITE_STATIC);
	return execute(s, FORGET_SERVER);
}

int policy_store_servers(struct policy_store *s,
			 int (*take)(const struct server_record *server, void *arg),
			 void *arg)
{
	sqlite3_stmt *st = s->st[SERVERS];
	struct server_record r;
	int rc, ret = 0;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW && !ret) {
		memset(&r, 0, sizeof(r));
		copy_text(r.host, sizeof(r.host), st, 0);
		copy_text(r.address, sizeof(r.address), st, 1);
		copy_text(r.version, sizeof(r.version), st, 2);
		r.number = (uint64_t)sqlite3_column_int64(st, 3);
		copy_blob(r.sha256, SHA256_SIZE, st, 4);
		r.refused = (uint64_t)sqlite3_column_int64(st, 5);
		copy_text(r.reason, sizeof(r.reason), st, 6);
		r.state = sqlite3_column_int(st, 7);
		r.since = sqlite3_column_int64(st, 8);
		r.seen = sqlite3_column_int64(st, 9);
		ret = take(&r, arg);
	}
	if (!ret && rc != SQLITE_DONE)
		ret = fail(s, "cannot be read");
	done(s, SERVERS);
	return ret;
}
