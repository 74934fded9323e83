// SPDX-License-Identifier: GPL-2.0-only
/*
 * All interception of calls (chain.c has that of packets).  One ftrace_ops
 * stands at the entries of security_*() functions, and one more at each that what
 * arrives passes, while the policy judges that.  Its callback looks the
 * verdict up; only a call that is not known to be allowed is sent to a judged_*()
 * function instead, which may sleep, and which then enters the original past its
 * fentry site.  noted_*() functions only keep the sockets' records, in softirqs
 * too.
 *
 * Why this and not an LSM or kprobes, and what was measured: docs/ARCHITECTURE.
 *
 * - FTRACE_OPS_FL_IPMODIFY lets the callback choose where the call goes on.
 * - FTRACE_OPS_FL_PERMANENT makes `sysctl kernel.ftrace_enabled=0` fail instead
 *   of silently opening the gate.
 * - A place is named by its address, which a kprobe tells that is never armed.
 * - The callback itself tells whose place it is, at its first call.
 * - The original is entered by a return, never by an indirect jump: the place
 *   past fentry has no ENDBR, which a CPU with IBT would insist on.
 *
 * Unloading: `closing` makes the callback pass everything; sg_hold_close() lets
 * the held go; the ops goes; synchronize_rcu_tasks() waits for whoever was sent
 * to one of our functions and has not counted itself in; `inside` falls to
 * zero; and once more for those between counting out and returning.  What
 * softirqs do, synchronize_rcu() waits for.
 */
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/delay.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/ftrace.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/linkage.h>
#include <linux/mutex.h>
#include <linux/net.h>
#include <linux/objtool.h>
#include <linux/rcupdate.h>
#include <linux/rcupdate_wait.h>
#include <linux/sched.h>
#include <linux/sctp.h>
#include <linux/socket.h>
#include <linux/splice.h>
#include <linux/workqueue.h>
#include <net/inet_sock.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "agent.h"
#include "arrival.h"
#include "cache.h"
#include "compat/file.h"
#include "compat/ftrace.h"
#include "compat/sctp.h"
#include "count.h"
#include "event.h"
#include "hook.h"
#include "judge.h"
#include "opener.h"
#include "report.h"
#include "scope.h"
#include "sock.h"

static atomic_t inside = ATOMIC_INIT(0);
static bool closing = true;	/* also until all is in place */

asmlinkage int sg_original_connect(struct socket *sock, struct sockaddr *addr,
				   int addr_len);
asmlinkage int sg_original_listen(struct socket *sock, int backlog);
asmlinkage int sg_original_sendmsg(struct socket *sock, struct msghdr *msg,
				   int size);
asmlinkage int sg_original_recvmsg(struct socket *sock, struct msghdr *msg,
				   int size, int flags);
asmlinkage int sg_original_create(struct socket *sock, int family, int type,
				  int protocol, int kern);
asmlinkage void sg_original_clone(const struct sock *sk, struct sock *newsk);
asmlinkage void sg_original_free(struct sock *sk);
asmlinkage int sg_original_bind(struct socket *sock, struct sockaddr *addr,
				int addr_len);
asmlinkage void sg_original_sctp_clone(struct sg_sctp_cloned *of,
				       struct sock *sk, struct sock *newsk);
asmlinkage int sg_original_subflow(struct sock *sk, unsigned long a,
				   unsigned long b);
asmlinkage ssize_t sg_original_splice_read(struct file *file, loff_t *ppos,
					   struct pipe_inode_info *pipe,
					   size_t len, unsigned int flags);
asmlinkage ssize_t sg_original_sendpage(struct file *file, struct page *page,
					int offset, size_t size, loff_t *ppos,
					int more);
asmlinkage int sg_original_receive(struct sock *sk, struct sk_buff *skb);
asmlinkage int sg_original_request(const struct sock *sk, struct sk_buff *skb,
				   struct request_sock *req);
asmlinkage int sg_original_bindx(struct sock *sk, int option,
				 struct sockaddr *addrs, int len);
asmlinkage int sg_original_disconnect(struct sock *sk, int flags);

unsigned long sg_past[__SOCKGATE_HOOK_MAX];

