// SPDX-License-Identifier: GPL-2.0-only
/*
 * The states of TCP connections.  One that is open, or ends, is a question for which
 * nobody waits: an answer that denies cuts the connection; no answer cuts nothing.
 *
 * Modules see the tracepoint inet:inet_sock_set_state, though none is given its
 * name: it has to be looked for.  It is passed at each change of any connection, so
 * the probe is there only while the policy wants to know.
 *
 * Locking: the probe runs in softirqs and in processes, on most kernels with
 * preemption off, with the socket's lock held.  On PREEMPT_RT it may neither allocate nor take a
 * spinlock_t.  So it notes what there is to be said in one of a fixed number of
 * notes, each owned by whoever sets its bit, and a worker says it.
 */
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/file.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/workqueue.h>
#include <net/inet_sock.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "agent.h"
#include "cache.h"
#include "count.h"
#include "cut.h"
#include "event.h"
#include "hold.h"
#include "park.h"
#include "report.h"
#include "scope.h"
#include "sock.h"

#define TRACEPOINT "inet_sock_set_state"

struct note {
	struct llist_node node;
	struct sock *sk;	/* held, and so its record */
	struct sg_key key;	/* of the connection as it was; no owner */
};

static struct tracepoint *states;
static DEFINE_MUTEX(probe_lock);	/* covers probing; closing is set under it */
static bool probing;
static bool closing;
static struct note notes[SG_REPORTS_MAX];
static DECLARE_BITMAP(in_use, SG_REPORTS_MAX);
static LLIST_HEAD(noted);

static void say(struct work_struct *work);
static DECLARE_WORK(worker, say);

/* UNSPEC: nobody wants to know. */
static enum sockgate_event event_of(int from, int to)
{
	switch (to) {
	case TCP_ESTABLISHED:
		return SOCKGATE_EVENT_ESTABLISHED;
	case TCP_CLOSE:
		if (from != TCP_LISTEN && from != TCP_CLOSE)
			return SOCKGATE_EVENT_CLOSE;
	}
	return SOCKGATE_EVENT_UNSPEC;
}

static void ask(struct sock *sk, const struct sg_key *key, struct file *exe)
{
	struct sg_parked *report = sg_park_report(sk);
	struct sg_verdict verdict;

	if (!report) {
		sg_count(SOCKGATE_N_REPORT_LOST);
		return;
	}
	if (sg_hold_packet(key, exe, report, &verdict)) {
		sg_count(SOCKGATE_N_REPORTED);
		return;
	}
	sg_unpark(report);
	if (verdict.action == SOCKGATE_ACTION_DENY)
		sg_cut(sk, verdict.error);
	else if (verdict.action == SOCKGATE_ACTION_FAIL)
		sg_count(SOCKGATE_N_REPORT_LOST);
}

/* Returns a reference to what the owner runs, or NULL. */
static struct file *key_whole(struct sg_sock *rec, const struct note *note,
			      struct sg_key *key)
{
	struct file *exe = sg_sock_owner(rec, key);

	key->laddr = note->key.laddr;
	key->raddr = note->key.raddr;
	key->lport = note->key.lport;
	key->rport = note->key.rport;
	key->event = note->key.event;
	key->family = note->key.family;
	return exe;
}

static void report(struct sock *sk, struct sg_sock *rec,
		   const struct note *note)
{
	struct sg_verdict verdict;
	struct sg_key key;
	struct file *exe = key_whole(rec, note, &key);

	if (!sg_cache_lookup(&key, &verdict))
		ask(sk, &key, exe);
	else if (verdict.action == SOCKGATE_ACTION_DENY)
		sg_cut(sk, verdict.error);
	if (exe)
		fput(exe);
}

static void note_put(struct note *note)
{
	sock_gen_put(note->sk);
	/* Whoever takes it sees nothing of ours in it. */
	clear_bit_unlock(note - notes, in_use);
}

static void say(struct work_struct *work)
{
	struct llist_node *list = llist_reverse_order(llist_del_all(&noted));
	struct note *note, *next;
	struct sg_sock *rec;

	llist_for_each_entry_safe(note, next, list, node) {
		rec = sg_sock_find(note->sk);
		if (rec && sg_agent_present())
			report(note->sk, rec, note);
		note_put(note);
	}
}

/* One that is the caller's, or NULL. */
static struct note *note_get(void)
{
	unsigned int i;

	for_each_clear_bit(i, in_use, SG_REPORTS_MAX)
		if (!test_and_set_bit_lock(i, in_use))
			return &notes[i];
	return NULL;
}

static void take_note(struct sock *sk, enum sockgate_event event)
{
	struct note *note = note_get();

	if (!note || !refcount_inc_not_zero(&sk->sk_refcnt)) {
		if (note)
			clear_bit_unlock(note - notes, in_use);
		sg_count(SOCKGATE_N_REPORT_LOST);
		return;
	}
	note->sk = sk;
	sg_event_state(&note->key, sk, event);
	if (llist_add(&note->node, &noted))
		schedule_work(&worker);
}

static void probe(void *data, const struct sock *sk, const int from,
		  const int to)
{
	enum sockgate_event event = event_of(from, to);
	struct sg_sock *rec;

	if (!event || !sg_scope_has(event) || READ_ONCE(closing) ||
	    sk->sk_protocol != IPPROTO_TCP)
		return;
	rec = sg_sock_find(sk);
	if (rec && !READ_ONCE(rec->exempt))
		take_note((struct sock *)sk, event);
}

static void match(struct tracepoint *tp, void *data)
{
	if (!strcmp(tp->name, TRACEPOINT))
		states = tp;
}

static int attach(void)
{
	int err = tracepoint_probe_register(states, probe, NULL);

	probing = !err;
	return err;
}

static void detach(void)
{
	tracepoint_probe_unregister(states, probe, NULL);
	probing = false;
}

/**
 * sg_report_scope() - see the states of connections, or do not
 * @events: what is asked about from now on, by bit
 *
 * Return: 0, or why that cannot be.
 */
int sg_report_scope(u32 events)
{
	const bool wanted = events & (BIT(SOCKGATE_EVENT_ESTABLISHED) |
				      BIT(SOCKGATE_EVENT_CLOSE));
	int err = 0;

	mutex_lock(&probe_lock);
	if (wanted && !probing && !closing)
		err = attach();
	else if (!wanted && probing)
		detach();
	mutex_unlock(&probe_lock);
	return err;
}

int __init sg_report_init(void)
{
	for_each_kernel_tracepoint(match, NULL);
	if (states)
		return 0;
	pr_err("this kernel has no tracepoint %s; it is not supported\n",
	       TRACEPOINT);
	return -ENOENT;
}

/**
 * sg_report_close() - report nothing any more
 */
void sg_report_close(void)
{
	mutex_lock(&probe_lock);
	WRITE_ONCE(closing, true);
	mutex_unlock(&probe_lock);
}

void sg_report_exit(void)
{
	sg_report_scope(0);
	tracepoint_synchronize_unregister();
	flush_work(&worker);
}
