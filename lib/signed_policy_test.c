// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frame.h"
#include "signed_policy.h"

#define LIMIT 4000000

static char dir[] = "/tmp/signed-policy-test-XXXXXX";
static char key[64], public[64];
static char why[512];

static struct signed_policy make(uint64_t number, const char *text)
{
	struct signed_policy p = {
		.number = number, .time = 1800000000, .author = "alice@mgr1",
		.comment = "no p2p", .text = strdup(text),
	};

	assert_non_null(p.text);
	if (signed_policy_sign(&p, key, why, sizeof(why)))
		fail_msg("%s", why);
	return p;
}

static void what_is_signed_can_be_verified_and_read_back(void **state)
{
	struct signed_policy p = make(7, "rules = ();"), again;
	char head[SIGNED_POLICY_HEAD_SIZE];

	(void)state;
	assert_int_equal(signed_policy_verify(&p, public, why, sizeof(why)), 0);
	assert_int_equal(signed_policy_check_text(&p, why, sizeof(why)), 0);
	signed_policy_head(&p, head);
	assert_int_equal(signed_policy_parse(head, &again), 0);
	assert_int_equal(again.number, 7);
	assert_int_equal(again.time, 1800000000);
	assert_string_equal(again.author, "alice@mgr1");
	assert_string_equal(again.comment, "no p2p");
	assert_memory_equal(again.sha256, p.sha256, SHA256_SIZE);
	signed_policy_free(&p);
}

/* Each field that counts is under the signature. */
static void nothing_of_it_can_be_changed(void **state)
{
	struct signed_policy p = make(7, "rules = ();"), q;

	(void)state;
	q = p;
	q.number++;
	assert_int_equal(signed_policy_verify(&q, public, why, sizeof(why)), -1);
	q = p;
	q.time++;
	assert_int_equal(signed_policy_verify(&q, public, why, sizeof(why)), -1);
	q = p;
	q.author[0] = 'b';
	assert_int_equal(signed_policy_verify(&q, public, why, sizeof(why)), -1);
	q = p;
	q.comment[0] = 'b';
	assert_int_equal(signed_policy_verify(&q, public, why, sizeof(why)), -1);
	q = p;
	q.sha256[31] ^= 1;
	assert_int_equal(signed_policy_verify(&q, public, why, sizeof(why)), -1);
	p.text[0] = 'R';
	assert_int_equal(signed_policy_check_text(&p, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "not the one that was signed"));
	signed_policy_free(&p);
}

static void a_comment_cannot_pose_as_a_line_of_the_head(void **state)
{
	struct signed_policy p = { .number = 1, .author = "a@b", .comment = "x\nsize 1" };

	(void)state;
	p.text = strdup("rules = ();");
	assert_int_equal(signed_policy_sign(&p, key, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "of one line"));
	signed_policy_free(&p);
	assert_true(signed_policy_line_valid("Grüße", 10));
	assert_false(signed_policy_line_valid("Grüße", 6));
	assert_false(signed_policy_line_valid("\xff", 10));
	assert_false(signed_policy_line_valid("\x7f", 10));
}

static void what_is_no_head_is_refused(void **state)
{
	struct signed_policy p = make(7, "rules = ();"), again;
	char head[SIGNED_POLICY_HEAD_SIZE];
	size_t length = signed_policy_head(&p, head);

	(void)state;
	for (size_t cut = 0; cut < length; cut++) {
		char kept = head[cut];

		head[cut] = '\0';
		assert_int_equal(signed_policy_parse(head, &again), -1);
		head[cut] = kept;
	}
	strcpy(head + length, "\n");
	assert_int_equal(signed_policy_parse(head, &again), -1);
	signed_policy_free(&p);
}

/* ---- parts ---- */

static char *long_text(size_t size)
{
	char *text = malloc(size + 1);

	assert_non_null(text);
	for (size_t i = 0; i < size; i++)
		text[i] = (char)('a' + i % 26);
	text[size] = '\0';
	return text;
}

