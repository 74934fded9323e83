// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "serial.h"

static void test_names_sort_by_time_and_never_repeat(void **state)
{
	char a[SERIAL_TEXT_SIZE], b[SERIAL_TEXT_SIZE], c[SERIAL_TEXT_SIZE];
	struct serial s = { 0 };

	(void)state;
	serial_next(&s, 1700000000000000, a);
	assert_string_equal(a, "00060a24181e4000");
	serial_next(&s, 1700000000000000, b);
	assert_true(strcmp(a, b) < 0);
	serial_next(&s, 1600000000000000, c);	/* the clock was set back */
	assert_true(strcmp(b, c) < 0);
	serial_next(&s, 1700000000000100, a);
	assert_true(strcmp(c, a) < 0);
	assert_string_equal(a, "00060a24181e4064");
}

static void test_generation_never_goes_back(void **state)
{
	(void)state;
	assert_int_equal(generation_next(0, 1000), 1000);
	assert_int_equal(generation_next(1000, 1000), 1001);
	assert_int_equal(generation_next(5000, 1000), 5001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_sort_by_time_and_never_repeat),
		cmocka_unit_test(test_generation_never_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
