/* SPDX-License-Identifier: GPL-2.0-only */
/* What signatures have said of executables: remembered, bounded, for a time. */
#ifndef SECSRV_ANSWERS_H
#define SECSRV_ANSWERS_H

#include <stdint.h>

#include "sha256.h"
#include "sigdb/sigdb.h"

struct answers;

/*
 * What an answer is about: a digest of hash, build-id, path, name, and a random number
 * of this process.  Agents can claim any of those; without the number they could choose
 * what falls into one chain of a hash table.
 */
struct answer_key {
	uint8_t digest[SHA256_SIZE];
};

struct answers_conf {
	unsigned int max;		/* entries, about 700 bytes each */
	unsigned int lifetime_s;
	unsigned int unknown_lifetime_s;	/* that nothing is known */
};

/* Counted by outcome. */
struct answers_counters {
	uint64_t n_hit;
	uint64_t n_missed;
	uint64_t n_evicted;		/* forgotten to make room */
	uint64_t n_expired;		/* forgotten since its time was over */
};

/* answers_new - @conf is copied; NULL: out of memory */
struct answers *answers_new(const struct answers_conf *conf);
void answers_free(struct answers *a);

/* answers_key - returns 0, or -1 if it cannot be hashed */
int answers_key(const struct answers *a, const struct sigdb_question *q,
		struct answer_key *key);

/*
 * answers_get - @now_s: any clock that only goes forward, in seconds
 * Returns NULL if there is none; what it returns is good until the next call.
 */
const struct sigdb_answer *answers_get(struct answers *a, const struct answer_key *key,
				       uint64_t now_s);

/*
 * Without memory it is just not remembered.
 *
 * Whoever makes up hashes fills the memory with what is not known by its content.  That
 * makes room first, once it takes a quarter of it.  An agent that claims ever new paths
 * for content that is known is bounded by how much a host may ask at a time only.
 */
void answers_put(struct answers *a, const struct answer_key *key,
		 const struct sigdb_answer *answer, uint64_t now_s);

/* Forget all. */
void answers_drop(struct answers *a);

unsigned int answers_count(const struct answers *a);
const struct answers_counters *answers_counters(const struct answers *a);

#endif
