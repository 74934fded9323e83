// SPDX-License-Identifier: GPL-2.0-only
/* The configuration: what it means, and what is refused with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "settings.h"

#define MINIMAL \
	"servers = ( { address = \"192.0.2.1:7443\"; name = \"server\"; } );\n" \
	"tls = { ca = \"ca\"; cert = \"cert\"; key = \"key\"; };\n"

static char file[] = "/tmp/settings-test.XXXXXX";
static char why[512];

static struct settings *read_text(const char *text)
{
	struct settings *s;
	FILE *f;
	int fd;

	strcpy(file, "/tmp/settings-test.XXXXXX");
	fd = mkstemp(file);
	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	why[0] = '\0';
	s = settings_read(file, why, sizeof(why));
	unlink(file);
	return s;
}

static struct settings *right(const char *text)
{
	struct settings *s = read_text(text);

	if (!s)
		fail_msg("%s", why);
	return s;
}

/* Refused, at this line, with this word in the message. */
static void wrong(const char *text, unsigned int line, const char *word)
{
	char at[64];

	assert_null(read_text(text));
	snprintf(at, sizeof(at), "%s:%u: ", file, line);
	if (!strstr(why, at) || !strstr(why, word))
		fail_msg("no \"%s\" and \"%s\" in \"%s\"", at, word, why);
}

static void test_minimal(void **state)
{
	struct settings *s = right(MINIMAL);
	const struct sockaddr_in *sin;

	(void)state;
	assert_int_equal(s->server.n, 1);
	sin = (const struct sockaddr_in *)&s->server.list[0].addr;
	assert_int_equal(ntohs(sin->sin_port), 7443);
	assert_string_equal(s->server.list[0].text, "192.0.2.1:7443");
	assert_string_equal(s->server.list[0].name, "server");
	assert_string_equal(s->server.host, s->hostname);
	assert_int_equal(s->desk.deadline_ms, 5000);
	assert_int_equal(s->desk.user_wait_ms, 200);
	assert_true(s->desk.cache_in_agent);
	assert_true(s->desk.cache_in_kernel);
	assert_false(s->kernel.has_deadline);
	assert_string_equal(s->unverifiable[0], "fuse");
	assert_null(s->directories[0]);
	assert_int_equal(s->n_failures, 0);
	settings_free(s);
}

static void test_interpreters(void **state)
{
	struct settings *s = right(MINIMAL
		"interpreters = ( { name = \"frob frob-*\"; flag = \"-v\"; code = \"-e\";\n"
		"  stdin = \"-s\"; operand = \"module\"; words = true; }, { name = \"x\"; } );");

	(void)state;
	assert_string_equal(s->interpreters[0].name, "frob frob-*");
	assert_string_equal(s->interpreters[0].flag, "-v");
	assert_string_equal(s->interpreters[0].code, "-e");
	assert_string_equal(s->interpreters[0].input, "-s");
	assert_null(s->interpreters[0].value);
	assert_int_equal(s->interpreters[0].operand, OPERAND_NAME);
	assert_true(s->interpreters[0].words);
	assert_string_equal(s->interpreters[1].name, "x");
	assert_int_equal(s->interpreters[1].operand, OPERAND_FILE);
	assert_null(s->interpreters[2].name);
	settings_free(s);
	assert_null(read_text(MINIMAL "interpreters = ( { flag = \"-v\"; } );"));
	assert_non_null(strstr(why, "interpreters.[0].name"));
	wrong(MINIMAL "interpreters = (\n{ name = \"x\"; operand = \"y\"; } );", 4, "module");
	wrong(MINIMAL "interpreters = (\n{ name = \"x\"; flags = \"y\"; } );", 4, "flags");
}

static void test_domain(void **state)
{
	struct settings *s;

	(void)state;
	s = right(MINIMAL "host = \"web1.corp.example\";\n");
	assert_string_equal(s->domain, "corp.example");
	settings_free(s);
	s = right(MINIMAL "domain = \"lab.example\";\n"
		  "directory_domains = [ \"a.example\", \"b.example\" ];\n");
	assert_string_equal(s->domain, "lab.example");
	assert_string_equal(s->directories[1], "b.example");
	assert_null(s->directories[2]);
	settings_free(s);
}

static void test_kernel(void **state)
{
	struct settings *s = right(MINIMAL "kernel = { deadline_ms = 700; "
				   "mark_mask = 0xffff0000L; };\n");

	(void)state;
	assert_true(s->kernel.has_deadline);
	assert_int_equal(s->kernel.deadline_ms, 700);
	assert_true(s->kernel.has_mask);
	assert_int_equal(s->kernel.mark_mask, 0xffff0000U);
	assert_false(s->kernel.has_pending);
	settings_free(s);
}

