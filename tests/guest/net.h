/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses and listeners. */
#ifndef GUEST_NET_H
#define GUEST_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define NET_BACKLOG 4096
#define NET_CONTROL_MAX 64
#define NET_ROUNDS 4
#define NET_PATIENCE_MS 5000

struct addr {
	socklen_t len;		/* 0: none */
	union {
		sa_family_t family;
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
};

/* net_addr - @text is IPv4, or IPv6 if there is a colon in it; @port host order */
struct addr net_addr(const char *text, uint16_t port);

/*
 * net_listen - a socket on all of this machine's addresses, IPv4 and IPv6
 * @type: SOCK_STREAM, listening, or SOCK_DGRAM
 * @port: the port it got, host order
 * Returns the descriptor, or -errno.
 */
int net_listen(int type, uint16_t *port);

/*
 * net_send_control - send one byte, with a control message beside it
 * @type: of @level; @data are @size bytes, NET_CONTROL_MAX at most
 * Returns 0, or -1 with errno.
 */
int net_send_control(int fd, int level, int type, const void *data, size_t size);

/* net_error - the error that waits in a socket, which is taken; 0: none */
int net_error(int fd);

/*
 * net_send_one, ... - send one byte; the others take it from elsewhere than the
 * caller's memory.  Return 1, or -1 with errno.
 */
typedef ssize_t (*net_move_fn)(int fd);
ssize_t net_send_one(int fd);
ssize_t net_sendfile_one(int fd);
ssize_t net_splice_one(int fd);

/*
 * net_converse - connect, and NET_ROUNDS times send a byte and wait for its answer
 * @type: SOCK_STREAM or SOCK_DGRAM, and SOCK_NONBLOCK if wanted
 * Returns 0, or an errno; ETIMEDOUT after NET_PATIENCE_MS.
 */
int net_converse(const struct addr *to, int type);

/* net_enter - go into a network namespace of ip-netns(8).  Returns 0, or -1. */
int net_enter(const char *name);

/* net_has - whether this kernel has a protocol of IPv4 at all */
bool net_has(int type, int protocol);

/* net_same - whether bytes are the address that the text says */
bool net_same(const char *text, const uint8_t *bytes, size_t len);

/*
 * net_other_addresses - give this machine addresses outside 127/8 and ::1:
 * 192.0.2.1, 198.51.100.1 and 2001:db8::1.  Returns 0, or -1.
 */
int net_other_addresses(void);

#endif
