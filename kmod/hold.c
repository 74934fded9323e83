// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holding a caller until there is a verdict.
 *
 * The contract: every request that was published is completed exactly once, by
 * whoever takes it out of the tables: an answer, the deadline, the end of the
 * agent, a question that could not be sent, or the end of the module.  Taking
 * out happens under pending_lock, so there is one winner; the winner writes the
 * verdict and wakes all who wait.  A request is published before the agent is
 * told of it, and taken back if telling fails.
 *
 * A caller that a signal wakes leaves; the request stays until it is completed,
 * and the call, restarted, joins it again.  So neither a stop nor the freezer
 * makes a second question or a later deadline.
 *
 * Locking: pending_lock covers both tables, the age list, the count and
 * `closed`.  It nests inside nothing and is never taken in interrupts.  The
 * tables own one reference of each request, every waiting caller one.
 */
#include <linux/completion.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/hashtable.h>
#include <linux/jhash.h>
#include <linux/jiffies.h>
#include <linux/random.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <net/sock.h>

#include "cache.h"
#include "count.h"
#include "hold.h"
#include "request.h"
#include "upcall.h"

#define TABLE_BITS 10

static DEFINE_HASHTABLE(by_key, TABLE_BITS);
static DEFINE_HASHTABLE(by_id, TABLE_BITS);
static LIST_HEAD(by_age);
static DEFINE_SPINLOCK(pending_lock);
static u64 last_id;
static u32 pending;
static bool closed = true;
static bool reaper_armed;
static unsigned long reaper_due;	/* jiffies, if armed */
static u32 hash_seed __read_mostly;

static u32 limit = SG_PENDING_DEFAULT;
static u32 deadline_ms = SG_DEADLINE_DEFAULT;

static void reap(struct work_struct *work);
static DECLARE_DELAYED_WORK(reaper, reap);

static u32 key_hash(const struct sg_key *key)
{
	return jhash2((const u32 *)key, sizeof(*key) / sizeof(u32), hash_seed);
}

static void request_put(struct sg_request *req)
{
	if (!refcount_dec_and_test(&req->refs))
		return;
	if (req->exe)
		fput(req->exe);
	kfree(req);
}

static struct sg_request *request_new(const struct sg_key *key)
{
	struct sg_request *req = kzalloc(sizeof(*req), GFP_KERNEL | __GFP_NOWARN);

	if (!req)
		return NULL;
	refcount_set(&req->refs, 2);	/* the tables' and ours */
	req->key = *key;
	req->exe = sg_event_exe(key);
	req->tid = task_pid_nr(current);
	req->verdict = sg_verdict_fail(SOCKGATE_REASON_BAD_ANSWER);
	get_task_comm(req->comm, current);
	init_completion(&req->done);
	return req;
}

static struct sg_request *find_key(const struct sg_key *key, u32 hash)
{
	struct sg_request *req;

	lockdep_assert_held(&pending_lock);
	hash_for_each_possible(by_key, req, key_node, hash)
		if (!memcmp(&req->key, key, sizeof(*key)))
			return req;
	return NULL;
}

static struct sg_request *find_id(u64 id)
{
	struct sg_request *req;

	lockdep_assert_held(&pending_lock);
	hash_for_each_possible(by_id, req, id_node, id)
		if (req->id == id)
			return req;
	return NULL;
}

static void arm_reaper(unsigned long due)
{
	unsigned long now = jiffies;

	lockdep_assert_held(&pending_lock);
	if (closed || (reaper_armed && time_before_eq(reaper_due, due)))
		return;
	reaper_armed = true;
	reaper_due = due;
	mod_delayed_work(system_wq, &reaper,
			 time_before(now, due) ? due - now : 0);
}

static void publish(struct sg_request *req, u32 hash)
{
	lockdep_assert_held(&pending_lock);
	req->id = ++last_id;
	req->deadline = jiffies + msecs_to_jiffies(READ_ONCE(deadline_ms));
	hash_add(by_key, &req->key_node, hash);
	hash_add(by_id, &req->id_node, req->id);
	list_add_tail(&req->age, &by_age);
	WRITE_ONCE(pending, pending + 1);
	arm_reaper(req->deadline);
}

/* The taker owns the tables' reference and must complete(). */
static void take(struct sg_request *req)
{
	lockdep_assert_held(&pending_lock);
	hash_del(&req->key_node);
	hash_del(&req->id_node);
	list_del_init(&req->age);
	WRITE_ONCE(pending, pending - 1);
}

