/* SPDX-License-Identifier: GPL-2.0-only */
/* One protobuf message, with its length before it, in a libevent buffer. */
#ifndef SOCKGATE_FRAME_H
#define SOCKGATE_FRAME_H

#include <stddef.h>

#include "sockgate.pb-c.h"

struct evbuffer;

/* A frame's body is never larger than this; a larger one ends the connection. */
#define FRAME_LIMIT (1U << 20)

/*
 * frame_put - append one message to a buffer
 * Returns 0, or -1 with errno EMSGSIZE (over FRAME_LIMIT; nothing was added)
 * or ENOMEM.
 */
int frame_put(struct evbuffer *out, const Sockgate__Message *msg);

enum frame_result {
	FRAME_OK,		/* *msg is one message */
	FRAME_PARTIAL,		/* not all of it is here yet, nothing was taken */
	FRAME_TOO_LARGE,	/* announces more than FRAME_LIMIT */
	FRAME_MALFORMED,	/* does not decode */
};

/*
 * frame_get - take the next message out of a buffer
 * @msg: on FRAME_OK the message, which the caller frees with
 *       sockgate__message__free_unpacked(msg, NULL)
 */
enum frame_result frame_get(struct evbuffer *in, Sockgate__Message **msg);

/* A sentence for each result, for logs. */
const char *frame_strerror(enum frame_result result);

#endif
