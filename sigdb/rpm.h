/* SPDX-License-Identifier: GPL-2.0-only */
/* Signatures from RPM packages: those installed on a machine, or package files. */
#ifndef SOCKGATE_SIGDB_RPM_H
#define SOCKGATE_SIGDB_RPM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store.h"

struct categories;

struct rpm_import {
	const char *root;	/* file system of the machine; NULL: this one */
	const char *dbpath;	/* rpm's database, below the root; NULL: where it is usual */
	char *const *files;	/* package files, instead of what is installed */
	size_t file_count;
	const struct categories *map;
	bool sweep;		/* what was imported before and is not there now, goes */
};

struct rpm_report {
	struct store_counts counts;
	uint64_t packages;
	uint64_t executables;
	uint64_t weak;		/* left out: the package has another hash of them */
};

/*
 * rpm_import - take the executables of packages into the database
 * Nothing is read but what the packages say: the SHA-256 of each file.  All or
 * nothing.  Returns 0, or -1 with a sentence in @why.
 */
int rpm_import(struct sigdb *db, const struct rpm_import *job, struct rpm_report *report,
	       char *why, size_t why_size);

#endif
