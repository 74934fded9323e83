// SPDX-License-Identifier: GPL-2.0-only
/* The module comes and goes under load, 20 times or as often as wished, and still works. */
#include "kselftest_harness.h"
#include "child.h"
#include "pace.h"
#include "scene.h"

#include <poll.h>

#include <signal.h>
#include <sys/prctl.h>

#define TO "127.0.0.1"
#define ROUNDS 20
#define HELD 10
#define PARKED 5		/* of packets */
#define STORM_CALLS 200U
#define UNANSWERED 4242U	/* a user; and those that die */
#define DYING 4243U
#define NOISE 1000		/* objects that are the kernel's own affair */

/* What never stops while the module comes and goes. */
enum storm {
	STORM_CONNECT,
	STORM_SEND,
	STORM_LISTEN,
	STORM_THREADS,
	STORMS,
};

FIXTURE(unload) {
	struct scene s;
	struct worker storm[STORMS];
	struct call call[STORMS];
	struct worker held[HELD];
	unsigned int calls[STORMS];	/* that came through */
	unsigned int wrong;		/* that did not */
	pid_t accepts, dying, parked[PARKED];
};

/* Takes every connection off the listener, so that its queue never fills. */
static pid_t accept_all(int listener)
{
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while ((fd = accept(listener, NULL, NULL)) >= 0 || errno == ECONNABORTED)
		if (fd >= 0)
			close(fd);
	_exit(1);
}

static int connect_as(uint32_t uid, const struct addr *to, int type)
{
	int fd = socket(to->family, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || setresuid(uid, uid, uid))
		return -1;
	return connect(fd, &to->sa, to->len) && errno != EINPROGRESS ? -1 : fd;
}

/* Killed in the middle of whatever the module makes of its calls. */
static pid_t die_all(const struct addr *to)
{
	pid_t pid = fork(), one;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		one = fork();
		if (!one) {
			connect_as(DYING, to, SOCK_STREAM);
			_exit(0);
		}
		gate_nap();
		kill(one, SIGKILL);
		waitpid(one, NULL, 0);
	}
}

/* The module's going lets its packet go on. */
static int connect_later(const struct addr *to)
{
	struct pollfd p = { .events = POLLOUT };

	p.fd = connect_as(UNANSWERED, to, SOCK_STREAM | SOCK_NONBLOCK);
	if (p.fd < 0 || poll(&p, 1, (int)CHILD_MS) != 1)
		return CHILD_LOST;
	return net_error(p.fd);
}

static struct call storm_call(const struct scene *s, enum storm storm)
{
	struct call c = scene_connect(s, TO);

	if (storm == STORM_SEND)
		c = scene_send(s, TO);
	if (storm == STORM_LISTEN) {
		c.kind = CALL_LISTEN;
		c.from = net_addr(TO, 0);
	}
	if (storm == STORM_THREADS)
		c.threads = 16;
	else
		c.times = STORM_CALLS;
	c.until_done = true;
	return c;
}

FIXTURE_SETUP(unload)
{
	struct addr to;
	int i;

	for (i = 0; i < HELD; i++)
		self->held[i].fd = -1;
	ASSERT_EQ(0, scene_control(&self->s));
	to = net_addr(TO, self->s.tcp_port);
	self->accepts = accept_all(self->s.tcp);
	ASSERT_LT(0, self->accepts);
	self->dying = die_all(&to);
	ASSERT_LT(0, self->dying);
	for (i = 0; i < STORMS; i++) {
		self->call[i] = storm_call(&self->s, i);
		ASSERT_EQ(0, worker_start(&self->storm[i], NULL));
		ASSERT_EQ(0, worker_tell(&self->storm[i], &self->call[i]));
	}
}

FIXTURE_TEARDOWN(unload)
{
	int i;

	for (i = 0; i < STORMS; i++)
		worker_end(&self->storm[i]);
	for (i = 0; i < HELD; i++)
		worker_end(&self->held[i]);
	kill(self->dying, SIGKILL);
	waitpid(self->dying, NULL, 0);
	kill(self->accepts, SIGKILL);
	waitpid(self->accepts, NULL, 0);
	EXPECT_EQ(0, scene_strike(&self->s));
}

