// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "decide.h"
#include "explain.h"
#include "names.h"

#define WHY_SIZE 512

void explain_subject(const Sockgate__Record *record,
		     struct explain_empty *empty, struct subject *subject)
{
	sockgate__event__init(&empty->event);
	sockgate__process__init(&empty->process);
	sockgate__user__init(&empty->user);
	sockgate__place__init(&empty->place);
	memset(&subject->at, 0, sizeof(subject->at));
	subject->host = record->host;
	subject->event = record->event ? record->event : &empty->event;
	subject->process = record->process ? record->process : &empty->process;
	subject->user = record->user ? record->user : &empty->user;
	subject->place = record->place ? record->place : &empty->place;
	subject->identity = record->decision ? record->decision->identity : NULL;
}

static void print_moment(const struct week_moment *at, char *buf, size_t size)
{
	static const char days[][4] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

	snprintf(buf, size, "%s %02d:%02d", days[at->minute / 1440 % 7],
		 at->minute / 60 % 24, at->minute % 60);
}

/* What the question says of the thing that a condition is about. */
static void value_of(const struct subject *s, enum condition c, char *buf,
		     size_t size)
{
	const Sockgate__Identity *id = s->identity;
	char addr[ADDR_TEXT_SIZE];
	const char *text = NULL;
	uint32_t port;

	switch (c) {
	case COND_TIME:
		print_moment(&s->at, buf, size);
		return;
	case COND_HOST:
	case COND_HOST_GROUP:
		text = s->host;
		break;
	case COND_APPLICATION:
		text = id ? id->name : NULL;
		break;
	case COND_VENDOR:
		text = id ? id->vendor : NULL;
		break;
	case COND_CATEGORY:
		text = id ? id->category : NULL;
		break;
	case COND_VERSION:
		text = id ? id->version : NULL;
		break;
	case COND_USER:
		snprintf(buf, size, "\"%s\" (%u)", s->user->name, s->user->uid);
		return;
	case COND_DOMAIN:
		text = s->user->domain;
		break;
	case COND_FILE:
		text = s->process->path;
		break;
	case COND_UNIT:
		text = s->place->service;
		break;
	case COND_IMAGE:
		text = s->place->image;
		break;
	case COND_APP:
		text = s->place->app;
		break;
	case COND_SCRIPT:
		text = s->process->script;
		break;
	case COND_CLASS:
		name_classes(s->process->classes, ", ", buf, size);
		return;
	case COND_EVENT:
		snprintf(buf, size, "%s", name_event(s->event->kind));
		return;
	case COND_PROTOCOL:
		snprintf(buf, size, "%s", name_protocol(s->event->protocol));
		return;
	case COND_PORT:
		if (subject_port(s, &port))
			snprintf(buf, size, "%u", port);
		else
			snprintf(buf, size, "none");
		return;
	case COND_TRUST:
		snprintf(buf, size, "%u", id ? id->trust : 0);
		return;
	case COND_THREAT:
		snprintf(buf, size, "%u", id ? id->threat : 0);
		return;
	case COND_KNOWN:
		snprintf(buf, size, "%s", id && id->source ? "true" : "false");
		return;
	case COND_REMOTE:
		addr_format_bytes(s->event->remote_address.data,
				  s->event->remote_address.len, 0, addr);
		snprintf(buf, size, "%s", addr);
		return;
	default:
		snprintf(buf, size, "another one");
		return;
	}
	snprintf(buf, size, "\"%s\"", text ? text : "");
}

