// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything is under recall->lock, which nobody holds for longer than a look-up
 * or a flush takes.  Hits are gathered in one of two arrays; whoever records
 * them has the other.
 */
#include "recall.h"

#include <pthread.h>
#include <stdlib.h>

struct hits {
	unsigned int n;
	struct recall_hit hit[RECALL_MAX_HITS];
};

struct recall {
	pthread_mutex_t lock;
	struct recall_conf conf;	/* never changes */
	struct decisions *decisions;
	uint32_t generation;
	uint32_t events;		/* optional ones that are judged */
	uint64_t answered;
	struct hits *gathered;
	struct hits *taken;
	struct hits hits[2];
};

struct recall *recall_new(const struct recall_conf *conf, uint32_t generation,
			  uint32_t events)
{
	struct recall *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->decisions = decisions_new(conf->max_decisions, conf->seed);
	if (!r->decisions) {
		free(r);
		return NULL;
	}
	pthread_mutex_init(&r->lock, NULL);
	r->conf = *conf;
	r->generation = generation;
	r->events = events;
	r->gathered = &r->hits[0];
	r->taken = &r->hits[1];
	return r;
}

void recall_free(struct recall *r)
{
	if (!r)
		return;
	for (unsigned int i = 0; i < r->gathered->n; i++)
		verdict_put(r->gathered->hit[i].verdict);
	decisions_free(r->decisions);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static bool is_judged(const struct recall *r, const struct ask *ask)
{
	return !(SOCKGATE_EVENTS_OPTIONAL & ~r->events & 1U << ask->event) ||
	       ask_opens_past_the_gate(ask);
}

static enum recall_result find(struct recall *r, const struct ask *ask,
			       struct moment now, struct answer *answer)
{
	uint64_t now_ms = now.us / 1000;
	struct hits *hits = r->gathered;
	struct recall_hit *hit;
	struct verdict *v;

	if (!is_judged(r, ask))
		return RECALL_NO;
	if (hits->n == RECALL_MAX_HITS)
		return RECALL_FULL;
	v = decisions_find(r->decisions, ask, now_ms);
	if (!v)
		return RECALL_NO;
	verdict_answer(v, ask->id, r->generation,
		       r->conf.cache_in_kernel ? v->expires_ms - now_ms : 0, answer);
	hit = &hits->hit[hits->n++];
	hit->ask = *ask;
	hit->begun = now;
	hit->latency_us = (uint32_t)(r->conf.now_us(r->conf.arg) - now.us);
	hit->verdict = verdict_get(v);
	r->answered++;
	return hits->n == 1 ? RECALL_FIRST : RECALL_YES;
}

enum recall_result recall_find(struct recall *r, const struct ask *ask,
			       struct moment now, struct answer *answer)
{
	enum recall_result result;

	pthread_mutex_lock(&r->lock);
	result = find(r, ask, now, answer);
	pthread_mutex_unlock(&r->lock);
	return result;
}

void recall_add(struct recall *r, const struct ask *ask, struct verdict *v)
{
	pthread_mutex_lock(&r->lock);
	decisions_add(r->decisions, ask, v);
	pthread_mutex_unlock(&r->lock);
}

void recall_void(struct recall *r, uint32_t generation, uint32_t events)
{
	pthread_mutex_lock(&r->lock);
	r->generation = generation;
	r->events = events;
	decisions_flush(r->decisions);
	pthread_mutex_unlock(&r->lock);
}

struct recall_counts recall_counts(struct recall *r)
{
	struct recall_counts counts;

	pthread_mutex_lock(&r->lock);
	counts = (struct recall_counts){
		.answered = r->answered,
		.decisions = decisions_count(r->decisions),
		.cache = *decisions_counts(r->decisions),
	};
	pthread_mutex_unlock(&r->lock);
	return counts;
}

unsigned int recall_take(struct recall *r, struct recall_hit **hits)
{
	struct hits *taken;

	pthread_mutex_lock(&r->lock);
	taken = r->gathered;
	r->gathered = r->taken;
	r->gathered->n = 0;
	r->taken = taken;
	pthread_mutex_unlock(&r->lock);
	*hits = taken->hit;
	return taken->n;
}
