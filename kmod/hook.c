// SPDX-License-Identifier: GPL-2.0-only
/*
 * All interception.  One ftrace_ops stands at the entries of the
 * security_socket_*() functions.  Its callback looks the verdict up; only a call
 * that is not known to be allowed is sent to a judged_*() function instead, which
 * may sleep, and which then enters the original past its fentry site.
 *
 * Why this and not an LSM or kprobes, and what was measured: docs/ARCHITECTURE.
 *
 * - FTRACE_OPS_FL_IPMODIFY lets the callback choose where the call goes on.
 * - FTRACE_OPS_FL_PERMANENT makes `sysctl kernel.ftrace_enabled=0` fail instead
 *   of silently opening the gate.
 * - The callback itself tells where each function is, at its first call.
 * - The original is entered by a return, never by an indirect jump: the place
 *   past fentry has no ENDBR, which a CPU with IBT would insist on.
 *
 * Unloading: `closing` makes the callback pass everything; sg_hold_close() lets
 * the held go; the ops goes; synchronize_rcu_tasks() waits for whoever was sent
 * to a judged_*() function and has not counted itself in; `inside` falls to
 * zero; and once more for those between counting out and returning.
 */
#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/ftrace.h>
#include <linux/kallsyms.h>
#include <linux/linkage.h>
#include <linux/net.h>
#include <linux/objtool.h>
#include <linux/rcupdate.h>
#include <linux/rcupdate_wait.h>
#include <linux/socket.h>
#include <linux/wait.h>

#include "agent.h"
#include "compat/compat.h"
#include "count.h"
#include "event.h"
#include "failure.h"
#include "hook.h"
#include "judge.h"

static atomic_t inside = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(outside);
static bool closing;

asmlinkage int sg_original_connect(struct socket *sock, struct sockaddr *addr,
				   int addr_len);
asmlinkage int sg_original_listen(struct socket *sock, int backlog);
asmlinkage int sg_original_sendmsg(struct socket *sock, struct msghdr *msg,
				   int size);

unsigned long sg_past[__SOCKGATE_HOOK_MAX];

/* objtool would take the pushed address for a stack gone wrong. */
STACK_FRAME_NON_STANDARD(sg_original_connect);
STACK_FRAME_NON_STANDARD(sg_original_listen);
STACK_FRAME_NON_STANDARD(sg_original_sendmsg);

#define ORIGINAL(name, index) \
	asm(".pushsection .text\n" \
	    ".type sg_original_" #name ", @function\n" \
	    "sg_original_" #name ":\n" \
	    "	push sg_past + 8 * " #index "(%rip)\n" \
	    "	" ASM_RET "\n" \
	    ".size sg_original_" #name ", . - sg_original_" #name "\n" \
	    ".popsection\n")

ORIGINAL(connect, 0);
ORIGINAL(listen, 1);
ORIGINAL(sendmsg, 2);
static_assert(SOCKGATE_HOOK_CONNECT == 0 && SOCKGATE_HOOK_LISTEN == 1 &&
	      SOCKGATE_HOOK_SENDMSG == 2 && __SOCKGATE_HOOK_MAX == 3);

static void enter(void)
{
	atomic_inc(&inside);
}

static void leave(void)
{
	if (atomic_dec_and_test(&inside))
		wake_up(&outside);
}

static noinline int judged_connect(struct socket *sock, struct sockaddr *addr,
				   int addr_len)
{
	struct sg_key key;
	int err = 0;

	enter();
	if (sg_event_connect(&key, sock->sk, addr, addr_len))
		err = sg_judge(&key, sock->sk);
	if (!err)
		err = sg_original_connect(sock, addr, addr_len);
	leave();
	return err;
}

static noinline int judged_listen(struct socket *sock, int backlog)
{
	struct sg_key key, now;
	int err = 0;

	enter();
	if (sg_event_listen(&key, sock->sk)) {
		err = sg_judge(&key, sock->sk);
		/* Another thread may have bound it while we were held. */
		if (!err && sg_event_listen(&now, sock->sk) &&
		    memcmp(&now, &key, sizeof(key)))
			err = sg_failure_apply(SOCKGATE_REASON_CHANGED, &key);
	}
	if (!err)
		err = sg_original_listen(sock, backlog);
	leave();
	return err;
}

static noinline int judged_sendmsg(struct socket *sock, struct msghdr *msg,
				   int size)
{
	struct sg_key key;
	int err = 0;

	enter();
	if (sg_event_send(&key, sock->sk, msg))
		err = sg_judge(&key, sock->sk);
	if (!err)
		err = sg_original_sendmsg(sock, msg, size);
	leave();
	return err;
}

