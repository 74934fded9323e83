// SPDX-License-Identifier: GPL-2.0-only
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "why.h"

#define BACKLOG 16
#define CONNECT_LIMIT 5		/* seconds */
#define LOCK_SUFFIX ".lock"

static bool make_address(const char *path, struct sockaddr_un *sun,
			 struct why *why)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	if (!*path || strlen(path) + sizeof(LOCK_SUFFIX) > sizeof(sun->sun_path)) {
		errno = ENAMETOOLONG;
		why_set(why, "the path of control socket `%s' must have 1 to %zu bytes",
		     path, sizeof(sun->sun_path) - sizeof(LOCK_SUFFIX));
		return false;
	}
	memcpy(sun->sun_path, path, strlen(path) + 1);
	return true;
}

/* Whoever can write to the directory can put a socket of their own there. */
static bool prepare_directory(const char *path, struct why *why)
{
	const char *slash = strrchr(path, '/');
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)] = ".";
	struct stat st;

	if (slash)
		snprintf(dir, sizeof(dir), "%.*s",
			 slash == path ? 1 : (int)(slash - path), path);
	if (mkdir(dir, 0750) && errno != EEXIST) {
		why_set(why, "cannot make directory %s: %s", dir, strerror(errno));
		return false;
	}
	if (stat(dir, &st)) {
		why_set(why, "cannot look at directory %s: %s", dir, strerror(errno));
		return false;
	}
	if ((st.st_uid && st.st_uid != geteuid()) || st.st_mode & S_IWOTH) {
		errno = EPERM;
		why_set(why, "directory %s belongs to another user or is writable by "
		     "all; a control socket is not safe there", dir);
		return false;
	}
	return true;
}

/* The descriptor stays open, and so the lock held, as long as we live. */
static bool lock_path(const char *path, struct why *why)
{
	char file[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd;

	snprintf(file, sizeof(file), "%s" LOCK_SUFFIX, path);
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		why_set(why, "cannot make lock file %s: %s", file, strerror(errno));
		return false;
	}
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return true;
	if (errno == EWOULDBLOCK)
		why_set(why, "another process already listens on %s; stop it first, or "
		     "use another path", path);
	else
		why_set(why, "cannot lock %s: %s", file, strerror(errno));
	close(fd);
	return false;
}

static bool remove_stale(const char *path, struct why *why)
{
	struct stat st;

	if (lstat(path, &st)) {
		if (errno == ENOENT)
			return true;
		why_set(why, "cannot look at %s: %s", path, strerror(errno));
		return false;
	}
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		why_set(why, "%s is in the way and is not a socket; remove it", path);
		return false;
	}
	/* We hold the lock: nobody listens there. */
	if (!unlink(path))
		return true;
	why_set(why, "cannot remove the old socket %s: %s", path, strerror(errno));
	return false;
}

int control_listen(const char *path, char *text, size_t text_size)
{
	struct why why = { text, text_size };
	struct sockaddr_un sun;
	int fd;

	if (!make_address(path, &sun, &why) || !prepare_directory(path, &why) ||
	    !lock_path(path, &why) || !remove_stale(path, &why))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* bind(2) takes the mode from the descriptor: never open to others. */
	if (fd >= 0 && !fchmod(fd, 0600) &&
	    !bind(fd, (struct sockaddr *)&sun, sizeof(sun)) && !listen(fd, BACKLOG))
		return fd;
	why_set(&why, "cannot listen on control socket %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

int control_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (fd < 0)
		return -1;
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) &&
	    (!peer.uid || peer.uid == geteuid()))
		return fd;
	close(fd);
	errno = EPERM;
	return -1;
}

int control_connect(const char *path, const char *program, char *text,
		    size_t text_size)
{
	struct why why = { text, text_size };
	struct sockaddr_un sun;
	struct timeval limit = { .tv_sec = CONNECT_LIMIT };
	int fd, error;

	if (!make_address(path, &sun, &why))
		return -1;
	/* Blocking until connected: a full backlog must not look like a failure. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    !setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) &&
	    !connect(fd, (struct sockaddr *)&sun, sizeof(sun)) &&
	    !fcntl(fd, F_SETFL, O_NONBLOCK))
		return fd;
	error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	if (error == ENOENT || error == ECONNREFUSED)
		why_set(&why, "nobody answers on %s; is %s running?", path, program);
	else if (error == EACCES)
		why_set(&why, "no permission for %s; run as root", path);
	else if (error == EAGAIN)
		why_set(&why, "%s does not take connections on %s; is it stuck?",
		     program, path);
	else
		why_set(&why, "cannot connect to %s: %s", path, strerror(error));
	return -1;
}
