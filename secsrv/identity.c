// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Out of memory must not end the program: the entry is just not remembered. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "identity.h"
#include "log.h"
#include "reporter.h"
#include "sigdb/sigdb.h"

#define NAME_MAX_BYTES 255
/*
 * A lookup is done in the event loop: it reads a few pages by an index, which the
 * page cache has, and does no more than so many steps, a millisecond or so.
 */
#define LOOKUP_STEPS 50000

/* Of identity_refresh(), which is once a second. */
#define NOTE_INTERVAL 10

struct key {
	uint8_t sha256[SHA256_SIZE];	/* of the content */
	uint8_t place[SHA256_SIZE];	/* of path and name */
};

struct entry {
	struct key key;
	struct sigdb_answer answer;
	UT_hash_handle hh;
};

struct identity_cache {
	char *path;
	struct sigdb *db;		/* NULL: could not be opened again */
	uint64_t changes;
	struct entry *entries;		/* least recently used first */
	unsigned int max;
	bool complained;
	struct sigdb_answer answer;	/* of the last lookup */
	struct reporter *reporter;
	unsigned int refreshes;
	struct identity_counters n;
};

static void forget_all(struct identity_cache *c)
{
	struct entry *e = c->entries, *next;

	/* The table goes; the entries stay linked. */
	HASH_CLEAR(hh, c->entries);
	for (; e; e = next) {
		next = e->hh.next;
		free(e);
	}
}

static bool reopen(struct identity_cache *c, char *why, size_t why_size)
{
	sigdb_close(c->db);
	c->db = sigdb_open(c->path, false, why, why_size);
	if (!c->db)
		return false;
	sigdb_limit(c->db, LOOKUP_STEPS);
	if (!sigdb_changes(c->db, &c->changes))
		return true;
	snprintf(why, why_size, "%s", sigdb_error(c->db));
	sigdb_close(c->db);
	c->db = NULL;
	return false;
}

struct identity_cache *identity_open(const char *path, unsigned int max,
				     char *why, size_t why_size)
{
	struct identity_cache *c = calloc(1, sizeof(*c));
	struct sigdb *made;

	if (!c) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	c->max = max;
	c->path = strdup(path);
	if (!c->path) {
		snprintf(why, why_size, "out of memory");
		goto fail;
	}
	c->reporter = reporter_new(path);
	if (!c->reporter) {
		snprintf(why, why_size, "out of memory");
		goto fail;
	}
	if (reopen(c, why, why_size))
		return c;
	/* Perhaps there is none yet. */
	made = sigdb_open(path, true, why, why_size);
	if (!made)
		goto fail;
	sigdb_close(made);
	if (reopen(c, why, why_size))
		return c;
fail:
	identity_close(c);
	return NULL;
}

void identity_close(struct identity_cache *cache)
{
	if (!cache)
		return;
	forget_all(cache);
	reporter_free(cache->reporter);
	sigdb_close(cache->db);
	free(cache->path);
	free(cache);
}

/* Returns false if the content is not verified: then there is nothing to ask. */
static bool make_question(struct sigdb_question *q, const Sockgate__Process *p)
{
	memset(q, 0, sizeof(*q));
	if (p->evidence != SOCKGATE__EVIDENCE__EVIDENCE_CONTENT ||
	    p->sha256.len != SHA256_SIZE)
		return false;
	q->sha256 = p->sha256.data;
	/* Where a file is gone, or is elsewhere, its name and path say nothing. */
	if (p->deleted || p->foreign_path)
		return true;
	if (*p->name && strlen(p->name) <= NAME_MAX_BYTES)
		q->file_name = p->name;
	if (*p->path == '/' && strlen(p->path) <= SIGDB_PATH_MAX)
		q->path = p->path;
	return true;
}

static int make_key(struct key *key, const struct sigdb_question *q)
{
	char place[SIGDB_PATH_MAX + 1 + NAME_MAX_BYTES + 1];
	int len;

	len = snprintf(place, sizeof(place), "%s%c%s", q->path ? q->path : "", '\0',
		       q->file_name ? q->file_name : "");
	memcpy(key->sha256, q->sha256, SHA256_SIZE);
	return sha256_memory(place, (size_t)len, key->place);
}

