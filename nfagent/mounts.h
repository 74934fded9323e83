/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a file really is. */
#ifndef NFAGENT_MOUNTS_H
#define NFAGENT_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * mounts_device - the device of a mount's file system, as the kernel has it; what
 *                 stat(2) says is another on btrfs
 * @mountinfo: "/proc/self/mountinfo"
 * @id:        of a mount, unique among all that there are
 * @dev:       MAJOR << 20 | MINOR, as in struct sockgate_file
 * Returns false if there is no such mount to be seen.
 */
bool mounts_device(const char *mountinfo, uint64_t id, uint32_t *dev);

/* The mount through which @fd was opened.  Returns 0, or -1. */
int mounts_id(int fd, uint64_t *id);

/*
 * mounts_lead_to - does @path, where we are, lead to the file that @fd is?
 * Only what the kernel knows without asking a file system is looked at: a path
 * made to hang cannot hang us.  For the file of a running program that is enough,
 * since it keeps its whole path in memory.
 */
bool mounts_lead_to(const char *path, int fd);

#endif
