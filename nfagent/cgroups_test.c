// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cgroup.h"
#include "cgroups.h"

static unsigned int looked_up;

/* In the place of the hierarchy: it knows every group but number 9. */
int cgroup_path(int root, uint64_t id, char *buf, size_t size)
{
	(void)root;
	looked_up++;
	if (id == 9) {
		errno = ESTALE;
		return -1;
	}
	snprintf(buf, size, "/group%llu", (unsigned long long)id);
	return 0;
}

static void expect(struct cgroups *c, uint64_t id, const char *path,
		   unsigned int look_ups)
{
	char buf[64];

	looked_up = 0;
	assert_int_equal(cgroups_path(c, id, buf, sizeof(buf)), path ? 0 : -1);
	if (path)
		assert_string_equal(buf, path);
	assert_int_equal(looked_up, look_ups);
}

static void test_remembered(void **state)
{
	struct cgroups *c = cgroups_new(open("/", O_RDONLY | O_CLOEXEC));
	char few[4];

	(void)state;
	assert_non_null(c);
	expect(c, 1, "/group1", 1);
	expect(c, 1, "/group1", 0);
	/* The same place. */
	expect(c, 257, "/group257", 1);
	expect(c, 257, "/group257", 0);
	expect(c, 1, "/group1", 1);
	/* What is not there is asked for again. */
	expect(c, 9, NULL, 1);
	expect(c, 9, NULL, 1);
	/* Nothing is cut to fit. */
	looked_up = 0;
	cgroups_path(c, 1, few, sizeof(few));
	assert_int_equal(looked_up, 1);
	cgroups_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
