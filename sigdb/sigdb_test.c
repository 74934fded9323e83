// SPDX-License-Identifier: GPL-2.0-only
#include "fixture.h"

#include <fcntl.h>
#include <sqlite3.h>

#include "explain.h"
#include "store.h"

static const uint8_t curl_hash[SHA256_SIZE] = { 0xc1 };
static const uint8_t aria2_hash[SHA256_SIZE] = { 0xa2 };
static const uint8_t new_hash[SHA256_SIZE] = { 0x99 };

static const struct store_identity curl = {
	"curl", "7.88.1", "File transfer", "curl Project", "Debian"
};
static const struct store_identity aria2 = {
	"aria2", "1.36.0", "P2P", "aria2 Project", "Debian"
};
static const struct store_identity tool = { "backup-tool", "", "System", "ACME", "" };

static struct store *begin(struct fixture *f, const char *label, int rank)
{
	struct store *st = store_begin(f->db, label, rank);

	if (!st)
		fail_msg("%s", sigdb_error(f->db));
	return st;
}

static void commit(struct store *st)
{
	struct store_counts counts;

	assert_int_equal(store_commit(st, &counts), 0);
}

static void add_hash(struct store *st, const uint8_t *hash, const struct store_identity *id,
		     enum store_verdict verdict, int trust, int threat,
		     const char *file_name)
{
	struct store_signature sig = {
		.application = id ? store_application(st, id) : 0,
		.verdict = verdict,
		.trust = trust,
		.threat = threat,
		.file_name = file_name,
	};

	assert_true(sig.application >= 0);
	assert_int_equal(store_hash(st, hash, &sig), 0);
}

static void add_claim(struct store *st, enum sigdb_claim kind, const void *value,
		      size_t size, const struct store_identity *id)
{
	const struct store_claim claim = {
		.kind = kind,
		.value = value,
		.size = size,
		.application = store_application(st, id),
		.trust = 1,
	};

	assert_true(claim.application > 0);
	assert_int_equal(store_claim(st, &claim), STORE_NEW);
}

static void add_name(struct store *st, const char *file_name,
		     const struct store_identity *id)
{
	add_claim(st, SIGDB_CLAIM_FILE_NAME, file_name, 0, id);
}

/* curl and aria2 by hash, as from packages. */
static int packages_setup(void **state)
{
	struct fixture *f;
	struct store *st;

	fixture_setup(state);
	f = *state;
	st = begin(f, "dpkg", STORE_RANK_PACKAGE);
	add_hash(st, curl_hash, &curl, STORE_NO_VERDICT, 4, 0, "curl");
	add_hash(st, aria2_hash, &aria2, STORE_NO_VERDICT, 4, 0, "aria2c");
	commit(st);
	return 0;
}

static void expect(struct fixture *f, const uint8_t *hash, const char *name,
		   enum sigdb_source source, const char *application)
{
	struct sigdb_answer a;
	enum sigdb_result result = ask(f->db, hash, name, &a);

	if (result == SIGDB_ERROR)
		fail_msg("%s", sigdb_error(f->db));
	assert_int_equal(result, source == SIGDB_NONE ? SIGDB_UNKNOWN : SIGDB_KNOWN);
	assert_int_equal(a.source, source);
	assert_string_equal(a.name, application);
}

/* ---- what a hash says ---------------------------------------------------- */

static void hash_gives_the_whole_identity(void **state)
{
	struct fixture *f = *state;
	struct sigdb_answer a;

	assert_int_equal(ask(f->db, curl_hash, "curl", &a), SIGDB_KNOWN);
	assert_int_equal(a.source, SIGDB_HASH);
	assert_string_equal(a.name, "curl");
	assert_string_equal(a.version, "7.88.1");
	assert_string_equal(a.category, "File transfer");
	assert_string_equal(a.vendor, "curl Project");
	assert_int_equal(a.trust, 4);
	assert_int_equal(a.threat, 0);
	assert_false(a.unsafe);
}

static void a_copy_under_another_name_is_what_its_hash_says(void **state)
{
	struct fixture *f = *state;

	expect(f, curl_hash, "ls", SIGDB_HASH, "curl");
	expect(f, aria2_hash, "curl", SIGDB_HASH, "aria2");
	expect(f, curl_hash, NULL, SIGDB_HASH, "curl");
}