static bool taken(const struct sg_request *req)
{
	lockdep_assert_held(&pending_lock);
	return list_empty(&req->age);
}

static void finish(struct sg_request *req, const struct sg_verdict *verdict)
{
	req->verdict = *verdict;
	complete_all(&req->done);
	request_put(req);
}

static void finish_list(struct list_head *list, enum sockgate_reason reason)
{
	const struct sg_verdict verdict = sg_verdict_fail(reason);
	struct sg_request *req, *next;

	list_for_each_entry_safe(req, next, list, taken_node)
		finish(req, &verdict);
}

/*
 * Joins the request that asks the same, or publishes ours.  Returns the reason
 * why there is none, with *@reqp the request to wait on and *@ask whether it
 * still has to be sent.
 */
static enum sockgate_reason join(const struct sg_key *key,
				 struct sg_request **reqp, bool *ask)
{
	enum sockgate_reason reason = SOCKGATE_REASON_UNSPEC;
	struct sg_request *mine, *req;
	u32 hash = key_hash(key);

	mine = request_new(key);
	if (!mine)
		return SOCKGATE_REASON_NO_MEMORY;

	spin_lock(&pending_lock);
	req = find_key(key, hash);
	if (req) {
		refcount_inc(&req->refs);
	} else if (closed) {
		reason = SOCKGATE_REASON_UNLOAD;
	} else if (pending >= limit) {
		reason = SOCKGATE_REASON_TABLE_FULL;
	} else {
		publish(mine, hash);
		req = mine;
	}
	spin_unlock(&pending_lock);

	*ask = req == mine;
	*reqp = req;
	if (!*ask) {
		refcount_set(&mine->refs, 1);
		request_put(mine);
	}
	return reason;
}

static void fail_one(struct sg_request *req, enum sockgate_reason reason)
{
	const struct sg_verdict verdict = sg_verdict_fail(reason);
	bool won;

	spin_lock(&pending_lock);
	won = !taken(req);
	if (won)
		take(req);
	spin_unlock(&pending_lock);
	if (won)
		finish(req, &verdict);
}

static void ask(struct sg_request *req)
{
	enum sockgate_reason reason;

	sg_count(SOCKGATE_N_ASKED);
	reason = sg_upcall_ask(req);
	if (reason != SOCKGATE_REASON_UNSPEC)
		fail_one(req, reason);
}

/*
 * An io_uring worker gets no signal but a fatal one that it could act upon;
 * anybody else leaves for any, to be stopped, frozen, or to run a handler.
 */
static int wait(struct sg_request *req, const struct sock *sk)
{
	long timeout = sk->sk_sndtimeo ?: MAX_SCHEDULE_TIMEOUT;
	long left;

	if (current->flags & PF_IO_WORKER)
		left = wait_for_completion_killable_timeout(&req->done, timeout);
	else
		left = wait_for_completion_interruptible_timeout(&req->done,
								 timeout);
	if (left > 0)
		return 0;
	sg_count(SOCKGATE_N_INTERRUPTED);
	return left ? sock_intr_errno(timeout) : -EAGAIN;
}

/**
 * sg_hold() - wait for the verdict on an event
 * @key:     of the event
 * @sk:      the socket, for its SO_SNDTIMEO
 * @verdict: filled in: ALLOW, DENY or FAIL
 *
 * Return: 0, or what to return to the caller for now: -ERESTARTSYS after a
 * signal (-EINTR if SO_SNDTIMEO is set, as elsewhere), -EAGAIN after
 * SO_SNDTIMEO.
 */
int sg_hold(const struct sg_key *key, const struct sock *sk,
	    struct sg_verdict *verdict)
{
	enum sockgate_reason reason;
	struct sg_request *req;
	bool first;
	int err;

	reason = join(key, &req, &first);
	if (reason != SOCKGATE_REASON_UNSPEC) {
		*verdict = sg_verdict_fail(reason);
		return 0;
	}
	if (first)
		ask(req);
	else
		sg_count(SOCKGATE_N_JOINED);
	err = wait(req, sk);
	if (!err)
		*verdict = sg_event_same_exe(key) ? req->verdict :
			   sg_verdict_fail(SOCKGATE_REASON_CHANGED);
	request_put(req);
	return err;
}

