/* SPDX-License-Identifier: GPL-2.0-only */
/* What a caller wants to do, as a key to compare, hash and send. */
#ifndef SOCKGATE_EVENT_H
#define SOCKGATE_EVENT_H

#include <linux/in6.h>
#include <linux/socket.h>
#include <linux/sockgate.h>
#include <linux/types.h>
#include <net/sock.h>

struct file;
struct msghdr;
struct sk_buff;
struct sock;
struct sockaddr;
struct socket;
struct task_struct;

/*
 * One event of one process on one kind of socket.  No holes, unused bytes zero:
 * it is masked, hashed and compared as a whole.  IPv4 addresses, mapped ones
 * too, stand in the first four bytes.
 */
struct sg_key {
	struct in6_addr laddr;
	struct in6_addr raddr;
	u64 cgroup;
	u64 netns;
	u64 exe_ino;
	s64 exe_ctime;
	u64 exe_instance;
	u64 start_ns;
	u64 exec_id;
	u32 exe_dev;
	u32 exe_generation;
	u32 pid;
	u32 uid;
	__be16 lport;
	__be16 rport;
	u8 event;		/* enum sockgate_event */
	u8 family;
	u8 protocol;
	u8 zero;
};

#define SG_KEY_WORDS (sizeof(struct sg_key) / sizeof(u64))

/**
 * sg_event_stays() - whether sockets of a family cannot leave the machine
 * @family: AF_*
 *
 * Return: that; true only for families that are known to.
 */
static inline bool sg_event_stays(int family)
{
	switch (family) {
	case AF_UNIX:
	case AF_NETLINK:
	case AF_KEY:
	case AF_ALG:
	case AF_KCM:		/* its messages leave by TCP sockets of others */
		return true;
	}
	return false;
}

/**
 * sg_event_gated() - whether packets of a family pass the gate
 * @family: AF_*
 *
 * Return: that.
 */
static inline bool sg_event_gated(int family)
{
	return family == AF_INET || family == AF_INET6 || family == AF_SMC;
}

bool sg_event_open(struct sg_key *key, struct sock *sk, int family,
		   int protocol);
bool sg_event_opens_past(const struct sg_key *key);
bool sg_event_bind(struct sg_key *key, struct sock *sk,
		   const struct sockaddr *addr, int addr_len);
bool sg_event_connect(struct sg_key *key, struct sock *sk,
		      const struct sockaddr *addr, int addr_len);
bool sg_event_listen(struct sg_key *key, struct sock *sk);
bool sg_event_send(struct sg_key *key, struct sock *sk,
		   const struct msghdr *msg);

/* Somewhere to send to. */
struct sg_remote {
	u64 addr[2];		/* as in a key */
	__be16 port;
	u8 family;
	u8 protocol;
};

bool sg_event_datagram(const struct sock *sk, const struct msghdr *msg,
		       struct sg_remote *to);

static inline bool sg_event_is_udp(const struct sock *sk)
{
	return sk->sk_type == SOCK_DGRAM && sk->sk_protocol == IPPROTO_UDP;
}

/* A connection of TCP, or what may become one. */
static inline bool sg_event_is_stream(const struct sock *sk)
{
	return sk->sk_type == SOCK_STREAM && sk->sk_protocol == IPPROTO_TCP;
}

/* What needs no connection. */
static inline bool sg_event_is_datagrams(const struct sock *sk)
{
	return sk->sk_type == SOCK_DGRAM || sk->sk_type == SOCK_RAW;
}

bool sg_event_has_packets(const struct sock *sk);
void sg_event_peer(struct sg_key *key, const struct sock *sk);
bool sg_event_use(struct sg_key *key, struct sock *sk, const struct sock *wire);
bool sg_event_own(struct sg_key *key, struct sock *sk,
		  struct task_struct *task, struct file **exe);
int sg_event_transport(const struct sk_buff *skb);
void sg_event_packet(struct sg_key *key, const struct sock *sk,
		     const struct sk_buff *skb, u8 family);
void sg_event_from(struct sg_key *key, const struct sk_buff *skb, u8 family);
void sg_event_accepted(struct sg_key *key, const struct sock *sk);
void sg_event_arrival(struct sg_key *key, const struct sk_buff *skb, u8 family,
		      enum sockgate_event event, __be16 lport);
void sg_event_reply(struct sg_key *key, const struct sg_key *arrival,
		    __be16 rport, bool connected);
void sg_event_state(struct sg_key *key, const struct sock *sk,
		    enum sockgate_event event);

bool sg_event_by_current(const struct sg_key *key);
bool sg_event_is_caller(const struct sg_key *key);
struct file *sg_event_exe_of(struct task_struct *task);
struct file *sg_event_exe(const struct sg_key *key);
struct file *sg_event_renew(struct sg_key *key);
bool sg_event_same_exe(const struct sg_key *key);
bool sg_event_runs(const struct sg_key *key, const struct file *exe);
bool sg_event_same_file(const struct sg_key *a, const struct sg_key *b);
bool sg_event_verifiable(const struct file *exe);
void sg_event_init(void) __init;

#endif
