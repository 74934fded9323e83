// SPDX-License-Identifier: GPL-2.0-only
#include "suggest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Out of memory must not end the program in the middle. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "addr.h"
#include "names.h"
#include "query.h"
#include "replay.h"
#include "secsrv/decide.h"
#include "secsrv/explain.h"
#include "sigdb/sigdb.h"
#include "text.h"

/* More of them are no list that somebody means: the rule asks for none then. */
#define PORTS_MAX 16
#define ADDRS_MAX 8

/* What one application did of one kind. */
struct habit {
	char *key;		/* of all that follows up to the ports */
	bool by_hash;
	char who[256];		/* application, or the hash of what has no signature */
	char file[256];		/* for people, where it is a hash */
	char script[256];	/* that it ran; then @user counts too */
	uint32_t uid;
	uint32_t protocol;
	char event[16];
	uint64_t times;
	uint32_t port[PORTS_MAX];
	unsigned int ports;	/* more than there is room for: any */
	char addr[ADDRS_MAX][ADDR_TEXT_SIZE];
	unsigned int addrs;
	UT_hash_handle hh;
};

struct habits {
	struct habit *all;
	uint64_t events, allowed, unnamed;
	struct policy *policy;	/* of the text, to see that it fits */
	uint64_t misfits;
};

/* ---- what was done ---- */

static bool was_allowed(const Sockgate__Record *r)
{
	return r->event && r->process && r->decision &&
	       r->outcome != SOCKGATE__OUTCOME__OUTCOME_FAILURE &&
	       query_effect(r) == SOCKGATE__ACTION__ACTION_ALLOW;
}

/*
 * Anybody can claim a name, and a rule that allows it would allow whoever claims it
 * next: only what is known by its content, and not by a mere claim, has one here.
 */
static bool has_name(const Sockgate__Identity *id)
{
	char clean[1024];

	return id && *id->name && id->source == SOCKGATE__IDENTITY__SOURCE__HASH &&
	       id->trust > SIGDB_CLAIM_TRUST_MAX &&
	       !strcmp(text_clean(id->name, clean, sizeof(clean)), id->name);
}

/* An interpreter is allowed the script that it ran, for the user who ran it. */
static void name_script(const Sockgate__Record *r, struct habit *h)
{
	const Sockgate__Process *p = r->process;

	if (!r->user || !*p->script || strlen(p->script) >= sizeof(h->script) ||
	    p->script_foreign_path || p->script_sha256.len != 32 ||
	    p->classes & SOCKGATE__CLASS__CLASS_UNVERIFIABLE)
		return;
	strcpy(h->script, p->script);
	h->uid = r->user->uid;
}

/* Returns false for what no rule can name but by where it lies. */
static bool name_it(const Sockgate__Record *r, struct habit *h)
{
	const Sockgate__Identity *id = r->decision->identity;
	const Sockgate__Process *p = r->process;

	snprintf(h->file, sizeof(h->file), "%s", p->path);
	name_script(r, h);
	if (has_name(id)) {
		snprintf(h->who, sizeof(h->who), "%s", id->name);
		return true;
	}
	h->by_hash = true;
	for (size_t i = 0; i < p->sha256.len && i < 32; i++)
		snprintf(h->who + 2 * i, 3, "%02x", p->sha256.data[i]);
	return p->sha256.len == 32;
}

/* Connect and send are one thing to whoever writes rules. */
static const char *event_of(const Sockgate__Event *e)
{
	return e->kind == SOCKGATE__EVENT_KIND__EVENT_CONNECT ||
	       e->kind == SOCKGATE__EVENT_KIND__EVENT_SEND ? "SYN_SENT" :
							     name_event(e->kind);
}

static void add_port(struct habit *h, uint32_t port)
{
	if (h->ports > PORTS_MAX)
		return;
	for (unsigned int i = 0; i < h->ports; i++) {
		if (h->port[i] == port)
			return;
	}
	/* No rule can ask for port 0. */
	if (h->ports == PORTS_MAX || !port)
		h->ports = PORTS_MAX + 1;
	else
		h->port[h->ports++] = port;
}

