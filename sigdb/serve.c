// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything here runs in one thread, the one of the event loop; only sightings are
 * written by another.  Every function that may end a client does so last, and its
 * callers touch nothing of it afterwards.
 */
#include "serve.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <event2/event.h>
#include <utlist.h>

#include "addr.h"
#include "channel.h"
#include "control.h"
#include "listeners.h"
#include "log.h"
#include "notes.h"
#include "watched.h"
#include "wire.h"

#define BACKLOG 128
/* A server pings every second. */
#define IDLE_LIMIT_S 30
/*
 * Before the handshake anybody is a client.  One source has a share of them; beyond those
 * of all the oldest makes room, since it had most time.
 */
#define STRANGERS_MAX 128
#define STRANGERS_OF_A_SOURCE_MAX 32
#define OPERATORS_MAX 16
#define STEPS_MAX 256
#define COUNTERS_MAX 16

enum kind {
	STRANGER,
	SERVER,
	OPERATOR,
	KINDS,
};

struct client {
	struct serve *serve;
	struct channel *ch;
	uint64_t id;
	enum kind kind;
	char host[256];			/* by its certificate */
	char from[ADDR_TEXT_SIZE];
	struct in6_addr source;
	struct client *prev, *next;
};

struct counters {
	uint64_t n_known, n_unknown, n_failed, n_malformed;
	uint64_t n_sightings, n_reports_lost;
	uint64_t n_connections, n_rejected, n_full, n_crowded, n_pushed_out, n_slow;
};

struct serve {
	struct event_base *base;
	const struct serve_conf *conf;
	SSL_CTX *tls;
	struct watched *database;
	struct notes *notes;
	struct listeners listeners;
	int control_fd;
	struct event *control;
	struct event *tick;		/* every second */
	struct client *clients;		/* the oldest first */
	unsigned int count[KINDS];
	uint64_t last_id;
	time_t started, complained;
	bool listening;
	struct counters n;
	char host[sizeof(((struct utsname *)0)->nodename)];
	/* What the last status points to. */
	Sockgate__Counter counter[COUNTERS_MAX];
	Sockgate__Counter *counters[COUNTERS_MAX];
};

static time_t monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* ---- clients ------------------------------------------------------------- */

static void end(struct client *c)
{
	struct serve *s = c->serve;

	DL_DELETE(s->clients, c);
	s->count[c->kind]--;
	channel_free(c->ch);
	free(c);
}

static void become(struct client *c, enum kind kind)
{
	c->serve->count[c->kind]--;
	c->kind = kind;
	c->serve->count[kind]++;
}

static struct client *new_client(struct serve *s, enum kind kind)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->serve = s;
	c->id = ++s->last_id;
	c->kind = kind;
	return c;
}

/* Without a channel (there was no memory for it) it goes at once. */
static void add_client(struct client *c)
{
	if (!c->ch) {
		free(c);
		return;
	}
	DL_APPEND(c->serve->clients, c);
	c->serve->count[c->kind]++;
}

static void send_message(struct client *c, Sockgate__Message *msg)
{
	/* What is down is told by ->down. */
	if (!channel_send(c->ch, msg) || errno == ENOTCONN)
		return;
	log_warn("server %s (%s): cut off", c->host, c->from);
	c->serve->n.n_slow++;
	end(c);
}

static void send_error(struct client *c, uint64_t id, const char *text)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Error error = SOCKGATE__ERROR__INIT;

	error.text = (char *)text;
	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_ERROR;
	msg.error = &error;
	send_message(c, &msg);
}

static void malformed(struct client *c, uint64_t id, const char *why)
{
	c->serve->n.n_malformed++;
	log_debug("server %s: malformed message: %s", c->host, why);
	send_error(c, id, why);
}

static void tell_version(struct client *c)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__SignaturesChanged changed = SOCKGATE__SIGNATURES_CHANGED__INIT;

	changed.version = watched_version(c->serve->database);
	changed.protocol = WIRE_PROTOCOL;
	msg.body_case = SOCKGATE__MESSAGE__BODY_SIGNATURES_CHANGED;
	msg.signatures_changed = &changed;
	send_message(c, &msg);
}

/* ---- questions ----------------------------------------------------------- */

/* The steps of an explanation, with copies of their texts. */
struct steps {
	Sockgate__SignatureStep step[STEPS_MAX];
	Sockgate__SignatureStep *list[STEPS_MAX];
	size_t count;
	bool failed;
};

