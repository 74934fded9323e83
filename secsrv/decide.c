// SPDX-License-Identifier: GPL-2.0-only
#include <netinet/in.h>
#include <string.h>
#include <linux/sockgate.h>

#include "decide.h"

#define F(name) SOCKGATE__FIELD__FIELD_##name

/* How one condition stands: like enum match, for a single one. */
static enum match holds(bool yes)
{
	return yes ? MATCH_YES : MATCH_DIFFERS;
}

static bool has_content(const struct subject *s)
{
	return s->process->evidence == SOCKGATE__EVIDENCE__EVIDENCE_CONTENT &&
	       s->process->sha256.len == SHA256_SIZE;
}

static enum match match_hash(const struct rule *rule, const struct subject *s,
			     struct looked *looked)
{
	looked->fields |= F(CONTENT);
	if (!has_content(s)) {
		looked->fields |= F(PROCESS);
		return MATCH_LACKS;
	}
	for (size_t i = 0; i < rule->hashes; i++) {
		if (!memcmp(rule->hash[i], s->process->sha256.data,
			    SHA256_SIZE))
			return MATCH_YES;
	}
	return MATCH_DIFFERS;
}

/*
 * An identity that no hash gave could be another one under another name, so
 * what follows from it is good for this process only.
 */
static bool get_identity(const struct subject *s, struct looked *looked)
{
	bool known = has_content(s) && s->identity;

	looked->fields |= F(CONTENT);
	if (!known ||
	    s->identity->source == SOCKGATE__IDENTITY__SOURCE__NONE ||
	    s->identity->source == SOCKGATE__IDENTITY__SOURCE__FILE_NAME)
		looked->fields |= F(PROCESS);
	return known;
}

static enum match match_identity(const struct rule *rule,
				 const struct subject *s, enum condition c,
				 struct looked *looked)
{
	const Sockgate__Identity *id = s->identity;

	if (!get_identity(s, looked))
		return MATCH_LACKS;
	switch (c) {
	case COND_KNOWN:
		return holds(rule->known ==
			     (id->source != SOCKGATE__IDENTITY__SOURCE__NONE));
	case COND_APPLICATION:
		return holds(pattern_match(&rule->application, id->name));
	case COND_VENDOR:
		return holds(pattern_match(&rule->vendor, id->vendor));
	case COND_CATEGORY:
		return holds(pattern_match(&rule->category, id->category));
	case COND_VERSION:
		return holds(pattern_match(&rule->version, id->version));
	case COND_TRUST:
		return holds(range_match(&rule->trust, id->trust));
	case COND_THREAT:
		return holds(range_match(&rule->threat, id->threat));
	default:
		return MATCH_DIFFERS;
	}
}

static bool is_one_of(const struct subject *s, uint32_t events)
{
	unsigned int kind = s->event->kind;

	return kind < 32 && (events & (1U << kind));
}

static enum match match_event(const struct rule *rule, const struct subject *s,
			      struct looked *looked)
{
	looked->fields |= F(EVENT);
	return holds(is_one_of(s, rule->events));
}

static enum match match_protocol(const struct rule *rule,
				 const struct subject *s, struct looked *looked)
{
	unsigned int n = s->event->protocol;

	looked->fields |= F(PROTOCOL);
	return holds(n < 256 &&
		     (rule->protocols[n / 64] & (UINT64_C(1) << (n % 64))));
}

static enum match match_user(const struct rule *rule, const struct subject *s,
			     struct looked *looked)
{
	looked->fields |= F(USER);
	for (size_t i = 0; i < rule->uids; i++) {
		if (rule->uid[i] == s->user->uid)
			return MATCH_YES;
	}
	if (rule->user.count && !*s->user->name)
		return MATCH_LACKS;
	return holds(pattern_match(&rule->user, s->user->name));
}

static enum match match_domain(const struct rule *rule, const struct subject *s,
			       struct looked *looked)
{
	looked->fields |= F(USER);
	if (!*s->user->domain)
		return MATCH_LACKS;
	return holds(pattern_match(&rule->domain, s->user->domain));
}

static enum match match_file(const struct rule *rule, const struct subject *s,
			     struct looked *looked)
{
	looked->fields |= F(PROCESS) | F(CONTENT);
	/* Whoever can mount can give a file any path that others cannot see. */
	if (!*s->process->path || s->process->foreign_path)
		return MATCH_LACKS;
	return holds(pattern_match(&rule->file, s->process->path));
}

