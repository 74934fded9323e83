// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the policy judges peers: the segment that opens a connection to a listener
 * waits before TCP answers it, and the first packet of a peer before a socket that has
 * no connection gets it.  So a peer that is refused gets no handshake, and no process
 * is held for it.
 *
 * Control comes (hook.c) when the protocol has chosen the socket: where TCP makes a
 * request of a segment, or of the cookie that one brings back; and just before socket
 * filters are run.  So nothing is asked about that the machine's own rules drop, and each of
 * several sockets that are to have a packet (multicast, broadcast, raw sockets) is
 * judged for itself.  Of SCTP it is the socket that has many associations: no other
 * call or packet would tell of a peer's.
 *
 * A packet that waits is a clone.  To the protocol the original was dropped; a socket
 * counts it as a filter's.  The clone enters the protocol again, of TCP and UDP with its
 * socket, which is preferred to looking for any, as after early demultiplexing.  What is
 * for a raw socket goes into its queue.
 *
 * A listener that is flooded holds SG_ARRIVALS_MAX segments.  What comes beyond them
 * passes, which costs the kernel what it always does (SYN cookies); the connection, if
 * one is ever made of it, is judged by its first packet, as everything that leaves is
 * (packet.c).  Other packets beyond them are dropped.
 *
 * Locking: softirqs, or bottom halves off.
 */
#include <linux/file.h>
#include <linux/ip.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/protocol.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <net/tcp_states.h>

#include "arrival.h"
#include "cache.h"
#include "compat/sctp.h"
#include "count.h"
#include "event.h"
#include "hold.h"
#include "judge.h"
#include "park.h"
#include "scope.h"
#include "sock.h"

/* What one packet is judged by. */
struct arriving {
	struct sk_buff *skb;
	struct sock *sk;
	struct sg_sock *rec;
	enum sockgate_event event;
	u8 family;		/* a socket of IPv6 gets IPv4 as well */
};

static bool is_udp(const struct sock *sk)
{
	return sk->sk_protocol == IPPROTO_UDP ||
	       sk->sk_protocol == IPPROTO_UDPLITE;
}

static bool is_one_to_many(const struct sock *sk)
{
	return sk->sk_type == SOCK_SEQPACKET && sk->sk_protocol == IPPROTO_SCTP;
}

/* Whose packet `sg_passing` is, if it arrives. */
static DEFINE_PER_CPU(const struct sock *, passing_for);

/* Let go, for this socket: another may have taken its place meanwhile. */
static bool is_passing(const struct sock *sk, const struct sk_buff *skb)
{
	if (!sg_park_passing(skb) || this_cpu_read(passing_for) != sk)
		return false;
	/* Once for each release. */
	this_cpu_write(sg_passing, NULL);
	return true;
}

/*
 * Without a record it is the kernel's own, or its answer is refused.  What came from no
 * device the kernel has made, to tell a raw socket something (multicast routers).
 */
static bool concerns(const struct sock *sk, const struct sk_buff *skb)
{
	const struct sg_sock *rec;

	if (is_passing(sk, skb) || (!skb->dev && !skb->skb_iif))
		return false;
	rec = sg_sock_find(sk);
	return rec && !READ_ONCE(rec->exempt);
}

/**
 * sg_arrival_opens() - whether a segment that opens a connection is judged
 * @sk:  the listener
 * @skb: the segment
 *
 * Safe in the ftrace callback.
 *
 * Return: that.
 */
bool sg_arrival_opens(const struct sock *sk, const struct sk_buff *skb)
{
	return sg_event_is_stream(sk) && sg_scope_has(SOCKGATE_EVENT_ACCEPT) &&
	       concerns(sk, skb);
}

/**
 * sg_arrival_received() - whether a packet that a socket is to get is judged
 * @sk:  the socket
 * @skb: the packet
 *
 * Safe in the ftrace callback.  Of a socket that is connected, too: connect() may not
 * have waited for its verdict.
 *
 * Return: that.
 */
bool sg_arrival_received(const struct sock *sk, const struct sk_buff *skb)
{
	return (sk->sk_family == AF_INET || sk->sk_family == AF_INET6) &&
	       (sg_event_is_datagrams(sk) || is_one_to_many(sk)) &&
	       sg_scope_has(SOCKGATE_EVENT_RECEIVE) && concerns(sk, skb);
}

