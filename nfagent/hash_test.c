// SPDX-License-Identifier: GPL-2.0-only
#include <event2/event.h>
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

#include "hash.h"

#define LIMIT (64U << 20)
/* Long after any file here was changed. */
#define LATER INT64_MAX

static struct event_base *base;
static struct pool *pool;
static struct hash_cache *cache;
static char name[64];

/* SHA-256 of "abc" (FIPS 180-2, appendix B.1). */
static const uint8_t of_abc[HASH_SIZE] = {
	0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
	0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
	0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
};

struct told {
	unsigned int times;
	struct hash_result result;
};

static void on_hash(const struct hash_result *result, void *arg)
{
	struct told *told = arg;

	told->times++;
	told->result = *result;
}

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
	return (struct sockgate_file){
		.ino = st.st_ino,
		.ctime_ns = st.st_ctim.tv_sec * 1000000000LL +
			    st.st_ctim.tv_nsec,
		.size = (uint64_t)st.st_size,
	};
}

static int start(void **state)
{
	(void)state;
	snprintf(name, sizeof(name), "/tmp/hash-test-%d", getpid());
	base = event_base_new();
	pool = pool_new(base, 0, 4);
	cache = hash_cache_new(pool, 2, LIMIT);
	return base && pool && cache ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	pool_free(pool);
	hash_cache_free(cache);
	event_base_free(base);
	unlink(name);
	return 0;
}

static void test_content_is_hashed(void **state)
{
	struct hash_result r;
	struct sockgate_file key;
	int fd = write_file("abc");

	(void)state;
	key = key_of(fd);
	hash_file(fd, &key, LIMIT, LATER, &r);
	assert_int_equal(r.evidence, SOCKGATE__EVIDENCE__EVIDENCE_CONTENT);
	assert_memory_equal(r.sha256, of_abc, HASH_SIZE);
	assert_false(r.unsettled);
	/* Changed just now: another change could hide behind the same ctime. */
	hash_file(fd, &key, LIMIT, key.ctime_ns + 1, &r);
	assert_true(r.unsettled);
	close(fd);
}

static void test_what_is_not_content(void **state)
{
	struct hash_result r;
	struct sockgate_file key;
	int fd = write_file("abc");

	(void)state;
	key = key_of(fd);
	hash_file(-1, &key, LIMIT, LATER, &r);
	assert_int_equal(r.evidence, SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE);
	hash_file(fd, &key, 2, LATER, &r);
	assert_int_equal(r.evidence, SOCKGATE__EVIDENCE__EVIDENCE_TOO_LARGE);
	key.ctime_ns--;
	hash_file(fd, &key, LIMIT, LATER, &r);
	assert_int_equal(r.evidence, SOCKGATE__EVIDENCE__EVIDENCE_UNSTABLE);
	key.ctime_ns++;
	key.size++;
	hash_file(fd, &key, LIMIT, LATER, &r);
	assert_int_equal(r.evidence, SOCKGATE__EVIDENCE__EVIDENCE_UNSTABLE);
	close(fd);
}

/*
 * Files that were last changed long ago, so that their hashes may be kept: those
 * of the system, since there is no way to set a ctime.
 */
static const char *const settled[] = { "/bin/sh", "/bin/cat", "/bin/ls" };

