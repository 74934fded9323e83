// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads take jobs from one queue and leave them in another; an eventfd tells
 * the loop.  Both queues and the flags are under pool->lock.
 */
#include "pool.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define JOIN_SECONDS 1

struct queue {
	struct job *first;
	struct job **last;
};

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct queue waiting;
	struct queue finished;
	unsigned int n_waiting;
	bool stop;

	struct event *event;
	int fd;
	unsigned int max_jobs;
	unsigned int n_threads;
	pthread_t thread[];
};

static void queue_init(struct queue *q)
{
	q->first = NULL;
	q->last = &q->first;
}

static void queue_put(struct queue *q, struct job *job)
{
	job->next = NULL;
	*q->last = job;
	q->last = &job->next;
}

static struct job *queue_get(struct queue *q)
{
	struct job *job = q->first;

	if (!job)
		return NULL;
	q->first = job->next;
	if (!q->first)
		q->last = &q->first;
	return job;
}

static struct job *next_job(struct pool *pool)
{
	struct job *job;

	while (!pool->stop && !pool->waiting.first)
		pthread_cond_wait(&pool->work, &pool->lock);
	if (pool->stop)
		return NULL;
	job = queue_get(&pool->waiting);
	pool->n_waiting--;
	return job;
}

static void *worker(void *arg)
{
	struct pool *pool = arg;
	uint64_t one = 1;
	struct job *job;
	bool tell;

	pthread_mutex_lock(&pool->lock);
	while ((job = next_job(pool))) {
		pthread_mutex_unlock(&pool->lock);
		job->run(job);
		pthread_mutex_lock(&pool->lock);
		job->ran = true;
		tell = !pool->finished.first;
		queue_put(&pool->finished, job);
		/* The counter cannot overflow: one write per drained queue. */
		if (tell && write(pool->fd, &one, sizeof(one)) < 0)
			abort();
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static void deliver(struct pool *pool)
{
	struct job *job, *next;

	pthread_mutex_lock(&pool->lock);
	job = pool->finished.first;
	queue_init(&pool->finished);
	pthread_mutex_unlock(&pool->lock);
	for (; job; job = next) {
		next = job->next;
		job->done(job);
	}
}

static void on_finished(evutil_socket_t fd, short what, void *arg)
{
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return;
	deliver(arg);
}

/* Signals are the event loop's: a worker must not be the one to get them. */
static int start_threads(struct pool *pool, unsigned int threads)
{
	sigset_t all, old;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (!rc && pool->n_threads < threads) {
		rc = pthread_create(&pool->thread[pool->n_threads], NULL,
				    worker, pool);
		if (!rc)
			pool->n_threads++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = rc;
	return rc ? -1 : 0;
}

struct pool *pool_new(struct event_base *base, unsigned int threads,
		      unsigned int max_jobs)
{
	struct pool *pool;
	int err;

	pool = calloc(1, sizeof(*pool) + threads * sizeof(pool->thread[0]));
	if (!pool)
		return NULL;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	queue_init(&pool->waiting);
	queue_init(&pool->finished);
	pool->max_jobs = max_jobs;
	pool->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pool->fd < 0)
		goto fail;
	pool->event = event_new(base, pool->fd, EV_READ | EV_PERSIST,
				on_finished, pool);
	if (!pool->event || event_add(pool->event, NULL)) {
		errno = ENOMEM;
		goto fail;
	}
	if (start_threads(pool, threads))
		goto fail;
	return pool;
fail:
	err = errno;
	pool_free(pool);
	errno = err;
	return NULL;
}

int pool_submit(struct pool *pool, struct job *job)
{
	pthread_mutex_lock(&pool->lock);
	if (pool->n_waiting >= pool->max_jobs) {
		pthread_mutex_unlock(&pool->lock);
		errno = EAGAIN;
		return -1;
	}
	job->ran = false;
	queue_put(&pool->waiting, job);
	pool->n_waiting++;
	pthread_mutex_unlock(&pool->lock);
	/* Only now: it would wake up to wait for the lock. */
	pthread_cond_signal(&pool->work);
	return 0;
}

bool pool_step(struct pool *pool)
{
	struct job *job = queue_get(&pool->waiting);

	if (!job)
		return false;
	pool->n_waiting--;
	job->run(job);
	job->ran = true;
	job->done(job);
	return true;
}

/* Returns how many threads did not end in time. */
static unsigned int stop_threads(struct pool *pool)
{
	struct timespec until;
	unsigned int hung = 0;

	pthread_mutex_lock(&pool->lock);
	pool->stop = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += JOIN_SECONDS;
	for (unsigned int i = 0; i < pool->n_threads; i++)
		if (pthread_clockjoin_np(pool->thread[i], NULL, CLOCK_MONOTONIC,
					 &until))
			hung++;
	return hung;
}

unsigned int pool_free(struct pool *pool)
{
	unsigned int hung;
	struct job *job;

	if (!pool)
		return 0;
	hung = stop_threads(pool);
	deliver(pool);
	while ((job = queue_get(&pool->waiting)))
		job->done(job);
	if (pool->event)
		event_free(pool->event);
	/* A hung thread still uses lock and fd. */
	if (hung)
		return hung;
	if (pool->fd >= 0)
		close(pool->fd);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
	return 0;
}
