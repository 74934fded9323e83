// SPDX-License-Identifier: GPL-2.0-only
/* `sockgate policy' against a secsrv that is a child process; what it prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <poll.h>
#include <sqlite3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <event2/event.h>

#include "ctl/commands.h"
#include "ctl/standin.h"
#include "sigdb/sigdb.h"

#define WARNED "default = \"allow\";\nrules = (\n" \
	"{ name = \"a\"; version = \">=7\"; action = \"deny\"; } );\n"
#define BEFORE "default = \"allow\"; rules = ();"
#define WRONG "default = \"allow\";\nrules = ( { name = \"a\"; } );\n"

#define PART (512U << 10)	/* of a policy in one message */
#define LAST_PART 100

static struct standin standin;
static char option[160];
static const char *in_force = WARNED;

/* ---- secsrv ---- */

/* Of before the last one, nothing is kept. */
static void answer_query(struct channel *ch, const Sockgate__Message *request)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__PolicyText text = SOCKGATE__POLICY_TEXT__INIT;
	Sockgate__Error error = SOCKGATE__ERROR__INIT;

	msg.id = request->id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_POLICY_TEXT;
	msg.policy_text = &text;
	text.text = (char *)(request->policy_query->back ? BEFORE : in_force);
	text.more = true;
	if (request->policy_query->back > 1) {
		error.text = (char *)"no policy is kept";
		msg.body_case = SOCKGATE__MESSAGE__BODY_ERROR;
		msg.error = &error;
	}
	channel_send(ch, &msg);
	text.text = (char *)"";
	text.more = false;
	channel_send(ch, &msg);
}

static void answer(struct channel *ch, Sockgate__Message *request, void *arg)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__PolicyLoaded loaded = SOCKGATE__POLICY_LOADED__INIT;
	Sockgate__Error error = SOCKGATE__ERROR__INIT;
	const bool *refuses = arg;

	if (request->body_case == SOCKGATE__MESSAGE__BODY_POLICY_QUERY) {
		answer_query(ch, request);
		return;
	}
	if (request->policy_load->more)
		return;
	msg.id = request->id;
	loaded.generation = 17;
	/* Of a text in parts the last one is told by its size. */
	loaded.rules = strlen(request->policy_load->text) == LAST_PART ? 3 : 1;
	if (!strcmp(request->policy_load->text, BEFORE))
		loaded.rules = 4;
	error.text = (char *)"no room";
	error.file = (char *)"/etc/p.conf";
	msg.body_case = *refuses ? SOCKGATE__MESSAGE__BODY_ERROR :
				   SOCKGATE__MESSAGE__BODY_POLICY_LOADED;
	if (*refuses)
		msg.error = &error;
	else
		msg.policy_loaded = &loaded;
	channel_send(ch, &msg);
}

static void start_server(bool refuses)
{
	static const struct channel_ops ops = {
		.up = standin_up, .message = answer, .down = standin_down,
	};

	standin_start(&standin, &ops, &refuses);
}

/* ---- sockgate ---- */

static void child(const char *verb, bool json)
{
	char *args[] = { (char *)"sockgate policy", (char *)verb, standin.file, option,
			 NULL };
	struct options o;

	options_init(&o);
	o.command = &command_policy;
	o.server_socket = standin.socket;
	o.json = json;
	optind = 0;
	/* These take no file. */
	if (!strcmp(verb, "rollback") || !strcmp(verb, "show")) {
		args[2] = *option ? option : NULL;
		exit(command_policy.run(&o, *option ? 3 : 2, args));
	}
	exit(command_policy.run(&o, *option ? 4 : 3, args));
}

/* Runs it on @text; its standard output is in standin.output.  Returns its status. */
static int run(const char *verb, bool json, const char *text)
{
	pid_t pid;
	int from;

	standin_write(&standin, text);
	if (standin_begin(&from, &pid))
		child(verb, json);
	return standin_end(&standin, from, pid);
}

static json_t *parsed(void)
{
	json_error_t error;
	json_t *json = json_loads(standin.output, 0, &error);

	if (!json)
		fail_msg("`%s': %s", standin.output, error.text);
	return json;
}

/* ---- the tests ---- */

static void check_refusal(unsigned int line, const char *reason)
{
	const char *error = NULL;
	json_t *json = parsed();
	int ok = 1, at = -1;

	assert_int_equal(json_unpack(json, "{s:b, s:i, s:s, s:[]}", "ok", &ok, "line", &at,
				     "error", &error, "warnings"), 0);
	assert_false(ok);
	assert_int_equal(at, line);
	if (!strstr(error, reason))
		fail_msg("`%s' has no `%s'", error, reason);
	json_decref(json);
}

static void load_prints_the_warnings_of_check(void **state)
{
	char *line;

	(void)state;
	assert_int_equal(run("check", false, WARNED), RESULT_OK);
	line = strdup(standin.output);
	assert_non_null(line);
	assert_non_null(strchr(line, '\n'));
	*strchr(line, '\n') = '\0';
	assert_non_null(strstr(line, ":3: warning: rule \"a\""));
	start_server(false);
	assert_int_equal(run("load", false, WARNED), RESULT_OK);
	assert_non_null(strstr(standin.output, line));
	assert_non_null(strstr(standin.output, "policy generation 17 is in force: 1 rule\n"));
	free(line);
}

