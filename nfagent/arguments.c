// SPDX-License-Identifier: GPL-2.0-only
#include "arguments.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

struct reading {
	struct job job;
	struct arguments *owner;
	struct sockgate_process process;
	char *text;
	unsigned int n_waiters;
	uint64_t waiter[ARGUMENTS_MAX_WAITERS];
	struct reading *prev, *next_reading;
};

struct arguments {
	struct pool *pool;
	struct arguments_conf conf;
	struct reading *readings;	/* as many as the pool takes */
	struct arguments_counts counts;
};

struct arguments *arguments_new(struct pool *pool,
				const struct arguments_conf *conf)
{
	struct arguments *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->pool = pool;
	a->conf = *conf;
	return a;
}

void arguments_free(struct arguments *a)
{
	free(a);
}

static void run(struct job *job)
{
	struct reading *r = (struct reading *)job;

	r->text = r->owner->conf.read(&r->process);
}

static void done(struct job *job)
{
	struct reading *r = (struct reading *)job;
	struct arguments *a = r->owner;

	DL_DELETE2(a->readings, r, prev, next_reading);
	a->counts.read += !!r->text;
	/* A copy for each but the last. */
	for (unsigned int i = 0; i + 1 < r->n_waiters; i++)
		a->conf.told(r->waiter[i], r->text ? strdup(r->text) : NULL,
			     a->conf.arg);
	a->conf.told(r->waiter[r->n_waiters - 1], r->text, a->conf.arg);
	free(r);
}

static bool same_process(const struct sockgate_process *a,
			 const struct sockgate_process *b)
{
	return a->pid == b->pid && a->start_ns == b->start_ns &&
	       a->exec_id == b->exec_id;
}

static bool join(struct arguments *a, struct reading *r, uint64_t number)
{
	if (r->n_waiters == ARGUMENTS_MAX_WAITERS) {
		a->counts.refused++;
		return false;
	}
	r->waiter[r->n_waiters++] = number;
	return true;
}

bool arguments_get(struct arguments *a, uint64_t number,
		   const struct sockgate_process *process)
{
	struct reading *r;

	DL_FOREACH2(a->readings, r, next_reading)
		if (same_process(&r->process, process))
			return join(a, r, number);
	r = calloc(1, sizeof(*r));
	if (!r)
		return false;
	r->job.run = run;
	r->job.done = done;
	r->owner = a;
	r->process = *process;
	r->waiter[r->n_waiters++] = number;
	if (pool_submit(a->pool, &r->job)) {
		a->counts.refused++;
		free(r);
		return false;
	}
	DL_APPEND2(a->readings, r, prev, next_reading);
	return true;
}

const struct arguments_counts *arguments_counts(const struct arguments *a)
{
	return &a->counts;
}
