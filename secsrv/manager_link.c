// SPDX-License-Identifier: GPL-2.0-only
/*
 * One connection at a time, to one manager of the list; when it ends, the next one is
 * tried after a short while.
 *
 * What counts is a version's signature and its number.  The connection only says where
 * versions come from: whoever has a manager's certificate, but not the key, can make
 * nothing be put in force, and an old version is never newer than the last one.
 */
#include "manager_link.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <event2/event.h>
#include <event2/util.h>

#include "channel.h"
#include "conf_text.h"
#include "log.h"
#include "policy.h"

#define PROTOCOL 1
/* Between attempts; at random, so that not all servers come at once. */
#define RETRY_MIN_MS 500
#define RETRY_SPAN_MS 1500
#define ATTEMPT_MS 15000	/* until it has answered */
#define IDLE_LIMIT_S 90		/* three pings of the manager */
#define ID_REGISTER 1

#define BODY(name) SOCKGATE__MESSAGE__BODY_##name

struct manager_link {
	struct event_base *base;
	const struct server_conf *conf;
	struct manager_link_ops ops;
	void *arg;
	SSL_CTX *tls;
	struct tls_peer self;		/* as our certificate says */
	struct event *timer;		/* the next attempt, or the end of this one */
	struct channel *ch;
	unsigned int current;		/* index into the list */
	bool told;			/* it has been told what is in force */
	bool registered, complained;
	struct signed_policy_parts parts;
	struct signed_policy last;	/* accepted last, without text; number 0: none */
	uint64_t loading;		/* the newest that is being loaded, 0: none */
	time_t refused_s;		/* when that was last logged */
	uint64_t refused;		/* after the last one, on this connection */
	char reason[512];
	char error[512];		/* why there is no manager */
};

static void wait_ms(struct manager_link *l, unsigned int ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	event_add(l->timer, &tv);
}

static const struct server_manager *manager(const struct manager_link *l)
{
	return &l->conf->manager[l->current];
}

/* ---- what is noted ---- */

size_t manager_note(const struct signed_policy *version, char note[MANAGER_NOTE_SIZE])
{
	size_t length = signed_policy_head(version, note);

	length += (size_t)snprintf(note + length, MANAGER_NOTE_SIZE - length, "signature ");
	hex_encode(version->signature, ED25519_SIGNATURE_SIZE, note + length);
	length += 2 * ED25519_SIGNATURE_SIZE;
	note[length++] = '\n';
	note[length] = '\0';
	return length;
}

/* Exactly what manager_note() writes.  Returns 0 or -1. */
static int parse_note(char *note, struct signed_policy *version)
{
	char again[MANAGER_NOTE_SIZE], hex[2 * ED25519_SIGNATURE_SIZE + 1];
	uint8_t signature[ED25519_SIGNATURE_SIZE];
	char *line = strstr(note, "\nsignature ");

	if (!line || sscanf(line, " signature %128s", hex) != 1 ||
	    hex_decode(hex, signature, sizeof(signature)))
		return -1;
	snprintf(again, sizeof(again), "%.*s", (int)(line + 1 - note), note);
	if (signed_policy_parse(again, version))
		return -1;
	memcpy(version->signature, signature, sizeof(signature));
	manager_note(version, again);
	return strcmp(again, note) == 0 ? 0 : -1;
}

/* One that is damaged, or signed by another key, is as good as none. */
static int read_note(struct manager_link *l, char *why, size_t why_size)
{
	const char *file = l->conf->policy_note;
	char reason[512];
	size_t size;
	char *note = conf_text_read(file, MANAGER_NOTE_SIZE, &size, reason, sizeof(reason));

	if (!note && errno == ENOENT)
		return 0;
	if (!note) {
		snprintf(why, why_size, "%s: %s", file, reason);
		return -1;
	}
	if (size >= MANAGER_NOTE_SIZE || parse_note(note, &l->last)) {
		snprintf(reason, sizeof(reason), "it is damaged");
		memset(&l->last, 0, sizeof(l->last));
	} else if (!signed_policy_verify(&l->last, l->conf->policy_key, reason,
					 sizeof(reason))) {
		reason[0] = '\0';
	} else {
		memset(&l->last, 0, sizeof(l->last));
	}
	free(note);
	if (*reason)
		log_warnx("%s does not count: %s", file, reason);
	return 0;
}

/* ---- telling ---- */

static bool drifts(const struct manager_link *l)
{
	return l->last.number &&
	       memcmp(l->ops.in_force(l->arg), l->last.sha256, SHA256_SIZE) != 0;
}

static void fill_report(struct manager_link *l, Sockgate__PolicyReport *report)
{
	report->number = l->last.number;
	report->sha256.data = (uint8_t *)l->ops.in_force(l->arg);
	report->sha256.len = SHA256_SIZE;
	report->refused = l->refused;
	report->reason = l->reason;
}

