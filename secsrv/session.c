// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records are acknowledged up to a sequence, so they are taken in order or not
 * at all: once a batch has found no room, all later ones are held back too,
 * until one comes that begins where the first was refused, or before.
 *
 * Every function that may end the session does so last, and its callers touch
 * nothing afterwards.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/time.h>
#include <unistd.h>
#include <event2/event.h>
#include <utlist.h>

#include "addr.h"
#include "channel.h"
#include "log.h"
#include "question.h"
#include "session.h"

#define PROTOCOL 1
/* Three pings of the server, see server.c. */
#define IDLE_LIMIT_S 90
/* Until the agent has said hello. */
#define HELLO_LIMIT_S 10
/* An agent's share of the audit log's backlog. */
#define WAITING_MAX (AUDIT_BACKLOG_MAX / 8)

/* Of an agent's questions so many wait for a signature service. */
#define ASKED_MAX 4096
/* What of an agent's time is left for the rest. */
#define RESERVE(ms) ((ms) / 4)

/* A question that waits for a signature service. */
struct asked {
	struct identity_wait wait;
	struct session *session;
	uint64_t id;
	Sockgate__Question *question;
	int64_t waited_us, since_us;	/* before it was asked, and since when */
	struct asked *prev, *next;
};

struct session {
	const struct session_env *env;
	struct channel *ch;
	uint64_t id;
	char from[ADDR_TEXT_SIZE];
	struct audit_source source;
	char version[64];
	char context[64];
	char kernel[64];
	time_t since;			/* wall clock */
	bool greeted;
	uint64_t questions;
	uint64_t held_back;		/* first sequence without room, 0: none */
	struct asked *asked;		/* questions that wait for a service */
	unsigned int n_asked;
	size_t waiting;			/* bytes of records not yet committed */
};

/* End it and have the server forget it. */
static void end(struct session *s)
{
	s->env->gone(s, s->env->arg);
	session_free(s);
}

/* Returns -1 if the session has ended. */
static int send_message(struct session *s, Sockgate__Message *msg)
{
	if (!channel_send(s->ch, msg))
		return 0;
	if (errno == ENOTCONN)
		return 0;	/* ->down follows */
	log_warn("agent %s (%s): cut off", s->source.host, s->from);
	s->env->n->n_slow++;
	end(s);
	return -1;
}

static int send_error(struct session *s, uint64_t id, const char *text)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Error error = SOCKGATE__ERROR__INIT;

	error.text = (char *)text;
	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_ERROR;
	msg.error = &error;
	return send_message(s, &msg);
}

/* Tell the agent why, then end. */
static void reject(struct session *s, uint64_t id, const char *text)
{
	log_warnx("agent %s (%s) refused: %s", s->source.host, s->from, text);
	s->env->n->n_rejected++;
	if (!send_error(s, id, text))
		end(s);
}

static int malformed(struct session *s, uint64_t id, const char *why)
{
	s->env->n->n_malformed++;
	log_debug("agent %s: malformed message: %s", s->source.host, why);
	return send_error(s, id, why);
}

/* ---- hello ---- */

static const char *check_hello(const struct session *s,
			       const Sockgate__Hello *hello)
{
	if (hello->protocol != PROTOCOL)
		return "this server speaks version 1 of the protocol only";
	if (strcmp(hello->host, s->source.host))
		return "hello names another host than the certificate";
	if (hello->instance.len != AUDIT_INSTANCE_SIZE)
		return "hello carries no instance of 16 bytes";
	return NULL;
}

/* What is shown to people must not be able to play with their terminal. */
static void copy_word(char *out, size_t size, const char *text)
{
	size_t i;

	for (i = 0; i + 1 < size && text[i]; i++)
		out[i] = isgraph((unsigned char)text[i]) ? text[i] : '_';
	out[i] = '\0';
}

