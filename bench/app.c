// SPDX-License-Identifier: GPL-2.0-only
/*
 * One of many applications: connects to 127.0.0.1 so many times, and exits with how
 * often that failed.
 *
 *	app PORT TIMES
 *
 * Without a library: there are to be a thousand of it, and neither starting it nor
 * reading it should be most of what is measured.
 */
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static long call(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result)
			 : "0"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return result;
}

static long number_of(const char *text)
{
	long n = 0;

	for (; *text >= '0' && *text <= '9'; text++)
		n = 10 * n + (*text - '0');
	return n;
}

static long connect_once(const struct sockaddr_in *to)
{
	long fd = call(SYS_socket, AF_INET, SOCK_STREAM, 0), err;

	err = call(SYS_connect, fd, (long)to, sizeof(*to));
	call(SYS_close, fd, 0, 0);
	return err;
}

/* As the kernel leaves the stack: the number of words, then where they are. */
__attribute__((used)) void begin(const long *stack);
void begin(const long *stack)
{
	const char *const *word = (const char *const *)(stack + 1);
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons((unsigned short)number_of(word[1])),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	long failed = 0, times = number_of(word[2]);

	while (times-- > 0)
		failed += connect_once(&to) != 0;
	call(SYS_exit_group, failed > 255 ? 255 : failed, 0, 0);
}

__asm__(".globl _start\n_start:\n	mov %rsp, %rdi\n	and $-16, %rsp\n	call begin\n");
