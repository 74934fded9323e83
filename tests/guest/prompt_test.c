// SPDX-License-Identifier: GPL-2.0-only
/*
 * What waits for a connection in an event loop learns of a refusal at once, by the
 * rule's errno: epoll in C, Python's asyncio, node.
 */
#include "kselftest_harness.h"
#include "scene.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

#define BOUND_US 200000L
#define ROUNDS 3	/* the best counts: others run on this machine too */
#define NOT_THAT 200

/* Of each round; the first connection is let through. */
static const uint32_t errors[] = { 0, EACCES, ECONNREFUSED, EPERM };

static long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Connects as an event loop does; returns SO_ERROR. */
static int connect_by_epoll(const struct addr *to)
{
	int fd = socket(to->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct epoll_event event = { .events = EPOLLOUT };
	int loop = epoll_create1(EPOLL_CLOEXEC), error;

	if (!connect(fd, &to->sa, to->len) || errno != EINPROGRESS ||
	    epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) ||
	    epoll_wait(loop, &event, 1, -1) != 1)
		return NOT_THAT;
	error = net_error(fd);
	if (error && !(event.events & EPOLLERR))
		return NOT_THAT;
	close(fd);
	close(loop);
	return error;
}

/* Says of each connection: errno, microseconds.  So do the scripts. */
static void run_epoll(const char *host, uint16_t port)
{
	struct addr to = net_addr(host, port);
	long begin;
	int error, i;

	for (i = 0; i < ROUNDS * (int)ARRAY_SIZE(errors); i++) {
		begin = now_us();
		error = connect_by_epoll(&to);
		printf("%d %ld\n", error, now_us() - begin);
		fflush(stdout);
	}
}

static const char *script(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/tests/guest/%s",
		 getenv("LAB_REPO") ?: ".", name);
	return path;
}

FIXTURE(loop) {
	struct scene s;
	FILE *said;
	pid_t pid;
};

FIXTURE_VARIANT(loop) {
	const char *program, *script;	/* NULL: run_epoll() */
};

FIXTURE_VARIANT_ADD(loop, epoll) { NULL, NULL };
FIXTURE_VARIANT_ADD(loop, asyncio) { "/usr/bin/python3", "connects.py" };
FIXTURE_VARIANT_ADD(loop, node) { "/usr/bin/node", "connects.js" };

static void become(const FIXTURE_VARIANT(loop) *v, uint16_t port)
{
	char number[8], times[8];

	snprintf(number, sizeof(number), "%u", port);
	snprintf(times, sizeof(times), "%zu", ROUNDS * ARRAY_SIZE(errors));
	if (v->program)
		execl(v->program, v->program, script(v->script), "127.0.0.1",
		      number, times, NULL);
	else
		run_epoll("127.0.0.1", port);
}

FIXTURE_SETUP(loop)
{
	int ends[2];

	ASSERT_EQ(0, scene_set_patient(&self->s));
	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	self->pid = fork();
	if (!self->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(ends[1], STDOUT_FILENO);
		become(variant, self->s.tcp_port);
		_exit(0);
	}
	close(ends[1]);
	self->said = fdopen(ends[0], "r");
}

FIXTURE_TEARDOWN(loop)
{
	kill(self->pid, SIGKILL);
	waitpid(self->pid, NULL, 0);
	fclose(self->said);
	EXPECT_EQ(0, scene_strike(&self->s));
}

/* One connection, as it is to end; returns its microseconds, -1 if it did not. */
static long meet(struct scene *s, FILE *said, uint32_t wanted)
{
	struct answer answer = wanted ? agent_deny : agent_allow;
	int error = NOT_THAT;
	long us = -1;

	answer.error = wanted;
	if (agent_next(s->agent, &s->ask, -1) != 1 ||
	    agent_answer(s->agent, s->ask.id, &answer) ||
	    fscanf(said, "%d %ld", &error, &us) != 2)
		return -1;
	return error == (int)wanted ? us : -1;
}

TEST_F_TIMEOUT(loop, refusal_is_told_at_once, 120)
{
	long best[ARRAY_SIZE(errors)], us;
	size_t i, n;

	for (n = 0; n < ROUNDS * ARRAY_SIZE(errors); n++) {
		i = n % ARRAY_SIZE(errors);
		us = meet(&self->s, self->said, errors[i]);
		ASSERT_LE(0, us);
		if (n == i || us < best[i])
			best[i] = us;
	}
	for (i = 1; i < ARRAY_SIZE(errors); i++) {
		TH_LOG("errno %u after %ld us", errors[i], best[i]);
		EXPECT_GT(BOUND_US, best[i]);
	}
	EXPECT_EQ(ROUNDS * (ARRAY_SIZE(errors) - 1),
		  gate_count(&self->s.gate, SOCKGATE_N_PACKET_HELD_DENY));
}

TEST_HARNESS_MAIN