/* objtool would take the pushed address for a stack gone wrong. */
STACK_FRAME_NON_STANDARD(sg_original_connect);
STACK_FRAME_NON_STANDARD(sg_original_listen);
STACK_FRAME_NON_STANDARD(sg_original_sendmsg);
STACK_FRAME_NON_STANDARD(sg_original_recvmsg);
STACK_FRAME_NON_STANDARD(sg_original_create);
STACK_FRAME_NON_STANDARD(sg_original_clone);
STACK_FRAME_NON_STANDARD(sg_original_free);
STACK_FRAME_NON_STANDARD(sg_original_bind);
STACK_FRAME_NON_STANDARD(sg_original_sctp_clone);
STACK_FRAME_NON_STANDARD(sg_original_subflow);
STACK_FRAME_NON_STANDARD(sg_original_splice_read);
STACK_FRAME_NON_STANDARD(sg_original_sendpage);
STACK_FRAME_NON_STANDARD(sg_original_receive);
STACK_FRAME_NON_STANDARD(sg_original_bindx);
STACK_FRAME_NON_STANDARD(sg_original_request);
STACK_FRAME_NON_STANDARD(sg_original_disconnect);

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
ORIGINAL(recvmsg, 3);
ORIGINAL(create, 4);
ORIGINAL(clone, 5);
ORIGINAL(free, 6);
ORIGINAL(bind, 7);
ORIGINAL(sctp_clone, 8);
ORIGINAL(subflow, 9);
ORIGINAL(splice_read, 11);
ORIGINAL(sendpage, 12);
ORIGINAL(receive, 13);
ORIGINAL(bindx, 14);
ORIGINAL(request, 15);
ORIGINAL(disconnect, 16);
static_assert(SOCKGATE_HOOK_CONNECT == 0 && SOCKGATE_HOOK_LISTEN == 1 &&
	      SOCKGATE_HOOK_SENDMSG == 2 && SOCKGATE_HOOK_RECVMSG == 3 &&
	      SOCKGATE_HOOK_CREATE == 4 && SOCKGATE_HOOK_CLONE == 5 &&
	      SOCKGATE_HOOK_FREE == 6 && SOCKGATE_HOOK_BIND == 7 &&
	      SOCKGATE_HOOK_SCTP_CLONE == 8 && SOCKGATE_HOOK_SUBFLOW == 9 &&
	      SOCKGATE_HOOK_SWAP_EXE == 10 &&
	      SOCKGATE_HOOK_SPLICE_READ == 11 && SOCKGATE_HOOK_SENDPAGE == 12 &&
	      SOCKGATE_HOOK_RECEIVE == 13 && SOCKGATE_HOOK_BINDX == 14 &&
	      SOCKGATE_HOOK_REQUEST == 15 &&
	      SOCKGATE_HOOK_DISCONNECT == 16 && __SOCKGATE_HOOK_MAX == 17);

static void enter(void)
{
	atomic_inc(&inside);
}

static void leave(void)
{
	atomic_dec(&inside);
}

/*
 * A caller that holds locks which others need must not wait for long: one that
 * submits to a ring of io_uring, its workers, and the thread that polls for
 * submissions.
 */
static bool in_ring(void)
{
#ifdef CONFIG_IO_URING
	if (current->io_uring)
		return true;
#endif
	return current->flags & PF_IO_WORKER;
}

/* Who must not wait goes on, and his packet waits instead. */
static bool may_wait(const struct socket *sock)
{
	if (sock->file && (sock->file->f_flags & O_NONBLOCK))
		return false;
	return !in_ring();
}

/* A limit of time is the protocol's to keep: it goes on when connect() ends. */
static bool may_wait_to_connect(const struct socket *sock)
{
	return may_wait(sock) &&
	       READ_ONCE(sock->sk->sk_sndtimeo) == MAX_SCHEDULE_TIMEOUT;
}

/*
 * The program's socket.  Where SMC falls back to TCP, the descriptor leads to a socket
 * of the kernel's, and that one to the program's, which the descriptor holds.  Others of
 * the kernel's have something else there, which is nobody's record.
 */
static notrace struct sock *front(struct sock *sk)
{
	struct sock *user;

	if (!sk->sk_kern_sock || !current->mm)
		return sk;
	user = (void *)((uintptr_t)READ_ONCE(sk->sk_user_data) &
			SK_USER_DATA_PTRMASK);
	return user && sg_sock_find(user) ? user : sk;
}

static noinline int judged_connect(struct socket *sock, struct sockaddr *addr,
				   int addr_len)
{
	struct sock *sk = front(sock->sk);
	struct sg_key key;
	int err = 0;

	enter();
	if (sg_event_connect(&key, sk, addr, addr_len))
		err = sg_judge(&key, sk, may_wait_to_connect(sock));
	else
		err = sg_opener_use(sock);
	if (!err)
		err = sg_original_connect(sock, addr, addr_len);
	leave();
	return err;
}

/*
 * listen() on a socket without a port chooses one.  It is chosen before it is
 * judged, or another thread could bind() meanwhile to one that was not.
 */
