/* SPDX-License-Identifier: GPL-2.0-only */
/* Families of generic netlink. */
#ifndef SOCKGATE_COMPAT_NETLINK_H
#define SOCKGATE_COMPAT_NETLINK_H

#include <net/genetlink.h>

/*
 * 6.1 checks the reserved fields and the flags of commands more strictly, from a
 * number on that each family chooses.  Before that nothing is checked.
 */
#ifdef SG_HAVE_RESV_START_OP
#define SG_RESV_START_OP(n) .resv_start_op = (n),
#else
#define SG_RESV_START_OP(n)
#endif

/* 6.0 tells the sender which attribute was missing. */
#ifndef GENL_REQ_ATTR_CHECK
#define GENL_REQ_ATTR_CHECK(info, attr) (!(info)->attrs[attr])
#endif

#endif
