/* SPDX-License-Identifier: GPL-2.0-only */
/* A point in time, on both clocks; taken once and passed on. */
#ifndef NFAGENT_MOMENT_H
#define NFAGENT_MOMENT_H

#include <stdint.h>

struct moment {
	uint64_t us;		/* CLOCK_MONOTONIC */
	int64_t wall_us;	/* CLOCK_REALTIME */
};

/* Reads both clocks. */
struct moment moment_now(void);

#endif
