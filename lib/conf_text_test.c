// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "conf_text.h"

static unsigned int line;
static char why[256];

static int check(const char *text)
{
	why[0] = '\0';
	return conf_text_check(text, strlen(text), false, &line, why, sizeof(why));
}

static void taken(void **state)
{
	static const char *const texts[] = {
		"", "a = 1;", "a = 2147483647;", "a = -2147483648;",
		"a = 5000000000L;", "a = 9223372036854775807L;", "a = 0xffffffff;",
		"a = 0xffffffffffL;", "a = 1.5e99; b = 12345678901.5;",
		"a = 12345678901E3;", "a = \"12345678901\";",
		"a = \"\\\"12345678901\";", "# 12345678901", "// 12345678901\n",
		"/* 12345678901\n */", "a12345678901 = 1;", "a-12345678901 = 1;",
		"/* unterminated 12345678901", "a = \"@include\"; # @include",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (check(texts[i]))
			fail_msg("`%s': %s", texts[i], why);
}

static void refused(void **state)
{
	static const char *const texts[] = {
		"\na = 2147483648;", "\na = -2147483649;", "\na = [1,5000000000];",
		"\na = 0x100000000;", "\na = 9223372036854775808L;",
		"\na = 99999999999999999999999;", "\na=+5000000000",
		"\n\"x\"5000000000", "/*\n*/5000000000", "//\n5000000000",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!check(texts[i]))
			fail_msg("`%s' was taken", texts[i]);
		assert_int_equal(line, 2);
		assert_non_null(strstr(why, "needs an L after it"));
	}
}

static void unclosed_strings(void **state)
{
	static const char *const texts[] = {
		"\na = \"unclosed 12345678901", "\na = \"x\\", "\na = \"", "\na = \"\\\"",
		"\na = \"x;\nb = \"y\";\nc = \"z\";\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!check(texts[i]))
			fail_msg("`%s' was taken", texts[i]);
		assert_int_equal(line, 2);
		assert_non_null(strstr(why, "syntax error: a quote is missing"));
	}
}

static void nul_and_include(void **state)
{
	(void)state;
	assert_int_equal(conf_text_check("a=1;\n\0b=2;", 10, true, &line, why,
					 sizeof(why)), -1);
	assert_int_equal(line, 2);
	assert_int_equal(check("a = 1;\n@include \"x\"\n"), -1);
	assert_int_equal(line, 2);
	assert_int_equal(conf_text_check("@include \"x\"", 12, true, &line, why,
					 sizeof(why)), 0);
}

static void files(void **state)
{
	size_t size;
	char *text;

	(void)state;
	assert_null(conf_text_read("/proc/self/status", 10, &size, why, sizeof(why)));
	assert_string_equal(why, "cannot read /proc/self/status: File too large");
	text = conf_text_read("/proc/self/status", 100000, &size, why, sizeof(why));
	assert_non_null(text);
	assert_int_equal(strlen(text), size);
	assert_non_null(strstr(text, "Name:"));
	free(text);
}

/* A writer that never comes would be waited for. */
static void what_is_no_regular_file(void **state)
{
	char fifo[] = "/tmp/conf-text-XXXXXX";
	size_t size;

	(void)state;
	assert_int_equal(close(mkstemp(fifo)), 0);
	assert_int_equal(unlink(fifo), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	alarm(20);
	assert_null(conf_text_read(fifo, 100000, &size, why, sizeof(why)));
	assert_non_null(strstr(why, "it is no regular file"));
	assert_null(conf_text_read("/dev/zero", 100000, &size, why, sizeof(why)));
	assert_non_null(strstr(why, "it is no regular file"));
	alarm(0);
	assert_int_equal(unlink(fifo), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(taken),
		cmocka_unit_test(refused),
		cmocka_unit_test(unclosed_strings),
		cmocka_unit_test(nul_and_include),
		cmocka_unit_test(files),
		cmocka_unit_test(what_is_no_regular_file),
	};

	return cmocka_run_group_tests_name("conf_text", tests, NULL, NULL);
}