static int take_step(const struct explain_row *row, void *arg)
{
	struct steps *s = arg;
	Sockgate__SignatureStep *step = &s->step[s->count];

	if (s->count == STEPS_MAX)
		return 1;
	sockgate__signature_step__init(step);
	s->list[s->count++] = step;
	step->by = strdup(row->by);
	step->source = strdup(row->source);
	step->verdict = strdup(row->verdict);
	step->name = strdup(row->name);
	step->version = strdup(row->version);
	step->trust = (uint32_t)row->trust;
	step->threat = (uint32_t)row->threat;
	step->outcome = row->outcome;
	s->failed = !step->by || !step->source || !step->verdict || !step->name ||
		    !step->version;
	return s->failed;
}

static void free_steps(struct steps *s)
{
	for (size_t i = 0; s && i < s->count; i++) {
		free(s->step[i].by);
		free(s->step[i].source);
		free(s->step[i].verdict);
		free(s->step[i].name);
		free(s->step[i].version);
	}
	free(s);
}

/* NULL if it cannot be explained. */
static struct steps *explain(struct serve *s, const struct sigdb_question *q)
{
	struct steps *steps = calloc(1, sizeof(*steps));

	if (!steps)
		return NULL;
	if (watched_explain(s->database, q, take_step, steps) >= 0 && !steps->failed)
		return steps;
	free_steps(steps);
	return NULL;
}

static void answer(struct client *c, uint64_t id, const Sockgate__SignatureQuery *query)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__SignatureAnswer body;
	Sockgate__Identity identity;
	struct serve *s = c->serve;
	struct steps *steps = NULL;
	struct sigdb_question q;
	struct sigdb_answer a;
	enum sigdb_result result;
	const char *why = wire_take_question(query, &q);

	if (why) {
		malformed(c, id, why);
		return;
	}
	result = watched_lookup(s->database, &q, &a);
	if (result != SIGDB_ERROR && query->explain)
		steps = explain(s, &q);
	if (result == SIGDB_ERROR || (query->explain && !steps)) {
		s->n.n_failed++;
		send_error(c, id, "the signature database cannot be asked at present");
		return;
	}
	if (result == SIGDB_KNOWN)
		s->n.n_known++;
	else
		s->n.n_unknown++;
	wire_put_answer(&a, &identity, &body);
	if (steps) {
		body.n_step = steps->count;
		body.step = steps->list;
	}
	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_SIGNATURE_ANSWER;
	msg.signature_answer = &body;
	send_message(c, &msg);
	free_steps(steps);
}

/* ---- sightings ----------------------------------------------------------- */

static const char *check_report(const Sockgate__SightingsReport *report)
{
	struct sighting one;

	if (!report->n_sighting)
		return "there is no sighting in it";
	for (size_t i = 0; i < report->n_sighting; i++)
		if (wire_take_sighting(report->sighting[i], INT64_MAX, &one))
			return "a sighting is impossible";
	return NULL;
}

static void take_report(struct client *c, Sockgate__Message *msg)
{
	const char *why = check_report(msg->sightings_report);
	struct serve *s = c->serve;

	if (why) {
		malformed(c, msg->id, why);
		return;
	}
	if (notes_add(s->notes, c->id, msg->id, msg->sightings_report)) {
		s->n.n_reports_lost++;
		send_error(c, msg->id, "too many reports wait to be written");
		return;
	}
	s->n.n_sightings += msg->sightings_report->n_sighting;
	/* It is the thread's now: take it out of the channel's message. */
	msg->sightings_report = NULL;
	msg->body_case = SOCKGATE__MESSAGE__BODY__NOT_SET;
}

static void on_written(uint64_t owner, uint64_t id, bool written, void *arg)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__SightingsStored stored = SOCKGATE__SIGHTINGS_STORED__INIT;
	struct serve *s = arg;
	struct client *c;

	if (!written)
		s->n.n_reports_lost++;
	DL_SEARCH_SCALAR(s->clients, c, id, owner);
	if (!c)
		return;
	if (!written) {
		send_error(c, id, "the sightings could not be written");
		return;
	}
	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_SIGHTINGS_STORED;
	msg.sightings_stored = &stored;
	send_message(c, &msg);
}

/* ---- status -------------------------------------------------------------- */

static void count(struct serve *s, Sockgate__Status *out, const char *name, uint64_t value)
{
	Sockgate__Counter *c = &s->counter[out->n_counter];

	if (out->n_counter == COUNTERS_MAX)
		return;
	sockgate__counter__init(c);
	c->name = (char *)name;
	c->value = value;
	s->counters[out->n_counter++] = c;
}

