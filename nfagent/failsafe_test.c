// SPDX-License-Identifier: GPL-2.0-only
/* The failsafe list, out of defaults, configuration and resolv.conf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "failsafe.h"
#include "failure.h"

#define N_DEFAULTS 11

static char resolv[] = "/tmp/failsafe-test.XXXXXX";
static struct failsafes list;

static void write_resolv(const char *text)
{
	FILE *f;
	int fd;

	strcpy(resolv, "/tmp/failsafe-test.XXXXXX");
	fd = mkstemp(resolv);
	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_defaults(void **state)
{
	const uint32_t harmless = 1U << SOCKGATE_EVENT_OPEN |
				  1U << SOCKGATE_EVENT_BIND |
				  1U << SOCKGATE_EVENT_ESTABLISHED |
				  1U << SOCKGATE_EVENT_CLOSE;

	(void)state;
	failsafe_build(&list, NULL, 0, "/nonexistent");
	assert_int_equal(list.n, N_DEFAULTS);
	assert_string_equal(list.trouble, "");
	/* For everybody there is loopback, and what lets nothing out. */
	for (size_t i = 2; i < list.n; i++)
		assert_true(!list.row[i].uid ||
			    !(list.row[i].events & ~harmless));
}

/* What the list comes to, by the rules of the kernel's table. */
static bool allowed(const struct ask *ask)
{
	static struct failure_table table;
	const struct sockgate_failure row = {
		.reason = SOCKGATE_REASON_NO_AGENT,
		.action = SOCKGATE_ACTION_FAILSAFE,
	};

	failsafe_build(&list, NULL, 0, "/nonexistent");
	failure_set_rows(&table, &row, sizeof(row));
	failure_set_failsafes(&table, list.row, list.n * sizeof(list.row[0]));
	return failure_allows(&table, SOCKGATE_REASON_NO_AGENT, ask);
}

static struct ask an_event(uint8_t event, const char *remote)
{
	struct ask ask = { .event = event, .family = AF_INET, .uid = 1000,
			   .protocol = IPPROTO_TCP };

	assert_int_equal(inet_pton(AF_INET, remote, ask.raddr), 1);
	return ask;
}

static void test_events_of_loopback(void **state)
{
	struct ask ask;

	(void)state;
	for (int e = SOCKGATE_EVENT_BIND; e <= SOCKGATE_EVENT_MAX; e++) {
		ask = an_event((uint8_t)e, "127.0.0.1");
		memcpy(ask.laddr, ask.raddr, sizeof(ask.laddr));
		assert_true(allowed(&ask));
		memset(ask.laddr, 0, sizeof(ask.laddr));
		memset(ask.raddr, 0, sizeof(ask.raddr));
		ask.family = AF_INET6;
		ask.laddr[15] = ask.raddr[15] = 1;
		assert_true(allowed(&ask));
	}
	ask = an_event(SOCKGATE_EVENT_ACCEPT, "192.0.2.1");
	assert_false(allowed(&ask));
	ask = an_event(SOCKGATE_EVENT_RECEIVE, "192.0.2.1");
	assert_false(allowed(&ask));
}

/* DHCP's server is another than was written to; its port is not told. */
static void test_dhcp_is_answered(void **state)
{
	struct ask ask = an_event(SOCKGATE_EVENT_RECEIVE, "192.0.2.1");

	(void)state;
	ask.protocol = IPPROTO_UDP;
	ask.uid = 0;
	ask.lport = 68;
	assert_true(allowed(&ask));
	ask.uid = 1000;
	assert_false(allowed(&ask));
	ask.uid = 0;
	ask.lport = 67;
	assert_false(allowed(&ask));
	ask.family = AF_INET6;
	ask.lport = 546;
	assert_true(allowed(&ask));
	ask.event = SOCKGATE_EVENT_SEND;
	assert_false(allowed(&ask));
}

static void test_ssh_listens_and_is_reached(void **state)
{
	struct ask ask = an_event(SOCKGATE_EVENT_ACCEPT, "192.0.2.1");

	(void)state;
	ask.uid = 0;
	ask.lport = 22;
	assert_true(allowed(&ask));
	ask.event = SOCKGATE_EVENT_LISTEN;
	assert_true(allowed(&ask));
	ask.event = SOCKGATE_EVENT_BIND;
	assert_true(allowed(&ask));
	ask.event = SOCKGATE_EVENT_CONNECT;
	assert_false(allowed(&ask));
	ask.event = SOCKGATE_EVENT_ACCEPT;
	ask.uid = 1000;
	assert_false(allowed(&ask));
}

static void test_what_lets_nothing_out(void **state)
{
	struct ask ask = an_event(SOCKGATE_EVENT_OPEN, "0.0.0.0");

	(void)state;
	assert_true(allowed(&ask));
	ask.event = SOCKGATE_EVENT_BIND;
	assert_true(allowed(&ask));
	ask.family = AF_INET6;
	assert_true(allowed(&ask));
	ask = an_event(SOCKGATE_EVENT_ESTABLISHED, "192.0.2.1");
	assert_true(allowed(&ask));
	ask.event = SOCKGATE_EVENT_CLOSE;
	assert_true(allowed(&ask));
}

