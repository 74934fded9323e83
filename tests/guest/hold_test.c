// SPDX-License-Identifier: GPL-2.0-only
/* Callers that wait: how the wait ends, and what may happen to them meanwhile. */
#include "kselftest_harness.h"
#include "scene.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#define TO "127.0.0.1"
/* Late enough that no test ends by it unless it wants to. */
/* "At once" on a busy machine; far from FAR_MS. */
#define AT_ONCE_MS 5000.0

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

FIXTURE(hold) {
	struct scene s;
	struct call call;
};

FIXTURE_SETUP(hold)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->call = scene_connect(&self->s, TO);
}

FIXTURE_TEARDOWN(hold)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

/* A time shorter than this is the kernel's clock tick away from the setting. */
#define TICK_MS 10

TEST_F(hold, deadline)
{
	static const unsigned int ms[] = { 100, 700 };
	struct scene *s = &self->s;
	struct ask ask;
	size_t i;

	ASSERT_EQ(0, gate_set_row(&s->gate, SOCKGATE_REASON_DEADLINE,
				  SOCKGATE_ACTION_DENY, EPERM));
	for (i = 0; i < ARRAY_SIZE(ms); i++) {
		ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, ms[i]));
		ASSERT_EQ(0, worker_tell(&s->worker, &self->call));
		ASSERT_EQ(1, agent_next(s->agent, &ask, -1));
		EXPECT_GE(ms[i], ask.remaining);
		ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
		EXPECT_EQ(EPERM, s->outcome.error);
		EXPECT_LE((double)ms[i] - TICK_MS, scene_ms(s));
		EXPECT_GT((double)ms[i] + AT_ONCE_MS, scene_ms(s));
	}
	EXPECT_EQ(i, gate_failures(&s->gate, SOCKGATE_REASON_DEADLINE));
	EXPECT_EQ(i, gate_count(&s->gate, SOCKGATE_N_FAIL_DENY));
	EXPECT_EQ(0, gate_wait_pending(&s->gate, 0));
	/* Too late. */
	EXPECT_EQ(ENOENT, agent_answer(s->agent, ask.id, &agent_allow));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_LATE));
}

/* A shorter deadline set while another is pending is kept to the millisecond. */
TEST_F(hold, deadline_shorter_than_one_before)
{
	struct scene *s = &self->s;
	struct worker other;

	ASSERT_EQ(0, worker_start(&other, NULL));
	ASSERT_EQ(0, scene_hold(s, &other, &self->call));
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, 200));
	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
	EXPECT_EQ(EACCES, s->outcome.error);
	EXPECT_GT(AT_ONCE_MS, scene_ms(s));
	EXPECT_EQ(0, gate_wait_pending(&s->gate, 1));
	worker_end(&other);
}

TEST_F(hold, deadline_that_allows)
{
	struct scene *s = &self->s;

	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, 100));
	ASSERT_EQ(0, gate_set_row(&s->gate, SOCKGATE_REASON_DEADLINE,
				  SOCKGATE_ACTION_ALLOW, EACCES));
	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
	EXPECT_EQ(0, s->outcome.error);
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_FAIL_ALLOW));
}

/* The call ends as it does without us: the connection is on its way. */
TEST_F(hold, send_timeout)
{
	struct scene *s = &self->s;

	self->call.send_timeout_ms = 300;
	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
	EXPECT_EQ(EINPROGRESS, s->outcome.error);
	EXPECT_LE(300.0 - TICK_MS, scene_ms(s));
	EXPECT_GT(300.0 + AT_ONCE_MS, scene_ms(s));
	EXPECT_EQ(0, gate_wait_pending(&s->gate, 1));
	EXPECT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_allow));
	EXPECT_EQ(0, gate_wait_pending(&s->gate, 0));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_DEFERRED));
}

