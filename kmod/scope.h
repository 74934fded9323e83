/* SPDX-License-Identifier: GPL-2.0-only */
/* Which events are asked about, beyond those that always are. */
#ifndef SOCKGATE_SCOPE_H
#define SOCKGATE_SCOPE_H

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/sockgate.h>
#include <linux/types.h>

extern u32 sg_scope;

/**
 * sg_scope_has() - whether an optional event is asked about
 * @event: one of SOCKGATE_EVENTS_OPTIONAL
 *
 * Return: that.
 */
static inline bool sg_scope_has(enum sockgate_event event)
{
	return READ_ONCE(sg_scope) & BIT(event);
}

void sg_scope_set(u32 events);
u32 sg_scope_events(void);

#endif
