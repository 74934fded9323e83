// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the arguments of a hook, or from a packet, to a key.  Everything here
 * reads only what cannot go away under the caller (its own task, the socket it
 * holds, addresses already copied into the kernel; the executable under RCU),
 * takes no lock and does not sleep: the ftrace callback calls it.
 */
#include <linux/cgroup.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/magic.h>
#include <linux/mm_types.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/skbuff.h>
#include <linux/socket.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "compat/file.h"
#include "compat/inet.h"
#include "event.h"
#include "mix.h"
#include "scope.h"

static_assert(sizeof(struct sg_key) == 2 * 16 + 7 * 8 + 4 * 4 + 2 * 2 + 4,
	      "a hole in the key would be compared");
static_assert(sizeof(struct sg_key) % sizeof(u64) == 0);

static u64 instance_key[4] __read_mostly;

static bool on_fuse(const struct inode *inode)
{
	return inode->i_sb->s_magic == FUSE_SUPER_MAGIC;
}

static bool on_overlay_of_user(const struct inode *inode)
{
	return inode->i_sb->s_magic == OVERLAYFS_SUPER_MAGIC &&
	       inode->i_sb->s_user_ns != &init_user_ns;
}

static bool verifiable(const struct file *exe, const struct inode *real)
{
	const struct inode *inode = file_inode(exe);

	return !on_fuse(inode) && !on_overlay_of_user(inode) && !on_fuse(real);
}

/**
 * sg_event_verifiable() - whether reading an executable proves what runs
 * @exe: the file
 *
 * Return: false if a user decides what is in it, while it runs too.
 */
bool sg_event_verifiable(const struct file *exe)
{
	return verifiable(exe, sg_real_inode(exe));
}

/*
 * What is mapped by a read first is written without a fault there, and so
 * without a new ctime; elsewhere ->page_mkwrite() sees to it.
 */
static bool changes_unseen(const struct inode *inode)
{
	return inode->i_sb->s_magic == TMPFS_MAGIC;
}

/* The process is in the key already. */
static u64 instance_of(const struct sg_key *key)
{
	const u64 *secret = instance_key;
	u64 run = sg_mix(key->start_ns ^ secret[0], key->exec_id ^ secret[1]);

	return sg_mix(run ^ secret[2], key->pid ^ secret[3]) ?: 1;
}

static void key_file(struct sg_key *key, const struct file *exe)
{
	const struct inode *inode = sg_real_inode(exe);
	struct timespec64 ctime = inode_get_ctime(inode);

	key->exe_ino = inode->i_ino;
	key->exe_dev = inode->i_sb->s_dev;
	/* Not even its numbers are sure: they could be any other file's. */
	if (!verifiable(exe, inode))
		key->exe_dev |= SOCKGATE_DEV_UNVERIFIABLE;
	key->exe_generation = inode->i_generation;
	key->exe_ctime = timespec64_to_ns(&ctime);
	key->exe_instance = changes_unseen(inode) ? instance_of(key) : 0;
}

/**
 * sg_event_same_file() - whether two keys name one executable
 * @a: one
 * @b: the other
 *
 * Safe in the ftrace callback.
 *
 * Return: that; true also where neither could be named.
 */
bool sg_event_same_file(const struct sg_key *a, const struct sg_key *b)
{
	return a->exe_ino == b->exe_ino && a->exe_dev == b->exe_dev &&
	       a->exe_generation == b->exe_generation &&
	       a->exe_ctime == b->exe_ctime &&
	       a->exe_instance == b->exe_instance;
}

/**
 * sg_event_exe_of() - what a task runs
 * @task: current, or a task whose mm cannot go away under the caller
 *
 * Return: a reference, or NULL.
 */
struct file *sg_event_exe_of(struct task_struct *task)
{
	struct file *exe;

	if (!task->mm)
		return NULL;
	/* A sibling thread may put another in its place (PR_SET_MM_MAP). */
	rcu_read_lock();
	exe = sg_get_file_rcu(&task->mm->exe_file);
	rcu_read_unlock();
	return exe;
}