/* Its end is immediate, and its question ends with it. */
TEST_F(hold, killed)
{
	struct scene *s = &self->s;
	uint64_t begin;
	int status;

	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	worker_wait_state(&s->worker, 'S');
	begin = now_ns();
	status = worker_end(&s->worker);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT_GT(AT_ONCE_MS, (double)(now_ns() - begin) / 1e6);
	EXPECT_EQ(0, gate_wait_pending(&s->gate, 0));
	EXPECT_EQ(ENOENT, agent_answer(s->agent, s->ask.id, &agent_allow));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_INTERRUPTED));
}

/* Killing callers fills no table: nobody else is refused for it. */
TEST_F(hold, killed_and_no_trace)
{
	struct scene *s = &self->s;
	struct worker w;
	int i;

	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_MAX_PENDING, 4));
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, worker_start(&w, NULL));
		ASSERT_EQ(0, scene_hold(s, &w, &self->call));
		worker_end(&w);
	}
	ASSERT_EQ(1, scene_judge(s, &self->call, &agent_allow));
	EXPECT_EQ(0, s->outcome.error);
	EXPECT_EQ(0, gate_failures(&s->gate, SOCKGATE_REASON_TABLE_FULL));
}

/* One user cannot have more than his share of the table, but for root. */
TEST_F(hold, share_of_a_user)
{
	struct scene *s = &self->s;
	struct worker w[3];
	struct call call = self->call;
	size_t i;

	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_MAX_PENDING, 8));
	call.uid = 4242;
	for (i = 0; i < ARRAY_SIZE(w); i++)
		ASSERT_EQ(0, worker_start(&w[i], NULL));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, scene_hold(s, &w[i], &call));
	ASSERT_EQ(0, worker_tell(&w[2], &call));
	ASSERT_EQ(0, worker_hear(&w[2], &s->outcome));
	EXPECT_EQ(EACCES, s->outcome.error);
	EXPECT_EQ(1, gate_failures(&s->gate, SOCKGATE_REASON_TABLE_FULL));
	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	for (i = 0; i < ARRAY_SIZE(w); i++)
		worker_end(&w[i]);
}

/* Nor can all users together have the last of it: whoever repairs a host is root. */
TEST_F(hold, room_for_root)
{
	struct scene *s = &self->s;
	struct worker w[7];
	struct call call = self->call;
	uint32_t i;

	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_MAX_PENDING, 8));
	for (i = 0; i < ARRAY_SIZE(w); i++)
		ASSERT_EQ(0, worker_start(&w[i], NULL));
	/* Four that differ in two bits share no slot of the users' counts. */
	for (i = 0; i < 6; i++) {
		call.uid = 4240 + i / 2;
		ASSERT_EQ(0, scene_hold(s, &w[i], &call));
	}
	call.uid = 4243;
	ASSERT_EQ(0, worker_tell(&w[6], &call));
	ASSERT_EQ(0, worker_hear(&w[6], &s->outcome));
	EXPECT_EQ(EACCES, s->outcome.error);
	EXPECT_EQ(1, gate_failures(&s->gate, SOCKGATE_REASON_TABLE_FULL));
	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	EXPECT_EQ(0, s->ask.uid);
	for (i = 0; i < ARRAY_SIZE(w); i++)
		worker_end(&w[i]);
}

/* The whole thread group goes, though every thread is held. */
TEST_F(hold, killed_with_threads)
{
	struct scene *s = &self->s;
	int status;

	self->call.threads = 20;
	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	ASSERT_EQ(0, gate_wait_count(&s->gate, SOCKGATE_N_JOINED, 19));
	status = worker_end(&s->worker);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT_EQ(0, gate_wait_pending(&s->gate, 0));
	EXPECT_EQ(ENOENT, agent_answer(s->agent, s->ask.id, &agent_allow));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_ASKED));
}

