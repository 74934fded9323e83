// SPDX-License-Identifier: GPL-2.0-only
/* sockgate policy check, load, show */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "expand.h"
#include "kernel.h"
#include "names.h"
#include "secsrv/policy.h"
#include "session.h"
#include "signatures.h"
#include "text.h"

#define STDIN_NAME "standard input"
#define PART_BYTES (512U << 10)	/* of a policy in one message */
#define LOAD_LIMIT 30	/* seconds: a large policy is indexed first */

static const char *name_of(const char *file)
{
	return strcmp(file, "-") ? file : STDIN_NAME;
}

/* ---- reading and checking, as secsrv does ---- */

struct reading {
	const char *name;
	struct expansion whole;
	struct policy *policy;	/* NULL: see the error */
	struct policy_error err;
};

/* reading_free() is due either way. */
static bool read_policy(const char *file, struct reading *r)
{
	memset(r, 0, sizeof(*r));
	r->name = name_of(file);
	if (expand_file(&r->whole, file, POLICY_SIZE_MAX, &r->err))
		return false;
	r->policy = policy_parse(r->whole.text, r->whole.size, r->name, &r->err);
	if (r->policy && !policy_warn(r->policy, &r->err))
		return true;
	snprintf(r->err.file, sizeof(r->err.file), "%s",
		 expand_origin(&r->whole, r->name, &r->err.line));
	return false;
}

static void reading_free(struct reading *r)
{
	policy_free(r->policy);
	expand_free(&r->whole);
}

static json_t *warnings_json(const struct reading *r)
{
	json_t *warnings = json_array();

	for (unsigned int i = 0; i < r->policy->warnings; i++) {
		const struct policy_warning *w = &r->policy->warning[i];
		unsigned int line = w->line;
		const char *file = expand_origin(&r->whole, r->name, &line);

		json_array_append_new(warnings, json_pack("{s:o, s:I, s:o}",
			"file", text_json(file), "line", (json_int_t)line,
			"text", text_json(w->text)));
	}
	return warnings;
}

static void print_warnings(const struct reading *r)
{
	char clean[1200];

	for (unsigned int i = 0; i < r->policy->warnings; i++) {
		const struct policy_warning *w = &r->policy->warning[i];
		unsigned int line = w->line;
		const char *file = expand_origin(&r->whole, r->name, &line);

		printf("%s:%u: warning: %s\n", file, line,
		       text_clean(w->text, clean, sizeof(clean)));
	}
}

/* Takes @json over.  Returns false if it could not be printed. */
static bool print_json(json_t *json)
{
	bool ok = json && !json_dumpf(json, stdout, JSON_INDENT(2)) &&
		  putchar('\n') != EOF;

	json_decref(json);
	return ok;
}

/* "FILE:LINE: reason" stands alone, so that editors can jump there. */
static int refused(const struct options *o, const struct policy_error *err)
{
	char text[1024], clean[1200];

	if (o->json) {
		print_json(json_pack("{s:b, s:o, s:I, s:o, s:[]}", "ok", 0,
				     "file", text_json(err->file),
				     "line", (json_int_t)err->line,
				     "error", text_json(err->reason), "warnings"));
		return RESULT_NO;
	}
	if (!*err->file)
		return options_failed(o, "%s", err->reason);
	settings_error_text(err, text, sizeof(text));
	fprintf(stderr, "%s\n", text_clean(text, clean, sizeof(clean)));
	return RESULT_NO;
}

/* ---- check ---- */

static bool print_checked(const struct options *o, const struct reading *r)
{
	const struct policy *policy = r->policy;
	char events[NAME_EVENTS_SIZE];

	if (o->json)
		return print_json(json_pack("{s:b, s:I, s:o, s:o}", "ok", 1,
			"rules", (json_int_t)policy->rules, "optional_events",
			kernel_events_json(policy->events), "warnings",
			warnings_json(r)));
	print_warnings(r);
	printf("%s: ok, %u %s%s%s\n", r->name, policy->rules,
	       policy->rules == 1 ? "rule" : "rules",
	       policy->events ? "; optional events: " : "",
	       name_events(policy->events, ", ", events, sizeof(events)));
	return true;
}

