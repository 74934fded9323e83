/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a package's file really lies, if another package has put it aside. */
#ifndef SOCKGATE_SIGDB_DIVERSION_H
#define SOCKGATE_SIGDB_DIVERSION_H

#include <stddef.h>

#include "package.h"

struct diversion {
	char *from;
	char *to;
	char *by;		/* the package whose own file lies at @from; "" */
};

struct diversions {
	struct diversion *list;	/* in the order of @from */
	size_t count;
};

/*
 * diversions_read - ask dpkg-divert
 * Returns 0, or -1 with a sentence in @why; diversions_free() in either case.
 */
int diversions_read(struct diversions *div, const struct machine *machine, char *why,
		    size_t why_size);
void diversions_free(struct diversions *div);

/* Where the file is that the package lists as @path: @path or a diversion's. */
const char *diversions_path(const struct diversions *div, const char *package,
			    const char *path);

#endif
