// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <cmocka.h>
#include <linux/sockgate.h>

#include "decide.h"
#include "explain.h"
#include "names.h"

#define F(name) SOCKGATE__FIELD__FIELD_##name
#define KIND(name) SOCKGATE__EVENT_KIND__EVENT_##name
#define SOURCE(name) SOCKGATE__IDENTITY__SOURCE__##name

/* A question that tests change: uTorrent connects to 10.1.2.3:443 by TCP. */
struct asked {
	Sockgate__Event event;
	Sockgate__Process process;
	Sockgate__User user;
	Sockgate__Place place;
	Sockgate__Identity identity;
	struct subject subject;
	uint8_t addr[16];
	uint8_t hash[32];
};

static void set_remote(struct asked *a, const char *addr)
{
	a->event.remote_address.data = a->addr;
	if (inet_pton(AF_INET, addr, a->addr) == 1) {
		a->event.remote_address.len = 4;
		return;
	}
	assert_int_equal(inet_pton(AF_INET6, addr, a->addr), 1);
	a->event.remote_address.len = 16;
}

static void ask(struct asked *a)
{
	static char name[] = "uTorrent", version[] = "3.6", category[] = "P2P",
		    vendor[] = "Rainberry", root[] = "root",
		    domain[] = "EXAMPLE.ORG", path[] = "/usr/bin/utorrent",
		    file[] = "utorrent";

	memset(a, 0, sizeof(*a));
	sockgate__event__init(&a->event);
	sockgate__process__init(&a->process);
	sockgate__user__init(&a->user);
	sockgate__place__init(&a->place);
	sockgate__identity__init(&a->identity);
	a->event.kind = KIND(CONNECT);
	a->event.protocol = IPPROTO_TCP;
	a->event.remote_port = 443;
	set_remote(a, "10.1.2.3");
	memset(a->hash, 0xab, sizeof(a->hash));
	a->process.path = path;
	a->process.name = file;
	a->process.evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
	a->process.sha256.data = a->hash;
	a->process.sha256.len = sizeof(a->hash);
	a->user.name = root;
	a->user.domain = domain;
	a->identity.name = name;
	a->identity.version = version;
	a->identity.category = category;
	a->identity.vendor = vendor;
	a->identity.trust = 3;
	a->identity.threat = 2;
	a->identity.source = SOURCE(HASH);
	a->subject = (struct subject){ "web1", &a->event, &a->process, &a->user,
				       &a->place, &a->identity, { 0 } };
}

static struct policy *policy(const char *text)
{
	struct policy_error err;
	struct policy *p = policy_parse(text, strlen(text), "test", &err);

	if (!p)
		fail_msg("line %u: %s", err.line, err.reason);
	return p;
}

/* Each test has one policy at a time; it lives until the next one. */
static struct policy *current;

static int drop_policy(void **state)
{
	(void)state;
	policy_free(current);
	current = NULL;
	return 0;
}

static struct decision judge(const char *rules, const struct asked *a)
{
	struct decision d;
	char text[4096];

	snprintf(text, sizeof(text), "default = { action = \"allow\"; };\n"
		 "host_groups = { web = [ \"web1\", \"web2\" ]; };\n"
		 "rules = ( %s );\n", rules);
	drop_policy(NULL);
	current = policy(text);
	decide(current, &a->subject, &d);
	return d;
}

/* ---- the four policies of the patent ---- */

struct patent {
	const char *conditions;
	bool first_only;	/* what goes out first, not listening */
	bool one_protocol;
	int named;		/* 0 application, 1 category, 2 vendor */
};

static const struct patent patents[] = {
	{ "application = \"uTorrent\"; event = \"SYN_SENT\";", true, true, 0 },
	{ "application = \"uTorrent\";", false, true, 0 },
	{ "category = \"P2P\";", false, false, 1 },
	{ "vendor = \"Rainberry\";", false, false, 2 },
};

static void check_patent(const struct patent *p, bool allow, bool udp)
{
	static char other[] = "other";
	enum verdict hit = allow ? VERDICT_ALLOW : VERDICT_DENY;
	enum verdict miss = allow ? VERDICT_DENY : VERDICT_ALLOW;
	struct decision d;
	struct asked a;
	char text[512];

	snprintf(text, sizeof(text),
		 "default = { action = \"%s\"; };\n"
		 "rules = ( { name = \"p\"; %s %s%s%s action = \"%s\"; } );",
		 allow ? "deny" : "allow", p->conditions,
		 p->one_protocol ? "protocol = \"" : "",
		 p->one_protocol ? udp ? "udp" : "tcp" : "",
		 p->one_protocol ? "\";" : "", allow ? "allow" : "deny");
	drop_policy(NULL);
	current = policy(text);

	ask(&a);
	a.event.protocol = udp ? IPPROTO_UDP : IPPROTO_TCP;
	decide(current, &a.subject, &d);
	assert_int_equal(d.verdict, hit);
	assert_string_equal(d.rule->name, "p");

	/* A datagram needs no connect to go out. */
	a.event.kind = KIND(SEND);
	decide(current, &a.subject, &d);
	assert_int_equal(d.verdict, hit);

	/* Another event, another protocol, another application. */
	a.event.kind = KIND(LISTEN);
	decide(current, &a.subject, &d);
	assert_int_equal(d.verdict, p->first_only ? miss : hit);
	a.event.kind = KIND(CONNECT);
	a.event.protocol = udp ? IPPROTO_TCP : IPPROTO_UDP;
	decide(current, &a.subject, &d);
	assert_int_equal(d.verdict, p->one_protocol ? miss : hit);
	a.event.protocol = udp ? IPPROTO_UDP : IPPROTO_TCP;
	if (p->named == 0)
		a.identity.name = other;
	else if (p->named == 1)
		a.identity.category = other;
	else
		a.identity.vendor = other;
	decide(current, &a.subject, &d);
	assert_int_equal(d.verdict, miss);
	assert_string_equal(d.rule->name, "default");
}

static void test_patent_policies(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(patents) / sizeof(patents[0]); i++) {
		for (int allow = 0; allow < 2; allow++) {
			check_patent(&patents[i], allow, false);
			check_patent(&patents[i], allow, true);
		}
	}
}

static void test_first_match_wins(void **state)
{
	struct decision d;
	struct asked a;

	(void)state;
	ask(&a);
	d = judge("{ name = \"one\"; application = \"other\"; action = \"deny\"; },"
		  "{ name = \"two\"; port = 443; action = \"audit\"; tag = 7; },"
		  "{ name = \"three\"; application = \"uTorrent\";"
		  "  action = \"deny\"; }", &a);
	assert_string_equal(d.rule->name, "two");
	assert_int_equal(d.verdict, VERDICT_AUDIT);
	assert_int_equal(d.rule->tag, 7);
	assert_int_equal(d.rule->line, 3);
	assert_false(d.failed);
	assert_int_equal(d.lifetime_ms, 60000);
}