static void send_status(struct client *c, uint64_t id)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Status status = SOCKGATE__STATUS__INIT;
	struct serve *s = c->serve;

	status.program = (char *)"sigdb";
	status.version = (char *)SOCKGATE_VERSION;
	status.host = s->host;
	status.uptime_s = (uint64_t)(monotonic() - s->started);
	status.certificate_end = (uint64_t)tls_own_end(s->tls);
	status.signatures = (char *)s->conf->database;
	status.signatures_error = (char *)watched_error(s->database);
	status.signatures_version = watched_version(s->database);
	status.clients = s->count[SERVER];
	status.counter = s->counters;
	count(s, &status, "lookups_known", s->n.n_known);
	count(s, &status, "lookups_unknown", s->n.n_unknown);
	count(s, &status, "lookups_failed", s->n.n_failed);
	count(s, &status, "malformed", s->n.n_malformed);
	count(s, &status, "sightings_taken", s->n.n_sightings);
	count(s, &status, "sighting_reports_lost", s->n.n_reports_lost);
	count(s, &status, "connections", s->n.n_connections);
	count(s, &status, "connections_rejected", s->n.n_rejected);
	count(s, &status, "connections_no_room", s->n.n_full);
	count(s, &status, "connections_of_crowded_source", s->n.n_crowded);
	count(s, &status, "connections_pushed_out", s->n.n_pushed_out);
	count(s, &status, "servers_too_slow", s->n.n_slow);
	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_STATUS;
	msg.status = &status;
	send_message(c, &msg);
}

/* ---- the channels -------------------------------------------------------- */

static void pong(struct client *c, uint64_t id)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Pong body = SOCKGATE__PONG__INIT;

	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_PONG;
	msg.pong = &body;
	send_message(c, &msg);
}

static void on_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	struct client *c = arg;
	struct serve *s = c->serve;

	if (c->kind == OPERATOR)
		return;
	snprintf(c->host, sizeof(c->host), "%s", peer->host);
	if (s->count[SERVER] >= s->conf->max_clients) {
		s->n.n_full++;
		log_warnx("server %s (%s) refused: there are as many as may be "
			  "(max_clients)", c->host, c->from);
		end(c);
		return;
	}
	become(c, SERVER);
	channel_set_idle_limit(ch, IDLE_LIMIT_S);
	log_info("server %s (%s) connected", c->host, c->from);
	tell_version(c);
}

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct client *c = arg;

	(void)ch;
	if (c->kind == OPERATOR) {
		if (msg->body_case == SOCKGATE__MESSAGE__BODY_STATUS_QUERY)
			send_status(c, msg->id);
		else
			send_error(c, msg->id, "a signature service is asked for its status only");
		return;
	}
	switch (msg->body_case) {
	case SOCKGATE__MESSAGE__BODY_SIGNATURE_QUERY:
		answer(c, msg->id, msg->signature_query);
		break;
	case SOCKGATE__MESSAGE__BODY_SIGHTINGS_REPORT:
		take_report(c, msg);
		break;
	case SOCKGATE__MESSAGE__BODY_PING:
		pong(c, msg->id);
		break;
	default:
		malformed(c, msg->id, "a server may not send this message");
		break;
	}
}

/* Anybody can cause this: no more than one line a second. */
static void rejected(struct client *c, const char *why)
{
	struct serve *s = c->serve;
	time_t now = monotonic();

	s->n.n_rejected++;
	if (now == s->complained)
		return;
	s->complained = now;
	log_warnx("connection from %s refused: %s", c->from, why);
}

static void on_down(struct channel *ch, const char *why, void *arg)
{
	struct client *c = arg;

	(void)ch;
	if (c->kind == SERVER)
		log_info("server %s (%s) is gone: %s", c->host, c->from, why);
	else if (c->kind == STRANGER)
		rejected(c, why);
	end(c);
}

static const struct channel_ops ops = {
	.up = on_up,
	.message = on_message,
	.down = on_down,
};

/* ---- connections --------------------------------------------------------- */

/* accept() ran out of something: try again, since others may have left. */
static void set_listening(struct serve *s, bool on)
{
	s->listening = on;
	listeners_enable(&s->listeners, on);
	if (on)
		event_add(s->control, NULL);
	else
		event_del(s->control);
}

static void push_out_the_oldest_stranger(struct serve *s)
{
	struct client *c;

	DL_SEARCH_SCALAR(s->clients, c, kind, STRANGER);
	if (!c)
		return;
	s->n.n_pushed_out++;
	end(c);
}

static bool is_crowded(const struct serve *s, const struct in6_addr *source)
{
	const struct client *c;
	unsigned int n = 0;

	DL_FOREACH(s->clients, c)
		n += c->kind == STRANGER && IN6_ARE_ADDR_EQUAL(&c->source, source);
	return n >= STRANGERS_OF_A_SOURCE_MAX;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
		      struct sockaddr *addr, int len, void *arg)
{
	struct in6_addr source = addr_source(addr);
	struct serve *s = arg;
	struct client *c = NULL;

