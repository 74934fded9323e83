/* SPDX-License-Identifier: GPL-2.0-only */
/* What the condition of a rule is compared with. */
#ifndef SECSRV_VALUE_H
#define SECSRV_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "condition.h"
#include "groups.h"
#include "pattern.h"
#include "prefix.h"
#include "range.h"
#include "settings.h"
#include "sha256.h"

struct user_list {
	uint32_t *uid;		/* numbers given as user */
	uint32_t uids;
	struct pattern_list names;
};

struct hash_list {
	uint8_t (*elem)[SHA256_SIZE];
	uint32_t count;
};

/* Which member it is, follows from the condition. */
struct value {
	union {
		bool known;
		uint32_t events;	/* bit (1 << enum sockgate_event) */
		uint64_t protocols[4];	/* bit by IPPROTO number */
		uint32_t classes;	/* Class bits of the wire */
		struct pattern_list patterns;	/* texts; host_group: its members */
		struct range_list ranges;	/* trust, threat, port, time */
		struct prefix_list prefixes;	/* remote */
		struct user_list users;
		struct hash_list hashes;
	};
};

/*
 * value_parse - read the value of a condition
 * @groups: that it may name
 * Returns 0; or -1 with @err filled in.  value_free() is due either way.
 */
int value_parse(struct value *value, enum condition c, const config_setting_t *s,
		const struct groups *groups, struct policy_error *err);

/* value_free - of one that value_parse() has filled in */
void value_free(struct value *value, enum condition c);

/*
 * value_keep - a compact copy that lives as long as the arena
 * Returns NULL if out of memory.
 */
const struct value *value_keep(const struct value *value, enum condition c,
			       struct arena *arena);

/*
 * True if what has all of @inner certainly has one of @outer.  It errs on the side
 * of false.
 */
bool value_covers(enum condition c, const struct value *outer,
		  const struct value *inner);

/* The only text or number that a rule may give as a name: not empty, no controls. */
const char *value_plain_string(const config_setting_t *s);

#endif
