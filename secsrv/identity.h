/* SPDX-License-Identifier: GPL-2.0-only */
/* Who an executable is, by the signature database, with a cache before it. */
#ifndef SECSRV_IDENTITY_H
#define SECSRV_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sockgate.pb-c.h"

/* What is remembered; about 700 bytes each. */
#define IDENTITY_CACHE_MAX 65536

struct identity_cache;

/* Counted by outcome. */
struct identity_counters {
	uint64_t n_hit;		/* answered from memory */
	uint64_t n_looked_up;	/* answered by the database */
	uint64_t n_failed;	/* the database could not answer */
	uint64_t n_evicted;	/* forgotten to make room */
	uint64_t n_not_noted;	/* sightings that there was no room for */
};

/*
 * identity_open - open the signature database; it is made if there is none
 * @max: answers to remember
 * @why: on failure a sentence
 */
struct identity_cache *identity_open(const char *path, unsigned int max,
				     char *why, size_t why_size);
void identity_close(struct identity_cache *cache);

/*
 * identity_lookup - what is known of a process's executable
 * @host: where it runs; what no hash is known of is noted beside the database
 *        (sigdb/sighting.h), by a thread
 * @out: set up with pointers into the cache, good until the next call
 * Returns 0; -1 if nothing may be assumed: the content is not verified, or the
 * database could not be asked.
 */
int identity_lookup(struct identity_cache *cache, const char *host,
		    const Sockgate__Process *process, Sockgate__Identity *out);

/*
 * identity_refresh - to be called now and then
 * Returns true if signatures may have changed: then all is forgotten, and what
 * was decided by them should be decided again.  Opens a database again that
 * was replaced or had failed.
 */
bool identity_refresh(struct identity_cache *cache);

const struct identity_counters *identity_counters(struct identity_cache *cache);

#endif
