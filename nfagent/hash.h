/* SPDX-License-Identifier: GPL-2.0-only */
/* SHA-256 of executables: in threads, remembered by the file's key. */
#ifndef NFAGENT_HASH_H
#define NFAGENT_HASH_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/sockgate.h>

#include "pool.h"
#include "sockgate.pb-c.h"

#define HASH_SIZE 32

struct hash_result {
	Sockgate__Evidence evidence;
	uint8_t sha256[HASH_SIZE];	/* with EVIDENCE_CONTENT */
	/*
	 * The file was changed so shortly before that another change could
	 * carry the same ctime: good for this question, not to be remembered.
	 */
	bool unsettled;
};

/*
 * hash_file - read and hash an open file
 * @fd:     read with pread(), its offset stays
 * @file:   what it must be: another size or ctime is EVIDENCE_UNSTABLE, and so
 *          is a change while it is read (after one more try)
 * @limit:  bytes; a larger file is EVIDENCE_TOO_LARGE, unread
 * @now_ns: CLOCK_REALTIME when reading starts
 * Blocks for as long as the file takes.  Never fails: what goes wrong is
 * EVIDENCE_UNREADABLE.
 */
void hash_file(int fd, const struct sockgate_file *file, uint64_t limit,
	       int64_t now_ns, struct hash_result *result);

struct hash_cache;

struct hash_counts {
	uint64_t hits;
	uint64_t joined;	/* waited for a hash that was under way */
	uint64_t computed;
	uint64_t failed;	/* no content: unreadable, unstable, too large */
	uint64_t evicted;
	uint64_t refused;	/* too many waiting */
};

typedef void (*hash_fn)(const struct hash_result *result, void *arg);

/*
 * hash_cache_new - a bounded cache whose hashes are made by @pool
 * @max:   entries
 * @limit: bytes of the largest file to be read
 */
struct hash_cache *hash_cache_new(struct pool *pool, unsigned int max,
				  uint64_t limit);

/* After pool_free(): whoever still waits has been told. */
void hash_cache_free(struct hash_cache *c);

/* Returns the cached hash of @file or NULL; valid until the next call. */
const uint8_t *hash_cached(struct hash_cache *c,
			   const struct sockgate_file *file);

/*
 * hash_get - the hash of @file, from the cache, from one that is under way, or
 *            by reading @fd
 * @fd: the cache's from here; -1 if the file could not be opened
 * @fn: called exactly once, maybe before this returns
 */
void hash_get(struct hash_cache *c, const struct sockgate_file *file, int fd,
	      hash_fn fn, void *arg);

unsigned int hash_cache_count(const struct hash_cache *c);
const struct hash_counts *hash_counts(const struct hash_cache *c);

#endif
