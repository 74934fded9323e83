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

static char space[4096] __attribute__((aligned(NLMSG_ALIGNTO)));
static struct nlmsghdr *nlh;
static const struct nlattr *attr[SOCKGATE_A_MAX + 1];
static struct ask ask;

static const struct sockgate_file exe = { 4711, 99, 1000, 8 << 20 | 1, 7 };
static const struct sockgate_process process = { 5000, 3, 321, 322 };

static void put_required(uint8_t event, uint8_t family)
{
	memset(space, 0, sizeof(space));
	nlh = mnl_nlmsg_put_header(space);
	mnl_attr_put_u64(nlh, SOCKGATE_A_ID, 77);
	mnl_attr_put_u8(nlh, SOCKGATE_A_EVENT, event);
	mnl_attr_put_u8(nlh, SOCKGATE_A_FAMILY, family);
	mnl_attr_put_u8(nlh, SOCKGATE_A_PROTOCOL, IPPROTO_TCP);
	mnl_attr_put_u32(nlh, SOCKGATE_A_UID, 1000);
	mnl_attr_put(nlh, SOCKGATE_A_EXE, sizeof(exe), &exe);
	mnl_attr_put(nlh, SOCKGATE_A_PROCESS, sizeof(process), &process);
	mnl_attr_put_u32(nlh, SOCKGATE_A_REMAINING, 9000);
}

static int parse(void)
{
	const struct nlattr *a;

	memset(attr, 0, sizeof(attr));
	mnl_attr_for_each(a, nlh, 0)
		attr[mnl_attr_get_type(a)] = a;
	return ask_parse(&ask, attr);
}

static void test_connect(void **state)
{
	const uint8_t raddr[4] = { 192, 0, 2, 1 };

	(void)state;
	put_required(SOCKGATE_EVENT_CONNECT, AF_INET);
	mnl_attr_put(nlh, SOCKGATE_A_RADDR, 4, raddr);
	mnl_attr_put_u16(nlh, SOCKGATE_A_RPORT, htons(443));
	mnl_attr_put_u64(nlh, SOCKGATE_A_CGROUP, 55);
	mnl_attr_put_u64(nlh, SOCKGATE_A_NETNS, 66);
	mnl_attr_put_strz(nlh, SOCKGATE_A_COMM, "curl");
	assert_int_equal(parse(), 0);
	assert_int_equal(ask.id, 77);
	assert_int_equal(ask.laddr_len, 0);
	assert_int_equal(ask.raddr_len, 4);
	assert_memory_equal(ask.raddr, raddr, 4);
	assert_int_equal(ask.rport, 443);
	assert_int_equal(ask.uid, 1000);
	assert_int_equal(ask.cgroup, 55);
	assert_int_equal(ask.netns, 66);
	assert_int_equal(ask.remaining_ms, 9000);
	assert_memory_equal(&ask.exe, &exe, sizeof(exe));
	assert_memory_equal(&ask.process, &process, sizeof(process));
	assert_string_equal(ask.comm, "curl");
}

static void test_listen_v6(void **state)
{
	const uint8_t laddr[16] = { 0x20, 0x01 };

	(void)state;
	put_required(SOCKGATE_EVENT_LISTEN, AF_INET6);
	mnl_attr_put(nlh, SOCKGATE_A_LADDR, 16, laddr);
	mnl_attr_put_u16(nlh, SOCKGATE_A_LPORT, htons(22));
	assert_int_equal(parse(), 0);
	assert_int_equal(ask.laddr_len, 16);
	assert_int_equal(ask.raddr_len, 0);
	assert_int_equal(ask.lport, 22);
}

static void test_no_question(void **state)
{
	static const uint16_t required[] = {
		SOCKGATE_A_ID, SOCKGATE_A_EVENT, SOCKGATE_A_FAMILY,
		SOCKGATE_A_PROTOCOL, SOCKGATE_A_UID, SOCKGATE_A_EXE,
		SOCKGATE_A_PROCESS, SOCKGATE_A_REMAINING,
	};

	(void)state;
	put_required(SOCKGATE_EVENT_CONNECT, AF_INET);
	assert_int_equal(parse(), 0);
	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		const struct nlattr *kept = attr[required[i]];

		attr[required[i]] = NULL;
		assert_int_equal(ask_parse(&ask, attr), -1);
		attr[required[i]] = kept;
	}
	put_required(SOCKGATE_EVENT_UNSPEC, AF_INET);
	assert_int_equal(parse(), -1);
	put_required(SOCKGATE_EVENT_MAX + 1, AF_INET);
	assert_int_equal(parse(), -1);
	put_required(SOCKGATE_EVENT_CONNECT, AF_UNIX);
	assert_int_equal(parse(), -1);
}

/* An address of the wrong family's length is none that could be compared. */
static void test_address_of_other_family(void **state)
{
	const uint8_t addr[16] = { 0 };

	(void)state;
	put_required(SOCKGATE_EVENT_CONNECT, AF_INET);
	mnl_attr_put(nlh, SOCKGATE_A_RADDR, 16, addr);
	assert_int_equal(parse(), -1);
	put_required(SOCKGATE_EVENT_CONNECT, AF_INET6);
	mnl_attr_put(nlh, SOCKGATE_A_LADDR, 4, addr);
	assert_int_equal(parse(), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_listen_v6),
		cmocka_unit_test(test_no_question),
		cmocka_unit_test(test_address_of_other_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
