// SPDX-License-Identifier: GPL-2.0-only
/* Who a user is, when the directory answers, hesitates, hangs, or is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <event2/event.h>

#include "user.h"

#define MINUTE 60000ULL

static const char *const directories[] = { "corp.example", "guest.example",
					   NULL };
static char passwd[64];

/* The directory: one user, as it is at the moment. */
static struct {
	const char *name;	/* as getpwuid(3) gives it */
	uint32_t uid;
	const char *domain;	/* where name@domain is known */
	int error;		/* of the service, if it does not work */
	int domain_error;
	unsigned int calls;
} nss;

static int name_of(uint32_t uid, char *name, size_t size)
{
	nss.calls++;
	if (nss.error)
		return nss.error;
	if (!nss.name || uid != nss.uid)
		return ENOENT;
	snprintf(name, size, "%s", nss.name);
	return 0;
}

static int uid_of(const char *name, uint32_t *uid)
{
	char full[256];

	if (nss.domain_error)
		return nss.domain_error;
	snprintf(full, sizeof(full), "%s@%s", nss.name,
		 nss.domain ? nss.domain : "");
	if (!nss.domain || strcmp(full, name))
		return ENOENT;
	*uid = nss.uid;
	return 0;
}

static const struct user_nss fake = { name_of, uid_of };
static struct user_conf conf;
static struct event_base *base;
static struct pool *pool;
static struct users *users;
static struct user last;
static unsigned int told;

static void on_user(const struct user *user, void *arg)
{
	(void)arg;
	last = *user;
	told++;
}

