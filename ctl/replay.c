// SPDX-License-Identifier: GPL-2.0-only
#include "replay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Out of memory must not end the program in the middle of a table. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "daemon.h"
#include "names.h"
#include "record.h"
#include "secsrv/decide.h"
#include "secsrv/explain.h"
#include "text.h"

/* What is told of a decision that would be another one. */
enum told {
	TOLD_HOST,
	TOLD_USER,
	TOLD_APPLICATION,
	TOLD_EVENT,
	TOLD_PROTOCOL,
	TOLD_REMOTE,
	TOLD_RULE,
	TOLD_WAS,
	TOLD_WOULD,
	TOLD_NEW_RULE,
	TOLD_COUNT,
};

/* Decisions that are alike in all of it. */
struct change {
	char *told;		/* its texts, each with a newline behind it */
	uint64_t count;
	unsigned int line;
	const char *file;
	UT_hash_handle hh;
};

struct replayed {
	const struct reading *reading;
	struct change *changes;
	uint64_t events, undecided, changed;
	uint32_t seen;		/* kinds of events */
};

static const char *verdict_name(enum verdict v)
{
	static const char *const names[] = {
		[VERDICT_DENY] = "deny",
		[VERDICT_ALLOW] = "allow",
		[VERDICT_AUDIT] = "audit",
	};

	return names[v];
}

static void decide_again(const struct policy *policy, const Sockgate__Record *r,
			 struct decision *d)
{
	struct explain_empty empty;
	struct subject subject;

	explain_subject(r, &empty, &subject);
	subject_at(&subject, policy, r->time_us);
	decide(policy, &subject, d);
}

static const char *verdict_of(const Sockgate__Decision *d)
{
	if (d->action == SOCKGATE__ACTION__ACTION_DENY)
		return "deny";
	return d->audit ? "audit" : "allow";
}

/* A denial by another error is another decision too: the application sees it. */
static bool is_another(const Sockgate__Record *r, const struct decision *d)
{
	const Sockgate__Decision *was = r->decision;

	if (strcmp(verdict_of(was), verdict_name(d->verdict)))
		return true;
	return d->verdict == VERDICT_DENY && was->error != d->rule->error;
}

/* No cell of a row has a newline in it. */
static char *tell(const Sockgate__Record *r, const struct decision *d)
{
	static const enum column cells[] = {
		[TOLD_HOST] = COLUMN_HOST,
		[TOLD_USER] = COLUMN_USER,
		[TOLD_APPLICATION] = COLUMN_APPLICATION,
		[TOLD_EVENT] = COLUMN_EVENT,
		[TOLD_PROTOCOL] = COLUMN_PROTOCOL,
		[TOLD_REMOTE] = COLUMN_REMOTE,
		[TOLD_RULE] = COLUMN_RULE,
	};
	struct record_row row;
	char *told = NULL;
	size_t size;
	FILE *f = open_memstream(&told, &size);

	if (!f)
		return NULL;
	record_row(r, &row);
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		fprintf(f, "%s\n", row.cell[cells[i]]);
	fprintf(f, "%s\n%s\n%s%s\n", verdict_of(r->decision), verdict_name(d->verdict),
		*d->rule->name ? d->rule->name : "-", d->failed ? " (failure)" : "");
	if (!fclose(f))
		return told;
	free(told);
	return NULL;
}

/* Takes @told over.  NULL if out of memory. */
static struct change *new_change(struct replayed *p, char *told, const struct rule *rule)
{
	struct change *c = calloc(1, sizeof(*c));

	if (!c) {
		free(told);
		return NULL;
	}
	c->told = told;
	c->line = rule->line;
	c->file = expand_origin(&p->reading->whole, p->reading->name, &c->line);
	HASH_ADD_KEYPTR(hh, p->changes, c->told, strlen(c->told), c);
	if (c->hh.tbl)
		return c;
	free(told);
	free(c);
	return NULL;
}

/* Returns false if out of memory. */
static bool add_change(struct replayed *p, const Sockgate__Record *r,
		       const struct decision *d)
{
	char *told = tell(r, d);
	struct change *c;

	if (!told)
		return false;
	HASH_FIND_STR(p->changes, told, c);
	if (c)
		free(told);
	else
		c = new_change(p, told, d->rule);
	if (!c)
		return false;
	c->count++;
	p->changed++;
	return true;
}

static bool take(const Sockgate__Record *r, void *arg)
{
	struct replayed *p = arg;
	struct decision d;

	p->events++;
	/* Where nobody decided, the failure table did, and would again. */
	if (!r->event || !r->decision ||
	    r->outcome == SOCKGATE__OUTCOME__OUTCOME_FAILURE) {
		p->undecided++;
		return true;
	}
	p->seen |= 1U << (r->event->kind & 31);
	decide_again(p->reading->policy, r, &d);
	return !is_another(r, &d) || add_change(p, r, &d);
}

/* ---- the events ---- */

struct taking {
	bool (*take)(const Sockgate__Record *r, void *arg);
	void *arg;
	bool failed;
};

static bool on_records(Sockgate__Message *answer, void *arg)
{
	const Sockgate__Records *records = answer->records;
	struct taking *t = arg;

	for (size_t i = 0; i < records->n_record && !t->failed; i++)
		t->failed = !t->take(records->record[i], t->arg);
	return !t->failed && !records->end;
}

