// SPDX-License-Identifier: GPL-2.0-only
/* Records as they are made, kept and shown through the local socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <event2/event.h>

#include "channel.h"
#include "console.h"
#include "control.h"
#include "records.h"
#include "wire.h"

static const uint8_t fresh[SEGMENTS_INSTANCE_SIZE] = "instance-number";

static char dir[64], path[96], spool_dir[96];
static struct event_base *base;
static struct pool *pool;
static struct spool *spool;
static struct records *records;
static struct console *console;
static struct channel *client;

/* What the client got. */
static uint64_t got[RECORDS_RECENT + 10];
static char got_reason[64], got_host[64], got_name[64];
static unsigned int n_got, n_counters;
static bool ended, up;
static unsigned int records_while_filling;
static bool to_be_dropped, dropped;
static char error[128], note[128];

static int on_send(const struct spool_record *list, void *arg)
{
	(void)list;
	(void)arg;
	return -1;
}

static void on_record(const Sockgate__Record *record, void *arg)
{
	(void)arg;
	console_record(console, record);
}

static void add_record(const char *exe);

static void fill(struct console_status *s, void *arg)
{
	static char exe[4001];

	(void)arg;
	memset(exe, 'x', sizeof(exe) - 1);
	for (unsigned int i = 0; i < records_while_filling; i++)
		add_record(exe);
	s->status->program = (char *)"nfagent";
	for (int i = 0; i < CONSOLE_MAX_COUNTERS + 10; i++)
		console_count(s, "counter", (uint64_t)i);
}

static void take_records(const Sockgate__Records *r)
{
	for (size_t i = 0; i < r->n_record; i++) {
		if (n_got < sizeof(got) / sizeof(got[0]))
			got[n_got] = r->record[i]->sequence;
		n_got++;
		snprintf(got_reason, sizeof(got_reason), "%s",
			 r->record[i]->reason);
		snprintf(got_host, sizeof(got_host), "%s", r->record[i]->host);
		snprintf(got_name, sizeof(got_name), "%s",
			 r->record[i]->process->name);
	}
	ended = r->end;
	snprintf(note, sizeof(note), "%s", r->note);
}

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	(void)ch;
	(void)arg;
	if (msg->body_case == SOCKGATE__MESSAGE__BODY_STATUS) {
		n_counters = (unsigned int)msg->status->n_counter;
		assert_string_equal(msg->status->program, "nfagent");
		ended = true;
	} else if (msg->body_case == SOCKGATE__MESSAGE__BODY_RECORDS) {
		take_records(msg->records);
	} else if (msg->body_case == SOCKGATE__MESSAGE__BODY_ERROR) {
		snprintf(error, sizeof(error), "%s", msg->error->text);
		ended = true;
	}
	event_base_loopbreak(base);
}

static void on_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	(void)ch;
	(void)peer;
	(void)arg;
	up = true;
}

static void on_down(struct channel *ch, const char *why, void *arg)
{
	(void)ch;
	(void)arg;
	if (!to_be_dropped)
		fail_msg("%s", why);
	dropped = true;
}

static const struct channel_ops client_ops = {
	.up = on_up, .message = on_message, .down = on_down,
};

static int set_up(void **state)
{
	struct spool_conf conf = { spool_dir, 1 << 20, 1 << 20 };
	char why[256];

	(void)state;
	strcpy(dir, "/tmp/console-test.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/socket", dir);
	snprintf(spool_dir, sizeof(spool_dir), "%s/spool", dir);
	base = event_base_new();
	pool = pool_new(base, 0, 1);
	spool = spool_open(pool, &conf, fresh, on_send, NULL, why, sizeof(why));
	records = records_new(spool, "workload", on_record, NULL);
	console = console_open(base, path, fill, NULL, why, sizeof(why));
	if (!spool || !records || !console)
		return -1;
	console_set_records(console, records);
	client = channel_local(base, control_connect(path, "nfagent", why,
						     sizeof(why)),
			       &client_ops, NULL);
	n_got = 0;
	n_counters = 0;
	records_while_filling = 0;
	to_be_dropped = false;
	dropped = false;
	ended = false;
	up = false;
	while (client && !up)
		event_base_loop(base, EVLOOP_ONCE);
	return client ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	channel_free(client);
	console_close(console);
	records_free(records);
	pool_free(pool);
	spool_close(spool);
	event_base_loop(base, EVLOOP_NONBLOCK);
	event_base_free(base);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static void add_long_record(const char *exe, const char *command_line)
{
	struct ask ask = { .event = SOCKGATE_EVENT_CONNECT,
			   .protocol = IPPROTO_TCP, .family = AF_INET };
	struct identity id = { .facts.path = (char *)exe,
				.facts.command_line = (char *)command_line };
	struct wire wire;
	struct ending e = {
		.ask = &ask,
		.outcome = SOCKGATE__OUTCOME__OUTCOME_FAILURE,
		.reason = SOCKGATE_REASON_DEADLINE,
		.process = &wire.process,
		.user = &wire.user,
		.place = &wire.place,
	};

	wire_fill(&wire, &ask, &id, NULL);
	records_add(records, &e);
}

static void add_record(const char *exe)
{
	add_long_record(exe, NULL);
}

static void query(bool follow, uint32_t last, const char *application)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__EventsQuery q = SOCKGATE__EVENTS_QUERY__INIT;

	q.follow = follow;
	q.last = last;
	if (application)
		q.application = (char *)application;
	msg.id = 1;
	msg.body_case = SOCKGATE__MESSAGE__BODY_EVENTS_QUERY;
	msg.events_query = &q;
	assert_int_equal(channel_send(client, &msg), 0);
}

