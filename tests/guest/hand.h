/* SPDX-License-Identifier: GPL-2.0-only */
/* The ways in which a socket comes into the hands of another program: of evade. */
#ifndef GUEST_HAND_H
#define GUEST_HAND_H

/* What is done, by @fd's owner, and to what use of evade's.  Its exit status. */
typedef int (*hand_fn)(int fd, const char *use);

int hand_by_exec(int fd, const char *use);	/* the owner becomes evade */
int hand_by_message(int fd, const char *use);	/* SCM_RIGHTS */
int hand_by_pidfd(int fd, const char *use);	/* pidfd_getfd() */

#endif
