// SPDX-License-Identifier: GPL-2.0-only
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CACHED_TRIES 8

/* "36 35 98:0 /root /mnt rw,noatime master:1 - ext4 /dev/sda1 rw": proc(5). */
static bool is_line_of(const char *line, uint64_t id, uint32_t *dev)
{
	unsigned int major, minor;
	uint64_t found;

	if (sscanf(line, "%" SCNu64 " %*s %u:%u", &found, &major, &minor) != 3 ||
	    found != id)
		return false;
	*dev = major << 20 | minor;
	return true;
}

bool mounts_device(const char *mountinfo, uint64_t id, uint32_t *dev)
{
	FILE *f = fopen(mountinfo, "re");
	bool found = false;
	char *line = NULL;
	size_t size = 0;

	if (!f)
		return false;
	while (!found && getline(&line, &size, f) > 0)
		found = is_line_of(line, id, dev);
	free(line);
	fclose(f);
	return found;
}

int mounts_id(int fd, uint64_t *id)
{
	char path[64], text[256], *at;
	ssize_t n;
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return -1;
	/* "pos:", "flags:" and "mnt_id:" stand first, whatever follows. */
	n = read(info, text, sizeof(text) - 1);
	close(info);
	if (n < 0)
		return -1;
	text[n] = '\0';
	at = strstr(text, "\nmnt_id:");
	return at && sscanf(at, "\nmnt_id: %" SCNu64, id) == 1 ? 0 : -1;
}

static int open_cached(const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_CACHED | RESOLVE_NO_SYMLINKS,
	};
	long fd = -1;

	/* A rename anywhere can make it miss what is there. */
	for (int i = 0; i < CACHED_TRIES && fd < 0; i++) {
		fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
		if (fd < 0 && errno != EAGAIN)
			break;
	}
	return (int)fd;
}

static bool identify(int fd, struct statx *stx)
{
	const unsigned int wanted = STATX_INO | STATX_TYPE;

	return !statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, wanted,
		      stx) && (stx->stx_mask & wanted) == wanted;
}

bool mounts_lead_to(const char *path, int fd)
{
	struct statx ours, theirs;
	int here = open_cached(path);
	bool same;

	if (here < 0)
		return false;
	same = identify(here, &ours) && identify(fd, &theirs) &&
	       ours.stx_ino == theirs.stx_ino &&
	       ours.stx_dev_major == theirs.stx_dev_major &&
	       ours.stx_dev_minor == theirs.stx_dev_minor;
	close(here);
	return same;
}
