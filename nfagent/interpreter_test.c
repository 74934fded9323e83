// SPDX-License-Identifier: GPL-2.0-only
/* What is run, by the arguments; arguments that try to have something else believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interpreter.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* Arguments as /proc has them: "a|b" for two. */
static size_t arguments(const char *text, char *buf, size_t size)
{
	size_t len = strlen(text);

	assert_true(len + 1 < size);
	memset(buf, 0, size);
	for (size_t i = 0; i < len; i++)
		if (text[i] != '|')
			buf[i] = text[i];
	return len + 1;
}

static struct invocation read_as(const struct interpreters *all, const char *name,
				 const char *text)
{
	static char buf[4096];
	const struct interpreter *is = interpreter_find(all, name);
	struct invocation out;
	size_t size = arguments(text, buf, sizeof(buf));

	if (!is)
		fail_msg("%s is no interpreter", name);
	invocation_read(all, is, buf, size, false, &out);
	return out;
}

static void expect(const char *name, const char *text, uint32_t classes,
		   const char *script)
{
	struct invocation is = read_as(NULL, name, text);

	if (is.classes != classes)
		fail_msg("%s: classes %#x, not %#x", text, is.classes, classes);
	if (!script && !is.script)
		return;
	if (!script || !is.script || strcmp(script, is.script) != 0)
		fail_msg("%s: \"%s\", not \"%s\"", text, is.script ? is.script : "none",
			 script ? script : "none");
}

#define SCRIPT CLASS(SCRIPT)
#define COMMAND CLASS(COMMAND)
#define INPUT CLASS(STDIN)
#define MODULE CLASS(MODULE)
#define LOADER CLASS(LOADER)
#define PRELOAD CLASS(PRELOAD)
#define UNVERIFIABLE CLASS(UNVERIFIABLE)

static void test_scripts(void **state)
{
	(void)state;
	expect("python3.11", "python3|tool.py", SCRIPT, "tool.py");
	expect("python3.11", "python3|-u|-W|error|-Xdev|./tool.py|-c|x", SCRIPT,
	       "./tool.py");
	expect("python3.11", "/usr/bin/python3|-Es|/usr/bin/tool", SCRIPT, "/usr/bin/tool");
	expect("perl", "perl|-w|-T|x.pl|-e|1", SCRIPT, "x.pl");
	expect("perl", "/usr/bin/perl|-i.bak|-0777|x.pl", SCRIPT, "x.pl");
	expect("ruby3.1", "ruby|-w|--disable=gems|x.rb", SCRIPT, "x.rb");
	expect("ruby3.1", "ruby|--disable|gems|x.rb", SCRIPT, "x.rb");
	expect("node", "node|--no-warnings|--stack-size=100|app.js|-e|x", SCRIPT, "app.js");
	expect("php8.2", "php|-n|-g|a|x.php", SCRIPT, "x.php");
	expect("php8.2", "php|-f|x.php|--|y", SCRIPT, "x.php");
	expect("bash", "bash|-e|x.sh|-c|y", SCRIPT, "x.sh");
	expect("bash", "/bin/bash|+x|--norc|--rcfile|rc|x.sh", SCRIPT, "x.sh");
	expect("bash", "bash|-euo|pipefail|x.sh", SCRIPT, "x.sh");
	expect("bash", "bash|-oe|pipefail|x.sh", SCRIPT, "x.sh");
	expect("dash", "/bin/sh|-e|./x.sh", SCRIPT, "./x.sh");
	expect("dash", "/bin/sh|--|-x.sh", SCRIPT, "-x.sh");
	expect("gawk", "awk|-v|a=b|-f|x.awk|file", SCRIPT, "x.awk");
	expect("java", "java|-Xmx1g|-Da=b|-cp|a:b|-jar|x.jar|-m|y", SCRIPT, "x.jar");
	expect("java", "java|--add-opens|a/b=ALL|--add-opens=c/d=ALL|-jar|x.jar", SCRIPT,
	       "x.jar");
	expect("busybox", "/bin/busybox|sh|x.sh", SCRIPT, "x.sh");
	expect("busybox", "sh|-e|x.sh", SCRIPT, "x.sh");
	expect("tclsh8.6", "tclsh|x.tcl", SCRIPT, "x.tcl");
}