static void a_hash_wins_over_a_name_signature(void **state)
{
	struct fixture *f = *state;
	struct store *st = begin(f, "csv", STORE_RANK_CSV);

	add_name(st, "backup", &tool);
	commit(st);
	expect(f, aria2_hash, "backup", SIGDB_HASH, "aria2");
}

static void a_lookup_has_a_limit(void **state)
{
	struct fixture *f = *state;
	struct sigdb_answer a;

	sigdb_limit(f->db, 1);
	assert_int_equal(ask(f->db, curl_hash, "curl", &a), SIGDB_ERROR);
	assert_non_null(strstr(sigdb_error(f->db), "interrupted"));
	sigdb_limit(f->db, 2000);
	assert_int_equal(ask(f->db, curl_hash, "curl", &a), SIGDB_KNOWN);
}

static void a_hash_may_be_known_by_verdict_only(void **state)
{
	struct fixture *f = *state;
	struct store *st = begin(f, "csv", STORE_RANK_CSV);
	struct sigdb_answer a;

	add_hash(st, new_hash, NULL, STORE_UNSAFE, 0, 5, NULL);
	commit(st);
	assert_int_equal(ask(f->db, new_hash, "x", &a), SIGDB_KNOWN);
	assert_int_equal(a.source, SIGDB_HASH_ONLY);
	assert_string_equal(a.name, "");
	assert_int_equal(a.threat, 5);
	assert_int_equal(a.trust, 0);
	assert_true(a.unsafe);
}

static void the_administrators_verdict_joins_the_packages_identity(void **state)
{
	struct fixture *f = *state;
	struct store *st = begin(f, "csv", STORE_RANK_CSV);
	struct sigdb_answer a;

	add_hash(st, curl_hash, NULL, STORE_UNSAFE, 0, 5, NULL);
	commit(st);
	assert_int_equal(ask(f->db, curl_hash, "curl", &a), SIGDB_KNOWN);
	assert_int_equal(a.source, SIGDB_HASH);
	assert_string_equal(a.name, "curl");
	assert_int_equal(a.trust, 0);
	assert_int_equal(a.threat, 5);
	assert_true(a.unsafe);
}

static void the_administrators_identity_wins(void **state)
{
	struct fixture *f = *state;
	struct store *st = begin(f, "csv", STORE_RANK_CSV);

	add_hash(st, curl_hash, &tool, STORE_NO_VERDICT, 5, 0, NULL);
	commit(st);
	expect(f, curl_hash, "curl", SIGDB_HASH, "backup-tool");
}

/* ---- what a name says ---------------------------------------------------- */

static void an_unknown_file_called_curl_is_not_curl(void **state)
{
	struct fixture *f = *state;
	struct store *st;

	expect(f, new_hash, "curl", SIGDB_NONE, "");

	/* Not even if a signature says so: curl is known by its hash. */
	st = begin(f, "csv", STORE_RANK_CSV);
	add_name(st, "curl", &curl);
	add_name(st, "my-curl", &curl);
	commit(st);
	expect(f, new_hash, "curl", SIGDB_NONE, "");
	expect(f, new_hash, "my-curl", SIGDB_NONE, "");
}

static void an_application_is_protected_in_any_version_and_letter_case(void **state)
{
	static const struct store_identity other = { "CURL", "9", "", "", "" };
	struct fixture *f = *state;
	struct store *st = begin(f, "csv", STORE_RANK_CSV);

	add_name(st, "my-curl", &other);
	commit(st);
	expect(f, new_hash, "my-curl", SIGDB_NONE, "");
}

static void a_file_name_known_by_hash_identifies_nothing(void **state)
{
	struct fixture *f = *state;
	struct store *st = begin(f, "csv", STORE_RANK_CSV);

	add_name(st, "aria2c", &tool);
	commit(st);
	expect(f, new_hash, "aria2c", SIGDB_NONE, "");
}

