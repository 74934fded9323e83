// SPDX-License-Identifier: GPL-2.0-only
#include "console.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "channel.h"
#include "control.h"
#include "log.h"
#include "query.h"

#define DEFAULT_LAST 50

struct client {
	struct console *console;
	struct channel *channel;
	uint64_t query_id;
	Sockgate__EventsQuery *follow;	/* NULL: follows nothing */
	bool lagging;			/* it reads too slowly: to be dropped */
	struct client *prev, *next;
};

struct console {
	struct event_base *base;
	struct event *event;
	int fd;
	console_fill_fn fill;
	void *arg;
	const struct records *records;
	struct client *clients;
	unsigned int n_clients;
};

void console_count(struct console_status *s, const char *name, uint64_t value)
{
	size_t n = s->status->n_counter;

	if (n == CONSOLE_MAX_COUNTERS)
		return;
	sockgate__counter__init(&s->counter[n]);
	s->counter[n].name = (char *)name;
	s->counter[n].value = value;
	s->list[n] = &s->counter[n];
	s->status->counter = s->list;
	s->status->n_counter = n + 1;
}

static void client_free(struct client *c)
{
	DL_DELETE(c->console->clients, c);
	c->console->n_clients--;
	channel_free(c->channel);
	if (c->follow)
		sockgate__events_query__free_unpacked(c->follow, NULL);
	free(c);
}

static int send_error(struct client *c, uint64_t id, const char *text)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Error error = SOCKGATE__ERROR__INIT;

	error.text = (char *)text;
	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_ERROR;
	msg.error = &error;
	return channel_send(c->channel, &msg);
}

static int send_status(struct client *c, uint64_t id)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Status status = SOCKGATE__STATUS__INIT;
	struct console_status s = { .status = &status };

	c->console->fill(&s, c->console->arg);
	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_STATUS;
	msg.status = &status;
	return channel_send(c->channel, &msg);
}

/* ---- events ---- */

static int send_record(struct client *c, uint64_t id,
		       const Sockgate__Record *record, bool end)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Records records = SOCKGATE__RECORDS__INIT;
	Sockgate__Record *list[1] = { (Sockgate__Record *)record };

	records.record = list;
	records.n_record = record ? 1 : 0;
	records.end = end;
	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_RECORDS;
	msg.records = &records;
	return channel_send(c->channel, &msg);
}

struct walk {
	struct client *client;
	uint64_t id;
	const Sockgate__EventsQuery *query;
	unsigned int matching;
	unsigned int skip;
	int rc;
};

static void count_matching(const Sockgate__Record *record, void *arg)
{
	struct walk *w = arg;

	w->matching += query_matches(w->query, record);
}

static void send_matching(const Sockgate__Record *record, void *arg)
{
	struct walk *w = arg;

	if (w->rc || !query_matches(w->query, record))
		return;
	if (w->skip) {
		w->skip--;
		return;
	}
	w->rc = send_record(w->client, w->id, record, false);
}

static int send_events(struct client *c, uint64_t id,
		       const Sockgate__EventsQuery *q)
{
	struct walk w = { .client = c, .id = id, .query = q };
	unsigned int last = q->last ? q->last : DEFAULT_LAST;

	if (c->console->records) {
		records_each(c->console->records, count_matching, &w);
		w.skip = w.matching > last ? w.matching - last : 0;
		records_each(c->console->records, send_matching, &w);
	}
	if (w.rc)
		return -1;
	if (!q->follow)
		return send_record(c, id, NULL, true);
	if (c->follow)
		sockgate__events_query__free_unpacked(c->follow, NULL);
	c->query_id = id;
	c->follow = query_copy(q);
	return c->follow ? 0 : -1;
}

void console_record(struct console *console, const Sockgate__Record *record)
{
	struct client *c, *next;

	if (!console)
		return;
	DL_FOREACH_SAFE(console->clients, c, next) {
		if (!c->follow || !query_matches(c->follow, record))
			continue;
		if (send_record(c, c->query_id, record, false))
			client_free(c);
	}
}

/* ---- connections ---- */

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct client *c = arg;
	int rc;

	(void)ch;
	switch (msg->body_case) {
	case SOCKGATE__MESSAGE__BODY_STATUS_QUERY:
		rc = send_status(c, msg->id);
		break;
	case SOCKGATE__MESSAGE__BODY_EVENTS_QUERY:
		rc = send_events(c, msg->id, msg->events_query);
		break;
	default:
		rc = send_error(c, msg->id, "nfagent does not answer this; "
				"ask the security server");
		break;
	}
	if (rc)
		client_free(c);
}

static void on_down(struct channel *ch, const char *why, void *arg)
{
	(void)ch;
	(void)why;
	client_free(arg);
}

static void on_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	(void)ch;
	(void)peer;
	(void)arg;
}

static const struct channel_ops client_ops = {
	.up = on_up, .message = on_message, .down = on_down,
};

static void client_new(struct console *console, int fd)
{
	struct client *c;

	c = console->n_clients < CONSOLE_MAX_CLIENTS ? calloc(1, sizeof(*c)) :
						       NULL;
	if (!c) {
		close(fd);
		return;
	}
	c->console = console;
	DL_APPEND(console->clients, c);
	console->n_clients++;
	c->channel = channel_local(console->base, fd, &client_ops, c);
	if (!c->channel)
		client_free(c);
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
	int client;

	(void)what;
	for (;;) {
		client = control_accept(fd);
		if (client >= 0)
			client_new(arg, client);
		else if (errno != EPERM)
			break;
	}
}

struct console *console_open(struct event_base *base, const char *path,
			     console_fill_fn fill, void *arg, char *why,
			     size_t why_size)
{
	struct console *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->base = base;
	c->fill = fill;
	c->arg = arg;
	c->fd = control_listen(path, why, why_size);
	if (c->fd < 0) {
		free(c);
		return NULL;
	}
	c->event = event_new(base, c->fd, EV_READ | EV_PERSIST, on_connection,
			     c);
	if (!c->event || event_add(c->event, NULL)) {
		console_close(c);
		return NULL;
	}
	return c;
}

void console_close(struct console *c)
{
	if (!c)
		return;
	while (c->clients)
		client_free(c->clients);
	if (c->event)
		event_free(c->event);
	close(c->fd);
	free(c);
}

void console_set_records(struct console *c, const struct records *records)
{
	c->records = records;
}
