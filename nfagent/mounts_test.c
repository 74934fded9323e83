// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "mounts.h"

static char dir[] = "/tmp/mounts-test.XXXXXX";
static char file[sizeof(dir) + sizeof("/mountinfo")];
static struct mounts *mounts;
static char type[16];

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
	mounts = mounts_open(dir);
	return mounts ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	mounts_close(mounts);
	return unlink(file) || rmdir(dir);
}

static void test_by_device(void **state)
{
	(void)state;
	assert_true(mounts_type_of_device(mounts, 8U << 20 | 1, type,
					  sizeof(type)));
	assert_string_equal(type, "ext4");
	assert_true(mounts_type_of_device(mounts, 31, type, sizeof(type)));
	assert_string_equal(type, "fuse.sshfs");
	assert_false(mounts_type_of_device(mounts, 33, type, sizeof(type)));
}

static void test_none(void **state)
{
	(void)state;
	assert_null(mounts_open("/nonexistent"));
}

static void test_by_mount(void **state)
{
	(void)state;
	assert_true(mounts_type_of_mount(mounts, 41, type, sizeof(type)));
	assert_string_equal(type, "tmpfs");
	/* A number of another column is none. */
	assert_false(mounts_type_of_mount(mounts, 31, type, sizeof(type)));
}

static void test_device_of_a_mount(void **state)
{
	uint32_t dev;

	(void)state;
	assert_true(mounts_device_of_mount(mounts, 22, &dev));
	assert_int_equal(dev, 8U << 20 | 1);
	assert_false(mounts_device_of_mount(mounts, 23, &dev));
}

/* More than is read at once. */
static void test_long_table(void **state)
{
	struct mounts *many;
	char last[16];
	FILE *f = fopen(file, "we");

	(void)state;
	assert_non_null(f);
	for (int i = 1; i <= 1000; i++)
		fprintf(f, "%d 1 0:%d / /m%d rw - type%d none rw\n", i, i, i, i);
	assert_int_equal(fclose(f), 0);
	many = mounts_open(dir);
	for (uint32_t i = 1; i <= 1000; i++) {
		snprintf(last, sizeof(last), "type%u", i);
		assert_true(mounts_type_of_mount(many, i, type, sizeof(type)));
		assert_string_equal(type, last);
	}
	mounts_close(many);
}

struct change {
	bool possible, before, between, after, ours;
};

/* In a mount namespace of this thread's own. */
static void *change_mounts(void *arg)
{
	struct change *c = arg;
	struct mounts *m;
	uint64_t id;
	int fd;

	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return NULL;
	c->possible = true;
	m = mounts_open("/proc/thread-self");
	c->ours = mounts_seen_by(m, (uint32_t)getpid());
	c->before = mounts_type_of_mount(m, 0, type, sizeof(type));
	if (!mount("none", "/mnt", "tmpfs", 0, NULL)) {
		fd = open("/mnt", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		c->between = !mounts_id(fd, &id) &&
			     mounts_type_of_mount(m, id, type, sizeof(type)) &&
			     !strcmp(type, "tmpfs");
		close(fd);
		umount("/mnt");
		c->after = mounts_type_of_mount(m, id, type, sizeof(type));
	}
	mounts_close(m);
	return NULL;
}

/* What is kept of a table ends with the next mount or unmount. */
static void test_a_change_is_seen(void **state)
{
	struct change c = { 0 };
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, change_mounts, &c), 0);
	pthread_join(thread, NULL);
	if (!c.possible)
		skip();
	assert_false(c.before);
	assert_true(c.between);
	assert_false(c.after);
	assert_false(c.ours);
}

static void test_who_sees_the_same(void **state)
{
	struct mounts *own = mounts_open("/proc/self");

	(void)state;
	assert_true(mounts_seen_by(own, (uint32_t)getpid()));
	/* No process, and none whose table it is. */
	assert_false(mounts_seen_by(own, UINT32_MAX));
	assert_false(mounts_seen_by(mounts, (uint32_t)getpid()));
	mounts_close(own);
}

static void test_mount_of_a_descriptor(void **state)
{
	int fd = open("/proc/version", O_RDONLY | O_CLOEXEC);
	struct mounts *own;
	uint64_t id;

	(void)state;
	assert_int_equal(mounts_id(fd, &id), 0);
	own = mounts_open("/proc/self");
	assert_true(mounts_type_of_mount(own, id, type, sizeof(type)));
	mounts_close(own);
	assert_string_equal(type, "proc");
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

static void test_by_magic(void **state)
{
	(void)state;
	assert_string_equal(mounts_type_of_magic(0x65735546), "fuse");
	assert_string_equal(mounts_type_of_magic(0x6969), "nfs");
	assert_null(mounts_type_of_magic(0x12345678));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_by_device),
		TEST(test_none),
		TEST(test_by_mount),
		TEST(test_device_of_a_mount),
		TEST(test_long_table),
		TEST(test_a_change_is_seen),
		TEST(test_who_sees_the_same),
		TEST(test_mount_of_a_descriptor),
		TEST(test_where_a_path_leads),
		TEST(test_by_magic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
