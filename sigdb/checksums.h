/* SPDX-License-Identifier: GPL-2.0-only */
/* What a package says its files' MD5 is: deb-md5sums(5), as dpkg keeps it. */
#ifndef SOCKGATE_SIGDB_CHECKSUMS_H
#define SOCKGATE_SIGDB_CHECKSUMS_H

#include <stddef.h>
#include <stdint.h>

struct package;

struct checksums {
	struct checksum *list;	/* in the order of the paths */
	size_t count;
	char *text;
};

/*
 * checksums_read - read a package's
 * A package without any gives an empty list.  Returns 0, or -1 with errno;
 * checksums_free() in either case.
 */
int checksums_read(struct checksums *sums, const char *admindir,
		   const struct package *pkg);
void checksums_free(struct checksums *sums);

enum checksums_result {
	CHECKSUMS_NONE,		/* the package says nothing of this file */
	CHECKSUMS_SAME,
	CHECKSUMS_DIFFERENT,
};

/* @path: absolute, as the package lists it; @md5: 16 bytes */
enum checksums_result checksums_compare(const struct checksums *sums, const char *path,
					const uint8_t *md5);

#endif