/* The connection is over, or the attempt. */
static void give_up(struct manager_link *l, const char *why)
{
	uint32_t random;

	snprintf(l->error, sizeof(l->error), "%s (%s): %s", manager(l)->text,
		 manager(l)->name, why);
	if (!l->complained)
		log_warnx("policy manager %s; the policy in force stays", l->error);
	l->complained = true;
	channel_free(l->ch);
	l->ch = NULL;
	l->told = l->registered = false;
	signed_policy_parts_free(&l->parts);
	l->refused = 0;
	l->reason[0] = '\0';
	l->current = (l->current + 1) % l->conf->managers;
	evutil_secure_rng_get_bytes(&random, sizeof(random));
	wait_ms(l, RETRY_MIN_MS + random % RETRY_SPAN_MS);
}

static void send_message(struct manager_link *l, uint64_t id, Sockgate__Message *msg)
{
	msg->id = id;
	if (channel_send(l->ch, msg) && errno != ENOTCONN)
		give_up(l, "it does not read what it is sent");
}

void manager_link_report(struct manager_link *l)
{
	Sockgate__PolicyReport report = SOCKGATE__POLICY_REPORT__INIT;
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	if (!l->told)
		return;
	fill_report(l, &report);
	msg.body_case = BODY(POLICY_REPORT);
	msg.policy_report = &report;
	send_message(l, 0, &msg);
}

void manager_link_describe(const struct manager_link *l, Sockgate__Status *out)
{
	out->manager = (char *)(l->registered ? manager(l)->text : "");
	out->manager_error = (char *)(l->registered ? "" : l->error);
	out->policy_version = l->last.number;
	out->policy_drift = drifts(l);
}

/* ---- versions ---- */

static time_t monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void refuse(struct manager_link *l, uint64_t number, const char *why)
{
	time_t now = monotonic();

	l->refused = number;
	snprintf(l->reason, sizeof(l->reason), "%s", why);
	/* A manager may send them as fast as it can. */
	if (now != l->refused_s)
		log_warnx("version %" PRIu64 " of the policy is refused: %s", number, why);
	l->refused_s = now;
	manager_link_report(l);
}

/*
 * Whoever sends what nobody signed is not listened to for a while, else it could keep us
 * verifying.  The only manager is told on the next connection, too, so that one that
 * merely has another key does not send it for ever; others may have a true one.
 */
static void cut_off(struct manager_link *l, uint64_t number, const char *why)
{
	refuse(l, number, why);
	if (l->ch)
		give_up(l, why);
	if (l->conf->managers > 1)
		return;
	l->refused = number;
	snprintf(l->reason, sizeof(l->reason), "%s", why);
}

/*
 * Of one that is signed.
 * Returns 0; 1 if it is what was accepted already, or is being loaded; -1 with a sentence.
 * A connection may have ended before the manager was told.
 */
static int check_version(const struct manager_link *l, const struct signed_policy *p,
			 char *why, size_t why_size)
{
	uint64_t newest = l->loading ? l->loading : l->last.number;

	if (p->number > newest)
		return 0;
	if (p->number == l->loading ||
	    (p->number == newest && !memcmp(p->sha256, l->last.sha256, SHA256_SIZE)))
		return 1;
	snprintf(why, why_size, "version %" PRIu64 " is not newer than version %" PRIu64
		 ", which was accepted before", p->number, newest);
	return -1;
}

static void take_version(struct manager_link *l)
{
	struct signed_policy version = l->parts.policy;
	uint64_t number = version.number;
	char why[512];
	int rc;

	memset(&l->parts, 0, sizeof(l->parts));
	if (signed_policy_verify(&version, l->conf->policy_key, why, sizeof(why))) {
		signed_policy_free(&version);
		cut_off(l, number, why);
		return;
	}
	rc = check_version(l, &version, why, sizeof(why));
	if (rc)
		signed_policy_free(&version);
	if (rc < 0) {
		refuse(l, number, why);
		return;
	}
	if (rc) {
		manager_link_report(l);
		return;
	}
	l->loading = number;
	if (!l->ops.load(&version, l->arg))
		return;
	l->loading = 0;
	refuse(l, number, errno == EAGAIN ? "too many policies are being loaded" :
	       "out of memory");
}

static void take_part(struct manager_link *l, uint64_t id,
		      const Sockgate__PolicyVersion *part)
{
	char why[512];
	int rc = signed_policy_add(&l->parts, id, part, POLICY_SIZE_MAX, why, sizeof(why));

	if (!rc)
		take_version(l);
	else if (rc < 0)
		refuse(l, part->number, why);
}

