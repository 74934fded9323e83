/* SPDX-License-Identifier: GPL-2.0-only */
/* ring HOST PORT - fetches a page by io_uring: connect, send and receive. */
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "uring.h"

/* Returns what the operation says, or a negative errno. */
static int transfer(uint8_t opcode, int fd, const void *data, size_t size)
{
	const struct io_uring_sqe sqe = {
		.opcode = opcode,
		.fd = fd,
		.addr = (uintptr_t)data,
		.len = (uint32_t)size,
	};
	int res = 0, err = uring_do(&sqe, URING_INLINE, &res);

	return err ? -err : res;
}

static int fetch(int fd)
{
	static const char ask[] = "GET / HTTP/1.0\r\n\r\n";
	char answer[4096];
	size_t len = 0;
	char *page;
	int n;

	n = transfer(IORING_OP_SEND, fd, ask, sizeof(ask) - 1);
	while (n > 0 && len < sizeof(answer) - 1) {
		n = transfer(IORING_OP_RECV, fd, answer + len, sizeof(answer) - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	answer[len] = '\0';
	page = strstr(answer, "\r\n\r\n");
	fputs(page ? page + 4 : "ring: no page came\n", stdout);
	return !page;
}

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *to;
	int fd, err;

	if (argc != 3 || getaddrinfo(argv[1], argv[2], &hints, &to)) {
		fputs("usage: ring HOST PORT\n", stderr);
		return 2;
	}
	fd = socket(to->ai_family, SOCK_STREAM, 0);
	err = uring_connect(fd, to->ai_addr, to->ai_addrlen, URING_WORKER);
	freeaddrinfo(to);
	if (err) {
		fprintf(stderr, "ring: connect: %s\n", strerror(err));
		return 1;
	}
	err = fetch(fd);
	close(fd);
	return err;
}
