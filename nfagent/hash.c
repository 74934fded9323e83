// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything but flight_run() runs in the event loop.  A file is either cached,
 * or under way with a list of those who wait for it, or unknown.
 *
 * What is under way is read a slice at a time.  Between slices it stands in the
 * lane of the user who waits for it; lanes take turns, so that neither a large
 * file nor many of them hold up another user.
 */
#include "hash.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

/* Some 20 ms, long enough for the way through the queues not to count. */
#define SLICE (4U << 20)

struct cached {
	struct sockgate_file file;
	struct hash_result result;
	UT_hash_handle hh;
	struct cached *prev, *next;	/* oldest use first */
};

struct waiter {
	uint64_t number;
	struct waiter *next;
};

struct lane;

struct flight {
	struct job job;
	struct hash_cache *cache;
	struct content content;
	bool finished;
	bool running;			/* in the pool, else in a queue */
	struct waiter *waiters;
	struct lane *lane;		/* NULL: nobody waits */
	uint32_t uid;			/* whose thread it has, or last waited for it */
	struct flight *prev, *next;	/* in lane->queue, cache->idle or cache->busy */
	UT_hash_handle hh;		/* by content.file */
};

struct lane {
	uint32_t uid;
	unsigned int n;			/* flights, queued or running */
	struct flight *queue;		/* least to read first */
	struct lane *prev, *next;
};

struct hash_cache {
	struct pool *pool;
	struct hash_conf conf;
	struct cached *cached;
	struct cached *lru;
	struct cached *own;		/* as lru: of those that one process only can use */
	struct flight *flights;
	struct lane *lanes;		/* whose turn it is first */
	struct flight *idle;		/* oldest first */
	unsigned int n_idle;
	struct flight *busy;
	unsigned int running;
	struct hash_counts counts;
};

_Static_assert(sizeof(struct sockgate_file) == 40, "key has holes");

/* ---- what is known ---- */

struct hash_cache *hash_cache_new(struct pool *pool,
				  const struct hash_conf *conf)
{
	struct hash_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->pool = pool;
	c->conf = *conf;
	return c;
}

static struct cached **list_of(struct hash_cache *c, const struct sockgate_file *file)
{
	return file->instance >> 63 ? &c->own : &c->lru;
}

static void drop(struct hash_cache *c, struct cached *e)
{
	HASH_DELETE(hh, c->cached, e);
	DL_DELETE(*list_of(c, &e->file), e);
	free(e);
}

/* A script's hash is its process's, of which a user can have many: no file's goes for it. */
static bool make_room(struct hash_cache *c, const struct sockgate_file *file)
{
	struct cached *oldest = c->own;

	if (HASH_COUNT(c->cached) < c->conf.max)
		return true;
	if (!oldest && list_of(c, file) == &c->lru)
		oldest = c->lru;
	if (!oldest)
		return false;
	drop(c, oldest);
	c->counts.evicted++;
	return true;
}

bool hash_known(struct hash_cache *c, const struct sockgate_file *file,
		struct hash_result *result)
{
	struct cached *e;

	memset(result, 0, sizeof(*result));
	HASH_FIND(hh, c->cached, file, sizeof(*file), e);
	if (e) {
		DL_DELETE(*list_of(c, file), e);
		DL_APPEND(*list_of(c, file), e);
		c->counts.hits++;
		*result = e->result;
		return true;
	}
	if (file->size <= c->conf.limit)
		return false;
	c->counts.failed++;
	result->evidence = SOCKGATE__EVIDENCE__EVIDENCE_TOO_LARGE;
	return true;
}

static void remember(struct hash_cache *c, const struct content *content)
{
	struct cached *e;

	if (!make_room(c, &content->file))
		return;
	e = calloc(1, sizeof(*e));
	if (!e)
		return;
	e->file = content->file;
	e->result = content->result;
	HASH_ADD(hh, c->cached, file, sizeof(e->file), e);
	if (!e->hh.tbl) {
		free(e);
		return;
	}
	DL_APPEND(*list_of(c, &e->file), e);
}

/* ---- lanes ---- */

static struct lane *lane_of(struct hash_cache *c, uint32_t uid)
{
	struct lane *l;

	DL_FOREACH(c->lanes, l)
		if (l->uid == uid)
			return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->uid = uid;
	DL_APPEND(c->lanes, l);
	return l;
}

static void lane_check_empty(struct hash_cache *c, struct lane *l)
{
	if (l->n)
		return;
	DL_DELETE(c->lanes, l);
	free(l);
}

