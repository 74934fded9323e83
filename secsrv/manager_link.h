/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The connection to the policy manager: registers, gets versions, tells what came of them.
 * Without the manager, what is in force stays in force.
 */
#ifndef SECSRV_MANAGER_LINK_H
#define SECSRV_MANAGER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server_conf.h"
#include "signed_policy.h"
#include "sockgate.pb-c.h"

struct event_base;
struct manager_link;
struct policy_error;

struct manager_link_ops {
	/*
	 * load: have a version put in force that is signed and newer than the last one, of
	 *       which manager_link_loaded() tells; its text was not compared with its
	 *       SHA-256.  Takes @version over.  Returns 0; -1 with errno.
	 * in_force: SHA-256 of the text in force
	 */
	int (*load)(struct signed_policy *version, void *arg);
	const uint8_t *(*in_force)(void *arg);
};

/*
 * manager_link_new - begin to connect
 * @conf: outlives it; names one manager at least
 * @why:  on failure a sentence
 */
struct manager_link *manager_link_new(struct event_base *base, const struct server_conf *conf,
				      const struct manager_link_ops *ops, void *arg,
				      char *why, size_t why_size);
void manager_link_free(struct manager_link *l);

/* What came of a version; @err NULL: it is in force, and noted. */
void manager_link_loaded(struct manager_link *l, const struct signed_policy *version,
			 const struct policy_error *err);

/* Something else is in force: tell the manager. */
void manager_link_report(struct manager_link *l);

/* What it adds to a status; the pointers are the link's. */
void manager_link_describe(const struct manager_link *l, Sockgate__Status *out);

/* What is noted of a version in force, so that it is known after a restart; see above. */
#define MANAGER_NOTE_SIZE (SIGNED_POLICY_HEAD_SIZE + 160)
size_t manager_note(const struct signed_policy *version, char note[MANAGER_NOTE_SIZE]);

#endif
