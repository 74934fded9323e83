// SPDX-License-Identifier: GPL-2.0-only
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "recall.h"

#define GENERATION 5
#define NAMED (1U << SOCKGATE_EVENT_ACCEPT)
#define TAG 0x300
#define LIFETIME_MS 1000
#define LATENCY_US 13

static const struct moment now = { .us = 7000000, .wall_us = 99 };
static struct recall *recall;
static struct answer answer;

static struct ask ask_of(uint32_t uid)
{
	return (struct ask){ .id = 1000 + uid, .uid = uid,
			     .event = SOCKGATE_EVENT_CONNECT,
			     .family = AF_INET, .protocol = IPPROTO_TCP };
}

static void remember(uint32_t uid)
{
	struct verdict *v = verdict_new();
	struct ask ask = ask_of(uid);

	assert_non_null(v);
	v->scope = (struct scope){ .fields = SOCKGATE_F_UID };
	v->action = SOCKGATE_ACTION_ALLOW;
	v->tag = TAG;
	v->expires_ms = now.us / 1000 + LIFETIME_MS;
	recall_add(recall, &ask, v);
	verdict_put(v);
}

static enum recall_result find(uint32_t uid)
{
	struct ask ask = ask_of(uid);

	memset(&answer, 0, sizeof(answer));
	return recall_find(recall, &ask, now, &answer);
}

static unsigned int take(void)
{
	struct recall_hit *hits;
	unsigned int n = recall_take(recall, &hits);

	for (unsigned int i = 0; i < n; i++)
		verdict_put(hits[i].verdict);
	return n;
}

static uint64_t answered_us(void *arg)
{
	return now.us + *(const uint32_t *)arg;
}

static int start_with(bool cache_in_kernel)
{
	static uint32_t latency_us = LATENCY_US;
	const struct recall_conf conf = {
		.max_decisions = 8, .cache_in_kernel = cache_in_kernel,
		.now_us = answered_us, .arg = &latency_us,
	};

	recall = recall_new(&conf, GENERATION, NAMED);
	return recall ? 0 : -1;
}

static int start(void **state)
{
	(void)state;
	return start_with(true);
}

static int stop(void **state)
{
	(void)state;
	recall_free(recall);
	return 0;
}

static void test_answer(void **state)
{
	(void)state;
	assert_int_equal(find(1), RECALL_NO);
	remember(1);
	assert_int_equal(find(1), RECALL_FIRST);
	assert_int_equal(answer.id, 1001);
	assert_int_equal(answer.action, SOCKGATE_ACTION_ALLOW);
	assert_int_equal(answer.tag, TAG);
	assert_int_equal(answer.generation, GENERATION);
	assert_int_equal(answer.lifetime_ms, LIFETIME_MS);
	assert_int_equal(answer.scope.fields, SOCKGATE_F_UID);
	assert_int_equal(find(2), RECALL_NO);
	assert_int_equal(recall_counts(recall).answered, 1);
	assert_int_equal(recall_counts(recall).decisions, 1);
}

static enum recall_result find_event(uint8_t event, uint8_t protocol)
{
	struct ask ask = ask_of(1);

	ask.event = event;
	ask.protocol = protocol;
	return recall_find(recall, &ask, now, &answer);
}

