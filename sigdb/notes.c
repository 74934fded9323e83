// SPDX-License-Identifier: GPL-2.0-only
#include "notes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "pool.h"
#include "sighting.h"
#include "wire.h"

struct notes {
	struct pool *pool;
	char *signatures;
	notes_fn fn;
	void *arg;

	struct sightings *db;		/* the thread's */
	bool complained;
};

struct report {
	struct job job;
	struct notes *notes;
	uint64_t owner, id;
	Sockgate__SightingsReport *message;
	bool written;
};

/* ---- the thread ---------------------------------------------------------- */

static bool write_list(struct notes *n, const struct sighting *list, size_t count)
{
	char why[1024] = "";

	if (!n->db)
		n->db = sightings_open(n->signatures, true, why, sizeof(why));
	if (n->db && !sightings_add(n->db, list, count)) {
		n->complained = false;
		return true;
	}
	if (!n->complained)
		log_warnx("unknown executables are not noted: %s",
			  n->db ? sightings_error(n->db) : why);
	n->complained = true;
	/* Perhaps it was moved away. */
	sightings_close(n->db);
	n->db = NULL;
	return false;
}

/* There is one thread, so the database is its own. */
static void run(struct job *job)
{
	struct report *r = (struct report *)job;
	size_t count = r->message->n_sighting;
	struct sighting *list = calloc(count, sizeof(*list));
	int64_t now_s = time(NULL);
	bool ok = list;

	for (size_t i = 0; i < count && ok; i++)
		ok = !wire_take_sighting(r->message->sighting[i], now_s, &list[i]);
	r->written = ok && write_list(r->notes, list, count);
	free(list);
}

/* ---- the event loop ------------------------------------------------------ */

static void done(struct job *job)
{
	struct report *r = (struct report *)job;

	r->notes->fn(r->owner, r->id, r->written, r->notes->arg);
	sockgate__sightings_report__free_unpacked(r->message, NULL);
	free(r);
}

struct notes *notes_new(struct event_base *base, const char *signatures, notes_fn fn,
			void *arg)
{
	struct notes *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->fn = fn;
	n->arg = arg;
	n->signatures = strdup(signatures);
	n->pool = n->signatures ? pool_new(base, 1, NOTES_MAX) : NULL;
	if (n->pool)
		return n;
	free(n->signatures);
	free(n);
	return NULL;
}

void notes_free(struct notes *n)
{
	if (!n || pool_free(n->pool))
		return;		/* a thread that hangs still uses it */
	sightings_close(n->db);
	free(n->signatures);
	free(n);
}

int notes_add(struct notes *n, uint64_t owner, uint64_t id,
	      Sockgate__SightingsReport *report)
{
	struct report *r = calloc(1, sizeof(*r));

	if (!r)
		return -1;
	r->job.run = run;
	r->job.done = done;
	r->notes = n;
	r->owner = owner;
	r->id = id;
	r->message = report;
	if (!pool_submit(n->pool, &r->job))
		return 0;
	free(r);
	errno = EAGAIN;
	return -1;
}
