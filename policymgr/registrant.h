/* SPDX-License-Identifier: GPL-2.0-only */
/* The connection of one security server, from the handshake to its end. */
#ifndef POLICYMGR_REGISTRANT_H
#define POLICYMGR_REGISTRANT_H

#include <stdbool.h>
#include <stdint.h>
#include <openssl/ssl.h>

#include "signed_policy.h"
#include "sockgate.pb-c.h"

struct event_base;
struct registrant;

/* The newest version, shared by all that it is being sent to. */
struct shared_policy {
	struct signed_policy policy;
	unsigned int users;
};

/* What registrants share; it outlives them. */
struct registrant_env {
	struct event_base *base;
	SSL_CTX *tls;
	const char *host;		/* our own name */
	int64_t *complained_s;		/* when a refused connection was last logged */
	/*
	 * registered: the server has said who it is, and what it runs; returns NULL, or
	 *             why it may not stay
	 * reported:   it runs something else now
	 * due:        the version that it should get, NULL if it has it or refused it
	 * gone:       the connection is over; it is freed after this returns
	 */
	const char *(*registered)(struct registrant *r, const Sockgate__PolicyRegister *m,
				  void *arg);
	void (*reported)(struct registrant *r, const Sockgate__PolicyReport *m, void *arg);
	void (*gone)(struct registrant *r, void *arg);
	struct shared_policy *(*due)(const struct registrant *r, void *arg);
	uint64_t (*latest)(void *arg);
	void *arg;
};

/*
 * registrant_new - take over an accepted socket
 * @from: its address, for people; copied
 * Owns @fd, on failure too.  Returns NULL if out of memory.
 */
struct registrant *registrant_new(const struct registrant_env *env, int fd,
				  const char *from);

/* End it now.  ->gone is not called. */
void registrant_free(struct registrant *r);

/* Host by its certificate; empty before the handshake is done. */
const char *registrant_host(const struct registrant *r);
/* Its address. */
const char *registrant_from(const struct registrant *r);
bool registrant_is_registered(const struct registrant *r);

/*
 * registrant_push - send what is due, if it was not sent on this connection already
 * What is still being sent of another is given up.  May end the connection.
 */
void registrant_push(struct registrant *r);

/* Ask whether it is there; without any answer the connection ends. */
void registrant_ping(struct registrant *r);

/* One user less; NULL is ignored. */
void shared_policy_put(struct shared_policy *shared);

#endif
