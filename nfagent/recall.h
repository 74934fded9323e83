/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Questions that need nobody to be asked: the decision cache, and who was
 * answered from it, for the thread that reads questions and for the event loop.
 */
#ifndef NFAGENT_RECALL_H
#define NFAGENT_RECALL_H

#include <stdbool.h>
#include <stdint.h>

#include "ask.h"
#include "decisions.h"
#include "moment.h"

/* Answered from the cache, and still to be recorded. */
#define RECALL_MAX_HITS 1024

struct recall;

struct recall_hit {
	struct ask ask;
	struct moment begun;
	uint32_t latency_us;		/* from then until it was answered */
	struct verdict *verdict;
};

struct recall_conf {
	unsigned int max_decisions;
	uint64_t seed;			/* random, nobody else's to know */
	bool cache_in_kernel;		/* answers say for how long they hold */
	uint64_t (*now_us)(void *arg);	/* the monotonic clock, in any thread */
	void *arg;
};

enum recall_result {
	RECALL_NO,
	RECALL_FULL,	/* hits have to be taken first */
	RECALL_YES,
	RECALL_FIRST,	/* yes, and it is the first hit since they were taken */
};

struct recall_counts {
	uint64_t answered;
	unsigned int decisions;
	struct decisions_counts cache;
};

/*
 * recall_new
 * @generation: what answers say they come from
 * @events:     the optional events that the policy names
 * Returns NULL if out of memory.
 */
struct recall *recall_new(const struct recall_conf *conf, uint32_t generation,
			  uint32_t events);

/* Hits that were not taken are dropped. */
void recall_free(struct recall *r);

/* ---- in any thread ---- */

/*
 * recall_find - answer from the cache
 * @answer: filled in with RECALL_YES and RECALL_FIRST
 * There is no answer to an optional event that the policy does not name: a verdict
 * that holds for whatever is judged does not hold for it.
 */
enum recall_result recall_find(struct recall *r, const struct ask *ask,
			       struct moment now, struct answer *answer);

/* Remember @v (one more reference) for its scope around @ask. */
void recall_add(struct recall *r, const struct ask *ask, struct verdict *v);

/* The policy is another, and names these events: forget everything. */
void recall_void(struct recall *r, uint32_t generation, uint32_t events);

struct recall_counts recall_counts(struct recall *r);

/* ---- in one thread ---- */

/*
 * recall_take - what was answered since the last time
 * Returns how many; they are valid until the next call, the references to their
 * verdicts are the caller's.
 */
unsigned int recall_take(struct recall *r, struct recall_hit **hits);

#endif
