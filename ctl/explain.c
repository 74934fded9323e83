// SPDX-License-Identifier: GPL-2.0-only
/* sockgate explain */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "build_id.h"
#include "commands.h"
#include "daemon.h"
#include "names.h"
#include "record.h"
#include "sha256.h"
#include "text.h"

#define LINE_SIZE 4096

/* "label   value", left out if there is no value. */
static void line(const char *label, const char *value)
{
	char clean[LINE_SIZE];

	if (value && *value)
		printf("  %-13s%s\n", label, text_clean(value, clean, sizeof(clean)));
}

static void show_address(const char *label, ProtobufCBinaryData ip, uint32_t port)
{
	char text[ADDR_TEXT_SIZE];

	if (!ip.len && !port)
		return;
	addr_format_bytes(ip.data, ip.len, (uint16_t)port, text);
	line(label, text);
}

static void show_event(const Sockgate__Event *e)
{
	char text[64];

	if (!e)
		return;
	snprintf(text, sizeof(text), "%s %s", name_protocol(e->protocol),
		 name_event_state(e->kind, e->protocol));
	line("event", text);
	if (record_ethertype(e, text, sizeof(text))) {
		line("ethertype", text);
		return;
	}
	show_address("local", e->local_address, e->local_port);
	show_address("remote", e->remote_address, e->remote_port);
}

static void show_program(const Sockgate__Process *p)
{
	char text[LINE_SIZE];

	line("runs as", name_classes(p->classes, ", ", text, sizeof(text)));
	line("not learned", name_classes(p->classes_unknown, ", ", text, sizeof(text)));
	if (!*p->script)
		return;
	snprintf(text, sizeof(text), "%s%s", p->script,
		 p->script_foreign_path ? " (as its container sees it)" : "");
	line("script", text);
	if (p->script_sha256.len == SHA256_SIZE)
		hex_encode(p->script_sha256.data, p->script_sha256.len, text);
	else
		snprintf(text, sizeof(text), "unknown: %s", name_evidence(p->script_evidence));
	line("its sha256", text);
}

static void show_process(const Sockgate__Process *p)
{
	char text[LINE_SIZE];

	if (!p)
		return;
	snprintf(text, sizeof(text), "%s%s%s (pid %" PRIu32 ")", p->path,
		 p->deleted ? " (deleted)" : "",
		 p->foreign_path ? " (as its container sees it)" : "", p->pid);
	line("executable", text);
	line("command", p->command_line);
	if (p->sha256.len == SHA256_SIZE) {
		hex_encode(p->sha256.data, p->sha256.len, text);
		line("sha256", text);
	} else {
		snprintf(text, sizeof(text), "unknown: %s", name_evidence(p->evidence));
		line("sha256", text);
	}
	if (p->build_id.len && p->build_id.len <= BUILD_ID_MAX) {
		hex_encode(p->build_id.data, p->build_id.len, text);
		line("build-id", text);
	}
	show_program(p);
	line("parent", p->parent_path);
}

static void show_user(const Sockgate__User *u)
{
	char text[600];

	if (!u)
		return;
	snprintf(text, sizeof(text), "%s%s%s (uid %" PRIu32 ")",
		 *u->name ? u->name : "?", *u->domain ? "@" : "", u->domain, u->uid);
	line("user", text);
}

static void show_place(const Sockgate__Place *p)
{
	if (!p)
		return;
	line("unit", *p->service ? p->service : p->unit);
	line("bundle", p->app);
	line("container", p->container);
	line("image", p->image);
}

static const char *source_text(Sockgate__Identity__Source source)
{
	switch (source) {
	case SOCKGATE__IDENTITY__SOURCE__HASH:
		return "its content";
	case SOCKGATE__IDENTITY__SOURCE__FILE_NAME:
		return "the name of its file only";
	case SOCKGATE__IDENTITY__SOURCE__HASH_ONLY:
		return "its content, as safe or unsafe only";
	case SOCKGATE__IDENTITY__SOURCE__PACKAGE_FILE:
		return "where its file lies only";
	case SOCKGATE__IDENTITY__SOURCE__BUILD_ID:
		return "its build-id only";
	default:
		return "?";
	}
}