static void run_until_end(void)
{
	while (!ended)
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
}

static void test_record(void **state)
{
	(void)state;
	add_record("/usr/bin/curl");
	query(false, 0, NULL);
	run_until_end();
	assert_int_equal(n_got, 1);
	assert_int_equal(got[0], 1);
	assert_string_equal(got_reason, "deadline");
	assert_string_equal(got_host, "workload");
	assert_string_equal(got_name, "curl");
}

static void test_the_last_ones(void **state)
{
	(void)state;
	for (int i = 0; i < RECORDS_RECENT + 7; i++)
		add_record("/usr/bin/curl");
	query(false, 3, NULL);
	run_until_end();
	assert_int_equal(n_got, 3);
	assert_int_equal(got[0], RECORDS_RECENT + 5);
	assert_int_equal(got[2], RECORDS_RECENT + 7);
	assert_string_equal(note, "");
	n_got = 0;
	ended = false;
	query(false, 1000000, NULL);
	run_until_end();
	assert_int_equal(n_got, RECORDS_RECENT);
	assert_int_equal(got[0], 8);
	assert_non_null(strstr(note, "last 1024"));
}

static void run_until_got(unsigned int n)
{
	while (n_got < n)
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
}

/* More than may be queued for one connection: as it is read, in order. */
static void test_long_answer_arrives(void **state)
{
	static char args[9000];

	(void)state;
	memset(args, 'x', sizeof(args) - 1);
	for (int i = 0; i < RECORDS_RECENT; i++)
		add_long_record("/usr/bin/curl", args);
	query(true, RECORDS_RECENT, NULL);
	run_until_got(1);
	/* This one overwrites the first, which has gone out; its turn comes. */
	add_record("/usr/bin/wget");
	assert_true(n_got < RECORDS_RECENT);
	run_until_got(RECORDS_RECENT + 1);
	for (unsigned int i = 0; i < n_got; i++)
		assert_int_equal(got[i], i + 1);
	add_record("/usr/bin/wget");
	run_until_got(RECORDS_RECENT + 2);
	assert_int_equal(got[n_got - 1], RECORDS_RECENT + 2);
}

static void test_filter_and_follow(void **state)
{
	(void)state;
	add_record("/usr/bin/curl");
	add_record("/usr/bin/wget");
	query(true, 0, "WGET");
	while (n_got < 1)
		event_base_loop(base, EVLOOP_ONCE);
	add_record("/usr/bin/curl");
	add_record("/usr/bin/wget");
	while (n_got < 2)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(got[0], 2);
	assert_int_equal(got[1], 4);
	assert_false(ended);
}

static void test_status(void **state)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__StatusQuery q = SOCKGATE__STATUS_QUERY__INIT;

	(void)state;
	msg.id = 2;
	msg.body_case = SOCKGATE__MESSAGE__BODY_STATUS_QUERY;
	msg.status_query = &q;
	assert_int_equal(channel_send(client, &msg), 0);
	run_until_end();
	assert_int_equal(n_counters, CONSOLE_MAX_COUNTERS);
}

static void test_what_it_does_not_answer(void **state)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__ExplainQuery q = SOCKGATE__EXPLAIN_QUERY__INIT;

	(void)state;
	msg.id = 3;
	msg.body_case = SOCKGATE__MESSAGE__BODY_EXPLAIN_QUERY;
	msg.explain_query = &q;
	assert_int_equal(channel_send(client, &msg), 0);
	run_until_end();
	assert_non_null(strstr(error, "security server"));
}

/*
 * It follows, and asks for a status; to answer that, records are made that do not
 * fit into what waits for it any more.
 */
static void test_dropped_while_it_is_answered(void **state)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__StatusQuery q = SOCKGATE__STATUS_QUERY__INIT;

	(void)state;
	records_while_filling = 2 * CHANNEL_BACKLOG / 4000;
	to_be_dropped = true;
	add_record("/usr/bin/curl");
	query(true, 0, NULL);
	msg.id = 2;
	msg.body_case = SOCKGATE__MESSAGE__BODY_STATUS_QUERY;
	msg.status_query = &q;
	assert_int_equal(channel_send(client, &msg), 0);
	/* What was sent before may come first. */
	while (!dropped)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(n_counters, 0);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/* A connection that cannot be accepted now must not keep the loop busy. */
static void test_no_descriptor_left(void **state)
{
	const struct timeval soon = { 0, 20000 };
	struct rlimit limit, none = { 0, 0 };
	struct channel *other;
	bool fired = false;
	struct event *timer = evtimer_new(base, on_timer, &fired);
	unsigned int turns = 0;
	char text[256];

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none.rlim_max = limit.rlim_max;
	other = channel_local(base, control_connect(path, "nfagent", text,
						    sizeof(text)),
			      &client_ops, NULL);
	assert_non_null(other);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	event_add(timer, &soon);
	while (!fired && turns < 1000) {
		event_base_loop(base, EVLOOP_ONCE);
		turns++;
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	event_free(timer);
	assert_true(fired);
	assert_true(turns < 100);
	/* It is taken in a moment. */
	channel_free(client);
	client = other;
	test_status(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_record),
		TEST(test_the_last_ones),
		TEST(test_long_answer_arrives),
		TEST(test_filter_and_follow),
		TEST(test_status),
		TEST(test_what_it_does_not_answer),
		TEST(test_dropped_while_it_is_answered),
		TEST(test_no_descriptor_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
