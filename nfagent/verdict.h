/* SPDX-License-Identifier: GPL-2.0-only */
/* What a server's decision means to the kernel, and for how long. */
#ifndef NFAGENT_VERDICT_H
#define NFAGENT_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "ask.h"
#include "identity.h"
#include "sockgate.pb-c.h"
#include "user.h"

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
 * verdict_read - fill in action, errno, scope and tag from a decision
 * @ask:       gives the address lengths that bound the prefixes
 * @mark_mask: where the tag goes
 * A field that this program does not know widens the scope to everything: a newer
 * server's reason must not be forgotten.
 * Returns 0, or -1 if the decision makes no sense: no action, or a tag that does
 * not fit.
 */
int verdict_read(struct verdict *v, const Sockgate__Decision *decision,
		 const struct ask *ask, uint32_t mark_mask);

/*
 * verdict_answer - what to tell the kernel
 * @lifetime_ms: how long it may remember; 0: not at all
 */
void verdict_answer(const struct verdict *v, uint64_t ask_id,
		    uint32_t generation, uint64_t lifetime_ms,
		    struct answer *answer);

/*
 * verdict_lasts - may a decision be remembered?
 * One that looked at something which was not to be had holds for its question
 * only: the next one may know more.
 */
bool verdict_lasts(const Sockgate__Decision *decision,
		   const struct identity *id, const struct user *user);

/*
 * verdict_keep - what records of later hits need: copies of what is known
 * Returns 0, or -1 if out of memory.
 */
int verdict_keep(struct verdict *v, const Sockgate__Decision *decision,
		 const struct ask *ask, const struct identity *id,
		 const struct user *user);

#endif
