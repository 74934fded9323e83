/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists of harmful content, as ClamAV keeps them: HASH:SIZE:NAME on each line. */
#ifndef SOCKGATE_SIGDB_HASH_LIST_H
#define SOCKGATE_SIGDB_HASH_LIST_H

#include <stdint.h>
#include <stdio.h>

#include "store.h"

struct hash_list_report {
	struct store_counts counts;
	uint64_t rows;		/* with a SHA-256 */
	uint64_t again;		/* of these, of a hash that an earlier line has */
	uint64_t md5, sha1;	/* left out: no executable is known by these */
};

/*
 * hash_list_import - take a list's lines into the database
 * @name: of the file, for messages
 * @label: of the source: what it had and the list has not, goes
 * All or nothing.  Returns 0, or -1 with a sentence in @why that names file and line.
 */
int hash_list_import(struct sigdb *db, FILE *in, const char *name, const char *label,
		     struct hash_list_report *report, char *why, size_t why_size);

#endif