static void test_default_denies_if_not_said(void **state)
{
	struct decision d;
	struct asked a;

	(void)state;
	ask(&a);
	drop_policy(NULL);
	current = policy("rules = ();");
	decide(current, &a.subject, &d);
	assert_int_equal(d.verdict, VERDICT_DENY);
	assert_int_equal(d.rule->error, EACCES);
	assert_int_equal(d.fields, 0);
}

/* ---- each kind of condition: does it match, and what was looked at ---- */

struct kind {
	const char *yes, *no;
	uint32_t fields;
	unsigned int prefix;	/* that settles it */
};

static const struct kind kinds[] = {
	{ "application = \"UTORRENT\";", "application = \"torrent\";",
	  F(CONTENT), 0 },
	{ "application = [ \"x\", \"uTor*\" ];", "application = [ \"x\", \"y*\" ];",
	  F(CONTENT), 0 },
	{ "vendor = \"rainberry\";", "vendor = \"rain\";", F(CONTENT), 0 },
	{ "category = \"p2p\";", "category = \"web\";", F(CONTENT), 0 },
	{ "version = \"3.*\";", "version = \"4.*\";", F(CONTENT), 0 },
	{ "known = true;", "known = false;", F(CONTENT), 0 },
	{ "hash = \"ABababababababababababababababab"
	  "abababababababababababababababab\";",
	  "hash = \"00ababababababababababababababab"
	  "abababababababababababababababab\";", F(CONTENT), 0 },
	{ "trust = \">=3\";", "trust = \"<3\";", F(CONTENT), 0 },
	{ "threat = \"1-2\";", "threat = ( 0, 1, \"3-5\" );", F(CONTENT), 0 },
	{ "file = \"utorrent\";", "file = \"torrent\";",
	  F(CONTENT) | F(PROCESS), 0 },
	{ "file = \"/usr/*/utorrent\";", "file = \"/*/utorrent\";",
	  F(CONTENT) | F(PROCESS), 0 },
	{ "file = \"/usr/\";", "file = \"/opt/\";", F(CONTENT) | F(PROCESS), 0 },
	{ "file = \"/u*/\";", "file = \"/usr/bin/*/\";",
	  F(CONTENT) | F(PROCESS), 0 },
	{ "user = \"root\";", "user = \"Root\";", F(USER), 0 },
	{ "user = ( \"nobody\", 0 );", "user = 1;", F(USER), 0 },
	{ "domain = \"example.org\";", "domain = \"example.com\";", F(USER), 0 },
	{ "host = \"WEB1\";", "host = \"web\";", 0, 0 },
	{ "host_group = \"web\";", "host = \"db*\";", 0, 0 },
	{ "protocol = \"TCP\";", "protocol = [ \"udp\", \"icmp\" ];",
	  F(PROTOCOL), 0 },
	{ "protocol = 6;", "protocol = 17;", F(PROTOCOL), 0 },
	{ "event = \"SYN_SENT\";", "event = [ \"listen\", \"send\" ];",
	  F(EVENT), 0 },
	{ "port = \"80,440-450\";", "port = [ 80, 442 ];", F(EVENT) | F(REMOTE_PORT), 0 },
	{ "remote = \"10.0.0.0/8\";", "remote = \"11.0.0.0/8\";",
	  F(REMOTE_ADDRESS) | F(EVENT), 8 },
	{ "remote = [ \"192.0.2.0/24\", \"10.1.0.0/16\", \"10.1.2.3\" ];",
	  "remote = [ \"10.0.0.0/16\", \"10.9.0.0/24\" ];",
	  F(REMOTE_ADDRESS) | F(EVENT), 16 },
	{ "remote = [ \"192.0.2.0/24\", \"10.1.2.0/24\", \"10.1.2.3\" ];",
	  "remote = [ \"10.0.0.0/16\", \"10.1.4.0/24\" ];",
	  F(REMOTE_ADDRESS) | F(EVENT), 24 },
	{ "remote = [ \"::/0\", \"10.1.2.3\" ];",
	  "remote = [ \"10.1.2.4/32\", \"::/0\" ];",
	  F(REMOTE_ADDRESS) | F(EVENT), 32 },
};

static void test_conditions(void **state)
{
	struct decision d;
	struct asked a;
	char text[512];

	(void)state;
	ask(&a);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		for (int yes = 0; yes < 2; yes++) {
			snprintf(text, sizeof(text),
				 "{ name = \"r\"; %s action = \"deny\"; }",
				 yes ? kinds[i].yes : kinds[i].no);
			print_message("%s\n", text);
			d = judge(text, &a);
			assert_int_equal(d.verdict,
					 yes ? VERDICT_DENY : VERDICT_ALLOW);
			assert_int_equal(d.fields, kinds[i].fields);
			assert_int_equal(d.remote_prefix,
					 kinds[i].prefix);
		}
	}
}

static void test_looks_no_further_than_needed(void **state)
{
	struct decision d;
	struct asked a;

	(void)state;
	ask(&a);
	/* The application differs, so nothing else matters. */
	d = judge("{ name = \"r\"; application = \"x\"; protocol = \"tcp\";"
		  "  remote = \"10.0.0.0/8\"; port = 1; user = \"root\";"
		  "  action = \"deny\"; }", &a);
	assert_int_equal(d.fields, F(CONTENT));
	/* The rule that matched, and the one before it. */
	d = judge("{ name = \"a\"; remote = \"11.0.0.0/20\"; action = \"deny\"; },"
		  "{ name = \"b\"; application = \"uTorrent\"; action = \"deny\"; },"
		  "{ name = \"c\"; user = \"root\"; action = \"deny\"; }", &a);
	assert_string_equal(d.rule->name, "b");
	assert_int_equal(d.fields,
			 F(CONTENT) | F(REMOTE_ADDRESS) | F(EVENT));
	assert_int_equal(d.remote_prefix, 20);
}

