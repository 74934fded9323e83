/* SPDX-License-Identifier: GPL-2.0-only */
/* Signatures from a CSV file (RFC 4180), and back; the columns are in sigdb(5). */
#ifndef SOCKGATE_SIGDB_CSV_FILE_H
#define SOCKGATE_SIGDB_CSV_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "store.h"

/* A row may take this many bytes; a longer one is a forgotten quote. */
#define CSV_ROW_MAX (64U << 10)

struct csv_report {
	struct store_counts counts;
	uint64_t rows;
};

/*
 * csv_import - take the rows of a file into the database
 * @name:    of the file, for messages
 * @replace: what earlier CSV files brought and this one does not, goes
 * All or nothing.  Returns 0, or -1 with a sentence in @why that names file, line
 * and column.
 */
int csv_import(struct sigdb *db, FILE *in, const char *name, bool replace,
	       struct csv_report *report, char *why, size_t why_size);

/*
 * csv_take - take the rows of a file into an import that the caller has begun
 * @feed: there may be a column more, change, whose word "remove" takes the row's hash
 *        or claim away
 * @rows: how many there were
 * Returns 0, or -1 with a sentence in @why; the import is the caller's to end.
 */
int csv_take(struct sigdb *db, struct store *store, FILE *in, const char *name,
	     bool feed, uint64_t *rows, char *why, size_t why_size);

/*
 * csv_put - write what changed since an import, in a transaction of the caller's
 * @feed:  with the column change, and what has gone
 * @since: number of the import; -1: all
 * Returns 0, or -1 with the reason in sigdb_error().
 */
int csv_put(struct sigdb *db, FILE *out, bool feed, int64_t since, uint64_t *rows);

/*
 * csv_export - write every signature, as a lookup would answer it
 * Returns 0, or -1 with a sentence in @why.
 */
int csv_export(struct sigdb *db, FILE *out, char *why, size_t why_size);

#endif
