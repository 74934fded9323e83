// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "addr.h"
#include "audit_db.h"
#include "names.h"
#include "query.h"

#define APPLICATION_ID 0x73676175	/* "sgau" */
#define SCHEMA_VERSION 3
/* Texts that are kept; in SQL. */
#define POLICIES_MAX "1000"
#define LONG_POLICY 100000	/* bytes: a thousand such are no more than the following */
#define POLICY_BYTES_MAX "134217728"

/*
 * `effect` and `called` are what query_effect() and query_called() say of the
 * record, so that a query finds here what query_matches() would let through.
 */
#define FILTER_INDEXES							\
	"CREATE INDEX record_host ON record (host COLLATE NOCASE);"	\
	"CREATE INDEX record_called ON record (called COLLATE NOCASE);"	\
	"CREATE INDEX record_effect ON record (effect);"

/* Columns are for people and filters; `record` has all of it, to be replayed. */
static const char schema[] =
	"CREATE TABLE instance ("
	"  id INTEGER PRIMARY KEY,"
	"  host TEXT NOT NULL,"
	"  instance BLOB NOT NULL,"
	"  UNIQUE (host, instance));"
	"CREATE TABLE record ("
	"  id INTEGER PRIMARY KEY,"
	"  instance INTEGER NOT NULL REFERENCES instance (id),"
	"  sequence INTEGER NOT NULL,"
	"  received_us INTEGER NOT NULL,"
	"  time_us INTEGER NOT NULL,"
	"  host TEXT NOT NULL,"
	"  event TEXT, protocol TEXT, local TEXT, remote TEXT,"
	"  application TEXT, version TEXT, category TEXT, vendor TEXT,"
	"  path TEXT, sha256 BLOB, evidence TEXT, pid INTEGER,"
	"  uid INTEGER, user TEXT, domain TEXT,"
	"  action TEXT, error TEXT, audit INTEGER, rule TEXT,"
	"  decision_id TEXT, generation INTEGER, missing TEXT,"
	"  outcome INTEGER, reason TEXT, latency_us INTEGER,"
	"  record BLOB NOT NULL,"
	"  effect TEXT, called TEXT, source TEXT, trust INTEGER, threat INTEGER,"
	"  build_id BLOB, class TEXT, script TEXT, script_sha256 BLOB,"
	"  unit TEXT, container TEXT, image TEXT, app TEXT,"
	"  UNIQUE (instance, sequence));"
	"CREATE INDEX record_decision ON record (decision_id);"
	FILTER_INDEXES
	/* text is NULL if it is that of the generation before. */
	"CREATE TABLE policy ("
	"  generation INTEGER PRIMARY KEY,"
	"  loaded_us INTEGER NOT NULL,"
	"  text TEXT);"
	"PRAGMA application_id = 1936154997;"
	"PRAGMA user_version = 3;";
_Static_assert(APPLICATION_ID == 1936154997, "the schema says it in decimal");

/*
 * Version 1 had no effect: it was the decision's action, and is not known where
 * the failure table decided.  What follows the last slash of a path is the path
 * without all that ends in one.
 */
static const char from_1[] =
	"ALTER TABLE record ADD COLUMN effect TEXT;"
	"ALTER TABLE record ADD COLUMN called TEXT;"
	"ALTER TABLE record ADD COLUMN source TEXT;"
	"ALTER TABLE record ADD COLUMN trust INTEGER;"
	"ALTER TABLE record ADD COLUMN threat INTEGER;"
	"UPDATE record SET"
	"  effect = CASE outcome WHEN 3 THEN NULL ELSE action END,"
	"  called = CASE WHEN application > '' THEN application ELSE"
	"    coalesce(substr(path, 1 + length(rtrim(path,"
	"      replace(path, '/', '')))), '') END;"
	"DROP INDEX record_host;"
	"DROP INDEX record_application;"
	FILTER_INDEXES
	"PRAGMA user_version = 2;";

