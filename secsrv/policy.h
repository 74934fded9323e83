/* SPDX-License-Identifier: GPL-2.0-only */
/* The policy: an immutable snapshot of rules, first match wins. */
#ifndef SECSRV_POLICY_H
#define SECSRV_POLICY_H

#include <stddef.h>

#include "rule.h"
#include "settings.h"

/* A policy text is no longer than fits into one frame (lib/frame.h). */
#define POLICY_SIZE_MAX 1000000

#define POLICY_LIFETIME_MS 60000

/* Something that is allowed, but can hardly be meant. */
struct policy_warning {
	unsigned int line;
	char text[384];
};

/* Everything here is constant once policy_parse() has returned it. */
struct policy {
	unsigned int refs;		/* private to policy.c */
	char *text;			/* as it was loaded */
	size_t text_len;
	struct rule *rule;
	unsigned int rules;
	struct rule otherwise;		/* the default */
	struct policy_warning *warning;
	unsigned int warnings;
};

/*
 * policy_parse - read a policy
 * @text: libconfig text of @len bytes, NUL-terminated; copied
 * @name: of the text, for messages (a file name)
 * Returns a policy with one reference; NULL with @err filled in (file, line,
 * reason) if any part of it is wrong.
 */
struct policy *policy_parse(const char *text, size_t len, const char *name,
			    struct policy_error *err);

/* The same, from a file. */
struct policy *policy_load(const char *file, struct policy_error *err);

/* References are counted without locks: a policy belongs to one thread. */
struct policy *policy_get(struct policy *policy);
void policy_put(struct policy *policy);

#endif
