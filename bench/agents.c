// SPDX-License-Identifier: GPL-2.0-only
/*
 * agents - many agents that ask a server, without a kernel module.
 *
 *     agents certs DIR
 *         a CA, and what a server needs, into DIR
 *     agents rate DIR PORT PID REQUESTS
 *         as fast as it goes; prints "CPU-NS ELAPSED-NS ANSWER-BYTES", the first two a
 *         request: processor time of process PID, and of the clock
 *     agents latency DIR PORT PID REQUESTS PER-SECOND
 *         at that rate; prints "MEDIAN-NS P99-NS"
 *     agents connect DIR PORT PID COUNT
 *         so many agents at once, one host each; prints "KIB", what of the process
 *         is in memory when each has been welcomed and has got an answer
 *
 * The questions are about the first rows of DIR/rows.csv.  The program ends with an error
 * if a question has another end than an answer.
 */
#include <arpa/inet.h>
#include <err.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <event2/event.h>

#include "channel.h"
#include "limit.h"
#include "pki.h"
#include "sha256.h"
#include "tls.h"

#define AGENTS 8		/* that ask as fast as they can */
#define WINDOW 32		/* questions of each that are under way */
#define SUBJECTS 64		/* what is asked about differs in so many ways */
#define HANDSHAKES 16		/* at once: a server bounds those of one source */
/* A server that answers nothing any more ends the measurement. */
#define SILENCE_S 60

static char ca_key[512], ca_cert[512];
static struct pki_pair ca;
static struct event_base *base;
static struct sockaddr_in server;
static pid_t server_pid;

static uint8_t hashes[SUBJECTS][SHA256_SIZE];
static uint64_t asked, answered, wanted, answer_bytes, up;
static uint64_t *latency;
static bool go_on;			/* each answer is followed by a question */

struct agent {
	struct channel *ch;
	SSL_CTX *tls;
	uint64_t first;			/* number of the oldest question under way */
	uint64_t when[2 * WINDOW];	/* each was asked, by its number */
	uint64_t next;
	unsigned int n;
};

static struct agent *agents;
static unsigned int n_agents, started;

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t))
		err(1, "clock");
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t server_cpu_ns(void)
{
	clockid_t clock;
	int error = clock_getcpuclockid(server_pid, &clock);

	if (error)
		errx(1, "process %d: %s", server_pid, strerror(error));
	return clock_ns(clock);
}

static uint64_t number(const char *text)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || !value)
		errx(2, "%s: expected a number above 0", text);
	return value;
}

/* ---- certificates ---- */

static void issue(enum tls_role role, const char *host, struct pki_pair *leaf)
{
	struct tls_peer subject = { .role = role };
	time_t now = time(NULL);
	char why[256];

	snprintf(subject.host, sizeof(subject.host), "%s", host);
	if (pki_issue(&ca, &subject, now - 60, now + 3600, leaf, why, sizeof(why)))
		errx(1, "%s", why);
}

static void make_certs(const char *dir)
{
	char cert[512], key[512], why[256];
	time_t now = time(NULL);
	struct pki_pair leaf;

	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	if (pki_make_ca("bench", now - 3600, now + 86400, &ca, why, sizeof(why)))
		errx(1, "%s", why);
	issue(TLS_ROLE_SERVER, "server", &leaf);
	if (pki_write_cert(ca_cert, ca.cert, true, why, sizeof(why)) ||
	    pki_write_key(ca_key, ca.key, true, why, sizeof(why)) ||
	    pki_write_cert(cert, leaf.cert, true, why, sizeof(why)) ||
	    pki_write_key(key, leaf.key, true, why, sizeof(why)))
		errx(1, "%s", why);
	pki_free(&leaf);
	pki_free(&ca);
}

/* One host for a few connections is all that a server takes: each agent is its own. */
static SSL_CTX *context(const char *host)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct pki_pair leaf;

	issue(TLS_ROLE_AGENT, host, &leaf);
	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
	    SSL_CTX_use_certificate(ctx, leaf.cert) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, leaf.key) != 1 ||
	    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca.cert) != 1)
		errx(1, "cannot make a context of TLS");
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	pki_free(&leaf);
	return ctx;
}

/* ---- questions ---- */

static void read_hashes(const char *dir)
{
	char line[512], file[512];
	FILE *f;

	snprintf(file, sizeof(file), "%s/rows.csv", dir);
	f = fopen(file, "re");
	if (!f || !fgets(line, sizeof(line), f))
		err(1, "%s", file);
	for (int i = 0; i < SUBJECTS; i++) {
		if (!fgets(line, sizeof(line), f))
			errx(1, "%s: too short", file);
		line[2 * SHA256_SIZE] = '\0';
		if (hex_decode(line, hashes[i], SHA256_SIZE))
			errx(1, "%s: no hash", file);
	}
	fclose(f);
}

static void send_message(struct agent *a, const Sockgate__Message *msg)
{
	if (channel_send(a->ch, msg))
		err(1, "cannot send");
}