static int choose_port(struct sock *sk)
{
	int err = 0;

	if (sk->sk_protocol != IPPROTO_TCP || inet_sk(sk)->inet_num)
		return 0;
	lock_sock(sk);
	if (!inet_sk(sk)->inet_num && sk->sk_state == TCP_CLOSE) {
		err = sk->sk_prot->get_port(sk, 0);
		inet_sk(sk)->inet_sport = htons(inet_sk(sk)->inet_num);
	}
	release_sock(sk);
	return err ? -EADDRINUSE : 0;
}

static noinline int judged_listen(struct socket *sock, int backlog)
{
	struct sock *sk = front(sock->sk);
	struct sg_key key;
	int err = 0;

	enter();
	if (sg_event_listen(&key, sk)) {
		err = choose_port(sk);
		if (!err && sg_event_listen(&key, sk))
			err = sg_judge(&key, sk, !in_ring());
	} else {
		err = sg_opener_use(sock);
	}
	if (!err)
		err = sg_original_listen(sock, backlog);
	leave();
	return err;
}

static void begin_record(struct sock *sk)
{
	struct sg_sock *rec = sg_sock_begin(sk);

	if (rec && sg_agent_is_current())
		WRITE_ONCE(rec->exempt, true);
}

/* An accepted connection whose peer has not been judged. */
static notrace bool awaits(const struct sg_sock *rec)
{
	return READ_ONCE(rec->accepted) && !READ_ONCE(rec->standing) &&
	       sg_scope_has(SOCKGATE_EVENT_ACCEPT);
}

/*
 * A socket that another process made: inherited or received.  Whoever runs
 * another program than its owner needs a verdict of his own.
 * @wire: what its packets leave by, mostly itself; see front()
 *
 * Returns the record, and what is to be asked; NULL: nothing is.
 */
static struct sg_sock *used(struct sock *sk, const struct sock *wire,
			    struct sg_key *key)
{
	struct sg_sock *rec = sg_sock_find(sk);

	if (!rec) {
		begin_record(sk);
		return NULL;
	}
	if (!sg_event_own(key, sk, current, NULL))
		return NULL;
	if (sg_sock_adopt(rec, key) && !awaits(rec))
		return NULL;
	if (READ_ONCE(rec->accepted)) {
		sg_event_accepted(key, sk);
		return rec;
	}
	if (sg_event_use(key, sk, wire))
		return rec;
	sg_sock_own(rec, key);
	return NULL;
}

static int use_to_send(struct socket *sock)
{
	struct sock *sk = front(sock->sk);
	struct sg_sock *rec;
	struct sg_key key;

	if (!sg_event_gated(sock->sk->sk_family))
		return sg_opener_use(sock);
	rec = used(sk, sock->sk, &key);
	if (!rec)
		return 0;
	return sg_judge(&key, sk, may_wait(sock) || !awaits(rec));
}

/*
 * Nothing of a reader waits for him.  Whether he may is what he says: a worker of
 * io_uring waits for data as it is.
 */
static int use_to_read(struct socket *sock, bool waits)
{
	struct sock *sk = front(sock->sk);
	struct sg_sock *rec;
	struct sg_key key;

	if (!sg_event_gated(sock->sk->sk_family))
		return sg_opener_read(sock);
	rec = used(sk, sock->sk, &key);
	if (!rec)
		return 0;
	if (!awaits(rec) || !sg_sock_owned_by(rec, &key))
		return sg_judge(&key, sk, true);
	return sg_judge_reader(&key, sock->sk, rec, waits);
}

static noinline int judged_sendmsg(struct socket *sock, struct msghdr *msg,
				   int size)
{
	struct sock *sk = front(sock->sk);
	struct sg_key key;
	int err = 0;

	enter();
	if (sg_event_send(&key, sk, msg))
		err = sg_judge(&key, sk, may_wait(sock) &&
			       !(msg->msg_flags & MSG_DONTWAIT));
	else
		err = use_to_send(sock);
	if (!err)
		err = sg_original_sendmsg(sock, msg, size);
	leave();
	return err;
}

static noinline int judged_recvmsg(struct socket *sock, struct msghdr *msg,
				   int size, int flags)
{
	int err;

	enter();
	err = use_to_read(sock, !(flags & MSG_DONTWAIT));
	if (!err)
		err = sg_original_recvmsg(sock, msg, size, flags);
	leave();
	return err;
}

/* These two have no security_*() of their own. */
static noinline ssize_t judged_splice_read(struct file *file, loff_t *ppos,
					   struct pipe_inode_info *pipe,
					   size_t len, unsigned int flags)
{
	ssize_t err;

	enter();
	err = use_to_read(file->private_data, !(flags & SPLICE_F_NONBLOCK) &&
			  !(file->f_flags & O_NONBLOCK));
	if (!err)
		err = sg_original_splice_read(file, ppos, pipe, len, flags);
	leave();
	return err;
}

