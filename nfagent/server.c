// SPDX-License-Identifier: GPL-2.0-only
/*
 * One connection at a time, to one server of the list.  A round is one attempt
 * at each server; after a round that failed we wait, longer each time.
 *
 * Health is progress: a server that is connected but says nothing for
 * silence_ms, not even to a ping, is left for the next one.
 */
#include "server.h"

#include <event2/event.h>
#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "backoff.h"
#include "channel.h"
#include "log.h"
#include "moment.h"

#define PING_MS 1000

/* A connection that ends sooner is not made again at once. */
#define SHORT_LIVED_MS 1000

/*
 * Bytes that are on their way: with more a part of a file waits.  So no question is
 * ever behind more than these and one part, on a slow line too.
 */
#define PART_UNSENT 16384

/* Ids of what is no question; those count up from 1. */
#define ID_HELLO (1ULL << 63 | 1)
#define ID_PING (1ULL << 63 | 2)
#define ID_RECORDS (1ULL << 63 | 3)

struct server {
	struct event_base *base;
	const struct server_conf *conf;
	struct server_ops ops;
	void *arg;
	struct channel *channel;
	struct event *timer;	/* next attempt, end of this one, or ping */
	unsigned int current;	/* index into the list */
	unsigned int failed;	/* attempts in this round */
	unsigned int rounds;	/* failed since the last connection */
	int last_welcome;	/* index of the server of before, -1 */
	bool welcome;		/* this connection is up */
	bool fetches;
	uint64_t welcome_us;	/* since when it is up */
	uint64_t heard_us;
	uint64_t losses;
	char error[512];
};

static void wait_ms(struct server *s, unsigned int ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	event_add(s->timer, &tv);
}

static const struct server_address *address(const struct server *s)
{
	return &s->conf->list[s->current];
}

static int send_message(struct server *s, Sockgate__Message *msg)
{
	if (!s->channel)
		return -1;
	return channel_send(s->channel, msg);
}

/* It was up: the next of the list, and then this one again. */
static void lost(struct server *s)
{
	uint64_t lasted_us = moment_now().us - s->welcome_us;

	s->losses++;
	s->failed = 0;
	wait_ms(s, lasted_us < SHORT_LIVED_MS * 1000ULL ? BACKOFF_FIRST_MS : 0);
	s->ops.state(SERVER_CONNECTING, s->arg);
}

static void attempt_failed(struct server *s)
{
	uint32_t random;

	if (++s->failed < s->conf->n) {
		wait_ms(s, 0);
		return;
	}
	s->failed = 0;
	s->rounds++;
	evutil_secure_rng_get_bytes(&random, sizeof(random));
	wait_ms(s, backoff_ms(s->rounds, random));
	s->ops.state(SERVER_AWAY, s->arg);
}

/* This connection, or attempt, is over. */
static void give_up(struct server *s, const char *why)
{
	bool was_up = s->welcome;

	if (was_up || !s->rounds)
		log_warnx("server %s (%s): %s", address(s)->text,
			  address(s)->name, why);
	snprintf(s->error, sizeof(s->error), "%s (%s): %s", address(s)->text,
		 address(s)->name, why);
	channel_free(s->channel);
	s->channel = NULL;
	s->welcome = false;
	s->current = (s->current + 1) % s->conf->n;
	if (was_up)
		lost(s);
	else
		attempt_failed(s);
}

static void say_hello(struct server *s)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Hello hello = SOCKGATE__HELLO__INIT;
	struct utsname uts;

	if (uname(&uts))
		memset(&uts, 0, sizeof(uts));
	hello.protocol = 1;
	hello.version = (char *)SOCKGATE_VERSION;
	hello.host = (char *)s->conf->host;
	hello.context = (char *)s->conf->context;
	hello.kernel = uts.release;
	hello.instance.data = (uint8_t *)s->conf->instance;
	hello.instance.len = 16;
	msg.id = ID_HELLO;
	msg.body_case = SOCKGATE__MESSAGE__BODY_HELLO;
	msg.hello = &hello;
	if (send_message(s, &msg))
		give_up(s, "cannot send");
}

static void on_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	(void)ch;
	(void)peer;
	say_hello(arg);
}

static void welcomed(struct server *s, const Sockgate__Welcome *welcome)
{
	bool another = s->last_welcome != (int)s->current;

	if (s->welcome)
		return;
	s->welcome = true;
	s->fetches = welcome->fetches;
	s->welcome_us = s->heard_us;
	s->last_welcome = (int)s->current;
	s->failed = 0;
	s->rounds = 0;
	s->error[0] = '\0';
	wait_ms(s, PING_MS);
	log_info("connected to server %s (%s), version %s, policy generation %llu",
		 address(s)->text, address(s)->name, welcome->version,
		 (unsigned long long)welcome->generation);
	s->ops.policy(welcome->generation, welcome->events, welcome->facts, another,
		      s->arg);
	s->ops.state(SERVER_UP, s->arg);
}

static void send_empty(struct server *s, uint64_t id,
		       Sockgate__Message__BodyCase body)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Ping ping = SOCKGATE__PING__INIT;
	Sockgate__Pong pong = SOCKGATE__PONG__INIT;

	msg.id = id;
	msg.body_case = body;
	if (body == SOCKGATE__MESSAGE__BODY_PING)
		msg.ping = &ping;
	else
		msg.pong = &pong;
	(void)send_message(s, &msg);	/* silence will tell */
}

