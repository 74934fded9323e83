// SPDX-License-Identifier: GPL-2.0-only
/* Packet sockets, whose packets pass by the gate: whoever uses one is judged. */
#include "kselftest_harness.h"
#include "hand.h"
#include "script.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define FRAMES 0x88b5	/* for experiments on one's own network (IEEE 802) */

static int bind_to_loopback(int fd, uint16_t frames)
{
	const struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(frames),
		.sll_ifindex = (int)if_nametoindex("lo"),
	};

	return bind(fd, (const struct sockaddr *)&at, sizeof(at));
}

/* Bound, with a frame of its own that has come back to it; or -1. */
static int open_packet(void)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM, htons(FRAMES));
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (fd < 0 || bind_to_loopback(fd, FRAMES) || send(fd, "y", 1, 0) != 1)
		return -1;
	return poll(&p, 1, AT_ONCE_MS) == 1 ? fd : -1;
}

static int open_xdp(void)
{
	return socket(AF_XDP, SOCK_RAW, 0);
}

/* All frames of a kind that have come, but for the opener's. */
static int seen(int fd)
{
	char byte;
	int n = 0;

	while (recv(fd, &byte, 1, MSG_DONTWAIT) == 1)
		n += byte == 'x';
	return n;
}

/* Of the agent's, which is never asked about. */
static int look(void)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM, htons(FRAMES));

	return fd < 0 || bind_to_loopback(fd, FRAMES) ? -1 : fd;
}

/* ---- in another program's hands ---------------------------------------------------- */

FIXTURE(taken) {
	struct scene s;
	int seer;
};

FIXTURE_VARIANT(taken) {
	hand_fn hand;
	int (*open)(void);
	const char *use;
	uint8_t family;
	uint16_t frames;
	bool sends;
	int meets;	/* what the use comes to, if it may: an errno */
};

#define TAKEN(by, name, use_, sends_) \
	FIXTURE_VARIANT_ADD(taken, by##_##name) { \
		.hand = hand_##by, .open = open_packet, .use = use_, \
		.family = AF_PACKET, .frames = FRAMES, .sends = sends_, \
	}

TAKEN(by_exec, send, "send", true);
TAKEN(by_exec, sendfile, "sendfile", true);
TAKEN(by_exec, splice, "splice", true);
TAKEN(by_exec, read, "read", false);
TAKEN(by_exec, splice_from, "splice-from", false);
TAKEN(by_exec, bind, "bind", false);
TAKEN(by_message, send, "send", true);
TAKEN(by_message, read, "read", false);
TAKEN(by_pidfd, send, "send", true);
TAKEN(by_pidfd, bind, "bind", false);
FIXTURE_VARIANT_ADD(taken, by_exec_xdp) {
	.hand = hand_by_exec, .open = open_xdp, .use = "send",
	.family = AF_XDP, .meets = ENXIO,	/* it is not bound */
};

FIXTURE_SETUP(taken)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->seer = look();
	ASSERT_LE(0, self->seer);
}

FIXTURE_TEARDOWN(taken)
{
	close(self->seer);
	EXPECT_EQ(0, scene_strike(&self->s));
}

/* One program opens it, by leave, and another uses it: exit status of that. */
static int hand_over(FIXTURE_DATA(taken) *self, const FIXTURE_VARIANT(taken) *v,
		     const struct answer *second)
{
	struct scene *s = &self->s;
	pid_t pid = fork();
	uint64_t ino;
	int fd;

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(agent_fd(s->agent));
		fd = v->open();
		_exit(fd < 0 ? CHILD_LOST : v->hand(fd, v->use));
	}
	if (agent_next(s->agent, &s->ask, AT_ONCE_MS) != 1 ||
	    agent_answer(s->agent, s->ask.id, &agent_allow))
		return CHILD_LOST;
	ino = s->ask.exe.ino;
	/* A use that is not asked about has its exit status. */
	if (agent_next(s->agent, &s->ask, CHILD_MS) != 1)
		return child_end(pid);
	if (s->ask.exe.ino == ino || agent_answer(s->agent, s->ask.id, second))
		return CHILD_LOST;
	return child_end(pid);
}

