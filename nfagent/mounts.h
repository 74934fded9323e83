/* SPDX-License-Identifier: GPL-2.0-only */
/* What kind of file system a file is on, by the tables of /proc. */
#ifndef NFAGENT_MOUNTS_H
#define NFAGENT_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * mounts_type_of_device, mounts_type_of_mount - type of a file system
 * @mountinfo: "/proc/self/mountinfo" or another process's
 * @dev:       MAJOR << 20 | MINOR, as in struct sockgate_file
 * @id:        of a mount, unique among all that there are
 * They touch no file system but proc, so that one that hangs cannot hang us.
 * Return false if there is none to be seen.
 */
bool mounts_type_of_device(const char *mountinfo, uint32_t dev, char *type,
			   size_t size);
bool mounts_type_of_mount(const char *mountinfo, uint64_t id, char *type,
			  size_t size);

/* The mount through which @fd was opened.  Returns 0, or -1. */
int mounts_id(int fd, uint64_t *id);

/*
 * mounts_type_of_magic - type by what statfs(2) says
 * Returns NULL for any that is not known here.
 */
const char *mounts_type_of_magic(unsigned long magic);

#endif
