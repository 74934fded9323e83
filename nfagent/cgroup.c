// SPDX-License-Identifier: GPL-2.0-only
#include "cgroup.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A word of the path, not terminated. */
struct word {
	const char *at;
	size_t len;
};

static bool ends_with(struct word w, const char *end)
{
	size_t len = strlen(end);

	return w.len > len && !memcmp(w.at + w.len - len, end, len);
}

static bool starts_with(struct word w, const char *start)
{
	size_t len = strlen(start);

	return w.len > len && !memcmp(w.at, start, len);
}

static bool is_word(struct word w, const char *text)
{
	return w.len == strlen(text) && !memcmp(w.at, text, w.len);
}

static struct word cut(struct word w, const char *start, const char *end)
{
	w.at += strlen(start);
	w.len -= strlen(start) + strlen(end);
	return w;
}

/* Ids of docker, podman, containerd and cri-o. */
static bool is_hex_id(struct word w)
{
	if (w.len != 64)
		return false;
	for (size_t i = 0; i < w.len; i++)
		if (!isxdigit((unsigned char)w.at[i]))
			return false;
	return true;
}

static void copy(char *to, size_t size, struct word w)
{
	if (w.len >= size)
		w.len = size - 1;
	memcpy(to, w.at, w.len);
	to[w.len] = '\0';
}

/* systemd writes "-" in a name as "\x2d". */
static void copy_unescaped(char *to, size_t size, struct word w)
{
	size_t n = 0;

	for (size_t i = 0; i < w.len && n + 1 < size; i++) {
		if (i + 3 < w.len && !memcmp(w.at + i, "\\x2d", 4)) {
			to[n++] = '-';
			i += 3;
		} else {
			to[n++] = w.at[i];
		}
	}
	to[n] = '\0';
}

/*
 * RUNTIME-ID.scope: docker-, libpod-, cri-containerd-, crio-, ...  The scope
 * of podman's monitor (libpod-conmon-, crio-conmon-) is not the container.
 */
static bool runtime_scope(struct word w, struct cgroup_names *names)
{
	struct word id;

	if (!ends_with(w, ".scope") && !ends_with(w, ".service"))
		return false;
	if (memmem(w.at, w.len, "-conmon-", 8))
		return false;
	w.len = (size_t)((const char *)memrchr(w.at, '.', w.len) - w.at);
	if (w.len < 66 || w.at[w.len - 65] != '-')
		return false;
	id = (struct word){ w.at + w.len - 64, 64 };
	if (!is_hex_id(id))
		return false;
	copy(names->container, sizeof(names->container), id);
	return true;
}

/* systemd-nspawn@NAME.service is a unit and a container. */
static bool nspawn_service(struct word w, struct cgroup_names *names)
{
	if (!starts_with(w, "systemd-nspawn@") || !ends_with(w, ".service") ||
	    w.len <= strlen("systemd-nspawn@.service"))
		return false;
	copy_unescaped(names->container, sizeof(names->container),
		       cut(w, "systemd-nspawn@", ".service"));
	return true;
}

/* machine-qemu\x2d1\x2dname.scope, machine-name.scope, lxc-name.scope. */
static bool machine_scope(struct word w, struct cgroup_names *names)
{
	static const char *const kinds[] = { "machine-", "lxc-" };

	if (!ends_with(w, ".scope"))
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!starts_with(w, kinds[i]) ||
		    w.len <= strlen(kinds[i]) + strlen(".scope"))
			continue;
		copy_unescaped(names->container, sizeof(names->container),
			       cut(w, kinds[i], ".scope"));
		return true;
	}
	return false;
}

/*
 * Groups made without systemd: /docker/ID, /kubepods/burstable/podX/ID,
 * /libpod_parent/libpod-ID, /NAMESPACE/ID (containerd), /lxc.payload.NAME,
 * /lxc/NAME.
 */
static bool plain_group(struct word w, struct word parent,
			struct cgroup_names *names)
{
	if (starts_with(w, "lxc.payload."))
		w = cut(w, "lxc.payload.", "");
	else if (starts_with(w, "libpod-") && w.len == 71)
		w = cut(w, "libpod-", "");
	else if (!is_word(parent, "lxc") && !is_hex_id(w))
		return false;
	copy(names->container, sizeof(names->container), w);
	return true;
}

/* @end: where the word does, in the path */
static void look_at(struct word w, struct word parent, size_t end,
		    struct cgroup_names *names)
{
	struct cgroup_names found = { 0 };

	if (runtime_scope(w, &found) || machine_scope(w, &found) ||
	    plain_group(w, parent, &found)) {
		memcpy(names->container, found.container,
		       sizeof(names->container));
		names->container_end = end;
	} else if (ends_with(w, ".service") || ends_with(w, ".scope")) {
		copy(names->unit, sizeof(names->unit), w);
		names->unit_end = end;
	}
	if (nspawn_service(w, names))
		names->container_end = end;
	if (names->outermost[0] || !names->container[0])
		return;
	memcpy(names->outermost, names->container, sizeof(names->outermost));
	names->outermost_end = end;
}

void cgroup_parse(const char *path, struct cgroup_names *names)
{
	struct word parent = { "", 0 }, w;
	const char *begin = path;

	memset(names, 0, sizeof(*names));
	while (*path) {
		path += strspn(path, "/");
		w = (struct word){ path, strcspn(path, "/") };
		if (!w.len)
			break;
		look_at(w, parent, (size_t)(path - begin) + w.len, names);
		parent = w;
		path += w.len;
	}
}

int cgroup_open_hierarchy(const char *mountinfo)
{
	char *line = NULL, *dash, *at;
	char dir[4096];
	size_t size = 0;
	int fd = -1, err = ENOENT;
	FILE *f;

	f = fopen(mountinfo, "re");
	if (!f)
		return -1;
	while (fd < 0 && getline(&line, &size, f) > 0) {
		dash = strstr(line, " - cgroup2 ");
		if (!dash || sscanf(line, "%*s %*s %*s %*s %4095s", dir) != 1)
			continue;
		at = dir;
		fd = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		err = errno;
	}
	free(line);
	fclose(f);
	errno = err;
	return fd;
}

/* Where a descriptor leads, as the kernel names it. */
static int path_of_fd(int fd, char *buf, size_t size)
{
	char link[40];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, buf, size - 1);
	if (n < 0)
		return -1;
	buf[n] = '\0';
	return 0;
}

/*
 * kernfs takes a bare 64-bit id as a file handle (FILEID_KERNFS, kernel 5.5):
 * see fs/kernfs/mount.c.
 */
int cgroup_path(int root, uint64_t id, char *buf, size_t size)
{
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + sizeof(id)];
	} u = { .handle = { .handle_bytes = sizeof(id), .handle_type = 0xfe } };
	char top[4096], path[8192];
	size_t len;
	int fd, rc;

	memcpy(u.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(root, &u.handle,
			       O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_PATH);
	if (fd < 0)
		return -1;
	rc = path_of_fd(fd, path, sizeof(path));
	close(fd);
	if (rc || path_of_fd(root, top, sizeof(top)))
		return -1;
	len = strlen(top);
	if (strncmp(path, top, len) || (path[len] && path[len] != '/')) {
		errno = ESTALE;
		return -1;
	}
	if ((size_t)snprintf(buf, size, "%s", path[len] ? path + len : "/") >=
	    size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}
