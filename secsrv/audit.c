// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two queues: jobs go to the thread, results come back to the event loop, which
 * an eventfd wakes.  `lock` protects both queues, the status and `stop`;
 * everything else belongs to one side: the database to the thread.
 *
 * The thread takes all the jobs that wait.  What has to be written goes into
 * one transaction, in order.  If that fails, it stays at the head of the queue
 * and is tried again; queries are answered meanwhile.  Nothing is reported as
 * stored before the commit has succeeded.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <event2/event.h>
#include <utlist.h>

#include "audit.h"
#include "explain.h"
#include "log.h"
#include "query.h"

#define RETRY_S 1
#define BATCH_BYTES (8U << 20)
#define PRUNE_ROWS 10000
#define PRUNE_INTERVAL_S 10
/* Records in one part of an answer, and bytes: a frame has a limit. */
#define PART_RECORDS 500
#define PART_BYTES (512U << 10)

enum job_kind {
	JOB_RECORDS,
	JOB_POLICY,
	JOB_QUERY,
	JOB_EXPLAIN,
};

struct job {
	struct job *next, *prev;
	enum job_kind kind;
	uint64_t owner;
	uint64_t id;			/* of the query */
	struct audit_source source;
	Sockgate__Records *records;
	Sockgate__EventsQuery *query;
	Sockgate__Explanation *explanation;
	uint64_t generation;
	char *text;			/* policy, or decision id */
	size_t size;
	char why[512];
};

/* The body may take @job out of its queue, but no other. */
#define for_each_job(head, job, next)					\
	for ((job) = (head); (job) && ((next) = (job)->next, 1); (job) = (next))

struct audit {
	struct audit_db *db;
	const struct audit_ops *ops;
	void *arg;
	unsigned int keep_days;
	struct event *wake;
	int fd;
	pthread_t thread;
	time_t retry_at;		/* of the thread: after a failure */

	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct job *jobs;		/* to the thread */
	struct job *results;		/* to the event loop */
	struct audit_status status;
	bool stop;
	bool retry;
};

