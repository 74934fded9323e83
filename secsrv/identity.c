// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "identity.h"
#include "reporter.h"
#include "sigdb/watched.h"

#define NAME_MAX_BYTES 255

/* Of identity_refresh(), which is once a second. */
#define NOTE_INTERVAL 10

struct identity_cache {
	const struct identity_conf *conf;
	struct watched *database;	/* NULL: services are asked */
	struct services *services;	/* NULL: the database is */
	struct answers *answers;
	struct reporter *reporter;
	void (*changed)(void *arg);
	void *arg;
	bool stale;			/* a service has said so */
	unsigned int refreshes;
	struct sigdb_answer answer;	/* of the last lookup */
	struct identity_counters n;
};

static uint64_t monotonic_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec;
}

/* ---- services ------------------------------------------------------------ */

static void on_answered(const struct answer_key *key, const struct sigdb_answer *answer,
			void *arg)
{
	struct identity_cache *c = arg;

	answers_put(c->answers, key, answer, monotonic_s());
}

static void on_changed(void *arg)
{
	struct identity_cache *c = arg;

	answers_drop(c->answers);
	c->stale = true;
	if (c->changed)
		c->changed(c->arg);
}

static int send_report(const Sockgate__SightingsReport *report, void *arg)
{
	return services_report(arg, report);
}

static void on_reported(enum services_report_result result, void *arg)
{
	static const enum reporter_result results[] = {
		[SERVICES_STORED] = REPORTER_STORED,
		[SERVICES_REFUSED] = REPORTER_REFUSED,
		[SERVICES_LOST] = REPORTER_AGAIN,
	};
	struct identity_cache *c = arg;

	reporter_sent(c->reporter, results[result]);
	if (result == SERVICES_STORED && reporter_has_part(c->reporter))
		reporter_send(c->reporter, send_report, c->services);
}

static const struct services_ops services_events = {
	.answered = on_answered, .changed = on_changed, .reported = on_reported,
};

/* ---- opening ------------------------------------------------------------- */

static bool open_source(struct identity_cache *c, struct event_base *base, SSL_CTX *tls,
			char *why, size_t why_size)
{
	if (!c->conf->services.n) {
		c->database = watched_open(c->conf->file, why, why_size);
		return c->database;
	}
	c->services = services_new(base, tls, &c->conf->services, &services_events, c);
	if (!c->services)
		snprintf(why, why_size, "out of memory");
	return c->services;
}

struct identity_cache *identity_open(struct event_base *base, SSL_CTX *tls,
				     const struct identity_conf *conf,
				     void (*changed)(void *arg), void *arg, char *why,
				     size_t why_size)
{
	struct identity_cache *c = calloc(1, sizeof(*c));

	if (!c) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	c->conf = conf;
	c->changed = changed;
	c->arg = arg;
	c->answers = answers_new(&conf->cache);
	c->reporter = reporter_new(conf->services.n ? NULL : conf->file);
	if (!c->answers || !c->reporter)
		snprintf(why, why_size, "out of memory");
	else if (open_source(c, base, tls, why, why_size))
		return c;
	identity_close(c);
	return NULL;
}

void identity_close(struct identity_cache *cache)
{
	if (!cache)
		return;
	services_free(cache->services);
	reporter_free(cache->reporter);
	answers_free(cache->answers);
	watched_close(cache->database);
	free(cache);
}

/* ---- looking up ---------------------------------------------------------- */

/* Returns false if the content is not verified: then there is nothing to ask. */
static bool make_question(struct sigdb_question *q, const Sockgate__Process *p)
{
	memset(q, 0, sizeof(*q));
	if (p->evidence != SOCKGATE__EVIDENCE__EVIDENCE_CONTENT ||
	    p->sha256.len != SHA256_SIZE)
		return false;
	q->sha256 = p->sha256.data;
	if (p->build_id.len >= SIGDB_BUILD_ID_MIN && p->build_id.len <= SIGDB_BUILD_ID_MAX) {
		q->build_id = p->build_id.data;
		q->build_id_size = p->build_id.len;
	}
	/* Where a file is gone, or is elsewhere, its name and path say nothing. */
	if (p->deleted || p->foreign_path)
		return true;
	if (*p->name && strlen(p->name) <= NAME_MAX_BYTES && !strchr(p->name, '/'))
		q->file_name = p->name;
	if (*p->path == '/' && strlen(p->path) <= SIGDB_PATH_MAX)
		q->path = p->path;
	return true;
}

#define SAME(ours, wire)							\
	_Static_assert((int)(ours) == (int)SOCKGATE__IDENTITY__SOURCE__##wire,	\
		       "numbers of sources differ")
SAME(SIGDB_FILE_NAME, FILE_NAME);
SAME(SIGDB_PACKAGE_FILE, PACKAGE_FILE);
SAME(SIGDB_BUILD_ID, BUILD_ID);

