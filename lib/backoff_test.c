// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backoff.h"

static void test_backoff(void **state)
{
	(void)state;
	assert_int_equal(backoff_ms(1, 0), 100);
	assert_int_equal(backoff_ms(1, 100), 200);
	assert_int_equal(backoff_ms(2, 0), 200);
	assert_int_equal(backoff_ms(6, 0), 3200);
	assert_int_equal(backoff_ms(7, 0), 5000);
	assert_int_equal(backoff_ms(4000000000U, 5000), 10000);
	for (uint32_t r = 0; r < 100000; r += 77) {
		assert_true(backoff_ms(3, r) >= 400);
		assert_true(backoff_ms(3, r) <= 800);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backoff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
