// SPDX-License-Identifier: GPL-2.0-only
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "decisions.h"

#define NOW 1000

static struct decisions *cache;

/* 10.1.2.3:443 by TCP, from a program that is the same in all tests. */
static struct ask ask_one(void)
{
	return (struct ask){
		.exe = { .ino = 7, .ctime_ns = 99, .size = 10, .dev = 1 },
		.process = { .start_ns = 5, .exec_id = 1, .pid = 100 },
		.raddr = { 10, 1, 2, 3 }, .raddr_len = 4, .rport = 443,
		.uid = 1000, .cgroup = 50, .netns = 1,
		.event = SOCKGATE_EVENT_CONNECT, .family = AF_INET,
		.protocol = IPPROTO_TCP,
	};
}

static void remember(const struct ask *ask, uint32_t fields, uint8_t rprefix)
{
	struct verdict *v = verdict_new();

	assert_non_null(v);
	v->scope = (struct scope){ .fields = fields, .rprefix = rprefix };
	v->action = SOCKGATE_ACTION_ALLOW;
	v->expires_ms = NOW + 1000;
	decisions_add(cache, ask, v);
	verdict_put(v);
}

static bool known(const struct ask *ask)
{
	return decisions_find(cache, ask, NOW);
}

static int start(void **state)
{
	(void)state;
	cache = decisions_new(8, 0x5eed);
	return cache ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	decisions_free(cache);
	return 0;
}

/* Each field once: it separates if it was looked at, and only then. */
static void test_each_field_separates(void **state)
{
	static const uint32_t field[] = {
		SOCKGATE_F_EVENT, SOCKGATE_F_PROTOCOL, SOCKGATE_F_LPORT,
		SOCKGATE_F_RPORT, SOCKGATE_F_EXE, SOCKGATE_F_PROCESS,
		SOCKGATE_F_UID, SOCKGATE_F_CGROUP, SOCKGATE_F_NETNS,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(field) / sizeof(field[0]); i++) {
		struct ask other = ask_one(), one = ask_one();

		switch (field[i]) {
		case SOCKGATE_F_EVENT: other.event = SOCKGATE_EVENT_SEND; break;
		case SOCKGATE_F_PROTOCOL: other.protocol = IPPROTO_UDP; break;
		case SOCKGATE_F_LPORT: other.lport++; break;
		case SOCKGATE_F_RPORT: other.rport++; break;
		case SOCKGATE_F_EXE: other.exe.ctime_ns++; break;
		case SOCKGATE_F_PROCESS: other.process.exec_id++; break;
		case SOCKGATE_F_UID: other.uid++; break;
		case SOCKGATE_F_CGROUP: other.cgroup++; break;
		case SOCKGATE_F_NETNS: other.netns++; break;
		}
		decisions_flush(cache);
		remember(&one, field[i], 0);
		assert_true(known(&one));
		assert_false(known(&other));
		decisions_flush(cache);
		remember(&one, SOCKGATE_F_ALL & ~field[i], 32);
		assert_true(known(&other));
	}
}

static void test_prefixes(void **state)
{
	struct ask one = ask_one(), near = one, far = one, v6 = one;

	(void)state;
	near.raddr[3] = 200;
	far.raddr[0] = 11;
	v6.family = AF_INET6;
	v6.raddr_len = 16;
	remember(&one, SOCKGATE_F_FAMILY | SOCKGATE_F_RADDR, 24);
	assert_true(known(&near));
	assert_false(known(&far));
	assert_false(known(&v6));
	decisions_flush(cache);
	remember(&one, SOCKGATE_F_FAMILY | SOCKGATE_F_RADDR, 30);
	near.raddr[3] = 2;
	assert_true(known(&near));
	near.raddr[3] = 4;
	assert_false(known(&near));
}

static void test_they_end(void **state)
{
	struct ask one = ask_one();

	(void)state;
	remember(&one, SOCKGATE_F_EXE, 0);
	assert_non_null(decisions_find(cache, &one, NOW + 999));
	assert_null(decisions_find(cache, &one, NOW + 1000));
	assert_int_equal(decisions_counts(cache)->expired, 1);
	assert_int_equal(decisions_count(cache), 0);
}

static void test_flush_forgets(void **state)
{
	struct ask one = ask_one();

	(void)state;
	remember(&one, SOCKGATE_F_EXE, 0);
	decisions_flush(cache);
	assert_false(known(&one));
	assert_int_equal(decisions_count(cache), 0);
}

static void test_least_recently_used_makes_room(void **state)
{
	struct ask ask = ask_one();

	(void)state;
	for (uint32_t uid = 0; uid < 8; uid++) {
		ask.uid = uid;
		remember(&ask, SOCKGATE_F_UID, 0);
	}
	ask.uid = 0;
	assert_true(known(&ask));
	ask.uid = 8;
	remember(&ask, SOCKGATE_F_UID, 0);
	assert_int_equal(decisions_count(cache), 8);
	assert_int_equal(decisions_counts(cache)->evicted, 1);
	ask.uid = 0;
	assert_true(known(&ask));
	ask.uid = 1;
	assert_false(known(&ask));
}

#define decisions_test(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		decisions_test(test_each_field_separates),
		decisions_test(test_prefixes),
		decisions_test(test_they_end),
		decisions_test(test_flush_forgets),
		decisions_test(test_least_recently_used_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