static void load_prints_json(void **state)
{
	const char *text = NULL;
	int ok = 0, generation = 0, rules = 0, line = 0;
	json_t *json;

	(void)state;
	start_server(false);
	assert_int_equal(run("load", true, WARNED), RESULT_OK);
	json = parsed();
	assert_int_equal(json_unpack(json, "{s:b, s:i, s:i, s:[{s:i, s:s}]}", "ok", &ok,
				     "generation", &generation, "rules", &rules,
				     "warnings", "line", &line, "text", &text), 0);
	assert_true(ok);
	assert_int_equal(generation, 17);
	assert_int_equal(rules, 1);
	assert_int_equal(line, 3);
	assert_non_null(strstr(text, "can hardly be meant"));
	json_decref(json);
}

static void what_is_included_is_named(void **state)
{
	char inner[128], want[160];
	FILE *f;

	(void)state;
	snprintf(inner, sizeof(inner), "%s/inner.conf", standin.dir);
	f = fopen(inner, "w");
	assert_non_null(f);
	fputs("\n{ name = \"a\"; version = \">=7\"; action = \"deny\"; },\n", f);
	assert_int_equal(fclose(f), 0);
	snprintf(want, sizeof(want), "%s:2: warning: rule \"a\"", inner);
	assert_int_equal(run("check", false, "default = \"allow\";\nrules = (\n"
			     "@include \"inner.conf\"\n{ name = \"b\"; port = 1; "
			     "action = \"deny\"; } );"), RESULT_OK);
	assert_non_null(strstr(standin.output, want));
	/* An error behind it is that of the outer file. */
	assert_int_equal(run("check", true, "default = \"allow\";\nrules = (\n"
			     "@include \"inner.conf\"\n{ name = \"b\"; } );"), RESULT_NO);
	assert_non_null(strstr(standin.output, "\"line\": 4"));
	assert_non_null(strstr(standin.output, standin.file));
	unlink(inner);
}

/* One application, curl by Example. */
static void make_signatures(const char *database)
{
	char why[256];
	struct sigdb *db = sigdb_open(database, true, why, sizeof(why));
	sqlite3 *lite;

	assert_non_null(db);
	sigdb_close(db);
	assert_int_equal(sqlite3_open(database, &lite), SQLITE_OK);
	assert_int_equal(sqlite3_exec(lite, "INSERT INTO application VALUES (1, 'curl', '8', "
				      "'Web', 'Example', '')", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(lite);
}

static void remove_database(const char *database)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char name[160];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", database, ends[i]);
		unlink(name);
	}
}

static void what_no_signature_is_about_is_told(void **state)
{
	char database[128];
	const char *text = "default = \"allow\";\nrules = (\n"
		"{ name = \"a\"; application = \"Curl\"; action = \"deny\"; },\n"
		"{ name = \"b\"; application = [ \"curl\", \"crul\" ]; action = \"deny\"; },\n"
		"{ name = \"c\"; category = \"P2P*\"; action = \"deny\"; },\n"
		"{ name = \"d\"; vendor = \"Ex*\"; action = \"deny\"; } );";

	(void)state;
	snprintf(database, sizeof(database), "%s/signatures.db", standin.dir);
	make_signatures(database);
	snprintf(option, sizeof(option), "--signatures=%s", database);
	assert_int_equal(run("check", false, text), RESULT_OK);
	assert_null(strstr(standin.output, "\"a\""));
	assert_non_null(strstr(standin.output, ":4: warning: rule \"b\": no signature has the "
			       "application \"crul\""));
	assert_non_null(strstr(standin.output, ":5: warning: rule \"c\" can never match: no signature "
			       "has the category \"P2P*\""));
	assert_null(strstr(standin.output, "\"d\""));
	remove_database(database);
	assert_int_equal(run("check", true, text), RESULT_NO);
	check_refusal(0, "cannot be known here");
	option[0] = '\0';
}

static void the_policy_before_is_loaded_again(void **state)
{
	(void)state;
	start_server(false);
	assert_int_equal(run("rollback", false, ""), RESULT_OK);
	assert_non_null(strstr(standin.output, "is in force: 4 rules\n"));
}

static void policies_of_before_are_shown(void **state)
{
	(void)state;
	start_server(false);
	snprintf(option, sizeof(option), "--back=1");
	assert_int_equal(run("show", false, ""), RESULT_OK);
	assert_string_equal(standin.output, BEFORE);
	snprintf(option, sizeof(option), "--back=2");
	assert_int_equal(run("rollback", false, ""), RESULT_NO);
	assert_string_equal(standin.output, "");
	option[0] = '\0';
}

