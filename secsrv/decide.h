/* SPDX-License-Identifier: GPL-2.0-only */
/* From a question and a policy to a decision: pure, no state, no clock. */
#ifndef SECSRV_DECIDE_H
#define SECSRV_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy.h"
#include "sockgate.pb-c.h"

/*
 * What is decided about.  Only identity may be NULL: the signature database
 * could not be asked, and so nothing may be assumed about the application.
 */
struct subject {
	const char *host;
	const Sockgate__Event *event;
	const Sockgate__Process *process;
	const Sockgate__User *user;
	const Sockgate__Identity *identity;
};

/*
 * subject_port - the port of the service that it is about
 * Our own where others come to it (bind, listen, accept, receive), else the remote.
 * Returns false if the event has none: open.
 */
bool subject_port(const struct subject *subject, uint32_t *port);

/*
 * subject_is_judged - does the policy have a say in it?
 * Events that are optional are judged if a rule names them; so is, whatever the
 * rules name, the opening of a socket that passes the gate.
 */
bool subject_is_judged(const struct policy *policy, const struct subject *subject);

/* Something that has happened: no rule without `event`, and no default, is about it. */
bool subject_is_report(const struct subject *subject);

/* What was looked at on the way, and so what a cached verdict depends on. */
struct looked {
	uint32_t fields;		/* Field bits of the wire */
	unsigned int remote_prefix;	/* longest prefix that was compared */
};

/*
 * What one rule says.  A condition that does not hold settles it, whatever
 * else may be missing; a missing field counts only if all the rest holds.
 */
enum match {
	MATCH_DIFFERS,
	MATCH_YES,
	MATCH_LACKS,		/* a field that it needs is missing */
};

/*
 * match_rule - compare one rule
 * @looked: added to
 * @at:     on DIFFERS and LACKS, the condition that it was
 */
enum match match_rule(const struct rule *rule, const struct subject *subject,
		      struct looked *looked, enum condition *at);

struct decision {
	const struct rule *rule;	/* lives as long as the policy */
	enum verdict verdict;
	bool failed;			/* the rule's failure action was taken */
	enum condition missing;		/* because of this, if failed */
	struct looked looked;
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
