/* SPDX-License-Identifier: GPL-2.0-only */
/* The rules of a policy by what they ask for: docs/POLICY-INDEX.md says how, and why. */
#ifndef SECSRV_INDEX_H
#define SECSRV_INDEX_H

#include <stdint.h>

#include "match.h"

struct index;

/*
 * index_new - of @rules rules, which outlive it
 * Returns NULL if out of memory.
 */
struct index *index_new(const struct rule *rule, uint32_t rules);
/* NULL is ignored. */
void index_free(struct index *ix);

/*
 * index_find - the first rule that matches, or cannot be judged
 * @lacks: the condition that could not be judged, COND_COUNT if it matches
 * Returns its number; that of all rules if there is none.  As if match_rule() had
 * been asked of one after the other.
 */
uint32_t index_find(const struct index *ix, const struct subject *subject,
		    enum condition *lacks);

/*
 * index_looked - what has to be looked at to say so
 * @found: what index_find() has returned
 * The conditions are those that match_rule() would have looked at in turn; of the
 * remote address no more bits than settle it.
 */
void index_looked(const struct index *ix, const struct subject *subject,
		  uint32_t found, struct looked *looked);

/*
 * index_prefix - the bits of the remote address that a verdict is to rest on
 * No fewer than needed; rounded up, so that a policy leads to few different masks.
 */
unsigned int index_prefix(const struct index *ix, const struct subject *subject,
			  const struct prefix_look *look);

/*
 * index_cover - the first rule that takes all that a later one would match
 * Returns @later if there is none.
 */
uint32_t index_cover(const struct index *ix, uint32_t later);

#endif