static void test_address_families(void **state)
{
	struct decision d;
	struct asked a;

	(void)state;
	ask(&a);
	set_remote(&a, "2001:db8::1");
	d = judge("{ name = \"r\"; remote = [ \"10.0.0.0/8\", \"2001:db8::/32\" ];"
		  "  action = \"deny\"; }", &a);
	assert_int_equal(d.verdict, VERDICT_DENY);
	assert_int_equal(d.remote_prefix, 32);
	d = judge("{ name = \"r\"; remote = \"0.0.0.0/0\"; action = \"deny\"; }", &a);
	assert_int_equal(d.verdict, VERDICT_ALLOW);
	assert_int_equal(d.remote_prefix, 0);
	d = judge("{ name = \"r\"; remote = \"loopback\"; action = \"deny\"; }", &a);
	assert_int_equal(d.verdict, VERDICT_ALLOW);
	set_remote(&a, "::1");
	d = judge("{ name = \"r\"; remote = \"loopback\"; action = \"deny\"; }", &a);
	assert_int_equal(d.verdict, VERDICT_DENY);
	set_remote(&a, "127.9.9.9");
	d = judge("{ name = \"r\"; remote = \"loopback\"; action = \"deny\"; }", &a);
	assert_int_equal(d.verdict, VERDICT_DENY);
	/* A mapped address is the IPv4 address that it carries. */
	set_remote(&a, "::ffff:10.1.2.3");
	d = judge("{ name = \"r\"; remote = \"10.0.0.0/8\"; action = \"deny\"; }",
		  &a);
	assert_int_equal(d.verdict, VERDICT_DENY);
	/* listen has none, and that is no reason to fail. */
	a.event.remote_address.len = 0;
	a.event.kind = KIND(LISTEN);
	d = judge("{ name = \"r\"; remote = [ \"0.0.0.0/0\", \"::/0\" ];"
		  "  action = \"deny\"; }", &a);
	assert_int_equal(d.verdict, VERDICT_ALLOW);
	assert_false(d.failed);
	assert_true(d.fields & F(EVENT));
}

static unsigned int bits_for(const char *addr)
{
	struct decision d;
	struct asked a;

	ask(&a);
	set_remote(&a, addr);
	decide(current, &a.subject, &d);
	assert_true(d.fields & F(REMOTE_ADDRESS));
	return d.remote_prefix;
}

/* Of an address no more counts than it takes, on lengths that are used. */
static void test_no_more_of_an_address_than_settles_it(void **state)
{
	(void)state;
	drop_policy(NULL);
	current = policy("rules = ("
			 "{ name = \"a\"; remote = \"10.1.2.3\"; action = \"deny\"; },"
			 "{ name = \"b\"; remote = \"10.1.2.4\"; action = \"deny\"; },"
			 "{ name = \"c\"; remote = \"10.1.0.0/16\"; action = \"deny\"; },"
			 "{ name = \"d\"; remote = \"11.0.0.0/8\"; action = \"deny\"; },"
			 "{ name = \"e\"; remote = \"11.1.1.0/28\"; action = \"deny\"; },"
			 "{ name = \"f\"; remote = \"2001:db8::/32\"; action = \"deny\"; },"
			 "{ name = \"g\"; remote = \"2001:db9::1\"; action = \"deny\"; });");
	assert_int_equal(bits_for("192.0.2.1"), 8);
	assert_int_equal(bits_for("10.2.0.1"), 16);
	assert_int_equal(bits_for("10.1.9.9"), 32);
	assert_int_equal(bits_for("10.1.2.3"), 32);
	assert_int_equal(bits_for("11.9.9.9"), 8);
	assert_int_equal(bits_for("2001:db9::2"), 128);
	assert_int_equal(bits_for("2002::1"), 32);
}

/* ---- groups and times ---- */

static void test_groups_stand_for_what_they_hold(void **state)
{
	static const struct {
		const char *condition;
		bool matches;
	} cases[] = {
		{ "application = \"@p2p\";", true },
		{ "application = [ \"x\", \"@p2p\" ];", true },
		{ "application = \"@web\";", false },
		{ "application = \"@all\";", true },
		{ "port = \"@ports\";", true },
		{ "port = ( 1, \"@ports\" );", true },
		{ "remote = \"@nets\";", true },
		{ "user = \"@people\";", true },
		{ "host = \"@hosts\";", true },
		{ "host_group = \"g\";", true },
		{ "application = \"[@]p2p\";", false },
	};
	struct asked a;

	(void)state;
	ask(&a);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[1024];
		struct decision d;

		snprintf(text, sizeof(text), "default = \"allow\"; groups = {"
			 "p2p = [ \"Transmission\", \"uTorrent\" ]; web = \"firefox\";"
			 "all = [ \"@web\", \"@p2p\" ]; ports = ( 80, \"443-444\" );"
			 "nets = [ \"192.0.2.0/24\", \"10.0.0.0/8\" ];"
			 "people = ( \"alice\", 0 ); hosts = \"web*\"; };"
			 "host_groups = { g = [ \"db\", \"@hosts\" ]; };"
			 "rules = ( { name = \"r\"; %s action = \"deny\"; } );",
			 cases[i].condition);
		drop_policy(NULL);
		current = policy(text);
		decide(current, &a.subject, &d);
		print_message("%s\n", cases[i].condition);
		assert_int_equal(d.verdict,
				 cases[i].matches ? VERDICT_DENY : VERDICT_ALLOW);
	}
}

/* Monday, 2026-01-05, so many seconds after midnight in Berlin, an hour before UTC. */
#define MONDAY (INT64_C(1767567600))

static struct decision judge_at(struct asked *a, int64_t second)
{
	struct decision d;

	subject_at(&a->subject, current, (MONDAY + second) * 1000000);
	decide(current, &a->subject, &d);
	return d;
}

static void test_times_end_what_is_remembered(void **state)
{
	struct decision d;
	struct asked a;

	(void)state;
	ask(&a);
	drop_policy(NULL);
	current = policy("default = \"allow\"; lifetime = 3600; timezone = \"Europe/Berlin\";"
			 "rules = ( { name = \"r\"; application = \"uTorrent\";"
			 "time = \"mon-fri 08:00-17:30\"; action = \"deny\"; } );");
	d = judge_at(&a, 8 * 3600 - 1);
	assert_int_equal(d.verdict, VERDICT_ALLOW);
	assert_int_equal(d.lifetime_ms, 1000);
	/* It does not look at the application: for now, nobody is concerned. */
	assert_int_equal(d.fields, 0);
	d = judge_at(&a, 8 * 3600);
	assert_int_equal(d.verdict, VERDICT_DENY);
	assert_int_equal(d.lifetime_ms, 3600000);
	d = judge_at(&a, 17 * 3600 + 1800 - 61);
	assert_int_equal(d.verdict, VERDICT_DENY);
	assert_int_equal(d.lifetime_ms, 61000);
	d = judge_at(&a, 17 * 3600 + 1800);
	assert_int_equal(d.verdict, VERDICT_ALLOW);
	assert_int_equal(d.lifetime_ms, 3600000);
	/* Nor is a second begun a second left. */
	subject_at(&a.subject, current, (MONDAY + 8 * 3600 - 1) * 1000000 + 700999);
	decide(current, &a.subject, &d);
	assert_int_equal(d.verdict, VERDICT_ALLOW);
	assert_int_equal(d.lifetime_ms, 300);
	/* Saturday. */
	d = judge_at(&a, 5 * 86400 + 9 * 3600);
	assert_int_equal(d.verdict, VERDICT_ALLOW);
}

