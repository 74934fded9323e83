// SPDX-License-Identifier: GPL-2.0-only
/* Learning who asks, through the pools and the hash cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <event2/event.h>

#include "identity.h"
#include "mounts.h"
#include "sha256.h"
#include "test_file.h"

static const char exe[] = "/bin/ls";
static const char *const nothing[] = { NULL };
static const char *const everything[] = { "*", NULL };
static const char *const temporary[] = { "tmp*", NULL };

static struct event_base *base;
static struct pool *pool, *hash_pool;
static struct hash_cache *hashes;
static struct mounts *mounts;
static struct identity_conf conf;
static struct identity *learned;
static unsigned int told, hashed;
static bool unwanted, open_pipe;
static int given_fd = -1, own_fd = -1;
static int open_error;

static int open_self(uint64_t ask_id, void *arg)
{
	int ends[2];

	(void)ask_id;
	(void)arg;
	if (open_error) {
		errno = open_error;
		return -1;
	}
	if (given_fd >= 0)
		return dup(given_fd);
	if (open_pipe) {
		assert_int_equal(pipe(ends), 0);
		close(ends[1]);
		return ends[0];
	}
	return open(exe, O_RDONLY | O_CLOEXEC);
}

static bool on_identity(uint64_t number, struct identity *id, void *arg)
{
	(void)number;
	(void)arg;
	identity_free(learned);
	learned = id;
	told++;
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

	told = 0;
	hashed = 0;
	unwanted = false;
	(void)state;
	open_pipe = false;
	open_error = 0;
	base = event_base_new();
	pool = pool_new(base, 0, 2);
	hash_pool = pool_new(base, 0, 2);
	hashes = hash_cache_new(hash_pool, &hash_conf);
	mounts = mounts_open("/proc/self");
	conf = (struct identity_conf){
		.readers = pool,
		.hashes = hashes,
		.open_exe = open_self,
		.learned = on_identity,
		.cgroup_root = -1,
		.mounts = mounts,
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
	mounts_close(mounts);
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
	assert_int_equal(told, 1);
	assert_int_equal(hashed, 1);
	assert_int_equal(learned->hash.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_CONTENT);
	assert_memory_equal(learned->hash.sha256, want, SHA256_SIZE);
	assert_non_null(strstr(learned->facts.path, "/ls"));
	assert_false(learned->facts.foreign);
}

/* Who it is is told before the content is read, which may take long. */
static void test_path_first(void **state)
{
	struct ask ask = own_ask();

	(void)state;
	identity_learn(&conf, 1, &ask);
	assert_true(pool_step(pool));
	assert_int_equal(told, 1);
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
	assert_int_equal(told, 1);
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
	assert_int_equal(told, 1);
	assert_true(learned->hashed);
	assert_int_equal(learned->hash.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE);
}

/* On such a file system nothing is read, and the path is told all the same. */
static void test_unverifiable_file_system(void **state)
{
	struct ask ask = own_ask();

	(void)state;
	conf.unverifiable = everything;
	learn(&ask);
	assert_true(learned->hashed);
	assert_int_equal(learned->hash.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE);
	assert_non_null(strstr(learned->facts.path, "/ls"));
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

/* Of no mount that anybody sees, and of no type that we know. */
static void test_unknown_file_system(void **state)
{
	struct ask ask = own_ask();

	(void)state;
	open_pipe = true;
	learn(&ask);
	assert_true(learned->hashed);
	assert_int_equal(hashed, 0);
}

static void *open_behind_the_scenes(void *arg)
{
	char command[192];
	int fd = -1;

	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/mnt", "tmpfs", 0, NULL))
		return NULL;
	own_fd = open(exe, O_RDONLY | O_CLOEXEC);
	snprintf(command, sizeof(command), "cp %s /mnt/ls", exe);
	if (!system(command))
		fd = open("/mnt/ls", O_RDONLY | O_CLOEXEC);
	*(int *)arg = fd;
	return NULL;
}

/* A file of a mount that is gone from all tables: its type is asked of itself. */
static void test_file_of_another_mount_namespace(void **state)
{
	struct ask ask = own_ask();
	pthread_t thread;
	struct stat st;

	(void)state;
	given_fd = -1;
	assert_int_equal(pthread_create(&thread, NULL, open_behind_the_scenes,
					&given_fd), 0);
	pthread_join(thread, NULL);
	if (given_fd < 0)
		skip();
	assert_int_equal(fstat(given_fd, &st), 0);
	ask.exe = test_file_key(&st);
	learn(&ask);
	assert_int_equal(learned->hash.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_CONTENT);
	/* Its path is worth nothing. */
	assert_true(learned->facts.foreign);
	conf.unverifiable = temporary;
	learn(&ask);
	assert_int_equal(learned->hash.evidence,
			 SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE);
	close(given_fd);
	given_fd = -1;
}

/* What is the same file here and there has the same path in both. */
static void test_our_own_file_in_another_mount_namespace(void **state)
{
	struct ask ask = own_ask();

	(void)state;
	if (own_fd < 0)
		skip();
	given_fd = own_fd;
	learn(&ask);
	given_fd = -1;
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
	assert_int_equal(told, 1);	/* the third, at once */
	assert_null(learned);
	while (pool_step(pool))
		;
	assert_int_equal(told, 3);
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
		TEST(test_known_key_on_an_unverifiable_file_system),
		TEST(test_unknown_file_system),
		TEST(test_file_of_another_mount_namespace),
		TEST(test_our_own_file_in_another_mount_namespace),
		TEST(test_other_file),
		TEST(test_too_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