static void test_failure_table(void **state)
{
	struct settings *s = right(MINIMAL
		"failure = {\n"
		"  no_agent = \"allow\";\n"
		"  deadline = { action = \"deny\"; error = \"ECONNREFUSED\"; };\n"
		"};\n");

	(void)state;
	assert_int_equal(s->n_failures, 2);
	assert_int_equal(s->failures[0].reason, SOCKGATE_REASON_NO_AGENT);
	assert_int_equal(s->failures[0].action, SOCKGATE_ACTION_ALLOW);
	assert_int_equal(s->failures[0].error, EACCES);
	assert_int_equal(s->failures[1].reason, SOCKGATE_REASON_DEADLINE);
	assert_int_equal(s->failures[1].error, ECONNREFUSED);
	settings_free(s);
}

static void test_failsafes(void **state)
{
	const struct sockgate_failsafe *row;
	struct settings *s = right(MINIMAL
		"failsafe = (\n"
		"  { event = [ \"connect\", \"send\" ]; protocol = \"udp\";\n"
		"    address = \"10.0.0.0/8\"; remote_port = \"8000-8100\";\n"
		"    uid = 0; exe = \"/usr/sbin/chronyd\"; },\n"
		"  { event = [ \"listen\" ]; local_port = \"22\";\n"
		"    address = \"2001:db8::1\"; }\n"
		");\n");

	(void)state;
	assert_int_equal(s->n_failsafes, 2);
	row = &s->failsafes[0].row;
	assert_int_equal(row->events, 1U << SOCKGATE_EVENT_CONNECT |
				      1U << SOCKGATE_EVENT_SEND);
	assert_int_equal(row->protocol, IPPROTO_UDP);
	assert_int_equal(row->family, AF_INET);
	assert_int_equal(row->prefix, 8);
	assert_int_equal(row->rport_min, 8000);
	assert_int_equal(row->rport_max, 8100);
	assert_int_equal(row->uid, 0);
	assert_string_equal(s->failsafes[0].exe, "/usr/sbin/chronyd");
	row = &s->failsafes[1].row;
	assert_int_equal(row->family, AF_INET6);
	assert_int_equal(row->prefix, 128);
	assert_int_equal(row->lport_min, 22);
	assert_int_equal(row->uid, SOCKGATE_UID_ANY);
	assert_null(s->failsafes[1].exe);
	settings_free(s);
}

static void test_refused(void **state)
{
	(void)state;
	wrong(MINIMAL "deadline_ns = 1;\n", 3, "deadline_ns");
	wrong(MINIMAL "deadline_ms = \"soon\";\n", 3, "deadline_ms");
	wrong(MINIMAL "deadline_ms = 1;\n", 3, "deadline_ms");
	wrong(MINIMAL "deadline_ms = ;\n", 3, "syntax");
	wrong(MINIMAL "failure = { deadlin = \"deny\"; };\n", 3, "deadlin");
	wrong(MINIMAL "failure = {\n deadline = \"maybe\"; };\n", 4,
	      "failsafe");
	wrong(MINIMAL "failure = {\n deadline = { action = \"deny\";\n"
	      "error = \"EIO\"; }; };\n", 5, "EACCES");
	wrong(MINIMAL "failsafe = ( { event = [ \"conn\" ]; } );\n", 3,
	      "conn");
	wrong(MINIMAL "failsafe = ( { uid = 0; } );\n", 3, "event");
	wrong(MINIMAL "failsafe = ( { event = [ \"send\" ];\n"
	      "address = \"10.0.0.0/33\"; } );\n", 4, "prefix");
	wrong(MINIMAL "failsafe = ( { event = [ \"send\" ];\n"
	      "remote_port = \"70000\"; } );\n", 4, "port");
	wrong(MINIMAL "failsafe = ( { event = [ \"send\" ];\n"
	      "remote_port = \"9-3\"; } );\n", 4, "port");
	wrong(MINIMAL "failsafe = ( { event = [ \"send\" ];\n"
	      "exe = \"sshd\"; } );\n", 4, "full path");
	wrong(MINIMAL "failsafe = ( { event = [ \"send\" ];\n"
	      "protocol = \"tpc\"; } );\n", 4, "tpc");
}

static void test_servers_are_needed(void **state)
{
	(void)state;
	assert_null(read_text("tls = { ca = \"a\"; cert = \"b\"; key = \"c\"; };\n"));
	assert_non_null(strstr(why, "servers"));
	wrong("servers = ( { address = \"server:1\"; name = \"s\"; } );\n", 1,
	      "server:1");
	assert_null(read_text("servers = ( { address = \"192.0.2.1:1\"; "
			      "name = \"s\"; } );\n"));
	assert_non_null(strstr(why, "tls"));
	assert_null(settings_read("/nonexistent.conf", why, sizeof(why)));
	assert_non_null(strstr(why, "/nonexistent.conf"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_minimal),
		cmocka_unit_test(test_domain),
		cmocka_unit_test(test_interpreters),
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_failure_table),
		cmocka_unit_test(test_failsafes),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_servers_are_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
