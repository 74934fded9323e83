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
#include <event2/event.h>

#include "pool.h"
#include "sender.h"
#include "test_file.h"

#define LIMIT (4U * SENDER_PART)
#define SIZE (2U * SENDER_PART + 100)

static struct event_base *base;
static struct pool *pool;
static struct sender *sender;
static char path[] = "/tmp/sender-test-XXXXXX";
static uint8_t content[SIZE], got[SIZE];

/* The server, as far as the sender sees it. */
static struct {
	bool deaf;
	unsigned int turns, parts, ends;
	uint64_t id;
	size_t size;
	Sockgate__Missing missing;
} server;

static int on_part(uint64_t id, Sockgate__ContentPart *part, void *arg)
{
	(void)arg;
	server.turns++;
	if (server.deaf)
		return -1;
	server.id = id;
	server.parts++;
	server.ends += (unsigned int)part->end;
	server.missing = part->missing;
	assert_true(server.size + part->data.len <= sizeof(got));
	if (part->data.len)
		memcpy(got + server.size, part->data.data, part->data.len);
	server.size += part->data.len;
	return 0;
}

/* One timer, and one read. */
static void turn(void)
{
	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	pool_step(pool);
}

/* Until nothing is left to do: a part takes two. */
static void run(void)
{
	for (int i = 0; i < 20; i++)
		turn();
}

static int set_up(void **state)
{
	const struct sender_conf conf = { .limit = LIMIT, .send = on_part };
	int fd;

	(void)state;
	memset(&server, 0, sizeof(server));
	base = event_base_new();
	pool = pool_new(base, 0, 1);
	sender = sender_new(base, pool, &conf);
	assert_non_null(sender);
	for (size_t i = 0; i < SIZE; i++)
		content[i] = (uint8_t)(i * 7 >> 3);
	strcpy(path, "/tmp/sender-test-XXXXXX");
	fd = mkstemp(path);
	assert_int_equal(write(fd, content, SIZE), SIZE);
	close(fd);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	pool_free(pool);
	sender_free(sender);
	event_base_free(base);
	return unlink(path);
}

static struct sockgate_file key(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return test_file_key(&st);
}

static void add(uint64_t id, const struct sockgate_file *file, uint64_t limit)
{
	sender_add(sender, id, open(path, O_RDONLY | O_CLOEXEC), file, limit);
}

static void test_whole_in_parts(void **state)
{
	struct sockgate_file file = key();

	(void)state;
	add(7, &file, LIMIT);
	assert_int_equal(server.parts, 0);
	run();
	assert_int_equal(server.id, 7);
	assert_int_equal(server.parts, 3);
	assert_int_equal(server.ends, 1);
	assert_int_equal(server.size, SIZE);
	assert_memory_equal(got, content, SIZE);
	assert_int_equal(sender_counts(sender)->sent, 1);
}

static void test_one_after_the_other(void **state)
{
	struct sockgate_file file = key();

	(void)state;
	add(1, &file, LIMIT);
	add(2, &file, LIMIT);
	while (!server.ends)
		turn();
	assert_int_equal(server.id, 1);
	assert_int_equal(server.size, SIZE);
	server.size = 0;
	run();
	assert_int_equal(server.id, 2);
	assert_int_equal(server.ends, 2);
	assert_memory_equal(got, content, SIZE);
}

/* While something else is on its way it waits, and nothing is lost. */
static void test_waits_for_its_turn(void **state)
{
	struct sockgate_file file = key();

	(void)state;
	server.deaf = true;
	add(1, &file, LIMIT);
	while (server.turns < 5)
		turn();
	assert_int_equal(server.parts, 0);
	server.deaf = false;
	run();
	assert_int_equal(server.size, SIZE);
	assert_memory_equal(got, content, SIZE);
}

static void test_too_large_for_either(void **state)
{
	struct sockgate_file file = key();

	(void)state;
	add(1, &file, SIZE - 1);
	assert_int_equal(server.missing, SOCKGATE__MISSING__MISSING_TOO_LARGE);
	assert_int_equal(server.ends, 1);
	assert_int_equal(truncate(path, LIMIT + 1), 0);
	file = key();
	server.missing = 0;
	add(2, &file, UINT64_MAX);
	assert_int_equal(server.missing, SOCKGATE__MISSING__MISSING_TOO_LARGE);
	run();
	assert_int_equal(server.size, 0);
	assert_int_equal(sender_counts(sender)->refused, 2);
}

static void test_gone(void **state)
{
	struct sockgate_file file = key();

	(void)state;
	sender_add(sender, 1, -1, &file, LIMIT);
	assert_int_equal(server.missing, SOCKGATE__MISSING__MISSING_GONE);
	/* It is another one than was hashed. */
	file.ctime_ns--;
	server.missing = 0;
	add(2, &file, LIMIT);
	run();
	assert_int_equal(server.missing, SOCKGATE__MISSING__MISSING_GONE);
	assert_int_equal(server.size, 0);
}

static void test_changed_in_the_middle(void **state)
{
	struct sockgate_file file = key();

	(void)state;
	add(1, &file, LIMIT);
	while (!server.parts)
		turn();
	assert_int_equal(truncate(path, SENDER_PART), 0);
	run();
	assert_int_equal(server.missing, SOCKGATE__MISSING__MISSING_GONE);
	assert_int_equal(server.ends, 1);
	assert_int_equal(server.size, SENDER_PART);
	assert_int_equal(sender_counts(sender)->sent, 0);
}

static void test_no_more_than_so_many(void **state)
{
	struct sockgate_file file = key();

	(void)state;
	for (unsigned int i = 0; i < SENDER_MAX; i++)
		add(i, &file, LIMIT);
	assert_int_equal(server.parts, 0);
	add(99, &file, LIMIT);
	assert_int_equal(server.id, 99);
	assert_int_equal(server.missing, SOCKGATE__MISSING__MISSING_BUSY);
}

static void test_refused_by_configuration(void **state)
{
	const struct sender_conf conf = { .limit = 0, .send = on_part };
	struct sockgate_file file = key();
	struct sender *other = sender_new(base, pool, &conf);

	(void)state;
	assert_non_null(other);
	sender_add(other, 1, open(path, O_RDONLY | O_CLOEXEC), &file, LIMIT);
	assert_int_equal(server.missing, SOCKGATE__MISSING__MISSING_REFUSED);
	assert_int_equal(server.ends, 1);
	sender_free(other);
}

/* One of them is being read then. */
static void test_nobody_wants_it_any_more(void **state)
{
	struct sockgate_file file = key();

	(void)state;
	add(1, &file, LIMIT);
	add(2, &file, LIMIT);
	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	sender_stop(sender);
	run();
	assert_int_equal(server.parts, 0);
	add(3, &file, LIMIT);
	run();
	assert_int_equal(server.id, 3);
	assert_int_equal(server.size, SIZE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_whole_in_parts),
		TEST(test_one_after_the_other),
		TEST(test_waits_for_its_turn),
		TEST(test_too_large_for_either),
		TEST(test_gone),
		TEST(test_changed_in_the_middle),
		TEST(test_no_more_than_so_many),
		TEST(test_refused_by_configuration),
		TEST(test_nobody_wants_it_any_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
