// SPDX-License-Identifier: GPL-2.0-only
#include "fixture.h"

#include "scan.h"
#include "sha256.h"
#include "store.h"

#define MINER "\177ELF stratum+tcp\n"
#define TOOL "\177ELF tool\n"

static const char miner_rules[] =
	"rule miner { meta: threat = 5 application = \"XMRig\" category = \"Miner\""
	" strings: $a = \"stratum\" condition: $a }\n"
	"rule elf { meta: threat = 1 strings: $a = \"ELF\" condition: $a at 1 }\n";

static struct scanner *compile(struct fixture *f, const char *rules)
{
	struct scanner *s = scanner_new(fixture_write(f, "rules.yar", 0644, rules), f->why,
					sizeof(f->why));

	if (!s)
		fail_msg("%s", f->why);
	return s;
}

static struct scan_result scan(struct fixture *f, struct scanner *s, const char *content)
{
	struct scan_result r;

	if (scan_file(f->db, s, fixture_write(f, "file", 0755, content), NULL, &r,
		      f->why, sizeof(f->why)))
		fail_msg("%s", f->why);
	return r;
}

static struct sigdb_answer look(struct fixture *f, const char *content)
{
	uint8_t hash[SHA256_SIZE];
	struct sigdb_answer a;

	assert_int_equal(sha256_memory(content, strlen(content), hash), 0);
	assert_int_not_equal(ask(f->db, hash, NULL, &a), SIGDB_ERROR);
	return a;
}

static void the_rule_with_the_highest_threat_counts(void **state)
{
	struct fixture *f = *state;
	struct scanner *s = compile(f, miner_rules);
	struct sigdb_answer a;

	assert_string_equal(scan(f, s, MINER).matches, "miner elf");
	a = look(f, MINER);
	assert_int_equal(a.source, SIGDB_HASH);
	assert_string_equal(a.name, "XMRig");
	assert_string_equal(a.category, "Miner");
	assert_true(a.unsafe);
	assert_int_equal(a.threat, 5);
	assert_int_equal(a.trust, 0);
	assert_string_equal(scan(f, s, TOOL).matches, "elf");
	a = look(f, TOOL);
	assert_string_equal(a.name, "elf");
	assert_false(a.unsafe);
	assert_int_equal(a.threat, 1);
	scanner_free(s);
}

static void what_no_rule_fits_stays_unknown(void **state)
{
	struct fixture *f = *state;
	struct scanner *s = compile(f, miner_rules);

	assert_string_equal(scan(f, s, "#!/bin/sh\n").matches, "");
	assert_int_equal(look(f, "#!/bin/sh\n").source, SIGDB_NONE);
	assert_true(scan(f, s, "#!/bin/sh\n").remembered);
	scanner_free(s);
}

/* Or all that was decided by them would be forgotten each time. */
static void what_no_rule_fits_leaves_the_signatures_alone(void **state)
{
	struct fixture *f = *state;
	struct scanner *s = compile(f, miner_rules);
	uint64_t before, after;

	assert_int_equal(sigdb_changes(f->db, &before), 0);
	scan(f, s, "#!/bin/sh\n");
	assert_int_equal(sigdb_changes(f->db, &after), 0);
	assert_int_equal(before, after);
	scan(f, s, MINER);
	assert_int_equal(sigdb_changes(f->db, &after), 0);
	assert_int_not_equal(before, after);
	scanner_free(s);
}

static void another_content_than_was_said_is_not_scanned(void **state)
{
	struct fixture *f = *state;
	struct scanner *s = compile(f, miner_rules);
	uint8_t tool[SHA256_SIZE], miner[SHA256_SIZE];
	struct scan_result r;
	const char *path = fixture_write(f, "file", 0755, MINER);

	assert_int_equal(sha256_memory(TOOL, strlen(TOOL), tool), 0);
	assert_int_equal(sha256_memory(MINER, strlen(MINER), miner), 0);
	assert_int_equal(scan_file(f->db, s, path, tool, &r, f->why, sizeof(f->why)), -1);
	assert_non_null(strstr(f->why, "another content"));
	assert_int_equal(look(f, TOOL).source, SIGDB_NONE);
	assert_int_equal(look(f, MINER).source, SIGDB_NONE);
	assert_int_equal(scan_file(f->db, s, path, miner, &r, f->why, sizeof(f->why)), 0);
	assert_int_equal(look(f, MINER).source, SIGDB_HASH);
	scanner_free(s);
}

