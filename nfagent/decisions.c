// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tuple-space search: one hash table per scope in use; a question is looked up
 * in each, under its key with everything outside the scope blanked.  Scopes
 * are few, so this costs a few hashes however many decisions there are.
 *
 * Which of several matching entries is found does not matter: each decision
 * holds for all that its scope leaves open, under one and the same policy.
 */
#include "decisions.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

/* No holes: it is hashed and compared as bytes. */
struct key {
	struct sockgate_file exe;
	uint64_t start_ns;
	uint64_t exec_id;
	uint64_t cgroup;
	uint64_t netns;
	uint8_t laddr[16];
	uint8_t raddr[16];
	uint32_t pid;
	uint32_t uid;
	uint16_t lport;
	uint16_t rport;
	uint8_t event;
	uint8_t family;
	uint8_t protocol;
	uint8_t present;	/* which addresses there are at all */
	uint64_t zero;		/* makes the words even; see hash_of() */
};
_Static_assert(sizeof(struct key) == 128, "struct key has holes");
#define KEY_WORDS (sizeof(struct key) / sizeof(uint64_t))

struct entry {
	struct key key;
	struct verdict *verdict;
	struct table *table;
	UT_hash_handle hh;
	struct entry *prev, *next;	/* all entries, oldest use first */
};

struct table {
	struct scope scope;
	struct entry *entries;
};

struct decisions {
	struct table table[DECISIONS_MAX_SCOPES];
	unsigned int n_tables;
	unsigned int n_entries;
	unsigned int max;
	uint64_t seed;
	struct entry *lru;
	struct decisions_counts counts;
};

static void copy_prefix(uint8_t *to, const uint8_t *from, unsigned int bits)
{
	unsigned int bytes = bits / 8;

	memcpy(to, from, bytes);
	if (bits % 8)
		to[bytes] = from[bytes] & (uint8_t)(0xff00 >> (bits % 8));
}

static void key_of(struct key *key, const struct ask *ask,
		   const struct scope *scope)
{
	uint32_t f = scope->fields;

	memset(key, 0, sizeof(*key));
	if (f & SOCKGATE_F_EVENT)
		key->event = ask->event;
	if (f & SOCKGATE_F_PROTOCOL)
		key->protocol = ask->protocol;
	if (f & SOCKGATE_F_FAMILY)
		key->family = ask->family;
	if (f & SOCKGATE_F_LADDR) {
		copy_prefix(key->laddr, ask->laddr, scope->lprefix);
		key->present |= ask->laddr_len ? 1 : 0;
	}
	if (f & SOCKGATE_F_RADDR) {
		copy_prefix(key->raddr, ask->raddr, scope->rprefix);
		key->present |= ask->raddr_len ? 2 : 0;
	}
	if (f & SOCKGATE_F_LPORT)
		key->lport = ask->lport;
	if (f & SOCKGATE_F_RPORT)
		key->rport = ask->rport;
	if (f & SOCKGATE_F_EXE)
		key->exe = ask->exe;
	if (f & SOCKGATE_F_PROCESS) {
		key->start_ns = ask->process.start_ns;
		key->exec_id = ask->process.exec_id;
		key->pid = ask->process.pid;
	}
	if (f & SOCKGATE_F_UID)
		key->uid = ask->uid;
	if (f & SOCKGATE_F_CGROUP)
		key->cgroup = ask->cgroup;
	if (f & SOCKGATE_F_NETNS)
		key->netns = ask->netns;
}

/*
 * Two words a multiplication: uthash's own hash of a key this long costs more
 * than all else that is done for a question here.  The seed keeps whoever
 * chooses ports and addresses from choosing buckets.
 */
static unsigned int hash_of(const struct key *key, uint64_t seed)
{
	uint64_t word[KEY_WORDS], h = ~seed;
	unsigned __int128 product;

	_Static_assert(KEY_WORDS % 2 == 0, "a word is left over");
	memcpy(word, key, sizeof(word));
	for (size_t i = 0; i < KEY_WORDS; i += 2) {
		product = (unsigned __int128)(word[i] ^ h) *
			  (word[i + 1] ^ seed);
		h = (uint64_t)product ^ (uint64_t)(product >> 64);
	}
	return (unsigned int)(h ^ h >> 32);
}

