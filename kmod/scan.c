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
 * Locking: task_lock keeps a task's files and mm in place; iterate_fd() takes the
 * files' own lock inside it.  Nothing sleeps.
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
#include <net/sock.h>
#include <net/tcp_states.h>

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
	struct socket *sock = sock_from_file(file);
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

static int mark_accepted(const void *data, struct file *file, unsigned int fd)
{
	const struct scan *scan = data;
	struct sock *sk = inet_of(file);
	struct sg_sock *rec = sk ? sg_sock_find(sk) : NULL;

	if (rec && sk->sk_protocol == IPPROTO_TCP &&
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
