/* SPDX-License-Identifier: GPL-2.0-only */
/* The connection of the `sockgate` command, through the local socket. */
#ifndef SECSRV_OPERATOR_H
#define SECSRV_OPERATOR_H

#include <stdint.h>

#include "sockgate.pb-c.h"

struct audit;
struct event_base;
struct policy_error;
struct operator;

/* What operators share; it outlives them. */
struct operator_env {
	struct event_base *base;
	struct audit *audit;
	/*
	 * status:  fill in @out, whose pointers are good until the callback is
	 *          called again
	 * policy:  the same for the policy in force
	 * load:    have a policy put in force, of which operator_loaded() tells; 0,
	 *          or -1 with errno, EPERM if it is not to be loaded here
	 * gone:    the connection is over; it is freed after this returns
	 */
	void (*status)(Sockgate__Status *out, void *arg);
	void (*policy)(Sockgate__PolicyText *out, void *arg);
	int (*load)(uint64_t owner, uint64_t id, const Sockgate__PolicyLoad *load,
		    void *arg);
	void (*gone)(struct operator *o, void *arg);
	void *arg;
};

/* Owns @fd, on failure too.  Returns NULL if out of memory. */
struct operator *operator_new(const struct operator_env *env, int fd,
			      uint64_t id);
void operator_free(struct operator *o);
uint64_t operator_id(const struct operator *o);

/* The audit log's answers, see audit.h; both take over what they are given. */
void operator_found(struct operator *o, uint64_t id, Sockgate__Records *part,
		    const char *why);
void operator_explained(struct operator *o, uint64_t id,
			Sockgate__Explanation *e, const char *why);

/* A policy that was in force before; @text is NULL if there is none, see @why. */
void operator_policy(struct operator *o, uint64_t id, uint64_t generation,
		     const char *text, const char *why);

/* What came of a policy; @loaded is NULL if it was refused, see @err. */
void operator_loaded(struct operator *o, uint64_t id, Sockgate__PolicyLoaded *loaded,
		     const struct policy_error *err);

/* What has just been committed, for those who follow. */
void operator_committed(struct operator *o, const Sockgate__Records *records);

#endif
