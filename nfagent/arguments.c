// SPDX-License-Identifier: GPL-2.0-only
#include "arguments.h"

#include <stdlib.h>

#include <utlist.h>

struct reading {
	struct job job;
	struct arguments *owner;
	uint32_t uid;
	bool running;			/* in the pool, else waiting for a turn */
	struct program_task *task;
	struct program *program;
	unsigned int n_waiters;
	uint64_t waiter[ARGUMENTS_MAX_WAITERS];
	struct reading *prev, *next_reading;
};

struct arguments {
	struct pool *pool;
	struct arguments_conf conf;
	struct reading *readings;	/* who came first, first */
	unsigned int n, running;
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

static void reading_free(struct reading *r)
{
	program_task_free(r->task);
	free(r);
}

void arguments_free(struct arguments *a)
{
	struct reading *r, *next;

	if (!a)
		return;
	DL_FOREACH_SAFE2(a->readings, r, next, next_reading)
		reading_free(r);
	free(a);
}

/* Those of a user, or only those that have a thread. */
static unsigned int count_of(const struct arguments *a, uint32_t uid, bool running)
{
	const struct reading *r;
	unsigned int n = 0;

	DL_FOREACH2(a->readings, r, next_reading)
		n += r->uid == uid && (!running || r->running);
	return n;
}

static unsigned int share_of(unsigned int all)
{
	return all > 1 ? all / 2 : 1;
}

static void schedule(struct arguments *a)
{
	struct reading *r;

	DL_FOREACH2(a->readings, r, next_reading) {
		if (a->running >= a->conf.threads)
			return;
		if (r->running ||
		    count_of(a, r->uid, true) >= share_of(a->conf.threads))
			continue;
		if (pool_submit(a->pool, &r->job))
			return;
		r->running = true;
		a->running++;
	}
}

static void run(struct job *job)
{
	struct reading *r = (struct reading *)job;

	r->program = r->owner->conf.read(r->task, r->owner->conf.arg);
}

static void done(struct job *job)
{
	struct reading *r = (struct reading *)job;
	struct arguments *a = r->owner;

	DL_DELETE2(a->readings, r, prev, next_reading);
	a->n--;
	a->running--;
	a->counts.read += !!r->program;
	/* A copy for each but the last. */
	for (unsigned int i = 0; i + 1 < r->n_waiters; i++)
		a->conf.told(r->waiter[i], program_copy(r->program), a->conf.arg);
	a->conf.told(r->waiter[r->n_waiters - 1], r->program, a->conf.arg);
	reading_free(r);
	schedule(a);
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

bool arguments_get(struct arguments *a, uint64_t number, uint32_t uid,
		   const struct program_task *task)
{
	struct reading *r;

	DL_FOREACH2(a->readings, r, next_reading)
		if (same_process(&r->task->process, &task->process))
			return join(a, r, number);
	if (a->n >= a->conf.max || count_of(a, uid, false) >= share_of(a->conf.max)) {
		a->counts.refused++;
		return false;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return false;
	r->job.run = run;
	r->job.done = done;
	r->owner = a;
	r->uid = uid;
	r->task = program_task_copy(task);
	if (!r->task) {
		free(r);
		return false;
	}
	r->waiter[r->n_waiters++] = number;
	DL_APPEND2(a->readings, r, prev, next_reading);
	a->n++;
	schedule(a);
	return true;
}

const struct arguments_counts *arguments_counts(const struct arguments *a)
{
	return &a->counts;
}
