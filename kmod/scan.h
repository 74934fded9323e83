/* SPDX-License-Identifier: GPL-2.0-only */
/* The sockets that are older than the module. */
#ifndef SOCKGATE_SCAN_H
#define SOCKGATE_SCAN_H

#include <linux/types.h>

struct sg_sock;
struct sock;

int sg_scan(void);
bool sg_scan_connection(const struct sock *sk, struct sg_sock **rec);

#endif
