/* SPDX-License-Identifier: GPL-2.0-only */
/* What kind of file system a device number stands for. */
#ifndef NFAGENT_MOUNTS_H
#define NFAGENT_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * mounts_find_type - type of the file system on a device
 * @mountinfo: "/proc/self/mountinfo" or another process's
 * @dev:       MAJOR << 20 | MINOR, as in struct sockgate_file
 * Touches no file system but proc, so that one that hangs cannot hang us.
 * Returns false if no mount of it is to be seen there.
 */
bool mounts_find_type(const char *mountinfo, uint32_t dev, char *type,
		      size_t size);

#endif
