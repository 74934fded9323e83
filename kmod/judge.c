// SPDX-License-Identifier: GPL-2.0-only
#include <linux/sched/signal.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "agent.h"
#include "cache.h"
#include "count.h"
#include "cut.h"
#include "failure.h"
#include "hold.h"
#include "judge.h"
#include "mark.h"
#include "reader.h"
#include "sock.h"

/* A peer is the connection's affair, not the listener's. */
static bool is_of_peer(const struct sg_key *key, const struct sg_sock *rec)
{
	return key->event == SOCKGATE_EVENT_ACCEPT && rec &&
	       READ_ONCE(rec->accepted);
}

/* Whether a socket may send, or listen, once this is allowed. */
static bool opens_way(const struct sg_key *key, const struct sg_sock *rec)
{
	switch (key->event) {
	case SOCKGATE_EVENT_CONNECT:
	case SOCKGATE_EVENT_LISTEN:
	case SOCKGATE_EVENT_SEND:
		return true;
	}
	return is_of_peer(key, rec) || sg_event_opens_past(key);
}

/* It was a listener's, and is to be another connection now. */
static void leave_listener(struct sg_sock *rec, const struct sg_key *key)
{
	if (key->event == SOCKGATE_EVENT_CONNECT)
		WRITE_ONCE(rec->accepted, false);
}

static void permit(struct sock *sk, struct sg_sock *rec,
		   const struct sg_key *key, enum sg_grant how,
		   const struct sg_verdict *v)
{
	if (!opens_way(key, rec))
		return;
	if (rec) {
		leave_listener(rec, key);
		sg_sock_grant(rec, key, v->tag, how, v->generation, v->expires);
	}
	if (is_of_peer(key, rec))
		sg_sock_stand(rec, NULL, how);
	if (!sg_event_opens_past(key))
		sg_mark_set(sk, v->tag);
}

/**
 * sg_judge_at_once() - let an event through if it is known to be allowed
 * @key: of the event
 * @sk:  the socket, which gets the verdict's tag
 * @rec: its record, which gets the grant; owned by the caller
 *
 * Safe in the ftrace callback: does not sleep, takes no lock.
 *
 * Return: false if sg_judge() has to look at it.
 */
bool sg_judge_at_once(const struct sg_key *key, struct sock *sk,
		      struct sg_sock *rec)
{
	struct sg_verdict verdict;

	if (sg_cache_lookup(key, &verdict)) {
		if (verdict.action != SOCKGATE_ACTION_ALLOW)
			return false;
		permit(sk, rec, key, SG_GRANT_VERDICT, &verdict);
	} else if ((key->event != SOCKGATE_EVENT_CONNECT &&
		    key->event != SOCKGATE_EVENT_SEND) ||
		   sg_sock_granted(rec, key) != SG_GRANT_VERDICT) {
		return false;
	}
	sg_count(SOCKGATE_N_HIT_ALLOW);
	return true;
}

/*
 * What lets a packet through without a verdict is void once one can be had.  What
 * the list names stays: the verdict may depend on it, where the security server is
 * on this machine and its answers are what would have to be asked about.
 */
static enum sg_grant grant_of_failure(enum sockgate_reason reason)
{
	if (!sg_agent_present())
		return SG_GRANT_NO_AGENT;
	return sg_failure_by_list(reason) ? SG_GRANT_FAILSAFE : SG_GRANT_FAILURE;
}

static int fail(struct sock *sk, struct sg_sock *rec, const struct sg_key *key,
		enum sockgate_reason reason)
{
	/* What an earlier verdict said of the socket is past. */
	const struct sg_verdict none = {
		.generation = sg_cache_generation(), .expires = jiffies,
	};
	int err = sg_failure_apply(reason, key);

	if (!err)
		permit(sk, rec, key, grant_of_failure(reason), &none);
	return err;
}

/**
 * sg_settle() - what a verdict means for a socket
 * @sk:      the socket; gets the tag, and the grant in its record
 * @key:     of the event
 * @verdict: on it
 *
 * In softirqs too.
 *
 * Return: 0 if it may, else the negative errno.
 */
int sg_settle(struct sock *sk, const struct sg_key *key,
	      const struct sg_verdict *verdict)
{
	struct sg_sock *rec = sg_sock_find(sk);
	int err = 0;

	switch (verdict->action) {
	case SOCKGATE_ACTION_ALLOW:
		permit(sk, rec, key, SG_GRANT_VERDICT, verdict);
		break;
	case SOCKGATE_ACTION_DENY:
		err = -verdict->error;
		break;
	case SOCKGATE_ACTION_FAIL:
		err = fail(sk, rec, key, verdict->reason);
		break;
	default:
		err = fail(sk, rec, key, SOCKGATE_REASON_BAD_ANSWER);
	}
	return err;
}

/*
 * Whether an application learns of a refused packet by its socket.  Without a
 * verdict, a connection that is open is not ended: the verdict may still come.
 */
static bool ends(const struct sock *sk, const struct sg_verdict *verdict,
		 bool told)
{
	if (sg_event_is_stream(sk))
		return verdict->action == SOCKGATE_ACTION_DENY ||
		       sk->sk_state == TCP_SYN_SENT;
	return !told || !sg_event_is_datagrams(sk);
}

/* Only a listener: what it took has one address. */
static bool listens_on_all(const struct sg_key *key)
{
	return key->event == SOCKGATE_EVENT_LISTEN &&
	       ipv6_addr_any(&key->laddr);
}

/*
 * The failsafe list goes by the address that a listener answers from.  That is
 * no leave for the others that it may answer from.
 */
