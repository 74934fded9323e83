/* SPDX-License-Identifier: GPL-2.0-only */
/* A packet, a report, or a reader, that waits for the verdict on its socket. */
#ifndef SOCKGATE_PARK_H
#define SOCKGATE_PARK_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/types.h>

#include "event.h"
#include "verdict.h"

#define SG_PARKED_MAX	16384U	/* of all sockets together */
#define SG_PARKED_SHARE	(SG_PARKED_MAX / 4)	/* of one user, but for root */
#define SG_ARRIVALS_MAX	128	/* for one socket; for all, SG_PARKED_SHARE */
#define SG_ARRIVING_BYTES (32L << 20)	/* of memory, for all of them */
#define SG_REPORTS_MAX	256	/* of all sockets together */
#define SG_READERS_MAX	4096	/* likewise; one of each */
#define SG_REVIEWS_MAX	64	/* likewise */

struct nf_hook_state;
struct sg_sock;
struct sk_buff;
struct sock;

enum sg_direction {
	SG_LEAVING,
	SG_ARRIVING,
	SG_REPORT,		/* no packet: the state of a connection */
	SG_READING,		/* neither: who reads it is to be woken */
	SG_REVIEW,		/* nor this: whether a connection may go on */
};

/* Owned by the request that it waits on. */
struct sg_parked {
	struct list_head node;
	struct sk_buff *skb;
	struct sock *sk;	/* that it comes from or is for; held */
	u8 family;
	u8 direction;		/* enum sg_direction */

	atomic_t *room;		/* that it takes of a limit; may be NULL */

	/* Of what arrives: */
	int ifindex;
	unsigned int bytes;	/* of memory */
};

DECLARE_PER_CPU(const struct sk_buff *, sg_passing);

/* Whether a packet at our hook is one that is being released. */
static inline bool sg_park_passing(const struct sk_buff *skb)
{
	return this_cpu_read(sg_passing) == skb;
}

struct sg_parked *sg_park(struct sk_buff *skb, const struct nf_hook_state *state,
			  u32 uid);
struct sg_parked *sg_park_arrival(struct sk_buff *skb, struct sock *sk,
				  struct sg_sock *rec, u8 family);
struct sg_parked *sg_park_report(struct sock *sk);
struct sg_parked *sg_park_reader(struct sock *sk);
struct sg_parked *sg_park_review(struct sock *sk);
void sg_unpark(struct sg_parked *packet);
void sg_park_release(struct list_head *packets, const struct sg_key *key,
		     const struct sg_verdict *verdict);
u32 sg_park_count(void);

#endif
