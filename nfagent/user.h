/* SPDX-License-Identifier: GPL-2.0-only */
/* Who a user id is: name and domain, without ever waiting in the event loop. */
#ifndef NFAGENT_USER_H
#define NFAGENT_USER_H

#include <stdbool.h>
#include <stdint.h>

#include "pool.h"

#define USER_NAME_MAX 256

struct user {
	char name[USER_NAME_MAX];	/* without domain; empty: not learned */
	char domain[USER_NAME_MAX];	/* empty: not learned */
};

/*
 * The name service as this program uses it.  Each returns 0, ENOENT if there
 * is no such user, or another errno if the service failed.  Called in threads;
 * they may block for long.
 */
struct user_nss {
	int (*name_of)(uint32_t uid, char *name, size_t size);
	int (*uid_of)(const char *name, uint32_t *uid);
};
extern const struct user_nss user_nss_system;

struct user_conf {
	const char *passwd;		/* "/etc/passwd" */
	const char *host_domain;	/* domain of users without a directory */
	const char *const *directories;	/* directory domains, NULL at the end */
	unsigned int max_cached;
	const struct user_nss *nss;
};

struct user_counts {
	uint64_t local;		/* answered from the passwd file */
	uint64_t cached;
	uint64_t stale;		/* answered while asking again */
	uint64_t asked;		/* of the name service */
	uint64_t unknown;	/* it knew no such user */
	uint64_t failed;	/* it did not work */
	uint64_t refused;	/* too many questions waiting for it */
	uint64_t evicted;
};

struct users;

typedef void (*user_fn)(const struct user *user, void *arg);

/*
 * users_new - a resolver
 * @pool: its threads are the ones that a hanging directory may hold
 * @conf: kept by reference
 */
struct users *users_new(struct pool *pool, const struct user_conf *conf);

/* After pool_free(). */
void users_free(struct users *u);

/*
 * users_get - who is @uid?
 * @now_ms: monotonic
 * @fn: called exactly once, maybe before this returns, maybe much later; with
 *      an empty name if it could not be learned
 * What is known is answered at once, even if it is old: then it is asked again
 * in the background.
 */
void users_get(struct users *u, uint32_t uid, uint64_t now_ms, user_fn fn,
	       void *arg);

const struct user_counts *users_counts(const struct users *u);

/*
 * user_host_domain - the domain of a machine out of its name
 * "web1.corp.example" -> "corp.example"; "web1" -> "web1".  Never asks DNS.
 */
const char *user_host_domain(const char *hostname);

#endif
