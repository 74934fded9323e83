/* SPDX-License-Identifier: GPL-2.0-only */
/* What a new policy means for connections that are open. */
#ifndef SOCKGATE_REVIEW_H
#define SOCKGATE_REVIEW_H

struct sg_key;
struct sg_verdict;
struct sock;

int sg_review_init(void);
void sg_review_close(void);
void sg_review_exit(void);

void sg_review(void);
void sg_review_settle(struct sock *sk, const struct sg_key *key,
		      const struct sg_verdict *verdict);

#endif
