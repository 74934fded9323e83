// SPDX-License-Identifier: GPL-2.0-only
/* The failsafe list, out of defaults, configuration and resolv.conf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "failsafe.h"

#define N_DEFAULTS 5

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
	(void)state;
	failsafe_build(&list, NULL, 0, "/nonexistent");
	assert_int_equal(list.n, N_DEFAULTS);
	assert_string_equal(list.trouble, "");
	/* Only loopback is for everybody. */
	for (size_t i = 2; i < list.n; i++)
		assert_int_equal(list.row[i].uid, 0);
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
		cmocka_unit_test(test_resolvers),
		cmocka_unit_test(test_executable),
		cmocka_unit_test(test_key_that_cannot_be_seen),
		cmocka_unit_test(test_missing_executable),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
