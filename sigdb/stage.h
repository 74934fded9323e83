/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hashes on their way into the database.  Hashes come in no order, and each put into
 * its place as it comes would read and write another page.  So they are laid aside,
 * sorted, and merged in one go; both by SQLite, in temporary files.
 */
#ifndef SOCKGATE_SIGDB_STAGE_H
#define SOCKGATE_SIGDB_STAGE_H

#include "store.h"

struct stage;

/* Each returns NULL or -1 with the reason in sigdb_error(). */
struct stage *stage_open(struct sigdb *db);
int stage_add(struct stage *stage, const uint8_t *sha256,
	      const struct store_signature *sig);

/*
 * stage_merge - put what was added into the table, and begin anew
 * @source, @run: of the import
 * @counts: added to
 * @twice:  the same hash again; the first is taken
 */
int stage_merge(struct stage *stage, int64_t source, int64_t run,
		struct store_counts *counts, struct store_twice *twice);

void stage_close(struct stage *stage);

#endif
