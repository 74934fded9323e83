/* SPDX-License-Identifier: GPL-2.0-only */
/* What sockets without a connection receive, for a policy that judges it. */
#ifndef SOCKGATE_RECEIVE_H
#define SOCKGATE_RECEIVE_H

#include <linux/types.h>

struct sg_parked;
struct sk_buff;
struct sock;

bool sg_receive_concerns(const struct sock *sk, const struct sk_buff *skb);
int sg_receive(struct sock *sk, struct sk_buff *skb);
void sg_receive_resume(struct sg_parked *packet);

#endif