static noinline ssize_t judged_sendpage(struct file *file, struct page *page,
					int offset, size_t size, loff_t *ppos,
					int more)
{
	ssize_t err;

	enter();
	err = use_to_send(file->private_data);
	if (!err)
		err = sg_original_sendpage(file, page, offset, size, ppos,
					   more);
	leave();
	return err;
}

static noinline int judged_receive(struct sock *sk, struct sk_buff *skb)
{
	int err;

	enter();
	err = sg_arrival_judge(sk, skb, SOCKGATE_EVENT_RECEIVE);
	if (!err)
		err = sg_original_receive(sk, skb);
	leave();
	return err;
}

/* A listener is const there only for its lookups. */
static noinline int judged_request(const struct sock *sk, struct sk_buff *skb,
				   struct request_sock *req)
{
	int err;

	enter();
	err = sg_arrival_judge((struct sock *)sk, skb, SOCKGATE_EVENT_ACCEPT);
	if (!err)
		err = sg_original_request(sk, skb, req);
	leave();
	return err;
}

/* Held whatever the socket is to be: nothing of it is there to be held later. */
static noinline int judged_create(struct socket *sock, int family, int type,
				  int protocol, int kern)
{
	struct sg_key key;
	int err = 0;

	enter();
	if (sg_event_gated(family))
		begin_record(sock->sk);
	else
		sg_sock_drop(sock->sk);
	if (!sg_agent_is_current() &&
	    sg_event_open(&key, sock->sk, family, protocol))
		err = sg_judge(&key, sock->sk, true);
	if (!err)
		err = sg_original_create(sock, family, type, protocol, kern);
	leave();
	return err;
}

static int judge_bind(struct sock *sk, struct sockaddr *addr, int addr_len)
{
	struct sg_key key;

	if (!sg_event_bind(&key, sk, addr, addr_len))
		return 0;
	return sg_judge(&key, sk, true);
}

static noinline int judged_bind(struct socket *sock, struct sockaddr *addr,
				int addr_len)
{
	int err;

	enter();
	err = judge_bind(front(sock->sk), addr, addr_len);
	if (!err)
		err = sg_opener_bind(sock, addr, addr_len);
	if (!err)
		err = sg_original_bind(sock, addr, addr_len);
	leave();
	return err;
}

/*
 * Addresses that a socket of SCTP is bound to beside its first, one behind the other;
 * SCTP has seen that they are whole, and holds the socket's lock, under which it has
 * looked at nothing yet.
 */
static noinline int judged_bindx(struct sock *sk, int option,
				 struct sockaddr *addrs, int len)
{
	char *at = (char *)addrs, *end = at + len;
	int err = 0, size;

	enter();
	/* Whoever uses the socket meanwhile does not wait with us. */
	release_sock(sk);
	for (; !err && at < end; at += size) {
		size = ((struct sockaddr *)at)->sa_family == AF_INET6 ?
		       sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
		err = judge_bind(sk, (struct sockaddr *)at, size);
	}
	lock_sock(sk);
	if (!err)
		err = sg_original_bindx(sk, option, addrs, len);
	leave();
	return err;
}

static noinline void noted_clone(const struct sock *sk, struct sock *newsk)
{
	enter();
	/* Whoever walks through the records must not hold it before it is whole. */
	if (sg_event_gated(sk->sk_family))
		refcount_set(&newsk->sk_refcnt, 0);
	sg_sock_inherit(sk, newsk, true);
	sg_original_clone(sk, newsk);
	leave();
}

static noinline void noted_sctp_clone(struct sg_sctp_cloned *of,
				      struct sock *sk, struct sock *newsk)
{
	enter();
	sg_sock_inherit(sk, newsk, !sg_sctp_clone_opened_here(of, newsk));
	sg_original_sctp_clone(of, sk, newsk);
	leave();
}

/* The last argument is where the new socket goes; 6.2 put a family before it. */
static noinline int noted_subflow(struct sock *sk, unsigned long a,
				  unsigned long b)
{
	int err;

	enter();
	err = sg_original_subflow(sk, a, b);
	if (!err)
		sg_sock_follow((*(struct socket **)(a < AF_MAX ? b : a))->sk,
			       sk);
	leave();
	return err;
}

/*
 * Whoever may put another file in the place of his executable (in a user
 * namespace of his own anybody may) would have its identity.
 */
static noinline int refused_swap_exe(void)
{
	sg_count(SOCKGATE_N_IMPOSTOR);
	pr_notice_ratelimited("%s (%d) may not put another file in the place of its executable\n",
			      current->comm, task_tgid_nr(current));
	return -EPERM;
}

