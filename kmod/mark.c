// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whoever uses no tags is not disturbed: until the first one is given, or the
 * mask is configured, the bits are everybody's.  From then on they are ours.
 */
#include <linux/atomic.h>
#include <net/sock.h>

#include "mark.h"

static u32 mark_mask __read_mostly = SG_MARK_DEFAULT;
u32 sg_mark_in_use __read_mostly;

/**
 * sg_mark_set() - tag a socket
 * @sk:  the socket
 * @tag: within the mask; 0 takes a tag away
 *
 * The other bits stay the application's.
 */
void sg_mark_set(struct sock *sk, u32 tag)
{
	u32 mask, old, new;

	/* A mask that is set meanwhile stays. */
	if (tag && !sg_mark_kept())
		cmpxchg(&sg_mark_in_use, 0, READ_ONCE(mark_mask));
	mask = sg_mark_kept();
	old = READ_ONCE(sk->sk_mark);
	new = (old & ~mask) | (tag & mask);
	if (new == old)
		return;
	WRITE_ONCE(sk->sk_mark, new);
	/* As SO_MARK does: the tag may choose another route. */
	sk_dst_reset(sk);
}

/**
 * sg_mark_set_mask() - which bits carry the tag
 * @mask: 0 leaves marks alone
 */
void sg_mark_set_mask(u32 mask)
{
	WRITE_ONCE(mark_mask, mask);
	WRITE_ONCE(sg_mark_in_use, mask);
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
