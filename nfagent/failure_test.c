// SPDX-License-Identifier: GPL-2.0-only
/* What a record says of a failure must be what the kernel did. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "failure.h"

#define AWAY SOCKGATE_REASON_SERVER_AWAY
#define TALK (1U << SOCKGATE_EVENT_CONNECT | 1U << SOCKGATE_EVENT_SEND)

static struct failure_table table;

static void set_row(uint8_t reason, uint8_t action)
{
	const struct sockgate_failure rows[] = {
		{ .reason = reason, .action = action, .error = EACCES },
		/* of a newer kernel */
		{ .reason = 250, .action = SOCKGATE_ACTION_ALLOW },
	};

	failure_set_rows(&table, rows, sizeof(rows));
}

static void set_failsafe(const struct sockgate_failsafe *f)
{
	failure_set_failsafes(&table, f, sizeof(*f));
}

static struct ask dns(void)
{
	return (struct ask){
		.exe = { .ino = 7, .ctime_ns = 99, .size = 10, .dev = 1 },
		.raddr = { 10, 1, 2, 3 }, .raddr_len = 4, .rport = 53,
		.lport = 4000, .uid = 1000,
		.event = SOCKGATE_EVENT_SEND, .family = AF_INET,
		.protocol = IPPROTO_UDP,
	};
}

static struct sockgate_failsafe resolver(void)
{
	return (struct sockgate_failsafe){
		.events = TALK, .family = AF_INET, .protocol = IPPROTO_UDP,
		.addr = { 10, 1, 2, 3 }, .prefix = 32, .rport_min = 53,
		.rport_max = 53, .uid = SOCKGATE_UID_ANY,
	};
}

static int set_up(void **state)
{
	struct sockgate_failsafe f = resolver();

	(void)state;
	memset(&table, 0, sizeof(table));
	set_row(AWAY, SOCKGATE_ACTION_FAILSAFE);
	set_failsafe(&f);
	return 0;
}

static void test_rows(void **state)
{
	struct ask ask = dns();

	(void)state;
	ask.rport = 443;
	set_row(AWAY, SOCKGATE_ACTION_ALLOW);
	assert_true(failure_allows(&table, AWAY, &ask));
	set_row(AWAY, SOCKGATE_ACTION_DENY);
	assert_false(failure_allows(&table, AWAY, &ask));
	set_row(AWAY, SOCKGATE_ACTION_FAILSAFE);
	assert_false(failure_allows(&table, AWAY, &ask));
	/* What was not told, or is none. */
	assert_false(failure_allows(&table, SOCKGATE_REASON_DEADLINE, &ask));
	assert_false(failure_allows(&table, 250, &ask));
}

static void test_listed(void **state)
{
	struct ask ask = dns();

	(void)state;
	assert_true(failure_allows(&table, AWAY, &ask));
	set_row(AWAY, SOCKGATE_ACTION_DENY);
	assert_false(failure_allows(&table, AWAY, &ask));
}

static void test_each_field_counts(void **state)
{
	struct ask ask;

	(void)state;
#define OTHER(field, value) do {					\
		ask = dns();						\
		ask.field = (value);					\
		assert_false(failure_allows(&table, AWAY, &ask));	\
	} while (0)
	OTHER(event, SOCKGATE_EVENT_LISTEN);
	OTHER(family, AF_INET6);
	OTHER(protocol, IPPROTO_TCP);
	OTHER(rport, 54);
	OTHER(raddr[3], 4);
#undef OTHER
}

static void test_user_and_ports(void **state)
{
	struct sockgate_failsafe f = resolver();
	struct ask ask = dns();

	(void)state;
	f.uid = 0;
	set_failsafe(&f);
	assert_false(failure_allows(&table, AWAY, &ask));
	ask.uid = 0;
	assert_true(failure_allows(&table, AWAY, &ask));
	f.lport_min = 4001;
	f.lport_max = 5000;
	set_failsafe(&f);
	assert_false(failure_allows(&table, AWAY, &ask));
	ask.lport = 5000;
	assert_true(failure_allows(&table, AWAY, &ask));
}

static void test_prefix(void **state)
{
	struct sockgate_failsafe f = resolver();
	struct ask ask = dns();

	(void)state;
	f.prefix = 12;
	set_failsafe(&f);
	ask.raddr[1] = 15;
	assert_true(failure_allows(&table, AWAY, &ask));
	ask.raddr[1] = 16;
	assert_false(failure_allows(&table, AWAY, &ask));
	f.prefix = 0;
	set_failsafe(&f);
	assert_true(failure_allows(&table, AWAY, &ask));
}

/* For a listener, and a socket that is bound, it is the local address. */
static void test_address_of_each_event(void **state)
{
	struct sockgate_failsafe f = resolver();

	(void)state;
	f.rport_min = 0;
	f.rport_max = 0;
	for (int e = SOCKGATE_EVENT_OPEN; e <= SOCKGATE_EVENT_MAX; e++) {
		bool local = e == SOCKGATE_EVENT_LISTEN || e == SOCKGATE_EVENT_BIND;
		struct ask ask = dns();

		f.events = 1U << e;
		set_failsafe(&f);
		ask.event = (uint8_t)e;
		assert_int_equal(failure_allows(&table, AWAY, &ask), !local);
		memcpy(ask.laddr, ask.raddr, sizeof(ask.laddr));
		memset(ask.raddr, 0, sizeof(ask.raddr));
		assert_int_equal(failure_allows(&table, AWAY, &ask), local);
	}
}

static void test_sockets_past_the_gate(void **state)
{
	const struct sockgate_failsafe f = {
		.events = 1U << SOCKGATE_EVENT_OPEN,
		.protocol = SOCKGATE_PROTOCOL_PACKET, .uid = 0,
	};
	struct ask ask = {
		.event = SOCKGATE_EVENT_OPEN, .family = AF_PACKET,
		.protocol = SOCKGATE_PROTOCOL_PACKET, .rport = 0x0800,
	};

	(void)state;
	set_failsafe(&f);
	assert_true(failure_allows(&table, AWAY, &ask));
	ask.uid = 1000;
	assert_false(failure_allows(&table, AWAY, &ask));
	ask.uid = 0;
	ask.protocol = SOCKGATE_PROTOCOL_OTHER;
	assert_false(failure_allows(&table, AWAY, &ask));
}

static void test_executable(void **state)
{
	struct sockgate_failsafe f = resolver();
	struct ask ask = dns();

	(void)state;
	f.exe = ask.exe;
	f.exe.size = 1;		/* is not compared */
	set_failsafe(&f);
	assert_true(failure_allows(&table, AWAY, &ask));
	ask.exe.ctime_ns++;
	assert_false(failure_allows(&table, AWAY, &ask));
	ask = dns();
	ask.exe.generation++;
	assert_false(failure_allows(&table, AWAY, &ask));
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rows),
		TEST(test_listed),
		TEST(test_each_field_counts),
		TEST(test_user_and_ports),
		TEST(test_prefix),
		TEST(test_address_of_each_event),
		TEST(test_sockets_past_the_gate),
		TEST(test_executable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