static void on_error(struct server *s, uint64_t id,
		     const Sockgate__Error *error)
{
	char why[256];

	log_warnx("server %s: %s", address(s)->text, error->text);
	if (id == ID_HELLO) {
		snprintf(why, sizeof(why), "it refuses us: %s", error->text);
		give_up(s, why);
	} else if (id == ID_RECORDS) {
		s->ops.refused(s->arg);
	} else if (id && id < ID_HELLO) {
		s->ops.decided(id, NULL, s->arg);
	}
}

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct server *s = arg;

	(void)ch;
	s->heard_us = moment_now().us;
	switch (msg->body_case) {
	case SOCKGATE__MESSAGE__BODY_WELCOME:
		welcomed(s, msg->welcome);
		break;
	case SOCKGATE__MESSAGE__BODY_ERROR:
		on_error(s, msg->id, msg->error);
		break;
	case SOCKGATE__MESSAGE__BODY_DECISION:
		if (s->welcome)
			s->ops.decided(msg->id, msg->decision, s->arg);
		break;
	case SOCKGATE__MESSAGE__BODY_POLICY_CHANGED:
		if (s->welcome)
			s->ops.policy(msg->policy_changed->generation,
				      msg->policy_changed->events,
				      msg->policy_changed->facts, false, s->arg);
		break;
	case SOCKGATE__MESSAGE__BODY_RECORDS_STORED:
		if (s->welcome)
			s->ops.stored(msg->records_stored->sequence, s->arg);
		break;
	case SOCKGATE__MESSAGE__BODY_CONTENT_QUERY:
		if (s->welcome)
			s->ops.content(msg->id, msg->content_query, s->arg);
		break;
	case SOCKGATE__MESSAGE__BODY_PING:
		send_empty(s, msg->id, SOCKGATE__MESSAGE__BODY_PONG);
		break;
	default:
		break;
	}
}

static void on_down(struct channel *ch, const char *why, void *arg)
{
	(void)ch;
	give_up(arg, why);
}

static const struct channel_ops channel_events = {
	.up = on_up, .message = on_message, .down = on_down,
};

static void attempt(struct server *s)
{
	const struct server_address *a = address(s);
	struct tls_peer expect = { .role = TLS_ROLE_SERVER };

	snprintf(expect.host, sizeof(expect.host), "%s", a->name);
	wait_ms(s, s->conf->attempt_ms);
	s->channel = channel_connect_tls(s->base, s->conf->tls,
					 (const struct sockaddr *)&a->addr,
					 (int)a->len, &expect, &channel_events,
					 s);
	if (!s->channel)
		give_up(s, "cannot make a socket");
}

static void check_health(struct server *s)
{
	if (moment_now().us - s->heard_us > s->conf->silence_ms * 1000ULL) {
		give_up(s, "it is connected and says nothing");
		return;
	}
	send_empty(s, ID_PING, SOCKGATE__MESSAGE__BODY_PING);
	wait_ms(s, PING_MS);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd;
	(void)what;
	if (!s->channel)
		attempt(s);
	else if (!s->welcome)
		give_up(s, "no answer");
	else
		check_health(s);
}

struct server *server_new(struct event_base *base,
			  const struct server_conf *conf,
			  const struct server_ops *ops, void *arg)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->base = base;
	s->conf = conf;
	s->ops = *ops;
	s->arg = arg;
	s->last_welcome = -1;
	snprintf(s->error, sizeof(s->error), "not connected yet");
	s->timer = evtimer_new(base, on_timer, s);
	if (!s->timer) {
		free(s);
		return NULL;
	}
	s->ops.state(SERVER_CONNECTING, s->arg);
	wait_ms(s, 0);
	return s;
}

void server_free(struct server *s)
{
	if (!s)
		return;
	channel_free(s->channel);
	event_free(s->timer);
	free(s);
}

int server_ask(struct server *s, uint64_t number, Sockgate__Question *question)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	if (!s->welcome)
		return -1;
	msg.id = number;
	msg.body_case = SOCKGATE__MESSAGE__BODY_QUESTION;
	msg.question = question;
	return send_message(s, &msg);
}

int server_send_records(struct server *s, Sockgate__Records *records)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	/* Questions go first: records fill half of what may wait at most. */
	if (!s->welcome || channel_backlog(s->channel) > CHANNEL_BACKLOG / 2)
		return -1;
	msg.id = ID_RECORDS;
	msg.body_case = SOCKGATE__MESSAGE__BODY_RECORDS;
	msg.records = records;
	return send_message(s, &msg);
}

int server_send_part(struct server *s, uint64_t id, Sockgate__ContentPart *part)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	if (!s->welcome || channel_unsent(s->channel) > PART_UNSENT)
		return -1;
	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_CONTENT_PART;
	msg.content_part = part;
	return send_message(s, &msg);
}

bool server_fetches(const struct server *s)
{
	return s->welcome && s->fetches;
}

const char *server_in_use(const struct server *s)
{
	return s->welcome ? address(s)->text : "";
}

const char *server_error(const struct server *s)
{
	return s->error;
}

uint64_t server_losses(const struct server *s)
{
	return s->losses;
}
