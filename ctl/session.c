// SPDX-License-Identifier: GPL-2.0-only
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <event2/event.h>

#include "channel.h"
#include "control.h"
#include "text.h"

struct session {
	struct event_base *base;
	struct channel *channel;
	const char *program;
	bool up, down, drained;
	char down_why[256];

	/* The question that is open. */
	uint64_t id;
	Sockgate__Message__BodyCase expect;
	session_fn fn;
	void *arg;
	bool waiting, failed, answered;
	char *why;
	size_t why_size;
};

static void on_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	struct session *s = arg;

	(void)ch, (void)peer;
	s->up = true;
}

static void refuse(struct session *s, const Sockgate__Error *error)
{
	char text[512], file[256];

	text_clean(error->text, text, sizeof(text));
	text_clean(error->file, file, sizeof(file));
	if (*file && error->line)
		snprintf(s->why, s->why_size, "%s:%u: %s", file, error->line, text);
	else if (*file)
		snprintf(s->why, s->why_size, "%s: %s", file, text);
	else
		snprintf(s->why, s->why_size, "%s", text);
	s->failed = true;
}

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct session *s = arg;

	(void)ch;
	if (!s->waiting || s->failed || msg->id != s->id)
		return;
	s->answered = true;
	if (msg->body_case == SOCKGATE__MESSAGE__BODY_ERROR) {
		refuse(s, msg->error);
	} else if (msg->body_case != s->expect) {
		snprintf(s->why, s->why_size, "%s gave an answer of another kind; is it "
			 "of the same version?", s->program);
		s->failed = true;
	} else {
		s->waiting = s->fn(msg, s->arg);
	}
}

static void on_down(struct channel *ch, const char *why, void *arg)
{
	struct session *s = arg;

	(void)ch;
	s->down = true;
	snprintf(s->down_why, sizeof(s->down_why), "%s", why);
}

static void on_drained(struct channel *ch, void *arg)
{
	struct session *s = arg;

	(void)ch;
	s->drained = true;
}

static const struct channel_ops ops = {
	.up = on_up, .message = on_message, .down = on_down, .drained = on_drained,
};

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
	bool *over = arg;

	(void)fd, (void)what;
	*over = true;
}

/*
 * Runs the loop until *@done, the end of the connection, or @limit seconds
 * (0: for ever).  Returns false with s->why if not done.
 */
static bool run(struct session *s, const bool *done, unsigned int limit)
{
	struct timeval tv = { .tv_sec = limit };
	bool over = false;
	struct event *timer = evtimer_new(s->base, on_limit, &over);

	if (!timer || (limit && evtimer_add(timer, &tv))) {
		snprintf(s->why, s->why_size, "out of memory");
		goto out;
	}
	while (!*done && !s->down && !over)
		if (event_base_loop(s->base, EVLOOP_ONCE) < 0)
			break;
	if (*done)
		goto out;
	if (s->down)
		snprintf(s->why, s->why_size, "the connection to %s is lost: %s",
			 s->program, s->down_why);
	else
		snprintf(s->why, s->why_size, "%s did not answer for %u s; is it stuck?",
			 s->program, limit);
out:
	if (timer)
		event_free(timer);
	return *done;
}

struct session *session_open(const char *path, const char *program, char *why,
			     size_t why_size)
{
	int fd = control_connect(path, program, why, why_size);
	struct session *s;

	if (fd < 0)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (s)
		s->base = event_base_new();
	if (s && s->base)
		s->channel = channel_local(s->base, fd, &ops, s);
	if (!s || !s->channel) {
		snprintf(why, why_size, "out of memory");
		session_close(s);
		return NULL;
	}
	s->program = program;
	s->why = why;
	s->why_size = why_size;
	if (run(s, &s->up, SESSION_LIMIT))
		return s;
	session_close(s);
	return NULL;
}

void session_close(struct session *s)
{
	if (!s)
		return;
	channel_free(s->channel);
	if (s->base)
		event_base_free(s->base);
	free(s);
}

static int send_failed(const struct session *s, char *why, size_t why_size)
{
	snprintf(why, why_size, errno == EMSGSIZE ?
		 "the request is too large" : "cannot send to %s: %s",
		 s->program, strerror(errno));
	return -1;
}

int session_part(struct session *s, Sockgate__Message *part, char *why,
		 size_t why_size)
{
	part->id = s->id + 1;
	s->why = why;
	s->why_size = why_size;
	s->drained = false;
	if (channel_send(s->channel, part))
		return send_failed(s, why, why_size);
	/* No more than one part is on its way. */
	return run(s, &s->drained, SESSION_LIMIT) ? 0 : -1;
}

int session_ask(struct session *s, Sockgate__Message *request,
		Sockgate__Message__BodyCase expect, unsigned int limit,
		session_fn fn, void *arg, char *why, size_t why_size)
{
	request->id = ++s->id;
	s->expect = expect;
	s->fn = fn;
	s->arg = arg;
	s->why = why;
	s->why_size = why_size;
	s->waiting = true;
	s->failed = false;
	if (channel_send(s->channel, request))
		return send_failed(s, why, why_size);
	while (s->waiting && !s->failed) {
		s->answered = false;
		if (!run(s, &s->answered, limit))
			return -1;
	}
	return s->failed ? -1 : 0;
}
