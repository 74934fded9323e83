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

struct line {
	uint64_t id;
	uint32_t dev;
	const char *type;	/* within the line */
	size_t type_len;
};

/* "36 35 98:0 /root /mnt rw,noatime master:1 - ext4 /dev/sda1 rw": proc(5). */
static bool parse_line(const char *text, struct line *l)
{
	unsigned int major, minor;
	const char *dash;

	if (sscanf(text, "%" SCNu64 " %*s %u:%u", &l->id, &major, &minor) != 3)
		return false;
	l->dev = major << 20 | minor;
	dash = strstr(text, " - ");
	if (!dash)
		return false;
	l->type = dash + 3;
	l->type_len = strcspn(l->type, " \n");
	return true;
}

/*
 * The first mount with this @id, if given, else this @dev: its type, if there is
 * room for one, and its device.
 */
static bool find(const char *mountinfo, const uint64_t *id, uint32_t *dev,
		 char *type, size_t size)
{
	size_t room = 0;
	bool found = false;
	char *text = NULL;
	struct line l;
	FILE *f;

	f = fopen(mountinfo, "re");
	if (!f)
		return false;
	while (!found && getline(&text, &room, f) > 0)
		found = parse_line(text, &l) &&
			(id ? l.id == *id : l.dev == *dev);
	if (found) {
		*dev = l.dev;
		snprintf(type, size, "%.*s", (int)l.type_len, l.type);
	}
	free(text);
	fclose(f);
	return found;
}

bool mounts_type_of_device(const char *mountinfo, uint32_t dev, char *type,
			   size_t size)
{
	return find(mountinfo, NULL, &dev, type, size);
}

bool mounts_type_of_mount(const char *mountinfo, uint64_t id, char *type,
			  size_t size)
{
	uint32_t dev;

	return find(mountinfo, &id, &dev, type, size);
}

bool mounts_device_of_mount(const char *mountinfo, uint64_t id, uint32_t *dev)
{
	return find(mountinfo, &id, dev, NULL, 0);
}

int mounts_id(int fd, uint64_t *id)
{
	char path[64], line[128];
	int rc = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (rc && fgets(line, sizeof(line), f))
		if (sscanf(line, "mnt_id: %" SCNu64, id) == 1)
			rc = 0;
	fclose(f);
	return rc;
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

const char *mounts_type_of_magic(unsigned long magic)
{
	/* statfs(2), and linux/magic.h; the names are those of mountinfo. */
	static const struct {
		unsigned long magic;
		const char *type;
	} known[] = {
		{ 0xef53, "ext4" }, { 0x58465342, "xfs" },
		{ 0x9123683e, "btrfs" }, { 0xf2f52010, "f2fs" },
		{ 0x2fc12fc1, "zfs" }, { 0xca451a4e, "bcachefs" },
		{ 0x01021994, "tmpfs" }, { 0x858458f6, "ramfs" },
		{ 0x794c7630, "overlay" }, { 0x73717368, "squashfs" },
		{ 0xe0f5e1e2, "erofs" }, { 0x28cd3d45, "cramfs" },
		{ 0x9660, "iso9660" }, { 0x4d44, "vfat" },
		{ 0x2011bab0, "exfat" }, { 0x3153464a, "jfs" },
		{ 0x52654973, "reiserfs" }, { 0x15013346, "udf" },
		{ 0x01021997, "9p" }, { 0x65735546, "fuse" },
		{ 0x6969, "nfs" }, { 0xff534d42, "cifs" },
		{ 0xfe534d42, "smb3" }, { 0x00c36400, "ceph" },
		{ 0x5346414f, "afs" }, { 0x6b414653, "afs" },
		{ 0x73757245, "coda" }, { 0x564c, "ncpfs" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].magic == magic)
			return known[i].type;
	return NULL;
}
