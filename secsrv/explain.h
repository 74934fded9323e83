/* SPDX-License-Identifier: GPL-2.0-only */
/* Why a decision fell as it did: a record judged again, step by step. */
#ifndef SECSRV_EXPLAIN_H
#define SECSRV_EXPLAIN_H

#include "policy.h"
#include "sockgate.pb-c.h"

/* Steps that are told; the rest is counted in one more. */
#define EXPLAIN_STEPS_MAX 2000

/*
 * explain_record - judge a record by a policy and tell each rule's part
 * @record: goes into the result, which frees it; on failure too
 * @policy: NULL if it is not known any more: then only the record is told
 * Returns an answer for sockgate__explanation__free_unpacked(), or NULL (out
 * of memory).
 */
Sockgate__Explanation *explain_record(Sockgate__Record *record,
				      const struct policy *policy);

/*
 * explain_subject - the question that a record was about
 * @empty: stands in for what the record lacks; as long-lived as the subject
 */
struct explain_empty {
	Sockgate__Event event;
	Sockgate__Process process;
	Sockgate__User user;
	Sockgate__Place place;
};
struct subject;
void explain_subject(const Sockgate__Record *record,
		     struct explain_empty *empty, struct subject *subject);

/*
 * explain_match - one sentence: "does not match: protocol is udp, not tcp"
 * @buf: at least 512 bytes
 */
const char *explain_match(const struct policy_source *source, const struct rule *rule,
			  const struct subject *subject, char *buf, size_t size);

#endif
