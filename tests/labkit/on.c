// SPDX-License-Identifier: GPL-2.0-only
/*
 * on - runs a command on another machine of the lab.
 *
 *     on workload|server|gateway|internet COMMAND [ARG...]
 *
 * The arguments, the environment and the working directory are the caller's;
 * standard output, standard error and the exit status are the command's. There
 * is no standard input, except on the caller's own machine, where the command
 * just runs. 125: the lab could not do it.
 */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "guest.h"

extern char **environ;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "on: %s%s%s\n", what, why ? ": " : "", why ? why : "");
	exit(125);
}

static int dial(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = GUEST_SOCKET };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("not inside the lab (" GUEST_SOCKET ")", strerror(errno));
	return fd;
}

static void run_here(bool internet, char **argv)
{
	if (internet) {
		static char *enter[] = { "ip", "netns", "exec", WIRE_INTERNET };
		int n = 0;
		char **all;

		while (argv[n])
			n++;
		all = calloc(n + 5, sizeof(*all));
		if (!all)
			die("out of memory", NULL);
		memcpy(all, enter, sizeof(enter));
		memcpy(all + 4, argv, n * sizeof(*argv));
		argv = all;
	}
	execvp(argv[0], argv);
	fprintf(stderr, "on: %s: %s\n", argv[0], strerror(errno));
	exit(errno == ENOENT ? 127 : 126);
}

static void copy(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			die("write", strerror(errno));
		p += w;
		n -= w;
	}
}

/* Handles one frame of the answer; -1 while the command runs, else its status. */
static int handle(struct wire *w, struct wire_head h, const char *body)
{
	char text[16];

	switch (h.type) {
	case WIRE_OUT:
	case WIRE_ERR:
		copy(h.type == WIRE_OUT ? 1 : 2, body, h.size);
		snprintf(text, sizeof(text), "%u", h.size);
		wire_puts(w, (struct wire_head){ .type = WIRE_ACK, .chan = h.chan }, text);
		return -1;
	case WIRE_EXIT:
		return atoi(body);
	default:
		return -1;
	}
}

static int relay(struct wire *w)
{
	for (;;) {
		struct pollfd p = wire_pollfd(w);
		struct wire_head h;
		const char *body;

		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			die("poll", strerror(errno));
		if (!wire_flush(w) || !wire_read(w))
			die("the lab closed the connection", NULL);
		while (wire_next(w, &h, &body)) {
			int status = handle(w, h, body);

			if (status >= 0)
				return status;
		}
	}
}

int main(int argc, char **argv)
{
	struct wire w;
	char cwd[PATH_MAX];
	struct wire_exec e = { .cwd = cwd, .argv = argv + 2, .envp = environ };
	int self = wire_machine_by_name(getenv("LAB_MACHINE") ? getenv("LAB_MACHINE") : ""), to;
	size_t size;
	char *body;

	if (argc < 3) {
		fputs("usage: on workload|server|gateway|internet COMMAND [ARG...]\n", stderr);
		return 125;
	}
	e.internet = !strcmp(argv[1], WIRE_INTERNET);
	to = e.internet ? WIRE_GATEWAY : wire_machine_by_name(argv[1]);
	if (to < 0)
		die(argv[1], "no such machine (there are workload, server, gateway, internet)");
	if (to == self)
		run_here(e.internet, argv + 2);
	if (!getcwd(cwd, sizeof(cwd)))
		strcpy(cwd, "/");
	wire_init(&w, dial());
	body = wire_pack_exec(&e, &size);
	wire_put(&w, (struct wire_head){ .type = WIRE_EXEC, .to = to }, body, size);
	return relay(&w);
}
