// SPDX-License-Identifier: GPL-2.0-only
/* Databases of older versions: what they hold stays, and they become like new ones. */
#include "fixture.h"

#include <sqlite3.h>

#include "store.h"

static const char schema_1[] =
	"CREATE TABLE source ( "
	"id INTEGER PRIMARY KEY, "
	"label TEXT NOT NULL UNIQUE, "
	"rank INTEGER NOT NULL "
	") STRICT; "
	"CREATE TABLE application ( "
	"id INTEGER PRIMARY KEY, "
	"name TEXT NOT NULL, "
	"version TEXT NOT NULL, "
	"category TEXT NOT NULL, "
	"vendor TEXT NOT NULL, "
	"origin TEXT NOT NULL, "
	"CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 127), "
	"CHECK (length(CAST(version AS BLOB)) < 128), "
	"CHECK (length(CAST(category AS BLOB)) < 64), "
	"CHECK (length(CAST(vendor AS BLOB)) < 128), "
	"UNIQUE (name, version, category, vendor, origin) "
	") STRICT; "
	"CREATE INDEX application_name ON application (name COLLATE NOCASE); "
	"CREATE TABLE hash_signature ( "
	"sha256 BLOB NOT NULL CHECK (length(sha256) = 32), "
	"source INTEGER NOT NULL REFERENCES source (id), "
	"application INTEGER REFERENCES application (id), "
	"verdict TEXT CHECK (verdict IN ('safe', 'unsafe')), "
	"trust INTEGER NOT NULL CHECK (trust BETWEEN 0 AND 5), "
	"threat INTEGER NOT NULL CHECK (threat BETWEEN 0 AND 5), "
	"file_name TEXT, "
	"seen INTEGER NOT NULL, "
	"PRIMARY KEY (sha256, source), "
	"CHECK (application IS NOT NULL OR verdict IS NOT NULL) "
	") STRICT, WITHOUT ROWID; "
	"CREATE INDEX hash_signature_application ON hash_signature (application) "
	"WHERE application IS NOT NULL; "
	"CREATE INDEX hash_signature_file_name ON hash_signature (file_name) "
	"WHERE application IS NOT NULL AND file_name IS NOT NULL; "
	"CREATE TABLE name_signature ( "
	"file_name TEXT NOT NULL CHECK (length(CAST(file_name AS BLOB)) BETWEEN 1 AND 255), "
	"source INTEGER NOT NULL REFERENCES source (id), "
	"application INTEGER NOT NULL REFERENCES application (id), "
	"trust INTEGER NOT NULL CHECK (trust BETWEEN 0 AND 1), "
	"threat INTEGER NOT NULL CHECK (threat BETWEEN 0 AND 5), "
	"seen INTEGER NOT NULL, "
	"PRIMARY KEY (file_name, source), "
	"CHECK (instr(file_name, '/') = 0) "
	") STRICT, WITHOUT ROWID; "
	"CREATE INDEX name_signature_application ON name_signature (application); "
	"CREATE TABLE hashed_file ( "
	"source INTEGER NOT NULL REFERENCES source (id), "
	"path TEXT NOT NULL, "
	"device INTEGER NOT NULL, "
	"inode INTEGER NOT NULL, "
	"size INTEGER NOT NULL, "
	"mtime_ns INTEGER NOT NULL, "
	"ctime_ns INTEGER NOT NULL, "
	"sha256 BLOB NOT NULL CHECK (length(sha256) = 32), "
	"md5 BLOB NOT NULL CHECK (length(md5) = 16), "
	"seen INTEGER NOT NULL, "
	"PRIMARY KEY (source, path) "
	") STRICT, WITHOUT ROWID; "
	"CREATE TABLE import ( "
	"id INTEGER PRIMARY KEY CHECK (id = 1), "
	"last INTEGER NOT NULL "
	") STRICT; "
	"INSERT INTO import VALUES (1, 0); "
	"PRAGMA application_id = 0x73677364; "
	"PRAGMA user_version = 1;";

static const char content_1[] =
	"INSERT INTO source VALUES (7, 'csv', 1), (8, 'dpkg', 2);"
	"INSERT INTO application VALUES (5, 'curl', '8', 'Web', 'V', 'Debian');"
	"INSERT INTO application VALUES (6, 'Backup', '', '', 'ACME', '');"
	"INSERT INTO hash_signature VALUES (x'01010101010101010101010101010101"
	"01010101010101010101010101010101', 7, 5, NULL, 4, 1, 'curl', 1);"
	"INSERT INTO name_signature VALUES ('backup', 7, 6, 1, 2, 1);"
	"UPDATE import SET last = 12;";

static void run_sql(const struct fixture *f, const char *sql)
{
	char *why = NULL;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->db_path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	sqlite3_close(db);
}

