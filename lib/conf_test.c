// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "conf.h"

static char file[64];
static char why[1024];

static struct conf *open_text(const char *text)
{
	FILE *stream;
	int fd;

	snprintf(file, sizeof(file), "/tmp/sockgate-conf.XXXXXX");
	fd = mkstemp(file);
	assert_true(fd >= 0);
	stream = fdopen(fd, "w");
	assert_non_null(stream);
	fputs(text, stream);
	fclose(stream);
	why[0] = '\0';
	return conf_open(file, why, sizeof(why));
}

static void finish(struct conf *c, const char *expected)
{
	char sentence[1200];
	int rc = conf_finish(c, why, sizeof(why));

	if (expected) {
		snprintf(sentence, sizeof(sentence), "%s%s", file, expected);
		assert_string_equal(why, sentence);
		assert_int_equal(rc, -1);
	} else if (rc) {
		fail_msg("%s", why);
	}
	conf_close(c);
	unlink(file);
}

static void all_right(void **state)
{
	struct conf *c = open_text("listen = \"[::1]:7300\";\n"
				   "workers = 8; big = 5000000000L; mask = 0xff000000;\n"
				   "tls = { key = \"k.pem\"; strict = true; };\n"
				   "servers = ( { address = \"192.0.2.1\"; },\n"
				   "            { address = \"192.0.2.2:9\"; } );\n"
				   "words = [ \"a\", \"b\" ];\n");
	struct sockaddr_storage addr;
	char shown[ADDR_TEXT_SIZE];
	const char *text;
	socklen_t len;
	int64_t n;
	bool yes;

	(void)state;
	assert_non_null(c);
	assert_true(conf_addr(c, "listen", NULL, 0, &addr, &len));
	addr_format((struct sockaddr *)&addr, shown);
	assert_string_equal(shown, "[::1]:7300");
	assert_true(conf_int(c, "workers", 4, 1, 64, &n));
	assert_int_equal(n, 8);
	assert_true(conf_int(c, "big", 4, 1, INT64_MAX, &n));
	assert_int_equal(n, 5000000000LL);
	assert_true(conf_int(c, "mask", 0, 0, UINT32_MAX, &n));
	assert_int_equal(n, 0xff000000);
	assert_false(conf_int(c, "absent", 4, 1, 64, &n));
	assert_int_equal(n, 4);
	assert_true(conf_string(c, "tls.key", NULL, &text));
	assert_string_equal(text, "k.pem");
	assert_false(conf_string(c, "tls.cert", "c.pem", &text));
	assert_string_equal(text, "c.pem");
	assert_true(conf_bool(c, "tls.strict", false, &yes));
	assert_true(yes);
	assert_int_equal(conf_count(c, "servers"), 2);
	assert_true(conf_addr(c, "servers.[0].address", NULL, 7300, &addr, &len));
	addr_format((struct sockaddr *)&addr, shown);
	assert_string_equal(shown, "192.0.2.1:7300");
	assert_true(conf_addr(c, "servers.[1].address", NULL, 7300, &addr, &len));
	assert_int_equal(conf_count(c, "words"), 2);
	assert_true(conf_string(c, "words.[1]", NULL, &text) &&
		    conf_string(c, "words.[0]", NULL, &text));
	assert_int_equal(conf_count(c, "nothing"), 0);
	assert_false(conf_has(c, "nobody"));
	assert_true(conf_is_group(c, "tls"));
	assert_false(conf_is_group(c, "words"));
	assert_false(conf_is_group(c, "nobody"));
	finish(c, NULL);
}

