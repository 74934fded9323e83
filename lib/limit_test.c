// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/resource.h>

#include "limit.h"

static void raised_to_the_hard_limit(void **state)
{
	struct rlimit limit = { 0, 0 };

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 20;
	limit.rlim_max = 50;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(limit_raise_files(), 50);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(limit.rlim_cur, 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raised_to_the_hard_limit),
	};

	return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