/* Under the socket's lock.  What it says to end the connection is that one's still. */
static noinline int noted_disconnect(struct sock *sk, int flags)
{
	struct sg_sock *rec;
	int err;

	enter();
	err = sg_original_disconnect(sk, flags);
	rec = err ? NULL : sg_sock_find(sk);
	if (rec)
		sg_sock_unmake(rec);
	leave();
	return err;
}

static noinline void noted_free(struct sock *sk)
{
	enter();
	sg_sock_drop(sk);
	sg_original_free(sk);
	leave();
}

#ifdef CONFIG_MPTCP
#define SUBFLOW "mptcp_subflow_create_socket"
#else
#define SUBFLOW NULL
#endif

static struct hook {
	const char *function;	/* NULL: this kernel has it not */
	void *instead;
	unsigned long ip;	/* of the fentry site; 0: not called yet */
} hooks[__SOCKGATE_HOOK_MAX] = {
	[SOCKGATE_HOOK_CONNECT] = { "security_socket_connect", judged_connect },
	[SOCKGATE_HOOK_LISTEN] = { "security_socket_listen", judged_listen },
	[SOCKGATE_HOOK_SENDMSG] = { "security_socket_sendmsg", judged_sendmsg },
	[SOCKGATE_HOOK_RECVMSG] = { "security_socket_recvmsg", judged_recvmsg },
	[SOCKGATE_HOOK_CREATE] = { "security_socket_post_create", judged_create },
	[SOCKGATE_HOOK_CLONE] = { "security_sk_clone", noted_clone },
	[SOCKGATE_HOOK_FREE] = { "security_sk_free", noted_free },
	[SOCKGATE_HOOK_BIND] = { "security_socket_bind", judged_bind },
	[SOCKGATE_HOOK_SCTP_CLONE] = { "security_sctp_sk_clone", noted_sctp_clone },
	[SOCKGATE_HOOK_SUBFLOW] = { SUBFLOW, noted_subflow },
	[SOCKGATE_HOOK_SWAP_EXE] = { SG_SWAP_EXE, refused_swap_exe },
	[SOCKGATE_HOOK_SPLICE_READ] = { "sock_splice_read", judged_splice_read },
	[SOCKGATE_HOOK_SENDPAGE] = { SG_SENDPAGE, judged_sendpage },
	[SOCKGATE_HOOK_RECEIVE] = { "security_sock_rcv_skb", judged_receive },
	[SOCKGATE_HOOK_BINDX] = { "security_sctp_bind_connect", judged_bindx },
	[SOCKGATE_HOOK_REQUEST] = { "security_inet_conn_request", judged_request },
	[SOCKGATE_HOOK_DISCONNECT] = { "tcp_disconnect", noted_disconnect },
};

/* The first call of each; two CPUs may do it at once, to the same effect. */
static notrace int learn(unsigned long ip)
{
	char name[KSYM_SYMBOL_LEN];
	int i;

	sprint_symbol_no_offset(name, ip);
	for (i = 0; i < __SOCKGATE_HOOK_MAX; i++) {
		if (!hooks[i].function || strcmp(name, hooks[i].function))
			continue;
		WRITE_ONCE(sg_past[i], ip + MCOUNT_INSN_SIZE);
		/* Whoever sees the place sees where to go on; see hook_at(). */
		smp_store_release(&hooks[i].ip, ip);
		return i;
	}
	pr_err_once("cannot tell what is hooked at %s\n", name);
	return -1;
}

static notrace bool is_hook_at(int i, unsigned long ip)
{
	/* Pairs with learn(). */
	return smp_load_acquire(&hooks[i].ip) == ip;
}

/* By the place of a function, which hook is there, as seen last. */
static u8 guesses[64];

static notrace int hook_at(unsigned long ip)
{
	u8 *guess = &guesses[ip / 16 % ARRAY_SIZE(guesses)];
	int i = READ_ONCE(*guess);

	if (is_hook_at(i, ip))
		return i;
	for (i = 0; i < __SOCKGATE_HOOK_MAX; i++)
		if (is_hook_at(i, ip))
			break;
	if (i == __SOCKGATE_HOOK_MAX)
		i = learn(ip);
	if (i >= 0)
		WRITE_ONCE(*guess, i);
	return i;
}

static notrace void *argument(struct ftrace_regs *fregs, int n)
{
	return (void *)ftrace_regs_get_argument(fregs, n);
}

static notrace bool event_of(int hook, struct ftrace_regs *fregs,
			     struct sg_key *key, struct sock *sk)
{
	switch (hook) {
	case SOCKGATE_HOOK_CONNECT:
		return sg_event_connect(key, sk, argument(fregs, 1),
					(long)argument(fregs, 2));
	case SOCKGATE_HOOK_LISTEN:
		return sg_event_listen(key, sk);
	case SOCKGATE_HOOK_SENDMSG:
		return sg_event_send(key, sk, argument(fregs, 1));
	case SOCKGATE_HOOK_BIND:
		return sg_event_bind(key, sk, argument(fregs, 1),
				     (long)argument(fregs, 2));
	}
	return false;
}

