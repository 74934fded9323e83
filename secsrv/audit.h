/* SPDX-License-Identifier: GPL-2.0-only */
/* The audit log: written in batches by a thread of its own. */
#ifndef SECSRV_AUDIT_H
#define SECSRV_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit_db.h"

struct audit;
struct event_base;

/* Bytes of records that may wait for the disk; more are refused. */
#define AUDIT_BACKLOG_MAX (64U << 20)
/*
 * What comes back, in the thread of the event loop.  @owner and @id are what
 * the caller gave; the owner may be gone by then.
 *
 * stored:    records with up to @sequence are on the disk, and so is all that
 *            this owner submitted before; @size bytes less are waiting
 * committed: the same records, for those who follow; only to be read
 * found:     a part of the answer to audit_query(), which the callee frees with
 *            sockgate__records__free_unpacked(); it may be empty.  end is set in
 *            the last one; after any other, audit_more() is due.
 *            NULL: failed, see @why.
 * explained: answer to audit_explain(), which the callee frees; NULL: see @why
 * policy:    answer to audit_policy_before(); NULL: see @why
 */
struct audit_ops {
	void (*stored)(uint64_t owner, uint64_t sequence, size_t size, void *arg);
	void (*committed)(const Sockgate__Records *records, void *arg);
	void (*found)(uint64_t owner, uint64_t id, Sockgate__Records *part,
		      const char *why, void *arg);
	void (*explained)(uint64_t owner, uint64_t id, Sockgate__Explanation *e,
			  const char *why, void *arg);
	void (*policy)(uint64_t owner, uint64_t id, uint64_t generation,
		       const char *text, const char *why, void *arg);
};

/* 0: no bound of this kind. */
struct audit_bounds {
	unsigned int keep_days;
	int64_t max_bytes;
};

/*
 * audit_open - open the log and start its thread
 * @bounds: beyond which the oldest records are deleted; copied
 * @generation: of the last policy that was kept, 0 if none
 */
struct audit *audit_open(struct event_base *base, const char *path,
			 const struct audit_bounds *bounds,
			 const struct audit_ops *ops,
			 void *arg, uint64_t *generation, char *why,
			 size_t why_size);

/*
 * audit_close - write what waits, if the disk takes it, and end the thread
 * No callback follows.  What could not be written was never acknowledged.
 */
void audit_close(struct audit *audit);

/*
 * audit_submit - hand over records to be stored
 * @records: the log owns them from here if 0 is returned
 * @size:    bytes that they take, for the backlog
 * Returns -1 with ENOBUFS (the backlog is full: the disk is, or is too slow) or
 * ENOMEM; then the records still belong to the caller.
 */
int audit_submit(struct audit *audit, uint64_t owner,
		 const struct audit_source *source, Sockgate__Records *records,
		 size_t size);

/*
 * audit_policy - keep a policy, before all records that are submitted later
 * @text: NULL: that of the generation before
 * Never refused for want of room.  Returns 0, or -1 with ENOMEM.
 */
int audit_policy(struct audit *audit, uint64_t generation, const char *text);

/*
 * Both copy what they are given; return 0, or -1 with ENOMEM.  A query that
 * follows gets all that is committed before its last part, whatever it asks for
 * as last.
 */
int audit_query(struct audit *audit, uint64_t owner, uint64_t id,
		const Sockgate__EventsQuery *query);
int audit_explain(struct audit *audit, uint64_t owner, uint64_t id,
		  const char *decision_id);

/* The policy that was in force so many changes ago.  Returns as above. */
int audit_policy_before(struct audit *audit, uint64_t owner, uint64_t id, uint32_t back);

/* The part that came is on its way: get the next one. */
void audit_more(struct audit *audit, uint64_t owner, uint64_t id);

/* Nobody waits any more for what this owner asked for. */
void audit_forget(struct audit *audit, uint64_t owner);

struct audit_status {
	char error[512];		/* why nothing is committed, empty: it is */
	uint64_t n_stored;		/* records committed */
	uint64_t n_repeated;		/* records that were there already */
	uint64_t n_refused;		/* batches that found the backlog full */
	uint64_t n_commits;
	uint64_t waiting;		/* bytes in the backlog */
};
void audit_status(struct audit *audit, struct audit_status *status);

#endif
