// SPDX-License-Identifier: GPL-2.0-only
/* Learning who asks, through the pools and the hash cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <event2/event.h>

#include "identity.h"
#include "sha256.h"
#include "test_file.h"

static const char exe[] = "/bin/ls";
static const char *const nothing[] = { NULL };
static const char *const everything[] = { "*", NULL };
static const char *const network[] = { "nfs*", NULL };

static struct event_base *base;
static struct pool *pool, *hash_pool;
static struct hash_cache *hashes;
static struct identity_conf conf;
static struct identity *learned;
static unsigned int learnings, hashed;
static struct process_exe told;	/* by the kernel */
static const char *path;
static bool unwanted;
static int open_error;

/* As the kernel would give it. */
static int open_self(uint64_t ask_id, struct process_exe *given, void *arg)
{
	(void)ask_id;
	(void)arg;
	if (open_error) {
		errno = open_error;
		return -1;
	}
	*given = told;
	given->fd = open(exe, O_RDONLY | O_CLOEXEC);
	given->facts.path = path ? strdup(path) : NULL;
	given->facts.parent_pid = 7;
	return given->fd < 0 ? -1 : 0;
}

static bool on_identity(uint64_t number, struct identity *id, void *arg)
{
	(void)number;
	(void)arg;
	identity_free(learned);
	learned = id;
	learnings++;
	return !unwanted;
}

static void on_hash(uint64_t number, const struct hash_result *hash, void *arg)
{
	(void)number;
	(void)arg;
	assert_non_null(learned);
	assert_false(learned->hashed);
	learned->hash = *hash;
	hashed++;
}

/* This process, if it were running something that has not changed for long. */
static struct ask own_ask(void)
{
	struct ask ask = { .id = 1, .process.pid = (uint32_t)getpid() };
	struct stat st;

	assert_int_equal(stat(exe, &st), 0);
	ask.exe = test_file_key(&st);
	return ask;
}

static int set_up(void **state)
{
	struct hash_conf hash_conf = {
		.max = 10, .limit = 1 << 30, .threads = 2, .files = 10,
		.told = on_hash,
	};

	learnings = 0;
	hashed = 0;
	unwanted = false;
	(void)state;
	open_error = 0;
	base = event_base_new();
	pool = pool_new(base, 0, 2);
	hash_pool = pool_new(base, 0, 2);
	hashes = hash_cache_new(hash_pool, &hash_conf);
	path = exe;
	told = (struct process_exe){ .mounted = true, .fs = "ext4" };
	conf = (struct identity_conf){
		.readers = pool,
		.hashes = hashes,
		.open_exe = open_self,
		.learned = on_identity,
		.unverifiable = nothing,
	};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	pool_free(pool);
	pool_free(hash_pool);
	hash_cache_free(hashes);
	event_base_free(base);
	identity_free(learned);
	learned = NULL;
	return 0;
}

static void learn(const struct ask *ask)
{
	identity_learn(&conf, 1, ask);
	while (pool_step(pool) || pool_step(hash_pool))
		;
}

static void test_content(void **state)
{
	struct ask ask = own_ask();
	uint8_t want[SHA256_SIZE];
	int fd = open(exe, O_RDONLY);

	(void)state;
	assert_int_equal(sha256_fd(fd, 1 << 30, want, NULL), 0);
	close(fd);
	learn(&ask);
	assert_int_equal(learnings, 1);
	assert_int_equal(hashed, 1);
	assert_int_equal(learned->hash.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_CONTENT);
	assert_memory_equal(learned->hash.sha256, want, SHA256_SIZE);
	assert_non_null(strstr(learned->facts.path, "/ls"));
	assert_false(learned->facts.foreign);
	assert_int_equal(learned->facts.parent_pid, 7);
}

/* Who it is is told before the content is read, which may take long. */
static void test_path_first(void **state)
{
	struct ask ask = own_ask();

	(void)state;
	identity_learn(&conf, 1, &ask);
	assert_true(pool_step(pool));
	assert_int_equal(learnings, 1);
	assert_int_equal(hashed, 0);
	assert_non_null(strstr(learned->facts.path, "/ls"));
	assert_false(learned->hashed);
	/* The next time it is known at once. */
	while (pool_step(hash_pool))
		;
	identity_learn(&conf, 2, &ask);
	assert_true(pool_step(pool));
	assert_true(learned->hashed);
	assert_int_equal(learned->hash.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_CONTENT);
	assert_int_equal(hashed, 1);
}

