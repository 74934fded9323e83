// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holding a caller, or a packet, until there is a verdict.
 *
 * The contract: every request that was published is completed exactly once, by
 * whoever takes it out of the tables: an answer, the deadline, the end of the
 * agent, a question that could not be sent, or the end of the module.  Taking
 * out happens under pending_lock, so there is one winner; the winner writes the
 * verdict and wakes all who wait.  A request is published before the agent is
 * told of it, and taken back if telling fails.
 *
 * A caller that a signal wakes leaves; the request stays until it is completed,
 * and the call, restarted before that, joins it again.  A TCP connect goes on
 * instead, its packet joins, and the restarted call waits for the connection as
 * it would without us.  Who is killed takes his request with him if nobody else
 * waits on it.
 *
 * No user may have more than a share of the table, nor all of them together its
 * last one, but for root; nor what arrives from peers, whoever it is for.
 *
 * Locking: pending_lock covers both tables, the age list, the count, the lists
 * of packets and `closed`.  It nests inside nothing and is taken with bottom
 * halves off, since packets leave in softirqs.  The tables own one reference of
 * each request, every waiting caller one.
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
#include "facts.h"
#include "hold.h"
#include "park.h"
#include "request.h"
#include "upcall.h"

#define TABLE_BITS	10
#define USER_SHARE	4	/* of the table, as a fraction */

static DEFINE_HASHTABLE(by_key, TABLE_BITS);
static DEFINE_HASHTABLE(by_id, TABLE_BITS);
static LIST_HEAD(by_age);
static DEFINE_SPINLOCK(pending_lock);
static u64 last_id;
static u32 pending;
static u32 pending_of[SG_USER_SLOTS];
static u32 pending_arrivals;
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
	kfree(req->arguments);
	kfree(req);
}

static struct sg_request *request_new(const struct sg_key *key, gfp_t gfp)
{
	struct sg_request *req = kzalloc(sizeof(*req), gfp | __GFP_NOWARN);

	if (!req)
		return NULL;
	refcount_set(&req->refs, 2);	/* the tables' and ours */
	req->key = *key;
	req->verdict = sg_verdict_fail(SOCKGATE_REASON_BAD_ANSWER);
	init_completion(&req->done);
	INIT_LIST_HEAD(&req->packets);
	return req;
}

static struct sg_request *request_of_caller(const struct sg_key *key)
{
	struct sg_request *req = request_new(key, GFP_KERNEL);

	if (!req)
		return NULL;
	req->exe = sg_event_exe(key);
	req->arguments = sg_facts_arguments();
	req->tid = task_pid_nr(current);
	get_task_comm(req->comm, current);
	return req;
}

/* Nobody calls: @exe is what the socket's owner ran. */
static struct sg_request *request_of_packet(const struct sg_key *key,
					    struct file *exe)
{
	struct sg_request *req = request_new(key, GFP_ATOMIC);

