/* SPDX-License-Identifier: GPL-2.0-only */
/* One question at a time to a daemon on this machine, and its answers. */
#ifndef CTL_SESSION_H
#define CTL_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "sockgate.pb-c.h"

struct session;

/*
 * session_open - connect to a daemon
 * @program: its name, for sentences
 * @why:     on failure what is wrong and what to do
 * Returns NULL on failure.
 */
struct session *session_open(const char *path, const char *program, char *why,
			     size_t why_size);
void session_close(struct session *s);

/*
 * What to do with an answer.  It is freed afterwards; to keep a part of it, take
 * its pointer and set body_case to SOCKGATE__MESSAGE__BODY__NOT_SET.  Returns
 * true to wait for another.
 */
typedef bool (*session_fn)(Sockgate__Message *answer, void *arg);

/*
 * session_part - send what belongs to the request that comes next, and is not answered
 * Returns 0, or -1 with a sentence in @why.
 */
int session_part(struct session *s, Sockgate__Message *part, char *why,
		 size_t why_size);

/* Seconds that a daemon may take for an answer. */
#define SESSION_LIMIT 5

/*
 * session_ask - send a request and hand out what comes back
 * @request: its id is set here
 * @expect:  the answer's body; another is an error, and so is Error
 * @limit:   seconds to wait for each answer, 0: for ever
 * Returns 0 once @fn wants no more, -1 with a sentence in @why.
 */
int session_ask(struct session *s, Sockgate__Message *request,
		Sockgate__Message__BodyCase expect, unsigned int limit,
		session_fn fn, void *arg, char *why, size_t why_size);

#endif