static int fail_answer(const struct sg_key *key, const struct sk_buff *skb,
		       u8 family, enum sockgate_reason reason)
{
	struct sg_key where = *key;

	sg_event_from(&where, skb, family);
	return sg_failure_apply(reason, &where);
}

/**
 * sg_settle_leaving() - what a verdict means for a packet that a socket sends
 * @sk:      the socket; told at once of what it must end
 * @key:     of the event
 * @skb:     the packet
 * @family:  of the packet
 * @verdict: on the event
 * @told:    whether the call that sends it returns the error
 *
 * In softirqs too.
 *
 * Return: 0 if it may, else the negative errno.
 */
int sg_settle_leaving(struct sock *sk, const struct sg_key *key,
		      const struct sk_buff *skb, u8 family,
		      const struct sg_verdict *verdict, bool told)
{
	int err;

	if (verdict->action == SOCKGATE_ACTION_FAIL && listens_on_all(key))
		err = fail_answer(key, skb, family, verdict->reason);
	else
		err = sg_settle(sk, key, verdict);
	if (err && ends(sk, verdict, told))
		sg_cut(sk, -err);
	return err;
}

static void count_outcome(const struct sg_verdict *verdict, bool held, int err)
{
	if (verdict->action == SOCKGATE_ACTION_ALLOW)
		sg_count(held ? SOCKGATE_N_HELD_ALLOW : SOCKGATE_N_HIT_ALLOW);
	else if (verdict->action == SOCKGATE_ACTION_DENY)
		sg_count(held ? SOCKGATE_N_HELD_DENY : SOCKGATE_N_HIT_DENY);
	else
		sg_count(err ? SOCKGATE_N_FAIL_DENY : SOCKGATE_N_FAIL_ALLOW);
}

/* Whose call it is, is whose packets will be judged. */
static struct sg_sock *own(const struct sg_key *key, struct sock *sk)
{
	struct sg_sock *rec = sg_sock_find(sk);

	if (!rec)
		rec = sg_sock_add(sk, key, NULL, GFP_KERNEL);
	if (rec)
		sg_sock_own(rec, key);
	return rec;
}

/*
 * The packet will be judged, whatever the one before it was: a connection made
 * with TCP_REPAIR begins without one that opens it.
 */
static void defer(const struct sg_key *key, struct sock *sk)
{
	struct sg_sock *rec = own(key, sk);

	if (rec) {
		leave_listener(rec, key);
		sg_sock_revoke(rec);
	}
	sg_count(SOCKGATE_N_DEFERRED);
}

static int apply(const struct sg_verdict *verdict, const struct sg_key *key,
		 struct sock *sk, bool held)
{
	int err;

	/* Who is refused does not take the socket from whoever has it. */
	if (verdict->action != SOCKGATE_ACTION_DENY &&
	    opens_way(key, sg_sock_find(sk)))
		own(key, sk);
	err = sg_settle(sk, key, verdict);
	count_outcome(verdict, held, err);
	return err;
}

/*
 * After EINTR from a connect() programs wait for the connection and look at
 * SO_ERROR (POSIX): so it must be on its way.  Its packet waits; where packets
 * are not judged, the call begins again, handler or not.
 */
static int interrupted(const struct sg_key *key, struct sock *sk, int err)
{
	if (key->event != SOCKGATE_EVENT_CONNECT || err == -EAGAIN ||
	    fatal_signal_pending(current))
		return err;
	if (!sg_event_has_packets(sk))
		return -ERESTARTNOINTR;
	defer(key, sk);
	return 0;
}

/**
 * sg_judge_known() - the verdict on an event, if nobody has to be asked for it
 * @key:     of the event
 * @verdict: filled in
 *
 * In softirqs too.
 *
 * Return: false if the agent is to be asked.
 */
bool sg_judge_known(const struct sg_key *key, struct sg_verdict *verdict)
{
	if (sg_cache_lookup(key, verdict))
		return true;
	if (sg_agent_present())
		return false;
	*verdict = sg_verdict_fail(SOCKGATE_REASON_NO_AGENT);
	return true;
}

/**
 * sg_judge() - what the caller gets; holds it if need be
 * @key:      of the event
 * @sk:       the socket, which becomes the caller's
 * @may_wait: false: the caller goes on, and its first packet waits, if its
 *            packets are judged
 *
 * Return: 0 to go on, else the errno for the caller.
 */
int sg_judge(const struct sg_key *key, struct sock *sk, bool may_wait)
{
	struct sg_verdict verdict;
	int err;

	if (sg_judge_known(key, &verdict))
		return apply(&verdict, key, sk, false);
	if (!may_wait && sg_event_has_packets(sk)) {
		defer(key, sk);
		return 0;
	}
	err = sg_hold(key, sk, &verdict);
	if (err)
		return interrupted(key, sk, err);
	return apply(&verdict, key, sk, true);
}

/**
 * sg_judge_reader() - the same for who reads of a peer that has not been judged
 * @key:      of the event
 * @sk:       the connection
 * @rec:      its record; owned by the caller
 * @may_wait: false: the caller is told to come back, and woken
 *
 * Return: 0 to go on, else the errno for the caller.
 */
int sg_judge_reader(const struct sg_key *key, struct sock *sk,
		    struct sg_sock *rec, bool may_wait)
{
	struct sg_verdict verdict;
	int err = -READ_ONCE(rec->refused);

	if (err)
		return err;
	if (may_wait)
		return sg_judge(key, sk, true);
	/* Where there was no verdict the socket has the error, for once. */
	err = sock_error(sk);
	if (err)
		return err;
	if (sg_judge_known(key, &verdict) ||
	    !sg_reader_ask(key, sk, rec, &verdict))
		return apply(&verdict, key, sk, false);
	sg_count(SOCKGATE_N_READ_DEFERRED);
	return -EAGAIN;
}