static void a_long_one_comes_in_parts_that_fit_a_frame(void **state)
{
	char *text = long_text(3 * SIGNED_POLICY_PART + 5);
	struct signed_policy p = make(2, text);
	struct signed_policy_parts parts = { 0 };
	Sockgate__PolicyVersion part;
	unsigned int n = 0;
	size_t sent = 0;
	int rc = 1;

	(void)state;
	while (rc == 1) {
		signed_policy_message(&p, &sent, &part);
		assert_true(sockgate__policy_version__get_packed_size(&part) < FRAME_LIMIT);
		rc = signed_policy_add(&parts, 9, &part, LIMIT, why, sizeof(why));
		n++;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(n, 4);
	assert_string_equal(parts.policy.text, text);
	assert_int_equal(signed_policy_verify(&parts.policy, public, why, sizeof(why)), 0);
	assert_int_equal(signed_policy_check_text(&parts.policy, why, sizeof(why)), 0);
	signed_policy_parts_free(&parts);
	signed_policy_free(&p);
	free(text);
}

/* One that is cut is never whole, and does not become part of the one after it. */
static void a_cut_one_is_forgotten_by_the_next(void **state)
{
	char *text = long_text(SIGNED_POLICY_PART + 5);
	struct signed_policy p = make(2, text), q = make(3, "rules = ();");
	struct signed_policy_parts parts = { 0 };
	Sockgate__PolicyVersion part;
	size_t sent = 0;

	(void)state;
	signed_policy_message(&p, &sent, &part);
	assert_int_equal(signed_policy_add(&parts, 9, &part, LIMIT, why, sizeof(why)), 1);
	sent = 0;
	signed_policy_message(&q, &sent, &part);
	assert_int_equal(signed_policy_add(&parts, 10, &part, LIMIT, why, sizeof(why)), 0);
	assert_int_equal(parts.policy.number, 3);
	assert_string_equal(parts.policy.text, "rules = ();");
	signed_policy_parts_free(&parts);
	signed_policy_free(&p);
	signed_policy_free(&q);
	free(text);
}

/* Refused once, at its end, whatever part of it was wrong. */
static void parts_that_make_no_whole_are_refused_once(void **state)
{
	char *text = long_text(2 * SIGNED_POLICY_PART + 5);
	struct signed_policy p = make(2, text);
	struct signed_policy_parts parts = { 0 };
	Sockgate__PolicyVersion part;
	size_t sent = 0;

	(void)state;
	signed_policy_message(&p, &sent, &part);
	assert_int_equal(signed_policy_add(&parts, 9, &part, LIMIT, why, sizeof(why)), 1);
	/* The one between is lost. */
	sent = 2 * SIGNED_POLICY_PART;
	signed_policy_message(&p, &sent, &part);
	assert_false(part.more);
	assert_int_equal(signed_policy_add(&parts, 9, &part, LIMIT, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "its parts make no whole"));
	/* Too long: told at the end. */
	sent = 0;
	signed_policy_message(&p, &sent, &part);
	assert_int_equal(signed_policy_add(&parts, 10, &part, 100, why, sizeof(why)), 1);
	signed_policy_message(&p, &sent, &part);
	assert_int_equal(signed_policy_add(&parts, 10, &part, 100, why, sizeof(why)), 1);
	signed_policy_message(&p, &sent, &part);
	assert_int_equal(signed_policy_add(&parts, 10, &part, 100, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "larger than a policy may be"));
	signed_policy_parts_free(&parts);
	signed_policy_free(&p);
	free(text);
}

static void one_without_its_fields_is_refused(void **state)
{
	struct signed_policy p = make(2, "rules = ();");
	struct signed_policy_parts parts = { 0 };
	Sockgate__PolicyVersion part;
	size_t sent = 0;

	(void)state;
	signed_policy_message(&p, &sent, &part);
	part.signature.len = 3;
	assert_int_equal(signed_policy_add(&parts, 1, &part, LIMIT, why, sizeof(why)), -1);
	sent = 0;
	signed_policy_message(&p, &sent, &part);
	part.number = 0;
	assert_int_equal(signed_policy_add(&parts, 2, &part, LIMIT, why, sizeof(why)), -1);
	signed_policy_parts_free(&parts);
	signed_policy_free(&p);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(key, sizeof(key), "%s/key", dir);
	snprintf(public, sizeof(public), "%s/pub", dir);
	return ed25519_make(key, public, why, sizeof(why));
}

static int tear_down(void **state)
{
	(void)state;
	unlink(key);
	unlink(public);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_signed_can_be_verified_and_read_back),
		cmocka_unit_test(nothing_of_it_can_be_changed),
		cmocka_unit_test(a_comment_cannot_pose_as_a_line_of_the_head),
		cmocka_unit_test(what_is_no_head_is_refused),
		cmocka_unit_test(a_long_one_comes_in_parts_that_fit_a_frame),
		cmocka_unit_test(a_cut_one_is_forgotten_by_the_next),
		cmocka_unit_test(parts_that_make_no_whole_are_refused_once),
		cmocka_unit_test(one_without_its_fields_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
