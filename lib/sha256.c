// SPDX-License-Identifier: GPL-2.0-only
#include "sha256.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/evp.h>

/* Large enough for sequential reads, small enough to notice @stop soon. */
#define CHUNK (256 * 1024)

static ssize_t read_chunk(int fd, void *buf, off_t offset)
{
	ssize_t n;

	do {
		n = pread(fd, buf, CHUNK, offset);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* Feeds the file to @md.  Returns the bytes read, or -1 with errno. */
static int64_t digest_file(EVP_MD_CTX *md, int fd, uint64_t limit,
			   const atomic_bool *stop, void *buf)
{
	uint64_t done = 0;
	ssize_t n;

	for (;;) {
		if (stop && atomic_load_explicit(stop, memory_order_relaxed)) {
			errno = ECANCELED;
			return -1;
		}
		n = read_chunk(fd, buf, (off_t)done);
		if (n <= 0)
			return n < 0 ? -1 : (int64_t)done;
		done += (uint64_t)n;
		if (done > limit) {
			errno = EFBIG;
			return -1;
		}
		if (!EVP_DigestUpdate(md, buf, (size_t)n)) {
			errno = EIO;
			return -1;
		}
	}
}

int sha256_fd(int fd, uint64_t limit, const atomic_bool *stop,
	      uint8_t out[SHA256_SIZE], uint64_t *size)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	void *buf = malloc(CHUNK);
	int64_t done = -1;
	int error = 0;

	if (!md || !buf)
		errno = ENOMEM;
	else if (!EVP_DigestInit_ex(md, EVP_sha256(), NULL))
		errno = EIO;
	else
		done = digest_file(md, fd, limit, stop, buf);
	if (done >= 0 && !EVP_DigestFinal_ex(md, out, NULL)) {
		errno = EIO;
		done = -1;
	}
	if (done < 0)
		error = errno;
	else if (size)
		*size = (uint64_t)done;
	free(buf);
	EVP_MD_CTX_free(md);
	errno = error;
	return done < 0 ? -1 : 0;
}

int sha256_memory(const void *data, size_t size, uint8_t out[SHA256_SIZE])
{
	if (EVP_Digest(data, size, out, NULL, EVP_sha256(), NULL))
		return 0;
	errno = EIO;
	return -1;
}

void hex_encode(const uint8_t *data, size_t size, char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		*text++ = digits[data[i] >> 4];
		*text++ = digits[data[i] & 15];
	}
	*text = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hex_decode(const char *text, uint8_t *data, size_t size)
{
	if (strlen(text) != 2 * size)
		goto bad;
	for (size_t i = 0; i < size; i++) {
		int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			goto bad;
		data[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
bad:
	errno = EINVAL;
	return -1;
}
