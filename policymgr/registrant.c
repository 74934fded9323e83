// SPDX-License-Identifier: GPL-2.0-only
/* Functions that may end the connection do so last, and callers touch nothing afterwards. */
#include "registrant.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "addr.h"
#include "channel.h"
#include "log.h"

#define PROTOCOL 1
/* Three pings, see registry.c. */
#define IDLE_LIMIT_S 90
/* Until the server has registered. */
#define REGISTER_LIMIT_S 10

struct registrant {
	const struct registrant_env *env;
	struct channel *ch;
	char from[ADDR_TEXT_SIZE];
	char host[256];
	bool registered;
	uint64_t pushed;		/* the last number that was sent here */
	uint64_t push_id;		/* of its messages */
	struct shared_policy *sending;	/* NULL: all of it is on its way */
	size_t sent;
};

void shared_policy_put(struct shared_policy *shared)
{
	if (!shared || --shared->users)
		return;
	signed_policy_free(&shared->policy);
	free(shared);
}

static void end(struct registrant *r)
{
	r->env->gone(r, r->env->arg);
	registrant_free(r);
}

/* Returns -1 if the connection has ended. */
static int send_message(struct registrant *r, uint64_t id, Sockgate__Message *msg)
{
	msg->id = id;
	if (!channel_send(r->ch, msg) || errno == ENOTCONN)
		return 0;
	log_warn("server %s (%s): cut off", r->host, r->from);
	end(r);
	return -1;
}

static int send_error(struct registrant *r, uint64_t id, const char *text)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Error error = SOCKGATE__ERROR__INIT;

	error.text = (char *)text;
	msg.body_case = SOCKGATE__MESSAGE__BODY_ERROR;
	msg.error = &error;
	return send_message(r, id, &msg);
}

/* Tell it why, then end. */
static void reject(struct registrant *r, uint64_t id, const char *text)
{
	log_warnx("server %s (%s) refused: %s", r->host, r->from, text);
	if (!send_error(r, id, text))
		end(r);
}

/* ---- pushing ---- */

static void stop_sending(struct registrant *r)
{
	shared_policy_put(r->sending);
	r->sending = NULL;
	r->sent = 0;
}

/* One part: the next goes when the kernel has taken this one. */
static void send_part(struct registrant *r)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__PolicyVersion part;

	signed_policy_message(&r->sending->policy, &r->sent, &part);
	msg.body_case = SOCKGATE__MESSAGE__BODY_POLICY_VERSION;
	msg.policy_version = &part;
	if (send_message(r, r->push_id, &msg))
		return;
	if (!part.more)
		stop_sending(r);
}

void registrant_push(struct registrant *r)
{
	struct shared_policy *shared = r->registered ? r->env->due(r, r->env->arg) : NULL;

	if (!shared || r->pushed >= shared->policy.number)
		return;
	stop_sending(r);
	r->pushed = shared->policy.number;
	r->push_id++;
	r->sending = shared;
	shared->users++;
	log_info("version %" PRIu64 " goes to server %s", r->pushed, r->host);
	send_part(r);
}

static void on_drained(struct channel *ch, void *arg)
{
	struct registrant *r = arg;

	(void)ch;
	if (r->sending)
		send_part(r);
}

/* ---- the channel ---- */

static const char *check(const struct registrant *r, const Sockgate__PolicyRegister *m)
{
	if (m->protocol != PROTOCOL)
		return "this manager speaks version 1 of the protocol only";
	if (strcmp(m->host, r->host) != 0)
		return "it registers another host than the certificate names";
	if (!m->report || m->report->sha256.len != SHA256_SIZE)
		return "it does not say what it runs";
	return NULL;
}

