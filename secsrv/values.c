// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Out of memory must not end the program: the value is just not found again. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "values.h"

/* Found by its condition and by how it is written. */
struct known {
	const struct value *value;
	UT_hash_handle hh;
	char key[];
};

struct values {
	struct arena *arena;
	struct arena passing;	/* the entries below */
	struct known *known;
	FILE *printer;		/* into the buffer behind it */
	char *key;
	size_t size;
};

struct values *values_new(struct arena *arena)
{
	struct values *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->arena = arena;
	v->printer = open_memstream(&v->key, &v->size);
	if (v->printer)
		return v;
	free(v);
	return NULL;
}

void values_free(struct values *values)
{
	if (!values)
		return;
	HASH_CLEAR(hh, values->known);
	arena_free(&values->passing);
	fclose(values->printer);
	free(values->key);
	free(values);
}

struct arena *values_arena(const struct values *values)
{
	return values->arena;
}

/* Into v->key.  Returns its length, 0 if out of memory. */
static size_t print_key(struct values *v, enum condition c, const config_setting_t *s)
{
	long len;

	rewind(v->printer);
	fputc('a' + (int)c, v->printer);
	settings_print(v->printer, s);
	len = ftell(v->printer);
	return fflush(v->printer) || len < 0 ? 0 : (size_t)len;
}

static void remember(struct values *v, size_t len, const struct value *value)
{
	struct known *k = arena_alloc(&v->passing, sizeof(*k) + len);

	if (!k)
		return;
	k->value = value;
	memcpy(k->key, v->key, len);
	HASH_ADD(hh, v->known, key, len, k);
}

static const struct value *new_value(struct values *v, enum condition c,
				     const config_setting_t *s,
				     const struct groups *groups,
				     struct policy_error *err)
{
	const struct value *kept = NULL;
	struct value value = { 0 };

	if (!value_parse(&value, c, s, groups, err)) {
		kept = value_keep(&value, c, v->arena);
		if (!kept)
			settings_fail(err, s, "out of memory");
	}
	value_free(&value, c);
	return kept;
}

const struct value *values_get(struct values *v, enum condition c,
			       const config_setting_t *s,
			       const struct groups *groups,
			       struct policy_error *err)
{
	const struct value *value;
	struct known *k = NULL;
	size_t len;

	/* Only plain values can be printed. */
	if (settings_count(s, err) < 0)
		return NULL;
	len = print_key(v, c, s);
	if (len)
		HASH_FIND(hh, v->known, v->key, len, k);
	if (k)
		return k->value;
	value = new_value(v, c, s, groups, err);
	if (value && len)
		remember(v, len, value);
	return value;
}