/* Returns a reference to what is in the key, or NULL. */
static struct file *key_exe(struct sg_key *key, struct task_struct *task)
{
	struct file *exe = sg_event_exe_of(task);

	if (exe)
		key_file(key, exe);
	return exe;
}

/* As the initial namespace has it, which maps each to itself. */
static u32 uid_of(struct task_struct *task)
{
	if (task == current)
		return __kuid_val(current_real_cred()->uid);
	return __kuid_val(task_cred_xxx(task, uid));
}

static void key_process(struct sg_key *key, struct task_struct *task)
{
	key->pid = task_tgid_nr(task);
	key->start_ns = task->group_leader->start_boottime;
	key->exec_id = task->self_exec_id;
	key->uid = uid_of(task);
}

static void key_socket(struct sg_key *key, struct sock *sk)
{
	key->netns = sg_net_cookie(sock_net(sk));
	key->cgroup = cgroup_id(sock_cgroup_ptr(&sk->sk_cgrp_data));
}

#define PROTOCOL_SMC 256	/* IPPROTO_SMC, where the kernel has it */

static bool is_inet(const struct sock *sk)
{
	return sk->sk_family == AF_INET || sk->sk_family == AF_INET6;
}

/*
 * Which sockets are judged, and as which protocol; 0: not at all.  A raw socket
 * may send anything, unless it is for the messages of ping(8) and its like.
 * MPTCP and SMC are TCP on the wire.
 */
