// SPDX-License-Identifier: GPL-2.0-only
#include "versions.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "manager.h"
#include "reading.h"
#include "record.h"
#include "text.h"

#define POLL_NS (200 * 1000 * 1000)
#define NOBODY UINT32_MAX	/* no login */

#define STATE(name) SOCKGATE__POLICY_STATE__POLICY_##name

/* Takes @json over.  Returns false if it could not be printed. */
static bool print_json(json_t *json)
{
	bool ok = json && !json_dumpf(json, stdout, JSON_INDENT(2)) &&
		  putchar('\n') != EOF;

	json_decref(json);
	return ok;
}

/* Seconds as people and scripts read them. */
static char *when(int64_t seconds, bool utc, char *text, size_t size)
{
	record_time(seconds * 1000000, utc, text, size);
	if (!utc && strrchr(text, '.'))
		*strrchr(text, '.') = '\0';
	return text;
}

static json_t *when_json(int64_t seconds)
{
	char text[40];

	return seconds ? json_string(when(seconds, true, text, sizeof(text))) : json_null();
}

static json_t *digest_json(const uint8_t *sha256)
{
	char text[SHA256_TEXT_SIZE];

	hex_encode(sha256, SHA256_SIZE, text);
	return json_string(text);
}

/* ---- servers ---- */

static const char *state_name(Sockgate__PolicyState state)
{
	switch (state) {
	case STATE(CURRENT):
		return "current";
	case STATE(BEHIND):
		return "behind";
	case STATE(REFUSED):
		return "refused";
	case STATE(DRIFT):
		return "drift";
	default:
		return "?";
	}
}

static json_t *server_json(const Sockgate__PolicyServer *s)
{
	uint8_t none[SHA256_SIZE] = { 0 };

	return json_pack("{s:o, s:o, s:o, s:s, s:o, s:b, s:o, s:I, s:o, s:I, s:o}",
			 "host", text_json(s->host), "address", text_json(s->address),
			 "program", text_json(s->version), "state", state_name(s->state),
			 "since", when_json(s->since), "connected", !s->away_since,
			 "away_since", when_json(s->away_since),
			 "version", (json_int_t)s->number, "sha256",
			 digest_json(s->sha256.len == SHA256_SIZE ? s->sha256.data : none),
			 "refused", (json_int_t)s->refused, "reason", text_json(s->reason));
}

static json_t *servers_json(const struct server_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(array, server_json(list->server[i]));
	return array;
}

static void print_server(const Sockgate__PolicyServer *s)
{
	char host[300], reason[1200], since[40];

	printf("%-20s  %-8s", text_clean(s->host, host, sizeof(host)), state_name(s->state));
	if (s->number)
		printf("  version %" PRIu64, s->number);
	else
		printf("  no version yet");
	printf(" since %s", when(s->since, false, since, sizeof(since)));
	if (s->away_since)
		printf("  away since %s", when(s->away_since, false, since, sizeof(since)));
	if (s->refused)
		printf("  refuses %" PRIu64 ": %s", s->refused,
		       text_clean(s->reason, reason, sizeof(reason)));
	if (s->state == STATE(DRIFT))
		printf("  has a policy in force that is not this version");
	putchar('\n');
}

static void print_servers(const struct server_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		print_server(list->server[i]);
}

int versions_servers(const struct options *o, const char *forget)
{
	struct server_list list;
	char why[1024];
	int rc = RESULT_OK;

	if (manager_servers(o, forget, &list, why, sizeof(why))) {
		rc = options_failed(o, "%s", why);
	} else if (o->json) {
		if (!print_json(json_pack("{s:I, s:o}", "latest", (json_int_t)list.latest,
					  "servers", servers_json(&list))))
			rc = RESULT_NO;
	} else {
		print_servers(&list);
		if (!list.n)
			puts("no server has registered yet");
	}
	server_list_free(&list);
	return rc;
}

/* ---- versions ---- */

static json_t *version_json(const struct signed_policy *p)
{
	char signature[2 * ED25519_SIGNATURE_SIZE + 1];

	hex_encode(p->signature, ED25519_SIGNATURE_SIZE, signature);
	return json_pack("{s:I, s:o, s:o, s:o, s:I, s:o, s:s}",
			 "version", (json_int_t)p->number, "time", when_json(p->time),
			 "author", text_json(p->author), "comment", text_json(p->comment),
			 "size", (json_int_t)p->size, "sha256", digest_json(p->sha256),
			 "signature", signature);
}

