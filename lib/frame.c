// SPDX-License-Identifier: GPL-2.0-only
#include "frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <event2/buffer.h>

#define HEAD_SIZE sizeof(uint32_t)

/*
 * What is put into an empty buffer at once: of one piece a write is made, and over TLS
 * one record.  In pieces as they come there would be one for every other message.
 */
#define PIECE ((16U << 10) - 64)	/* libevent's own bytes, at most */

/*
 * Two bytes on the wire can become a structure of two hundred in memory.  What
 * honest messages need is some five times their frame.
 */
#define DECODED_LIMIT (16UL * FRAME_LIMIT)
/* Of malloc() for each piece, at most: an empty text takes two bytes on the wire. */
#define PIECE_OVERHEAD 32

int frame_put(struct evbuffer *out, const Sockgate__Message *msg)
{
	size_t size = sockgate__message__get_packed_size(msg);
	struct evbuffer_iovec space;
	uint32_t head;

	if (size > FRAME_LIMIT) {
		errno = EMSGSIZE;
		return -1;
	}
	/* Without it there are more pieces, and nothing is wrong. */
	if (!evbuffer_get_length(out))
		evbuffer_expand(out, PIECE);
	/* One piece for both, so that nothing is left of a failed attempt. */
	if (evbuffer_reserve_space(out, (ev_ssize_t)(HEAD_SIZE + size), &space,
				   1) != 1) {
		errno = ENOMEM;
		return -1;
	}
	head = htonl((uint32_t)size);
	memcpy(space.iov_base, &head, HEAD_SIZE);
	sockgate__message__pack(msg, (uint8_t *)space.iov_base + HEAD_SIZE);
	space.iov_len = HEAD_SIZE + size;
	if (evbuffer_commit_space(out, &space, 1)) {
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

static void *bounded_alloc(void *left, size_t size)
{
	size_t *bytes_left = left;

	if (size > *bytes_left || PIECE_OVERHEAD > *bytes_left - size)
		return NULL;
	*bytes_left -= size + PIECE_OVERHEAD;
	return malloc(size);
}

static void plain_free(void *left, void *p)
{
	(void)left;
	free(p);
}

/* The memory is malloc()'s: whoever frees the message needs no allocator. */
static Sockgate__Message *unpack_bounded(const uint8_t *body, size_t size)
{
	size_t left = DECODED_LIMIT;
	ProtobufCAllocator allocator = {
		.alloc = bounded_alloc,
		.free = plain_free,
		.allocator_data = &left,
	};

	return sockgate__message__unpack(&allocator, size, body);
}

enum frame_result frame_get(struct evbuffer *in, Sockgate__Message **msg)
{
	const uint8_t *body;
	uint32_t head, size;

	*msg = NULL;
	if (evbuffer_copyout(in, &head, HEAD_SIZE) != HEAD_SIZE)
		return FRAME_PARTIAL;
	size = ntohl(head);
	if (size > FRAME_LIMIT)
		return FRAME_TOO_LARGE;
	if (evbuffer_get_length(in) < HEAD_SIZE + size)
		return FRAME_PARTIAL;

	body = evbuffer_pullup(in, (ev_ssize_t)(HEAD_SIZE + size));
	if (body)
		*msg = unpack_bounded(body + HEAD_SIZE, size);
	evbuffer_drain(in, HEAD_SIZE + size);
	return *msg ? FRAME_OK : FRAME_MALFORMED;
}

const char *frame_strerror(enum frame_result result)
{
	switch (result) {
	case FRAME_OK:
		return "a whole message";
	case FRAME_PARTIAL:
		return "the message is not complete";
	case FRAME_TOO_LARGE:
		return "the peer announced a message over the size limit";
	case FRAME_MALFORMED:
		return "the peer sent a message that does not decode";
	}
	return "?";
}
