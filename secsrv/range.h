/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists of inclusive number ranges: ports and levels. */
#ifndef SECSRV_RANGE_H
#define SECSRV_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
	uint16_t min;
	uint16_t max;
};

struct range_list {
	struct range *elem;
	uint32_t count;
};

/*
 * range_add - read "80", "80,443", "1024-65535", ">=3", "<2", and lists of them
 * @min, @max: the limits of what the numbers mean
 * Returns NULL, or why not, as a static sentence.
 */
const char *range_add(struct range_list *list, const char *text,
		      unsigned int min, unsigned int max);

/* Add one range.  Returns NULL, or why not. */
const char *range_append(struct range_list *list, unsigned int min, unsigned int max);

void range_free(struct range_list *list);

bool range_match(const struct range_list *list, unsigned int value);

/* True if every number of @inner is in @outer (judged range by range). */
bool range_covers(const struct range_list *outer, const struct range_list *inner);

#endif
