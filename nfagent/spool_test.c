// SPDX-License-Identifier: GPL-2.0-only
/*
 * The spool's life between a server that comes and goes and a disk that fills
 * up.  The pool has no thread: its jobs run when a test says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <event2/event.h>

#include "spool.h"

static const uint8_t fresh[SEGMENTS_INSTANCE_SIZE] = "instance-number";

static char dir[64];
static struct event_base *base;
static struct pool *pool;
static struct spool *spool;

/* What the server got. */
static uint64_t got[4096];
static unsigned int n_got, batches;
static bool deaf;

static int on_send(const struct spool_record *list, void *arg)
{
	(void)arg;
	if (deaf)
		return -1;
	batches++;
	for (; list; list = list->next)
		got[n_got++] = list->sequence;
	return 0;
}

static void work(void)
{
	int steps = 1000;

	while (pool_step(pool))
		assert_true(--steps);
}

static void open_spool(size_t max_memory)
{
	struct spool_conf conf = { dir, 1 << 20, max_memory };
	char why[256];

	pool = pool_new(base, 0, 1);
	assert_non_null(pool);
	spool = spool_open(pool, &conf, fresh, on_send, NULL, why, sizeof(why));
	if (!spool)
		fail_msg("%s", why);
}

static void close_spool(void)
{
	pool_free(pool);
	spool_close(spool);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/spool-test.XXXXXX");
	base = event_base_new();
	n_got = 0;
	batches = 0;
	deaf = false;
	if (!base || !mkdtemp(dir))
		return -1;
	open_spool(1 << 20);
	return 0;
}

