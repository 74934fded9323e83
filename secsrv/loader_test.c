// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <event2/event.h>

#include "loader.h"

#define GOOD "rules = ( { name = \"new\"; action = \"deny\"; } );\n"

static char dir[] = "/tmp/loader-test-XXXXXX";
static char path[64];
static struct event_base *base;
static struct loader *loader;

/* What was told. */
static unsigned int told, loaded;
static uint64_t last_id, last_owner, last_version;
static char rule[64], name[64], why[1024];

static void on_loaded(uint64_t owner, uint64_t id, struct policy *policy,
		      const char *policy_name, const struct policy_error *err,
		      const struct signed_policy *version, void *arg)
{
	last_version = version ? version->number : 0;
	assert_ptr_equal(arg, &loader);
	told++;
	last_owner = owner;
	last_id = id;
	snprintf(name, sizeof(name), "%s", policy_name);
	if (policy) {
		loaded++;
		snprintf(rule, sizeof(rule), "%s", policy->rule[0].name);
	} else {
		settings_error_text(err, why, sizeof(why));
	}
	policy_free(policy);
}

static void wait_told(unsigned int n)
{
	while (told < n)
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
}

static void check_file(const char *want, mode_t mode)
{
	char text[256] = "";
	struct stat st;
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	(void)!fread(text, 1, sizeof(text) - 1, f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	fclose(f);
	assert_string_equal(text, want);
	assert_int_equal(st.st_mode & 0777, mode);
}

static void a_good_text_is_loaded_and_in_the_file(void **state)
{
	(void)state;
	assert_int_equal(chmod(path, 0604), 0);
	assert_int_equal(loader_text(loader, 7, 8, GOOD, "given.conf"), 0);
	wait_told(1);
	assert_int_equal(loaded, 1);
	assert_int_equal(last_owner, 7);
	assert_int_equal(last_id, 8);
	assert_string_equal(rule, "new");
	assert_string_equal(name, "given.conf");
	check_file(GOOD, 0604);
}

static void a_wrong_text_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(loader_text(loader, 1, 1, "rules = (\n{ } );", "given.conf"),
			 0);
	wait_told(1);
	assert_int_equal(loaded, 0);
	assert_string_equal(why, "given.conf:2: a rule has no name");
	check_file("rules = ();\n", 0640);
}

static void what_cannot_be_written_is_not_in_force(void **state)
{
	(void)state;
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(loader_text(loader, 1, 1, GOOD, "given.conf"), 0);
	wait_told(1);
	assert_int_equal(loaded, 0);
	assert_non_null(strstr(why, "cannot write"));
	assert_int_equal(mkdir(dir, 0700), 0);
}

static struct signed_policy version(const char *text, const char *signed_text)
{
	struct signed_policy p = { .number = 3, .text = strdup(text) };

	assert_non_null(p.text);
	p.size = strlen(signed_text);
	assert_int_equal(sha256_memory(signed_text, p.size, p.sha256), 0);
	return p;
}

/* The manager will send it again after a restart; nothing is worse for that. */
static void a_version_that_cannot_be_noted_is_in_force(void **state)
{
	struct signed_policy p = version(GOOD, GOOD);

	(void)state;
	assert_int_equal(loader_version(loader, &p, "/nonexistent/note", "note"), 0);
	wait_told(1);
	assert_int_equal(loaded, 1);
	assert_int_equal(last_version, 3);
	assert_string_equal(name, "version 3");
	check_file(GOOD, 0640);
}

/* An old version could be sent again after a restart, if it stayed so. */
static void a_note_is_written_once_it_can_be(void **state)
{
	struct signed_policy p = version(GOOD, GOOD);
	char sub[96], file[120];

	(void)state;
	snprintf(sub, sizeof(sub), "%s/sub", dir);
	snprintf(file, sizeof(file), "%s/note", sub);
	assert_int_equal(loader_version(loader, &p, file, "note"), 0);
	wait_told(1);
	loader_tick(loader);
	assert_int_equal(loader_reload(loader), 0);
	wait_told(2);
	assert_int_equal(access(file, F_OK), -1);
	assert_int_equal(mkdir(sub, 0700), 0);
	loader_tick(loader);
	/* One thread: what comes after it is told after it. */
	assert_int_equal(loader_reload(loader), 0);
	wait_told(3);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(rmdir(sub), 0);
}

static void a_version_with_another_text_is_not_looked_at(void **state)
{
	struct signed_policy p = version("rules = (\n{ } );", GOOD);

	(void)state;
	assert_int_equal(loader_version(loader, &p, "/nonexistent/note", "note"), 0);
	wait_told(1);
	assert_int_equal(loaded, 0);
	assert_string_equal(why, "version 3: the text is not the one that was signed");
	check_file("rules = ();\n", 0640);
}

static void the_file_is_read_again(void **state)
{
	FILE *f = fopen(path, "w");

	(void)state;
	assert_non_null(f);
	fputs(GOOD, f);
	fclose(f);
	assert_int_equal(loader_reload(loader), 0);
	wait_told(1);
	assert_int_equal(loaded, 1);
	assert_int_equal(last_owner, 0);
	assert_string_equal(name, path);
	unlink(path);
	assert_int_equal(loader_reload(loader), 0);
	wait_told(2);
	assert_int_equal(loaded, 1);
	assert_non_null(strstr(why, "cannot be opened"));
}

/* As many rules as are still compared with each other: it takes a while. */
static char *long_policy(void)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	fputs("rules = (\n", f);
	for (int i = 0; i < 2000; i++)
		fprintf(f, "{ name = \"r%d\"; application = \"a%d*\"; action = "
			"\"allow\"; }%s\n", i, i, i < 1999 ? "," : "");
	fputs(");\n", f);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void who_asks_does_not_wait(void **state)
{
	char *text = long_policy();
	unsigned int taken = 0;

	(void)state;
	/* Sooner than one of them is checked, more have come than may wait. */
	while (taken < 1000 && !loader_text(loader, 1, taken + 1, text, "long.conf"))
		taken++;
	assert_int_equal(errno, EAGAIN);
	assert_in_range(taken, LOADER_MAX, 999);
	assert_int_equal(told, 0);
	wait_told(taken);
	assert_int_equal(loaded, taken);
	assert_int_equal(last_id, taken);
	/* There is room again; what still waits at the end is not told. */
	assert_int_equal(loader_text(loader, 1, 1, text, "long.conf"), 0);
	free(text);
}

static int set_up(void **state)
{
	FILE *f;

	(void)state;
	told = loaded = 0;
	if (!base && !mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/policy.conf", dir);
	base = event_base_new();
	f = fopen(path, "w");
	if (!base || !f || fputs("rules = ();\n", f) < 0 || fclose(f) ||
	    chmod(path, 0640))
		return -1;
	loader = loader_open(base, path, on_loaded, &loader);
	return loader ? 0 : -1;
}

static int tear_down(void **state)
{
	unsigned int before = told;

	(void)state;
	loader_close(loader);
	event_base_loop(base, EVLOOP_NONBLOCK);
	event_base_free(base);
	unlink(path);
	return told == before ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_good_text_is_loaded_and_in_the_file),
		TEST(a_wrong_text_changes_nothing),
		TEST(what_cannot_be_written_is_not_in_force),
		TEST(a_version_that_cannot_be_noted_is_in_force),
		TEST(a_note_is_written_once_it_can_be),
		TEST(a_version_with_another_text_is_not_looked_at),
		TEST(the_file_is_read_again),
		TEST(who_asks_does_not_wait),
	};

	return cmocka_run_group_tests_name("loader", tests, NULL, remove_dir);
}
