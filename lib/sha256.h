/* SPDX-License-Identifier: GPL-2.0-only */
/* SHA-256 of files, and its text. */
#ifndef SOCKGATE_SHA256_H
#define SOCKGATE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32
#define SHA256_TEXT_SIZE (2 * SHA256_SIZE + 1)

/*
 * sha256_fd - hash a whole file, whatever its file offset is
 * @limit: bytes; a longer file ends with EFBIG after so many were read
 * @out:   filled on success only
 * @size:  bytes that were hashed; may be NULL
 * Returns 0, or -1 with errno (of read(2), EFBIG, ENOMEM, EIO if OpenSSL
 * refuses).  Blocks as long as reading the file does; safe in threads.
 */
int sha256_fd(int fd, uint64_t limit, uint8_t out[SHA256_SIZE], uint64_t *size);

/* The same in parts, so that something else can have a turn. */
struct sha256_parts;

/*
 * sha256_parts_new
 * @expected: how large the file is thought to be: no more is read at a time, nor
 *            allocated for it
 * Returns NULL with errno ENOMEM or EIO.
 */
struct sha256_parts *sha256_parts_new(int fd, uint64_t limit, uint64_t expected);

/*
 * sha256_parts_read - read on for about @bytes
 * Returns 0: there is more; 1: that was all, @out is filled in; -1 with errno as
 * for sha256_fd().
 */
int sha256_parts_read(struct sha256_parts *parts, uint64_t bytes,
		      uint8_t out[SHA256_SIZE]);

/* How many bytes have been hashed. */
uint64_t sha256_parts_done(const struct sha256_parts *parts);

/* The descriptor stays the caller's. */
void sha256_parts_free(struct sha256_parts *parts);

/* The same for memory.  Returns 0, or -1 with errno EIO. */
int sha256_memory(const void *data, size_t size, uint8_t out[SHA256_SIZE]);

/* hex_encode - @text gets 2 * @size lower-case digits and a NUL */
void hex_encode(const uint8_t *data, size_t size, char *text);

/*
 * hex_decode - exactly 2 * @size digits, of either case, and nothing else
 * Returns 0, or -1 with errno EINVAL (@data may be partly written).
 */
int hex_decode(const char *text, uint8_t *data, size_t size);

#endif
