/* SPDX-License-Identifier: GPL-2.0-only */
/* Who a brief program says it is. */
#ifndef GUEST_BRIEF_H
#define GUEST_BRIEF_H

#include <stdint.h>

struct brief_report {
	uint64_t ino, size, dev;
	int64_t ctime_ns;
	uint64_t begin_ns, end_ns;	/* CLOCK_MONOTONIC */
	int32_t pid;
	int32_t error;			/* errno of its datagram */
};

#endif
