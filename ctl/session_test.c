// SPDX-License-Identifier: GPL-2.0-only
/* Against a daemon that is a child process and answers as each test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <event2/event.h>

#include "channel.h"
#include "control.h"
#include "ctl/session.h"

static char dir[64], path[96];
static char why[600];
static pid_t child;

/* ---- the daemon ---- */

typedef void (*answer_fn)(struct channel *ch, const Sockgate__Message *request);
static answer_fn answer;

static void daemon_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	(void)ch, (void)peer, (void)arg;
}

static void daemon_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	(void)arg;
	answer(ch, msg);
}

static void daemon_down(struct channel *ch, const char *reason, void *arg)
{
	(void)ch, (void)reason, (void)arg;
	_exit(0);
}

static void serve(int listener)
{
	static const struct channel_ops ops = {
		.up = daemon_up, .message = daemon_message, .down = daemon_down,
	};
	struct pollfd p = { .fd = listener, .events = POLLIN };
	struct event_base *base = event_base_new();

	if (!base || poll(&p, 1, -1) != 1 ||
	    !channel_local(base, control_accept(listener), &ops, NULL))
		_exit(1);
	event_base_dispatch(base);
	_exit(1);
}

static void start(answer_fn fn)
{
	int listener = control_listen(path, why, sizeof(why));

	if (listener < 0)
		fail_msg("%s", why);
	answer = fn;
	child = fork();
	assert_true(child >= 0);
	if (!child)
		serve(listener);
	close(listener);
}

static int set_up(void **state)
{
	(void)state;
	child = 0;
	snprintf(dir, sizeof(dir), "/tmp/sockgate-session.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/d.sock", dir);
	return 0;
}

static int tear_down(void **state)
{
	char lock[120];

	(void)state;
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	snprintf(lock, sizeof(lock), "%s.lock", path);
	unlink(lock);
	unlink(path);
	return rmdir(dir);
}

/* ---- its answers ---- */

static void send_records(struct channel *ch, uint64_t id, bool end)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Records records = SOCKGATE__RECORDS__INIT;

	records.end = end;
	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_RECORDS;
	msg.records = &records;
	channel_send(ch, &msg);
}

static void three_parts(struct channel *ch, const Sockgate__Message *request)
{
	send_records(ch, request->id, false);
	send_records(ch, request->id + 7, true);	/* to something else */
	send_records(ch, request->id, false);
	send_records(ch, request->id, true);
}

static void refuses(struct channel *ch, const Sockgate__Message *request)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Error error = SOCKGATE__ERROR__INIT;

	error.text = (char *)"no\033[2J";
	error.file = (char *)"p.conf";
	error.line = 3;
	msg.id = request->id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_ERROR;
	msg.error = &error;
	channel_send(ch, &msg);
}

static void something_else(struct channel *ch, const Sockgate__Message *request)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Pong pong = SOCKGATE__PONG__INIT;

	msg.id = request->id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_PONG;
	msg.pong = &pong;
	channel_send(ch, &msg);
}

static void dies(struct channel *ch, const Sockgate__Message *request)
{
	(void)ch, (void)request;
	_exit(0);
}

static void says_nothing(struct channel *ch, const Sockgate__Message *request)
{
	(void)ch, (void)request;
}

/* ---- the tests ---- */

static bool count_parts(Sockgate__Message *msg, void *arg)
{
	unsigned int *parts = arg;

	(*parts)++;
	return !msg->records->end;
}

static int ask(unsigned int *parts, unsigned int limit)
{
	Sockgate__Message request = SOCKGATE__MESSAGE__INIT;
	Sockgate__EventsQuery query = SOCKGATE__EVENTS_QUERY__INIT;
	struct session *s = session_open(path, "testd", why, sizeof(why));
	int rc;

	if (!s)
		fail_msg("%s", why);
	*parts = 0;
	request.body_case = SOCKGATE__MESSAGE__BODY_EVENTS_QUERY;
	request.events_query = &query;
	rc = session_ask(s, &request, SOCKGATE__MESSAGE__BODY_RECORDS, limit,
			 count_parts, parts, why, sizeof(why));
	session_close(s);
	return rc;
}

static void several_parts(void **state)
{
	unsigned int parts;

	(void)state;
	start(three_parts);
	assert_int_equal(ask(&parts, SESSION_LIMIT), 0);
	assert_int_equal(parts, 3);
}

static void a_refusal(void **state)
{
	unsigned int parts;

	(void)state;
	start(refuses);
	assert_int_equal(ask(&parts, SESSION_LIMIT), -1);
	assert_string_equal(why, "p.conf:3: no\\x1b[2J");
}

static void another_kind(void **state)
{
	unsigned int parts;

	(void)state;
	start(something_else);
	assert_int_equal(ask(&parts, SESSION_LIMIT), -1);
	assert_non_null(strstr(why, "testd gave an answer of another kind"));
	assert_int_equal(parts, 0);
}

static void daemon_dies(void **state)
{
	unsigned int parts;

	(void)state;
	start(dies);
	assert_int_equal(ask(&parts, 0), -1);
	assert_non_null(strstr(why, "the connection to testd is lost"));
}

static void daemon_is_stuck(void **state)
{
	unsigned int parts;

	(void)state;
	start(says_nothing);
	assert_int_equal(ask(&parts, 1), -1);
	assert_string_equal(why, "testd did not answer for 1 s; is it stuck?");
}

static void nobody_there(void **state)
{
	(void)state;
	assert_null(session_open(path, "testd", why, sizeof(why)));
	assert_non_null(strstr(why, "is testd running?"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(several_parts),
		TEST(a_refusal),
		TEST(another_kind),
		TEST(daemon_dies),
		TEST(daemon_is_stuck),
		TEST(nobody_there),
	};

	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
