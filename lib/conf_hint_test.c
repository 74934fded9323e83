// SPDX-License-Identifier: GPL-2.0-only
/* Texts that libconfig refuses, each with what is wrong in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "conf_hint.h"
#include "conf_text.h"

static const struct {
	const char *text;
	unsigned int line;
	const char *hint;
} wrong[] = {
	{ "\xef\xbb\xbf" "a = 1;", 1, "byte order mark" },
	{ "a = 1;\nb = \u201cdeny\u201d;", 2, "not the quotes" },
	{ "a = 1;\nb = 'deny';", 2, "not the quotes" },
	{ "r = (\n{ a = 1; },\n{ a = 1; },\n);", 4, "remove the comma" },
	{ "r = [ 1, 2, ];", 1, "remove the comma" },
	{ "r = [ 1,, 2 ];", 1, "comma too many" },
	{ "r = (\n{ a = 1; }\n{ a = 1; } );", 3, "a comma is missing before this element" },
	{ "r = (\n{ a = [ 1\n2 ]; } );", 3, "a comma is missing before this value" },
	{ "r = ( { a = 1; }; { a = 1; } );", 1, "commas, not semicolons" },
	{ "r = [\n{ a = 1; }, { a = 1; } ];", 2, "plain values only" },
	{ "r = ( tcp, udp );", 1, "double quotes" },
	{ "r = ( { a = 1; }\n];", 2, "a ) is missing" },
	{ "r = [ 1, 2 );", 1, "a ] is missing" },
	{ "r = (\n{ a = deny; } );", 2, "double quotes (and true" },
	{ "r = (\n{ a = ; } );", 2, "a value is missing" },
	{ "r = ( { a 5; } );", 1, "an = is missing" },
	{ "r = ( { a; } );", 1, "an = is missing" },
	{ "r = ( { a = 80,443; } );", 1, "several values need brackets" },
	{ "r = ( { a = 1; 5; } );", 1, "no name and no =" },
	{ "( { a = 1; } );", 1, "bracket has no name" },
	{ "r = ( { a = 1; );", 1, "a } is missing" },
	{ "a = 1;\n};", 2, "one too many" },
	{ "r = ( { a = 1;; } );", 1, "semicolon or comma too many" },
	{ "r = ( { a >= 1; } );", 1, "inside of quotes" },
	{ "r = (\n{ a = 1; },\n{ a = 1; }\n", 4, "the ( of line 1 is not closed" },
	{ "r = ( {\na = 1;\n", 3, "the { of line 1 is not closed" },
	/* Found lines later, and where it begins is told. */
	{ "a = \"x;\nb = 1;\n", 1, "goes on to line 3" },
	/* What stands in comments and strings is none of it. */
	{ "r = ( # ,\n1, // 2,\n\"a,)\" /* , */\n2 );", 4, "before this value" },
};

static void what_libconfig_refuses(void **state)
{
	char why[256];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		unsigned int line;
		config_t lib;

		config_init(&lib);
		if (!conf_text_parse(&lib, wrong[i].text, strlen(wrong[i].text), false,
				     &line, why, sizeof(why)))
			fail_msg("`%s' is taken", wrong[i].text);
		config_destroy(&lib);
		if (line != wrong[i].line || strncmp(why, "syntax error: ", 14) ||
		    !strstr(why, wrong[i].hint))
			fail_msg("`%s': %u: %s", wrong[i].text, line, why);
	}
}

/* Not through libconfig, which loses the memory of a string that it refuses. */
static void strings_that_are_refused(void **state)
{
	static const char two[] = "r = (\n{ a = \"x; },\n{ b = \"y; },\n{ c = \"z\"; } );";
	static const char one[] = "r = (\n{ a \"x\"; } );";
	char hint[160];

	(void)state;
	assert_int_equal(conf_hint(two, sizeof(two) - 1, 4, hint, sizeof(hint)), 2);
	assert_string_equal(hint, "a quote is missing: what this line opens goes on to line "
			    "3");
	assert_int_equal(conf_hint(one, sizeof(one) - 1, 2, hint, sizeof(hint)), 2);
	assert_non_null(strstr(hint, "an = is missing"));
}

/* Whatever is cut off, and wherever it is said to be wrong: a sentence, no more. */
static void any_text(void **state)
{
	static const char text[] = "a = ( { b = [ 1, 0x2L ]; /* c */ d = \"\\\"\"; } ); # e";
	char hint[160];

	(void)state;
	for (size_t size = 0; size < sizeof(text); size++) {
		for (unsigned int line = 0; line < 4; line++) {
			hint[0] = '\0';
			conf_hint(text + sizeof(text) - 1 - size, size, line, hint,
				  sizeof(hint));
			assert_true(*hint);
			conf_hint(text, size, line, hint, sizeof(hint));
			assert_true(*hint);
		}
	}
	for (unsigned int c = 0; c < 256; c++) {
		char one = (char)c;

		conf_hint(&one, 1, 1, hint, sizeof(hint));
		assert_true(*hint);
	}
}

static void deep_brackets(void **state)
{
	char text[200], hint[160];

	(void)state;
	memset(text, '(', sizeof(text));
	conf_hint(text, sizeof(text), 1, hint, sizeof(hint));
	assert_true(*hint);
	memset(text, ')', sizeof(text));
	conf_hint(text, sizeof(text), 1, hint, sizeof(hint));
	assert_true(*hint);
	memset(text, '(', sizeof(text));
	text[0] = 'a';
	text[1] = '=';
	conf_hint(text, sizeof(text), 1, hint, sizeof(hint));
	assert_non_null(strstr(hint, "is not closed"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_libconfig_refuses),
		cmocka_unit_test(strings_that_are_refused),
		cmocka_unit_test(any_text),
		cmocka_unit_test(deep_brackets),
	};

	return cmocka_run_group_tests_name("conf_hint", tests, NULL, NULL);
}
