// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loads, and the listener of one of them, which is another process.
 *
 *	load serve PORT
 *	load connect PORT COUNT	connect() and close(), one after the other
 *	load first PORT COUNT	one datagram each from a new socket
 *	load next PORT COUNT	datagrams from one socket that has no connection
 *	load unix - COUNT	messages over a pair of AF_UNIX sockets
 *	load packets PORT COUNT	datagrams from a connected socket
 *	load bulk PORT COUNT	so many times BULK bytes over one connection of TCP
 *	load small PORT COUNT	messages over one connection of TCP, a segment each
 *	load storm PORT COUNT TIMES DIR
 *				start the programs DIR/1 ... DIR/COUNT, all at once:
 *				each makes TIMES connections
 *
 * A sample of `connect` reaches from just before socket() to just before the next
 * one: the client's three calls, the listener's accept() and close(), and whatever
 * else the one processor did meanwhile, so nothing that anybody spends is left out.
 * So does one of `packets` and `small`, from a send() over the recv() of the same, and of
 * `bulk`, where another process receives.  A sample of the others is one
 * sendto(); the datagram is taken out of its receiver before the next.  A storm is one
 * sample, told as so many as there are connections: from the first fork() to the last
 * end of a program.
 *
 * The clock is the processor's time stamp counter, which a guest under
 * `-icount shift=0` advances by one per instruction executed (and over idle
 * time: `idle` below tells how much of that there was).
 *
 * Prints one line of NAME=VALUE:
 *	n        samples
 *	median, p10, p90, mean   ticks of one sample
 *	idle     ticks per sample during which no task ran, by /proc/schedstat
 *	all      what all tasks ran per sample, in nanoseconds, which under
 *		 icount are ticks: the above and what was put off until later (a
 *		 log that is written when nothing else is to do), by the same
 *		 file, from the beginning until SETTLE seconds after the end, less
 *		 what ran in as many seconds before
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define MAX_COUNT 1000000
#define WARM_UP 32	/* samples before the first sample */
#define SETTLE 10	/* seconds for what is put off, and for the background */
#define BULK (1 << 20)	/* bytes */
#define SMALL 100	/* bytes */

static struct sockaddr_in loopback(const char *port)
{
	char *end;
	unsigned long n = strtoul(port, &end, 10);

	if (*end || !n || n > 65535)
		errx(2, "%s: no port", port);
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)n),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static void serve(const struct sockaddr_in *addr)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) ||
	    listen(fd, 4096))
		err(1, "listen");
	for (;;) {
		int peer = accept(fd, NULL, NULL);

		if (peer >= 0)
			close(peer);
		else if (errno != EINTR && errno != ECONNABORTED)
			err(1, "accept");
	}
}

/* What a load needs; one sample goes into *@ticks. */
struct load {
	const char *name;
	void (*begin)(struct load *load);
	void (*once)(struct load *load, uint64_t *ticks);
	bool whole;		/* all of the time counts, not only a call */
	struct sockaddr_in to;
	int out, in;
};

static int checked(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

static void nothing(struct load *load)
{
	(void)load;
}

static void connect_and_close(struct load *load, uint64_t *ticks)
{
	int fd = checked(socket(AF_INET, SOCK_STREAM, 0), "socket");

	(void)ticks;
	checked(connect(fd, (const struct sockaddr *)&load->to,
			sizeof(load->to)), "connect");
	checked(close(fd), "close");
}

/* It receives what it sends. */
static void receive_here(struct load *load)
{
	load->in = checked(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	checked(bind(load->in, (const struct sockaddr *)&load->to,
		     sizeof(load->to)), "bind");
}

static void send_timed(struct load *load, uint64_t *ticks)
{
	const struct sockaddr *to = load->to.sin_port ?
				    (const struct sockaddr *)&load->to : NULL;
	uint64_t begin = __rdtsc();
	char byte = 'x';

	checked((int)sendto(load->out, &byte, 1, 0, to,
			    to ? sizeof(load->to) : 0), "sendto");
	*ticks = __rdtsc() - begin;
	checked((int)recv(load->in, &byte, 1, 0), "recv");
}

static void send_first(struct load *load, uint64_t *ticks)
{
	load->out = checked(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	send_timed(load, ticks);
	checked(close(load->out), "close");
}

static void open_one(struct load *load)
{
	receive_here(load);
	load->out = checked(socket(AF_INET, SOCK_DGRAM, 0), "socket");
}

static void open_pair(struct load *load)
{
	int ends[2];

	checked(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), "socketpair");
	load->out = ends[0];
	load->in = ends[1];
}

/* Takes what comes and keeps none of it. */
static void drain(int listener)
{
	static char buf[256 * 1024];
	int fd = checked(accept(listener, NULL, NULL), "accept");

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	exit(0);
}

static int listen_here(const struct load *load)
{
	const struct sockaddr *to = (const struct sockaddr *)&load->to;
	int one = 1, fd = checked(socket(AF_INET, SOCK_STREAM, 0), "socket");

	checked(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)),
		"setsockopt");
	checked(bind(fd, to, sizeof(load->to)), "bind");
	checked(listen(fd, 1), "listen");
	return fd;
}