/* A time behind the rule that decided is of no concern. */
static void test_only_times_that_were_compared_count(void **state)
{
	struct decision d;
	struct asked a;

	(void)state;
	ask(&a);
	drop_policy(NULL);
	current = policy("lifetime = 86400; timezone = \"UTC\"; rules = ("
			 "{ name = \"a\"; user = 0; action = \"allow\"; },"
			 "{ name = \"b\"; time = \"00:00-00:01\"; action = \"deny\"; });");
	d = judge_at(&a, 0);
	assert_string_equal(d.rule->name, "a");
	assert_int_equal(d.lifetime_ms, 86400000);
	a.user.uid = 5;
	d = judge_at(&a, 0);
	assert_string_equal(d.rule->name, "default");
	assert_int_equal(d.lifetime_ms, 3600000);
}

/* ---- what is missing ---- */

static void check_failed(const char *condition, enum condition missing,
			 const struct asked *a)
{
	struct decision d;
	char text[512];

	for (int allow = 0; allow < 2; allow++) {
		snprintf(text, sizeof(text), "{ name = \"r\"; %s action = "
			 "\"allow\"; %s }", condition,
			 allow ? "failure = \"allow\";" : "");
		d = judge(text, a);
		assert_string_equal(d.rule->name, "r");
		assert_true(d.failed);
		assert_int_equal(d.missing, missing);
		assert_int_equal(d.verdict, allow ? VERDICT_ALLOW : VERDICT_DENY);
		assert_int_equal(d.lifetime_ms, 0);
	}
}

static void check_content_missing(struct asked *a)
{
	check_failed("application = \"x\";", COND_APPLICATION, a);
	check_failed("vendor = \"x\";", COND_VENDOR, a);
	check_failed("category = \"x\";", COND_CATEGORY, a);
	check_failed("version = \"x\";", COND_VERSION, a);
	check_failed("trust = 0;", COND_TRUST, a);
	check_failed("threat = 5;", COND_THREAT, a);
	check_failed("known = false;", COND_KNOWN, a);
}

static void test_missing_fields(void **state)
{
	static char empty[] = "";
	struct decision d;
	struct asked a;

	(void)state;
	ask(&a);
	a.user.name = empty;
	check_failed("user = \"alice\";", COND_USER, &a);
	ask(&a);
	a.user.domain = empty;
	check_failed("domain = \"x\";", COND_DOMAIN, &a);
	ask(&a);
	a.process.path = empty;
	check_failed("file = \"x\";", COND_FILE, &a);
	ask(&a);
	a.process.foreign_path = true;
	check_failed("file = \"/usr/bin/utorrent\";", COND_FILE, &a);
	check_failed("file = \"utorrent\";", COND_FILE, &a);
	ask(&a);
	a.subject.identity = NULL;
	check_content_missing(&a);
	d = judge("{ name = \"r\"; hash = \"abababababababababababababababab"
		  "abababababababababababababababab\"; action = \"deny\"; }", &a);
	assert_false(d.failed);
	ask(&a);
	a.process.evidence = SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE;
	a.process.sha256.len = 0;
	check_content_missing(&a);
	check_failed("hash = \"abababababababababababababababab"
		     "abababababababababababababababab\";", COND_HASH, &a);
	/* A uid is always known. */
	ask(&a);
	a.user.name = empty;
	d = judge("{ name = \"r\"; user = 5; action = \"deny\"; }", &a);
	assert_false(d.failed);
	assert_int_equal(d.verdict, VERDICT_ALLOW);
}

static void test_missing_does_not_matter_where_the_rest_differs(void **state)
{
	static char empty[] = "";
	struct decision d;
	struct asked a;

	(void)state;
	ask(&a);
	a.user.name = empty;
	d = judge("{ name = \"r\"; user = \"alice\"; protocol = \"udp\";"
		  "  action = \"deny\"; }", &a);
	assert_false(d.failed);
	assert_string_equal(d.rule->name, "default");
	d = judge("{ name = \"r\"; user = \"alice\"; remote = \"11.0.0.0/8\";"
		  "  action = \"deny\"; }", &a);
	assert_false(d.failed);
	d = judge("{ name = \"r\"; user = \"alice\"; application = \"x\";"
		  "  action = \"deny\"; }", &a);
	assert_false(d.failed);
	/* All else holds: then it does, and no later rule is asked. */
	d = judge("{ name = \"r\"; user = \"alice\"; protocol = \"tcp\";"
		  "  remote = \"10.0.0.0/8\"; action = \"allow\"; },"
		  "{ name = \"s\"; action = \"allow\"; }", &a);
	assert_true(d.failed);
	assert_string_equal(d.rule->name, "r");
}

static void test_unknown_application_is_a_value(void **state)
{
	static char empty[] = "";
	struct decision d;
	struct asked a;

	(void)state;
	ask(&a);
	a.identity.name = a.identity.vendor = a.identity.category = empty;
	a.identity.trust = a.identity.threat = 0;
	a.identity.source = SOURCE(NONE);
	d = judge("{ name = \"a\"; application = \"*\"; action = \"deny\"; },"
		  "{ name = \"b\"; vendor = \"*\"; action = \"deny\"; },"
		  "{ name = \"c\"; category = \"*\"; action = \"deny\"; },"
		  "{ name = \"d\"; trust = \">0\"; action = \"deny\"; },"
		  "{ name = \"e\"; known = false; action = \"audit\"; }", &a);
	assert_false(d.failed);
	assert_string_equal(d.rule->name, "e");
	/* Under another name it might be known: good for this process only. */
	assert_int_equal(d.fields, F(CONTENT) | F(PROCESS));
}

static void test_identity_by_name_is_good_for_the_process_only(void **state)
{
	struct decision d;
	struct asked a;

	(void)state;
	ask(&a);
	a.identity.source = SOURCE(FILE_NAME);
	d = judge("{ name = \"r\"; category = \"P2P\"; action = \"deny\"; }", &a);
	assert_int_equal(d.fields, F(CONTENT) | F(PROCESS));
	d = judge("{ name = \"r\"; port = 1; action = \"deny\"; }", &a);
	assert_int_equal(d.fields, F(EVENT) | F(REMOTE_PORT));
}

