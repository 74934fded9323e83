// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "policy.h"
#include "sockgate.pb-c.h"

/* What README shows as a policy. */
static void copy_from_readme(FILE *to)
{
	FILE *readme = fopen("README", "re");
	char line[256];
	bool inside = false;

	assert_non_null(readme);
	while (fgets(line, sizeof(line), readme)) {
		inside |= !strcmp(line, "    rules = (\n");
		if (inside)
			assert_true(fputs(line, to) >= 0);
		inside &= strncmp(line, "    default = ", 14) != 0;
	}
	fclose(readme);
}

static void test_readme_is_good(void **state)
{
	char path[] = "/tmp/policy_testXXXXXX";
	struct policy_error err;
	struct policy *p;
	int fd = mkstemp(path);
	FILE *to;

	(void)state;
	assert_true(fd >= 0);
	to = fdopen(fd, "w");
	assert_non_null(to);
	copy_from_readme(to);
	assert_int_equal(0, fclose(to));
	p = policy_load(path, &err);
	unlink(path);
	if (!p) {
		fail_msg("README, line %u of its policy: %s", err.line,
			 err.reason);
		return;
	}
	assert_int_equal(p->rules, 2);
	policy_free(p);
}

static void check_text(const struct policy *p, const struct rule *rule, const char *want)
{
	struct policy_source *source = policy_source(p);
	char *text;

	assert_non_null(source);
	text = policy_source_text(source, rule);
	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
	policy_source_free(source);
}

static void test_example_is_good(void **state)
{
	struct policy_error err;
	struct policy *p = policy_load("secsrv/policy.example.conf", &err);

	(void)state;
	if (!p) {
		fail_msg("%s:%u: %s", err.file, err.line, err.reason);
		return;
	}
	assert_int_equal(p->rules, 13);
	assert_int_equal(p->events, 0);
	assert_int_equal(p->warnings, 0);
	check_text(p, &p->rule[0], "{ name = \"no-malware\"; "
		   "threat = \">=4\"; action = \"deny\"; }");
	check_text(p, &p->otherwise, "{ action = \"deny\"; error = \"EACCES\"; }");
	check_text(p, &p->unsaid, "");
	policy_free(p);
}

