/* SPDX-License-Identifier: GPL-2.0-only */
/* SHA-256 of executables: in threads, remembered by the file's key. */
#ifndef NFAGENT_HASH_H
#define NFAGENT_HASH_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/sockgate.h>

#include "content.h"
#include "pool.h"

struct hash_cache;

/*
 * max:     entries
 * limit:   bytes of the largest file to be read
 * threads: how many of the pool's may read at a time; for a user no more than half
 * files:   under way at a time, each with an open descriptor
 * told:    gets each result; may be called from within hash_get()
 */
struct hash_conf {
	unsigned int max;
	uint64_t limit;
	unsigned int threads;
	unsigned int files;
	void (*told)(uint64_t number, const struct hash_result *result,
		     void *arg);
	void *arg;
};

struct hash_counts {
	uint64_t hits;
	uint64_t joined;	/* waited for a hash that was under way */
	uint64_t computed;
	uint64_t failed;	/* no content: unreadable, unstable, too large */
	uint64_t evicted;
	uint64_t refused;	/* too many under way */
	uint64_t abandoned;	/* nobody waited any more */
};

/* Of the files under way, what one user may have. */
#define HASH_MAX_OF_USER 256

/* Those of them that nobody waits for any more. */
#define HASH_MAX_IDLE 16

/* @pool takes at least @conf->threads jobs, and has no other. */
struct hash_cache *hash_cache_new(struct pool *pool,
				  const struct hash_conf *conf);

/* After pool_free().  Who still waits is not told. */
void hash_cache_free(struct hash_cache *c);

/*
 * hash_known - what can be said of @file without reading it
 * Returns false if it has to be read.
 */
bool hash_known(struct hash_cache *c, const struct sockgate_file *file,
		struct hash_result *result);

/*
 * hash_get - the hash of @file, from one that is under way or by reading @fd
 * @number: who asks, told with the result exactly once, unless it is forgotten
 * @uid:    on whose behalf; users take turns, small files go first
 * @fd:     the cache's from here
 */
void hash_get(struct hash_cache *c, uint64_t number, uint32_t uid,
	      const struct sockgate_file *file, int fd);

/*
 * hash_forget - @number does not wait for @file any more
 * A file that nobody waits for is read on only while no other wants the thread.
 */
void hash_forget(struct hash_cache *c, uint64_t number,
		 const struct sockgate_file *file);

unsigned int hash_cache_count(const struct hash_cache *c);
const struct hash_counts *hash_counts(const struct hash_cache *c);

#endif