static void print_version(const struct signed_policy *p)
{
	char time[40], author[700], comment[1200], digest[SHA256_TEXT_SIZE];

	hex_encode(p->sha256, SHA256_SIZE, digest);
	printf("%6" PRIu64 "  %s  %-20s  %.12s  %s\n", p->number,
	       when(p->time, false, time, sizeof(time)),
	       text_clean(p->author, author, sizeof(author)), digest,
	       text_clean(p->comment, comment, sizeof(comment)));
}

int versions_list(const struct options *o, uint32_t last)
{
	struct version_list list;
	json_t *array = NULL;
	int rc = RESULT_OK;
	char why[1024];

	if (manager_versions(o, last, &list, why, sizeof(why))) {
		rc = options_failed(o, "%s", why);
		goto out;
	}
	if (o->json)
		array = json_array();
	for (size_t i = 0; i < list.n; i++) {
		if (o->json)
			json_array_append_new(array, version_json(&list.version[i]));
		else
			print_version(&list.version[i]);
	}
	if (o->json && !print_json(array))
		rc = RESULT_NO;
	else if (!o->json && !list.n)
		puts("there is no version yet: sockgate policy push FILE -m COMMENT");
out:
	version_list_free(&list);
	return rc;
}

int versions_show(const struct options *o, uint64_t number)
{
	struct signed_policy p;
	json_t *json;
	char why[1024];
	bool ok;

	if (manager_get(o, number, &p, why, sizeof(why)))
		return options_failed(o, "%s", why);
	if (o->json) {
		json = version_json(&p);
		json_object_set_new(json, "text", text_json(p.text));
		ok = print_json(json);
	} else {
		ok = fputs(p.text, stdout) >= 0;
	}
	signed_policy_free(&p);
	return ok ? RESULT_OK : RESULT_NO;
}

/* ---- a new version ---- */

/* Who logged in, whoever he has become since. */
static uid_t login(void)
{
	FILE *f = fopen("/proc/self/loginuid", "re");
	unsigned int uid = NOBODY;

	if (f && fscanf(f, "%u", &uid) != 1)
		uid = NOBODY;
	if (f)
		fclose(f);
	return uid == NOBODY ? getuid() : uid;
}

static void fill_author(struct signed_policy *p)
{
	struct utsname machine = { .nodename = "?" };
	uid_t uid = login();
	const struct passwd *user = getpwuid(uid);

	if (uname(&machine))
		snprintf(machine.nodename, sizeof(machine.nodename), "?");
	if (user)
		snprintf(p->author, sizeof(p->author), "%.200s@%s", user->pw_name,
			 machine.nodename);
	else
		snprintf(p->author, sizeof(p->author), "%u@%s", (unsigned int)uid,
			 machine.nodename);
}

/* Its name is FILE.pub, as `sockgate policy key' makes it. */
static int name_public(const char *key, char *public, size_t size, char *why, size_t why_size)
{
	if ((size_t)snprintf(public, size, "%s.pub", key) < size)
		return 0;
	snprintf(why, why_size, "the name of %s is too long", key);
	return -1;
}

/*
 * Whoever has the manager must not get a text or a number of his into a new version: what
 * it hands out counts only if it was signed by the key that is about to sign again.
 */
static int verify(const struct signed_policy *p, const struct version_options *v, char *why,
		  size_t why_size)
{
	char public[4096];

	if (name_public(v->key, public, sizeof(public), why, why_size))
		return -1;
	if (access(public, R_OK)) {
		snprintf(why, why_size, "%.200s: %m; `openssl pkey -pubout' makes it of the key",
			 public);
		return -1;
	}
	return signed_policy_verify(p, public, why, why_size);
}

/* One more than the newest version, of which the signature is looked at. */
static int next_number(const struct options *o, const struct version_options *v,
		       uint64_t *number, char *why, size_t why_size)
{
	struct version_list list;
	char reason[320];
	int rc = manager_versions(o, 1, &list, why, why_size);

	*number = 1;
	if (!rc && list.n) {
		*number = list.version[0].number + 1;
		rc = verify(&list.version[0], v, reason, sizeof(reason));
		if (rc)
			snprintf(why, why_size, "the newest number is not believed: %s; if "
				 "the key is new, push with --number, above all before",
				 reason);
	}
	version_list_free(&list);
	return rc;
}