static __be16 local_port(const struct arriving *a)
{
	/* Another than the listener's, if somebody's rule gave it the segment. */
	if (a->event == SOCKGATE_EVENT_ACCEPT)
		return tcp_hdr(a->skb)->dest;
	return htons(inet_sk(a->sk)->inet_num);
}

/* In UDP and SCTP it is what comes first. */
static __be16 source_port(const struct arriving *a)
{
	if (!is_udp(a->sk) && !is_one_to_many(a->sk))
		return 0;
	return udp_hdr(a->skb)->source;
}

/* @to: what it could be a reply to */
static struct file *key_of(const struct arriving *a, struct sg_key *key,
			   struct sg_key *to)
{
	struct file *exe = sg_sock_owner(a->rec, key);

	*to = *key;
	sg_event_arrival(key, a->skb, a->family, a->event, local_port(a));
	sg_event_reply(to, key, source_port(a), a->sk->sk_state == TCP_ESTABLISHED);
	return exe;
}

/* It comes from where this socket may send to. */
static bool is_reply(const struct arriving *a, const struct sg_key *to)
{
	struct sg_verdict verdict;

	if (a->event != SOCKGATE_EVENT_RECEIVE)
		return false;
	if (sg_sock_good(sg_sock_granted(a->rec, to)))
		return true;
	return sg_cache_lookup(to, &verdict) &&
	       verdict.action == SOCKGATE_ACTION_ALLOW;
}

static int settle(const struct arriving *a, const struct sg_key *key,
		  const struct sg_verdict *verdict)
{
	int err = sg_settle(a->sk, key, verdict);

	if (err)
		sg_count(SOCKGATE_N_PACKET_DENIED);
	return err;
}

static int fail(const struct arriving *a, const struct sg_key *key,
		enum sockgate_reason reason)
{
	const struct sg_verdict verdict = sg_verdict_fail(reason);

	return settle(a, key, &verdict);
}

/* A connection can still be judged once it is made; what has none cannot. */
static int no_room(const struct arriving *a, const struct sg_key *key)
{
	if (a->event == SOCKGATE_EVENT_ACCEPT)
		return 0;
	return fail(a, key, SOCKGATE_REASON_TABLE_FULL);
}

static bool is_full(const struct sg_verdict *verdict)
{
	return verdict->action == SOCKGATE_ACTION_FAIL &&
	       verdict->reason == SOCKGATE_REASON_TABLE_FULL;
}

static int hold_clone(const struct arriving *a, struct sk_buff *clone,
		      const struct sg_key *key, struct file *exe)
{
	struct sg_parked *packet = sg_park_arrival(clone, a->sk, a->rec,
						   a->family);
	struct sg_verdict verdict;

	if (!packet) {
		kfree_skb(clone);
		return no_room(a, key);
	}
	/* The clone's turn comes; this one is done. */
	if (sg_hold_packet(key, exe, packet, &verdict))
		return -EINPROGRESS;
	sg_unpark(packet);
	consume_skb(clone);
	return is_full(&verdict) ? no_room(a, key) : settle(a, key, &verdict);
}

static int hold(const struct arriving *a, const struct sg_key *key,
		struct file *exe)
{
	struct sk_buff *clone = skb_clone(a->skb, GFP_ATOMIC | __GFP_NOWARN);

	return clone ? hold_clone(a, clone, key, exe) : no_room(a, key);
}

/**
 * sg_arrival_judge() - judge a packet for a socket
 * @sk:    the socket
 * @skb:   the packet
 * @event: ACCEPT or RECEIVE
 *
 * Return: 0 if it may have it now, else a negative errno, and the packet is to be
 * dropped: it is refused, or waits.
 */
int sg_arrival_judge(struct sock *sk, struct sk_buff *skb,
		     enum sockgate_event event)
{
	const struct arriving a = {
		.skb = skb,
		.sk = sk,
		.rec = sg_sock_find(sk),
		.event = event,
		.family = ip_hdr(skb)->version == 4 ? AF_INET : AF_INET6,
	};
	struct sg_verdict verdict;
	struct sg_key key, to;
	struct file *exe;
	int err;