static int by_size(const struct flight *a, const struct flight *b)
{
	uint64_t left = content_left(&a->content);
	uint64_t right = content_left(&b->content);

	return left < right ? -1 : left > right;
}

/* Into the queue where it belongs; it must be in none. */
static void enqueue(struct hash_cache *c, struct flight *f)
{
	if (f->lane) {
		DL_INSERT_INORDER(f->lane->queue, f, by_size);
		return;
	}
	DL_APPEND(c->idle, f);
	c->n_idle++;
}

static void dequeue(struct hash_cache *c, struct flight *f)
{
	if (f->lane) {
		DL_DELETE(f->lane->queue, f);
		return;
	}
	DL_DELETE(c->idle, f);
	c->n_idle--;
}

/* @lane NULL: nobody waits for it any more. */
static void move(struct hash_cache *c, struct flight *f, struct lane *lane)
{
	struct lane *old = f->lane;

	if (!f->running)
		dequeue(c, f);
	f->lane = lane;
	if (lane)
		lane->n++;
	if (!f->running)
		enqueue(c, f);
	if (!old)
		return;
	old->n--;
	lane_check_empty(c, old);
}

/* ---- what is under way ---- */

static int64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void flight_run(struct job *job)
{
	struct flight *f = (struct flight *)job;

	f->finished = content_read(&f->content, SLICE, wall_ns());
}

/* It is in no queue and not running. */
static void flight_free(struct hash_cache *c, struct flight *f)
{
	struct waiter *w;

	HASH_DELETE(hh, c->flights, f);
	if (f->lane) {
		f->lane->n--;
		lane_check_empty(c, f->lane);
	}
	while ((w = f->waiters)) {
		f->waiters = w->next;
		free(w);
	}
	content_close(&f->content);
	free(f);
}

static void keep_idle_bounded(struct hash_cache *c)
{
	struct flight *f;

	while (c->n_idle > HASH_MAX_IDLE) {
		f = c->idle;
		dequeue(c, f);
		flight_free(c, f);
	}
}

/* A file system may keep a thread for as long as it likes: of a user half of them. */
static bool has_share(const struct hash_cache *c, uint32_t uid)
{
	const unsigned int share = c->conf.threads > 1 ? c->conf.threads / 2 : 1;
	const struct flight *f;
	unsigned int n = 0;

	DL_FOREACH(c->busy, f)
		n += f->uid == uid;
	return n < share;
}

static struct lane *next_lane(struct hash_cache *c)
{
	struct lane *l;

	DL_FOREACH(c->lanes, l)
		if (l->queue && has_share(c, l->uid))
			return l;
	return NULL;
}

static struct flight *next_idle(struct hash_cache *c)
{
	struct flight *f;

	DL_FOREACH(c->idle, f)
		if (has_share(c, f->uid))
			return f;
	return NULL;
}

/* The next in turn, out of its queue; NULL if there is none. */
static struct flight *pick(struct hash_cache *c)
{
	struct lane *l = next_lane(c);
	struct flight *f = l ? l->queue : next_idle(c);

	if (l) {
		DL_DELETE(c->lanes, l);
		DL_APPEND(c->lanes, l);
		f->uid = l->uid;
	}
	if (f)
		dequeue(c, f);
	return f;
}

static void finish(struct hash_cache *c, struct flight *f);

static void set_busy(struct hash_cache *c, struct flight *f)
{
	f->running = true;
	c->running++;
	DL_APPEND(c->busy, f);
}

static void clear_busy(struct hash_cache *c, struct flight *f)
{
	f->running = false;
	c->running--;
	DL_DELETE(c->busy, f);
}

static void schedule(struct hash_cache *c)
{
	struct flight *f;

	while (c->running < c->conf.threads && (f = pick(c))) {
		set_busy(c, f);
		if (!pool_submit(c->pool, &f->job))
			continue;
		clear_busy(c, f);
		finish(c, f);
	}
}

/* Tells all who wait.  What they do must not find it any more. */
static void finish(struct hash_cache *c, struct flight *f)
{
	struct hash_result result = f->content.result;
	struct waiter *w, *next = f->waiters;

	if (result.evidence != SOCKGATE__EVIDENCE__EVIDENCE_CONTENT) {
		c->counts.failed++;
	} else {
		c->counts.computed++;
		if (!result.unsettled)
			remember(c, &f->content);
	}
	f->waiters = NULL;
	flight_free(c, f);
	while ((w = next)) {
		next = w->next;
		c->conf.told(w->number, &result, c->conf.arg);
		free(w);
	}
}