static int judged_protocol(const struct sock *sk)
{
	if (sk->sk_family == AF_SMC)
		return IPPROTO_TCP;
	if (!is_inet(sk))
		return 0;
	switch (sk->sk_protocol) {
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return sk->sk_protocol;
	case IPPROTO_MPTCP:
	case PROTOCOL_SMC:
		return IPPROTO_TCP;
	}
	return sk->sk_type == SOCK_RAW ? IPPROTO_RAW : sk->sk_protocol;
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

static sa_family_t family_of(const struct sock *sk)
{
	return bound_to_mapped(sk) || !is_inet(sk) ? AF_INET : sk->sk_family;
}

/*
 * The address a socket is bound to, its family in the key already.  An SMC socket
 * keeps it in another one, inside.
 */
static void key_local(struct sg_key *key, const struct sock *sk)
{
	if (!is_inet(sk))
		return;
	key->lport = htons(inet_sk(sk)->inet_num);
#if IS_ENABLED(CONFIG_IPV6)
	if (key->family == AF_INET6) {
		key->laddr = sk->sk_v6_rcv_saddr;
		return;
	}
#endif
	key->laddr.s6_addr32[0] = inet_sk(sk)->inet_rcv_saddr;
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

static struct file *key_whose(struct sg_key *key, struct sock *sk,
			      struct task_struct *task)
{
	key_socket(key, sk);
	key_process(key, task);
	return key_exe(key, task);
}

static void key_who(struct sg_key *key, struct sock *sk)
{
	struct file *exe = key_whose(key, sk, current);

	if (exe)
		fput(exe);
}

static void key_end(struct sg_key *key, struct sock *sk)
{
	key_local(key, sk);
	key_who(key, sk);
}

/*
 * 0.0.0.0 means this host: the source if it is chosen, else loopback
 * (ip_route_output_key_hash_rcu()).
 */
static void key_remote4(struct sg_key *key, const struct sock *sk, __be32 addr)
{
	key->family = AF_INET;
	if (!addr && is_inet(sk))
		addr = inet_sk(sk)->inet_saddr;
	if (!addr)
		addr = htonl(INADDR_LOOPBACK);
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

static bool has_ports(u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		return true;
	}
	return false;
}

static __be16 port_of(const struct sg_key *key, __be16 port)
{
	return has_ports(key->protocol) ? port : 0;
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
		key->rport = port_of(key, in->sin_port);
		key_remote4(key, sk, in->sin_addr.s_addr);
		return true;
	case AF_INET6:
		if (sk->sk_family == AF_INET || addr_len < SIN6_LEN_RFC2133)
			return false;
		key->rport = port_of(key, in6->sin6_port);
		key_remote6(key, sk, &in6->sin6_addr);
		return true;
	}
	return false;
}

/* Whose packets pass by the chain that is judged: leave to open is all there is. */
static bool open_past_gate(struct sg_key *key, const struct sock *sk,
			   int family, int protocol)
{
	bool packet = family == AF_PACKET || family == AF_XDP;

	if (sg_event_stays(family) || !sk || of_kernel(sk))
		return false;
	memset(key, 0, sizeof(*key));
	key->event = SOCKGATE_EVENT_OPEN;
	key->protocol = packet ? SOCKGATE_PROTOCOL_PACKET :
				 SOCKGATE_PROTOCOL_OTHER;
	key->family = family;
	if (family == AF_PACKET)
		key->rport = (__force __be16)protocol;
	return true;
}

static bool open_gated(struct sg_key *key, const struct sock *sk)
{
	if (!sg_scope_has(SOCKGATE_EVENT_OPEN) ||
	    !key_begin(key, sk, SOCKGATE_EVENT_OPEN))
		return false;
	key->family = family_of(sk);
	return true;
}

/**
 * sg_event_open() - the key of a socket() that has just made a socket, or would have
 * @key:      filled in
 * @sk:       the socket
 * @family:   as the caller of socket() gave it
 * @protocol: likewise; for packet sockets the type of frames
 *
 * Return: false if this call is none of our business.
 */
bool sg_event_open(struct sg_key *key, struct sock *sk, int family,
		   int protocol)
{
	bool ours = sg_event_gated(family) ? open_gated(key, sk) :
					     open_past_gate(key, sk, family, protocol);

	if (ours)
		key_who(key, sk);
	return ours;
}

/**
 * sg_event_opens_past() - whether a key is of opening what passes by the gate
 * @key: of an event
 *
 * Return: that; leave for it is leave for whatever the socket sends.
 */
bool sg_event_opens_past(const struct sg_key *key)
{
	return key->event == SOCKGATE_EVENT_OPEN && !sg_event_gated(key->family);
}

static bool key_bound(struct sg_key *key, const struct sock *sk,
		      const struct sockaddr *addr, int addr_len)
{
	const struct sockaddr_in6 *in6 = (const void *)addr;
	const struct sockaddr_in *in = (const void *)addr;

	if (addr_len < (int)sizeof(*in))
		return false;
	/* SCTP takes addresses of IPv4 as they are for a socket of IPv6. */
	if (sk->sk_family != AF_INET6 || addr->sa_family == AF_INET) {
		key->family = AF_INET;
		key->lport = port_of(key, in->sin_port);
		key->laddr.s6_addr32[0] = in->sin_addr.s_addr;
		return true;
	}
	if (addr_len < SIN6_LEN_RFC2133 || addr->sa_family != AF_INET6)
		return false;
	key->lport = port_of(key, in6->sin6_port);
	if (ipv6_addr_v4mapped(&in6->sin6_addr)) {
		key->family = AF_INET;
		key->laddr.s6_addr32[0] = in6->sin6_addr.s6_addr32[3];
		return true;
	}
	key->family = AF_INET6;
	key->laddr = in6->sin6_addr;
	return true;
}

/**
 * sg_event_bind() - the key of a bind()
 * @key:      filled in; the local address is the one that is asked for
 * @sk:       the socket
 * @addr:     that address, in kernel memory
 * @addr_len: its length as the caller gave it
 *
 * Return: false if this call is none of our business.
 */
bool sg_event_bind(struct sg_key *key, struct sock *sk,
		   const struct sockaddr *addr, int addr_len)
{
	if (!sg_scope_has(SOCKGATE_EVENT_BIND) ||
	    !key_begin(key, sk, SOCKGATE_EVENT_BIND) ||
	    !key_bound(key, sk, addr, addr_len))
		return false;
	key_who(key, sk);
	return true;
}

/**
 * sg_event_has_packets() - whether a socket's own packets are judged
 * @sk: the socket
 *
 * Those of SMC leave by a socket that the kernel made inside.
 *
 * Return: that.
 */
bool sg_event_has_packets(const struct sock *sk)
{
	return is_inet(sk) && sk->sk_protocol != PROTOCOL_SMC;
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
	/*
	 * On its way or there already: the protocol will say so.  Its packets
	 * are judged, should another thread end it just now.
	 */
	if (sg_event_has_packets(sk) && sk->sk_type == SOCK_STREAM &&
	    READ_ONCE(sk->sk_state) != TCP_CLOSE)
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
	key->family = family_of(sk);
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
 * sg_event_datagram() - where a sendmsg() on a socket of UDP sends to
 * @sk:  the socket
 * @msg: the message; its name is in kernel memory
 * @to:  filled in
 *
 * Return: false if it names no remote, or one that stands for another.
 */
bool sg_event_datagram(const struct sock *sk, const struct msghdr *msg,
		       struct sg_remote *to)
{
	const struct sockaddr_in6 *in6 = msg->msg_name;
	const struct sockaddr_in *in = msg->msg_name;

	if (!in || msg->msg_namelen < (int)sizeof(*in) || !is_inet(sk) ||
	    !sg_event_is_udp(sk))
		return false;
	to->family = in->sin_family;
	to->protocol = IPPROTO_UDP;
	to->port = in->sin_port;
	if (in->sin_family == AF_INET) {
		to->addr[0] = (__force u32)in->sin_addr.s_addr;
		to->addr[1] = 0;
		return in->sin_addr.s_addr;
	}
	if (in->sin_family != AF_INET6 || sk->sk_family != AF_INET6 ||
	    msg->msg_namelen < SIN6_LEN_RFC2133)
		return false;
	memcpy(to->addr, &in6->sin6_addr, sizeof(to->addr));
	return !ipv6_addr_any(&in6->sin6_addr) &&
	       !ipv6_addr_v4mapped(&in6->sin6_addr);
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
 * sg_event_own() - a key that says whose a socket is, and nothing else
 * @key:  filled in
 * @sk:   the socket
 * @task: current, or one whose mm cannot go away under the caller
 * @exe:  where a reference to what the task runs goes, which may be NULL; or NULL
 *
 * Return: false if the socket is none of our business.
 */
bool sg_event_own(struct sg_key *key, struct sock *sk,
		  struct task_struct *task, struct file **exe)
{
	int protocol = judged_protocol(sk);
	struct file *runs;

	if (!protocol || sk->sk_kern_sock || !task->mm)
		return false;
	memset(key, 0, sizeof(*key));
	key->protocol = protocol;
	key->family = family_of(sk);
	key_local(key, sk);
	runs = key_whose(key, sk, task);
	if (exe)
		*exe = runs;
	else if (runs)
		fput(runs);
	return true;
}

/* Who is at the other end of a connection. */
static void key_peer(struct sg_key *key, const struct sock *sk)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6) {
		key_remote6(key, sk, &sk->sk_v6_daddr);
		return;
	}
#endif
	key_remote4(key, sk, inet_sk(sk)->inet_daddr);
}

/**
 * sg_event_peer() - the key of a connection that the socket's owner has opened
 * @key: has the owner and where the socket was bound when it was judged; filled in as
 *       sg_event_packet() does it for what leaves it
 * @sk:  the connection; if it is made another meanwhile the address may be any
 */
void sg_event_peer(struct sg_key *key, const struct sock *sk)
{
	const u8 family = key->family;

	key->event = SOCKGATE_EVENT_CONNECT;
	key->protocol = judged_protocol(sk);
	key->rport = port_of(key, inet_sk(sk)->inet_dport);
	memset(&key->raddr, 0, sizeof(key->raddr));
	key_peer(key, sk);
	if (key->family != family)
		memset(&key->laddr, 0, sizeof(key->laddr));
}

/**
 * sg_event_use() - the key of using a socket that somebody else connected
 * @key:  filled in: as if the caller had connected it itself
 * @sk:   the socket
 * @wire: what its packets leave by: mostly itself
 *
 * Return: false if it has no peer, or is none of our business.
 */
bool sg_event_use(struct sg_key *key, struct sock *sk, const struct sock *wire)
{
	if (!key_begin(key, sk, SOCKGATE_EVENT_CONNECT))
		return false;
	key->rport = inet_sk(wire)->inet_dport;
	if (!key->rport)
		return false;
	key_peer(key, wire);
	key_end(key, sk);
	return true;
}

/**
 * sg_event_accepted() - the key of a connection that a listener took
 * @key: has the owner; filled in: as if it were to listen there, or to accept
 *       this peer if that is asked about
 * @sk:  the connection, or the listener itself
 */
void sg_event_accepted(struct sg_key *key, const struct sock *sk)
{
	memset(&key->laddr, 0, sizeof(key->laddr));
	memset(&key->raddr, 0, sizeof(key->raddr));
	key->rport = 0;
	key->event = SOCKGATE_EVENT_LISTEN;
	key->family = family_of(sk);
	if (sk->sk_state != TCP_LISTEN && is_inet(sk) &&
	    sg_scope_has(SOCKGATE_EVENT_ACCEPT)) {
		key->event = SOCKGATE_EVENT_ACCEPT;
		key_peer(key, sk);
	}
	key_local(key, sk);
	/* A connection that is closed has given its port back already. */
	if (key->event == SOCKGATE_EVENT_ACCEPT)
		key->lport = inet_sk(sk)->inet_sport;
}

/**
 * sg_event_arrival() - the key of a packet from a peer
 * @key:    has the owner of the socket that it is for
 * @skb:    the packet
 * @family: of the packet
 * @event:  ACCEPT or RECEIVE
 * @lport:  where it goes
 *
 * The peer is an address: a port of its own choice says nothing about it.
 */
void sg_event_arrival(struct sg_key *key, const struct sk_buff *skb, u8 family,
		      enum sockgate_event event, __be16 lport)
{
	key->event = event;
	key->family = family;
	key->lport = port_of(key, lport);
	key->rport = 0;
	memset(&key->laddr, 0, sizeof(key->laddr));
	memset(&key->raddr, 0, sizeof(key->raddr));
	if (family == AF_INET) {
		key->laddr.s6_addr32[0] = ip_hdr(skb)->daddr;
		key->raddr.s6_addr32[0] = ip_hdr(skb)->saddr;
	} else {
		key->laddr = ipv6_hdr(skb)->daddr;
		key->raddr = ipv6_hdr(skb)->saddr;
	}
}

/**
 * sg_event_reply() - the key of what a datagram from a peer could be a reply to
 * @key:       has the owner and where the socket was bound when it was judged
 * @arrival:   from sg_event_arrival()
 * @rport:     the port it comes from
 * @connected: whether the socket is
 */
void sg_event_reply(struct sg_key *key, const struct sg_key *arrival,
		    __be16 rport, bool connected)
{
	if (key->family != arrival->family)
		memset(&key->laddr, 0, sizeof(key->laddr));
	key->event = connected ? SOCKGATE_EVENT_CONNECT : SOCKGATE_EVENT_SEND;
	key->family = arrival->family;
	key->raddr = arrival->raddr;
	key->rport = rport;
}

/**
 * sg_event_state() - the key of what has become of a connection
 * @key:   has the owner; filled in
 * @sk:    the connection
 * @event: ESTABLISHED or CLOSE
 */
void sg_event_state(struct sg_key *key, const struct sock *sk,
		    enum sockgate_event event)
{
	memset(&key->laddr, 0, sizeof(key->laddr));
	memset(&key->raddr, 0, sizeof(key->raddr));
	key->event = event;
	key->family = family_of(sk);
	key->rport = inet_sk(sk)->inet_dport;
	key_peer(key, sk);
	key_local(key, sk);
	/* A connection that closes has given its port back already. */
	key->lport = inet_sk(sk)->inet_sport;
}

/**
 * sg_event_transport() - where the header of a socket's protocol is
 * @skb: a packet that it sends; its transport header was set
 *
 * SCTP may have put itself into UDP (RFC 6951).
 *
 * Return: offset from the data.
 */
int sg_event_transport(const struct sk_buff *skb)
{
	if (skb->encapsulation &&
	    skb->inner_protocol_type == ENCAP_TYPE_IPPROTO &&
	    skb->inner_ipproto == IPPROTO_SCTP)
		return skb_inner_transport_offset(skb);
	return skb_transport_offset(skb);
}

static __be16 packet_port(const struct sk_buff *skb)
{
	__be16 ports[2], *p;

	if (!skb_transport_header_was_set(skb))
		return 0;
	p = skb_header_pointer(skb, sg_event_transport(skb), sizeof(ports),
			       ports);
	return p ? p[1] : 0;
}

/* What is really in it, whatever kind of socket sent it. */
static u8 packet_protocol(const struct sock *sk, const struct sk_buff *skb,
			  u8 family)
{
	int judged = judged_protocol(sk);

	if (judged == IPPROTO_ICMP &&
	    (family != AF_INET || ip_hdr(skb)->protocol != IPPROTO_ICMP))
		return IPPROTO_RAW;
	if (judged == IPPROTO_ICMPV6 &&
	    (family != AF_INET6 || ipv6_hdr(skb)->nexthdr != IPPROTO_ICMPV6))
		return IPPROTO_RAW;
	return judged;
}

static bool connected_to(const struct sock *sk, const struct sg_key *key)
{
	if (key->protocol == IPPROTO_TCP)
		return true;
	if (sk->sk_state != TCP_ESTABLISHED)
		return false;
	if (key->family == AF_INET)
		return inet_sk(sk)->inet_daddr == key->raddr.s6_addr32[0];
#if IS_ENABLED(CONFIG_IPV6)
	return ipv6_addr_equal(&sk->sk_v6_daddr, &key->raddr);
#else
	return false;
#endif
}

/**
 * sg_event_packet() - the key of a packet that leaves a socket
 * @key:    has the owner and where the socket was bound when it was judged
 * @sk:     the socket
 * @skb:    the packet
 * @family: of the packet
 *
 * Safe in softirqs.  The destination is what the packet says, not what a call
 * has said before it.
 */
void sg_event_packet(struct sg_key *key, const struct sock *sk,
		     const struct sk_buff *skb, u8 family)
{
	key->protocol = packet_protocol(sk, skb, family);
	key->rport = port_of(key, packet_port(skb));
	memset(&key->raddr, 0, sizeof(key->raddr));
	if (family == AF_INET)
		key->raddr.s6_addr32[0] = ip_hdr(skb)->daddr;
	else
		key->raddr = ipv6_hdr(skb)->daddr;
	if (key->family != family)
		memset(&key->laddr, 0, sizeof(key->laddr));
	key->family = family;
	key->event = connected_to(sk, key) ? SOCKGATE_EVENT_CONNECT :
					     SOCKGATE_EVENT_SEND;
}

/**
 * sg_event_from() - put a packet's source into a key
 * @key:    of a listener
 * @skb:    a packet that it sends
 * @family: of the packet
 */
void sg_event_from(struct sg_key *key, const struct sk_buff *skb, u8 family)
{
	key->family = family;
	memset(&key->laddr, 0, sizeof(key->laddr));
	if (family == AF_INET)
		key->laddr.s6_addr32[0] = ip_hdr(skb)->saddr;
	else
		key->laddr = ipv6_hdr(skb)->saddr;
}

/**
 * sg_event_by_current() - whether it is the calling process that a key names
 * @key: with an owner
 *
 * Safe in the ftrace callback.
 *
 * Return: that.
 */
bool sg_event_by_current(const struct sg_key *key)
{
	return key->pid == (u32)task_tgid_nr(current) &&
	       key->exec_id == current->self_exec_id &&
	       key->start_ns == current->group_leader->start_boottime;
}

/* The process of a key is the caller, so that the instance is the key's too. */
static bool is_file(const struct sg_key *key, const struct file *exe)
{
	const struct inode *inode = sg_real_inode(exe);
	struct timespec64 ctime = inode_get_ctime(inode);

	/* What is unverifiable has another device in the key. */
	return key->exe_ino == inode->i_ino &&
	       key->exe_dev == inode->i_sb->s_dev &&
	       key->exe_generation == inode->i_generation &&
	       key->exe_ctime == timespec64_to_ns(&ctime);
}

/**
 * sg_event_is_caller() - whether a key names the caller: process, user, executable
 * @key: with an owner
 *
 * Safe in the ftrace callback.
 *
 * Return: false also if it cannot be told at little cost.
 */
bool sg_event_is_caller(const struct sg_key *key)
{
	struct file *exe;
	bool same;

	if (!sg_event_by_current(key) || key->uid != uid_of(current))
		return false;
	exe = sg_event_exe_of(current);
	if (!exe)
		return false;
	same = is_file(key, exe);
	fput(exe);
	return same;
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
	struct file *exe = sg_event_exe_of(current);

	if (!exe || sg_event_runs(key, exe))
		return exe;
	fput(exe);
	return NULL;
}

/**
 * sg_event_renew() - the executable in a key as it is now
 * @key: of a process, maybe of long ago
 *
 * A file has another key once it was unlinked, as by an upgrade, while whoever runs it
 * still runs what it ran.
 *
 * Return: what the process runs, a reference, and it is in the key; or NULL, and
 * nothing has changed: the process is gone, or runs another file.
 */
struct file *sg_event_renew(struct sg_key *key)
{
	struct file *exe = NULL;
	struct task_struct *task;
	struct sg_key now;

	rcu_read_lock();
	task = pid_task(find_pid_ns(key->pid, &init_pid_ns), PIDTYPE_TGID);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	if (!task)
		return NULL;
	now = *key;
	task_lock(task);
	if (task->group_leader->start_boottime == key->start_ns &&
	    task->self_exec_id == key->exec_id)
		exe = key_exe(&now, task);
	task_unlock(task);
	put_task_struct(task);
	if (!exe)
		return NULL;
	if (now.exe_ino != key->exe_ino || now.exe_dev != key->exe_dev ||
	    now.exe_generation != key->exe_generation) {
		fput(exe);
		return NULL;
	}
	*key = now;
	return exe;
}

/**
 * sg_event_runs() - whether a file is still the executable in a key
 * @key: of a request
 * @exe: a file, or NULL
 *
 * Return: false if it is another, or its content changed.
 */
bool sg_event_runs(const struct sg_key *key, const struct file *exe)
{
	struct sg_key now = {
		.pid = key->pid,
		.start_ns = key->start_ns,
		.exec_id = key->exec_id,
	};

	if (exe)
		key_file(&now, exe);
	return sg_event_same_file(&now, key);
}

/**
 * sg_event_same_exe() - whether the caller still runs what the key says
 * @key: of the caller's request
 *
 * Return: false if it changed while the caller waited.
 */
bool sg_event_same_exe(const struct sg_key *key)
{
	struct file *exe = sg_event_exe_of(current);
	bool same = sg_event_runs(key, exe);

	if (exe)
		fput(exe);
	return same;
}

void __init sg_event_init(void)
{
	get_random_bytes(instance_key, sizeof(instance_key));
}
