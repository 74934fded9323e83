// SPDX-License-Identifier: GPL-2.0-only
/* Command lines, from processes that give them and from such that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"

#define THREADS 2
#define MAX 6

static struct event_base *base;
static struct pool *pool;
static struct arguments *arguments;
static char *text[200];
static unsigned int told, reads;

static struct program *read_process(const struct program_task *task, void *arg)
{
	struct program *p;
	char line[32];

	(void)arg;
	reads++;
	if (!task->process.pid)
		return NULL;
	snprintf(line, sizeof(line), "%s %u", task->path, task->process.pid);
	p = calloc(1, sizeof(*p));
	assert_non_null(p);
	p->fd = -1;
	p->command_line = strdup(line);
	return p;
}

static void on_text(uint64_t number, struct program *program, void *arg)
{
	(void)arg;
	told++;
	free(text[number]);
	text[number] = program ? strdup(program->command_line) : NULL;
	program_free(program);
}

static int set_up(void **state)
{
	const struct arguments_conf conf = {
		.threads = THREADS, .max = MAX, .read = read_process, .told = on_text,
	};

	(void)state;
	told = 0;
	reads = 0;
	base = event_base_new();
	pool = pool_new(base, 0, THREADS);
	arguments = arguments_new(pool, &conf);
	return base && pool && arguments ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	pool_free(pool);
	arguments_free(arguments);
	event_base_free(base);
	for (unsigned int i = 0; i < 200; i++) {
		free(text[i]);
		text[i] = NULL;
	}
	return 0;
}

static bool get_for(uint32_t uid, uint64_t number, uint32_t pid)
{
	static char path[16];
	struct program_task task = { .process = { .pid = pid }, .path = path };
	bool is_read;

	strcpy(path, "program");
	is_read = arguments_get(arguments, number, uid, &task);
	/* It is ours again. */
	strcpy(path, "another");
	return is_read;
}

static bool get(uint64_t number, uint32_t pid)
{
	return get_for(0, number, pid);
}

static void test_told(void **state)
{
	(void)state;
	assert_true(get(1, 7));
	assert_true(get(2, 0));
	while (pool_step(pool))
		;
	assert_int_equal(told, 2);
	assert_string_equal(text[1], "program 7");
	assert_null(text[2]);
}

static void test_one_process_is_read_once(void **state)
{
	const struct program_task later = {
		.process = { .pid = 7, .exec_id = 1 }, .path = "later",
	};

	(void)state;
	assert_true(get(1, 7));
	assert_true(get(2, 7));
	/* Another program in the same process is another one. */
	assert_true(arguments_get(arguments, 3, 0, &later));
	while (pool_step(pool))
		;
	assert_int_equal(reads, 2);
	assert_int_equal(told, 3);
	assert_string_equal(text[1], "program 7");
	assert_string_equal(text[2], "program 7");
}

/* Some hang: no more wait than may, and one that hangs is not waited for by all. */
static void test_bounded(void **state)
{
	(void)state;
	assert_true(get(1, 7));
	assert_true(get(2, 8));
	assert_true(get(3, 9));
	/* The other half is for others. */
	assert_false(get(4, 10));
	assert_true(get_for(1, 5, 11));
	assert_true(get_for(2, 6, 12));
	assert_true(get_for(3, 7, 13));
	assert_false(get_for(4, 8, 14));
	for (unsigned int i = 1; i < ARGUMENTS_MAX_WAITERS; i++)
		assert_true(get(10 + i, 7));
	assert_false(get(100, 7));
	assert_int_equal(arguments_counts(arguments)->refused, 3);
	while (pool_step(pool))
		;
	assert_int_equal(told, ARGUMENTS_MAX_WAITERS + 5);
}

/* One user's processes hang, with as many threads as they may have. */
static void test_a_thread_is_left_to_others(void **state)
{
	(void)state;
	assert_true(get(1, 7));
	assert_true(get(2, 8));
	assert_true(get_for(1, 3, 9));
	assert_true(pool_step(pool));
	assert_true(pool_step(pool));
	assert_string_equal(text[1], "program 7");
	assert_string_equal(text[3], "program 9");
	assert_null(text[2]);
	assert_true(pool_step(pool));
	assert_string_equal(text[2], "program 8");
	assert_false(pool_step(pool));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_told),
		TEST(test_one_process_is_read_once),
		TEST(test_bounded),
		TEST(test_a_thread_is_left_to_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
