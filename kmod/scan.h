/* SPDX-License-Identifier: GPL-2.0-only */
/* The sockets that are older than the module. */
#ifndef SOCKGATE_SCAN_H
#define SOCKGATE_SCAN_H

int sg_scan(void);

#endif