static void answer(struct registrant *r, uint64_t id, const Sockgate__PolicyRegister *m)
{
	Sockgate__PolicyRegistered registered = SOCKGATE__POLICY_REGISTERED__INIT;
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	const char *why = check(r, m);

	if (!why)
		why = r->env->registered(r, m, r->env->arg);
	if (why) {
		reject(r, id, why);
		return;
	}
	registered.version = (char *)SOCKGATE_VERSION;
	registered.host = (char *)r->env->host;
	registered.latest = r->env->latest(r->env->arg);
	msg.body_case = SOCKGATE__MESSAGE__BODY_POLICY_REGISTERED;
	msg.policy_registered = &registered;
	r->registered = true;
	channel_set_idle_limit(r->ch, IDLE_LIMIT_S);
	if (!send_message(r, id, &msg))
		registrant_push(r);
}

static void take_report(struct registrant *r, uint64_t id, const Sockgate__PolicyReport *m)
{
	if (m->sha256.len != SHA256_SIZE) {
		reject(r, id, "it does not say what it runs");
		return;
	}
	r->env->reported(r, m, r->env->arg);
	registrant_push(r);
}

static void pong(struct registrant *r, uint64_t id)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Pong body = SOCKGATE__PONG__INIT;

	msg.body_case = SOCKGATE__MESSAGE__BODY_PONG;
	msg.pong = &body;
	send_message(r, id, &msg);
}

static void on_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	struct registrant *r = arg;

	snprintf(r->host, sizeof(r->host), "%s", peer->host);
	channel_set_idle_limit(ch, REGISTER_LIMIT_S);
}

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct registrant *r = arg;

	(void)ch;
	if (r->registered == (msg->body_case == SOCKGATE__MESSAGE__BODY_POLICY_REGISTER)) {
		reject(r, msg->id, r->registered ? "it is registered already" :
		       "the first message must register");
		return;
	}
	switch (msg->body_case) {
	case SOCKGATE__MESSAGE__BODY_POLICY_REGISTER:
		answer(r, msg->id, msg->policy_register);
		break;
	case SOCKGATE__MESSAGE__BODY_POLICY_REPORT:
		take_report(r, msg->id, msg->policy_report);
		break;
	case SOCKGATE__MESSAGE__BODY_PING:
		pong(r, msg->id);
		break;
	case SOCKGATE__MESSAGE__BODY_PONG:
		break;
	case SOCKGATE__MESSAGE__BODY_ERROR:
		log_debug("server %s answers with an error", r->host);
		break;
	default:
		reject(r, msg->id, "a server may not send this message");
		break;
	}
}

/* Anybody can cause this: no more than one line a second. */
static void refused_early(const struct registrant *r, const char *why)
{
	time_t now = time(NULL);

	if (now == *r->env->complained_s)
		return;
	*r->env->complained_s = now;
	log_warnx("connection from %s refused: %s", r->from, why);
}

static void on_down(struct channel *ch, const char *why, void *arg)
{
	struct registrant *r = arg;

	(void)ch;
	if (r->registered)
		log_info("server %s (%s) is away: %s", r->host, r->from, why);
	else
		refused_early(r, why);
	end(r);
}

static const struct channel_ops ops = {
	.up = on_up, .message = on_message, .down = on_down, .drained = on_drained,
};

struct registrant *registrant_new(const struct registrant_env *env, int fd,
				  const char *from)
{
	struct registrant *r = calloc(1, sizeof(*r));

	if (!r) {
		close(fd);
		return NULL;
	}
	r->env = env;
	snprintf(r->from, sizeof(r->from), "%s", from);
	r->ch = channel_accept_tls(env->base, env->tls, fd, TLS_ROLE_SERVER, &ops, r);
	if (r->ch)
		return r;
	free(r);
	return NULL;
}

void registrant_free(struct registrant *r)
{
	stop_sending(r);
	channel_free(r->ch);
	free(r);
}

const char *registrant_host(const struct registrant *r)
{
	return r->host;
}

const char *registrant_from(const struct registrant *r)
{
	return r->from;
}

bool registrant_is_registered(const struct registrant *r)
{
	return r->registered;
}

void registrant_ping(struct registrant *r)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Ping ping = SOCKGATE__PING__INIT;

	if (!r->registered)
		return;
	msg.body_case = SOCKGATE__MESSAGE__BODY_PING;
	msg.ping = &ping;
	send_message(r, 0, &msg);
}