/* Its packet waits, and a worker of io_uring for the connection. */
TEST_F(hold, killed_in_uring)
{
	struct scene *s = &self->s;
	uint64_t begin;
	int status;

	self->call.kind = CALL_URING_ASYNC;
	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	ASSERT_EQ(0, kill(s->worker.pid, SIGUSR1));
	begin = now_ns();
	status = worker_end(&s->worker);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT_GT(AT_ONCE_MS, (double)(now_ns() - begin) / 1e6);
	EXPECT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_allow));
	EXPECT_EQ(0, gate_wait_pending(&s->gate, 0));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_ASKED));
}

/* A held caller that left and came back; now it gets its answer. */
static void check_one_question(struct __test_metadata *_metadata,
			       struct scene *s)
{
	ASSERT_EQ(0, gate_wait_count(&s->gate, SOCKGATE_N_JOINED, 1));
	EXPECT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_allow));
	ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
	EXPECT_EQ(0, s->outcome.error);
	EXPECT_EQ(1, s->outcome.worked);
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_ASKED));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_JOINED));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_INTERRUPTED));
	EXPECT_EQ(0, gate_wait_pending(&s->gate, 0));
}

TEST_F(hold, handler_that_restarts)
{
	struct scene *s = &self->s;

	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	worker_wait_state(&s->worker, 'S');
	ASSERT_EQ(0, kill(s->worker.pid, SIGUSR2));
	check_one_question(_metadata, s);
	EXPECT_EQ(1, s->outcome.handled);
	EXPECT_EQ(0, s->outcome.interrupted);
}

/* Without SA_RESTART the caller sees EINTR; it calls again, same question. */
TEST_F(hold, handler_that_interrupts)
{
	struct scene *s = &self->s;

	self->call.until_done = true;
	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	worker_wait_state(&s->worker, 'S');
	ASSERT_EQ(0, kill(s->worker.pid, SIGUSR1));
	check_one_question(_metadata, s);
	EXPECT_EQ(1, s->outcome.handled);
	EXPECT_EQ(1, s->outcome.interrupted);
}

TEST_F(hold, stopped_and_continued)
{
	struct scene *s = &self->s;

	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	worker_wait_state(&s->worker, 'S');
	ASSERT_EQ(0, kill(s->worker.pid, SIGSTOP));
	worker_wait_state(&s->worker, 'T');
	EXPECT_EQ(0, gate_wait_pending(&s->gate, 1));
	ASSERT_EQ(0, kill(s->worker.pid, SIGCONT));
	check_one_question(_metadata, s);
}

/* Answered while it is stopped: it goes on without another question. */
TEST_F(hold, answered_while_stopped)
{
	struct scene *s = &self->s;

	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	worker_wait_state(&s->worker, 'S');
	ASSERT_EQ(0, kill(s->worker.pid, SIGSTOP));
	worker_wait_state(&s->worker, 'T');
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_allow));
	ASSERT_EQ(0, kill(s->worker.pid, SIGCONT));
	ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
	EXPECT_EQ(0, s->outcome.error);
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_ASKED));
}

/* ---- the freezer --------------------------------------------------------------- */

#define CGROUP "/sys/fs/cgroup/hold_test"

static int cgroup_write(const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), CGROUP "/%s", file);
	return file_write(path, text);
}

static void wait_frozen(const char *word)
{
	char text[128] = "";
	FILE *f;

	while (!strstr(text, word)) {
		gate_nap();
		f = fopen(CGROUP "/cgroup.events", "re");
		if (!f)
			return;
		text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
		fclose(f);
	}
}

FIXTURE(freezer) {
	struct scene s;
	struct call call;
};

FIXTURE_SETUP(freezer)
{
	char pid[16];

	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->call = scene_connect(&self->s, TO);
	ASSERT_TRUE(!mkdir(CGROUP, 0755) || errno == EEXIST);
	snprintf(pid, sizeof(pid), "%d", self->s.worker.pid);
	ASSERT_EQ(0, cgroup_write("cgroup.procs", pid));
}

