// SPDX-License-Identifier: GPL-2.0-only
/*
 * The numbers of the rows are collected from the newest down, a range of rows at
 * a time; then the records themselves are read in the order in which they came.
 */
#include <stdlib.h>

#include "query.h"
#include "search.h"

/* Rows looked at in one step. */
#define RANGE 20000
/* Records in one part of an answer, and bytes: a frame has a limit. */
#define PART_RECORDS 500
#define PART_BYTES (512U << 10)

struct search {
	Sockgate__EventsQuery *query;
	bool begun;
	int64_t low, high;	/* what is still to be looked at */
	int64_t newest;		/* when this round began */
	int64_t *ids;		/* newest first */
	size_t n, wanted, room;
};

struct search *search_new(const Sockgate__EventsQuery *query)
{
	struct search *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->query = query_copy(query);
	if (!s->query) {
		free(s);
		return NULL;
	}
	s->high = -1;
	s->wanted = query->last ? query->last : SEARCH_DEFAULT;
	if (s->wanted > SEARCH_MAX)
		s->wanted = SEARCH_MAX;
	return s;
}

void search_free(struct search *s)
{
	if (!s)
		return;
	sockgate__events_query__free_unpacked(s->query, NULL);
	free(s->ids);
	free(s);
}

/* What has come since the last round, or all there is. */
static int begin(struct search *s, struct audit_db *db)
{
	int64_t oldest, before = s->newest;

	if (audit_db_bounds(db, &oldest, &s->newest))
		return -1;
	s->low = before < oldest ? oldest : before + 1;
	s->high = s->newest;
	if (s->begun)
		s->wanted = SIZE_MAX;
	s->begun = true;
	return 0;
}

static int add_id(int64_t id, void *arg)
{
	struct search *s = arg;

	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 256;
		int64_t *more = reallocarray(s->ids, room, sizeof(*more));

		if (!more)
			return -1;
		s->ids = more;
		s->room = room;
	}
	s->ids[s->n++] = id;
	return 0;
}

static int look(struct search *s, struct audit_db *db)
{
	int64_t low = s->high - RANGE < s->low ? s->low : s->high - RANGE + 1;
	size_t left = s->wanted - s->n;

	if (audit_db_search(db, s->query, low, s->high,
			    left < RANGE ? (unsigned int)left : RANGE, add_id, s))
		return -1;
	s->high = s->n < s->wanted ? low - 1 : s->low - 1;
	return 0;
}

static Sockgate__Records *new_part(void)
{
	Sockgate__Records *part = malloc(sizeof(*part));

	if (!part)
		return NULL;
	sockgate__records__init(part);
	part->record = calloc(PART_RECORDS, sizeof(Sockgate__Record *));
	if (part->record)
		return part;
	free(part);
	return NULL;
}

static int fill(struct search *s, struct audit_db *db, Sockgate__Records *part)
{
	size_t size = 0;

	while (s->n && part->n_record < PART_RECORDS && size < PART_BYTES) {
		Sockgate__Record *r;

		if (audit_db_get(db, s->ids[s->n - 1], &r))
			return -1;
		s->n--;
		if (!r)
			continue;	/* deleted since */
		part->record[part->n_record++] = r;
		size += sockgate__record__get_packed_size(r);
	}
	return 0;
}

int search_step(struct search *s, struct audit_db *db, Sockgate__Records **part)
{
	bool begins = s->high < s->low && !s->n;

	*part = NULL;
	if (begins && begin(s, db))
		return -1;
	if (s->high >= s->low && look(s, db))
		return -1;
	if (s->high >= s->low)
		return 0;
	*part = new_part();
	if (!*part || fill(s, db, *part)) {
		if (*part)
			sockgate__records__free_unpacked(*part, NULL);
		*part = NULL;
		return -1;
	}
	/* Who follows has all if a whole round in one step finds nothing. */
	(*part)->end = !s->n && (!s->query->follow ||
				 (begins && !(*part)->n_record));
	return 0;
}
