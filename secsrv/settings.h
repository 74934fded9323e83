/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading libconfig text strictly: known keys only, errors with file and line. */
#ifndef SECSRV_SETTINGS_H
#define SECSRV_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <libconfig.h>

/* Where a text is wrong, and why.  line is 0 if it is about the whole file. */
struct policy_error {
	char file[256];
	unsigned int line;
	char reason[512];
};

/*
 * settings_fail - fill in an error
 * @at: the setting it is about; its line is taken (NULL: line 0)
 * Returns -1, so that a caller can return it.
 */
int settings_fail(struct policy_error *err, const config_setting_t *at,
		  const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* "FILE:LINE: REASON" (or without the line) for people. */
const char *settings_error_text(const struct policy_error *err, char *buf,
			      size_t size);

/*
 * settings_parse - libconfig text into @cfg, which config_init() made
 * @name: of the text, for messages
 * Refuses what conf_text_check() does, and @include: a text stands for itself,
 * so that what was loaded can be stored and replayed.  Returns 0, or -1 with
 * @err filled in.
 */
int settings_parse(config_t *cfg, const char *text, size_t len,
		   const char *name, struct policy_error *err);

/*
 * settings_known - refuse keys that nobody reads
 * @known: NULL-terminated list of the keys of @group
 * @what:  names the group in the message ("a rule", "the policy")
 * Returns 0, or -1 with @err filled in; the message lists the known keys.
 */
int settings_known(const config_setting_t *group, const char *const known[],
		   const char *what, struct policy_error *err);

/* The position of @name in @known, -1 if it is not there. */
int settings_index(const char *name, const char *const known[]);

/*
 * Typed readers.  A member that is absent leaves *out alone and succeeds; one
 * of the wrong type or out of range is an error.  Strings belong to the
 * config_t.  An empty string is an error.
 */
int settings_string(const config_setting_t *group, const char *key,
		    const char **out, struct policy_error *err);
int settings_uint(const config_setting_t *group, const char *key,
		  unsigned int min, unsigned int max, unsigned int *out,
		  struct policy_error *err);

/*
 * A scalar, an array or a list, read as one list of scalars: "any of".
 * settings_count() returns how many there are, or -1 with @err filled in if
 * there are none or one is a group; settings_elem() returns the nth.
 */
int settings_count(const config_setting_t *s, struct policy_error *err);
const config_setting_t *settings_elem(const config_setting_t *s, int n);

/*
 * Print what is written, on one line: a value, and a group of values.
 * (libconfig can print a whole file only.)
 */
void settings_print(FILE *f, const config_setting_t *s);
/* settings_text - a value as far as it fits, for messages; returns @text */
const char *settings_text(const config_setting_t *s, char *text, size_t size);
void settings_print_group(FILE *f, const config_setting_t *group);

#endif
