/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every version of the policy that there was, and what is known of the servers that run
 * them (SQLite).  A version is never changed and never deleted: the tables refuse it.
 */
#ifndef POLICYMGR_POLICY_STORE_H
#define POLICYMGR_POLICY_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "signed_policy.h"

struct policy_store;

/* What a server has last said of itself. */
struct server_record {
	char host[256];
	char address[80];
	char version[64];		/* of the program */
	uint64_t number;		/* accepted last; 0: none */
	uint8_t sha256[SHA256_SIZE];	/* of what is in force */
	uint64_t refused;		/* 0: none since */
	char reason[512];
	int state;			/* Sockgate__PolicyState */
	int64_t since;			/* that it is in this state */
	int64_t seen;			/* when it was connected last */
};

/*
 * policy_store_open - open the file, which is made if there is none
 * @why: on failure a sentence that names the file
 */
struct policy_store *policy_store_open(const char *path, char *why, size_t why_size);
void policy_store_close(struct policy_store *s);

/* What the last function that returned -1 failed of. */
const char *policy_store_error(const struct policy_store *s);

/* The number of the newest version, 0 if there is none. */
uint64_t policy_store_latest(const struct policy_store *s);

/*
 * policy_store_add - add a version, whose number is above all others
 * Returns 0 when it has reached the disk; or -1.
 */
int policy_store_add(struct policy_store *s, const struct signed_policy *p);

/*
 * policy_store_get - a version, for signed_policy_free()
 * @text: with its text
 * Returns 1; 0 if there is none of this number; -1.
 */
int policy_store_get(struct policy_store *s, uint64_t number, bool text,
		     struct signed_policy *p);

/*
 * policy_store_list - the last @last of them without their texts, the newest first
 * @take: returns -1 to end it
 * Returns 0, or -1, also if @take did.
 */
int policy_store_list(struct policy_store *s, uint32_t last,
		      int (*take)(const struct signed_policy *p, void *arg), void *arg);

/* The servers: keep what is known of one, forget one, tell all by name. */
int policy_store_put_server(struct policy_store *s, const struct server_record *server);
int policy_store_forget_server(struct policy_store *s, const char *host);
int policy_store_servers(struct policy_store *s,
			 int (*take)(const struct server_record *server, void *arg),
			 void *arg);

#endif
