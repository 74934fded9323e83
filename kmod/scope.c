// SPDX-License-Identifier: GPL-2.0-only
/*
 * The policy says which optional events it has rules for; nobody waits for an
 * answer about any other.  One word, read and written whole.
 */
#include <linux/cache.h>

#include "scope.h"

u32 sg_scope __read_mostly;

/**
 * sg_scope_set() - which optional events are asked about from now on
 * @events: bits of SOCKGATE_EVENTS_OPTIONAL
 */
void sg_scope_set(u32 events)
{
	WRITE_ONCE(sg_scope, events);
}

/**
 * sg_scope_events() - which optional events are asked about
 *
 * Return: bits of SOCKGATE_EVENTS_OPTIONAL.
 */
u32 sg_scope_events(void)
{
	return READ_ONCE(sg_scope);
}
