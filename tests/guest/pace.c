// SPDX-License-Identifier: GPL-2.0-only
#include "pace.h"

#include <stdlib.h>

static unsigned int number(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);
	int n = text ? atoi(text) : 0;

	return n > 0 ? (unsigned int)n : otherwise;
}

unsigned int pace(void)
{
	return number("LAB_PACE", 1);
}

unsigned int pace_rounds(unsigned int usual)
{
	return number("LAB_ROUNDS", usual);
}
