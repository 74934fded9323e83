/* SPDX-License-Identifier: GPL-2.0-only */
/* Signatures from the packages that are installed on a machine. */
#ifndef SOCKGATE_SIGDB_DPKG_H
#define SOCKGATE_SIGDB_DPKG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "package.h"
#include "store.h"

struct categories;

struct dpkg_import {
	struct machine machine;
	const struct categories *map;
	char *const *patterns;	/* packages, by name or shell pattern */
	size_t pattern_count;	/* 0: all */
	bool keep;		/* leave what is no longer installed */
	unsigned int grace_s;	/* seconds that what is no longer there stays known */
	time_t now;		/* wall clock: what changed just before it may still change */
};

struct dpkg_report {
	struct store_counts counts;
	uint64_t packages;
	uint64_t executables;
	uint64_t hashed;	/* of these read now, the others known from before */
	uint64_t bytes;		/* read */
	uint64_t changed;	/* not as the package brought them: left out */
	uint64_t unreadable;	/* left out */
	bool have_tags;		/* the package index was there */
	bool have_origins;
};

/*
 * dpkg_import - take the signatures of installed packages into the database
 * All or nothing.  A package of the earlier import that is no longer installed
 * loses its signatures.  Returns 0, or -1 with a sentence in @why.
 */
int dpkg_import(struct sigdb *db, const struct dpkg_import *job,
		struct dpkg_report *report, char *why, size_t why_size);

#endif
