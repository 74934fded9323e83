// SPDX-License-Identifier: GPL-2.0-only
#include <glib.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "week.h"

#define DAY_MINUTES (24U * 60)

static const char *skip_space(const char *p)
{
	return p + strspn(p, " \t");
}

static bool read_day(const char **p, unsigned int *day)
{
	static const char *const names[] = {
		"mon", "tue", "wed", "thu", "fri", "sat", "sun",
	};

	for (*day = 0; *day < 7; ++*day) {
		if (!strncasecmp(*p, names[*day], 3)) {
			*p = skip_space(*p + 3);
			return true;
		}
	}
	return false;
}

/* "mon-fri,sun": a bit for each day.  From Saturday to Monday goes over Sunday. */
static bool read_days(const char **p, unsigned int *days)
{
	unsigned int from, to;

	do {
		if (!read_day(p, &from))
			return false;
		to = from;
		if (**p == '-') {
			*p = skip_space(*p + 1);
			if (!read_day(p, &to))
				return false;
		}
		for (*days |= 1U << from; from != to; *days |= 1U << from)
			from = (from + 1) % 7;
	} while (**p == ',' && (*p = skip_space(*p + 1), true));
	return true;
}

static bool read_digits(const char **p, unsigned int max, unsigned int *n)
{
	if (!g_ascii_isdigit((*p)[0]) || !g_ascii_isdigit((*p)[1]))
		return false;
	*n = (unsigned int)((*p)[0] - '0') * 10 + (unsigned int)((*p)[1] - '0');
	*p += 2;
	return *n <= max;
}

static bool read_time(const char **p, unsigned int *minute)
{
	unsigned int hours, minutes;

	if (!read_digits(p, 24, &hours) || *(*p)++ != ':' || !read_digits(p, 59, &minutes))
		return false;
	*p = skip_space(*p);
	*minute = hours * 60 + minutes;
	return *minute <= DAY_MINUTES;
}

/* What goes beyond Sunday goes on on Monday. */
static const char *add_window(struct range_list *list, unsigned int from,
			      unsigned int to)
{
	const char *why = range_append(list, from, to > WEEK_MINUTES ? WEEK_MINUTES - 1 :
								       to - 1);

	if (!why && to > WEEK_MINUTES)
		why = range_append(list, 0, to - WEEK_MINUTES - 1);
	return why;
}

const char *week_add(struct range_list *list, const char *text)
{
	const char *p = skip_space(text), *why = NULL;
	unsigned int days = 0, from = 0, to = DAY_MINUTES;

	if (!g_ascii_isdigit(*p) && !read_days(&p, &days))
		return "expected days, such as mon-fri or sat,sun";
	if (g_ascii_isdigit(*p)) {
		if (!read_time(&p, &from) || *p != '-')
			return "expected times of the day, such as 08:00-17:30";
		p = skip_space(p + 1);
		if (!read_time(&p, &to))
			return "expected times of the day, such as 08:00-17:30";
		if (from == to || from == DAY_MINUTES)
			return "it ends where it begins";
	}
	if (*p)
		return "there is something behind it";
	if (to < from)
		to += DAY_MINUTES;
	for (unsigned int day = 0; day < 7 && !why; day++) {
		if (!days || days & 1U << day)
			why = add_window(list, day * DAY_MINUTES + from,
					 day * DAY_MINUTES + to);
	}
	return why;
}

static uint32_t minutes_to(unsigned int edge, unsigned int minute)
{
	unsigned int n = (edge + WEEK_MINUTES - minute) % WEEK_MINUTES;

	return n ? n : WEEK_MINUTES;
}

uint32_t week_left(const struct range_list *list, const struct week_moment *at)
{
	uint32_t minutes = WEEK_MINUTES, left;

	for (uint32_t i = 0; i < list->count; i++) {
		uint32_t begin = minutes_to(list->elem[i].min, at->minute);
		uint32_t end = minutes_to(list->elem[i].max + 1U, at->minute);

		minutes = begin < minutes ? begin : minutes;
		minutes = end < minutes ? end : minutes;
	}
	left = minutes * 60 - at->second;
	return at->change_s && at->change_s < left ? at->change_s : left;
}

struct week_zone *week_zone_new(const char *name)
{
	return (struct week_zone *)g_time_zone_new_identifier(name);
}

const char *week_zone_name(const struct week_zone *zone)
{
	return g_time_zone_get_identifier((GTimeZone *)zone);
}

void week_zone_free(struct week_zone *zone)
{
	if (zone)
		g_time_zone_unref((GTimeZone *)zone);
}

/* Within a week: no verdict is remembered for longer than a day. */
static uint32_t seconds_to_change(GTimeZone *tz, int interval, int64_t now)
{
	int64_t low = now, high = now + WEEK_MINUTES * 60;

	if (g_time_zone_find_interval(tz, G_TIME_TYPE_UNIVERSAL, high) == interval)
		return 0;
	while (high - low > 1) {
		int64_t middle = low + (high - low) / 2;

		if (g_time_zone_find_interval(tz, G_TIME_TYPE_UNIVERSAL, middle) == interval)
			low = middle;
		else
			high = middle;
	}
	return (uint32_t)(high - now);
}

void week_at(const struct week_zone *zone, int64_t now, struct week_moment *at)
{
	GTimeZone *tz = (GTimeZone *)zone;
	int interval = g_time_zone_find_interval(tz, G_TIME_TYPE_UNIVERSAL, now);
	/* The first of January 1970 was a Thursday. */
	int64_t local = now + g_time_zone_get_offset(tz, interval) +
			3 * (int64_t)DAY_MINUTES * 60;
	int64_t second = local % (WEEK_MINUTES * 60);

	if (second < 0)
		second += WEEK_MINUTES * 60;
	at->minute = (uint16_t)(second / 60);
	at->second = (uint8_t)(second % 60);
	at->ms = 0;
	at->change_s = seconds_to_change(tz, interval, now);
}