/* The agent is never held, nor are its packets. */
static notrace void exempt(struct sg_sock *rec)
{
	if (rec)
		WRITE_ONCE(rec->exempt, true);
	sg_count(SOCKGATE_N_EXEMPT);
}

/* A call that names no remote: is it the owner's? */
static notrace bool passes_as_owner(struct sock *sk)
{
	const struct sg_sock *rec;

	if (!sk)
		return true;
	if (!sg_event_gated(sk->sk_family))
		return sg_opener_passes(sk);
	sk = front(sk);
	if (!current->mm || sk->sk_kern_sock)
		return true;
	rec = sg_sock_find(sk);
	return rec && sg_event_by_current(&rec->owner) && !awaits(rec);
}

/*
 * A datagram for where the last one was let go, by whoever has sent that, while the verdict
 * on that one holds: as little as can be looked at, which is all that a grant depends on.
 */
static notrace bool sends_again(const struct sock *sk, const struct msghdr *msg)
{
	const struct sg_sock *rec;
	struct sg_remote to;

	if (!sg_event_datagram(sk, msg, &to))
		return false;
	rec = sg_sock_find(sk);
	if (!rec || READ_ONCE(rec->exempt) ||
	    !sg_sock_may_send(rec, &to, sg_cache_generation()) ||
	    !time_before(jiffies, READ_ONCE(rec->until)) ||
	    !sg_event_is_caller(&rec->owner))
		return false;
	sg_count(SOCKGATE_N_HIT_ALLOW);
	return true;
}

static notrace bool passes(int hook, struct ftrace_regs *fregs, struct sock *sk)
{
	struct sg_sock *rec;
	struct sg_key key;

	if (!sk)
		return true;
	/* A bind() may make another of it; see sg_opener_bind(). */
	if (!sg_event_gated(sk->sk_family))
		return sg_event_stays(sk->sk_family) ||
		       (hook != SOCKGATE_HOOK_BIND && sg_opener_passes(sk));
	if (hook == SOCKGATE_HOOK_SENDMSG &&
	    sends_again(sk, argument(fregs, 1)))
		return true;
	sk = front(sk);
	if (!event_of(hook, fregs, &key, sk))
		return hook != SOCKGATE_HOOK_SENDMSG || passes_as_owner(sk);
	rec = sg_sock_find(sk);
	if (sg_agent_is_current()) {
		exempt(rec);
		return true;
	}
	if (!rec || !sg_sock_owned_by(rec, &key))
		return false;
	/* Without a port it chooses one; see choose_port(). */
	if (hook == SOCKGATE_HOOK_LISTEN && !key.lport)
		return false;
	return sg_judge_at_once(&key, sk, rec);
}

static notrace bool has_record(const struct sock *sk)
{
	return !sg_event_stays(sk->sk_family) && sg_sock_find(sk);
}

static notrace bool passes_hook(int hook, struct ftrace_regs *fregs)
{
	const struct socket *sock;

	switch (hook) {
	case SOCKGATE_HOOK_RECVMSG:
		sock = argument(fregs, 0);
		return passes_as_owner(sock->sk);
	case SOCKGATE_HOOK_SPLICE_READ:
	case SOCKGATE_HOOK_SENDPAGE:
		sock = ((const struct file *)argument(fregs, 0))->private_data;
		return passes_as_owner(sock->sk);
	case SOCKGATE_HOOK_CREATE:
		return argument(fregs, 4) ||
		       sg_event_stays((long)argument(fregs, 1));
	case SOCKGATE_HOOK_CLONE:
	case SOCKGATE_HOOK_FREE:
		return !has_record(argument(fregs, 0));
	case SOCKGATE_HOOK_SCTP_CLONE:
		return !sg_sock_find(argument(fregs, 1));
	case SOCKGATE_HOOK_RECEIVE:
		return !sg_arrival_received(argument(fregs, 0),
					    argument(fregs, 1));
	case SOCKGATE_HOOK_REQUEST:
		return !sg_arrival_opens(argument(fregs, 0),
					 argument(fregs, 1));
	case SOCKGATE_HOOK_BINDX:
		return (long)argument(fregs, 1) != SCTP_SOCKOPT_BINDX_ADD ||
		       sg_agent_is_current();
	case SOCKGATE_HOOK_DISCONNECT:
	case SOCKGATE_HOOK_SUBFLOW:
	case SOCKGATE_HOOK_SWAP_EXE:
		return false;
	}
	return passes(hook, fregs, ((struct socket *)argument(fregs, 0))->sk);
}

