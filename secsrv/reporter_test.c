// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "reporter.h"
#include "sigdb/sighting.h"

static char dir[] = "/tmp/reporter-test-XXXXXX";
static char path[64];		/* of the signatures */
static struct reporter *reporter;

static void note(uint8_t content, const char *host, const char *where, int64_t now_s)
{
	uint8_t hash[SHA256_SIZE];

	memset(hash, content, sizeof(hash));
	reporter_note(reporter, hash, host, where, now_s);
}

static int take(const struct sighting *one, void *arg)
{
	char *text = arg;
	size_t used = strlen(text);

	snprintf(text + used, 1024 - used, "%u %s %s %lld %lld %llu\n", one->sha256[0],
		 one->host, one->path, (long long)one->first_s, (long long)one->last_s,
		 (unsigned long long)one->count);
	return 0;
}

/* What is in the file. */
static const char *noted(void)
{
	static char text[1024];
	struct sightings *s;
	char why[512];

	text[0] = '\0';
	s = sightings_open(path, false, why, sizeof(why));
	if (!s)
		return text;
	/* Its table may be about to be made. */
	if (sightings_each(s, NULL, 100, take, text))
		text[0] = '\0';
	sightings_close(s);
	return text;
}

static void test_the_end_writes_all(void **state)
{
	(void)state;
	note(1, "web1", "/a", 10);
	note(1, "web1", "/b", 12);
	note(1, "web2", "", 11);
	assert_string_equal(noted(), "");
	reporter_free(reporter);
	reporter = NULL;
	assert_string_equal(noted(), "1 web1 /a 10 12 2\n1 web2  11 11 1\n");
}

/* Until the thread has written; it is given ten seconds. */
static const char *wait_for(const char *text)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int i = 0; i < 10000 && strcmp(noted(), text) != 0; i++)
		nanosleep(&pause, NULL);
	return noted();
}

static void test_a_flush_hands_over_and_the_next_adds(void **state)
{
	(void)state;
	note(1, "web1", "/a", 10);
	reporter_flush(reporter);
	assert_string_equal(wait_for("1 web1 /a 10 10 1\n"), "1 web1 /a 10 10 1\n");
	note(1, "web1", "/a", 20);
	reporter_free(reporter);
	reporter = NULL;
	assert_string_equal(noted(), "1 web1 /a 10 20 2\n");
}

/* A database that cannot be written to holds up nobody. */
static void test_noting_waits_for_nothing(void **state)
{
	struct timespec before, after;
	sqlite3 *db;
	char file[96];

	(void)state;
	note(1, "web1", "/a", 10);
	reporter_flush(reporter);
	wait_for("1 web1 /a 10 10 1\n");
	snprintf(file, sizeof(file), "%s.sightings", path);
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	clock_gettime(CLOCK_MONOTONIC, &before);
	for (int i = 0; i < 1000; i++) {
		note((uint8_t)i, "web1", "/a", 20);
		reporter_flush(reporter);
	}
	clock_gettime(CLOCK_MONOTONIC, &after);
	/* SQLite would wait for two seconds. */
	assert_true(after.tv_sec - before.tv_sec <= 1);
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(db);
}

static void test_what_there_is_no_room_for_is_counted(void **state)
{
	uint8_t hash[SHA256_SIZE] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < REPORTER_MAX + 3; i++) {
		memcpy(hash, &i, sizeof(i));
		reporter_note(reporter, hash, "web1", "", 1);
	}
	assert_int_equal(reporter_lost(reporter), 3);
	/* One that is there already needs no room. */
	reporter_note(reporter, (const uint8_t[SHA256_SIZE]){ 0 }, "web1", "", 2);
	assert_int_equal(reporter_lost(reporter), 3);
}

static int open_reporter(void **state)
{
	(void)state;
	reporter = reporter_new(path);
	return reporter ? 0 : -1;
}

static int close_reporter(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char file[96];

	(void)state;
	reporter_free(reporter);
	for (int i = 0; i < 3; i++) {
		snprintf(file, sizeof(file), "%s.sightings%s", path, ends[i]);
		unlink(file);
	}
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/s.db", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(dir);
}

#define reporter_test(f) cmocka_unit_test_setup_teardown(f, open_reporter, close_reporter)

int main(void)
{
	const struct CMUnitTest tests[] = {
		reporter_test(test_the_end_writes_all),
		reporter_test(test_a_flush_hands_over_and_the_next_adds),
		reporter_test(test_noting_waits_for_nothing),
		reporter_test(test_what_there_is_no_room_for_is_counted),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
