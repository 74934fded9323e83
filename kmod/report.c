// SPDX-License-Identifier: GPL-2.0-only
/*
 * The states of TCP connections.  One that begins, or a listener, has nothing of the
 * one before it on the same socket.  One that is open, or ends, is a question for which nobody
 * waits: an answer that denies cuts the connection; no answer cuts nothing.
 *
 * Modules see the tracepoint inet:inet_sock_set_state, though none is given its
 * name: it has to be looked for.
 *
 * Locking: the probe runs with preemption off, in softirqs and in processes, with
 * the socket's lock held.
 */
#include <linux/file.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
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

static struct tracepoint *states;
static bool closing;

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

static void report(struct sock *sk, struct sg_sock *rec,
		   enum sockgate_event event)
{
	struct sg_verdict verdict;
	struct sg_key key;
	struct file *exe = sg_sock_owner(rec, &key);

	sg_event_state(&key, sk, event);
	if (!sg_cache_lookup(&key, &verdict))
		ask(sk, &key, exe);
	else if (verdict.action == SOCKGATE_ACTION_DENY)
		sg_cut(sk, verdict.error);
	if (exe)
		fput(exe);
}

/*
 * Whatever call it came by, and however many of them: one that begins without a
 * packet that says so (TCP_REPAIR) is seen here only.
 */
static void opens(const struct sock *sk)
{
	struct sg_sock *rec = sg_sock_find(sk);

	if (rec)
		sg_sock_opens(rec);
}

static void probe(void *data, const struct sock *sk, const int from,
		  const int to)
{
	enum sockgate_event event = event_of(from, to);
	struct sg_sock *rec;

	if (to == TCP_SYN_SENT || to == TCP_LISTEN)
		opens(sk);
	if (!event || !sg_scope_has(event) || READ_ONCE(closing) ||
	    sk->sk_protocol != IPPROTO_TCP || !sg_agent_present())
		return;
	rec = sg_sock_find(sk);
	if (rec && !READ_ONCE(rec->exempt))
		report((struct sock *)sk, rec, event);
}

static void match(struct tracepoint *tp, void *data)
{
	if (!strcmp(tp->name, TRACEPOINT))
		states = tp;
}

int __init sg_report_init(void)
{
	for_each_kernel_tracepoint(match, NULL);
	if (states)
		return tracepoint_probe_register(states, probe, NULL);
	pr_err("this kernel has no tracepoint %s; it is not supported\n",
	       TRACEPOINT);
	return -ENOENT;
}

/**
 * sg_report_close() - report nothing any more
 */
void sg_report_close(void)
{
	WRITE_ONCE(closing, true);
}

void sg_report_exit(void)
{
	tracepoint_probe_unregister(states, probe, NULL);
	tracepoint_synchronize_unregister();
}
