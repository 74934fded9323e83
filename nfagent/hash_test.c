// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who gets which hash, and in which order.  The pool has no thread: its jobs run
 * when a test says so, one slice of a file at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hash.h"
#include "test_file.h"

#define LIMIT (64U << 20)
#define THREADS 2
#define NUMBERS 8192
#define FILES (HASH_MAX_OF_USER + 100)

static struct event_base *base;
static struct pool *pool;
static struct hash_cache *cache;
static char name[64];

/* By the number that asked. */
static struct told {
	unsigned int times;
	unsigned int nth;	/* in the order of answers, from 1 */
	struct hash_result result;
} told[NUMBERS];
static unsigned int n_told;

static void on_hash(uint64_t number, const struct hash_result *result, void *arg)
{
	struct told *t = &told[number];

	(void)arg;
	t->times++;
	t->nth = ++n_told;
	t->result = *result;
}

static struct sockgate_file key_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return test_file_key(&st);
}

/* A file of this size, all holes. */
static int make_file(off_t size)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

static int start(void **state)
{
	const struct hash_conf conf = {
		.max = 2, .limit = LIMIT, .threads = THREADS, .files = FILES,
		.told = on_hash,
	};

	(void)state;
	memset(told, 0, sizeof(told));
	n_told = 0;
	snprintf(name, sizeof(name), "/tmp/hash-test-%d", getpid());
	base = event_base_new();
	pool = pool_new(base, 0, THREADS);
	cache = hash_cache_new(pool, &conf);
	return base && pool && cache ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	pool_free(pool);
	hash_cache_free(cache);
	event_base_free(base);
	return 0;
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

static void get(uint64_t number, int file, const struct sockgate_file *key)
{
	hash_get(cache, number, 0, key,
		 open(settled[file], O_RDONLY | O_CLOEXEC));
}

/* @number's own file of this size; returns its key. */
static struct sockgate_file get_new(uint64_t number, uint32_t uid, off_t size)
{
	int fd = make_file(size);
	struct sockgate_file key = key_of(fd);

	hash_get(cache, number, uid, &key, fd);
	return key;
}

static void work(void)
{
	while (pool_step(pool))
		;
}

static bool known(const struct sockgate_file *key)
{
	struct hash_result r;

	return hash_known(cache, key, &r);
}

static void test_same_file_is_read_once(void **state)
{
	struct sockgate_file key = settled_key(0);
	struct hash_result r;

	(void)state;
	get(1, 0, &key);
	get(2, 0, &key);
	assert_int_equal(n_told, 0);
	work();
	assert_int_equal(told[1].times, 1);
	assert_int_equal(told[2].times, 1);
	assert_int_equal(told[1].result.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_CONTENT);
	assert_memory_equal(told[1].result.sha256, told[2].result.sha256,
			    HASH_SIZE);
	assert_true(hash_known(cache, &key, &r));
	assert_memory_equal(told[1].result.sha256, r.sha256, HASH_SIZE);
	assert_int_equal(hash_counts(cache)->computed, 1);
	assert_int_equal(hash_counts(cache)->joined, 1);
	assert_int_equal(hash_counts(cache)->hits, 1);
}

/* The file in the place of another is another key, and so is read. */
static void test_changed_file_is_read_again(void **state)
{
	struct sockgate_file old = settled_key(0), new = settled_key(1);

	(void)state;
	get(1, 0, &old);
	work();
	assert_false(known(&new));
	get(2, 1, &new);
	work();
	assert_int_equal(told[2].result.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_CONTENT);
	assert_memory_not_equal(told[2].result.sha256, told[1].result.sha256,
				HASH_SIZE);
	assert_true(known(&old));
}

/* The new file under the key of the old one: nobody's hash. */
static void test_wrong_file_is_not_hashed(void **state)
{
	struct sockgate_file key = settled_key(0);

	(void)state;
	get(1, 1, &key);
	work();
	assert_int_equal(told[1].times, 1);
	assert_int_equal(told[1].result.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_UNSTABLE);
	assert_false(known(&key));
	assert_int_equal(hash_cache_count(cache), 0);
}

/* Its next change could carry the same ctime: used now, and not kept. */
static void test_fresh_file_is_not_remembered(void **state)
{
	struct sockgate_file key;

	(void)state;
	key = get_new(1, 0, 100);
	work();
	assert_int_equal(told[1].result.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_CONTENT);
	/* On a machine that took long for this the file has settled. */
	assert_int_equal(!known(&key), told[1].result.unsettled);
}

static void test_cache_is_bounded(void **state)
{
	struct sockgate_file key[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		key[i] = settled_key(i);
		get((uint64_t)i, i, &key[i]);
		work();
	}
	assert_int_equal(hash_cache_count(cache), 2);
	assert_int_equal(hash_counts(cache)->evicted, 1);
	assert_false(known(&key[0]));
	assert_true(known(&key[2]));
}

/* One user could have any number of them. */
static void test_scripts_take_no_executable_s_place(void **state)
{
	struct sockgate_file file = settled_key(0), script = settled_key(1);
	struct sockgate_file other = settled_key(2);

	(void)state;
	get(1, 0, &file);
	work();
	for (uint64_t n = 2; n < 6; n++) {
		script.instance = 1ULL << 63 | n;
		get(n, 1, &script);
		work();
		assert_true(known(&script));
		assert_true(known(&file));
	}
	get(7, 2, &other);
	work();
	assert_true(known(&other) && known(&file));
	assert_false(known(&script));
	get(8, 1, &script);
	work();
	assert_int_equal(told[8].times, 1);
	assert_true(known(&other) && known(&file));
	assert_int_equal(hash_cache_count(cache), 2);
}

static void test_too_large_is_known_unread(void **state)
{
	struct sockgate_file key = { .size = LIMIT + 1 };
	struct hash_result r;

	(void)state;
	assert_true(hash_known(cache, &key, &r));
	assert_int_equal(r.evidence, SOCKGATE__EVIDENCE__EVIDENCE_TOO_LARGE);
}

/* Eight large files of one user, and another's small one: it is not last. */
static void test_users_take_turns(void **state)
{
	unsigned int slices = 0;

	(void)state;
	for (uint64_t n = 0; n < 8; n++)
		get_new(n, 1000, LIMIT);
	get_new(8, 1001, 1000);
	while (!told[8].times) {
		assert_true(pool_step(pool));
		slices++;
	}
	/* Those that ran already, one of the lane before it, and its own. */
	assert_true(slices <= THREADS + 2);
	assert_int_equal(told[8].nth, 1);
	work();
	assert_int_equal(n_told, 9);
}

/* Threads take them in that order, and what a file system does not give keeps its own. */
static void test_a_thread_is_left_to_others(void **state)
{
	(void)state;
	get_new(0, 1000, 1000);
	get_new(1, 1000, 1000);
	get_new(2, 1001, 1000);
	assert_true(pool_step(pool));
	assert_true(pool_step(pool));
	assert_int_equal(told[0].times, 1);
	assert_int_equal(told[1].times, 0);
	assert_int_equal(told[2].times, 1);
	work();
	assert_int_equal(told[1].times, 1);
}

static void test_small_files_go_first(void **state)
{
	(void)state;
	for (uint64_t n = 0; n < 4; n++)
		get_new(n, 1000, LIMIT);
	get_new(4, 1000, 1000);
	work();
	assert_int_equal(told[4].nth, 1);
}

/* Who joins a file of a busy user does not wait for all the others of that one. */
static void test_join_takes_the_shorter_lane(void **state)
{
	struct sockgate_file key = { 0 };
	int fd = make_file(LIMIT);
	unsigned int slices = 0;

	(void)state;
	for (uint64_t n = 0; n < 8; n++)
		get_new(n, 1000, LIMIT - 1);
	key = key_of(fd);
	hash_get(cache, 8, 1000, &key, dup(fd));
	hash_get(cache, 9, 1001, &key, dup(fd));
	close(fd);
	while (!told[9].times) {
		assert_true(pool_step(pool));
		slices++;
	}
	/* 16 slices of its own, 16 of the others' meanwhile, and the start. */
	assert_true(slices <= 32 + THREADS + 2);
	assert_int_equal(told[8].times, 1);
}

/* Given up, it is read on only when no other wants to be. */
static void test_abandoned_file_comes_last(void **state)
{
	struct sockgate_file key[4];

	(void)state;
	for (uint64_t n = 0; n < 4; n++)
		key[n] = get_new(n, 1000, LIMIT);
	for (uint64_t n = 0; n < 4; n++)
		hash_forget(cache, n, &key[n]);
	hash_forget(cache, 0, &key[0]);
	assert_int_equal(hash_counts(cache)->abandoned, 4);
	get_new(5, 1000, LIMIT);
	while (!told[5].times)
		assert_true(pool_step(pool));
	assert_int_equal(hash_counts(cache)->computed, 1);
	work();
	assert_int_equal(hash_counts(cache)->computed, 5);
	assert_int_equal(n_told, 1);
}

/* And asked for again, it goes on where it was. */
static void test_abandoned_file_is_taken_up_again(void **state)
{
	int fd = make_file(LIMIT);
	struct sockgate_file key = key_of(fd);

	(void)state;
	hash_get(cache, 1, 1000, &key, dup(fd));
	for (int i = 0; i < 10; i++)
		assert_true(pool_step(pool));
	hash_forget(cache, 1, &key);
	hash_get(cache, 2, 1000, &key, fd);
	for (int i = 0; i < 8; i++)
		pool_step(pool);
	assert_int_equal(told[1].times, 0);
	assert_int_equal(told[2].times, 1);
}

static void test_files_under_way_are_bounded(void **state)
{
	int fd = make_file(1000);
	struct sockgate_file key = key_of(fd);
	uint64_t n;

	(void)state;
	for (n = 0; n < HASH_MAX_OF_USER; n++) {
		key.ino = n + 1;
		hash_get(cache, n, 1000, &key, dup(fd));
	}
	assert_int_equal(n_told, 0);
	key.ino = n + 1;
	hash_get(cache, n, 1000, &key, dup(fd));
	assert_int_equal(told[n].times, 1);
	assert_int_not_equal(told[n].result.evidence,
			     SOCKGATE__EVIDENCE__EVIDENCE_CONTENT);
	assert_int_equal(hash_counts(cache)->refused, 1);
	/* Another user has room. */
	hash_get(cache, n + 1, 1001, &key, dup(fd));
	assert_int_equal(told[n + 1].times, 0);
	/* Of those that are given up, a few may go on. */
	for (n = 0; n < HASH_MAX_OF_USER; n++) {
		key.ino = n + 1;
		hash_forget(cache, n, &key);
	}
	close(fd);
	work();
	assert_int_equal(hash_counts(cache)->computed,
			 HASH_MAX_IDLE + THREADS / 2 + 1);
}

/* Descriptors are for everybody; what nobody waits for makes room. */
static void test_descriptors_are_bounded(void **state)
{
	int fd = make_file(1000);
	struct sockgate_file key = key_of(fd);
	uint64_t n;

	(void)state;
	for (n = 0; n < FILES; n++) {
		key.ino = n + 1;
		hash_get(cache, n, (uint32_t)(n % 2), &key, dup(fd));
	}
	assert_int_equal(n_told, 0);
	key.ino = n + 1;
	hash_get(cache, n, 7, &key, dup(fd));
	assert_int_equal(told[n].times, 1);
	key.ino = FILES / 2;
	hash_forget(cache, FILES / 2 - 1, &key);
	key.ino = n + 1;
	hash_get(cache, n + 1, 7, &key, dup(fd));
	assert_int_equal(told[n + 1].times, 0);
	close(fd);
}

#define hash_test(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		hash_test(test_same_file_is_read_once),
		hash_test(test_changed_file_is_read_again),
		hash_test(test_wrong_file_is_not_hashed),
		hash_test(test_fresh_file_is_not_remembered),
		hash_test(test_cache_is_bounded),
		hash_test(test_scripts_take_no_executable_s_place),
		hash_test(test_too_large_is_known_unread),
		hash_test(test_users_take_turns),
		hash_test(test_a_thread_is_left_to_others),
		hash_test(test_small_files_go_first),
		hash_test(test_join_takes_the_shorter_lane),
		hash_test(test_abandoned_file_comes_last),
		hash_test(test_abandoned_file_is_taken_up_again),
		hash_test(test_files_under_way_are_bounded),
		hash_test(test_descriptors_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
