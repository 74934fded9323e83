/* SPDX-License-Identifier: GPL-2.0-only */
/* The tables of the audit log (SQLite).  Used by one thread at a time. */
#ifndef SECSRV_AUDIT_DB_H
#define SECSRV_AUDIT_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sockgate.pb-c.h"

struct audit_db;

#define AUDIT_INSTANCE_SIZE 16

/* What an agent's spool of records is called: nobody can use another host's. */
struct audit_source {
	char host[256];
	uint8_t instance[AUDIT_INSTANCE_SIZE];
};

/*
 * audit_db_open - open the log, which is made if there is none
 * @why: on failure a sentence that names the file
 */
struct audit_db *audit_db_open(const char *path, char *why, size_t why_size);
void audit_db_close(struct audit_db *db);

/*
 * Changes go between begin and commit; nothing is in the log before commit has
 * returned 0, and then it has reached the disk.  Each returns 0 or -1; after
 * -1, audit_db_error() says why and audit_db_rollback() is due.
 */
int audit_db_begin(struct audit_db *db);
int audit_db_commit(struct audit_db *db);
void audit_db_rollback(struct audit_db *db);
const char *audit_db_error(const struct audit_db *db);

/*
 * audit_db_put_records - add records; those that are there already are skipped
 * @now_us: wall clock, kept with each record
 * @added:  raised by the number that was new
 */
int audit_db_put_records(struct audit_db *db, const struct audit_source *source,
			 const Sockgate__Records *records, int64_t now_us,
			 uint64_t *added);

/* Keep the text of a policy under its generation; the oldest ones go. */
int audit_db_put_policy(struct audit_db *db, uint64_t generation,
			int64_t now_us, const char *text);

/*
 * audit_db_prune - delete the oldest records beyond a bound
 * @before_us: what was received before; 0: no bound
 * @max_bytes: what the log may take, free pages not counted; 0: no bound
 * @limit:     no more than this at a time
 * @more:      set if there may be more to delete
 */
int audit_db_prune(struct audit_db *db, int64_t before_us, int64_t max_bytes,
		   unsigned int limit, bool *more);

/* The generation of the last policy kept, 0 if there is none; -1 on failure. */
int audit_db_last_generation(struct audit_db *db, uint64_t *generation);

/*
 * audit_db_policy - the text that was in force
 * Returns a string for free(), or NULL if it is not there or cannot be read.
 */
char *audit_db_policy(struct audit_db *db, uint64_t generation);

/*
 * audit_db_policy_before - the text that was in force so many changes of it ago
 * @back: 0: the last one
 * Returns as above; *@generation is the first that it was in force under.
 */
char *audit_db_policy_before(struct audit_db *db, uint32_t back, uint64_t *generation);

/*
 * audit_db_find - the record of the decision itself, not of its later uses
 * Returns a record for sockgate__record__free_unpacked(), or NULL.
 */
Sockgate__Record *audit_db_find(struct audit_db *db, const char *decision_id);

/* The oldest and the newest row; 0 and 0 if there is none. */
int audit_db_bounds(struct audit_db *db, int64_t *oldest, int64_t *newest);

/*
 * audit_db_search - the rows from @low to @high that query_matches(), newest first
 * @limit: no more than this
 * @take:  gets the number of each; returns -1 if it is out of memory
 */
int audit_db_search(struct audit_db *db, const Sockgate__EventsQuery *query,
		    int64_t low, int64_t high, unsigned int limit,
		    int (*take)(int64_t id, void *arg), void *arg);

/*
 * audit_db_get - one row
 * @record: for sockgate__record__free_unpacked(); NULL if there is no such row
 */
int audit_db_get(struct audit_db *db, int64_t id, Sockgate__Record **record);

#endif
