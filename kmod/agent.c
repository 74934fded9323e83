// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who answers.  An agent is a process, named by its thread group's struct pid,
 * which no other process can inherit while we hold it; its sockets are netlink
 * port ids in the initial network namespace.
 *
 * Locking: agent_lock covers the process and the sockets.  It nests inside
 * nothing, and is taken with bottom halves off, since packets ask in softirqs.
 * sg_agent_is_current() only compares the pointer, unlocked: for the agent itself
 * it cannot change under it, for anybody else it never matches.
 */
#include <linux/netlink.h>
#include <linux/notifier.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sockgate.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>
#include <net/netlink.h>

#include "agent.h"
#include "event.h"
#include "hold.h"

static DEFINE_SPINLOCK(agent_lock);
static struct pid *agent;
static u32 agent_nr;		/* of its process, as in a key; 0: none */
static u64 agent_start;
static u32 sockets[SOCKGATE_MAX_SOCKETS];
static unsigned int n_sockets;
static unsigned int turn;

static int add_socket(struct pid *tgid, u32 portid)
{
	unsigned int i;

	lockdep_assert_held(&agent_lock);
	if (agent && agent != tgid)
		return -EBUSY;
	for (i = 0; i < n_sockets; i++)
		if (sockets[i] == portid)
			return -EEXIST;
	if (n_sockets == SOCKGATE_MAX_SOCKETS)
		return -ENOSPC;
	if (!agent) {
		WRITE_ONCE(agent_start,
			   current->group_leader->start_boottime);
		WRITE_ONCE(agent_nr, pid_nr(tgid));
		WRITE_ONCE(agent, get_pid(tgid));
	}
	sockets[n_sockets++] = portid;
	return 0;
}

/* A dead process is not the agent, though a child of it may hold its sockets. */
static bool alive(struct pid *pid)
{
	struct task_struct *task;
	bool yes;

	rcu_read_lock();
	task = pid ? pid_task(pid, PIDTYPE_TGID) : NULL;
	yes = task && !READ_ONCE(task->exit_state);
	rcu_read_unlock();
	return yes;
}

static void forget(void)
{
	lockdep_assert_held(&agent_lock);
	WRITE_ONCE(agent, NULL);
	WRITE_ONCE(agent_nr, 0);
}

/* Whatever it was asked it will not answer. */
static void bury(void)
{
	u32 lost[SOCKGATE_MAX_SOCKETS];
	struct pid *dead = NULL;
	unsigned int i, n = 0;

	spin_lock_bh(&agent_lock);
	if (agent && !alive(agent)) {
		dead = agent;
		n = n_sockets;
		memcpy(lost, sockets, sizeof(lost));
		n_sockets = 0;
		forget();
	}
	spin_unlock_bh(&agent_lock);
	for (i = 0; i < n; i++)
		sg_hold_fail_asked(lost[i], SOCKGATE_REASON_AGENT_GONE);
	put_pid(dead);
}

static void bury_work(struct work_struct *work)
{
	bury();
}

static DECLARE_WORK(burial, bury_work);

/**
 * sg_agent_register() - let a socket of the calling process receive questions
 * @portid: the socket
 *
 * Return: 0, -EBUSY if another process is the agent, -EEXIST if this socket is
 * registered, -ENOSPC if there are too many.
 */
int sg_agent_register(u32 portid)
{
	int err;

	bury();
	spin_lock_bh(&agent_lock);
	err = add_socket(task_tgid(current), portid);
	spin_unlock_bh(&agent_lock);
	return err;
}

/**
 * sg_agent_next_socket() - where to send the next question
 *
 * Return: a port id, in turn, or 0 if there is no agent.
 */
u32 sg_agent_next_socket(void)
{
	u32 portid = 0;

	spin_lock_bh(&agent_lock);
	if (n_sockets)
		portid = sockets[turn++ % n_sockets];
	spin_unlock_bh(&agent_lock);
	return portid;
}

/**
 * sg_agent_has_socket() - whether a socket is one of the agent's
 * @portid: the socket
 *
 * Return: that.
 */
bool sg_agent_has_socket(u32 portid)
{
	unsigned int i;
	bool found = false;

	spin_lock_bh(&agent_lock);
	for (i = 0; i < n_sockets && !found; i++)
		found = sockets[i] == portid;
	spin_unlock_bh(&agent_lock);
	return found;
}

/**
 * sg_agent_is_current() - whether the caller belongs to the agent
 *
 * Safe in the ftrace callback.
 *
 * Return: that.
 */
bool sg_agent_is_current(void)
{
	return READ_ONCE(agent) == task_tgid(current);
}

/**
 * sg_agent_present() - whether there is an agent at the moment
 *
 * Return: that.
 */
bool sg_agent_present(void)
{
	bool yes;

	if (!READ_ONCE(agent))
		return false;
	spin_lock_bh(&agent_lock);
	yes = alive(agent);
	spin_unlock_bh(&agent_lock);
	if (!yes)
		schedule_work(&burial);
	return yes;
}

/**
 * sg_agent_is() - whether the owner in a key is the agent
 * @key: with an owner
 *
 * Return: that.
 */
bool sg_agent_is(const struct sg_key *key)
{
	u32 nr = READ_ONCE(agent_nr);

	return nr && key->pid == nr && key->start_ns == READ_ONCE(agent_start);
}

/**
 * sg_agent_pid() - the agent's process id in the initial pid namespace
 *
 * Return: that, or 0 if there is none.
 */
u32 sg_agent_pid(void)
{
	u32 nr;

	spin_lock_bh(&agent_lock);
	nr = pid_nr(agent);
	spin_unlock_bh(&agent_lock);
	return nr;
}

static bool remove_socket(u32 portid, struct pid **gone)
{
	unsigned int i;

	lockdep_assert_held(&agent_lock);
	for (i = 0; i < n_sockets; i++)
		if (sockets[i] == portid)
			break;
	if (i == n_sockets)
		return false;
	sockets[i] = sockets[--n_sockets];
	if (!n_sockets) {
		*gone = agent;
		forget();
	}
	return true;
}

static int netlink_event(struct notifier_block *nb, unsigned long event,
			 void *data)
{
	const struct netlink_notify *n = data;
	struct pid *gone = NULL;
	bool ours;

	if (event != NETLINK_URELEASE || n->protocol != NETLINK_GENERIC ||
	    !net_eq(n->net, &init_net))
		return NOTIFY_DONE;

	spin_lock_bh(&agent_lock);
	ours = remove_socket(n->portid, &gone);
	spin_unlock_bh(&agent_lock);
	if (ours)
		sg_hold_fail_asked(n->portid, SOCKGATE_REASON_AGENT_GONE);
	put_pid(gone);
	return NOTIFY_DONE;
}

static struct notifier_block netlink_notifier = {
	.notifier_call = netlink_event,
};

int __init sg_agent_init(void)
{
	return netlink_register_notifier(&netlink_notifier);
}

void sg_agent_exit(void)
{
	netlink_unregister_notifier(&netlink_notifier);
	cancel_work_sync(&burial);
	put_pid(agent);
	agent = NULL;
	n_sockets = 0;
}