/* ---- what runs, and in what ---- */

#define CLASS(name) ((uint32_t)SOCKGATE__CLASS__CLASS_##name)

static void runs_script(struct asked *a, const char *path)
{
	a->process.classes = CLASS(SCRIPT);
	a->process.script = (char *)path;
	a->process.script_evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
	a->process.script_sha256.data = a->hash;
	a->process.script_sha256.len = sizeof(a->hash);
}

#define ABAB "abababababababababababababababababababababababababababababababab"

static void test_a_script_is_the_process_s(void **state)
{
	static const char *const rules[] = {
		"{ name = \"r\"; script = \"/opt/tool.py\"; action = \"deny\"; }",
		"{ name = \"r\"; script = \"tool.py\"; action = \"deny\"; }",
		"{ name = \"r\"; script_hash = \"" ABAB "\"; action = \"deny\"; }",
		"{ name = \"r\"; class = [ \"command\", \"script\" ]; action = \"deny\"; }",
	};
	struct decision d;
	struct asked a;

	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		ask(&a);
		runs_script(&a, "/opt/tool.py");
		d = judge(rules[i], &a);
		assert_string_equal(d.rule->name, "r");
		assert_false(d.failed);
		/* Never the interpreter's. */
		assert_int_equal(d.fields, F(CONTENT) | F(PROCESS));
		ask(&a);
		a.process.classes = CLASS(BINARY);
		d = judge(rules[i], &a);
		assert_string_equal(d.rule->name, "default");
		assert_false(d.failed);
		assert_int_equal(d.fields, F(CONTENT) | F(PROCESS));
	}
	ask(&a);
	runs_script(&a, "/opt/other.py");
	memset(a.hash, 0, sizeof(a.hash));
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(judge(rules[i], &a).rule->name, "default");
}

/* What was not learned fails the rule; what is known not to be there does not. */
static void test_what_is_missing_of_a_script(void **state)
{
	static const char by_path[] =
		"{ name = \"r\"; script = \"/x\"; action = \"allow\"; failure = \"deny\"; }";
	static const char by_hash[] = "{ name = \"r\"; script_hash = \"" ABAB "\"; "
		"action = \"allow\"; failure = \"deny\"; }";
	static const char by_class[] = "{ name = \"r\"; class = \"preload\"; "
		"action = \"allow\"; failure = \"deny\"; }";
	struct asked a;

	(void)state;
	ask(&a);
	/* An agent that knows nothing of it, or was kept from learning it. */
	assert_true(judge(by_path, &a).failed);
	assert_true(judge(by_hash, &a).failed);
	assert_true(judge(by_class, &a).failed);
	assert_int_equal(judge(by_class, &a).missing, COND_CLASS);
	a.process.classes = CLASS(SCRIPT) | CLASS(UNVERIFIABLE);
	assert_true(judge(by_path, &a).failed);
	assert_true(judge(by_hash, &a).failed);
	assert_false(judge(by_class, &a).failed);
	a.process.classes = CLASS(UNVERIFIABLE);
	assert_true(judge(by_path, &a).failed);
	/* Its hash has not come in time. */
	runs_script(&a, "/x");
	a.process.script_evidence = SOCKGATE__EVIDENCE__EVIDENCE_UNSPEC;
	a.process.script_sha256.len = 0;
	assert_true(judge(by_path, &a).failed);
	assert_true(judge(by_hash, &a).failed);
	/* A path that leads elsewhere here says nothing, the content does. */
	runs_script(&a, "/x");
	a.process.script_foreign_path = true;
	assert_true(judge(by_path, &a).failed);
	assert_false(judge(by_hash, &a).failed);
	a.process.classes_unknown = CLASS(PRELOAD);
	assert_true(judge(by_class, &a).failed);
	a.process.classes |= CLASS(PRELOAD);
	assert_false(judge(by_class, &a).failed);
}

/* An option that the agent does not know must not lead past a deny. */
static void test_what_cannot_be_found_out_may_be_any_class(void **state)
{
	static const char *const rules[] = {
		"{ name = \"r\"; class = \"script\"; action = \"deny\"; }",
		"{ name = \"r\"; class = \"command\"; action = \"deny\"; }",
		"{ name = \"r\"; class = [ \"jit\", \"stdin\" ]; action = \"deny\"; }",
		"{ name = \"r\"; class = \"module\"; action = \"deny\"; }",
	};
	static const char by_binary[] = "{ name = \"r\"; class = \"binary\"; action = \"deny\"; }";
	struct asked a;

	(void)state;
	ask(&a);
	a.process.classes = CLASS(UNVERIFIABLE);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		assert_true(judge(rules[i], &a).failed);
	assert_false(judge(by_binary, &a).failed);
	a.process.classes = CLASS(UNVERIFIABLE) | CLASS(COMMAND);
	assert_string_equal(judge(rules[1], &a).rule->name, "r");
	assert_false(judge(rules[1], &a).failed);
	a.process.classes = CLASS(BINARY);
	assert_false(judge(rules[1], &a).failed);
}

static void test_unit_image_and_bundle(void **state)
{
	static const struct {
		const char *rule;
		uint32_t fact;
		uint32_t fields;
	} cases[] = {
		{ "{ name = \"r\"; unit = \"web.*\"; action = \"deny\"; }",
		  SOCKGATE__PLACE_FACT__PLACE_FACT_SERVICE, F(PLACE) },
		{ "{ name = \"r\"; image = \"web.*\"; action = \"deny\"; }",
		  SOCKGATE__PLACE_FACT__PLACE_FACT_IMAGE, F(PLACE) },
		{ "{ name = \"r\"; app = \"web.*\"; action = \"deny\"; }",
		  SOCKGATE__PLACE_FACT__PLACE_FACT_APP,
		  F(PLACE) | F(PROCESS) | F(CONTENT) },
	};
	static char web[] = "web.x", other[] = "Web.x", none[] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct decision d;
		struct asked a;

		ask(&a);
		a.place.service = a.place.image = a.place.app = web;
		d = judge(cases[i].rule, &a);
		assert_true(d.failed);
		a.place.learned = cases[i].fact;
		d = judge(cases[i].rule, &a);
		assert_string_equal(d.rule->name, "r");
		assert_false(d.failed);
		assert_int_equal(d.fields, cases[i].fields);
		a.place.service = a.place.image = a.place.app = other;
		assert_string_equal(judge(cases[i].rule, &a).rule->name, "default");
		a.place.service = a.place.image = a.place.app = none;
		d = judge(cases[i].rule, &a);
		assert_string_equal(d.rule->name, "default");
		assert_false(d.failed);
	}
}

