// SPDX-License-Identifier: GPL-2.0-only
/*
 * When the policy changes, what is open is judged by it: a worker goes through the
 * records, and asks about each socket that has a peer.  Nobody waits for the answer:
 * a connection goes on as it stands until there is one, and one that may not go on is
 * cut, though it says nothing and its next packet may be hours away.
 *
 * SG_REVIEWS_MAX connections wait for an answer at a time; the worker pauses until
 * there is room.  So the verdicts of the first answer most of those that follow, and
 * what is asked is asked once for each key, as everywhere.  It goes round until a
 * round finds nothing to ask, since a table that changes may show a walk less than
 * all.  A record says under which policy its socket was judged again; a connection
 * that begins later is judged by its packets.
 *
 * Where no verdict can be had, or there is no room for a question in a second, the
 * connection stands no more: its next packet is judged, and the failure table says what
 * becomes of that.  While there is no agent nothing is asked: the next one says its
 * policy, and that begins it again.
 *
 * What has no peer (a listener, a socket that sends to many), or was closed by the
 * program, is judged by its next packet.
 *
 * Locking: none of its own.  What is read of a socket is read without its lock, which
 * its owner may hold for long; so the answer counts only if the socket still has the
 * peer that was asked about.  sg_review_close() comes before the hooks stop keeping
 * records.
 */
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/workqueue.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "agent.h"
#include "cache.h"
#include "count.h"
#include "cut.h"
#include "event.h"
#include "hold.h"
#include "judge.h"
#include "park.h"
#include "review.h"
#include "sock.h"

#define PAUSE_MS	10	/* before looking for room again */
#define PATIENCE	100	/* pauses, for one socket */

static struct workqueue_struct *worker;
static bool closing;

#define TCPF_PEER (TCPF_ESTABLISHED | TCPF_SYN_SENT | TCPF_SYN_RECV | \
		   TCPF_FIN_WAIT1 | TCPF_FIN_WAIT2 | TCPF_CLOSE_WAIT | \
		   TCPF_LAST_ACK | TCPF_CLOSING)

/* TCP_ESTABLISHED is what others call it too, SCTP and a datagram socket's peer. */
static bool has_peer(const struct sock *sk)
{
	const int state = READ_ONCE(sk->sk_state);

	if (!sg_event_has_packets(sk))
		return false;
	return sg_event_is_stream(sk) ? BIT(state) & TCPF_PEER :
					state == TCP_ESTABLISHED;
}

/* Returns what the owner runs, a reference, or NULL. */
static struct file *key_of(struct sg_key *key, const struct sock *sk,
			   struct sg_sock *rec)
{
	struct file *exe = sg_sock_owner(rec, key), *now = sg_event_renew(key);

	if (now) {
		if (exe)
			fput(exe);
		exe = now;
	}
	if (READ_ONCE(rec->accepted))
		sg_event_accepted(key, sk);
	else
		sg_event_peer(key, sk);
	return exe;
}

static bool same_peer(const struct sg_key *key, const struct sock *sk,
		      struct sg_sock *rec)
{
	struct sg_key now = *key;

	if (READ_ONCE(rec->accepted))
		sg_event_accepted(&now, sk);
	else
		sg_event_peer(&now, sk);
	return now.event == key->event && now.rport == key->rport &&
	       ipv6_addr_equal(&now.raddr, &key->raddr);
}

/* By its own packets, and what is granted to it, from now on. */
static void doubt(struct sg_sock *rec)
{
	WRITE_ONCE(rec->standing, SG_GRANT_NONE);
}

static void allow(struct sock *sk, struct sg_sock *rec,
		  const struct sg_key *key, const struct sg_verdict *verdict)
{
	sg_settle(sk, key, verdict);
	/* What stood without a verdict stands by this one. */
	if (READ_ONCE(rec->standing) != SG_GRANT_VERDICT)
		doubt(rec);
}

/**
 * sg_review_settle() - what a verdict means for a connection that was asked about
 * @sk:      the connection, held
 * @key:     what was asked
 * @verdict: the answer
 *
 * In softirqs too.
 */
