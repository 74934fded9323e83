// SPDX-License-Identifier: GPL-2.0-only
#include "services.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <event2/event.h>

/* Out of memory must not end the program: the question is just not asked. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "log.h"
#include "sigdb/wire.h"

/* An answer is of use when nobody waits any longer: the next who asks has it. */
#define LATE_MS 10000

/* The highest bit marks what is no question. */
#define ID_REPORT (1ULL << 63)

/* Who has not answered for so long is asked once more, if somebody asks again. */
#define AGAIN_MS 1000

/* What a host has of the inquiries; there is one as long as it has any. */
struct share {
	char *host;
	unsigned int n;
	UT_hash_handle hh;
};

struct inquiry {
	struct services *services;
	struct share *share;	/* of who asked first */
	struct answer_key key;
	uint8_t sha256[SHA256_SIZE];	/* of the content */
	uint64_t id;
	char *path, *name;	/* NULL: not known */
	uint8_t build_id[SIGDB_BUILD_ID_MAX];
	size_t build_id_size;	/* 0: not known */
	uint32_t asked, tried;	/* bits of services: asked, and asked in vain */
	uint32_t earlier;	/* asked before it was asked again */
	unsigned int wait_ms;	/* the longest that anybody could wait */
	uint64_t asked_ms;	/* when a service was last asked */
	uint64_t next_ms;	/* when the next is asked too; 0: there is none left */
	uint64_t last_until_ms;	/* so long can wait who asked last */
	uint64_t until_ms;	/* and who can wait longest */
	struct event *timer;
	struct services_wait *waits;	/* whose time is over first is first */
	UT_hash_handle hh, hh_id;
};

struct services {
	const struct services_conf *conf;
	struct services_ops ops;
	void *arg;
	struct event_base *base;
	struct service *service[SERVICES_MAX];
	struct inquiry *by_key, *by_id;
	struct share *shares;
	uint64_t last_id;
	struct service *reported;	/* who has the report; NULL: there is none */
	uint64_t last_report;
	uint64_t changed_ms;		/* when one last said that it has others */
	bool complained;		/* of an impossible answer */
	struct services_counters n;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* To what is due first. */
static void arm(struct inquiry *q)
{
	uint64_t now = now_ms(), at = q->until_ms + LATE_MS, ms;
	struct timeval tv;

	if (q->waits)
		at = q->waits->until_ms;
	if (q->next_ms && q->next_ms < at)
		at = q->next_ms;
	ms = at > now ? at - now : 0;
	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	event_add(q->timer, &tv);
}

/* ---- inquiries ----------------------------------------------------------- */

static void free_share(struct share *share)
{
	free(share->host);
	free(share);
}

/* NULL: out of memory */
static struct share *new_share(struct services *s, const char *host)
{
	struct share *share = calloc(1, sizeof(*share));

	if (!share)
		return NULL;
	share->host = strdup(host);
	if (share->host)
		HASH_ADD_KEYPTR(hh, s->shares, share->host, strlen(share->host), share);
	if (share->hh.tbl)
		return share;
	free_share(share);
	return NULL;
}

static struct share *find_share(struct services *s, const char *host)
{
	struct share *share;

	HASH_FIND_STR(s->shares, host, share);
	return share;
}

static void leave_share(struct services *s, struct share *share)
{
	if (!share || --share->n)
		return;
	HASH_DEL(s->shares, share);
	free_share(share);
}

static void join_share(struct inquiry *q, const char *host)
{
	q->share = find_share(q->services, host);
	if (!q->share)
		q->share = new_share(q->services, host);
	if (q->share)
		q->share->n++;
}

static bool is_full(struct services *s, const char *host)
{
	const struct share *share = find_share(s, host);

	return HASH_COUNT(s->by_key) >= SERVICES_INQUIRIES_MAX ||
	       (share && share->n >= SERVICES_PER_HOST_MAX);
}

static void free_inquiry(struct inquiry *q)
{
	leave_share(q->services, q->share);
	if (q->timer)
		event_free(q->timer);
	free(q->path);
	free(q->name);
	free(q);
}

static void remove_inquiry(struct inquiry *q)
{
	HASH_DELETE(hh, q->services->by_key, q);
	HASH_DELETE(hh_id, q->services->by_id, q);
}

/* Whoever is told may end others who wait for the same. */
static void tell(struct inquiry *q, const struct sigdb_answer *answer)
{
	struct services_wait *w;

	while ((w = q->waits)) {
		services_cancel(w);
		w->done(w, answer);
	}
}

/* With an answer, or (NULL) since there will be none. */
static void finish(struct inquiry *q, const struct sigdb_answer *answer)
{
	remove_inquiry(q);
	tell(q, answer);
	free_inquiry(q);
}

/* The first that is up and was not asked; NULL if there is none. */
static struct service *choose(const struct inquiry *q)
{
	struct services *s = q->services;

