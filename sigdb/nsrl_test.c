// SPDX-License-Identifier: GPL-2.0-only
/* A small set with the tables of the real one. */
#include "fixture.h"

#include <sqlite3.h>

#include "nsrl.h"
#include "sha256.h"

#define H(digit) digit digit digit digit digit digit digit digit
#define H64(digit) H(H(digit))

static const char tables[] =
	"CREATE TABLE FILE (sha256 VARCHAR NOT NULL, sha1 VARCHAR NOT NULL,"
	" md5 VARCHAR NOT NULL, crc32 VARCHAR NOT NULL, file_name VARCHAR NOT NULL,"
	" file_size INTEGER NOT NULL, package_id INTEGER NOT NULL, PRIMARY KEY (sha256,"
	" sha1, md5, file_name, file_size, package_id));"
	"CREATE TABLE MFG (manufacturer_id INTEGER PRIMARY KEY, name VARCHAR NOT NULL);"
	"CREATE TABLE OS (operating_system_id INTEGER NOT NULL, name VARCHAR NOT NULL,"
	" version VARCHAR NOT NULL, manufacturer_id INTEGER NOT NULL,"
	" PRIMARY KEY (operating_system_id, manufacturer_id));"
	"CREATE TABLE PKG (package_id INTEGER NOT NULL, name VARCHAR NOT NULL,"
	" version VARCHAR NOT NULL, operating_system_id INTEGER NOT NULL,"
	" manufacturer_id INTEGER NOT NULL, language VARCHAR NOT NULL,"
	" application_type VARCHAR NOT NULL, PRIMARY KEY (package_id,"
	" operating_system_id, manufacturer_id, language, application_type));";

static const char content[] =
	"INSERT INTO MFG VALUES (1, 'Mozilla'), (2, 'ACME');"
	"INSERT INTO OS VALUES (10, 'Linux', '6', 1), (11, 'Windows', '11', 2);"
	"INSERT INTO PKG VALUES"
	" (100, 'Firefox', '140', 10, 1, 'English', 'Browser'),"
	" (100, 'Firefox', '140', 11, 1, 'German', 'Browser'),"
	" (101, 'Cracker', '3', 11, 2, 'English', 'Hacker Tool'),"
	" (102, 'Nobody''s', '', 10, 99, 'English', 'Office');";

/* The set has hashes in capital letters. */
static const char files[] =
	"INSERT INTO FILE VALUES ('%s', '', '', '', 'firefox', 1, 100),"
	" ('%s', '', '', '', 'crack.exe', 1, 101), ('%s', '', '', '', 'office', 1, 102),"
	" ('', '', '', '', 'no-hash', 1, 102), ('%s', '', '', '', 'firefox', 1, 101);";

static const char *make_set(struct fixture *f, const char *sql)
{
	static char path[128];
	char text[2048], *why = NULL;
	sqlite3 *set;

	snprintf(path, sizeof(path), "%s/rds.db", f->dir);
	unlink(path);
	assert_int_equal(sqlite3_open(path, &set), SQLITE_OK);
	snprintf(text, sizeof(text), files, H64("A"), H64("B"), H64("C"), H64("a"));
	if (sqlite3_exec(set, sql, NULL, NULL, &why) != SQLITE_OK ||
	    (sql == tables && (sqlite3_exec(set, content, NULL, NULL, &why) != SQLITE_OK ||
			       sqlite3_exec(set, text, NULL, NULL, &why) != SQLITE_OK)))
		fail_msg("%s", why);
	sqlite3_close(set);
	return path;
}

static struct nsrl_import job_for(struct fixture *f)
{
	return (struct nsrl_import){
		.path = make_set(f, tables),
		.label = "nsrl",
		.trust = 3,
		.threat = 1,
	};
}

static struct nsrl_report good(struct fixture *f, const struct nsrl_import *job)
{
	struct nsrl_report report;

	if (nsrl_import(f->db, job, &report, f->why, sizeof(f->why)))
		fail_msg("%s", f->why);
	return report;
}