struct decisions *decisions_new(unsigned int max, uint64_t seed)
{
	struct decisions *d = calloc(1, sizeof(*d));

	if (d) {
		d->max = max;
		d->seed = seed;
	}
	return d;
}

static void entry_drop(struct decisions *d, struct entry *e)
{
	HASH_DELETE(hh, e->table->entries, e);
	DL_DELETE(d->lru, e);
	d->n_entries--;
	verdict_put(e->verdict);
	free(e);
}

void decisions_flush(struct decisions *d)
{
	while (d->lru)
		entry_drop(d, d->lru);
	d->n_tables = 0;
}

void decisions_free(struct decisions *d)
{
	if (!d)
		return;
	decisions_flush(d);
	free(d);
}

static struct entry *find_key(const struct table *table, const struct key *key,
			      unsigned int hash)
{
	struct entry *e;

	HASH_FIND_BYHASHVALUE(hh, table->entries, key, sizeof(*key), hash, e);
	return e;
}

static struct entry *find_in(const struct decisions *d,
			     const struct table *table, const struct ask *ask)
{
	struct key key;

	if (!table->entries)
		return NULL;
	key_of(&key, ask, &table->scope);
	return find_key(table, &key, hash_of(&key, d->seed));
}

struct verdict *decisions_find(struct decisions *d, const struct ask *ask,
			       uint64_t now_ms)
{
	struct entry *e;

	for (unsigned int i = 0; i < d->n_tables; i++) {
		e = find_in(d, &d->table[i], ask);
		if (!e)
			continue;
		if (e->verdict->expires_ms <= now_ms) {
			d->counts.expired++;
			entry_drop(d, e);
			continue;
		}
		if (d->lru->prev != e) {	/* the list's last one */
			DL_DELETE(d->lru, e);
			DL_APPEND(d->lru, e);
		}
		return e->verdict;
	}
	return NULL;
}

static bool same_scope(const struct scope *a, const struct scope *b)
{
	return a->fields == b->fields && a->lprefix == b->lprefix &&
	       a->rprefix == b->rprefix;
}

/* The scope's table, an unused one for a new scope, or NULL: too many. */
static struct table *table_for(struct decisions *d, const struct scope *scope)
{
	struct table *unused = NULL;

	for (unsigned int i = 0; i < d->n_tables; i++) {
		if (same_scope(&d->table[i].scope, scope))
			return &d->table[i];
		if (!d->table[i].entries)
			unused = &d->table[i];
	}
	if (!unused && d->n_tables < DECISIONS_MAX_SCOPES)
		unused = &d->table[d->n_tables++];
	if (unused)
		*unused = (struct table){ .scope = *scope };
	return unused;
}

static struct entry *entry_new(struct decisions *d, struct table *table,
			       const struct key *key, unsigned int hash)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->key = *key;
	e->table = table;
	HASH_ADD_BYHASHVALUE(hh, table->entries, key, sizeof(e->key), hash, e);
	if (!e->hh.tbl) {
		free(e);
		return NULL;
	}
	DL_APPEND(d->lru, e);
	d->n_entries++;
	return e;
}

void decisions_add(struct decisions *d, const struct ask *ask,
		   struct verdict *v)
{
	struct table *table;
	unsigned int hash;
	struct entry *e;
	struct key key;

	if (!d->max)
		return;
	table = table_for(d, &v->scope);
	if (!table) {
		d->counts.refused++;
		return;
	}
	key_of(&key, ask, &v->scope);
	hash = hash_of(&key, d->seed);
	e = find_key(table, &key, hash);
	if (e)
		entry_drop(d, e);
	else if (d->n_entries >= d->max) {
		d->counts.evicted++;
		entry_drop(d, d->lru);
	}
	e = entry_new(d, table, &key, hash);
	if (!e) {
		d->counts.refused++;
		return;
	}
	e->verdict = verdict_get(v);
}

unsigned int decisions_count(const struct decisions *d)
{
	return d->n_entries;
}

const struct decisions_counts *decisions_counts(const struct decisions *d)
{
	return &d->counts;
}
