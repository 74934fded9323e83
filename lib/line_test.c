// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "line.h"

static char *line;
static size_t room;

static void test_lines_and_the_end(void **state)
{
	static char text[] = "one\n\nlast";
	FILE *in = fmemopen(text, strlen(text), "r");

	(void)state;
	assert_non_null(in);
	assert_int_equal(line_read(&line, &room, in), 4);
	assert_string_equal(line, "one\n");
	assert_int_equal(line_read(&line, &room, in), 1);
	assert_int_equal(line_read(&line, &room, in), 4);
	assert_string_equal(line, "last");
	assert_int_equal(line_read(&line, &room, in), 0);
	assert_int_equal(line_read(&line, &room, in), 0);
	fclose(in);
}

/* Two lines, and then what a broken disk says. */
static ssize_t breaks(void *cookie, char *buf, size_t size)
{
	static const char lines[] = { 'o', 'n', 'e', '\n', 't', 'w', 'o', '\n' };
	int *reads = cookie;

	(void)size;
	if ((*reads)++) {
		errno = ENXIO;
		return -1;
	}
	memcpy(buf, lines, sizeof(lines));
	return sizeof(lines);
}

static void test_what_cannot_be_read(void **state)
{
	int reads = 0;
	FILE *in = fopencookie(&reads, "r", (cookie_io_functions_t){ .read = breaks });

	(void)state;
	assert_non_null(in);
	assert_int_equal(line_read(&line, &room, in), 4);
	assert_int_equal(line_read(&line, &room, in), 4);
	assert_int_equal(line_read(&line, &room, in), -1);
	assert_int_equal(errno, ENXIO);
	fclose(in);
}

/* The sanitizer's allocator ends the program instead. */
#ifndef __SANITIZE_ADDRESS__
static ssize_t never_ends(void *cookie, char *buf, size_t size)
{
	(void)cookie;
	memset(buf, 'x', size);
	return (ssize_t)size;
}

static int read_without_memory(void)
{
	FILE *in = fopencookie(NULL, "r", (cookie_io_functions_t){ .read = never_ends });
	const struct rlimit limit = { 64 << 20, 64 << 20 };

	if (!in || setrlimit(RLIMIT_AS, &limit))
		return 2;
	return line_read(&line, &room, in) == -1 && errno == ENOMEM ? 0 : 1;
}

static void test_no_memory_is_no_end(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (!pid)
		_exit(read_without_memory());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}
#endif

static int tear_down(void **state)
{
	(void)state;
	free(line);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_and_the_end),
		cmocka_unit_test(test_what_cannot_be_read),
#ifndef __SANITIZE_ADDRESS__
		cmocka_unit_test(test_no_memory_is_no_end),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, tear_down);
}
