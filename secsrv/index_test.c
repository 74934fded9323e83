// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random policies and events: what the index decides is what looking at one rule after
 * the other decides, and what a decision was made of settles it for every event that
 * agrees in that.  INDEX_SEED repeats a run, whose seed is printed; INDEX_POLICIES is
 * another number of policies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <cmocka.h>
#include <linux/sockgate.h>

#include "decide.h"

#define F(name) SOCKGATE__FIELD__FIELD_##name
#define N(a) (sizeof(a) / sizeof((a)[0]))

/* The sanitizers look at the same code, and take ten times as long. */
#ifdef __SANITIZE_ADDRESS__
#define POLICIES 500
#else
#define POLICIES 5000
#endif
#define EVENTS 250		/* of each, each once more with what was not looked at changed */

static uint64_t state;

static uint32_t any(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % n;
}

#define ONE_OF(list) ((list)[any(N(list))])

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

/* ---- policies ---- */

static const char *const words[] = {
	"curl", "CURL", "Curl", "cur?", "c*", "*", "*l", "ab", "abc", "abcd", "ab*", "abc*d",
	"wget", "[cw]*", "firefox", "x\\\\y", "web1", "web2", "web*", "EXAMPLE.org",
	"abcdefghijabcdefghijabcdefghijabcdefghij*",
};
static const char *const files[] = {
	"/usr/bin/curl", "curl", "cur?", "/usr/", "/usr/bin/", "/", "/usr/*/curl", "/u*/",
	"/usr/*/", "c*", "*", "/*", "bin", "/usr/bin/c*", "/opt/", "/usr/bin",
};
static const char *const users[] = {
	"\"root\"", "\"alice\"", "\"al*\"", "0", "1000", "\"1000\"", "\"*\"", "\"Root\"",
};
static const char *const levels[] = { "0", "3", "\">=3\"", "\"<2\"", "\"0-1\"", "\"2,4\"" };
static const char *const ports[] = {
	"22", "80", "443", "\"80,443\"", "\"1-1023\"", "\"1024-65535\"", "\"1-65535\"",
	"\"6881-6999\"", "65535", "\"1-65534\"", "\"79-81,440-450\"",
};
static const char *const times[] = {
	"mon-fri 08:00-17:30", "sat,sun", "22:00-06:00", "sun 23:00-01:00", "00:00-24:00",
};
static const char *const events[] = {
	"connect", "listen", "send", "SYN_SENT", "open", "bind", "accept", "receive",
	"established", "close",
};
static const char *const classes[] = {
	"binary", "script", "command", "loader", "preload", "jit", "unverifiable",
};
static const char *const protocols[] = { "tcp", "udp", "icmp", "packet", "other" };
static const char *const hashes[] = {
	"abababababababababababababababababababababababababababababababab",
	"00ababababababababababababababababababababababababababababababab",
	"abababababababab000000000000000000000000000000000000000000000000",
};

/* A prefix of one of few addresses, so that they lie in each other. */
static void print_prefix(FILE *f)
{
	static const char *const addrs[] = {
		"10.1.2.3", "10.1.2.4", "10.1.130.3", "10.128.0.1", "192.0.2.1",
		"127.0.0.1", "2001:db8::1", "2001:db8:1::ffff", "::1",
	};
	const char *text = ONE_OF(addrs);
	uint8_t a[16];
	bool v6 = strchr(text, ':');
	unsigned int max = v6 ? 128 : 32, bits = any(3) ? 8 * any(max / 8 + 1) : any(max + 1);
	char out[INET6_ADDRSTRLEN];

	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, text, a), 1);
	for (unsigned int i = bits; i < max; i++)
		a[i / 8] &= (uint8_t)~(0x80 >> (i % 8));
	fprintf(f, "\"%s/%u\"", inet_ntop(v6 ? AF_INET6 : AF_INET, a, out, sizeof(out)),
		bits);
}

static void print_value(FILE *f, enum condition c)
{
	switch (c) {
	case COND_TIME:
		fprintf(f, "\"%s\"", ONE_OF(times));
		break;
	case COND_TRUST:
	case COND_THREAT:
		fputs(ONE_OF(levels), f);
		break;
	case COND_HASH:
	case COND_SCRIPT_HASH:
		fprintf(f, "\"%s\"", ONE_OF(hashes));
		break;
	case COND_EVENT:
		fprintf(f, "\"%s\"", ONE_OF(events));
		break;
	case COND_PROTOCOL:
		fprintf(f, "\"%s\"", ONE_OF(protocols));
		break;
	case COND_USER:
		fputs(ONE_OF(users), f);
		break;
	case COND_CLASS:
		fprintf(f, "\"%s\"", ONE_OF(classes));
		break;
	case COND_FILE:
	case COND_SCRIPT:
		fprintf(f, "\"%s\"", ONE_OF(files));
		break;
	case COND_PORT:
		fputs(ONE_OF(ports), f);
		break;
	case COND_REMOTE:
		print_prefix(f);
		break;
	case COND_HOST_GROUP:
		fprintf(f, "\"g%u\"", any(3));
		break;
	default:
		fprintf(f, "\"%s\"", ONE_OF(words));
		break;
	}
}