TEST_F(taken, and_denied)
{
	EXPECT_EQ(EACCES, hand_over(self, variant, &agent_deny));
	EXPECT_EQ(0, seen(self->seer));
	EXPECT_EQ(2, gate_count(&self->s.gate, SOCKGATE_N_ASKED));
}

TEST_F(taken, and_allowed)
{
	const struct ask *ask = &self->s.ask;

	EXPECT_EQ(variant->meets, hand_over(self, variant, &agent_allow));
	EXPECT_EQ(SOCKGATE_EVENT_OPEN, ask->event);
	EXPECT_EQ(variant->family, ask->family);
	EXPECT_EQ(SOCKGATE_PROTOCOL_PACKET, ask->protocol);
	EXPECT_EQ(variant->frames, ask->rport);
	EXPECT_EQ(0, ask->lport);
	EXPECT_EQ(0, ask->laddr_len + ask->raddr_len);
	EXPECT_EQ(variant->sends, seen(self->seer));
	EXPECT_EQ(2, gate_count(&self->s.gate, SOCKGATE_N_ASKED));
}

/* ---- in its opener's ------------------------------------------------------------------ */

static int told[2], go[2];

static int wait_and_send(int fd)
{
	char byte = 'x';

	if (fd < 0 || write(told[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
		return CHILD_LOST;
	return send(fd, "x", 1, 0) == 1 && send(fd, "x", 1, 0) == 1 ? 0 : errno;
}

static int open_and_send(const struct addr *to)
{
	(void)to;
	return wait_and_send(open_packet());
}

FIXTURE(opener) {
	struct scene s;
	struct script script;
	int seer;
};

FIXTURE_SETUP(opener)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->script = script_allowing();
	ASSERT_EQ(0, pipe(told));
	ASSERT_EQ(0, pipe(go));
	self->seer = look();
	ASSERT_LE(0, self->seer);
}

FIXTURE_TEARDOWN(opener)
{
	close(self->seer);
	EXPECT_EQ(0, scene_strike(&self->s));
}

/* Up to where it has opened its socket.  Its process id. */
static pid_t start_opener(struct scene *s, struct script *script)
{
	pid_t pid = child_start(open_and_send, NULL);
	struct pollfd p = { .fd = told[0], .events = POLLIN };
	char byte;
	int ms;

	for (ms = 0; ms < AT_ONCE_MS && poll(&p, 1, 1) != 1; ms++)
		script_serve(s, script, 1);
	return p.revents && read(told[0], &byte, 1) == 1 ? pid : -1;
}

/* Though the verdict is not remembered. */
TEST_F(opener, is_asked_about_once)
{
	pid_t pid;

	self->script.answer[SOCKGATE_EVENT_OPEN] = &agent_allow;
	pid = start_opener(&self->s, &self->script);
	ASSERT_LT(0, pid);
	ASSERT_EQ(1, write(go[1], "x", 1));
	EXPECT_EQ(0, script_end(&self->s, &self->script, pid));
	EXPECT_EQ(1, self->script.asked[SOCKGATE_EVENT_OPEN]);
	EXPECT_EQ(2, seen(self->seer));
}

/* Its record ends with it. */
TEST_F(opener, leaves_nothing)
{
	struct gate_status before, st;
	pid_t pid;
	int ms;

	ASSERT_EQ(0, gate_status(&self->s.gate, &before));
	pid = start_opener(&self->s, &self->script);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, gate_status(&self->s.gate, &st));
	EXPECT_EQ(before.sockets + 1, st.sockets);
	ASSERT_EQ(1, write(go[1], "x", 1));
	EXPECT_EQ(0, script_end(&self->s, &self->script, pid));
	for (ms = 0; ms < AT_ONCE_MS && st.sockets != before.sockets; ms++) {
		gate_nap();
		ASSERT_EQ(0, gate_status(&self->s.gate, &st));
	}
	EXPECT_EQ(before.sockets, st.sockets);
}

TEST_F(opener, under_another_policy)
{
	pid_t pid = start_opener(&self->s, &self->script);

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, agent_set_generation(self->s.agent, 7));
	self->script.answer[SOCKGATE_EVENT_OPEN] = &script_refuse;
	ASSERT_EQ(1, write(go[1], "x", 1));
	EXPECT_EQ(EPERM, script_end(&self->s, &self->script, pid));
	EXPECT_EQ(2, self->script.asked[SOCKGATE_EVENT_OPEN]);
	EXPECT_EQ(FRAMES, self->script.last[SOCKGATE_EVENT_OPEN].rport);
	EXPECT_EQ(0, seen(self->seer));
	ASSERT_EQ(0, agent_set_generation(self->s.agent, 0));
}

