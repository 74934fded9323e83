/* SPDX-License-Identifier: GPL-2.0-only */
/* Decisions remembered, each for everything it did not look at. */
#ifndef NFAGENT_DECISIONS_H
#define NFAGENT_DECISIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "ask.h"
#include "verdict.h"

struct decisions;

/* Different scopes in use at a time; policies need a handful. */
#define DECISIONS_MAX_SCOPES 64

struct decisions_counts {
	uint64_t evicted;	/* to make room */
	uint64_t expired;
	uint64_t refused;	/* DECISIONS_MAX_SCOPES reached, or no memory */
};

/*
 * decisions_new - an empty cache for @max decisions
 * @seed: random, nobody else's to know
 * Returns NULL if out of memory.
 */
struct decisions *decisions_new(unsigned int max, uint64_t seed);
void decisions_free(struct decisions *d);

/* Returns a verdict that holds for @ask, which stays the cache's, or NULL. */
struct verdict *decisions_find(struct decisions *d, const struct ask *ask,
			       uint64_t now_ms);

/*
 * decisions_add - remember @v (one more reference) for its scope around @ask
 * The least recently used makes room.
 */
void decisions_add(struct decisions *d, const struct ask *ask,
		   struct verdict *v);

/* Forget everything: the policy is another. */
void decisions_flush(struct decisions *d);

unsigned int decisions_count(const struct decisions *d);
const struct decisions_counts *decisions_counts(const struct decisions *d);

#endif
