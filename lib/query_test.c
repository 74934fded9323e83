// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "query.h"

#define ACTION(name) SOCKGATE__ACTION__ACTION_##name
#define OUTCOME(name) SOCKGATE__OUTCOME__OUTCOME_##name

static Sockgate__Process process;
static Sockgate__Identity identity;
static Sockgate__Decision decision;
static Sockgate__Record record;
static Sockgate__EventsQuery query;

static int set_up(void **state)
{
	(void)state;
	sockgate__process__init(&process);
	sockgate__identity__init(&identity);
	sockgate__decision__init(&decision);
	sockgate__record__init(&record);
	sockgate__events_query__init(&query);
	process.name = (char *)"curl-7";
	identity.name = (char *)"curl";
	decision.decision_id = (char *)"00ab";
	decision.action = ACTION(ALLOW);
	decision.identity = &identity;
	record.host = (char *)"web1";
	record.process = &process;
	record.decision = &decision;
	record.outcome = OUTCOME(SERVER);
	return 0;
}

static void what_the_caller_got(void **state)
{
	/* By effect, outcome and the decision's action (-1: no decision). */
	static const struct {
		Sockgate__Action effect;
		Sockgate__Outcome outcome;
		int action;
		Sockgate__Action want;
	} cases[] = {
		{ ACTION(UNSPEC), OUTCOME(SERVER), ACTION(ALLOW), ACTION(ALLOW) },
		{ ACTION(UNSPEC), OUTCOME(AGENT_CACHE), ACTION(DENY), ACTION(DENY) },
		{ ACTION(UNSPEC), OUTCOME(SERVER), ACTION(UNSPEC), ACTION(DENY) },
		{ ACTION(UNSPEC), OUTCOME(SERVER), -1, ACTION(UNSPEC) },
		{ ACTION(UNSPEC), OUTCOME(FAILURE), -1, ACTION(UNSPEC) },
		{ ACTION(UNSPEC), OUTCOME(FAILURE), ACTION(ALLOW), ACTION(UNSPEC) },
		{ ACTION(ALLOW), OUTCOME(FAILURE), -1, ACTION(ALLOW) },
		{ ACTION(DENY), OUTCOME(FAILURE), -1, ACTION(DENY) },
		{ ACTION(DENY), OUTCOME(FAILURE), ACTION(ALLOW), ACTION(DENY) },
		{ ACTION(DENY), OUTCOME(SERVER), ACTION(ALLOW), ACTION(DENY) },
		{ (Sockgate__Action)7, OUTCOME(SERVER), ACTION(ALLOW), ACTION(ALLOW) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Sockgate__Action want = cases[i].want;

		record.effect = cases[i].effect;
		record.outcome = cases[i].outcome;
		record.decision = cases[i].action < 0 ? NULL : &decision;
		decision.action = (Sockgate__Action)cases[i].action;
		assert_int_equal(query_effect(&record), want);
		query.action = ACTION(DENY);
		assert_int_equal(query_matches(&query, &record),
				 want == ACTION(DENY));
		query.action = ACTION(ALLOW);
		assert_int_equal(query_matches(&query, &record),
				 want == ACTION(ALLOW));
		query.action = ACTION(UNSPEC);
		assert_true(query_matches(&query, &record));
	}
}

static void by_application(void **state)
{
	(void)state;
	query.application = (char *)"CURL";
	assert_true(query_matches(&query, &record));
	/* Known by another name: the file's does not count. */
	query.application = (char *)"curl-7";
	assert_false(query_matches(&query, &record));
	identity.name = (char *)"";
	assert_true(query_matches(&query, &record));
	decision.identity = NULL;
	assert_true(query_matches(&query, &record));
	record.decision = NULL;
	assert_true(query_matches(&query, &record));
	record.process = NULL;
	assert_false(query_matches(&query, &record));
	assert_string_equal(query_called(&record), "");
}

static void by_host_and_decision(void **state)
{
	(void)state;
	query.host = (char *)"WEB1";
	assert_true(query_matches(&query, &record));
	query.decision_id = (char *)"00ab";
	assert_true(query_matches(&query, &record));
	query.decision_id = (char *)"00AB";
	assert_false(query_matches(&query, &record));
	query.decision_id = (char *)"";
	query.host = (char *)"web";
	assert_false(query_matches(&query, &record));
}

static void by_event(void **state)
{
	Sockgate__Event event = SOCKGATE__EVENT__INIT;

	(void)state;
	query.events = 1U << SOCKGATE__EVENT_KIND__EVENT_ACCEPT |
		       1U << SOCKGATE__EVENT_KIND__EVENT_CLOSE | 1;
	assert_false(query_matches(&query, &record));
	record.event = &event;
	assert_false(query_matches(&query, &record));
	event.kind = SOCKGATE__EVENT_KIND__EVENT_CONNECT;
	assert_false(query_matches(&query, &record));
	event.kind = SOCKGATE__EVENT_KIND__EVENT_CLOSE;
	assert_true(query_matches(&query, &record));
	event.kind = (Sockgate__EventKind)(32 + SOCKGATE__EVENT_KIND__EVENT_CLOSE);
	assert_false(query_matches(&query, &record));
	query.events = 0;
	assert_true(query_matches(&query, &record));
}

static void a_copy_of_its_own(void **state)
{
	char host[] = "web1";
	Sockgate__EventsQuery *copy;

	(void)state;
	query.host = host;
	query.last = 7;
	query.follow = true;
	copy = query_copy(&query);
	host[0] = 'x';
	assert_non_null(copy);
	assert_string_equal(copy->host, "web1");
	assert_int_equal(copy->last, 7);
	assert_true(copy->follow);
	sockgate__events_query__free_unpacked(copy, NULL);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, set_up)
	const struct CMUnitTest tests[] = {
		TEST(what_the_caller_got),
		TEST(by_application),
		TEST(by_host_and_decision),
		TEST(by_event),
		TEST(a_copy_of_its_own),
	};

	return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
