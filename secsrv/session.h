/* SPDX-License-Identifier: GPL-2.0-only */
/* The connection of one agent, from the handshake to its end. */
#ifndef SECSRV_SESSION_H
#define SECSRV_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <openssl/ssl.h>

#include "audit.h"
#include "fetcher.h"
#include "judge.h"

struct session;
struct event_base;

/* Counted by outcome, for all sessions together. */
struct session_counters {
	uint64_t n_questions;	/* answered by a decision */
	uint64_t n_late;	/* not answered: the agent no longer waits */
	uint64_t n_malformed;	/* messages answered by an error */
	uint64_t n_records;	/* taken for the audit log */
	uint64_t n_held_back;	/* batches that the audit log had no room for */
	uint64_t n_rejected;	/* connections without a right certificate or hello */
	uint64_t n_slow;	/* agents cut off since they did not read */
	int64_t complained_s;	/* when a refused connection was last logged */
};

/* What sessions share; it outlives them. */
struct session_env {
	struct event_base *base;
	SSL_CTX *tls;
	struct judge *judge;
	struct audit *audit;
	struct fetcher *fetcher;	/* NULL: nothing is fetched */
	struct session_counters *n;
	const char *host;		/* our own name */
	/*
	 * hello: the agent has said who it is; returns NULL, or why it may not stay
	 * gone:  the session is over; it is freed after this returns
	 */
	const char *(*hello)(struct session *s, void *arg);
	void (*gone)(struct session *s, void *arg);
	void *arg;
};

/*
 * session_new - take over an accepted socket
 * @id:   names the session in the audit log's callbacks
 * @from: its address, for people; copied
 * Owns @fd, on failure too.  Returns NULL if out of memory.
 */
struct session *session_new(const struct session_env *env, int fd, uint64_t id,
			    const char *from);

/* End it now.  ->gone is not called. */
void session_free(struct session *s);

uint64_t session_id(const struct session *s);
/* Host by its certificate; empty before the handshake is done. */
const char *session_host(const struct session *s);

/* All records with up to @sequence, @size bytes, are committed: tell the agent. */
void session_stored(struct session *s, uint64_t sequence, size_t size);

/* The policy in force is another one: tell the agent. */
void session_policy_changed(struct session *s);

/* Ask whether the agent is there; without any answer the session ends. */
void session_ping(struct session *s);

/* Tell about it in a status.  False if the agent has not said hello. */
bool session_describe(const struct session *s, uint64_t now_s,
		      Sockgate__Peer *peer);

#endif
