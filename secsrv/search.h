/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One query of the audit log, answered step by step: no step is long, so that
 * what else uses the database waits for none.
 */
#ifndef SECSRV_SEARCH_H
#define SECSRV_SEARCH_H

#include <stdbool.h>

#include "audit_db.h"

struct search;

/* The most that one query may ask for: 8 bytes of memory each. */
#define SEARCH_MAX 1000000
#define SEARCH_DEFAULT 50

/* search_new - @query is copied; NULL if out of memory */
struct search *search_new(const Sockgate__EventsQuery *query);
void search_free(struct search *s);

/*
 * search_step - go on
 * @part: set to what was found, for sockgate__records__free_unpacked(), oldest
 *        first, and end is set in the last one; NULL if this step found nothing
 * A query that follows ends when nothing is left that was committed meanwhile:
 * what is committed after its last step is not in it, and all before is.
 * Returns 0; or -1, with the reason in audit_db_error().
 */
int search_step(struct search *s, struct audit_db *db, Sockgate__Records **part);

#endif
