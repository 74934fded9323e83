/* SPDX-License-Identifier: GPL-2.0-only */
/* Threads for what may take long, so that the event loop never does. */
#ifndef SOCKGATE_POOL_H
#define SOCKGATE_POOL_H

#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct pool;

/*
 * A piece of work, embedded in the caller's own structure.
 *
 * run:  in a thread of the pool; must touch nothing but its own structure
 * done: afterwards in the event loop, exactly once for each job submitted; may
 *       free the structure.  A pool that is freed tells done() of jobs that
 *       never ran too, with job->ran false.
 */
struct job {
	void (*run)(struct job *job);
	void (*done)(struct job *job);
	bool ran;
	struct job *next;	/* the pool's */
};

/*
 * pool_new - start threads
 * @threads:   0: none; jobs wait for pool_step() (tests)
 * @max_jobs:  how many may wait
 * Returns NULL with errno.
 */
struct pool *pool_new(struct event_base *base, unsigned int threads,
		      unsigned int max_jobs);

/*
 * pool_free - stop, wait briefly for running jobs, tell done() of the rest
 * A job that hangs (a directory that does not answer) keeps its thread and its
 * structure until the process ends.  Returns the number of such threads.
 */
unsigned int pool_free(struct pool *pool);

/* Returns 0, or -1 with EAGAIN when max_jobs are waiting (done is not called). */
int pool_submit(struct pool *pool, struct job *job);

/*
 * pool_step - run one waiting job and its done() here and now
 * For pools without threads.  Returns false if there was none.
 */
bool pool_step(struct pool *pool);

#endif
