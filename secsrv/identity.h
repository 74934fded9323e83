/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who an executable is: by the signature database, or by a service that has one, with
 * a cache before it.
 */
#ifndef SECSRV_IDENTITY_H
#define SECSRV_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "answers.h"
#include "services.h"
#include "sockgate.pb-c.h"

struct event_base;
struct identity_cache;

struct identity_conf {
	const char *file;		/* the database, if there is no service */
	struct services_conf services;	/* none: the database is read here */
	struct answers_conf cache;
};

/* Counted by outcome. */
struct identity_counters {
	struct answers_counters cache;
	struct services_counters services;
	unsigned int cached;	/* answers that are remembered now */
	uint64_t n_looked_up;	/* answered by the database */
	uint64_t n_failed;	/* nobody could answer */
	uint64_t n_not_noted;	/* sightings that were not noted */
};

/*
 * identity_open - open the signature database (it is made if there is none), or begin
 *                 to connect to the services
 * @base, @tls: for services; may be NULL without
 * @conf:    kept by reference
 * @changed: signatures may be others from now on, see identity_refresh(); may be NULL
 * @why:     on failure a sentence
 */
struct identity_cache *identity_open(struct event_base *base, SSL_CTX *tls,
				     const struct identity_conf *conf,
				     void (*changed)(void *arg), void *arg, char *why,
				     size_t why_size);
void identity_close(struct identity_cache *cache);

enum identity_state {
	/* Nothing may be assumed: the content is not verified, or nobody can be asked. */
	IDENTITY_UNAVAILABLE,
	IDENTITY_FOUND,
	IDENTITY_AWAITED,	/* a service has been asked */
};

/* One who waits for the answer of a service; embedded in a structure of his own. */
struct identity_wait {
	/* @identity: NULL if nothing may be assumed; good until it returns */
	void (*done)(struct identity_wait *wait, const Sockgate__Identity *identity);
	const char *host;			/* of identity_lookup(), kept by reference */
	const Sockgate__Process *process;
	struct identity_cache *cache;
	struct services_wait wait;
};

/*
 * identity_lookup - what is known of a process's executable
 * @host:    where it runs; what no hash is known of is noted with the database
 *           (sigdb/sighting.h)
 * @wait_ms: how long a service may take; 0: as long as is configured
 * @now_s:   a clock that only goes forward
 * @out:     if found: set up with pointers into the cache, good until the next call
 * @inquiry: if awaited: for identity_await()
 */
enum identity_state identity_lookup(struct identity_cache *cache, const char *host,
				    const Sockgate__Process *process,
				    unsigned int wait_ms, uint64_t now_s,
				    Sockgate__Identity *out, struct inquiry **inquiry);

/* To be called at once, with done, host and process set. */
void identity_await(struct identity_cache *cache, struct inquiry *inquiry,
		    struct identity_wait *wait);
void identity_cancel(struct identity_wait *wait);

/*
 * identity_refresh - to be called now and then, and when ->changed was told
 * Returns true if signatures may have changed: then all is forgotten, and what
 * was decided by them should be decided again.  Opens a database again that
 * was replaced or had failed.
 */
bool identity_refresh(struct identity_cache *cache);

const struct identity_counters *identity_counters(struct identity_cache *cache);

/* What is asked now: the database, or the address of a service; "" if nothing can be. */
const char *identity_source(const struct identity_cache *cache);
/* Why that is nothing, or why a service is not up that could be asked too; or "". */
const char *identity_error(const struct identity_cache *cache);

#endif
