// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ed25519.h"

static char dir[] = "/tmp/ed25519-test-XXXXXX";
static char key[64], public[64], other[64], other_public[64];
static char why[512];

static void what_was_signed_is_known_by_its_key_only(void **state)
{
	uint8_t signature[ED25519_SIGNATURE_SIZE];

	(void)state;
	assert_int_equal(ed25519_sign(key, "text", 4, signature, why, sizeof(why)), 0);
	assert_int_equal(ed25519_verify(public, "text", 4, signature, NULL, why,
					sizeof(why)), 0);
	assert_int_equal(ed25519_verify(public, "texT", 4, signature, NULL, why,
					sizeof(why)), -1);
	assert_non_null(strstr(why, "was not signed by the key in"));
	assert_int_equal(ed25519_verify(other_public, "text", 4, signature, NULL, why,
					sizeof(why)), -1);
	signature[63] ^= 1;
	assert_int_equal(ed25519_verify(public, "text", 4, signature, NULL, why,
					sizeof(why)), -1);
}

static void a_key_is_private_and_never_replaced(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(ed25519_make(key, "/nonexistent/pub", why, sizeof(why)), -1);
	assert_non_null(strstr(why, "File exists"));
	assert_int_equal(ed25519_check(public, why, sizeof(why)), 0);
}

/* A private key whose public half could not be written is none. */
static void both_halves_are_made_or_none(void **state)
{
	char half[80];

	(void)state;
	snprintf(half, sizeof(half), "%s/half", dir);
	assert_int_equal(ed25519_make(half, public, why, sizeof(why)), -1);
	assert_int_equal(access(half, F_OK), -1);
}

static void the_wrong_half_is_refused(void **state)
{
	uint8_t signature[ED25519_SIGNATURE_SIZE];

	(void)state;
	assert_int_equal(ed25519_check(key, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "expected a public key"));
	assert_int_equal(ed25519_sign(public, "x", 1, signature, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "expected a private key"));
	assert_int_equal(ed25519_check("/nonexistent", why, sizeof(why)), -1);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(key, sizeof(key), "%s/key", dir);
	snprintf(public, sizeof(public), "%s/pub", dir);
	snprintf(other, sizeof(other), "%s/key2", dir);
	snprintf(other_public, sizeof(other_public), "%s/pub2", dir);
	return ed25519_make(key, public, why, sizeof(why)) ||
	       ed25519_make(other, other_public, why, sizeof(why));
}

static int tear_down(void **state)
{
	(void)state;
	unlink(key);
	unlink(public);
	unlink(other);
	unlink(other_public);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_signed_is_known_by_its_key_only),
		cmocka_unit_test(a_key_is_private_and_never_replaced),
		cmocka_unit_test(both_halves_are_made_or_none),
		cmocka_unit_test(the_wrong_half_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
