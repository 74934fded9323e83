// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <linux/genetlink.h>

#include "ctl/kernel.h"
#include "genl.h"

static char buf[16384] __attribute__((aligned(8)));
static struct nlmsghdr *nlh;
static const struct nlattr *attr[SOCKGATE_A_MAX + 1];

static int begin(void **state)
{
	(void)state;
	memset(buf, 0, sizeof(buf));
	nlh = mnl_nlmsg_put_header(buf);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct genlmsghdr));
	return 0;
}

static void parse(struct kernel_status *status)
{
	assert_int_equal(genl_parse(nlh, attr), 0);
	kernel_parse(attr, status);
}

static void whole_status(void **state)
{
	uint64_t counters[SOCKGATE_N_MAX + 4] = { [SOCKGATE_N_HELD_DENY] = 7 };
	uint64_t hooks[] = { 1, 2, 3, 4, 5 };
	struct sockgate_failure row = { SOCKGATE_REASON_NO_AGENT,
					SOCKGATE_ACTION_FAILSAFE, EACCES };
	struct kernel_status status;
	json_t *json;

	(void)state;
	/* Some word of a newer kernel does not end up beyond our arrays. */
	mnl_attr_put(nlh, SOCKGATE_A_COUNTERS, sizeof(counters), counters);
	mnl_attr_put(nlh, SOCKGATE_A_HOOKS, sizeof(hooks), hooks);
	mnl_attr_put(nlh, SOCKGATE_A_FAILURES, sizeof(row), &row);
	mnl_attr_put_u32(nlh, SOCKGATE_A_DEADLINE, 10000);
	mnl_attr_put_u32(nlh, SOCKGATE_A_AGENT_PID, 812);
	mnl_attr_put_u32(nlh, SOCKGATE_A_MARK_MASK, 0xff000000);
	mnl_attr_put_u32(nlh, SOCKGATE_A_EVENTS,
			 1U << SOCKGATE_EVENT_OPEN | 1U << SOCKGATE_EVENT_CLOSE);
	mnl_attr_put_strz(nlh, SOCKGATE_A_VERSION_STR, "0.1.0");
	parse(&status);
	assert_string_equal(status.version, "0.1.0");
	assert_int_equal(status.agent_pid, 812);
	assert_int_equal(status.deadline_ms, 10000);
	assert_int_equal(status.counters[SOCKGATE_N_HELD_DENY], 7);
	assert_int_equal(status.hooks[SOCKGATE_HOOK_SENDMSG], 3);
	assert_int_equal(status.n_failures, 1);
	assert_int_equal(status.n_failsafes, 0);
	json = kernel_json(&status);
	assert_non_null(json);
	assert_int_equal(json_integer_value(json_object_get(json, "mark_mask")),
			 0xff000000);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(json,
				"counters"), "held_deny")), 7);
	assert_int_equal(json_array_size(json_object_get(json, "optional_events")), 2);
	assert_string_equal(json_string_value(json_array_get(json_object_get(json,
				"optional_events"), 1)), "close");
	assert_int_equal(json_array_size(json_object_get(json, "failures")), 1);
	json_decref(json);
}

static void empty_status(void **state)
{
	struct kernel_status status;
	json_t *json;

	(void)state;
	parse(&status);
	assert_int_equal(status.agent_pid, 0);
	json = kernel_json(&status);
	assert_true(json_is_null(json_object_get(json, "agent_pid")));
	json_decref(json);
}

static void too_many_failsafes(void **state)
{
	static const struct sockgate_failsafe many[SOCKGATE_MAX_FAILSAFES + 5];
	struct kernel_status status;

	(void)state;
	mnl_attr_put(nlh, SOCKGATE_A_FAILSAFES, sizeof(many), many);
	parse(&status);
	assert_int_equal(status.n_failsafes, SOCKGATE_MAX_FAILSAFES);
}

static void failsafes_as_text(void **state)
{
	struct sockgate_failsafe dhcp = {
		.events = 1U << SOCKGATE_EVENT_CONNECT | 1U << SOCKGATE_EVENT_SEND,
		.protocol = IPPROTO_UDP, .family = AF_INET, .uid = 0,
		.rport_min = 67, .rport_max = 68, .lport_min = 68, .lport_max = 68,
	};
	struct sockgate_failsafe any = {
		.addr = { 0x20, 1, 0xd, 0xb8 }, .family = AF_INET6, .prefix = 32,
		.uid = SOCKGATE_UID_ANY, .exe = { .ino = 9, .dev = 8U << 20 | 1 },
	};
	char text[256];

	(void)state;
	kernel_failsafe_text(&dhcp, text, sizeof(text));
	assert_string_equal(text, "connect,send udp address any IPv4 port 67-68 "
				  "local-port 68 uid 0");
	kernel_failsafe_text(&any, text, sizeof(text));
	assert_string_equal(text, "any any address 2001:db8::/32 port any "
				  "local-port any uid any exe 8:1 inode 9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(whole_status, begin),
		cmocka_unit_test_setup(empty_status, begin),
		cmocka_unit_test_setup(too_many_failsafes, begin),
		cmocka_unit_test_setup(failsafes_as_text, begin),
	};

	return cmocka_run_group_tests_name("kernel", tests, NULL, NULL);
}
