/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The signature services of a list, and what is being asked of them.
 *
 * All are connected all the time; the first that is up is asked.  One that has not
 * answered half of the time that a question may take, or cannot, is not waited for:
 * the next is asked too.  Questions about the same are asked once.
 */
#ifndef SECSRV_SERVICES_H
#define SECSRV_SERVICES_H

#include <stdint.h>

#include "answers.h"
#include "service.h"

/* That may be on the list. */
#define SERVICES_MAX 8
/* Different questions that may be on their way. */
#define SERVICES_INQUIRIES_MAX 4096
/* And those that agents of one host caused, waited for or not. */
#define SERVICES_PER_HOST_MAX (SERVICES_INQUIRIES_MAX / 8)

struct services_conf {
	struct service_address list[SERVICES_MAX];	/* asked in this order */
	unsigned int n;
	struct service_conf each;
	unsigned int wait_ms;		/* for an answer, at most */
};

/* Counted by outcome. */
struct services_counters {
	uint64_t n_asked;	/* questions, each once */
	uint64_t n_answered;
	uint64_t n_late;	/* answered when nobody waited any longer */
	uint64_t n_another;	/* times that one more service was asked */
	uint64_t n_refused;	/* questions that a service could not answer */
	uint64_t n_impossible;	/* answers that no database can have given */
	uint64_t n_timeouts;	/* waiting that was given up, of questions */
	uint64_t n_full;	/* not asked: as many as may be are on their way */
	uint64_t n_losses;	/* connections that were up and ended */
};

struct inquiry;

/* One who waits; embedded in a structure of his own. */
struct services_wait {
	/* @answer: NULL if it is not available; good until it returns */
	void (*done)(struct services_wait *wait, const struct sigdb_answer *answer);
	struct inquiry *of;	/* NULL: none */
	uint64_t until_ms;	/* its time is over, whoever else waits */
	struct services_wait *prev, *next;
};

/*
 * answered: told before those who wait
 * changed:  what a service has said before may hold no longer
 * reported: what came of services_report()
 */
enum services_report_result {
	SERVICES_STORED,
	SERVICES_REFUSED,
	SERVICES_LOST,		/* not known: send it again */
};

struct services_ops {
	void (*answered)(const struct answer_key *key, const struct sigdb_answer *answer,
			 void *arg);
	void (*changed)(void *arg);
	void (*reported)(enum services_report_result result, void *arg);
};

struct services;

/* @conf is kept by reference.  NULL: no memory. */
struct services *services_new(struct event_base *base, SSL_CTX *tls,
			      const struct services_conf *conf,
			      const struct services_ops *ops, void *arg);

/* Nobody is told anything any more; NULL is allowed. */
void services_free(struct services *s);

/*
 * services_ask - ask, unless it was asked already
 * @host:    who wants to know
 * @wait_ms: how long it may take
 * Returns NULL if that has no chance: no service is there, or too much is asked.
 * Then nobody need wait.
 */
struct inquiry *services_ask(struct services *s, const char *host,
			     const struct answer_key *key,
			     const struct sigdb_question *question, unsigned int wait_ms);

/* To be called at once with what services_ask() has returned. */
void services_await(struct inquiry *inquiry, struct services_wait *wait);
void services_cancel(struct services_wait *wait);

/*
 * services_report - tell of sightings, one report at a time
 * Returns 0, or -1 if there is nobody to be told now.
 */
int services_report(struct services *s, const Sockgate__SightingsReport *report);

/* Address of the service in use, "" if none; and why the first of others is not up. */
const char *services_in_use(const struct services *s);
const char *services_error(const struct services *s);
const struct services_counters *services_counters(struct services *s);

#endif