static void greet(struct session *s, uint64_t id, const Sockgate__Hello *hello)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Welcome welcome = SOCKGATE__WELCOME__INIT;
	const char *why = check_hello(s, hello);

	if (!why)
		why = s->env->hello(s, s->env->arg);
	if (why) {
		reject(s, id, why);
		return;
	}
	memcpy(s->source.instance, hello->instance.data, AUDIT_INSTANCE_SIZE);
	copy_word(s->version, sizeof(s->version), hello->version);
	copy_word(s->context, sizeof(s->context), hello->context);
	copy_word(s->kernel, sizeof(s->kernel), hello->kernel);
	s->greeted = true;
	channel_set_idle_limit(s->ch, IDLE_LIMIT_S);
	s->since = time(NULL);
	log_info("agent %s (%s) connected: version %s, %s", s->source.host,
		 s->from, s->version, s->context);
	welcome.version = (char *)SOCKGATE_VERSION;
	welcome.host = (char *)s->env->host;
	welcome.generation = judge_generation(s->env->judge);
	welcome.fetches = s->env->fetcher != NULL;
	welcome.events = judge_policy(s->env->judge)->events;
	welcome.facts = judge_policy(s->env->judge)->facts;
	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_WELCOME;
	msg.welcome = &welcome;
	send_message(s, &msg);
}

/* ---- questions ---- */

static uint64_t wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/*
 * How long what is being read has been there at least: since the event loop woke
 * up for it.  What came before it in this turn may have taken long.
 */
static int64_t turn_us(const struct session *s)
{
	struct timeval woke, now;

	if (event_base_gettimeofday_cached(s->env->base, &woke) ||
	    gettimeofday(&now, NULL))
		return 0;
	return (int64_t)(now.tv_sec - woke.tv_sec) * 1000000 + now.tv_usec -
	       woke.tv_usec;
}

static int64_t monotonic_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* By its content: what a claim says of it may be a lie. */
static bool is_known(const Sockgate__Identity *identity)
{
	return identity->source == SOCKGATE__IDENTITY__SOURCE__HASH ||
	       identity->source == SOCKGATE__IDENTITY__SOURCE__HASH_ONLY;
}

static int send_query(struct session *s, uint64_t id, uint64_t question,
		      const Sockgate__Process *process)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__ContentQuery query = SOCKGATE__CONTENT_QUERY__INIT;

	query.question = question;
	query.sha256 = process->sha256;
	query.limit = fetcher_max_bytes(s->env->fetcher);
	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_CONTENT_QUERY;
	msg.content_query = &query;
	return send_message(s, &msg);
}

/*
 * Nobody knows this one: before the question is answered, for so long does the agent
 * have the file open.  Returns -1 if the session has ended.
 */
static int fetch(struct session *s, uint64_t question, const Sockgate__Process *process,
		 Sockgate__Decision *decision)
{
	uint64_t id;

	if (!s->env->fetcher || !decision->identity || is_known(decision->identity))
		return 0;
	switch (fetcher_want(s->env->fetcher, s->id, s->source.host, process->sha256.data,
			     time(NULL), &id)) {
	case FETCHER_ASK:
		return send_query(s, id, question, process);
	case FETCHER_LATER:
		/* So that it is soon asked about again. */
		if (decision->lifetime_ms > FETCHER_LATER_MS)
			decision->lifetime_ms = FETCHER_LATER_MS;
		return 0;
	default:
		return 0;
	}
}

static void take_part(struct session *s, uint64_t id, const Sockgate__ContentPart *part)
{
	if (!s->env->fetcher || !fetcher_take(s->env->fetcher, s->id, id, part, time(NULL)))
		log_debug("agent %s: a part of an executable that is not waited for",
			  s->source.host);
}

/* It waits since @waited_us; @identity is NULL if nothing may be assumed. */
static void decide_question(struct session *s, uint64_t id, const Sockgate__Question *q,
			    const Sockgate__Identity *identity, int64_t waited_us)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Decision decision;

	if (question_is_late(q, waited_us)) {
		s->env->n->n_late++;
		return;
	}
	judge_question(s->env->judge, s->source.host, q, identity, wall_us(), &decision);
	s->questions++;
	s->env->n->n_questions++;
	if (fetch(s, id, q->process, &decision))
		return;
	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_DECISION;
	msg.decision = &decision;
	send_message(s, &msg);
}

static void free_asked(struct asked *a)
{
	sockgate__question__free_unpacked(a->question, NULL);
	free(a);
}

static void on_identity(struct identity_wait *wait, const Sockgate__Identity *identity)
{
	struct asked *a = (struct asked *)wait;
	struct session *s = a->session;

	DL_DELETE(s->asked, a);
	s->n_asked--;
	/* This may end the session. */
	decide_question(s, a->id, a->question, identity,
			a->waited_us + monotonic_us() - a->since_us);
	free_asked(a);
}

/* Takes the question over.  Returns false if it cannot wait. */
static bool await_identity(struct session *s, Sockgate__Message *msg,
			   struct inquiry *inquiry, int64_t waited_us)
{
	struct asked *a = s->n_asked < ASKED_MAX ? calloc(1, sizeof(*a)) : NULL;

