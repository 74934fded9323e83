// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "frame.h"
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
		char host[16];

		memcpy(hash, &i, sizeof(i));
		snprintf(host, sizeof(host), "web%u", i / REPORTER_OF_HOST_MAX + 1);
		reporter_note(reporter, hash, host, "", 1);
	}
	assert_int_equal(reporter_lost(reporter), 3);
	/* One that is there already needs no room. */
	reporter_note(reporter, (const uint8_t[SHA256_SIZE]){ 0 }, "web1", "", 2);
	assert_int_equal(reporter_lost(reporter), 3);
}

static void test_no_host_has_all_the_room(void **state)
{
	uint8_t hash[SHA256_SIZE] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < REPORTER_OF_HOST_MAX + 2; i++) {
		memcpy(hash, &i, sizeof(i));
		reporter_note(reporter, hash, "web1", "", 1);
	}
	assert_int_equal(reporter_lost(reporter), 2);
	note(1, "web2", "", 1);
	assert_int_equal(reporter_lost(reporter), 2);
	/* And again, once these are handed over. */
	reporter_flush(reporter);
	note(77, "web1", "", 1);
	assert_int_equal(reporter_lost(reporter), 2);
}

static void test_what_cannot_be_written_is_counted(void **state)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	char file[96];

	(void)state;
	snprintf(file, sizeof(file), "%s.sightings", path);
	assert_int_equal(mkdir(file, 0700), 0);
	note(1, "web1", "/a", 10);
	note(2, "web1", "/b", 10);
	reporter_flush(reporter);
	for (int i = 0; i < 10000 && reporter_lost(reporter) != 2; i++)
		nanosleep(&pause, NULL);
	assert_int_equal(reporter_lost(reporter), 2);
	assert_int_equal(rmdir(file), 0);
}

/* ---- to a service ---- */

static struct {
	unsigned int parts;
	size_t count, bytes;	/* of the last */
	uint8_t first;		/* content of its first */
	bool away;		/* nobody takes it */
} sent;

static int take_part(const Sockgate__SightingsReport *report, void *arg)
{
	(void)arg;
	if (sent.away)
		return -1;
	sent.parts++;
	sent.count = report->n_sighting;
	sent.bytes = sockgate__sightings_report__get_packed_size(report);
	sent.first = report->sighting[0]->sha256.data[0];
	return 0;
}

static void send(void)
{
	reporter_send(reporter, take_part, NULL);
}

static void note_many(uint32_t n, const char *where)
{
	uint8_t hash[SHA256_SIZE] = { 0 };

	for (uint32_t i = 1; i <= n; i++) {
		memcpy(hash, &i, sizeof(i));
		reporter_note(reporter, hash, "web1", where, 1);
	}
}

static void test_one_part_at_a_time(void **state)
{
	(void)state;
	send();
	assert_int_equal(sent.parts, 0);
	note_many(REPORTER_PART_MAX + 10, "/a");
	assert_true(reporter_has_part(reporter));
	send();
	assert_int_equal(sent.count, REPORTER_PART_MAX);
	/* The next waits for what came of it. */
	send();
	assert_int_equal(sent.parts, 1);
	reporter_sent(reporter, REPORTER_STORED);
	assert_false(reporter_has_part(reporter));
	send();
	assert_int_equal(sent.parts, 2);
	assert_int_equal(sent.count, 10);
	reporter_sent(reporter, REPORTER_STORED);
	send();
	assert_int_equal(sent.parts, 2);
	assert_int_equal(reporter_lost(reporter), 0);
}

/* What was not acknowledged is the next part again, whatever came since. */
static void test_a_part_is_sent_again(void **state)
{
	(void)state;
	note(7, "web1", "/a", 1);
	sent.away = true;
	send();
	sent.away = false;
	note(8, "web1", "/b", 1);
	send();
	assert_int_equal(sent.count, 1);
	assert_int_equal(sent.first, 7);
	reporter_sent(reporter, REPORTER_AGAIN);
	send();
	assert_int_equal(sent.parts, 2);
	assert_int_equal(sent.first, 7);
	reporter_sent(reporter, REPORTER_REFUSED);
	assert_int_equal(reporter_lost(reporter), 1);
	send();
	assert_int_equal(sent.first, 8);
}

/* Long paths make short parts: no frame is too large. */
static void test_a_part_fits_into_a_frame(void **state)
{
	static char where[4000];

	(void)state;
	memset(where, 'x', sizeof(where) - 1);
	where[0] = '/';
	note_many(REPORTER_PART_MAX, where);
	send();
	assert_true(sent.count < REPORTER_PART_MAX);
	assert_true(sent.bytes > REPORTER_PART_BYTES / 2);
	assert_true(sent.bytes < FRAME_LIMIT);
}

static int open_for_service(void **state)
{
	(void)state;
	memset(&sent, 0, sizeof(sent));
	reporter = reporter_new(NULL);
	return reporter ? 0 : -1;
}

static int close_for_service(void **state)
{
	(void)state;
	reporter_free(reporter);
	return 0;
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
#define service_test(f) \
	cmocka_unit_test_setup_teardown(f, open_for_service, close_for_service)

int main(void)
{
	const struct CMUnitTest tests[] = {
		reporter_test(test_the_end_writes_all),
		reporter_test(test_a_flush_hands_over_and_the_next_adds),
		reporter_test(test_noting_waits_for_nothing),
		reporter_test(test_what_there_is_no_room_for_is_counted),
		reporter_test(test_no_host_has_all_the_room),
		reporter_test(test_what_cannot_be_written_is_counted),
		service_test(test_what_there_is_no_room_for_is_counted),
		service_test(test_one_part_at_a_time),
		service_test(test_a_part_is_sent_again),
		service_test(test_a_part_fits_into_a_frame),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
