/* SPDX-License-Identifier: GPL-2.0-only */
/* One rule of the policy: its conditions, and what it says if they hold. */
#ifndef SECSRV_RULE_H
#define SECSRV_RULE_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/sockgate.h>

#include "pattern.h"
#include "prefix.h"
#include "range.h"
#include "settings.h"
#include "sha256.h"

/*
 * What a rule can ask for, in the order in which it is looked at.  The order
 * decides nothing but the mask: what most rules ask for comes first (the
 * content of the executable), what differs most between two connections of
 * one application comes last, so that one verdict serves many connections.
 */
enum condition {
	COND_HOST,		/* no field: constant for the agent that asks */
	COND_HOST_GROUP,
	COND_KNOWN,		/* what the content leads to */
	COND_HASH,
	COND_APPLICATION,
	COND_VENDOR,
	COND_CATEGORY,
	COND_VERSION,
	COND_TRUST,
	COND_THREAT,
	COND_EVENT,
	COND_PROTOCOL,
	COND_USER,
	COND_DOMAIN,
	COND_FILE,
	COND_PORT,
	COND_REMOTE,
	COND_COUNT,
};

/* Nobody waits for a verdict on these: only a rule that names them is about them. */
#define RULE_REPORTS							\
	(1U << SOCKGATE_EVENT_ESTABLISHED | 1U << SOCKGATE_EVENT_CLOSE)

enum verdict {
	VERDICT_DENY,		/* first, so that zeroed memory denies */
	VERDICT_ALLOW,
	VERDICT_AUDIT,		/* allow, and have it noticed */
};

struct rule {
	char *name;
	char *text;		/* as one line of libconfig, for people */
	unsigned int line;
	uint32_t conditions;	/* bit (1 << enum condition) */

	bool known;
	uint32_t events;	/* bit (1 << enum sockgate_event) */
	uint64_t protocols[4];	/* bit by IPPROTO number */
	struct pattern_list application, vendor, category, version;
	struct pattern_list user, domain, file;
	struct pattern_list host, host_group;	/* members, resolved */
	uint32_t *uid;		/* numbers given as user */
	size_t uids;
	uint8_t (*hash)[SHA256_SIZE];
	size_t hashes;
	struct range_list trust, threat, port;
	struct prefix_list remote;

	enum verdict action;
	enum verdict failure;	/* when a field that it needs is missing */
	uint32_t error;		/* errno of deny */
	uint32_t lifetime_ms;
	uint32_t tag;
};

/*
 * rule_parse - read a rule
 * @s:        its group
 * @groups:   the policy's host_groups, or NULL
 * @lifetime_ms: what it gets if it does not say
 * Returns 0; or -1 with @err filled in.  rule_free() is due either way.
 */
int rule_parse(struct rule *rule, const config_setting_t *s,
	       const config_setting_t *groups, uint32_t lifetime_ms,
	       struct policy_error *err);

/* The same for `default`: a group without conditions, or just an action. */
int rule_parse_default(struct rule *rule, const config_setting_t *s,
		       uint32_t lifetime_ms, struct policy_error *err);

void rule_free(struct rule *rule);

static inline bool rule_has(const struct rule *rule, enum condition c)
{
	return rule->conditions & (1U << c);
}

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
 * True if the rule may be what lets an SSH server listen on port 22, or is about that
 * port.  It errs on the side of true.
 */
bool rule_about_ssh(const struct rule *rule);

/* The key of a condition in the policy language. */
const char *condition_name(enum condition c);

#endif
