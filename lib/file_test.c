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
#include <unistd.h>

#include "file.h"

static char dir[] = "/tmp/file-test-XXXXXX";
static char path[64], why[256];

static void check_content(const char *want, mode_t mode)
{
	char content[64] = "";
	FILE *f = fopen(path, "r");
	struct stat st;

	assert_non_null(f);
	(void)!fread(content, 1, sizeof(content) - 1, f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	fclose(f);
	assert_string_equal(content, want);
	assert_int_equal(st.st_mode & 0777, mode);
}

static void replaced_as_a_whole(void **state)
{
	char name[96];

	(void)state;
	assert_int_equal(file_replace(path, "one", 3, 0640, false, why, sizeof(why)),
			 0);
	check_content("one", 0640);
	assert_int_equal(file_replace(path, "two", 3, 0600, true, why, sizeof(why)), 0);
	check_content("two", 0600);
	assert_int_equal(file_replace(path, "no", 2, 0640, false, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "File exists"));
	check_content("two", 0600);
	/* Nothing else is left. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(mkdir(dir, 0700), 0);
	snprintf(name, sizeof(name), "%s/none/file", dir);
	assert_int_equal(file_replace(name, "x", 1, 0640, true, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "No such file"));
}

/* A full disk is told. */
static void no_room_is_told(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(file_write(fd, "x", 1), -1);
	close(fd);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/file", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replaced_as_a_whole),
		cmocka_unit_test(no_room_is_told),
	};

	return cmocka_run_group_tests_name("file", tests, set_up, tear_down);
}
