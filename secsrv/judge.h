/* SPDX-License-Identifier: GPL-2.0-only */
/* What is in force: the policy, its generation, and the signatures. */
#ifndef SECSRV_JUDGE_H
#define SECSRV_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "identity.h"
#include "policy.h"
#include "serial.h"
#include "sockgate.pb-c.h"

struct judge;

/* Counted by outcome; each question ends in exactly one of the first group. */
struct judge_counters {
	uint64_t n_allowed;
	uint64_t n_denied;
	uint64_t n_audited;	/* allowed, to be noticed */
	uint64_t n_failed_allow;	/* a field was missing: failure action */
	uint64_t n_failed_deny;

	uint64_t n_loaded;	/* policies put in force */
	uint64_t n_rejected;	/* policies refused */
};

/*
 * judge_open - load the policy
 * @identities: outlives the judge
 * @generation: the last one that was in force, 0 if none
 * @now_s:      wall clock, seconds since 1970
 * @why:        on failure a sentence
 */
struct judge *judge_open(const char *policy_file, struct identity_cache *identities,
			 uint64_t generation, uint64_t now_s, char *why,
			 size_t why_size);
void judge_close(struct judge *judge);

/*
 * judge_put - put a policy in force, whole
 * @policy: the judge's from here on
 * @name:   of its text, for messages
 */
void judge_put(struct judge *judge, struct policy *policy, const char *name,
	       uint64_t now_s);

/* judge_reject - note that a policy is wrong; the one in force stays */
void judge_reject(struct judge *judge, const struct policy_error *err);

/*
 * judge_refresh - look whether the signatures have changed
 * Returns true if so; then the generation is a new one, since decisions may
 * come out differently now.
 */
bool judge_refresh(struct judge *judge, uint64_t now_s);

/* judge_renew - decisions may come out differently now, for another reason */
void judge_renew(struct judge *judge, uint64_t now_s);

/*
 * judge_question - decide
 * @question: complete, as question_check() has found it
 * @identity: of its process; NULL: nothing may be assumed of it
 * @now_us:   wall clock, microseconds since 1970
 * @out:      set up; what it points to is good until the next call
 */
void judge_question(struct judge *judge, const char *host,
		    const Sockgate__Question *question,
		    const Sockgate__Identity *identity, uint64_t now_us,
		    Sockgate__Decision *out);

/*
 * judge_needs_identity - would a rule fail for want of the identity of its process?
 * @now_us: wall clock, microseconds since 1970
 */
bool judge_needs_identity(const struct judge *judge, const char *host,
			  const Sockgate__Question *question, uint64_t now_us);

const struct policy *judge_policy(const struct judge *judge);
const char *judge_policy_file(const struct judge *judge);
uint64_t judge_generation(const struct judge *judge);
/* Why the last load was refused; empty if it was not. */
const char *judge_error(const struct judge *judge);
const struct judge_counters *judge_counters(const struct judge *judge);
/* Who executables are; its answers are for judge_question(). */
struct identity_cache *judge_identities(const struct judge *judge);

#endif
