/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes sightings that servers report, by a thread, since writing may wait. */
#ifndef SOCKGATE_SIGDB_NOTES_H
#define SOCKGATE_SIGDB_NOTES_H

#include <stdbool.h>
#include <stdint.h>

#include "sockgate.pb-c.h"

/* Reports that wait to be written. */
#define NOTES_MAX 64

struct event_base;
struct notes;

/* Tells of a report that was given to notes_add(). */
typedef void (*notes_fn)(uint64_t owner, uint64_t id, bool written, void *arg);

/*
 * notes_new - @signatures: the path of the signature database
 * Returns NULL if there is no memory or thread.
 */
struct notes *notes_new(struct event_base *base, const char *signatures, notes_fn fn,
			void *arg);

/* Tells of all that there is, and frees it; NULL is allowed. */
void notes_free(struct notes *n);

/*
 * notes_add - @report: taken over, if 0 is returned
 * Returns 0; or -1 with EAGAIN (too many wait) or ENOMEM.
 */
int notes_add(struct notes *n, uint64_t owner, uint64_t id,
	      Sockgate__SightingsReport *report);

#endif
