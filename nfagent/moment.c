// SPDX-License-Identifier: GPL-2.0-only
#include "moment.h"

#include <time.h>

static int64_t read_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

struct moment moment_now(void)
{
	return (struct moment){ (uint64_t)read_us(CLOCK_MONOTONIC),
				read_us(CLOCK_REALTIME) };
}
