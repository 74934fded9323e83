// SPDX-License-Identifier: GPL-2.0-only
/* sockgate events */
#include <stdlib.h>
#include <unistd.h>

#include "commands.h"
#include "daemon.h"
#include "names.h"
#include "record.h"
#include "text.h"

#define LAST_DEFAULT 50
#define LAST_MAX 1000000

struct view {
	const struct options *options;
	struct record_table table;
	bool follow, colours, heading, broken;
};

static bool print_json(const Sockgate__Record *r)
{
	json_t *json = record_json(r);
	bool ok = json && !json_dumpf(json, stdout, JSON_COMPACT | TEXT_JSON_REALS) &&
		  putchar('\n') != EOF;

	json_decref(json);
	return ok;
}

/* All rows of a batch are measured before the first is printed. */
static void print_rows(struct view *v, const Sockgate__Records *records)
{
	struct record_row row;

	if (v->heading) {
		record_heading(&row);
		record_widen(&v->table, &row);
	}
	for (size_t i = 0; i < records->n_record; i++) {
		record_row(records->record[i], &row);
		record_widen(&v->table, &row);
	}
	if (v->heading) {
		record_heading(&row);
		record_print(&v->table, &row, false, stdout);
		v->heading = false;
	}
	for (size_t i = 0; i < records->n_record; i++) {
		record_row(records->record[i], &row);
		record_print(&v->table, &row, v->colours, stdout);
	}
}

/* On standard error: it is no event. */
static void print_note(const char *note)
{
	char clean[256];

	if (*note)
		fprintf(stderr, "sockgate: %s\n",
			text_clean(note, clean, sizeof(clean)));
}

static bool on_records(Sockgate__Message *answer, void *arg)
{
	const Sockgate__Records *records = answer->records;
	struct view *v = arg;

	if (v->options->json) {
		for (size_t i = 0; i < records->n_record; i++)
			if (!print_json(records->record[i]))
				v->broken = true;
	} else {
		print_rows(v, records);
	}
	print_note(records->note);
	/* Whoever reads us may have seen enough ("| head"). */
	if (fflush(stdout) || ferror(stdout))
		v->broken = true;
	return !v->broken && (v->follow || !records->end);
}

static int show(struct options *o, Sockgate__EventsQuery *query)
{
	Sockgate__Message request = SOCKGATE__MESSAGE__INIT;
	struct view v = {
		.options = o,
		.follow = query->follow,
		.colours = text_colours_wanted(stdout),
		.heading = !o->json,
	};
	struct session *s;
	char why[600];
	int rc;

	s = daemon_open(o, NULL, why, sizeof(why));
	if (!s)
		return options_failed(o, "%s", why);
	request.body_case = SOCKGATE__MESSAGE__BODY_EVENTS_QUERY;
	request.events_query = query;
	rc = session_ask(s, &request, SOCKGATE__MESSAGE__BODY_RECORDS,
			 query->follow ? 0 : SESSION_LIMIT, on_records, &v, why,
			 sizeof(why));
	session_close(s);
	if (rc)
		return options_failed(o, "%s", why);
	return v.broken ? RESULT_NO : RESULT_OK;
}

static int run(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "follow", no_argument, NULL, 'f' },
		{ "last", required_argument, NULL, 'n' },
		{ "app", required_argument, NULL, 'a' },
		{ "host", required_argument, NULL, 'H' },
		{ "denied", no_argument, NULL, 'd' },
		{ "event", required_argument, NULL, 'e' },
		{ 0 },
	};
	Sockgate__EventsQuery query = SOCKGATE__EVENTS_QUERY__INIT;
	char all[NAME_EVENTS_SIZE];
	uint64_t last = LAST_DEFAULT;
	int c, events;

	while ((c = options_next(o, argc, argv, "fn:", longs)) != -1) {
		if (c == 'f')
			query.follow = true;
		else if (c == 'a')
			query.application = optarg;
		else if (c == 'H')
			query.host = optarg;
		else if (c == 'd')
			query.action = SOCKGATE__ACTION__ACTION_DENY;
		else if (c == 'e' && (events = events_from_name(optarg)) < 0)
			return options_usage(o, "`%s' is not an event: %s", optarg,
					     name_events(~0U, ", ", all, sizeof(all)));
		else if (c == 'e')
			query.events |= (uint32_t)events;
		else if (c != 'n')
			return RESULT_USAGE;
		else if (!text_number(optarg, 1, LAST_MAX, &last))
			return options_usage(o, "-n takes a number from 1 to %d, not "
					     "`%s'", LAST_MAX, optarg);
	}
	if (optind < argc)
		return options_usage(o, "`%s' is one word too many", argv[optind]);
	query.last = (uint32_t)last;
	return show(o, &query);
}

const struct command command_events = {
	.name = "events",
	.summary = "what applications did and what was decided",
	.help =
"Usage: sockgate events [-f] [-n N] [--app NAME] [--host HOST] [--event EVENT]...\n"
"                       [--denied] [-j]\n"
"\n"
"Shows the latest events with their decisions, oldest first: of all hosts on a\n"
"security server, of this one on any other machine.\n"
"\n"
"  -f, --follow       go on with what happens from now, until interrupted\n"
"  -n, --last N       so many of the past (default 50)\n"
"      --app NAME     of this application only\n"
"      --host HOST    of this host only\n"
"      --event EVENT  this event only, such as accept or SYN_SENT; may be repeated\n"
"      --denied       what was refused only\n"
"  -j, --json         one JSON object per line\n"
"\n"
"Examples:\n"
"  sockgate events -f --denied\n"
"  sockgate events -n 1000 --app curl -j | jq -r .event.remote_address | sort -u\n",
	.run = run,
};
