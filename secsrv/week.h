/* SPDX-License-Identifier: GPL-2.0-only */
/* Time windows: which minutes of the week, in a time zone. */
#ifndef SECSRV_WEEK_H
#define SECSRV_WEEK_H

#include <stdint.h>

#include "range.h"

#define WEEK_MINUTES (7 * 24 * 60)

/*
 * week_add - read "mon-fri 08:00-17:30", "sat,sun", "22:00-06:00"
 * A time that ends before it begins goes on into the next day.
 * @list: of minutes since the beginning of Monday
 * Returns NULL, or why not, as a static sentence.
 */
const char *week_add(struct range_list *list, const char *text);

/* A moment, as the clock on the wall has it. */
struct week_moment {
	uint16_t minute;	/* of the week */
	uint8_t second;
	uint16_t ms;		/* of it that have passed */
	uint32_t change_s;	/* seconds to when that clock is next set; 0: never */
};

/* Seconds until a window opens or closes, or the clock is set: one at least. */
uint32_t week_left(const struct range_list *list, const struct week_moment *at);

/*
 * A time zone by its name, such as "Europe/Berlin".  Returns NULL if there is none of
 * this name on this machine.
 */
struct week_zone;
struct week_zone *week_zone_new(const char *name);
const char *week_zone_name(const struct week_zone *zone);
/* NULL is ignored. */
void week_zone_free(struct week_zone *zone);

/* @now: seconds since 1970 */
void week_at(const struct week_zone *zone, int64_t now, struct week_moment *at);

#endif
