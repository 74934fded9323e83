/* SPDX-License-Identifier: GPL-2.0-only */
/* Who may use a socket whose packets pass by the gate. */
#ifndef SOCKGATE_OPENER_H
#define SOCKGATE_OPENER_H

#include <linux/types.h>

struct sock;
struct sockaddr;
struct socket;

bool sg_opener_passes(const struct sock *sk);
int sg_opener_use(struct socket *sock);
int sg_opener_read(struct socket *sock);
int sg_opener_bind(struct socket *sock, const struct sockaddr *addr,
		   int addr_len);

#endif