/* Each wrong text, the line at fault, and a part of the reason. */
static const struct {
	const char *text;
	unsigned int line;
	const char *reason;
} bad[] = {
	{ "rules = (\n{ name = \"a\" action }\n);", 2, "syntax error" },
	{ "rulez = ();", 1, "unknown key \"rulez\" in the policy (known: default" },
	{ "", 0, "has no rules" },
	{ "rules = 5;", 1, "must be a list" },
	{ "rules = ( 5 );", 1, "must be a group" },
	{ "rules = (\n{ name = \"a\";\napplications = \"x\"; action = \"deny\"; } );",
	  3, "unknown key \"applications\" in a rule (known: name, application" },
	{ "rules = (\n\n{ action = \"deny\"; } );", 3, "has no name" },
	{ "rules = ( { name = \"\"; action = \"deny\"; } );", 1, "name must be" },
	{ "rules = ( { name = 5; action = \"deny\"; } );", 1, "name must be" },
	{ "rules = ( { name = \"a\"; } );", 1, "has no action" },
	{ "rules = ( { name = \"a\";\naction = \"block\"; } );", 2,
	  "allow, deny or audit, not \"block\"" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nfailure = \"audit\"; } );",
	  2, "failure must be allow or deny" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nerror = \"EIO\"; } );", 2,
	  "ECONNREFUSED" },
	{ "rules = ( { name = \"a\"; action = \"allow\"; failure = \"allow\";\n"
	  "error = \"EPERM\"; } );", 2, "has no meaning" },
	{ "rules = ( { name = \"a\"; action = \"deny\"; },\n"
	  "{ name = \"a\"; action = \"deny\"; } );", 2, "used already" },
	{ "rules = ( { name = \"default\"; action = \"deny\"; } );", 1, "reserved" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nport = \"80-70\"; } );", 2,
	  "ends before it begins" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nport = 0; } );", 2,
	  "from 1 to 65535" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nport = \"65536\"; } );", 2,
	  "out of range" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nport = \"80;81\"; } );", 2,
	  "comma" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nport = -1; } );", 2,
	  "out of range" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\ntrust = \">5\"; } );", 2,
	  "nothing is more" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\ntrust = \"<0\"; } );", 2,
	  "nothing is less" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nthreat = 6; } );", 2,
	  "from 0 to 5" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\n"
	  "remote = \"10.0.0.1/8\"; } );", 2, "bits set outside" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\n"
	  "remote = \"10.0.0.0/33\"; } );", 2, "longer than the address" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\n"
	  "remote = \"example.org\"; } );", 2, "not an IPv4 or IPv6 address" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nremote = []; } );", 2,
	  "not empty" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nhash = \"abc\"; } );", 2,
	  "64 hexadecimal digits" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nevent = \"connects\"; } );",
	  2, "unknown event \"connects\"" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nprotocol = \"tcpp\"; } );",
	  2, "unknown protocol \"tcpp\"" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nprotocol = 256; } );", 2,
	  "unknown protocol" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nuser = -1; } );", 2,
	  "user must be" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nuser = \"4294967295\"; } );",
	  2, "user must be" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\n"
	  "user = \"99999999999999999999\"; } );", 2, "user must be" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nuser = ( \"x\", [1] ); } );",
	  2, "plain values only" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nvendor = 5; } );", 2,
	  "vendor must be a string or a list of strings, none empty, not 5" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\n"
	  "known = 1; } );", 2,
	  "true or false" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nhost_group = \"x\"; } );",
	  2, "not defined in host_groups" },
	{ "host_groups = {\nweb = []; };\nrules = ();", 2, "not empty" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nlifetime = 90000; } );", 2,
	  "from 0 to 86400" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\ntag = -1; } );", 2,
	  "tag must be" },
	{ "lifetime = \"x\";\nrules = ();", 1, "whole number" },
	{ "default = {\nuser = \"x\"; action = \"deny\"; };\nrules = ();", 2,
	  "unknown key \"user\" in default" },
	{ "rules = ();\ndefault = \"no\";", 2, "allow, deny or audit" },
	{ "rules = ();\ndefault = 5;", 2, "must be a group" },
	/* Modulo 2^32 these are port 80, user 1 and a lifetime of 5. */
	{ "rules = ( { name = \"a\"; action = \"deny\";\nport = 4294967376; } );",
	  2, "4294967376 needs an L" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nport = 4294967376L; } );",
	  2, "out of range" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\n"
	  "port = [ 443, 4294967376 ]; } );", 2, "4294967376 needs an L" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nuser = 4294967297; } );",
	  2, "4294967297 needs an L" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nuser = 4294967297L; } );",
	  2, "user must be" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nuser = 3000000000; } );",
	  2, "3000000000 needs an L" },
	{ "rules = ();\nlifetime = 4294967301;", 2, "4294967301 needs an L" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nprotocol = 4294967302L; } );",
	  2, "unknown protocol" },
	{ "rules = ();\n  @include \"other.conf\"\n", 2, "@include" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nport = \"@x\"; } );", 2,
	  "group \"@x\" is not defined" },
	{ "groups = { a = \"b\";\nx = []; }; rules = ();", 2, "not empty" },
	{ "groups = { a = \"b\";\nx = [ \"@y\" ]; }; rules = ();", 2,
	  "group \"@y\" is not defined" },
	{ "groups = { x = \"@y\";\ny = \"@x\"; }; rules = ();", 1, "contains itself" },
	{ "groups = 5; rules = ();", 1, "must be a group" },
	{ "groups = { x = \"curl\"; };\nrules = ( { name = \"a\"; action = \"deny\";\n"
	  "port = \"@x\"; } );", 3, "port \"curl\": a number is missing" },
	{ "timezone = \"Europe/Nowhere\"; rules = ();", 1, "not known on this machine" },
	{ "rules = (\n{ name = \"a\"; time = \"mon\"; action = \"deny\"; } );", 2,
	  "has a time, and the policy no timezone" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\ntime = \"8:00-9:00\"; } );", 2,
	  "expected times of the day" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nenforce = \"both\"; } );", 2,
	  "not available yet" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nenforce = \"here\"; } );", 2,
	  "host, gateway or both, not \"here\"" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nbytes = \"> 10 GB in 1 h\"; } );",
	  2, "bytes is not available yet" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nbytes = \"> 10 in 1 h\"; } );",
	  2, "must be like \"> 10 GB in 1 h\", not \"> 10 in 1 h\"" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nconnections = \"> 9 in 1 s\"; } );",
	  2, "connections is not available yet" },
	{ "rules = ( { name = \"a\"; action = \"deny\";\nconnections = \"many\"; } );",
	  2, "must be like \"> 100 in 1 min\"" },
};

