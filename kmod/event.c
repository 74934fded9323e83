// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the arguments of a hook to a key.  Everything here runs in the context
 * of the caller, reads only what cannot go away under it (its own task, the
 * socket it holds, addresses already copied into the kernel; the executable
 * under RCU), takes no lock and does not sleep: the ftrace callback calls it.
 */
#include <linux/cgroup.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/in.h>
#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/socket.h>
#include <linux/uidgid.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/sock.h>

#include "compat/compat.h"
#include "event.h"

static_assert(sizeof(struct sg_key) == 2 * 16 + 6 * 8 + 4 * 4 + 2 * 2 + 4,
	      "a hole in the key would be compared");
static_assert(sizeof(struct sg_key) % sizeof(u64) == 0);

static void key_file(struct sg_key *key, const struct file *exe)
{
	const struct inode *inode = sg_real_inode(exe);
	struct timespec64 ctime = inode_get_ctime(inode);

	key->exe_ino = inode->i_ino;
	key->exe_dev = inode->i_sb->s_dev;
	key->exe_generation = inode->i_generation;
	key->exe_ctime = timespec64_to_ns(&ctime);
}

static bool same_file(const struct sg_key *a, const struct sg_key *b)
{
	return a->exe_ino == b->exe_ino && a->exe_dev == b->exe_dev &&
	       a->exe_generation == b->exe_generation &&
	       a->exe_ctime == b->exe_ctime;
}

static void key_exe(struct sg_key *key)
{
	struct file *exe;

	/* A sibling thread may put another in its place (PR_SET_MM_MAP). */
	rcu_read_lock();
	exe = sg_get_file_rcu(&current->mm->exe_file);
	rcu_read_unlock();
	if (!exe)
		return;
	key_file(key, exe);
	fput(exe);
}

static void key_process(struct sg_key *key)
{
	key->pid = task_tgid_nr(current);
	key->start_ns = current->group_leader->start_boottime;
	key->exec_id = current->self_exec_id;
	key->uid = from_kuid(&init_user_ns, current_uid());
}

static void key_socket(struct sg_key *key, struct sock *sk)
{
	key->netns = sock_net(sk)->net_cookie;
	key->cgroup = cgroup_id(sock_cgroup_ptr(&sk->sk_cgrp_data));
}

static bool bound_to_mapped(const struct sock *sk)
{
#if IS_ENABLED(CONFIG_IPV6)
	return sk->sk_family == AF_INET6 &&
	       ipv6_addr_v4mapped(&sk->sk_v6_rcv_saddr);
#else
	return false;
#endif
}

/* The address a socket is bound to, its family in the key already. */
static void key_local(struct sg_key *key, const struct sock *sk)
{
	key->lport = htons(inet_sk(sk)->inet_num);
#if IS_ENABLED(CONFIG_IPV6)
	if (key->family == AF_INET6) {
		key->laddr = sk->sk_v6_rcv_saddr;
		return;
	}
#endif
	key->laddr.s6_addr32[0] = inet_sk(sk)->inet_rcv_saddr;
}

/* Which sockets are judged, and as which protocol; 0: not at all. */
static int judged_protocol(const struct sock *sk)
{
	if (sk->sk_family != AF_INET && sk->sk_family != AF_INET6)
		return 0;
	switch (sk->sk_protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		return sk->sk_protocol;
	case IPPROTO_MPTCP:		/* TCP on the wire */
		return IPPROTO_TCP;
	}
	return 0;
}

/* Sockets of the kernel itself, and threads without an executable. */
static bool of_kernel(const struct sock *sk)
{
	return sk->sk_kern_sock || !current->mm;
}

static bool key_begin(struct sg_key *key, const struct sock *sk,
		      enum sockgate_event event)
{
	int protocol = sk ? judged_protocol(sk) : 0;

	if (!protocol || of_kernel(sk))
		return false;
	memset(key, 0, sizeof(*key));
	key->event = event;
	key->protocol = protocol;
	return true;
}

static void key_end(struct sg_key *key, struct sock *sk)
{
	key_local(key, sk);
	key_socket(key, sk);
	key_process(key);
	key_exe(key);
}

/*
 * 0.0.0.0 means this host: the source if it is chosen, else loopback
 * (ip_route_output_key_hash_rcu()).
 */
static void key_remote4(struct sg_key *key, const struct sock *sk, __be32 addr)
{
	key->family = AF_INET;
	if (!addr)
		addr = inet_sk(sk)->inet_saddr ?: htonl(INADDR_LOOPBACK);
	key->raddr.s6_addr32[0] = addr;
}

/*
 * The unspecified address means loopback: IPv4's, if that is what the socket is
 * bound to (tcp_v6_connect(), udpv6_sendmsg(), RFC 4291 2.5.2).
 */
static void key_remote6(struct sg_key *key, const struct sock *sk,
			const struct in6_addr *addr)
{
	if (ipv6_addr_v4mapped(addr)) {
		key_remote4(key, sk, addr->s6_addr32[3]);
		return;
	}
	if (ipv6_addr_any(addr) && bound_to_mapped(sk)) {
		key_remote4(key, sk, htonl(INADDR_LOOPBACK));
		return;
	}
	key->family = AF_INET6;
	key->raddr = ipv6_addr_any(addr) ? in6addr_loopback : *addr;
}

