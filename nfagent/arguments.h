/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What held processes run.  It lies in the process's own memory, which it can make
 * unreadable for as long as it likes, and where it says that its script is: nothing
 * else may wait for that.
 */
#ifndef NFAGENT_ARGUMENTS_H
#define NFAGENT_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/sockgate.h>

#include "pool.h"
#include "program.h"

/* Who may wait for one process, at most. */
#define ARGUMENTS_MAX_WAITERS 64

/*
 * @threads: of the pool, which has no other jobs; a user has no more than half of them,
 *           whoever hangs there
 * @max:  processes that are read or wait for it; of a user no more than half
 * @read: called in threads; returns what is run, or NULL
 * @told: gets it, and it is its own from then; NULL if it could not be read
 */
struct arguments_conf {
	unsigned int threads;
	unsigned int max;
	struct program *(*read)(const struct program_task *task, void *arg);
	void (*told)(uint64_t number, struct program *program, void *arg);
	void *arg;
};

struct arguments_counts {
	uint64_t read;
	uint64_t refused;	/* too many wait */
};

struct arguments;

/* @pool: its threads are the ones that processes may hold up. */
struct arguments *arguments_new(struct pool *pool,
				const struct arguments_conf *conf);

/* After pool_free(), if no thread of it hangs. */
void arguments_free(struct arguments *a);

/*
 * arguments_get - what a process runs
 * @uid:  on whose behalf
 * @task: copied
 * Returns true if @number will be told, once; false if not, since too many wait.
 * One process has one thread at most.
 */
bool arguments_get(struct arguments *a, uint64_t number, uint32_t uid,
		   const struct program_task *task);

const struct arguments_counts *arguments_counts(const struct arguments *a);

#endif