static int tear_down(void **state)
{
	char command[96];

	(void)state;
	close_spool();
	event_base_free(base);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static void put(unsigned int n)
{
	while (n--)
		assert_int_equal(spool_put(spool, (const uint8_t *)"data", 4),
				 0);
	spool_flush(spool);
	work();
}

static void expect_got(uint64_t first, uint64_t last)
{
	assert_int_equal(n_got, last - first + 1);
	for (unsigned int i = 0; i < n_got; i++)
		assert_int_equal(got[i], first + i);
}

static void test_sent_when_connected(void **state)
{
	(void)state;
	put(3);
	assert_int_equal(n_got, 0);
	spool_connected(spool, true);
	work();
	expect_got(1, 3);
	spool_stored(spool, 3);
	put(2);
	expect_got(1, 5);
}

/* One batch at a time; the next goes out when the last one is committed. */
static void test_waits_for_commit(void **state)
{
	(void)state;
	spool_connected(spool, true);
	put(1);
	put(5);
	expect_got(1, 1);
	spool_stored(spool, 1);
	work();
	expect_got(1, 6);
	assert_int_equal(batches, 2);
}

/* On disk at once, sent when told, or when they make a batch. */
static void test_gathered(void **state)
{
	(void)state;
	spool_connected(spool, true);
	for (unsigned int i = 0; i < 255; i++) {
		assert_int_equal(spool_put(spool, (const uint8_t *)"data", 4),
				 0);
		work();
	}
	assert_int_equal(spool_counts(spool)->waiting, 0);
	assert_int_equal(batches, 0);
	assert_int_equal(spool_put(spool, (const uint8_t *)"data", 4), 0);
	work();
	expect_got(1, 256);
	assert_int_equal(batches, 1);
	spool_stored(spool, 256);
	assert_int_equal(spool_put(spool, (const uint8_t *)"data", 4), 0);
	work();
	assert_int_equal(batches, 1);
	/* At the latest then. */
	spool_tick(spool);
	work();
	expect_got(1, 257);
}

static void test_sent_again_after_loss(void **state)
{
	(void)state;
	spool_connected(spool, true);
	put(1);
	spool_connected(spool, false);
	put(1);
	n_got = 0;
	spool_connected(spool, true);
	work();
	expect_got(1, 2);
}

/* A batch that was being read when the connection changed is not sent twice. */
static void test_lost_while_reading(void **state)
{
	(void)state;
	put(2);
	spool_connected(spool, true);	/* the read is queued, not run */
	spool_connected(spool, false);
	work();
	assert_int_equal(n_got, 0);
	spool_connected(spool, true);
	work();
	expect_got(1, 2);
}

/* The server had them already: the batch under way is for nobody. */
static void test_committed_while_reading(void **state)
{
	(void)state;
	put(2);
	spool_connected(spool, true);	/* the read is queued, not run */
	spool_stored(spool, 2);
	work();
	assert_int_equal(n_got, 0);
	put(1);
	expect_got(3, 3);
}

static void test_restart_sends_what_is_not_committed(void **state)
{
	(void)state;
	put(4);
	close_spool();
	open_spool(1 << 20);
	assert_memory_equal(spool_instance(spool), fresh, sizeof(fresh));
	put(1);
	spool_connected(spool, true);
	work();
	expect_got(1, 5);
}

static void test_server_takes_none_now(void **state)
{
	(void)state;
	deaf = true;
	spool_connected(spool, true);
	put(2);
	assert_int_equal(n_got, 0);
	deaf = false;
	spool_tick(spool);
	work();
	expect_got(1, 2);
}

static void test_refused_batch_is_sent_again(void **state)
{
	(void)state;
	spool_connected(spool, true);
	put(1);
	spool_refused(spool);
	work();
	expect_got(1, 1);	/* not at once */
	n_got = 0;
	spool_tick(spool);
	work();
	expect_got(1, 1);
}

static void test_commit_of_what_was_never_given(void **state)
{
	(void)state;
	spool_connected(spool, true);
	put(1);
	spool_stored(spool, 1000);
	put(1);
	expect_got(1, 2);
	assert_int_equal(spool_counts(spool)->stored, 1);
}

/* A file may not grow: what a full disk is to write(2). */
static void set_disk(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_disk_full(void **state)
{
	(void)state;
	put(2);
	set_disk(16);
	put(3);
	assert_non_null(spool_error(spool));
	assert_true(spool_counts(spool)->waiting > 0);
	assert_int_equal(spool_counts(spool)->lost, 0);
	/* The server gets them all the same. */
	spool_connected(spool, true);
	work();
	spool_stored(spool, 2);
	work();
	expect_got(1, 5);
	set_disk(RLIM_INFINITY);
	spool_tick(spool);
	work();
	assert_null(spool_error(spool));
	assert_int_equal(spool_counts(spool)->waiting, 0);
}

static void test_disk_full_and_memory_bounded(void **state)
{
	(void)state;
	close_spool();
	open_spool(40);
	set_disk(16);
	put(25);
	assert_int_equal(spool_counts(spool)->waiting, 40);
	assert_int_equal(spool_counts(spool)->lost, 15);
	set_disk(RLIM_INFINITY);
	spool_tick(spool);
	work();
	spool_connected(spool, true);
	work();
	expect_got(16, 25);
}

/* Not to be read now is not read: nothing is taken for sent, nothing dropped. */
static void test_unreadable_for_a_moment(void **state)
{
	struct rlimit limit, none = { 0, 0 };

	(void)state;
	put(3);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none.rlim_max = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	spool_connected(spool, true);
	work();
	assert_int_equal(n_got, 0);
	assert_non_null(spool_error(spool));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	spool_tick(spool);
	work();
	expect_got(1, 3);
	assert_null(spool_error(spool));
	assert_int_equal(spool_counts(spool)->lost, 0);
}

static void test_too_large_is_counted(void **state)
{
	static const uint8_t large[SEGMENTS_RECORD_MAX + 1];

	(void)state;
	assert_int_equal(spool_put(spool, large, sizeof(large)), -1);
	assert_int_equal(spool_counts(spool)->lost, 1);
	assert_int_equal(spool_next(spool), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sent_when_connected),
		TEST(test_waits_for_commit),
		TEST(test_gathered),
		TEST(test_sent_again_after_loss),
		TEST(test_lost_while_reading),
		TEST(test_committed_while_reading),
		TEST(test_restart_sends_what_is_not_committed),
		TEST(test_server_takes_none_now),
		TEST(test_refused_batch_is_sent_again),
		TEST(test_commit_of_what_was_never_given),
		TEST(test_disk_full),
		TEST(test_disk_full_and_memory_bounded),
		TEST(test_unreadable_for_a_moment),
		TEST(test_too_large_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
