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

#define JOBS 2

static struct event_base *base;
static struct pool *pool;
static struct arguments *arguments;
static char *text[200];
static unsigned int told, reads;

static char *read_process(const struct sockgate_process *process)
{
	char line[32];

	reads++;
	if (!process->pid)
		return NULL;
	snprintf(line, sizeof(line), "program %u", process->pid);
	return strdup(line);
}

static void on_text(uint64_t number, char *line, void *arg)
{
	(void)arg;
	told++;
	free(text[number]);
	text[number] = line;
}

static int set_up(void **state)
{
	const struct arguments_conf conf = {
		.read = read_process, .told = on_text,
	};

	(void)state;
	told = 0;
	reads = 0;
	base = event_base_new();
	pool = pool_new(base, 0, JOBS);
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

static bool get(uint64_t number, uint32_t pid)
{
	const struct sockgate_process process = { .pid = pid };

	return arguments_get(arguments, number, &process);
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
	const struct sockgate_process later = { .pid = 7, .exec_id = 1 };

	(void)state;
	assert_true(get(1, 7));
	assert_true(get(2, 7));
	/* Another program in the same process is another one. */
	assert_true(arguments_get(arguments, 3, &later));
	while (pool_step(pool))
		;
	assert_int_equal(reads, 2);
	assert_int_equal(told, 3);
	assert_string_equal(text[1], "program 7");
	assert_string_equal(text[2], "program 7");
}

/* All threads hang: nobody else waits, and one that hangs is not waited for by all. */
static void test_bounded(void **state)
{
	(void)state;
	assert_true(get(1, 7));
	assert_true(get(2, 8));
	assert_false(get(3, 9));
	for (unsigned int i = 1; i < ARGUMENTS_MAX_WAITERS; i++)
		assert_true(get(10 + i, 7));
	assert_false(get(100, 7));
	assert_int_equal(arguments_counts(arguments)->refused, 2);
	while (pool_step(pool))
		;
	assert_int_equal(told, ARGUMENTS_MAX_WAITERS + 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_told),
		TEST(test_one_process_is_read_once),
		TEST(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
