// SPDX-License-Identifier: GPL-2.0-only
#include "server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int server_say(int says, int what)
{
	return write(says, &what, sizeof(what)) == sizeof(what) ? 0 : -1;
}

int server_listen(int says, int type)
{
	uint16_t port;
	int fd = net_listen(type, &port);

	return fd < 0 || server_say(says, port) ? -1 : fd;
}

int server_accept(int listener, int says)
{
	char byte;

	for (;;) {
		int peer = accept(listener, NULL, NULL);

		if (peer < 0)
			return errno;
		if (server_say(says, recv(peer, &byte, 1, 0) == 1 ? byte : 0))
			return errno;
		close(peer);
	}
}

int server_stream(int says)
{
	int fd = server_listen(says, SOCK_STREAM);

	if (fd < 0)
		return CHILD_LOST;
	return server_accept(fd, says);
}

int server_echo(int says)
{
	int fd = server_listen(says, SOCK_STREAM), peer;
	char byte;

	if (fd < 0)
		return CHILD_LOST;
	for (;;) {
		peer = accept(fd, NULL, NULL);
		if (peer < 0)
			return errno;
		while (recv(peer, &byte, 1, 0) == 1)
			if (send(peer, &byte, 1, MSG_NOSIGNAL) != 1)
				return errno;
		close(peer);
	}
}

int server_datagrams(int says)
{
	int fd = server_listen(says, SOCK_DGRAM);

	return fd < 0 ? CHILD_LOST : server_answer(fd, says);
}

int server_answer(int fd, int says)
{
	struct addr peer;
	char byte;

	for (;;) {
		peer.len = sizeof(peer.in6);
		if (recvfrom(fd, &byte, 1, 0, &peer.sa, &peer.len) != 1 ||
		    server_say(says, byte) ||
		    sendto(fd, "r", 1, 0, &peer.sa, peer.len) != 1)
			return errno;
	}
}

int server_heard(struct scene *s, struct script *script, struct server *server,
		 int ms)
{
	struct pollfd p = { .fd = server->says, .events = POLLIN };
	int got;

	for (; ms > 0; ms -= 2) {
		script_serve(s, script, 1);
		if (poll(&p, 1, 1) == 1)
			return read(server->says, &got, sizeof(got)) ==
			       sizeof(got) ? got : -1;
	}
	return -1;
}

int server_start(struct scene *s, struct script *script, server_fn fn,
		 struct server *server, const char *address)
{
	int fds[2], port;

	if (pipe(fds))
		return errno;
	server->says = fds[0];
	server->pid = fork();
	if (!server->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Or the agent would be there as long as the server is. */
		close(agent_fd(s->agent));
		_exit(fn(fds[1]));
	}
	close(fds[1]);
	port = server_heard(s, script, server, AT_ONCE_MS);
	if (port < 0)
		return ETIMEDOUT;
	server->at = net_addr(address, (uint16_t)port);
	return 0;
}

void server_end(struct server *server)
{
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	close(server->says);
}
