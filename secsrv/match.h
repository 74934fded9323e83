/* SPDX-License-Identifier: GPL-2.0-only */
/* Does one rule match what is asked about, and what was looked at to say so. */
#ifndef SECSRV_MATCH_H
#define SECSRV_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "rule.h"
#include "sockgate.pb-c.h"
#include "week.h"

/*
 * What is decided about.  Only identity may be NULL: the signature database
 * could not be asked, and so nothing may be assumed about the application.
 */
struct subject {
	const char *host;
	const Sockgate__Event *event;
	const Sockgate__Process *process;
	const Sockgate__User *user;
	const Sockgate__Place *place;
	const Sockgate__Identity *identity;
	struct week_moment at;		/* in the time zone of the policy */
};

/*
 * subject_port - the port of the service that it is about
 * Our own where others come to it (bind, listen, accept, receive), else the remote.
 * Returns false if the event has none: open.
 */
bool subject_port(const struct subject *subject, uint32_t *port);

/* Something that has happened: no rule without `event`, and no default, is about it. */
bool subject_is_report(const struct subject *subject);

/*
 * What was looked at on the way, and so what a cached verdict depends on.  Which
 * fields of the wire these are, says match_fields().
 */
struct looked {
	uint32_t conditions;		/* bit (1 << enum condition) */
	struct prefix_look remote;
	uint32_t until_s;		/* seconds until a time ends or begins; 0: never */
};

/* match_time - note that a time was compared */
void match_time(const struct value *time, const struct subject *subject,
		struct looked *looked);


/* match_fields - the fields of the wire that conditions look at */
uint32_t match_fields(uint32_t conditions, const struct subject *subject);

/*
 * What one rule says.  A condition that does not hold settles it, whatever
 * else may be missing; a missing field counts only if all the rest holds.
 */
enum match {
	MATCH_DIFFERS,
	MATCH_YES,
	MATCH_LACKS,		/* a field that it needs is missing */
};

/* match_address - the remote address that rules are compared with; *@size bytes */
const uint8_t *match_address(const struct subject *subject, size_t *size);

/* match_lacks - is what the condition asks for missing: of a user, the name */
bool match_lacks(enum condition c, const struct subject *subject);

/* match_condition - one that the rule has */
enum match match_condition(const struct rule *rule, enum condition c,
			   const struct subject *subject);

/*
 * match_rest - compare a rule from a condition on
 * @looked: what is looked at is added; NULL: nobody wants to know
 * @at:     on DIFFERS and LACKS, the condition that it was.  Before, an earlier one
 *          that could not be judged, or COND_COUNT.
 */
enum match match_rest(const struct rule *rule, enum condition from,
		      const struct subject *subject, struct looked *looked,
		      enum condition *at);

/* match_rule - compare all of it; a rule without `event` is about no report */
enum match match_rule(const struct rule *rule, const struct subject *subject,
		      struct looked *looked, enum condition *at);

#endif
