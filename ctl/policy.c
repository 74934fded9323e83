// SPDX-License-Identifier: GPL-2.0-only
/* sockgate policy check, load, show */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "conf_text.h"
#include "kernel.h"
#include "names.h"
#include "secsrv/policy.h"
#include "session.h"
#include "text.h"

#define STDIN_NAME "standard input"
#define LOAD_LIMIT 30	/* seconds: a large policy is indexed first */

static char *read_policy(struct options *o, const char *file, size_t *size)
{
	char why[512];
	char *text = conf_text_read(file, POLICY_SIZE_MAX, size, why, sizeof(why));

	if (!text)
		options_failed(o, "%s", why);
	return text;
}

static const char *name_of(const char *file)
{
	return strcmp(file, "-") ? file : STDIN_NAME;
}

/* ---- check ---- */

static json_t *checked_json(const struct policy *policy, const struct policy_error *err)
{
	json_t *warnings = json_array();

	for (unsigned int i = 0; policy && i < policy->warnings; i++)
		json_array_append_new(warnings, json_pack("{s:I, s:o}",
			"line", (json_int_t)policy->warning[i].line,
			"text", text_json(policy->warning[i].text)));
	if (policy)
		return json_pack("{s:b, s:I, s:o, s:o}", "ok", 1,
				 "rules", (json_int_t)policy->rules,
				 "optional_events", kernel_events_json(policy->events),
				 "warnings", warnings);
	return json_pack("{s:b, s:o, s:I, s:o, s:o}", "ok", 0,
			 "file", text_json(err->file), "line", (json_int_t)err->line,
			 "error", text_json(err->reason), "warnings", warnings);
}

static void print_checked(const char *name, const struct policy *policy,
			  const struct policy_error *err)
{
	char text[1024], clean[1200], events[NAME_EVENTS_SIZE];

	if (!policy) {
		settings_error_text(err, text, sizeof(text));
		fprintf(stderr, "%s\n", text_clean(text, clean, sizeof(clean)));
		return;
	}
	for (unsigned int i = 0; i < policy->warnings; i++)
		printf("%s:%u: warning: %s\n", name, policy->warning[i].line,
		       text_clean(policy->warning[i].text, clean, sizeof(clean)));
	printf("%s: ok, %u %s%s%s\n", name, policy->rules,
	       policy->rules == 1 ? "rule" : "rules",
	       policy->events ? "; optional events: " : "",
	       name_events(policy->events, ", ", events, sizeof(events)));
}

static int check(struct options *o, const char *file)
{
	struct policy_error err = { 0 };
	struct policy *policy;
	bool ok;
	size_t size;
	char *text = read_policy(o, file, &size);

	if (!text)
		return RESULT_NO;
	policy = policy_parse(text, size, name_of(file), &err);
	ok = policy && !policy_warn(policy, &err);
	if (o->json) {
		json_t *json = checked_json(policy, &err);

		if (!json || json_dumpf(json, stdout, JSON_INDENT(2)) ||
		    putchar('\n') == EOF)
			ok = false;
		json_decref(json);
	} else {
		print_checked(name_of(file), policy, &err);
	}
	if (policy)
		policy_free(policy);
	free(text);
	return ok ? RESULT_OK : RESULT_NO;
}

/* ---- load ---- */

static bool take_loaded(Sockgate__Message *answer, void *arg)
{
	Sockgate__PolicyLoaded *loaded = arg;

	loaded->generation = answer->policy_loaded->generation;
	loaded->rules = answer->policy_loaded->rules;
	return false;
}

static int ask(struct options *o, Sockgate__Message *request,
	       Sockgate__Message__BodyCase expect, session_fn fn, void *arg)
{
	char why[1024];
	struct session *s = session_open(o->server_socket, "secsrv", why, sizeof(why));
	int rc;

	if (!s)
		return options_failed(o, "%s", why);
	rc = session_ask(s, request, expect, LOAD_LIMIT, fn, arg, why, sizeof(why));
	session_close(s);
	if (!rc)
		return RESULT_OK;
	/* "FILE:LINE: reason" stands alone, so that editors can jump there. */
	fprintf(stderr, "%s\n", why);
	return RESULT_NO;
}

