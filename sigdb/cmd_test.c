// SPDX-License-Identifier: GPL-2.0-only
/* What the commands print for people, of a database in which anything may stand. */
#include "fixture.h"

#include <sqlite3.h>
#include <stdarg.h>

#include "cli.h"
#include "handle.h"

#define ESCAPE "\033]0;owned\a"
#define HASH "1111111111111111111111111111111111111111111111111111111111111111"

/* What is in main.c, which is not linked here. */
static struct fixture *f;

struct sigdb *cli_open(const struct cli *cli, bool write)
{
	return sigdb_open(cli->database, write, f->why, sizeof(f->why));
}

int cli_fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(f->why, sizeof(f->why), fmt, args);
	va_end(args);
	return CLI_FAILED;
}

int cli_usage(const char *fmt, ...)
{
	return cli_fail("%s", fmt);
}

int cli_print(json_t *json)
{
	json_decref(json);
	return CLI_OK;
}

static void put(const char *sql)
{
	if (sqlite3_exec(f->db->sql, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(f->db->sql));
}

typedef int (*command)(const struct cli *cli, int argc, char **argv);

/* Its standard output. */
static const char *said_by(command run, char **argv)
{
	static char text[4096];
	const struct cli cli = { .database = f->db_path };
	int argc = 0, saved = dup(STDOUT_FILENO);
	FILE *out = tmpfile();
	size_t len;

	while (argv[argc])
		argc++;
	assert_non_null(out);
	fflush(stdout);
	assert_true(dup2(fileno(out), STDOUT_FILENO) >= 0);
	optind = 0;
	run(&cli, argc, argv);
	fflush(stdout);
	assert_true(dup2(saved, STDOUT_FILENO) >= 0);
	close(saved);
	rewind(out);
	len = fread(text, 1, sizeof(text) - 1, out);
	text[len] = '\0';
	fclose(out);
	return text;
}

static int setup(void **state)
{
	fixture_setup(state);
	f = *state;
	put("INSERT INTO source VALUES (1, 'list:" ESCAPE "', 10)");
	put("INSERT INTO application VALUES (1, 'a" ESCAPE "', '', 'c" ESCAPE "', '', '')");
	put("INSERT INTO hash_signature VALUES (x'" HASH "', 1, 1, NULL, 5, 0, 'tool', 1, 1, NULL)");
	return 0;
}

static void expect_escaped(const char *text, const char *words)
{
	assert_null(strchr(text, '\033'));
	assert_null(strchr(text, '\a'));
	if (!strstr(text, words))
		fail_msg("no %s in: %s", words, text);
}

static void stats_escape(void **state)
{
	char *argv[] = { (char *)"stats", NULL };
	const char *text = said_by(cmd_stats, argv);

	(void)state;
	expect_escaped(text, "list:\\x1b]0;owned\\x07");
	expect_escaped(text, "c\\x1b]0;owned\\x07");
}

static void lookup_escapes(void **state)
{
	char *known[] = { (char *)"lookup", (char *)"tool", NULL };
	char *strange[] = { (char *)"lookup", (char *)"x" ESCAPE, NULL };

	(void)state;
	expect_escaped(said_by(cmd_lookup, known), "  a\\x1b]0;owned\\x07 -, category c\\x1b");
	expect_escaped(said_by(cmd_lookup, strange), "x\\x1b]0;owned\\x07: unknown");
}

#define MADE(test) cmocka_unit_test_setup_teardown(test, setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MADE(stats_escape),
		MADE(lookup_escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