/* A DHCP client needs one before it has an address. */
static void test_packet_sockets_are_root_s(void **state)
{
	struct ask ask = an_event(SOCKGATE_EVENT_OPEN, "0.0.0.0");

	(void)state;
	ask.family = AF_PACKET;
	ask.protocol = SOCKGATE_PROTOCOL_PACKET;
	assert_false(allowed(&ask));
	ask.uid = 0;
	assert_true(allowed(&ask));
	ask.family = AF_VSOCK;
	ask.protocol = SOCKGATE_PROTOCOL_OTHER;
	assert_false(allowed(&ask));
}

static void test_resolvers(void **state)
{
	struct in_addr want;

	(void)state;
	write_resolv("# nameserver 192.0.2.9\n"
		     "search corp.example\n"
		     "nameserver 192.0.2.53\n"
		     "nameserver fe80::1%eth0\n"
		     "nameserver not-an-address\n"
		     "nameserver\n");
	failsafe_build(&list, NULL, 0, resolv);
	unlink(resolv);
	assert_int_equal(list.n, N_DEFAULTS + 4);
	inet_pton(AF_INET, "192.0.2.53", &want);
	assert_memory_equal(list.row[N_DEFAULTS].addr, &want, 4);
	assert_int_equal(list.row[N_DEFAULTS].prefix, 32);
	assert_int_equal(list.row[N_DEFAULTS].protocol, IPPROTO_UDP);
	assert_int_equal(list.row[N_DEFAULTS].rport_min, 53);
	assert_int_equal(list.row[N_DEFAULTS].rport_max, 53);
	assert_int_equal(list.row[N_DEFAULTS + 1].protocol, IPPROTO_TCP);
	assert_int_equal(list.row[N_DEFAULTS + 2].family, AF_INET6);
	assert_int_equal(list.row[N_DEFAULTS + 2].prefix, 128);
}

static void test_executable(void **state)
{
	struct failsafe_rule rule = { .row = { .events = 8 },
				      .exe = "/bin/ls" };
	const struct sockgate_file *exe;
	struct stat st;

	(void)state;
	assert_int_equal(stat("/bin/ls", &st), 0);
	if (failsafe_exe("/bin/ls", &rule.row.exe) && errno == EOPNOTSUPP)
		skip();		/* this machine's root is an overlay */
	failsafe_build(&list, &rule, 1, "/nonexistent");
	assert_int_equal(list.n, N_DEFAULTS + 1);
	exe = &list.row[N_DEFAULTS].exe;
	assert_int_equal(exe->ino, st.st_ino);
	assert_int_equal(exe->dev, major(st.st_dev) << 20 | minor(st.st_dev));
	assert_int_equal(exe->ctime_ns, st.st_ctim.tv_sec * 1000000000LL +
						st.st_ctim.tv_nsec);
}

static void test_key_that_cannot_be_seen(void **state)
{
	char path[] = "/dev/shm/failsafe-test.XXXXXX";
	struct sockgate_file file;
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0)
		skip();
	close(fd);
	assert_int_equal(failsafe_exe(path, &file), -1);
	assert_int_equal(errno, EOPNOTSUPP);
	unlink(path);
}

/* Without its executable the rule would be one for any program. */
static void test_missing_executable(void **state)
{
	struct failsafe_rule rules[] = {
		{ .row = { .events = 8 }, .exe = "/nonexistent" },
		{ .row = { .events = 8 }, .exe = "/tmp" },
		{ .row = { .events = 16 } },
	};

	(void)state;
	failsafe_build(&list, rules, 3, "/nonexistent");
	assert_int_equal(list.n, N_DEFAULTS + 1);
	assert_int_equal(list.row[N_DEFAULTS].events, 16);
	assert_non_null(strstr(list.trouble, "/tmp"));
}

static void test_bounded(void **state)
{
	static struct failsafe_rule rules[SOCKGATE_MAX_FAILSAFES];

	(void)state;
	failsafe_build(&list, rules, SOCKGATE_MAX_FAILSAFES, "/nonexistent");
	assert_int_equal(list.n, SOCKGATE_MAX_FAILSAFES);
	assert_non_null(strstr(list.trouble, "left out"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_events_of_loopback),
		cmocka_unit_test(test_dhcp_is_answered),
		cmocka_unit_test(test_ssh_listens_and_is_reached),
		cmocka_unit_test(test_what_lets_nothing_out),
		cmocka_unit_test(test_packet_sockets_are_root_s),
		cmocka_unit_test(test_resolvers),
		cmocka_unit_test(test_executable),
		cmocka_unit_test(test_key_that_cannot_be_seen),
		cmocka_unit_test(test_missing_executable),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
