// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "utf8.h"

static void characters(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		uint32_t code;
	} cases[] = {
		{ "", 1, 0 },
		{ "a", 1, 'a' },
		{ "\177", 1, 0x7f },
		{ "\302\200", 2, 0x80 },
		{ "\303\251z", 2, 0xe9 },
		{ "\337\277", 2, 0x7ff },
		{ "\340\240\200", 3, 0x800 },
		{ "\355\237\277", 3, 0xd7ff },
		{ "\356\200\200", 3, 0xe000 },
		{ "\357\277\277", 3, 0xffff },
		{ "\360\220\200\200", 4, 0x10000 },
		{ "\364\217\277\277", 4, 0x10ffff },
	};
	uint32_t code;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(utf8_char(cases[i].text, &code), cases[i].len);
		assert_int_equal(code, cases[i].code);
		assert_int_equal(utf8_char(cases[i].text, NULL), cases[i].len);
	}
}

static void no_characters(void **state)
{
	static const char *const bad[] = {
		"\200", "\277", "\300\200", "\301\277",	/* stray, overlong */
		"\302", "\342\202", "\360\220\200",	/* cut short */
		"\302a", "\342\202a", "\340\237\277", "\360\217\277\277",
		"\355\240\200", "\355\277\277",		/* surrogates */
		"\364\220\200\200", "\365\200\200\200", "\377",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (utf8_char(bad[i], NULL))
			fail_msg("case %zu is taken", i);
}

static void controls(void **state)
{
	(void)state;
	assert_true(utf8_is_control(0) && utf8_is_control(0x1f));
	assert_true(utf8_is_control(0x7f) && utf8_is_control(0x9f));
	assert_false(utf8_is_control(' ') || utf8_is_control('~'));
	assert_false(utf8_is_control(0xa0) || utf8_is_control(0x10ffff));
}

static void what_is_shown(void **state)
{
	char out[32];

	(void)state;
	assert_string_equal(utf8_clean("a\033[2J\xff", out, sizeof(out)), "a\\x1b[2J\\xff");
	/* U+202E turns the rest around; U+00E4 is a letter. */
	assert_string_equal(utf8_clean("\u00e4\u202e", out, sizeof(out)),
			    "\u00e4\\xe2\\x80\\xae");
	assert_string_equal(utf8_clean("ab\n", out, 6), "ab");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(characters),
		cmocka_unit_test(no_characters),
		cmocka_unit_test(controls),
		cmocka_unit_test(what_is_shown),
	};

	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
