// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "mounts.h"

static char dir[] = "/tmp/mounts-test.XXXXXX";
static char file[sizeof(dir) + sizeof("/mountinfo")];

static int set_up(void **state)
{
	static const char table[] =
		"22 1 8:1 / / rw,noatime master:1 - ext4 /dev/sda1 rw\n"
		"40 22 0:31 / /a\\040b rw - fuse.sshfs host:/ - rw\n"
		"41 22 0:32 / /c rw shared:7 - tmpfs tmpfs rw\n"
		"no table\n";
	int fd;

	(void)state;
	strcpy(dir, "/tmp/mounts-test.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/mountinfo", dir);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, table, strlen(table)) < 0)
		return -1;
	close(fd);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(file) || rmdir(dir);
}

static void test_device_of_a_mount(void **state)
{
	uint32_t dev;

	(void)state;
	assert_true(mounts_device(file, 22, &dev));
	assert_int_equal(dev, 8U << 20 | 1);
	assert_true(mounts_device(file, 41, &dev));
	assert_int_equal(dev, 32);
	/* A number of another column is none. */
	assert_false(mounts_device(file, 31, &dev));
	assert_false(mounts_device("/nonexistent", 22, &dev));
}

static void test_mount_of_a_descriptor(void **state)
{
	int fd = open("/proc/version", O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint64_t id;
	uint32_t dev;

	(void)state;
	assert_int_equal(mounts_id(fd, &id), 0);
	assert_true(mounts_device("/proc/self/mountinfo", id, &dev));
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(dev, major(st.st_dev) << 20 | minor(st.st_dev));
	close(fd);
	assert_int_equal(mounts_id(fd, &id), -1);
}

static void test_where_a_path_leads(void **state)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	char other[64], link[64];

	(void)state;
	assert_true(mounts_lead_to(file, fd));
	assert_false(mounts_lead_to("/nonexistent", fd));
	snprintf(other, sizeof(other), "%s.other", file);
	snprintf(link, sizeof(link), "%s.link", file);
	close(open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_false(mounts_lead_to(other, fd));
	/* The kernel names a file without symbolic links. */
	assert_int_equal(symlink(file, link), 0);
	assert_false(mounts_lead_to(link, fd));
	unlink(other);
	unlink(link);
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_device_of_a_mount),
		TEST(test_mount_of_a_descriptor),
		TEST(test_where_a_path_leads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
