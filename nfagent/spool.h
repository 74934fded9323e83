/* SPDX-License-Identifier: GPL-2.0-only */
/* Records wait here until the server has committed them. */
#ifndef NFAGENT_SPOOL_H
#define NFAGENT_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool.h"
#include "segments.h"

struct spool;

struct spool_conf {
	const char *dir;
	uint64_t max_bytes;	/* on disk; then the oldest are lost */
	size_t max_memory;	/* while the disk does not take them */
};

struct spool_counts {
	uint64_t put;
	uint64_t lost;		/* dropped before they were committed */
	uint64_t stored;	/* highest sequence that is committed */
	uint64_t bytes;		/* on disk */
	uint64_t waiting;	/* in memory, not yet on disk */
};

/*
 * spool_open - open the directory
 * @pool:  must have one thread at most, and nothing else to do: it owns the
 *         files while a job runs
 * @fresh: random instance for a new directory
 * @send:  sends a batch, oldest first; returns 0, or -1 if it could not (it
 *         is offered again after spool_connected() or spool_tick())
 * Returns NULL with a sentence in @why.
 */
typedef int (*spool_send_fn)(const struct spool_record *list, void *arg);
struct spool *spool_open(struct pool *pool, const struct spool_conf *conf,
			 const uint8_t fresh[SEGMENTS_INSTANCE_SIZE],
			 spool_send_fn send, void *arg,
			 char *why, size_t why_size);

/* After pool_free(): writes what is left, then closes. */
void spool_close(struct spool *s);

const uint8_t *spool_instance(const struct spool *s);

/* The sequence that the next spool_put() gives. */
uint64_t spool_next(const struct spool *s);

/*
 * spool_put - keep one packed record
 * It is on its way to the disk at once and safe within a moment.  Returns 0;
 * -1 if it is lost (counted): too large or no memory.
 */
int spool_put(struct spool *s, const uint8_t *data, size_t len);

/*
 * spool_flush - send what there is
 * A batch costs the server a commit, however small: records are gathered until
 * this is called, or a batch is full.  On disk they are before.
 */
void spool_flush(struct spool *s);

/* There is a server to send to, or no longer.  What was sent is sent again. */
void spool_connected(struct spool *s, bool connected);

/* The server has committed this sequence and all before it. */
void spool_stored(struct spool *s, uint64_t sequence);

/* The server did not take the last batch now: it is sent again later. */
void spool_refused(struct spool *s);

/* Once a second: retries what did not work. */
void spool_tick(struct spool *s);

const struct spool_counts *spool_counts(struct spool *s);

/* Why the disk does not take records, or give them back; NULL: it does. */
const char *spool_error(const struct spool *s);

#endif
