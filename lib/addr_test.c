// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <string.h>
#include <sys/un.h>

#include "addr.h"

static void round_trips(void **state)
{
	static const struct {
		const char *text, *shown;
		uint16_t default_port;
	} good[] = {
		{ "192.0.2.1:7300", "192.0.2.1:7300", 0 },
		{ "192.0.2.1:7300", "192.0.2.1:7300", 1 },
		{ "192.0.2.1", "192.0.2.1:443", 443 },
		{ "[2001:DB8::1]:7300", "[2001:db8::1]:7300", 0 },
		{ "[2001:db8::1]", "[2001:db8::1]:443", 443 },
		{ "2001:db8::1", "[2001:db8::1]:443", 443 },
		{ "[::]:1", "[::]:1", 0 },
		{ "0.0.0.0:65535", "0.0.0.0:65535", 0 },
		{ "[fe80::1%lo]:7300", "[fe80::1%lo]:7300", 0 },
		{ "[::ffff:192.0.2.1]:5", "192.0.2.1:5", 0 },
	};
	char text[ADDR_TEXT_SIZE];
	struct sockaddr_storage addr;
	socklen_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (addr_parse(good[i].text, good[i].default_port, &addr, &len))
			fail_msg("%s", good[i].text);
		addr_format((struct sockaddr *)&addr, text);
		assert_string_equal(text, good[i].shown);
	}
}

static void refused(void **state)
{
	static const char *const bad[] = {
		"", ":", ":80", "192.0.2.1", "192.0.2.1:", "192.0.2.1:0",
		"192.0.2.1:65536", "192.0.2.1:+1", "192.0.2.1: 1", "192.0.2.1:1x",
		"192.0.2.1:99999999999", "192.0.2:80", "256.0.2.1:80", "host:80",
		"2001:db8::1:80", "[2001:db8::1]", "[2001:db8::1]80",
		"[2001:db8::1", "[192.0.2.1]:80", "[::1%nonexistent0]:80",
		"[2001:db8::1]:80]:80", "192.0.2.1:80:80",
	};
	struct sockaddr_storage addr;
	char longest[300];
	socklen_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!addr_parse(bad[i], 0, &addr, &len))
			fail_msg("`%s' was taken", bad[i]);
	memset(longest, '1', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(addr_parse(longest, 1, &addr, &len), -1);
}

static void bytes(void **state)
{
	static const uint8_t v6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };
	static const uint8_t v4[4] = { 192, 0, 2, 1 };
	char text[ADDR_TEXT_SIZE];

	(void)state;
	addr_format_bytes(v4, 4, 0, text);
	assert_string_equal(text, "192.0.2.1");
	addr_format_bytes(v6, 16, 53, text);
	assert_string_equal(text, "[2001:db8::1]:53");
	addr_format_bytes(v6, 16, 0, text);
	assert_string_equal(text, "2001:db8::1");
	addr_format_bytes(NULL, 0, 80, text);
	assert_string_equal(text, "-:80");
	addr_format_bytes(v6, 7, 0, text);
	assert_string_equal(text, "-");
}

static void other_families(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char text[ADDR_TEXT_SIZE];

	(void)state;
	addr_format((struct sockaddr *)&sun, text);
	assert_string_equal(text, "local");
}

static struct in6_addr source(const char *text)
{
	struct sockaddr_storage addr;
	socklen_t len;

	assert_int_equal(addr_parse(text, 0, &addr, &len), 0);
	return addr_source((struct sockaddr *)&addr);
}

static bool same(const char *a, const char *b)
{
	struct in6_addr one = source(a), other = source(b);

	return IN6_ARE_ADDR_EQUAL(&one, &other);
}

static void sources(void **state)
{
	(void)state;
	assert_true(same("192.0.2.1:1", "192.0.2.1:2"));
	assert_false(same("192.0.2.1:1", "192.0.2.2:1"));
	assert_true(same("[2001:db8::1]:1", "[2001:db8::2:0:0:3]:1"));
	assert_false(same("[2001:db8::1]:1", "[2001:db8:0:1::1]:1"));
	assert_true(same("[::ffff:192.0.2.1]:1", "192.0.2.1:1"));
	assert_false(same("[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.2]:1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trips),
		cmocka_unit_test(refused),
		cmocka_unit_test(bytes),
		cmocka_unit_test(other_families),
		cmocka_unit_test(sources),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
