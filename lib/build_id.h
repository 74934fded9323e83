/* SPDX-License-Identifier: GPL-2.0-only */
/* The build-id that a linker writes into an ELF file, a note of type NT_GNU_BUILD_ID. */
#ifndef SOCKGATE_BUILD_ID_H
#define SOCKGATE_BUILD_ID_H

#include <stddef.h>
#include <stdint.h>

#define BUILD_ID_MIN 4
#define BUILD_ID_MAX 64

/*
 * build_id_read - the build-id of an open file, whatever its file offset is
 * @out: BUILD_ID_MAX bytes
 * Reads no more than the headers and 64 KiB of notes, however large the file says that
 * they are.  Returns how long it is; 0 if there is none: no ELF file of this machine's
 * byte order, a broken one, or an id shorter than BUILD_ID_MIN or longer than @out.
 */
size_t build_id_read(int fd, uint8_t *out);

#endif
