// SPDX-License-Identifier: GPL-2.0-only
#include "query.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ACTION(name) SOCKGATE__ACTION__ACTION_##name

const char *query_called(const Sockgate__Record *r)
{
	const Sockgate__Decision *d = r->decision;

	if (d && d->identity && *d->identity->name)
		return d->identity->name;
	return r->process ? r->process->name : "";
}

Sockgate__Action query_effect(const Sockgate__Record *r)
{
	if (r->effect == ACTION(ALLOW) || r->effect == ACTION(DENY))
		return r->effect;
	/* An agent that says nothing of it: an answer was obeyed ... */
	if (r->outcome == SOCKGATE__OUTCOME__OUTCOME_FAILURE || !r->decision)
		return ACTION(UNSPEC);
	/* ... and one that says nothing denies. */
	return r->decision->action == ACTION(ALLOW) ? ACTION(ALLOW) : ACTION(DENY);
}

static bool word_matches(const char *want, const char *have)
{
	return !*want || !strcasecmp(want, have);
}

/* A record without an event is of no kind. */
static bool kind_matches(uint32_t events, const Sockgate__Event *event)
{
	unsigned int kind = event ? event->kind : 0;

	return !events || (kind && kind < 32 && events & 1U << kind);
}

bool query_matches(const Sockgate__EventsQuery *q, const Sockgate__Record *r)
{
	const char *id = r->decision ? r->decision->decision_id : "";

	return word_matches(q->host, r->host) &&
	       word_matches(q->application, query_called(r)) &&
	       (!*q->decision_id || !strcmp(q->decision_id, id)) &&
	       (!q->action || q->action == query_effect(r)) &&
	       kind_matches(q->events, r->event);
}

/* protobuf-c copies by way of the wire format only. */
Sockgate__EventsQuery *query_copy(const Sockgate__EventsQuery *query)
{
	size_t size = sockgate__events_query__get_packed_size(query);
	uint8_t *buf = malloc(size + 1);
	Sockgate__EventsQuery *copy;

	if (!buf)
		return NULL;
	sockgate__events_query__pack(query, buf);
	copy = sockgate__events_query__unpack(NULL, size, buf);
	free(buf);
	return copy;
}