static void a_name_identifies_what_no_hash_is_known_of(void **state)
{
	struct fixture *f = *state;
	struct store *st = begin(f, "csv", STORE_RANK_CSV);
	struct sigdb_answer a;

	add_name(st, "backup", &tool);
	commit(st);
	assert_int_equal(ask(f->db, new_hash, "backup", &a), SIGDB_KNOWN);
	assert_int_equal(a.source, SIGDB_FILE_NAME);
	assert_string_equal(a.name, "backup-tool");
	assert_int_equal(a.trust, SIGDB_CLAIM_TRUST_MAX);
	expect(f, new_hash, "Backup", SIGDB_NONE, "");
	expect(f, new_hash, NULL, SIGDB_NONE, "");
}

static void a_name_counts_for_verified_content_only(void **state)
{
	struct fixture *f = *state;
	struct store *st = begin(f, "csv", STORE_RANK_CSV);

	add_name(st, "backup", &tool);
	commit(st);
	expect(f, NULL, "backup", SIGDB_NONE, "");
}

static void a_name_loses_its_power_when_the_application_gets_a_hash(void **state)
{
	struct fixture *f = *state;
	struct store *st = begin(f, "csv", STORE_RANK_CSV);

	add_name(st, "backup", &tool);
	commit(st);
	st = begin(f, "dpkg", STORE_RANK_PACKAGE);
	add_hash(st, new_hash, &tool, STORE_NO_VERDICT, 4, 0, "backup2");
	commit(st);
	expect(f, (const uint8_t[SHA256_SIZE]){ 1 }, "backup", SIGDB_NONE, "");
}

static void a_verdict_takes_the_power_from_a_name(void **state)
{
	struct fixture *f = *state;
	struct store *st = begin(f, "csv", STORE_RANK_CSV);

	add_name(st, "backup", &tool);
	add_hash(st, new_hash, NULL, STORE_UNSAFE, 0, 5, NULL);
	commit(st);
	expect(f, new_hash, "backup", SIGDB_HASH_ONLY, "");
}

/* ---- other claims -------------------------------------------------------- */

static const struct store_identity by_path = { "agentd", "", "", "ACME", "" };
static const struct store_identity by_build = { "agentd-beta", "", "", "ACME", "" };
static const uint8_t build_id[20] = { 0xb1 };

static const struct sigdb_question everything = {
	.sha256 = new_hash,
	.path = "/opt/acme/agentd",
	.build_id = build_id,
	.build_id_size = sizeof(build_id),
	.file_name = "agentd",
};

static void expect_all(struct fixture *f, const struct sigdb_question *q,
		       enum sigdb_source source, const char *application)
{
	struct sigdb_answer a;

	if (sigdb_lookup(f->db, q, &a) == SIGDB_ERROR)
		fail_msg("%s", sigdb_error(f->db));
	assert_int_equal(a.source, source);
	assert_string_equal(a.name, application);
}

static void a_path_comes_before_a_build_id_and_a_name_is_last(void **state)
{
	struct sigdb_question q = everything;
	struct fixture *f = *state;
	struct store *st = begin(f, "csv", STORE_RANK_CSV);

	add_name(st, "agentd", &tool);
	add_claim(st, SIGDB_CLAIM_BUILD_ID, build_id, sizeof(build_id), &by_build);
	add_claim(st, SIGDB_CLAIM_PACKAGE_FILE, "/opt/acme/agentd", 0, &by_path);
	commit(st);
	expect_all(f, &q, SIGDB_PACKAGE_FILE, "agentd");
	q.path = "/opt/acme/other";
	expect_all(f, &q, SIGDB_BUILD_ID, "agentd-beta");
	q.build_id_size--;
	expect_all(f, &q, SIGDB_FILE_NAME, "backup-tool");
	q.file_name = "other";
	expect_all(f, &q, SIGDB_NONE, "");
}

static void no_claim_names_what_is_known_by_hash(void **state)
{
	static const struct store_identity other = { "CURL", "9", "", "", "" };
	struct fixture *f = *state;
	struct store *st = begin(f, "csv", STORE_RANK_CSV);

	add_claim(st, SIGDB_CLAIM_BUILD_ID, build_id, sizeof(build_id), &other);
	add_claim(st, SIGDB_CLAIM_PACKAGE_FILE, "/opt/acme/agentd", 0, &curl);
	commit(st);
	expect_all(f, &everything, SIGDB_NONE, "");
}

