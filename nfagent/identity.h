/* SPDX-License-Identifier: GPL-2.0-only */
/* Who the held caller is: executable, process, place. */
#ifndef NFAGENT_IDENTITY_H
#define NFAGENT_IDENTITY_H

#include "ask.h"
#include "hash.h"
#include "place.h"
#include "pool.h"
#include "process.h"
#include "program.h"

/* What was learned; whatever could not be is empty. */
struct identity {
	struct process_facts facts;
	bool hashed;		/* no other hash will follow */
	struct hash_result hash;
	/* What it runs comes by itself, and its command line with it; NULL: not yet. */
	struct program *program;
	struct hash_result script;	/* of its script; no evidence: not yet */
	char *cgroup;
	struct place place;
	int fd;			/* the very file; -1: not kept open */
	unsigned int *open;	/* where that counts */
};

/* An identity of which nothing is known yet; NULL if out of memory. */
struct identity *identity_blank(void);
void identity_free(struct identity *id);

/* The descriptor, which is the caller's from here; -1 if there is none. */
int identity_take_file(struct identity *id);

struct cgroups;

/*
 * What it takes to learn.
 *
 * open_exe: called in threads; gives the very file the held caller runs, and what
 *           there is to know of both; returns 0, or -1 with errno
 * learned:  gets the identity, which is its own from then; NULL if out of
 *           memory or too busy.  Returns whether the hash is still wanted, if
 *           the identity is not hashed yet: then @hashes tells it later.
 */
struct identity_conf {
	struct pool *readers;
	struct hash_cache *hashes;
	int (*open_exe)(uint64_t ask_id, struct process_exe *exe, void *arg);
	bool (*learned)(uint64_t number, struct identity *id, void *arg);
	void *arg;
	struct cgroups *cgroups;	/* NULL: none */
	/* patterns (fnmatch) of file systems whose content proves nothing */
	const char *const *unverifiable;
	/* How many may be kept open for a server that wants to see them, and are. */
	unsigned int max_open;
	unsigned int *open;
};

/*
 * identity_learn - learn who asks
 * @number: what learned() is told, exactly once, maybe before this returns
 */
void identity_learn(const struct identity_conf *conf, uint64_t number,
		    const struct ask *ask);

/* Nobody waits for this one's hash any more. */
void identity_forget(const struct identity_conf *conf, uint64_t number,
		     const struct ask *ask);

#endif
