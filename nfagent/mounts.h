/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a file really is, and on what kind of file system. */
#ifndef NFAGENT_MOUNTS_H
#define NFAGENT_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The mounts that one process sees.  What was read is kept as long as the kernel
 * says that nothing has changed.
 */
struct mounts;

/*
 * mounts_open - the mounts of a process
 * @process: "/proc/self", "/proc/PID"
 * All that follows may be called in any thread.  Returns NULL with errno.
 */
struct mounts *mounts_open(const char *process);
void mounts_close(struct mounts *m);

/* Does process @pid see the same, being in the same mount namespace? */
bool mounts_seen_by(const struct mounts *m, uint32_t pid);

/*
 * mounts_type_of_device, mounts_type_of_mount - type of a file system
 * @dev: MAJOR << 20 | MINOR, as in struct sockgate_file
 * @id:  of a mount, unique among all that there are
 * They touch no file system but proc, so that one that hangs cannot hang us.
 * Return false if there is none to be seen.
 */
bool mounts_type_of_device(struct mounts *m, uint32_t dev, char *type,
			   size_t size);
bool mounts_type_of_mount(struct mounts *m, uint64_t id, char *type,
			  size_t size);

/*
 * mounts_device_of_mount - the device of a mount's file system, as the kernel has
 *                          it; what stat(2) says is another on btrfs
 * Returns false if there is no such mount to be seen.
 */
bool mounts_device_of_mount(struct mounts *m, uint64_t id, uint32_t *dev);

/* The mount through which @fd was opened.  Returns 0, or -1. */
int mounts_id(int fd, uint64_t *id);

/*
 * mounts_lead_to - does @path, where we are, lead to the file that @fd is?
 * Only what the kernel knows without asking a file system is looked at: a path
 * made to hang cannot hang us.  For the file of a running program that is enough,
 * since it keeps its whole path in memory.
 */
bool mounts_lead_to(const char *path, int fd);

/*
 * mounts_type_of_magic - type by what statfs(2) says
 * Returns NULL for any that is not known here.
 */
const char *mounts_type_of_magic(unsigned long magic);

#endif
