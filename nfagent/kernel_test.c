// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel's question is read into, and what is not a question. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <string.h>
#include <libmnl/libmnl.h>

#include "kernel.h"

static const struct sockgate_ask question = {
	.id = 77,
	.cgroup = 55,
	.netns = 66,
	.exe = { 4711, 99, 1000, 8 << 20 | 1, 7 },
	.process = { 5000, 3, 321, 322 },
	.uid = 1000,
	.remaining_ms = 9000,
	.event = SOCKGATE_EVENT_CONNECT,
	.family = AF_INET,
	.protocol = IPPROTO_TCP,
	.comm = "curl",
};
static struct ask ask;

static int parse(const struct sockgate_ask *from)
{
	char space[512] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 };
	const struct nlattr *attr[SOCKGATE_A_MAX + 1] = { NULL };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(space);

	mnl_attr_put(nlh, SOCKGATE_A_ASK, sizeof(*from), from);
	attr[SOCKGATE_A_ASK] = mnl_nlmsg_get_payload(nlh);
	memset(&ask, 0xff, sizeof(ask));
	return ask_parse(&ask, attr);
}

static void test_connect(void **state)
{
	const uint8_t raddr[4] = { 192, 0, 2, 1 };
	struct sockgate_ask q = question;

	(void)state;
	memcpy(q.raddr, raddr, sizeof(raddr));
	q.rport = htons(443);
	assert_int_equal(parse(&q), 0);
	assert_int_equal(ask.id, 77);
	assert_int_equal(ask.event, SOCKGATE_EVENT_CONNECT);
	assert_int_equal(ask.family, AF_INET);
	assert_int_equal(ask.protocol, IPPROTO_TCP);
	assert_int_equal(ask.laddr_len, 0);
	assert_int_equal(ask.lport, 0);
	assert_int_equal(ask.raddr_len, 4);
	assert_memory_equal(ask.raddr, raddr, 4);
	assert_int_equal(ask.rport, 443);
	assert_int_equal(ask.uid, 1000);
	assert_int_equal(ask.cgroup, 55);
	assert_int_equal(ask.netns, 66);
	assert_int_equal(ask.remaining_ms, 9000);
	assert_memory_equal(&ask.exe, &question.exe, sizeof(ask.exe));
	assert_memory_equal(&ask.process, &question.process,
			    sizeof(ask.process));
	assert_string_equal(ask.comm, "curl");
}

static void test_listen_v6(void **state)
{
	struct sockgate_ask q = question;

	(void)state;
	q.event = SOCKGATE_EVENT_LISTEN;
	q.family = AF_INET6;
	q.laddr[15] = 1;
	q.lport = htons(22);
	assert_int_equal(parse(&q), 0);
	assert_int_equal(ask.laddr_len, 16);
	assert_memory_equal(ask.laddr, q.laddr, 16);
	assert_int_equal(ask.raddr_len, 0);
	assert_int_equal(ask.lport, 22);
}

/* A socket that passes the gate may be of any family, and has no address. */
static void test_open_past_the_gate(void **state)
{
	struct sockgate_ask q = question;

	(void)state;
	q.event = SOCKGATE_EVENT_OPEN;
	q.family = AF_PACKET;
	q.protocol = SOCKGATE_PROTOCOL_PACKET;
	q.rport = htons(0x0800);
	q.raddr[0] = q.laddr[0] = 9;
	assert_int_equal(parse(&q), 0);
	assert_int_equal(ask.family, AF_PACKET);
	assert_int_equal(ask.rport, 0x0800);
	assert_int_equal(ask.laddr_len, 0);
	assert_int_equal(ask.raddr_len, 0);
	assert_int_equal(ask.raddr[0], 0);
	q.family = AF_VSOCK;
	q.protocol = SOCKGATE_PROTOCOL_OTHER;
	assert_int_equal(parse(&q), 0);
	/* Any other event of such a family is none. */
	q.event = SOCKGATE_EVENT_SEND;
	assert_int_equal(parse(&q), -1);
	/* But the number may stand in an IP header. */
	q.family = AF_INET;
	assert_int_equal(parse(&q), 0);
	assert_int_equal(ask.raddr_len, 4);
}

