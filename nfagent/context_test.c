// SPDX-License-Identifier: GPL-2.0-only
/* What machines look like, and which hooks see nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "context.h"
#include "probe.h"

static char root[] = "/tmp/context-test.XXXXXX";

static int set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/context-test.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

static void put(const char *file, const char *text)
{
	char command[256], path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", root, file);
	snprintf(command, sizeof(command), "mkdir -p $(dirname %s)", path);
	assert_int_equal(system(command), 0);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void expect(const char *cpu, const char *want)
{
	char buf[64];

	context_detect(root, cpu, buf, sizeof(buf));
	assert_string_equal(buf, want);
}

static void test_machines(void **state)
{
	(void)state;
	expect("", "physical");
	expect("KVMKVMKVM", "kvm");
	expect("TCGTCGTCGTCG", "qemu");
	expect("Unheard of  ", "vm");
	put("/sys/class/dmi/id/sys_vendor", "Dell Inc.\n");
	put("/sys/class/dmi/id/product_name", "PowerEdge R640\n");
	expect("", "physical");
	put("/sys/class/dmi/id/sys_vendor", "QEMU\n");
	expect("", "qemu");
	put("/run/docker.sock", "");
	expect("KVMKVMKVM", "kvm,container-host");
}

static void test_blind_hooks(void **state)
{
	const uint64_t before[__SOCKGATE_HOOK_MAX] = { 5, 6, 7, 1, 1, 1, 1, 1 };
	const uint64_t after[__SOCKGATE_HOOK_MAX] = { 6, 6, 9, 2, 2, 2, 2, 2 };

	(void)state;
	assert_int_equal(probe_blind(before, after),
			 1U << SOCKGATE_HOOK_LISTEN);
	assert_int_equal(probe_blind(before, before),
			 (1U << (SOCKGATE_HOOK_BIND + 1)) - 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_machines),
		cmocka_unit_test(test_blind_hooks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
