/* SPDX-License-Identifier: GPL-2.0-only */
/* The build-id that a linker writes into an ELF file, a note of type NT_GNU_BUILD_ID. */
#ifndef SOCKGATE_SIGDB_BUILD_ID_H
#define SOCKGATE_SIGDB_BUILD_ID_H

#include <stddef.h>
#include <stdint.h>

#include "sigdb.h"

/*
 * build_id_read - the build-id of an open file
 * @out: SIGDB_BUILD_ID_MAX bytes
 * Returns how long it is; 0 if there is none: no ELF file, a broken one, or an id
 * shorter than SIGDB_BUILD_ID_MIN or longer than @out.
 */
size_t build_id_read(int fd, uint8_t *out);

#endif
