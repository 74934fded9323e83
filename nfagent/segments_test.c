// SPDX-License-Identifier: GPL-2.0-only
/* The spool's files: what survives a crash, a restart, a full disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "segments.h"

#define GAP (1ULL << 32)

static const uint8_t fresh[SEGMENTS_INSTANCE_SIZE] = "instance-number";
static const uint8_t other[SEGMENTS_INSTANCE_SIZE] = "another-number.";
static const struct segments_limits roomy = { 1 << 20, 1 << 16 };

static char dir[64];
static char why[256];

/* Reading there fails, as on a bad disk; -1: nowhere. */
static off_t read_error_at = -1;

/* In the place of the C library's. */
ssize_t pread(int fd, void *buf, size_t len, off_t at)
{
	struct iovec to = { buf, len };

	if (read_error_at >= 0 && at == read_error_at) {
		errno = EIO;
		return -1;
	}
	return preadv(fd, &to, 1, at);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/segments-test.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static struct segments *open_with(const struct segments_limits *limits)
{
	struct segments *s = segments_open(dir, limits, fresh, why,
					   sizeof(why));

	if (!s)
		fail_msg("%s", why);
	return s;
}

/* Appends @n records "record SEQUENCE", each padded to @len bytes. */
static int append(struct segments *s, unsigned int n, size_t len)
{
	struct spool_record *list = NULL, **last = &list;
	uint64_t sequence = segments_next_sequence(s);
	uint8_t data[4096] = { 0 };
	int rc;

	while (n--) {
		snprintf((char *)data, sizeof(data), "record %llu",
			 (unsigned long long)sequence);
		*last = spool_record_new(sequence++, data, (uint32_t)len);
		assert_non_null(*last);
		last = &(*last)->next;
	}
	rc = segments_append(s, list);
	spool_records_free(list);
	return rc;
}

static struct spool_record *read_list(struct segments *s, uint64_t sequence,
				      unsigned int max_records,
				      size_t max_bytes)
{
	struct spool_record *list;

	assert_int_equal(segments_read(s, sequence, max_records, max_bytes,
				       &list), 0);
	return list;
}

/* What is there after @sequence must be @first ... @last. */
static void expect(struct segments *s, uint64_t sequence, uint64_t first,
		   uint64_t last)
{
	struct spool_record *list = read_list(s, sequence, 10000, 1 << 20);
	char text[64];

	for (struct spool_record *r = list; r; r = r->next) {
		assert_int_equal(r->sequence, first);
		snprintf(text, sizeof(text), "record %llu",
			 (unsigned long long)first++);
		assert_string_equal(r->data, text);
	}
	assert_int_equal(first, last + 1);
	spool_records_free(list);
}

static unsigned int count_files(const char *end)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned int n = 0;

	assert_non_null(d);
	while ((e = readdir(d)))
		n += strlen(e->d_name) > strlen(end) &&
		     !strcmp(e->d_name + strlen(e->d_name) - strlen(end), end);
	closedir(d);
	return n;
}

/* The path of the last segment by name. */
static void last_segment(char *path, size_t size)
{
	char last[256] = "";
	DIR *d = opendir(dir);
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)))
		if (strstr(e->d_name, ".spool") && strcmp(e->d_name, last) > 0)
			snprintf(last, sizeof(last), "%s", e->d_name);
	closedir(d);
	snprintf(path, size, "%s/%s", dir, last);
}

static void test_first_use(void **state)
{
	struct segments *s = open_with(&roomy);

	(void)state;
	assert_memory_equal(segments_instance(s), fresh, sizeof(fresh));
	assert_int_equal(segments_next_sequence(s), 1);
	assert_null(read_list(s, 0, 10, 1000));
	assert_int_equal(append(s, 3, 64), 0);
	expect(s, 0, 1, 3);
	expect(s, 2, 3, 3);
	segments_close(s, false);
}

static void test_clean_restart(void **state)
{
	struct segments *s = open_with(&roomy);

	(void)state;
	assert_int_equal(append(s, 3, 64), 0);
	segments_close(s, false);
	s = segments_open(dir, &roomy, other, why, sizeof(why));
	assert_non_null(s);
	assert_memory_equal(segments_instance(s), fresh, sizeof(fresh));
	assert_int_equal(segments_next_sequence(s), 4);
	assert_int_equal(append(s, 2, 64), 0);
	expect(s, 0, 1, 5);
	segments_close(s, false);
}

