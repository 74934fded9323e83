// SPDX-License-Identifier: GPL-2.0-only
/* What was recorded, from a secsrv that is a child process, decided by other policies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <event2/event.h>

#include "ctl/commands.h"
#include "ctl/standin.h"

static struct standin standin;

/* ---- what was recorded ---- */

struct event {
	const char *application;
	unsigned int protocol, port;
	uint8_t addr[4];
	const char *verdict;	/* NULL: the failure table's */
	unsigned int times;
};

static const struct event events[] = {
	{ "curl", 6, 443, { 192, 0, 2, 1 }, "allow", 3 },
	{ "curl", 6, 80, { 192, 0, 2, 1 }, "audit", 1 },
	{ "dig", 17, 53, { 10, 0, 0, 53 }, "audit", 2 },
	{ "", 6, 443, { 198, 51, 100, 7 }, "deny", 1 },
	{ "curl", 6, 443, { 192, 0, 2, 2 }, NULL, 1 },
};
#define EVENTS (sizeof(events) / sizeof(events[0]))

/* How far the names are to be trusted. */
static unsigned int trust = 4;
static const char *name_end = "";
static const char *script;	/* that they all ran, or NULL */

static void fill_in(Sockgate__Record *r, const struct event *e,
		    Sockgate__Identity *identity)
{
	static uint8_t hash[32];
	static char name[64];

	sockgate__event__init(r->event);
	sockgate__process__init(r->process);
	sockgate__user__init(r->user);
	sockgate__decision__init(r->decision);
	r->decision->identity = identity;
	sockgate__identity__init(identity);
	r->time_us = 1767567600000000;
	r->host = (char *)"web1";
	r->event->kind = SOCKGATE__EVENT_KIND__EVENT_CONNECT;
	r->event->protocol = e->protocol;
	r->event->remote_port = e->port;
	r->event->remote_address.data = (uint8_t *)e->addr;
	r->event->remote_address.len = 4;
	r->process->evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
	r->process->sha256.data = hash;
	r->process->sha256.len = sizeof(hash);
	r->process->path = (char *)"/opt/tool";
	r->process->name = (char *)"tool";
	if (script) {
		r->process->classes = SOCKGATE__CLASS__CLASS_SCRIPT;
		r->process->script = (char *)script;
		r->process->script_evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
		r->process->script_sha256.data = hash;
		r->process->script_sha256.len = sizeof(hash);
	}
	r->user->name = (char *)"alice";
	r->user->uid = 1000;
	snprintf(name, sizeof(name), "%s%s", e->application, name_end);
	r->decision->identity->name = name;
	r->decision->identity->source = *e->application ?
		SOCKGATE__IDENTITY__SOURCE__HASH : SOCKGATE__IDENTITY__SOURCE__NONE;
	r->decision->identity->trust = trust;
	r->decision->rule = (char *)"old";
	r->decision->audit = e->verdict && !strcmp(e->verdict, "audit");
	r->decision->action = e->verdict && !strcmp(e->verdict, "deny") ?
		SOCKGATE__ACTION__ACTION_DENY : SOCKGATE__ACTION__ACTION_ALLOW;
	r->decision->error = r->decision->action == SOCKGATE__ACTION__ACTION_DENY ? 13 : 0;
	r->outcome = e->verdict ? SOCKGATE__OUTCOME__OUTCOME_SERVER :
				  SOCKGATE__OUTCOME__OUTCOME_FAILURE;
	r->effect = r->decision->action;
}

static void answer(struct channel *ch, Sockgate__Message *request, void *arg)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Records records = SOCKGATE__RECORDS__INIT;
	Sockgate__Identity identity;
	Sockgate__Decision decision;
	Sockgate__Process process;
	Sockgate__Event event;
	Sockgate__User user;
	Sockgate__Record record, *one = &record;

	(void)arg;
	msg.id = request->id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_RECORDS;
	msg.records = &records;
	records.record = &one;
	records.n_record = 1;
	for (size_t i = 0; i < EVENTS; i++) {
		for (unsigned int n = 0; n < events[i].times; n++) {
			sockgate__record__init(&record);
			record.event = &event;
			record.process = &process;
			record.user = &user;
			record.decision = &decision;
			fill_in(&record, &events[i], &identity);
			channel_send(ch, &msg);
		}
	}
	records.n_record = 0;
	records.end = true;
	channel_send(ch, &msg);
}

static void start_server(void)
{
	static const struct channel_ops ops = {
		.up = standin_up, .message = answer, .down = standin_down,
	};

	standin_start(&standin, &ops, NULL);
}

/* ---- sockgate ---- */

static void child(const char *verb, const char *operand, bool json)
{
	char *args[] = { (char *)"sockgate policy", (char *)verb, (char *)operand, NULL };
	struct options o;

	options_init(&o);
	o.command = &command_policy;
	o.server_socket = o.agent_socket = standin.socket;
	o.json = json;
	optind = 0;
	exit(command_policy.run(&o, operand ? 3 : 2, args));
}

/* Its standard output is in standin.output.  Returns its status. */
static int run(const char *verb, const char *operand, bool json)
{
	pid_t pid;
	int from;

	if (standin_begin(&from, &pid))
		child(verb, operand, json);
	return standin_end(&standin, from, pid);
}

static int try_policy(const char *policy, bool json)
{
	standin_write(&standin, policy);
	return run("test", standin.file, json);
}

/* ---- the tests ---- */

/* As it was recorded. */
#define SAME "default = \"deny\"; rules = (\n"				\
	"{ name = \"dns\"; application = \"dig\"; action = \"audit\"; },\n"	\
	"{ name = \"web\"; application = \"curl\"; port = 80; action = \"audit\"; },\n"

