// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two batches: the event loop fills one, the thread writes the other.  They are
 * exchanged when the thread has nothing to do; the lock is held no longer than that.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Out of memory must not end the program: the executable is just not told. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "log.h"
#include "reporter.h"
#include "sigdb/sighting.h"

struct key {
	uint8_t sha256[SHA256_SIZE];
	char host[256];			/* zero-padded: compared as bytes */
};

struct seen {
	struct key key;
	char *path;
	int64_t first_s, last_s;
	uint64_t count;
	UT_hash_handle hh;
};

/* How many of them are a host's: none has all the room. */
struct share {
	char host[256];
	unsigned int n;
	UT_hash_handle hh;
};

struct reporter {
	char *signatures;		/* NULL: a service's */
	struct seen *seen;		/* the event loop's */
	struct share *shares;
	struct seen *part;		/* for a service: what it was told last */
	bool on_its_way;
	uint64_t lost;
	_Atomic uint64_t unwritten;	/* counted by the thread */

	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct seen *batch;		/* under the lock; NULL: the thread is idle */
	bool stop;

	struct sightings *db;		/* the thread's */
	bool complained;
};

static void free_seen(struct seen *seen)
{
	struct seen *one = seen, *next;

	HASH_CLEAR(hh, seen);
	for (; one; one = next) {
		next = one->hh.next;
		free(one->path);
		free(one);
	}
}

static void free_shares(struct reporter *r)
{
	struct share *one, *next;

	HASH_ITER(hh, r->shares, one, next) {
		HASH_DEL(r->shares, one);
		free(one);
	}
}

/* ---- the thread ---------------------------------------------------------- */

static int by_host(const struct seen *a, const struct seen *b)
{
	return strcmp(a->key.host, b->key.host);
}

static int write_list(struct reporter *r, struct sighting *list, size_t count)
{
	char why[1024];

	if (!r->db)
		r->db = sightings_open(r->signatures, true, why, sizeof(why));
	else
		why[0] = '\0';
	if (r->db && !sightings_add(r->db, list, count)) {
		r->complained = false;
		return 0;
	}
	if (!r->complained)
		log_warnx("unknown executables are not noted: %s",
			  r->db ? sightings_error(r->db) : why);
	r->complained = true;
	/* Perhaps it was moved away. */
	sightings_close(r->db);
	r->db = NULL;
	return -1;
}

static void write_batch(struct reporter *r, struct seen *batch)
{
	struct sighting *list = calloc(HASH_COUNT(batch), sizeof(*list));
	size_t count = 0;
	int ret = -1;

	if (list) {
		HASH_SRT(hh, batch, by_host);
		for (struct seen *one = batch; one; one = one->hh.next, count++) {
			list[count] = (struct sighting){
				.host = one->key.host,
				.path = one->path ? one->path : "",
				.first_s = one->first_s,
				.last_s = one->last_s,
				.count = one->count,
			};
			memcpy(list[count].sha256, one->key.sha256, SHA256_SIZE);
		}
		ret = write_list(r, list, count);
	}
	if (ret)
		atomic_fetch_add(&r->unwritten, HASH_COUNT(batch));
	free(list);
	free_seen(batch);
}