static void what_was_scanned_is_remembered_for_the_same_rules(void **state)
{
	struct fixture *f = *state;
	struct scanner *s = compile(f, miner_rules);
	struct scan_result r;

	assert_false(scan(f, s, MINER).remembered);
	scanner_free(s);
	s = compile(f, miner_rules);
	r = scan(f, s, MINER);
	assert_true(r.remembered);
	assert_string_equal(r.matches, "miner elf");
	scanner_free(s);
	/* Other rules: scanned again, and what the last ones said is gone. */
	s = compile(f, "rule nothing { condition: false }");
	r = scan(f, s, MINER);
	assert_false(r.remembered);
	assert_string_equal(r.matches, "");
	assert_int_equal(look(f, MINER).source, SIGDB_NONE);
	scanner_free(s);
}

static void a_package_does_not_hide_what_is_found(void **state)
{
	static const struct store_identity tool = { "tool", "", "", "", "" };
	struct store_signature sig = { .trust = 4 };
	struct fixture *f = *state;
	struct scanner *s = compile(f, miner_rules);
	struct store_counts counts;
	uint8_t hash[SHA256_SIZE];
	struct store *st;

	assert_int_equal(sha256_memory(MINER, strlen(MINER), hash), 0);
	st = store_begin(f->db, "dpkg", STORE_RANK_PACKAGE);
	sig.application = store_application(st, &tool);
	assert_int_equal(store_hash(st, hash, &sig), 0);
	assert_int_equal(store_commit(st, &counts), 0);
	scan(f, s, MINER);
	assert_true(look(f, MINER).unsafe);
	scanner_free(s);
}

static void wrong_rules_are_refused_with_their_line(void **state)
{
	struct fixture *f = *state;

	assert_null(scanner_new(fixture_write(f, "bad.yar", 0644, "\nrule x { condition: y }"),
				f->why, sizeof(f->why)));
	assert_non_null(strstr(f->why, "bad.yar:2: "));
	fixture_write(f, "good.yar", 0644, miner_rules);
	assert_null(scanner_new(fixture_write(f, "inc.yar", 0644,
					      "include \"good.yar\"\nrule x { condition: true }"),
				f->why, sizeof(f->why)));
	assert_null(scanner_new("/nowhere", f->why, sizeof(f->why)));
	assert_non_null(strstr(f->why, "/nowhere: "));
}

static void what_is_no_file_or_too_large_is_refused(void **state)
{
	struct fixture *f = *state;
	struct scanner *s = compile(f, miner_rules);
	struct scan_result r;
	const char *path = fixture_write(f, "large", 0644, "x");

	assert_int_equal(truncate(path, (off_t)SCAN_SIZE_MAX + 1), 0);
	assert_int_equal(scan_file(f->db, s, path, NULL, &r, f->why, sizeof(f->why)), -1);
	assert_non_null(strstr(f->why, "is too large"));
	assert_int_equal(scan_file(f->db, s, f->dir, NULL, &r, f->why, sizeof(f->why)), -1);
	assert_non_null(strstr(f->why, "is no file"));
	assert_int_equal(scan_file(f->db, s, "/nowhere", NULL, &r, f->why, sizeof(f->why)), -1);
	assert_non_null(strstr(f->why, "No such file"));
	scanner_free(s);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(the_rule_with_the_highest_threat_counts),
		FRESH(what_no_rule_fits_stays_unknown),
		FRESH(what_no_rule_fits_leaves_the_signatures_alone),
		FRESH(another_content_than_was_said_is_not_scanned),
		FRESH(what_was_scanned_is_remembered_for_the_same_rules),
		FRESH(a_package_does_not_hide_what_is_found),
		FRESH(wrong_rules_are_refused_with_their_line),
		FRESH(what_is_no_file_or_too_large_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