static void test_code_and_standard_input(void **state)
{
	(void)state;
	expect("python3", "python3|-c|print(1)|tool.py", COMMAND, NULL);
	expect("python3", "python3|-Ic|print(1)", COMMAND, NULL);
	expect("python3", "python3|-cprint(1)|tool.py", COMMAND, NULL);
	expect("perl", "perl|-lane|print|x.pl", COMMAND, NULL);
	expect("perl", "perl|-we1|x.pl", COMMAND, NULL);
	expect("ruby", "ruby|-ne|print", COMMAND, NULL);
	expect("node", "node|--eval|1|app.js", COMMAND, NULL);
	expect("node", "node|--eval=1|app.js", COMMAND, NULL);
	expect("node", "node|-pe|1|app.js", COMMAND, NULL);
	expect("php", "php|-r|1;", COMMAND, NULL);
	expect("bash", "bash|-lc|exec x|name", COMMAND, NULL);
	expect("bash", "bash|-cx|exec x|name", COMMAND, NULL);
	expect("mawk", "awk|{ print }|file", COMMAND, NULL);
	expect("python3", "python3", INPUT, NULL);
	expect("python3", "python3|-|tool.py", INPUT, NULL);
	expect("python3", "python3|-i", INPUT, NULL);
	expect("bash", "-bash", INPUT, NULL);
	expect("bash", "bash|-s|x.sh", INPUT, NULL);
	expect("bash", "bash|-es|x.sh", INPUT, NULL);
	expect("php", "php|--|x.php", INPUT, NULL);
	expect("busybox", "-sh", INPUT, NULL);
	expect("python3", "python3|-m|http.server", MODULE, NULL);
	expect("python3", "python3|-Im|http.server", MODULE, NULL);
	expect("java", "java|-cp|a.jar|com.example.Main|x.jar", MODULE, NULL);
	expect("java", "java|-m|a/b.Main", MODULE, NULL);
}

static void test_loader(void **state)
{
	(void)state;
	expect("ld-linux-x86-64.so.2", "/lib64/ld-linux-x86-64.so.2|/usr/bin/curl|x", LOADER,
	       "/usr/bin/curl");
	expect("ld-linux-x86-64.so.2", "ld.so|--library-path|/lib|--argv0|x|./prog", LOADER,
	       "./prog");
	expect("ld-2.31.so", "ld.so|--preload|x.so|prog", LOADER | PRELOAD, "prog");
	expect("ld-linux-x86-64.so.2", "ld.so", UNVERIFIABLE, NULL);
}

