// SPDX-License-Identifier: GPL-2.0-only
/* What machines look like, and the little facts beside: devices, hooks. */
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
#include "mounts.h"
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

static void test_file_system_of_a_device(void **state)
{
	char path[128], type[32];

	(void)state;
	put("/mountinfo",
	    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
	    "35 22 0:31 / /mnt/a rw shared:2 master:1 - fuse.sshfs h:/ rw\n"
	    "36 22 0:32 / /mnt/b rw - nfs4 s:/x rw\n");
	snprintf(path, sizeof(path), "%s/mountinfo", root);
	assert_true(mounts_find_type(path, 8U << 20 | 1, type, sizeof(type)));
	assert_string_equal(type, "ext4");
	assert_true(mounts_find_type(path, 31, type, sizeof(type)));
	assert_string_equal(type, "fuse.sshfs");
	assert_true(mounts_find_type(path, 32, type, sizeof(type)));
	assert_string_equal(type, "nfs4");
	assert_false(mounts_find_type(path, 33, type, sizeof(type)));
	assert_false(mounts_find_type("/nonexistent", 31, type, sizeof(type)));
}

static void test_blind_hooks(void **state)
{
	const uint64_t before[__SOCKGATE_HOOK_MAX] = { 5, 6, 7 };
	const uint64_t after[__SOCKGATE_HOOK_MAX] = { 6, 6, 9 };

	(void)state;
	assert_int_equal(probe_blind(before, after),
			 1U << SOCKGATE_HOOK_LISTEN);
	assert_int_equal(probe_blind(before, before),
			 (1U << __SOCKGATE_HOOK_MAX) - 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_machines),
		TEST(test_file_system_of_a_device),
		cmocka_unit_test(test_blind_hooks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