static int bind_to_all(const struct addr *to)
{
	int fd = open_packet();

	(void)to;
	return fd < 0 ? CHILD_LOST : bind_to_loopback(fd, ETH_P_ALL) ? errno : 0;
}

static struct script *refusing;

/* It has been answered already: the one after it. */
static void refuse_next(const struct ask *ask)
{
	refusing->answer[ask->event] = &script_refuse;
}

TEST_F(opener, binds_to_another_type_of_frames)
{
	refusing = &self->script;
	self->script.seen = refuse_next;
	EXPECT_EQ(EPERM, script_run(&self->s, &self->script, bind_to_all, NULL));
	EXPECT_EQ(2, self->script.asked[SOCKGATE_EVENT_OPEN]);
	EXPECT_EQ(ETH_P_ALL, self->script.last[SOCKGATE_EVENT_OPEN].rport);
	self->script = script_allowing();
	EXPECT_EQ(0, script_run(&self->s, &self->script, bind_to_all, NULL));
	EXPECT_EQ(2, self->script.asked[SOCKGATE_EVENT_OPEN]);
}

/* ---- older than the module --------------------------------------------------------- */

FIXTURE(older) {
	struct scene s;
	struct script script;
	pid_t pid;
	int seer;
};

FIXTURE_SETUP(older)
{
	struct scene *s = &self->s;
	char byte;

	ASSERT_EQ(0, scene_control(s));
	ASSERT_EQ(0, pipe(told));
	ASSERT_EQ(0, pipe(go));
	self->pid = child_start(open_and_send, NULL);
	ASSERT_EQ(1, read(told[0], &byte, 1));
	ASSERT_EQ(0, gate_load());
	ASSERT_EQ(0, gate_reopen(&s->gate));
	ASSERT_EQ(0, scene_agent(s));
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, FAR_MS));
	self->script = script_allowing();
	self->seer = look();
	ASSERT_LE(0, self->seer);
	ASSERT_EQ(1, write(go[1], "x", 1));
}

FIXTURE_TEARDOWN(older)
{
	close(self->seer);
	EXPECT_EQ(0, scene_strike(&self->s));
}

TEST_F(older, allowed)
{
	const struct ask *ask = &self->script.last[SOCKGATE_EVENT_OPEN];

	self->script.answer[SOCKGATE_EVENT_OPEN] = &agent_allow;
	EXPECT_EQ(0, script_end(&self->s, &self->script, self->pid));
	EXPECT_EQ(1, self->script.asked[SOCKGATE_EVENT_OPEN]);
	EXPECT_EQ(self->pid, (pid_t)ask->process.pid);
	EXPECT_EQ(AF_PACKET, ask->family);
	EXPECT_EQ(SOCKGATE_PROTOCOL_PACKET, ask->protocol);
	EXPECT_EQ(FRAMES, ask->rport);
	EXPECT_EQ(2, seen(self->seer));
}

TEST_F(older, refused)
{
	self->script.answer[SOCKGATE_EVENT_OPEN] = &script_refuse;
	EXPECT_EQ(EPERM, script_end(&self->s, &self->script, self->pid));
	EXPECT_EQ(0, seen(self->seer));
}

TEST_HARNESS_MAIN
