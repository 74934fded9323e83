// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loads, and the listener of one of them, which is another process.
 *
 *	load serve PORT
 *	load connect PORT COUNT	connect() and close(), one after the other
 *	load first PORT COUNT	one datagram each from a new socket
 *	load next PORT COUNT	datagrams from one socket that has no connection
 *	load unix - COUNT	messages over a pair of AF_UNIX sockets
 *
 * A sample of `connect` reaches from just before socket() to just before the next
 * one: the client's three calls, the listener's accept() and close(), and whatever
 * else the one processor did meanwhile, so nothing that anybody spends is left out.
 * A sample of the others is one sendto(); the datagram is taken out of its receiver
 * before the next.
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
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define MAX_COUNT 1000000
#define WARM_UP 32	/* samples before the first sample */
#define SETTLE 10	/* seconds for what is put off, and for the background */

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

static struct load loads[] = {
	{ .name = "connect", .begin = nothing, .once = connect_and_close,
	  .whole = true },
	{ .name = "first", .begin = receive_here, .once = send_first },
	{ .name = "next", .begin = open_one, .once = send_timed },
	{ .name = "unix", .begin = open_pair, .once = send_timed },
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
	long n = load ? atol(argv[3]) : 0;

	if (argc == 3 && !strcmp(argv[1], "serve")) {
		struct sockaddr_in addr = loopback(argv[2]);

		serve(&addr);
	}
	if (!load) {
		fprintf(stderr, "usage: load serve PORT | connect|first|next|unix PORT COUNT\n");
		return 2;
	}
	if (n < 1 || n > MAX_COUNT)
		errx(2, "%s: from 1 to %d samples", argv[3], MAX_COUNT);
	if (strcmp(argv[2], "-"))
		load->to = loopback(argv[2]);
	run(load, (size_t)n);
	return 0;
}