/*
 * Fills in the destination.  False if the protocol will not take this address
 * for one: it refuses it, or dissolves the association.
 */
static bool key_remote(struct sg_key *key, const struct sock *sk,
		       const struct sockaddr *addr, int addr_len, int family)
{
	const struct sockaddr_in6 *in6 = (const void *)addr;
	const struct sockaddr_in *in = (const void *)addr;

	switch (family) {
	case AF_INET:
		if (addr_len < (int)sizeof(*in))
			return false;
		key->rport = in->sin_port;
		key_remote4(key, sk, in->sin_addr.s_addr);
		return true;
	case AF_INET6:
		if (sk->sk_family != AF_INET6 || addr_len < SIN6_LEN_RFC2133)
			return false;
		key->rport = in6->sin6_port;
		key_remote6(key, sk, &in6->sin6_addr);
		return true;
	}
	return false;
}

/**
 * sg_event_connect() - the key of a connect()
 * @key:      filled in
 * @sk:       the socket
 * @addr:     destination, in kernel memory
 * @addr_len: its length as the caller gave it
 *
 * Return: false if this call is none of our business.
 */
bool sg_event_connect(struct sg_key *key, struct sock *sk,
		      const struct sockaddr *addr, int addr_len)
{
	if (!key_begin(key, sk, SOCKGATE_EVENT_CONNECT))
		return false;
	if (addr_len < (int)sizeof(addr->sa_family) ||
	    !key_remote(key, sk, addr, addr_len, addr->sa_family))
		return false;
	key_end(key, sk);
	return true;
}

/**
 * sg_event_listen() - the key of a listen()
 * @key: filled in
 * @sk:  the socket
 *
 * Return: false if this call is none of our business.
 */
bool sg_event_listen(struct sg_key *key, struct sock *sk)
{
	if (!key_begin(key, sk, SOCKGATE_EVENT_LISTEN))
		return false;
	key->family = bound_to_mapped(sk) ? AF_INET : sk->sk_family;
	key_end(key, sk);
	return true;
}

/*
 * A datagram whose destination comes with it.  IPv4 takes AF_UNSPEC for AF_INET
 * here (udp_sendmsg()); IPv6 takes it for no address (udpv6_sendmsg()).
 */
static bool send_datagram(struct sg_key *key, const struct sock *sk,
			  const struct msghdr *msg)
{
	const struct sockaddr *addr = msg->msg_name;
	int family = addr->sa_family;

	if (family == AF_UNSPEC && sk->sk_family == AF_INET)
		family = AF_INET;
	return key_remote(key, sk, addr, msg->msg_namelen, family);
}

/*
 * TCP Fast Open connects in sendmsg(), past the connect hook (RFC 7413).  What
 * state the socket is in must not matter: another thread may disconnect it
 * before sendmsg() has the socket's lock.
 */
static bool send_fastopen(struct sg_key *key, const struct sock *sk,
			  const struct msghdr *msg)
{
	const struct sockaddr *addr = msg->msg_name;

	if (!(msg->msg_flags & MSG_FASTOPEN))
		return false;
	key->event = SOCKGATE_EVENT_CONNECT;
	return key_remote(key, sk, addr, msg->msg_namelen, addr->sa_family);
}

/**
 * sg_event_send() - the key of a sendmsg() that names its destination
 * @key: filled in
 * @sk:  the socket
 * @msg: the message; its name is in kernel memory
 *
 * Return: false if this call is none of our business, such as every send on a
 * connected socket.
 */
bool sg_event_send(struct sg_key *key, struct sock *sk,
		   const struct msghdr *msg)
{
	bool ours;

	if (!msg->msg_name || msg->msg_namelen < (int)sizeof(sa_family_t))
		return false;
	if (!key_begin(key, sk, SOCKGATE_EVENT_SEND))
		return false;
	if (key->protocol == IPPROTO_TCP)
		ours = send_fastopen(key, sk, msg);
	else
		ours = send_datagram(key, sk, msg);
	if (ours)
		key_end(key, sk);
	return ours;
}

/**
 * sg_event_exe() - the file the caller runs, if it is the one in the key
 * @key: of the caller's request
 *
 * It is pinned once and judged as pinned: what a sibling thread puts in its
 * place meanwhile (PR_SET_MM_EXE_FILE) must not lend the key another content.
 *
 * Return: a reference, or NULL.
 */
struct file *sg_event_exe(const struct sg_key *key)
{
	struct sg_key now = {};
	struct file *exe;

	rcu_read_lock();
	exe = sg_get_file_rcu(&current->mm->exe_file);
	rcu_read_unlock();
	if (!exe)
		return NULL;
	key_file(&now, exe);
	if (same_file(&now, key))
		return exe;
	fput(exe);
	return NULL;
}

/**
 * sg_event_same_exe() - whether the caller still runs what the key says
 * @key: of the caller's request
 *
 * Return: false if it changed while the caller waited.
 */
bool sg_event_same_exe(const struct sg_key *key)
{
	struct sg_key now = {};

	key_exe(&now);
	return same_file(&now, key);
}