static notrace void callback(unsigned long ip, unsigned long parent_ip,
			     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	int hook = hook_at(ip);

	if (hook < 0 || READ_ONCE(closing))
		return;
	sg_count_hook(hook);
	if (!passes_hook(hook, fregs))
		ftrace_regs_set_instruction_pointer(fregs,
						    (unsigned long)hooks[hook].instead);
}

#define OPS(callback) { \
	.func = callback, \
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT | \
		 SG_FTRACE_FLAGS, \
}

static struct ftrace_ops ops = OPS(callback);

/* What each message of the machine passes, most of it none of our business. */
static notrace void callback_of_message(unsigned long ip,
					unsigned long parent_ip,
					struct ftrace_ops *ops,
					struct ftrace_regs *fregs)
{
	const struct socket *sock = argument(fregs, 0);
	const struct sock *sk = sock->sk;

	if (!sk || !sg_event_stays(sk->sk_family))
		callback(ip, parent_ip, ops, fregs);
}

static struct ftrace_ops ops_of_messages = OPS(callback_of_message);

/* Whatever arrives passes these: each stands only while its event is judged. */
static struct optional {
	enum sockgate_hook hook;
	enum sockgate_event event;
	struct ftrace_ops ops;
	bool stands;
} optional[] = {
	{ SOCKGATE_HOOK_REQUEST, SOCKGATE_EVENT_ACCEPT, OPS(callback) },
	{ SOCKGATE_HOOK_RECEIVE, SOCKGATE_EVENT_RECEIVE, OPS(callback) },
};

static DEFINE_MUTEX(optional_lock);	/* covers what stands, and: */
static u32 wanted;			/* events */

static struct ftrace_ops *ops_of(enum sockgate_hook hook)
{
	int i;

	if (hook == SOCKGATE_HOOK_SENDMSG || hook == SOCKGATE_HOOK_RECVMSG)
		return &ops_of_messages;
	for (i = 0; i < ARRAY_SIZE(optional); i++)
		if (optional[i].hook == hook)
			return &optional[i].ops;
	return &ops;
}

/* Only to be told where functions are: none of them is ever armed. */
static struct kprobe places[__SOCKGATE_HOOK_MAX] __initdata;

/*
 * By address: told a name, ftrace says that all is well though it had no memory to
 * note the place, and looks through all that it has, for each.
 */
static int __init place_hook(int hook)
{
	struct kprobe *place = &places[hook];
	int err;

	place->symbol_name = hooks[hook].function;
	place->flags = KPROBE_FLAG_DISABLED;
	err = register_kprobe(place);
	if (err)
		return err;
	return ftrace_set_filter_ip(ops_of(hook), (unsigned long)place->addr,
				    0, 0);
}

static void __init forget_functions(void)
{
	struct kprobe *found[__SOCKGATE_HOOK_MAX];
	int i, n = 0;

	for (i = 0; i < __SOCKGATE_HOOK_MAX; i++)
		if (places[i].addr)
			found[n++] = &places[i];
	unregister_kprobes(found, n);
}

static int __init place_hooks(void)
{
	int i, err = 0;

	for (i = 0; !err && i < __SOCKGATE_HOOK_MAX; i++) {
		if (hooks[i].function)
			err = place_hook(i);
		if (err)
			pr_err("cannot place a hook at %s: error %d%s\n",
			       hooks[i].function, err, err == -ENOMEM ? "" :
			       "; this kernel is not supported");
	}
	forget_functions();
	return err;
}

/*
 * As ftrace_free_filter(), which modules cannot call on every kernel.  It wants memory
 * to forget, and what is not forgotten would stay for ever.
 */
static void forget_places(struct ftrace_ops *of)
{
	while (ftrace_set_filter(of, NULL, 0, 1) == -ENOMEM)
		msleep(20);
}

static void forget_all_places(void)
{
	int i;

	forget_places(&ops);
	forget_places(&ops_of_messages);
	for (i = 0; i < ARRAY_SIZE(optional); i++)
		forget_places(&optional[i].ops);
}

static notrace void pass_by(unsigned long ip, unsigned long parent_ip,
			    struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
}

static bool place_is_free(const char *name)
{
	static struct ftrace_ops trial = OPS(pass_by);
	bool yes = !ftrace_set_filter(&trial, (unsigned char *)name,
				      strlen(name), 1) &&
		   !register_ftrace_function(&trial);

	if (yes)
		unregister_ftrace_function(&trial);
	forget_places(&trial);
	return yes;
}