static void a_claim_says_nothing_of_what_has_a_hash(void **state)
{
	struct sigdb_question q = everything;
	struct fixture *f = *state;
	struct store *st = begin(f, "csv", STORE_RANK_CSV);

	add_claim(st, SIGDB_CLAIM_PACKAGE_FILE, "/opt/acme/agentd", 0, &by_path);
	add_hash(st, new_hash, NULL, STORE_SAFE, 3, 1, NULL);
	commit(st);
	expect_all(f, &q, SIGDB_HASH_ONLY, "");
	q.sha256 = aria2_hash;
	expect_all(f, &q, SIGDB_HASH, "aria2");
	q.sha256 = NULL;
	expect_all(f, &q, SIGDB_NONE, "");
}

/* An index leads to what is asked for, however many others there are. */
static void a_lookup_does_not_grow_with_the_claims(void **state)
{
	struct sigdb_question q = everything;
	struct fixture *f = *state;
	struct store *st = begin(f, "csv", STORE_RANK_CSV);
	char text[32];

	add_claim(st, SIGDB_CLAIM_PACKAGE_FILE, "/opt/acme/agentd", 0, &by_path);
	for (int i = 0; i < 2000; i++) {
		snprintf(text, sizeof(text), "/opt/%d", i);
		add_claim(st, SIGDB_CLAIM_PACKAGE_FILE, text, 0, &by_path);
		add_claim(st, SIGDB_CLAIM_FILE_NAME, text + 5, 0, &by_path);
	}
	commit(st);
	sigdb_limit(f->db, 500);
	expect_all(f, &q, SIGDB_PACKAGE_FILE, "agentd");
	q.path = "/opt/nothing";
	expect_all(f, &q, SIGDB_NONE, "");
}

/* ---- explaining ---------------------------------------------------------- */

struct told {
	char text[1024];
};

static int tell(const struct explain_row *row, void *arg)
{
	struct told *told = arg;
	size_t used = strlen(told->text);

	snprintf(told->text + used, sizeof(told->text) - used, "%s %s %s %s\n", row->by,
		 row->source, *row->name ? row->name : "-",
		 explain_outcome_name(row->outcome));
	return 0;
}

static void expect_told(struct fixture *f, const struct sigdb_question *q,
			const char *text)
{
	struct told told = { .text = "" };

	if (sigdb_explain(f->db, q, tell, &told))
		fail_msg("%s", sigdb_error(f->db));
	assert_string_equal(told.text, text);
}

static void every_signature_is_told_with_what_became_of_it(void **state)
{
	struct sigdb_question q = everything;
	struct fixture *f = *state;
	struct store *st = begin(f, "csv", STORE_RANK_CSV);

	add_hash(st, curl_hash, NULL, STORE_UNSAFE, 0, 5, NULL);
	add_name(st, "agentd", &tool);
	add_name(st, "aria2c", &tool);
	add_claim(st, SIGDB_CLAIM_BUILD_ID, build_id, sizeof(build_id), &curl);
	add_claim(st, SIGDB_CLAIM_PACKAGE_FILE, "/opt/acme/agentd", 0, &by_path);
	commit(st);
	expect_told(f, &q, "package file csv agentd answer\n"
		    "build-id csv curl application_known_by_hash\n"
		    "file name csv backup-tool outranked\n");
	q.path = NULL;
	q.file_name = "aria2c";
	expect_told(f, &q, "build-id csv curl application_known_by_hash\n"
		    "file name csv backup-tool file_name_known_by_hash\n");
	q.sha256 = curl_hash;
	expect_told(f, &q, "hash csv - levels\nhash dpkg curl identity\n"
		    "build-id csv curl has_hash\nfile name csv backup-tool has_hash\n");
	st = begin(f, "other", STORE_RANK_PACKAGE);
	add_hash(st, aria2_hash, &aria2, STORE_NO_VERDICT, 2, 0, NULL);
	commit(st);
	q = (struct sigdb_question){ .sha256 = aria2_hash };
	expect_told(f, &q, "hash dpkg aria2 answer\nhash other aria2 outranked\n");
	q.sha256 = new_hash;
	expect_told(f, &q, "");
}

/* ---- imports ------------------------------------------------------------- */