static void test_bad_policies(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct policy_error err;
		struct policy *p = policy_parse(bad[i].text, strlen(bad[i].text),
						"some.conf", &err);

		print_message("%s -> %u: %s\n", bad[i].text, err.line,
			      err.reason);
		assert_null(p);
		assert_string_equal(err.file, "some.conf");
		assert_int_equal(err.line, bad[i].line);
		assert_non_null(strstr(err.reason, bad[i].reason));
	}
}

static void test_bad_files(void **state)
{
	struct policy_error err;
	char big[] = "/tmp/policy-test-XXXXXX";
	int fd;

	(void)state;
	assert_null(policy_load("/nonexistent/policy.conf", &err));
	assert_string_equal(err.file, "/nonexistent/policy.conf");
	assert_non_null(strstr(err.reason, "No such file"));
	assert_null(policy_load("/dev/zero", &err));
	assert_non_null(strstr(err.reason, "regular file"));
	fd = mkstemp(big);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, POLICY_SIZE_MAX + 1L), 0);
	assert_null(policy_load(big, &err));
	assert_non_null(strstr(err.reason, "too large"));
	assert_int_equal(ftruncate(fd, 10), 0);
	assert_null(policy_load(big, &err));
	assert_non_null(strstr(err.reason, "NUL"));
	close(fd);
	unlink(big);
}

static void check_warnings(const char *rules, unsigned int count,
			   const char *part)
{
	struct policy_error err;
	struct policy *p;
	unsigned int others = 0;
	char text[1024];

	snprintf(text, sizeof(text), "%s default = \"allow\";\nrules = (\n%s\n);",
		 strstr(rules, "host_group") ? "host_groups = { g = [ \"a\", \"b\" ]; };" :
					       "", rules);
	p = policy_parse(text, strlen(text), "t", &err);
	if (!p) {
		fail_msg("line %u: %s", err.line, err.reason);
		return;
	}
	assert_int_equal(policy_warn(p, &err), 0);
	print_message("%s: %u warnings\n", rules, p->warnings);
	/* Of SSH there are tests of their own. */
	for (unsigned int i = 0; i < p->warnings; i++) {
		if (strstr(p->warning[i].text, "SSH"))
			continue;
		if (!others++)
			assert_non_null(strstr(p->warning[i].text, part));
	}
	assert_int_equal(others, count);
	policy_free(p);
}

#define RULE(n, c) "{ name = \"" n "\"; " c " action = \"deny\"; }"

