/* SPDX-License-Identifier: GPL-2.0-only */
/* A packet that waits for the verdict on its socket. */
#ifndef SOCKGATE_PARK_H
#define SOCKGATE_PARK_H

#include <linux/list.h>
#include <linux/types.h>

#include "event.h"
#include "verdict.h"

#define SG_PARKED_MAX	16384U	/* of all sockets together */

struct nf_hook_state;
struct sk_buff;

/* Owned by the request that it waits on. */
struct sg_parked {
	struct list_head node;
	struct sk_buff *skb;
	struct sock *sk;	/* of the hook's state; held */
	u8 family;
};

struct sg_parked *sg_park(struct sk_buff *skb, const struct nf_hook_state *state);
void sg_unpark(struct sg_parked *packet);
void sg_park_release(struct list_head *packets, const struct sg_key *key,
		     const struct sg_verdict *verdict);
bool sg_park_passing(const struct sk_buff *skb);
u32 sg_park_count(void);

#endif