	if (!a.rec)
		return 0;
	exe = key_of(&a, &key, &to);
	if (is_reply(&a, &to))
		err = 0;
	else if (sg_judge_known(&key, &verdict))
		err = settle(&a, &key, &verdict);
	else
		err = hold(&a, &key, exe);
	if (exe)
		fput(exe);
	return err;
}

/* To the protocol's entry, where the packet was already. */
static void enter_protocol(struct sk_buff *skb, u8 family, u8 number)
{
#if IS_ENABLED(CONFIG_IPV6)
	const struct inet6_protocol *protocol6;
#endif
	const struct net_protocol *protocol;

	__skb_push(skb, skb->data - skb_transport_header(skb));
	if (family == AF_INET) {
		protocol = rcu_dereference(inet_protos[number]);
		protocol->handler(skb);
		return;
	}
#if IS_ENABLED(CONFIG_IPV6)
	protocol6 = rcu_dereference(inet6_protos[number]);
	protocol6->handler(skb);
#endif
}

/* TCP has moved what IP had left there. */
static void restore_block(struct sk_buff *skb, u8 family)
{
	if (family == AF_INET)
		memmove(IPCB(skb), &TCP_SKB_CB(skb)->header.h4,
			sizeof(struct inet_skb_parm));
#if IS_ENABLED(CONFIG_IPV6)
	else
		memmove(IP6CB(skb), &TCP_SKB_CB(skb)->header.h6,
			sizeof(struct inet6_skb_parm));
#endif
}

/* The packet brings its socket along; the protocol takes that, and puts it. */
static void bring(struct sk_buff *skb, struct sock *sk)
{
	sock_hold(sk);
	skb->sk = sk;
	skb->destructor = sock_efree;
}

/* The peer may have sent its segment twice, and have been answered meanwhile. */
static bool is_known(const struct sk_buff *skb, const struct sock *sk, u8 family)
{
	struct sock *open = sg_sock_of_segment(sock_net(sk), skb, family);

	if (!open)
		return false;
	sock_gen_put(open);
	return true;
}

/* The listener may have been chosen by somebody's rule, not by where it is bound. */
static void resume_tcp(struct sk_buff *skb, struct sock *sk, u8 family)
{
	restore_block(skb, family);
	if (sk->sk_state == TCP_LISTEN && !is_known(skb, sk, family))
		bring(skb, sk);
	enter_protocol(skb, family, IPPROTO_TCP);
}

/*
 * UDP remembers the route of a packet that brings its socket, for what comes next: it
 * must not, where that may come otherwise.  (A socket that is connected sees it again.)
 */
static void resume_udp(struct sk_buff *skb, struct sock *sk, u8 family)
{
	bring(skb, sk);
	enter_protocol(skb, family, sk->sk_protocol);
	dst_release(xchg((__force struct dst_entry **)&sk->sk_rx_dst, NULL));
}

/* What came in UDP would be taken for bare (RFC 6951): the peer sends it again. */
static void resume_sctp(struct sk_buff *skb, u8 family)
{
	if (sg_sctp_in_udp(skb))
		kfree_skb(skb);
	else
		enter_protocol(skb, family, IPPROTO_SCTP);
}

/**
 * sg_arrival_resume() - a packet goes on to the socket that it was for
 * @packet: what kept it; its device is there
 *
 * Under RCU, bottom halves off.
 */
void sg_arrival_resume(struct sg_parked *packet)
{
	struct sk_buff *skb = packet->skb;
	struct sock *sk = packet->sk;

	this_cpu_write(sg_passing, skb);
	this_cpu_write(passing_for, sk);
	if (sg_event_is_stream(sk))
		resume_tcp(skb, sk, packet->family);
	else if (is_udp(sk))
		resume_udp(skb, sk, packet->family);
	else if (is_one_to_many(sk))
		resume_sctp(skb, packet->family);
	else if (sock_queue_rcv_skb(sk, skb))
		kfree_skb(skb);
	this_cpu_write(sg_passing, NULL);
	this_cpu_write(passing_for, NULL);
}
