/* SPDX-License-Identifier: GPL-2.0-only */
/* Walking over text in libconfig's syntax. */
#ifndef SOCKGATE_CONF_SCAN_H
#define SOCKGATE_CONF_SCAN_H

#include <stdbool.h>
#include <stddef.h>

struct conf_scan {
	const char *at, *end;
	unsigned int line;	/* of @at, from 1 */
};

/* Over @n bytes, or to the end. */
void conf_skip(struct conf_scan *s, size_t n);

bool conf_starts_with(const struct conf_scan *s, const char *word);

/* Over a comment of any kind.  Returns false if there is none. */
bool conf_skip_comment(struct conf_scan *s);

/* Over a string, which begins here.  Returns false, at the end, if it is not closed. */
bool conf_skip_string(struct conf_scan *s);

/* Over a name or a word. */
void conf_skip_name(struct conf_scan *s);

bool conf_is_name_start(char c);
bool conf_is_name_char(char c);

#endif