/* ftrace does not say where: each place is tried by itself. */
static void say_where_busy(const struct ftrace_ops *which)
{
	unsigned long free = 0, busy = 0;
	int i;

	for (i = 0; i < __SOCKGATE_HOOK_MAX; i++)
		if (hooks[i].function && ops_of(i) == which)
			__set_bit(i, place_is_free(hooks[i].function) ? &free : &busy);
	if (!free && which == &ops) {
		pr_err("cannot place any hook: kernel.ftrace_enabled is 0\n");
		return;
	}
	for_each_set_bit(i, &busy, __SOCKGATE_HOOK_MAX)
		pr_err("cannot place a hook at %s: somebody else redirects it (a livepatch, a kprobe, on some kernels a program of BPF)\n",
		       hooks[i].function);
}

static int stand(struct ftrace_ops *which)
{
	int err = register_ftrace_function(which);

	if (err == -EBUSY)
		say_where_busy(which);
	else if (err)
		pr_err("ftrace refused: error %d\n", err);
	return err;
}

/* ftrace may have given up on this machine, and still call us. */
static bool falls(struct ftrace_ops *which)
{
	int err = unregister_ftrace_function(which);

	return !WARN_ONCE(err, "ftrace would not let go: error %d\n", err);
}

static void fall(struct ftrace_ops *which)
{
	while (!falls(which))
		ssleep(60);
}

static int stand_always(void)
{
	int err = stand(&ops);

	if (err)
		return err;
	err = stand(&ops_of_messages);
	if (err)
		fall(&ops);
	return err;
}

/*
 * It takes a grace period of all tasks, for which whoever wants to place one would have
 * to wait: not before it is clear that nobody does.
 */
#define FALL_DELAY (60 * HZ)

static void fall_unwanted(struct work_struct *work)
{
	int i;

	mutex_lock(&optional_lock);
	for (i = 0; i < ARRAY_SIZE(optional); i++) {
		struct optional *o = &optional[i];

		if (o->stands && !(wanted & BIT(o->event)))
			o->stands = !falls(&o->ops);
	}
	mutex_unlock(&optional_lock);
}

static DECLARE_DELAYED_WORK(fall_work, fall_unwanted);

static int stand_wanted(u32 events)
{
	int i, err;

	lockdep_assert_held(&optional_lock);
	for (i = 0; i < ARRAY_SIZE(optional); i++) {
		struct optional *o = &optional[i];

		if (o->stands || !(events & BIT(o->event)))
			continue;
		err = stand(&o->ops);
		if (err)
			return err;
		o->stands = true;
	}
	return 0;
}

/**
 * sg_hook_scope() - see what these events need, and no more
 * @events: optional ones, by bit
 *
 * Return: 0, or why that cannot be; then what was seen before still is.
 */
int sg_hook_scope(u32 events)
{
	int err = -ESHUTDOWN;

	mutex_lock(&optional_lock);
	if (!READ_ONCE(closing))
		err = stand_wanted(events) ?: sg_report_scope(events);
	if (!err)
		wanted = events;
	/* Not after it was cancelled. */
	if (err != -ESHUTDOWN)
		schedule_delayed_work(&fall_work, FALL_DELAY);
	mutex_unlock(&optional_lock);
	return err;
}

/* After sg_hook_close(), so that none is placed any more. */
static void fall_optional(void)
{
	int i;

	mutex_lock(&optional_lock);
	for (i = 0; i < ARRAY_SIZE(optional); i++) {
		if (optional[i].stands)
			fall(&optional[i].ops);
		optional[i].stands = false;
	}
	mutex_unlock(&optional_lock);
	cancel_delayed_work_sync(&fall_work);
}

/**
 * sg_hook_close() - judge no new call
 */
void sg_hook_close(void)
{
	WRITE_ONCE(closing, true);
}

/**
 * sg_hook_init() - begin to intercept
 *
 * Return: 0, or the error that made it refuse; then nothing is intercepted.
 */
int __init sg_hook_init(void)
{
	int err;

	/* An agent that is configuring already waits. */
	mutex_lock(&optional_lock);
	err = place_hooks() ?: stand_always();
	if (err)
		forget_all_places();
	else
		WRITE_ONCE(closing, false);
	mutex_unlock(&optional_lock);
	return err;
}

/**
 * sg_hook_exit() - stop intercepting and wait until nobody is inside
 *
 * After sg_hook_close() and sg_hold_close().
 */
void sg_hook_exit(void)
{
	fall_optional();
	fall(&ops_of_messages);
	fall(&ops);
	forget_all_places();
	synchronize_rcu_tasks();
	synchronize_rcu();
	/* Nobody wakes us: a wake-up would be code of ours after the count. */
	while (atomic_read(&inside))
		msleep(20);
	synchronize_rcu_tasks();
	synchronize_rcu();
}
