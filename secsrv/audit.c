// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues: jobs go to the thread, results come back to the event loop, which
 * an eventfd wakes.  `lock` protects the queues, the status and `stop`;
 * everything else belongs to one side: the database to the thread.
 *
 * The thread takes all the changes that wait and writes them in one transaction,
 * in order.  If that fails, they stay at the head of the queue and are tried
 * again.  Nothing is reported as stored before the commit has succeeded.
 *
 * Between two transactions it does one step of one question, in turn, so that no
 * commit waits for more than that.  A query whose part has been handed out rests
 * until more is asked for: what it holds is bounded, and its last part is in
 * order with what is committed after it.
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
#include "search.h"

#define RETRY_S 1
#define BATCH_BYTES (8U << 20)
#define PRUNE_ROWS 1000
#define PRUNE_INTERVAL_S 10
/* A query that finds nothing for so long says that it goes on. */
#define SIGN_OF_LIFE_S 1

enum job_kind {
	JOB_RECORDS,
	JOB_POLICY,
	JOB_QUERY,
	JOB_EXPLAIN,
	JOB_POLICY_BEFORE,
};

struct job {
	struct job *next, *prev;
	enum job_kind kind;
	uint64_t owner;
	uint64_t id;			/* of the query */
	struct audit_source source;
	Sockgate__Records *records;
	struct search *search;
	time_t told;			/* when the query last said something */
	bool forgotten;			/* its owner is gone */
	Sockgate__Explanation *explanation;
	uint64_t generation;
	uint32_t back;			/* how many changes of the policy */
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
	struct audit_bounds bounds;
	bool prunes;			/* of the thread: there is more to delete */
	struct event *wake;
	int fd;
	pthread_t thread;
	time_t retry_at;		/* of the thread: after a failure */

	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct job *jobs;		/* to the thread: changes */
	struct job *questions;		/* the next one first */
	struct job *asked;		/* what the thread is at, in no queue */
	struct job *resting;		/* queries until more is asked for */
	struct job *results;		/* to the event loop */
	struct audit_status status;
	bool stop;
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
	search_free(job->search);
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

/* Where a question goes after one step. */
enum step {
	STEP_AGAIN,		/* to the end of the questions */
	STEP_REST,
	STEP_RESULT,		/* it is its own answer now */
	STEP_OVER,
};

/* Nothing found for a while: an empty part. */
static Sockgate__Records *sign_of_life(void)
{
	Sockgate__Records *part = malloc(sizeof(*part));

	if (part)
		sockgate__records__init(part);
	return part;
}

static enum step step_query(struct audit *a, struct job *job)
{
	Sockgate__Records *part;
	struct job *result;
	bool end;

	if (search_step(job->search, a->db, &part)) {
		snprintf(job->why, sizeof(job->why), "%s", audit_db_error(a->db));
		return STEP_RESULT;
	}
	if (!part && uptime() - job->told >= SIGN_OF_LIFE_S)
		part = sign_of_life();
	if (!part)
		return STEP_AGAIN;
	end = part->end;
	result = new_result(job);
	if (!result) {
		sockgate__records__free_unpacked(part, NULL);
		snprintf(job->why, sizeof(job->why), "out of memory");
		return STEP_RESULT;
	}
	result->records = part;
	job->told = uptime();
	post(a, result);
	return end ? STEP_OVER : STEP_REST;
}

static enum step run_explain(struct audit *a, struct job *job)
{
	Sockgate__Record *record = audit_db_find(a->db, job->text);
	struct policy *policy = NULL;
	struct policy_error err;
	char *text = NULL;

