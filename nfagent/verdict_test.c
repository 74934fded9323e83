// SPDX-License-Identifier: GPL-2.0-only
/* From what a server decides to what the kernel is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "verdict.h"

#define F(name) SOCKGATE__FIELD__FIELD_##name

static struct verdict *v;
static Sockgate__Decision d;
static struct ask ask;

static int set_up(void **state)
{
	(void)state;
	v = verdict_new();
	sockgate__decision__init(&d);
	d.action = SOCKGATE__ACTION__ACTION_ALLOW;
	d.lifetime_ms = 1000;
	ask = (struct ask){ .raddr_len = 4, .uid = 7, .cgroup = 8 };
	return v ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	verdict_put(v);
	return 0;
}

static void test_scope(void **state)
{
	(void)state;
	d.fields = F(CONTENT) | F(REMOTE_ADDRESS);
	d.remote_prefix = 24;
	assert_int_equal(verdict_read(v, &d, &ask, 0), 0);
	assert_int_equal(v->scope.fields, SOCKGATE_F_EXE | SOCKGATE_F_RADDR |
					  SOCKGATE_F_FAMILY);
	assert_int_equal(v->scope.rprefix, 24);
	d.remote_prefix = 500;
	assert_int_equal(verdict_read(v, &d, &ask, 0), 0);
	assert_int_equal(v->scope.rprefix, 32);
}

static void test_unknown_field_widens_to_everything(void **state)
{
	(void)state;
	d.fields = F(CONTENT) | 1U << 30;
	assert_int_equal(verdict_read(v, &d, &ask, 0), 0);
	assert_int_equal(v->scope.fields, SOCKGATE_F_ALL);
	assert_int_equal(v->scope.rprefix, 32);
}

static void test_action(void **state)
{
	(void)state;
	d.error = ECONNREFUSED;
	assert_int_equal(verdict_read(v, &d, &ask, 0), 0);
	assert_int_equal(v->action, SOCKGATE_ACTION_ALLOW);
	d.action = SOCKGATE__ACTION__ACTION_DENY;
	assert_int_equal(verdict_read(v, &d, &ask, 0), 0);
	assert_int_equal(v->action, SOCKGATE_ACTION_DENY);
	assert_int_equal(v->error, ECONNREFUSED);
	/* The kernel takes three of them. */
	d.error = EIO;
	assert_int_equal(verdict_read(v, &d, &ask, 0), 0);
	assert_int_equal(v->error, EACCES);
	d.action = SOCKGATE__ACTION__ACTION_UNSPEC;
	assert_int_equal(verdict_read(v, &d, &ask, 0), -1);
}

static void test_tag(void **state)
{
	(void)state;
	d.tag = 0xab;
	assert_int_equal(verdict_read(v, &d, &ask, 0xff00), 0);
	assert_int_equal(v->tag, 0xab00);
	assert_int_equal(verdict_read(v, &d, &ask, 0x7f00), -1);
	assert_int_equal(verdict_read(v, &d, &ask, 0), -1);
	d.tag = 0x101;
	assert_int_equal(verdict_read(v, &d, &ask, 0xff000000), -1);
	d.tag = 0;
	assert_int_equal(verdict_read(v, &d, &ask, 0), 0);
}

/* What was not to be had, and was looked at, may be there the next time. */
static void test_how_long(void **state)
{
	struct identity id = { .facts.path = (char *)"/bin/ls" };
	struct user user = { "alice", "corp.example" };

	(void)state;
	d.fields = F(USER) | F(PROCESS) | F(CONTENT);
	assert_true(verdict_lasts(&d, &id, &user));
	user.domain[0] = '\0';
	assert_false(verdict_lasts(&d, &id, &user));
	d.fields = F(PROCESS);
	assert_true(verdict_lasts(&d, &id, &user));
	id.facts.path = NULL;
	assert_false(verdict_lasts(&d, &id, &user));
	d.fields = F(CONTENT);
	assert_true(verdict_lasts(&d, &id, &user));
	id.hash.unsettled = true;
	assert_false(verdict_lasts(&d, &id, &user));
	d.fields = F(EVENT);
	assert_true(verdict_lasts(&d, &id, &user));
	d.failed = true;
	assert_false(verdict_lasts(&d, &id, &user));
	d.failed = false;
	d.lifetime_ms = 0;
	assert_false(verdict_lasts(&d, &id, &user));
}

static void test_kept_for_records(void **state)
{
	struct identity id = { .facts.path = (char *)"/bin/ls" };
	const struct user user = { "alice", "corp.example" };

	(void)state;
	d.rule = (char *)"r";
	assert_int_equal(verdict_keep(v, &d, &ask, &id, &user), 0);
	assert_string_equal(v->decision->rule, "r");
	assert_string_equal(v->process->path, "/bin/ls");
	assert_string_equal(v->user->name, "alice");
	assert_int_equal(v->place->cgroup_id, 8);
	assert_int_equal(v->uid, 7);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_scope),
		TEST(test_unknown_field_widens_to_everything),
		TEST(test_action),
		TEST(test_tag),
		TEST(test_how_long),
		TEST(test_kept_for_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
