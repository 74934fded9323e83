// SPDX-License-Identifier: GPL-2.0-only
/*
 * An application whose packet was refused learns it at once, by the error of its
 * socket (POLLERR, SO_ERROR), instead of by a timeout.
 *
 * tcp_abort() takes the socket's lock, which its owner may hold for as long as
 * he likes (a page fault inside sendmsg()); so it is called by a worker, and
 * nobody else waits.
 */
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "compat/inet.h"
#include "count.h"
#include "cut.h"
#include "event.h"

struct cut {
	struct work_struct work;
	struct sock *sk;	/* held */
	int error;
};

static struct workqueue_struct *workers;

static void cut_stream(struct work_struct *work)
{
	struct cut *cut = container_of(work, struct cut, work);

	/* Refused by the call itself: nothing is left to be cut. */
	if (cut->sk->sk_state != TCP_CLOSE)
		tcp_abort(cut->sk, cut->error);
	sock_put(cut->sk);
	kfree(cut);
}

/**
 * sg_cut() - end a connection with an error, or leave the error in the socket
 * @sk:    the socket, a full one; a listener is left alone
 * @error: positive errno
 *
 * In softirqs too.  Best effort: without memory the application meets a timeout.
 */
void sg_cut(struct sock *sk, int error)
{
	struct cut *cut;

	if (sk->sk_state == TCP_LISTEN)
		return;
	if (!sg_event_is_stream(sk)) {
		/* As udp_err() does for a socket that has one peer only. */
		if (sg_event_is_datagrams(sk) &&
		    sk->sk_state != TCP_ESTABLISHED)
			return;
		WRITE_ONCE(sk->sk_err, error);
		sk_error_report(sk);
		sg_count(SOCKGATE_N_CUT);
		return;
	}
	cut = kmalloc(sizeof(*cut), GFP_ATOMIC | __GFP_NOWARN);
	if (!cut)
		return;
	INIT_WORK(&cut->work, cut_stream);
	sock_hold(sk);
	cut->sk = sk;
	cut->error = error;
	queue_work(workers, &cut->work);
	sg_count(SOCKGATE_N_CUT);
}

int __init sg_cut_init(void)
{
	workers = alloc_workqueue("sockgate_cut", WQ_UNBOUND, 0);
	return workers ? 0 : -ENOMEM;
}

/* Nobody cuts any more; what is queued is done. */
void sg_cut_exit(void)
{
	destroy_workqueue(workers);
}
