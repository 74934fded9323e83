// SPDX-License-Identifier: GPL-2.0-only
/* The agent is this file, the scanner a script that notes what it is given. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <event2/event.h>
#include <sqlite3.h>

#include "fetcher.h"
#include "sigdb/sighting.h"

#define LIMIT (2 * FETCHER_RATE_MIN)
#define NOW 5000

static char dir[64], rules[96], signatures[96], scanner[96], scans[96];
static struct event_base *base;
static struct fetcher *fetcher;
static uint64_t query;

static const char content[] = "an executable, more or less";

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* One line for each scan: its arguments, and what it was to read. */
static const char *scanned(void)
{
	static char text[2048];
	FILE *f = fopen(scans, "r");
	size_t len = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	text[len] = '\0';
	if (f)
		fclose(f);
	return text;
}

static void start(void)
{
	const struct fetcher_conf conf = {
		.rules = rules, .signatures = signatures, .scanner = scanner,
		.max_bytes = LIMIT,
	};

	fetcher = fetcher_new(base, &conf);
	assert_non_null(fetcher);
}

static int set_up(void **state)
{
	char script[512];

	(void)state;
	strcpy(dir, "/tmp/fetcher-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(rules, sizeof(rules), "%s/rules.yar", dir);
	snprintf(signatures, sizeof(signatures), "%s/s.db", dir);
	snprintf(scanner, sizeof(scanner), "%s/scanner", dir);
	snprintf(scans, sizeof(scans), "%s/scans", dir);
	snprintf(script, sizeof(script), "#!/bin/sh\necho \"$@\" \"$(cat \"$8\")\" >>%s\n"
		 "echo \"$8: bad\"\n", scans);
	write_file(rules, "rule x { condition: true }", 0644);
	write_file(scanner, script, 0755);
	base = event_base_new();
	start();
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	fetcher_free(fetcher);
	event_base_free(base);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static void hash_of(const char *text, uint8_t *hash)
{
	assert_int_equal(sha256_memory(text, strlen(text), hash), 0);
}

static enum fetcher_answer want(uint64_t session, const char *host, const char *text,
				int64_t now_s)
{
	uint8_t hash[SHA256_SIZE];

	hash_of(text, hash);
	return fetcher_want(fetcher, session, host, hash, now_s, &query);
}

static bool send_part_at(uint64_t session, const char *text, size_t size, bool last,
			 int64_t now_s)
{
	Sockgate__ContentPart part = SOCKGATE__CONTENT_PART__INIT;

	part.data.data = (uint8_t *)text;
	part.data.len = size;
	part.end = last;
	return fetcher_take(fetcher, session, query, &part, now_s);
}

static bool send_part(uint64_t session, const char *text, size_t size, bool last)
{
	return send_part_at(session, text, size, last, NOW);
}

static bool send_missing(Sockgate__Missing missing)
{
	Sockgate__ContentPart part = SOCKGATE__CONTENT_PART__INIT;

	part.missing = missing;
	return fetcher_take(fetcher, 1, query, &part, NOW);
}

static const struct fetcher_counters *counted(void)
{
	return fetcher_counters(fetcher);
}

/* Until the thread has done with all there is; it is given ten seconds. */
static void wait_for(const uint64_t *counter, uint64_t value)
{
	struct timeval limit = { 10, 0 };

	event_base_loopexit(base, &limit);
	while (*counter != value && !event_base_got_exit(base))
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(*counter, value);
}

static void test_fetched_and_scanned_once(void **state)
{
	char line[512], hex[SHA256_TEXT_SIZE];
	uint8_t hash[SHA256_SIZE];

	(void)state;
	assert_int_equal(want(1, "web1", content, NOW), FETCHER_ASK);
	assert_int_equal(want(1, "web1", content, NOW), FETCHER_NO);
	/* Should it not come from there, another one is soon asked. */
	assert_int_equal(want(2, "web2", content, NOW), FETCHER_LATER);
	assert_true(send_part(1, content, 10, false));
	assert_true(send_part(1, content + 10, strlen(content) - 10, true));
	/* Another part of it belongs nowhere. */
	assert_false(send_part(1, content, 1, true));
	wait_for(&counted()->n_scanned, 1);
	hash_of(content, hash);
	hex_encode(hash, SHA256_SIZE, hex);
	snprintf(line, sizeof(line), "-d %s scan --rules %s --sha256 %s /proc/self/fd/0 %s\n",
		 signatures, rules, hex, content);
	assert_string_equal(scanned(), line);
	assert_int_equal(want(1, "web1", content, NOW + 1), FETCHER_NO);
	assert_int_equal(counted()->n_asked, 1);
}

/* That it was scanned is remembered for these rules, by whoever is asked. */
static void test_what_was_scanned_is_not_asked_for(void **state)
{
	uint8_t hash[SHA256_SIZE], by[SHA256_SIZE];
	struct sightings *notes;
	char why[256];

	(void)state;
	hash_of(content, hash);
	hash_of("rule x { condition: true }", by);
	notes = sightings_open(signatures, true, why, sizeof(why));
	assert_non_null(notes);
	assert_int_equal(sightings_note_scan(notes, hash, by, NOW), 0);
	assert_int_equal(want(1, "web1", content, NOW), FETCHER_NO);
	/* Other rules. */
	write_file(rules, "rule y { condition: true }", 0644);
	assert_true(fetcher_refresh(fetcher, NOW));
	assert_false(fetcher_refresh(fetcher, NOW));
	assert_int_equal(want(1, "web1", content, NOW), FETCHER_ASK);
	sightings_close(notes);
}

/* Nobody waits for who writes it, nor is it made; another file is noticed. */
static void test_notes_are_only_read(void **state)
{
	uint8_t hash[SHA256_SIZE], by[SHA256_SIZE];
	char path[128], why[256];
	struct sightings *notes;
	sqlite3 *writer;

	(void)state;
	snprintf(path, sizeof(path), "%s.sightings", signatures);
	assert_int_equal(want(1, "web1", "one", NOW), FETCHER_ASK);
	assert_int_not_equal(access(path, F_OK), 0);
	hash_of(content, hash);
	hash_of("rule x { condition: true }", by);
	notes = sightings_open(signatures, true, why, sizeof(why));
	assert_non_null(notes);
	assert_int_equal(sightings_note_scan(notes, hash, by, NOW), 0);
	sightings_close(notes);
	assert_int_equal(sqlite3_open(path, &writer), SQLITE_OK);
	assert_int_equal(sqlite3_exec(writer, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(want(2, "web2", content, NOW), FETCHER_NO);
	sqlite3_close(writer);
	assert_int_equal(unlink(path), 0);
	fetcher_refresh(fetcher, NOW);
	assert_int_equal(want(2, "web2", content, NOW), FETCHER_ASK);
}

/* What cannot be read is not tried again at each question. */
static void test_notes_that_cannot_be_read(void **state)
{
	uint8_t hash[SHA256_SIZE], by[SHA256_SIZE];
	char path[128], why[256];
	struct sightings *notes;

	(void)state;
	snprintf(path, sizeof(path), "%s.sightings", signatures);
	write_file(path, "this is no database, however long one looks at it", 0644);
	assert_int_equal(want(1, "web1", content, NOW), FETCHER_ASK);
	fetcher_gone(fetcher, 1, NOW);
	assert_int_equal(unlink(path), 0);
	hash_of(content, hash);
	hash_of("rule x { condition: true }", by);
	notes = sightings_open(signatures, true, why, sizeof(why));
	assert_non_null(notes);
	assert_int_equal(sightings_note_scan(notes, hash, by, NOW), 0);
	sightings_close(notes);
	assert_int_equal(want(2, "web2", content, NOW + FETCHER_NOTES_S - 1), FETCHER_ASK);
	fetcher_gone(fetcher, 2, NOW);
	assert_int_equal(want(3, "web3", content, NOW + FETCHER_NOTES_S), FETCHER_NO);
}

static void test_another_content_is_not_scanned(void **state)
{
	(void)state;
	assert_int_equal(want(1, "web1", content, NOW), FETCHER_ASK);
	assert_true(send_part(1, "something else", 14, true));
	wait_for(&counted()->n_false, 1);
	assert_string_equal(scanned(), "");
	/* Others may be honest; this one is believed again later. */
	assert_int_equal(want(1, "web1", content, NOW), FETCHER_NO);
	assert_int_equal(want(2, "web2", content, NOW), FETCHER_ASK);
	assert_int_equal(want(1, "web1", content, NOW + FETCHER_AGAIN_S), FETCHER_LATER);
	fetcher_gone(fetcher, 2, NOW);
	assert_int_equal(want(1, "web1", content, NOW + FETCHER_AGAIN_S), FETCHER_ASK);
}

static void test_too_large(void **state)
{
	static char large[LIMIT + 1];

	(void)state;
	memset(large, 'x', sizeof(large));
	assert_int_equal(want(1, "web1", content, NOW), FETCHER_ASK);
	assert_true(send_part(1, large, LIMIT, false));
	assert_true(send_part(1, large, 1, true));
	assert_int_equal(counted()->n_too_large, 1);
	assert_false(send_part(1, large, 1, true));
	assert_int_equal(want(1, "web1", content, NOW), FETCHER_NO);
	assert_int_equal(want(1, "web1", "other", NOW), FETCHER_ASK);
	assert_true(send_missing(SOCKGATE__MISSING__MISSING_TOO_LARGE));
	assert_int_equal(counted()->n_too_large, 2);
	assert_string_equal(scanned(), "");
}

static void test_refused_or_gone(void **state)
{
	(void)state;
	assert_int_equal(want(1, "web1", content, NOW), FETCHER_ASK);
	assert_true(send_missing(SOCKGATE__MISSING__MISSING_REFUSED));
	assert_int_equal(counted()->n_missing, 1);
	assert_int_equal(want(1, "web1", content, NOW), FETCHER_NO);
	/* It goes away in the middle. */
	assert_int_equal(want(2, "web2", content, NOW), FETCHER_ASK);
	assert_true(send_part(2, content, 5, false));
	fetcher_gone(fetcher, 2, NOW);
	assert_int_equal(counted()->n_missing, 2);
	assert_false(send_part(2, content + 5, strlen(content) - 5, true));
	/* Or says nothing more. */
	assert_int_equal(want(3, "web3", content, NOW), FETCHER_ASK);
	fetcher_refresh(fetcher, NOW + FETCHER_SILENCE_S);
	assert_int_equal(counted()->n_missing, 2);
	fetcher_refresh(fetcher, NOW + FETCHER_SILENCE_S + 1);
	assert_int_equal(counted()->n_missing, 3);
	assert_string_equal(scanned(), "");
}

/* Parts with nothing in them, or next to nothing, do not keep others from being asked. */
static void test_too_slow(void **state)
{
	static char large[LIMIT];

	(void)state;
	assert_int_equal(want(1, "web1", content, NOW), FETCHER_ASK);
	assert_true(send_part_at(1, NULL, 0, false, NOW + FETCHER_SILENCE_S - 1));
	fetcher_refresh(fetcher, NOW + FETCHER_SILENCE_S + 1);
	assert_int_equal(counted()->n_missing, 1);
	assert_int_equal(want(2, "web2", content, NOW), FETCHER_ASK);
	assert_true(send_part_at(2, content, 1, false, NOW + FETCHER_SILENCE_S - 1));
	fetcher_refresh(fetcher, NOW + FETCHER_SILENCE_S + 1);
	assert_int_equal(counted()->n_missing, 2);
	/* What comes fast enough may take its time. */
	assert_int_equal(want(3, "web3", content, NOW), FETCHER_ASK);
	assert_true(send_part_at(3, large, LIMIT, false, NOW + 10));
	fetcher_refresh(fetcher, NOW + FETCHER_SILENCE_S + 2);
	assert_int_equal(counted()->n_missing, 2);
	fetcher_refresh(fetcher, NOW + FETCHER_SILENCE_S + 3);
	assert_int_equal(counted()->n_missing, 3);
}

/* Another session cannot speak for the one that was asked. */
static void test_of_another_session(void **state)
{
	(void)state;
	assert_int_equal(want(1, "web1", content, NOW), FETCHER_ASK);
	assert_false(send_part(2, content, strlen(content), true));
	fetcher_gone(fetcher, 2, NOW);
	assert_true(send_part(1, content, strlen(content), true));
	wait_for(&counted()->n_scanned, 1);
}

static void test_bounds(void **state)
{
	char text[16], host[16];

	(void)state;
	for (unsigned int i = 0; i < FETCHER_MAX; i++) {
		snprintf(text, sizeof(text), "content %u", i);
		snprintf(host, sizeof(host), "web%u", i / FETCHER_OF_HOST_MAX);
		assert_int_equal(want(1, host, text, NOW), FETCHER_ASK);
	}
	assert_int_equal(want(1, "web0", content, NOW), FETCHER_LATER);
	assert_int_equal(want(1, "web9", content, NOW), FETCHER_LATER);
	fetcher_gone(fetcher, 1, NOW);
	assert_int_equal(want(1, "web0", content, NOW), FETCHER_ASK);
	assert_int_equal(want(1, "web0", "one", NOW), FETCHER_ASK);
	assert_int_equal(want(1, "web0", "two", NOW), FETCHER_LATER);
	assert_int_equal(want(1, "web9", "two", NOW), FETCHER_ASK);
	assert_int_equal(counted()->n_put_off, 3);
}

/* One that changes a byte each second would make all hosts ask about all again. */
static void test_findings_of_a_host_are_bounded(void **state)
{
	char text[32];

	(void)state;
	for (unsigned int i = 0; i < FETCHER_HOST_QUOTA; i++) {
		snprintf(text, sizeof(text), "content %u", i);
		assert_int_equal(want(1, "web1", text, NOW), FETCHER_ASK);
		assert_true(send_part(1, text, strlen(text), true));
		wait_for(&counted()->n_scanned, i + 1);
	}
	assert_int_equal(want(1, "web1", content, NOW + FETCHER_HOST_S - 1), FETCHER_NO);
	assert_int_equal(counted()->n_over_quota, 1);
	assert_int_equal(want(2, "web2", content, NOW + FETCHER_HOST_S - 1), FETCHER_ASK);
	fetcher_gone(fetcher, 2, NOW + FETCHER_HOST_S - 1);
	assert_int_equal(want(1, "web1", content, NOW + FETCHER_HOST_S), FETCHER_ASK);
}

/* Nor may a host keep places for what it never sends. */
static void test_what_does_not_come_uses_the_quota(void **state)
{
	int64_t now_s = NOW;
	char text[32];

	(void)state;
	for (unsigned int i = 0; i < FETCHER_HOST_QUOTA; i++) {
		snprintf(text, sizeof(text), "content %u", i);
		assert_int_equal(want(1, "web1", text, now_s), FETCHER_ASK);
		now_s += FETCHER_SILENCE_S + 1;
		fetcher_refresh(fetcher, now_s);
	}
	assert_int_equal(counted()->n_missing, FETCHER_HOST_QUOTA);
	assert_int_equal(want(1, "web1", content, now_s), FETCHER_NO);
	assert_int_equal(want(1, "web1", content, now_s + FETCHER_HOST_S), FETCHER_ASK);
}

/* Neither what the rules do not find, nor what they have found before. */
static void test_what_is_no_finding_uses_no_quota(void **state)
{
	char text[32];

	(void)state;
	for (unsigned int i = 0; i <= FETCHER_HOST_QUOTA; i++) {
		write_file(scanner, i % 2 ? "#!/bin/sh\necho \"$8: no rule matches\"\n" :
			   "#!/bin/sh\necho \"$8: bad (scanned before)\"\n", 0755);
		snprintf(text, sizeof(text), "content %u", i);
		assert_int_equal(want(1, "web1", text, NOW), FETCHER_ASK);
		assert_true(send_part(1, text, strlen(text), true));
		wait_for(&counted()->n_scanned, i + 1);
	}
	assert_int_equal(want(1, "web1", content, NOW), FETCHER_ASK);
}

static unsigned int lines_of(const char *path)
{
	FILE *f = fopen(path, "r");
	unsigned int lines = 0;
	int c;

	assert_non_null(f);
	while ((c = fgetc(f)) != EOF)
		lines += c == '\n';
	fclose(f);
	return lines;
}

static void test_lines_about_a_host_are_bounded(void **state)
{
	int old = dup(STDERR_FILENO), fd;
	char log[96], text[32];

	(void)state;
	snprintf(log, sizeof(log), "%s/log", dir);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	close(fd);
	for (unsigned int i = 0; i < 2 * FETCHER_HOST_LINES; i++) {
		snprintf(text, sizeof(text), "content %u", i);
		want(1, "web1", text, NOW);
		send_missing(SOCKGATE__MISSING__MISSING_REFUSED);
	}
	dup2(old, STDERR_FILENO);
	close(old);
	assert_int_equal(counted()->n_missing, 2 * FETCHER_HOST_LINES);
	assert_int_equal(lines_of(log), FETCHER_HOST_LINES);
}

static void test_scanner_that_fails(void **state)
{
	(void)state;
	write_file(scanner, "#!/bin/sh\nexit 1\n", 0755);
	assert_int_equal(want(1, "web1", content, NOW), FETCHER_ASK);
	assert_true(send_part(1, content, strlen(content), true));
	wait_for(&counted()->n_failed, 1);
	/* It may be for reasons of ours: soon again, but more and more rarely. */
	for (int64_t now_s = NOW, wait_s = FETCHER_LATER_MS / 1000; wait_s < FETCHER_AGAIN_S;
	     wait_s *= 2) {
		assert_int_equal(want(1, "web1", content, now_s), FETCHER_LATER);
		assert_int_equal(want(1, "web1", content, now_s + wait_s - 1), FETCHER_LATER);
		now_s += wait_s;
		assert_int_equal(want(1, "web1", content, now_s), FETCHER_ASK);
		assert_true(send_part_at(1, content, strlen(content), true, now_s));
		wait_for(&counted()->n_failed, counted()->n_failed + 1);
	}
	assert_int_equal(want(1, "web1", content, NOW + 2 * FETCHER_AGAIN_S), FETCHER_NO);
}

static void test_without_rules_nothing_is_asked_for(void **state)
{
	(void)state;
	assert_int_equal(unlink(rules), 0);
	assert_false(fetcher_refresh(fetcher, NOW));
	assert_int_equal(want(1, "web1", content, NOW), FETCHER_NO);
	write_file(rules, "rule z { condition: true }", 0644);
	assert_true(fetcher_refresh(fetcher, NOW));
	assert_int_equal(want(1, "web1", content, NOW), FETCHER_ASK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fetched_and_scanned_once),
		TEST(test_what_was_scanned_is_not_asked_for),
		TEST(test_notes_are_only_read),
		TEST(test_notes_that_cannot_be_read),
		TEST(test_another_content_is_not_scanned),
		TEST(test_too_large),
		TEST(test_refused_or_gone),
		TEST(test_too_slow),
		TEST(test_of_another_session),
		TEST(test_bounds),
		TEST(test_findings_of_a_host_are_bounded),
		TEST(test_what_does_not_come_uses_the_quota),
		TEST(test_what_is_no_finding_uses_no_quota),
		TEST(test_lines_about_a_host_are_bounded),
		TEST(test_scanner_that_fails),
		TEST(test_without_rules_nothing_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