static void test_shadow_warnings(void **state)
{
	(void)state;
	check_warnings(RULE("a", "") "," RULE("b", "port = 1;"), 1,
		       "\"b\" can never match: \"a\" (line 3)");
	check_warnings(RULE("a", "port = 1;") "," RULE("b", ""), 0, "");
	check_warnings(RULE("a", "port = \"1-9\";") ","
		       RULE("b", "port = \"2-3\"; user = \"x\";"), 1, "\"b\"");
	check_warnings(RULE("a", "port = \"1-9\";") ","
		       RULE("b", "port = \"2-10\";"), 0, "");
	check_warnings(RULE("a", "application = \"x*\";") ","
		       RULE("b", "application = \"XY\";"), 1, "\"b\"");
	check_warnings(RULE("a", "application = \"xy\";") ","
		       RULE("b", "application = \"x*\";"), 0, "");
	check_warnings(RULE("a", "file = \"/usr/*/\";") ","
		       RULE("b", "file = \"/usr/*\";"), 0, "");
	check_warnings(RULE("a", "remote = \"10.0.0.0/8\";") ","
		       RULE("b", "remote = [ \"10.1.0.0/16\", \"10.0.0.0/8\" ];"),
		       1, "\"b\"");
	check_warnings(RULE("a", "remote = \"10.0.0.0/8\";") ","
		       RULE("b", "remote = \"::/0\";"), 0, "");
	check_warnings(RULE("a", "protocol = [ \"tcp\", \"udp\" ];") ","
		       RULE("b", "protocol = \"udp\"; event = \"send\";"), 1,
		       "\"b\"");
	check_warnings(RULE("a", "host = [ \"a\", \"b\" ];") ","
		       RULE("b", "host_group = \"g\";"), 0, "");
	check_warnings(RULE("a", "user = 0;") "," RULE("b", "user = \"root\";"), 0,
		       "");
	check_warnings(RULE("a", "known = true;") "," RULE("b", "known = false;"),
		       0, "");
}

/* Without `event` a rule is about no report. */
static void test_shadows_and_reports(void **state)
{
	(void)state;
	check_warnings(RULE("a", "") "," RULE("b", "event = \"close\";"), 0, "");
	check_warnings(RULE("a", "port = 1;") ","
		       RULE("b", "port = 1; event = \"ESTABLISHED\";"), 0, "");
	check_warnings(RULE("a", "") "," RULE("b", "event = \"accept\";"), 1,
		       "\"b\"");
	check_warnings(RULE("a", "event = \"close\";") ","
		       RULE("b", "event = \"CLOSE\"; user = 5;"), 1, "\"b\"");
}

static void test_unmatchable_warnings(void **state)
{
	(void)state;
	check_warnings(RULE("a", "event = \"listen\"; remote = \"10.0.0.0/8\";"), 1,
		       "\"a\" can never match: open, bind and listen have no remote");
	check_warnings(RULE("a", "event = [ \"open\", \"bind\" ];"
				 "remote = \"10.0.0.0/8\";"), 1, "no remote");
	check_warnings(RULE("a", "event = [ \"listen\", \"accept\" ];"
				 "remote = \"10.0.0.0/8\";"), 0, "");
	check_warnings(RULE("a", "event = \"open\"; port = 80;"), 1, "no port");
	check_warnings(RULE("a", "event = \"bind\"; port = 80;"), 0, "");
	check_warnings(RULE("a", "protocol = \"packet\"; event = \"connect\";"), 1,
		       "judged when they are opened");
	check_warnings(RULE("a", "protocol = [ \"other\", \"packet\" ];"
				 "remote = \"::/0\";"), 1, "judged when they");
	check_warnings(RULE("a", "protocol = \"packet\";"), 0, "");
	check_warnings(RULE("a", "protocol = [ \"packet\", \"udp\" ]; port = 1;"), 0,
		       "");
	check_warnings(RULE("a", "protocol = \"tcp\";"
				 "event = [ \"send\", \"receive\" ];"), 1, "datagrams");
	check_warnings(RULE("a", "protocol = \"tcp\"; event = \"SYN_SENT\";"), 0, "");
	check_warnings(RULE("a", "protocol = \"udp\"; event = \"close\";"), 1,
		       "of TCP only");
	check_warnings(RULE("a", "event = \"close\";"), 0, "");
	check_warnings(RULE("a", "protocol = \"udp\";"
				 "event = [ \"close\", \"send\" ];"), 0, "");
	/* Each line has the warnings of its own. */
	check_warnings(RULE("a", "event = \"open\"; port = 80;") ","
		       RULE("b", "event = \"open\"; port = 80;"), 3, "no port");
}

