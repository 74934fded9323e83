/* SPDX-License-Identifier: GPL-2.0-only */
/* The policy: an immutable snapshot of rules, first match wins. */
#ifndef SECSRV_POLICY_H
#define SECSRV_POLICY_H

#include <stddef.h>

#include "arena.h"
#include "index.h"
#include "rule.h"
#include "settings.h"
#include "sha256.h"
#include "week.h"

/* Bytes of a text.  What is longer than a frame travels in parts. */
#define POLICY_SIZE_MAX 32000000

#define POLICY_LIFETIME_MS 60000

/* Something that is allowed, but can hardly be meant. */
struct policy_warning {
	unsigned int line;
	char text[384];
};

/* Constant once it has been made. */
struct policy {
	char *text;			/* as it was loaded */
	uint8_t sha256[SHA256_SIZE];	/* of it */
	struct arena arena;		/* of all that rules point to */
	struct index *index;
	struct week_zone *zone;		/* of its times; NULL: it has none */
	struct rule *rule;		/* in their order */
	unsigned int rules;
	uint32_t events;		/* the optional ones that rules name */
	uint32_t facts;			/* Fact bits of the wire: what rules look at */
	struct rule otherwise;		/* the default */
	struct rule unsaid;		/* allows what no rule and no default is about */
	struct policy_warning *warning;
	unsigned int warnings;
};

/*
 * policy_parse - read a policy
 * @text: libconfig text of @len bytes, NUL-terminated; copied
 * @name: of the text, for messages (a file name)
 * Returns a policy for policy_free(); NULL with @err filled in (file, line,
 * reason) if any part of it is wrong.
 */
struct policy *policy_parse(const char *text, size_t len, const char *name,
			    struct policy_error *err);

/*
 * policy_warn - look for what can hardly be meant
 * Rules that ask for what no event has, or by means that the language has not; those
 * that an earlier one leaves nothing to; and SSH cut off by the default.
 * Returns 0; or -1 with @err filled in, out of memory.
 */
int policy_warn(struct policy *policy, struct policy_error *err);

/* Returns 0; or -1 with @err filled in, out of memory. */
int policy_add_warning(struct policy *policy, unsigned int line, struct policy_error *err,
		       const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Both of these, from a file. */
struct policy *policy_load(const char *file, struct policy_error *err);

/*
 * The rules as they are written, read once more from the text: people ask for this
 * now and then, and a policy may be long.  It lives no longer than the policy.
 * Returns NULL if out of memory.
 */
struct policy_source;
struct policy_source *policy_source(const struct policy *policy);
void policy_source_free(struct policy_source *source);

/* A rule or the default on one line, for free(); NULL if out of memory. */
char *policy_source_text(const struct policy_source *source, const struct rule *rule);

/* The value of a condition that the rule has; cut if it does not fit. */
void policy_source_value(const struct policy_source *source, const struct rule *rule,
			 enum condition c, char *text, size_t size);

/* NULL is ignored. */
void policy_free(struct policy *policy);

#endif