	if (!a)
		return false;
	a->session = s;
	a->id = msg->id;
	a->question = msg->question;
	a->waited_us = waited_us;
	a->since_us = monotonic_us();
	a->wait.done = on_identity;
	a->wait.host = s->source.host;
	a->wait.process = a->question->process;
	/* It is ours now: take it out of the channel's message. */
	msg->question = NULL;
	msg->body_case = SOCKGATE__MESSAGE__BODY__NOT_SET;
	DL_APPEND(s->asked, a);
	s->n_asked++;
	identity_await(judge_identities(s->env->judge), inquiry, &a->wait);
	return true;
}

/* How long a service may take, so that the agent still hears of it; 0: any time. */
static unsigned int patience_ms(const Sockgate__Question *q, int64_t waited_us)
{
	int64_t left = (int64_t)q->budget_ms - RESERVE(q->budget_ms) - waited_us / 1000;

	if (!q->budget_ms)
		return 0;
	return left > 1 ? (unsigned int)left : 1;
}

/*
 * Mostly, be it for the name in the record.  But as long as no service is there, nobody
 * waits in vain; the question may be about the very connection to a service.
 */
static bool is_worth_waiting(const struct session *s, const Sockgate__Question *q)
{
	const struct judge *judge = s->env->judge;

	return *identity_source(judge_identities(judge)) ||
	       judge_needs_identity(judge, s->source.host, q, wall_us());
}

static void answer(struct session *s, Sockgate__Message *msg)
{
	const Sockgate__Question *q = msg->question;
	const char *why = question_check(q);
	enum identity_state state;
	Sockgate__Identity identity;
	struct inquiry *inquiry;
	int64_t waited_us;

	if (why) {
		malformed(s, msg->id, why);
		return;
	}
	waited_us = turn_us(s);
	if (question_is_late(q, waited_us)) {
		s->env->n->n_late++;
		return;
	}
	state = identity_lookup(judge_identities(s->env->judge), s->source.host, q->process,
				patience_ms(q, waited_us),
				(uint64_t)monotonic_us() / 1000000, &identity, &inquiry);
	if (state == IDENTITY_AWAITED && is_worth_waiting(s, q) &&
	    await_identity(s, msg, inquiry, waited_us))
		return;
	decide_question(s, msg->id, q, state == IDENTITY_FOUND ? &identity : NULL,
			waited_us);
}

/* ---- records ---- */

static uint64_t first_sequence(const Sockgate__Records *records)
{
	return records->record[0]->sequence;
}

static void hold_back(struct session *s, uint64_t id,
		      const Sockgate__Records *records)
{
	if (!s->held_back || first_sequence(records) < s->held_back)
		s->held_back = first_sequence(records);
	s->env->n->n_held_back++;
	send_error(s, id, "no room in the audit log at present: keep these "
		   "records, and those after them, and send them again later");
}

static void take_records(struct session *s, Sockgate__Message *msg)
{
	Sockgate__Records *records = msg->records;
	const char *why = records_check(records);
	size_t n = records->n_record, size;

	if (why) {
		malformed(s, msg->id, why);
		return;
	}
	size = sockgate__records__get_packed_size(records);
	if ((s->held_back && first_sequence(records) > s->held_back) ||
	    s->waiting + size > WAITING_MAX ||
	    records_clean(records, s->source.host) ||
	    audit_submit(s->env->audit, s->id, &s->source, records, size)) {
		hold_back(s, msg->id, records);
		return;
	}
	s->waiting += size;
	/* They are the log's now: take them out of the channel's message. */
	msg->records = NULL;
	msg->body_case = SOCKGATE__MESSAGE__BODY__NOT_SET;
	s->held_back = 0;
	s->env->n->n_records += n;
}

/* ---- the channel ---- */

static void pong(struct session *s, uint64_t id)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Pong body = SOCKGATE__PONG__INIT;

	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_PONG;
	msg.pong = &body;
	send_message(s, &msg);
}

