// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "identity.h"
#include "sigdb/sighting.h"

static char dir[] = "/tmp/identity-test-XXXXXX";
static char path[64];
static struct identity_cache *cache;

static void run_sql(const char *sql)
{
	char *why = NULL;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s", why);
	sqlite3_close(db);
}

/* Content 0x01 0x01 ... is curl; nothing else is known. */
static const char signature[] =
	"INSERT INTO source VALUES (1, 'csv', 1);"
	"INSERT INTO application VALUES (1, 'curl', '8', 'Web', 'Debian', '');"
	"INSERT INTO hash_signature (sha256, source, application, verdict, trust, threat,"
	" file_name, seen, changed) VALUES (x'01010101010101010101010101010101"
	"01010101010101010101010101010101', 1, 1, NULL, 4, 1, 'curl', 1, 1);";

static enum identity_state find(const char *host, const Sockgate__Process *p,
				Sockgate__Identity *out)
{
	struct inquiry *inquiry;

	return identity_lookup(cache, host, p, 0, 1, out, &inquiry);
}

static enum identity_state look_up(uint8_t content, const char *name, Sockgate__Identity *out)
{
	Sockgate__Process p = SOCKGATE__PROCESS__INIT;
	uint8_t hash[32];

	memset(hash, content, sizeof(hash));
	p.evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
	p.sha256.data = hash;
	p.sha256.len = sizeof(hash);
	p.name = (char *)name;
	return find("host", &p, out);
}

static void test_answers_are_remembered_until_signatures_change(void **state)
{
	Sockgate__Identity id;

	(void)state;
	assert_int_equal(look_up(1, "x", &id), IDENTITY_FOUND);
	assert_int_equal(id.source, SOCKGATE__IDENTITY__SOURCE__NONE);
	assert_string_equal(id.name, "");
	assert_int_equal(look_up(1, "x", &id), IDENTITY_FOUND);
	assert_int_equal(identity_counters(cache)->n_looked_up, 1);
	assert_int_equal(identity_counters(cache)->cache.n_hit, 1);
	assert_false(identity_refresh(cache));
	run_sql(signature);
	assert_true(identity_refresh(cache));
	assert_false(identity_refresh(cache));
	assert_int_equal(look_up(1, "x", &id), IDENTITY_FOUND);
	assert_int_equal(id.source, SOCKGATE__IDENTITY__SOURCE__HASH);
	assert_string_equal(id.name, "curl");
	assert_string_equal(id.vendor, "Debian");
	assert_int_equal(id.trust, 4);
	/* The name is a part of the question. */
	assert_int_equal(look_up(1, "y", &id), IDENTITY_FOUND);
	assert_int_equal(identity_counters(cache)->n_looked_up, 3);
}

static void test_the_least_recently_used_makes_room(void **state)
{
	Sockgate__Identity id;

	(void)state;
	for (uint8_t i = 10; i < 14; i++)
		look_up(i, "", &id);
	look_up(10, "", &id);		/* used again */
	look_up(20, "", &id);		/* evicts 11 */
	assert_int_equal(identity_counters(cache)->cache.n_evicted, 1);
	assert_int_equal(identity_counters(cache)->n_looked_up, 5);
	look_up(10, "", &id);
	assert_int_equal(identity_counters(cache)->n_looked_up, 5);
	look_up(11, "", &id);
	assert_int_equal(identity_counters(cache)->n_looked_up, 6);
}

static void test_unverified_content_is_nobody(void **state)
{
	Sockgate__Process p = SOCKGATE__PROCESS__INIT;
	Sockgate__Identity id;

	(void)state;
	p.name = (char *)"curl";
	p.evidence = SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE;
	assert_int_equal(find("host", &p, &id), IDENTITY_UNAVAILABLE);
}

/* A name that holds only where the caller looks is not asked for. */
static void test_foreign_name_is_not_looked_up(void **state)
{
	Sockgate__Process p = SOCKGATE__PROCESS__INIT;
	uint8_t sha256[32] = { 1 };
	Sockgate__Identity id;

	(void)state;
	p.sha256.data = sha256;
	p.sha256.len = sizeof(sha256);
	p.evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
	p.foreign_path = true;
	p.name = (char *)"x";
	assert_int_equal(find("host", &p, &id), IDENTITY_FOUND);
	p.name = (char *)"y";
	assert_int_equal(find("host", &p, &id), IDENTITY_FOUND);
	assert_int_equal(identity_counters(cache)->n_looked_up, 1);
	assert_int_equal(identity_counters(cache)->cache.n_hit, 1);
}

static void test_the_path_is_a_part_of_the_question(void **state)
{
	Sockgate__Process p = SOCKGATE__PROCESS__INIT;
	uint8_t sha256[32] = { 2 };
	Sockgate__Identity id;

	(void)state;
	run_sql("INSERT INTO source VALUES (1, 'csv', 1);"
		"INSERT INTO application VALUES (1, 'agentd', '', '', '', '');"
		"INSERT INTO claim VALUES (1, '/opt/agentd', 1, 1, 1, 0, 1, 1)");
	p.sha256.data = sha256;
	p.sha256.len = sizeof(sha256);
	p.evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
	p.path = (char *)"/home/u/agentd";
	p.name = (char *)"agentd";
	assert_int_equal(find("host", &p, &id), IDENTITY_FOUND);
	assert_int_equal(id.source, SOCKGATE__IDENTITY__SOURCE__NONE);
	p.path = (char *)"/opt/agentd";
	assert_int_equal(find("host", &p, &id), IDENTITY_FOUND);
	assert_int_equal(id.source, SOCKGATE__IDENTITY__SOURCE__PACKAGE_FILE);
	assert_string_equal(id.name, "agentd");
	assert_int_equal(id.trust, 1);
	assert_int_equal(identity_counters(cache)->n_looked_up, 2);
	p.deleted = true;
	assert_int_equal(find("host", &p, &id), IDENTITY_FOUND);
	assert_int_equal(id.source, SOCKGATE__IDENTITY__SOURCE__NONE);
}