#define EVENT(name) (1U << SOCKGATE_EVENT_##name)
#define LOCAL_PORT_EVENTS						\
	(EVENT(BIND) | EVENT(LISTEN) | EVENT(ACCEPT) | EVENT(RECEIVE))

/* In the place of a port, a packet socket that is opened has an ethertype. */
bool subject_port(const struct subject *subject, uint32_t *port)
{
	const Sockgate__Event *e = subject->event;

	*port = is_one_of(subject, LOCAL_PORT_EVENTS) ? e->local_port :
							e->remote_port;
	return !is_one_of(subject, EVENT(OPEN));
}

/* Which port it is follows from the event, which is part of what is looked at. */
static enum match match_port(const struct rule *rule, const struct subject *s,
			     struct looked *looked)
{
	uint32_t port;

	looked->fields |= F(EVENT);
	if (!subject_port(s, &port))
		return MATCH_DIFFERS;
	looked->fields |= is_one_of(s, LOCAL_PORT_EVENTS) ? F(LOCAL_PORT) :
							    F(REMOTE_PORT);
	return holds(range_match(&rule->port, port));
}

/*
 * Some events have no remote address.  The event is part of what was looked
 * at, so that a verdict for one of those never serves one that has.
 */
static enum match match_remote(const struct rule *rule, const struct subject *s,
			       struct looked *looked)
{
	const uint8_t *addr = s->event->remote_address.data;
	size_t size = s->event->remote_address.len;

	looked->fields |= F(REMOTE_ADDRESS) | F(EVENT);
	if (size == 16 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)addr)) {
		addr += 12;
		size = 4;
	}
	return holds(prefix_match(&rule->remote, addr, size,
				  &looked->remote_prefix));
}

static enum match match_condition(const struct rule *rule,
				  const struct subject *s, enum condition c,
				  struct looked *looked)
{
	switch (c) {
	case COND_HOST:
		return holds(pattern_match(&rule->host, s->host));
	case COND_HOST_GROUP:
		return holds(pattern_match(&rule->host_group, s->host));
	case COND_HASH:
		return match_hash(rule, s, looked);
	case COND_EVENT:
		return match_event(rule, s, looked);
	case COND_PROTOCOL:
		return match_protocol(rule, s, looked);
	case COND_USER:
		return match_user(rule, s, looked);
	case COND_DOMAIN:
		return match_domain(rule, s, looked);
	case COND_FILE:
		return match_file(rule, s, looked);
	case COND_PORT:
		return match_port(rule, s, looked);
	case COND_REMOTE:
		return match_remote(rule, s, looked);
	default:
		return match_identity(rule, s, c, looked);
	}
}

enum match match_rule(const struct rule *rule, const struct subject *subject,
		      struct looked *looked, enum condition *at)
{
	enum match result = MATCH_YES;
	uint32_t left = rule->conditions;

	if (subject_is_report(subject) && !rule_has(rule, COND_EVENT)) {
		looked->fields |= F(EVENT);
		*at = COND_EVENT;
		return MATCH_DIFFERS;
	}
	while (left) {
		enum condition c = (enum condition)__builtin_ctz(left);
		enum match m = match_condition(rule, subject, c, looked);

		left &= left - 1;
		if (m == MATCH_DIFFERS) {
			*at = c;
			return MATCH_DIFFERS;
		}
		if (m == MATCH_LACKS && result == MATCH_YES) {
			*at = c;
			result = MATCH_LACKS;
		}
	}
	return result;
}

bool subject_is_report(const struct subject *subject)
{
	return is_one_of(subject, RULE_REPORTS);
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

void decide(const struct policy *policy, const struct subject *subject,
	    struct decision *out)
{
	memset(out, 0, sizeof(*out));
	out->looked.fields = fields_of_event(policy, subject);
	if (!subject_is_judged(policy, subject)) {
		settle(out, &policy->unsaid);
		out->looked.fields |= F(EVENT);
		out->lifetime_ms = 0;
		return;
	}
	for (unsigned int i = 0; i < policy->rules; i++) {
		const struct rule *rule = &policy->rule[i];
		enum match m = match_rule(rule, subject, &out->looked,
					  &out->missing);

		if (m == MATCH_DIFFERS)
			continue;
		settle(out, rule);
		if (m == MATCH_YES)
			return;
		out->failed = true;
		out->verdict = rule->failure;
		out->lifetime_ms = 0;
		return;
	}
	settle(out, subject_is_report(subject) ? &policy->unsaid :
						 &policy->otherwise);
}
