/* SPDX-License-Identifier: GPL-2.0-only */
/* Decisions remembered, each for everything it did not look at. */
#ifndef NFAGENT_DECISIONS_H
#define NFAGENT_DECISIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "ask.h"
#include "sockgate.pb-c.h"

struct decisions;

/* Different scopes in use at a time; policies need a handful. */
#define DECISIONS_MAX_SCOPES 64

/*
 * A decision as it is remembered.  It lives as long as a reference is held:
 * the cache holds one, and so does a record that has still to be written.
 * References may be taken and put in any thread.
 */
struct verdict {
	struct scope scope;
	uint64_t expires_ms;		/* on the caller's clock */
	uint32_t tag;			/* shifted */
	uint32_t error;
	uint8_t action;			/* enum sockgate_action */
	_Atomic unsigned int refs;
	struct sockgate_file exe;	/* of the question it was made for */
	Sockgate__Decision *decision;	/* as the server sent it */
	Sockgate__Process *process;	/* what was learned then */
	Sockgate__User *user;
	Sockgate__Place *place;
	uint32_t uid;
	uint64_t cgroup;
};

/*
 * verdict_new - an empty one with one reference, its messages still NULL
 * The messages, once set, belong to it.  Returns NULL if out of memory.
 */
struct verdict *verdict_new(void);
struct verdict *verdict_get(struct verdict *v);
void verdict_put(struct verdict *v);

/*
 * verdict_answer - what to tell the kernel
 * @lifetime_ms: how long it may remember; 0: not at all
 */
void verdict_answer(const struct verdict *v, uint64_t ask_id,
		    uint32_t generation, uint64_t lifetime_ms,
		    struct answer *answer);

/*
 * scope_of_decision - turn the fields of the wire into the kernel's
 * @ask: gives the address lengths that bound the prefixes
 * A bit that this program does not know widens the scope to everything: a
 * newer server's reason must not be forgotten.
 */
struct scope scope_of_decision(const Sockgate__Decision *decision,
			       const struct ask *ask);

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