/* Version 2 had neither what runs nor where: records of then do not say it. */
static const char from_2[] =
	"ALTER TABLE record ADD COLUMN build_id BLOB;"
	"ALTER TABLE record ADD COLUMN class TEXT;"
	"ALTER TABLE record ADD COLUMN script TEXT;"
	"ALTER TABLE record ADD COLUMN script_sha256 BLOB;"
	"ALTER TABLE record ADD COLUMN unit TEXT;"
	"ALTER TABLE record ADD COLUMN container TEXT;"
	"ALTER TABLE record ADD COLUMN image TEXT;"
	"ALTER TABLE record ADD COLUMN app TEXT;"
	"PRAGMA user_version = 3;";

/* From each version to the next one. */
static const char *const migrations[SCHEMA_VERSION] = {
	[1] = from_1,
	[2] = from_2,
};

enum statement {
	ADD_INSTANCE,
	GET_INSTANCE,
	ADD_RECORD,
	ADD_POLICY,
	LAST_POLICY,
	GET_POLICY,
	POLICY_BEFORE,
	PRUNE,
	USED,
	PRUNE_POLICIES,
	PRUNE_LONG_POLICIES,
	FIND,
	BOUNDS,
	GET,
	STATEMENT_COUNT,
};

static const char *const sql[] = {
	[ADD_INSTANCE] =
		"INSERT OR IGNORE INTO instance (host, instance) VALUES (?1, ?2)",
	[GET_INSTANCE] =
		"SELECT id FROM instance WHERE host = ?1 AND instance = ?2",
	[ADD_RECORD] =
		"INSERT OR IGNORE INTO record VALUES (NULL, ?1, ?2, ?3, ?4, ?5, "
		"?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, "
		"?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, "
		"?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39, ?40, ?41, ?42, ?43, ?44)",
	[ADD_POLICY] =
		"INSERT OR REPLACE INTO policy VALUES (?1, ?2, CASE WHEN ?3 IS "
		"(SELECT text FROM policy WHERE text IS NOT NULL "
		" ORDER BY generation DESC LIMIT 1) THEN NULL ELSE ?3 END)",
	[LAST_POLICY] = "SELECT coalesce(max(generation), 0) FROM policy",
	[GET_POLICY] =
		"SELECT text FROM policy WHERE text IS NOT NULL "
		"AND generation <= ?1 ORDER BY generation DESC LIMIT 1",
	[POLICY_BEFORE] =
		"SELECT text, generation FROM policy WHERE text IS NOT NULL "
		"ORDER BY generation DESC LIMIT 1 OFFSET ?1",
	[PRUNE] =
		"DELETE FROM record WHERE id IN "
		"(SELECT id FROM record ORDER BY id LIMIT ?2) "
		"AND received_us < ?1",
	[USED] = "SELECT (page_count - freelist_count) * page_size FROM "
		 "pragma_page_count, pragma_freelist_count, pragma_page_size",
	/* Those without a text serve nothing but the count of generations. */
	[PRUNE_POLICIES] =
		"DELETE FROM policy WHERE generation < (SELECT generation FROM "
		"policy WHERE text IS NOT NULL ORDER BY generation DESC "
		"LIMIT 1 OFFSET " POLICIES_MAX " - 1) "
		"OR text IS NULL AND generation < (SELECT generation FROM policy "
		"ORDER BY generation DESC LIMIT 1 OFFSET 10 * " POLICIES_MAX " - 1)",
	/* Of long ones there are fewer, but always what is in force and what was before. */
	[PRUNE_LONG_POLICIES] =
		"DELETE FROM policy WHERE generation <= (SELECT generation FROM "
		"(SELECT generation, row_number() OVER newest AS n, "
		" sum(length(CAST(text AS BLOB))) OVER newest AS bytes "
		" FROM policy WHERE text IS NOT NULL "
		" WINDOW newest AS (ORDER BY generation DESC)) "
		"WHERE n > 2 AND bytes > " POLICY_BYTES_MAX
		" ORDER BY generation DESC LIMIT 1)",
	[FIND] =
		"SELECT record FROM record WHERE decision_id = ?1 "
		"ORDER BY outcome, id LIMIT 1",
	[BOUNDS] = "SELECT (SELECT coalesce(min(id), 0) FROM record), "
		   "(SELECT coalesce(max(id), 0) FROM record)",
	[GET] = "SELECT record FROM record WHERE id = ?1",
};
_Static_assert(sizeof(sql) / sizeof(sql[0]) == STATEMENT_COUNT,
	       "a statement has no text");