void manager_link_loaded(struct manager_link *l, const struct signed_policy *version,
			 const struct policy_error *err)
{
	char why[1024];

	if (l->loading == version->number)
		l->loading = 0;
	if (err) {
		refuse(l, version->number, settings_error_text(err, why, sizeof(why)));
		return;
	}
	l->last = *version;
	l->last.text = NULL;
	l->refused = 0;
	l->reason[0] = '\0';
	log_info("version %" PRIu64 " of the policy is in force: by %s, %s", version->number,
		 version->author, version->comment);
	manager_link_report(l);
}

/* ---- the channel ---- */

static void on_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	Sockgate__PolicyRegister body = SOCKGATE__POLICY_REGISTER__INIT;
	Sockgate__PolicyReport report = SOCKGATE__POLICY_REPORT__INIT;
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	struct manager_link *l = arg;

	(void)ch, (void)peer;
	fill_report(l, &report);
	body.protocol = PROTOCOL;
	body.version = (char *)SOCKGATE_VERSION;
	body.host = l->self.host;
	body.report = &report;
	msg.body_case = BODY(POLICY_REGISTER);
	msg.policy_register = &body;
	l->told = true;
	send_message(l, ID_REGISTER, &msg);
}

static void registered(struct manager_link *l, const Sockgate__PolicyRegistered *m)
{
	l->registered = true;
	l->complained = false;
	l->error[0] = '\0';
	event_del(l->timer);
	channel_set_idle_limit(l->ch, IDLE_LIMIT_S);
	log_info("registered with policy manager %s (%s), version %s; its newest policy is "
		 "%" PRIu64 ", ours %" PRIu64, manager(l)->text, manager(l)->name, m->version,
		 m->latest, l->last.number);
}

static void pong(struct manager_link *l, uint64_t id)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Pong body = SOCKGATE__PONG__INIT;

	msg.body_case = BODY(PONG);
	msg.pong = &body;
	send_message(l, id, &msg);
}

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct manager_link *l = arg;

	(void)ch;
	switch (msg->body_case) {
	case BODY(POLICY_REGISTERED):
		if (!l->registered)
			registered(l, msg->policy_registered);
		break;
	case BODY(POLICY_VERSION):
		if (l->registered)
			take_part(l, msg->id, msg->policy_version);
		break;
	case BODY(PING):
		pong(l, msg->id);
		break;
	case BODY(ERROR):
		give_up(l, msg->error->text);
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

static void attempt(struct manager_link *l)
{
	const struct server_manager *m = manager(l);
	struct tls_peer expect = { .role = TLS_ROLE_MANAGER };

	snprintf(expect.host, sizeof(expect.host), "%s", m->name);
	l->ch = channel_connect_tls(l->base, l->tls, (const struct sockaddr *)&m->addr,
				    (int)m->len, &expect, &channel_events, l);
	if (l->ch)
		wait_ms(l, ATTEMPT_MS);
	else
		give_up(l, strerror(errno));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct manager_link *l = arg;

	(void)fd, (void)what;
	if (l->ch)
		give_up(l, "no answer");
	else
		attempt(l);
}

/* ---- start and end ---- */

static int set_up(struct manager_link *l, char *why, size_t why_size)
{
	l->tls = tls_context(false, TLS_ROLE_SERVER, &l->conf->tls, why, why_size);
	if (!l->tls)
		return -1;
	if (tls_peer_of_cert(SSL_CTX_get0_certificate(l->tls), &l->self)) {
		snprintf(why, why_size, "%s names no host", l->conf->tls.cert);
		return -1;
	}
	if (ed25519_check(l->conf->policy_key, why, why_size) ||
	    read_note(l, why, why_size))
		return -1;
	snprintf(l->error, sizeof(l->error), "not connected yet");
	l->timer = evtimer_new(l->base, on_timer, l);
	if (l->timer)
		return 0;
	snprintf(why, why_size, "out of memory");
	return -1;
}

struct manager_link *manager_link_new(struct event_base *base, const struct server_conf *conf,
				      const struct manager_link_ops *ops, void *arg,
				      char *why, size_t why_size)
{
	struct manager_link *l = calloc(1, sizeof(*l));

	if (!l) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	l->base = base;
	l->conf = conf;
	l->ops = *ops;
	l->arg = arg;
	if (set_up(l, why, why_size)) {
		manager_link_free(l);
		return NULL;
	}
	wait_ms(l, 0);
	return l;
}

void manager_link_free(struct manager_link *l)
{
	if (!l)
		return;
	channel_free(l->ch);
	signed_policy_parts_free(&l->parts);
	if (l->timer)
		event_free(l->timer);
	SSL_CTX_free(l->tls);
	free(l);
}
