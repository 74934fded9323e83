// SPDX-License-Identifier: GPL-2.0-only
/* Many hashes at once: more than are put under the indexes one by one. */
#include "fixture.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include "progress.h"
#include "store.h"

#define MANY 30000

static const struct store_identity tool = { "tool", "", "", "", "" };
static const struct store_identity other = { "other", "", "", "", "" };

static void hash_of(int n, uint8_t hash[SHA256_SIZE])
{
	assert_int_equal(sha256_memory(&n, sizeof(n), hash), 0);
}

/* Numbers from @from on, each with its number as its line. */
static void add_many(struct store *st, int from, int count,
		     const struct store_identity *id)
{
	struct store_signature sig = {
		.application = store_application(st, id),
		.trust = 3,
		.file_name = "file",
	};
	uint8_t hash[SHA256_SIZE];

	for (int i = from; i < from + count; i++) {
		hash_of(i, hash);
		sig.line = (uint64_t)i;
		assert_int_equal(store_hash(st, hash, &sig), 0);
	}
}

static struct store *begin(struct fixture *f)
{
	struct store *st = store_begin(f->db, "csv", STORE_RANK_CSV);

	if (!st)
		fail_msg("%s", sigdb_error(f->db));
	return st;
}

static void expect(struct fixture *f, int n, const char *application)
{
	uint8_t hash[SHA256_SIZE];
	struct sigdb_answer a;

	hash_of(n, hash);
	assert_int_equal(ask(f->db, hash, NULL, &a), SIGDB_KNOWN);
	assert_string_equal(a.name, application);
}

/* Every index is there, and agrees with its table. */
static void expect_sound(struct fixture *f, int rows)
{
	static const char sql[] =
		"SELECT count(*), (SELECT count(*) FROM sqlite_schema WHERE type = 'index'"
		" AND tbl_name = 'hash_signature' AND sql IS NOT NULL),"
		" (SELECT integrity_check FROM pragma_integrity_check) FROM hash_signature";
	sqlite3_stmt *stmt;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->db_path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(stmt, 0), rows);
	assert_int_equal(sqlite3_column_int(stmt, 1), 3);
	assert_string_equal(sqlite3_column_text(stmt, 2), "ok");
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

static void many_arrive_and_the_indexes_are_whole(void **state)
{
	struct fixture *f = *state;
	struct store *st = begin(f);
	struct store_counts counts;

	add_many(st, 0, MANY, &tool);
	assert_int_equal(store_commit(st, &counts), 0);
	assert_int_equal(counts.found, MANY);
	assert_int_equal(counts.added, MANY);
	expect(f, 0, "tool");
	expect(f, MANY - 1, "tool");
	expect_sound(f, MANY);
}

static void of_the_same_hash_the_first_is_taken(void **state)
{
	struct fixture *f = *state;
	struct store *st = begin(f);
	struct store_counts counts;
	struct store_twice twice;

	add_many(st, 0, MANY, &tool);
	add_many(st, 10, 100, &other);
	add_many(st, 10, 100, &other);
	assert_int_equal(store_flush(st, &twice), 0);
	assert_int_equal(twice.count, 200);
	assert_int_equal(twice.line, 10);
	assert_int_equal(store_commit(st, &counts), 0);
	assert_int_equal(counts.found, MANY);
	expect(f, 10, "tool");
	expect_sound(f, MANY);
}

static void what_was_there_is_brought_up_to_date(void **state)
{
	struct fixture *f = *state;
	struct store *st = begin(f);
	struct store_counts counts;

	add_many(st, 0, MANY, &tool);
	assert_int_equal(store_commit(st, &counts), 0);
	st = begin(f);
	add_many(st, 100, MANY, &other);
	assert_int_equal(store_sweep(st, NULL), 0);
	assert_int_equal(store_commit(st, &counts), 0);
	assert_int_equal(counts.found, MANY);
	assert_int_equal(counts.added, 100);
	assert_int_equal(counts.removed, 100);
	expect(f, 100, "other");
	expect(f, MANY + 99, "other");
	expect_sound(f, MANY);
}

/* In a process of its own: what is interrupted stays so. */
static void an_interrupt_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct store *st;
	int status;
	pid_t pid;

	sigdb_close(f->db);
	f->db = NULL;
	pid = fork();
	if (!pid) {
		f->db = sigdb_open(f->db_path, true, f->why, sizeof(f->why));
		st = f->db ? begin(f) : NULL;
		if (!st)
			_exit(2);
		add_many(st, 0, MANY, &tool);
		interrupt_catch();
		raise(SIGINT);
		if (!store_flush(st, NULL) || !strstr(sigdb_error(f->db), "interrupt"))
			_exit(3);
		store_rollback(st);
		sigdb_close(f->db);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	expect_sound(f, 0);
	f->db = sigdb_open(f->db_path, true, f->why, sizeof(f->why));
	st = begin(f);
	add_many(st, 0, 10, &tool);
	assert_int_equal(store_commit(st, &(struct store_counts){ 0 }), 0);
	expect(f, 9, "tool");
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(many_arrive_and_the_indexes_are_whole),
		FRESH(of_the_same_hash_the_first_is_taken),
		FRESH(what_was_there_is_brought_up_to_date),
		FRESH(an_interrupt_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
