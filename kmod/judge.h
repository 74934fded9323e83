/* SPDX-License-Identifier: GPL-2.0-only */
/* From an event to what the caller gets: cache, agent, failure table. */
#ifndef SOCKGATE_JUDGE_H
#define SOCKGATE_JUDGE_H

#include "event.h"

struct sock;

bool sg_judge_at_once(const struct sg_key *key, struct sock *sk);
int sg_judge(const struct sg_key *key, struct sock *sk);

#endif
