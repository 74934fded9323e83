/* SPDX-License-Identifier: GPL-2.0-only */
/* Telling an application that its connection is refused. */
#ifndef SOCKGATE_CUT_H
#define SOCKGATE_CUT_H

struct sock;

int sg_cut_init(void);
void sg_cut_exit(void);

void sg_cut(struct sock *sk, int error);

#endif
