// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decide.h"
#include "judge.h"
#include "log.h"

struct judge {
	char *file;
	struct policy *policy;
	struct identity_cache *identities;
	uint64_t generation;
	struct serial serial;
	struct judge_counters n;
	char error[1024];
	/* What the last decision points to. */
	char decision_id[SERIAL_TEXT_SIZE];
};

static void log_warnings(const struct policy *policy, const char *name)
{
	for (unsigned int i = 0; i < policy->warnings; i++)
		log_warnx("%s:%u: %s", name, policy->warning[i].line,
			  policy->warning[i].text);
}

void judge_put(struct judge *j, struct policy *policy, const char *name,
	       uint64_t now_s)
{
	policy_free(j->policy);
	j->policy = policy;
	j->generation = generation_next(j->generation, now_s);
	j->n.n_loaded++;
	j->error[0] = '\0';
	log_warnings(policy, name);
	log_info("policy %s: %u rules in force, generation %llu", name,
		 policy->rules, (unsigned long long)j->generation);
}

void judge_reject(struct judge *j, const struct policy_error *err)
{
	j->n.n_rejected++;
	settings_error_text(err, j->error, sizeof(j->error));
	log_warnx("policy refused, the one in force stays: %s", j->error);
}

struct judge *judge_open(const char *policy_file, struct identity_cache *identities,
			 uint64_t generation, uint64_t now_s, char *why,
			 size_t why_size)
{
	struct judge *j = calloc(1, sizeof(*j));
	struct policy_error err;
	struct policy *policy;

	if (!j) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	j->generation = generation;
	j->file = strdup(policy_file);
	policy = policy_load(policy_file, &err);
	if (!j->file || !policy) {
		if (policy)
			snprintf(why, why_size, "out of memory");
		else
			settings_error_text(&err, why, why_size);
		goto fail;
	}
	j->identities = identities;
	judge_put(j, policy, policy_file, now_s);
	return j;
fail:
	policy_free(policy);
	judge_close(j);
	return NULL;
}

void judge_close(struct judge *judge)
{
	if (!judge)
		return;
	policy_free(judge->policy);
	free(judge->file);
	free(judge);
}

void judge_renew(struct judge *judge, uint64_t now_s)
{
	judge->generation = generation_next(judge->generation, now_s);
}

bool judge_refresh(struct judge *judge, uint64_t now_s)
{
	if (!identity_refresh(judge->identities))
		return false;
	judge_renew(judge, now_s);
	log_info("signatures have changed: generation %llu",
		 (unsigned long long)judge->generation);
	return true;
}

static void count(struct judge_counters *n, const struct decision *d)
{
	if (d->failed && d->verdict == VERDICT_ALLOW)
		n->n_failed_allow++;
	else if (d->failed)
		n->n_failed_deny++;
	else if (d->verdict == VERDICT_ALLOW)
		n->n_allowed++;
	else if (d->verdict == VERDICT_AUDIT)
		n->n_audited++;
	else
		n->n_denied++;
}

/* Names come from the policy and outlive the sending; nothing is copied. */
static void fill_in(const struct decision *d, Sockgate__Decision *out)
{
	bool deny = d->verdict == VERDICT_DENY;

	out->action = deny ? SOCKGATE__ACTION__ACTION_DENY :
			     SOCKGATE__ACTION__ACTION_ALLOW;
	out->error = deny ? d->rule->error : 0;
	out->rule = d->rule->name;
	out->rule_line = d->rule->line;
	out->tag = d->rule->tag;
	out->lifetime_ms = d->lifetime_ms;
	out->fields = d->fields;
	out->remote_prefix = d->remote_prefix;
	out->failed = d->failed;
	out->audit = d->verdict == VERDICT_AUDIT;
	if (d->failed)
		out->missing = (char *)condition_name(d->missing);
}

static void decide_at(const struct judge *j, const char *host,
		      const Sockgate__Question *question,
		      const Sockgate__Identity *identity, uint64_t now_us,
		      struct decision *d)
{
	static const Sockgate__Place nowhere = SOCKGATE__PLACE__INIT;
	struct subject subject = {
		.host = host,
		.event = question->event,
		.process = question->process,
		.user = question->user,
		.identity = identity,
		.place = question->place ? question->place : &nowhere,
	};

	subject_at(&subject, j->policy, (int64_t)now_us);
	decide(j->policy, &subject, d);
}

void judge_question(struct judge *judge, const char *host,
		    const Sockgate__Question *question,
		    const Sockgate__Identity *identity, uint64_t now_us,
		    Sockgate__Decision *out)
{
	struct decision d;

	sockgate__decision__init(out);
	out->identity = (Sockgate__Identity *)identity;
	decide_at(judge, host, question, identity, now_us, &d);
	fill_in(&d, out);
	serial_next(&judge->serial, now_us, judge->decision_id);
	out->decision_id = judge->decision_id;
	out->generation = judge->generation;
	count(&judge->n, &d);
}

bool judge_needs_identity(const struct judge *judge, const char *host,
			  const Sockgate__Question *question, uint64_t now_us)
{
	struct decision d;

	decide_at(judge, host, question, NULL, now_us, &d);
	return d.failed;
}

const struct policy *judge_policy(const struct judge *judge)
{
	return judge->policy;
}

const char *judge_policy_file(const struct judge *judge)
{
	return judge->file;
}

uint64_t judge_generation(const struct judge *judge)
{
	return judge->generation;
}

const char *judge_error(const struct judge *judge)
{
	return judge->error;
}

const struct judge_counters *judge_counters(const struct judge *judge)
{
	return &judge->n;
}

struct identity_cache *judge_identities(const struct judge *judge)
{
	return judge->identities;
}