static int check(struct options *o, const char *file, const char *signatures)
{
	struct reading r;
	int rc;

	if (!read_policy(file, &r) ||
	    (signatures && signatures_warn(r.policy, signatures, &r.err)))
		rc = refused(o, &r.err);
	else
		rc = print_checked(o, &r) ? RESULT_OK : RESULT_NO;
	reading_free(&r);
	return rc;
}

/* ---- load ---- */

static bool take_loaded(Sockgate__Message *answer, void *arg)
{
	Sockgate__PolicyLoaded *loaded = arg;

	loaded->generation = answer->policy_loaded->generation;
	loaded->rules = answer->policy_loaded->rules;
	return false;
}

/* All of a long text but its end; the rest of it is left in @load. */
static int send_parts(struct session *s, Sockgate__PolicyLoad *load, char *why,
		      size_t why_size)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	char *rest = load->text;
	size_t left = strlen(rest);
	int rc = 0;

	msg.body_case = SOCKGATE__MESSAGE__BODY_POLICY_LOAD;
	msg.policy_load = load;
	load->more = true;
	for (; left > PART_BYTES && !rc; left -= PART_BYTES) {
		char kept = rest[PART_BYTES];

		load->text = rest;
		rest[PART_BYTES] = '\0';
		rc = session_part(s, &msg, why, why_size);
		rest += PART_BYTES;
		*rest = kept;
	}
	load->text = rest;
	load->more = false;
	return rc;
}

/* Returns 0, or -1 with a sentence in @why. */
static int ask(const struct options *o, Sockgate__Message *request,
	       Sockgate__Message__BodyCase expect, session_fn fn, void *arg, char *why,
	       size_t why_size)
{
	struct session *s = session_open(o->server_socket, "secsrv", why, why_size);
	int rc;

	if (!s)
		return -1;
	rc = request->body_case == SOCKGATE__MESSAGE__BODY_POLICY_LOAD ?
	     send_parts(s, request->policy_load, why, why_size) : 0;
	if (!rc)
		rc = session_ask(s, request, expect, LOAD_LIMIT, fn, arg, why, why_size);
	session_close(s);
	return rc;
}

static bool print_loaded(const struct options *o, const struct reading *r,
			 const Sockgate__PolicyLoaded *loaded)
{
	if (o->json)
		return print_json(json_pack("{s:b, s:I, s:I, s:o}", "ok", 1,
			"generation", (json_int_t)loaded->generation,
			"rules", (json_int_t)loaded->rules,
			"warnings", warnings_json(r)));
	print_warnings(r);
	printf("policy generation %" PRIu64 " is in force: %" PRIu32 " %s\n",
	       loaded->generation, loaded->rules, loaded->rules == 1 ? "rule" : "rules");
	return true;
}

static int send_policy(const struct options *o, const char *file, struct reading *r)
{
	Sockgate__Message request = SOCKGATE__MESSAGE__INIT;
	Sockgate__PolicyLoad policy_load_msg = SOCKGATE__POLICY_LOAD__INIT;
	Sockgate__PolicyLoaded loaded = SOCKGATE__POLICY_LOADED__INIT;
	char *full = strcmp(file, "-") ? realpath(file, NULL) : NULL;
	int rc;

	/* secsrv's messages and status name it; we may be anywhere. */
	policy_load_msg.file = full ? full : (char *)STDIN_NAME;
	policy_load_msg.text = r->whole.text;
	request.body_case = SOCKGATE__MESSAGE__BODY_POLICY_LOAD;
	request.policy_load = &policy_load_msg;
	memset(&r->err, 0, sizeof(r->err));
	rc = ask(o, &request, SOCKGATE__MESSAGE__BODY_POLICY_LOADED, take_loaded,
		 &loaded, r->err.reason, sizeof(r->err.reason));
	free(full);
	if (rc)
		return refused(o, &r->err);
	return print_loaded(o, r, &loaded) ? RESULT_OK : RESULT_NO;
}

/* Checked here first: the warnings are the checker's, and an error costs no question. */
static int load(struct options *o, const char *file)
{
	struct reading r;
	int rc;

	if (!read_policy(file, &r))
		rc = refused(o, &r.err);
	else
		rc = send_policy(o, file, &r);
	reading_free(&r);
	return rc;
}

