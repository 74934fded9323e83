// SPDX-License-Identifier: GPL-2.0-only
/* sockgate policy */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "diff.h"
#include "kernel.h"
#include "manager.h"
#include "names.h"
#include "secsrv/policy.h"
#include "reading.h"
#include "replay.h"
#include "session.h"
#include "signatures.h"
#include "suggest.h"
#include "text.h"
#include "versions.h"

#define EVENTS_MAX 1000000	/* that can be asked for at a time */
#define BACK_MAX 1000
#define VERSIONS_DEFAULT 20
#define PART_BYTES (512U << 10)	/* of a policy in one message */
#define LOAD_LIMIT 30	/* seconds: a large policy is indexed first */

/* Takes @json over.  Returns false if it could not be printed. */
static bool print_json(json_t *json)
{
	bool ok = json && !json_dumpf(json, stdout, JSON_INDENT(2)) &&
		  putchar('\n') != EOF;

	json_decref(json);
	return ok;
}

/* ---- check ---- */

static bool print_checked(const struct options *o, const struct reading *r)
{
	const struct policy *policy = r->policy;
	char events[NAME_EVENTS_SIZE], name[1200];

	if (o->json)
		return print_json(json_pack("{s:b, s:I, s:o, s:o}", "ok", 1,
			"rules", (json_int_t)policy->rules, "optional_events",
			kernel_events_json(policy->events), "warnings",
			reading_warnings(r)));
	reading_print_warnings(r);
	printf("%s: ok, %u %s%s%s\n", text_clean(r->name, name, sizeof(name)), policy->rules,
	       policy->rules == 1 ? "rule" : "rules",
	       policy->events ? "; optional events: " : "",
	       name_events(policy->events, ", ", events, sizeof(events)));
	return true;
}

static int check(struct options *o, const char *file, const char *signatures)
{
	struct reading r;
	int rc;

	if (!reading_open(&r, file) ||
	    (signatures && signatures_warn(r.policy, signatures, &r.err)))
		rc = reading_refused(o, &r.err);
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
			"warnings", reading_warnings(r)));
	reading_print_warnings(r);
	printf("policy generation %" PRIu64 " is in force: %" PRIu32 " %s\n",
	       loaded->generation, loaded->rules, loaded->rules == 1 ? "rule" : "rules");
	return true;
}

static int send_policy(const struct options *o, const char *file, bool force,
		       struct reading *r)
{
	Sockgate__Message request = SOCKGATE__MESSAGE__INIT;
	Sockgate__PolicyLoad policy_load_msg = SOCKGATE__POLICY_LOAD__INIT;
	Sockgate__PolicyLoaded loaded = SOCKGATE__POLICY_LOADED__INIT;
	char *full = strcmp(file, "-") ? realpath(file, NULL) : NULL;
	int rc;

	/* secsrv's messages and status name it; we may be anywhere. */
	policy_load_msg.file = full ? full : (char *)r->name;
	policy_load_msg.text = r->whole.text;
	policy_load_msg.force = force;
	request.body_case = SOCKGATE__MESSAGE__BODY_POLICY_LOAD;
	request.policy_load = &policy_load_msg;
	memset(&r->err, 0, sizeof(r->err));
	rc = ask(o, &request, SOCKGATE__MESSAGE__BODY_POLICY_LOADED, take_loaded,
		 &loaded, r->err.reason, sizeof(r->err.reason));
	free(full);
	if (rc)
		return reading_refused(o, &r->err);
	return print_loaded(o, r, &loaded) ? RESULT_OK : RESULT_NO;
}

/* Checked here first: the warnings are the checker's, and an error costs no question. */
static int load(struct options *o, const char *file, bool force)
{
	struct reading r;
	int rc;

	if (!reading_open(&r, file))
		rc = reading_refused(o, &r.err);
	else
		rc = send_policy(o, file, force, &r);
	reading_free(&r);
	return rc;
}

/* ---- show ---- */

