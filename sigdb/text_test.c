// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include "text.h"
#include <cmocka.h>

static void valid_text_is_accepted(void **state)
{
	(void)state;
	assert_true(sigdb_text_valid(""));
	assert_true(sigdb_text_valid("plain ~"));
	assert_true(sigdb_text_valid("\302\240"));		/* U+00A0 */
	assert_true(sigdb_text_valid("\337\277\340\240\200"));	/* U+07FF U+0800 */
	assert_true(sigdb_text_valid("\355\237\277\356\200\200"));	/* around surrogates */
	assert_true(sigdb_text_valid("\360\220\200\200\364\217\277\277"));
}

static void invalid_text_is_refused(void **state)
{
	static const char *const bad[] = {
		"\n", "\t", "\033", "\177",
		"\302\200", "\302\237",			/* C1 control characters */
		"\200", "\277", "\300\200", "\301\277",	/* stray, overlong */
		"\302", "\342\202", "\360\220\200",	/* cut short */
		"\340\237\277", "\360\217\277\277",	/* overlong */
		"\355\240\200", "\355\277\277",		/* surrogates */
		"\364\220\200\200", "\365\200\200\200", "\377",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (sigdb_text_valid(bad[i]))
			fail_msg("case %zu is accepted", i);
}

static void cleaned_text_is_valid_and_fits(void **state)
{
	char out[6];

	(void)state;
	sigdb_text_clean("a\033b\377c", out, sizeof(out));
	assert_string_equal(out, "a?b?c");
	sigdb_text_clean("abcd\303\251", out, sizeof(out));
	assert_string_equal(out, "abcd");
	sigdb_text_clean("abc\303\251z", out, sizeof(out));
	assert_string_equal(out, "abc\303\251");
	sigdb_text_clean("abc", out, 1);
	assert_string_equal(out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_text_is_accepted),
		cmocka_unit_test(invalid_text_is_refused),
		cmocka_unit_test(cleaned_text_is_valid_and_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