static void ask(struct agent *a)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Question q = SOCKGATE__QUESTION__INIT;
	Sockgate__Process process = SOCKGATE__PROCESS__INIT;
	Sockgate__Event event = SOCKGATE__EVENT__INIT;
	Sockgate__Place place = SOCKGATE__PLACE__INIT;
	Sockgate__User user = SOCKGATE__USER__INIT;
	unsigned int subject = (unsigned int)(asked % SUBJECTS);
	uint8_t local[4] = { 192, 0, 2, 1 }, remote[4] = { 198, 51, 100, 0 };

	remote[3] = (uint8_t)subject;
	event.kind = SOCKGATE__EVENT_KIND__EVENT_CONNECT;
	event.protocol = IPPROTO_TCP;
	event.local_address = (ProtobufCBinaryData){ sizeof(local), local };
	event.remote_address = (ProtobufCBinaryData){ sizeof(remote), remote };
	event.remote_port = 443;
	process.pid = 1000 + subject;
	process.start_ns = 1000000000 + subject;
	process.exec_id = 1;
	process.path = (char *)"/usr/lib/application/bin/application";
	process.name = (char *)"application";
	process.sha256 = (ProtobufCBinaryData){ SHA256_SIZE, hashes[subject] };
	process.size = 123456;
	process.evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
	process.command_line = (char *)"application --configuration /etc/application.conf";
	process.parent_pid = 1;
	process.parent_path = (char *)"/usr/lib/systemd/systemd";
	user.uid = 1000;
	user.name = (char *)"somebody";
	user.domain = (char *)"example.com";
	place.cgroup_id = 4711;
	place.cgroup = (char *)"/system.slice/application.service";
	place.unit = (char *)"application.service";
	place.netns = 4026531840;
	q.event = &event;
	q.process = &process;
	q.user = &user;
	q.place = &place;
	msg.id = ++a->next;
	msg.body_case = SOCKGATE__MESSAGE__BODY_QUESTION;
	msg.question = &q;
	a->when[a->next % (2 * WINDOW)] = now_ns();
	asked++;
	send_message(a, &msg);
}

static void hello(struct agent *a)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Hello body = SOCKGATE__HELLO__INIT;
	uint8_t instance[16] = { 1 };
	char host[32];

	snprintf(host, sizeof(host), "host-%u", a->n);
	memcpy(instance, &a->n, sizeof(a->n));
	body.protocol = 1;
	body.version = (char *)SOCKGATE_VERSION;
	body.host = host;
	body.context = (char *)"bench";
	body.kernel = (char *)"6.1";
	body.instance = (ProtobufCBinaryData){ sizeof(instance), instance };
	msg.id = ++a->next;
	msg.body_case = SOCKGATE__MESSAGE__BODY_HELLO;
	msg.hello = &body;
	send_message(a, &msg);
}

static void pong(struct agent *a, uint64_t id)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Pong body = SOCKGATE__PONG__INIT;

	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_PONG;
	msg.pong = &body;
	send_message(a, &msg);
}

/* ---- agents ---- */

static void start_next(void);
static void (*on_ready)(struct agent *a);

/* The echo answers a hello too, if with something else. */
static void ready(struct agent *a)
{
	up++;
	a->first = a->next + 1;
	on_ready(a);
	start_next();
}

static void took(struct agent *a, const Sockgate__Message *msg)
{
	uint64_t asked_at = a->when[a->first++ % (2 * WINDOW)];

	answer_bytes += 4 + sockgate__message__get_packed_size(msg);
	if (latency)
		latency[answered] = now_ns() - asked_at;
	if (++answered == wanted)
		event_base_loopbreak(base);
}

static void on_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	struct agent *a = arg;

	(void)ch, (void)peer;
	hello(a);
}

static bool echoes;

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct agent *a = arg;

	(void)ch;
	if (msg->body_case == SOCKGATE__MESSAGE__BODY_PING) {
		pong(a, msg->id);
		return;
	}
	if (!a->first) {
		echoes = msg->body_case == SOCKGATE__MESSAGE__BODY_ERROR;
		if (!echoes && msg->body_case != SOCKGATE__MESSAGE__BODY_WELCOME)
			errx(1, "hello is answered by message %d", msg->body_case);
		ready(a);
		return;
	}
	if (!echoes && (msg->body_case != SOCKGATE__MESSAGE__BODY_DECISION ||
			msg->decision->failed))
		errx(1, "a question is answered by message %d", msg->body_case);
	took(a, msg);
	if (go_on && asked < wanted)
		ask(a);
}

static void on_down(struct channel *ch, const char *why, void *arg)
{
	(void)ch, (void)arg;
	errx(1, "connection lost: %s", why);
}

static const struct channel_ops ops = {
	.up = on_up, .message = on_message, .down = on_down,
};

static void start_next(void)
{
	struct tls_peer expect = { TLS_ROLE_SERVER, "server" };
	struct agent *a;
	char host[32];

	if (started == n_agents)
		return;
	a = &agents[started];
	a->n = started++;
	snprintf(host, sizeof(host), "host-%u", a->n);
	a->tls = context(host);
	a->ch = channel_connect_tls(base, a->tls, (struct sockaddr *)&server,
				    sizeof(server), &expect, &ops, a);
	if (!a->ch)
		err(1, "cannot connect");
}

