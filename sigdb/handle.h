/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside sigdb/ only: what an open database consists of. */
#ifndef SOCKGATE_SIGDB_HANDLE_H
#define SOCKGATE_SIGDB_HANDLE_H

#include <sqlite3.h>

#include "sigdb.h"

struct sigdb {
	sqlite3 *sql;
	sqlite3_stmt *lookup;
	sqlite3_stmt *version;
	char *path;
	char error[512];
};

/*
 * sigdb_fail - note SQLite's last error as the handle's, with the file's name
 * @doing: "looking up a hash", ...
 * Returns -1.
 */
int sigdb_fail(struct sigdb *db, const char *doing);

/* The same in the caller's own words. */
int sigdb_failf(struct sigdb *db, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
