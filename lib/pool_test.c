// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include <event2/event.h>

#include "pool.h"

struct work {
	struct job job;		/* first: a job is its work */
	pthread_t thread;
	int gate;		/* reads a byte before it ends; -1: does not */
};

static struct event_base *base;
static unsigned int n_done, n_not_run, stop_after;
static atomic_uint n_run;

static void run(struct job *job)
{
	struct work *w = (struct work *)job;
	char byte;

	w->thread = pthread_self();
	if (w->gate >= 0)
		(void)!read(w->gate, &byte, 1);
	n_run++;
}

static void done(struct job *job)
{
	n_done++;
	n_not_run += !job->ran;
	if (n_done == stop_after)
		event_base_loopbreak(base);
}

static int set_up(void **state)
{
	(void)state;
	n_run = 0;
	n_done = 0;
	n_not_run = 0;
	stop_after = 0;
	base = event_base_new();
	return base ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	event_base_free(base);
	return 0;
}

static void submit(struct pool *pool, struct work *w)
{
	w->job.run = run;
	w->job.done = done;
	assert_int_equal(pool_submit(pool, &w->job), 0);
}

static void test_each_job_once(void **state)
{
	static struct work work[1000];
	struct pool *pool = pool_new(base, 3, 1000);

	(void)state;
	assert_non_null(pool);
	for (int i = 0; i < 1000; i++) {
		work[i].gate = -1;
		submit(pool, &work[i]);
	}
	stop_after = 1000;
	event_base_dispatch(base);
	assert_int_equal(n_run, 1000);
	assert_int_equal(n_done, 1000);
	assert_int_equal(n_not_run, 0);
	for (int i = 0; i < 1000; i++)
		assert_false(pthread_equal(work[i].thread, pthread_self()));
	assert_int_equal(pool_free(pool), 0);
}

static void test_bounded(void **state)
{
	struct work work[3] = { { .gate = -1 }, { .gate = -1 }, { .gate = -1 } };
	struct pool *pool = pool_new(base, 0, 2);

	(void)state;
	submit(pool, &work[0]);
	submit(pool, &work[1]);
	assert_int_equal(pool_submit(pool, &work[2].job), -1);
	assert_int_equal(errno, EAGAIN);
	assert_true(pool_step(pool));
	submit(pool, &work[2]);
	pool_free(pool);
	assert_int_equal(n_done, 3);
	assert_int_equal(n_not_run, 2);
}

/* One that hangs holds its own thread, nobody else, and not the end. */
static void test_hanging_job(void **state)
{
	static struct work hung, quick[10];
	struct pool *pool = pool_new(base, 2, 100);
	int gate[2];

	(void)state;
	assert_int_equal(pipe(gate), 0);
	hung.gate = gate[0];
	submit(pool, &hung);
	for (int i = 0; i < 10; i++) {
		quick[i].gate = -1;
		submit(pool, &quick[i]);
	}
	stop_after = 10;
	event_base_dispatch(base);
	assert_int_equal(n_done, 10);
	close(gate[1]);		/* now it can end */
	assert_int_equal(pool_free(pool), 0);
	assert_int_equal(n_done, 11);
	close(gate[0]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_job_once),
		TEST(test_bounded),
		TEST(test_hanging_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