static struct hook {
	const char *function;
	void *judged;
	unsigned long ip;	/* of the fentry site; 0: not called yet */
} hooks[__SOCKGATE_HOOK_MAX] = {
	[SOCKGATE_HOOK_CONNECT] = { "security_socket_connect", judged_connect },
	[SOCKGATE_HOOK_LISTEN] = { "security_socket_listen", judged_listen },
	[SOCKGATE_HOOK_SENDMSG] = { "security_socket_sendmsg", judged_sendmsg },
};

/* The first call of each; two CPUs may do it at once, to the same effect. */
static notrace int learn(unsigned long ip)
{
	char name[KSYM_SYMBOL_LEN];
	int i;

	sprint_symbol_no_offset(name, ip);
	for (i = 0; i < __SOCKGATE_HOOK_MAX; i++) {
		if (strcmp(name, hooks[i].function))
			continue;
		WRITE_ONCE(sg_past[i], ip + MCOUNT_INSN_SIZE);
		/* Whoever sees the place sees where to go on; see hook_at(). */
		smp_store_release(&hooks[i].ip, ip);
		return i;
	}
	return -1;
}

static notrace int hook_at(unsigned long ip)
{
	int i;

	for (i = 0; i < __SOCKGATE_HOOK_MAX; i++)
		/* Pairs with learn(). */
		if (smp_load_acquire(&hooks[i].ip) == ip)
			return i;
	return learn(ip);
}

static notrace bool event_of(int hook, struct ftrace_regs *fregs,
			     struct sg_key *key, struct sock *sk)
{
	switch (hook) {
	case SOCKGATE_HOOK_CONNECT:
		return sg_event_connect(key, sk,
					(void *)ftrace_regs_get_argument(fregs, 1),
					ftrace_regs_get_argument(fregs, 2));
	case SOCKGATE_HOOK_LISTEN:
		return sg_event_listen(key, sk);
	case SOCKGATE_HOOK_SENDMSG:
		return sg_event_send(key, sk,
				     (void *)ftrace_regs_get_argument(fregs, 1));
	}
	return false;
}

static notrace void callback(unsigned long ip, unsigned long parent_ip,
			     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct socket *sock = (void *)ftrace_regs_get_argument(fregs, 0);
	int hook = hook_at(ip);
	struct sg_key key;

	if (hook < 0 || READ_ONCE(closing))
		return;
	sg_count_hook(hook);
	if (!event_of(hook, fregs, &key, sock->sk))
		return;
	if (sg_agent_is_current()) {
		sg_count(SOCKGATE_N_EXEMPT);
		return;
	}
	if (!sg_judge_at_once(&key, sock->sk))
		ftrace_regs_set_instruction_pointer(fregs,
						    (unsigned long)hooks[hook].judged);
}

static struct ftrace_ops ops = {
	.func = callback,
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT,
};

static int place_hooks(void)
{
	int i, err;

	for (i = 0; i < __SOCKGATE_HOOK_MAX; i++) {
		const char *name = hooks[i].function;

		err = ftrace_set_filter(&ops, (unsigned char *)name,
					strlen(name), 0);
		if (err) {
			pr_err("cannot place a hook at %s: error %d; this kernel is not supported\n",
			       name, err);
			return err;
		}
	}
	return 0;
}

/**
 * sg_hook_init() - begin to intercept
 *
 * Return: 0, or the error that made it refuse; then nothing is intercepted.
 */
int __init sg_hook_init(void)
{
	int err = place_hooks();

	if (!err) {
		err = register_ftrace_function(&ops);
		if (err == -EBUSY)
			pr_err("another user of ftrace redirects one of our functions\n");
		else if (err)
			pr_err("ftrace refused: error %d; is kernel.ftrace_enabled 1?\n",
			       err);
	}
	if (err)
		ftrace_free_filter(&ops);
	return err;
}

/**
 * sg_hook_close() - judge no new call
 */
void sg_hook_close(void)
{
	WRITE_ONCE(closing, true);
}

/**
 * sg_hook_exit() - stop intercepting and wait until nobody is inside
 *
 * After sg_hook_close() and sg_hold_close().
 */
void sg_hook_exit(void)
{
	int err = unregister_ftrace_function(&ops);

	if (err)
		pr_err("ftrace would not let go: error %d\n", err);
	ftrace_free_filter(&ops);
	synchronize_rcu_tasks();
	wait_event(outside, !atomic_read(&inside));
	synchronize_rcu_tasks();
}
