// SPDX-License-Identifier: GPL-2.0-only
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

struct addr net_addr(const char *text, uint16_t port)
{
	struct addr a = { 0 };

	if (strchr(text, ':')) {
		a.in6.sin6_family = AF_INET6;
		a.in6.sin6_port = htons(port);
		a.len = inet_pton(AF_INET6, text, &a.in6.sin6_addr) == 1 ?
			sizeof(a.in6) : 0;
	} else {
		a.in.sin_family = AF_INET;
		a.in.sin_port = htons(port);
		a.len = inet_pton(AF_INET, text, &a.in.sin_addr) == 1 ?
			sizeof(a.in) : 0;
	}
	return a;
}

int net_send_control(int fd, int level, int type, const void *data, size_t size)
{
	char byte = 'x', control[CMSG_SPACE(NET_CONTROL_MAX)] = { 0 };
	struct iovec v = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE(size),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	if (size > NET_CONTROL_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), data, size);
	return sendmsg(fd, &m, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

int net_error(int fd)
{
	int error = 0;
	socklen_t size = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) ? errno : error;
}

ssize_t net_send_one(int fd)
{
	return send(fd, "x", 1, MSG_NOSIGNAL);
}

ssize_t net_sendfile_one(int fd)
{
	int file = memfd_create("byte", MFD_CLOEXEC);
	ssize_t n = -1;

	if (write(file, "x", 1) == 1)
		n = sendfile(fd, file, &(off_t){ 0 }, 1);
	close(file);
	return n;
}

ssize_t net_splice_one(int fd)
{
	int ends[2];
	ssize_t n = -1;

	if (pipe(ends))
		return -1;
	if (write(ends[1], "x", 1) == 1)
		n = splice(ends[0], NULL, fd, NULL, 1, 0);
	close(ends[0]);
	close(ends[1]);
	return n;
}

int net_listen(int type, uint16_t *port)
{
	struct addr a = net_addr("::", 0);
	int zero = 0, fd, err;

	fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) &&
	    !bind(fd, &a.sa, a.len) && !getsockname(fd, &a.sa, &a.len) &&
	    (type != SOCK_STREAM || !listen(fd, NET_BACKLOG))) {
		*port = ntohs(a.in6.sin6_port);
		return fd;
	}
	err = errno;
	close(fd);
	return -err;
}

static int send_and_hear(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte = 'x';

	if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
		return errno;
	if (poll(&p, 1, NET_PATIENCE_MS) != 1)
		return ETIMEDOUT;
	return recv(fd, &byte, 1, 0) == 1 ? 0 : errno ?: ECONNRESET;
}

int net_converse(const struct addr *to, int type)
{
	int fd = socket(to->family, type | SOCK_CLOEXEC, 0), error = 0, i;
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (connect(fd, &to->sa, to->len) && errno != EINPROGRESS)
		error = errno;
	else if (poll(&p, 1, NET_PATIENCE_MS) != 1)
		error = ETIMEDOUT;
	else
		error = net_error(fd);
	for (i = 0; i < NET_ROUNDS && !error; i++)
		error = send_and_hear(fd);
	close(fd);
	return error;
}

int net_enter(const char *name)
{
	char path[64];
	int fd, rc;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = setns(fd, CLONE_NEWNET);
	close(fd);
	return rc;
}

bool net_has(int type, int protocol)
{
	int fd = socket(AF_INET, type, protocol);

	if (fd < 0)
		return errno != EPROTONOSUPPORT;
	close(fd);
	return true;
}

bool net_same(const char *text, const uint8_t *bytes, size_t len)
{
	struct addr a = net_addr(text, 0);

	if (a.family == AF_INET)
		return len == 4 && !memcmp(&a.in.sin_addr, bytes, 4);
	return len == 16 && !memcmp(&a.in6.sin6_addr, bytes, 16);
}

int net_other_addresses(void)
{
	return system("ip addr replace 192.0.2.1/32 dev lo && "
		      "ip addr replace 198.51.100.1/32 dev lo && "
		      "ip addr replace 2001:db8::1/128 dev lo nodad") ? -1 : 0;
}