const char *explain_match(const struct policy_source *source, const struct rule *rule,
			  const struct subject *subject, char *buf, size_t size)
{
	char is[160], wanted[160];
	enum condition at;

	switch (match_rule(rule, subject, NULL, &at)) {
	case MATCH_YES:
		snprintf(buf, size, "matches");
		break;
	case MATCH_LACKS:
		snprintf(buf, size, "cannot be judged: %s is not known; failure "
			 "action: %s", condition_name(at),
			 rule->failure == VERDICT_ALLOW ? "allow" : "deny");
		break;
	case MATCH_DIFFERS:
		if (!rule_has(rule, at)) {
			snprintf(buf, size, "does not match: it does not name the "
				 "event %s", name_event(subject->event->kind));
			break;
		}
		value_of(subject, at, is, sizeof(is));
		policy_source_value(source, rule, at, wanted, sizeof(wanted));
		snprintf(buf, size, "does not match: %s is %s, not %s",
			 condition_name(at), is, wanted);
		break;
	}
	return buf;
}

static Sockgate__Step *new_step(const char *rule, unsigned int line,
				const char *why)
{
	Sockgate__Step *step = malloc(sizeof(*step));

	if (!step)
		return NULL;
	sockgate__step__init(step);
	step->line = line;
	step->rule = strdup(rule);
	step->why = strdup(why);
	if (step->rule && step->why)
		return step;
	free(step->rule);
	free(step->why);
	free(step);
	return NULL;
}

static int add_step(Sockgate__Explanation *e, const char *rule,
		    unsigned int line, const char *why)
{
	e->step[e->n_step] = new_step(rule, line, why);
	if (!e->step[e->n_step])
		return -1;
	e->n_step++;
	return 0;
}

static int add_steps(Sockgate__Explanation *e, const struct policy *policy,
		     const struct policy_source *source,
		     const struct subject *subject, const struct rule *end)
{
	char why[WHY_SIZE];
	unsigned int i;

	if (!subject_is_judged(policy, subject)) {
		snprintf(why, sizeof(why), "no rule names the event %s: it is not "
			 "judged", name_event(subject->event->kind));
		return add_step(e, end->name, end->line, why);
	}
	for (i = 0; i < policy->rules && i < EXPLAIN_STEPS_MAX; i++) {
		const struct rule *r = &policy->rule[i];

		explain_match(source, r, subject, why, sizeof(why));
		if (add_step(e, r->name, r->line, why))
			return -1;
		if (r == end)
			return 0;
	}
	if (end == &policy->unsaid)
		return add_step(e, end->name, end->line, "no rule matched: what "
				"has happened is left as it is");
	if (i < policy->rules) {
		snprintf(why, sizeof(why), "steps after the first %u are not "
			 "told; this rule decided", i);
		return add_step(e, end->name, end->line, why);
	}
	return add_step(e, end->name, end->line, "no rule matched");
}

static int replay(Sockgate__Explanation *e, const struct policy *policy,
		  const struct policy_source *source)
{
	struct explain_empty empty;
	struct subject subject;
	struct decision d;
	unsigned int max = policy->rules < EXPLAIN_STEPS_MAX ? policy->rules :
							       EXPLAIN_STEPS_MAX;

	explain_subject(e->record, &empty, &subject);
	subject_at(&subject, policy, e->record->time_us);
	decide(policy, &subject, &d);
	e->rule_text = policy_source_text(source, d.rule);
	e->step = calloc(max + 1U, sizeof(Sockgate__Step *));
	if (!e->rule_text || !e->step)
		return -1;
	return add_steps(e, policy, source, &subject, d.rule);
}

Sockgate__Explanation *explain_record(Sockgate__Record *record,
				      const struct policy *policy)
{
	Sockgate__Explanation *e = malloc(sizeof(*e));
	struct policy_source *source = policy ? policy_source(policy) : NULL;
	int rc;

	if (!e) {
		policy_source_free(source);
		sockgate__record__free_unpacked(record, NULL);
		return NULL;
	}
	sockgate__explanation__init(e);
	e->record = record;
	rc = policy && (!source || replay(e, policy, source));
	policy_source_free(source);
	if (rc) {
		sockgate__explanation__free_unpacked(e, NULL);
		return NULL; /* NOLINT(clang-analyzer-unix.Malloc): it was freed */
	}
	return e;
}
