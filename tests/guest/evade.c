// SPDX-License-Identifier: GPL-2.0-only
/*
 * evade WAY ADDRESS PORT PAYLOAD FROM - tries one way past the gate, for ways_test
 * and others.  Exits with the errno that it met, 0 if it met none.
 *
 * evade inherit FD USE     a socket that it was started with, put to this use
 * evade take USE           one from a message on standard input
 * evade getfd PID FD USE   one out of another process
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net.h"
#include "uring.h"

#define NOT_THAT 200	/* exit status: the way itself went wrong */
#define ROUNDS 20

/* Where to, and what. */
struct target {
	struct addr to;
	struct addr loopback;	/* which is allowed */
	struct addr from;	/* ours, on the way to the target */
	struct iovec payload;
};

typedef int (*way_fn)(const struct target *t);

static int error_of(long result)
{
	return result < 0 ? errno : 0;
}

static int udp_socket(const struct target *t)
{
	return socket(t->to.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static struct msghdr message(const struct target *t, const struct addr *to)
{
	return (struct msghdr){
		.msg_name = (void *)&to->sa,
		.msg_namelen = to->len,
		.msg_iov = (struct iovec *)&t->payload,
		.msg_iovlen = 1,
	};
}

/* ---- several messages in one call ------------------------------------------------ */

/* sendmmsg() hides an error behind what went well before it. */
static int send_each(const struct target *t, const struct addr *first)
{
	struct mmsghdr all[] = {
		{ .msg_hdr = message(t, first) },
		{ .msg_hdr = message(t, &t->to) },
		{ .msg_hdr = message(t, first) },
		{ .msg_hdr = message(t, &t->to) },
	};
	unsigned int done = 0, n = sizeof(all) / sizeof(all[0]);
	int fd = udp_socket(t), err = 0, rc;

	while (done < n) {
		rc = sendmmsg(fd, all + done, n - done, 0);
		if (rc <= 0)
			err = errno;
		done += rc > 0 ? (unsigned int)rc : 1;
	}
	close(fd);
	return err;
}

static int sendmmsg_same(const struct target *t)
{
	return send_each(t, &t->to);
}

static int sendmmsg_alternating(const struct target *t)
{
	return send_each(t, &t->loopback);
}

/* ---- io_uring --------------------------------------------------------------------- */

static int ring_connect(const struct target *t, enum uring_by by)
{
	int fd = socket(t->to.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err = uring_connect(fd, &t->to.sa, t->to.len, by);

	close(fd);
	return err;
}

static int ring_entry(const struct io_uring_sqe *sqe, enum uring_by by)
{
	int res = 0, err = uring_do(sqe, by, &res);

	close(sqe->fd);
	if (err)
		return err;
	return res < 0 ? -res : 0;
}

static int ring_sendmsg(const struct target *t, enum uring_by by)
{
	const struct msghdr m = message(t, &t->to);
	const struct io_uring_sqe sqe = {
		.opcode = IORING_OP_SENDMSG,
		.fd = udp_socket(t),
		.addr = (uintptr_t)&m,
		.len = 1,
	};

	return ring_entry(&sqe, by);
}

/* On a socket whose connect() was refused, if it was. */
static int ring_send(const struct target *t, enum uring_by by)
{
	const struct io_uring_sqe sqe = {
		.opcode = IORING_OP_SEND,
		.fd = udp_socket(t),
		.addr = (uintptr_t)t->payload.iov_base,
		.len = (uint32_t)t->payload.iov_len,
	};
	int refused = error_of(connect(sqe.fd, &t->to.sa, t->to.len));
	int err = ring_entry(&sqe, by);

	return refused ?: err;
}

static int connect_inline(const struct target *t)
{
	return ring_connect(t, URING_INLINE);
}

static int connect_worker(const struct target *t)
{
	return ring_connect(t, URING_WORKER);
}

static int connect_poller(const struct target *t)
{
	return ring_connect(t, URING_POLLER);
}

static int sendmsg_inline(const struct target *t)
{
	return ring_sendmsg(t, URING_INLINE);
}

static int sendmsg_worker(const struct target *t)
{
	return ring_sendmsg(t, URING_WORKER);
}

static int sendmsg_poller(const struct target *t)
{
	return ring_sendmsg(t, URING_POLLER);
}

static int send_inline(const struct target *t)
{
	return ring_send(t, URING_INLINE);
}

static int send_worker(const struct target *t)
{
	return ring_send(t, URING_WORKER);
}

static int send_poller(const struct target *t)
{
	return ring_send(t, URING_POLLER);
}

/* ---- two threads, one socket -------------------------------------------------------- */

struct racer {
	int fd;
	const struct addr *to;
	pthread_barrier_t *start;
	int error;
};

static void *connect_at_once(void *arg)
{
	struct racer *r = arg;

	pthread_barrier_wait(r->start);
	r->error = error_of(connect(r->fd, &r->to->sa, r->to->len));
	return NULL;
}

/*
 * Returns what the one who goes to the target met. The thread that comes to the barrier
 * last tends to be the first in connect(), and a datagram goes where the last one went;
 * so the two change places from round to round.
 */
static int race(const struct target *t, int fd, int round)
{
	pthread_barrier_t start;
	struct racer there = { .fd = fd, .to = &t->to, .start = &start };
	struct racer home = { .fd = fd, .to = &t->loopback, .start = &start };
	pthread_t thread;

	pthread_barrier_init(&start, NULL, 2);
	if (pthread_create(&thread, NULL, connect_at_once, round % 2 ? &there : &home))
		return NOT_THAT;
	connect_at_once(round % 2 ? &home : &there);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&start);
	return there.error;
}

/* What the first of them was refused; whoever comes too late meets another. */
static int racing_connects(const struct target *t, int type)
{
	int i, fd, err, first = 0;

	for (i = 0; i < ROUNDS; i++) {
		fd = socket(t->to.family, type | SOCK_CLOEXEC, 0);
		if (bind(fd, &t->from.sa, t->from.len))
			return NOT_THAT;
		err = race(t, fd, i);
		if (send(fd, t->payload.iov_base, t->payload.iov_len,
			 MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			err = err ?: errno;
		close(fd);
		if (!first && err != EALREADY && err != EISCONN && err != ECONNREFUSED)
			first = err;
	}
	return first;
}

static int racing_streams(const struct target *t)
{
	return racing_connects(t, SOCK_STREAM | SOCK_NONBLOCK);
}

static int racing_datagrams(const struct target *t)
{
	return racing_connects(t, SOCK_DGRAM);
}

static const struct {
	const char *name;
	way_fn way;
} ways[] = {
	{ "sendmmsg", sendmmsg_same },
	{ "sendmmsg-alternating", sendmmsg_alternating },
	{ "uring-connect", connect_inline },
	{ "uring-connect-worker", connect_worker },
	{ "uring-connect-poller", connect_poller },
	{ "uring-sendmsg", sendmsg_inline },
	{ "uring-sendmsg-worker", sendmsg_worker },
	{ "uring-sendmsg-poller", sendmsg_poller },
	{ "uring-send", send_inline },
	{ "uring-send-worker", send_worker },
	{ "uring-send-poller", send_poller },
	{ "threads-tcp", racing_streams },
	{ "threads-udp", racing_datagrams },
};

/* ---- a socket of somebody else's ----------------------------------------------------- */

static ssize_t by_read(int fd)
{
	char byte;

	return read(fd, &byte, 1);
}

static ssize_t by_splice_from(int fd)
{
	int ends[2];

	if (pipe(ends))
		return -1;
	return splice(fd, NULL, ends[1], NULL, 1, 0);
}

/* Of a packet socket: as it is, to the loopback device. */
static ssize_t by_bind(int fd)
{
	const struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)if_nametoindex("lo"),
	};

	return bind(fd, (const struct sockaddr *)&at, sizeof(at)) ? -1 : 1;
}

static const struct {
	const char *name;
	net_move_fn use;
} uses[] = {
	{ "send", net_send_one },
	{ "sendfile", net_sendfile_one },
	{ "splice", net_splice_one },
	{ "read", by_read },
	{ "splice-from", by_splice_from },
	{ "bind", by_bind },
};

static int use(int fd, const char *how)
{
	struct pollfd p = { .fd = fd };
	ssize_t n = 0;
	size_t i;
	int err;

	if (fd < 0)
		return NOT_THAT;
	for (i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		if (!strcmp(how, uses[i].name))
			n = uses[i].use(fd);
	if (!n)
		return NOT_THAT;
	err = error_of(n);
	if (err == EAGAIN && poll(&p, 1, -1) == 1)
		err = net_error(fd);
	return err;
}

static int take_from(int from)
{
	char byte, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec v = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	int fd = -1;

	if (recvmsg(from, &m, MSG_CMSG_CLOEXEC) == 1) {
		c = CMSG_FIRSTHDR(&m);
		if (c)
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	}
	return fd;
}

static int get_from(pid_t pid, int fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	return (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
}

int main(int argc, char **argv)
{
	struct target t;
	size_t i;

	if (argc == 4 && !strcmp(argv[1], "inherit"))
		return use(atoi(argv[2]), argv[3]);
	if (argc == 3 && !strcmp(argv[1], "take"))
		return use(take_from(STDIN_FILENO), argv[2]);
	if (argc == 5 && !strcmp(argv[1], "getfd"))
		return use(get_from(atoi(argv[2]), atoi(argv[3])), argv[4]);
	if (argc != 6)
		return NOT_THAT;
	t.from = net_addr(argv[5], 0);
	t.to = net_addr(argv[2], (uint16_t)atoi(argv[3]));
	t.loopback = net_addr(t.to.family == AF_INET ? "127.0.0.1" : "::1",
			      (uint16_t)atoi(argv[3]));
	t.payload = (struct iovec){ argv[4], strlen(argv[4]) };
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(argv[1], ways[i].name))
			return ways[i].way(&t);
	return NOT_THAT;
}