/* Numbers that may have been sent and never written are not used again. */
static void test_restart_after_crash(void **state)
{
	struct segments *s = open_with(&roomy);
	struct spool_record *list;

	(void)state;
	assert_int_equal(append(s, 3, 64), 0);
	segments_close(s, true);
	s = open_with(&roomy);
	assert_int_equal(segments_next_sequence(s), 4 + GAP);
	assert_int_equal(append(s, 1, 64), 0);
	list = read_list(s, 2, 10, 1000);
	assert_int_equal(list->sequence, 3);
	assert_int_equal(list->next->sequence, 4 + GAP);
	assert_null(list->next->next);
	spool_records_free(list);
	segments_close(s, false);
}

/* Whatever the length at which the last write was torn. */
static void test_torn_tail(void **state)
{
	const size_t frame = 16 + 64;
	struct segments *s;
	char path[400];

	(void)state;
	for (size_t cut = 1; cut <= frame; cut += 7) {
		set_up(NULL);
		s = open_with(&roomy);
		assert_int_equal(append(s, 3, 64), 0);
		segments_close(s, true);
		last_segment(path, sizeof(path));
		assert_int_equal(truncate(path, (off_t)(32 + 3 * frame - cut)),
				 0);
		s = open_with(&roomy);
		expect(s, 0, 1, 2);
		assert_int_equal(segments_next_sequence(s), 3 + GAP);
		segments_close(s, false);
		tear_down(NULL);
	}
	set_up(NULL);
}

/* A bit that fell over is not taken for a record, nor is what follows it. */
static void test_damaged_record(void **state)
{
	struct segments *s = open_with(&roomy);
	char path[400];
	int fd;

	(void)state;
	assert_int_equal(append(s, 3, 64), 0);
	segments_close(s, false);
	last_segment(path, sizeof(path));
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "R", 1, 32 + 80 + 16), 1);
	close(fd);
	s = open_with(&roomy);
	expect(s, 0, 1, 1);
	segments_close(s, false);
}

/* What is damaged is lost, and counted once however often it is read. */
static void test_damaged_while_running(void **state)
{
	struct segments *s = open_with(&roomy);
	char path[400];
	int fd;

	(void)state;
	assert_int_equal(append(s, 5, 64), 0);
	last_segment(path, sizeof(path));
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "R", 1, 32 + 2 * 80 + 16), 1);
	close(fd);
	expect(s, 0, 1, 2);
	expect(s, 0, 1, 2);
	assert_int_equal(segments_lost(s), 3);
	/* People may look at it when the rest is committed. */
	assert_int_equal(append(s, 1000, 64), 0);
	segments_drop(s, 1005);
	assert_int_equal(count_files(".bad"), 1);
	segments_close(s, false);
}

/* No descriptor is left: that says nothing of what is in the file. */
static void test_error_is_no_end(void **state)
{
	struct segments *s = open_with(&roomy);
	struct rlimit limit, none = { 0, 0 };
	struct spool_record *list;

	(void)state;
	assert_int_equal(append(s, 3, 64), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none.rlim_max = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(segments_read(s, 0, 10, 1000, &list), -1);
	assert_int_equal(errno, EMFILE);
	assert_null(list);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(segments_lost(s), 0);
	expect(s, 0, 1, 3);
	segments_close(s, false);
}

/* A file that gives errors in place of records is left as it is. */
static void test_read_error_does_not_truncate(void **state)
{
	struct segments *s = open_with(&roomy);
	struct stat before, after;
	char path[400];

	(void)state;
	assert_int_equal(append(s, 3, 64), 0);
	last_segment(path, sizeof(path));
	segments_close(s, false);
	assert_int_equal(stat(path, &before), 0);
	read_error_at = 32 + 80;
	assert_null(segments_open(dir, &roomy, fresh, why, sizeof(why)));
	assert_non_null(strstr(why, strerror(EIO)));
	read_error_at = -1;
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	s = open_with(&roomy);
	expect(s, 0, 1, 3);
	segments_close(s, false);
}

/* Some tries, then it is passed over; what lies before and after is there. */
static void test_read_error_that_lasts(void **state)
{
	const struct segments_limits small = { 1 << 20, 1024 };
	struct segments *s = open_with(&small);
	struct spool_record *list = NULL;
	int tries = 0;

	(void)state;
	assert_int_equal(append(s, 20, 64), 0);
	assert_int_equal(append(s, 1, 64), 0);
	read_error_at = 32 + 80;
	expect(s, 0, 1, 1);
	while (segments_read(s, 1, 10, 10000, &list)) {
		assert_int_equal(errno, EIO);
		assert_true(++tries < 100);
	}
	assert_true(tries > 3);
	read_error_at = -1;
	assert_int_equal(list->sequence, 21);
	assert_int_equal(segments_lost(s), 19);
	spool_records_free(list);
	segments_close(s, false);
}

static void test_foreign_file_put_aside(void **state)
{
	struct segments *s = open_with(&roomy);
	char path[400];
	int fd;

	(void)state;
	assert_int_equal(append(s, 1, 64), 0);
	segments_close(s, false);
	last_segment(path, sizeof(path));
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "????????", 8, 0), 8);
	close(fd);
	s = open_with(&roomy);
	assert_int_equal(count_files(".bad"), 1);
	assert_int_equal(append(s, 1, 64), 0);
	expect(s, 0, 1, 1);
	segments_close(s, false);
}

