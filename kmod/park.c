// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets that left before there was a verdict on their socket, which is how a
 * caller that must not wait is held: it goes on, its packet does not.
 *
 * They are kept here and not in an NF_QUEUE: nobody else can release them, no
 * namespace needs a listener of its own, and a verdict costs no second message.
 * docs/ARCHITECTURE says what was weighed.
 *
 * A released packet goes through all hooks of its chain.  Ours is the first of
 * them, so none has seen it before; `sg_passing` tells ours to let it through.  One
 * that arrives enters its protocol again, to the same effect.
 *
 * Locking: the list belongs to whoever took the request out of the tables
 * (hold.c).  `sg_passing` is set with bottom halves off, so that it is this CPU's
 * while its packet is on the way.  A hook that runs with them on may see another
 * CPU's, which is never its own packet.
 */
#include <linux/atomic.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <net/dst.h>
#include <net/inet_hashtables.h>
#include <net/inet_sock.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "arrival.h"
#include "count.h"
#include "cut.h"
#include "hold.h"
#include "judge.h"
#include "park.h"
#include "reader.h"
#include "review.h"
#include "sock.h"

static atomic_t parked = ATOMIC_INIT(0);
static atomic_t reports = ATOMIC_INIT(0);
static atomic_t readers = ATOMIC_INIT(0);
static atomic_t arriving = ATOMIC_INIT(0);
static atomic_long_t arriving_bytes = ATOMIC_LONG_INIT(0);
static atomic_t reviews = ATOMIC_INIT(0);
static atomic_t parked_of[SG_USER_SLOTS];
DEFINE_PER_CPU(const struct sk_buff *, sg_passing);

static u8 family_of(const struct nf_hook_state *state)
{
	return state->pf == NFPROTO_IPV4 ? AF_INET : AF_INET6;
}

/*
 * Its socket is held.  @room counts those that share a limit of @max beside that
 * of all; or NULL.
 */
static struct sg_parked *place(enum sg_direction direction, struct sock *sk,
			       atomic_t *room, int max)
{
	struct sg_parked *packet = NULL;

	if (room && atomic_inc_return(room) > max)
		goto full;
	if (atomic_inc_return(&parked) <= SG_PARKED_MAX)
		packet = kzalloc(sizeof(*packet), GFP_ATOMIC | __GFP_NOWARN);
	if (!packet || !refcount_inc_not_zero(&sk->sk_refcnt))
		goto none;
	packet->direction = direction;
	packet->sk = sk;
	packet->room = room;
	return packet;
none:
	kfree(packet);
	atomic_dec(&parked);
full:
	if (room)
		atomic_dec(room);
	return NULL;
}

/**
 * sg_park() - take a packet out of the way that it goes
 * @skb:   the packet; stays the caller's until the hook returns NF_STOLEN
 * @state: of the hook
 * @uid:   whose it is: one user has a share of the room, but for root
 *
 * In softirqs too.
 *
 * Return: what keeps it, or NULL: no memory, or too many already.
 */
struct sg_parked *sg_park(struct sk_buff *skb, const struct nf_hook_state *state,
			  u32 uid)
{
	atomic_t *room = uid ? &parked_of[sg_hold_user_slot(uid)] : NULL;
	struct sg_parked *packet;

	/* The route is only lent by the socket until now. */
	if (!skb_dst_force(skb))
		return NULL;
	packet = place(SG_LEAVING, state->sk, room, SG_PARKED_SHARE);
	if (!packet)
		return NULL;
	packet->skb = skb;
	packet->family = family_of(state);
	return packet;
}

/* No socket's memory is charged for what arrives and waits. */
static bool take_room(unsigned int bytes)
{
	int n = atomic_inc_return(&arriving);
	long sum = atomic_long_add_return(bytes, &arriving_bytes);

	return n <= SG_PARKED_SHARE && sum <= SG_ARRIVING_BYTES;
}

static void give_room(unsigned int bytes)
{
	atomic_dec(&arriving);
	atomic_long_sub(bytes, &arriving_bytes);
}

/**
 * sg_park_arrival() - keep a packet from the socket that it is for
 * @skb:    the packet; stays the caller's until sg_hold_packet() has it
 * @sk:     the socket, under RCU at least
 * @rec:    its record
 * @family: of the packet
 *
 * In softirqs.
 *
 * Return: what keeps it, or NULL: no memory, or too many already, for this socket
 * or for all.
 */
struct sg_parked *sg_park_arrival(struct sk_buff *skb, struct sock *sk,
				  struct sg_sock *rec, u8 family)
{
	struct sg_parked *packet;

	/* Raw sockets have no use for the route, and have dropped it. */
	if (skb_dst(skb) && !skb_dst_force(skb))
		return NULL;
	packet = take_room(skb->truesize) ?
		 place(SG_ARRIVING, sk, &rec->arrivals, SG_ARRIVALS_MAX) : NULL;
	if (!packet) {
		give_room(skb->truesize);
		return NULL;
	}
	packet->skb = skb;
	packet->family = family;
	packet->bytes = skb->truesize;
	/* TCP has taken the device away already. */
	packet->ifindex = skb->dev ? skb->dev->ifindex : skb->skb_iif;
	return packet;
}