static int64_t wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* CLOCK_MONOTONIC in seconds is enough for waits of a second and more. */
static time_t uptime(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void free_job(struct job *job)
{
	if (!job)
		return;
	if (job->records)
		sockgate__records__free_unpacked(job->records, NULL);
	if (job->query)
		sockgate__events_query__free_unpacked(job->query, NULL);
	if (job->explanation)
		sockgate__explanation__free_unpacked(job->explanation, NULL);
	free(job->text);
	free(job);
}

static void free_jobs(struct job *head)
{
	struct job *job, *next;

	for_each_job(head, job, next) {
		free_job(job);
	}
}

/* ---- the thread ---- */

static void post(struct audit *a, struct job *result)
{
	pthread_mutex_lock(&a->lock);
	DL_APPEND(a->results, result);
	pthread_mutex_unlock(&a->lock);
}

static void wake_loop(struct audit *a)
{
	/* A full counter wakes it as well. */
	if (eventfd_write(a->fd, 1) && errno != EAGAIN)
		log_warn("audit: cannot wake the event loop");
}

static bool is_change(const struct job *job)
{
	return job->kind == JOB_RECORDS || job->kind == JOB_POLICY;
}

static int write_job(struct audit *a, const struct job *job, uint64_t *added)
{
	if (job->kind == JOB_POLICY)
		return audit_db_put_policy(a->db, job->generation, wall_us(),
					   job->text);
	return audit_db_put_records(a->db, &job->source, job->records, wall_us(),
				    added);
}

static int write_batch(struct audit *a, struct job *batch, uint64_t *added)
{
	struct job *job, *next;

	*added = 0;
	if (audit_db_begin(a->db))
		return -1;
	for_each_job(batch, job, next) {
		if (write_job(a, job, added))
			goto fail;
	}
	if (!audit_db_commit(a->db))
		return 0;
fail:
	audit_db_rollback(a->db);
	return -1;
}

/* The changes at the head of the queue, up to BATCH_BYTES.  Lock is held. */
static struct job *take_batch(struct audit *a)
{
	struct job *batch = NULL, *job, *next;
	size_t size = 0;

	for_each_job(a->jobs, job, next) {
		if (!is_change(job))
			continue;
		if (size >= BATCH_BYTES)
			break;
		size += job->size;
		DL_DELETE(a->jobs, job);
		DL_APPEND(batch, job);
	}
	return batch;
}

static uint64_t count_records(const struct job *batch)
{
	const struct job *job, *next;
	uint64_t n = 0;

	for_each_job(batch, job, next) {
		if (job->kind == JOB_RECORDS)
			n += job->records->n_record;
	}
	return n;
}

static void batch_stored(struct audit *a, struct job *batch, uint64_t added)
{
	struct job *job, *next;

	pthread_mutex_lock(&a->lock);
	if (*a->status.error)
		log_info("audit: records are committed again");
	a->status.error[0] = '\0';
	a->status.n_commits++;
	a->status.n_stored += added;
	a->status.n_repeated += count_records(batch) - added;
	for_each_job(batch, job, next) {
		a->status.waiting -= job->size;
		DL_DELETE(batch, job);
		DL_APPEND(a->results, job);
	}
	pthread_mutex_unlock(&a->lock);
	wake_loop(a);
}

static void batch_failed(struct audit *a, struct job *batch)
{
	pthread_mutex_lock(&a->lock);
	if (strcmp(a->status.error, audit_db_error(a->db)))
		log_warnx("audit: %s; records stay with the agents until this "
			  "is cured", audit_db_error(a->db));
	snprintf(a->status.error, sizeof(a->status.error), "%s",
		 audit_db_error(a->db));
	DL_CONCAT(batch, a->jobs);
	a->jobs = batch;
	a->retry_at = uptime() + RETRY_S;
	pthread_mutex_unlock(&a->lock);
}

/* An answer in parts: the last one that was begun is still being filled. */
struct answer {
	struct audit *audit;
	const struct job *query;
	Sockgate__Records *part;
	size_t size;
};

static Sockgate__Records *new_part(void)
{
	Sockgate__Records *part = malloc(sizeof(*part));

	if (!part)
		return NULL;
	sockgate__records__init(part);
	part->record = calloc(PART_RECORDS, sizeof(Sockgate__Record *));
	if (part->record)
		return part;
	free(part);
	return NULL;
}

static struct job *new_result(const struct job *query)
{
	struct job *result = calloc(1, sizeof(*result));

	if (!result)
		return NULL;
	result->kind = query->kind;
	result->owner = query->owner;
	result->id = query->id;
	return result;
}

static int flush_part(struct answer *answer, bool end)
{
	struct job *result = new_result(answer->query);

	if (!result)
		return -1;
	answer->part->end = end;
	result->records = answer->part;
	answer->part = NULL;
	post(answer->audit, result);
	if (end)
		return 0;
	answer->part = new_part();
	answer->size = 0;
	return answer->part ? 0 : -1;
}

static int take_record(Sockgate__Record *record, void *arg)
{
	struct answer *answer = arg;
	size_t size = sockgate__record__get_packed_size(record) + 8;

	if ((answer->part->n_record == PART_RECORDS ||
	     answer->size + size > PART_BYTES) && flush_part(answer, false)) {
		sockgate__record__free_unpacked(record, NULL);
		return -1;
	}
	answer->part->record[answer->part->n_record++] = record;
	answer->size += size;
	return 0;
}

static void run_query(struct audit *a, struct job *job)
{
	struct answer answer = { .audit = a, .query = job, .part = new_part() };

	if (answer.part &&
	    !audit_db_query(a->db, job->query, take_record, &answer) &&
	    !flush_part(&answer, true)) {
		free_job(job);
		return;
	}
	if (answer.part)
		sockgate__records__free_unpacked(answer.part, NULL);
	snprintf(job->why, sizeof(job->why), "%s", audit_db_error(a->db));
	post(a, job);
}

static void run_explain(struct audit *a, struct job *job)
{
	Sockgate__Record *record = audit_db_find(a->db, job->text);
	struct policy *policy = NULL;
	struct policy_error err;
	char *text = NULL;

	if (!record) {
		snprintf(job->why, sizeof(job->why), "no decision \"%.64s\" is in "
			 "the audit log (an agent may still have its record)",
			 job->text);
		post(a, job);
		return;
	}
	if (record->decision)
		text = audit_db_policy(a->db, record->decision->generation);
	if (text)
		policy = policy_parse(text, strlen(text), "policy", &err);
	job->explanation = explain_record(record, policy);
	if (!job->explanation)
		snprintf(job->why, sizeof(job->why), "out of memory");
	policy_put(policy);
	free(text);
	post(a, job);
}

static struct job *take_question(struct audit *a)
{
	struct job *job, *next;

	pthread_mutex_lock(&a->lock);
	for_each_job(a->jobs, job, next) {
		if (!is_change(job)) {
			DL_DELETE(a->jobs, job);
			break;
		}
	}
	pthread_mutex_unlock(&a->lock);
	return job;
}

static void answer_questions(struct audit *a)
{
	struct job *job;
	bool any = false;

	while ((job = take_question(a))) {
		if (job->kind == JOB_QUERY)
			run_query(a, job);
		else
			run_explain(a, job);
		any = true;
	}
	if (any)
		wake_loop(a);
}

static void prune(struct audit *a, time_t *next)
{
	int64_t age_us = (int64_t)a->keep_days * 86400 * 1000000;

	if (!a->keep_days || uptime() < *next)
		return;
	*next = uptime() + PRUNE_INTERVAL_S;
	if (audit_db_prune(a->db, wall_us() - age_us, PRUNE_ROWS))
		log_warnx("audit: old records stay: %s", audit_db_error(a->db));
}

static bool questions_wait(const struct audit *a)
{
	const struct job *job, *next;

	for_each_job(a->jobs, job, next) {
		if (!is_change(job))
			return true;
	}
	return false;
}

/*
 * Wait until there is something to do.  After a failure, changes count again
 * when it is time to retry.  Returns false if it is time to end.
 */
static bool wait_for_work(struct audit *a, bool failed, struct job **batch)
{
	struct timespec until = {
		.tv_sec = failed ? a->retry_at : uptime() + PRUNE_INTERVAL_S,
	};
	bool end;
	int rc = 0;

	pthread_mutex_lock(&a->lock);
	while (!rc && !a->stop && !(failed ? a->retry : a->jobs != NULL) &&
	       !questions_wait(a))
		rc = pthread_cond_timedwait(&a->cond, &a->lock, &until);
	end = a->stop && (failed || !a->jobs);
	*batch = NULL;
	if (!end && (!failed || a->retry || uptime() >= a->retry_at))
		*batch = take_batch(a);
	a->retry = false;
	pthread_mutex_unlock(&a->lock);
	return !end;
}

static void *run_thread(void *arg)
{
	struct audit *a = arg;
	struct job *batch;
	bool failed = false;
	time_t next_prune = 0;
	uint64_t added;

	while (wait_for_work(a, failed, &batch)) {
		answer_questions(a);
		if (batch) {
			failed = write_batch(a, batch, &added);
			if (failed)
				batch_failed(a, batch);
			else
				batch_stored(a, batch, added);
		}
		if (!failed)
			prune(a, &next_prune);
	}
	return NULL;
}

/* ---- the event loop ---- */

static uint64_t last_sequence(const Sockgate__Records *records)
{
	return records->n_record ? records->record[records->n_record - 1]->sequence
				 : 0;
}

static void report(struct audit *a, struct job *job)
{
	switch (job->kind) {
	case JOB_RECORDS:
		a->ops->stored(job->owner, last_sequence(job->records),
			       job->size, a->arg);
		a->ops->committed(job->records, a->arg);
		break;
	case JOB_QUERY:
		a->ops->found(job->owner, job->id, job->records, job->why, a->arg);
		job->records = NULL;
		break;
	case JOB_EXPLAIN:
		a->ops->explained(job->owner, job->id, job->explanation, job->why,
				  a->arg);
		job->explanation = NULL;
		break;
	case JOB_POLICY:
		break;
	}
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct audit *a = arg;
	struct job *results, *job, *next;
	eventfd_t count;

	(void)what;
	if (eventfd_read(fd, &count) && errno != EAGAIN)
		log_warn("audit: eventfd");
	pthread_mutex_lock(&a->lock);
	results = a->results;
	a->results = NULL;
	pthread_mutex_unlock(&a->lock);
	for_each_job(results, job, next) {
		report(a, job);
		free_job(job);
	}
}

static int start(struct audit *a, struct event_base *base, char *why,
		 size_t why_size)
{
	pthread_condattr_t attr;
	int rc;

	a->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (a->fd >= 0)
		a->wake = event_new(base, a->fd, EV_READ | EV_PERSIST, on_wake, a);
	if (!a->wake || event_add(a->wake, NULL)) {
		snprintf(why, why_size, "audit: cannot make an event");
		return -1;
	}
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&a->cond, &attr);
	pthread_condattr_destroy(&attr);
	rc = pthread_create(&a->thread, NULL, run_thread, a);
	if (!rc)
		return 0;
	snprintf(why, why_size, "audit: cannot start a thread: %s", strerror(rc));
	pthread_cond_destroy(&a->cond);
	pthread_mutex_destroy(&a->lock);
	return -1;
}