static void test_port_of_a_listener_is_its_own(void **state)
{
	const char *rule =
		"{ name = \"r\"; event = \"listen\"; port = 22; action = \"deny\"; }";
	struct decision d;
	struct asked a;

	(void)state;
	ask(&a);
	a.event.kind = KIND(LISTEN);
	a.event.remote_port = 0;
	a.event.local_port = 22;
	d = judge(rule, &a);
	assert_int_equal(d.verdict, VERDICT_DENY);
	assert_int_equal(d.fields, F(EVENT) | F(LOCAL_PORT));
	a.event.local_port = 2222;
	assert_int_equal(judge(rule, &a).verdict, VERDICT_ALLOW);
}

/* ---- optional events, and what is remembered for which of them ---- */

#define BIT(name) (1U << SOCKGATE_EVENT_##name)

static void an_event(struct asked *a, unsigned int kind, unsigned int protocol)
{
	ask(a);
	a->event.kind = (Sockgate__EventKind)kind;
	a->event.protocol = protocol;
	a->event.local_port = 22;
	if (kind == SOCKGATE_EVENT_OPEN || kind == SOCKGATE_EVENT_BIND ||
	    kind == SOCKGATE_EVENT_LISTEN)
		a->event.remote_address.len = 0;
	if (kind == SOCKGATE_EVENT_ACCEPT || kind == SOCKGATE_EVENT_RECEIVE ||
	    !a->event.remote_address.len)
		a->event.remote_port = 0;
}

static struct decision judge_event(const char *rules, unsigned int kind,
				   unsigned int protocol)
{
	struct asked a;

	an_event(&a, kind, protocol);
	return judge(rules, &a);
}

static void test_policy_names_events(void **state)
{
	(void)state;
	judge_event("{ name = \"r\"; action = \"deny\"; }", KIND(CONNECT), 6);
	assert_int_equal(current->events, 0);
	judge_event("{ name = \"r\"; event = [ \"connect\", \"ACCEPT\" ];"
		    "  action = \"deny\"; },"
		    "{ name = \"s\"; event = [ \"CLOSE\", \"SYN_SENT\" ];"
		    "  host = \"other\"; action = \"deny\"; }", KIND(CONNECT), 6);
	assert_int_equal(current->events, BIT(ACCEPT) | BIT(CLOSE));
}

static void test_unnamed_event_is_not_judged(void **state)
{
	static const unsigned int optional[] = {
		KIND(OPEN), KIND(BIND), KIND(ACCEPT), KIND(RECEIVE),
		KIND(ESTABLISHED), KIND(CLOSE),
	};
	const char *all = "{ name = \"all\"; action = \"deny\"; }";

	(void)state;
	for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++) {
		struct decision d = judge_event(all, optional[i], IPPROTO_TCP);

		assert_int_equal(d.verdict, VERDICT_ALLOW);
		assert_int_equal(d.lifetime_ms, 0);
		assert_ptr_equal(d.rule, &current->unsaid);
		assert_int_equal(d.rule->error, 0);
	}
	assert_int_equal(judge_event(all, KIND(CONNECT), 6).verdict, VERDICT_DENY);
	assert_int_equal(judge_event(all, KIND(LISTEN), 6).verdict, VERDICT_DENY);
	assert_int_equal(judge_event(all, KIND(SEND), 17).verdict, VERDICT_DENY);
}

static void test_named_event_is_judged_for_everybody(void **state)
{
	const char *rules =
		"{ name = \"peers\"; application = \"sshd\"; event = \"accept\";"
		"  remote = \"10.0.0.0/8\"; action = \"allow\"; },"
		"{ name = \"p2p\"; category = \"P2P\"; action = \"deny\"; }";
	struct decision d = judge_event(rules, KIND(ACCEPT), IPPROTO_TCP);

	(void)state;
	/* Another program, and a rule that has no event. */
	assert_int_equal(d.verdict, VERDICT_DENY);
	assert_string_equal(d.rule->name, "p2p");
	/* The default, too. */
	d = judge_event("{ name = \"r\"; event = \"bind\"; user = 5;"
			"  action = \"allow\"; }", KIND(BIND), IPPROTO_TCP);
	assert_string_equal(d.rule->name, "default");
	assert_int_equal(d.lifetime_ms, 60000);
	/* What is not named stays out of it. */
	d = judge_event(rules, KIND(RECEIVE), IPPROTO_UDP);
	assert_int_equal(d.verdict, VERDICT_ALLOW);
	assert_int_equal(d.lifetime_ms, 0);
}

static void test_opening_past_the_gate_is_always_judged(void **state)
{
	const char *all = "{ name = \"all\"; action = \"deny\"; }";
	struct decision d;

	(void)state;
	d = judge_event(all, KIND(OPEN), SOCKGATE_PROTOCOL_PACKET);
	assert_string_equal(d.rule->name, "all");
	assert_int_equal(d.lifetime_ms, 60000);
	/* Others that are opened are not judged, and so not served by it. */
	assert_int_equal(d.fields, F(EVENT) | F(PROTOCOL));
	d = judge_event(all, KIND(OPEN), SOCKGATE_PROTOCOL_OTHER);
	assert_int_equal(d.verdict, VERDICT_DENY);
	d = judge_event("{ name = \"r\"; protocol = \"packet\"; action = \"deny\"; }",
			KIND(OPEN), SOCKGATE_PROTOCOL_OTHER);
	assert_string_equal(d.rule->name, "default");
	/* It is the number, not the event, that an IP header can have as well. */
	d = judge_event(all, KIND(RECEIVE), SOCKGATE_PROTOCOL_PACKET);
	assert_int_equal(d.verdict, VERDICT_ALLOW);
}

