// SPDX-License-Identifier: GPL-2.0-only
#include "sha256.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/evp.h>

#define CHUNK_MIN 4096
/* Large enough for sequential reads. */
#define CHUNK_MAX (256 * 1024)

struct sha256_parts {
	EVP_MD_CTX *md;
	int fd;
	uint64_t limit;
	uint64_t done;
	size_t size;
	uint8_t chunk[];
};

static EVP_MD *digest;

static void fetch_digest(void)
{
	digest = EVP_MD_fetch(NULL, "SHA256", NULL);
}

/* Once: OpenSSL looks it up by name each time else. */
static const EVP_MD *get_digest(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, fetch_digest);
	return digest;
}

/* One byte more than a file has shows that it ends there. */
static size_t chunk_size(uint64_t expected)
{
	if (expected >= CHUNK_MAX)
		return CHUNK_MAX;
	return expected < CHUNK_MIN ? CHUNK_MIN : (size_t)expected + 1;
}

struct sha256_parts *sha256_parts_new(int fd, uint64_t limit, uint64_t expected)
{
	size_t size = chunk_size(expected);
	struct sha256_parts *p = malloc(sizeof(*p) + size);

	if (!p)
		return NULL;
	p->size = size;
	p->fd = fd;
	p->limit = limit;
	p->done = 0;
	p->md = EVP_MD_CTX_new();
	if (p->md && get_digest() &&
	    EVP_DigestInit_ex(p->md, get_digest(), NULL))
		return p;
	errno = p->md ? EIO : ENOMEM;
	sha256_parts_free(p);
	return NULL;
}

void sha256_parts_free(struct sha256_parts *p)
{
	int error = errno;

	if (!p)
		return;
	EVP_MD_CTX_free(p->md);
	free(p);
	errno = error;
}

uint64_t sha256_parts_done(const struct sha256_parts *p)
{
	return p->done;
}

/* Returns as sha256_parts_read() does. */
static int read_chunk(struct sha256_parts *p, uint8_t *out)
{
	ssize_t n;

	do {
		n = pread(p->fd, p->chunk, p->size, (off_t)p->done);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	p->done += (uint64_t)n;
	if (p->done > p->limit) {
		errno = EFBIG;
		return -1;
	}
	if (n ? EVP_DigestUpdate(p->md, p->chunk, (size_t)n) :
		EVP_DigestFinal_ex(p->md, out, NULL))
		return !n;
	errno = EIO;
	return -1;
}

int sha256_parts_read(struct sha256_parts *p, uint64_t bytes,
		      uint8_t out[SHA256_SIZE])
{
	uint64_t from = p->done;
	int rc;

	do {
		rc = read_chunk(p, out);
	} while (!rc && p->done - from < bytes);
	return rc;
}

int sha256_fd(int fd, uint64_t limit, uint8_t out[SHA256_SIZE], uint64_t *size)
{
	struct sha256_parts *p = sha256_parts_new(fd, limit, CHUNK_MAX);
	int rc = -1;

	if (p)
		rc = sha256_parts_read(p, UINT64_MAX, out);
	if (rc > 0 && size)
		*size = p->done;
	sha256_parts_free(p);
	return rc > 0 ? 0 : -1;
}

int sha256_memory(const void *data, size_t size, uint8_t out[SHA256_SIZE])
{
	if (get_digest() && EVP_Digest(data, size, out, NULL, get_digest(), NULL))
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
