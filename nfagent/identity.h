/* SPDX-License-Identifier: GPL-2.0-only */
/* Who the held caller is: executable, process, place. */
#ifndef NFAGENT_IDENTITY_H
#define NFAGENT_IDENTITY_H

#include "ask.h"
#include "cgroup.h"
#include "hash.h"
#include "pool.h"
#include "process.h"

/* What was learned; whatever could not be is empty. */
struct identity {
	struct process_facts facts;
	struct hash_result hash;
	char *cgroup;
	struct cgroup_names place;
};

/* An identity of which nothing is known; NULL if out of memory. */
struct identity *identity_blank(void);
void identity_free(struct identity *id);

/*
 * What it takes to learn.
 *
 * open_exe: called in threads; returns a descriptor of the very file the held
 *           caller runs, or -1 with errno
 */
struct identity_conf {
	struct pool *readers;
	struct hash_cache *hashes;
	int (*open_exe)(uint64_t ask_id, void *arg);
	void *open_arg;
	int cgroup_root;	/* -1: none */
	/* patterns (fnmatch) of file systems whose content proves nothing */
	const char *const *unverifiable;
};

typedef void (*identity_fn)(struct identity *id, void *arg);

/*
 * identity_learn - learn who asks
 * @fn: called exactly once, maybe before this returns; gets the identity,
 *      which is its own from then; NULL if out of memory or too busy
 */
void identity_learn(const struct identity_conf *conf, const struct ask *ask,
		    identity_fn fn, void *arg);

#endif
