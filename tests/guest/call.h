/* SPDX-License-Identifier: GPL-2.0-only */
/* What a test tells a worker to do, and what the worker saw. */
#ifndef GUEST_CALL_H
#define GUEST_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "net.h"

enum call_kind {
	CALL_CONNECT,
	CALL_LISTEN,		/* from: the address to listen at */
	CALL_SEND,		/* a datagram to an unconnected destination */
	CALL_FASTOPEN,		/* sendto() with MSG_FASTOPEN */
	CALL_CONNECTED_SEND,	/* connect(), then send() and sendto(NULL) */
	CALL_DISSOLVE,		/* connect(), then connect(AF_UNSPEC) */
	CALL_UNIX,		/* connect() and listen() of AF_UNIX */
	CALL_EXEC,		/* become another program, a worker too */
	CALL_CONNECT_SHORT,	/* connect() with a length of two bytes */
	CALL_URING,		/* connect by io_uring */
	CALL_URING_ASYNC,	/* the same, in a worker thread of the kernel's */
};

struct call {
	enum call_kind kind;
	sa_family_t family;	/* of the socket */
	int protocol;
	struct addr to, from;	/* from: bound to, if its len is not 0 */
	unsigned int send_timeout_ms;
	unsigned int threads;	/* 0: the main thread alone */
	unsigned int times;	/* 0: once */
	uint32_t uid;		/* becomes this user before the call, 0: does not */
	bool until_done;	/* calls again after EINTR, on the same socket */
	char program[108];	/* of EXEC */
};

struct outcome {
	int unready;		/* errno of what came before the call */
	int error;		/* errno of the call, 0: it worked */
	unsigned int worked;	/* how many of all threads' calls did */
	unsigned int interrupted;	/* by EINTR */
	unsigned int handled;	/* signals that a handler saw */
	uint32_t mark;		/* SO_MARK of the socket afterwards */
	uint64_t begin_ns, end_ns;	/* CLOCK_MONOTONIC */
};

#endif
