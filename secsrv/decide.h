/* SPDX-License-Identifier: GPL-2.0-only */
/* From a question, with its time, and a policy to a decision: pure, no state. */
#ifndef SECSRV_DECIDE_H
#define SECSRV_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "match.h"
#include "policy.h"

/*
 * subject_is_judged - does the policy have a say in it?
 * Events that are optional are judged if a rule names them; so is, whatever the
 * rules name, the opening of a socket that passes the gate.
 */
bool subject_is_judged(const struct policy *policy, const struct subject *subject);

/* subject_at - by the policy's clock it is @now_us, microseconds since 1970 */
void subject_at(struct subject *subject, const struct policy *policy, int64_t now_us);

struct decision {
	const struct rule *rule;	/* lives as long as the policy */
	enum verdict verdict;
	bool failed;			/* the rule's failure action was taken */
	enum condition missing;		/* because of this, if failed */
	uint32_t fields;		/* Field bits of the wire, that it rests on */
	unsigned int remote_prefix;	/* bits of the remote address, if among them */
	uint32_t until_s;		/* seconds until a time that was compared ends or
					   begins; 0: none was */
	uint32_t lifetime_ms;		/* 0: must not be cached */
};

/*
 * decide - the first rule that matches, or fails, or else the default
 * What is not judged, and a report that no rule matches, is allowed, by the policy's
 * rule `unsaid`.
 */
void decide(const struct policy *policy, const struct subject *subject,
	    struct decision *out);

#endif