/* A verdict for whatever is judged is none for what is not. */
static void test_event_that_is_not_judged(void **state)
{
	(void)state;
	remember(1);
	assert_int_equal(find_event(SOCKGATE_EVENT_LISTEN, IPPROTO_TCP), RECALL_FIRST);
	assert_int_equal(find_event(SOCKGATE_EVENT_ACCEPT, IPPROTO_TCP), RECALL_YES);
	assert_int_equal(find_event(SOCKGATE_EVENT_CLOSE, IPPROTO_TCP), RECALL_NO);
	assert_int_equal(find_event(SOCKGATE_EVENT_OPEN, IPPROTO_TCP), RECALL_NO);
	assert_int_equal(find_event(SOCKGATE_EVENT_OPEN, SOCKGATE_PROTOCOL_PACKET),
			 RECALL_YES);
	assert_int_equal(find_event(SOCKGATE_EVENT_OPEN, SOCKGATE_PROTOCOL_OTHER),
			 RECALL_YES);
	assert_int_equal(find_event(SOCKGATE_EVENT_RECEIVE, SOCKGATE_PROTOCOL_OTHER),
			 RECALL_NO);
	/* It is taken over with the generation. */
	recall_void(recall, GENERATION + 1, 1U << SOCKGATE_EVENT_CLOSE);
	remember(1);
	assert_int_equal(find_event(SOCKGATE_EVENT_CLOSE, IPPROTO_TCP), RECALL_YES);
	assert_int_equal(find_event(SOCKGATE_EVENT_ACCEPT, IPPROTO_TCP), RECALL_NO);
	take();
}

static void test_kernel_may_not_remember(void **state)
{
	(void)state;
	recall_free(recall);
	assert_int_equal(start_with(false), 0);
	remember(1);
	assert_int_equal(find(1), RECALL_FIRST);
	assert_int_equal(answer.lifetime_ms, 0);
}

static void test_hits_are_told_once(void **state)
{
	struct recall_hit *hits;

	(void)state;
	remember(1);
	assert_int_equal(find(1), RECALL_FIRST);
	assert_int_equal(find(1), RECALL_YES);
	assert_int_equal(recall_take(recall, &hits), 2);
	assert_int_equal(hits[1].ask.uid, 1);
	assert_int_equal(hits[1].begun.wall_us, now.wall_us);
	assert_int_equal(hits[1].latency_us, LATENCY_US);
	/* They stay while more come in. */
	assert_int_equal(find(1), RECALL_FIRST);
	assert_int_equal(hits[1].verdict->tag, TAG);
	verdict_put(hits[0].verdict);
	verdict_put(hits[1].verdict);
	assert_int_equal(take(), 1);
	assert_int_equal(take(), 0);
}

/* No answer that would not be recorded. */
static void test_full(void **state)
{
	(void)state;
	remember(1);
	for (unsigned int i = 0; i < RECALL_MAX_HITS; i++)
		assert_int_not_equal(find(1), RECALL_FULL);
	assert_int_equal(find(1), RECALL_FULL);
	assert_int_equal(answer.id, 0);
	assert_int_equal(take(), RECALL_MAX_HITS);
	assert_int_equal(find(1), RECALL_FIRST);
}

static void test_another_policy(void **state)
{
	(void)state;
	remember(1);
	recall_void(recall, GENERATION + 1, NAMED);
	assert_int_equal(find(1), RECALL_NO);
	remember(1);
	assert_int_equal(find(1), RECALL_FIRST);
	assert_int_equal(answer.generation, GENERATION + 1);
}

#define ROUNDS 20000

static _Atomic bool enough;

static void *ask_often(void *arg)
{
	unsigned int *answered = arg;
	struct ask ask = ask_of(1);
	struct answer mine;
	enum recall_result r;

	while (!enough) {
		r = recall_find(recall, &ask, now, &mine);
		*answered += r == RECALL_YES || r == RECALL_FIRST;
	}
	return NULL;
}

/* Whoever was answered is recorded, whatever the loop does meanwhile. */
static void test_two_threads(void **state)
{
	unsigned int answered = 0, taken = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, ask_often, &answered), 0);
	for (unsigned int i = 0; i < ROUNDS || !taken; i++) {
		remember(1);
		taken += take();
		recall_void(recall, GENERATION + i, NAMED);
	}
	enough = true;
	assert_int_equal(pthread_join(thread, NULL), 0);
	taken += take();
	assert_int_equal(taken, answered);
	assert_int_equal(recall_counts(recall).answered, answered);
}

#define recall_test(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		recall_test(test_answer),
		recall_test(test_event_that_is_not_judged),
		recall_test(test_kernel_may_not_remember),
		recall_test(test_hits_are_told_once),
		recall_test(test_full),
		recall_test(test_another_policy),
		recall_test(test_two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
