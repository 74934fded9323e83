/* SPDX-License-Identifier: GPL-2.0-only */
/* What was decided for a request. */
#ifndef SOCKGATE_VERDICT_H
#define SOCKGATE_VERDICT_H

#include <linux/sockgate.h>
#include <linux/types.h>

/*
 * All zero is no verdict.  Whoever forgets to set one gets the failure table's
 * answer for it, not an open gate.
 */
struct sg_verdict {
	u8 action;	/* enum sockgate_action */
	u8 reason;	/* enum sockgate_reason, for FAIL */
	u16 error;	/* errno, for DENY */
	u32 tag;	/* for ALLOW */
	u32 generation;	/* of the policy it comes from, but for FAIL */
	unsigned long expires;	/* jiffies, likewise: until then it may be taken as known */
};

/* What a verdict depends on. */
struct sg_fields {
	u32 fields;	/* SOCKGATE_F_* */
	u8 lprefix;
	u8 rprefix;
};

static inline struct sg_verdict sg_verdict_fail(enum sockgate_reason reason)
{
	return (struct sg_verdict){ .action = SOCKGATE_ACTION_FAIL,
				    .reason = reason };
}

#endif
