/* SPDX-License-Identifier: GPL-2.0-only */
/* connect() by io_uring, past the system call of that name. */
#ifndef GUEST_URING_H
#define GUEST_URING_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * uring_connect - IORING_OP_CONNECT, and wait for its completion
 * @async: by a worker thread of the kernel's, not the caller's
 * Returns 0, or the errno of the completion or of what came before it.
 */
int uring_connect(int fd, const struct sockaddr *addr, socklen_t len, bool async);

#endif
