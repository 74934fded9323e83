/* SPDX-License-Identifier: GPL-2.0-only */
/* One rule of the policy: its conditions, and what it says if they hold. */
#ifndef SECSRV_RULE_H
#define SECSRV_RULE_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/sockgate.h>

#include "condition.h"
#include "settings.h"
#include "value.h"
#include "values.h"

/* Nobody waits for a verdict on these: only a rule that names them is about them. */
#define RULE_REPORTS							\
	(1U << SOCKGATE_EVENT_ESTABLISHED | 1U << SOCKGATE_EVENT_CLOSE)

enum verdict {
	VERDICT_DENY,		/* first, so that zeroed memory denies */
	VERDICT_ALLOW,
	VERDICT_AUDIT,		/* allow, and have it noticed */
};

/* Where it is enforced. */
enum enforce {
	ENFORCE_HOST,
	ENFORCE_GATEWAY,
	ENFORCE_BOTH,
};

#define RULE_VALUES 4		/* most rules have no more conditions */

/*
 * A policy may hold a hundred thousand, of which any is looked at next: one is a cache
 * line, with the pointers to its values.  What it points to is the arena's.
 */
struct rule {
	char *name;
	union {
		const struct value *few[RULE_VALUES];
		const struct value **many;
	};			/* of the conditions it has, in their order */
	uint32_t conditions;	/* bit (1 << enum condition) */
	uint32_t line;
	uint32_t lifetime_ms;
	uint32_t tag;
	uint16_t error;		/* errno of deny */
	uint8_t action;		/* enum verdict */
	uint8_t failure;	/* enum verdict, when a field that it needs is missing */
	uint8_t values;
	uint8_t enforce;	/* enum enforce */
};
_Static_assert(sizeof(struct rule) <= 64, "a rule is larger than a cache line");

/*
 * rule_parse - read a rule
 * @s:        its group
 * @groups:   that it may name
 * @lifetime_ms: what it gets if it does not say
 * @values:   that it shares with others; their arena is the rule's
 * Returns 0; or -1 with @err filled in.
 */
int rule_parse(struct rule *rule, const config_setting_t *s,
	       const struct groups *groups, uint32_t lifetime_ms,
	       struct values *values, struct policy_error *err);

/* The same for `default`: a group without conditions, or just an action. */
int rule_parse_default(struct rule *rule, const config_setting_t *s,
		       uint32_t lifetime_ms, struct policy_error *err);

static inline bool rule_has(const struct rule *rule, enum condition c)
{
	return rule->conditions & (1U << c);
}

/* The values of the conditions that the rule has. */
static inline const struct value *const *rule_values(const struct rule *rule)
{
	return rule->values > RULE_VALUES ? rule->many : rule->few;
}

/* The value of a condition that it has. */
static inline const struct value *rule_value(const struct rule *rule,
					     enum condition c)
{
	uint32_t before = rule->conditions & ((1U << c) - 1);

	return rule_values(rule)[__builtin_popcount(before)];
}

/* The events that the rule names. */
static inline uint32_t rule_events(const struct rule *rule)
{
	return rule_has(rule, COND_EVENT) ? rule_value(rule, COND_EVENT)->events : 0;
}

/* What the rule looks at and agents learn for that only: Fact bits of the wire. */
uint32_t rule_facts(const struct rule *rule);

/*
 * True if @earlier certainly takes every question that @later would match, so
 * that @later never gets one.  It errs on the side of false.
 */
bool rule_covers(const struct rule *earlier, const struct rule *later);

/*
 * rule_unmatchable - why no event can have all that the rule asks for
 * Returns NULL if one may, else a static sentence.
 */
const char *rule_unmatchable(const struct rule *rule);

/*
 * rule_doubtful - why what the rule says can hardly be what is meant by it
 * Returns NULL if it can, else a static sentence.
 */
const char *rule_doubtful(const struct rule *rule);

/*
 * rule_about_ssh - may the rule be what lets an SSH server do this, or is it about that
 * port?  It errs on the side of true.
 * @event: listen, or accept, as a bit
 */
bool rule_about_ssh(const struct rule *rule, uint32_t event);

/* rule_takes_ssh - does it decide about it, whoever it is: no later rule is asked */
bool rule_takes_ssh(const struct rule *rule, uint32_t event);

#endif