static const struct sigdb_answer *recall(struct identity_cache *c,
					 const struct key *key)
{
	struct entry *e;

	HASH_FIND(hh, c->entries, key, sizeof(*key), e);
	if (!e)
		return NULL;
	/* To the end of the list: most recently used. */
	HASH_DEL(c->entries, e);
	HASH_ADD(hh, c->entries, key, sizeof(e->key), e);
	if (!e->hh.tbl) {
		c->answer = e->answer;
		free(e);
		return &c->answer;
	}
	return &e->answer;
}

static void remember(struct identity_cache *c, const struct key *key)
{
	struct entry *e;

	if (HASH_COUNT(c->entries) >= c->max) {
		e = c->entries;
		HASH_DEL(c->entries, e);
		free(e);
		c->n.n_evicted++;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return;
	e->key = *key;
	e->answer = c->answer;
	HASH_ADD(hh, c->entries, key, sizeof(e->key), e);
	if (!e->hh.tbl)
		free(e);
}

static const struct sigdb_answer *look_up(struct identity_cache *c,
					  const struct sigdb_question *q,
					  const struct key *key)
{
	enum sigdb_result result = SIGDB_ERROR;

	if (c->db)
		result = sigdb_lookup(c->db, q, &c->answer);
	if (result != SIGDB_ERROR) {
		c->n.n_looked_up++;
		remember(c, key);
		return &c->answer;
	}
	c->n.n_failed++;
	if (c->db && !c->complained)
		log_warnx("signature database: %s", sigdb_error(c->db));
	c->complained = true;
	return NULL;
}

/*
 * On the wire there is one word for what only the place of a file says.  Nobody
 * reports a build-id.
 */
static Sockgate__Identity__Source source_of(const struct sigdb_answer *a)
{
	if (a->source == SIGDB_PACKAGE_FILE)
		return SOCKGATE__IDENTITY__SOURCE__FILE_NAME;
	return (Sockgate__Identity__Source)a->source;
}

static void convert(const struct sigdb_answer *a, Sockgate__Identity *out)
{
	sockgate__identity__init(out);
	out->name = (char *)a->name;
	out->version = (char *)a->version;
	out->category = (char *)a->category;
	out->vendor = (char *)a->vendor;
	out->trust = a->trust;
	out->threat = a->threat;
	out->source = source_of(a);
}

/* Unknown by its content, whatever it claims to be. */
static bool is_unknown(const struct sigdb_answer *a)
{
	return a->source != SIGDB_HASH && a->source != SIGDB_HASH_ONLY;
}

int identity_lookup(struct identity_cache *cache, const char *host,
		    const Sockgate__Process *process, Sockgate__Identity *out)
{
	const struct sigdb_answer *answer;
	struct sigdb_question question;
	struct key key;

	if (!make_question(&question, process) || make_key(&key, &question))
		return -1;
	answer = recall(cache, &key);
	if (answer)
		cache->n.n_hit++;
	else
		answer = look_up(cache, &question, &key);
	if (!answer)
		return -1;
	if (is_unknown(answer))
		reporter_note(cache->reporter, question.sha256, host,
			      question.path ? question.path : "", time(NULL));
	convert(answer, out);
	return 0;
}

bool identity_refresh(struct identity_cache *cache)
{
	uint64_t changes;
	char why[512];

	if (++cache->refreshes % NOTE_INTERVAL == 0)
		reporter_flush(cache->reporter);
	if (cache->db && !sigdb_changes(cache->db, &changes)) {
		cache->complained = false;
		if (changes == cache->changes)
			return false;
		cache->changes = changes;
		forget_all(cache);
		return true;
	}
	if (reopen(cache, why, sizeof(why))) {
		cache->complained = false;
		forget_all(cache);
		return true;
	}
	if (!cache->complained)
		log_warnx("signature database: %s", why);
	cache->complained = true;
	return false;
}

const struct identity_counters *identity_counters(struct identity_cache *cache)
{
	cache->n.n_not_noted = reporter_lost(cache->reporter);
	return &cache->n;
}