static void test_dropped_files_go(void **state)
{
	const struct segments_limits small = { 1 << 20, 1024 };
	struct segments *s = open_with(&small);

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(append(s, 1, 64), 0);
	assert_true(count_files(".spool") > 5);
	segments_drop(s, 50);
	expect(s, 50, 51, 100);
	segments_drop(s, 100);
	assert_int_equal(count_files(".spool"), 1);
	assert_int_equal(segments_lost(s), 0);
	assert_int_equal(segments_next_sequence(s), 101);
	segments_close(s, false);
	/* The number survives although no record does. */
	s = open_with(&small);
	assert_int_equal(segments_next_sequence(s), 101);
	segments_close(s, false);
}

/* The file that is written to goes too, once it is large and all committed. */
static void test_committed_file_makes_way(void **state)
{
	struct segments *s = open_with(&roomy);

	(void)state;
	assert_int_equal(append(s, 300, 64), 0);
	segments_drop(s, 299);
	assert_true(segments_bytes(s) > 300 * 64);
	segments_drop(s, 300);
	assert_int_equal(segments_bytes(s), 32);
	assert_int_equal(segments_next_sequence(s), 301);
	segments_close(s, false);
}

static void test_bound(void **state)
{
	const struct segments_limits tight = { 8192, 1024 };
	struct segments *s = open_with(&tight);
	struct spool_record *list;

	(void)state;
	segments_drop(s, 2);
	for (int i = 0; i < 300; i++) {
		assert_int_equal(append(s, 1, 64), 0);
		assert_true(segments_bytes(s) <= 8192 + 64);
	}
	list = read_list(s, 0, 10000, 1 << 20);
	assert_non_null(list);
	/* Every one from 3 on is either there or counted. */
	assert_int_equal(segments_lost(s), list->sequence - 3);
	expect(s, 0, list->sequence, 300);
	spool_records_free(list);
	segments_close(s, false);
}

static void test_batches(void **state)
{
	struct segments *s = open_with(&roomy);
	struct spool_record *list;
	uint64_t at = 0;

	(void)state;
	assert_int_equal(append(s, 100, 64), 0);
	while ((list = read_list(s, at, 7, 1 << 20))) {
		for (struct spool_record *r = list; r; r = r->next)
			assert_int_equal(r->sequence, ++at);
		spool_records_free(list);
	}
	assert_int_equal(at, 100);
	list = read_list(s, 10, 100, 1);
	assert_int_equal(list->sequence, 11);
	assert_null(list->next);
	spool_records_free(list);
	segments_close(s, false);
}

static void test_one_at_a_time(void **state)
{
	struct segments *s = open_with(&roomy);

	(void)state;
	assert_null(segments_open(dir, &roomy, fresh, why, sizeof(why)));
	assert_non_null(strstr(why, "in use"));
	segments_close(s, false);
}

static void test_no_symbolic_links(void **state)
{
	char link[96];

	(void)state;
	snprintf(link, sizeof(link), "%s/link", dir);
	assert_int_equal(symlink("/tmp", link), 0);
	assert_null(segments_open(link, &roomy, fresh, why, sizeof(why)));
	assert_non_null(strstr(why, link));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_use),
		TEST(test_clean_restart),
		TEST(test_restart_after_crash),
		TEST(test_torn_tail),
		TEST(test_damaged_record),
		TEST(test_damaged_while_running),
		TEST(test_error_is_no_end),
		TEST(test_read_error_does_not_truncate),
		TEST(test_read_error_that_lasts),
		TEST(test_foreign_file_put_aside),
		TEST(test_dropped_files_go),
		TEST(test_committed_file_makes_way),
		TEST(test_bound),
		TEST(test_batches),
		TEST(test_one_at_a_time),
		TEST(test_no_symbolic_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