static void release(struct audit *a)
{
	if (a->wake)
		event_free(a->wake);
	if (a->fd >= 0)
		close(a->fd);
	audit_db_close(a->db);
	free(a);
}

struct audit *audit_open(struct event_base *base, const char *path,
			 unsigned int keep_days, const struct audit_ops *ops,
			 void *arg, uint64_t *generation, char *why,
			 size_t why_size)
{
	struct audit *a = calloc(1, sizeof(*a));

	if (!a) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	a->fd = -1;
	a->ops = ops;
	a->arg = arg;
	a->keep_days = keep_days;
	a->db = audit_db_open(path, why, why_size);
	if (!a->db)
		goto fail;
	if (audit_db_last_generation(a->db, generation)) {
		snprintf(why, why_size, "%s", audit_db_error(a->db));
		goto fail;
	}
	if (!start(a, base, why, why_size))
		return a;
fail:
	release(a);
	return NULL;
}

void audit_close(struct audit *audit)
{
	if (!audit)
		return;
	pthread_mutex_lock(&audit->lock);
	audit->stop = true;
	pthread_cond_signal(&audit->cond);
	pthread_mutex_unlock(&audit->lock);
	pthread_join(audit->thread, NULL);
	free_jobs(audit->jobs);
	free_jobs(audit->results);
	pthread_cond_destroy(&audit->cond);
	pthread_mutex_destroy(&audit->lock);
	release(audit);
}