static void on_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	struct session *s = arg;

	snprintf(s->source.host, sizeof(s->source.host), "%s", peer->host);
	channel_set_idle_limit(ch, HELLO_LIMIT_S);
}

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct session *s = arg;

	(void)ch;
	if (s->greeted != (msg->body_case != SOCKGATE__MESSAGE__BODY_HELLO)) {
		reject(s, msg->id, s->greeted ? "hello was said already" :
		       "the first message must be hello");
		return;
	}
	switch (msg->body_case) {
	case SOCKGATE__MESSAGE__BODY_HELLO:
		greet(s, msg->id, msg->hello);
		break;
	case SOCKGATE__MESSAGE__BODY_QUESTION:
		answer(s, msg);
		break;
	case SOCKGATE__MESSAGE__BODY_RECORDS:
		take_records(s, msg);
		break;
	case SOCKGATE__MESSAGE__BODY_CONTENT_PART:
		take_part(s, msg->id, msg->content_part);
		break;
	case SOCKGATE__MESSAGE__BODY_PING:
		pong(s, msg->id);
		break;
	case SOCKGATE__MESSAGE__BODY_PONG:
		break;
	case SOCKGATE__MESSAGE__BODY_ERROR:
		log_debug("agent %s answers with an error", s->source.host);
		break;
	default:
		malformed(s, msg->id, "an agent may not send this message");
		break;
	}
}

/* Anybody can cause this: no more than one line a second. */
static void rejected_early(struct session *s, const char *why)
{
	time_t now = time(NULL);

	s->env->n->n_rejected++;
	if (now == s->env->n->complained_s)
		return;
	s->env->n->complained_s = now;
	log_warnx("connection from %s refused: %s", s->from, why);
}

static void on_down(struct channel *ch, const char *why, void *arg)
{
	struct session *s = arg;

	(void)ch;
	if (s->greeted)
		log_info("agent %s (%s) is gone: %s", s->source.host, s->from,
			 why);
	else
		rejected_early(s, why);
	end(s);
}

static const struct channel_ops ops = {
	.up = on_up,
	.message = on_message,
	.down = on_down,
};

struct session *session_new(const struct session_env *env, int fd, uint64_t id,
			    const char *from)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s) {
		close(fd);
		return NULL;
	}
	s->env = env;
	s->id = id;
	snprintf(s->from, sizeof(s->from), "%s", from);
	s->ch = channel_accept_tls(env->base, env->tls, fd, TLS_ROLE_AGENT, &ops, s);
	if (s->ch)
		return s;
	free(s);
	return NULL;
}

void session_free(struct session *s)
{
	struct asked *a, *next;

	DL_FOREACH_SAFE(s->asked, a, next) {
		identity_cancel(&a->wait);
		free_asked(a);
	}
	if (s->env->fetcher)
		fetcher_gone(s->env->fetcher, s->id, time(NULL));
	channel_free(s->ch);
	free(s);
}

uint64_t session_id(const struct session *s)
{
	return s->id;
}

const char *session_host(const struct session *s)
{
	return s->source.host;
}

void session_stored(struct session *s, uint64_t sequence, size_t size)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__RecordsStored stored = SOCKGATE__RECORDS_STORED__INIT;

	s->waiting -= size;
	stored.sequence = sequence;
	msg.body_case = SOCKGATE__MESSAGE__BODY_RECORDS_STORED;
	msg.records_stored = &stored;
	send_message(s, &msg);
}

void session_policy_changed(struct session *s)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__PolicyChanged changed = SOCKGATE__POLICY_CHANGED__INIT;

	if (!s->greeted)
		return;
	changed.generation = judge_generation(s->env->judge);
	changed.events = judge_policy(s->env->judge)->events;
	changed.facts = judge_policy(s->env->judge)->facts;
	msg.body_case = SOCKGATE__MESSAGE__BODY_POLICY_CHANGED;
	msg.policy_changed = &changed;
	send_message(s, &msg);
}

void session_ping(struct session *s)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Ping ping = SOCKGATE__PING__INIT;

	if (!s->greeted)
		return;
	msg.body_case = SOCKGATE__MESSAGE__BODY_PING;
	msg.ping = &ping;
	send_message(s, &msg);
}

bool session_describe(const struct session *s, uint64_t now_s,
		      Sockgate__Peer *peer)
{
	if (!s->greeted)
		return false;
	sockgate__peer__init(peer);
	peer->host = (char *)s->source.host;
	peer->address = (char *)s->from;
	peer->version = (char *)s->version;
	peer->context = (char *)s->context;
	peer->kernel = (char *)s->kernel;
	peer->connected_s = now_s > (uint64_t)s->since ?
		now_s - (uint64_t)s->since : 0;
	peer->questions = s->questions;
	return true;
}