static void show_identity(const Sockgate__Identity *i)
{
	char text[600];

	if (!i) {
		line("application", "unknown: it was not looked up");
		return;
	}
	if (i->source == SOCKGATE__IDENTITY__SOURCE__NONE) {
		line("application", "unknown: there is no signature of it");
		return;
	}
	snprintf(text, sizeof(text), "%s %s", i->name, i->version);
	line("application", *i->name ? text : "without a name");
	line("known by", source_text(i->source));
	line("vendor", i->vendor);
	line("category", i->category);
	snprintf(text, sizeof(text), "trust %" PRIu32 ", threat %" PRIu32, i->trust,
		 i->threat);
	line("levels", text);
}

static void show_decision(const Sockgate__Record *r)
{
	const Sockgate__Decision *d = r->decision;
	char text[600], duration[64];

	if (r->outcome == SOCKGATE__OUTCOME__OUTCOME_FAILURE)
		line("failure", r->reason);
	if (!d)
		return;
	if (d->failed) {
		snprintf(text, sizeof(text), "the failure action of the rule, because "
			 "this was not available: %s", d->missing);
		line("because", text);
	}
	line("looked at", record_fields(d, text, sizeof(text)));
	if (d->lifetime_ms)
		snprintf(text, sizeof(text), "good for %s",
			 text_duration(d->lifetime_ms / 1000, duration,
				       sizeof(duration)));
	else
		snprintf(text, sizeof(text), "for this event only");
	line("lifetime", text);
	snprintf(text, sizeof(text), "%" PRIu64, d->generation);
	line("generation", text);
}

struct sentence {
	const char *verdict, *text;
	enum colour colour;
};

static const struct sentence *sentence_of(const char *verdict)
{
	static const struct sentence sentences[] = {
		{ "allow", "allowed", COLOUR_GOOD },
		{ "audit", "allowed", COLOUR_GOOD },
		{ "deny", "denied", COLOUR_BAD },
		{ "unknown", "the agent does not say what the caller got, it was decided",
		  COLOUR_NOTE },
	};
	size_t i = 0;

	while (i + 1 < sizeof(sentences) / sizeof(sentences[0]) &&
	       strcmp(sentences[i].verdict, verdict))
		i++;
	return &sentences[i];
}

/* The sentence that answers the question. */
static void show_verdict(const Sockgate__Record *r, const char *id,
			 const char *policy_file)
{
	const Sockgate__Decision *d = r->decision;
	const struct sentence *s = sentence_of(record_verdict(r));
	bool colours = text_colours_wanted(stdout);
	char rule[256], file[256];

	printf("%s: %s%s%s", id, text_colour(s->colour, colours), s->text,
	       text_colour(COLOUR_NONE, colours));
	if (s->colour == COLOUR_BAD && d && d->error)
		printf(" (%s)", name_error(d->error));
	if (!strcmp(s->verdict, "audit"))
		printf(", to be noticed,");
	if (r->outcome == SOCKGATE__OUTCOME__OUTCOME_FAILURE)
		printf(" by the failure table");
	else if (d && *d->rule)
		printf(" by rule `%s'", text_clean(d->rule, rule, sizeof(rule)));
	if (d && d->rule_line && policy_file)
		printf(", %s:%" PRIu32, text_clean(policy_file, file, sizeof(file)),
		       d->rule_line);
	else if (d && d->rule_line)
		printf(", line %" PRIu32 " of policy generation %" PRIu64, d->rule_line,
		       d->generation);
	putchar('\n');
}

