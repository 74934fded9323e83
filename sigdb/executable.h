/* SPDX-License-Identifier: GPL-2.0-only */
/* Finding and hashing the executables of a file system. */
#ifndef SOCKGATE_SIGDB_EXECUTABLE_H
#define SOCKGATE_SIGDB_EXECUTABLE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "sigdb.h"

#define EXECUTABLE_MD5_SIZE 16

/*
 * The folder that paths begin at, for executable_open(); -1 with errno.  ENOSYS or
 * EPERM: openat2(2) is refused, which Linux has since 5.6.
 */
int executable_root(const char *path);

/*
 * executable_open - open a file if it is an executable
 * @root: from executable_root(); no link leads out of it
 * @path: absolute; links to folders are followed (/bin may be one), a link as its
 *        last component is not
 * @st:   of the file
 *
 * An executable is a regular file with an execute bit for anybody that begins as
 * an ELF file or with "#!".  Returns a descriptor; -1 with errno 0 if the file is
 * something else or is not there, with another errno if it could not be read.
 */
int executable_open(int root, const char *path, struct stat *st);

/*
 * executable_place - where an open file lies, all links followed
 * @root: from executable_root()
 * @out:  the absolute path, as seen from there
 * Returns 0, or -1 if it cannot be told.
 */
int executable_place(int root, int fd, char *out, size_t size);

/*
 * executable_hash - hash what executable_open() has opened
 * @sha256: SHA256_SIZE bytes (FIPS 180-4)
 * @md5:    EXECUTABLE_MD5_SIZE bytes (RFC 1321), only for comparing with what a
 *          package says; never a signature
 *
 * Returns 0; -1 with errno ESTALE if the file changed while it was read, EINTR
 * after interrupted(), or what read(2) said.
 */
int executable_hash(int fd, const struct stat *st, uint8_t *sha256, uint8_t *md5);

#endif
