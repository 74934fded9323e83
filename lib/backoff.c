// SPDX-License-Identifier: GPL-2.0-only
#include "backoff.h"

#define MAX_MS 10000

unsigned int backoff_ms(unsigned int round, uint32_t random)
{
	unsigned int ms = MAX_MS;

	if (round < 1)
		round = 1;
	if (round <= 6)
		ms = BACKOFF_FIRST_MS << (round - 1);
	if (ms > MAX_MS)
		ms = MAX_MS;
	return ms / 2 + random % (ms / 2 + 1);
}
