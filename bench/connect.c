// SPDX-License-Identifier: GPL-2.0-only
/*
 * The load: sequential TCP connect() and close() to a loopback listener that is
 * another process.
 *
 *	connect serve PORT
 *	connect run PORT COUNT [rst]
 *
 * One sample reaches from just before socket() to just before the next one: the
 * client's three calls, the listener's accept() and close(), and whatever else
 * the one processor did meanwhile, so nothing that anybody spends is left out.
 * The clock is the processor's time stamp counter, which a guest under
 * `-icount shift=0` advances by one per instruction executed (and over idle
 * time: `idle` below tells how much of that there was).
 *
 * Prints one line of NAME=VALUE:
 *	n        samples
 *	median, p10, p90, mean   ticks of one sample
 *	idle     ticks per sample during which no task ran, by /proc/schedstat
 *	all      what all tasks ran per connection, in nanoseconds, which under
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
#define WARM_UP 32	/* connections before the first sample */
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

static void connect_and_close(const struct sockaddr_in *addr, bool rst)
{
	const struct linger at_once = { .l_onoff = 1 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		err(1, "socket");
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		err(1, "connect");
	if (rst && setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)))
		err(1, "SO_LINGER");
	if (close(fd))
		err(1, "close");
}

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
	uint64_t *stamp;	/* n + 1 */
	size_t n;
	double idle;		/* share of the time */
	double all;		/* nanoseconds */
};

static void report(const struct run *r)
{
	uint64_t *d = r->stamp, total = d[r->n] - d[0];
	size_t n = r->n;

	for (size_t i = 0; i < n; i++)
		d[i] = d[i + 1] - d[i];
	qsort(d, n, sizeof(*d), compare);
	printf("n=%zu median=%" PRIu64 " p10=%" PRIu64 " p90=%" PRIu64 " mean=%" PRIu64
	       " idle=%.0f all=%.0f\n", n, d[n / 2], d[n / 10], d[n * 9 / 10],
	       total / n, r->idle * (double)(total / n), r->all / (double)n);
}

/* What runs in SETTLE seconds without us. */
static uint64_t busy_at_rest(void)
{
	uint64_t busy = busy_ns();

	sleep(SETTLE);
	return busy_ns() - busy;
}

static void run(const struct sockaddr_in *addr, size_t n, bool rst)
{
	struct run r = { .stamp = calloc(n + 1, sizeof(*r.stamp)), .n = n };
	uint64_t rest, busy, ns;

	if (!r.stamp)
		err(1, "calloc");
	memset(r.stamp, 1, (n + 1) * sizeof(*r.stamp));	/* no page faults below */
	for (int i = 0; i < WARM_UP; i++)
		connect_and_close(addr, rst);
	busy_at_rest();		/* what the warm-up put off */
	rest = busy_at_rest();
	busy = busy_ns();
	ns = clock_ns();
	for (size_t i = 0; i < n; i++) {
		r.stamp[i] = __rdtsc();
		connect_and_close(addr, rst);
	}
	r.stamp[n] = __rdtsc();
	ns = clock_ns() - ns;
	r.idle = 1 - (double)(busy_ns() - busy) / (double)ns;
	if (r.idle < 0)
		r.idle = 0;
	sleep(SETTLE);
	r.all = (double)(busy_ns() - busy) - (double)rest;
	report(&r);
	free(r.stamp);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve")) {
		struct sockaddr_in addr = loopback(argv[2]);

		serve(&addr);
	}
	if ((argc == 4 || (argc == 5 && !strcmp(argv[4], "rst"))) &&
	    !strcmp(argv[1], "run")) {
		struct sockaddr_in addr = loopback(argv[2]);
		long n = atol(argv[3]);

		if (n < 1 || n > MAX_COUNT)
			errx(2, "%s: from 1 to %d connections", argv[3], MAX_COUNT);
		run(&addr, (size_t)n, argc == 5);
		return 0;
	}
	fprintf(stderr, "usage: connect serve PORT | run PORT COUNT [rst]\n");
	return 2;
}
