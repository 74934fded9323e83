// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/text.h"

static void clean(const char *text, const char *expected)
{
	char out[256];

	assert_string_equal(text_clean(text, out, sizeof(out)), expected);
}

static void what_drives_terminals_is_shown(void **state)
{
	(void)state;
	clean("", "");
	clean("curl", "curl");
	clean("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
	      "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
	clean("\033[2J\n\t\x7f", "\\x1b[2J\\x0a\\x09\\x7f");
	clean("\xc2\x9b""2J", "\\xc2\\x9b2J");		/* C1 CSI */
	clean("\xe2\x80\xae""txt", "\\xe2\\x80\\xaetxt");	/* right-to-left override */
	clean("\xe2\x81\xa6", "\\xe2\\x81\\xa6");
	clean("\xff\xc3", "\\xff\\xc3");			/* no UTF-8 */
	clean("\xc0\xaf", "\\xc0\\xaf");			/* overlong */
	clean("\xed\xa0\x80", "\\xed\\xa0\\x80");		/* surrogate */
	clean("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");	/* over U+10FFFF */
}

static void cut_where_it_ends(void **state)
{
	char out[8];

	(void)state;
	assert_string_equal(text_clean("12345678", out, sizeof(out)), "1234567");
	assert_string_equal(text_clean("12345\x01", out, sizeof(out)), "12345");
	assert_string_equal(text_clean("123456\xc3\xa9", out, sizeof(out)), "123456");
	assert_string_equal(text_clean("x", out, 1), "");
}

static void widths(void **state)
{
	(void)state;
	assert_int_equal(text_width(""), 0);
	assert_int_equal(text_width("abc"), 3);
	assert_int_equal(text_width("caf\xc3\xa9"), 4);
}

static void json_takes_any_bytes(void **state)
{
	json_t *json = text_json("a\xff""b\xc3\xa9");

	(void)state;
	assert_non_null(json);
	assert_string_equal(json_string_value(json), "a\xef\xbf\xbd""b\xc3\xa9");
	json_decref(json);
}

static void durations(void **state)
{
	char out[64];

	(void)state;
	assert_string_equal(text_duration(0, out, sizeof(out)), "0 s");
	assert_string_equal(text_duration(59, out, sizeof(out)), "59 s");
	assert_string_equal(text_duration(60, out, sizeof(out)), "1 min");
	assert_string_equal(text_duration(3599, out, sizeof(out)), "59 min 59 s");
	assert_string_equal(text_duration(7300, out, sizeof(out)), "2 h 1 min");
	assert_string_equal(text_duration(90000, out, sizeof(out)), "1 d 1 h");
}

static void days(void **state)
{
	char out[TEXT_DAY_SIZE];

	(void)state;
	assert_string_equal(text_day(0, out), "1970-01-01");
	assert_string_equal(text_day(1801439999, out), "2027-01-31");
	assert_string_equal(text_day(1801440000, out), "2027-02-01");
	assert_string_equal(text_day(INT64_MAX, out), "?");
}

static void numbers(void **state)
{
	static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "0x", "1x", "ten",
					   "101", "0x65", "99999999999999999999999" };
	uint64_t n;

	(void)state;
	assert_true(text_number("100", 1, 100, &n));
	assert_int_equal(n, 100);
	assert_true(text_number("0xFF000000", 0, UINT32_MAX, &n));
	assert_int_equal(n, 0xff000000);
	assert_false(text_number("0", 1, 100, &n));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (text_number(bad[i], 0, 100, &n))
			fail_msg("`%s' was taken", bad[i]);
}

static void colours(void **state)
{
	FILE *file = tmpfile();

	(void)state;
	assert_string_equal(text_colour(COLOUR_BAD, false), "");
	assert_int_equal(text_colour(COLOUR_BAD, true)[0], '\033');
	assert_non_null(file);
	assert_false(text_colours_wanted(file));
	fclose(file);
}

static void lists_wrap(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct text_list list = { .out = out, .label = "label" };
	struct text_list empty = { .out = out, .label = "none" };

	(void)state;
	assert_non_null(out);
	for (int i = 0; i < 30; i++)
		text_list_add(&list, "item %d", i);
	text_list_end(&list);
	text_list_end(&empty);
	fclose(out);
	assert_int_equal(strncmp(text, "  label      item 0, item 1, ", 29), 0);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		assert_true(strlen(line) <= 89);
		assert_null(strstr(line, "none"));
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_drives_terminals_is_shown),
		cmocka_unit_test(cut_where_it_ends),
		cmocka_unit_test(widths),
		cmocka_unit_test(json_takes_any_bytes),
		cmocka_unit_test(durations),
		cmocka_unit_test(days),
		cmocka_unit_test(numbers),
		cmocka_unit_test(colours),
		cmocka_unit_test(lists_wrap),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