/* All is loopback: what the agent does not allow, the failsafe list does. */
static void note(FIXTURE_DATA(unload) *self, int i, const struct outcome *o)
{
	self->calls[i] += o->worked;
	self->wrong += o->unready || o->error;
}

/* Hands out the next portion to whoever has finished. */
static int keep_storming(FIXTURE_DATA(unload) *self)
{
	struct outcome o;
	int i;

	for (i = 0; i < STORMS; i++) {
		if (!worker_heard(&self->storm[i], &o, 0))
			continue;
		note(self, i, &o);
		if (worker_tell(&self->storm[i], &self->call[i]))
			return -1;
	}
	return 0;
}

static int wait_storm(FIXTURE_DATA(unload) *self, enum sockgate_counter counter,
		      uint64_t more)
{
	uint64_t until = gate_count(&self->s.gate, counter) + more;

	while (gate_count(&self->s.gate, counter) < until)
		if (keep_storming(self))
			return -1;
	return 0;
}

/* Only the storm's own questions are answered; the others hang. */
static void serve_storm(struct agent *a, const struct ask *ask)
{
	if (ask->uid != UNANSWERED && ask->uid != DYING)
		agent_answer(a, ask->id, &agent_allow);
}

static int start_held(FIXTURE_DATA(unload) *self)
{
	struct call call = scene_connect(&self->s, TO);
	int i;

	for (i = 0; i < PARKED; i++)
		self->parked[i] = child_start(connect_later, &call.to);
	call.uid = UNANSWERED;
	for (i = 0; i < HELD; i++)
		if (worker_start(&self->held[i], NULL) ||
		    worker_tell(&self->held[i], &call))
			return -1;
	return 0;
}

static bool all_held(FIXTURE_DATA(unload) *self)
{
	struct gate_status st;

	return !gate_status(&self->s.gate, &st) && st.pending >= HELD &&
	       st.parked >= PARKED &&
	       st.n[SOCKGATE_N_ASKED] - st.n[SOCKGATE_N_ANSWERED] -
	       st.n[SOCKGATE_N_REASON + SOCKGATE_REASON_AGENT_BUSY] >= HELD;
}

/* UNLOAD is FAILSAFE: loopback. */
static int hear_held(FIXTURE_DATA(unload) *self)
{
	struct outcome o;
	int i, wrong = 0;

	for (i = 0; i < PARKED; i++)
		wrong += child_end(self->parked[i]) != 0;
	for (i = 0; i < HELD; i++) {
		if (worker_hear(&self->held[i], &o) || o.error || o.unready)
			wrong++;
		worker_end(&self->held[i]);
	}
	return wrong;
}

/* No deadline comes between, and peers and ends of connections are judged too. */
static int be_patient(struct gate *g)
{
	int err = gate_set_u32(g, SOCKGATE_A_DEADLINE, FAR_MS);

	return err ?: gate_set_u32(g, SOCKGATE_A_EVENTS, 1U << SOCKGATE_EVENT_ACCEPT |
				   1U << SOCKGATE_EVENT_RECEIVE |
				   1U << SOCKGATE_EVENT_CLOSE);
}

/*
 * What a round could lose: requests, questions, packets, sockets.  The kernel counts
 * whole pages of some, and keeps things of its own.
 */
static long objects_in_use(void)
{
	FILE *f = fopen("/proc/slabinfo", "re");
	long n, sum = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if ((sscanf(line, "kmalloc-%*[0-9k] %ld", &n) == 1) ||
		    (sscanf(line, "TCP %ld", &n) == 1))
			sum += n;
	if (f)
		fclose(f);
	return sum;
}