static void write_passwd(const char *text)
{
	FILE *f = fopen(passwd, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int set_up(void **state)
{
	int fd;

	(void)state;
	memset(&nss, 0, sizeof(nss));
	strcpy(passwd, "/tmp/user-test.XXXXXX");
	fd = mkstemp(passwd);
	if (fd < 0)
		return -1;
	close(fd);
	conf = (struct user_conf){ passwd, "host.example", directories, 4,
				   &fake };
	base = event_base_new();
	pool = pool_new(base, 0, 8);
	users = users_new(pool, &conf);
	told = 0;
	return users ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	pool_free(pool);
	users_free(users);
	event_base_free(base);
	return unlink(passwd);
}

static void get(uint32_t uid, uint64_t now_ms)
{
	users_get(users, uid, now_ms, on_user, NULL);
}

static void expect(const char *name, const char *domain)
{
	assert_string_equal(last.name, name);
	assert_string_equal(last.domain, domain);
}

static void answer(void)
{
	while (pool_step(pool))
		;
}

static void test_local_at_once(void **state)
{
	(void)state;
	write_passwd("root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\n"
		     "other:x:1000:1000::/:/bin/sh\n");
	get(1000, 0);
	assert_int_equal(told, 1);
	expect("ann", "host.example");
	assert_int_equal(nss.calls, 0);
}

static void test_passwd_is_read_again(void **state)
{
	(void)state;
	write_passwd("ann:x:1000:1000::/:/bin/sh\n");
	get(1000, 0);
	write_passwd("beatrice:x:1000:1000::/:/bin/sh\n");
	get(1000, 0);
	expect("beatrice", "host.example");
}

static void test_short_name_in_a_directory(void **state)
{
	(void)state;
	nss.name = "carl";
	nss.uid = 5000;
	nss.domain = "guest.example";
	get(5000, 0);
	assert_int_equal(told, 0);
	answer();
	assert_int_equal(told, 1);
	expect("carl", "guest.example");
}

static void test_full_names(void **state)
{
	(void)state;
	nss.uid = 5000;
	nss.name = "carl@corp.example";
	get(5000, 0);
	answer();
	expect("carl", "corp.example");
	users_free(users);
	users = users_new(pool, &conf);
	nss.name = "CORP\\carl";
	get(5000, 0);
	answer();
	expect("carl", "CORP");
}

/* Known to the name service, to no directory: a user of this host. */
static void test_no_directory(void **state)
{
	(void)state;
	nss.name = "dynamic";
	nss.uid = 61184;
	get(61184, 0);
	answer();
	expect("dynamic", "host.example");
}

/* A directory that cannot say is no reason to guess. */
static void test_domain_not_learned(void **state)
{
	(void)state;
	nss.name = "carl";
	nss.uid = 5000;
	nss.domain_error = ETIMEDOUT;
	get(5000, 0);
	answer();
	expect("carl", "");
}

static void test_one_lookup_for_many(void **state)
{
	(void)state;
	nss.name = "carl";
	nss.uid = 5000;
	for (int i = 0; i < 10; i++)
		get(5000, 0);
	answer();
	assert_int_equal(told, 10);
	assert_int_equal(nss.calls, 1);
}

/* While the directory hangs nobody is told anything, and nothing blocks. */
static void test_hanging(void **state)
{
	(void)state;
	get(5000, 0);
	get(5001, 0);
	assert_int_equal(told, 0);
	write_passwd("ann:x:1000:1000::/:/bin/sh\n");
	get(1000, 0);
	assert_int_equal(told, 1);
	expect("ann", "host.example");
}

static void test_cached_then_stale(void **state)
{
	(void)state;
	nss.name = "carl";
	nss.uid = 5000;
	get(5000, 0);
	answer();
	get(5000, 4 * MINUTE);
	assert_int_equal(told, 2);
	assert_int_equal(nss.calls, 1);
	/* Old: answered at once, and asked again behind. */
	nss.name = "carla";
	get(5000, 6 * MINUTE);
	assert_int_equal(told, 3);
	expect("carl", "host.example");
	answer();
	get(5000, 6 * MINUTE);
	expect("carla", "host.example");
}

/* The directory is gone for hours: what was known still answers. */
static void test_directory_away(void **state)
{
	(void)state;
	nss.name = "carl";
	nss.uid = 5000;
	get(5000, 0);
	answer();
	nss.error = EIO;
	for (int i = 1; i < 20; i++) {
		get(5000, (uint64_t)i * 60 * MINUTE);
		expect("carl", "host.example");
		answer();
	}
	assert_int_equal(told, 20);
	get(5000, 25 * 60 * MINUTE);
	answer();
	expect("", "");
}

static void test_unknown_user(void **state)
{
	(void)state;
	get(5000, 0);
	answer();
	expect("", "");
	get(5000, 5000);
	assert_int_equal(told, 2);
	assert_int_equal(nss.calls, 1);
	nss.name = "carl";
	nss.uid = 5000;
	get(5000, 11000);
	answer();
	expect("carl", "host.example");
}

/* A failure is not remembered. */
static void test_failure_then_success(void **state)
{
	(void)state;
	nss.error = EIO;
	nss.name = "carl";
	nss.uid = 5000;
	get(5000, 0);
	answer();
	expect("", "");
	nss.error = 0;
	get(5000, 1);
	answer();
	expect("carl", "host.example");
}

static void test_bounded(void **state)
{
	(void)state;
	/* Nothing may go while somebody waits for it. */
	for (uint32_t uid = 5000; uid < 5006; uid++)
		get(uid, 0);
	assert_int_equal(told, 2);
	assert_int_equal(users_counts(users)->refused, 2);
	answer();
	assert_int_equal(told, 6);
	get(6000, 0);
	answer();
	assert_int_equal(users_counts(users)->evicted, 1);
}

/* Which directories there are is not known: nobody's user, not the host's. */
static void test_short_name_without_directories(void **state)
{
	static const char *const none[] = { NULL };

	(void)state;
	conf.directories = none;
	write_passwd("local:x:500:500::/:/bin/sh\n");
	nss.name = "alice";
	nss.uid = 1000;
	get(1000, 0);
	assert_true(pool_step(pool));
	expect("alice", "");
	nss.name = "bob@corp.example";
	nss.uid = 1001;
	get(1001, 0);
	assert_true(pool_step(pool));
	expect("bob", "corp.example");
	/* Who is in the file is the host's. */
	get(500, 0);
	expect("local", "host.example");
}

static void test_host_domain(void **state)
{
	(void)state;
	assert_string_equal(user_host_domain("web1.corp.example"),
			    "corp.example");
	assert_string_equal(user_host_domain("web1"), "web1");
	assert_string_equal(user_host_domain("web1."), "web1.");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_local_at_once),
		TEST(test_passwd_is_read_again),
		TEST(test_short_name_in_a_directory),
		TEST(test_full_names),
		TEST(test_no_directory),
		TEST(test_domain_not_learned),
		TEST(test_one_lookup_for_many),
		TEST(test_hanging),
		TEST(test_cached_then_stale),
		TEST(test_directory_away),
		TEST(test_unknown_user),
		TEST(test_failure_then_success),
		TEST(test_bounded),
		TEST(test_short_name_without_directories),
		cmocka_unit_test(test_host_domain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
