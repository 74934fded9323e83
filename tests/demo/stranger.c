/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stranger HOST [PORT] - a program that no signature knows: fetches a page.
 */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int fetch(int fd)
{
	static const char ask[] = "GET / HTTP/1.0\r\n\r\n";
	char answer[4096];
	size_t len = 0;
	ssize_t n;
	char *page;

	if (write(fd, ask, sizeof(ask) - 1) != (ssize_t)sizeof(ask) - 1) {
		perror("stranger: write");
		return 1;
	}
	while (len < sizeof(answer) - 1 &&
	       (n = read(fd, answer + len, sizeof(answer) - 1 - len)) > 0)
		len += (size_t)n;
	answer[len] = '\0';
	page = strstr(answer, "\r\n\r\n");
	fputs(page ? page + 4 : "stranger: no page came\n", stdout);
	return !page;
}

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *to;
	int fd, rc;

	if (argc < 2 || getaddrinfo(argv[1], argc > 2 ? argv[2] : "80", &hints, &to)) {
		fputs("usage: stranger HOST [PORT]\n", stderr);
		return 2;
	}
	fd = socket(to->ai_family, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, to->ai_addr, to->ai_addrlen)) {
		perror("stranger: connect");
		return 1;
	}
	rc = fetch(fd);
	close(fd);
	freeaddrinfo(to);
	return rc;
}
