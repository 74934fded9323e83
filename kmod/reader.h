/* SPDX-License-Identifier: GPL-2.0-only */
/* Who reads of a peer that has not been judged, and must not wait. */
#ifndef SOCKGATE_READER_H
#define SOCKGATE_READER_H

#include <linux/types.h>

#include "event.h"
#include "verdict.h"

struct sg_sock;
struct sock;

bool sg_reader_ask(const struct sg_key *key, struct sock *sk,
		   struct sg_sock *rec, struct sg_verdict *verdict);
void sg_reader_settle(struct sock *sk, const struct sg_key *key,
		      const struct sg_verdict *verdict);

#endif
