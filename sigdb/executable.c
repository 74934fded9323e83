// SPDX-License-Identifier: GPL-2.0-only
#include "executable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "progress.h"

#define CHUNK (256U << 10)

static int open_within(int root, const char *path, unsigned int flags)
{
	struct open_how how = {
		.flags = flags | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

int executable_root(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int probe, saved;

	if (fd < 0)
		return -1;
	/* Where the kernel or a filter refuses openat2, no file could be read. */
	probe = open_within(fd, ".", O_PATH);
	if (probe < 0) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	close(probe);
	return fd;
}

static bool may_be_executable(const struct stat *st)
{
	return S_ISREG(st->st_mode) && (st->st_mode & 0111) && st->st_size >= 2;
}

/* Without opening it for reading: a device or a FIFO may do something then. */
static int look(int root, const char *path, struct stat *st)
{
	int fd = open_within(root, path, O_PATH);
	int ret;

	if (fd < 0)
		return -1;
	ret = fstat(fd, st);
	close(fd);
	return ret;
}

static bool begins_as_executable(int fd)
{
	char head[4] = "";
	ssize_t len;

	do
		len = pread(fd, head, sizeof(head), 0);
	while (len < 0 && errno == EINTR);
	if (len >= 2 && memcmp(head, "#!", 2) == 0)
		return true;
	return len == 4 && memcmp(head, "\177ELF", 4) == 0;
}

int executable_open(int root, const char *path, struct stat *st)
{
	int fd;

	if (look(root, path, st)) {
		/* Not there, or a link as the last component of a loop of links. */
		if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
			errno = 0;
		return -1;
	}
	if (!may_be_executable(st)) {
		errno = 0;
		return -1;
	}
	fd = open_within(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -1;
	if (!fstat(fd, st) && may_be_executable(st) && begins_as_executable(fd))
		return fd;
	close(fd);
	errno = 0;
	return -1;
}

static int path_of(int fd, char *out, size_t size)
{
	char link[32];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, out, size);
	if (len <= 0 || (size_t)len >= size || *out != '/')
		return -1;
	out[len] = '\0';
	return 0;
}

int executable_place(int root, int fd, char *out, size_t size)
{
	char above[PATH_MAX];
	size_t skip;

	if (path_of(root, above, sizeof(above)) || path_of(fd, out, size))
		return -1;
	skip = strlen(above);
	if (strcmp(above, "/") == 0)
		return 0;
	if (strncmp(out, above, skip) != 0 || out[skip] != '/')
		return -1;
	memmove(out, out + skip, strlen(out + skip) + 1);
	return 0;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static int still_the_same(int fd, const struct stat *before)
{
	struct stat now;

	if (fstat(fd, &now))
		return -1;
	if (now.st_size == before->st_size && same_time(&now.st_mtim, &before->st_mtim) &&
	    same_time(&now.st_ctim, &before->st_ctim))
		return 0;
	errno = ESTALE;
	return -1;
}

static int feed(int fd, EVP_MD_CTX *sha, EVP_MD_CTX *md)
{
	static unsigned char chunk[CHUNK];

	for (off_t at = 0;;) {
		ssize_t len;

		if (interrupted()) {
			errno = EINTR;
			return -1;
		}
		len = pread(fd, chunk, sizeof(chunk), at);
		if (len == 0)
			return 0;
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -1;
		if (EVP_DigestUpdate(sha, chunk, (size_t)len) != 1 ||
		    EVP_DigestUpdate(md, chunk, (size_t)len) != 1) {
			errno = EIO;
			return -1;
		}
		at += len;
	}
}

int executable_hash(int fd, const struct stat *st, uint8_t *sha256, uint8_t *md5)
{
	EVP_MD_CTX *sha = EVP_MD_CTX_new();
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int ret = -1;

	errno = ENOMEM;
	if (!sha || !md || EVP_DigestInit_ex(sha, EVP_sha256(), NULL) != 1 ||
	    EVP_DigestInit_ex(md, EVP_md5(), NULL) != 1)
		goto out;
	if (feed(fd, sha, md) || still_the_same(fd, st))
		goto out;
	if (EVP_DigestFinal_ex(sha, sha256, NULL) == 1 &&
	    EVP_DigestFinal_ex(md, md5, NULL) == 1)
		ret = 0;
	else
		errno = EIO;
out:
	EVP_MD_CTX_free(md);
	EVP_MD_CTX_free(sha);
	return ret;
}