static int fill_in(const struct options *o, const struct version_options *v,
		   const char *comment, struct signed_policy *p, char *why, size_t why_size)
{
	p->number = v->number;
	if (!p->number && next_number(o, v, &p->number, why, why_size))
		return -1;
	if (strlen(comment) > SIGNED_POLICY_COMMENT_MAX) {
		snprintf(why, why_size, "a comment has at most %d bytes",
			 SIGNED_POLICY_COMMENT_MAX);
		return -1;
	}
	p->time = time(NULL);
	strcpy(p->comment, comment);
	fill_author(p);
	if (signed_policy_sign(p, v->key, why, why_size))
		return -1;
	/* Else what was verified was verified by the half of another key. */
	return v->number ? 0 : verify(p, v, why, why_size);
}

/* Whether a server has said what comes of the version; one that is away says nothing. */
static bool has_answered(const Sockgate__PolicyServer *s, uint64_t number)
{
	return s->away_since || s->number >= number || s->refused == number;
}

static bool runs(const Sockgate__PolicyServer *s, uint64_t number)
{
	return s->away_since || (s->number >= number && s->state != STATE(DRIFT));
}

static bool all(const struct server_list *list, uint64_t number,
		bool (*is)(const Sockgate__PolicyServer *s, uint64_t number))
{
	for (size_t i = 0; i < list->n; i++)
		if (!is(list->server[i], number))
			return false;
	return true;
}

static time_t monotonic_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static int wait_for_servers(const struct options *o, uint64_t wait, uint64_t number,
			    struct server_list *list, char *why, size_t why_size)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	time_t end = monotonic_seconds() + (time_t)wait;
	int rc = manager_servers(o, NULL, list, why, why_size);

	while (!rc && !all(list, number, has_answered) && monotonic_seconds() < end) {
		nanosleep(&pause, NULL);
		server_list_free(list);
		rc = manager_servers(o, NULL, list, why, why_size);
	}
	return rc;
}

static const char *result_of(const Sockgate__PolicyServer *s, uint64_t number)
{
	if (s->away_since)
		return "away";
	if (s->refused == number)
		return "refused";
	if (!has_answered(s, number))
		return "no answer";
	return runs(s, number) ? "applied" : "drift";
}

static json_t *results_json(const struct server_list *list, uint64_t number)
{
	json_t *array = json_array(), *server;

	for (size_t i = 0; i < list->n; i++) {
		server = server_json(list->server[i]);
		json_object_set_new(server, "result",
				    json_string(result_of(list->server[i], number)));
		json_array_append_new(array, server);
	}
	return array;
}

static void print_result(const Sockgate__PolicyServer *s, uint64_t number)
{
	char host[300], reason[1200];

	printf("%-20s  %s", text_clean(s->host, host, sizeof(host)), result_of(s, number));
	if (!s->away_since && s->refused == number)
		printf(": %s", text_clean(s->reason, reason, sizeof(reason)));
	putchar('\n');
}

static void print_results(const struct version_options *v, const struct server_list *list,
			  uint64_t number)
{
	size_t connected = 0;

	for (size_t i = 0; i < list->n; i++) {
		if (v->wait)
			print_result(list->server[i], number);
		connected += !list->server[i]->away_since;
	}
	if (!v->wait)
		printf("it goes to %zu of %zu %s now, and to the others when they are back\n",
		       connected, list->n, list->n == 1 ? "server" : "servers");
}

static int print_made(const struct options *o, const struct version_options *v,
		      const struct signed_policy *p, const struct reading *r)
{
	struct server_list list;
	char why[1024];
	json_t *json;
	bool ok;

	if (!o->json) {
		reading_print_warnings(r);
		printf("version %" PRIu64 " is committed: %u %s\n", p->number,
		       r->policy->rules, r->policy->rules == 1 ? "rule" : "rules");
		fflush(stdout);
	}
	if (wait_for_servers(o, v->wait, p->number, &list, why, sizeof(why))) {
		server_list_free(&list);
		options_failed(o, "version %" PRIu64 " is committed, but what came of it is "
			       "not known: %s", p->number, why);
		return RESULT_PARTLY;
	}
	ok = !v->wait || all(&list, p->number, runs);
	if (o->json) {
		json = version_json(p);
		json_object_set_new(json, "ok", json_boolean(ok));
		json_object_set_new(json, "rules", json_integer(r->policy->rules));
		json_object_set_new(json, "warnings", reading_warnings(r));
		if (v->wait)
			json_object_set_new(json, "servers", results_json(&list, p->number));
		print_json(json);
	}
	if (!o->json)
		print_results(v, &list, p->number);
	server_list_free(&list);
	return ok ? RESULT_OK : RESULT_PARTLY;
}