TEST_F_TIMEOUT(unload, comes_and_goes_under_load, 240)
{
	const unsigned int rounds = pace_rounds(ROUNDS);
	struct scene *s = &self->s;
	struct call call = scene_connect(s, TO);
	unsigned int round;
	long before = 0, after;
	pid_t agent;
	int i;

	for (round = 0; round < rounds; round++) {
		ASSERT_EQ(0, gate_load());
		ASSERT_EQ(0, gate_reopen(&s->gate));
		ASSERT_EQ(0, be_patient(&s->gate));
		ASSERT_EQ(0, wait_storm(self, SOCKGATE_N_FAIL_ALLOW, 20));
		agent = agent_fork(s->gate.genl, serve_storm, 1);
		ASSERT_LT(0, agent);
		ASSERT_EQ(0, wait_storm(self, SOCKGATE_N_HELD_ALLOW, 20));
		ASSERT_EQ(0, start_held(self));
		while (!all_held(self))
			ASSERT_EQ(0, keep_storming(self));
		/* With the agent still there, and with it just gone. */
		if (round % 2)
			ASSERT_EQ(0, kill(agent, SIGKILL));
		ASSERT_EQ(0, gate_unload());
		EXPECT_EQ(0, hear_held(self));
		ASSERT_EQ(0, keep_storming(self));
		kill(agent, SIGKILL);
		ASSERT_EQ(agent, waitpid(agent, NULL, 0));
		before = before ?: objects_in_use();
	}
	EXPECT_EQ(0, self->wrong);
	for (i = 0; i < STORMS; i++)
		EXPECT_LT(0, self->calls[i]) {
			TH_LOG("storm %d made no call", i);
		}

	/* And then everything works as ever, and what was begun has ended. */
	for (i = 0; i < STORMS; i++)
		worker_end(&self->storm[i]);
	kill(self->dying, SIGKILL);
	ASSERT_EQ(self->dying, waitpid(self->dying, NULL, 0));
	ASSERT_EQ(0, gate_load());
	ASSERT_EQ(0, gate_reopen(&s->gate));
	ASSERT_EQ(0, scene_agent(s));
	EXPECT_EQ(1, scene_judge(s, &call, &agent_deny));
	EXPECT_EQ(EACCES, s->outcome.error);
	EXPECT_EQ(1, scene_judge(s, &call, &agent_allow));
	EXPECT_EQ(0, s->outcome.error);
	EXPECT_EQ(2, gate_count(&s->gate, SOCKGATE_N_ASKED));
	EXPECT_EQ(0, gate_wait_pending(&s->gate, 0));
	EXPECT_EQ(0, gate_parked(&s->gate));
	after = objects_in_use();
	TH_LOG("%u rounds, %ld objects before, %ld after", rounds, before, after);
	EXPECT_LT(0, before);
	EXPECT_GT(before + NOISE + rounds * HELD / 2, after);
}

/* ---- loading -------------------------------------------------------------------- */

FIXTURE(load) {
	struct gate gate;
};

FIXTURE_SETUP(load)
{
	ASSERT_EQ(0, gate_away(&self->gate));
}

FIXTURE_TEARDOWN(load)
{
	gate_unload();
	EXPECT_EQ(0, gate_down(&self->gate));
}

TEST_F(load, twice)
{
	ASSERT_EQ(0, gate_load());
	EXPECT_EQ(EEXIST, gate_load());
	EXPECT_EQ(0, gate_unload());
	EXPECT_EQ(ENOENT, gate_unload());
}

#define FTRACE "/proc/sys/kernel/ftrace_enabled"

/* Switching ftrace off would open the gate: it fails while the module is there. */
TEST_F(load, ftrace_stays_on)
{
	ASSERT_EQ(0, gate_load());
	EXPECT_EQ(EBUSY, file_write(FTRACE, "0"));
	EXPECT_EQ(0, gate_unload());
}

/* And where it is off already, loading fails. */
TEST_F(load, without_ftrace)
{
	ASSERT_EQ(0, file_write(FTRACE, "0"));
	EXPECT_NE(0, gate_load());
	EXPECT_EQ(0, file_write(FTRACE, "1"));
	EXPECT_EQ(0, gate_load());
}

TEST_HARNESS_MAIN