static void unknown_settings(void **state)
{
	const char *text;
	struct conf *c;
	int64_t n;

	(void)state;
	c = open_text("workers = 8;\nwrokers = 9;\n");
	conf_int(c, "workers", 4, 1, 64, &n);
	conf_string(c, "tls.key", "k", &text);
	conf_string(c, "tls.cert", "c", &text);
	finish(c, ":2: unknown setting `wrokers' (known: workers, tls)");

	c = open_text("tls = {\n key = \"k\";\n kee = \"k\"; };\n");
	conf_string(c, "tls.key", "k", &text);
	conf_string(c, "tls.cert", "c", &text);
	finish(c, ":3: unknown setting `kee' (known: key, cert)");

	c = open_text("s = ( { a = \"\"; },\n { a = \"\";\n b = 1; } );\n");
	assert_int_equal(conf_count(c, "s"), 2);
	conf_string(c, "s.[0].a", "", &text);
	conf_string(c, "s.[1].a", "", &text);
	finish(c, ":3: unknown setting `b' (known: a)");

	c = open_text("tlsx = 1;\n");
	conf_string(c, "tls.key", "k", &text);
	finish(c, ":1: unknown setting `tlsx' (known: tls)");
}

static void wrong_values(void **state)
{
	struct sockaddr_storage addr;
	const char *text;
	struct conf *c;
	socklen_t len;
	int64_t n;
	bool yes;

	(void)state;
	c = open_text("\nworkers = \"8\";\n");
	assert_false(conf_int(c, "workers", 4, 1, 64, &n));
	assert_int_equal(n, 4);
	finish(c, ":2: `workers' must be a whole number");
	c = open_text("workers = 65;\n");
	assert_false(conf_int(c, "workers", 4, 1, 64, &n));
	finish(c, ":1: `workers' must be between 1 and 64, not 65");
	c = open_text("key = 1;\n");
	assert_false(conf_string(c, "key", "k", &text));
	assert_string_equal(text, "k");
	finish(c, ":1: `key' must be a string in double quotes");
	c = open_text("on = 1;\n");
	assert_false(conf_bool(c, "on", true, &yes));
	assert_true(yes);
	finish(c, ":1: `on' must be true or false");
	c = open_text("on = true;\n");
	assert_int_equal(conf_count(c, "on"), 0);
	finish(c, ":1: `on' must be a list in ( ) or an array in [ ]");
	c = open_text("at = \"localhost:80\";\n");
	assert_false(conf_addr(c, "at", NULL, 0, &addr, &len));
	assert_int_equal(len, 0);
	finish(c, ":1: `at' must be a numeric address and port such as "
		  "192.0.2.1:7300 or [2001:db8::1]:7300, not `localhost:80'");
	c = open_text("at = 1;\n");
	conf_has(c, "at");
	conf_reject(c, "at", "%d is not to my taste", 1);
	finish(c, ":1: 1 is not to my taste");
}

static void the_first_error_is_kept(void **state)
{
	struct conf *c = open_text("a = 1;\nb = 2;\n");
	const char *text;

	(void)state;
	conf_string(c, "b", "", &text);
	conf_string(c, "a", "", &text);
	conf_string(c, "missing", NULL, &text);
	finish(c, ":2: `b' must be a string in double quotes");
}

static void required(void **state)
{
	struct conf *c = open_text("");
	const char *text = "x";

	(void)state;
	assert_false(conf_string(c, "key", NULL, &text));
	assert_null(text);
	finish(c, ": setting `key' is required");
}

static void broken_files(void **state)
{
	char expected[128];

	(void)state;
	assert_null(open_text("a = 1;\nb = ;\n"));
	snprintf(expected, sizeof(expected), "%s:2: syntax error: a value is missing after "
		 "the =", file);
	assert_string_equal(why, expected);
	unlink(file);
	assert_null(conf_open("/nonexistent/x.conf", why, sizeof(why)));
	assert_string_equal(why, "cannot read /nonexistent/x.conf: "
				 "No such file or directory");
	assert_null(conf_open("/tmp", why, sizeof(why)));
	assert_string_equal(why, "cannot read /tmp: it is no regular file");
	assert_null(open_text("a = 1;\n/* 9999999999\n */ b = 5000000000;\n"));
	snprintf(expected, sizeof(expected), "%s:3: the number 5000000000 needs an L "
		 "after it, or is too large", file);
	assert_string_equal(why, expected);
	unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_right),
		cmocka_unit_test(unknown_settings),
		cmocka_unit_test(wrong_values),
		cmocka_unit_test(the_first_error_is_kept),
		cmocka_unit_test(required),
		cmocka_unit_test(broken_files),
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