static void show_record(const Sockgate__Record *r, const char *id,
			const char *policy_file)
{
	char time[40];

	show_verdict(r, id, policy_file);
	line("time", record_time(r->time_us, false, time, sizeof(time)));
	line("host", r->host);
	show_event(r->event);
	show_identity(r->decision ? r->decision->identity : NULL);
	show_process(r->process);
	show_user(r->user);
	show_place(r->place);
	if (r->place) {
		line("unit", r->place->unit);
		line("container", r->place->container);
	}
	show_decision(r);
}

static void show_rule_and_steps(const Sockgate__Explanation *e)
{
	char clean[LINE_SIZE], why[LINE_SIZE];
	size_t width = 0;

	if (*e->rule_text)
		printf("rule\n  %s\n", text_clean(e->rule_text, clean, sizeof(clean)));
	if (e->n_step)
		printf("steps\n");
	for (size_t i = 0; i < e->n_step; i++) {
		size_t w = text_width(text_clean(e->step[i]->rule, clean, 64));

		width = w > width ? w : width;
	}
	for (size_t i = 0; i < e->n_step; i++) {
		const Sockgate__Step *s = e->step[i];
		char where[24] = "";

		if (s->line)
			snprintf(where, sizeof(where), "line %" PRIu32, s->line);
		text_clean(s->rule, clean, 64);
		printf("  %-10s %s%*s  %s\n", where, clean,
		       (int)(width - text_width(clean)), "",
		       text_clean(s->why, why, sizeof(why)));
	}
}

static json_t *explanation_json(const Sockgate__Explanation *e)
{
	json_t *steps = json_array();

	for (size_t i = 0; i < e->n_step; i++)
		json_array_append_new(steps, json_pack("{s:o, s:I, s:o}",
			"rule", text_json(e->step[i]->rule),
			"line", (json_int_t)e->step[i]->line,
			"why", text_json(e->step[i]->why)));
	return json_pack("{s:o, s:o, s:o}",
			 "record", e->record ? record_json(e->record) : json_null(),
			 "rule_text", text_json(e->rule_text), "steps", steps);
}

static int print_json(const Sockgate__Explanation *e)
{
	json_t *json = explanation_json(e);
	bool ok = json && !json_dumpf(json, stdout, JSON_INDENT(2) | TEXT_JSON_REALS) &&
		  putchar('\n') != EOF;

	json_decref(json);
	return ok ? RESULT_OK : RESULT_NO;
}

static bool take_explanation(Sockgate__Message *answer, void *arg)
{
	Sockgate__Explanation **e = arg;

	*e = answer->explanation;
	answer->body_case = SOCKGATE__MESSAGE__BODY__NOT_SET;
	return false;
}

static Sockgate__Explanation *ask_server(struct session *s, char *id, char *why,
					 size_t why_size)
{
	Sockgate__Message request = SOCKGATE__MESSAGE__INIT;
	Sockgate__ExplainQuery query = SOCKGATE__EXPLAIN_QUERY__INIT;
	Sockgate__Explanation *e = NULL;

	query.decision_id = id;
	request.body_case = SOCKGATE__MESSAGE__BODY_EXPLAIN_QUERY;
	request.explain_query = &query;
	session_ask(s, &request, SOCKGATE__MESSAGE__BODY_EXPLANATION, SESSION_LIMIT,
		    take_explanation, &e, why, why_size);
	return e;
}

/* The file that rule lines refer to, if it is still the policy in force. */
static char *policy_file_of(struct session *s, const Sockgate__Explanation *e)
{
	char why[256], *file = NULL;
	Sockgate__Status *status = daemon_status(s, why, sizeof(why));

	if (status && e->record && e->record->decision && *status->policy_file &&
	    status->generation == e->record->decision->generation)
		file = strdup(status->policy_file);
	if (status)
		sockgate__status__free_unpacked(status, NULL);
	return file;
}

