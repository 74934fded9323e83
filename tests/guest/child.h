/* SPDX-License-Identifier: GPL-2.0-only */
/* A function of the test, as a program in a process of its own. */
#ifndef GUEST_CHILD_H
#define GUEST_CHILD_H

#include <sys/types.h>

#include "net.h"

#define CHILD_LOST 200	/* exit status: the test itself went wrong */
#define CHILD_MS 5000U	/* by then it has ended, or never will */

/* What it does; returns its exit status. */
typedef int (*child_fn)(const struct addr *to);

/* child_start - run it.  Returns its process id. */
pid_t child_start(child_fn program, const struct addr *to);

/*
 * child_end - its exit status, as soon as it ends
 * CHILD_LOST if it does not within CHILD_MS; then it is killed.
 */
int child_end(pid_t pid);

/* child_open_files - how many descriptors the calling process has, and a few more */
int child_open_files(void);

#endif
