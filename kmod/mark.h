/* SPDX-License-Identifier: GPL-2.0-only */
/* The application tag in some bits of sk_mark. */
#ifndef SOCKGATE_MARK_H
#define SOCKGATE_MARK_H

#include <linux/compiler.h>
#include <linux/types.h>

struct sock;

/*
 * Eight bits that none of the usual users of marks takes by default: Calico has
 * 0xffff0000, Tailscale 0x00ff0000, kube-proxy 0xc000, Cilium 0x0f00 and above.
 * They lie in the half that VXLAN-GBP carries.
 */
#define SG_MARK_DEFAULT 0x000000ffU

extern u32 sg_mark_in_use;

/* Which bits an application cannot change: 0 as long as nobody has used them. */
static inline u32 sg_mark_kept(void)
{
	return READ_ONCE(sg_mark_in_use);
}

void sg_mark_set(struct sock *sk, u32 tag);
void sg_mark_set_mask(u32 mask);
u32 sg_mark_mask(void);

#endif