static void test_reports_are_matched_by_name_only(void **state)
{
	const char *rules =
		"{ name = \"all\"; action = \"deny\"; },"
		"{ name = \"cut\"; event = \"ESTABLISHED\"; port = 443;"
		"  action = \"deny\"; }";
	struct decision d = judge_event(rules, KIND(ESTABLISHED), IPPROTO_TCP);
	struct asked a;

	(void)state;
	assert_string_equal(d.rule->name, "cut");
	assert_int_equal(d.verdict, VERDICT_DENY);
	assert_true(d.fields & F(REMOTE_PORT));
	d = judge_event(rules, KIND(CLOSE), IPPROTO_TCP);
	assert_int_equal(d.lifetime_ms, 0);
	/* Named, and not matched: no default, and good for a while. */
	drop_policy(NULL);
	current = policy("default = \"deny\"; lifetime = 7;"
			 "rules = ( { name = \"r\"; event = \"close\"; user = 5;"
			 "            action = \"deny\"; } );");
	an_event(&a, KIND(CLOSE), IPPROTO_TCP);
	decide(current, &a.subject, &d);
	assert_ptr_equal(d.rule, &current->unsaid);
	assert_int_equal(d.verdict, VERDICT_ALLOW);
	assert_int_equal(d.lifetime_ms, 7000);
	assert_int_equal(d.fields, F(EVENT) | F(USER));
}

static void test_named_report_is_in_every_mask(void **state)
{
	const char *rules =
		"{ name = \"all\"; application = \"uTorrent\"; action = \"deny\"; },"
		"{ name = \"cut\"; event = \"close\"; action = \"deny\"; }";

	(void)state;
	assert_int_equal(judge_event(rules, KIND(CONNECT), 6).fields,
			 F(EVENT) | F(CONTENT));
}