FIXTURE_TEARDOWN(freezer)
{
	cgroup_write("cgroup.freeze", "0");
	EXPECT_EQ(0, scene_strike(&self->s));
	EXPECT_EQ(0, rmdir(CGROUP));
}

TEST_F(freezer, frozen_and_thawed)
{
	struct scene *s = &self->s;
	struct stat st;

	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	ASSERT_EQ(0, stat(CGROUP, &st));
	EXPECT_EQ(st.st_ino, s->ask.cgroup);
	worker_wait_state(&s->worker, 'S');
	ASSERT_EQ(0, cgroup_write("cgroup.freeze", "1"));
	wait_frozen("frozen 1");
	EXPECT_EQ(0, gate_wait_pending(&s->gate, 1));
	ASSERT_EQ(0, cgroup_write("cgroup.freeze", "0"));
	check_one_question(_metadata, s);
}

TEST_F(freezer, killed_while_frozen)
{
	struct scene *s = &self->s;
	int status;

	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	ASSERT_EQ(0, cgroup_write("cgroup.freeze", "1"));
	wait_frozen("frozen 1");
	status = worker_end(&s->worker);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_allow));
}

/* ---- many --------------------------------------------------------------------- */

FIXTURE(many) {
	struct scene s;
	struct call call;
	struct worker w[50];
};

FIXTURE_SETUP(many)
{
	size_t i;

	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_DEADLINE, FAR_MS));
	self->call = scene_connect(&self->s, TO);
	for (i = 0; i < ARRAY_SIZE(self->w); i++)
		self->w[i] = (struct worker){ .fd = -1 };
}

FIXTURE_TEARDOWN(many)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(self->w); i++)
		worker_end(&self->w[i]);
	EXPECT_EQ(0, scene_strike(&self->s));
}

static void hold_all(struct __test_metadata *_metadata,
		     FIXTURE_DATA(many) *self, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, worker_start(&self->w[i], NULL));
		ASSERT_EQ(0, worker_tell(&self->w[i], &self->call));
	}
	ASSERT_EQ(0, gate_wait_pending(&self->s.gate, n));
}

/* What each of them got, and that it got it soon after @begin. */
static void hear_all(struct __test_metadata *_metadata,
		     FIXTURE_DATA(many) *self, size_t n, int error,
		     uint64_t begin)
{
	struct outcome *o = &self->s.outcome;
	size_t i;

	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, worker_hear(&self->w[i], o));
		EXPECT_EQ(0, o->unready);
		EXPECT_EQ(error, o->error);
		EXPECT_GT(AT_ONCE_MS, (double)(o->end_ns - begin) / 1e6);
	}
	EXPECT_EQ(0, gate_wait_pending(&self->s.gate, 0));
}

TEST_F_TIMEOUT(many, thousand_threads_one_question, 120)
{
	struct scene *s = &self->s;

	ASSERT_EQ(0, scene_agent(s));
	self->call.threads = 1000;
	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	ASSERT_EQ(0, gate_wait_count(&s->gate, SOCKGATE_N_JOINED, 999));
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_allow));
	ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
	EXPECT_EQ(0, s->outcome.unready);
	EXPECT_EQ(0, s->outcome.error);
	EXPECT_EQ(1000, s->outcome.worked);
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_ASKED));
	EXPECT_EQ(1000, gate_count(&s->gate, SOCKGATE_N_HELD_ALLOW));
}

