/* SPDX-License-Identifier: GPL-2.0-only */
/* How an index is laid out: what builds it and what searches it have to agree. */
#ifndef SECSRV_INDEX_DATA_H
#define SECSRV_INDEX_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "rule.h"

/*
 * What a key, or a walk, leads to: two bits of kind, thirty of number.
 * RULE: one rule.  LIST: a few, whose count and numbers are at this place in ->list.
 * NODE: more, by their next condition.  MARK: nothing but that from this rule on there
 * is a longer prefix.
 */
#define REF_RULE 0U
#define REF_LIST 1U
#define REF_NODE 2U
#define REF_MARK 3U
#define REF(kind, number) ((kind) << 30 | (number))
#define REF_KIND(ref) ((ref) >> 30)
#define REF_NUMBER(ref) ((ref) & 0x3fffffffU)

#define NO_RULE UINT32_MAX

/* Rules that agree in their first conditions.  Lists are in the order of rules. */
struct node {
	uint32_t min;		/* its first rule */
	uint32_t match;		/* the first one without any other condition */
	uint32_t conditions;	/* that rules in it have further on */
	uint32_t branch;	/* in ->branch, ordered by ->min */
	uint32_t branches;
};

/* Texts of which a glob begins, ports and addresses are found by their first bits. */
#define LENGTH_WORDS 4
#define LENGTH_V6 64		/* where those of IPv6 begin */
#define LENGTH_BASE 64		/* where those of file names begin */
#define GLOB_BYTES_MAX 31

/* Rules whose next condition is the same, by its value. */
struct branch {
	uint32_t min;
	uint32_t conditions;	/* this one, and those further on */
	uint8_t condition;
	uint8_t bits;		/* of a key that choose its bucket */
	uint32_t child;		/* refs in ->child, ordered by their first rule */
	uint32_t children;	/* 0: found by their keys only */
	uint32_t bucket;	/* in ->bucket: where in ->entry each one begins */
	uint32_t first;		/* in ->first: of each length, its first rule */
	uint64_t length[LENGTH_WORDS];
};

struct entry {
	uint32_t key;
	uint32_t ref;
};

struct index {
	const struct rule *rule;
	uint32_t rules;
	uint32_t root[2];	/* refs: rules that name events, and those that do not */
	bool has_root[2];
	uint64_t rung[LENGTH_WORDS];	/* lengths that remote prefixes are rounded to */
	struct node *node;
	struct branch *branch;
	struct entry *entry;
	uint32_t *bucket, *child, *list, *first;
};

static inline bool length_has(const uint64_t *set, unsigned int n)
{
	return set[n / 64] >> (n % 64) & 1;
}

static inline void length_add(uint64_t *set, unsigned int n)
{
	set[n / 64] |= UINT64_C(1) << (n % 64);
}

/* The next length from @n on, below @end; @end if there is none. */
static inline unsigned int length_next(const uint64_t *set, unsigned int n,
				       unsigned int end)
{
	while (n < end) {
		uint64_t word = set[n / 64] >> (n % 64);

		if (word) {
			n += (unsigned int)__builtin_ctzll(word);
			return n < end ? n : end;
		}
		n = (n / 64 + 1) * 64;
	}
	return end;
}

/* How many lengths there are below @n. */
static inline unsigned int length_rank(const uint64_t *set, unsigned int n)
{
	unsigned int rank = 0;

	for (unsigned int w = 0; w < n / 64; w++)
		rank += (unsigned int)__builtin_popcountll(set[w]);
	if (n % 64)
		rank += (unsigned int)__builtin_popcountll(set[n / 64] <<
							   (64 - n % 64));
	return rank;
}

/* The first rule that a ref leads to. */
static inline uint32_t ref_first(const struct index *ix, uint32_t ref)
{
	switch (REF_KIND(ref)) {
	case REF_LIST:
		return ix->list[REF_NUMBER(ref) + 1];
	case REF_NODE:
		return ix->node[REF_NUMBER(ref)].min;
	default:
		return REF_NUMBER(ref);
	}
}

