/* SPDX-License-Identifier: GPL-2.0-only */
/* What arrives: peers of listeners, and strangers' packets. */
#ifndef SOCKGATE_ARRIVAL_H
#define SOCKGATE_ARRIVAL_H

#include <linux/sockgate.h>
#include <linux/types.h>

struct sg_parked;
struct sk_buff;
struct sock;

bool sg_arrival_opens(const struct sock *sk, const struct sk_buff *skb);
bool sg_arrival_received(const struct sock *sk, const struct sk_buff *skb);
int sg_arrival_judge(struct sock *sk, struct sk_buff *skb,
		     enum sockgate_event event);
void sg_arrival_resume(struct sg_parked *packet);

#endif