/* Where reports are named, every mask has the event in it: most policies have none. */
static bool reports_wanted;

static void print_event(FILE *f)
{
	fprintf(f, " event = \"%s\";", events[any(reports_wanted ? N(events) : 4 + any(5))]);
}

static void print_condition(FILE *f, enum condition c)
{
	unsigned int n = any(4) ? 1 : 1 + any(4);

	if (c == COND_KNOWN) {
		fprintf(f, " known = %s;", any(2) ? "true" : "false");
		return;
	}
	if (c == COND_EVENT) {
		print_event(f);
		return;
	}
	fprintf(f, " %s = ( ", condition_name(c));
	for (unsigned int i = 0; i < n; i++) {
		fputs(i ? ", " : "", f);
		print_value(f, c);
	}
	fputs(" );", f);
}

/* @few: of how many conditions a rule has its own */
static void print_rule(FILE *f, unsigned int n, unsigned int few, const enum condition *of)
{
	uint32_t has = 0;

	fprintf(f, "%s\n{ name = \"r%u\";", n ? "," : "", n);
	for (unsigned int i = any(5) ? 1 + any(3) : any(5); i; i--)
		has |= 1U << of[any(few)];
	for (enum condition c = 0; c < COND_COUNT; c++) {
		if (has & 1U << c)
			print_condition(f, c);
	}
	fprintf(f, " action = \"%s\"; failure = \"%s\"; }",
		any(2) ? "deny" : any(2) ? "allow" : "audit", any(2) ? "deny" : "allow");
}

static struct policy *random_policy(char **text)
{
	unsigned int few = 1 + any(COND_COUNT);
	unsigned int rules = any(8) ? any(50) : any(2) ? any(8) : any(400);
	enum condition of[COND_COUNT];
	struct policy_error err;
	struct policy *p;
	size_t size;
	FILE *f = open_memstream(text, &size);

	assert_non_null(f);
	for (unsigned int i = 0; i < few; i++)
		of[i] = (enum condition)any(COND_COUNT);
	reports_wanted = !any(4);
	fputs("timezone = \"UTC\"; lifetime = 86400; host_groups = { g0 = [ \"web1\" ]; g1 = [ \"web*\", \"x\" ]; "
	      "g2 = \"db\"; };\nrules = (", f);
	for (unsigned int i = 0; i < rules; i++)
		print_rule(f, i, few, of);
	fputs("\n);\n", f);
	assert_int_equal(fclose(f), 0);
	p = policy_parse(*text, size, "random", &err);
	if (!p)
		fail_msg("line %u: %s\n%s", err.line, err.reason, *text);
	return p;
}

/* ---- events ---- */

struct asked {
	Sockgate__Event event;
	Sockgate__Process process;
	Sockgate__User user;
	Sockgate__Place place;
	Sockgate__Identity identity;
	struct subject subject;
	uint8_t addr[16];
	uint8_t hash[32], script[32];
};

static const char *const texts[] = {
	"curl", "ab", "abc", "abcd", "wget", "firefox", "x\\y", "", "Curl", "example.org",
	"abcdefghijabcdefghijabcdefghijabcdefghijk",
};

static const char *const paths[] = {
	"/usr/bin/curl", "/usr/bin/bin", "/opt/x/curl", "/usr/lib/a/curl", "/curl",
	"/usr/curl", "",
};
static const uint8_t bytes[] = { 0xab, 0, 0x77 };

/* Also what no agent should say. */
static void random_program(struct asked *a)
{
	Sockgate__Process *p = &a->process;

	p->classes = any(8) ? 1U << any(9) : 0;
	if (!any(4))
		p->classes |= 1U << any(9);
	p->classes_unknown = any(4) ? 0 : 1U << any(9);
	p->script = (char *)ONE_OF(paths);
	p->script_foreign_path = !any(8);
	p->script_evidence = any(4) ? SOCKGATE__EVIDENCE__EVIDENCE_CONTENT :
				      SOCKGATE__EVIDENCE__EVIDENCE_UNSPEC;
	memset(a->script, ONE_OF(bytes), sizeof(a->script));
	if (!any(4))
		memset(a->script + 8, 0, sizeof(a->script) - 8);
	p->script_sha256.len = p->script_evidence ? 32 : 0;
}

