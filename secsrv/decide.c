// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <linux/sockgate.h>

#include "decide.h"

#define F(name) SOCKGATE__FIELD__FIELD_##name
#define EVENT(name) (1U << SOCKGATE_EVENT_##name)

static bool is_one_of(const struct subject *s, uint32_t events)
{
	unsigned int kind = s->event->kind;

	return kind < 32 && (events & (1U << kind));
}

static bool opens_past_the_gate(const struct subject *s)
{
	return is_one_of(s, EVENT(OPEN)) &&
	       (s->event->protocol == SOCKGATE_PROTOCOL_PACKET ||
		s->event->protocol == SOCKGATE_PROTOCOL_OTHER);
}

bool subject_is_judged(const struct policy *policy, const struct subject *subject)
{
	return !is_one_of(subject, SOCKGATE_EVENTS_OPTIONAL & ~policy->events) ||
	       opens_past_the_gate(subject);
}

/*
 * What a verdict that is remembered for "whatever the event" must not serve.  As
 * long as no report is named, it may serve all that is judged: a rule without
 * `event` is about all of that.  What is not judged is not remembered, and
 * agent and kernel look nothing up for it.  Of `open`, if no rule names it, only
 * some protocols are judged, so that both belong to the verdict.
 */
static uint32_t fields_of_event(const struct policy *policy,
				const struct subject *s)
{
	if (policy->events & RULE_REPORTS)
		return F(EVENT);
	if (is_one_of(s, EVENT(OPEN) & ~policy->events))
		return F(EVENT) | F(PROTOCOL);
	return 0;
}

static void settle(struct decision *out, const struct rule *rule)
{
	out->rule = rule;
	out->verdict = rule->action;
	out->lifetime_ms = rule->lifetime_ms;
}

/* What is remembered must not outlive a time that it rests on: part of a second is gone. */
static void limit_lifetime(struct decision *out, const struct week_moment *at)
{
	uint64_t ms = out->until_s * UINT64_C(1000);

	if (ms)
		ms -= at->ms;
	if (ms && ms < out->lifetime_ms)
		out->lifetime_ms = (uint32_t)ms;
}

void subject_at(struct subject *subject, const struct policy *policy, int64_t now_us)
{
	if (!policy->zone)
		return;
	week_at(policy->zone, now_us / 1000000, &subject->at);
	subject->at.ms = (uint16_t)(now_us / 1000 % 1000);
}

static void look(const struct policy *policy, const struct subject *subject,
		 uint32_t found, struct decision *out)
{
	struct looked looked = { 0 };

	index_looked(policy->index, subject, found, &looked);
	out->until_s = looked.until_s;
	out->fields |= match_fields(looked.conditions, subject);
	if (out->fields & F(REMOTE_ADDRESS))
		out->remote_prefix = index_prefix(policy->index, subject,
						  &looked.remote);
}

void decide(const struct policy *policy, const struct subject *subject,
	    struct decision *out)
{
	uint32_t found;

	memset(out, 0, sizeof(*out));
	out->fields = fields_of_event(policy, subject);
	if (!subject_is_judged(policy, subject)) {
		settle(out, &policy->unsaid);
		out->fields |= F(EVENT);
		out->lifetime_ms = 0;
		return;
	}
	found = index_find(policy->index, subject, &out->missing);
	look(policy, subject, found, out);
	if (found == policy->rules) {
		settle(out, subject_is_report(subject) ? &policy->unsaid :
							 &policy->otherwise);
		limit_lifetime(out, &subject->at);
		return;
	}
	settle(out, &policy->rule[found]);
	limit_lifetime(out, &subject->at);
	out->failed = out->missing != COND_COUNT;
	if (!out->failed)
		return;
	out->verdict = out->rule->failure;
	out->lifetime_ms = 0;
}
