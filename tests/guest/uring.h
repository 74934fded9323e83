/* SPDX-License-Identifier: GPL-2.0-only */
/* What io_uring does past the system calls of the same name. */
#ifndef GUEST_URING_H
#define GUEST_URING_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <sys/socket.h>

/* Who does the work. */
enum uring_by {
	URING_INLINE,	/* the caller, while it submits */
	URING_WORKER,	/* a worker thread of the kernel's (IOSQE_ASYNC) */
	URING_POLLER,	/* the thread that polls for submissions (SQPOLL) */
};

/*
 * uring_do - one entry on a ring of its own, and wait for its completion
 * @sqe: the entry; its flags may be added to
 * @res: of the completion: a negative errno, or what the operation says
 * Returns 0, or the errno of what came before the completion.
 */
int uring_do(const struct io_uring_sqe *sqe, enum uring_by by, int *res);

/*
 * uring_connect - IORING_OP_CONNECT
 * Returns 0, or the errno of the completion or of what came before it.
 */
int uring_connect(int fd, const struct sockaddr *addr, socklen_t len,
		  enum uring_by by);

/*
 * uring_accept - IORING_OP_ACCEPT
 * Returns the descriptor, or -errno.
 */
int uring_accept(int fd, enum uring_by by);

#endif
