// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "flatpak.h"

static const char *id(const char *text)
{
	static char buf[64];

	return flatpak_id(text, buf, sizeof(buf)) ? buf : "";
}

static void test_the_id(void **state)
{
	(void)state;
	assert_string_equal(id("[Application]\nname=org.mozilla.firefox\nruntime=x\n\n"
			       "[Instance]\ninstance-id=123\n"), "flatpak:org.mozilla.firefox");
	assert_string_equal(id("[Instance]\nname=a\n[Application]\nx=y\nname=b.c"),
			    "flatpak:b.c");
}

static void test_what_is_none(void **state)
{
	static const char *const texts[] = {
		"", "\n", "[", "[Application]", "[Application]\nname=", "name=a.b\n",
		"[Runtime]\nname=a.b\n", "[Application]\n[Instance]\nname=a.b\n",
		"[Application]\nname=a b\n", "[Application]\nname=a/b\n",
		"[Application]\nname=a\tb\n", "[Application]x\nname=a.b\n",
		"[Application]\n name=a.b\n", "[Application]\nname=\xff\n",
		/* Longer than there is room for: not another one. */
		"[Application]\nname=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_string_equal(id(texts[i]), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_id),
		cmocka_unit_test(test_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