	(void)listener, (void)len;
	s->n.n_connections++;
	if (is_crowded(s, &source))
		s->n.n_crowded++;
	else
		c = new_client(s, STRANGER);
	if (!c) {
		close(fd);
		return;
	}
	if (s->count[STRANGER] >= STRANGERS_MAX)
		push_out_the_oldest_stranger(s);
	c->source = source;
	addr_format(addr, c->from);
	c->ch = channel_accept_tls(s->base, s->tls, fd, TLS_ROLE_SERVER, &ops, c);
	add_client(c);
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	(void)listener;
	log_warn("cannot accept connections for a moment");
	set_listening(arg, false);
}

static void on_control(evutil_socket_t listener, short what, void *arg)
{
	int fd = control_accept(listener);
	struct serve *s = arg;
	struct client *c;

	(void)what;
	if (fd < 0) {
		if (errno == EAGAIN)
			return;
		log_warn("control socket: connection refused");
		if (errno != EPERM)
			set_listening(s, false);
		return;
	}
	c = s->count[OPERATOR] < OPERATORS_MAX ? new_client(s, OPERATOR) : NULL;
	if (!c) {
		close(fd);
		return;
	}
	c->ch = channel_local(s->base, fd, &ops, c);
	add_client(c);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct serve *s = arg;

	(void)fd, (void)what;
	serve_refresh(s);
	if (!s->listening)
		set_listening(s, true);
}

void serve_refresh(struct serve *s)
{
	struct client *c, *next;

	if (!watched_refresh(s->database))
		return;
	log_info("signatures have changed: version %016llx",
		 (unsigned long long)watched_version(s->database));
	DL_FOREACH_SAFE(s->clients, c, next) {
		if (c->kind == SERVER)
			tell_version(c);
	}
}

/* ---- start and end ------------------------------------------------------- */

static int start_events(struct serve *s, char *why, size_t why_size)
{
	struct timeval second = { .tv_sec = 1 };

	s->control_fd = control_listen(s->conf->control, why, why_size);
	if (s->control_fd < 0)
		return -1;
	s->control = event_new(s->base, s->control_fd, EV_READ | EV_PERSIST, on_control, s);
	s->tick = event_new(s->base, -1, EV_PERSIST, on_tick, s);
	if (s->control && s->tick && !event_add(s->control, NULL) &&
	    !event_add(s->tick, &second))
		return 0;
	snprintf(why, why_size, "out of memory");
	return -1;
}

static int open_all(struct serve *s, char *why, size_t why_size)
{
	const struct listeners_conf listening = {
		.at = &s->conf->listen, .backlog = BACKLOG, .accept = on_accept,
		.failed = on_accept_error, .arg = s,
	};

	s->tls = tls_context(true, TLS_ROLE_SIGDB, &s->conf->tls, why, why_size);
	if (!s->tls)
		return -1;
	s->database = watched_open(s->conf->database, why, why_size);
	if (!s->database)
		return -1;
	s->notes = notes_new(s->base, s->conf->database, on_written, s);
	if (!s->notes) {
		snprintf(why, why_size, "cannot start a thread");
		return -1;
	}
	if (start_events(s, why, why_size))
		return -1;
	if (listeners_open(&s->listeners, s->base, &listening, why, why_size))
		return -1;
	s->listening = true;
	return 0;
}

struct serve *serve_new(struct event_base *base, const struct serve_conf *conf,
			char *why, size_t why_size)
{
	struct serve *s = calloc(1, sizeof(*s));
	struct utsname name;

	if (!s) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	s->base = base;
	s->conf = conf;
	s->control_fd = -1;
	s->started = monotonic();
	if (!uname(&name))
		snprintf(s->host, sizeof(s->host), "%s", name.nodename);
	if (!open_all(s, why, why_size))
		return s;
	serve_free(s);
	return NULL;
}

void serve_free(struct serve *s)
{
	struct client *c, *next;

	listeners_close(&s->listeners);
	if (s->tick)
		event_free(s->tick);
	if (s->control)
		event_free(s->control);
	if (s->control_fd >= 0)
		close(s->control_fd);
	DL_FOREACH_SAFE(s->clients, c, next)
		end(c);
	notes_free(s->notes);
	watched_close(s->database);
	SSL_CTX_free(s->tls);
	free(s);
}

uint16_t serve_port(const struct serve *s)
{
	return listener_port(s->listeners.one[0]);
}
