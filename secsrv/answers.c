// SPDX-License-Identifier: GPL-2.0-only
#include "answers.h"

#include <stdlib.h>
#include <string.h>

/* Out of memory must not end the program: the entry is just not remembered. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct entry {
	struct answer_key key;
	struct sigdb_answer answer;
	uint64_t until_s;
	UT_hash_handle hh;
};

struct answers {
	struct answers_conf conf;
	struct entry *entries;		/* least recently used first */
	struct sigdb_answer last;	/* what was given, if its entry is gone */
	struct answers_counters n;
};

struct answers *answers_new(const struct answers_conf *conf)
{
	struct answers *a = calloc(1, sizeof(*a));

	if (a)
		a->conf = *conf;
	return a;
}

void answers_free(struct answers *a)
{
	if (!a)
		return;
	answers_drop(a);
	free(a);
}

static void drop(struct answers *a, struct entry *e)
{
	HASH_DEL(a->entries, e);
	free(e);
}

/* To the end of the list: most recently used. */
static const struct sigdb_answer *use(struct answers *a, struct entry *e)
{
	HASH_DEL(a->entries, e);
	HASH_ADD(hh, a->entries, key, sizeof(e->key), e);
	if (e->hh.tbl)
		return &e->answer;
	a->last = e->answer;
	free(e);
	return &a->last;
}

const struct sigdb_answer *answers_get(struct answers *a, const struct answer_key *key,
				       uint64_t now_s)
{
	struct entry *e;

	HASH_FIND(hh, a->entries, key, sizeof(*key), e);
	if (e && e->until_s <= now_s) {
		a->n.n_expired++;
		drop(a, e);
		e = NULL;
	}
	if (!e) {
		a->n.n_missed++;
		return NULL;
	}
	a->n.n_hit++;
	return use(a, e);
}

static void make_room(struct answers *a)
{
	if (HASH_COUNT(a->entries) < a->conf.max)
		return;
	a->n.n_evicted++;
	drop(a, a->entries);
}

void answers_put(struct answers *a, const struct answer_key *key,
		 const struct sigdb_answer *answer, uint64_t now_s)
{
	struct entry *e;

	HASH_FIND(hh, a->entries, key, sizeof(*key), e);
	if (e)
		drop(a, e);
	make_room(a);
	e = calloc(1, sizeof(*e));
	if (!e)
		return;
	e->key = *key;
	e->answer = *answer;
	e->until_s = now_s + (answer->source == SIGDB_NONE ? a->conf.unknown_lifetime_s :
			      a->conf.lifetime_s);
	HASH_ADD(hh, a->entries, key, sizeof(e->key), e);
	if (!e->hh.tbl)
		free(e);
}

void answers_drop(struct answers *a)
{
	struct entry *e = a->entries, *next;

	/* The table goes; the entries stay linked. */
	HASH_CLEAR(hh, a->entries);
	for (; e; e = next) {
		next = e->hh.next;
		free(e);
	}
}

unsigned int answers_count(const struct answers *a)
{
	return HASH_COUNT(a->entries);
}

const struct answers_counters *answers_counters(const struct answers *a)
{
	return &a->n;
}
