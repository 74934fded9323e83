// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/cached.h"

static struct sockgate_cached whole(void)
{
	struct sockgate_cached c = {
		.exe = { .ino = 4711, .dev = 8U << 20 | 1, .ctime_ns = 99 },
		.process = { .pid = 812 },
		.cgroup = 5, .netns = 6, .hits = 3,
		.laddr = { 10, 0, 0, 1 }, .raddr = { 192, 0, 2, 0 },
		.fields = SOCKGATE_F_ALL, .left_ms = 600000, .generation = 7,
		.tag = 0x21, .uid = 1000, .lport = htons(40000), .rport = htons(443),
		.action = SOCKGATE_ACTION_ALLOW, .event = SOCKGATE_EVENT_CONNECT,
		.family = AF_INET, .protocol = IPPROTO_TCP, .lprefix = 128,
		.rprefix = 24, .program = "curl",
	};

	return c;
}

static void as_text(void **state)
{
	static const struct {
		uint32_t fields;
		uint8_t rprefix;
		const char *text;
	} cases[] = {
		{ 0, 0, "anything" },
		{ SOCKGATE_F_EXE, 0, "curl (file 8:1 inode 4711)" },
		{ SOCKGATE_F_PROCESS, 0, "curl process 812" },
		{ SOCKGATE_F_EXE | SOCKGATE_F_PROCESS, 0,
		  "curl (file 8:1 inode 4711), process 812" },
		{ SOCKGATE_F_UID | SOCKGATE_F_EVENT | SOCKGATE_F_PROTOCOL, 0,
		  "user 1000, connect, tcp" },
		{ SOCKGATE_F_FAMILY, 0, "IPv4" },
		{ SOCKGATE_F_FAMILY | SOCKGATE_F_RADDR, 24, "to 192.0.2.0/24" },
		{ SOCKGATE_F_RADDR, 32, "to 192.0.2.0" },
		{ SOCKGATE_F_RADDR | SOCKGATE_F_RPORT, 24, "to 192.0.2.0/24 port 443" },
		{ SOCKGATE_F_RPORT, 0, "to port 443" },
		{ SOCKGATE_F_LADDR | SOCKGATE_F_LPORT, 0, "from 10.0.0.1 port 40000" },
		{ SOCKGATE_F_CGROUP | SOCKGATE_F_NETNS, 0,
		  "cgroup 5, network namespace 6" },
		{ SOCKGATE_F_ALL, 128, "curl (file 8:1 inode 4711), process 812, user 1000, "
		  "connect, tcp, from 10.0.0.1 port 40000, to 192.0.2.0 port 443, "
		  "cgroup 5, network namespace 6" },
	};
	struct sockgate_cached c = whole();
	char text[CACHED_FOR_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		c.fields = cases[i].fields;
		c.rprefix = cases[i].rprefix;
		assert_string_equal(cached_for(&c, text, sizeof(text)), cases[i].text);
	}
}

static void of_ipv6(void **state)
{
	struct sockgate_cached c = {
		.fields = SOCKGATE_F_FAMILY | SOCKGATE_F_RADDR, .family = AF_INET6,
		.raddr = { 0x20, 1, 0xd, 0xb8 }, .rprefix = 32,
	};
	char text[CACHED_FOR_SIZE];

	(void)state;
	assert_string_equal(cached_for(&c, text, sizeof(text)), "to 2001:db8::/32");
	c.rprefix = 128;
	assert_string_equal(cached_for(&c, text, sizeof(text)), "to 2001:db8::");
	c.fields = SOCKGATE_F_FAMILY;
	assert_string_equal(cached_for(&c, text, sizeof(text)), "IPv6");
}

/* The name is whatever somebody called his file. */
static void hostile_name(void **state)
{
	struct sockgate_cached c = { .fields = SOCKGATE_F_EXE };
	char text[CACHED_FOR_SIZE], little[20];
	json_t *json;

	(void)state;
	memset(c.program, '\x1b', sizeof(c.program) - 1);
	cached_for(&c, text, sizeof(text));
	assert_null(strchr(text, '\x1b'));
	assert_non_null(strstr(text, "\\x1b\\x1b"));
	assert_non_null(strstr(text, "inode 0"));
	cached_for(&c, little, sizeof(little));
	assert_int_equal(strlen(little), sizeof(little) - 1);
	c.program[0] = '\xff';
	json = cached_json(&c);
	assert_non_null(json);
	json_decref(json);
	c.program[0] = '\0';
	assert_string_equal(cached_for(&c, text, sizeof(text)),
			    "a program (file 0:0 inode 0)");
}

/* A device that nobody has: see SOCKGATE_DEV_UNVERIFIABLE. */
static void unverifiable(void **state)
{
	struct sockgate_cached c = whole();
	char text[CACHED_FOR_SIZE];

	(void)state;
	c.fields = SOCKGATE_F_EXE;
	c.exe.dev |= SOCKGATE_DEV_UNVERIFIABLE;
	assert_string_equal(cached_for(&c, text, sizeof(text)),
			    "curl (file 8:1 inode 4711)");
}

static void verdicts(void **state)
{
	struct sockgate_cached c = whole();
	char text[CACHED_VERDICT_SIZE];

	(void)state;
	assert_string_equal(cached_verdict(&c, text, sizeof(text)), "allow");
	c.action = SOCKGATE_ACTION_DENY;
	c.error = ECONNREFUSED;
	assert_string_equal(cached_verdict(&c, text, sizeof(text)), "deny ECONNREFUSED");
}

static json_int_t number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static void as_json(void **state)
{
	struct sockgate_cached c = whole();
	json_t *json = cached_json(&c), *what, *remote;

	(void)state;
	assert_non_null(json);
	assert_int_equal(number(json, "hits"), 3);
	assert_int_equal(number(json, "left_ms"), 600000);
	assert_int_equal(number(json, "tag"), 0x21);
	assert_true(json_is_null(json_object_get(json, "error")));
	what = json_object_get(json, "for");
	assert_int_equal(number(what, "pid"), 812);
	assert_int_equal(number(json_object_get(what, "file"), "inode"), 4711);
	remote = json_object_get(what, "remote");
	assert_string_equal(json_string_value(json_object_get(remote, "address")),
			    "192.0.2.0");
	assert_int_equal(number(remote, "prefix"), 24);
	assert_int_equal(number(remote, "port"), 443);
	assert_int_equal(number(json_object_get(what, "local"), "prefix"), 32);
	json_decref(json);
	c.fields = SOCKGATE_F_EVENT;
	json = cached_json(&c);
	what = json_object_get(json, "for");
	assert_int_equal(json_object_size(what), 1);
	assert_string_equal(json_string_value(json_object_get(what, "event")), "connect");
	json_decref(json);
}

static void in_order(void **state)
{
	struct sockgate_cached list[4];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		list[i] = whole();
	strcpy(list[0].program, "wget");
	list[1].rport = htons(444);
	list[2].process.pid = 813;
	qsort(list, 4, sizeof(list[0]), cached_compare);
	assert_int_equal(ntohs(list[0].rport), 443);
	assert_int_equal(ntohs(list[1].rport), 444);
	assert_int_equal(list[2].process.pid, 813);
	assert_string_equal(list[3].program, "wget");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_text),
		cmocka_unit_test(of_ipv6),
		cmocka_unit_test(hostile_name),
		cmocka_unit_test(unverifiable),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(as_json),
		cmocka_unit_test(in_order),
	};

	return cmocka_run_group_tests_name("cached", tests, NULL, NULL);
}