static void test_peers_have_an_address(void **state)
{
	struct sockgate_ask q = question;

	(void)state;
	q.event = SOCKGATE_EVENT_RECEIVE;
	assert_int_equal(parse(&q), 0);
	assert_int_equal(ask.raddr_len, 4);
	assert_int_equal(ask.laddr_len, 0);
	q.event = SOCKGATE_EVENT_ACCEPT;
	q.family = AF_INET6;
	assert_int_equal(parse(&q), 0);
	assert_int_equal(ask.raddr_len, 16);
	q.event = SOCKGATE_EVENT_BIND;
	assert_int_equal(parse(&q), 0);
	assert_int_equal(ask.raddr_len, 0);
}

/* What lies beyond the 4 bytes of an address is no part of it. */
static void test_length_by_family(void **state)
{
	struct sockgate_ask q = question;

	(void)state;
	q.raddr[0] = 10;
	q.laddr[4] = q.raddr[4] = 99;
	assert_int_equal(parse(&q), 0);
	assert_int_equal(ask.laddr_len, 0);
	assert_int_equal(ask.raddr_len, 4);
	assert_int_equal(ask.raddr[0], 10);
	assert_int_equal(ask.raddr[4], 0);
}

/* Whatever the kernel had there, what we keep is a string. */
static void test_comm_without_end(void **state)
{
	struct sockgate_ask q = question;

	(void)state;
	memset(q.comm, 'x', sizeof(q.comm));
	assert_int_equal(parse(&q), 0);
	assert_int_equal(strlen(ask.comm), sizeof(q.comm));
}

static void test_no_question(void **state)
{
	const struct nlattr *none[SOCKGATE_A_MAX + 1] = { NULL };
	struct sockgate_ask q = question;

	(void)state;
	assert_int_equal(parse(&q), 0);
	assert_int_equal(ask_parse(&ask, none), -1);
	q.event = SOCKGATE_EVENT_UNSPEC;
	assert_int_equal(parse(&q), -1);
	q.event = SOCKGATE_EVENT_MAX + 1;
	assert_int_equal(parse(&q), -1);
	q = question;
	q.family = AF_UNIX;
	assert_int_equal(parse(&q), -1);
}

static struct nlmsghdr *reply;
static const struct nlattr *attrs[SOCKGATE_A_MAX + 1];

static void told(uint16_t type, size_t n, const void *data)
{
	attrs[type] = mnl_nlmsg_get_payload_tail(reply);
	mnl_attr_put(reply, type, n, data);
}

static void test_executable(void **state)
{
	static char space[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	const int32_t fd = 33;
	const uint32_t parent = 4;
	struct process_exe exe;

	(void)state;
	reply = mnl_nlmsg_put_header(space);
	told(SOCKGATE_A_FD, sizeof(fd), &fd);
	/* What is absent is not known. */
	assert_int_equal(exe_parse(&exe, attrs), 0);
	assert_int_equal(exe.fd, 33);
	assert_false(exe.mounted);
	assert_string_equal(exe.fs, "");
	assert_null(exe.facts.path);
	assert_null(exe.facts.command_line);

	told(SOCKGATE_A_PATH, sizeof("/a (deleted)"), "/a (deleted)");
	told(SOCKGATE_A_MOUNTED, 0, NULL);
	told(SOCKGATE_A_FS, sizeof("overlay"), "overlay");
	told(SOCKGATE_A_LAYER, sizeof("xfs"), "xfs");
	told(SOCKGATE_A_PARENT_PID, sizeof(parent), &parent);
	told(SOCKGATE_A_PARENT_PATH, sizeof("/sh"), "/sh");
	told(SOCKGATE_A_ARGUMENTS, 5, "a\0-b");
	assert_int_equal(exe_parse(&exe, attrs), 0);
	assert_true(exe.mounted);
	assert_string_equal(exe.fs, "overlay");
	assert_string_equal(exe.layer, "xfs");
	assert_string_equal(exe.facts.path, "/a");
	assert_true(exe.facts.deleted);
	assert_int_equal(exe.facts.parent_pid, 4);
	assert_string_equal(exe.facts.parent_path, "/sh");
	assert_string_equal(exe.facts.command_line, "a -b");
	process_facts_free(&exe.facts);

	attrs[SOCKGATE_A_FD] = NULL;
	assert_int_equal(exe_parse(&exe, attrs), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_listen_v6),
		cmocka_unit_test(test_open_past_the_gate),
		cmocka_unit_test(test_peers_have_an_address),
		cmocka_unit_test(test_length_by_family),
		cmocka_unit_test(test_comm_without_end),
		cmocka_unit_test(test_no_question),
		cmocka_unit_test(test_executable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