	if (!record) {
		snprintf(job->why, sizeof(job->why), "no decision \"%.64s\" is in "
			 "the audit log (an agent may still have its record)",
			 job->text);
		return STEP_RESULT;
	}
	if (record->decision)
		text = audit_db_policy(a->db, record->decision->generation);
	if (text)
		policy = policy_parse(text, strlen(text), "policy", &err);
	job->explanation = explain_record(record, policy);
	if (!job->explanation)
		snprintf(job->why, sizeof(job->why), "out of memory");
	policy_free(policy);
	free(text);
	return STEP_RESULT;
}

static enum step run_policy_before(struct audit *a, struct job *job)
{
	job->text = audit_db_policy_before(a->db, job->back, &job->generation);
	if (!job->text)
		snprintf(job->why, sizeof(job->why), "no policy is kept that was in force "
			 "%u %s ago", job->back, job->back == 1 ? "change" : "changes");
	return STEP_RESULT;
}

static enum step run_question(struct audit *a, struct job *job)
{
	switch (job->kind) {
	case JOB_QUERY:
		return step_query(a, job);
	case JOB_POLICY_BEFORE:
		return run_policy_before(a, job);
	default:
		return run_explain(a, job);
	}
}

/* Lock is held. */
static void put_away(struct audit *a, struct job *job, enum step step)
{
	if (step == STEP_OVER || job->forgotten)
		free_job(job);
	else if (step == STEP_AGAIN)
		DL_APPEND(a->questions, job);
	else if (step == STEP_REST)
		DL_APPEND(a->resting, job);
	else
		DL_APPEND(a->results, job);
}

static void answer_one(struct audit *a)
{
	enum step step = STEP_OVER;
	struct job *job;

	pthread_mutex_lock(&a->lock);
	job = a->questions;
	if (job)
		DL_DELETE(a->questions, job);
	a->asked = job;
	pthread_mutex_unlock(&a->lock);
	if (!job)
		return;
	step = run_question(a, job);
	pthread_mutex_lock(&a->lock);
	a->asked = NULL;
	put_away(a, job, step);
	pthread_mutex_unlock(&a->lock);
	if (step != STEP_AGAIN)
		wake_loop(a);
}

static void prune(struct audit *a, time_t *next)
{
	int64_t age_us = (int64_t)a->bounds.keep_days * 86400 * 1000000;

	if (uptime() < *next)
		return;
	if (audit_db_prune(a->db, age_us ? wall_us() - age_us : 0,
			   a->bounds.max_bytes, PRUNE_ROWS, &a->prunes))
		log_warnx("audit: old records stay: %s", audit_db_error(a->db));
	if (!a->prunes)
		*next = uptime() + PRUNE_INTERVAL_S;
}

/*
 * Wait until there is something to do.  After a failure, changes count again
 * when it is time to retry.  Returns false if it is time to end.
 */
static bool wait_for_work(struct audit *a, bool failed, struct job **batch)
{
	struct timespec until = {
		.tv_sec = failed ? a->retry_at :
			  uptime() + (a->prunes ? 0 : PRUNE_INTERVAL_S),
	};
	bool end;
	int rc = 0;

	pthread_mutex_lock(&a->lock);
	while (!rc && !a->stop && !a->questions &&
	       (failed || !a->jobs))
		rc = pthread_cond_timedwait(&a->cond, &a->lock, &until);
	end = a->stop && (failed || !a->jobs);
	*batch = NULL;
	if (!end && (!failed || uptime() >= a->retry_at))
		*batch = take_batch(a);
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
		if (batch) {
			failed = write_batch(a, batch, &added);
			if (failed)
				batch_failed(a, batch);
			else
				batch_stored(a, batch, added);
		}
		answer_one(a);
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
	case JOB_POLICY_BEFORE:
		a->ops->policy(job->owner, job->id, job->generation, job->text, job->why,
			       a->arg);
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
			 const struct audit_bounds *bounds,
			 const struct audit_ops *ops,
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
	a->bounds = *bounds;
	a->prunes = true;
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
	free_jobs(audit->questions);
	free_jobs(audit->resting);
	free_jobs(audit->results);
	pthread_cond_destroy(&audit->cond);
	pthread_mutex_destroy(&audit->lock);
	release(audit);
}

static void submit(struct audit *a, struct job *job)
{
	pthread_mutex_lock(&a->lock);
	if (job->kind == JOB_RECORDS || job->kind == JOB_POLICY)
		DL_APPEND(a->jobs, job);
	else
		DL_APPEND(a->questions, job);
	a->status.waiting += job->size;
	pthread_mutex_unlock(&a->lock);
	/* Only now: it would wake up to wait for the lock. */
	pthread_cond_signal(&a->cond);
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

	if (!job)
		return -1;
	job->generation = generation;
	if (text)
		return submit_text(audit, job, text);
	submit(audit, job);
	return 0;
}

int audit_explain(struct audit *audit, uint64_t owner, uint64_t id,
		  const char *decision_id)
{
	return submit_text(audit, new_job(JOB_EXPLAIN, owner, id), decision_id);
}

int audit_policy_before(struct audit *audit, uint64_t owner, uint64_t id, uint32_t back)
{
	struct job *job = new_job(JOB_POLICY_BEFORE, owner, id);

	if (!job)
		return -1;
	job->back = back;
	submit(audit, job);
	return 0;
}

int audit_query(struct audit *audit, uint64_t owner, uint64_t id,
		const Sockgate__EventsQuery *query)
{
	struct job *job = new_job(JOB_QUERY, owner, id);

	if (!job)
		return -1;
	job->search = search_new(query);
	if (!job->search) {
		free_job(job);
		errno = ENOMEM;
		return -1;
	}
	job->told = uptime();
	submit(audit, job);
	return 0;
}

void audit_more(struct audit *audit, uint64_t owner, uint64_t id)
{
	struct job *job, *next;

	pthread_mutex_lock(&audit->lock);
	for_each_job(audit->resting, job, next) {
		if (job->owner != owner || job->id != id)
			continue;
		DL_DELETE(audit->resting, job);
		DL_APPEND(audit->questions, job);
		pthread_cond_signal(&audit->cond);
		break;
	}
	pthread_mutex_unlock(&audit->lock);
}

static void forget_in(struct job **queue, uint64_t owner)
{
	struct job *job, *next;

	for_each_job(*queue, job, next) {
		if (job->owner != owner)
			continue;
		DL_DELETE(*queue, job);
		free_job(job);
	}
}

void audit_forget(struct audit *audit, uint64_t owner)
{
	pthread_mutex_lock(&audit->lock);
	forget_in(&audit->questions, owner);
	forget_in(&audit->resting, owner);
	if (audit->asked && audit->asked->owner == owner)
		audit->asked->forgotten = true;
	pthread_mutex_unlock(&audit->lock);
}

void audit_status(struct audit *audit, struct audit_status *status)
{
	pthread_mutex_lock(&audit->lock);
	*status = audit->status;
	pthread_mutex_unlock(&audit->lock);
}