static void test_what_is_run_before(void **state)
{
	const struct interpreter *python = interpreter_find(NULL, "python3");

	(void)state;
	expect("node", "node|-r|x|app.js", SCRIPT | PRELOAD, "app.js");
	expect("node", "node|--require=x|app.js", SCRIPT | PRELOAD, "app.js");
	expect("node", "node|--import|x|app.js", SCRIPT | PRELOAD, "app.js");
	expect("perl", "perl|-Mstrict|x.pl", SCRIPT | PRELOAD, "x.pl");
	expect("perl", "perl|-wMstrict|x.pl", SCRIPT | PRELOAD, "x.pl");
	expect("ruby", "ruby|-rx|-r|y|x.rb", SCRIPT | PRELOAD, "x.rb");
	expect("java", "java|-javaagent:x.jar=y|-jar|z.jar", SCRIPT | PRELOAD, "z.jar");
	/* A path, a setting or a debugger decides what is run. */
	expect("perl", "perl|-w|-I|lib|-Iother|x.pl|-e|1", SCRIPT | PRELOAD, "x.pl");
	expect("perl", "perl|-d:Any|x.pl", SCRIPT | PRELOAD, "x.pl");
	expect("perl", "perl|-wd|x.pl", SCRIPT | PRELOAD, "x.pl");
	expect("perl", "perl|-F(?{ 1 })|x.pl", SCRIPT | PRELOAD, "x.pl");
	expect("ruby", "ruby|-I|lib|-Iother|x.rb", SCRIPT | PRELOAD, "x.rb");
	expect("php", "php|-n|-d|auto_prepend_file=y|x.php", SCRIPT | PRELOAD, "x.php");
	expect("php", "php|-dauto_prepend_file=y|x.php", SCRIPT | PRELOAD, "x.php");
	expect("php", "php|-z|y.so|x.php", SCRIPT | PRELOAD, "x.php");
	expect("php", "php|-c|y.ini|x.php", SCRIPT | PRELOAD, "x.php");
	expect("java", "java|-XX:OnError=y|-jar|z.jar", SCRIPT | PRELOAD, "z.jar");
	expect("java", "java|-Xbootclasspath/a:y|-jar|z.jar", SCRIPT | PRELOAD, "z.jar");
	assert_true(interpreter_preloads(NULL, "LD_PRELOAD=/x.so"));
	assert_true(interpreter_preloads(NULL, "LD_AUDIT=x"));
	assert_false(interpreter_preloads(NULL, "LD_PRELOAD="));
	assert_false(interpreter_preloads(NULL, "LD_PRELOAD"));
	assert_false(interpreter_preloads(NULL, "LD_PRELOADS=x"));
	assert_false(interpreter_preloads(NULL, "XLD_PRELOAD=x"));
	assert_false(interpreter_preloads(NULL, "PYTHONPATH=/x"));
	assert_true(interpreter_preloads(python, "PYTHONPATH=/x"));
	assert_true(interpreter_preloads(python, "LD_PRELOAD=/x"));
	assert_false(interpreter_preloads(python, "PYTHONUNBUFFERED=1"));
	assert_false(interpreter_preloads(python, ""));
	assert_false(interpreter_preloads(python, "="));
}

/* An option that is not known may have a value or not: nothing is guessed. */
static void test_what_is_not_known_is_unverifiable(void **state)
{
	(void)state;
	expect("python3", "python3|--unknown|tool.py", UNVERIFIABLE, NULL);
	expect("python3", "python3|-Z|tool.py", UNVERIFIABLE, NULL);
	expect("python3", "python3|-uZ|tool.py", UNVERIFIABLE, NULL);
	expect("python3", "python3|-W", UNVERIFIABLE, NULL);
	expect("perl", "perl|-S|x.pl", UNVERIFIABLE, NULL);
	expect("ruby", "ruby|-C|dir|x.rb", UNVERIFIABLE, NULL);
	expect("node", "node|--title|x|app.js", UNVERIFIABLE, NULL);
	expect("php", "php|-S|127.0.0.1:1|x.php", UNVERIFIABLE, NULL);
	expect("php", "php|-f", UNVERIFIABLE, NULL);
	expect("zsh", "zsh|-7|x.sh", UNVERIFIABLE, NULL);
	expect("java", "java|@file", UNVERIFIABLE, NULL);
	expect("java", "java|-jar", UNVERIFIABLE, NULL);
	expect("java", "java|-unknown|x|-jar|x.jar", UNVERIFIABLE, NULL);
	expect("gawk", "awk", UNVERIFIABLE, NULL);
	expect("python3", "python3||tool.py", UNVERIFIABLE, NULL);
}

static void test_no_interpreters(void **state)
{
	static const char *const names[] = {
		"curl", "python", "xpython3", "python3-config", "shutdown", "sh.real",
		"javac", "nodeenv", "perldoc", "ldd", "", "ld-",
	};

	(void)state;
	/* The second is one, so that what is compared can be. */
	assert_non_null(interpreter_find(NULL, names[1]));
	for (size_t i = 0; i < N(names); i++) {
		if (i != 1 && i != 3 && interpreter_find(NULL, names[i]))
			fail_msg("%s", names[i]);
	}
	expect("busybox", "busybox|wget|x", CLASS(BINARY), NULL);
	expect("busybox", "wget|x", CLASS(BINARY), NULL);
	expect("busybox", "busybox", CLASS(BINARY), NULL);
	expect("busybox", "busybox|busybox|sh|x.sh", CLASS(BINARY), NULL);
	expect("busybox", "ld.so|x", CLASS(BINARY), NULL);
}