static void submit(struct audit *a, struct job *job)
{
	pthread_mutex_lock(&a->lock);
	DL_APPEND(a->jobs, job);
	a->status.waiting += job->size;
	pthread_cond_signal(&a->cond);
	pthread_mutex_unlock(&a->lock);
}

static struct job *new_job(enum job_kind kind, uint64_t owner, uint64_t id)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job) {
		errno = ENOMEM;
		return NULL;
	}
	job->kind = kind;
	job->owner = owner;
	job->id = id;
	return job;
}

static bool backlog_full(struct audit *a, size_t size)
{
	bool full;

	pthread_mutex_lock(&a->lock);
	full = a->status.waiting + size > AUDIT_BACKLOG_MAX;
	if (full)
		a->status.n_refused++;
	pthread_mutex_unlock(&a->lock);
	return full;
}

int audit_submit(struct audit *audit, uint64_t owner,
		 const struct audit_source *source, Sockgate__Records *records,
		 size_t size)
{
	struct job *job;

	if (backlog_full(audit, size)) {
		errno = ENOBUFS;
		return -1;
	}
	job = new_job(JOB_RECORDS, owner, 0);
	if (!job)
		return -1;
	job->source = *source;
	job->records = records;
	job->size = size;
	submit(audit, job);
	return 0;
}

/* With a text: a policy, or a decision id. */
static int submit_text(struct audit *a, struct job *job, const char *text)
{
	if (!job)
		return -1;
	job->text = strdup(text);
	if (!job->text) {
		free_job(job);
		errno = ENOMEM;
		return -1;
	}
	submit(a, job);
	return 0;
}

int audit_policy(struct audit *audit, uint64_t generation, const char *text)
{
	struct job *job = new_job(JOB_POLICY, 0, 0);

	if (job)
		job->generation = generation;
	return submit_text(audit, job, text);
}

int audit_explain(struct audit *audit, uint64_t owner, uint64_t id,
		  const char *decision_id)
{
	return submit_text(audit, new_job(JOB_EXPLAIN, owner, id), decision_id);
}

int audit_query(struct audit *audit, uint64_t owner, uint64_t id,
		const Sockgate__EventsQuery *query)
{
	struct job *job = new_job(JOB_QUERY, owner, id);

	if (!job)
		return -1;
	job->query = query_copy(query);
	if (!job->query) {
		free_job(job);
		errno = ENOMEM;
		return -1;
	}
	if (job->query->last > AUDIT_QUERY_MAX)
		job->query->last = AUDIT_QUERY_MAX;
	submit(audit, job);
	return 0;
}

void audit_retry(struct audit *audit)
{
	pthread_mutex_lock(&audit->lock);
	audit->retry = true;
	pthread_cond_signal(&audit->cond);
	pthread_mutex_unlock(&audit->lock);
}

void audit_status(struct audit *audit, struct audit_status *status)
{
	pthread_mutex_lock(&audit->lock);
	*status = audit->status;
	pthread_mutex_unlock(&audit->lock);
}
