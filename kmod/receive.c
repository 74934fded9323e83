// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the policy judges what is received: the first packet of a peer waits before
 * a socket that has no connection gets it.  That is at the place where socket filters
 * are run (hook.c), when the protocol has chosen the socket: so each of several that
 * are to have it (multicast, broadcast, raw sockets) is asked about for itself.  Of
 * SCTP it is the socket that has many associations: no other call or packet would tell
 * of a peer's; so a peer that is refused gets no association.
 *
 * A packet that waits is a clone.  To the protocol the original was dropped by a
 * filter, and the socket counts it as such.  The clone is received later by that one
 * socket: a datagram of UDP by the protocol's own entry, which prefers a socket that
 * comes with the packet to looking for any, as after early demultiplexing; a packet of
 * SCTP by its entry too; any other by what puts it into the socket's queue.
 *
 * Locking: softirqs, or bottom halves off.
 */
#include <linux/file.h>
#include <linux/ip.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>
#include <linux/udp.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/protocol.h>
#include <net/sctp/structs.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "agent.h"
#include "cache.h"
#include "count.h"
#include "event.h"
#include "hold.h"
#include "judge.h"
#include "park.h"
#include "receive.h"
#include "scope.h"
#include "sock.h"

/* What one packet is judged by. */
struct received {
	struct sock *sk;
	struct sg_sock *rec;
	struct sk_buff *skb;
	u8 family;
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

/* Of the packet: a socket of IPv6 receives IPv4 as well. */
static u8 family_of(const struct sk_buff *skb)
{
	return ip_hdr(skb)->version == 4 ? AF_INET : AF_INET6;
}

/**
 * sg_receive_concerns() - whether a packet for a socket is judged
 * @sk:  the socket
 * @skb: the packet
 *
 * Safe in the ftrace callback.  A socket that is connected has chosen its peer; one
 * without a record is the kernel's own, or its answer is refused.
 *
 * Return: that.
 */
bool sg_receive_concerns(const struct sock *sk, const struct sk_buff *skb)
{
	const struct sg_sock *rec;

	if ((sk->sk_family != AF_INET && sk->sk_family != AF_INET6) ||
	    !(sg_event_is_datagrams(sk) || is_one_to_many(sk)) ||
	    sk->sk_state == TCP_ESTABLISHED ||
	    !sg_scope_has(SOCKGATE_EVENT_RECEIVE))
		return false;
	if (sg_park_passing(skb)) {
		/* Once for each release. */
		this_cpu_write(sg_passing, NULL);
		return false;
	}
	rec = sg_sock_find(sk);
	return rec && !READ_ONCE(rec->exempt);
}

static struct file *key_of(const struct received *r, struct sg_key *key)
{
	struct file *exe = sg_sock_owner(r->rec, key);

	sg_event_arrival(key, r->skb, r->family, SOCKGATE_EVENT_RECEIVE,
			 htons(inet_sk(r->sk)->inet_num));
	return exe;
}

/* In UDP and SCTP it is what comes first. */
static __be16 source_port(const struct received *r)
{
	if (!is_udp(r->sk) && !is_one_to_many(r->sk))
		return 0;
	return udp_hdr(r->skb)->source;
}

/* It comes from where this socket may send to. */
static bool is_reply(const struct received *r, const struct sg_key *key)
{
	struct sg_verdict verdict;
	struct sg_key to = *key;

	sg_event_reply(&to, source_port(r));
	if (sg_sock_granted(r->rec, &to))
		return true;
	return sg_cache_lookup(&to, &verdict) &&
	       verdict.action == SOCKGATE_ACTION_ALLOW;
}

static int settle(const struct received *r, const struct sg_key *key,
		  const struct sg_verdict *verdict)
{
	int err = sg_settle(r->sk, key, verdict);

	if (err)
		sg_count(SOCKGATE_N_PACKET_DENIED);
	return err;
}

static int fail(const struct received *r, const struct sg_key *key,
		enum sockgate_reason reason)
{
	const struct sg_verdict verdict = sg_verdict_fail(reason);

	return settle(r, key, &verdict);
}

static int hold_clone(const struct received *r, struct sk_buff *clone,
		      const struct sg_key *key, struct file *exe)
{
	struct sg_parked *packet = sg_park_received(clone, r->sk, r->rec,
						    r->family);
	struct sg_verdict verdict;

	if (!packet) {
		kfree_skb(clone);
		return fail(r, key, SOCKGATE_REASON_TABLE_FULL);
	}
	/* The clone's turn comes; this one is done. */
	if (sg_hold_packet(key, exe, packet, &verdict))
		return -EINPROGRESS;
	sg_unpark(packet);
	consume_skb(clone);
	return settle(r, key, &verdict);
}

static int hold(const struct received *r, const struct sg_key *key,
		struct file *exe)
{
	struct sk_buff *clone = skb_clone(r->skb, GFP_ATOMIC | __GFP_NOWARN);

	if (!clone)
		return fail(r, key, SOCKGATE_REASON_TABLE_FULL);
	return hold_clone(r, clone, key, exe);
}

/**
 * sg_receive() - judge a packet for a socket
 * @sk:  the socket
 * @skb: the packet
 *
 * Return: 0 if it may have it now, else a negative errno, and the packet is to be
 * dropped: it is refused, or waits.
 */
int sg_receive(struct sock *sk, struct sk_buff *skb)
{
	const struct received r = {
		.sk = sk,
		.rec = sg_sock_find(sk),
		.skb = skb,
		.family = family_of(skb),
	};
	struct sg_verdict verdict;
	struct sg_key key;
	struct file *exe;
	int err;

	if (!r.rec)
		return 0;
	exe = key_of(&r, &key);
	if (is_reply(&r, &key))
		err = 0;
	else if (sg_cache_lookup(&key, &verdict))
		err = settle(&r, &key, &verdict);
	else if (!sg_agent_present())
		err = fail(&r, &key, SOCKGATE_REASON_NO_AGENT);
	else
		err = hold(&r, &key, exe);
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

static void receive_udp(struct sk_buff *skb, struct sock *sk, u8 family)
{
	sock_hold(sk);
	skb->sk = sk;
	skb->destructor = sock_efree;
	enter_protocol(skb, family, sk->sk_protocol);
}

/* What came in UDP would be taken for bare (RFC 6951): the peer sends it again. */
static void receive_sctp(struct sk_buff *skb, u8 family)
{
	if (SCTP_INPUT_CB(skb)->encap_port)
		kfree_skb(skb);
	else
		enter_protocol(skb, family, IPPROTO_SCTP);
}

/**
 * sg_receive_resume() - a packet goes on to the socket that it was for
 * @packet: what kept it; its device is there
 *
 * Under RCU, bottom halves off.
 */
void sg_receive_resume(struct sg_parked *packet)
{
	struct sk_buff *skb = packet->skb;
	struct sock *sk = packet->sk;

	this_cpu_write(sg_passing, skb);
	if (is_udp(sk))
		receive_udp(skb, sk, packet->family);
	else if (is_one_to_many(sk))
		receive_sctp(skb, packet->family);
	else if (sock_queue_rcv_skb(sk, skb))
		kfree_skb(skb);
	this_cpu_write(sg_passing, NULL);
}
