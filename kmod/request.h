/* SPDX-License-Identifier: GPL-2.0-only */
/* One question under way: shared by who holds (hold.c) and who asks (upcall.c). */
#ifndef SOCKGATE_REQUEST_H
#define SOCKGATE_REQUEST_H

#include <linux/completion.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/sched.h>

#include "event.h"
#include "verdict.h"

struct file;
struct sg_arguments;

/*
 * @key, @exe, @arguments, @tid and @comm do not change once the request is published, @id
 * and @deadline are set by publishing it.  @verdict is written by whoever took
 * the request out of the tables, before @done.
 */
struct sg_request {
	struct hlist_node key_node;
	struct hlist_node id_node;
	struct list_head age;
	struct list_head taken_node;	/* the taker's own list */
	refcount_t refs;
	u32 portid;		/* agent's socket it was sent to, 0: not yet */
	u64 id;
	unsigned long deadline;	/* jiffies */
	struct sg_key key;
	struct file *exe;	/* may be NULL */
	struct sg_arguments *arguments;	/* likewise */
	pid_t tid;
	char comm[TASK_COMM_LEN];
	struct completion done;
	struct list_head packets;	/* struct sg_parked, until it is taken */
	unsigned int n_packets;	/* of them that are packets */
	unsigned int n_callers;	/* that wait now */
	struct sg_verdict verdict;
};

#endif
