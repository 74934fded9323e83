/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signatures from the Reference Data Set of NIST's National Software Reference
 * Library, version 3: an SQLite database with the tables (or views) FILE, PKG, MFG, OS.
 */
#ifndef SOCKGATE_SIGDB_NSRL_H
#define SOCKGATE_SIGDB_NSRL_H

#include <stdint.h>

#include "store.h"

/* What a filter looks at. */
enum nsrl_filter {
	NSRL_PRODUCT,		/* PKG.name */
	NSRL_MANUFACTURER,	/* MFG.name */
	NSRL_SYSTEM,		/* OS.name */
	NSRL_TYPE,		/* PKG.application_type */
	NSRL_FILE,		/* FILE.file_name */
	NSRL_FILTERS,
};

#define NSRL_PATTERNS_MAX 32

struct nsrl_import {
	const char *path;
	const char *label;	/* of the source: what it had and is not found now, goes */
	/* Shell patterns in any letter case; one of each filter that has any must fit. */
	const char *pattern[NSRL_FILTERS][NSRL_PATTERNS_MAX];
	int patterns[NSRL_FILTERS];
	int trust;
	int threat;
};

struct nsrl_report {
	struct store_counts counts;
	uint64_t products;	/* that the filters let through */
	uint64_t rows;		/* files of these */
	uint64_t bad;		/* of these, without a SHA-256: left out */
};

/* All or nothing.  Returns 0, or -1 with a sentence in @why. */
int nsrl_import(struct sigdb *db, const struct nsrl_import *job,
		struct nsrl_report *report, char *why, size_t why_size);

#endif
