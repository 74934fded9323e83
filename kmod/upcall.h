/* SPDX-License-Identifier: GPL-2.0-only */
/* Asking the agent, and what the agent and the administrator say. */
#ifndef SOCKGATE_UPCALL_H
#define SOCKGATE_UPCALL_H

#include <linux/sockgate.h>
#include <linux/types.h>

struct sg_request;

int sg_upcall_init(void);
void sg_upcall_exit(void);

enum sockgate_reason sg_upcall_ask(struct sg_request *req, gfp_t gfp);

#endif
