// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loop's half keeps three lists of things to do: sequences to drop,
 * records to write, a batch to read.  One job at a time does what there is; as
 * long as it runs, the files (s->files) are its own.
 */
#include "spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define BATCH_RECORDS 256
#define BATCH_BYTES (256U << 10)
#define SEGMENT_MAX (4U << 20)
#define SEGMENT_MIN (64U << 10)

struct list {
	struct spool_record *first, **last;
	size_t bytes;
};

struct round {
	struct job job;
	struct spool *spool;
	uint64_t drop;
	struct spool_record *write;
	size_t write_bytes;
	int write_error;
	bool read;
	int read_error;
	uint64_t read_after;
	uint64_t read_until;	/* what came later may not be seen */
	struct spool_record *batch;
};

struct spool {
	struct pool *pool;
	struct segments *files;
	size_t max_memory;
	spool_send_fn send;
	void *arg;

	struct list waiting;	/* not on disk */
	uint64_t next;
	uint64_t stored;	/* committed by the server */
	uint64_t dropped;	/* told to the files */
	uint64_t sent;		/* nothing up to here is left to send */
	uint64_t ripe;		/* what comes before this one may be sent */
	uint64_t batch_last;	/* with in_flight: its highest sequence */
	uint64_t lost_memory;
	uint64_t put;
	bool connected;
	bool running;
	bool in_flight;		/* a batch is sent and not committed */
	bool write_stalled;	/* the last try failed: wait for the tick */
	bool send_stalled;
	int error;		/* of writing */
	int read_error;
	struct round round;
	uint64_t files_lost;	/* as of the last time they could be asked */
	struct spool_counts counts;
};

static void list_clear(struct list *l)
{
	l->first = NULL;
	l->last = &l->first;
	l->bytes = 0;
}

static void list_add(struct list *l, struct spool_record *r)
{
	r->next = NULL;
	*l->last = r;
	l->last = &r->next;
	l->bytes += r->len;
}

static void list_drop_first(struct list *l)
{
	struct spool_record *r = l->first;

	l->first = r->next;
	if (!l->first)
		l->last = &l->first;
	l->bytes -= r->len;
	free(r);
}

static void run(struct job *job)
{
	struct round *r = (struct round *)job;
	struct segments *files = r->spool->files;

	if (r->drop)
		segments_drop(files, r->drop);
	if (r->write && segments_append(files, r->write))
		r->write_error = errno;
	if (r->read && segments_read(files, r->read_after, BATCH_RECORDS,
				     BATCH_BYTES, &r->batch))
		r->read_error = errno;
}

/* A copy of what is in memory: the disk does not take it. */
static struct spool_record *batch_from_memory(const struct spool *s)
{
	struct spool_record *copy;
	unsigned int n = 0;
	struct list l;

	list_clear(&l);
	for (const struct spool_record *r = s->waiting.first;
	     r && n < BATCH_RECORDS && l.bytes < BATCH_BYTES; r = r->next) {
		if (r->sequence <= s->sent)
			continue;
		copy = spool_record_new(r->sequence, r->data, r->len);
		if (!copy)
			break;
		list_add(&l, copy);
		n++;
	}
	return l.first;
}

static void offer(struct spool *s, struct spool_record *batch)
{
	const struct spool_record *last = batch;

	while (last->next)
		last = last->next;
	if (!s->connected) {
		/* It went away while we read. */
	} else if (s->send(batch, s->arg)) {
		s->send_stalled = true;
	} else {
		s->in_flight = true;
		s->batch_last = last->sequence;
		s->sent = last->sequence;
	}
	spool_records_free(batch);
}

static void keep_within_memory(struct spool *s)
{
	while (s->waiting.bytes > s->max_memory) {
		s->lost_memory += s->waiting.first->sequence > s->stored;
		list_drop_first(&s->waiting);
	}
}

/* What could not be written goes before what came since. */
static void write_failed(struct spool *s, struct round *r)
{
	struct spool_record *last = r->write;

	if (r->write_error && !s->error)
		log_warnx("the spool cannot be written, records stay in memory: %s",
			  strerror(r->write_error));
	s->error = r->write_error;
	s->write_stalled = true;
	while (last->next)
		last = last->next;
	last->next = s->waiting.first;
	if (!s->waiting.first)
		s->waiting.last = &last->next;
	s->waiting.first = r->write;
	s->waiting.bytes += r->write_bytes;
	keep_within_memory(s);
}

static void write_finished(struct spool *s, struct round *r)
{
	if (s->error)
		log_info("the spool can be written again");
	s->error = 0;
	spool_records_free(r->write);
}

/* The records are there: none is taken for sent. */
static void read_failed(struct spool *s, int error)
{
	if (!s->read_error)
		log_warnx("the spool cannot be read, records wait there: %s",
			  strerror(error));
	s->read_error = error;
	s->send_stalled = true;
}

static void kick(struct spool *s);

static void round_done(struct job *job)
{
	struct round *r = (struct round *)job;
	struct spool *s = r->spool;
	bool failed = r->write && (!job->ran || r->write_error);

	s->running = false;
	if (r->read && job->ran && !r->read_error)
		s->read_error = 0;
	if (failed)
		write_failed(s, r);
	else if (r->write)
		write_finished(s, r);
	/* A reconnection meanwhile has set s->sent back: then it is read again. */
	if (r->batch && r->read_after != s->sent) {
		spool_records_free(r->batch);
		r->batch = NULL;
	} else if (r->read && !r->batch && r->read_after == s->sent) {
		if (r->read_error)
			read_failed(s, r->read_error);
		else if (s->error)
			r->batch = batch_from_memory(s);
		else if (job->ran)
			s->sent = r->read_until - 1;
	}
	if (r->batch)
		offer(s, r->batch);
	kick(s);
}

