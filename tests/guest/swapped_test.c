// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program that puts an allowed one into its /proc/self/exe (PR_SET_MM_MAP): it is
 * not that program, and is not judged as it.
 */
#include "kselftest_harness.h"
#include "child.h"
#include "scene.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>

#define V4 "127.0.0.1"
#define ALLOWED "/run/allowed"
#define SWAP "/run/swap"

FIXTURE(swapped) {
	struct scene s;
	struct stat allowed;
};

FIXTURE_VARIANT(swapped) {
	const char *user;
};

FIXTURE_VARIANT_ADD(swapped, by_root) { "0" };
FIXTURE_VARIANT_ADD(swapped, in_a_user_namespace) { "65534" };

static int place(const char *name, const char *to)
{
	char from[PATH_MAX];

	snprintf(from, sizeof(from), "%s", worker_program());
	snprintf(strrchr(from, '/') + 1, 16, "%s", name);
	return file_copy(from, to, "");
}

FIXTURE_SETUP(swapped)
{
	ASSERT_EQ(0, place("brief", ALLOWED));
	ASSERT_EQ(0, place("swap", SWAP));
	ASSERT_EQ(0, stat(ALLOWED, &self->allowed));
}

FIXTURE_TEARDOWN(swapped)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

static const char *user;

static int swap(const struct addr *to)
{
	char port[8];

	snprintf(port, sizeof(port), "%u", ntohs(to->in.sin_port));
	execl(SWAP, SWAP, ALLOWED, V4, port, user, NULL);
	return CHILD_LOST;
}

static bool arrived(const struct scene *s)
{
	struct pollfd p = { .fd = s->udp, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* As an agent does that knows one program. */
static void answer_by_file(struct scene *s, const struct stat *allowed)
{
	while (agent_next(s->agent, &s->ask, 200) == 1)
		agent_answer(s->agent, s->ask.id,
			     s->ask.exe.ino == allowed->st_ino ? &agent_allow :
								&agent_deny);
}

TEST_F(swapped, works_without_the_module)
{
	struct addr to;

	ASSERT_EQ(0, scene_control(&self->s));
	user = variant->user;
	to = net_addr(V4, self->s.udp_port);
	EXPECT_EQ(0, child_end(child_start(swap, &to)));
	EXPECT_TRUE(arrived(&self->s));
}

TEST_F(swapped, is_not_the_other)
{
	struct scene *s = &self->s;
	struct addr to;
	pid_t pid;

	ASSERT_EQ(0, scene_set(s));
	ASSERT_EQ(0, scene_agent(s));
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, FAR_MS));
	user = variant->user;
	to = net_addr(V4, s->udp_port);
	pid = child_start(swap, &to);
	answer_by_file(s, &self->allowed);
	/* It never gets so far as to send. */
	EXPECT_EQ(CHILD_LOST, child_end(pid));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_IMPOSTOR));
	EXPECT_FALSE(arrived(s));
}

TEST_HARNESS_MAIN