static void connect_out(struct load *load)
{
	int one = 1;

	load->out = checked(socket(AF_INET, SOCK_STREAM, 0), "socket");
	checked(connect(load->out, (const struct sockaddr *)&load->to,
			sizeof(load->to)), "connect");
	checked(setsockopt(load->out, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)),
		"setsockopt");
}

static void open_stream(struct load *load)
{
	int fd = listen_here(load);

	if (!checked(fork(), "fork"))
		drain(fd);
	connect_out(load);
	close(fd);
}

/* It receives what it sends. */
static void open_both_ends(struct load *load)
{
	int fd = listen_here(load);

	connect_out(load);
	load->in = checked(accept(fd, NULL, NULL), "accept");
	close(fd);
}

static void send_bulk(struct load *load, uint64_t *ticks)
{
	static char data[BULK];
	size_t sent = 0;

	(void)ticks;
	while (sent < sizeof(data))
		sent += (size_t)checked((int)send(load->out, data + sent,
						  sizeof(data) - sent, 0), "send");
}

static void send_small(struct load *load, uint64_t *ticks)
{
	char data[SMALL] = { 0 };

	(void)ticks;
	checked((int)send(load->out, data, sizeof(data), 0), "send");
	checked((int)recv(load->in, data, sizeof(data), MSG_WAITALL), "recv");
}

static void open_connected(struct load *load)
{
	open_one(load);
	checked(connect(load->out, (const struct sockaddr *)&load->to,
			sizeof(load->to)), "connect");
}

static void send_packet(struct load *load, uint64_t *ticks)
{
	char byte = 'x';

	(void)ticks;
	checked((int)send(load->out, &byte, 1, 0), "send");
	checked((int)recv(load->in, &byte, 1, 0), "recv");
}

static struct load loads[] = {
	{ .name = "connect", .begin = nothing, .once = connect_and_close,
	  .whole = true },
	{ .name = "first", .begin = receive_here, .once = send_first },
	{ .name = "next", .begin = open_one, .once = send_timed },
	{ .name = "unix", .begin = open_pair, .once = send_timed },
	{ .name = "packets", .begin = open_connected, .once = send_packet,
	  .whole = true },
	{ .name = "bulk", .begin = open_stream, .once = send_bulk, .whole = true },
	{ .name = "small", .begin = open_both_ends, .once = send_small,
	  .whole = true },
};

/* Nanoseconds that tasks have run on CPU 0: its 7th figure in /proc/schedstat. */
static uint64_t busy_ns(void)
{
	FILE *f = fopen("/proc/schedstat", "re");
	char line[512];
	uint64_t ns = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "cpu0 %*u %*u %*u %*u %*u %*u %" SCNu64, &ns) == 1)
			break;
	if (f)
		fclose(f);
	return ns;
}

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

struct run {
	uint64_t *ticks;	/* n */
	size_t n;
	uint64_t ns;		/* from the first to the last */
	double idle;		/* share of the time */
	double all;		/* nanoseconds */
};

static void report(const struct run *r)
{
	uint64_t *d = r->ticks, total = 0;
	size_t n = r->n;

	for (size_t i = 0; i < n; i++)
		total += d[i];
	qsort(d, n, sizeof(*d), compare);
	printf("n=%zu median=%" PRIu64 " p10=%" PRIu64 " p90=%" PRIu64 " mean=%" PRIu64
	       " idle=%.0f all=%.0f\n", n, d[n / 2], d[n / 10], d[n * 9 / 10],
	       total / n, r->idle * (double)r->ns / (double)n, r->all / (double)n);
}