static int explain(struct options *o, struct session *s, char *id)
{
	char why[600] = "it has no record of this decision";
	Sockgate__Explanation *e = ask_server(s, id, why, sizeof(why));
	int rc = RESULT_OK;
	char *file;

	if (!e || !e->record) {
		rc = options_failed(o, "%s: %s", id, why);
	} else if (o->json) {
		rc = print_json(e);
	} else {
		file = policy_file_of(s, e);
		show_record(e->record, id, file);
		show_rule_and_steps(e);
		free(file);
	}
	if (e)
		sockgate__explanation__free_unpacked(e, NULL);
	return rc;
}

struct search {
	const struct options *options;
	const char *id;
	bool found;
	int rc;
};

static bool on_records(Sockgate__Message *answer, void *arg)
{
	Sockgate__Explanation e = SOCKGATE__EXPLANATION__INIT;
	struct search *search = arg;

	if (answer->records->n_record && !search->found) {
		search->found = true;
		e.record = answer->records->record[0];
		if (search->options->json)
			search->rc = print_json(&e);
		else
			show_record(e.record, search->id, NULL);
	}
	return !answer->records->end;
}

/* An agent knows its own events, not the rules. */
static int show_from_agent(struct options *o, struct session *s, char *id)
{
	Sockgate__Message request = SOCKGATE__MESSAGE__INIT;
	Sockgate__EventsQuery query = SOCKGATE__EVENTS_QUERY__INIT;
	struct search search = { .options = o, .id = id };
	char why[600];

	query.decision_id = id;
	query.last = 1;
	request.body_case = SOCKGATE__MESSAGE__BODY_EVENTS_QUERY;
	request.events_query = &query;
	if (session_ask(s, &request, SOCKGATE__MESSAGE__BODY_RECORDS, SESSION_LIMIT,
			on_records, &search, why, sizeof(why)))
		return options_failed(o, "%s", why);
	if (!search.found)
		return options_failed(o, "%s: the agent does not remember this decision; "
				      "ask on the security server", id);
	if (!o->json)
		printf("The rules it was judged by are known on the security server: "
		       "run this there.\n");
	return search.rc;
}

/* `sockgate events' shows an id that is not there as "-", and jq(1) as null. */
static bool is_no_id(const char *text)
{
	return !*text || !strcmp(text, "-") || !strcmp(text, "null");
}

static int run(struct options *o, int argc, char **argv)
{
	struct session *s;
	char why[600];
	bool is_server;
	int rc;

	if (!options_only_common(o, argc, argv))
		return RESULT_USAGE;
	if (optind + 1 == argc && is_no_id(argv[optind]))
		return options_usage(o, "an event that the failure table decided has no "
				     "decision to explain: its RULE says which row, "
				     "`sockgate failure' what the row does, and `sockgate "
				     "status' what is not up");
	if (optind + 1 != argc)
		return options_usage(o, "it takes one decision id, the last column of "
				     "`sockgate events'");
	s = daemon_open(o, &is_server, why, sizeof(why));
	if (!s)
		return options_failed(o, "%s", why);
	rc = is_server ? explain(o, s, argv[optind]) :
			 show_from_agent(o, s, argv[optind]);
	session_close(s);
	return rc;
}

const struct command command_explain = {
	.name = "explain",
	.summary = "why a decision fell as it did",
	.help =
"Usage: sockgate explain [-j] ID\n"
"\n"
"Tells all that was known about an event, the rule that decided, as it is written,\n"
"and for each rule looked at why it matched or not.  ID stands in the last column\n"
"of `sockgate events'.  On a machine without security server only the event and its\n"
"decision are told.\n"
"\n"
"An event that the failure table decided has no id (-), since nobody decided: its RULE,\n"
"`failure: REASON', is the row of `sockgate failure' that did, and `sockgate status'\n"
"says what is not up.\n"
"\n"
"  -j, --json   as JSON\n"
"\n"
"Example:\n"
"  sockgate explain \"$(sockgate events -n 50 --denied -j |\n"
"                      jq -r '.decision.id | select(. != \"\")' | tail -n 1)\"\n",
	.run = run,
};