/**
 * sg_park_report() - something to be told of a connection, if it must end
 * @sk: the connection
 *
 * In softirqs too.
 *
 * Return: what waits for a verdict, or NULL: no memory, or too many already.
 */
struct sg_parked *sg_park_report(struct sock *sk)
{
	return place(SG_REPORT, sk, &reports, SG_REPORTS_MAX);
}

/**
 * sg_park_reader() - who is to be told that a connection can be read
 * @sk: the connection
 *
 * Return: what waits for a verdict, or NULL: no memory, or too many already.
 */
struct sg_parked *sg_park_reader(struct sock *sk)
{
	return place(SG_READING, sk, &readers, SG_READERS_MAX);
}

/**
 * sg_park_review() - a connection that may have to end under a new policy
 * @sk: the connection
 *
 * Return: what waits for a verdict, or NULL: no memory, or too many already.
 */
struct sg_parked *sg_park_review(struct sock *sk)
{
	return place(SG_REVIEW, sk, &reviews, SG_REVIEWS_MAX);
}

/**
 * sg_unpark() - the packet is the caller's again
 * @packet: from sg_park()
 */
void sg_unpark(struct sg_parked *packet)
{
	/* Before the socket goes: it may be in its record. */
	if (packet->room)
		atomic_dec(packet->room);
	if (packet->direction == SG_ARRIVING)
		give_room(packet->bytes);
	sock_gen_put(packet->sk);
	kfree(packet);
	atomic_dec(&parked);
}

/* The device was not held: waiting for us would be waiting for the agent. */
static void let_in(struct sg_parked *packet)
{
	struct sk_buff *skb = packet->skb;

	local_bh_disable();
	rcu_read_lock();
	skb->dev = dev_get_by_index_rcu(sock_net(packet->sk), packet->ifindex);
	if (skb->dev)
		sg_arrival_resume(packet);
	else
		kfree_skb(skb);
	rcu_read_unlock();
	local_bh_enable();
}

static void let_out(struct sg_parked *packet)
{
	struct sk_buff *skb = packet->skb;

	local_bh_disable();
	rcu_read_lock();
	this_cpu_write(sg_passing, skb);
	NF_HOOK(packet->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6,
		NF_INET_LOCAL_OUT, sock_net(packet->sk), packet->sk, skb,
		NULL, skb_dst(skb)->dev, dst_output);
	this_cpu_write(sg_passing, NULL);
	rcu_read_unlock();
	local_bh_enable();
}

/* Nobody waits for it, and without a verdict nothing is cut. */
static void settle_report(struct sg_parked *packet, const struct sg_key *key,
			  const struct sg_verdict *verdict)
{
	if (verdict->action == SOCKGATE_ACTION_DENY)
		sg_cut(packet->sk, verdict->error);
	else if (verdict->action == SOCKGATE_ACTION_FAIL)
		sg_count_reason(verdict->reason);
}

static void settle_arriving(struct sg_parked *packet, const struct sg_key *key,
			    const struct sg_verdict *verdict)
{
	if (sg_settle(packet->sk, key, verdict)) {
		sg_count(SOCKGATE_N_PACKET_HELD_DENY);
		kfree_skb(packet->skb);
		return;
	}
	sg_count(SOCKGATE_N_PACKET_HELD_ALLOW);
	let_in(packet);
}

static void settle_leaving(struct sg_parked *packet, const struct sg_key *key,
			   const struct sg_verdict *verdict)
{
	if (sg_settle_leaving(sk_to_full_sk(packet->sk), key, packet->skb,
			      packet->family, verdict, false)) {
		sg_count(SOCKGATE_N_PACKET_HELD_DENY);
		kfree_skb(packet->skb);
		return;
	}
	sg_count(SOCKGATE_N_PACKET_HELD_ALLOW);
	let_out(packet);
}

static void settle(struct sg_parked *packet, const struct sg_key *key,
		   const struct sg_verdict *verdict)
{
	switch (packet->direction) {
	case SG_LEAVING:
		settle_leaving(packet, key, verdict);
		break;
	case SG_ARRIVING:
		settle_arriving(packet, key, verdict);
		break;
	case SG_REPORT:
		settle_report(packet, key, verdict);
		break;
	case SG_READING:
		sg_reader_settle(packet->sk, key, verdict);
		break;
	case SG_REVIEW:
		sg_review_settle(packet->sk, key, verdict);
		break;
	}
}

/**
 * sg_park_release() - there is a verdict
 * @packets: list of struct sg_parked, emptied
 * @key:     what was asked
 * @verdict: the answer
 */
void sg_park_release(struct list_head *packets, const struct sg_key *key,
		     const struct sg_verdict *verdict)
{
	struct sg_parked *packet, *next;

	list_for_each_entry_safe(packet, next, packets, node) {
		list_del(&packet->node);
		settle(packet, key, verdict);
		sg_unpark(packet);
	}
}

/**
 * sg_park_count() - how many packets wait
 *
 * Return: the number.
 */
u32 sg_park_count(void)
{
	return atomic_read(&parked);
}
