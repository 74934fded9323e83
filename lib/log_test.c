// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

static char said[8192];

/* Runs @speak in a child whose stderr is ours to read.  Returns its exit code. */
static int listen_to(void (*speak)(void), bool journal)
{
	int fds[2], status;
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct stat st;
		char stream[64];

		dup2(fds[1], STDERR_FILENO);
		fstat(STDERR_FILENO, &st);
		snprintf(stream, sizeof(stream), "%lu:%lu", (unsigned long)st.st_dev,
			 (unsigned long)st.st_ino + !journal);
		setenv("JOURNAL_STREAM", stream, 1);
		log_open("prog", false);
		speak();
		_exit(0);
	}
	close(fds[1]);
	while ((n = read(fds[0], said + used, sizeof(said) - 1 - used)) > 0)
		used += (size_t)n;
	said[used] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void speak_all(void)
{
	errno = ENOENT;
	log_warn("a %d", 1);
	log_warnx("b");
	log_info("c");
	log_debug("never shown");
	if (errno != ENOENT)
		_exit(9);
}

static void levels(void **state)
{
	(void)state;
	assert_int_equal(listen_to(speak_all, true), 0);
	assert_string_equal(said, "<4>a 1: No such file or directory\n<4>b\n<6>c\n");
	assert_int_equal(listen_to(speak_all, false), 0);
	assert_string_equal(said, "prog: a 1: No such file or directory\nprog: b\n"
				  "prog: c\n");
}

static void speak_debug(void)
{
	log_open("prog", true);
	log_debug("shown");
}

static void debug(void **state)
{
	(void)state;
	assert_int_equal(listen_to(speak_debug, false), 0);
	assert_string_equal(said, "prog: shown\n");
}

static void speak_evil(void)
{
	char text[6000];

	log_info("%s", "a\nprog: forged\033[2J");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_info("%s", text);
}

static void one_line_each(void **state)
{
	(void)state;
	assert_int_equal(listen_to(speak_evil, false), 0);
	assert_memory_equal(said, "prog: a?prog: forged?[2J\nprog: xxx", 34);
	assert_in_range(strlen(said), 4000, 4200);
	assert_int_equal(said[strlen(said) - 1], '\n');
}

static void speak_fatal(void)
{
	errno = EACCES;
	fatal("no");
}

static void speak_fatalx(void)
{
	fatalx("no");
}

static void ends(void **state)
{
	(void)state;
	assert_int_equal(listen_to(speak_fatal, false), 1);
	assert_string_equal(said, "prog: no: Permission denied\n");
	assert_int_equal(listen_to(speak_fatalx, true), 1);
	assert_string_equal(said, "<2>no\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels),
		cmocka_unit_test(debug),
		cmocka_unit_test(one_line_each),
		cmocka_unit_test(ends),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