/* Takes the text of @r. */
static int make(const struct options *o, const struct version_options *v, const char *comment,
		struct reading *r)
{
	struct signed_policy p = { .text = r->whole.text };
	int rc;

	memset(&r->err, 0, sizeof(r->err));
	if (fill_in(o, v, comment, &p, r->err.reason, sizeof(r->err.reason)) ||
	    manager_push(o, &p, r->err.reason, sizeof(r->err.reason)))
		rc = reading_refused(o, &r->err);
	else
		rc = print_made(o, v, &p, r);
	return rc;
}

/* Checked here first: the warnings are the checker's, and an error costs no question. */
int versions_push(const struct options *o, const struct version_options *v, const char *file)
{
	struct reading r;
	int rc;

	if (!reading_open(&r, file))
		rc = reading_refused(o, &r.err);
	else
		rc = make(o, v, v->comment, &r);
	reading_free(&r);
	return rc;
}

/* The version of so many versions ago; 0 with a sentence. */
static uint64_t before(const struct options *o, uint32_t back, char *why, size_t why_size)
{
	struct version_list list;
	uint64_t number = 0;

	if (!manager_versions(o, back + 1, &list, why, why_size)) {
		if (list.n > back)
			number = list.version[back].number;
		else
			snprintf(why, why_size, "there is no version of %u before the "
				 "newest", back);
	}
	version_list_free(&list);
	return number;
}

/* The version that was asked for, and signed. */
static int get_signed(const struct options *o, const struct version_options *v,
		      uint64_t number, struct signed_policy *p, char *why, size_t why_size)
{
	char reason[320] = "";

	if (manager_get(o, number, p, why, why_size))
		return -1;
	if (p->number != number)
		snprintf(reason, sizeof(reason), "the policy manager gave version %" PRIu64
			 " for it", p->number);
	else if (!verify(p, v, reason, sizeof(reason)) &&
		 !signed_policy_check_text(p, reason, sizeof(reason)))
		return 0;
	signed_policy_free(p);
	snprintf(why, why_size, "version %" PRIu64 " is not signed again: %s; push the text "
		 "from a file of your own", number, reason);
	return -1;
}

int versions_rollback(const struct options *o, const struct version_options *v,
		      uint64_t number, uint32_t back)
{
	struct reading r = { .name = "policy" };
	struct signed_policy p = { 0 };
	char why[1024], comment[64];
	int rc;

	if (!number)
		number = before(o, back, why, sizeof(why));
	if (!number || get_signed(o, v, number, &p, why, sizeof(why)))
		return options_failed(o, "%s", why);
	r.whole.text = p.text;
	r.whole.size = strlen(p.text);
	p.text = NULL;
	snprintf(comment, sizeof(comment), "rollback to version %" PRIu64, number);
	r.policy = policy_parse(r.whole.text, r.whole.size, r.name, &r.err);
	if (!r.policy || policy_warn(r.policy, &r.err))
		rc = reading_refused(o, &r.err);
	else
		rc = make(o, v, v->comment ? v->comment : comment, &r);
	reading_free(&r);
	return rc;
}

/* ---- the key ---- */

int versions_key(const struct options *o, const char *file)
{
	char public[4096], dir[4096], why[1024], *slash;

	if (name_public(file, public, sizeof(public), why, sizeof(why)))
		return options_failed(o, "%s", why);
	snprintf(dir, sizeof(dir), "%s", file);
	slash = strrchr(dir, '/');
	if (slash && slash != dir) {
		*slash = '\0';
		mkdir(dir, 0700);	/* if it fails, so does what follows */
	}
	if (ed25519_make(file, public, why, sizeof(why)))
		return options_failed(o, "%s", why);
	if (o->json)
		return print_json(json_pack("{s:o, s:o}", "key", text_json(file), "public",
					    text_json(public))) ? RESULT_OK : RESULT_NO;
	printf("%s      signs versions of the policy: whoever has it makes policy; keep\n"
	       "    it where only those can read it who may, and a copy where no network leads\n"
	       "%s  goes to the policy manager and to every security server:\n"
	       "    scp -p %s root@HOST:/etc/sockgate/server/policy.key.pub\n", file, public,
	       public);
	return RESULT_OK;
}
