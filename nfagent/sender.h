/* SPDX-License-Identifier: GPL-2.0-only */
/* Sends executables to a server that wants to see them, when there is nothing else to do. */
#ifndef NFAGENT_SENDER_H
#define NFAGENT_SENDER_H

#include <stdint.h>
#include <linux/sockgate.h>

#include "sockgate.pb-c.h"

struct event_base;
struct pool;
struct sender;

/* Files at a time: one is sent, the others wait for their turn. */
#define SENDER_MAX 8

/* Of a file, in one message. */
#define SENDER_PART 32768

/*
 * limit:       bytes of the largest file; 0: none is sent
 * interval_ms: between two parts
 * send:        returns 0, or -1 if it cannot be sent now: then it is tried again
 */
struct sender_conf {
	uint64_t limit;
	unsigned int interval_ms;
	int (*send)(uint64_t id, Sockgate__ContentPart *part, void *arg);
	void *arg;
};

struct sender_counts {
	uint64_t sent;		/* whole files */
	uint64_t refused;	/* by limit, and where too many wait */
	uint64_t gone;
};

/* @pool: for one job at a time, and has no other.  NULL: out of memory. */
struct sender *sender_new(struct event_base *base, struct pool *pool,
			  const struct sender_conf *conf);
/* After pool_free(). */
void sender_free(struct sender *s);

/*
 * sender_add - send a file, or say why not
 * @id:    of the server's query
 * @fd:    the sender's from here; -1: the file is gone
 * @file:  how it was when it was hashed; one that has changed is gone
 * @limit: the server's, in bytes
 */
void sender_add(struct sender *s, uint64_t id, int fd, const struct sockgate_file *file,
		uint64_t limit);

/* The server has gone: nothing of this is wanted any more. */
void sender_stop(struct sender *s);

const struct sender_counts *sender_counts(const struct sender *s);

#endif
