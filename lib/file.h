/* SPDX-License-Identifier: GPL-2.0-only */
/* Files as wholes: there after a power failure, or not at all. */
#ifndef SOCKGATE_FILE_H
#define SOCKGATE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* All of it, from where the descriptor stands.  Returns 0; -1 with errno. */
int file_write(int fd, const void *data, size_t size);

/*
 * file_replace - put a file in its place as a whole
 * @replace: may there be one already?
 * Returns 0; or -1 with a sentence in @why, and what was there is there still.
 * If the directory cannot be synced the file is in place all the same; then a
 * warning is logged, since a power failure may bring back the old one.
 */
int file_replace(const char *file, const void *data, size_t size, mode_t mode,
		 bool replace, char *why, size_t why_size);

#endif