static void flight_done(struct job *job)
{
	struct flight *f = (struct flight *)job;
	struct hash_cache *c = f->cache;

	clear_busy(c, f);
	if (f->finished || !job->ran) {
		finish(c, f);
	} else {
		enqueue(c, f);
		keep_idle_bounded(c);
	}
	schedule(c);
}

void hash_cache_free(struct hash_cache *c)
{
	struct flight *f, *next;

	if (!c)
		return;
	HASH_ITER(hh, c->flights, f, next) {
		dequeue(c, f);
		flight_free(c, f);
	}
	while (c->lru || c->own)
		drop(c, c->own ?: c->lru);
	free(c);
}

/* ---- asking ---- */

static int wait_for(struct flight *f, uint64_t number)
{
	struct waiter *w = malloc(sizeof(*w));

	if (!w)
		return -1;
	*w = (struct waiter){ number, f->waiters };
	f->waiters = w;
	return 0;
}

/* With the user who has less to wait for; @fd is not needed. */
static int join(struct hash_cache *c, struct flight *f, uint64_t number,
		uint32_t uid)
{
	struct lane *l = lane_of(c, uid);

	if (!l)
		return -1;
	if (wait_for(f, number)) {
		lane_check_empty(c, l);
		return -1;
	}
	c->counts.joined++;
	if (!f->lane || l->n < f->lane->n)
		move(c, f, l);
	else
		lane_check_empty(c, l);
	return 0;
}

static bool has_room(struct hash_cache *c, const struct lane *l)
{
	struct flight *f = c->idle;

	if (l->n >= HASH_MAX_OF_USER)
		return false;
	if (HASH_COUNT(c->flights) < c->conf.files)
		return true;
	if (!f)
		return false;
	dequeue(c, f);
	flight_free(c, f);
	return true;
}

static struct flight *flight_new(struct hash_cache *c, uint64_t number,
				 const struct sockgate_file *file)
{
	struct flight *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->job.run = flight_run;
	f->job.done = flight_done;
	f->cache = c;
	content_init(&f->content, -1, file, c->conf.limit);
	if (wait_for(f, number))
		goto fail;
	HASH_ADD(hh, c->flights, content.file, sizeof(f->content.file), f);
	if (f->hh.tbl)
		return f;
	free(f->waiters);
fail:
	free(f);
	return NULL;
}

/* Returns -1 if @number will not be told; then @fd is still the caller's. */
static int start(struct hash_cache *c, uint64_t number, uint32_t uid,
		 const struct sockgate_file *file, int fd)
{
	struct lane *l = lane_of(c, uid);
	struct flight *f = NULL;

	if (!l)
		return -1;
	if (has_room(c, l))
		f = flight_new(c, number, file);
	if (!f) {
		lane_check_empty(c, l);
		return -1;
	}
	f->content.fd = fd;
	f->uid = uid;
	f->lane = l;
	l->n++;
	enqueue(c, f);
	schedule(c);
	return 0;
}

void hash_get(struct hash_cache *c, uint64_t number, uint32_t uid,
	      const struct sockgate_file *file, int fd)
{
	static const struct hash_result none = {
		.evidence = SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE,
	};
	struct flight *f;

	HASH_FIND(hh, c->flights, file, sizeof(*file), f);
	if (!f && !start(c, number, uid, file, fd))
		return;
	close(fd);
	if (f && !join(c, f, number, uid))
		return;
	c->counts.refused++;
	c->conf.told(number, &none, c->conf.arg);
}

void hash_forget(struct hash_cache *c, uint64_t number,
		 const struct sockgate_file *file)
{
	struct waiter **at, *w;
	struct flight *f;

	HASH_FIND(hh, c->flights, file, sizeof(*file), f);
	if (!f)
		return;
	for (at = &f->waiters; *at && (*at)->number != number;
	     at = &(*at)->next)
		;
	w = *at;
	if (!w)
		return;
	*at = w->next;
	free(w);
	if (f->waiters)
		return;
	c->counts.abandoned++;
	move(c, f, NULL);
	keep_idle_bounded(c);
}

unsigned int hash_cache_count(const struct hash_cache *c)
{
	return HASH_COUNT(c->cached);
}

const struct hash_counts *hash_counts(const struct hash_cache *c)
{
	return &c->counts;
}