int replay_events(const struct options *o, uint32_t last,
		  bool (*fn)(const Sockgate__Record *r, void *arg), void *arg,
		  char *why, size_t why_size)
{
	Sockgate__Message request = SOCKGATE__MESSAGE__INIT;
	Sockgate__EventsQuery query = SOCKGATE__EVENTS_QUERY__INIT;
	struct taking t = { fn, arg, false };
	struct session *s = daemon_open(o, NULL, why, why_size);
	int rc;

	if (!s)
		return -1;
	query.last = last;
	request.body_case = SOCKGATE__MESSAGE__BODY_EVENTS_QUERY;
	request.events_query = &query;
	rc = session_ask(s, &request, SOCKGATE__MESSAGE__BODY_RECORDS, SESSION_LIMIT,
			 on_records, &t, why, why_size);
	session_close(s);
	if (t.failed)
		snprintf(why, why_size, "out of memory");
	return t.failed ? -1 : rc;
}

/* ---- printing ---- */

/* Splits what is told, for good. */
static void split(const struct change *c, char *cell[TOLD_COUNT])
{
	char *at = c->told;

	for (int i = 0; i < TOLD_COUNT; i++)
		cell[i] = strsep(&at, "\n");
}

static json_t *change_json(const struct change *c)
{
	char *cell[TOLD_COUNT];

	split(c, cell);
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:s, s:o}, "
			 "s:{s:s, s:o, s:o, s:I}}",
			 "count", (json_int_t)c->count,
			 "host", text_json(cell[TOLD_HOST]),
			 "user", text_json(cell[TOLD_USER]),
			 "application", text_json(cell[TOLD_APPLICATION]),
			 "event", text_json(cell[TOLD_EVENT]),
			 "protocol", text_json(cell[TOLD_PROTOCOL]),
			 "remote", text_json(cell[TOLD_REMOTE]),
			 "was", "verdict", cell[TOLD_WAS],
			 "rule", text_json(cell[TOLD_RULE]),
			 "would", "verdict", cell[TOLD_WOULD],
			 "rule", text_json(cell[TOLD_NEW_RULE]),
			 "file", text_json(c->file), "line", (json_int_t)c->line);
}

static void print_json(const struct replayed *p)
{
	json_t *changes = json_array(), *all;

	for (const struct change *c = p->changes; c; c = c->hh.next)
		json_array_append_new(changes, change_json(c));
	all = json_pack("{s:b, s:I, s:I, s:I, s:o}", "ok", !p->changed,
			"events", (json_int_t)p->events,
			"undecided", (json_int_t)p->undecided,
			"changed", (json_int_t)p->changed, "changes", changes);
	if (all && !json_dumpf(all, stdout, JSON_INDENT(2)))
		putchar('\n');
	json_decref(all);
}

static void print_change(const struct change *c)
{
	char *cell[TOLD_COUNT];

	split(c, cell);
	printf("%s -> %s: %s on %s, user %s: %s %s %s\n", cell[TOLD_WAS], cell[TOLD_WOULD],
	       cell[TOLD_APPLICATION], cell[TOLD_HOST], cell[TOLD_USER],
	       cell[TOLD_PROTOCOL], cell[TOLD_EVENT], cell[TOLD_REMOTE]);
	printf("    %" PRIu64 " %s; rule was %s, would be %s", c->count,
	       c->count == 1 ? "time" : "times", cell[TOLD_RULE], cell[TOLD_NEW_RULE]);
	if (c->line)
		printf(" (%s:%u)", c->file, c->line);
	putchar('\n');
}

/* Of what was never asked about there is nothing to be seen. */
static void print_unseen(const struct replayed *p)
{
	uint32_t unseen = p->reading->policy->events & ~p->seen;
	char events[NAME_EVENTS_SIZE];

	if (unseen)
		fprintf(stderr, "sockgate: the policy names events of which none is "
			"recorded: %s\n", name_events(unseen, ", ", events, sizeof(events)));
}

static void print_all(const struct replayed *p)
{
	for (const struct change *c = p->changes; c; c = c->hh.next)
		print_change(c);
	printf("%" PRIu64 " of %" PRIu64 " recorded events would be decided otherwise",
	       p->changed, p->events);
	if (p->undecided)
		printf("; %" PRIu64 " that no policy decided are left out", p->undecided);
	putchar('\n');
	print_unseen(p);
}

static void free_changes(struct replayed *p)
{
	struct change *c = p->changes, *next;

	HASH_CLEAR(hh, p->changes);
	for (; c; c = next) {
		next = c->hh.next;
		free(c->told);
		free(c);
	}
}

int replay(const struct options *o, const struct reading *r, uint32_t last)
{
	struct replayed p = { .reading = r };
	char why[1024];
	int rc;

	if (replay_events(o, last, take, &p, why, sizeof(why))) {
		rc = options_failed(o, "%s", why);
	} else {
		rc = p.changed ? RESULT_NO : RESULT_OK;
		(o->json ? print_json : print_all)(&p);
	}
	free_changes(&p);
	return rc;
}
