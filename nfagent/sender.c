// SPDX-License-Identifier: GPL-2.0-only
/*
 * A part is read by a thread, sent by the event loop when nothing else is on its way,
 * and then the timer runs until the next.  Everything but transfer_run() is in the event
 * loop.
 */
#include "sender.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utlist.h>

#include "pool.h"

struct transfer {
	struct job job;
	struct sender *sender;
	uint64_t id;
	int fd;
	struct sockgate_file file;
	uint64_t offset;
	bool running;			/* the thread has it */
	bool stopped;
	/* The part that was read; with a size of -1 it could not be. */
	ssize_t size;
	uint8_t data[SENDER_PART];
	struct transfer *prev, *next;
};

struct sender {
	struct pool *pool;
	struct sender_conf conf;
	struct event *timer;
	struct transfer *list;		/* the first is being sent */
	unsigned int n;
	struct sender_counts counts;
};

/* ---- the thread ---------------------------------------------------------- */

static bool is_as_hashed(const struct transfer *t)
{
	struct stat st;

	return !fstat(t->fd, &st) && (uint64_t)st.st_size == t->file.size &&
	       st.st_ctim.tv_sec * INT64_C(1000000000) + st.st_ctim.tv_nsec ==
		       t->file.ctime_ns;
}

/* Whoever hashes or learns something goes first. */
static void step_back(void)
{
	static _Thread_local bool done;

	if (done)
		return;
	done = true;
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), 19);
}

static void transfer_run(struct job *job)
{
	struct transfer *t = (struct transfer *)job;

	step_back();
	t->size = -1;
	if (is_as_hashed(t))
		t->size = pread(t->fd, t->data, sizeof(t->data), (off_t)t->offset);
}

/* ---- the event loop ------------------------------------------------------ */

static void wait_a_while(struct sender *s)
{
	const struct timeval interval = { 0, s->conf.interval_ms * 1000L };

	event_add(s->timer, &interval);
}

static void transfer_free(struct transfer *t)
{
	close(t->fd);
	free(t);
}

/* The first one is over; its turn has the next. */
static void go_on(struct sender *s)
{
	struct transfer *t = s->list;

	DL_DELETE(s->list, t);
	s->n--;
	transfer_free(t);
	if (s->list)
		wait_a_while(s);
}

static int send_missing(struct sender *s, uint64_t id, Sockgate__Missing why)
{
	Sockgate__ContentPart part = SOCKGATE__CONTENT_PART__INIT;

	part.missing = why;
	part.end = true;
	return s->conf.send(id, &part, s->conf.arg);
}

static int send_part(struct sender *s, struct transfer *t)
{
	Sockgate__ContentPart part = SOCKGATE__CONTENT_PART__INIT;

	/* Shorter than it was: it changes. */
	if (t->size < 0 || (!t->size && t->offset < t->file.size))
		return send_missing(s, t->id, SOCKGATE__MISSING__MISSING_GONE);
	part.data.data = t->data;
	part.data.len = (size_t)t->size;
	part.end = t->offset + (uint64_t)t->size >= t->file.size;
	return s->conf.send(t->id, &part, s->conf.arg);
}

static void try_to_send(struct sender *s)
{
	struct transfer *t = s->list;

	if (send_part(s, t)) {
		wait_a_while(s);
		return;
	}
	if (t->size <= 0 && t->offset < t->file.size) {
		s->counts.gone++;
		go_on(s);
		return;
	}
	t->offset += (uint64_t)t->size;
	t->size = 0;
	if (t->offset >= t->file.size) {
		s->counts.sent++;
		go_on(s);
		return;
	}
	wait_a_while(s);
}

static void read_on(struct sender *s)
{
	struct transfer *t = s->list;

	t->running = true;
	if (!pool_submit(s->pool, &t->job))
		return;
	t->running = false;
	wait_a_while(s);
}

static void transfer_done(struct job *job)
{
	struct transfer *t = (struct transfer *)job;

	t->running = false;
	if (t->stopped || !job->ran)
		transfer_free(t);
	else
		try_to_send(t->sender);
}

/* There is a part that could not be sent, or one is to be read. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct sender *s = arg;

	(void)fd;
	(void)what;
	if (!s->list || s->list->running)
		return;
	if (s->list->size)
		try_to_send(s);
	else
		read_on(s);
}

struct sender *sender_new(struct event_base *base, struct pool *pool,
			  const struct sender_conf *conf)
{
	struct sender *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->pool = pool;
	s->conf = *conf;
	s->timer = event_new(base, -1, 0, on_timer, s);
	if (s->timer)
		return s;
	free(s);
	return NULL;
}

static void refuse(struct sender *s, uint64_t id, int fd, Sockgate__Missing why)
{
	if (why == SOCKGATE__MISSING__MISSING_GONE)
		s->counts.gone++;
	else
		s->counts.refused++;
	if (fd >= 0)
		close(fd);
	/* If that cannot be sent either, the server finds out by waiting. */
	(void)send_missing(s, id, why);
}

void sender_add(struct sender *s, uint64_t id, int fd, const struct sockgate_file *file,
		uint64_t limit)
{
	struct transfer *t;

	if (!s->conf.limit) {
		refuse(s, id, fd, SOCKGATE__MISSING__MISSING_REFUSED);
		return;
	}
	if (fd < 0) {
		refuse(s, id, fd, SOCKGATE__MISSING__MISSING_GONE);
		return;
	}
	if (file->size > limit || file->size > s->conf.limit) {
		refuse(s, id, fd, SOCKGATE__MISSING__MISSING_TOO_LARGE);
		return;
	}
	t = s->n < SENDER_MAX ? calloc(1, sizeof(*t)) : NULL;
	if (!t) {
		refuse(s, id, fd, SOCKGATE__MISSING__MISSING_BUSY);
		return;
	}
	t->job.run = transfer_run;
	t->job.done = transfer_done;
	t->sender = s;
	t->id = id;
	t->fd = fd;
	t->file = *file;
	DL_APPEND(s->list, t);
	if (!s->n++)
		wait_a_while(s);
}

void sender_stop(struct sender *s)
{
	struct transfer *t;

	while ((t = s->list)) {
		DL_DELETE(s->list, t);
		t->stopped = true;
		if (!t->running)
			transfer_free(t);
	}
	s->n = 0;
	event_del(s->timer);
}

void sender_free(struct sender *s)
{
	if (!s)
		return;
	sender_stop(s);
	event_free(s->timer);
	free(s);
}

const struct sender_counts *sender_counts(const struct sender *s)
{
	return &s->counts;
}