static void random_process(struct asked *a)
{

	sockgate__process__init(&a->process);
	a->process.path = (char *)ONE_OF(paths);
	a->process.foreign_path = !any(8);
	a->process.evidence = any(12) ? SOCKGATE__EVIDENCE__EVIDENCE_CONTENT :
					SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE;
	memset(a->hash, ONE_OF(bytes), sizeof(a->hash));
	if (!any(4))
		memset(a->hash + 8, 0, sizeof(a->hash) - 8);
	a->process.sha256.data = a->hash;
	a->process.sha256.len =
		a->process.evidence == SOCKGATE__EVIDENCE__EVIDENCE_CONTENT ? 32 : 0;
	random_program(a);
}

static void random_identity(struct asked *a)
{
	sockgate__identity__init(&a->identity);
	a->subject.identity = any(10) ? &a->identity : NULL;
	a->identity.source = (Sockgate__Identity__Source)any(4);
	if (a->identity.source == SOCKGATE__IDENTITY__SOURCE__NONE)
		return;
	a->identity.name = (char *)ONE_OF(texts);
	a->identity.vendor = (char *)ONE_OF(texts);
	a->identity.category = (char *)ONE_OF(texts);
	a->identity.version = (char *)ONE_OF(texts);
	a->identity.trust = any(6);
	a->identity.threat = any(6);
}

static void random_user(struct asked *a)
{
	static const char *const names[] = { "root", "alice", "bob", "" };
	static const char *const domains[] = { "example.org", "abc", "" };

	sockgate__user__init(&a->user);
	a->user.uid = any(2) ? 1000 * any(2) : any(3);
	a->user.name = (char *)ONE_OF(names);
	a->user.domain = (char *)ONE_OF(domains);
}

static void random_place(struct asked *a)
{
	sockgate__place__init(&a->place);
	a->place.learned = any(4) ? 7 : any(8);
	a->place.service = (char *)ONE_OF(texts);
	a->place.app = (char *)ONE_OF(texts);
	a->place.image = (char *)ONE_OF(texts);
}

static void random_address(struct asked *a)
{
	static const char *const addrs[] = {
		"10.1.2.3", "10.1.2.200", "10.1.130.3", "10.200.0.1", "192.0.2.77",
		"127.0.0.1", "8.8.8.8", "2001:db8::1", "2001:db8:1::ff", "2001:db9::",
		"::1", "::ffff:10.1.2.3", "::ffff:192.0.2.1",
	};
	const char *text = ONE_OF(addrs);

	memset(a->addr, 0, sizeof(a->addr));
	a->event.remote_address.data = a->addr;
	a->event.remote_address.len = any(8) ? strchr(text, ':') ? 16 : 4 : 0;
	if (a->event.remote_address.len)
		inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, a->addr);
}

static uint32_t random_port(void)
{
	static const uint32_t some[] = { 22, 80, 443, 1024, 6881, 65535, 0, 1, 79, 451 };

	return any(3) ? ONE_OF(some) : any(65536);
}

static void random_event(struct asked *a)
{
	static const unsigned int some[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, 300,
					     SOCKGATE_PROTOCOL_PACKET,
					     SOCKGATE_PROTOCOL_OTHER };

	sockgate__event__init(&a->event);
	a->event.kind = (Sockgate__EventKind)(1 + any(SOCKGATE_EVENT_MAX));
	a->event.protocol = ONE_OF(some);
	a->event.local_port = random_port();
	a->event.remote_port = random_port();
	random_address(a);
}

/* By the clock of the policy; the same for all events that are compared. */
static uint16_t minute;

static void point(struct asked *a)
{
	a->subject.host = "web1";
	a->subject.at.minute = minute;
	a->subject.event = &a->event;
	a->subject.process = &a->process;
	a->subject.user = &a->user;
	a->subject.place = &a->place;
	a->subject.identity = a->subject.identity ? &a->identity : NULL;
	a->event.remote_address.data = a->addr;
	a->process.sha256.data = a->hash;
	a->process.script_sha256.data = a->script;
}

static void random_question(struct asked *a)
{
	random_process(a);
	random_identity(a);
	random_user(a);
	random_place(a);
	random_event(a);
	point(a);
}

/* ---- one rule after the other ---- */

struct plain {
	uint32_t rule;			/* that of all rules: none */
	bool failed;
	enum condition missing;
	struct looked looked;
};