static void a_rollback_leaves_everything(void **state)
{
	struct fixture *f = *state;
	struct store *st = begin(f, "dpkg", STORE_RANK_PACKAGE);

	add_hash(st, new_hash, &tool, STORE_NO_VERDICT, 4, 0, "backup");
	assert_int_equal(store_sweep(st, NULL), 0);
	store_rollback(st);
	expect(f, new_hash, "backup", SIGDB_NONE, "");
	expect(f, curl_hash, "curl", SIGDB_HASH, "curl");
}

static void a_sweep_removes_what_was_not_seen_again(void **state)
{
	struct fixture *f = *state;
	struct store *st = begin(f, "csv", STORE_RANK_CSV);
	struct store_signature sig = { .trust = 4, .file_name = "curl" };
	struct store_counts counts;
	struct store_twice twice;

	add_hash(st, new_hash, &tool, STORE_NO_VERDICT, 5, 0, NULL);
	commit(st);
	st = begin(f, "dpkg", STORE_RANK_PACKAGE);
	sig.application = store_application(st, &curl);
	sig.line = 1;
	assert_int_equal(store_hash(st, curl_hash, &sig), 0);
	sig.line = 2;
	assert_int_equal(store_hash(st, curl_hash, &sig), 0);
	assert_int_equal(store_flush(st, &twice), 0);
	assert_int_equal(twice.count, 1);
	assert_int_equal(twice.line, 2);
	assert_int_equal(store_sweep(st, NULL), 0);
	assert_int_equal(store_commit(st, &counts), 0);
	assert_int_equal(counts.found, 1);
	assert_int_equal(counts.added, 0);
	assert_int_equal(counts.removed, 1);
	expect(f, curl_hash, "curl", SIGDB_HASH, "curl");
	expect(f, aria2_hash, "aria2c", SIGDB_NONE, "");
	/* Another source's signatures stay. */
	expect(f, new_hash, "x", SIGDB_HASH, "backup-tool");
}

static void readers_see_an_import_when_it_is_complete(void **state)
{
	struct fixture *f = *state;
	struct sigdb *reader = sigdb_open(f->db_path, false, f->why, sizeof(f->why));
	struct sigdb_answer a;
	uint64_t before, during, after;
	struct store *st;

	if (!reader)
		fail_msg("%s", f->why);
	assert_int_equal(sigdb_changes(reader, &before), 0);
	st = begin(f, "csv", STORE_RANK_CSV);
	add_hash(st, new_hash, &tool, STORE_NO_VERDICT, 5, 0, NULL);
	assert_int_equal(ask(reader, new_hash, "x", &a), SIGDB_UNKNOWN);
	assert_int_equal(ask(reader, curl_hash, "x", &a), SIGDB_KNOWN);
	assert_int_equal(sigdb_changes(reader, &during), 0);
	commit(st);
	assert_int_equal(ask(reader, new_hash, "x", &a), SIGDB_KNOWN);
	assert_int_equal(sigdb_changes(reader, &after), 0);
	assert_int_equal(before, during);
	assert_int_not_equal(during, after);
	sigdb_close(reader);
}

