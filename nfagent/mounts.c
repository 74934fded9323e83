// SPDX-License-Identifier: GPL-2.0-only
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <pthread.h>
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
	const char *type;	/* within the text, not terminated */
	size_t type_len;
};

struct mounts {
	pthread_mutex_t lock;
	int fd;			/* of mountinfo */
	dev_t ns_dev;		/* with ns_ino: whose table it is; 0: not known */
	ino_t ns_ino;
	bool current;		/* but for what poll(2) says */
	char *text;
	struct line *line;
	size_t n;
};

struct mounts *mounts_open(const char *process)
{
	struct mounts *m = calloc(1, sizeof(*m));
	char path[PATH_MAX];
	struct stat ns;

	if (!m)
		return NULL;
	snprintf(path, sizeof(path), "%s/mountinfo", process);
	m->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (m->fd < 0) {
		free(m);
		return NULL;
	}
	pthread_mutex_init(&m->lock, NULL);
	snprintf(path, sizeof(path), "%s/ns/mnt", process);
	if (!stat(path, &ns)) {
		m->ns_dev = ns.st_dev;
		m->ns_ino = ns.st_ino;
	}
	return m;
}

static void forget(struct mounts *m)
{
	free(m->text);
	free(m->line);
	m->text = NULL;
	m->line = NULL;
	m->n = 0;
	m->current = false;
}

void mounts_close(struct mounts *m)
{
	if (!m)
		return;
	forget(m);
	close(m->fd);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

bool mounts_seen_by(const struct mounts *m, uint32_t pid)
{
	char path[64];
	struct stat ns;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/ns/mnt", pid);
	return m->ns_ino && !stat(path, &ns) && ns.st_dev == m->ns_dev &&
	       ns.st_ino == m->ns_ino;
}

/* All of a file of proc from its beginning; NULL with errno. */
static char *read_text(int fd)
{
	size_t size = 4096, n = 0;
	char *text = NULL, *more;
	ssize_t got = 1;

	while (got > 0) {
		more = realloc(text, size);
		if (!more)
			break;
		text = more;
		got = pread(fd, text + n, size - 1 - n, (off_t)n);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got > 0)
			n += (size_t)got;
		if (n == size - 1)
			size *= 2;
	}
	if (got) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

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
	l->type_len = strcspn(l->type, " ");
	return true;
}

static size_t count_lines(const char *text)
{
	size_t n = 1;

	while ((text = strchr(text, '\n'))) {
		text++;
		n++;
	}
	return n;
}

static bool load(struct mounts *m)
{
	char *at, *line;

	forget(m);
	m->text = read_text(m->fd);
	if (m->text)
		m->line = calloc(count_lines(m->text), sizeof(*m->line));
	if (!m->line) {
		forget(m);
		return false;
	}
	at = m->text;
	while ((line = strsep(&at, "\n")))
		m->n += parse_line(line, &m->line[m->n]);
	m->current = true;
	return true;
}

/*
 * The kernel tells by poll(2) of each change since it was asked before: asked
 * first and read then, a change in between is told the next time.
 */
static bool refresh(struct mounts *m)
{
	struct pollfd p = { .fd = m->fd, .events = POLLPRI };

	if (poll(&p, 1, 0) < 0 || p.revents & (POLLPRI | POLLERR))
		m->current = false;
	return m->current || load(m);
}

/* The first with this @id, if given, else this @dev. */
static const struct line *find(const struct mounts *m, const uint64_t *id,
			       uint32_t dev)
{
	for (const struct line *l = m->line; l < m->line + m->n; l++)
		if (id ? l->id == *id : l->dev == dev)
			return l;
	return NULL;
}

/* Type, if there is room for one, and device. */
static bool look_up(struct mounts *m, const uint64_t *id, uint32_t *dev,
		    char *type, size_t size)
{
	const struct line *l = NULL;

	pthread_mutex_lock(&m->lock);
	if (refresh(m))
		l = find(m, id, *dev);
	if (l) {
		*dev = l->dev;
		snprintf(type, size, "%.*s", (int)l->type_len, l->type);
	}
	pthread_mutex_unlock(&m->lock);
	return l;
}

bool mounts_type_of_device(struct mounts *m, uint32_t dev, char *type,
			   size_t size)
{
	return look_up(m, NULL, &dev, type, size);
}

bool mounts_type_of_mount(struct mounts *m, uint64_t id, char *type,
			  size_t size)
{
	uint32_t dev = 0;

	return look_up(m, &id, &dev, type, size);
}

bool mounts_device_of_mount(struct mounts *m, uint64_t id, uint32_t *dev)
{
	return look_up(m, &id, dev, NULL, 0);
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