static void compare_remote(const struct rule *rule, const struct subject *s,
			   struct looked *looked)
{
	const struct prefix_list *list = &rule_value(rule, COND_REMOTE)->prefixes;
	size_t size;
	const uint8_t *addr = match_address(s, &size);

	for (uint32_t i = 0; i < list->count; i++) {
		struct prefix_list one = { &list->elem[i], 1 };

		if (list->elem[i].size != size)
			continue;
		if (list->elem[i].bits > looked->remote.longest)
			looked->remote.longest = list->elem[i].bits;
		if (prefix_match(&one, addr, size, NULL))
			return;
	}
}

static enum match plain_rule(const struct rule *rule, const struct subject *s,
			     struct plain *out)
{
	enum match all = MATCH_YES;

	if (subject_is_report(s) && !rule_has(rule, COND_EVENT))
		return MATCH_DIFFERS;
	for (enum condition c = 0; c < COND_COUNT; c++) {
		enum match m;

		if (!rule_has(rule, c))
			continue;
		out->looked.conditions |= 1U << c;
		if (c == COND_TIME)
			match_time(rule_value(rule, c), s, &out->looked);
		if (c == COND_REMOTE)
			compare_remote(rule, s, &out->looked);
		m = match_condition(rule, c, s);
		if (m == MATCH_DIFFERS)
			return m;
		if (m == MATCH_LACKS && all == MATCH_YES) {
			out->missing = c;
			all = m;
		}
	}
	return all;
}

static void plain(const struct policy *p, const struct subject *s, struct plain *out)
{
	memset(out, 0, sizeof(*out));
	for (; out->rule < p->rules; out->rule++) {
		enum match m;

		out->missing = COND_COUNT;
		m = plain_rule(&p->rule[out->rule], s, out);
		if (m == MATCH_DIFFERS)
			continue;
		out->failed = m == MATCH_LACKS;
		return;
	}
	out->missing = COND_COUNT;
}

static const struct rule *rule_of(const struct policy *p, const struct subject *s,
				  uint32_t n)
{
	if (n < p->rules)
		return &p->rule[n];
	return subject_is_report(s) ? &p->unsaid : &p->otherwise;
}

/* ---- an event that agrees with another in what was looked at ---- */

/* A bit of the address that was not looked at, or any. */
static void change_address(struct asked *a, const struct decision *d)
{
	unsigned int bits = (unsigned int)a->event.remote_address.len * 8, from, n;
	size_t size;

	if (!(d->fields & F(REMOTE_ADDRESS))) {
		random_address(a);
		return;
	}
	match_address(&a->subject, &size);
	from = bits - (unsigned int)size * 8 + d->remote_prefix;
	for (unsigned int i = 0; i < 3 && from < bits; i++) {
		n = any(2) ? from : from + any(bits - from);
		a->addr[n / 8] ^= (uint8_t)(0x80 >> (n % 8));
	}
	/* Of the other family it would be another one. */
	match_address(&a->subject, &size);
	if (bits && size * 8 != bits - (from - d->remote_prefix))
		a->addr[from / 8] ^= (uint8_t)(0x80 >> (from % 8));
}

static void change_program(struct asked *a, const struct asked *other)
{
	a->process.path = other->process.path;
	a->process.foreign_path = other->process.foreign_path;
	a->process.classes = other->process.classes;
	a->process.classes_unknown = other->process.classes_unknown;
	a->process.script = other->process.script;
	a->process.script_foreign_path = other->process.script_foreign_path;
	a->process.script_evidence = other->process.script_evidence;
	a->process.script_sha256 = other->process.script_sha256;
	memcpy(a->script, other->script, sizeof(a->script));
}

/* One bundle may have processes in many places, and a place those of many. */
static void change_place(struct asked *a, const struct asked *other, uint32_t fields)
{
	const uint32_t both = F(PLACE) | F(PROCESS);
	const uint32_t app = SOCKGATE__PLACE_FACT__PLACE_FACT_APP;

	if (!(fields & F(PLACE)))
		a->place = other->place;
	if ((fields & both) == both)
		return;
	a->place.app = other->place.app;
	a->place.learned = (a->place.learned & ~app) | (other->place.learned & app);
}

