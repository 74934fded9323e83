// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ctl/ca_dir.h"

#define DAY 86400L

static char top[64], dir[80], why[2 * PATH_MAX];
static struct ca_files files;
static const struct tls_peer web1 = { TLS_ROLE_AGENT, "web1" };
static const struct tls_peer sec1 = { TLS_ROLE_SERVER, "sec1" };

static int set_up(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/sockgate-ca.XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(dir, sizeof(dir), "%s/deep/ca", top);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void must_init(void)
{
	time_t now = time(NULL);

	if (ca_dir_init(dir, "a CA", now - 60, now + DAY, why, sizeof(why)))
		fail_msg("%s", why);
}

static int enroll(const struct tls_peer *subject, bool force)
{
	time_t now = time(NULL);

	return ca_dir_enroll(dir, subject, now - 60, now + DAY, force, &files, why,
			     sizeof(why));
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void enrolled_files_work(void **state)
{
	struct tls_files tls;
	SSL_CTX *ctx;

	(void)state;
	must_init();
	assert_int_equal(mode_of(dir), 0700);
	assert_int_equal(enroll(&web1, false), 0);
	assert_int_equal(mode_of(files.key), 0600);
	assert_int_equal(mode_of(files.dir), 0700);
	tls = (struct tls_files){ files.ca, files.cert, files.key };
	ctx = tls_context(false, TLS_ROLE_AGENT, &tls, why, sizeof(why));
	if (!ctx)
		fail_msg("%s", why);
	SSL_CTX_free(ctx);
	assert_int_equal(enroll(&sec1, false), 0);
	ctx = tls_context(true, TLS_ROLE_SERVER, &tls, why, sizeof(why));
	if (!ctx)
		fail_msg("%s", why);
	SSL_CTX_free(ctx);
}

static void what_is_there_stays(void **state)
{
	struct stat before, after;

	(void)state;
	must_init();
	assert_int_equal(ca_dir_init(dir, "b", 0, DAY, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "there is a CA in"));
	assert_int_equal(enroll(&web1, false), 0);
	assert_int_equal(stat(files.key, &before), 0);
	assert_int_equal(enroll(&web1, false), -1);
	assert_non_null(strstr(why, "--force"));
	assert_int_equal(stat(files.key, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(enroll(&web1, true), 0);
	assert_int_equal(stat(files.key, &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
}

/* What is said of it is what stands in it. */
static void until_when(void **state)
{
	time_t now = time(NULL), ca_end = now + DAY;

	(void)state;
	if (ca_dir_init(dir, "short", now - DAY, ca_end, why, sizeof(why)))
		fail_msg("%s", why);
	assert_int_equal(ca_dir_enroll(dir, &web1, now, ca_end - 3600, false, &files, why,
				       sizeof(why)), 0);
	assert_int_equal(files.until, ca_end - 3600);
	assert_false(files.cut);
	assert_int_equal(ca_dir_enroll(dir, &sec1, now, ca_end + 365 * DAY, false, &files,
				       why, sizeof(why)), 0);
	assert_int_equal(files.until, ca_end);
	assert_true(files.cut);
}

static void bad_requests(void **state)
{
	static const char *const hosts[] = { "", "..", "../x", "a/b", "-x", "a b" };
	struct tls_peer subject = { .role = TLS_ROLE_AGENT };

	(void)state;
	assert_int_equal(enroll(&web1, false), -1);
	assert_non_null(strstr(why, "make one with `sockgate ca init'"));
	must_init();
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		snprintf(subject.host, sizeof(subject.host), "%s", hosts[i]);
		assert_int_equal(enroll(&subject, false), -1);
		assert_non_null(strstr(why, "is not a host name"));
	}
	snprintf(subject.host, sizeof(subject.host), "ca.pem");
	assert_int_equal(enroll(&subject, false), -1);
}

static void exposed_ca_key(void **state)
{
	char key[120];

	(void)state;
	must_init();
	snprintf(key, sizeof(key), "%s/ca-key.pem", dir);
	assert_int_equal(chmod(key, 0644), 0);
	assert_int_equal(enroll(&web1, false), -1);
	assert_non_null(strstr(why, "run: chmod 600"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(enrolled_files_work),
		TEST(what_is_there_stays),
		TEST(until_when),
		TEST(bad_requests),
		TEST(exposed_ca_key),
	};

	return cmocka_run_group_tests_name("ca_dir", tests, NULL, NULL);
}
