// SPDX-License-Identifier: GPL-2.0-only
#include "probe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define DISCARD_PORT 9

/* The others need protocols that not every machine has, or would raise an alarm. */
#define KNOCKED \
	(1U << SOCKGATE_HOOK_CONNECT | 1U << SOCKGATE_HOOK_LISTEN | \
	 1U << SOCKGATE_HOOK_SENDMSG | 1U << SOCKGATE_HOOK_RECVMSG | \
	 1U << SOCKGATE_HOOK_CREATE | 1U << SOCKGATE_HOOK_CLONE | \
	 1U << SOCKGATE_HOOK_FREE | 1U << SOCKGATE_HOOK_BIND)

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

/* Connecting a datagram socket sends nothing. */
static void knock_connect(void)
{
	struct sockaddr_in to = loopback(DISCARD_PORT);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	(void)connect(fd, (struct sockaddr *)&to, sizeof(to));
	close(fd);
}

/* Connects to itself as well: a listener's new connection is a hook of its own. */
static void knock_listen(void)
{
	struct sockaddr_in at = loopback(0);
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && to >= 0 && !bind(fd, (struct sockaddr *)&at, len) &&
	    !listen(fd, 1) && !getsockname(fd, (struct sockaddr *)&at, &len))
		(void)connect(to, (struct sockaddr *)&at, len);
	if (fd >= 0)
		close(fd);
	if (to >= 0)
		close(to);
}

/* To itself, and received from there. */
static void knock_send(void)
{
	struct sockaddr_in at = loopback(0);
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char byte;

	if (fd < 0)
		return;
	if (!bind(fd, (struct sockaddr *)&at, len) &&
	    !getsockname(fd, (struct sockaddr *)&at, &len) &&
	    sendto(fd, "", 1, MSG_DONTWAIT, (struct sockaddr *)&at, len) == 1)
		(void)recv(fd, &byte, sizeof(byte), MSG_DONTWAIT);
	close(fd);
}

/* One that was never bound is freed at once, not after a grace period. */
static void knock_free(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
}

void probe_knock(void)
{
	knock_connect();
	knock_listen();
	knock_send();
	knock_free();
}

uint32_t probe_blind(const uint64_t before[__SOCKGATE_HOOK_MAX],
		     const uint64_t after[__SOCKGATE_HOOK_MAX])
{
	uint32_t blind = 0;

	for (unsigned int i = 0; i < __SOCKGATE_HOOK_MAX; i++)
		if (KNOCKED & 1U << i && after[i] <= before[i])
			blind |= 1U << i;
	return blind;
}
