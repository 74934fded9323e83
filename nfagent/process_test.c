// SPDX-License-Identifier: GPL-2.0-only
/* Against this very process, and against a made-up /proc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process.h"

#define TICK_NS (1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK))

static char root[] = "/tmp/process-test.XXXXXX";

static int set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/process-test.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

static void put(const char *file, const char *data, size_t len)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", root, file);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static void link_to(const char *file, const char *target)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", root, file);
	assert_int_equal(symlink(target, path), 0);
}

static void make_process(const char *pid)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", root, pid);
	assert_int_equal(mkdir(path, 0700), 0);
}

/* The name is chosen to look like the end of the name. */
static void make_seven(void)
{
	const char *stat = "7 (a) R 1 (b) S 3 7 7 0 -1 4194304 81 1 2 3 4 5 6 "
			   "7 20 0 1 99 4242 2535424 304\n";

	make_process("7");
	make_process("3");
	put("7/stat", stat, strlen(stat));
	put("7/cmdline", "curl\0-v\0x\ny\xff\0", 13);
	link_to("7/exe", "/usr/bin/curl (deleted)");
	link_to("3/exe", "/usr/bin/b\xc3\xa4sh");
}

static void test_made_up(void **state)
{
	struct sockgate_process p = { .pid = 7, .start_ns = 4242 * TICK_NS + 9 };
	struct process_facts f;
	char *line;

	(void)state;
	make_seven();
	process_read(root, &p, &f);
	assert_string_equal(f.path, "/usr/bin/curl");
	assert_true(f.deleted);
	line = process_command_line(root, &p);
	assert_string_equal(line, "curl -v x?y?");
	free(line);
	assert_int_equal(f.parent_pid, 3);
	assert_string_equal(f.parent_path, "/usr/bin/b\xc3\xa4sh");
	process_facts_free(&f);
}

static void test_id_used_again(void **state)
{
	struct sockgate_process p = { .pid = 7, .start_ns = 4243 * TICK_NS };
	struct process_facts f;

	(void)state;
	make_seven();
	process_read(root, &p, &f);
	assert_null(f.path);
	assert_null(process_command_line(root, &p));
	assert_int_equal(f.parent_pid, 0);
	process_facts_free(&f);
}

static void test_gone(void **state)
{
	struct sockgate_process p = { .pid = 8 };
	struct process_facts f;

	(void)state;
	process_read(root, &p, &f);
	assert_null(f.path);
	assert_null(f.parent_path);
	process_facts_free(&f);
}

static void test_told_paths(void **state)
{
	static const struct {
		const char *told, *path;
		bool deleted;
	} cases[] = {
		{ "/usr/bin/curl", "/usr/bin/curl", false },
		{ "/usr/bin/curl (deleted)", "/usr/bin/curl", true },
		{ "/a (deleted) (deleted)", "/a (deleted)", true },
		{ " (deleted)", " (deleted)", false },
		{ "/\xff\x1b[2J", "/??[2J", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool deleted;
		char *path = process_told_path(cases[i].told, &deleted);

		assert_string_equal(path, cases[i].path);
		assert_int_equal(deleted, cases[i].deleted);
		free(path);
	}
}

static void test_told_arguments(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *text;
	} cases[] = {
		{ "curl\0-v\0", 8, "curl -v" },
		{ "cut of", 6, "cut of" },
		{ "a\0\0b\0\0", 6, "a  b" },
		{ "\0\0", 2, "" },
		{ "", 0, "" },
		{ "x\ny\xff", 4, "x?y?" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = process_told_arguments(cases[i].bytes, cases[i].n);

		assert_string_equal(text, cases[i].text);
		free(text);
	}
}

static uint64_t own_start_ticks(void)
{
	char buf[1024], *p;
	FILE *f = fopen("/proc/self/stat", "r");

	assert_non_null(f);
	assert_non_null(fgets(buf, sizeof(buf), f));
	fclose(f);
	p = strrchr(buf, ')') + 2;
	for (int field = 3; field < 22; field++)
		p = strchr(p, ' ') + 1;
	return strtoull(p, NULL, 10);
}

static void test_this_process(void **state)
{
	struct sockgate_process p = { .pid = (uint32_t)getpid() };
	struct process_facts f;
	char *line;

	(void)state;
	p.start_ns = own_start_ticks() * TICK_NS;
	process_read("/proc", &p, &f);
	assert_int_equal(f.parent_pid, getppid());
	assert_non_null(strstr(f.path, "process_test"));
	line = process_command_line("/proc", &p);
	assert_non_null(strstr(line, "process_test"));
	free(line);
	process_facts_free(&f);
}

static void test_clean_text(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain", "plain" },
		{ "tab\tnewline\nescape\x1b[2J\x7f", "tab?newline?escape?[2J?" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7",
		  "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7" },
		{ "\xc0\xaf", "??" },			/* overlong "/" */
		{ "\xed\xa0\x80", "???" },		/* surrogate */
		{ "\xf4\x90\x80\x80", "????" },		/* past U+10FFFF */
		{ "cut \xe2\x82", "cut ??" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[64];

		snprintf(text, sizeof(text), "%s", cases[i].in);
		process_clean_text(text);
		assert_string_equal(text, cases[i].out);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_made_up),
		TEST(test_id_used_again),
		TEST(test_gone),
		cmocka_unit_test(test_told_paths),
		cmocka_unit_test(test_told_arguments),
		cmocka_unit_test(test_this_process),
		cmocka_unit_test(test_clean_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
