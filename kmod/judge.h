/* SPDX-License-Identifier: GPL-2.0-only */
/* From an event to what the caller gets: cache, agent, failure table. */
#ifndef SOCKGATE_JUDGE_H
#define SOCKGATE_JUDGE_H

#include "event.h"
#include "verdict.h"

struct sg_sock;
struct sock;

bool sg_judge_at_once(const struct sg_key *key, struct sock *sk,
		      struct sg_sock *rec);
bool sg_judge_known(const struct sg_key *key, struct sg_verdict *verdict);
int sg_judge(const struct sg_key *key, struct sock *sk, bool may_wait);
int sg_judge_reader(const struct sg_key *key, struct sock *sk,
		    struct sg_sock *rec, bool may_wait);
int sg_settle_leaving(struct sock *sk, const struct sg_key *key,
		      const struct sk_buff *skb, u8 family,
		      const struct sg_verdict *verdict, bool told);
int sg_settle(struct sock *sk, const struct sg_key *key,
	      const struct sg_verdict *verdict);

#endif