static void test_unmatchable_signatures(void **state)
{
	(void)state;
	check_warnings(RULE("a", "known = false; application = \"x\";"), 1,
		       "\"a\" can never match: what has no signature");
	check_warnings(RULE("a", "known = false; vendor = \"x\";"), 1, "no signature");
	check_warnings(RULE("a", "known = false; category = \"x\";"), 1, "no signature");
	check_warnings(RULE("a", "known = false; version = \"1\";"), 1, "no signature");
	check_warnings(RULE("a", "known = false; trust = \">=1\";"), 1, "0 in trust");
	check_warnings(RULE("a", "known = false; threat = 3;"), 1, "0 in trust");
	check_warnings(RULE("a", "known = false; trust = \"<3\"; threat = 0;"), 0, "");
	check_warnings(RULE("a", "known = true; application = \"x\"; trust = 3;"), 0,
		       "");
	check_warnings(RULE("a", "known = false; file = \"x\";"), 0, "");
}

static void test_versions_are_not_compared(void **state)
{
	(void)state;
	check_warnings(RULE("a", "version = \">=7\";"), 1,
		       "\"a\" can hardly be meant so: a version is a text");
	check_warnings(RULE("a", "version = [ \"7.*\", \"<8\" ];"), 1, "compare nothing");
	check_warnings(RULE("a", "version = \"=7\";"), 1, "compare nothing");
	check_warnings(RULE("a", "version = \"!=7\";"), 1, "compare nothing");
	check_warnings(RULE("a", "version = [ \"7.*\", \"8>\" ];"), 0, "");
	check_warnings(RULE("a", "trust = \">=3\";"), 0, "");
}

/* Five groups of ten in each other are a hundred thousand values; these are named often. */
static void test_groups_that_stand_for_too_much(void **state)
{
	struct policy_error err;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	assert_non_null(f);
	fputs("groups = { g0 = \"x\";\n", f);
	for (int i = 1; i <= 5; i++) {
		fprintf(f, "g%d = [ ", i);
		for (int j = 0; j < 10; j++)
			fprintf(f, "%s\"@g%d\"", j ? ", " : "", i - 1);
		fputs(" ];\n", f);
	}
	for (int i = 0; i < 60; i++)
		fprintf(f, "h%d = \"@g5\";\n", i);
	fputs("};\nrules = ();\n", f);
	assert_int_equal(fclose(f), 0);
	assert_null(policy_parse(text, size, "bomb.conf", &err));
	assert_string_equal(err.file, "bomb.conf");
	assert_int_equal(err.line, 45);
	assert_non_null(strstr(err.reason, "stand for more than 4000000 values"));
	free(text);
}

/* A script is what a process says: it narrows what is allowed, and proves nothing. */
static void test_an_allowed_script_is_not_enough(void **state)
{
#define ALLOW(what) "{ name = \"a\"; " what " action = \"allow\"; }"
	(void)state;
	check_warnings(ALLOW("script = \"/x\";"), 1, "any program can say");
	check_warnings(RULE("a", "application = \"Perl\"; class = \"command\";"), 1,
		       "a copy of the interpreter under another name");
	check_warnings(RULE("a", "application = \"Perl\"; script = \"/x\";"), 1,
		       "a copy of the interpreter under another name");
	check_warnings(RULE("a", "application = \"Perl\"; class = [ \"binary\", \"command\" ];"),
		       0, "");
	check_warnings(RULE("a", "application = \"Perl\"; class = \"jit\";"), 0, "");
	check_warnings(ALLOW("script = \"/x\"; user = \"u\"; file = \"/usr/bin/python3\";"),
		       1, "any program can say");
	check_warnings(ALLOW("script = \"/x\"; application = \"python3\";"), 1,
		       "name the user or the unit");
	check_warnings(ALLOW("script = \"/x\"; application = \"python3\"; user = \"u\";"),
		       0, "");
	check_warnings(ALLOW("script = \"/x\"; trust = \">3\"; unit = \"u\";"), 0, "");
	check_warnings(RULE("a", "script = \"/x\";"), 0, "");
	check_warnings(RULE("a", "script = \"/x\"; class = [ \"binary\", \"stdin\" ];"), 1,
		       "can never match");
	check_warnings(RULE("a", "script = \"/x\"; class = [ \"binary\", \"jit\" ];"), 0, "");
#undef ALLOW
}

