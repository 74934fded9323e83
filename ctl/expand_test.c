// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "expand.h"

static char dir[64], path[128];

static const char *in_dir(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(in_dir(name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void check_origin(const struct expansion *x, const char *what, const char *file,
			 unsigned int line)
{
	const char *at = strstr(x->text, what), *from;
	unsigned int n = 1;

	assert_non_null(at);
	for (const char *p = x->text; p < at; p++)
		n += *p == '\n';
	from = expand_origin(x, "top", &n);
	print_message("%s is from %s:%u\n", what, from, n);
	assert_string_equal(strrchr(from, '/') ? strrchr(from, '/') + 1 : from, file);
	assert_int_equal(n, line);
}

static void test_nothing_included_is_left_alone(void **state)
{
	const char *text = "# @include \"x\"\nrules = \"@include \\\"y\\\"\"; /* @include */\n";
	struct policy_error err;
	struct expansion x;
	unsigned int line = 2;

	(void)state;
	write_file("a.conf", text);
	assert_int_equal(expand_file(&x, in_dir("a.conf"), 1000, &err), 0);
	assert_string_equal(x.text, text);
	assert_int_equal(x.size, strlen(text));
	assert_string_equal(expand_origin(&x, "top", &line), "top");
	assert_int_equal(line, 2);
	expand_free(&x);
}

static void test_files_in_files(void **state)
{
	struct policy_error err;
	struct expansion x;

	(void)state;
	write_file("a.conf", "one;\ntwo; @include  \"d/b.conf\" three;\nfour;\n");
	write_file("d/b.conf", "five;\n@include \"c.conf\"\nsix;");
	write_file("d/c.conf", "\n\nseven;");
	assert_int_equal(expand_file(&x, in_dir("a.conf"), 1000, &err), 0);
	check_origin(&x, "one", "top", 1);
	check_origin(&x, "two", "top", 2);
	check_origin(&x, "five", "b.conf", 1);
	check_origin(&x, "seven", "c.conf", 3);
	check_origin(&x, "six", "b.conf", 3);
	check_origin(&x, "three", "a.conf", 2);
	check_origin(&x, "four", "a.conf", 3);
	assert_null(strstr(x.text, "@include"));
	assert_non_null(strstr(x.text, "d/c.conf, line 1:\n"));
	expand_free(&x);
}

static void check_failure(const char *file, unsigned int line, const char *reason)
{
	struct policy_error err;
	struct expansion x;

	assert_int_equal(expand_file(&x, in_dir("a.conf"), 1000, &err), -1);
	print_message("%s:%u: %s\n", err.file, err.line, err.reason);
	assert_non_null(strstr(err.reason, reason));
	if (file)
		assert_non_null(strstr(err.file, file));
	else
		assert_string_equal(err.file, "");
	assert_int_equal(err.line, line);
	expand_free(&x);
}

static void test_what_is_wrong(void **state)
{
	(void)state;
	write_file("a.conf", "\n@include b.conf\n");
	check_failure("a.conf", 2, "in double quotes");
	write_file("a.conf", "\n@include \"b.conf");
	check_failure("a.conf", 2, "in double quotes");
	write_file("a.conf", "@include \"\"");
	check_failure("a.conf", 1, "names no file");
	write_file("a.conf", "@include \"none.conf\"");
	check_failure("a.conf", 1, "none.conf: No such file");
	write_file("a.conf", "@include \"x\ny\"");
	check_failure("a.conf", 1, "no name should have");
	write_file("a.conf", "@include \"d/b.conf\"");
	write_file("d/b.conf", "@include \"../a.conf\"");
	check_failure(".conf", 1, "include itself");
	write_file("d/b.conf", "@include \"c.conf\" @include \"c.conf\"");
	write_file("d/c.conf", "                                                        "
			       "                                                        ");
	for (int i = 0; i < 4; i++) {
		FILE *f = fopen(in_dir("d/c.conf"), "a");

		assert_non_null(f);
		fprintf(f, "%100s", "");
		fclose(f);
	}
	check_failure(".conf", 0, "too large with what it includes");
}

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/sockgate-expand.XXXXXX");
	return mkdtemp(dir) && !mkdir(in_dir("d"), 0700) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(in_dir("a.conf"));
	unlink(in_dir("d/b.conf"));
	unlink(in_dir("d/c.conf"));
	rmdir(in_dir("d"));
	return rmdir(dir);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_included_is_left_alone),
		TEST(test_files_in_files),
		TEST(test_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
