/* SPDX-License-Identifier: GPL-2.0-only */
/* What leaves: no packet of a program's socket without a verdict. */
#ifndef SOCKGATE_PACKET_H
#define SOCKGATE_PACKET_H

struct nf_hook_state;
struct sk_buff;

unsigned int sg_packet_leave(void *priv, struct sk_buff *skb,
			     const struct nf_hook_state *state);
void sg_packet_close(void);

#endif
