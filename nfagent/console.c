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
#define RETRY_MS 200
/* Past records wait while so many bytes of them do. */
#define PAUSE_BYTES (1U << 20)

struct client {
	struct console *console;
	struct channel *channel;
	uint64_t query_id;
	Sockgate__EventsQuery *query;	/* NULL: asks for nothing */
	bool past;			/* past records are still to come */
	uint64_t at;			/* of them: the next to look at */
	bool short_of;			/* it asked for more than is at hand */
	bool busy;			/* a message of it is being answered */
	bool gone;			/* to be freed when that is done */
	struct client *prev, *next;
};

struct console {
	struct event_base *base;
	struct event *event;
	struct event *retry;		/* of accepting, after an error */
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

static void forget_query(struct client *c)
{
	if (c->query)
		sockgate__events_query__free_unpacked(c->query, NULL);
	c->query = NULL;
}

static void client_free(struct client *c)
{
	DL_DELETE(c->console->clients, c);
	c->console->n_clients--;
	channel_free(c->channel);
	forget_query(c);
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

/* @record and @note may be NULL. */
static int send_record(struct client *c, const Sockgate__Record *record,
		       const char *note, bool end)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Records records = SOCKGATE__RECORDS__INIT;
	Sockgate__Record *list[1] = { (Sockgate__Record *)record };

	records.record = list;
	records.n_record = record ? 1 : 0;
	records.end = end;
	if (note)
		records.note = (char *)note;
	msg.id = c->query_id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_RECORDS;
	msg.records = &records;
	return channel_send(c->channel, &msg);
}

struct walk {
	struct client *client;
	unsigned int matching;
	int rc;
};

static void count_matching(const Sockgate__Record *record, void *arg)
{
	struct walk *w = arg;

	w->matching += query_matches(w->client->query, record);
}

static void send_matching(const Sockgate__Record *record, void *arg)
{
	struct walk *w = arg;

	if (query_matches(w->client->query, record))
		w->rc = send_record(w->client, record, NULL, false);
}

/* From the newest down, to the oldest that is asked for. */
static uint64_t first_wanted(struct client *c)
{
	const struct records *r = c->console->records;
	unsigned int last = c->query->last ? c->query->last : DEFAULT_LAST;
	struct walk w = { .client = c };
	uint64_t at = records_end(r);

	while (at > records_first(r) && w.matching < last)
		records_show(r, --at, count_matching, &w);
	c->short_of = w.matching < last && records_first(r);
	return at;
}

static int past_is_over(struct client *c)
{
	const char *note = c->short_of ? "the agent has its last 1024 events at "
			   "hand; the security server has them all" : NULL;
	bool follow = c->query->follow;

	c->past = false;
	if (!follow)
		forget_query(c);
	return follow && !note ? 0 : send_record(c, NULL, note, !follow);
}
_Static_assert(RECORDS_RECENT == 1024, "the sentence above says it");

/* As much as fits; the rest when that has gone out. */
static int send_past(struct client *c)
{
	const struct records *r = c->console->records;
	struct walk w = { .client = c };

	while (r && c->at < records_end(r)) {
		if (channel_backlog(c->channel) > PAUSE_BYTES)
			return 0;
		/* Slower than new ones come: what was overwritten is left out. */
		if (c->at < records_first(r)) {
			c->at = records_first(r);
			c->short_of = true;
		}
		records_show(r, c->at++, send_matching, &w);
		if (w.rc)
			return -1;
	}
	return past_is_over(c);
}

static int send_events(struct client *c, uint64_t id,
		       const Sockgate__EventsQuery *q)
{
	if (c->past)
		return send_error(c, id, "the query before this one is still "
				  "being answered");
	forget_query(c);
	c->query = query_copy(q);
	if (!c->query)
		return -1;
	c->query_id = id;
	c->past = true;
	c->short_of = false;
	if (c->console->records)
		c->at = first_wanted(c);
	return send_past(c);
}

void console_record(struct console *console, const Sockgate__Record *record)
{
	struct client *c, *next;

	if (!console)
		return;
	DL_FOREACH_SAFE(console->clients, c, next) {
		if (c->gone || !c->query || c->past ||
		    !query_matches(c->query, record))
			continue;
		if (!send_record(c, record, NULL, false))
			continue;
		/* Answering a status makes records too. */
		if (c->busy)
			c->gone = true;
		else
			client_free(c);
	}
}

/* ---- connections ---- */

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct client *c = arg;
	int rc;

	(void)ch;
	c->busy = true;
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
	c->busy = false;
	if (rc || c->gone)
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

static void on_drained(struct channel *ch, void *arg)
{
	struct client *c = arg;

	(void)ch;
	if (c->past && send_past(c))
		client_free(c);
}

static const struct channel_ops client_ops = {
	.up = on_up, .message = on_message, .down = on_down,
	.drained = on_drained,
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

/*
 * Without a descriptor to accept with, the connection stays there and would wake
 * us again at once.
 */
static void pause_accepting(struct console *c)
{
	const struct timeval wait = { 0, RETRY_MS * 1000 };

	event_del(c->event);
	event_add(c->retry, &wait);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct console *c = arg;

	(void)fd;
	(void)what;
	event_add(c->event, NULL);
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
	if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		pause_accepting(arg);
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
	c->retry = evtimer_new(base, on_retry, c);
	if (!c->event || !c->retry || event_add(c->event, NULL)) {
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
	if (c->retry)
		event_free(c->retry);
	close(c->fd);
	free(c);
}

void console_set_records(struct console *c, const struct records *records)
{
	c->records = records;
}
