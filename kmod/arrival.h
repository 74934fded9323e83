/* SPDX-License-Identifier: GPL-2.0-only */
/* What arrives: peers of listeners, and strangers' datagrams. */
#ifndef SOCKGATE_ARRIVAL_H
#define SOCKGATE_ARRIVAL_H

struct nf_hook_state;
struct sg_parked;
struct sk_buff;

unsigned int sg_arrival_arrive(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state);
void sg_arrival_close(void);

void sg_arrival_resume(struct sg_parked *packet);

#endif
