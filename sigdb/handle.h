/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside sigdb/ only: what an open database consists of. */
#ifndef SOCKGATE_SIGDB_HANDLE_H
#define SOCKGATE_SIGDB_HANDLE_H

#include <sqlite3.h>

#include "sigdb.h"

struct sigdb {
	sqlite3 *sql;
	sqlite3_stmt *hash;
	sqlite3_stmt *claimed;
	sqlite3_stmt *claim;
	sqlite3_stmt *version;
	char *path;
	char error[512];
};

/* The claims that an executable makes, as a SELECT; no index serves an OR of them. */
#define SIGDB_CLAIMS								\
	"SELECT * FROM claim WHERE kind = 1 AND value = ?2 UNION ALL "		\
	"SELECT * FROM claim WHERE kind = 2 AND value = ?3 UNION ALL "		\
	"SELECT * FROM claim WHERE kind = 3 AND value = ?4"

/*
 * What takes its power from a claim, as conditions of SQL; schema.sql has the rule.
 * They are about application a, and file name ?4.
 */
#define SIGDB_APPLICATION_HAS_HASH						\
	"EXISTS (SELECT 1 FROM application b JOIN hash_signature h"		\
	"           ON h.application = b.id AND h.application IS NOT NULL"	\
	"         WHERE b.name = a.name COLLATE NOCASE)"
#define SIGDB_FILE_NAME_HAS_HASH						\
	"EXISTS (SELECT 1 FROM hash_signature h WHERE h.file_name = ?4"		\
	"           AND h.file_name IS NOT NULL AND h.application IS NOT NULL)"

/* ?1 is the hash, ?2 the path, ?3 the build-id, ?4 the file name.  Returns SQLite's code. */
int sigdb_bind_question(sqlite3_stmt *stmt, const struct sigdb_question *q);

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