static struct sockgate_file settled_key(int i)
{
	struct sockgate_file key;
	int fd = open(settled[i], O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	key = key_of(fd);
	close(fd);
	return key;
}

static void get(const char *file, const struct sockgate_file *key,
		struct told *told)
{
	hash_get(cache, key, open(file, O_RDONLY | O_CLOEXEC), on_hash, told);
}

static void test_same_file_is_read_once(void **state)
{
	struct sockgate_file key = settled_key(0);
	struct told a = { 0 }, b = { 0 }, c = { 0 };

	(void)state;
	get(settled[0], &key, &a);
	get(settled[0], &key, &b);
	assert_int_equal(a.times + b.times, 0);
	assert_true(pool_step(pool));
	assert_false(pool_step(pool));
	assert_int_equal(a.times, 1);
	assert_int_equal(b.times, 1);
	assert_memory_equal(a.result.sha256, b.result.sha256, HASH_SIZE);
	get(settled[0], &key, &c);
	assert_int_equal(c.times, 1);
	assert_memory_equal(a.result.sha256, c.result.sha256, HASH_SIZE);
	assert_int_equal(hash_counts(cache)->computed, 1);
	assert_int_equal(hash_counts(cache)->joined, 1);
	assert_int_equal(hash_counts(cache)->hits, 1);
}

/* The file in the place of another is another key, and so is read. */
static void test_changed_file_is_read_again(void **state)
{
	struct sockgate_file old = settled_key(0), new = settled_key(1);
	struct told a = { 0 }, b = { 0 };

	(void)state;
	get(settled[0], &old, &a);
	assert_true(pool_step(pool));
	assert_null(hash_cached(cache, &new));
	get(settled[1], &new, &b);
	assert_true(pool_step(pool));
	assert_int_equal(b.result.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_CONTENT);
	assert_memory_not_equal(b.result.sha256, a.result.sha256, HASH_SIZE);
	assert_memory_equal(hash_cached(cache, &old), a.result.sha256,
			    HASH_SIZE);
}

/* The new file under the key of the old one: nobody's hash. */
static void test_wrong_file_is_not_hashed(void **state)
{
	struct sockgate_file key = settled_key(0);
	struct told told = { 0 };

	(void)state;
	get(settled[1], &key, &told);
	while (pool_step(pool))
		;
	assert_int_equal(told.result.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_UNSTABLE);
	assert_null(hash_cached(cache, &key));
}

static void test_failure_is_not_remembered(void **state)
{
	struct told told = { 0 };
	struct sockgate_file key;
	int fd = write_file("abc");

	(void)state;
	key = key_of(fd);
	close(fd);
	key.ctime_ns--;
	get(name, &key, &told);
	while (pool_step(pool))
		;
	assert_int_equal(told.times, 1);
	assert_int_equal(told.result.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_UNSTABLE);
	assert_null(hash_cached(cache, &key));
	assert_int_equal(hash_cache_count(cache), 0);
}

/* Its next change could carry the same ctime: used now, and not kept. */
static void test_fresh_file_is_not_remembered(void **state)
{
	struct told told = { 0 };
	struct sockgate_file key;
	int fd = write_file("abc");

	(void)state;
	key = key_of(fd);
	get(name, &key, &told);
	while (pool_step(pool))
		;
	close(fd);
	assert_int_equal(told.result.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_CONTENT);
	/* On a machine that took 40 ms for this the file has settled. */
	assert_int_equal(!hash_cached(cache, &key), told.result.unsettled);
}

static void test_cache_is_bounded(void **state)
{
	struct sockgate_file key[3];
	struct told told = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		key[i] = settled_key(i);
		get(settled[i], &key[i], &told);
		assert_true(pool_step(pool));
	}
	assert_int_equal(hash_cache_count(cache), 2);
	assert_int_equal(hash_counts(cache)->evicted, 1);
	assert_null(hash_cached(cache, &key[0]));
	assert_non_null(hash_cached(cache, &key[2]));
}

static void test_work_is_bounded(void **state)
{
	/* The four are told when the pool is freed. */
	static struct told told;
	struct sockgate_file key;
	int fd = write_file("abc");

	(void)state;
	key = key_of(fd);
	close(fd);
	for (int i = 0; i < 6; i++) {
		key.ino++;
		get(name, &key, &told);
	}
	/* Four wait; two were told at once that nothing could be learned. */
	assert_int_equal(told.times, 2);
	assert_int_not_equal(told.result.evidence,
			     SOCKGATE__EVIDENCE__EVIDENCE_CONTENT);
	assert_int_equal(hash_counts(cache)->refused, 2);
}

#define hash_test(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		hash_test(test_content_is_hashed),
		hash_test(test_what_is_not_content),
		hash_test(test_same_file_is_read_once),
		hash_test(test_changed_file_is_read_again),
		hash_test(test_wrong_file_is_not_hashed),
		hash_test(test_failure_is_not_remembered),
		hash_test(test_fresh_file_is_not_remembered),
		hash_test(test_cache_is_bounded),
		hash_test(test_work_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
