// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "answers.h"

static const struct answers_conf conf = {
	.max = 3, .lifetime_s = 100, .unknown_lifetime_s = 10,
};
static struct answers *answers;

static struct answer_key key_of(uint8_t content)
{
	struct answer_key key = { .digest = { content } };

	return key;
}

/* 0: nothing is known of it */
static void put(uint8_t content, const char *name, uint64_t now_s)
{
	struct sigdb_answer a = { .source = *name ? SIGDB_HASH : SIGDB_NONE };
	struct answer_key key = key_of(content);

	snprintf(a.name, sizeof(a.name), "%s", name);
	answers_put(answers, &key, &a, now_s);
}

/* NULL: none is remembered */
static const char *get(uint8_t content, uint64_t now_s)
{
	struct answer_key key = key_of(content);
	const struct sigdb_answer *a = answers_get(answers, &key, now_s);

	return a ? a->name : NULL;
}

static void test_remembered_for_its_time(void **state)
{
	const struct answers_counters *n = answers_counters(answers);

	(void)state;
	assert_null(get(1, 1000));
	put(1, "curl", 1000);
	assert_string_equal(get(1, 1000), "curl");
	assert_string_equal(get(1, 1099), "curl");
	assert_null(get(1, 1100));
	assert_int_equal(n->n_hit, 2);
	assert_int_equal(n->n_missed, 2);
	assert_int_equal(n->n_expired, 1);
	assert_int_equal(n->n_evicted, 0);
	assert_int_equal(answers_count(answers), 0);
}

/* What nobody knows may soon be known. */
static void test_unknown_has_a_time_of_its_own(void **state)
{
	(void)state;
	put(1, "", 1000);
	put(2, "curl", 1000);
	assert_string_equal(get(1, 1009), "");
	assert_null(get(1, 1010));
	assert_string_equal(get(2, 1010), "curl");
}

/* Being used is no new answer. */
static void test_use_does_not_prolong(void **state)
{
	(void)state;
	put(1, "curl", 1000);
	for (uint64_t t = 1000; t < 1100; t += 9)
		assert_non_null(get(1, t));
	assert_null(get(1, 1100));
}

static void test_the_least_recently_used_makes_room(void **state)
{
	(void)state;
	put(1, "a", 0);
	put(2, "b", 0);
	put(3, "c", 0);
	assert_string_equal(get(1, 1), "a");
	put(4, "d", 1);
	assert_int_equal(answers_count(answers), 3);
	assert_int_equal(answers_counters(answers)->n_evicted, 1);
	assert_null(get(2, 1));
	assert_string_equal(get(1, 1), "a");
	assert_string_equal(get(3, 1), "c");
	assert_string_equal(get(4, 1), "d");
}

static void test_a_new_answer_replaces_the_old(void **state)
{
	(void)state;
	put(1, "", 0);
	put(1, "curl", 5);
	assert_int_equal(answers_count(answers), 1);
	assert_string_equal(get(1, 50), "curl");
}

static void test_all_is_forgotten(void **state)
{
	(void)state;
	put(1, "a", 0);
	put(2, "b", 0);
	answers_drop(answers);
	assert_int_equal(answers_count(answers), 0);
	assert_null(get(1, 0));
	put(1, "z", 0);
	assert_string_equal(get(1, 0), "z");
}

/* Made up, they can be as many as one likes. */
static void test_the_unknown_makes_room_first(void **state)
{
	(void)state;
	put(1, "a", 0);
	put(2, "b", 0);
	for (uint8_t i = 10; i < 20; i++)
		put(i, "", 1);
	assert_int_equal(answers_count(answers), 3);
	assert_string_equal(get(1, 2), "a");
	assert_string_equal(get(2, 2), "b");
	assert_string_equal(get(19, 2), "");
	put(3, "c", 2);
	assert_null(get(19, 2));
	assert_string_equal(get(1, 2), "a");
}

static bool same_key(const struct answers *a, const struct sigdb_question *q,
		     const struct answers *b, const struct sigdb_question *r)
{
	struct answer_key x, y;

	assert_int_equal(answers_key(a, q, &x), 0);
	assert_int_equal(answers_key(b, r, &y), 0);
	return !memcmp(&x, &y, sizeof(x));
}

/* All that is asked makes the key, and what nobody else knows. */
static void test_keys_cannot_be_foreseen(void **state)
{
	static const uint8_t one[32] = { 1 }, two[32] = { 2 }, id[8] = { 3 };
	const struct sigdb_question q = { .sha256 = one, .path = "/a", .file_name = "b" };
	struct answers *other = answers_new(&conf);
	struct sigdb_question r = q;

	(void)state;
	assert_non_null(other);
	assert_true(same_key(answers, &q, answers, &r));
	assert_false(same_key(answers, &q, other, &q));
	r.sha256 = two;
	assert_false(same_key(answers, &q, answers, &r));
	r = q;
	r.build_id = id;
	r.build_id_size = sizeof(id);
	assert_false(same_key(answers, &q, answers, &r));
	r = q;
	r.path = NULL;
	assert_false(same_key(answers, &q, answers, &r));
	r = q;
	r.file_name = "c";
	assert_false(same_key(answers, &q, answers, &r));
	answers_free(other);
}

static int set_up(void **state)
{
	(void)state;
	answers = answers_new(&conf);
	return answers ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	answers_free(answers);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_remembered_for_its_time),
		TEST(test_unknown_has_a_time_of_its_own),
		TEST(test_use_does_not_prolong),
		TEST(test_the_least_recently_used_makes_room),
		TEST(test_a_new_answer_replaces_the_old),
		TEST(test_all_is_forgotten),
		TEST(test_the_unknown_makes_room_first),
		TEST(test_keys_cannot_be_foreseen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
