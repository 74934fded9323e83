/* SPDX-License-Identifier: GPL-2.0-only */
/* A server in a process of its own: the test's sockets are the agent's, and exempt. */
#ifndef GUEST_SERVER_H
#define GUEST_SERVER_H

#include "script.h"

struct server {
	pid_t pid;
	int says;		/* a pipe from it */
	struct addr at;
};

/*
 * What a server does.  It says its port first, by server_say(), and then what it
 * got.  Returns its exit status.
 */
typedef int (*server_fn)(int says);

/* server_start - run it until it says its port.  Returns 0, or an errno. */
int server_start(struct scene *s, struct script *script, server_fn fn,
		 struct server *server, const char *address);
void server_end(struct server *server);

/* server_heard - what it says within the time, or -1; questions are answered */
int server_heard(struct scene *s, struct script *script, struct server *server,
		 int ms);

/* For the server.  server_say returns 0, or -1. */
int server_say(int says, int what);

/*
 * server_listen - listen on all addresses, and say the port
 * @type: SOCK_STREAM or SOCK_DGRAM
 * Returns a descriptor, or -1.
 */
int server_listen(int says, int type);

/* server_accept - one byte of each connection to a listener; 0: it had none */
int server_accept(int listener, int says);

/* server_answer - say each datagram of one byte, and answer it.  Returns an errno. */
int server_answer(int fd, int says);

/*
 * Servers on all addresses: of connections, and of datagrams, which it answers.
 * server_echo answers each byte of one connection after the other, and says none.
 */
int server_stream(int says);
int server_echo(int says);
int server_datagrams(int says);

#endif