static void old_database(struct fixture *f)
{
	sigdb_close(f->db);
	f->db = NULL;
	snprintf(f->db_path, sizeof(f->db_path), "%s/old.db", f->dir);
	run_sql(f, schema_1);
	run_sql(f, content_1);
}

static struct sigdb *open_it(struct fixture *f, bool write)
{
	f->db = sigdb_open(f->db_path, write, f->why, sizeof(f->why));
	return f->db;
}

static void a_reader_refuses_an_old_one_and_says_what_to_do(void **state)
{
	struct fixture *f = *state;

	old_database(f);
	assert_null(open_it(f, false));
	assert_non_null(strstr(f->why, "has schema version 1"));
	assert_non_null(strstr(f->why, "sigdb upgrade"));
}

static void an_old_one_keeps_what_it_holds(void **state)
{
	struct fixture *f = *state;
	uint8_t hash[SHA256_SIZE];
	struct sigdb_answer a;
	struct store_counts counts;
	struct store *st;

	old_database(f);
	if (!open_it(f, true))
		fail_msg("%s", f->why);
	memset(hash, 1, sizeof(hash));
	assert_int_equal(ask(f->db, hash, NULL, &a), SIGDB_KNOWN);
	assert_string_equal(a.name, "curl");
	assert_int_equal(a.trust, 4);
	memset(hash, 2, sizeof(hash));
	assert_int_equal(ask(f->db, hash, "backup", &a), SIGDB_KNOWN);
	assert_int_equal(a.source, SIGDB_FILE_NAME);
	assert_string_equal(a.name, "Backup");
	assert_int_equal(a.threat, 2);
	/* It can be written to as well. */
	st = store_begin(f->db, "csv", STORE_RANK_CSV);
	assert_non_null(st);
	assert_int_equal(store_sweep(st, NULL), 0);
	assert_int_equal(store_commit(st, &counts), 0);
	assert_int_equal(counts.removed, 2);
}

static int number(const struct fixture *f, const char *sql)
{
	sqlite3_stmt *stmt;
	sqlite3 *db;
	int value;

	assert_int_equal(sqlite3_open(f->db_path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	value = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return value;
}

static void sources_get_the_ranks_of_today(void **state)
{
	struct fixture *f = *state;

	old_database(f);
	if (!open_it(f, true))
		fail_msg("%s", f->why);
	assert_int_equal(number(f, "SELECT rank FROM source WHERE label = 'csv'"),
			 STORE_RANK_CSV);
	assert_int_equal(number(f, "SELECT rank FROM source WHERE label = 'dpkg'"),
			 STORE_RANK_PACKAGE);
}

/* The columns of every table and index, and which tables are strict. */
static char *shape(const char *path)
{
	static const char sql[] =
		"SELECT group_concat(line, char(10)) FROM ("
		"SELECT m.type || ' ' || m.name || ' ' || coalesce(t.name, '') || ' ' ||"
		" coalesce(t.type, '') || ' ' || coalesce(t.\"notnull\", '') || ' ' ||"
		" coalesce(t.pk, '') || ' ' || coalesce(l.strict, '') || ' ' ||"
		" coalesce(l.wr, '') AS line"
		" FROM sqlite_schema m LEFT JOIN pragma_table_info(m.name) t"
		" LEFT JOIN pragma_table_list l ON l.name = m.name"
		" UNION ALL SELECT m.name || ' ' || coalesce(x.name, '')"
		" FROM sqlite_schema m JOIN pragma_index_xinfo(m.name) x"
		" UNION ALL SELECT 'version ' || user_version FROM pragma_user_version"
		" ORDER BY 1)";
	sqlite3_stmt *stmt;
	sqlite3 *db;
	char *text;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	text = strdup((const char *)sqlite3_column_text(stmt, 0));
	assert_non_null(text);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return text;
}

static void an_old_one_gets_the_tables_of_a_new_one(void **state)
{
	struct fixture *f = *state;
	char *fresh = shape(f->db_path), *old;

	old_database(f);
	if (!open_it(f, true))
		fail_msg("%s", f->why);
	old = shape(f->db_path);
	assert_string_equal(old, fresh);
	free(old);
	free(fresh);
}

static void a_failed_upgrade_changes_nothing(void **state)
{
	struct fixture *f = *state;

	old_database(f);
	/* In the way of the new table. */
	run_sql(f, "CREATE TABLE claim (x)");
	assert_null(open_it(f, true));
	run_sql(f, "DROP TABLE claim");
	if (!open_it(f, true))
		fail_msg("%s", f->why);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(a_reader_refuses_an_old_one_and_says_what_to_do),
		FRESH(an_old_one_keeps_what_it_holds),
		FRESH(sources_get_the_ranks_of_today),
		FRESH(an_old_one_gets_the_tables_of_a_new_one),
		FRESH(a_failed_upgrade_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
