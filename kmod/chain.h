/* SPDX-License-Identifier: GPL-2.0-only */
/* Getting control of packets, in every network namespace. */
#ifndef SOCKGATE_CHAIN_H
#define SOCKGATE_CHAIN_H

int sg_chain_init(void);
void sg_chain_close(void);
void sg_chain_exit(void);

#endif
