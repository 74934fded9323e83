/* SPDX-License-Identifier: GPL-2.0-only */
/* What becomes of connections, for a policy that wants to know. */
#ifndef SOCKGATE_REPORT_H
#define SOCKGATE_REPORT_H

#include <linux/types.h>

int sg_report_init(void);
int sg_report_scope(u32 events);
void sg_report_close(void);
void sg_report_exit(void);

#endif
