// SPDX-License-Identifier: GPL-2.0-only
#include <net/sock.h>

#include "mark.h"

static u32 mark_mask __read_mostly = SG_MARK_DEFAULT;

/**
 * sg_mark_set() - tag a socket
 * @sk:  the socket
 * @tag: within the mask; 0 takes a tag away
 *
 * The other bits stay the application's.  A route chosen before is not looked
 * up anew: the tag is set before the first packet.
 */
void sg_mark_set(struct sock *sk, u32 tag)
{
	u32 mask = READ_ONCE(mark_mask);
	u32 old = READ_ONCE(sk->sk_mark);
	u32 new = (old & ~mask) | (tag & mask);

	if (new != old)
		WRITE_ONCE(sk->sk_mark, new);
}

/**
 * sg_mark_set_mask() - which bits carry the tag
 * @mask: 0 leaves marks alone
 */
void sg_mark_set_mask(u32 mask)
{
	WRITE_ONCE(mark_mask, mask);
}

/**
 * sg_mark_mask() - which bits carry the tag
 *
 * Return: the mask.
 */
u32 sg_mark_mask(void)
{
	return READ_ONCE(mark_mask);
}
