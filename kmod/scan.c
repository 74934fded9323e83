// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets that were there before the module: who has one of them open is their
 * owner, and nothing is granted to them.  Their next packet is judged like any.
 *
 * Of several processes that share a socket the oldest counts.  A connection on a
 * port where something listens is taken for one that the listener accepted, so
 * that the session of whoever loads the module is judged as what it is.
 *
 * What no process has open (a socket in a message that nobody has read yet) is
 * not found here; the backstop refuses its packets until a hook has seen it.
 *
 * A connection of MPTCP is a socket of the kernel's, which no process has open: it is
 * found when it sends, and follows the program's.  So is one that the kernel's own
 * listener took for a session.  What a program has closed before that is nobody's.
 *
 * Locking: task_lock keeps a task's files and mm in place; iterate_fd() takes the
 * files' own lock inside it.  Nothing sleeps.  Packets leave under RCU.
 */
#include <linux/bitmap.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/net.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <net/inet_sock.h>
#include <net/mptcp.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "compat/file.h"
#include "event.h"
#include "scan.h"
#include "sock.h"

#define PORTS 65536

struct scan {
	struct task_struct *task;
	struct file *exe;
	unsigned long *listening;	/* bit by port */
	bool accepted;			/* second round: mark what they took */
	int err;
};

static struct sock *inet_of(struct file *file)
{
	struct socket *sock = sg_sock_from_file(file);
	struct sock *sk = sock ? sock->sk : NULL;

	if (!sk || (sk->sk_family != AF_INET && sk->sk_family != AF_INET6))
		return NULL;
	return sk;
}

static int find(const void *data, struct file *file, unsigned int fd)
{
	struct scan *scan = (struct scan *)data;
	struct sock *sk = inet_of(file);
	struct sg_key owner;

	if (!sk || !sg_event_own(&owner, sk, scan->task, NULL))
		return 0;
	if (sk->sk_state == TCP_LISTEN)
		set_bit(inet_sk(sk)->inet_num, scan->listening);
	if (!sg_sock_add(sk, &owner, scan->exe, GFP_ATOMIC))
		scan->err = -ENOMEM;
	return 0;
}

static bool is_stream(const struct sock *sk)
{
	return sk->sk_protocol == IPPROTO_TCP ||
	       sk->sk_protocol == IPPROTO_MPTCP;
}

static int mark_accepted(const void *data, struct file *file, unsigned int fd)
{
	const struct scan *scan = data;
	struct sock *sk = inet_of(file);
	struct sg_sock *rec = sk ? sg_sock_find(sk) : NULL;

	if (rec && is_stream(sk) &&
	    sk->sk_state != TCP_LISTEN && sk->sk_state != TCP_CLOSE &&
	    test_bit(inet_sk(sk)->inet_num, scan->listening))
		rec->accepted = true;
	return 0;
}

static void scan_task(struct scan *scan, struct task_struct *task)
{
	scan->task = task;
	task_lock(task);
	if (task->files && task->mm) {
		scan->exe = sg_event_exe_of(task);
		iterate_fd(task->files, 0,
			   scan->accepted ? mark_accepted : find, scan);
	}
	task_unlock(task);
	if (scan->exe)
		fput(scan->exe);
	scan->exe = NULL;
}

static void scan_tasks(struct scan *scan)
{
	struct task_struct *process, *thread;

	rcu_read_lock();
	for_each_process_thread(process, thread)
		/* Most threads share the files of their process. */
		if (thread == process || thread->files != process->files)
			scan_task(scan, thread);
	rcu_read_unlock();
}

/**
 * sg_scan() - find the sockets that there are
 *
 * After the hooks are placed, before packets are judged.
 *
 * Return: 0 or -ENOMEM.
 */
int __init sg_scan(void)
{
	struct scan scan = { .listening = bitmap_zalloc(PORTS, GFP_KERNEL) };

	if (!scan.listening)
		return -ENOMEM;
	scan_tasks(&scan);
	scan.accepted = true;
	scan_tasks(&scan);
	bitmap_free(scan.listening);
	return scan.err;
}

/*
 * The kernel gives a connection the struct socket of its session, which goes after a
 * grace period, and takes it away before the session goes: under the connection's lock,
 * that whoever sends has, unless it listens; then the session goes after a grace period.
 */
static const struct sock *session_of(const struct sock *sk)
{
	const struct socket *sock = READ_ONCE(sk->sk_socket);
	const struct sock *session = sock ? READ_ONCE(sock->sk) : NULL;

	return session && session->sk_protocol == IPPROTO_MPTCP ? session : NULL;
}

/**
 * sg_scan_connection() - whose is a socket of the kernel's that has no record
 * @sk:  sends a packet
 * @rec: its record; NULL: nobody knows
 *
 * In softirqs too, under RCU.
 *
 * Return: false if it is the kernel's own, true if it is a program's session's.
 */
bool sg_scan_connection(const struct sock *sk, struct sg_sock **rec)
{
	const struct sock *session;

	*rec = NULL;
	if (!sg_event_is_stream(sk) || !sk_is_mptcp(sk))
		return false;
	session = session_of(sk);
	if (!session)
		return true;
	/* Where other addresses of a session are answered. */
	if (session->sk_kern_sock)
		return false;
	*rec = sg_sock_follow_late(sk, session);
	return true;
}
