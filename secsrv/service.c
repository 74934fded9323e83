// SPDX-License-Identifier: GPL-2.0-only
#include "service.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <event2/event.h>
#include <event2/util.h>

#include "backoff.h"
#include "channel.h"
#include "log.h"
#include "sigdb/wire.h"

#define PING_MS 1000
/* A connection that ends sooner is not made again at once. */
#define SHORT_LIVED_MS 1000

struct service {
	struct event_base *base;
	SSL_CTX *tls;
	const struct service_address *address;
	const struct service_conf *conf;
	unsigned int number;
	struct service_ops ops;
	void *arg;
	struct channel *channel;
	struct event *timer;	/* next attempt, end of this one, or ping */
	bool up;
	unsigned int failed;	/* attempts since it was last up */
	unsigned int rounds;	/* the same, and connections on which it hung */
	uint64_t up_ms, heard_ms;
	bool has_version;	/* it was up before */
	uint64_t version;	/* of its database, as last heard */
	uint64_t losses;
	char error[512];
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void wait_ms(struct service *s, unsigned int ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	event_add(s->timer, &tv);
}

static void back_off(struct service *s)
{
	uint32_t random;

	s->rounds++;
	evutil_secure_rng_get_bytes(&random, sizeof(random));
	wait_ms(s, backoff_ms(s->rounds, random));
}

/* It was up: again at once, unless that was short, or it has never said a word since. */
static void lost(struct service *s)
{
	bool was_short = now_ms() - s->up_ms < SHORT_LIVED_MS;

	s->up = false;
	s->losses++;
	if (s->heard_ms == s->up_ms)
		back_off(s);
	else
		wait_ms(s, was_short ? BACKOFF_FIRST_MS : 0);
	s->ops.down(s, s->arg);
}

static void attempt_failed(struct service *s)
{
	s->failed++;
	back_off(s);
	s->ops.failed(s, s->arg);
}

/* This connection, or attempt, is over. */
static void give_up(struct service *s, const char *why)
{
	if (s->up || !s->failed)
		log_warnx("signature service %s (%s): %s", s->address->text,
			  s->address->name, why);
	snprintf(s->error, sizeof(s->error), "%s (%s): %s", s->address->text,
		 s->address->name, why);
	channel_free(s->channel);
	s->channel = NULL;
	if (s->up)
		lost(s);
	else
		attempt_failed(s);
}

static void on_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	/* It speaks first. */
	(void)ch, (void)peer, (void)arg;
}

/* Several go unanswered before it hangs. */
static unsigned int ping_ms(const struct service *s)
{
	unsigned int third = s->conf->silence_ms / 3;

	return third < PING_MS ? third : PING_MS;
}

static void come_up(struct service *s)
{
	s->up = true;
	s->failed = 0;
	s->up_ms = s->heard_ms;
	s->error[0] = '\0';
	wait_ms(s, ping_ms(s));
	log_info("signature service %s (%s) is up", s->address->text, s->address->name);
	s->ops.up(s, s->arg);
}

static void take_version(struct service *s, const Sockgate__SignaturesChanged *changed)
{
	bool another = s->has_version && s->version != changed->version;

	if (changed->protocol != WIRE_PROTOCOL) {
		give_up(s, "it speaks another version of the protocol");
		return;
	}
	s->has_version = true;
	s->version = changed->version;
	if (another)
		s->ops.changed(s, s->arg);
	if (!s->up)
		come_up(s);
}

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct service *s = arg;

	(void)ch;
	s->heard_ms = now_ms();
	if (s->up)
		s->rounds = 0;
	if (msg->body_case == SOCKGATE__MESSAGE__BODY_SIGNATURES_CHANGED)
		take_version(s, msg->signatures_changed);
	else if (!s->up)
		give_up(s, "it does not begin with the version of its database");
	else if (msg->body_case != SOCKGATE__MESSAGE__BODY_PONG)
		s->ops.message(s, msg, s->arg);
}

static void on_down(struct channel *ch, const char *why, void *arg)
{
	(void)ch;
	give_up(arg, why);
}

static const struct channel_ops channel_events = {
	.up = on_up, .message = on_message, .down = on_down,
};

static void attempt(struct service *s)
{
	const struct service_address *a = s->address;
	struct tls_peer expect = { .role = TLS_ROLE_SIGDB };

	snprintf(expect.host, sizeof(expect.host), "%s", a->name);
	wait_ms(s, s->conf->attempt_ms);
	s->channel = channel_connect_tls(s->base, s->tls,
					 (const struct sockaddr *)&a->addr, (int)a->len,
					 &expect, &channel_events, s);
	if (!s->channel)
		give_up(s, "cannot make a socket");
}

static void check_health(struct service *s)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Ping ping = SOCKGATE__PING__INIT;

	if (now_ms() - s->heard_ms > s->conf->silence_ms) {
		give_up(s, "it is connected and says nothing");
		return;
	}
	msg.body_case = SOCKGATE__MESSAGE__BODY_PING;
	msg.ping = &ping;
	(void)service_send(s, &msg);	/* silence will tell */
	wait_ms(s, ping_ms(s));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct service *s = arg;

	(void)fd, (void)what;
	if (!s->channel)
		attempt(s);
	else if (!s->up)
		give_up(s, "no answer");
	else
		check_health(s);
}

struct service *service_new(struct event_base *base, SSL_CTX *tls,
			    const struct service_address *address,
			    const struct service_conf *conf, unsigned int number,
			    const struct service_ops *ops, void *arg)
{
	struct service *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->base = base;
	s->tls = tls;
	s->address = address;
	s->conf = conf;
	s->number = number;
	s->ops = *ops;
	s->arg = arg;
	snprintf(s->error, sizeof(s->error), "%s (%s): not connected yet", address->text,
		 address->name);
	s->timer = evtimer_new(base, on_timer, s);
	if (!s->timer) {
		free(s);
		return NULL;
	}
	wait_ms(s, 0);
	return s;
}

void service_free(struct service *s)
{
	if (!s)
		return;
	channel_free(s->channel);
	event_free(s->timer);
	free(s);
}

unsigned int service_number(const struct service *s)
{
	return s->number;
}

bool service_is_up(const struct service *s)
{
	return s->up;
}

bool service_is_away(const struct service *s)
{
	return !s->up && s->failed;
}

int service_send(struct service *s, Sockgate__Message *msg)
{
	return s->up ? channel_send(s->channel, msg) : -1;
}

const char *service_address(const struct service *s)
{
	return s->address->text;
}

const char *service_error(const struct service *s)
{
	return s->error;
}

uint64_t service_losses(const struct service *s)
{
	return s->losses;
}