static void nothing_changes(void **state)
{
	(void)state;
	start_server();
	assert_int_equal(try_policy(SAME "{ name = \"tls\"; application = \"curl\"; "
				       "action = \"allow\"; } );", false), 0);
	assert_string_equal(standin.output, "0 of 8 recorded events would be decided otherwise; "
				    "1 that no policy decided are left out\n");
}

static void each_change_is_told(void **state)
{
	(void)state;
	start_server();
	assert_int_equal(try_policy(SAME "{ name = \"one\"; application = \"curl\"; "
				       "port = 8443; action = \"allow\"; } );", false), 1);
	assert_non_null(strstr(standin.output, "allow -> deny: curl on web1, user alice: tcp SYN_SENT "
				       "192.0.2.1:443\n    3 times; rule was old, would be "
				       "default ("));
	assert_null(strstr(standin.output, "dig"));
	assert_non_null(strstr(standin.output, "\n3 of 8 recorded events"));
}

static void changes_are_json(void **state)
{
	int ok = 1, all = 0, changed = 0, count = 0, line = 0;
	const char *was = NULL, *would = NULL, *rule = NULL;
	json_t *json;

	(void)state;
	start_server();
	assert_int_equal(try_policy("default = { action = \"deny\"; error = \"EPERM\"; };\n"
				  "rules = (\n{ name = \"all\"; known = true;\n"
				  "action = \"allow\"; } );", true), 1);
	json = json_loads(standin.output, 0, NULL);
	assert_non_null(json);
	assert_int_equal(json_unpack(json, "{s:b, s:i, s:i}", "ok", &ok, "events", &all,
				     "changed", &changed), 0);
	assert_false(ok);
	assert_int_equal(all, 8);
	/* An error of its own is another decision, too. */
	assert_int_equal(changed, 4);
	assert_int_equal(json_array_size(json_object_get(json, "changes")), 3);
	assert_int_equal(json_unpack(json_array_get(json_object_get(json, "changes"), 1),
				     "{s:i, s:{s:s}, s:{s:s, s:s, s:i}}", "count", &count,
				     "was", "verdict", &was, "would", "verdict", &would,
				     "rule", &rule, "line", &line), 0);
	assert_int_equal(count, 2);
	assert_string_equal(was, "audit");
	assert_string_equal(would, "allow");
	assert_string_equal(rule, "all");
	assert_int_equal(line, 3);
	json_decref(json);
}

static void a_policy_is_proposed(void **state)
{
	const char *text = NULL;
	int rules = 0, misfits = 1;
	json_t *json;

	(void)state;
	start_server();
	assert_int_equal(run("suggest", NULL, true), 0);
	json = json_loads(standin.output, 0, NULL);
	assert_non_null(json);
	assert_int_equal(json_unpack(json, "{s:i, s:i, s:s}", "rules", &rules, "not_allowed",
				     &misfits, "text", &text), 0);
	assert_int_equal(rules, 2);
	assert_int_equal(misfits, 0);
	assert_non_null(strstr(text, "# 4 times\n"));
	assert_non_null(strstr(text, "application = \"curl\";\n\t  protocol = 6; event = "
			       "\"SYN_SENT\"; port = \"443,80\";\n\t  remote = "
			       "[ \"192.0.2.1\" ];"));
	assert_non_null(strstr(text, "application = \"dig\";"));
	/* What was denied, or nobody decided, is no habit. */
	assert_null(strstr(text, "198.51.100.7"));
	assert_null(strstr(text, "192.0.2.2"));
	json_decref(json);
}

/* It is shown, and loaded. */
static void a_name_that_drives_the_terminal_is_not_proposed(void **state)
{
	(void)state;
	name_end = "\033[2J";
	start_server();
	assert_int_equal(run("suggest", NULL, false), 0);
	name_end = "";
	assert_null(strchr(standin.output, '\033'));
	assert_non_null(strstr(standin.output, "hash = \"00000000"));
}

/* Whoever is called so next would be let through. */
static void a_name_that_is_claimed_is_not_proposed(void **state)
{
	(void)state;
	trust = 1;
	start_server();
	assert_int_equal(run("suggest", NULL, false), 0);
	trust = 4;
	assert_null(strstr(standin.output, "application ="));
	assert_non_null(strstr(standin.output, "hash = \"00000000"));
}

/* Not for whatever the interpreter runs, nor for whoever runs it. */
static void a_script_is_proposed_with_its_user(void **state)
{
	const char *text = NULL;
	int misfits = 1;
	json_t *json;

	(void)state;
	script = "/opt/a*.py";
	start_server();
	assert_int_equal(run("suggest", NULL, true), 0);
	script = NULL;
	json = json_loads(standin.output, 0, NULL);
	assert_non_null(json);
	assert_int_equal(json_unpack(json, "{s:i, s:s}", "not_allowed", &misfits, "text",
				     &text), 0);
	assert_int_equal(misfits, 0);
	assert_non_null(strstr(text, "script = \"/opt/a\\\\*.py\"; user = 1000L;"));
	json_decref(json);
}

static void without_a_server_it_says_so(void **state)
{
	(void)state;
	assert_int_equal(try_policy(SAME ");", false), 1);
	assert_string_equal(standin.output, "");
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
		TEST(nothing_changes),
		TEST(each_change_is_told),
		TEST(changes_are_json),
		TEST(a_policy_is_proposed),
		TEST(a_name_that_is_claimed_is_not_proposed),
		TEST(a_name_that_drives_the_terminal_is_not_proposed),
		TEST(a_script_is_proposed_with_its_user),
		TEST(without_a_server_it_says_so),
	};

	return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
