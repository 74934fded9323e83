/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The command lines of held processes.  They lie in the process's own memory,
 * which it can make unreadable for as long as it likes: nothing else may wait for
 * them.
 */
#ifndef NFAGENT_ARGUMENTS_H
#define NFAGENT_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/sockgate.h>

#include "pool.h"

/* Who may wait for one process, at most. */
#define ARGUMENTS_MAX_WAITERS 64

/*
 * @read: called in threads; returns a string to be freed, or NULL
 * @told: gets the command line, which is its own from then; NULL if it could not
 *        be read
 */
struct arguments_conf {
	char *(*read)(const struct sockgate_process *process);
	void (*told)(uint64_t number, char *text, void *arg);
	void *arg;
};

struct arguments_counts {
	uint64_t read;
	uint64_t refused;	/* too many hang */
};

struct arguments;

/* @pool: its threads are the ones that processes may hold up; it is bounded. */
struct arguments *arguments_new(struct pool *pool,
				const struct arguments_conf *conf);

/* After pool_free(), if no thread of it hangs. */
void arguments_free(struct arguments *a);

/*
 * arguments_get - the command line of @process
 * Returns true if @number will be told, once; false if not, since too many hang.
 * One process has one thread at most.
 */
bool arguments_get(struct arguments *a, uint64_t number,
		   const struct sockgate_process *process);

const struct arguments_counts *arguments_counts(const struct arguments *a);

#endif
