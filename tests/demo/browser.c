/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * browser HOST PORT - as a browser does: many non-blocking sockets at once, one
 * event loop; says how many pages came.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKETS 12

static const char ask[] = "GET / HTTP/1.0\r\n\r\n";
static int pages, failed, error_seen;

/* Returns the socket, or -1: what the call itself refuses counts as failed. */
static int begin(const struct addrinfo *to)
{
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd >= 0 && (!connect(fd, to->ai_addr, to->ai_addrlen) ||
			errno == EINPROGRESS))
		return fd;
	error_seen = errno;
	failed++;
	if (fd >= 0)
		close(fd);
	return -1;
}

static int so_error(int fd)
{
	socklen_t size = sizeof(int);
	int error = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) ? errno : error;
}

/* Connected: asks, and from then on waits for the answer alone. */
static int ask_for_page(int loop, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
	int error = so_error(fd);

	if (!error && send(fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL) < 0)
		error = errno;
	return error || epoll_ctl(loop, EPOLL_CTL_MOD, fd, &e) ? error ?: EIO : 0;
}

static void over(int fd, int error)
{
	if (error) {
		error_seen = error;
		failed++;
	} else {
		pages++;
	}
	close(fd);
}

static void handle(int loop, const struct epoll_event *e)
{
	char page[4096];
	int error;
	ssize_t n;

	if (e->events & EPOLLOUT) {
		error = ask_for_page(loop, e->data.fd);
		if (error)
			over(e->data.fd, error);
		return;
	}
	n = recv(e->data.fd, page, sizeof(page), 0);
	if (n <= 0)
		over(e->data.fd, n ? errno : 0);
}

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *to;
	struct epoll_event e;
	int loop = epoll_create1(0), i;

	if (argc != 3 || getaddrinfo(argv[1], argv[2], &hints, &to)) {
		fputs("usage: browser HOST PORT\n", stderr);
		return 2;
	}
	for (i = 0; i < SOCKETS; i++) {
		e = (struct epoll_event){ .events = EPOLLOUT, .data.fd = begin(to) };
		if (e.data.fd >= 0 && epoll_ctl(loop, EPOLL_CTL_ADD, e.data.fd, &e))
			return 2;
	}
	while (pages + failed < SOCKETS)
		if (epoll_wait(loop, &e, 1, -1) == 1)
			handle(loop, &e);
	printf("%d of %d pages came\n", pages, SOCKETS);
	if (failed)
		fprintf(stderr, "browser: %d connections: %s\n", failed,
			strerror(error_seen));
	freeaddrinfo(to);
	return !!failed;
}
