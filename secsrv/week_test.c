// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "week.h"

#define DAY 1440
#define AT(day, hour, minute) ((day) * DAY + (hour) * 60 + (minute))
enum { MON, TUE, WED, THU, FRI, SAT, SUN };

static bool holds(const char *text, unsigned int minute)
{
	struct range_list list = { 0 };
	const char *why = week_add(&list, text);
	bool yes;

	if (why)
		fail_msg("%s: %s", text, why);
	yes = range_match(&list, minute);
	range_free(&list);
	return yes;
}

static void test_windows(void **state)
{
	(void)state;
	assert_true(holds("mon-fri 08:00-17:30", AT(MON, 8, 0)));
	assert_true(holds("mon-fri 08:00-17:30", AT(FRI, 17, 29)));
	assert_false(holds("mon-fri 08:00-17:30", AT(FRI, 17, 30)));
	assert_false(holds("mon-fri 08:00-17:30", AT(SAT, 9, 0)));
	assert_true(holds("Sat, Sun", AT(SUN, 23, 59)));
	assert_false(holds("sat,sun", AT(MON, 0, 0)));
	assert_true(holds("sat-mon", AT(SUN, 1, 0)));
	assert_false(holds("sat-mon", AT(TUE, 1, 0)));
	assert_true(holds("22:00 - 06:00", AT(WED, 23, 0)));
	assert_true(holds("22:00-06:00", AT(WED, 5, 59)));
	assert_false(holds("22:00-06:00", AT(WED, 6, 0)));
	/* It belongs to the day on which it begins, over the end of the week too. */
	assert_true(holds("sun 22:00-06:00", AT(MON, 5, 59)));
	assert_false(holds("sun 22:00-06:00", AT(SUN, 5, 59)));
	assert_true(holds("tue 00:00-24:00", AT(TUE, 23, 59)));
	assert_false(holds("tue 00:00-24:00", AT(WED, 0, 0)));
}

static void test_wrong_windows(void **state)
{
	static const char *const wrong[] = {
		"", "monday-friday", "mon-", "mon,", "8:00-9:00", "08:00", "08:00-", "08-09",
		"08:00-09:60", "24:00-25:00", "24:01-08:00", "24:00-08:00", "08:00-08:00",
		"mon 08:00-09:00 x", "mon-fri;", "08:00-09:00 mon",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct range_list list = { 0 };

		if (!week_add(&list, wrong[i]))
			fail_msg("`%s' was taken", wrong[i]);
		range_free(&list);
	}
}

static uint32_t left(const char *text, unsigned int minute, unsigned int second,
		     uint32_t change_s)
{
	struct week_moment at = {
		.minute = (uint16_t)minute, .second = (uint8_t)second, .change_s = change_s,
	};
	struct range_list list = { 0 };
	uint32_t n;

	assert_null(week_add(&list, text));
	n = week_left(&list, &at);
	range_free(&list);
	return n;
}

static void test_what_is_left(void **state)
{
	(void)state;
	assert_int_equal(left("mon 08:00-09:00", AT(MON, 7, 59), 0, 0), 60);
	assert_int_equal(left("mon 08:00-09:00", AT(MON, 7, 59), 59, 0), 1);
	assert_int_equal(left("mon 08:00-09:00", AT(MON, 8, 0), 0, 0), 3600);
	assert_int_equal(left("mon 08:00-09:00", AT(MON, 9, 0), 30, 0),
			 7 * 86400 - 3600 - 30);
	assert_int_equal(left("sun 23:00-24:00", AT(SUN, 23, 59), 1, 0), 59);
	/* The clock is set before that. */
	assert_int_equal(left("mon 08:00-09:00", AT(MON, 8, 0), 0, 100), 100);
	assert_int_equal(left("mon 08:00-09:00", AT(MON, 8, 0), 0, 9000), 3600);
}

static struct week_moment at(const char *name, int64_t now)
{
	struct week_zone *zone = week_zone_new(name);
	struct week_moment m;

	assert_non_null(zone);
	week_at(zone, now, &m);
	week_zone_free(zone);
	return m;
}

static void test_zones(void **state)
{
	struct week_moment m;

	(void)state;
	m = at("UTC", 0);	/* Thursday */
	assert_int_equal(m.minute, AT(THU, 0, 0));
	assert_int_equal(m.change_s, 0);
	m = at("UTC", -1);
	assert_int_equal(m.minute, AT(WED, 23, 59));
	assert_int_equal(m.second, 59);
	/* 2026-03-29 01:00 UTC: from 02:00 to 03:00 in Berlin, on a Sunday. */
	m = at("Europe/Berlin", 1774746000 - 10);
	assert_int_equal(m.minute, AT(SUN, 1, 59));
	assert_int_equal(m.second, 50);
	assert_int_equal(m.change_s, 10);
	m = at("Europe/Berlin", 1774746000);
	assert_int_equal(m.minute, AT(SUN, 3, 0));
	assert_int_equal(m.change_s, 0);
	assert_null(week_zone_new("Europe/Nowhere"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_wrong_windows),
		cmocka_unit_test(test_what_is_left),
		cmocka_unit_test(test_zones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
