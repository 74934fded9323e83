// SPDX-License-Identifier: GPL-2.0-only
#include "fixture.h"

#include "hash_list.h"
#include "sha256.h"

#define H1 "1111111111111111111111111111111111111111111111111111111111111111"
#define H2 "2222222222222222222222222222222222222222222222222222222222222222"
#define MD5 "33333333333333333333333333333333"
#define SHA1 "4444444444444444444444444444444444444444"

static int import(struct fixture *f, const char *text, struct hash_list_report *report)
{
	FILE *in = fmemopen((char *)(uintptr_t)text, strlen(text), "r");
	int ret;

	assert_non_null(in);
	ret = hash_list_import(f->db, in, "test.hsb", "list:test.hsb", report, f->why,
			       sizeof(f->why));
	fclose(in);
	return ret;
}

static struct hash_list_report good(struct fixture *f, const char *text)
{
	struct hash_list_report report;

	if (import(f, text, &report))
		fail_msg("%s", f->why);
	return report;
}

static void a_line_with_a_sha256_is_unsafe(void **state)
{
	struct hash_list_report r;
	struct sigdb_answer a;

	r = good(*state, "# a comment\n\n" H1 ":4096:Unix.Trojan.Agent-1:73\r\n");
	assert_int_equal(r.rows, 1);
	a = fixture_look(*state, H1);
	assert_int_equal(a.source, SIGDB_HASH);
	assert_true(a.unsafe);
	assert_int_equal(a.trust, 0);
	assert_int_equal(a.threat, 5);
	assert_string_equal(a.name, "Unix.Trojan.Agent-1");
	assert_string_equal(a.category, "Malware");
}

static void what_is_unwanted_is_not_pronounced_unsafe(void **state)
{
	struct sigdb_answer a;

	good(*state, H1 ":*:PUA.Unix.Coinminer-1\n");
	a = fixture_look(*state, H1);
	assert_false(a.unsafe);
	assert_int_equal(a.threat, 2);
	assert_string_equal(a.category, "Unwanted");
}

static void other_hashes_are_left_out_and_counted(void **state)
{
	struct fixture *f = *state;
	struct hash_list_report r;

	r = good(f, MD5 ":1:A\n" SHA1 ":1:B\n" H1 ":1:C\n" MD5 ":2:D\n" H1 ":1:E\n");
	assert_int_equal(r.md5, 2);
	assert_int_equal(r.sha1, 1);
	assert_int_equal(r.rows, 2);
	assert_int_equal(r.again, 1);
	assert_int_equal(r.counts.added, 1);
	assert_string_equal(fixture_look(f, H1).name, "C");
}

static void a_list_without_a_sha256_is_refused(void **state)
{
	struct fixture *f = *state;
	struct hash_list_report r;

	good(f, H1 ":1:A\n");
	assert_int_equal(import(f, MD5 ":1:A\n", &r), -1);
	assert_non_null(strstr(f->why, "no SHA-256 in it (1 MD5, 0 SHA-1)"));
	assert_string_equal(fixture_look(f, H1).name, "A");
}

static void the_next_edition_replaces_the_last(void **state)
{
	struct hash_list_report r;

	good(*state, H1 ":1:A\n");
	r = good(*state, H2 ":1:B\n");
	assert_int_equal(r.counts.added, 1);
	assert_int_equal(r.counts.removed, 1);
	assert_int_equal(fixture_look(*state, H1).source, SIGDB_NONE);
}

static void a_list_outranks_a_package_but_not_the_administrator(void **state)
{
	static const struct store_identity tool = { "tool", "", "", "", "" };
	struct store_signature sig = { .trust = 4 };
	struct fixture *f = *state;
	struct store_counts counts;
	uint8_t hash[SHA256_SIZE];
	struct store *st;

	hex_decode(H1, hash, sizeof(hash));
	st = store_begin(f->db, "dpkg", STORE_RANK_PACKAGE);
	sig.application = store_application(st, &tool);
	assert_int_equal(store_hash(st, hash, &sig), 0);
	assert_int_equal(store_commit(st, &counts), 0);
	good(f, H1 ":1:A\n");
	assert_true(fixture_look(f, H1).unsafe);
	st = store_begin(f->db, "csv", STORE_RANK_CSV);
	sig = (struct store_signature){ .verdict = STORE_SAFE, .trust = 5 };
	assert_int_equal(store_hash(st, hash, &sig), 0);
	assert_int_equal(store_commit(st, &counts), 0);
	assert_false(fixture_look(f, H1).unsafe);
}

static void a_broken_line_is_named_and_nothing_changes(void **state)
{
	static const struct {
		const char *text;
		const char *words;
	} cases[] = {
		{ H1 ":1:A\n" H2 ":1\n", "test.hsb:2: expected HASH:SIZE:NAME" },
		{ H1 "\n", "test.hsb:1: expected HASH:SIZE:NAME" },
		{ H1 ":x:A\n", "test.hsb:1: expected HASH:SIZE:NAME" },
		{ H1 ":1:\n", "test.hsb:1: expected HASH:SIZE:NAME" },
		{ "0123:1:A\n", "test.hsb:1: expected a hash of 32" },
		{ "zz" H1 ":1:A\n", "test.hsb:1: expected HASH:SIZE:NAME" },
	};
	struct fixture *f = *state;
	struct hash_list_report r;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(import(f, cases[i].text, &r), -1);
		if (!strstr(f->why, cases[i].words))
			fail_msg("\"%s\" does not say \"%s\"", f->why, cases[i].words);
		assert_int_equal(fixture_look(f, H1).source, SIGDB_NONE);
	}
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(a_line_with_a_sha256_is_unsafe),
		FRESH(what_is_unwanted_is_not_pronounced_unsafe),
		FRESH(other_hashes_are_left_out_and_counted),
		FRESH(a_list_without_a_sha256_is_refused),
		FRESH(the_next_edition_replaces_the_last),
		FRESH(a_list_outranks_a_package_but_not_the_administrator),
		FRESH(a_broken_line_is_named_and_nothing_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
