// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "confined.h"

#define SECONDS 20

static char said[64];
static const char *why;

static ssize_t run(confined_fn fn, void *arg, unsigned int seconds)
{
	memset(said, 0, sizeof(said));
	return confined_run(fn, arg, said, sizeof(said) - 1, seconds, &why);
}

static ssize_t copy(void *arg, void *out, size_t size)
{
	assert_true(strlen(arg) < size);
	memcpy(out, arg, strlen(arg));
	return (ssize_t)strlen(arg);
}

static void what_it_says_comes_back(void **state)
{
	(void)state;
	assert_int_equal(run(copy, (void *)"hello", SECONDS), 5);
	assert_string_equal(said, "hello");
	assert_int_equal(run(copy, (void *)"", SECONDS), 0);
}

static ssize_t fail_always(void *arg, void *out, size_t size)
{
	(void)arg, (void)out, (void)size;
	return -1;
}

static ssize_t crash(void *arg, void *out, size_t size)
{
	(void)out, (void)size;
	__builtin_trap();
	return *(char *)arg;
}

static void a_failure_is_one(void **state)
{
	(void)state;
	assert_int_equal(run(fail_always, NULL, SECONDS), -1);
	assert_int_equal(run(crash, said, SECONDS), -1);
	assert_string_equal(why, "cannot be scanned");
}

static ssize_t open_file(void *arg, void *out, size_t size)
{
	(void)out, (void)size;
	return open(arg, O_RDONLY) < 0 ? -1 : 0;
}

static ssize_t make_socket(void *arg, void *out, size_t size)
{
	(void)arg, (void)out, (void)size;
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? -1 : 0;
}

static ssize_t start_process(void *arg, void *out, size_t size)
{
	(void)arg, (void)out, (void)size;
	return fork() < 0 ? -1 : 0;
}

static ssize_t make_code(void *arg, void *out, size_t size)
{
	(void)arg, (void)out, (void)size;
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0) == MAP_FAILED ? -1 : 0;
}

static ssize_t write_elsewhere(void *arg, void *out, size_t size)
{
	(void)out, (void)size;
	return write(2, arg, 1);
}

static void what_a_scan_does_not_need_ends_it(void **state)
{
	static const confined_fn each[] = {
		open_file, make_socket, start_process, make_code, write_elsewhere,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		assert_int_equal(run(each[i], (void *)"/etc/passwd", SECONDS), -1);
		assert_string_equal(why, "does what no scan does");
	}
}

static ssize_t spin(void *arg, void *out, size_t size)
{
	volatile unsigned int n = 0;

	(void)arg, (void)out, (void)size;
	for (;;)
		n++;
	return 0;
}

static void it_has_an_end(void **state)
{
	(void)state;
	assert_int_equal(run(spin, NULL, 1), -1);
	assert_string_equal(why, "takes too long to scan");
}

static ssize_t take_memory(void *arg, void *out, size_t size)
{
	void *large = mmap(NULL, CONFINED_MEMORY + (1UL << 20), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)arg, (void)size;
	*(char *)out = large == MAP_FAILED ? 'n' : 'y';
	return 1;
}

static void memory_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(run(take_memory, NULL, SECONDS), 1);
	assert_string_equal(said, "n");
}

static ssize_t say_too_much(void *arg, void *out, size_t size)
{
	(void)arg, (void)out;
	return (ssize_t)size;
}

static void no_more_than_there_is_room_for(void **state)
{
	(void)state;
	assert_int_equal(run(say_too_much, NULL, SECONDS), sizeof(said) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_says_comes_back),
		cmocka_unit_test(a_failure_is_one),
		cmocka_unit_test(what_a_scan_does_not_need_ends_it),
		cmocka_unit_test(it_has_an_end),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(no_more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
