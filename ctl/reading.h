/* SPDX-License-Identifier: GPL-2.0-only */
/* A policy out of a file, read and checked as secsrv does it. */
#ifndef CTL_READING_H
#define CTL_READING_H

#include <stdbool.h>
#include <jansson.h>

#include "expand.h"
#include "options.h"
#include "secsrv/policy.h"

struct reading {
	const char *name;
	struct expansion whole;
	struct policy *policy;	/* NULL: see the error */
	struct policy_error err;
};

/*
 * reading_open - @file may be "-"
 * reading_free() is due either way.  Returns false with @r->err filled in.
 */
bool reading_open(struct reading *r, const char *file);
void reading_free(struct reading *r);

/* reading_refused - say what is wrong; returns RESULT_NO */
int reading_refused(const struct options *o, const struct policy_error *err);

/* What can hardly be meant: for people, and as an array. */
void reading_print_warnings(const struct reading *r);
json_t *reading_warnings(const struct reading *r);

#endif