void sg_review_settle(struct sock *sk, const struct sg_key *key,
		      const struct sg_verdict *verdict)
{
	struct sg_sock *rec = sg_sock_find(sk);

	if (!rec || !has_peer(sk) || !same_peer(key, sk, rec))
		return;
	switch (verdict->action) {
	case SOCKGATE_ACTION_ALLOW:
		allow(sk, rec, key, verdict);
		break;
	case SOCKGATE_ACTION_DENY:
		doubt(rec);
		/* Else there is a newer policy, which may allow it. */
		if (verdict->generation == sg_cache_generation())
			sg_cut(sk, verdict->error);
		break;
	case SOCKGATE_ACTION_FAIL:
		sg_count_reason(verdict->reason);
		/* The next agent begins with a policy. */
		if (verdict->reason != SOCKGATE_REASON_AGENT_GONE)
			doubt(rec);
		break;
	}
}

/* Whether its turn is over: it was asked about, or need not be. */
static bool ask(struct sock *sk, const struct sg_key *key, struct file *exe)
{
	struct sg_parked *review = sg_park_review(sk);
	struct sg_verdict verdict;

	if (!review)
		return false;
	if (sg_hold_packet(key, exe, review, &verdict))
		return true;
	sg_unpark(review);
	/* No room, no memory: later. */
	if (verdict.action == SOCKGATE_ACTION_FAIL)
		return false;
	sg_review_settle(sk, key, &verdict);
	return true;
}

static bool judge(struct sock *sk, struct sg_sock *rec)
{
	struct sg_verdict verdict;
	struct sg_key key;
	struct file *exe = key_of(&key, sk, rec);
	bool done = true;

	if (sg_agent_is(&key))
		WRITE_ONCE(rec->exempt, true);
	else if (sg_cache_lookup(&key, &verdict))
		sg_review_settle(sk, &key, &verdict);
	else
		done = ask(sk, &key, exe);
	if (exe)
		fput(exe);
	return done;
}

static bool is_over(void)
{
	return READ_ONCE(closing) || !sg_agent_present();
}

/* Waits for room, if need be.  Returns whether there was something to judge. */
static bool review(struct sock *sk, u32 generation)
{
	struct sg_sock *rec = sg_sock_find(sk);
	int tries;

	if (!rec)
		return false;
	/* First: if the policy changes meanwhile it is judged once more. */
	WRITE_ONCE(rec->reviewed, generation);
	if (READ_ONCE(rec->exempt) || !has_peer(sk))
		return false;
	/* Nobody has it open: there is nobody to tell, and little to come. */
	if (sock_flag(sk, SOCK_DEAD)) {
		doubt(rec);
		return false;
	}
	for (tries = 0; tries < PATIENCE && !is_over(); tries++) {
		if (judge(sk, rec)) {
			sg_count(SOCKGATE_N_REVIEWED);
			return true;
		}
		msleep(PAUSE_MS);
	}
	/* Others are not to wait for a user who has filled his share. */
	if (!is_over())
		doubt(rec);
	return false;
}

static bool go_round(u32 generation)
{
	unsigned long at = 0;
	bool found = false;
	struct sock *sk;

	while (!is_over() && (sk = sg_sock_next(&at, generation))) {
		found |= review(sk, generation);
		sock_put(sk);
	}
	return found;
}

static void work(struct work_struct *unused)
{
	u32 generation;

	do {
		generation = sg_cache_generation();
	} while (go_round(generation) || generation != sg_cache_generation());
}

static DECLARE_WORK(reviewing, work);

/**
 * sg_review() - the policy has changed
 */
void sg_review(void)
{
	if (!READ_ONCE(closing))
		queue_work(worker, &reviewing);
}

int __init sg_review_init(void)
{
	worker = alloc_workqueue("sockgate_review", WQ_UNBOUND, 1);
	return worker ? 0 : -ENOMEM;
}

/**
 * sg_review_close() - judge nothing again any more
 */
void sg_review_close(void)
{
	WRITE_ONCE(closing, true);
	cancel_work_sync(&reviewing);
}

/* Nobody sets a policy any more. */
void sg_review_exit(void)
{
	destroy_workqueue(worker);
}
