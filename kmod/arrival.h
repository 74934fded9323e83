/* SPDX-License-Identifier: GPL-2.0-only */
/* What arrives: peers of listeners, and strangers' datagrams. */
#ifndef SOCKGATE_ARRIVAL_H
#define SOCKGATE_ARRIVAL_H

struct sg_parked;

int sg_arrival_init(void);
void sg_arrival_close(void);
void sg_arrival_exit(void);

void sg_arrival_resume(struct sg_parked *packet);

#endif
