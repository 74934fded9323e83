/* SPDX-License-Identifier: GPL-2.0-only */
/* The tables of the signature database: making them, and bringing old ones up to date. */
#ifndef SOCKGATE_SIGDB_SCHEMA_H
#define SOCKGATE_SIGDB_SCHEMA_H

#include <stdbool.h>

struct sigdb;

/*
 * schema_check - is the open file one of ours, of a version that we know?
 * @write: an empty file gets its tables, and an older one those of today, in one
 *         transaction; without it both are refused
 * Returns 0, or -1 with the reason in sigdb_error().
 */
int schema_check(struct sigdb *db, bool write);

#endif
