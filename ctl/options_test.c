// SPDX-License-Identifier: GPL-2.0-only
/* Command lines as people type them; what talks to daemons finds none here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/commands.h"

#define ARGS_MAX 8

/* Runs a command in a child with no output.  Returns what it ends with. */
static int run(const struct command *command, const char *line)
{
	char copy[256], *args[ARGS_MAX + 1] = { (char *)"sockgate x" };
	struct options o;
	int n = 1, status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid) {
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		return WEXITSTATUS(status);
	}
	if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
		_exit(9);
	options_init(&o);
	o.command = command;
	o.agent_socket = o.server_socket = "/nonexistent/x.sock";
	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok(copy, " "); word && n < ARGS_MAX; word = strtok(NULL, " "))
		args[n++] = word;
	optind = 0;	/* the tests before used it */
	exit(command->run(&o, n, args));
}

static void wrong_usage(void **state)
{
	static const struct {
		const struct command *command;
		const char *line;
	} wrong[] = {
		{ &command_status, "--frob" }, { &command_status, "extra" },
		{ &command_status, "--wait" }, { &command_status, "--wait x" },
		{ &command_status, "--wait -1" }, { &command_status, "--role king" },
		{ &command_events, "-n 0" }, { &command_events, "-n" },
		{ &command_events, "-n 1x" }, { &command_events, "word" },
		{ &command_explain, "" }, { &command_explain, "1 2" },
		{ &command_explain, "-" }, { &command_explain, "null" },
		{ &command_policy, "" }, { &command_policy, "check" },
		{ &command_policy, "check a b" }, { &command_policy, "show a" },
		{ &command_policy, "frob x" }, { &command_ca, "" },
		{ &command_ca, "init extra" }, { &command_ca, "init --days 0" },
		{ &command_enroll, "" }, { &command_enroll, "a b" },
		{ &command_enroll, "--role root a" }, { &command_enroll, "--days x a" },
		{ &command_failure, "set" }, { &command_failure, "set deadline" },
		{ &command_failure, "set nothing deny" },
		{ &command_failure, "set deadline maybe" },
		{ &command_failure, "set deadline deny ENOENT" },
		{ &command_failure, "frob" }, { &command_config, "set" },
		{ &command_config, "set deadline" }, { &command_config, "set x 1" },
		{ &command_config, "set deadline 99" },
		{ &command_config, "set deadline 100001" },
		{ &command_config, "set max-pending 0" },
		{ &command_config, "set max-pending 65537" },
		{ &command_config, "set max-cached 1048577" },
		{ &command_config, "set deadline 99999999999" },
		{ &command_config, "set mark-mask ff" },
		{ &command_cache, "word" }, { &command_cache, "--program" },
		{ &command_cache, "--denied=1" }, { &command_cache, "--frob" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (run(wrong[i].command, wrong[i].line) != RESULT_USAGE)
			fail_msg("%s %s", wrong[i].command->name, wrong[i].line);
}

static void help(void **state)
{
	static const struct command *const all[] = {
		&command_status, &command_events, &command_explain, &command_policy,
		&command_ca, &command_enroll, &command_failure, &command_config,
		&command_cache,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_int_equal(run(all[i], "--help"), RESULT_OK);
		assert_int_equal(run(all[i], "-h"), RESULT_OK);
		assert_non_null(strstr(all[i]->help, "Example"));
		assert_int_equal(strncmp(all[i]->help, "Usage: sockgate ", 16), 0);
	}
}

/* `sockgate help NAME' in a child with no output. */
static int run_help(const char *name)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		if (!freopen("/dev/null", "w", stdout) ||
		    !freopen("/dev/null", "w", stderr))
			_exit(9);
		exit(command_help(name));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void help_on_a_name(void **state)
{
	(void)state;
	assert_int_equal(run_help(NULL), RESULT_OK);
	assert_int_equal(run_help("status"), RESULT_OK);
	assert_int_equal(run_help("version"), RESULT_OK);
	assert_int_equal(run_help("bogus"), RESULT_USAGE);
	assert_int_equal(run_help(""), RESULT_USAGE);
}

static void nobody_answers(void **state)
{
	(void)state;
	assert_int_equal(run(&command_events, "-n 5 -f --denied"), RESULT_NO);
	assert_int_equal(run(&command_explain, "-j 17"), RESULT_NO);
	assert_int_equal(run(&command_policy, "show"), RESULT_NO);
	assert_int_equal(run(&command_policy, "load /dev/null"), RESULT_NO);
	assert_int_equal(run(&command_status, "--role server"), RESULT_NO);
	assert_int_equal(run(&command_policy, "check /nonexistent"), RESULT_NO);
}

static void policies_are_checked_here(void **state)
{
	char good[] = "/tmp/sockgate-policy.XXXXXX", line[64];
	int fd = mkstemp(good);
	FILE *file;

	(void)state;
	assert_true(fd >= 0);
	file = fdopen(fd, "w");
	assert_non_null(file);
	fputs("default = \"deny\";\nrules = ( { name = \"a\"; port = 80;\n"
	      "  action = \"allow\"; } );\n", file);
	fflush(file);
	snprintf(line, sizeof(line), "check %s", good);
	assert_int_equal(run(&command_policy, line), RESULT_OK);
	fputs("rules2 = 1;\n", file);
	fclose(file);
	assert_int_equal(run(&command_policy, line), RESULT_NO);
	snprintf(line, sizeof(line), "check -j %s", good);
	assert_int_equal(run(&command_policy, line), RESULT_NO);
	unlink(good);
}

/* They fail for want of a module, or of the right to ask it; not of a wrong number. */
static void limits_of_the_module(void **state)
{
	static const char *const lines[] = {
		"set deadline 100", "set deadline 100000", "set max-pending 1",
		"set max-pending 65536", "set max-cached 0", "set max-cached 1048576",
		"set mark-mask 0xffffffff", "set mark-mask 0",
	};

	(void)state;
	if (!access("/sys/module/sockgate", F_OK))
		skip();	/* it would be set */
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (run(&command_config, lines[i]) != RESULT_NO)
			fail_msg("%s", lines[i]);
}

static void environment(void **state)
{
	struct options o;

	(void)state;
	setenv("SOCKGATE_AGENT_SOCKET", "/a", 1);
	setenv("SOCKGATE_SERVER_SOCKET", "", 1);
	options_init(&o);
	assert_string_equal(o.agent_socket, "/a");
	assert_string_equal(o.server_socket, "/run/sockgate/secsrv.sock");
	assert_false(o.json);
}

static void shared_options(void **state)
{
	char *argv[] = { (char *)"x", (char *)"-j", (char *)"--agent-socket",
			 (char *)"/a", (char *)"--server-socket=/b", (char *)"word",
			 NULL };
	struct options o;

	(void)state;
	options_init(&o);
	optind = 0;
	assert_true(options_only_common(&o, 6, argv));
	assert_true(o.json);
	assert_string_equal(o.agent_socket, "/a");
	assert_string_equal(o.server_socket, "/b");
	assert_string_equal(argv[optind], "word");
}

/* A word of the command line, or a name in a policy. */
static void what_failed_does_not_drive_the_terminal(void **state)
{
	static const struct command named = { .name = "test" };
	const struct options o = { .command = &named };
	int saved = dup(STDERR_FILENO);
	FILE *out = tmpfile();
	char text[256] = "";

	(void)state;
	assert_non_null(out);
	assert_true(dup2(fileno(out), STDERR_FILENO) >= 0);
	options_failed(&o, "no rule %s", "x\033[2J");
	fflush(stderr);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	rewind(out);
	assert_non_null(fgets(text, sizeof(text), out));
	fclose(out);
	assert_string_equal(text, "sockgate test: no rule x\\x1b[2J\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_usage),
		cmocka_unit_test(what_failed_does_not_drive_the_terminal),
		cmocka_unit_test(help),
		cmocka_unit_test(help_on_a_name),
		cmocka_unit_test(nobody_answers),
		cmocka_unit_test(policies_are_checked_here),
		cmocka_unit_test(limits_of_the_module),
		cmocka_unit_test(environment),
		cmocka_unit_test(shared_options),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
