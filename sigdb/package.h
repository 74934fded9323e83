/* SPDX-License-Identifier: GPL-2.0-only */
/* The packages that are installed on a machine, as dpkg and apt know them. */
#ifndef SOCKGATE_SIGDB_PACKAGE_H
#define SOCKGATE_SIGDB_PACKAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "command.h"

/* Which machine: NULL for each is the one that we run on. */
struct machine {
	const char *root;	/* its file system */
	const char *admindir;	/* dpkg's database, if not ROOT/var/lib/dpkg */
};

/* Every string is owned and there, if only as "". */
struct package {
	char *id;		/* with the architecture where dpkg needs it */
	char *name;
	char *version;
	char *section;
	char *maintainer;
	char *homepage;
	char *origin;		/* who distributes it */
	char *tags;
	bool offered;		/* its origin still offers this very version */
};

struct packages {
	struct package *list;	/* in the order of id */
	size_t count;
	size_t room;
	bool have_tags;		/* the index is there and has tags */
	bool have_origins;
};

/*
 * packages_read - the installed packages, from dpkg-query, with tags and origins
 * from apt-cache if it is there
 * @patterns, @count: names or shell patterns; none: all
 * @why: on failure a sentence
 * Returns 0 or -1; packages_free() in either case.
 */
int packages_read(struct packages *pkgs, const struct machine *machine,
		  char *const *patterns, size_t count, char *why, size_t why_size);
void packages_free(struct packages *pkgs);

/* The package of this id, or NULL. */
struct package *packages_find(const struct packages *pkgs, const char *id);

/*
 * apt_read - fill in tags, origins and what is offered, in apt.c
 * What cannot be learned stays as it is.  Returns 0, or -1 if out of memory.
 */
int apt_read(struct packages *pkgs, const struct machine *machine);

/* Replace a string of a package.  Returns 0 or -1. */
int package_set(char **field, const char *value);

/* dpkg's options for the machine. */
void machine_words(const struct machine *machine, struct words *w);

/* dpkg's database folder.  Returns 0, or -1 if it is too long. */
int machine_admindir(const struct machine *machine, char *out, size_t size);

#endif
