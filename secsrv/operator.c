// SPDX-License-Identifier: GPL-2.0-only
/* As in session.c, functions that may end the connection do so last. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit.h"
#include "channel.h"
#include "log.h"
#include "operator.h"
#include "policy.h"
#include "query.h"
#include "search.h"

/* Bytes of records in one message; the limit of a frame is twice that. */
#define PART_BYTES (512U << 10)

struct operator {
	const struct operator_env *env;
	struct channel *ch;
	uint64_t id;
	Sockgate__EventsQuery *query;	/* the one that follows */
	uint64_t follow_id;		/* and its id */
	uint64_t query_id;		/* of the query being answered */
	bool queries;			/* there is one */
	bool sending;			/* a part of its answer */
	bool wants_follow;		/* past records are still coming */
	bool follows;
};

static void end(struct operator *o)
{
	o->env->gone(o, o->env->arg);
	operator_free(o);
}

/* Returns -1 if the connection has ended. */
static int send_message(struct operator *o, uint64_t id, Sockgate__Message *msg)
{
	msg->id = id;
	if (!channel_send(o->ch, msg) || errno == ENOTCONN)
		return 0;
	log_warn("control socket: cannot answer");
	end(o);
	return -1;
}

static void send_error(struct operator *o, uint64_t id, const char *text)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Error error = SOCKGATE__ERROR__INIT;

	error.text = (char *)text;
	msg.body_case = SOCKGATE__MESSAGE__BODY_ERROR;
	msg.error = &error;
	send_message(o, id, &msg);
}

static void send_status(struct operator *o, uint64_t id)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Status status = SOCKGATE__STATUS__INIT;

	o->env->status(&status, o->env->arg);
	msg.body_case = SOCKGATE__MESSAGE__BODY_STATUS;
	msg.status = &status;
	send_message(o, id, &msg);
}

static void load_policy(struct operator *o, uint64_t id,
			const Sockgate__PolicyLoad *load)
{
	if (!o->env->load(o->id, id, load, o->env->arg))
		return;
	send_error(o, id, errno == EAGAIN ? "too many policies are being loaded: try "
		   "again" : "out of memory");
}

void operator_loaded(struct operator *o, uint64_t id, Sockgate__PolicyLoaded *loaded,
		     const struct policy_error *err)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Error error = SOCKGATE__ERROR__INIT;

	if (loaded) {
		msg.body_case = SOCKGATE__MESSAGE__BODY_POLICY_LOADED;
		msg.policy_loaded = loaded;
	} else {
		error.file = (char *)err->file;
		error.line = err->line;
		error.text = (char *)err->reason;
		msg.body_case = SOCKGATE__MESSAGE__BODY_ERROR;
		msg.error = &error;
	}
	send_message(o, id, &msg);
}

static void send_policy(struct operator *o, uint64_t id)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__PolicyText policy = SOCKGATE__POLICY_TEXT__INIT;

	o->env->policy(&policy, o->env->arg);
	msg.body_case = SOCKGATE__MESSAGE__BODY_POLICY_TEXT;
	msg.policy_text = &policy;
	send_message(o, id, &msg);
}

/* ---- events ---- */

static int keep_query(struct operator *o, const Sockgate__EventsQuery *q)
{
	if (o->query)
		sockgate__events_query__free_unpacked(o->query, NULL);
	o->query = query_copy(q);
	return o->query ? 0 : -1;
}

static const char *refuse_query(const struct operator *o,
				const Sockgate__EventsQuery *q)
{
	if (o->queries)
		return "the query before this one is still being answered";
	if (q->follow && o->follows)
		return "this connection follows events already";
	if (q->last > SEARCH_MAX)
		return "no more than 1000000 events can be asked for";
	return NULL;
}
_Static_assert(SEARCH_MAX == 1000000, "the sentence above says it");

static void query_events(struct operator *o, uint64_t id,
			 const Sockgate__EventsQuery *q)
{
	const char *why = refuse_query(o, q);

	if (why) {
		send_error(o, id, why);
		return;
	}
	if ((q->follow && keep_query(o, q)) ||
	    audit_query(o->env->audit, o->id, id, q)) {
		send_error(o, id, "out of memory");
		return;
	}
	o->queries = true;
	o->query_id = id;
	if (q->follow) {
		o->wants_follow = true;
		o->follow_id = id;
	}
}