static void test_ones_own_come_first(void **state)
{
	static const struct interpreter own[] = {
		{ .name = "frob", .value = "-x", .code = "--run", .operand = OPERAND_NAME },
		{ .name = "python3*", .code = "-q" },
		{ 0 },
	};
	const struct interpreters all = { own };
	struct invocation is;

	(void)state;
	is = read_as(&all, "frob", "frob|-x|y|z");
	assert_int_equal(is.classes, MODULE);
	is = read_as(&all, "frob", "frob|-xy|--run|z");
	assert_int_equal(is.classes, COMMAND);
	is = read_as(&all, "python3", "python3|-q|x");
	assert_int_equal(is.classes, COMMAND);
	is = read_as(&all, "perl", "perl|x.pl");
	assert_int_equal(is.classes, SCRIPT);
}

/* Of arguments that were cut the last may be any, and so may what follows. */
static void test_cut_arguments(void **state)
{
	const struct interpreter *python = interpreter_find(NULL, "python3");
	const struct interpreter *busybox = interpreter_find(NULL, "busybox");
	const struct interpreter *java = interpreter_find(NULL, "java");
	char buf[64];
	struct invocation out;
	size_t size = arguments("java|-jar|x.jar", buf, sizeof(buf));

	(void)state;
	for (size_t n = 0; n < size; n++) {
		invocation_read(NULL, java, buf, n, true, &out);
		assert_int_equal(out.classes, UNVERIFIABLE);
		assert_null(out.script);
	}
	invocation_read(NULL, java, buf, size, true, &out);
	assert_string_equal(out.script, "x.jar");
	/* A process may leave out the last NUL. */
	invocation_read(NULL, java, buf, size - 1, false, &out);
	assert_string_equal(out.script, "x.jar");
	invocation_read(NULL, java, buf, 0, false, &out);
	assert_int_equal(out.classes, UNVERIFIABLE);
	/* Cut between two of them, so that none is in part there. */
	size = arguments("python3|-u", buf, sizeof(buf));
	invocation_read(NULL, python, buf, size, true, &out);
	assert_int_equal(out.classes, UNVERIFIABLE);
	invocation_read(NULL, python, buf, size, false, &out);
	assert_int_equal(out.classes, INPUT);
	size = arguments("busybox", buf, sizeof(buf));
	invocation_read(NULL, busybox, buf, size, true, &out);
	assert_int_equal(out.classes, UNVERIFIABLE);
}

/* Whatever is in there: one class of those that there are, and a script only with it. */
static void test_any_bytes(void **state)
{
	static const char *const names[] = { "python3", "perl", "bash", "java", "busybox",
					     "ld.so", "node", "php", "awk" };
	static const char alphabet[] = "\0\0\0---+=cefmsxIWMrjar .*[?\\\xff";
	char buf[300];

	(void)state;
	srandom(7);
	for (int i = 0; i < 200000; i++) {
		const struct interpreter *is =
			interpreter_find(NULL, names[random() % (long)N(names)]);
		size_t size = (size_t)random() % (sizeof(buf) - 1);
		struct invocation out;

		for (size_t n = 0; n < size; n++)
			buf[n] = alphabet[random() % (long)sizeof(alphabet)];
		buf[size] = '\0';
		invocation_read(NULL, is, buf, size, random() % 2, &out);
		assert_int_equal(__builtin_popcount(out.classes & ~PRELOAD), 1);
		assert_int_equal(!!out.script, !!(out.classes & (SCRIPT | LOADER)));
		assert_true(!out.script || (out.script >= buf && out.script < buf + size));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_code_and_standard_input),
		cmocka_unit_test(test_loader),
		cmocka_unit_test(test_what_is_run_before),
		cmocka_unit_test(test_what_is_not_known_is_unverifiable),
		cmocka_unit_test(test_no_interpreters),
		cmocka_unit_test(test_ones_own_come_first),
		cmocka_unit_test(test_cut_arguments),
		cmocka_unit_test(test_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
