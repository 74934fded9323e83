/* SPDX-License-Identifier: GPL-2.0-only */
/* The values of a policy while it is read: what is written alike is kept once. */
#ifndef SECSRV_VALUES_H
#define SECSRV_VALUES_H

#include "value.h"

struct values;

/* @arena: where they are kept.  Returns NULL if out of memory. */
struct values *values_new(struct arena *arena);
/* The values themselves stay; NULL is ignored. */
void values_free(struct values *values);
struct arena *values_arena(const struct values *values);

/*
 * values_get - the value of a condition
 * @s, @groups: as for value_parse()
 * Returns NULL with @err filled in if it is wrong, or out of memory.
 */
const struct value *values_get(struct values *values, enum condition c,
			       const config_setting_t *s,
			       const struct groups *groups,
			       struct policy_error *err);

#endif
