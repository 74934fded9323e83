/* SPDX-License-Identifier: GPL-2.0-only */
/* Tells the signature database of executables that it does not know, some at a time. */
#ifndef SECSRV_REPORTER_H
#define SECSRV_REPORTER_H

#include <stdbool.h>
#include <stdint.h>

#include "sockgate.pb-c.h"

/* Different executables between two writes; more are not told. */
#define REPORTER_MAX 4096
#define REPORTER_OF_HOST_MAX 1024

/* In one message to a service. */
#define REPORTER_PART_MAX 512
#define REPORTER_PART_BYTES (512U << 10)

struct reporter;

/*
 * reporter_new - @signatures: the path of the signature database; NULL: a service's,
 *                see reporter_send()
 * Everything that may wait is done by a thread of its own.  NULL: out of memory.
 */
struct reporter *reporter_new(const char *signatures);

/* Writes what there is, if to a file, and frees it; NULL is allowed. */
void reporter_free(struct reporter *r);

/*
 * reporter_note - an executable was seen that nobody knows
 * @path: "" if it says nothing
 * Returns without waiting for anything.
 */
void reporter_note(struct reporter *r, const uint8_t *sha256, const char *host,
		   const char *path, int64_t now_s);

/* To be called now and then: hands over what there is, if the thread is idle. */
void reporter_flush(struct reporter *r);

/*
 * reporter_send - have a part of what there is sent, unless one is on its way
 * @send: returns 0 if it is; what it gets lasts until it returns
 * reporter_sent() is due once it is known what came of it.
 */
typedef int (*reporter_send_fn)(const Sockgate__SightingsReport *report, void *arg);
void reporter_send(struct reporter *r, reporter_send_fn send, void *arg);

/* What came of the part that was sent. */
enum reporter_result {
	REPORTER_STORED,
	REPORTER_REFUSED,	/* it is lost */
	REPORTER_AGAIN,		/* not known: the next one is the same again */
};
void reporter_sent(struct reporter *r, enum reporter_result result);

/* Is there enough for a part that need not wait? */
bool reporter_has_part(const struct reporter *r);

/* How many could not be told: there was no room, or they could not be written. */
uint64_t reporter_lost(const struct reporter *r);

#endif