static void files_get_the_identity_of_their_product(void **state)
{
	struct fixture *f = *state;
	struct nsrl_import job = job_for(f);
	struct nsrl_report r = good(f, &job);
	struct sigdb_answer a = fixture_look(f, H64("a"));

	assert_int_equal(r.products, 3);
	assert_int_equal(r.rows, 5);
	assert_int_equal(r.bad, 1);
	assert_int_equal(r.counts.found, 3);
	assert_string_equal(a.name, "Firefox");
	assert_string_equal(a.version, "140");
	assert_string_equal(a.vendor, "Mozilla");
	assert_string_equal(a.category, "Browser");
	assert_int_equal(a.trust, 3);
	assert_int_equal(a.threat, 1);
	assert_string_equal(fixture_look(f, H64("c")).name, "Nobody's");
}

/* Each filter with a pattern that lets only one product through. */
static void filters_choose(void **state)
{
	static const struct {
		enum nsrl_filter filter;
		const char *pattern;
		const char *name;
		int products;
	} cases[] = {
		{ NSRL_PRODUCT, "fire*", "Firefox", 1 },
		{ NSRL_MANUFACTURER, "MOZILLA", "Firefox", 1 },
		{ NSRL_SYSTEM, "lin?x", "Firefox", 2 },
		{ NSRL_TYPE, "browser", "Firefox", 1 },
		{ NSRL_FILE, "firefox", "Firefox", 3 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nsrl_import job = job_for(f);
		struct nsrl_report r;

		job.pattern[cases[i].filter][job.patterns[cases[i].filter]++] =
			cases[i].pattern;
		r = good(f, &job);
		assert_int_equal(r.products, cases[i].products);
		assert_string_equal(fixture_look(f, H64("a")).name, cases[i].name);
		assert_string_equal(fixture_look(f, H64("b")).name, "");
	}
}

static void one_of_each_filter_must_fit(void **state)
{
	struct fixture *f = *state;
	struct nsrl_import job = job_for(f);

	job.pattern[NSRL_PRODUCT][job.patterns[NSRL_PRODUCT]++] = "nothing";
	job.pattern[NSRL_PRODUCT][job.patterns[NSRL_PRODUCT]++] = "c*";
	job.pattern[NSRL_PRODUCT][job.patterns[NSRL_PRODUCT]++] = "f*";
	job.pattern[NSRL_SYSTEM][job.patterns[NSRL_SYSTEM]++] = "Linux";
	assert_int_equal(good(f, &job).products, 1);
	assert_string_equal(fixture_look(f, H64("b")).name, "");
}

static void another_import_replaces_that_of_its_label(void **state)
{
	struct fixture *f = *state;
	struct nsrl_import job = job_for(f);
	struct nsrl_report r;

	good(f, &job);
	job.pattern[NSRL_TYPE][job.patterns[NSRL_TYPE]++] = "Hacker*";
	job.label = "nsrl:tools";
	job.threat = 3;
	good(f, &job);
	assert_string_equal(fixture_look(f, H64("c")).name, "Nobody's");
	job.label = "nsrl";
	r = good(f, &job);
	assert_int_equal(r.counts.removed, 1);
	assert_string_equal(fixture_look(f, H64("c")).name, "");
}

static void what_is_no_set_is_refused(void **state)
{
	struct fixture *f = *state;
	struct nsrl_import job = job_for(f);
	struct nsrl_report r;

	job.path = make_set(f, "CREATE TABLE FILE (sha256)");
	assert_int_equal(nsrl_import(f->db, &job, &r, f->why, sizeof(f->why)), -1);
	assert_non_null(strstr(f->why, "expected the database of an RDS version 3"));
	job.path = "/nowhere";
	assert_int_equal(nsrl_import(f->db, &job, &r, f->why, sizeof(f->why)), -1);
	assert_non_null(strstr(f->why, "/nowhere: opening it"));
}

static void filters_that_nothing_fits_change_nothing(void **state)
{
	struct fixture *f = *state;
	struct nsrl_import job = job_for(f);
	struct nsrl_report r;

	good(f, &job);
	job.pattern[NSRL_TYPE][job.patterns[NSRL_TYPE]++] = "Game";
	assert_int_equal(nsrl_import(f->db, &job, &r, f->why, sizeof(f->why)), -1);
	assert_non_null(strstr(f->why, "no product fits"));
	assert_string_equal(fixture_look(f, H64("a")).name, "Firefox");
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(files_get_the_identity_of_their_product),
		FRESH(filters_choose),
		FRESH(one_of_each_filter_must_fit),
		FRESH(another_import_replaces_that_of_its_label),
		FRESH(what_is_no_set_is_refused),
		FRESH(filters_that_nothing_fits_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