struct audit_db {
	sqlite3 *handle;
	sqlite3_stmt *st[STATEMENT_COUNT];
	char error[512];
};

/* Keep the reason before a rollback clears it.  Returns -1. */
static int fail(struct audit_db *db, const char *what)
{
	snprintf(db->error, sizeof(db->error), "%s: %s: %s",
		 sqlite3_db_filename(db->handle, "main"), what,
		 sqlite3_errmsg(db->handle));
	return -1;
}

static int run(struct audit_db *db, const char *text, const char *what)
{
	if (sqlite3_exec(db->handle, text, NULL, NULL, NULL) != SQLITE_OK)
		return fail(db, what);
	return 0;
}

static int pragma_value(struct audit_db *db, const char *text, int *value)
{
	sqlite3_stmt *st;
	int rc;

	if (sqlite3_prepare_v2(db->handle, text, -1, &st, NULL) != SQLITE_OK)
		return fail(db, "cannot be read");
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*value = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 0 : fail(db, "cannot be read");
}

static int migrate(struct audit_db *db, int version)
{
	for (; version < SCHEMA_VERSION; version++) {
		if (run(db, migrations[version], "cannot be brought to this version"))
			return -1;
	}
	return 0;
}

/* Make the tables in an empty file, or those of old; refuse what is not ours. */
static int check_schema(struct audit_db *db)
{
	int tables, id, version;

	if (pragma_value(db, "SELECT count(*) FROM sqlite_master", &tables) ||
	    pragma_value(db, "PRAGMA application_id", &id) ||
	    pragma_value(db, "PRAGMA user_version", &version))
		return -1;
	if (!tables)
		return run(db, schema, "tables cannot be made");
	if (id != APPLICATION_ID) {
		snprintf(db->error, sizeof(db->error),
			 "%s: is not an audit log of secsrv",
			 sqlite3_db_filename(db->handle, "main"));
		return -1;
	}
	if (version >= 1 && version <= SCHEMA_VERSION)
		return migrate(db, version);
	snprintf(db->error, sizeof(db->error), "%s: its tables are of version %d, "
		 "and this secsrv knows those up to %d: use the secsrv that made "
		 "it, or move it away to begin another one",
		 sqlite3_db_filename(db->handle, "main"), version, SCHEMA_VERSION);
	return -1;
}

static int prepare(struct audit_db *db)
{
	for (int i = 0; i < STATEMENT_COUNT; i++) {
		if (sqlite3_prepare_v3(db->handle, sql[i], -1,
				       SQLITE_PREPARE_PERSISTENT, &db->st[i],
				       NULL) != SQLITE_OK)
			return fail(db, "cannot be used");
	}
	return 0;
}

/*
 * FULL: in WAL mode a commit is on the disk only with it.  The lock is taken
 * and given up by turns, so that people may look with sqlite3(1).
 */
static int set_up(struct audit_db *db)
{
	if (run(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		"BEGIN IMMEDIATE", "cannot be written"))
		return -1;
	if (check_schema(db)) {
		audit_db_rollback(db);
		return -1;
	}
	return audit_db_commit(db) ? -1 : prepare(db);
}

struct audit_db *audit_db_open(const char *path, char *why, size_t why_size)
{
	struct audit_db *db = calloc(1, sizeof(*db));
	mode_t mask;
	int rc;

