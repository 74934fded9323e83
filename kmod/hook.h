/* SPDX-License-Identifier: GPL-2.0-only */
/* Getting control at security_socket_*(). */
#ifndef SOCKGATE_HOOK_H
#define SOCKGATE_HOOK_H

#include <linux/sockgate.h>
#include <linux/types.h>

/*
 * Where each original goes on past its fentry site.  For the assembly in hook.c
 * alone, which cannot name what is static.
 */
extern unsigned long sg_past[__SOCKGATE_HOOK_MAX];

int sg_hook_init(void);
int sg_hook_scope(u32 events);
void sg_hook_close(void);
void sg_hook_exit(void);

#endif