static void test_the_build_id_is_a_part_of_the_question(void **state)
{
	const struct identity_counters *n = identity_counters(cache);
	Sockgate__Process p = SOCKGATE__PROCESS__INIT;
	uint8_t sha256[32] = { 2 }, build_id[65] = { 0xab, 0xcd, 0xef, 0x01 };
	Sockgate__Identity id;

	(void)state;
	run_sql("INSERT INTO source VALUES (1, 'csv', 1);"
		"INSERT INTO application VALUES (1, 'agentd', '', '', '', '');"
		"INSERT INTO claim VALUES (2, x'abcdef01', 1, 1, 1, 0, 1, 1)");
	p.sha256.data = sha256;
	p.sha256.len = sizeof(sha256);
	p.evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
	assert_int_equal(find("host", &p, &id), IDENTITY_FOUND);
	assert_int_equal(id.source, SOCKGATE__IDENTITY__SOURCE__NONE);
	p.build_id.data = build_id;
	p.build_id.len = 4;
	assert_int_equal(find("host", &p, &id), IDENTITY_FOUND);
	assert_int_equal(id.source, SOCKGATE__IDENTITY__SOURCE__BUILD_ID);
	assert_string_equal(id.name, "agentd");
	assert_int_equal(n->n_looked_up, 2);
	/* What cannot be one is not asked about. */
	p.build_id.len = sizeof(build_id);
	assert_int_equal(find("host", &p, &id), IDENTITY_FOUND);
	assert_int_equal(id.source, SOCKGATE__IDENTITY__SOURCE__NONE);
	p.build_id.len = 3;
	assert_int_equal(find("host", &p, &id), IDENTITY_FOUND);
	assert_int_equal(id.source, SOCKGATE__IDENTITY__SOURCE__NONE);
}

static int take_sighting(const struct sighting *one, void *arg)
{
	char *text = arg;
	size_t used = strlen(text);

	snprintf(text + used, 256 - used, "%u %s %s %llu\n", one->sha256[0], one->host,
		 one->path, (unsigned long long)one->count);
	return 0;
}

/* However often it is asked for, from the cache too; what has a hash is not told. */
static void test_what_nobody_knows_is_noted(void **state)
{
	Sockgate__Process p = SOCKGATE__PROCESS__INIT;
	Sockgate__Identity id;
	struct sightings *s;
	uint8_t sha256[32];
	char text[256] = "", why[512];

	(void)state;
	run_sql(signature);
	assert_true(identity_refresh(cache));
	p.sha256.data = sha256;
	p.sha256.len = sizeof(sha256);
	p.evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
	p.path = (char *)"/usr/bin/curl";
	memset(sha256, 1, sizeof(sha256));
	assert_int_equal(find("web1", &p, &id), IDENTITY_FOUND);
	memset(sha256, 7, sizeof(sha256));
	p.path = (char *)"/tmp/x";
	assert_int_equal(find("web1", &p, &id), IDENTITY_FOUND);
	assert_int_equal(find("web1", &p, &id), IDENTITY_FOUND);
	/* Where it lies only as its container sees it. */
	p.foreign_path = true;
	assert_int_equal(find("web2", &p, &id), IDENTITY_FOUND);
	identity_close(cache);
	cache = NULL;
	s = sightings_open(path, false, why, sizeof(why));
	assert_non_null(s);
	assert_int_equal(sightings_each(s, NULL, 10, take_sighting, text), 0);
	sightings_close(s);
	if (strcmp(text, "7 web1 /tmp/x 2\n7 web2  1\n") != 0 &&
	    strcmp(text, "7 web2  1\n7 web1 /tmp/x 2\n") != 0)
		fail_msg("%s", text);
}

static void test_a_broken_database_is_an_error_not_unknown(void **state)
{
	Sockgate__Identity id;

	(void)state;
	run_sql("DROP TABLE hash_signature");
	assert_int_equal(look_up(1, "", &id), IDENTITY_UNAVAILABLE);
	assert_int_equal(identity_counters(cache)->n_failed, 1);
}

static int open_cache(void **state)
{
	static struct identity_conf conf = {
		.file = path,
		.cache = { .max = 4, .lifetime_s = 100, .unknown_lifetime_s = 100 },
	};
	char why[512];

	(void)state;
	cache = identity_open(NULL, NULL, &conf, NULL, NULL, why, sizeof(why));
	if (!cache)
		fail_msg("%s", why);
	return 0;
}

static int close_cache(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm", ".sightings",
					    ".sightings-wal", ".sightings-shm" };
	char name[80];

	(void)state;
	identity_close(cache);
	for (int i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		unlink(name);
	}
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/sig.sqlite", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(dir);
}

#define cache_test(f) cmocka_unit_test_setup_teardown(f, open_cache, close_cache)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cache_test(test_answers_are_remembered_until_signatures_change),
		cache_test(test_the_least_recently_used_makes_room),
		cache_test(test_unverified_content_is_nobody),
		cache_test(test_foreign_name_is_not_looked_up),
		cache_test(test_the_path_is_a_part_of_the_question),
		cache_test(test_the_build_id_is_a_part_of_the_question),
		cache_test(test_what_nobody_knows_is_noted),
		cache_test(test_a_broken_database_is_an_error_not_unknown),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