static uint32_t facts_of(const char *rules)
{
	struct policy_error err;
	struct policy *p;
	uint32_t facts;
	char text[512];

	snprintf(text, sizeof(text), "rules = ( %s );", rules);
	p = policy_parse(text, strlen(text), "x", &err);
	assert_non_null(p);
	facts = p->facts;
	policy_free(p);
	return facts;
}

/* What agents would not look at otherwise, and no more than that. */
static void test_what_is_looked_at(void **state)
{
	(void)state;
	assert_int_equal(facts_of(RULE("a", "port = 443;")), 0);
	assert_int_equal(facts_of(RULE("a", "script = \"/x\"; class = \"loader\";")), 0);
	assert_int_equal(facts_of(RULE("a", "class = [ \"jit\", \"binary\" ];")),
			 SOCKGATE__FACT__FACT_JIT);
	assert_int_equal(facts_of(RULE("a", "class = \"preload\";")),
			 SOCKGATE__FACT__FACT_PRELOAD);
	assert_int_equal(facts_of(RULE("a", "app = \"snap:x\";")), SOCKGATE__FACT__FACT_APP);
	assert_int_equal(facts_of(RULE("a", "class = \"jit\";") ", "
				  RULE("b", "app = \"snap:x\";")),
			 SOCKGATE__FACT__FACT_JIT | SOCKGATE__FACT__FACT_APP);
}

static void test_unused_groups(void **state)
{
	static const char text[] = "default = \"allow\";\n"
		"groups = { used = \"a\"; inner = \"b\"; outer = [ \"@inner\" ];\n"
		"idle = \"c\"; };\nhost_groups = { h = \"x\";\ni = \"@used\"; };\n"
		"rules = ( { name = \"a\"; application = \"@outer\"; host_group = \"i\";"
		" action = \"deny\"; } );";
	struct policy_error err;
	struct policy *p = policy_parse(text, strlen(text), "t", &err);

	(void)state;
	if (!p) {
		fail_msg("%s", err.reason);
		return;
	}
	assert_int_equal(p->warnings, 2);
	assert_string_equal(p->warning[0].text, "group \"idle\" is not used");
	assert_int_equal(p->warning[0].line, 3);
	assert_string_equal(p->warning[1].text, "host_group \"h\" is not used");
	assert_int_equal(p->warning[1].line, 4);
	policy_free(p);
}

static void test_digits_are_a_user_id(void **state)
{
	static const char text[] = "rules = ( { name = \"a\"; action = \"deny\";\n"
		"user = ( \"1000\", 7, \"root\", \"3000000000\", \"7a\" ); } );";
	struct policy_error err;
	struct policy *p = policy_parse(text, strlen(text), "t", &err);
	const struct user_list *users;

	(void)state;
	if (!p) {
		fail_msg("%s", err.reason);
		return;
	}
	users = &rule_value(&p->rule[0], COND_USER)->users;
	assert_int_equal(users->uids, 3);
	assert_int_equal(users->uid[0], 1000);
	assert_int_equal(users->uid[1], 7);
	assert_int_equal(users->uid[2], 3000000000U);
	assert_int_equal(users->names.count, 2);
	assert_string_equal(users->names.elem[0].text, "root");
	assert_string_equal(users->names.elem[1].text, "7a");
	policy_free(p);
}