static void add_addr(struct habit *h, const struct subject *s)
{
	char text[ADDR_TEXT_SIZE];
	size_t size;
	const uint8_t *addr = match_address(s, &size);

	if (h->addrs > ADDRS_MAX)
		return;
	addr_format_bytes(addr, size, 0, text);
	for (unsigned int i = 0; i < h->addrs; i++) {
		if (!strcmp(h->addr[i], text))
			return;
	}
	if (h->addrs == ADDRS_MAX || !size)
		h->addrs = ADDRS_MAX + 1;
	else
		snprintf(h->addr[h->addrs++], ADDR_TEXT_SIZE, "%s", text);
}

static struct habit *habit_of(struct habits *all, const Sockgate__Record *r)
{
	struct habit *h = calloc(1, sizeof(*h)), *known;

	if (!h)
		return NULL;
	if (!name_it(r, h)) {
		all->unnamed++;
		free(h);
		return NULL;
	}
	h->protocol = r->event->protocol;
	snprintf(h->event, sizeof(h->event), "%s", event_of(r->event));
	if (asprintf(&h->key, "%d %s %" PRIu32 " %s %" PRIu32 " %s", h->by_hash, h->who,
		     h->protocol, h->event, h->uid, h->script) < 0) {
		free(h);
		return NULL;
	}
	HASH_FIND_STR(all->all, h->key, known);
	if (!known) {
		HASH_ADD_KEYPTR(hh, all->all, h->key, strlen(h->key), h);
		known = h->hh.tbl ? h : NULL;
	}
	if (known != h) {
		free(h->key);
		free(h);
	}
	return known;
}

static bool learn(const Sockgate__Record *r, void *arg)
{
	struct habits *all = arg;
	struct explain_empty empty;
	struct subject subject;
	uint64_t unnamed = all->unnamed;
	struct habit *h;
	uint32_t port;

	all->events++;
	if (!was_allowed(r))
		return true;
	all->allowed++;
	h = habit_of(all, r);
	if (!h)
		return all->unnamed > unnamed;
	h->times++;
	explain_subject(r, &empty, &subject);
	add_port(h, subject_port(&subject, &port) ? port : 0);
	add_addr(h, &subject);
	return true;
}

/* ---- the text ---- */

/* A text that stands for itself: no glob, no group, and quoted. */
static void print_literal(FILE *f, const char *text)
{
	fputc('"', f);
	for (const char *p = text; *p; p++) {
		if (p == text && *p == '@')
			fputs("[@]", f);
		else if (strchr("*?[", *p))
			fprintf(f, "\\\\%c", *p);
		else if (*p == '\\')
			fputs("\\\\\\\\", f);
		else
			fprintf(f, "%s%c", *p == '"' ? "\\" : "", *p);
	}
	fputc('"', f);
}

static void print_places(FILE *f, const struct habit *h)
{
	if (h->ports && h->ports <= PORTS_MAX) {
		fputs(" port = \"", f);
		for (unsigned int i = 0; i < h->ports; i++)
			fprintf(f, "%s%" PRIu32, i ? "," : "", h->port[i]);
		fputs("\";", f);
	}
	if (!h->addrs || h->addrs > ADDRS_MAX)
		return;
	fputs("\n\t  remote = [ ", f);
	for (unsigned int i = 0; i < h->addrs; i++)
		fprintf(f, "%s\"%s\"", i ? ", " : "", h->addr[i]);
	fputs(" ];", f);
}

/* Names are of characters that need no quoting. */
static void print_name(FILE *f, unsigned int n, const struct habit *h)
{
	fprintf(f, "\t{ name = \"%u ", n);
	for (unsigned int i = 0; i < (h->by_hash ? 8 : 60) && h->who[i]; i++)
		fputc((unsigned char)h->who[i] < ' ' || strchr("\"\\", h->who[i]) ?
		      '_' : h->who[i], f);
	fprintf(f, " %s %s\"; ", name_protocol(h->protocol), h->event);
}

