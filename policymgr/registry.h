/* SPDX-License-Identifier: GPL-2.0-only */
/* The security servers: who is there, who runs what, and who gets what. */
#ifndef POLICYMGR_REGISTRY_H
#define POLICYMGR_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

#include "manager_conf.h"
#include "policy_store.h"
#include "sockgate.pb-c.h"

struct event_base;
struct registry;

struct registry_counters {
	uint64_t n_connections;
	uint64_t n_no_room;	/* closed, since there were too many */
	uint64_t n_pushed_out;	/* had not registered when another needed room */
	uint64_t n_pushed;	/* versions accepted by a server */
	uint64_t n_refused;	/* versions refused by a server */
};

/*
 * registry_open - read what the store knows, and listen
 * @host: our own name
 * @why:  on failure a sentence
 * All pointers outlive the registry.
 */
struct registry *registry_open(struct event_base *base, const struct manager_conf *conf,
			       struct policy_store *store, const char *host, char *why,
			       size_t why_size);
void registry_close(struct registry *r);

/* There is a new version in the store: it goes to all. */
void registry_new_version(struct registry *r);

/*
 * registry_tell - of each server, by name
 * @take: gets what is good until it returns
 */
void registry_tell(const struct registry *r,
		   void (*take)(const Sockgate__PolicyServer *server, void *arg), void *arg);

/* Returns 0; or -1 with a sentence: it is connected, or unknown. */
int registry_forget(struct registry *r, const char *host, char *why, size_t why_size);

/* Every second. */
void registry_tick(struct registry *r);

const struct registry_counters *registry_counters(const struct registry *r);
time_t registry_certificate_end(const struct registry *r);

/* The port that it listens on (it may have been given as 0). */
uint16_t registry_port(const struct registry *r);

#endif