static void agree(const struct asked *with, const struct decision *d, struct asked *a)
{
	struct asked other;

	*a = *with;
	random_question(&other);
	if (!(d->fields & F(EVENT)))
		a->event.kind = other.event.kind;
	if (!(d->fields & F(PROTOCOL)))
		a->event.protocol = other.event.protocol;
	if (!(d->fields & F(LOCAL_PORT)))
		a->event.local_port = other.event.local_port;
	if (!(d->fields & F(REMOTE_PORT)))
		a->event.remote_port = other.event.remote_port;
	if (!(d->fields & F(USER)))
		a->user = other.user;
	change_place(a, &other, d->fields);
	if (!(d->fields & F(PROCESS)))
		change_program(a, &other);
	if (!(d->fields & F(CONTENT))) {
		a->process = other.process;
		memcpy(a->script, other.script, sizeof(a->script));
		a->identity = other.identity;
		a->subject.identity = other.subject.identity;
		memcpy(a->hash, other.hash, sizeof(a->hash));
	}
	point(a);
	change_address(a, d);
}

static uint64_t agreed;		/* events that a verdict would have served */

static void check_agreement(const struct policy *p, const struct asked *a,
			    const struct decision *d, const char *text)
{
	struct asked other;
	struct plain want;

	/* What is not remembered serves nobody else. */
	if (!d->lifetime_ms)
		return;
	agree(a, d, &other);
	if (!subject_is_judged(p, &other.subject))
		return;
	agreed++;
	plain(p, &other.subject, &want);
	if (rule_of(p, &other.subject, want.rule) == d->rule && !want.failed)
		return;
	fail_msg("%s: a verdict by %s, fields %#x, /%u, serves what is for %u", text,
		 d->rule->name, d->fields, d->remote_prefix, want.rule);
}

static void check_event(const struct policy *p, const char *text)
{
	struct decision d;
	struct asked a;
	struct plain want;
	uint32_t fields;

	random_question(&a);
	decide(p, &a.subject, &d);
	if (!subject_is_judged(p, &a.subject)) {
		assert_ptr_equal(d.rule, &p->unsaid);
		return;
	}
	plain(p, &a.subject, &want);
	if (d.rule != rule_of(p, &a.subject, want.rule) || d.failed != want.failed ||
	    d.missing != want.missing || d.until_s != want.looked.until_s)
		fail_msg("%s: %s and not %u", text, d.rule->name, want.rule);
	/* No less is looked at than has to be, and no more than in turn. */
	fields = match_fields(want.looked.conditions, &a.subject);
	if (d.fields & ~fields & ~(F(EVENT) | F(PROTOCOL)) || fields & ~d.fields ||
	    d.remote_prefix > want.looked.remote.longest)
		fail_msg("%s: rule %u: fields %#x and not %#x, /%u of /%u", text, want.rule,
			 d.fields, fields, d.remote_prefix, want.looked.remote.longest);
	check_agreement(p, &a, &d, text);
}

static void test_as_if_one_after_the_other(void **unused)
{
	uint64_t policies = number_of("INDEX_POLICIES", POLICIES);

	(void)unused;
	agreed = 0;
	for (uint64_t i = 0; i < policies; i++) {
		char *text;
		struct policy *p = random_policy(&text);

		for (unsigned int n = 0; n < EVENTS; n++) {
			minute = (uint16_t)any(WEEK_MINUTES);
			check_event(p, text);
		}
		policy_free(p);
		free(text);
	}
	print_message("%llu policies of %u events, of which %llu had another to serve\n",
		      (unsigned long long)policies, EVENTS, (unsigned long long)agreed);
	/* Else it would prove nothing. */
	assert_true(agreed > policies * EVENTS / 8);
}

static uint32_t plain_cover(const struct policy *p, uint32_t later)
{
	uint32_t i = 0;

	while (i < later && !rule_covers(&p->rule[i], &p->rule[later]))
		i++;
	return i;
}

static void test_covers_as_if_compared_with_each(void **unused)
{
	uint64_t policies = number_of("INDEX_POLICIES", POLICIES) / 5 + 1;
	uint64_t covered = 0;

	(void)unused;
	for (uint64_t i = 0; i < policies; i++) {
		char *text;
		struct policy *p = random_policy(&text);

		for (uint32_t n = 0; n < p->rules; n++) {
			uint32_t by = index_cover(p->index, n), want = plain_cover(p, n);

			covered += by < n;
			if (by != want)
				fail_msg("%s: %u is covered by %u, not %u", text, n, want,
					 by);
		}
		policy_free(p);
		free(text);
	}
	assert_true(covered > policies);
}

static int seed(void **unused)
{
	uint64_t random = 0;

	(void)unused;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -1;
	random = number_of("INDEX_SEED", random);
	print_message("INDEX_SEED=0x%llx\n", (unsigned long long)random);
	state = random | 1;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_as_if_one_after_the_other, seed),
		cmocka_unit_test_setup(test_covers_as_if_compared_with_each, seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