#define OLD_RULES "default = \"allow\"; groups = { g = [ 1, 2 ]; }; rules = (\n"	\
	"{ name = \"a\"; port = 1; action = \"deny\"; },"				\
	"{ name = \"b\"; port = 2; action = \"deny\"; },"				\
	"{ name = \"c\"; port = \"@g\"; action = \"deny\"; },"			\
	"{ name = \"d\"; port = 4; action = \"deny\"; },"				\
	"{ name = \"e\"; port = 5; action = \"deny\"; } );"

#define TIMES(zone) zone "default = \"allow\"; rules = (\n"			\
	"{ name = \"a\"; time = \"08:00-17:00\"; action = \"deny\"; } );"

static void another_time_zone_is_told(void **state)
{
	json_t *json;

	(void)state;
	in_force = TIMES("timezone = \"Europe/Berlin\";");
	start_server(false);
	assert_int_equal(run("diff", false, TIMES("timezone = \"Europe/Berlin\";")),
			 RESULT_OK);
	assert_int_equal(run("diff", false, TIMES("timezone = \"UTC\";")), RESULT_NO);
	assert_string_equal(standin.output, "- timezone = \"Europe/Berlin\"\n"
			    "+ timezone = \"UTC\"\n");
	assert_int_equal(run("diff", true, TIMES("timezone = \"UTC\";")), RESULT_NO);
	json = parsed();
	assert_string_equal(json_string_value(json_array_get(
		json_object_get(json, "changed"), 0)), "timezone");
	json_decref(json);
}

static void rules_that_differ_are_told(void **state)
{
	json_t *json;

	(void)state;
	in_force = OLD_RULES;
	start_server(false);
	assert_int_equal(run("diff", false, OLD_RULES), RESULT_OK);
	assert_string_equal(standin.output, "");
	/* d is gone, f is new, b is another, e is before all, and the group is smaller. */
	assert_int_equal(run("diff", false, "default = \"deny\"; groups = { g = 1; };"
			     "rules = ("
			     "{ name = \"e\"; port = 5; action = \"deny\"; },"
			     "{ name = \"a\"; port = 1; action = \"deny\"; },"
			     "{ name = \"f\"; port = 6; action = \"deny\"; },"
			     "{ name = \"b\"; port = 3; action = \"deny\"; },"
			     "{ name = \"c\"; port = \"@g\"; action = \"deny\"; } );"),
			 RESULT_NO);
	assert_string_equal(standin.output,
		"- { name = \"d\"; port = 4; action = \"deny\"; }\n"
		"~ { name = \"e\"; port = 5; action = \"deny\"; }  # stands elsewhere\n"
		"+ { name = \"f\"; port = 6; action = \"deny\"; }\n"
		"- { name = \"b\"; port = 2; action = \"deny\"; }\n"
		"+ { name = \"b\"; port = 3; action = \"deny\"; }\n"
		"~ { name = \"c\"; port = \"@g\"; action = \"deny\"; }  # a group that it "
		"names, or the common lifetime, has changed\n"
		"- { action = \"allow\"; }\n"
		"+ { action = \"deny\"; }\n");
	assert_int_equal(run("diff", true, "default = \"allow\"; rules = ();"), RESULT_NO);
	json = parsed();
	assert_int_equal(json_array_size(json_object_get(json, "removed")), 5);
	json_decref(json);
}

static void a_long_policy_is_sent_in_parts(void **state)
{
	const char *end = "*/ default = \"allow\"; rules = ();";
	size_t size = 3 * PART + LAST_PART;
	char *text = malloc(size + 1);

	(void)state;
	assert_non_null(text);
	memset(text, ' ', size);
	text[0] = '/';
	text[1] = '*';
	memcpy(text + size - strlen(end), end, strlen(end) + 1);
	start_server(false);
	assert_int_equal(run("load", false, text), RESULT_OK);
	assert_non_null(strstr(standin.output, "is in force: 3 rules\n"));
	free(text);
}

static void refusals_are_json(void **state)
{
	(void)state;
	assert_int_equal(run("check", true, WRONG), RESULT_NO);
	check_refusal(2, "no action");
	/* Nobody has to listen for that. */
	assert_int_equal(run("load", true, WRONG), RESULT_NO);
	check_refusal(2, "no action");
	assert_int_equal(run("load", true, WARNED), RESULT_NO);
	check_refusal(0, "is secsrv running?");
	start_server(true);
	assert_int_equal(run("load", true, WARNED), RESULT_NO);
	check_refusal(0, "/etc/p.conf: no room");
}

static int set_up(void **state)
{
	(void)state;
	return standin_set_up(&standin);
}

static int tear_down(void **state)
{
	(void)state;
	return standin_tear_down(&standin);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(load_prints_the_warnings_of_check),
		TEST(load_prints_json),
		TEST(a_long_policy_is_sent_in_parts),
		TEST(rules_that_differ_are_told),
		TEST(another_time_zone_is_told),
		TEST(the_policy_before_is_loaded_again),
		TEST(policies_of_before_are_shown),
		TEST(what_is_included_is_named),
		TEST(what_no_signature_is_about_is_told),
		TEST(refusals_are_json),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