	if (!db) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	/* Who talks to whom is nobody else's business. */
	mask = umask(0077);
	/* One thread at a time has it: no lock for each call. */
	rc = sqlite3_open_v2(path, &db->handle,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
			     SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_extended_result_codes(db->handle, 1);
		sqlite3_busy_timeout(db->handle, 5000);
		rc = set_up(db) ? SQLITE_ERROR : SQLITE_OK;
	} else {
		snprintf(db->error, sizeof(db->error), "%s: cannot be opened: %s",
			 path, db->handle ? sqlite3_errmsg(db->handle) :
			 "out of memory");
	}
	umask(mask);
	if (rc == SQLITE_OK)
		return db;
	snprintf(why, why_size, "%s", db->error);
	audit_db_close(db);
	return NULL;
}

void audit_db_close(struct audit_db *db)
{
	if (!db)
		return;
	for (int i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(db->st[i]);
	sqlite3_close(db->handle);
	free(db);
}

const char *audit_db_error(const struct audit_db *db)
{
	return db->error;
}

int audit_db_begin(struct audit_db *db)
{
	return run(db, "BEGIN IMMEDIATE", "cannot be written");
}

int audit_db_commit(struct audit_db *db)
{
	return run(db, "COMMIT", "cannot be written");
}

void audit_db_rollback(struct audit_db *db)
{
	/* Some failures (a full disk) have rolled back already. */
	if (!sqlite3_get_autocommit(db->handle))
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

/* Statements are left reset and without pointers to what was bound. */
static int step(struct audit_db *db, enum statement s)
{
	int rc = sqlite3_step(db->st[s]);

	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		fail(db, "cannot be written");
	return rc;
}

static void done(struct audit_db *db, enum statement s)
{
	sqlite3_reset(db->st[s]);
	sqlite3_clear_bindings(db->st[s]);
}

static int execute(struct audit_db *db, enum statement s)
{
	int rc = step(db, s);

	done(db, s);
	return rc == SQLITE_DONE ? 0 : -1;
}

static void bind_source(sqlite3_stmt *st, const struct audit_source *source)
{
	sqlite3_bind_text(st, 1, source->host, -1, SQLITE_STATIC);
	sqlite3_bind_blob(st, 2, source->instance, AUDIT_INSTANCE_SIZE,
			  SQLITE_STATIC);
}

static int instance_id(struct audit_db *db, const struct audit_source *source,
		       int64_t *id)
{
	int rc;

	bind_source(db->st[ADD_INSTANCE], source);
	if (execute(db, ADD_INSTANCE))
		return -1;
	bind_source(db->st[GET_INSTANCE], source);
	rc = step(db, GET_INSTANCE);
	if (rc == SQLITE_ROW)
		*id = sqlite3_column_int64(db->st[GET_INSTANCE], 0);
	done(db, GET_INSTANCE);
	return rc == SQLITE_ROW ? 0 : -1;
}

/* @text stays as it is until the statement is done. */
static void bind_text(sqlite3_stmt *st, int at, const char *text)
{
	sqlite3_bind_text(st, at, text ? text : "", -1, SQLITE_STATIC);
}

static void bind_end(sqlite3_stmt *st, int at, ProtobufCBinaryData ip,
		     uint32_t port)
{
	char text[ADDR_TEXT_SIZE];

	addr_format_bytes(ip.data, ip.len, (uint16_t)port, text);
	sqlite3_bind_text(st, at, text, -1, SQLITE_TRANSIENT);
}

static void bind_event(sqlite3_stmt *st, const Sockgate__Event *e)
{
	if (!e)
		return;
	bind_text(st, 6, name_event(e->kind));
	bind_text(st, 7, name_protocol(e->protocol));
	bind_end(st, 8, e->local_address, e->local_port);
	bind_end(st, 9, e->remote_address, e->remote_port);
}

static void bind_process(sqlite3_stmt *st, const Sockgate__Process *p)
{
	if (!p)
		return;
	bind_text(st, 14, p->path);
	sqlite3_bind_blob(st, 15, p->sha256.data, (int)p->sha256.len,
			  SQLITE_STATIC);
	bind_text(st, 16, name_evidence(p->evidence));
	sqlite3_bind_int64(st, 17, p->pid);
}

static void bind_program(sqlite3_stmt *st, const Sockgate__Process *p)
{
	char classes[NAME_CLASSES_SIZE];

	if (!p)
		return;
	sqlite3_bind_blob(st, 37, p->build_id.data, (int)p->build_id.len, SQLITE_STATIC);
	sqlite3_bind_text(st, 38, name_classes(p->classes, ",", classes, sizeof(classes)),
			  -1, SQLITE_TRANSIENT);
	bind_text(st, 39, p->script);
	sqlite3_bind_blob(st, 40, p->script_sha256.data, (int)p->script_sha256.len,
			  SQLITE_STATIC);
}

static void bind_place(sqlite3_stmt *st, const Sockgate__Place *p)
{
	if (!p)
		return;
	bind_text(st, 41, *p->service ? p->service : p->unit);
	bind_text(st, 42, p->container);
	bind_text(st, 43, p->image);
	bind_text(st, 44, p->app);
}

static void bind_user(sqlite3_stmt *st, const Sockgate__User *u)
{
	if (!u)
		return;
	sqlite3_bind_int64(st, 18, u->uid);
	bind_text(st, 19, u->name);
	bind_text(st, 20, u->domain);
}

static void bind_identity(sqlite3_stmt *st, const Sockgate__Identity *id)
{
	if (!id)
		return;
	bind_text(st, 10, id->name);
	bind_text(st, 11, id->version);
	bind_text(st, 12, id->category);
	bind_text(st, 13, id->vendor);
	bind_text(st, 34, name_source(id->source));
	sqlite3_bind_int64(st, 35, id->trust);
	sqlite3_bind_int64(st, 36, id->threat);
}

static const char *action_word(Sockgate__Action action)
{
	return action == SOCKGATE__ACTION__ACTION_ALLOW ? "allow" : "deny";
}

static void bind_decision(sqlite3_stmt *st, const Sockgate__Decision *d)
{
	if (!d)
		return;
	bind_text(st, 21, action_word(d->action));
	if (d->error)
		bind_text(st, 22, name_error(d->error));
	sqlite3_bind_int(st, 23, d->audit);
	bind_text(st, 24, d->rule);
	bind_text(st, 25, d->decision_id);
	sqlite3_bind_int64(st, 26, (int64_t)d->generation);
	if (d->failed)
		bind_text(st, 27, d->missing);
	bind_identity(st, d->identity);
}

/* NULL, and so not found by either, where it is not known. */
static const char *effect_word(Sockgate__Action effect)
{
	return effect ? action_word(effect) : NULL;
}

static void bind_filters(sqlite3_stmt *st, const Sockgate__Record *r)
{
	sqlite3_bind_text(st, 32, effect_word(query_effect(r)), -1, SQLITE_STATIC);
	bind_text(st, 33, query_called(r));
}

static int bind_whole(sqlite3_stmt *st, const Sockgate__Record *r)
{
	size_t size = sockgate__record__get_packed_size(r);
	uint8_t *buf = malloc(size + 1);

	if (!buf)
		return -1;
	sockgate__record__pack(r, buf);
	return sqlite3_bind_blob64(st, 31, buf, size, free) == SQLITE_OK ? 0 : -1;
}

static int put_record(struct audit_db *db, int64_t instance,
		      const struct audit_source *source,
		      const Sockgate__Record *r, int64_t now_us)
{
	sqlite3_stmt *st = db->st[ADD_RECORD];

	sqlite3_bind_int64(st, 1, instance);
	sqlite3_bind_int64(st, 2, (int64_t)r->sequence);
	sqlite3_bind_int64(st, 3, now_us);
	sqlite3_bind_int64(st, 4, r->time_us);
	sqlite3_bind_text(st, 5, source->host, -1, SQLITE_STATIC);
	bind_event(st, r->event);
	bind_process(st, r->process);
	bind_program(st, r->process);
	bind_place(st, r->place);
	bind_user(st, r->user);
	bind_decision(st, r->decision);
	bind_filters(st, r);
	sqlite3_bind_int(st, 28, (int)r->outcome);
	bind_text(st, 29, r->reason);
	sqlite3_bind_int64(st, 30, r->latency_us);
	if (bind_whole(st, r)) {
		done(db, ADD_RECORD);
		snprintf(db->error, sizeof(db->error), "out of memory");
		return -1;
	}
	return execute(db, ADD_RECORD);
}

int audit_db_put_records(struct audit_db *db, const struct audit_source *source,
			 const Sockgate__Records *records, int64_t now_us,
			 uint64_t *added)
{
	int64_t id;

	if (instance_id(db, source, &id))
		return -1;
	for (size_t i = 0; i < records->n_record; i++) {
		if (put_record(db, id, source, records->record[i], now_us))
			return -1;
		*added += (uint64_t)sqlite3_changes(db->handle);
	}
	return 0;
}

int audit_db_put_policy(struct audit_db *db, uint64_t generation,
			int64_t now_us, const char *text)
{
	sqlite3_stmt *st = db->st[ADD_POLICY];

	sqlite3_bind_int64(st, 1, (int64_t)generation);
	sqlite3_bind_int64(st, 2, now_us);
	sqlite3_bind_text(st, 3, text, -1, SQLITE_STATIC);
	if (execute(db, ADD_POLICY) || execute(db, PRUNE_POLICIES))
		return -1;
	/* To add up their sizes takes a look at all of them. */
	return !text || strlen(text) < LONG_POLICY ? 0 : execute(db, PRUNE_LONG_POLICIES);
}

static int used_bytes(struct audit_db *db, int64_t *bytes)
{
	int rc = step(db, USED);

	if (rc == SQLITE_ROW)
		*bytes = sqlite3_column_int64(db->st[USED], 0);
	done(db, USED);
	return rc == SQLITE_ROW ? 0 : -1;
}

int audit_db_prune(struct audit_db *db, int64_t before_us, int64_t max_bytes,
		   unsigned int limit, bool *more)
{
	int64_t used = 0;

	*more = false;
	if (max_bytes && used_bytes(db, &used))
		return -1;
	if (used > max_bytes)
		before_us = INT64_MAX;
	if (!before_us)
		return 0;
	sqlite3_bind_int64(db->st[PRUNE], 1, before_us);
	sqlite3_bind_int64(db->st[PRUNE], 2, limit);
	if (execute(db, PRUNE))
		return -1;
	*more = sqlite3_changes(db->handle) == (int)limit;
	return 0;
}

int audit_db_last_generation(struct audit_db *db, uint64_t *generation)
{
	int rc = step(db, LAST_POLICY);

	if (rc == SQLITE_ROW)
		*generation = (uint64_t)
			sqlite3_column_int64(db->st[LAST_POLICY], 0);
	done(db, LAST_POLICY);
	return rc == SQLITE_ROW ? 0 : -1;
}

char *audit_db_policy(struct audit_db *db, uint64_t generation)
{
	char *copy = NULL;
	const char *text;

	sqlite3_bind_int64(db->st[GET_POLICY], 1, (int64_t)generation);
	if (step(db, GET_POLICY) == SQLITE_ROW) {
		text = (const char *)sqlite3_column_text(db->st[GET_POLICY], 0);
		copy = text ? strdup(text) : NULL;
	}
	done(db, GET_POLICY);
	return copy;
}

char *audit_db_policy_before(struct audit_db *db, uint32_t back, uint64_t *generation)
{
	sqlite3_stmt *st = db->st[POLICY_BEFORE];
	char *copy = NULL;

	sqlite3_bind_int64(st, 1, back);
	if (step(db, POLICY_BEFORE) == SQLITE_ROW) {
		*generation = (uint64_t)sqlite3_column_int64(st, 1);
		copy = strdup((const char *)sqlite3_column_text(st, 0));
	}
	done(db, POLICY_BEFORE);
	return copy;
}

static Sockgate__Record *column_record(sqlite3_stmt *st)
{
	const void *data = sqlite3_column_blob(st, 0);

	return sockgate__record__unpack(NULL,
					(size_t)sqlite3_column_bytes(st, 0), data);
}

Sockgate__Record *audit_db_find(struct audit_db *db, const char *decision_id)
{
	Sockgate__Record *r = NULL;

	sqlite3_bind_text(db->st[FIND], 1, decision_id, -1, SQLITE_STATIC);
	if (step(db, FIND) == SQLITE_ROW)
		r = column_record(db->st[FIND]);
	done(db, FIND);
	return r;
}

int audit_db_bounds(struct audit_db *db, int64_t *oldest, int64_t *newest)
{
	sqlite3_stmt *st = db->st[BOUNDS];
	int rc = step(db, BOUNDS);

	if (rc == SQLITE_ROW) {
		*oldest = sqlite3_column_int64(st, 0);
		*newest = sqlite3_column_int64(st, 1);
	}
	done(db, BOUNDS);
	return rc == SQLITE_ROW ? 0 : -1;
}

int audit_db_get(struct audit_db *db, int64_t id, Sockgate__Record **record)
{
	int rc;

	*record = NULL;
	sqlite3_bind_int64(db->st[GET], 1, id);
	rc = step(db, GET);
	if (rc == SQLITE_ROW)
		*record = column_record(db->st[GET]);
	done(db, GET);
	if (rc == SQLITE_DONE || *record)
		return 0;
	if (rc == SQLITE_ROW)
		snprintf(db->error, sizeof(db->error), "out of memory");
	return -1;
}

/* ",connect,send,": a word in it stands between commas. */
static const char *comma_events(uint32_t set, char *text, size_t size)
{
	size_t len;

	text[0] = ',';
	name_events(set, ",", text + 1, size - 2);
	len = strlen(text);
	snprintf(text + len, size - len, ",");
	return text;
}

/*
 * As query_matches().  Only the filters that are given, so that an index can
 * serve them: each ends with the number of the row.
 */
static sqlite3_stmt *prepare_search(struct audit_db *db,
				    const Sockgate__EventsQuery *q)
{
	char text[512], events[NAME_EVENTS_SIZE + 2];
	sqlite3_stmt *st = NULL;

	snprintf(text, sizeof(text),
		 "SELECT id FROM record WHERE id BETWEEN ?5 AND ?6%s%s%s%s%s "
		 "ORDER BY id DESC LIMIT ?7",
		 *q->host ? " AND host = ?1 COLLATE NOCASE" : "",
		 *q->application ? " AND called = ?2 COLLATE NOCASE" : "",
		 *q->decision_id ? " AND decision_id = ?3" : "",
		 q->action ? " AND effect = ?4" : "",
		 q->events ? " AND instr(?8, ',' || event || ',')" : "");
	if (sqlite3_prepare_v2(db->handle, text, -1, &st, NULL) != SQLITE_OK) {
		fail(db, "cannot be read");
		return NULL;
	}
	sqlite3_bind_text(st, 1, q->host, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, q->application, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 3, q->decision_id, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 4, action_word(q->action), -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 8, comma_events(q->events, events, sizeof(events)), -1,
			  SQLITE_TRANSIENT);
	return st;
}

int audit_db_search(struct audit_db *db, const Sockgate__EventsQuery *query,
		    int64_t low, int64_t high, unsigned int limit,
		    int (*take)(int64_t id, void *arg), void *arg)
{
	sqlite3_stmt *st = prepare_search(db, query);
	int rc;

	if (!st)
		return -1;
	sqlite3_bind_int64(st, 5, low);
	sqlite3_bind_int64(st, 6, high);
	sqlite3_bind_int64(st, 7, limit);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (take(sqlite3_column_int64(st, 0), arg)) {
			snprintf(db->error, sizeof(db->error), "out of memory");
			sqlite3_finalize(st);
			return -1;
		}
	}
	if (rc != SQLITE_DONE)
		fail(db, "cannot be read");
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : -1;
}
