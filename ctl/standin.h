/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For the unit tests of ctl/: a secsrv that is a child process, a policy's file, and
 * what a command prints that is another child.
 */
#ifndef SOCKGATE_CTL_STANDIN_H
#define SOCKGATE_CTL_STANDIN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <event2/event.h>

#include "channel.h"
#include "control.h"

struct standin {
	char dir[64], socket[96], file[96];
	pid_t server;		/* 0: none was started */
	char output[8192];	/* of the last command, on standard output */
};

/* For cmocka: before and after each test. */
static inline int standin_set_up(struct standin *s)
{
	s->server = 0;
	snprintf(s->dir, sizeof(s->dir), "/tmp/sockgate-ctl.XXXXXX");
	if (!mkdtemp(s->dir))
		return -1;
	snprintf(s->socket, sizeof(s->socket), "%s/s.sock", s->dir);
	snprintf(s->file, sizeof(s->file), "%s/p.conf", s->dir);
	return 0;
}

static inline int standin_tear_down(struct standin *s)
{
	char lock[120];

	if (s->server > 0) {
		kill(s->server, SIGKILL);
		waitpid(s->server, NULL, 0);
	}
	snprintf(lock, sizeof(lock), "%s.lock", s->socket);
	unlink(lock);
	unlink(s->socket);
	unlink(s->file);
	return rmdir(s->dir);
}

static inline void standin_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	(void)ch, (void)peer, (void)arg;
}

static struct event_base *standin_base;

static inline void standin_down(struct channel *ch, const char *why, void *arg)
{
	(void)ch, (void)why, (void)arg;
	/* The next one may come. */
	event_base_loopbreak(standin_base);
}

/* A child that answers by @ops, whose up and down are the ones above. */
static inline void standin_start(struct standin *s, const struct channel_ops *ops, void *arg)
{
	char why[256];
	int listener = control_listen(s->socket, why, sizeof(why));
	struct pollfd p = { .fd = listener, .events = POLLIN };

	if (listener < 0)
		fail_msg("%s", why);
	s->server = fork();
	assert_true(s->server >= 0);
	if (s->server) {
		close(listener);
		return;
	}
	standin_base = event_base_new();
	while (standin_base && poll(&p, 1, -1) == 1 &&
	       channel_local(standin_base, control_accept(listener), ops, arg))
		event_base_dispatch(standin_base);
	_exit(1);
}

static inline void standin_write(const struct standin *s, const char *text)
{
	FILE *f = fopen(s->file, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/*
 * Begins a command: in a child process, whose standard output goes to the other one.
 * Returns true in the child.  There standin_end() never comes.
 */
static inline bool standin_begin(int *from, pid_t *pid)
{
	int pipes[2];

	assert_int_equal(pipe(pipes), 0);
	*pid = fork();
	assert_true(*pid >= 0);
	if (*pid) {
		close(pipes[1]);
		*from = pipes[0];
		return false;
	}
	if (dup2(pipes[1], STDOUT_FILENO) < 0 || !freopen("/dev/null", "w", stderr))
		_exit(9);
	return true;
}

/* Until it has ended: its standard output is in s->output.  Returns its status. */
static inline int standin_end(struct standin *s, int from, pid_t pid)
{
	size_t used = 0;
	ssize_t n = 1;
	int status;

	while (n > 0 && used < sizeof(s->output) - 1) {
		n = read(from, s->output + used, sizeof(s->output) - 1 - used);
		used += n > 0 ? (size_t)n : 0;
	}
	s->output[used] = '\0';
	close(from);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#endif
