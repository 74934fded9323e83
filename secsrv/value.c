// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "value.h"

/* Which member of a value a condition has. */
enum form {
	FORM_KNOWN,
	FORM_EVENTS,
	FORM_PROTOCOLS,
	FORM_CLASSES,
	FORM_PATTERNS,
	FORM_RANGES,
	FORM_PREFIXES,
	FORM_USERS,
	FORM_HASHES,
};

static const struct {
	enum form form;
	size_t size;
} forms[COND_COUNT] = {
#define FORM(name, member) { FORM_##name, sizeof(((struct value *)0)->member) }
	[COND_TIME] = FORM(RANGES, ranges),
	[COND_HOST] = FORM(PATTERNS, patterns),
	[COND_HOST_GROUP] = FORM(PATTERNS, patterns),
	[COND_KNOWN] = FORM(KNOWN, known),
	[COND_HASH] = FORM(HASHES, hashes),
	[COND_APPLICATION] = FORM(PATTERNS, patterns),
	[COND_VENDOR] = FORM(PATTERNS, patterns),
	[COND_CATEGORY] = FORM(PATTERNS, patterns),
	[COND_VERSION] = FORM(PATTERNS, patterns),
	[COND_TRUST] = FORM(RANGES, ranges),
	[COND_THREAT] = FORM(RANGES, ranges),
	[COND_EVENT] = FORM(EVENTS, events),
	[COND_PROTOCOL] = FORM(PROTOCOLS, protocols),
	[COND_USER] = FORM(USERS, users),
	[COND_DOMAIN] = FORM(PATTERNS, patterns),
	[COND_UNIT] = FORM(PATTERNS, patterns),
	[COND_IMAGE] = FORM(PATTERNS, patterns),
	[COND_FILE] = FORM(PATTERNS, patterns),
	[COND_APP] = FORM(PATTERNS, patterns),
	[COND_CLASS] = FORM(CLASSES, classes),
	[COND_SCRIPT] = FORM(PATTERNS, patterns),
	[COND_SCRIPT_HASH] = FORM(HASHES, hashes),
	[COND_PORT] = FORM(RANGES, ranges),
	[COND_REMOTE] = FORM(PREFIXES, prefixes),
#undef FORM
};

void value_free(struct value *value, enum condition c)
{
	switch (forms[c].form) {
	case FORM_PATTERNS:
		pattern_free(&value->patterns);
		break;
	case FORM_RANGES:
		range_free(&value->ranges);
		break;
	case FORM_PREFIXES:
		prefix_free(&value->prefixes);
		break;
	case FORM_USERS:
		free(value->users.uid);
		pattern_free(&value->users.names);
		break;
	case FORM_HASHES:
		free(value->hashes.elem);
		break;
	default:
		break;
	}
	memset(value, 0, sizeof(*value));
}

/* Points *@data to a copy of it. */
static bool keep_array(void *data, uint32_t count, size_t size, struct arena *arena)
{
	void *old, *copy;

	memcpy(&old, data, sizeof(old));
	if (!count)
		return true;
	copy = arena_alloc(arena, count * size);
	if (!copy)
		return false;
	memcpy(copy, old, count * size);
	memcpy(data, &copy, sizeof(copy));
	return true;
}

static bool keep_patterns(struct pattern_list *list, struct arena *arena)
{
	if (!keep_array(&list->elem, list->count, sizeof(*list->elem), arena))
		return false;
	for (uint32_t i = 0; i < list->count; i++) {
		list->elem[i].text = arena_string(arena, list->elem[i].text);
		if (!list->elem[i].text)
			return false;
	}
	return true;
}

static bool keep_parts(struct value *v, enum form form, struct arena *arena)
{
	switch (form) {
	case FORM_PATTERNS:
		return keep_patterns(&v->patterns, arena);
	case FORM_RANGES:
		return keep_array(&v->ranges.elem, v->ranges.count,
				  sizeof(*v->ranges.elem), arena);
	case FORM_PREFIXES:
		return keep_array(&v->prefixes.elem, v->prefixes.count,
				  sizeof(*v->prefixes.elem), arena);
	case FORM_USERS:
		return keep_array(&v->users.uid, v->users.uids,
				  sizeof(*v->users.uid), arena) &&
		       keep_patterns(&v->users.names, arena);
	case FORM_HASHES:
		return keep_array(&v->hashes.elem, v->hashes.count,
				  sizeof(*v->hashes.elem), arena);
	default:
		return true;
	}
}

const struct value *value_keep(const struct value *value, enum condition c,
			       struct arena *arena)
{
	/* Of the union no more than the member: most values are small. */
	struct value *kept = arena_alloc(arena, forms[c].size), parts = *value;

	if (!kept || !keep_parts(&parts, forms[c].form, arena))
		return NULL;
	memcpy(kept, &parts, forms[c].size);
	return kept;
}

static bool protocols_cover(const struct value *a, const struct value *b)
{
	for (int i = 0; i < 4; i++) {
		if (b->protocols[i] & ~a->protocols[i])
			return false;
	}
	return true;
}

static bool hashes_cover(const struct hash_list *a, const struct hash_list *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		uint32_t j = 0;

		while (j < a->count && memcmp(a->elem[j], b->elem[i], SHA256_SIZE))
			j++;
		if (j == a->count)
			return false;
	}
	return true;
}

static bool users_cover(const struct user_list *a, const struct user_list *b)
{
	for (uint32_t i = 0; i < b->uids; i++) {
		uint32_t j = 0;

		while (j < a->uids && a->uid[j] != b->uid[i])
			j++;
		if (j == a->uids)
			return false;
	}
	return pattern_covers(&a->names, &b->names);
}

bool value_covers(enum condition c, const struct value *outer,
		  const struct value *inner)
{
	if (outer == inner)
		return true;
	switch (forms[c].form) {
	case FORM_KNOWN:
		return outer->known == inner->known;
	case FORM_EVENTS:
		return !(inner->events & ~outer->events);
	case FORM_PROTOCOLS:
		return protocols_cover(outer, inner);
	case FORM_CLASSES:
		return !(inner->classes & ~outer->classes);
	case FORM_PATTERNS:
		return pattern_covers(&outer->patterns, &inner->patterns);
	case FORM_RANGES:
		return range_covers(&outer->ranges, &inner->ranges);
	case FORM_PREFIXES:
		return prefix_covers(&outer->prefixes, &inner->prefixes);
	case FORM_USERS:
		return users_cover(&outer->users, &inner->users);
	case FORM_HASHES:
		return hashes_cover(&outer->hashes, &inner->hashes);
	}
	return false;
}