/* What runs in SETTLE seconds without us. */
static uint64_t busy_at_rest(void)
{
	uint64_t busy = busy_ns();

	sleep(SETTLE);
	return busy_ns() - busy;
}

static void take_samples(struct load *load, uint64_t *ticks, size_t n)
{
	uint64_t begin = __rdtsc(), end;

	for (size_t i = 0; i < n; i++) {
		load->once(load, &ticks[i]);
		if (!load->whole)
			continue;
		end = __rdtsc();
		ticks[i] = end - begin;
		begin = end;
	}
}

static void run(struct load *load, size_t n)
{
	struct run r = { .ticks = calloc(n, sizeof(*r.ticks)), .n = n };
	uint64_t rest, busy, ignored;

	if (!r.ticks)
		err(1, "calloc");
	memset(r.ticks, 1, n * sizeof(*r.ticks));	/* no page faults below */
	load->begin(load);
	for (int i = 0; i < WARM_UP; i++)
		load->once(load, &ignored);
	busy_at_rest();		/* what the warm-up put off */
	rest = busy_at_rest();
	busy = busy_ns();
	r.ns = clock_ns();
	take_samples(load, r.ticks, n);
	r.ns = clock_ns() - r.ns;
	r.idle = 1 - (double)(busy_ns() - busy) / (double)r.ns;
	if (r.idle < 0)
		r.idle = 0;
	sleep(SETTLE);
	r.all = (double)(busy_ns() - busy) - (double)rest;
	report(&r);
	free(r.ticks);
}

/* All at once: nobody waits for the one before. */
static size_t start_programs(char *port, size_t n, char *times, const char *dir)
{
	char path[256], *args[] = { path, port, times, NULL };

	for (size_t i = 1; i <= n; i++) {
		snprintf(path, sizeof(path), "%s/%zu", dir, i);
		errno = posix_spawn(NULL, path, NULL, NULL, args, NULL);
		if (errno)
			err(1, "%s", path);
	}
	return n;
}

static void end_programs(size_t n)
{
	int status;

	while (n--)
		if (wait(&status) < 0 || status)
			errx(1, "a program of the storm failed: status %d", status);
}

static void storm(char *port, size_t n, char *times, const char *dir)
{
	struct run r = { .n = n * strtoul(times, NULL, 10) };
	uint64_t rest, busy, begin, each;

	r.ticks = calloc(r.n, sizeof(*r.ticks));
	if (!r.ticks || !r.n)
		errx(1, "%zu programs, %s connections", n, times);
	rest = busy_at_rest();
	busy = busy_ns();
	r.ns = clock_ns();
	begin = __rdtsc();
	end_programs(start_programs(port, n, times, dir));
	each = (__rdtsc() - begin) / r.n;
	r.ns = clock_ns() - r.ns;
	r.idle = 1 - (double)(busy_ns() - busy) / (double)r.ns;
	if (r.idle < 0)
		r.idle = 0;
	sleep(SETTLE);
	r.all = (double)(busy_ns() - busy) - (double)rest;
	for (size_t i = 0; i < r.n; i++)
		r.ticks[i] = each;
	report(&r);
	free(r.ticks);
}

static struct load *load_named(const char *name)
{
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++)
		if (!strcmp(loads[i].name, name))
			return &loads[i];
	return NULL;
}

int main(int argc, char **argv)
{
	struct load *load = argc == 4 ? load_named(argv[1]) : NULL;
	long n = argc > 3 ? atol(argv[3]) : 0;

	if (argc == 3 && !strcmp(argv[1], "serve")) {
		struct sockaddr_in addr = loopback(argv[2]);

		serve(&addr);
	}
	if (n < 0 || n > MAX_COUNT || (argc > 3 && !n))
		errx(2, "%s: from 1 to %d samples", argv[3], MAX_COUNT);
	if (argc == 6 && !strcmp(argv[1], "storm")) {
		storm(argv[2], (size_t)n, argv[4], argv[5]);
		return 0;
	}
	if (!load) {
		fprintf(stderr, "usage: load serve PORT\n"
			"       load connect|first|next|unix|packets|bulk|small PORT COUNT\n"
			"       load storm PORT COUNT TIMES DIR\n");
		return 2;
	}
	if (strcmp(argv[2], "-"))
		load->to = loopback(argv[2]);
	run(load, (size_t)n);
	return 0;
}