/* The question is over when the path comes: nothing is read for it. */
static void test_over_before_the_hash(void **state)
{
	struct ask ask = own_ask();

	(void)state;
	unwanted = true;
	learn(&ask);
	assert_int_equal(learnings, 1);
	assert_int_equal(hashed, 0);
	assert_int_equal(hash_counts(hashes)->computed, 0);
}

/* Cannot be opened: no content, and no guess, but what /proc says. */
static void test_not_opened(void **state)
{
	struct ask ask = own_ask();

	(void)state;
	open_error = EOPNOTSUPP;
	learn(&ask);
	assert_int_equal(learnings, 1);
	assert_true(learned->hashed);
	assert_int_equal(learned->hash.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE);
}

/* On such a file system nothing is read, and the path is told all the same. */
static void test_unverifiable_file_system(void **state)
{
	struct ask ask = own_ask();

	(void)state;
	conf.unverifiable = network;
	strcpy(told.fs, "nfs4");
	learn(&ask);
	assert_true(learned->hashed);
	assert_int_equal(hashed, 0);
	assert_int_equal(learned->hash.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE);
	assert_non_null(strstr(learned->facts.path, "/ls"));
}

/* Nor if that is what is behind an overlay. */
static void test_unverifiable_layer(void **state)
{
	struct ask ask = own_ask();

	(void)state;
	conf.unverifiable = network;
	strcpy(told.fs, "overlay");
	strcpy(told.layer, "ext4");
	learn(&ask);
	assert_int_equal(learned->hash.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_CONTENT);
	strcpy(told.layer, "nfs");
	learn(&ask);
	assert_int_equal(learned->hash.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE);
}

/* Another file system with the numbers of a file that is known. */
static void test_known_key_on_an_unverifiable_file_system(void **state)
{
	struct ask ask = own_ask();

	(void)state;
	learn(&ask);
	assert_int_equal(hash_cache_count(hashes), 1);
	conf.unverifiable = everything;
	learn(&ask);
	assert_true(learned->hashed);
	assert_int_equal(learned->hash.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE);
	/* And if the descriptor cannot be had: it is not to be guessed. */
	conf.unverifiable = nothing;
	open_error = EOPNOTSUPP;
	learn(&ask);
	assert_int_equal(learned->hash.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE);
}

/* What the kernel does not say is not guessed. */
static void test_unknown_file_system(void **state)
{
	struct ask ask = own_ask();

	(void)state;
	told.fs[0] = '\0';
	learn(&ask);
	assert_true(learned->hashed);
	assert_int_equal(hashed, 0);
}

/* Of another mount namespace: its path is worth nothing. */
static void test_file_that_is_not_mounted_here(void **state)
{
	struct ask ask = own_ask();

	(void)state;
	told.mounted = false;
	path = "/bin/sh";
	learn(&ask);
	assert_int_equal(learned->hash.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_CONTENT);
	assert_true(learned->facts.foreign);
	path = NULL;
	learn(&ask);
	assert_true(learned->facts.foreign);
}

/* What is the same file here and there has the same path in both. */
static void test_our_own_file_in_another_mount_namespace(void **state)
{
	struct ask ask = own_ask();
	char real[PATH_MAX];

	(void)state;
	told.mounted = false;
	path = realpath(exe, real);
	assert_non_null(path);
	learn(&ask);
	assert_int_equal(learned->hash.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_CONTENT);
	assert_false(learned->facts.foreign);
}

/* The file changed between the question and now. */
static void test_other_file(void **state)
{
	struct ask ask = own_ask();

	(void)state;
	ask.exe.ctime_ns--;
	learn(&ask);
	assert_int_equal(learned->hash.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_UNSTABLE);
}

static void test_too_busy(void **state)
{
	struct ask ask = own_ask();

	(void)state;
	for (unsigned int i = 1; i <= 3; i++)
		identity_learn(&conf, i, &ask);
	assert_int_equal(learnings, 1);	/* the third, at once */
	assert_null(learned);
	while (pool_step(pool))
		;
	assert_int_equal(learnings, 3);
	while (pool_step(hash_pool))
		;
	assert_int_equal(hashed, 2);
	assert_int_equal(hash_counts(hashes)->computed, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_content),
		TEST(test_path_first),
		TEST(test_over_before_the_hash),
		TEST(test_not_opened),
		TEST(test_unverifiable_file_system),
		TEST(test_unverifiable_layer),
		TEST(test_known_key_on_an_unverifiable_file_system),
		TEST(test_unknown_file_system),
		TEST(test_file_that_is_not_mounted_here),
		TEST(test_our_own_file_in_another_mount_namespace),
		TEST(test_other_file),
		TEST(test_too_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
