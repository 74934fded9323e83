/* SPDX-License-Identifier: GPL-2.0-only */
/* What signatures have said of executables: remembered, bounded, for a time. */
#ifndef SECSRV_ANSWERS_H
#define SECSRV_ANSWERS_H

#include <stdint.h>

#include "sha256.h"
#include "sigdb/sigdb.h"

struct answers;

/* What an answer is about. */
struct answer_key {
	uint8_t sha256[SHA256_SIZE];	/* of the content */
	uint8_t place[SHA256_SIZE];	/* of build-id, path and name */
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

/*
 * answers_get - @now_s: any clock that only goes forward, in seconds
 * Returns NULL if there is none; what it returns is good until the next call.
 */
const struct sigdb_answer *answers_get(struct answers *a, const struct answer_key *key,
				       uint64_t now_s);

/* Without memory it is just not remembered. */
void answers_put(struct answers *a, const struct answer_key *key,
		 const struct sigdb_answer *answer, uint64_t now_s);

/* Forget all. */
void answers_drop(struct answers *a);

unsigned int answers_count(const struct answers *a);
const struct answers_counters *answers_counters(const struct answers *a);

#endif