/* A policy that is, or was, in force; taken_free() is due. */
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

	if (more)
		t->text = more;
	if (!t->file)
		t->file = strdup(part->file);
	t->generation = part->generation;
	if (!more || !t->file) {
		t->failed = true;
		return false;
	}
	memcpy(more + t->size, part->text, size + 1);
	t->size += size;
	return part->more;
}

/* Returns 0, or -1 with a sentence in @why. */
static int get_policy(const struct options *o, uint32_t back, struct taken *t, char *why,
		      size_t why_size)
{
	Sockgate__Message request = SOCKGATE__MESSAGE__INIT;
	Sockgate__PolicyQuery query = SOCKGATE__POLICY_QUERY__INIT;

	memset(t, 0, sizeof(*t));
	request.body_case = SOCKGATE__MESSAGE__BODY_POLICY_QUERY;
	request.policy_query = &query;
	query.back = back;
	if (ask(o, &request, SOCKGATE__MESSAGE__BODY_POLICY_TEXT, take_policy, t, why,
		why_size))
		return -1;
	if (t->failed)
		snprintf(why, why_size, "out of memory");
	return t->failed ? -1 : 0;
}

static int show(struct options *o, uint32_t back)
{
	struct taken t;
	char why[1024];
	bool ok;

	if (get_policy(o, back, &t, why, sizeof(why))) {
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

/* ---- rollback ---- */

/* Load it again: it is checked, and in the file, as any other. */
static int rollback(const struct options *o, uint32_t back, bool force)
{
	struct reading r = { .name = "policy" };
	char why[1024];
	struct taken t;
	int rc;

	if (get_policy(o, back, &t, why, sizeof(why))) {
		rc = options_failed(o, "%s", why);
		goto out;
	}
	r.whole.text = t.text;
	r.whole.size = t.size;
	t.text = NULL;
	r.policy = policy_parse(r.whole.text, r.whole.size, r.name, &r.err);
	if (!r.policy || policy_warn(r.policy, &r.err))
		rc = reading_refused(o, &r.err);
	else
		rc = send_policy(o, "-", force, &r);
out:
	reading_free(&r);
	taken_free(&t);
	return rc;
}

/* ---- diff ---- */

static int diff_with(const struct options *o, const char *file, uint32_t back)
{
	struct reading r;
	struct policy *in_force = NULL;
	struct policy_error err;
	char why[1024];
	struct taken t = { 0 };
	int rc;

	if (!reading_open(&r, file))
		rc = reading_refused(o, &r.err);
	else if (get_policy(o, back, &t, why, sizeof(why)))
		rc = options_failed(o, "%s", why);
	else if (!(in_force = policy_parse(t.text, t.size, "policy", &err)))
		rc = reading_refused(o, &err);
	else
		rc = diff(o, in_force, r.policy);
	policy_free(in_force);
	taken_free(&t);
	reading_free(&r);
	return rc;
}

/* ---- test ---- */

static int test(const struct options *o, const char *file, uint32_t last)
{
	struct reading r;
	int rc;

	if (!reading_open(&r, file))
		rc = reading_refused(o, &r.err);
	else
		rc = replay(o, &r, last);
	reading_free(&r);
	return rc;
}

/* What may be said on the command line. */
struct words {
	const char *verb, *operand;	/* the operand is NULL if there is none */
	const char *signatures, *forget;
	struct version_options version;
	uint64_t last, back;		/* 0: not said */
	bool force;
};

/* Returns RESULT_OK, or RESULT_USAGE when it has been told. */
static int read_number(const struct options *o, char option, uint64_t max, uint64_t *value)
{
	if (text_number(optarg, 1, max, value))
		return RESULT_OK;
	return options_usage(o, "-%c takes a number from 1 to %llu, not `%s'", option,
			     (unsigned long long)max, optarg);
}

static int take_option(const struct options *o, int c, struct words *w)
{
	switch (c) {
	case 's':
		w->signatures = optarg;
		return RESULT_OK;
	case 'm':
		w->version.comment = optarg;
		return RESULT_OK;
	case 'K':
		w->version.key = optarg;
		return RESULT_OK;
	case 'F':
		w->forget = optarg;
		return RESULT_OK;
	case 'f':
		w->force = true;
		return RESULT_OK;
	case 'n':
		return read_number(o, 'n', EVENTS_MAX, &w->last);
	case 'b':
		return read_number(o, 'b', BACK_MAX, &w->back);
	case 'w':
		return read_number(o, 'w', VERSIONS_WAIT_MAX, &w->version.wait);
	case 'N':
		return read_number(o, 'N', INT64_MAX, &w->version.number);
	default:
		return RESULT_USAGE;
	}
}

static int read_words(struct options *o, int argc, char **argv, struct words *w)
{
	static const struct option longs[] = {
		{ "signatures", required_argument, NULL, 's' },
		{ "last", required_argument, NULL, 'n' },
		{ "back", required_argument, NULL, 'b' },
		{ "comment", required_argument, NULL, 'm' },
		{ "wait", required_argument, NULL, 'w' },
		{ "key", required_argument, NULL, 'K' },
		{ "number", required_argument, NULL, 'N' },
		{ "force", no_argument, NULL, 'f' },
		{ "forget", required_argument, NULL, 'F' },
		{ 0 },
	};
	int c;

	while ((c = options_next(o, argc, argv, "s:n:b:m:w:N:", longs)) != -1) {
		if (take_option(o, c, w))
			return RESULT_USAGE;
	}
	if (argc - optind > 2)
		return options_usage(o, "`%s' is one word too many", argv[optind + 2]);
	w->verb = optind < argc ? argv[optind] : "";
	w->operand = optind + 1 < argc ? argv[optind + 1] : NULL;
	return RESULT_OK;
}

/* The verbs that take a file. */
static int run_on_file(struct options *o, const struct words *w)
{
	uint32_t last = w->last ? (uint32_t)w->last : EVENTS_MAX;
	const char *verb = w->verb, *file = w->operand;

	if (!strcmp(verb, "check"))
		return check(o, file, w->signatures);
	if (!strcmp(verb, "load"))
		return load(o, file, w->force);
	if (!strcmp(verb, "test"))
		return test(o, file, last);
	if (!strcmp(verb, "diff"))
		return diff_with(o, file, (uint32_t)w->back);
	if (strcmp(verb, "push") != 0)
		return -1;
	if (!w->version.comment)
		return options_usage(o, "push takes -m COMMENT: why this version is made");
	return versions_push(o, &w->version, file);
}

/* The verbs that may take the number of a version. */
static int run_on_version(struct options *o, const struct words *w)
{
	uint32_t back = w->back ? (uint32_t)w->back : 1;
	uint64_t number = 0;

	if (strcmp(w->verb, "show") != 0 && strcmp(w->verb, "rollback") != 0)
		return -1;
	if (w->operand && (w->back || !text_number(w->operand, 1, INT64_MAX, &number)))
		return options_usage(o, "%s takes the number of a version, or -b N, not `%s'",
				     w->verb, w->operand);
	if (!strcmp(w->verb, "show"))
		return number ? versions_show(o, number) : show(o, (uint32_t)w->back);
	/* A number is one of the manager's, wherever it is. */
	if (number || manager_is_here(o))
		return versions_rollback(o, &w->version, number, back);
	return rollback(o, back, w->force);
}

static int run_alone(struct options *o, const struct words *w)
{
	if (!strcmp(w->verb, "suggest"))
		return suggest(o, w->last ? (uint32_t)w->last : EVENTS_MAX);
	if (!strcmp(w->verb, "versions"))
		return versions_list(o, w->last ? (uint32_t)w->last : VERSIONS_DEFAULT);
	if (!strcmp(w->verb, "servers"))
		return versions_servers(o, w->forget);
	if (!strcmp(w->verb, "key"))
		return versions_key(o, w->version.key);
	return -1;
}

static int run(struct options *o, int argc, char **argv)
{
	struct words w = { .version.key = VERSIONS_KEY_DEFAULT };
	int rc = read_words(o, argc, argv, &w);

	if (rc)
		return rc;
	rc = run_on_version(o, &w);
	if (rc < 0)
		rc = w.operand ? run_on_file(o, &w) : run_alone(o, &w);
	if (rc >= 0)
		return rc;
	return options_usage(o, "it takes check FILE, load FILE, show, test FILE, diff FILE, "
			     "rollback, suggest, push FILE, versions, servers or key");
}

const struct command command_policy = {
	.name = "policy",
	.summary = "check, try, load and show the policy",
	.help =
"Usage: sockgate policy check [-j] [--signatures DATABASE] FILE\n"
"       sockgate policy load [-j] [--force] FILE\n"
"       sockgate policy show [-j] [-b N | VERSION]\n"
"       sockgate policy test [-j] [-n N] FILE\n"
"       sockgate policy diff [-j] [-b N] FILE\n"
"       sockgate policy rollback [-j] [-b N | VERSION] [-w SECONDS] [--force]\n"
"       sockgate policy suggest [-j] [-n N]\n"
"       sockgate policy push [-j] -m COMMENT [-w SECONDS] [--key FILE] [-N N] FILE\n"
"       sockgate policy versions [-j] [-n N]\n"
"       sockgate policy servers [-j] [--forget HOST]\n"
"       sockgate policy key [-j] [--key FILE]\n"
"\n"
"check  reads a policy here, without a daemon, and says what is wrong with it\n"
"load   checks it, and has secsrv on this machine put it in force and in the place of\n"
"       its policy file, /etc/sockgate/policy.conf unless secsrv.conf says another;\n"
"       a policy with an error is refused, as FILE:LINE: REASON, and changes nothing\n"
"show   prints the policy in force, as it was loaded\n"
"test   decides by FILE what was recorded, and lists every decision that would be\n"
"       another one; nothing is changed\n"
"diff   tells in which rules FILE differs from the policy in force\n"
"rollback  puts the policy in force again that was before the last change: where a\n"
"       policy manager runs, everywhere, as a new version; else on this machine's secsrv\n"
"suggest   prints a policy that allows what was recorded as allowed, and denies the rest\n"
"\n"
"On the machine of the policy manager, policymgr:\n"
"push      checks a policy, signs it and makes it the newest version, which all\n"
"          security servers get; one with an error is never made\n"
"versions  lists the last versions; show VERSION prints one\n"
"servers   tells which server runs which version, who refused the newest and why, who\n"
"          is away, and where a policy was loaded by force (drift)\n"
"key       makes the key that signs, FILE, and FILE.pub, by which servers verify\n"
"\n"
"FILE may be - for the standard input.\n"
"\n"
"  -s, --signatures DATABASE  check: say too what no signature is about, by secsrv's\n"
"                             database, /var/lib/sockgate/signatures.db\n"
"  -n, --last N               test, suggest: so many of the latest events (default: a million);\n"
"                             versions: so many of them (default: 20)\n"
"  -b, --back N               show, diff, rollback: the policy of N changes ago\n"
"  -m, --comment COMMENT      push, rollback: why, on one line\n"
"  -w, --wait SECONDS         push, rollback: until all servers that are connected have\n"
"                             answered; tells what each has, and ends with 3 unless all\n"
"                             of them have it in force\n"
"      --key FILE             the key that signs (default " VERSIONS_KEY_DEFAULT ")\n"
"  -N, --number N             push: this number, above all before it\n"
"      --force                load, rollback: though the policy comes from a manager\n"
"      --forget HOST          servers: one that is away for good is forgotten\n"
"  -j, --json   as JSON; what is refused is JSON too, with \"ok\": false\n"
"\n"
"Ends with 0: done, or nothing is wrong or would change; 1: something is, or it did\n"
"not work; 2: the command line is wrong; 3: the version is made, but not in force on all\n"
"servers that are connected.\n"
"\n"
"Examples:\n"
"  sockgate policy check new.conf && sockgate policy load new.conf\n"
"  sockgate policy test -n 10000 new.conf\n"
"  sockgate policy show | diff - /etc/sockgate/policy.conf\n"
"  sockgate policy push new.conf -m 'no P2P' --wait 30\n"
"  [ $? != 3 ] || sockgate policy rollback --wait 30\n",
	.run = run,
};
