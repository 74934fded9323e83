/* SPDX-License-Identifier: GPL-2.0-only */
/* A policy with what it includes in its place, so that it stands for itself. */
#ifndef CTL_EXPAND_H
#define CTL_EXPAND_H

#include <stddef.h>

#include "secsrv/settings.h"

/* Lines that are another file's, or again those of the one before. */
struct expand_part {
	unsigned int begin;	/* line of the whole */
	unsigned int line;	/* of the file */
	char *file;
};

struct expansion {
	char *text;
	size_t size;
	struct expand_part *part;	/* none: nothing is included */
	size_t parts;
};

/*
 * expand_file - read a file, and in the place of each @include what it names
 * @file:  "-" for the standard input
 * @limit: bytes of the whole
 * A name is taken as seen from the file that includes it.  Before and behind what is
 * included stands a comment that says where the next line is from; what includes nothing
 * is left as it is.  Returns 0; or -1 with @err filled in.  expand_free() is due either
 * way.
 */
int expand_file(struct expansion *x, const char *file, size_t limit,
		struct policy_error *err);
void expand_free(struct expansion *x);

/*
 * expand_origin - where a line of the whole is from
 * @line: changed to that of the file
 * Returns the file; @file if nothing is included.
 */
const char *expand_origin(const struct expansion *x, const char *file,
			  unsigned int *line);

#endif
