// SPDX-License-Identifier: GPL-2.0-only
/* What a file must be for its hash to count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "content.h"
#include "test_file.h"

#define LIMIT (64U << 20)
/* Long after any file here was changed. */
#define LATER INT64_MAX

static char name[64];

/* SHA-256 of "abc" (FIPS 180-2, appendix B.1). */
static const uint8_t of_abc[HASH_SIZE] = {
	0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
	0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
	0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
};

static int write_file(const char *content)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	return fd;
}

static struct sockgate_file key_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return test_file_key(&st);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(name, sizeof(name), "/tmp/content-test-%d", getpid());
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(name);
	return 0;
}

static struct hash_result read_whole(int fd, const struct sockgate_file *key,
				     uint64_t limit, int64_t now_ns)
{
	struct hash_result result;
	struct content c;

	content_init(&c, fd < 0 ? fd : dup(fd), key, limit);
	while (!content_read(&c, 1 << 20, now_ns))
		;
	result = c.result;
	content_close(&c);
	return result;
}

static void test_content_is_hashed(void **state)
{
	struct sockgate_file key;
	int fd = write_file("abc");
	struct hash_result r;

	(void)state;
	key = key_of(fd);
	r = read_whole(fd, &key, LIMIT, LATER);
	assert_int_equal(r.evidence, SOCKGATE__EVIDENCE__EVIDENCE_CONTENT);
	assert_memory_equal(r.sha256, of_abc, HASH_SIZE);
	assert_false(r.unsettled);
	/* Changed just now: another change could hide behind the same ctime. */
	r = read_whole(fd, &key, LIMIT, key.ctime_ns + 1);
	assert_true(r.unsettled);
	close(fd);
}

/* Of the file that is hashed, and of no other. */
static void test_the_build_id_comes_with_it(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct sockgate_file key = key_of(fd);
	uint8_t id[BUILD_ID_MAX];
	struct hash_result r;

	(void)state;
	r = read_whole(fd, &key, LIMIT, LATER);
	assert_int_equal(r.evidence, SOCKGATE__EVIDENCE__EVIDENCE_CONTENT);
	assert_int_equal(r.build_id_size, 20);
	assert_int_equal(build_id_read(fd, id), 20);
	assert_memory_equal(r.build_id, id, 20);
	assert_int_equal(read_whole(fd, &key, 2, LATER).build_id_size, 0);
	close(fd);
	fd = write_file("abc");
	key = key_of(fd);
	assert_int_equal(read_whole(fd, &key, LIMIT, LATER).build_id_size, 0);
	close(fd);
}

static void test_what_is_not_content(void **state)
{
	struct sockgate_file key;
	int fd = write_file("abc");

	(void)state;
	key = key_of(fd);
	assert_int_equal(read_whole(-1, &key, LIMIT, LATER).evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE);
	assert_int_equal(read_whole(fd, &key, 2, LATER).evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_TOO_LARGE);
	key.ctime_ns--;
	assert_int_equal(read_whole(fd, &key, LIMIT, LATER).evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_UNSTABLE);
	key.ctime_ns++;
	key.size++;
	assert_int_equal(read_whole(fd, &key, LIMIT, LATER).evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_UNSTABLE);
	close(fd);
}

/*
 * There is no way to set a ctime, but one that is wrong is as unsettled as it is
 * unstable.
 */
static bool settled_after(int64_t ctime_ns, int64_t ns)
{
	struct sockgate_file key;
	int fd = write_file("abc");
	struct hash_result r;

	key = key_of(fd);
	key.ctime_ns = ctime_ns;
	r = read_whole(fd, &key, LIMIT, ctime_ns + ns);
	close(fd);
	return !r.unsettled;
}

/* A ctime of whole seconds may stand for all that happened in two of them. */
static void test_coarse_ctime_settles_late(void **state)
{
	const int64_t ms = 1000000, second = 1000 * ms;

	(void)state;
	assert_true(settled_after(5 * second + 1, 40 * ms));
	assert_false(settled_after(5 * second + 1, 39 * ms));
	assert_false(settled_after(5 * second, 2 * second));
	assert_true(settled_after(5 * second, 3 * second));
}

/* In parts; and what changes between two of them proves nothing. */
static void test_changed_while_it_is_read(void **state)
{
	struct sockgate_file key;
	struct content c;
	int fd = write_file("");

	(void)state;
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	key = key_of(fd);
	content_init(&c, dup(fd), &key, LIMIT);
	assert_int_equal(content_left(&c), 1 << 20);
	assert_false(content_read(&c, 1, LATER));
	assert_true(content_left(&c) < 1 << 20);
	assert_int_equal(fchmod(fd, 0400), 0);
	assert_int_equal(pwrite(fd, "x", 1, 1000), 1);
	while (!content_read(&c, 1, LATER))
		;
	assert_int_equal(c.result.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_UNSTABLE);
	content_close(&c);
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_content_is_hashed),
		TEST(test_the_build_id_comes_with_it),
		TEST(test_what_is_not_content),
		TEST(test_coarse_ctime_settles_late),
		TEST(test_changed_while_it_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