static int send_records(struct operator *o, uint64_t id,
			Sockgate__Records *records)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	msg.body_case = SOCKGATE__MESSAGE__BODY_RECORDS;
	msg.records = records;
	return send_message(o, id, &msg);
}

void operator_found(struct operator *o, uint64_t id, Sockgate__Records *part,
		    const char *why)
{
	o->queries = part && !part->end;
	if (!part) {
		o->wants_follow = false;
		send_error(o, id, why);
		return;
	}
	o->sending = o->queries;
	/* What is committed from now on comes after this in the same order. */
	if (part->end && o->wants_follow) {
		o->wants_follow = false;
		o->follows = true;
		part->end = false;
	}
	send_records(o, id, part);
	sockgate__records__free_unpacked(part, NULL);
}

/* A part at a time: what its reader has not taken is not read from the disk. */
static void on_drained(struct channel *ch, void *arg)
{
	struct operator *o = arg;

	(void)ch;
	if (!o->sending)
		return;
	o->sending = false;
	audit_more(o->env->audit, o->id, o->query_id);
}

void operator_committed(struct operator *o, const Sockgate__Records *records)
{
	Sockgate__Records part = SOCKGATE__RECORDS__INIT;
	size_t size = 0;

	if (!o->follows || !records->n_record)
		return;
	part.record = calloc(records->n_record, sizeof(Sockgate__Record *));
	if (!part.record) {
		send_error(o, o->follow_id, "out of memory");
		return;
	}
	for (size_t i = 0; i < records->n_record; i++) {
		Sockgate__Record *r = records->record[i];

		if (!query_matches(o->query, r))
			continue;
		part.record[part.n_record++] = r;
		size += sockgate__record__get_packed_size(r);
		if (size < PART_BYTES)
			continue;
		if (send_records(o, o->follow_id, &part))
			goto out;
		part.n_record = size = 0;
	}
	if (part.n_record)
		send_records(o, o->follow_id, &part);
out:
	free(part.record);
}

/* ---- explain ---- */

void operator_explained(struct operator *o, uint64_t id,
			Sockgate__Explanation *e, const char *why)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	if (!e) {
		send_error(o, id, why);
		return;
	}
	msg.body_case = SOCKGATE__MESSAGE__BODY_EXPLANATION;
	msg.explanation = e;
	send_message(o, id, &msg);
	sockgate__explanation__free_unpacked(e, NULL);
}

/* ---- the channel ---- */

static void on_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	(void)ch, (void)peer, (void)arg;
}

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct operator *o = arg;

	(void)ch;
	switch (msg->body_case) {
	case SOCKGATE__MESSAGE__BODY_STATUS_QUERY:
		send_status(o, msg->id);
		break;
	case SOCKGATE__MESSAGE__BODY_EVENTS_QUERY:
		query_events(o, msg->id, msg->events_query);
		break;
	case SOCKGATE__MESSAGE__BODY_EXPLAIN_QUERY:
		if (audit_explain(o->env->audit, o->id, msg->id,
				  msg->explain_query->decision_id))
			send_error(o, msg->id, "out of memory");
		break;
	case SOCKGATE__MESSAGE__BODY_POLICY_LOAD:
		load_policy(o, msg->id, msg->policy_load);
		break;
	case SOCKGATE__MESSAGE__BODY_POLICY_QUERY:
		send_policy(o, msg->id);
		break;
	default:
		send_error(o, msg->id, "secsrv does not answer this message on "
			   "its control socket");
		break;
	}
}

static void on_down(struct channel *ch, const char *why, void *arg)
{
	(void)ch, (void)why;
	end(arg);
}

static const struct channel_ops ops = {
	.up = on_up,
	.message = on_message,
	.down = on_down,
	.drained = on_drained,
};

struct operator *operator_new(const struct operator_env *env, int fd,
			      uint64_t id)
{
	struct operator *o = calloc(1, sizeof(*o));

	if (!o) {
		close(fd);
		return NULL;
	}
	o->env = env;
	o->id = id;
	o->ch = channel_local(env->base, fd, &ops, o);
	if (o->ch)
		return o;
	free(o);
	return NULL;
}

void operator_free(struct operator *o)
{
	audit_forget(o->env->audit, o->id);
	channel_free(o->ch);
	if (o->query)
		sockgate__events_query__free_unpacked(o->query, NULL);
	free(o);
}

uint64_t operator_id(const struct operator *o)
{
	return o->id;
}
