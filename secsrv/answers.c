// SPDX-License-Identifier: GPL-2.0-only
#include "answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <event2/util.h>

/* Out of memory must not end the program: the entry is just not remembered. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct entry {
	struct answer_key key;
	struct sigdb_answer answer;
	uint64_t until_s;
	UT_hash_handle hh;
};

#define SALT_SIZE 32
#define NAME_BYTES_MAX 255

struct answers {
	struct answers_conf conf;
	uint8_t salt[SALT_SIZE];
	/* Least recently used first: known by its content, and all others. */
	struct entry *known, *others;
	struct sigdb_answer last;	/* what was given, if its entry is gone */
	struct answers_counters n;
};

struct answers *answers_new(const struct answers_conf *conf)
{
	struct answers *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->conf = *conf;
	evutil_secure_rng_get_bytes(a->salt, sizeof(a->salt));
	return a;
}

/* All but the last text have a fixed size, or end with NUL. */
int answers_key(const struct answers *a, const struct sigdb_question *q,
		struct answer_key *key)
{
	char all[SALT_SIZE + SHA256_SIZE + 2 * SIGDB_BUILD_ID_MAX + 1 + SIGDB_PATH_MAX + 1 +
		 NAME_BYTES_MAX + 1];
	char id[2 * SIGDB_BUILD_ID_MAX + 1];
	char *claims = all + SALT_SIZE + SHA256_SIZE;
	size_t room = sizeof(all) - SALT_SIZE - SHA256_SIZE;
	int len;

	hex_encode(q->build_id, q->build_id_size, id);
	memcpy(all, a->salt, SALT_SIZE);
	memcpy(all + SALT_SIZE, q->sha256, SHA256_SIZE);
	len = snprintf(claims, room, "%s%c%s%c%s", id, '\0', q->path ? q->path : "", '\0',
		       q->file_name ? q->file_name : "");
	if (len < 0 || (size_t)len >= room)
		return -1;
	return sha256_memory(all, SALT_SIZE + SHA256_SIZE + (size_t)len, key->digest);
}

void answers_free(struct answers *a)
{
	if (!a)
		return;
	answers_drop(a);
	free(a);
}

/* A claim can be made up as well as a hash that nobody knows. */
static struct entry **list_of(struct answers *a, const struct entry *e)
{
	bool known = e->answer.source == SIGDB_HASH || e->answer.source == SIGDB_HASH_ONLY;

	return known ? &a->known : &a->others;
}

static void drop(struct answers *a, struct entry *e)
{
	HASH_DEL(*list_of(a, e), e);
	free(e);
}

static struct entry *find(struct answers *a, const struct answer_key *key)
{
	struct entry *e;

	HASH_FIND(hh, a->known, key, sizeof(*key), e);
	if (!e)
		HASH_FIND(hh, a->others, key, sizeof(*key), e);
	return e;
}

/* To the end of its list: most recently used.  Returns false without memory. */
static bool append(struct answers *a, struct entry *e)
{
	struct entry **list = list_of(a, e);

	HASH_ADD(hh, *list, key, sizeof(e->key), e);
	return e->hh.tbl;
}

static const struct sigdb_answer *use(struct answers *a, struct entry *e)
{
	HASH_DEL(*list_of(a, e), e);
	if (append(a, e))
		return &e->answer;
	a->last = e->answer;
	free(e);
	return &a->last;
}

const struct sigdb_answer *answers_get(struct answers *a, const struct answer_key *key,
				       uint64_t now_s)
{
	struct entry *e = find(a, key);

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
	if (answers_count(a) < a->conf.max)
		return;
	a->n.n_evicted++;
	if (!a->known || HASH_COUNT(a->others) > a->conf.max / 4)
		drop(a, a->others);
	else
		drop(a, a->known);
}

void answers_put(struct answers *a, const struct answer_key *key,
		 const struct sigdb_answer *answer, uint64_t now_s)
{
	struct entry *e = find(a, key);

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
	if (!append(a, e))
		free(e);
}

static void drop_list(struct entry **list)
{
	struct entry *e = *list, *next;

	/* The table goes; the entries stay linked. */
	HASH_CLEAR(hh, *list);
	for (; e; e = next) {
		next = e->hh.next;
		free(e);
	}
}

void answers_drop(struct answers *a)
{
	drop_list(&a->known);
	drop_list(&a->others);
}

unsigned int answers_count(const struct answers *a)
{
	return HASH_COUNT(a->known) + HASH_COUNT(a->others);
}

const struct answers_counters *answers_counters(const struct answers *a)
{
	return &a->n;
}