	for (unsigned int i = 0; i < s->conf->n; i++)
		if (service_is_up(s->service[i]) && !(q->asked & 1U << i))
			return s->service[i];
	return NULL;
}

/* Half of the time is that of the one that is asked. */
static void set_next(struct inquiry *q)
{
	q->next_ms = q->asked_ms + q->wait_ms / 2;
	arm(q);
}

/* Returns false if there was none that took it. */
static bool ask_next(struct inquiry *q)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__SignatureQuery query;
	struct sigdb_question question = {
		.sha256 = q->sha256, .path = q->path, .file_name = q->name,
		.build_id = q->build_id, .build_id_size = q->build_id_size,
	};
	struct service *to;

	wire_put_question(&question, &query);
	msg.id = q->id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_SIGNATURE_QUERY;
	msg.signature_query = &query;
	while ((to = choose(q))) {
		q->services->n.n_another += !!q->asked;
		q->asked |= 1U << service_number(to);
		if (!service_send(to, &msg)) {
			q->asked_ms = now_ms();
			set_next(q);
			return true;
		}
		q->tried |= 1U << service_number(to);
	}
	q->next_ms = 0;
	return false;
}

/* May a service still come up, or answer? */
static bool has_hope(const struct inquiry *q)
{
	const struct services *s = q->services;

	if (q->asked & ~q->tried)
		return true;
	for (unsigned int i = 0; i < s->conf->n; i++)
		if (!service_is_up(s->service[i]) && !service_is_away(s->service[i]))
			return true;
	return false;
}

/* This service will not answer. */
static void in_vain(struct inquiry *q, const struct service *by)
{
	q->tried |= q->asked & 1U << service_number(by);
	if (!(q->asked & ~q->tried) && !ask_next(q) && !has_hope(q))
		finish(q, NULL);
}