TEST_F(many, agent_killed_while_50_are_held)
{
	struct scene *s = &self->s;
	pid_t agent;
	uint64_t begin;

	ASSERT_EQ(0, gate_set_row(&s->gate, SOCKGATE_REASON_AGENT_GONE,
				  SOCKGATE_ACTION_DENY, EPERM));
	agent = agent_fork(s->gate.genl, NULL, 0);
	ASSERT_LT(0, agent);
	hold_all(_metadata, self, 50);
	begin = now_ns();
	ASSERT_EQ(0, kill(agent, SIGKILL));
	hear_all(_metadata, self, 50, EPERM, begin);
	ASSERT_EQ(agent, waitpid(agent, NULL, 0));
	EXPECT_EQ(50, gate_count(&s->gate, SOCKGATE_N_ASKED));
	EXPECT_EQ(50, gate_failures(&s->gate, SOCKGATE_REASON_AGENT_GONE));

	/* Another may take its place. */
	ASSERT_EQ(0, scene_agent(s));
	ASSERT_EQ(1, scene_judge(s, &self->call, &agent_allow));
	EXPECT_EQ(0, s->outcome.error);
}

/* One socket of two closed: only its questions fail. */
TEST_F(many, agent_loses_one_of_two_sockets)
{
	struct scene *s = &self->s;
	struct agent *second;
	struct ask ask;
	int err, allowed = 0, i;

	ASSERT_EQ(0, scene_agent(s));
	second = agent_open(s->gate.genl, &err);
	ASSERT_NE(NULL, second);
	hold_all(_metadata, self, 10);
	agent_close(second);
	EXPECT_EQ(0, gate_wait_pending(&s->gate, 5));
	while (agent_next(s->agent, &ask, 0) == 1)
		EXPECT_EQ(0, agent_answer(s->agent, ask.id, &agent_deny));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, worker_hear(&self->w[i], &s->outcome));
		allowed += !s->outcome.error;
	}
	/* AGENT_GONE is FAILSAFE: loopback. */
	EXPECT_EQ(5, allowed);
	EXPECT_EQ(5, gate_failures(&s->gate, SOCKGATE_REASON_AGENT_GONE));
}

/* Removing the module frees whoever it holds. */
TEST_F(many, unloaded_while_50_are_held)
{
	struct scene *s = &self->s;
	pid_t agent = agent_fork(s->gate.genl, NULL, 0);
	uint64_t begin;

	ASSERT_LT(0, agent);
	ASSERT_EQ(0, gate_set_row(&s->gate, SOCKGATE_REASON_UNLOAD,
				  SOCKGATE_ACTION_DENY, EPERM));
	hold_all(_metadata, self, 50);
	begin = now_ns();
	ASSERT_EQ(0, gate_unload());
	ASSERT_EQ(0, gate_load());
	ASSERT_EQ(0, gate_reopen(&s->gate));
	hear_all(_metadata, self, 50, EPERM, begin);
	kill(agent, SIGKILL);
	waitpid(agent, NULL, 0);
}

TEST_F(many, table_full)
{
	struct scene *s = &self->s;
	struct ask ask;
	int i;

	ASSERT_EQ(0, scene_agent(s));
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_MAX_PENDING, 3));
	ASSERT_EQ(0, gate_set_row(&s->gate, SOCKGATE_REASON_TABLE_FULL,
				  SOCKGATE_ACTION_DENY, ECONNREFUSED));
	hold_all(_metadata, self, 3);
	ASSERT_EQ(0, worker_tell(&s->worker, &self->call));
	ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
	EXPECT_EQ(ECONNREFUSED, s->outcome.error);
	EXPECT_EQ(1, gate_failures(&s->gate, SOCKGATE_REASON_TABLE_FULL));
	EXPECT_EQ(3, gate_count(&s->gate, SOCKGATE_N_ASKED));
	/* They did not ask in the order in which they were started. */
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(1, agent_next(s->agent, &ask, -1));
		ASSERT_EQ(0, agent_answer(s->agent, ask.id, &agent_allow));
	}
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, worker_hear(&self->w[i], &s->outcome));
		EXPECT_EQ(0, s->outcome.error);
	}
	/* There is room again. */
	EXPECT_EQ(1, scene_judge(s, &self->call, &agent_allow));
	EXPECT_EQ(0, s->outcome.error);
}

TEST_HARNESS_MAIN
