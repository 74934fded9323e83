/* SPDX-License-Identifier: GPL-2.0-only */
/* Questions to the policy manager on this machine. */
#ifndef CTL_MANAGER_H
#define CTL_MANAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"
#include "signed_policy.h"

/* Is there one?  Then versions are made there. */
bool manager_is_here(const struct options *o);

/*
 * All return 0, or -1 with a sentence in @why.
 *
 * manager_get: a version with its text (0: the newest), for signed_policy_free(); neither
 *   number nor signature have been looked at
 * manager_push: have a version that is signed committed
 */
int manager_get(const struct options *o, uint64_t number, struct signed_policy *p, char *why,
		size_t why_size);
int manager_push(const struct options *o, const struct signed_policy *p, char *why,
		 size_t why_size);

/* The heads of the last @last versions, the newest first. */
struct version_list {
	struct signed_policy *version;
	size_t n;
	bool failed;		/* out of memory */
};

int manager_versions(const struct options *o, uint32_t last, struct version_list *list,
		     char *why, size_t why_size);
void version_list_free(struct version_list *list);

/*
 * The servers, in the messages that they came in.
 * @forget: first forget this one; NULL: none
 */
struct server_list {
	uint64_t latest;
	Sockgate__PolicyServer **server;
	size_t n;
	bool failed;		/* out of memory */
};

int manager_servers(const struct options *o, const char *forget, struct server_list *list,
		    char *why, size_t why_size);
void server_list_free(struct server_list *list);

#endif