static int load(struct options *o, const char *file)
{
	Sockgate__Message request = SOCKGATE__MESSAGE__INIT;
	Sockgate__PolicyLoad policy_load_msg = SOCKGATE__POLICY_LOAD__INIT;
	Sockgate__PolicyLoaded loaded = SOCKGATE__POLICY_LOADED__INIT;
	char *full = strcmp(file, "-") ? realpath(file, NULL) : NULL;
	size_t size;
	char *text = read_policy(o, file, &size);
	int rc = RESULT_NO;

	if (text && strlen(text) != size) {
		options_failed(o, "%s: there is a NUL byte in the text", name_of(file));
	} else if (text) {
		/* secsrv's messages and status name it; we may be anywhere. */
		policy_load_msg.file = full ? full : (char *)STDIN_NAME;
		policy_load_msg.text = text;
		request.body_case = SOCKGATE__MESSAGE__BODY_POLICY_LOAD;
		request.policy_load = &policy_load_msg;
		rc = ask(o, &request, SOCKGATE__MESSAGE__BODY_POLICY_LOADED, take_loaded,
			 &loaded);
	}
	if (rc == RESULT_OK && o->json)
		printf("{\"generation\": %" PRIu64 ", \"rules\": %" PRIu32 "}\n",
		       loaded.generation, loaded.rules);
	else if (rc == RESULT_OK)
		printf("policy generation %" PRIu64 " is in force: %" PRIu32 " %s\n",
		       loaded.generation, loaded.rules,
		       loaded.rules == 1 ? "rule" : "rules");
	free(text);
	free(full);
	return rc;
}

/* ---- show ---- */

static bool print_policy(Sockgate__Message *answer, void *arg)
{
	const Sockgate__PolicyText *policy = answer->policy_text;
	const struct options *o = arg;
	json_t *json;

	if (!o->json) {
		/* As it is: this is what somebody edits and loads again. */
		fputs(policy->text, stdout);
		return false;
	}
	json = json_pack("{s:I, s:o, s:o}", "generation",
			 (json_int_t)policy->generation, "file",
			 text_json(policy->file), "text", text_json(policy->text));
	if (json && !json_dumpf(json, stdout, JSON_INDENT(2)))
		putchar('\n');
	json_decref(json);
	return false;
}

static int show(struct options *o)
{
	Sockgate__Message request = SOCKGATE__MESSAGE__INIT;
	Sockgate__PolicyQuery query = SOCKGATE__POLICY_QUERY__INIT;

	request.body_case = SOCKGATE__MESSAGE__BODY_POLICY_QUERY;
	request.policy_query = &query;
	return ask(o, &request, SOCKGATE__MESSAGE__BODY_POLICY_TEXT, print_policy, o);
}

static int run(struct options *o, int argc, char **argv)
{
	const char *verb;
	int operands;

	if (!options_only_common(o, argc, argv))
		return RESULT_USAGE;
	verb = optind < argc ? argv[optind] : "";
	operands = argc - optind - 1;
	if (!strcmp(verb, "show") && operands == 0)
		return show(o);
	if (!strcmp(verb, "check") && operands == 1)
		return check(o, argv[optind + 1]);
	if (!strcmp(verb, "load") && operands == 1)
		return load(o, argv[optind + 1]);
	return options_usage(o, "it takes check FILE, load FILE or show");
}

const struct command command_policy = {
	.name = "policy",
	.summary = "check, load and show the policy",
	.help =
"Usage: sockgate policy check [-j] FILE\n"
"       sockgate policy load [-j] FILE\n"
"       sockgate policy show [-j]\n"
"\n"
"check  reads a policy here, without a daemon, and says what is wrong with it\n"
"load   has secsrv on this machine put it in force; a policy with an error is\n"
"       refused, as FILE:LINE: REASON, and changes nothing\n"
"show   prints the policy in force, as it was loaded\n"
"\n"
"FILE may be - for the standard input.\n"
"\n"
"  -j, --json   as JSON\n"
"\n"
"Examples:\n"
"  sockgate policy check new.conf && sockgate policy load new.conf\n"
"  sockgate policy show | diff - /etc/sockgate/policy.conf\n",
	.run = run,
};