	if (!req)
		return NULL;
	req->exe = exe ? get_file(exe) : NULL;
	req->tid = key->pid;
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

/**
 * sg_hold_user_slot() - where a user is counted
 * @uid: in the initial user namespace
 *
 * Users that fall together share a share; who has many users cannot choose whose.
 *
 * Return: below SG_USER_SLOTS.
 */
unsigned int sg_hold_user_slot(u32 uid)
{
	return hash_32(uid ^ hash_seed, SG_USER_BITS);
}

static u32 *pending_of_user(u32 uid)
{
	lockdep_assert_held(&pending_lock);
	return &pending_of[sg_hold_user_slot(uid)];
}

static bool arrives(const struct sg_key *key)
{
	return key->event == SOCKGATE_EVENT_ACCEPT ||
	       key->event == SOCKGATE_EVENT_RECEIVE;
}

static bool full(const struct sg_key *key)
{
	u32 share = DIV_ROUND_UP(limit, USER_SHARE);

	if (pending >= limit)
		return true;
	if (arrives(key) && pending_arrivals >= share)
		return true;
	if (!key->uid)
		return false;
	return *pending_of_user(key->uid) >= share ||
	       (pending >= limit - limit / USER_SHARE);
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
	*pending_of_user(req->key.uid) += 1;
	pending_arrivals += arrives(&req->key);
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
	*pending_of_user(req->key.uid) -= 1;
	pending_arrivals -= arrives(&req->key);
}

static bool taken(const struct sg_request *req)
{
	lockdep_assert_held(&pending_lock);
	return list_empty(&req->age);
}

/* Once taken out, nobody adds to the packets any more. */
static void release_packets(struct sg_request *req)
{
	const struct sg_verdict changed =
		sg_verdict_fail(SOCKGATE_REASON_CHANGED);
	const struct sg_verdict *verdict = &req->verdict;

	if (list_empty(&req->packets))
		return;
	if (!sg_event_runs(&req->key, req->exe))
		verdict = &changed;
	sg_park_release(&req->packets, &req->key, verdict);
}

static void finish(struct sg_request *req, const struct sg_verdict *verdict)
{
	req->verdict = *verdict;
	complete_all(&req->done);
	release_packets(req);
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
 * The request that asks the same as @mine, or @mine, now published.  Otherwise
 * NULL, and *@verdict says why: it came meanwhile (an answer is in the cache
 * before its request leaves the table), or there is none to be had.
 */
static struct sg_request *find_or_publish(struct sg_request *mine,
					  struct sg_verdict *verdict)
{
	u32 hash = key_hash(&mine->key);
	struct sg_request *req;

	lockdep_assert_held(&pending_lock);
	req = find_key(&mine->key, hash);
	if (req)
		return req;
	if (sg_cache_lookup(&mine->key, verdict))
		return NULL;
	if (closed) {
		*verdict = sg_verdict_fail(SOCKGATE_REASON_UNLOAD);
		return NULL;
	}
	if (full(&mine->key)) {
		*verdict = sg_verdict_fail(SOCKGATE_REASON_TABLE_FULL);
		return NULL;
	}
	publish(mine, hash);
	return mine;
}

/* A request that was never published. */
static void request_drop(struct sg_request *mine)
{
	refcount_set(&mine->refs, 1);
	request_put(mine);
}

/*
 * The request to wait on, and whether it still has to be sent; or NULL and a
 * verdict.
 */
static struct sg_request *join(const struct sg_key *key, bool *ask,
			       struct sg_verdict *verdict)
{
	struct sg_request *mine, *req;

	mine = request_of_caller(key);
	if (!mine) {
		*verdict = sg_verdict_fail(SOCKGATE_REASON_NO_MEMORY);
		return NULL;
	}
	spin_lock_bh(&pending_lock);
	req = find_or_publish(mine, verdict);
	if (req)
		req->n_callers++;
	if (req && req != mine)
		refcount_inc(&req->refs);
	spin_unlock_bh(&pending_lock);

	*ask = req == mine;
	if (!*ask)
		request_drop(mine);
	return req;
}

static void fail_one(struct sg_request *req, enum sockgate_reason reason)
{
	const struct sg_verdict verdict = sg_verdict_fail(reason);
	bool won;

	spin_lock_bh(&pending_lock);
	won = !taken(req);
	if (won)
		take(req);
	spin_unlock_bh(&pending_lock);
	if (won)
		finish(req, &verdict);
}

static void ask(struct sg_request *req, gfp_t gfp)
{
	enum sockgate_reason reason;

	sg_count(SOCKGATE_N_ASKED);
	reason = sg_upcall_ask(req, gfp);
	if (reason != SOCKGATE_REASON_UNSPEC)
		fail_one(req, reason);
}

/*
 * Who is killed will not call again: his question is of use to nobody.
 *
 * False: it is taken out, so that it is answered, or will be in a moment.
 */
static bool stop_waiting(struct sg_request *req)
{
	const struct sg_verdict verdict =
		sg_verdict_fail(SOCKGATE_REASON_AGENT_GONE);
	bool pends, won;

	spin_lock_bh(&pending_lock);
	req->n_callers--;
	pends = !taken(req);
	won = pends && fatal_signal_pending(current) && !req->n_callers &&
	      list_empty(&req->packets);
	if (won)
		take(req);
	spin_unlock_bh(&pending_lock);
	if (won)
		finish(req, &verdict);
	return pends;
}

/*
 * An io_uring worker gets no signal but a fatal one that it could act upon;
 * anybody else leaves for any, to be stopped, frozen, or to run a handler.
 */
static int wait(struct sg_request *req, const struct sock *sk)
{
	long timeout = READ_ONCE(sk->sk_sndtimeo) ?: MAX_SCHEDULE_TIMEOUT;
	long left;

	if (current->flags & PF_IO_WORKER)
		left = wait_for_completion_killable_timeout(&req->done, timeout);
	else
		left = wait_for_completion_interruptible_timeout(&req->done,
								 timeout);
	if (left > 0)
		return 0;
	/* An answer that came with the signal is not asked for again. */
	if (!stop_waiting(req)) {
		wait_for_completion(&req->done);
		return 0;
	}
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
	struct sg_request *req;
	bool first;
	int err;

	req = join(key, &first, verdict);
	if (!req)
		return 0;
	if (first)
		ask(req, GFP_KERNEL);
	else
		sg_count(SOCKGATE_N_JOINED);
	err = wait(req, sk);
	if (!err)
		*verdict = sg_event_same_exe(key) ? req->verdict :
			   sg_verdict_fail(SOCKGATE_REASON_CHANGED);
	request_put(req);
	return err;
}

static bool add_packet(struct sg_request *req, struct sg_parked *packet)
{
	/* Others have bounds of their own, and must not take a packet's place. */
	bool is_packet = packet->direction == SG_LEAVING ||
			 packet->direction == SG_ARRIVING;

	lockdep_assert_held(&pending_lock);
	if (is_packet && req->n_packets >= SG_PACKETS_MAX)
		return false;
	list_add_tail(&packet->node, &req->packets);
	req->n_packets += is_packet;
	return true;
}

/**
 * sg_hold_packet() - let a packet wait for the verdict on an event
 * @key:     of the event
 * @exe:     what the socket's owner runs, or NULL
 * @packet:  is ours from here, if it waits
 * @verdict: filled in if it need not, or cannot, wait
 *
 * In softirqs too.
 *
 * Return: whether it waits.
 */
bool sg_hold_packet(const struct sg_key *key, struct file *exe,
		    struct sg_parked *packet, struct sg_verdict *verdict)
{
	struct sg_request *mine, *req;
	bool waits = false;

	mine = request_of_packet(key, exe);
	if (!mine) {
		*verdict = sg_verdict_fail(SOCKGATE_REASON_NO_MEMORY);
		return false;
	}
	spin_lock_bh(&pending_lock);
	req = find_or_publish(mine, verdict);
	if (req)
		waits = add_packet(req, packet);
	if (req && !waits)
		*verdict = sg_verdict_fail(SOCKGATE_REASON_TABLE_FULL);
	spin_unlock_bh(&pending_lock);

	if (req != mine) {
		request_drop(mine);
		if (waits)
			sg_count(SOCKGATE_N_JOINED);
		return waits;
	}
	ask(mine, GFP_ATOMIC);
	request_put(mine);
	return true;
}

/**
 * sg_hold_answer() - the agent's answer to a request
 * @id:          of the request
 * @verdict:     ALLOW, DENY or FAIL
 * @fields:      what it looked at
 * @lifetime_ms: how long it may be remembered, 0: not
 *
 * Return: false if no such request is pending.
 */
bool sg_hold_answer(u64 id, const struct sg_verdict *verdict,
		    const struct sg_fields *fields, u32 lifetime_ms)
{
	struct sg_request *req = sg_hold_get(id);
	bool won = false;

	if (!req)
		goto late;
	/* First, so that whoever no longer finds the request finds this. */
	if (verdict->action != SOCKGATE_ACTION_FAIL)
		sg_cache_add(&req->key, req->exe, fields, verdict, lifetime_ms);
	spin_lock_bh(&pending_lock);
	won = !taken(req);
	if (won)
		take(req);
	spin_unlock_bh(&pending_lock);
	if (won) {
		sg_count(SOCKGATE_N_ANSWERED);
		finish(req, verdict);
	}
	request_put(req);
late:
	if (!won)
		sg_count(SOCKGATE_N_LATE);
	return won;
}

/* The list is not in order of deadline once the deadline was changed. */
static void reap(struct work_struct *work)
{
	struct sg_request *req, *next;
	unsigned long now = jiffies;
	LIST_HEAD(late);

	spin_lock_bh(&pending_lock);
	reaper_armed = false;
	list_for_each_entry_safe(req, next, &by_age, age) {
		if (time_before(now, req->deadline)) {
			arm_reaper(req->deadline);
			continue;
		}
		take(req);
		list_add_tail(&req->taken_node, &late);
	}
	spin_unlock_bh(&pending_lock);
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

	spin_lock_bh(&pending_lock);
	list_for_each_entry_safe(req, next, &by_age, age) {
		if (portid && READ_ONCE(req->portid) != portid)
			continue;
		take(req);
		list_add_tail(&req->taken_node, &lost);
	}
	spin_unlock_bh(&pending_lock);
	finish_list(&lost, reason);
}

/**
 * sg_hold_get() - a request that is pending
 * @id: of the request
 *
 * Return: a reference for sg_hold_put(), or NULL if there is no such request.
 */
struct sg_request *sg_hold_get(u64 id)
{
	struct sg_request *req;

	spin_lock_bh(&pending_lock);
	req = find_id(id);
	if (req)
		refcount_inc(&req->refs);
	spin_unlock_bh(&pending_lock);
	return req;
}

/**
 * sg_hold_put() - end of what sg_hold_get() began
 * @req: the request, which may be over by now
 */
void sg_hold_put(struct sg_request *req)
{
	request_put(req);
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
	spin_lock_bh(&pending_lock);
	limit = to;
	spin_unlock_bh(&pending_lock);
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

void __init sg_hold_init(void)
{
	hash_seed = get_random_u32();
	closed = false;
}

/**
 * sg_hold_close() - let everybody go, and hold nobody any more
 */
void sg_hold_close(void)
{
	spin_lock_bh(&pending_lock);
	closed = true;
	spin_unlock_bh(&pending_lock);
	sg_hold_fail_asked(0, SOCKGATE_REASON_UNLOAD);
	cancel_delayed_work_sync(&reaper);
}

/* After sg_hold_close(), when no caller is inside any more. */
void sg_hold_exit(void)
{
	WARN_ON_ONCE(pending);
	WARN_ON_ONCE(sg_park_count());
}
