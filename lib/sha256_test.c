// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sha256.h"

/* FIPS 180-4 examples: "abc" and a million times "a". */
static const char abc[] =
	"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char million[] =
	"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
static const char nothing[] =
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static int file_of(const char *data, size_t size)
{
	int fd = memfd_create("sha256_test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	while (size) {
		ssize_t n = write(fd, data, size);

		assert_true(n > 0);
		data += n;
		size -= (size_t)n;
	}
	return fd;
}

static void check(const char *data, size_t size, const char *expected)
{
	char text[SHA256_TEXT_SIZE];
	uint8_t hash[SHA256_SIZE];
	int fd = file_of(data, size);
	uint64_t hashed = 1;

	assert_int_equal(sha256_fd(fd, size, hash, &hashed), 0);
	assert_int_equal(hashed, size);
	hex_encode(hash, sizeof(hash), text);
	assert_string_equal(text, expected);
	assert_int_equal(sha256_memory(data, size, hash), 0);
	hex_encode(hash, sizeof(hash), text);
	assert_string_equal(text, expected);
	close(fd);
}

static void known_hashes(void **state)
{
	char *a = malloc(1000000);

	(void)state;
	assert_non_null(a);
	memset(a, 'a', 1000000);
	check("", 0, nothing);
	check("abc", 3, abc);
	check(a, 1000000, million);
	free(a);
}

static void limit(void **state)
{
	uint8_t hash[SHA256_SIZE] = { 0x55 };
	int fd = file_of("abc", 3);

	(void)state;
	assert_int_equal(sha256_fd(fd, 2, hash, NULL), -1);
	assert_int_equal(errno, EFBIG);
	assert_int_equal(hash[0], 0x55);
	close(fd);
	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	assert_int_equal(sha256_fd(fd, 1 << 20, hash, NULL), -1);
	assert_int_equal(errno, EFBIG);
	close(fd);
}

/* In parts of whatever size it is the same hash. */
static void parts(void **state)
{
	char *a = malloc(1000000), text[SHA256_TEXT_SIZE];
	uint8_t hash[SHA256_SIZE];
	struct sha256_parts *p;
	unsigned int n = 1;
	int fd, rc;

	(void)state;
	assert_non_null(a);
	memset(a, 'a', 1000000);
	fd = file_of(a, 1000000);
	p = sha256_parts_new(fd, 1000000, 100);
	assert_non_null(p);
	while (!(rc = sha256_parts_read(p, 300000, hash)))
		n++;
	assert_int_equal(rc, 1);
	assert_true(n > 1);
	assert_int_equal(sha256_parts_done(p), 1000000);
	hex_encode(hash, sizeof(hash), text);
	assert_string_equal(text, million);
	sha256_parts_free(p);
	close(fd);
	free(a);
}

static void unreadable(void **state)
{
	uint8_t hash[SHA256_SIZE];

	(void)state;
	assert_int_equal(sha256_fd(-1, 3, hash, NULL), -1);
	assert_int_equal(errno, EBADF);
}

static void hex(void **state)
{
	uint8_t data[3];

	(void)state;
	assert_int_equal(hex_decode("00aBfF", data, 3), 0);
	assert_memory_equal(data, "\x00\xab\xff", 3);
	assert_int_equal(hex_decode("00abf", data, 3), -1);
	assert_int_equal(hex_decode("00abff0", data, 3), -1);
	assert_int_equal(hex_decode("00abfg", data, 3), -1);
	assert_int_equal(hex_decode(" 0abff", data, 3), -1);
	assert_int_equal(hex_decode("", data, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_hashes),
		cmocka_unit_test(limit),
		cmocka_unit_test(parts),
		cmocka_unit_test(unreadable),
		cmocka_unit_test(hex),
	};

	return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
