// SPDX-License-Identifier: GPL-2.0-only
#include "remote.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <event2/event.h>

#include "addr.h"
#include "channel.h"
#include "serve_conf.h"
#include "wire.h"

struct remote {
	struct event_base *base;
	SSL_CTX *tls;
	struct channel *ch;
	struct event *limit;
	uint64_t id;			/* of the question that is asked */
	bool up, answered, failed;
	char address[ADDR_TEXT_SIZE];
	char error[700];
	/* What is to be done with the answer; one of them is NULL. */
	struct sigdb_answer *answer;
	explain_fn fn;
	void *arg;
	int result;			/* what @fn returned */
};

static void __attribute__((format(printf, 2, 3)))
fail(struct remote *r, const char *fmt, ...)
{
	int used = snprintf(r->error, sizeof(r->error), "service %s: ", r->address);
	va_list args;

	r->failed = true;
	va_start(args, fmt);
	vsnprintf(r->error + used, sizeof(r->error) - (size_t)used, fmt, args);
	va_end(args);
}

static void give_steps(struct remote *r, const Sockgate__SignatureAnswer *body)
{
	for (size_t i = 0; i < body->n_step && !r->result; i++) {
		struct explain_row row;

		if (wire_take_step(body->step[i], &row)) {
			fail(r, "an explanation that no database can have given");
			return;
		}
		r->result = r->fn(&row, r->arg);
	}
}

static void take_answer(struct remote *r, const Sockgate__SignatureAnswer *body)
{
	if (r->fn)
		give_steps(r, body);
	else if (wire_take_answer(body, r->answer))
		fail(r, "an answer that no database can have given");
	r->answered = true;
}

static void on_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	/* It speaks first. */
	(void)ch, (void)peer, (void)arg;
}

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct remote *r = arg;

	(void)ch;
	if (msg->body_case == SOCKGATE__MESSAGE__BODY_SIGNATURES_CHANGED) {
		r->up = true;
		if (msg->signatures_changed->protocol != WIRE_PROTOCOL)
			fail(r, "it speaks another version of the protocol");
	} else if (msg->body_case == SOCKGATE__MESSAGE__BODY_SIGNATURE_ANSWER &&
		   msg->id == r->id && !r->answered) {
		take_answer(r, msg->signature_answer);
	} else if (msg->body_case == SOCKGATE__MESSAGE__BODY_ERROR) {
		fail(r, "%.500s", msg->error->text);
	}
}

static void on_down(struct channel *ch, const char *why, void *arg)
{
	struct remote *r = arg;

	(void)ch;
	fail(r, "%s", why);
}

static const struct channel_ops ops = {
	.up = on_up, .message = on_message, .down = on_down,
};

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	fail(arg, "no answer for %d s", REMOTE_LIMIT);
}

/* Until @done, or it fails. */
static bool run_until(struct remote *r, const bool *done)
{
	struct timeval limit = { .tv_sec = REMOTE_LIMIT };

	event_add(r->limit, &limit);
	while (!*done && !r->failed) {
		if (event_base_loop(r->base, EVLOOP_ONCE) < 0)
			fail(r, "cannot wait for it");
	}
	event_del(r->limit);
	return !r->failed;
}

static bool dial(struct remote *r, const char *address, const char *name)
{
	struct tls_peer expect = { .role = TLS_ROLE_SIGDB };
	struct sockaddr_storage addr;
	socklen_t len;

	if (addr_parse(address, SERVE_PORT_DEFAULT, &addr, &len)) {
		fail(r, "`%s' is no numeric address such as 192.0.2.1:%d", address,
		     SERVE_PORT_DEFAULT);
		return false;
	}
	addr_format((struct sockaddr *)&addr, r->address);
	if (name)
		snprintf(expect.host, sizeof(expect.host), "%s", name);
	r->ch = channel_connect_tls(r->base, r->tls, (struct sockaddr *)&addr, (int)len,
				    &expect, &ops, r);
	if (!r->ch)
		fail(r, "cannot make a socket");
	return r->ch && run_until(r, &r->up);
}

struct remote *remote_open(const char *address, const char *name,
			   const struct tls_files *files, char *why, size_t why_size)
{
	struct remote *r = calloc(1, sizeof(*r));

	snprintf(why, why_size, "out of memory");
	if (!r)
		return NULL;
	snprintf(r->address, sizeof(r->address), "%s", address);
	r->base = event_base_new();
	if (r->base)
		r->limit = evtimer_new(r->base, on_limit, r);
	if (r->limit)
		r->tls = tls_context(false, TLS_ROLE_SERVER, files, why, why_size);
	if (r->tls && dial(r, address, name))
		return r;
	if (r->failed)
		snprintf(why, why_size, "%s", r->error);
	remote_close(r);
	return NULL;
}

void remote_close(struct remote *r)
{
	if (!r)
		return;
	channel_free(r->ch);
	if (r->limit)
		event_free(r->limit);
	SSL_CTX_free(r->tls);
	if (r->base)
		event_base_free(r->base);
	free(r);
}

static bool ask(struct remote *r, const struct sigdb_question *q)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__SignatureQuery query;

	wire_put_question(q, &query);
	query.explain = r->fn != NULL;
	msg.id = ++r->id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_SIGNATURE_QUERY;
	msg.signature_query = &query;
	r->answered = r->failed = false;
	if (channel_send(r->ch, &msg))
		fail(r, "the connection is over");
	return !r->failed && run_until(r, &r->answered);
}

enum sigdb_result remote_lookup(struct remote *r, const struct sigdb_question *q,
				struct sigdb_answer *answer)
{
	r->answer = answer;
	r->fn = NULL;
	if (!ask(r, q)) {
		memset(answer, 0, sizeof(*answer));
		return SIGDB_ERROR;
	}
	return answer->source == SIGDB_NONE ? SIGDB_UNKNOWN : SIGDB_KNOWN;
}

int remote_explain(struct remote *r, const struct sigdb_question *q, explain_fn fn,
		   void *arg)
{
	r->answer = NULL;
	r->fn = fn;
	r->arg = arg;
	r->result = 0;
	return ask(r, q) ? r->result : -1;
}

const char *remote_error(const struct remote *r)
{
	return r->error;
}