static void print_habit(FILE *f, unsigned int n, const struct habit *h)
{
	char clean[300];

	fprintf(f, "\t# %" PRIu64 " %s", h->times, h->times == 1 ? "time" : "times");
	if (h->by_hash)
		fprintf(f, ", %s", text_clean(h->file, clean, sizeof(clean)));
	fputc('\n', f);
	print_name(f, n, h);
	fputs(h->by_hash ? "hash = " : "application = ", f);
	print_literal(f, h->who);
	if (h->script[0]) {
		fputs(";\n\t  script = ", f);
		print_literal(f, h->script);
		fprintf(f, "; user = %" PRIu32 "L", h->uid);
	}
	fprintf(f, ";\n\t  protocol = %" PRIu32 "; event = \"%s\";", h->protocol, h->event);
	print_places(f, h);
	fprintf(f, "\n\t  action = \"allow\"; }%s\n", h->hh.next ? "," : "");
}

static char *make_text(const struct habits *all, size_t *size)
{
	unsigned int n = 0;
	char *text = NULL;
	FILE *f = open_memstream(&text, size);

	if (!f)
		return NULL;
	fprintf(f, "# From %" PRIu64 " recorded events that were allowed.  Look at each rule "
		   "before you load it.\n", all->allowed);
	if (all->unnamed)
		fprintf(f, "# Left out: %" PRIu64 " of programs whose content was not "
			   "read.\n", all->unnamed);
	fputs("\ndefault = { action = \"deny\"; error = \"EACCES\"; };\n\nrules = (\n", f);
	for (const struct habit *h = all->all; h; h = h->hh.next)
		print_habit(f, ++n, h);
	fputs(");\n", f);
	if (!fclose(f))
		return text;
	free(text);
	return NULL;
}

/* ---- does it fit ---- */

static bool fit(const Sockgate__Record *r, void *arg)
{
	struct habits *all = arg;
	struct explain_empty empty;
	struct subject subject;
	struct decision d;

	if (!was_allowed(r))
		return true;
	explain_subject(r, &empty, &subject);
	subject_at(&subject, all->policy, r->time_us);
	decide(all->policy, &subject, &d);
	all->misfits += d.verdict != VERDICT_ALLOW;
	return true;
}

static int print_it(const struct options *o, const struct habits *all, const char *text)
{
	json_t *json;

	if (!o->json)
		return fputs(text, stdout) < 0 ? RESULT_NO : RESULT_OK;
	json = json_pack("{s:b, s:I, s:I, s:I, s:o}", "ok", 1, "events",
			 (json_int_t)all->allowed, "rules",
			 (json_int_t)all->policy->rules, "not_allowed",
			 (json_int_t)all->misfits, "text", text_json(text));
	if (json && !json_dumpf(json, stdout, JSON_INDENT(2)))
		putchar('\n');
	json_decref(json);
	return RESULT_OK;
}

/* Decided by what is proposed, all that it is made of has to be allowed. */
static int propose(const struct options *o, struct habits *all, uint32_t last)
{
	struct policy_error err;
	char why[1024];
	size_t size;
	char *text = make_text(all, &size);
	int rc;

	if (text)
		all->policy = policy_parse(text, size, "the proposal", &err);
	if (!all->policy)
		rc = options_failed(o, "%s", text ? err.reason : "out of memory");
	else if (replay_events(o, last, fit, all, why, sizeof(why)))
		rc = options_failed(o, "%s", why);
	else
		rc = print_it(o, all, text);
	if (all->policy && all->misfits)
		fprintf(stderr, "sockgate: %" PRIu64 " of the events would not be allowed "
			"by it, such as those that came meanwhile\n", all->misfits);
	policy_free(all->policy);
	free(text);
	return rc;
}

int suggest(const struct options *o, uint32_t last)
{
	struct habits all = { 0 };
	struct habit *h, *next;
	char why[1024];
	int rc;

	if (replay_events(o, last, learn, &all, why, sizeof(why)))
		rc = options_failed(o, "%s", why);
	else if (!all.all)
		rc = options_failed(o, "nothing is recorded that was allowed");
	else
		rc = propose(o, &all, last);
	h = all.all;
	HASH_CLEAR(hh, all.all);
	for (; h; h = next) {
		next = h->hh.next;
		free(h->key);
		free(h);
	}
	return rc;
}