/* What sort of thing a key is of. */
enum key_kind {
	KEY_TEXT,
	KEY_GLOB,
	KEY_BASE,		/* of a file's name */
	KEY_BASE_GLOB,
	KEY_NUMBER,
	KEY_PREFIX,
	KEY_HASH,
};

/* A text is hashed byte by byte, so that what it begins with comes for nothing. */
#define KEY_BEGIN 0x811c9dc5U

static inline uint32_t key_byte(uint32_t hash, uint8_t byte)
{
	return (hash ^ byte) * 0x01000193U;
}

static inline uint32_t key_end(uint32_t hash, enum key_kind kind, unsigned int length)
{
	hash ^= (uint32_t)kind << 29 ^ length * 0x9e3779b1U;
	hash = (hash ^ hash >> 16) * 0x7feb352dU;
	hash = (hash ^ hash >> 15) * 0x846ca68bU;
	return hash ^ hash >> 16;
}

static inline uint32_t key_bucket(uint32_t key, unsigned int bits)
{
	return bits ? key >> (32 - bits) : 0;
}

/* As the C locale has it, whatever the program is set to. */
static inline uint8_t key_fold(char c)
{
	return (uint8_t)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static inline uint32_t key_text(const char *text, size_t len, bool fold)
{
	uint32_t hash = KEY_BEGIN;

	for (size_t i = 0; i < len; i++)
		hash = key_byte(hash, fold ? key_fold(text[i]) : (uint8_t)text[i]);
	return hash;
}

static inline uint32_t key_number(uint32_t number, unsigned int length)
{
	return key_end(number * 0x85ebca6bU + 1, KEY_NUMBER, length);
}

/* Of the first @bits of an address. */
static inline uint32_t key_prefix(const uint8_t *addr, unsigned int bits, bool v6)
{
	uint32_t hash = KEY_BEGIN;

	for (unsigned int i = 0; i < bits / 8; i++)
		hash = key_byte(hash, addr[i]);
	if (bits % 8)
		hash = key_byte(hash, (uint8_t)(addr[bits / 8] >> (8 - bits % 8)));
	return key_end(hash, KEY_PREFIX, bits + (v6 ? LENGTH_V6 : 0));
}

static inline uint32_t key_hash(const uint8_t *sha256)
{
	return key_end(key_text((const char *)sha256, 8, false), KEY_HASH, 0);
}

/* What of a pattern a text that matches it certainly has. */
struct pattern_key {
	uint32_t key;
	unsigned int length;	/* of a glob, its lengths' bit; else 0 */
	bool glob;
};

static inline struct pattern_key key_pattern(const struct pattern *p,
					     enum pattern_kind kind)
{
	bool fold = kind == PATTERN_WORD;
	bool base = kind == PATTERN_FILE && !strchr(p->text, '/');
	size_t len = p->glob ? strcspn(p->text, "*?[\\") : strlen(p->text);
	struct pattern_key k = { .glob = p->glob };

	if (p->glob && len > GLOB_BYTES_MAX)
		len = GLOB_BYTES_MAX;
	k.key = key_text(p->text, len, fold);
	if (!p->glob) {
		k.key = key_end(k.key, base ? KEY_BASE : KEY_TEXT, 0);
		return k;
	}
	k.length = (unsigned int)len + (base ? LENGTH_BASE : 0);
	k.key = key_end(k.key, base ? KEY_BASE_GLOB : KEY_GLOB, k.length);
	return k;
}

/* What has few values is walked through, and has no keys. */
static inline bool condition_is_walked(enum condition c)
{
	switch (c) {
	case COND_TIME:
	case COND_KNOWN:
	case COND_TRUST:
	case COND_THREAT:
	case COND_EVENT:
	case COND_PROTOCOL:
	case COND_CLASS:
		return true;
	default:
		return false;
	}
}

/* The number of bits that the blocks of a range of ports have at most. */
#define PORT_BITS 16U

#endif