static void a_second_import_waits_and_then_says_so(void **state)
{
	struct fixture *f = *state;
	struct store *st = begin(f, "csv", STORE_RANK_CSV);
	sqlite3 *other;

	/* Another writer, without the waiting. */
	assert_int_equal(sqlite3_open(f->db_path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
			 SQLITE_BUSY);
	sqlite3_close(other);
	store_rollback(st);
}

static void the_schema_refuses_nonsense(void **state)
{
	static const char *const nonsense[] = {
		"INSERT INTO hash_signature VALUES (x'00', 1, 1, NULL, 1, 0, NULL, 1, 1, NULL)",
		"UPDATE hash_signature SET trust = 6",
		"UPDATE hash_signature SET threat = -1",
		"UPDATE hash_signature SET verdict = 'maybe'",
		"UPDATE hash_signature SET application = NULL",
		"UPDATE hash_signature SET application = 77",
		"UPDATE hash_signature SET sha256 = 'text'",
		"UPDATE application SET name = ''",
		"INSERT INTO claim VALUES (3, 'a/b', 1, 1, 1, 0, 1, 1)",
		"INSERT INTO claim VALUES (3, 'a', 1, 1, 2, 0, 1, 1)",
		"INSERT INTO claim VALUES (3, x'61', 1, 1, 1, 0, 1, 1)",
		"INSERT INTO claim VALUES (2, 'abcdef', 1, 1, 1, 0, 1, 1)",
		"INSERT INTO claim VALUES (2, x'010203', 1, 1, 1, 0, 1, 1)",
		"INSERT INTO claim VALUES (1, 'bin/a', 1, 1, 1, 0, 1, 1)",
		"INSERT INTO claim VALUES (4, 'a', 1, 1, 1, 0, 1, 1)",
	};
	struct fixture *f = *state;
	sqlite3 *sql;

	assert_int_equal(sqlite3_open(f->db_path, &sql), SQLITE_OK);
	assert_int_equal(sqlite3_exec(sql, "PRAGMA foreign_keys = ON", NULL, NULL, NULL),
			 SQLITE_OK);
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		int rc = sqlite3_exec(sql, nonsense[i], NULL, NULL, NULL);

		if (rc != SQLITE_CONSTRAINT)
			fail_msg("%s: %d %s", nonsense[i], rc, sqlite3_errmsg(sql));
	}
	sqlite3_close(sql);
}

/* ---- files that cannot be used ------------------------------------------- */

static void expect_refused(struct fixture *f, bool write, const char *words)
{
	struct sigdb *db = sigdb_open(f->db_path, write, f->why, sizeof(f->why));

	assert_null(db);
	if (!strstr(f->why, words) || !strstr(f->why, f->db_path))
		fail_msg("\"%s\" does not say \"%s\"", f->why, words);
}

