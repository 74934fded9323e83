/* SPDX-License-Identifier: GPL-2.0-only */
/* What leaves: no packet of a program's socket without a verdict. */
#ifndef SOCKGATE_PACKET_H
#define SOCKGATE_PACKET_H

int sg_packet_init(void);
void sg_packet_close(void);
void sg_packet_exit(void);

#endif