static void on_silence(evutil_socket_t fd, short what, void *arg)
{
	static uint64_t last;

	(void)fd, (void)what, (void)arg;
	if (last == answered + up)
		errx(1, "nothing came for %d s", SILENCE_S);
	last = answered + up;
}

static void start(unsigned int n, void (*then)(struct agent *a))
{
	static const struct timeval silence = { .tv_sec = SILENCE_S };
	struct event *watch = event_new(base, -1, EV_PERSIST, on_silence, NULL);

	if (!watch || event_add(watch, &silence))
		errx(1, "memory");
	on_ready = then;
	n_agents = n;
	agents = calloc(n, sizeof(*agents));
	if (!agents)
		err(1, "memory");
	for (int i = 0; i < HANDSHAKES; i++)
		start_next();
}

static void run(void)
{
	if (event_base_dispatch(base) < 0)
		errx(1, "the event loop failed");
}

/* ---- what is measured ---- */

static void when_all_are_up(struct agent *a)
{
	(void)a;
	if (up == n_agents)
		event_base_loopbreak(base);
}

static void rate(uint64_t requests)
{
	uint64_t begin, cpu;

	start(AGENTS, when_all_are_up);
	run();
	wanted = requests;
	go_on = true;
	begin = now_ns();
	cpu = server_cpu_ns();
	for (int i = 0; i < AGENTS * WINDOW && asked < wanted; i++)
		ask(&agents[i % AGENTS]);
	run();
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
	       (server_cpu_ns() - cpu) / requests, (now_ns() - begin) / requests,
	       answer_bytes / requests);
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool is_due(uint64_t begin, uint64_t per_second)
{
	const struct agent *a = &agents[asked % AGENTS];

	return asked < wanted && a->next - a->first + 1 < 2 * WINDOW &&
	       now_ns() >= begin + asked * 1000000000 / per_second;
}

/* By a clock, whatever has been answered. */
static void at_rate(uint64_t requests, uint64_t per_second)
{
	uint64_t begin;

	start(AGENTS, when_all_are_up);
	run();
	latency = calloc(requests, sizeof(*latency));
	if (!latency)
		err(1, "memory");
	wanted = requests;
	begin = now_ns();
	while (answered < wanted) {
		while (is_due(begin, per_second))
			ask(&agents[asked % AGENTS]);
		if (event_base_loop(base, EVLOOP_NONBLOCK) < 0)
			errx(1, "the event loop failed");
	}
	qsort(latency, requests, sizeof(*latency), by_value);
	printf("%" PRIu64 " %" PRIu64 "\n", latency[requests / 2],
	       latency[requests - 1 - requests / 100]);
	free(latency);
}

static uint64_t resident_kib(void)
{
	char file[64], line[256];
	uint64_t kib = 0;
	FILE *f;

	snprintf(file, sizeof(file), "/proc/%d/status", server_pid);
	f = fopen(file, "re");
	if (!f)
		err(1, "%s", file);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "VmRSS: %" SCNu64, &kib);
	fclose(f);
	if (!kib)
		errx(1, "%s says nothing", file);
	return kib;
}

static void connect_all(uint64_t count)
{
	wanted = count;
	start((unsigned int)count, ask);
	run();
	if (up != count)
		errx(1, "%" PRIu64 " agents of %" PRIu64 " are up", up, count);
	printf("%" PRIu64 "\n", resident_kib());
}

int main(int argc, char **argv)
{
	char why[256];

	signal(SIGPIPE, SIG_IGN);
	limit_raise_files();
	if (argc < 3)
		errx(2, "usage: agents certs|rate|latency|connect DIR ...");
	snprintf(ca_key, sizeof(ca_key), "%s/ca-key.pem", argv[2]);
	snprintf(ca_cert, sizeof(ca_cert), "%s/ca.pem", argv[2]);
	if (!strcmp(argv[1], "certs") && argc == 3) {
		make_certs(argv[2]);
		return 0;
	}
	if (argc < 6)
		errx(2, "usage: agents %s DIR PORT PID NUMBER", argv[1]);
	if (pki_read(ca_key, ca_cert, &ca, why, sizeof(why)))
		errx(1, "%s", why);
	read_hashes(argv[2]);
	server.sin_family = AF_INET;
	server.sin_port = htons((uint16_t)number(argv[3]));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server_pid = (pid_t)number(argv[4]);
	base = event_base_new();
	if (!base)
		errx(1, "memory");
	if (!strcmp(argv[1], "rate") && argc == 6)
		rate(number(argv[5]));
	else if (!strcmp(argv[1], "latency") && argc == 7)
		at_rate(number(argv[5]), number(argv[6]));
	else if (!strcmp(argv[1], "connect") && argc == 6)
		connect_all(number(argv[5]));
	else
		errx(2, "usage: agents certs|rate|latency|connect DIR ...");
	fflush(stdout);
	/* Thousands of connections need no farewell. */
	_exit(0);
}
