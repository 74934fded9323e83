// SPDX-License-Identifier: GPL-2.0-only
#include "fixture.h"

#include <errno.h>

#include "sighting.h"

struct seen {
	int count;
	struct sighting last;
	char host[64], path[64];
};

static struct sightings *open_it(struct fixture *f)
{
	struct sightings *s = sightings_open(f->db_path, true, f->why, sizeof(f->why));

	if (!s)
		fail_msg("%s", f->why);
	return s;
}

static void add(struct sightings *s, const struct sighting *list, size_t count)
{
	if (sightings_add(s, list, count))
		fail_msg("%s", sightings_error(s));
}

static int take(const struct sighting *one, void *arg)
{
	struct seen *seen = arg;

	seen->count++;
	seen->last = *one;
	snprintf(seen->host, sizeof(seen->host), "%s", one->host);
	snprintf(seen->path, sizeof(seen->path), "%s", one->path);
	return 0;
}

static struct seen all(struct sightings *s, const char *host)
{
	struct seen seen = { .count = 0 };

	assert_int_equal(sightings_each(s, host, SIGHTINGS_MAX + 1, take, &seen), 0);
	return seen;
}

static void what_is_seen_again_is_added_to(void **state)
{
	const struct sighting batch[] = {
		{ { 1 }, "web1", "/tmp/x", 100, 110, 3 },
		{ { 1 }, "web1", "", 90, 105, 4 },
	};
	struct sightings *s = open_it(*state);
	struct seen seen;

	add(s, batch, 1);
	add(s, batch, 2);
	seen = all(s, NULL);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.last.first_s, 90);
	assert_int_equal(seen.last.last_s, 110);
	assert_int_equal(seen.last.count, 10);
	assert_string_equal(seen.host, "web1");
	assert_string_equal(seen.path, "/tmp/x");
	sightings_close(s);
}

static void hosts_are_told_apart_and_a_hash_is_forgotten_of_all(void **state)
{
	const struct sighting batch[] = {
		{ { 1 }, "web1", "/a", 1, 1, 1 },
		{ { 1 }, "web2", "/b", 2, 2, 1 },
		{ { 2 }, "web1", "/c", 3, 3, 1 },
	};
	struct sightings *s = open_it(*state);

	add(s, batch, 3);
	assert_int_equal(all(s, NULL).count, 3);
	assert_int_equal(all(s, "web1").count, 2);
	/* The latest first. */
	assert_int_equal(all(s, "web1").last.last_s, 1);
	assert_int_equal(sightings_forget(s, batch[0].sha256), 2);
	assert_int_equal(all(s, NULL).count, 1);
	assert_string_equal(all(s, NULL).path, "/c");
	sightings_close(s);
}

/* So many of a host, at @from_s and later; the hashes are those of host and number. */
static void add_many(struct sightings *s, const char *host, int count, int64_t from_s)
{
	struct sighting *list = calloc((size_t)count, sizeof(*list));

	assert_non_null(list);
	for (int i = 0; i < count; i++) {
		list[i] = (struct sighting){
			.host = host, .path = "", .first_s = from_s + i,
			.last_s = from_s + i, .count = 1,
		};
		memcpy(list[i].sha256, &i, sizeof(i));
		snprintf((char *)list[i].sha256 + 8, 20, "%s", host);
	}
	add(s, list, (size_t)count);
	free(list);
}

static void a_host_has_its_bound_and_so_have_all(void **state)
{
	struct sightings *s = open_it(*state);
	char host[16];

	add_many(s, "quiet", 1, 1000000);
	add_many(s, "loud", SIGHTINGS_PER_HOST_MAX + 5, 1);
	assert_int_equal(all(s, "loud").count, SIGHTINGS_PER_HOST_MAX);
	/* Of the last one shown, the oldest: five older ones are gone. */
	assert_int_equal(all(s, "loud").last.last_s, 6);
	assert_int_equal(all(s, "quiet").count, 1);
	for (int i = 0; i < SIGHTINGS_MAX / SIGHTINGS_PER_HOST_MAX; i++) {
		snprintf(host, sizeof(host), "host%d", i);
		add_many(s, host, SIGHTINGS_PER_HOST_MAX, 100000 + i);
	}
	assert_int_equal(all(s, NULL).count, SIGHTINGS_MAX);
	assert_int_equal(all(s, "loud").count, 0);
	assert_int_equal(all(s, "quiet").count, 1);
	sightings_close(s);
}

/* A number that no more fits would be none, and would take the batch with it. */
static void a_count_does_not_overflow(void **state)
{
	const struct sighting one = { { 1 }, "web1", "/a", 1, 1, INT64_MAX };
	struct sightings *s = open_it(*state);

	for (int i = 0; i < 3; i++)
		add(s, &one, 1);
	assert_int_equal(all(s, NULL).last.count, 2 * SIGHTINGS_COUNT_MAX);
	sightings_close(s);
}

static void names_that_could_harm_are_cleaned(void **state)
{
	const struct sighting one = { { 1 }, "web\n1", "/tmp/\033[2J", 1, 1, 1 };
	struct sightings *s = open_it(*state);
	struct seen seen;

	add(s, &one, 1);
	seen = all(s, NULL);
	assert_string_equal(seen.host, "web?1");
	assert_string_equal(seen.path, "/tmp/?[2J");
	sightings_close(s);
}

static void a_reader_makes_nothing(void **state)
{
	struct fixture *f = *state;
	char path[160];

	assert_null(sightings_open(f->db_path, false, f->why, sizeof(f->why)));
	assert_int_equal(errno, ENOENT);
	snprintf(path, sizeof(path), "%s.sightings", f->db_path);
	assert_int_not_equal(access(path, F_OK), 0);
}

/* What readers of the signatures remember stays good. */
static void signatures_do_not_change_by_it(void **state)
{
	const struct sighting one = { { 1 }, "web1", "/a", 1, 1, 1 };
	struct fixture *f = *state;
	uint64_t before, after;
	struct sightings *s;

	assert_int_equal(sigdb_changes(f->db, &before), 0);
	s = open_it(f);
	add(s, &one, 1);
	sightings_close(s);
	assert_int_equal(sigdb_changes(f->db, &after), 0);
	assert_int_equal(before, after);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(what_is_seen_again_is_added_to),
		FRESH(hosts_are_told_apart_and_a_hash_is_forgotten_of_all),
		FRESH(a_host_has_its_bound_and_so_have_all),
		FRESH(a_count_does_not_overflow),
		FRESH(names_that_could_harm_are_cleaned),
		FRESH(a_reader_makes_nothing),
		FRESH(signatures_do_not_change_by_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