/* Is there a warning that SSH is cut off? */
static bool warns_of_ssh(const char *head, const char *rules)
{
	struct policy_error err;
	struct policy *p;
	char text[1024];
	bool warns = false;

	snprintf(text, sizeof(text), "%s\nrules = ( %s );", head, rules);
	p = policy_parse(text, strlen(text), "t", &err);
	if (!p) {
		fail_msg("%s: %s", text, err.reason);
		return false;
	}
	assert_int_equal(policy_warn(p, &err), 0);
	for (unsigned int i = 0; i < p->warnings; i++) {
		if (!strstr(p->warning[i].text, "SSH"))
			continue;
		warns = true;
		assert_in_range(p->warning[i].line, 1, 2);
	}
	policy_free(p);
	return warns;
}

#define LETS(c) "{ name = \"a\"; action = \"allow\"; " c " }"

static void test_ssh_is_cut_off(void **state)
{
	static const char *const cut[] = {
		"", LETS("event = \"connect\";"), LETS("port = \"80,443\";"),
		LETS("protocol = \"udp\";"), LETS("remote = \"10.0.0.0/8\";"),
		LETS("application = [ \"nginx\", \"apache2\" ];"),
		LETS("file = \"/opt/\";"), RULE("b", ""), RULE("b", "vendor = \"x\";"),
		LETS("known = false; application = \"sshd\";"),
	};
	static const char *const not_cut[] = {
		LETS(""), LETS("event = [ \"listen\", \"accept\" ];"),
		LETS("port = \"1-1023\";"), LETS("application = \"openssh-server\";"),
		LETS("application = \"OpenSSH\";"), LETS("application = \"*\";"),
		LETS("file = \"/usr/\";"), LETS("vendor = \"x\";"),
		LETS("host = \"web1\";"), RULE("b", "port = 22;"),
		"{ name = \"a\"; action = \"audit\"; port = 22; }",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
		if (!warns_of_ssh("default = \"deny\";", cut[i]))
			fail_msg("no warning: %s", cut[i]);
	}
	for (size_t i = 0; i < sizeof(not_cut) / sizeof(not_cut[0]); i++) {
		if (warns_of_ssh("default = \"deny\";", not_cut[i]))
			fail_msg("a warning: %s", not_cut[i]);
	}
	assert_true(warns_of_ssh("", ""));
	/* What takes all that is left is as good as a default, and is told where it is. */
	assert_true(warns_of_ssh("default = \"allow\";",
				 "{ name = \"end\"; action = \"deny\"; }," LETS("port = 22;")));
	assert_true(warns_of_ssh("default = \"allow\";", "{ name = \"end\"; event = \"listen\";"
				 " protocol = \"tcp\"; action = \"deny\"; }"));
	assert_false(warns_of_ssh("default = \"allow\";", LETS("port = 22;")
				  ", { name = \"end\"; action = \"deny\"; }"));
	assert_false(warns_of_ssh("default = \"allow\";", "{ name = \"end\"; user = 5;"
				  " action = \"deny\"; }"));
	/* Peers, if they are asked about. */
	assert_true(warns_of_ssh("default = \"deny\";", LETS("event = \"listen\";") ","
				 "{ name = \"b\"; event = \"accept\"; port = 80; "
				 "action = \"allow\"; }"));
	assert_false(warns_of_ssh("default = \"deny\";", LETS("event = \"listen\";") ","
				  "{ name = \"b\"; event = \"accept\"; port = 22; "
				  "remote = \"10.0.0.0/8\"; action = \"allow\"; }"));
	assert_false(warns_of_ssh("default = \"allow\";", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_readme_is_good),
		cmocka_unit_test(test_example_is_good),
		cmocka_unit_test(test_bad_policies),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_shadow_warnings),
		cmocka_unit_test(test_shadows_and_reports),
		cmocka_unit_test(test_unmatchable_warnings),
		cmocka_unit_test(test_unmatchable_signatures),
		cmocka_unit_test(test_versions_are_not_compared),
		cmocka_unit_test(test_groups_that_stand_for_too_much),
		cmocka_unit_test(test_an_allowed_script_is_not_enough),
		cmocka_unit_test(test_what_is_looked_at),
		cmocka_unit_test(test_unused_groups),
		cmocka_unit_test(test_digits_are_a_user_id),
		cmocka_unit_test(test_ssh_is_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