/* Nobody else's time ends with theirs. */
static void tell_late(struct inquiry *q, uint64_t now)
{
	struct services_wait *w;

	while ((w = q->waits) && w->until_ms <= now) {
		q->services->n.n_timeouts++;
		services_cancel(w);
		w->done(w, NULL);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct inquiry *q = arg;
	uint64_t now = now_ms();

	(void)fd, (void)what;
	if (q->next_ms && q->next_ms <= now)
		ask_next(q);
	tell_late(q, now);
	if (now < q->until_ms + LATE_MS)
		arm(q);
	else
		finish(q, NULL);
}

/* A copy of a text that may not be known.  Returns false if out of memory. */
static bool copy(const char *text, char **out)
{
	*out = text ? strdup(text) : NULL;
	return !text || *out;
}

static struct inquiry *new_inquiry(struct services *s, const char *host,
				   const struct answer_key *key,
				   const struct sigdb_question *question)
{
	struct inquiry *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->services = s;
	q->key = *key;
	memcpy(q->sha256, question->sha256, sizeof(q->sha256));
	q->id = ++s->last_id;
	q->timer = evtimer_new(s->base, on_timer, q);
	if (question->build_id && question->build_id_size <= sizeof(q->build_id)) {
		memcpy(q->build_id, question->build_id, question->build_id_size);
		q->build_id_size = question->build_id_size;
	}
	join_share(q, host);
	if (!q->share || !q->timer || !copy(question->path, &q->path) ||
	    !copy(question->file_name, &q->name))
		goto fail;
	HASH_ADD(hh, s->by_key, key, sizeof(q->key), q);
	if (!q->hh.tbl)
		goto fail;
	HASH_ADD(hh_id, s->by_id, id, sizeof(q->id), q);
	if (q->hh_id.tbl)
		return q;
	HASH_DELETE(hh, s->by_key, q);
fail:
	free_inquiry(q);
	return NULL;
}

/* Somebody can wait so long from now; who waits already is not hurried by that. */
static void prolong(struct inquiry *q, unsigned int wait_ms)
{
	q->last_until_ms = now_ms() + wait_ms;
	if (q->last_until_ms > q->until_ms)
		q->until_ms = q->last_until_ms;
	if (wait_ms > q->wait_ms)
		q->wait_ms = wait_ms;
}

/* Asked already: what that has come to may be nothing. */
static void ask_again(struct inquiry *q)
{
	if (now_ms() - q->asked_ms < AGAIN_MS) {
		set_next(q);
		return;
	}
	q->earlier |= q->asked;
	q->asked = 0;
	q->tried = 0;
	ask_next(q);
	arm(q);
}

struct inquiry *services_ask(struct services *s, const char *host,
			     const struct answer_key *key,
			     const struct sigdb_question *question, unsigned int wait_ms)
{
	struct inquiry *q;

	HASH_FIND(hh, s->by_key, key, sizeof(*key), q);
	if (q) {
		prolong(q, wait_ms);
		ask_again(q);
		return q;
	}
	if (is_full(s, host)) {
		s->n.n_full++;
		return NULL;
	}
	q = new_inquiry(s, host, key, question);
	if (!q)
		return NULL;
	prolong(q, wait_ms);
	arm(q);
	if (!ask_next(q) && !has_hope(q)) {
		finish(q, NULL);
		return NULL;
	}
	s->n.n_asked++;
	return q;
}

void services_await(struct inquiry *inquiry, struct services_wait *wait)
{
	struct services_wait *before = inquiry->waits ? inquiry->waits->prev : NULL;

	wait->of = inquiry;
	wait->until_ms = inquiry->last_until_ms;
	while (before && before->until_ms > wait->until_ms)
		before = before == inquiry->waits ? NULL : before->prev;
	if (before)
		DL_APPEND_ELEM(inquiry->waits, before, wait);
	else
		DL_PREPEND(inquiry->waits, wait);
	arm(inquiry);
}

void services_cancel(struct services_wait *wait)
{
	if (wait->of)
		DL_DELETE(wait->of->waits, wait);
	wait->of = NULL;
}

/* ---- what services tell -------------------------------------------------- */

static struct inquiry *find(struct services *s, uint64_t id)
{
	struct inquiry *q;

	HASH_FIND(hh_id, s->by_id, &id, sizeof(id), q);
	return q;
}

static void report_ended(struct services *s, enum services_report_result result)
{
	s->reported = NULL;
	s->ops.reported(result, s->arg);
}

static void impossible(struct services *s, const struct service *by, struct inquiry *q)
{
	s->n.n_impossible++;
	if (!s->complained)
		log_warnx("signature service %s: an answer that no database can have given",
			  service_address(by));
	s->complained = true;
	in_vain(q, by);
}

static void take_answer(struct services *s, struct service *by, uint64_t id,
			const Sockgate__SignatureAnswer *body)
{
	struct inquiry *q = find(s, id);
	struct sigdb_answer answer;

	/* Of two that were asked the other may have been faster. */
	if (!q)
		return;
	/* A number that was guessed. */
	if (!((q->asked | q->earlier) & 1U << service_number(by)))
		return;
	if (wire_take_answer(body, &answer)) {
		impossible(s, by, q);
		return;
	}
	s->n.n_answered++;
	s->n.n_late += !q->waits;
	s->ops.answered(&q->key, &answer, s->arg);
	finish(q, &answer);
}

static void take_error(struct services *s, struct service *by, uint64_t id)
{
	struct inquiry *q = find(s, id);

	if (id == s->last_report && by == s->reported)
		report_ended(s, SERVICES_REFUSED);
	if (!q)
		return;
	s->n.n_refused++;
	in_vain(q, by);
}

static void on_message(struct service *by, Sockgate__Message *msg, void *arg)
{
	struct services *s = arg;

	switch (msg->body_case) {
	case SOCKGATE__MESSAGE__BODY_SIGNATURE_ANSWER:
		take_answer(s, by, msg->id, msg->signature_answer);
		break;
	case SOCKGATE__MESSAGE__BODY_ERROR:
		take_error(s, by, msg->id);
		break;
	case SOCKGATE__MESSAGE__BODY_SIGHTINGS_STORED:
		if (msg->id == s->last_report && by == s->reported)
			report_ended(s, SERVICES_STORED);
		break;
	default:
		break;
	}
}

/* What nobody has been asked yet, or nobody that is left. */
static void on_up(struct service *service, void *arg)
{
	struct services *s = arg;
	struct inquiry *q, *next;

	(void)service;
	HASH_ITER(hh, s->by_key, q, next) {
		if (!(q->asked & ~q->tried))
			ask_next(q);
	}
}

static void on_changed(struct service *service, void *arg)
{
	struct services *s = arg;

	/* It may say so as often as it likes. */
	if (now_ms() - s->changed_ms >= 1000)
		log_info("signature service %s: its signatures have changed",
			 service_address(service));
	s->changed_ms = now_ms();
	s->ops.changed(s->arg);
}

/*
 * Telling one who waits may end others who wait, but no inquiry: those are only ended
 * here, so that the next one is still there.
 */
static void lose(struct services *s, const struct service *service)
{
	struct inquiry *q, *next;

	HASH_ITER(hh, s->by_key, q, next)
		in_vain(q, service);
}

static void on_down(struct service *service, void *arg)
{
	uint32_t bit = 1U << service_number(service);
	struct services *s = arg;
	struct inquiry *q, *next;

	s->n.n_losses++;
	lose(s, service);
	/* Once it is up again it may be asked again. */
	HASH_ITER(hh, s->by_key, q, next) {
		q->asked &= ~bit;
		q->earlier &= ~bit;
		q->tried &= ~bit;
	}
	if (service == s->reported)
		report_ended(s, SERVICES_LOST);
}

static void on_failed(struct service *service, void *arg)
{
	lose(arg, service);
}

static const struct service_ops service_events = {
	.up = on_up,
	.changed = on_changed,
	.message = on_message,
	.down = on_down,
	.failed = on_failed,
};

/* ---- all of them --------------------------------------------------------- */

struct services *services_new(struct event_base *base, SSL_CTX *tls,
			      const struct services_conf *conf,
			      const struct services_ops *ops, void *arg)
{
	struct services *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->base = base;
	s->conf = conf;
	s->ops = *ops;
	s->arg = arg;
	s->last_report = ID_REPORT;
	for (unsigned int i = 0; i < conf->n; i++) {
		s->service[i] = service_new(base, tls, &conf->list[i], &conf->each, i,
					    &service_events, s);
		if (!s->service[i]) {
			services_free(s);
			return NULL;
		}
	}
	return s;
}

void services_free(struct services *s)
{
	struct inquiry *q, *next;

	if (!s)
		return;
	HASH_ITER(hh, s->by_key, q, next) {
		while (q->waits)
			services_cancel(q->waits);
		remove_inquiry(q);
		free_inquiry(q);
	}
	for (unsigned int i = 0; i < SERVICES_MAX; i++)
		service_free(s->service[i]);
	free(s);
}

int services_report(struct services *s, const Sockgate__SightingsReport *report)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	if (s->reported)
		return -1;
	msg.id = ++s->last_report;
	msg.body_case = SOCKGATE__MESSAGE__BODY_SIGHTINGS_REPORT;
	msg.sightings_report = (Sockgate__SightingsReport *)report;
	for (unsigned int i = 0; i < s->conf->n; i++) {
		if (service_send(s->service[i], &msg))
			continue;
		s->reported = s->service[i];
		return 0;
	}
	return -1;
}

const char *services_in_use(const struct services *s)
{
	for (unsigned int i = 0; i < s->conf->n; i++)
		if (service_is_up(s->service[i]))
			return service_address(s->service[i]);
	return "";
}

const char *services_error(const struct services *s)
{
	for (unsigned int i = 0; i < s->conf->n; i++)
		if (!service_is_up(s->service[i]))
			return service_error(s->service[i]);
	return "";
}

const struct services_counters *services_counters(struct services *s)
{
	return &s->n;
}