/**
 * sg_hold_answer() - the agent's answer to a request
 * @id:          of the request
 * @verdict:     ALLOW, DENY or FAIL
 * @fields:      what it looked at
 * @lifetime_ms: how long it may be remembered, 0: not
 * @generation:  policy it comes from
 *
 * Return: false if no such request is pending.
 */
bool sg_hold_answer(u64 id, const struct sg_verdict *verdict,
		    const struct sg_fields *fields, u32 lifetime_ms,
		    u32 generation)
{
	struct sg_request *req;

	spin_lock(&pending_lock);
	req = find_id(id);
	if (req)
		take(req);
	spin_unlock(&pending_lock);
	if (!req) {
		sg_count(SOCKGATE_N_LATE);
		return false;
	}
	/* Before anybody wakes, so that the next caller finds it. */
	if (verdict->action != SOCKGATE_ACTION_FAIL)
		sg_cache_add(&req->key, fields, verdict, lifetime_ms,
			     generation);
	sg_count(SOCKGATE_N_ANSWERED);
	finish(req, verdict);
	return true;
}

/* The list is not in order of deadline once the deadline was changed. */
static void reap(struct work_struct *work)
{
	struct sg_request *req, *next;
	unsigned long now = jiffies;
	LIST_HEAD(late);

	spin_lock(&pending_lock);
	reaper_armed = false;
	list_for_each_entry_safe(req, next, &by_age, age) {
		if (time_before(now, req->deadline)) {
			arm_reaper(req->deadline);
			continue;
		}
		take(req);
		list_add_tail(&req->taken_node, &late);
	}
	spin_unlock(&pending_lock);
	finish_list(&late, SOCKGATE_REASON_DEADLINE);
}

/**
 * sg_hold_fail_asked() - whoever was to answer will not
 * @portid: of the agent's socket; 0 for all
 * @reason: what to complete its requests with
 */
void sg_hold_fail_asked(u32 portid, enum sockgate_reason reason)
{
	struct sg_request *req, *next;
	LIST_HEAD(lost);

	spin_lock(&pending_lock);
	list_for_each_entry_safe(req, next, &by_age, age) {
		if (portid && READ_ONCE(req->portid) != portid)
			continue;
		take(req);
		list_add_tail(&req->taken_node, &lost);
	}
	spin_unlock(&pending_lock);
	finish_list(&lost, reason);
}

/**
 * sg_hold_exe() - the file that a pending request's caller runs
 * @id: of the request
 *
 * Return: a reference, or NULL if there is no such request or file.
 */
struct file *sg_hold_exe(u64 id)
{
	struct sg_request *req;
	struct file *exe = NULL;

	spin_lock(&pending_lock);
	req = find_id(id);
	if (req && req->exe)
		exe = get_file(req->exe);
	spin_unlock(&pending_lock);
	return exe;
}

/**
 * sg_hold_set_deadline() - how long a request may be pending
 * @ms: milliseconds, for requests from now on
 */
void sg_hold_set_deadline(u32 ms)
{
	WRITE_ONCE(deadline_ms, ms);
}

/**
 * sg_hold_deadline() - how long a request may be pending
 *
 * Return: milliseconds.
 */
u32 sg_hold_deadline(void)
{
	return READ_ONCE(deadline_ms);
}

/**
 * sg_hold_set_limit() - how many requests may be pending
 * @to: those above it that are pending already stay
 */
void sg_hold_set_limit(u32 to)
{
	spin_lock(&pending_lock);
	limit = to;
	spin_unlock(&pending_lock);
}

/**
 * sg_hold_limit() - how many requests may be pending
 *
 * Return: the number.
 */
u32 sg_hold_limit(void)
{
	return READ_ONCE(limit);
}

/**
 * sg_hold_pending() - how many requests are pending
 *
 * Return: the number.
 */
u32 sg_hold_pending(void)
{
	return READ_ONCE(pending);
}

int __init sg_hold_init(void)
{
	hash_seed = get_random_u32();
	closed = false;
	return 0;
}

/**
 * sg_hold_close() - let everybody go, and hold nobody any more
 */
void sg_hold_close(void)
{
	spin_lock(&pending_lock);
	closed = true;
	spin_unlock(&pending_lock);
	sg_hold_fail_asked(0, SOCKGATE_REASON_UNLOAD);
	cancel_delayed_work_sync(&reaper);
}

/* After sg_hold_close(), when no caller is inside any more. */
void sg_hold_exit(void)
{
	WARN_ON_ONCE(pending);
}
