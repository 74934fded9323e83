/* SPDX-License-Identifier: GPL-2.0-only */
/* A query for events: the one place that says which records it asks for. */
#ifndef SOCKGATE_QUERY_H
#define SOCKGATE_QUERY_H

#include <stdbool.h>

#include "sockgate.pb-c.h"

/*
 * query_called - the name that a query for an application goes by
 * That of the application, or, where no signature gave one, that of the file;
 * "" if neither is known.  It belongs to the record.
 */
const char *query_called(const Sockgate__Record *r);

/*
 * query_effect - what the caller got
 * ALLOW or DENY; UNSPEC where the failure table decided and the agent does not
 * say what its row came to.
 */
Sockgate__Action query_effect(const Sockgate__Record *r);

/*
 * query_matches - whether a record passes the filters
 * Letter case matters in decision ids only.  An action asks for the effect.
 */
bool query_matches(const Sockgate__EventsQuery *query, const Sockgate__Record *r);

/*
 * query_copy - a copy that outlives the message it came in
 * For sockgate__events_query__free_unpacked(); NULL if out of memory.
 */
Sockgate__EventsQuery *query_copy(const Sockgate__EventsQuery *query);

#endif