static void test_port_of_each_event(void **state)
{
	static const struct {
		unsigned int kind;
		enum verdict own, theirs;
	} cases[] = {
		{ KIND(OPEN), VERDICT_ALLOW, VERDICT_ALLOW },
		{ KIND(BIND), VERDICT_DENY, VERDICT_ALLOW },
		{ KIND(CONNECT), VERDICT_ALLOW, VERDICT_DENY },
		{ KIND(LISTEN), VERDICT_DENY, VERDICT_ALLOW },
		{ KIND(ACCEPT), VERDICT_DENY, VERDICT_ALLOW },
		{ KIND(SEND), VERDICT_ALLOW, VERDICT_DENY },
		{ KIND(RECEIVE), VERDICT_DENY, VERDICT_ALLOW },
		{ KIND(ESTABLISHED), VERDICT_ALLOW, VERDICT_DENY },
		{ KIND(CLOSE), VERDICT_ALLOW, VERDICT_DENY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct asked a;
		char text[256];

		for (int theirs = 0; theirs < 2; theirs++) {
			snprintf(text, sizeof(text), "{ name = \"r\"; event = \"%s\";"
				 " port = %d; action = \"deny\"; }",
				 name_event(cases[i].kind), theirs ? 443 : 22);
			ask(&a);
			a.event.kind = (Sockgate__EventKind)cases[i].kind;
			a.event.local_port = 22;
			assert_int_equal(judge(text, &a).verdict,
					 theirs ? cases[i].theirs : cases[i].own);
		}
	}
}

/* An ethertype is no port. */
static void test_open_has_no_port(void **state)
{
	struct asked a;

	(void)state;
	an_event(&a, KIND(OPEN), SOCKGATE_PROTOCOL_PACKET);
	a.event.remote_port = 0x0800;
	assert_int_equal(judge("{ name = \"r\"; port = 2048; action = \"deny\"; }",
			       &a).verdict, VERDICT_ALLOW);
}

/* Every event that these differ in, as far as a policy can look at it. */
#define KINDS SOCKGATE_EVENT_MAX
static const unsigned int some_protocols[] = { IPPROTO_TCP, IPPROTO_UDP,
					       SOCKGATE_PROTOCOL_PACKET,
					       SOCKGATE_PROTOCOL_OTHER };
static const char *const some_remotes[] = { "10.1.2.3", "10.1.9.9", "192.0.2.1" };
static const unsigned int some_ports[] = { 22, 443 };
#define N(a) (sizeof(a) / sizeof((a)[0]))
#define COMBINATIONS							\
	(KINDS * N(some_protocols) * N(some_remotes) * N(some_ports) * N(some_ports))

struct combination {
	struct asked a;
	struct decision d;
	bool judged;
};
static struct combination all[COMBINATIONS];

/* With addresses, ports and protocols where there are none as well. */
static void combine(size_t n, struct asked *a)
{
	ask(a);
	a->event.kind = (Sockgate__EventKind)(1 + n % KINDS);
	n /= KINDS;
	a->event.protocol = some_protocols[n % N(some_protocols)];
	n /= N(some_protocols);
	set_remote(a, some_remotes[n % N(some_remotes)]);
	n /= N(some_remotes);
	a->event.local_port = some_ports[n % N(some_ports)];
	n /= N(some_ports);
	a->event.remote_port = some_ports[n % N(some_ports)];
	if (a->event.kind == KIND(OPEN) || a->event.kind == KIND(BIND) ||
	    a->event.kind == KIND(LISTEN)) {
		a->event.remote_address.len = 0;
		memset(a->addr, 0, sizeof(a->addr));
	}
}

/* As the kernel's cache compares: an address that is not there is zero. */
static bool served(const struct combination *by, const struct combination *c)
{
	const struct decision *l = &by->d;
	const Sockgate__Event *x = &by->a.event, *y = &c->a.event;
	uint32_t p, q, bits;

	memcpy(&p, by->a.addr, sizeof(p));
	memcpy(&q, c->a.addr, sizeof(q));
	bits = l->remote_prefix ? ~0U << (32 - l->remote_prefix) : 0;
	return (!(l->fields & F(EVENT)) || x->kind == y->kind) &&
	       (!(l->fields & F(PROTOCOL)) || x->protocol == y->protocol) &&
	       (!(l->fields & F(LOCAL_PORT)) || x->local_port == y->local_port) &&
	       (!(l->fields & F(REMOTE_PORT)) || x->remote_port == y->remote_port) &&
	       (!(l->fields & F(REMOTE_ADDRESS)) ||
		!((ntohl(p) ^ ntohl(q)) & bits));
}

static void check_masks(const char *rules)
{
	for (size_t i = 0; i < COMBINATIONS; i++) {
		struct combination *c = &all[i];

		combine(i, &c->a);
		c->a.subject = (struct subject){ "web1", &c->a.event, &c->a.process,
						 &c->a.user, &c->a.place, &c->a.identity,
						 { 0 } };
		if (!i)
			c->d = judge(rules, &c->a);
		decide(current, &c->a.subject, &c->d);
		c->judged = subject_is_judged(current, &c->a.subject);
	}
	for (size_t i = 0; i < COMBINATIONS; i++) {
		for (size_t j = 0; all[i].d.lifetime_ms && j < COMBINATIONS; j++) {
			if (!all[j].judged || !served(&all[i], &all[j]) ||
			    all[i].d.rule == all[j].d.rule)
				continue;
			fail_msg("%s: the verdict for event %u, protocol %u serves "
				 "event %u, protocol %u", rules,
				 all[i].a.event.kind, all[i].a.event.protocol,
				 all[j].a.event.kind, all[j].a.event.protocol);
		}
	}
}

/* Whatever is remembered serves only what would be decided in the same way. */
static void test_no_verdict_serves_another_event_wrongly(void **state)
{
#define R(n, c) "{ name = \"" n "\"; " c " action = \"deny\"; },"
#define LAST "{ name = \"last\"; application = \"uTorrent\"; action = \"deny\"; }"
	static const char *const policies[] = {
		LAST,
		R("a", "event = \"accept\";") LAST,
		R("a", "event = \"open\";") LAST,
		R("a", "event = \"bind\"; port = 22;") LAST,
		R("a", "event = \"close\"; user = \"nobody\";") LAST,
		LAST "," R("a", "event = \"established\";")
			 "{ name = \"z\"; action = \"audit\"; }",
		LAST "," R("a", "event = [ \"close\", \"open\", \"receive\" ];")
			 "{ name = \"z\"; action = \"audit\"; }",
		R("a", "port = 22;") LAST,
		R("a", "port = 443; protocol = \"tcp\";") R("b", "event = \"receive\";")
		LAST,
		R("a", "remote = \"10.1.0.0/16\";") LAST,
		R("a", "remote = [ \"0.0.0.0/1\", \"10.1.2.0/24\" ];"
		       "event = [ \"accept\", \"connect\", \"close\" ];") LAST,
		R("a", "protocol = \"packet\";") LAST,
		R("a", "protocol = \"other\"; event = \"open\";") LAST,
		R("a", "application = \"x\"; event = [ \"open\", \"bind\", "
		       "\"accept\", \"receive\", \"established\", \"close\" ];")
		LAST,
		R("a", "event = [ \"established\", \"close\" ]; port = 443;")
		"{ name = \"z\"; user = 5; action = \"deny\"; }",
	};

	(void)state;
	for (size_t i = 0; i < N(policies); i++)
		check_masks(policies[i]);
}

static const char *explain_first(const char *rules, unsigned int kind,
				 unsigned int protocol)
{
	static char why[512];
	struct policy_source *source;
	struct asked a;

	an_event(&a, kind, protocol);
	judge(rules, &a);
	source = policy_source(current);
	assert_non_null(source);
	explain_match(source, &current->rule[0], &a.subject, why, sizeof(why));
	policy_source_free(source);
	return why;
}

static void test_explained(void **state)
{
	(void)state;
	assert_string_equal(explain_first("{ name = \"r\"; action = \"deny\"; }",
					  KIND(CLOSE), IPPROTO_TCP),
			    "does not match: it does not name the event close");
	assert_string_equal(explain_first("{ name = \"r\"; port = 22;"
					  "  action = \"deny\"; }", KIND(OPEN),
					  SOCKGATE_PROTOCOL_PACKET),
			    "does not match: port is none, not 22");
	assert_string_equal(explain_first("{ name = \"r\"; event = \"accept\";"
					  "  protocol = \"packet\"; action ="
					  "  \"deny\"; }", KIND(ACCEPT),
					  IPPROTO_TCP),
			    "does not match: protocol is tcp, not \"packet\"");
}

/* The steps of a record, the last one's reason in @last. */
static size_t steps_of(const char *rules, unsigned int kind, char *last,
		       size_t size)
{
	Sockgate__Record *r = malloc(sizeof(*r));
	Sockgate__Explanation *e;
	size_t n;

	assert_non_null(r);
	sockgate__record__init(r);
	r->event = malloc(sizeof(*r->event));
	assert_non_null(r->event);
	sockgate__event__init(r->event);
	r->event->kind = (Sockgate__EventKind)kind;
	judge_event(rules, kind, IPPROTO_TCP);
	e = explain_record(r, current);
	assert_non_null(e);
	n = e->n_step;
	snprintf(last, size, "%s", e->step[n - 1]->why);
	assert_string_equal(e->step[n - 1]->rule, "");
	sockgate__explanation__free_unpacked(e, NULL);
	return n;
}

static void test_explained_without_a_rule(void **state)
{
	const char *rules = "{ name = \"r\"; event = \"close\"; user = 5;"
			    "  action = \"deny\"; }";
	char last[128];

	(void)state;
	assert_int_equal(steps_of(rules, KIND(ACCEPT), last, sizeof(last)), 1);
	assert_string_equal(last, "no rule names the event accept: it is not judged");
	assert_int_equal(steps_of(rules, KIND(CLOSE), last, sizeof(last)), 2);
	assert_non_null(strstr(last, "left as it is"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patent_policies),
		cmocka_unit_test(test_first_match_wins),
		cmocka_unit_test(test_default_denies_if_not_said),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_looks_no_further_than_needed),
		cmocka_unit_test(test_address_families),
		cmocka_unit_test(test_no_more_of_an_address_than_settles_it),
		cmocka_unit_test(test_groups_stand_for_what_they_hold),
		cmocka_unit_test(test_times_end_what_is_remembered),
		cmocka_unit_test(test_only_times_that_were_compared_count),
		cmocka_unit_test(test_missing_fields),
		cmocka_unit_test(
			test_missing_does_not_matter_where_the_rest_differs),
		cmocka_unit_test(test_unknown_application_is_a_value),
		cmocka_unit_test(test_port_of_a_listener_is_its_own),
		cmocka_unit_test(test_policy_names_events),
		cmocka_unit_test(test_unnamed_event_is_not_judged),
		cmocka_unit_test(test_named_event_is_judged_for_everybody),
		cmocka_unit_test(test_opening_past_the_gate_is_always_judged),
		cmocka_unit_test(test_reports_are_matched_by_name_only),
		cmocka_unit_test(test_named_report_is_in_every_mask),
		cmocka_unit_test(test_port_of_each_event),
		cmocka_unit_test(test_open_has_no_port),
		cmocka_unit_test(test_no_verdict_serves_another_event_wrongly),
		cmocka_unit_test(test_explained),
		cmocka_unit_test(test_explained_without_a_rule),
		cmocka_unit_test(
			test_identity_by_name_is_good_for_the_process_only),
		cmocka_unit_test(test_a_script_is_the_process_s),
		cmocka_unit_test(test_what_is_missing_of_a_script),
		cmocka_unit_test(test_what_cannot_be_found_out_may_be_any_class),
		cmocka_unit_test(test_unit_image_and_bundle),
	};

	return cmocka_run_group_tests(tests, NULL, drop_policy);
}
