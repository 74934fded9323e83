// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

/* A set of signals in the status of the program that was started. */
static uint64_t signals(const char *name)
{
	struct words w = { 0 };
	struct command cmd;
	uint64_t set = 0;
	char line[256];
	int found = 0;

	words_add(&w, "cat");
	words_add(&w, "/proc/self/status");
	assert_int_equal(command_open(&cmd, &w, false), 0);
	while (fgets(line, sizeof(line), cmd.out)) {
		if (strncmp(line, name, strlen(name)) != 0)
			continue;
		set = strtoull(line + strlen(name), NULL, 16);
		found++;
	}
	assert_int_equal(command_close(&cmd), 0);
	words_free(&w);
	assert_int_equal(found, 1);
	return set;
}

/* As where a thread of a pool in a daemon starts one. */
static void a_program_can_be_ended(void **state)
{
	sigset_t all, old;
	uint64_t blocked, ignored;

	(void)state;
	sigfillset(&all);
	assert_int_equal(sigprocmask(SIG_SETMASK, &all, &old), 0);
	assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	blocked = signals("SigBlk:");
	ignored = signals("SigIgn:");
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(blocked, 0);
	assert_int_equal(ignored & (1ULL << (SIGPIPE - 1)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_can_be_ended),
	};

	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
