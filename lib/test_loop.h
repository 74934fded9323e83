/* SPDX-License-Identifier: GPL-2.0-only */
/* For unit tests only: an event loop that runs until something has come. */
#ifndef SOCKGATE_TEST_LOOP_H
#define SOCKGATE_TEST_LOOP_H

#include <stdbool.h>
#include <event2/event.h>

/* What comes may be no event of this loop: it is looked at so often, too. */
#define TEST_LOOP_MS 5

struct test_loop {
	struct event *poll;
	unsigned int turns, limit;
};

static inline void test_loop_on_poll(evutil_socket_t fd, short what, void *turns)
{
	(void)fd, (void)what;
	++*(unsigned int *)turns;
}

static inline void test_loop_begin(struct test_loop *l, struct event_base *base,
				   unsigned int seconds)
{
	struct timeval interval = { .tv_usec = TEST_LOOP_MS * 1000 };

	l->turns = 0;
	l->limit = seconds * 1000 / TEST_LOOP_MS;
	l->poll = event_new(base, -1, EV_PERSIST, test_loop_on_poll, &l->turns);
	event_add(l->poll, &interval);
}

/* Returns false once the time is over. */
static inline bool test_loop_turn(struct test_loop *l)
{
	if (l->turns >= l->limit)
		return false;
	event_base_loop(event_get_base(l->poll), EVLOOP_ONCE);
	return true;
}

static inline void test_loop_end(struct test_loop *l)
{
	event_free(l->poll);
}

/* Fails the test if @condition does not hold within so many seconds. */
#define test_loop_until(base, seconds, condition) do {			\
	struct test_loop loop_;						\
	bool holds_;							\
									\
	test_loop_begin(&loop_, base, seconds);				\
	do								\
		holds_ = (condition);					\
	while (!holds_ && test_loop_turn(&loop_));			\
	test_loop_end(&loop_);						\
	assert_true(holds_);						\
} while (0)

#endif
