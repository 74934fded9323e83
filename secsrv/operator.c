// SPDX-License-Identifier: GPL-2.0-only
/* As in session.c, functions that may end the connection do so last. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
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

/* A policy on its way in or out, in parts. */
struct parts {
	uint64_t id;
	char *file, *text;	/* NULL: there is none */
	size_t size, sent;
	uint64_t generation;
	bool refused;		/* the rest of it is passed over */
};

struct operator {
	const struct operator_env *env;
	struct parts load, show;
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

static void end_connection(struct operator *o)
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
	end_connection(o);
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

static void parts_free(struct parts *p)
{
	free(p->file);
	free(p->text);
	memset(p, 0, sizeof(*p));
}

static void put_in_force(struct operator *o, uint64_t id,
			 const Sockgate__PolicyLoad *load)
{
	if (!o->env->load(o->id, id, load, o->env->arg))
		return;
	send_error(o, id, errno == EAGAIN ? "too many policies are being loaded: try "
		   "again" : errno == EPERM ? "the policy of this server comes from a "
		   "policy manager: push it there, or, in an emergency, use --force; then "
		   "the manager shows it as drift until the next version" :
		   "out of memory");
}

/* The first part of a policy has its name; another id begins another policy. */
static bool add_part(struct parts *p, uint64_t id, const Sockgate__PolicyLoad *part)
{
	size_t size = strlen(part->text);
	char *text;

	if (p->id != id || !(p->text || p->refused)) {
		parts_free(p);
		p->id = id;
		p->file = strdup(part->file);
	}
	if (p->refused || !p->file || size > POLICY_SIZE_MAX - p->size)
		return false;
	text = realloc(p->text, p->size + size + 1);
	if (!text)
		return false;
	memcpy(text + p->size, part->text, size + 1);
	p->text = text;
	p->size += size;
	return true;
}

/* Only the last part is answered. */
static void load_policy(struct operator *o, uint64_t id,
			const Sockgate__PolicyLoad *part)
{
	Sockgate__PolicyLoad whole = *part;
	struct parts *p = &o->load, taken;

	if (!part->more && p->id != id) {
		put_in_force(o, id, part);
		return;
	}
	if (!add_part(p, id, part)) {
		free(p->text);
		p->text = NULL;
		p->refused = true;
	}
	if (part->more)
		return;
	/* To answer may end the connection. */
	taken = *p;
	memset(p, 0, sizeof(*p));
	whole.file = taken.file;
	whole.text = taken.text;
	if (taken.refused)
		send_error(o, id, "the policy is too large, or there is no memory for it");
	else
		put_in_force(o, id, &whole);
	parts_free(&taken);
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

/* Returns -1 if the connection has ended. */
static int send_policy_part(struct operator *o)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__PolicyText part = SOCKGATE__POLICY_TEXT__INIT;
	struct parts *p = &o->show, taken = *p;
	size_t left = p->size - p->sent;
	char *end, kept;
	int rc;

	part.more = left > PART_BYTES;
	part.generation = p->generation;
	part.file = p->file;
	part.text = p->text + p->sent;
	msg.body_case = SOCKGATE__MESSAGE__BODY_POLICY_TEXT;
	msg.policy_text = &part;
	if (!part.more) {
		/* All of it may go with the connection. */
		memset(p, 0, sizeof(*p));
		rc = send_message(o, taken.id, &msg);
		parts_free(&taken);
		return rc;
	}
	p->sent += PART_BYTES;
	end = p->text + p->sent;
	kept = *end;
	*end = '\0';
	msg.id = p->id;
	rc = channel_send(o->ch, &msg);
	*end = kept;
	if (!rc || errno == ENOTCONN)
		return 0;
	log_warn("control socket: cannot answer");
	end_connection(o);
	return -1;
}

/* A copy: another policy may come into force meanwhile. */
static void send_text(struct operator *o, uint64_t id, uint64_t generation,
		      const char *file, const char *text)
{
	struct parts *p = &o->show;

	if (p->text) {
		send_error(o, id, "the policy is being sent already");
		return;
	}
	p->id = id;
	p->generation = generation;
	p->file = strdup(file);
	p->text = strdup(text);
	if (p->file && p->text) {
		p->size = strlen(p->text);
		send_policy_part(o);
		return;
	}
	parts_free(p);
	send_error(o, id, "out of memory");
}

static void send_policy(struct operator *o, uint64_t id, uint32_t back)
{
	Sockgate__PolicyText policy = SOCKGATE__POLICY_TEXT__INIT;

	if (!back) {
		o->env->policy(&policy, o->env->arg);
		send_text(o, id, policy.generation, policy.file, policy.text);
	} else if (audit_policy_before(o->env->audit, o->id, id, back)) {
		send_error(o, id, "out of memory");
	}
}

void operator_policy(struct operator *o, uint64_t id, uint64_t generation,
		     const char *text, const char *why)
{
	if (text)
		send_text(o, id, generation, "", text);
	else
		send_error(o, id, why);
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
	if (o->show.text && send_policy_part(o))
		return;
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
		send_policy(o, msg->id, msg->policy_query->back);
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
	end_connection(arg);
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
	parts_free(&o->load);
	parts_free(&o->show);
	if (o->query)
		sockgate__events_query__free_unpacked(o->query, NULL);
	free(o);
}

uint64_t operator_id(const struct operator *o)
{
	return o->id;
}
