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

#include "decide.h"

#define F(name) SOCKGATE__FIELD__FIELD_##name
#define KIND(name) SOCKGATE__EVENT_KIND__EVENT_##name
#define SOURCE(name) SOCKGATE__IDENTITY__SOURCE__##name

/* A question that tests change: uTorrent connects to 10.1.2.3:443 by TCP. */
struct asked {
	Sockgate__Event event;
	Sockgate__Process process;
	Sockgate__User user;
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
				       &a->identity };
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
	assert_int_equal(d.looked.fields, 0);
}

/* ---- each kind of condition: does it match, and what was looked at ---- */

struct kind {
	const char *yes, *no;
	uint32_t fields;
	unsigned int prefix;	/* compared by both */
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
			assert_int_equal(d.looked.fields, kinds[i].fields);
			assert_int_equal(d.looked.remote_prefix,
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
	assert_int_equal(d.looked.fields, F(CONTENT));
	/* The rule that matched, and the one before it. */
	d = judge("{ name = \"a\"; remote = \"11.0.0.0/20\"; action = \"deny\"; },"
		  "{ name = \"b\"; application = \"uTorrent\"; action = \"deny\"; },"
		  "{ name = \"c\"; user = \"root\"; action = \"deny\"; }", &a);
	assert_string_equal(d.rule->name, "b");
	assert_int_equal(d.looked.fields,
			 F(CONTENT) | F(REMOTE_ADDRESS) | F(EVENT));
	assert_int_equal(d.looked.remote_prefix, 20);
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
	assert_int_equal(d.looked.remote_prefix, 32);
	d = judge("{ name = \"r\"; remote = \"0.0.0.0/0\"; action = \"deny\"; }", &a);
	assert_int_equal(d.verdict, VERDICT_ALLOW);
	assert_int_equal(d.looked.remote_prefix, 0);
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
	assert_true(d.looked.fields & F(EVENT));
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
	assert_int_equal(d.looked.fields, F(CONTENT) | F(PROCESS));
}

static void test_identity_by_name_is_good_for_the_process_only(void **state)
{
	struct decision d;
	struct asked a;

	(void)state;
	ask(&a);
	a.identity.source = SOURCE(FILE_NAME);
	d = judge("{ name = \"r\"; category = \"P2P\"; action = \"deny\"; }", &a);
	assert_int_equal(d.looked.fields, F(CONTENT) | F(PROCESS));
	d = judge("{ name = \"r\"; port = 1; action = \"deny\"; }", &a);
	assert_int_equal(d.looked.fields, F(EVENT) | F(REMOTE_PORT));
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
	assert_int_equal(d.looked.fields, F(EVENT) | F(LOCAL_PORT));
	a.event.local_port = 2222;
	assert_int_equal(judge(rule, &a).verdict, VERDICT_ALLOW);
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
		cmocka_unit_test(test_missing_fields),
		cmocka_unit_test(
			test_missing_does_not_matter_where_the_rest_differs),
		cmocka_unit_test(test_unknown_application_is_a_value),
		cmocka_unit_test(test_port_of_a_listener_is_its_own),
		cmocka_unit_test(
			test_identity_by_name_is_good_for_the_process_only),
	};

	return cmocka_run_group_tests(tests, NULL, drop_policy);
}
