// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything but hash_file() runs in the event loop.  A file is either cached,
 * or under way with a list of those who wait for it, or unknown.
 */
#include "hash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "sha256.h"

#define TRIES 2

/*
 * Two ticks of the coarsest kernel clock (HZ=100) that stamps ctime, doubled.
 */
#define SETTLE_NS 40000000LL

struct cached {
	struct sockgate_file file;
	uint8_t sha256[HASH_SIZE];
	UT_hash_handle hh;
	struct cached *prev, *next;	/* oldest use first */
};

struct waiter {
	hash_fn fn;
	void *arg;
	struct waiter *next;
};

struct flight {
	struct job job;
	struct hash_cache *cache;
	struct sockgate_file file;
	uint64_t limit;
	int fd;
	struct hash_result result;
	struct waiter *waiters;
	UT_hash_handle hh;
};

struct hash_cache {
	struct pool *pool;
	struct cached *cached;
	struct cached *lru;
	struct flight *flights;
	unsigned int max;
	uint64_t limit;
	struct hash_counts counts;
};

_Static_assert(HASH_SIZE == SHA256_SIZE, "one hash, one size");
_Static_assert(sizeof(struct sockgate_file) == 32, "key has holes");

static int64_t ns_of(struct timespec t)
{
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static bool same_state(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size &&
	       ns_of(a->st_mtim) == ns_of(b->st_mtim) &&
	       ns_of(a->st_ctim) == ns_of(b->st_ctim);
}

static Sockgate__Evidence hash_once(int fd, const struct sockgate_file *file,
				    uint64_t limit, uint8_t *sha256)
{
	struct stat before, after;
	uint64_t size = 0;
	int rc;

	if (fstat(fd, &before) || !S_ISREG(before.st_mode))
		return SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE;
	if ((uint64_t)before.st_size > limit)
		return SOCKGATE__EVIDENCE__EVIDENCE_TOO_LARGE;
	if ((uint64_t)before.st_size != file->size ||
	    ns_of(before.st_ctim) != file->ctime_ns)
		return SOCKGATE__EVIDENCE__EVIDENCE_UNSTABLE;
	rc = sha256_fd(fd, limit, NULL, sha256, &size);
	if (fstat(fd, &after))
		return SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE;
	if (!same_state(&before, &after))
		return SOCKGATE__EVIDENCE__EVIDENCE_UNSTABLE;
	return rc || size != file->size ?
		       SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE :
		       SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
}

void hash_file(int fd, const struct sockgate_file *file, uint64_t limit,
	       int64_t now_ns, struct hash_result *result)
{
	memset(result, 0, sizeof(*result));
	result->evidence = SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE;
	if (fd < 0)
		return;
	for (int i = 0; i < TRIES; i++) {
		result->evidence = hash_once(fd, file, limit, result->sha256);
		if (result->evidence != SOCKGATE__EVIDENCE__EVIDENCE_UNSTABLE)
			break;
	}
	result->unsettled = now_ns - file->ctime_ns < SETTLE_NS;
	if (result->evidence != SOCKGATE__EVIDENCE__EVIDENCE_CONTENT)
		memset(result->sha256, 0, sizeof(result->sha256));
}

struct hash_cache *hash_cache_new(struct pool *pool, unsigned int max,
				  uint64_t limit)
{
	struct hash_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->pool = pool;
	c->max = max;
	c->limit = limit;
	return c;
}

static void drop_oldest(struct hash_cache *c)
{
	struct cached *e = c->lru;

	HASH_DELETE(hh, c->cached, e);
	DL_DELETE(c->lru, e);
	free(e);
}

void hash_cache_free(struct hash_cache *c)
{
	if (!c)
		return;
	while (c->lru)
		drop_oldest(c);
	free(c);
}

const uint8_t *hash_cached(struct hash_cache *c,
			   const struct sockgate_file *file)
{
	struct cached *e;

	HASH_FIND(hh, c->cached, file, sizeof(*file), e);
	if (!e)
		return NULL;
	DL_DELETE(c->lru, e);
	DL_APPEND(c->lru, e);
	return e->sha256;
}

static void remember(struct hash_cache *c, const struct flight *f)
{
	struct cached *e;

	if (!c->max)
		return;
	if (HASH_COUNT(c->cached) >= c->max) {
		drop_oldest(c);
		c->counts.evicted++;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return;
	e->file = f->file;
	memcpy(e->sha256, f->result.sha256, sizeof(e->sha256));
	HASH_ADD(hh, c->cached, file, sizeof(e->file), e);
	if (!e->hh.tbl) {
		free(e);
		return;
	}
	DL_APPEND(c->lru, e);
}

static void flight_run(struct job *job)
{
	struct flight *f = (struct flight *)job;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	hash_file(f->fd, &f->file, f->limit, ns_of(now), &f->result);
}

static void flight_done(struct job *job)
{
	struct flight *f = (struct flight *)job;
	struct hash_cache *c = f->cache;
	struct waiter *w, *next;

	HASH_DELETE(hh, c->flights, f);
	close(f->fd);
	if (f->result.evidence != SOCKGATE__EVIDENCE__EVIDENCE_CONTENT) {
		c->counts.failed++;
	} else {
		c->counts.computed++;
		if (!f->result.unsettled)
			remember(c, f);
	}
	for (w = f->waiters; w; w = next) {
		next = w->next;
		w->fn(&f->result, w->arg);
		free(w);
	}
	free(f);
}

static struct flight *flight_start(struct hash_cache *c,
				   const struct sockgate_file *file, int fd)
{
	struct flight *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->job.run = flight_run;
	f->job.done = flight_done;
	f->cache = c;
	f->file = *file;
	f->limit = c->limit;
	f->fd = fd;
	f->result.evidence = SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE;
	HASH_ADD(hh, c->flights, file, sizeof(f->file), f);
	if (!f->hh.tbl) {
		free(f);
		return NULL;
	}
	if (pool_submit(c->pool, &f->job)) {
		HASH_DELETE(hh, c->flights, f);
		free(f);
		return NULL;
	}
	return f;
}

static int join(struct flight *f, hash_fn fn, void *arg)
{
	struct waiter *w = malloc(sizeof(*w));

	if (!w)
		return -1;
	*w = (struct waiter){ fn, arg, f->waiters };
	f->waiters = w;
	return 0;
}

/* Returns -1 if nobody will call @fn; @fd is closed or given away either way. */
static int read_or_join(struct hash_cache *c, const struct sockgate_file *file,
			int fd, hash_fn fn, void *arg)
{
	struct flight *f;

	HASH_FIND(hh, c->flights, file, sizeof(*file), f);
	if (f) {
		c->counts.joined++;
		if (fd >= 0)
			close(fd);
		return join(f, fn, arg);
	}
	if (fd < 0)
		return -1;
	f = flight_start(c, file, fd);
	if (!f) {
		c->counts.refused++;
		close(fd);
		return -1;
	}
	return join(f, fn, arg);
}

void hash_get(struct hash_cache *c, const struct sockgate_file *file, int fd,
	      hash_fn fn, void *arg)
{
	struct hash_result result = {
		.evidence = SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE,
	};
	const uint8_t *sha256 = hash_cached(c, file);

	if (sha256) {
		c->counts.hits++;
		result.evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
		memcpy(result.sha256, sha256, sizeof(result.sha256));
	} else if (file->size > c->limit) {
		c->counts.failed++;
		result.evidence = SOCKGATE__EVIDENCE__EVIDENCE_TOO_LARGE;
	} else if (!read_or_join(c, file, fd, fn, arg)) {
		return;
	} else {
		fd = -1;
	}
	if (fd >= 0)
		close(fd);
	fn(&result, arg);
}

unsigned int hash_cache_count(const struct hash_cache *c)
{
	return HASH_COUNT(c->cached);
}

const struct hash_counts *hash_counts(const struct hash_cache *c)
{
	return &c->counts;
}
