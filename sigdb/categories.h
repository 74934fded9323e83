/* SPDX-License-Identifier: GPL-2.0-only */
/* The mapping file: from what a package says of itself to category and vendor. */
#ifndef SOCKGATE_SIGDB_CATEGORIES_H
#define SOCKGATE_SIGDB_CATEGORIES_H

#include <stdbool.h>
#include <stddef.h>

struct categories;

/*
 * categories_load - read a mapping file
 * @path: NULL: the one that ships with the program (see categories_find())
 * @why:  on failure a sentence with file and line
 * Returns NULL on failure.
 */
struct categories *categories_load(const char *path, char *why, size_t why_size);
void categories_free(struct categories *map);

/*
 * categories_find - where the mapping file is
 * /etc/sockgate/categories.conf if somebody made one; else the one that ships, in
 * ../share/sockgate beside the program's folder.  Returns 0, or -1 if there is none.
 */
int categories_find(char *path, size_t size);

/*
 * What is known of a package; every string is there, if only as "".
 * @tags: separated by commas, spaces and newlines, as the index gives them
 */
struct categories_package {
	const char *name;
	const char *section;
	const char *tags;
	const char *homepage;
	const char *maintainer;	/* with or without the address */
	const char *origin;
};

/* The category; it belongs to @map. */
const char *categories_category(const struct categories *map,
				const struct categories_package *pkg);

/* The vendor, cut at @size - 1 bytes. */
void categories_vendor(const struct categories *map,
		       const struct categories_package *pkg, char *out, size_t size);

/* Is this origin the distribution itself? */
bool categories_is_distribution(const struct categories *map, const char *origin);

#endif
