// SPDX-License-Identifier: GPL-2.0-only
/*
 * A reader that must not wait, of a connection whose peer has not been judged (one
 * that came beyond a flood's bound, see arrival.c): it is told that there is nothing
 * yet, and is woken when there is a verdict, as if the data had come then.
 *
 * It is woken whatever it waits by (poll(), epoll, io_uring): who waits for an edge
 * gets one, who is told at once that there is data comes back and is turned away
 * again.  The question is asked once.
 *
 * Locking: none of its own.  `reading` in the record says that a wake-up will come;
 * it ends before that, so whoever finds it set is woken.
 */
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/wait.h>
#include <net/sock.h>

#include "compat/inet.h"
#include "count.h"
#include "cut.h"
#include "hold.h"
#include "judge.h"
#include "park.h"
#include "reader.h"
#include "sock.h"

/* As sock_def_readable() does, which modules are not given. */
static void wake(struct sock *sk)
{
	struct socket_wq *wq;

	rcu_read_lock();
	wq = rcu_dereference(sk->sk_wq);
	if (skwq_has_sleeper(wq))
		wake_up_interruptible_sync_poll(&wq->wait, EPOLLIN | EPOLLPRI |
						EPOLLRDNORM | EPOLLRDBAND);
	sk_wake_async(sk, SOCK_WAKE_WAITD, POLL_IN);
	rcu_read_unlock();
}

/* Others may have been turned away meanwhile. */
static void stop_reading(struct sock *sk, struct sg_sock *rec)
{
	/* Whoever finds it set is woken: pairs with sg_reader_ask(). */
	smp_store_release(&rec->reading, false);
	wake(sk);
}

static bool hold(const struct sg_key *key, struct sg_parked *reader,
		 struct sg_verdict *verdict)
{
	struct file *exe = sg_event_exe(key);
	bool waits = sg_hold_packet(key, exe, reader, verdict);

	if (exe)
		fput(exe);
	return waits;
}

/**
 * sg_reader_ask() - ask about a peer for a reader that must not wait
 * @key:     of the event
 * @sk:      the connection
 * @rec:     its record; owned by the caller
 * @verdict: filled in if there is nothing to wait for
 *
 * Return: whether the reader is to come back when it is woken.
 */
bool sg_reader_ask(const struct sg_key *key, struct sock *sk,
		   struct sg_sock *rec, struct sg_verdict *verdict)
{
	struct sg_parked *reader;

	if (xchg(&rec->reading, true))
		return true;
	reader = sg_park_reader(sk);
	if (!reader) {
		*verdict = sg_verdict_fail(SOCKGATE_REASON_TABLE_FULL);
	} else {
		if (hold(key, reader, verdict))
			return true;
		sg_unpark(reader);
	}
	stop_reading(sk, rec);
	return false;
}

/* The connection goes on, or will be asked about again. */
static void tell(struct sock *sk, int error)
{
	WRITE_ONCE(sk->sk_err, error);
	sk_error_report(sk);
}

/* What is read is the connection's that was asked about: it is still there. */
static void refuse(struct sock *sk, struct sg_sock *rec, int error)
{
	WRITE_ONCE(rec->refused, error);
	sg_cut(sk, error);
}

/**
 * sg_reader_settle() - there is a verdict on the peer of a connection
 * @sk:      the connection
 * @key:     of the event
 * @verdict: on it
 *
 * In softirqs too.
 */
void sg_reader_settle(struct sock *sk, const struct sg_key *key,
		      const struct sg_verdict *verdict)
{
	struct sg_sock *rec = sg_sock_find(sk);
	int err = 0;

	if (!rec)
		return;
	/* Or it has become another connection. */
	if (READ_ONCE(rec->accepted))
		err = sg_settle(sk, key, verdict);
	if (err && verdict->action == SOCKGATE_ACTION_DENY)
		refuse(sk, rec, -err);
	else if (err)
		tell(sk, -err);
	stop_reading(sk, rec);
}