static void exec_and_close(struct fixture *f, const char *sql)
{
	sqlite3 *other;

	sigdb_close(f->db);
	f->db = NULL;
	assert_int_equal(sqlite3_open(f->db_path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
}

static void a_missing_file_is_an_error(void **state)
{
	struct fixture *f = *state;

	sigdb_close(f->db);
	f->db = NULL;
	snprintf(f->db_path, sizeof(f->db_path), "%s/missing", f->dir);
	expect_refused(f, false, "is not there");
	assert_int_not_equal(access(f->db_path, F_OK), 0);
}

static void an_empty_file_is_an_error_for_readers(void **state)
{
	struct fixture *f = *state;

	sigdb_close(f->db);
	f->db = NULL;
	fixture_write(f, "empty.db", 0644, "");
	snprintf(f->db_path, sizeof(f->db_path), "%s/empty.db", f->dir);
	expect_refused(f, false, "is empty");
}

static void a_newer_schema_is_refused(void **state)
{
	struct fixture *f = *state;

	exec_and_close(f, "PRAGMA user_version = 99");
	expect_refused(f, false, "use the newer program");
	expect_refused(f, true, "use the newer program");
}

static void another_programs_database_is_refused(void **state)
{
	struct fixture *f = *state;

	exec_and_close(f, "PRAGMA application_id = 7");
	expect_refused(f, true, "not one of signatures");
}

static void a_file_of_garbage_is_refused(void **state)
{
	struct fixture *f = *state;
	char garbage[4096];

	sigdb_close(f->db);
	f->db = NULL;
	memset(garbage, 'x', sizeof(garbage) - 1);
	garbage[sizeof(garbage) - 1] = '\0';
	fixture_write(f, "g.db", 0644, garbage);
	snprintf(f->db_path, sizeof(f->db_path), "%s/g.db", f->dir);
	expect_refused(f, false, "damaged");
	expect_refused(f, true, "damaged");
}

/* Overwrite the page on which the hashes are looked for, as a failing disk may. */
static void damage(const char *path)
{
	static const char sql[] =
		"SELECT (rootpage - 1) * page_size FROM sqlite_schema, pragma_page_size"
		" WHERE name = 'hash_signature'";
	char garbage[4096];
	sqlite3_stmt *stmt;
	sqlite3 *db;
	off_t at;
	int fd = open(path, O_WRONLY);

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	at = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	memset(garbage, 0xa5, sizeof(garbage));
	assert_true(fd >= 0);
	assert_true(at > 0);
	assert_int_equal(pwrite(fd, garbage, sizeof(garbage), at), sizeof(garbage));
	close(fd);
}

static void a_damaged_page_is_an_error_and_not_unknown(void **state)
{
	struct fixture *f = *state;
	struct sigdb_answer a;
	uint64_t counter;

	exec_and_close(f, "PRAGMA wal_checkpoint(TRUNCATE)");
	damage(f->db_path);
	f->db = sigdb_open(f->db_path, false, f->why, sizeof(f->why));
	if (!f->db)
		fail_msg("%s", f->why);
	memset(&a, 0xff, sizeof(a));
	assert_int_equal(ask(f->db, curl_hash, "curl", &a), SIGDB_ERROR);
	assert_non_null(strstr(sigdb_error(f->db), "damaged"));
	assert_int_equal(a.source, SIGDB_NONE);
	assert_int_equal(sigdb_changes(f->db, &counter), 0);
}

static void a_replaced_file_is_noticed(void **state)
{
	struct fixture *f = *state;
	uint64_t counter;

	assert_int_equal(sigdb_changes(f->db, &counter), 0);
	assert_int_equal(unlink(f->db_path), 0);
	assert_int_equal(sigdb_changes(f->db, &counter), -1);
	assert_non_null(strstr(sigdb_error(f->db), "replaced"));
}

static void text_that_could_harm_a_terminal_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct sigdb_answer a;

	exec_and_close(f, "UPDATE application SET vendor = char(27) || '[2J'");
	f->db = sigdb_open(f->db_path, false, f->why, sizeof(f->why));
	assert_non_null(f->db);
	assert_int_equal(ask(f->db, curl_hash, "curl", &a), SIGDB_ERROR);
	assert_string_equal(a.name, "");
}

#define WITH_PACKAGES(test) \
	cmocka_unit_test_setup_teardown(test, packages_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PACKAGES(hash_gives_the_whole_identity),
		WITH_PACKAGES(a_copy_under_another_name_is_what_its_hash_says),
		WITH_PACKAGES(a_hash_wins_over_a_name_signature),
		WITH_PACKAGES(a_lookup_has_a_limit),
		WITH_PACKAGES(a_hash_may_be_known_by_verdict_only),
		WITH_PACKAGES(the_administrators_verdict_joins_the_packages_identity),
		WITH_PACKAGES(the_administrators_identity_wins),
		WITH_PACKAGES(an_unknown_file_called_curl_is_not_curl),
		WITH_PACKAGES(an_application_is_protected_in_any_version_and_letter_case),
		WITH_PACKAGES(a_file_name_known_by_hash_identifies_nothing),
		WITH_PACKAGES(a_name_identifies_what_no_hash_is_known_of),
		WITH_PACKAGES(a_name_counts_for_verified_content_only),
		WITH_PACKAGES(a_name_loses_its_power_when_the_application_gets_a_hash),
		WITH_PACKAGES(a_verdict_takes_the_power_from_a_name),
		WITH_PACKAGES(a_path_comes_before_a_build_id_and_a_name_is_last),
		WITH_PACKAGES(no_claim_names_what_is_known_by_hash),
		WITH_PACKAGES(a_claim_says_nothing_of_what_has_a_hash),
		WITH_PACKAGES(a_lookup_does_not_grow_with_the_claims),
		WITH_PACKAGES(every_signature_is_told_with_what_became_of_it),
		WITH_PACKAGES(a_rollback_leaves_everything),
		WITH_PACKAGES(a_sweep_removes_what_was_not_seen_again),
		WITH_PACKAGES(readers_see_an_import_when_it_is_complete),
		WITH_PACKAGES(a_second_import_waits_and_then_says_so),
		WITH_PACKAGES(the_schema_refuses_nonsense),
		WITH_PACKAGES(a_missing_file_is_an_error),
		WITH_PACKAGES(an_empty_file_is_an_error_for_readers),
		WITH_PACKAGES(a_newer_schema_is_refused),
		WITH_PACKAGES(another_programs_database_is_refused),
		WITH_PACKAGES(a_file_of_garbage_is_refused),
		WITH_PACKAGES(a_damaged_page_is_an_error_and_not_unknown),
		WITH_PACKAGES(a_replaced_file_is_noticed),
		WITH_PACKAGES(text_that_could_harm_a_terminal_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