static bool wants_read(const struct spool *s)
{
	return s->connected && !s->in_flight && s->sent + 1 < s->ripe;
}

/* Starts a job if none runs and there is something to do. */
static void kick(struct spool *s)
{
	struct round *r = &s->round;
	bool write = s->waiting.first && !s->write_stalled;
	bool read = wants_read(s) && !s->send_stalled;

	if (s->running || (!write && !read && s->stored <= s->dropped))
		return;
	memset(r, 0, sizeof(*r));
	r->job.run = run;
	r->job.done = round_done;
	r->spool = s;
	r->drop = s->stored > s->dropped ? s->stored : 0;
	r->read = read;
	r->read_after = s->sent;
	r->read_until = s->next;
	if (write) {
		r->write = s->waiting.first;
		r->write_bytes = s->waiting.bytes;
		list_clear(&s->waiting);
	}
	s->running = true;
	s->dropped = s->stored;
	if (pool_submit(s->pool, &r->job)) {
		s->write_stalled = true;
		s->send_stalled = true;
		round_done(&r->job);
	}
}

struct spool *spool_open(struct pool *pool, const struct spool_conf *conf,
			 const uint8_t fresh[SEGMENTS_INSTANCE_SIZE],
			 spool_send_fn send, void *arg,
			 char *why, size_t why_size)
{
	struct segments_limits limits = { .max_bytes = conf->max_bytes };
	struct spool *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	limits.segment_bytes = conf->max_bytes / 16;
	if (limits.segment_bytes > SEGMENT_MAX)
		limits.segment_bytes = SEGMENT_MAX;
	if (limits.segment_bytes < SEGMENT_MIN)
		limits.segment_bytes = SEGMENT_MIN;
	s->files = segments_open(conf->dir, &limits, fresh, why, why_size);
	if (!s->files) {
		free(s);
		return NULL;
	}
	s->pool = pool;
	s->max_memory = conf->max_memory;
	s->send = send;
	s->arg = arg;
	s->next = segments_next_sequence(s->files);
	list_clear(&s->waiting);
	return s;
}

void spool_close(struct spool *s)
{
	bool crash;

	if (!s)
		return;
	if (s->stored)
		segments_drop(s->files, s->stored);
	crash = s->waiting.first && segments_append(s->files, s->waiting.first);
	if (crash)
		log_warn("records are lost: the spool cannot be written");
	segments_close(s->files, crash);
	spool_records_free(s->waiting.first);
	free(s);
}

const uint8_t *spool_instance(const struct spool *s)
{
	return segments_instance(s->files);
}

uint64_t spool_next(const struct spool *s)
{
	return s->next;
}

int spool_put(struct spool *s, const uint8_t *data, size_t len)
{
	struct spool_record *r = NULL;

	s->put++;
	if (len <= SEGMENTS_RECORD_MAX)
		r = spool_record_new(s->next, data, (uint32_t)len);
	if (!r) {
		s->lost_memory++;
		return -1;
	}
	s->next++;
	list_add(&s->waiting, r);
	keep_within_memory(s);
	if (s->next - s->sent > BATCH_RECORDS)
		s->ripe = s->next;
	kick(s);
	return 0;
}

void spool_flush(struct spool *s)
{
	s->ripe = s->next;
	kick(s);
}

void spool_connected(struct spool *s, bool connected)
{
	s->connected = connected;
	s->in_flight = false;
	s->sent = s->stored;
	s->send_stalled = false;
	s->ripe = s->next;
	if (connected)
		kick(s);
}

void spool_stored(struct spool *s, uint64_t sequence)
{
	if (sequence >= s->next)
		sequence = s->next - 1;
	if (sequence <= s->stored)
		return;
	s->stored = sequence;
	if (s->sent < s->stored)
		s->sent = s->stored;
	while (s->waiting.first && s->waiting.first->sequence <= sequence)
		list_drop_first(&s->waiting);
	if (s->in_flight && sequence >= s->batch_last)
		s->in_flight = false;
	kick(s);
}

void spool_refused(struct spool *s)
{
	if (!s->in_flight)
		return;
	s->in_flight = false;
	s->sent = s->stored;
	s->send_stalled = true;
}

void spool_tick(struct spool *s)
{
	s->write_stalled = false;
	s->send_stalled = false;
	spool_flush(s);
}

const struct spool_counts *spool_counts(struct spool *s)
{
	s->counts.put = s->put;
	s->counts.stored = s->stored;
	s->counts.waiting = s->waiting.bytes;
	s->counts.lost = s->lost_memory;
	if (!s->running) {
		s->counts.bytes = segments_bytes(s->files);
		s->counts.lost += segments_lost(s->files);
		s->files_lost = segments_lost(s->files);
	} else {
		s->counts.lost += s->files_lost;
	}
	return &s->counts;
}

const char *spool_error(const struct spool *s)
{
	int error = s->error ? s->error : s->read_error;

	return error ? strerror(error) : NULL;
}
