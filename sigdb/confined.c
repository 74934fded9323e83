// SPDX-License-Identifier: GPL-2.0-only
#include "confined.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What memory, time and signals of its own take; the rest ends the process. */
static const int calls[] = {
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday), SCMP_SYS(getrandom), SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* ---- the child ----------------------------------------------------------- */

static int bound(int what, rlim_t value)
{
	const struct rlimit limit = { value, value };

	return setrlimit((__rlimit_resource_t)what, &limit);
}

/* Bytes of address space that are in use; 0 if that cannot be learned. */
static rlim_t space_in_use(void)
{
	FILE *in = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (!in)
		return 0;
	if (fscanf(in, "%lu", &pages) != 1)
		pages = 0;
	fclose(in);
	return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static int bound_all(unsigned int seconds)
{
	rlim_t used = space_in_use();

	if (!used || bound(RLIMIT_AS, used + CONFINED_MEMORY) ||
	    bound(RLIMIT_CPU, seconds) || bound(RLIMIT_CORE, 0) ||
	    bound(RLIMIT_FSIZE, 0) || bound(RLIMIT_NOFILE, 0))
		return -1;
	/* Whatever else there is to do comes first. */
	return setpriority(PRIO_PROCESS, 0, 19);
}

static int add_rules(scmp_filter_ctx filter, int out)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0))
			return -1;
	/* No page is ever code that was not before. */
	if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
			     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) ||
	    seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
			     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)))
		return -1;
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
				SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)out)) ? -1 : 0;
}

static int filter_calls(int out)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int ret = -1;

	if (!filter)
		return -1;
	if (!add_rules(filter, out) && !seccomp_load(filter))
		ret = 0;
	seccomp_release(filter);
	return ret;
}

/* Everything but the way out, which becomes descriptor 0. */
static int close_all(int out)
{
	return dup2(out, 0) < 0 || close_range(1, ~0U, 0) ? -1 : 0;
}

static _Noreturn void child(confined_fn fn, void *arg, size_t size, int out,
			    unsigned int seconds)
{
	char *answer = malloc(size);
	ssize_t len, done = 0;

	/* Handlers of ours would not know what they are called for. */
	for (int number = 1; number < SIGRTMIN; number++)
		signal(number, SIG_DFL);
	if (!answer || close_all(out) || bound_all(seconds) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || prctl(PR_SET_PDEATHSIG, SIGKILL) ||
	    filter_calls(0))
		_exit(2);
	len = fn(arg, answer, size);
	while (len > done) {
		ssize_t n = write(0, answer + done, (size_t)(len - done));

		if (n < 0)
			_exit(2);
		done += n;
	}
	_exit(len < 0);
}

/* ---- the caller ---------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* Until its end of file; -1 if the time is up first, or it says too much. */
static ssize_t take(int in, char *out, size_t size, int64_t until_ms)
{
	struct pollfd wait = { .fd = in, .events = POLLIN };
	size_t done = 0;
	char more;

	for (;;) {
		int64_t left = until_ms - now_ms();
		ssize_t n;

		if (left <= 0)
			return -1;
		if (poll(&wait, 1, (int)left) <= 0)
			continue;
		n = read(in, done < size ? out + done : &more, done < size ? size - done : 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -1 : (ssize_t)done;
		if (done == size)
			return -1;
		done += (size_t)n;
	}
}

static const char *ended_by(int status)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return "does what no scan does";
	if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU ||
				    WTERMSIG(status) == SIGKILL))
		return "takes too long to scan";
	return "cannot be scanned";
}

ssize_t confined_run(confined_fn fn, void *arg, void *out, size_t size,
		     unsigned int seconds, const char **why)
{
	int ends[2], status = 0;
	ssize_t len;
	pid_t pid;

	*why = "cannot be scanned";
	if (pipe2(ends, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid)
		child(fn, arg, size, ends[1], seconds);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return -1;
	}
	len = take(ends[0], out, size, now_ms() + seconds * INT64_C(1000));
	close(ends[0]);
	if (len < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	if (len >= 0 && WIFEXITED(status) && !WEXITSTATUS(status))
		return len;
	*why = ended_by(status);
	return -1;
}