static void convert(const struct sigdb_answer *a, Sockgate__Identity *out)
{
	sockgate__identity__init(out);
	out->name = (char *)a->name;
	out->version = (char *)a->version;
	out->category = (char *)a->category;
	out->vendor = (char *)a->vendor;
	out->trust = a->trust;
	out->threat = a->threat;
	out->source = (Sockgate__Identity__Source)a->source;
}

/* Unknown by its content, whatever it claims to be. */
static bool is_unknown(const struct sigdb_answer *a)
{
	return a->source != SIGDB_HASH && a->source != SIGDB_HASH_ONLY;
}

static void found(struct identity_cache *c, const char *host,
		  const struct sigdb_question *q, const struct sigdb_answer *a,
		  Sockgate__Identity *out)
{
	if (is_unknown(a))
		reporter_note(c->reporter, q->sha256, host, q->path ? q->path : "",
			      time(NULL));
	convert(a, out);
}

static const struct sigdb_answer *ask_database(struct identity_cache *c,
					       const struct sigdb_question *q,
					       const struct answer_key *key,
					       uint64_t now_s)
{
	if (watched_lookup(c->database, q, &c->answer) == SIGDB_ERROR)
		return NULL;
	c->n.n_looked_up++;
	answers_put(c->answers, key, &c->answer, now_s);
	return &c->answer;
}

static enum identity_state ask_services(struct identity_cache *c, const char *host,
					const struct sigdb_question *q,
					const struct answer_key *key,
					unsigned int wait_ms, struct inquiry **inquiry)
{
	unsigned int max_ms = c->conf->services.wait_ms;

	if (!wait_ms || wait_ms > max_ms)
		wait_ms = max_ms;
	*inquiry = services_ask(c->services, host, key, q, wait_ms);
	return *inquiry ? IDENTITY_AWAITED : IDENTITY_UNAVAILABLE;
}

enum identity_state identity_lookup(struct identity_cache *cache, const char *host,
				    const Sockgate__Process *process,
				    unsigned int wait_ms, uint64_t now_s,
				    Sockgate__Identity *out, struct inquiry **inquiry)
{
	const struct sigdb_answer *answer;
	struct sigdb_question q;
	struct answer_key key;
	enum identity_state state = IDENTITY_UNAVAILABLE;

	if (!make_question(&q, process) || answers_key(cache->answers, &q, &key))
		return IDENTITY_UNAVAILABLE;
	answer = answers_get(cache->answers, &key, now_s);
	if (!answer && cache->services)
		state = ask_services(cache, host, &q, &key, wait_ms, inquiry);
	else if (!answer)
		answer = ask_database(cache, &q, &key, now_s);
	if (answer) {
		found(cache, host, &q, answer, out);
		return IDENTITY_FOUND;
	}
	cache->n.n_failed += state == IDENTITY_UNAVAILABLE;
	return state;
}

static void on_done(struct services_wait *w, const struct sigdb_answer *answer)
{
	struct identity_wait *wait = (struct identity_wait *)
		((char *)w - offsetof(struct identity_wait, wait));
	struct identity_cache *c = wait->cache;
	Sockgate__Identity identity;
	struct sigdb_question q;

	if (answer && make_question(&q, wait->process)) {
		found(c, wait->host, &q, answer, &identity);
		wait->done(wait, &identity);
		return;
	}
	c->n.n_failed++;
	wait->done(wait, NULL);
}

void identity_await(struct identity_cache *cache, struct inquiry *inquiry,
		    struct identity_wait *wait)
{
	wait->cache = cache;
	wait->wait.done = on_done;
	services_await(inquiry, &wait->wait);
}

void identity_cancel(struct identity_wait *wait)
{
	services_cancel(&wait->wait);
}

/* ---- now and then -------------------------------------------------------- */

static void tell_sightings(struct identity_cache *c)
{
	if (c->services)
		reporter_send(c->reporter, send_report, c->services);
	else
		reporter_flush(c->reporter);
}

bool identity_refresh(struct identity_cache *cache)
{
	bool stale = cache->stale;

	cache->stale = false;
	if (cache->database && watched_refresh(cache->database)) {
		answers_drop(cache->answers);
		stale = true;
	}
	if (++cache->refreshes % NOTE_INTERVAL == 0)
		tell_sightings(cache);
	return stale;
}

const struct identity_counters *identity_counters(struct identity_cache *cache)
{
	cache->n.cache = *answers_counters(cache->answers);
	cache->n.cached = answers_count(cache->answers);
	if (cache->services)
		cache->n.services = *services_counters(cache->services);
	cache->n.n_not_noted = reporter_lost(cache->reporter);
	return &cache->n;
}

const char *identity_source(const struct identity_cache *cache)
{
	if (cache->services)
		return services_in_use(cache->services);
	return *watched_error(cache->database) ? "" : cache->conf->file;
}

const char *identity_error(const struct identity_cache *cache)
{
	return cache->services ? services_error(cache->services) :
				 watched_error(cache->database);
}
