/* SPDX-License-Identifier: GPL-2.0-only */
/* A database that a daemon looks things up in: opened again where that is needed. */
#ifndef SOCKGATE_SIGDB_WATCHED_H
#define SOCKGATE_SIGDB_WATCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain.h"
#include "sigdb.h"

struct watched;

/*
 * watched_open - open it; it is made if there is none
 * A lookup is done in the event loop: it reads a few pages by an index, and does no
 * more than so many steps, a millisecond or so.
 * @why: on failure a sentence
 */
struct watched *watched_open(const char *path, char *why, size_t why_size);
void watched_close(struct watched *w);

/* As sigdb_lookup(); what fails is logged, once until it works again. */
enum sigdb_result watched_lookup(struct watched *w, const struct sigdb_question *q,
				 struct sigdb_answer *answer);

/* As sigdb_explain(). */
int watched_explain(struct watched *w, const struct sigdb_question *q, explain_fn fn,
		    void *arg);

/*
 * watched_refresh - to be called now and then
 * Returns true if signatures may have changed.  Opens a database again that was
 * replaced or had failed.
 */
bool watched_refresh(struct watched *w);

/*
 * watched_version - a number that is the same as long as the database is
 * Over a restart too, unless it was changed by hand.
 */
uint64_t watched_version(const struct watched *w);

/* Why it cannot be asked; "" if it can. */
const char *watched_error(const struct watched *w);

#endif