/* ---- show ---- */

/* The policy in force; taken_free() is due. */
struct taken {
	uint64_t generation;
	char *file, *text;
	size_t size;
	bool failed;		/* out of memory */
};

static void taken_free(struct taken *t)
{
	free(t->file);
	free(t->text);
}

static bool take_policy(Sockgate__Message *answer, void *arg)
{
	const Sockgate__PolicyText *part = answer->policy_text;
	struct taken *t = arg;
	size_t size = strlen(part->text);
	char *more = realloc(t->text, t->size + size + 1);

	if (!t->file)
		t->file = strdup(part->file);
	t->generation = part->generation;
	if (!more || !t->file) {
		t->failed = true;
		return false;
	}
	memcpy(more + t->size, part->text, size + 1);
	t->text = more;
	t->size += size;
	return part->more;
}

/* Returns 0, or -1 with a sentence in @why. */
static int get_policy(const struct options *o, struct taken *t, char *why, size_t why_size)
{
	Sockgate__Message request = SOCKGATE__MESSAGE__INIT;
	Sockgate__PolicyQuery query = SOCKGATE__POLICY_QUERY__INIT;

	memset(t, 0, sizeof(*t));
	request.body_case = SOCKGATE__MESSAGE__BODY_POLICY_QUERY;
	request.policy_query = &query;
	if (ask(o, &request, SOCKGATE__MESSAGE__BODY_POLICY_TEXT, take_policy, t, why,
		why_size))
		return -1;
	if (t->failed)
		snprintf(why, why_size, "out of memory");
	return t->failed ? -1 : 0;
}

static int show(struct options *o)
{
	struct taken t;
	char why[1024];
	bool ok;

	if (get_policy(o, &t, why, sizeof(why))) {
		taken_free(&t);
		return options_failed(o, "%s", why);
	}
	/* As it is: this is what somebody edits and loads again. */
	if (!o->json)
		ok = fputs(t.text, stdout) >= 0;
	else
		ok = print_json(json_pack("{s:I, s:o, s:o}", "generation",
					  (json_int_t)t.generation,
					  "file", text_json(t.file),
					  "text", text_json(t.text)));
	taken_free(&t);
	return ok ? RESULT_OK : RESULT_NO;
}

static int run(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "signatures", required_argument, NULL, 's' },
		{ 0 },
	};
	const char *verb, *signatures = NULL;
	int operands, c;

	while ((c = options_next(o, argc, argv, "s:", longs)) != -1) {
		if (c != 's')
			return RESULT_USAGE;
		signatures = optarg;
	}
	verb = optind < argc ? argv[optind] : "";
	operands = argc - optind - 1;
	if (!strcmp(verb, "show") && operands == 0)
		return show(o);
	if (!strcmp(verb, "check") && operands == 1)
		return check(o, argv[optind + 1], signatures);
	if (!strcmp(verb, "load") && operands == 1)
		return load(o, argv[optind + 1]);
	return options_usage(o, "it takes check FILE, load FILE or show");
}

const struct command command_policy = {
	.name = "policy",
	.summary = "check, load and show the policy",
	.help =
"Usage: sockgate policy check [-j] [--signatures DATABASE] FILE\n"
"       sockgate policy load [-j] FILE\n"
"       sockgate policy show [-j]\n"
"\n"
"check  reads a policy here, without a daemon, and says what is wrong with it\n"
"load   checks it, and has secsrv on this machine put it in force and in the place of\n"
"       its policy file, /etc/sockgate/policy.conf unless secsrv.conf says another;\n"
"       a policy with an error is refused, as FILE:LINE: REASON, and changes nothing\n"
"show   prints the policy in force, as it was loaded\n"
"\n"
"FILE may be - for the standard input.\n"
"\n"
"  -s, --signatures DATABASE  check: say too what no signature is about, by secsrv's\n"
"                             database, /var/lib/sockgate/signatures.db\n"
"  -j, --json   as JSON; what is refused is JSON too, with \"ok\": false\n"
"\n"
"Examples:\n"
"  sockgate policy check new.conf && sockgate policy load new.conf\n"
"  sockgate policy show | diff - /etc/sockgate/policy.conf\n",
	.run = run,
};