static void *run(void *arg)
{
	struct reporter *r = arg;
	struct seen *batch;

	pthread_mutex_lock(&r->lock);
	while (r->batch || !r->stop) {
		if (!r->batch) {
			pthread_cond_wait(&r->work, &r->lock);
			continue;
		}
		batch = r->batch;
		pthread_mutex_unlock(&r->lock);
		write_batch(r, batch);
		pthread_mutex_lock(&r->lock);
		r->batch = NULL;
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static void start(struct reporter *r)
{
	sigset_t all, old;

	/* Signals are for the event loop. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r->running = !pthread_create(&r->thread, NULL, run, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!r->running)
		log_warnx("no thread: unknown executables are not noted");
}

/* ---- the event loop ------------------------------------------------------ */

struct reporter *reporter_new(const char *signatures)
{
	struct reporter *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->work, NULL);
	if (!signatures)
		return r;
	r->signatures = strdup(signatures);
	if (!r->signatures) {
		reporter_free(r);
		return NULL;
	}
	start(r);
	return r;
}

static struct share *share_of(struct reporter *r, const char *host)
{
	struct share *share;

	HASH_FIND_STR(r->shares, host, share);
	if (share)
		return share;
	share = calloc(1, sizeof(*share));
	if (!share)
		return NULL;
	strcpy(share->host, host);
	HASH_ADD_STR(r->shares, host, share);
	if (share->hh.tbl)
		return share;
	free(share);
	return NULL;
}

static void leave_share(struct reporter *r, const char *host)
{
	struct share *share;

	HASH_FIND_STR(r->shares, host, share);
	if (!share || --share->n)
		return;
	HASH_DEL(r->shares, share);
	free(share);
}

static struct seen *add(struct reporter *r, const struct key *key, int64_t now_s)
{
	struct share *share;
	struct seen *one;

	if ((r->signatures && !r->running) || HASH_COUNT(r->seen) >= REPORTER_MAX)
		return NULL;
	share = share_of(r, key->host);
	if (!share || share->n >= REPORTER_OF_HOST_MAX)
		return NULL;
	one = calloc(1, sizeof(*one));
	if (!one)
		return NULL;
	one->key = *key;
	one->first_s = now_s;
	HASH_ADD(hh, r->seen, key, sizeof(one->key), one);
	if (one->hh.tbl) {
		share->n++;
		return one;
	}
	free(one);
	return NULL;
}

void reporter_note(struct reporter *r, const uint8_t *sha256, const char *host,
		   const char *path, int64_t now_s)
{
	struct key key = { .host = "" };
	struct seen *one;

	memcpy(key.sha256, sha256, SHA256_SIZE);
	memcpy(key.host, host, strnlen(host, sizeof(key.host) - 1));
	HASH_FIND(hh, r->seen, &key, sizeof(key), one);
	if (!one)
		one = add(r, &key, now_s);
	if (!one) {
		r->lost++;
		return;
	}
	one->count++;
	one->last_s = now_s;
	if (!one->path && *path)
		one->path = strdup(path);
}

void reporter_flush(struct reporter *r)
{
	if (!r->seen || !r->running || pthread_mutex_trylock(&r->lock))
		return;
	if (!r->batch) {
		r->batch = r->seen;
		r->seen = NULL;
		free_shares(r);
		pthread_cond_signal(&r->work);
	}
	pthread_mutex_unlock(&r->lock);
}

/* Bytes on the wire, about. */
static size_t size_of(const struct seen *one)
{
	return sizeof(one->key.sha256) + strlen(one->key.host) +
	       (one->path ? strlen(one->path) : 0) + 64;
}

/* Moves as much as fits into one message from what was seen to the part. */
static void make_part(struct reporter *r)
{
	struct seen *one, *next;
	size_t bytes = 0;

	HASH_ITER(hh, r->seen, one, next) {
		bytes += size_of(one);
		if (HASH_COUNT(r->part) == REPORTER_PART_MAX || bytes > REPORTER_PART_BYTES)
			return;
		HASH_DEL(r->seen, one);
		leave_share(r, one->key.host);
		HASH_ADD(hh, r->part, key, sizeof(one->key), one);
		if (one->hh.tbl)
			continue;
		r->lost++;
		free(one->path);
		free(one);
	}
}

static void fill_in(Sockgate__Sighting *out, struct seen *one)
{
	sockgate__sighting__init(out);
	out->sha256.data = one->key.sha256;
	out->sha256.len = SHA256_SIZE;
	out->host = one->key.host;
	if (one->path)
		out->path = one->path;
	out->first_s = one->first_s;
	out->last_s = one->last_s;
	out->count = one->count;
}

void reporter_send(struct reporter *r, reporter_send_fn send, void *arg)
{
	Sockgate__SightingsReport report = SOCKGATE__SIGHTINGS_REPORT__INIT;
	Sockgate__Sighting each[REPORTER_PART_MAX], *list[REPORTER_PART_MAX];

	if (r->on_its_way)
		return;
	if (!r->part)
		make_part(r);
	for (struct seen *one = r->part; one; one = one->hh.next) {
		list[report.n_sighting] = &each[report.n_sighting];
		fill_in(list[report.n_sighting++], one);
	}
	report.sighting = list;
	r->on_its_way = report.n_sighting && !send(&report, arg);
}

void reporter_sent(struct reporter *r, enum reporter_result result)
{
	r->on_its_way = false;
	if (result == REPORTER_AGAIN)
		return;
	if (result == REPORTER_REFUSED)
		r->lost += HASH_COUNT(r->part);
	free_seen(r->part);
	r->part = NULL;
}

bool reporter_has_part(const struct reporter *r)
{
	return HASH_COUNT(r->seen) >= REPORTER_PART_MAX;
}

uint64_t reporter_lost(const struct reporter *r)
{
	return r->lost + atomic_load(&r->unwritten);
}

static void stop(struct reporter *r)
{
	struct seen *rest = r->seen;

	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->work);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	r->seen = NULL;
	if (rest)
		write_batch(r, rest);
}

void reporter_free(struct reporter *r)
{
	if (!r)
		return;
	if (r->running)
		stop(r);
	free_seen(r->seen);
	free_seen(r->part);
	free_shares(r);
	sightings_close(r->db);
	pthread_cond_destroy(&r->work);
	pthread_mutex_destroy(&r->lock);
	free(r->signatures);
	free(r);
}
