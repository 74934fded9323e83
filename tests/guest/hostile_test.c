// SPDX-License-Identifier: GPL-2.0-only
/*
 * An agent that does everything wrong: errors for it, the failure table for its
 * callers, and the next honest question is answered as ever.  What a message must not
 * look like is in netlink_test.c.
 */
#include "kselftest_harness.h"
#include "child.h"
#include "scene.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#define TO "127.0.0.1"
#define BESIDE "127.0.0.2"
#define AT_ONCE_MS 5000.0	/* on a busy machine; far from FAR_MS */

FIXTURE(hostile) {
	struct scene s;
	struct call call;
	bool own_module;	/* what it set stays until the module goes */
};

FIXTURE_SETUP(hostile)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->call = scene_connect(&self->s, TO);
}

/* Asked, whatever is remembered, and judged as it is answered. */
static void check_honest(struct __test_metadata *_metadata, struct scene *s,
			 const struct call *call)
{
	struct answer answer = { .action = SOCKGATE_ACTION_DENY, .error = EPERM };
	struct gate_status st;

	ASSERT_EQ(0, gate_wait_pending(&s->gate, 0));
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, FAR_MS));
	ASSERT_EQ(0, gate_status(&s->gate, &st));
	EXPECT_EQ(0, st.parked);
	answer.generation = st.generation + 1;
	ASSERT_EQ(0, agent_set_generation(s->agent, answer.generation));
	EXPECT_EQ(1, scene_judge(s, call, &answer));
	EXPECT_EQ(EPERM, s->outcome.error);
	answer.action = SOCKGATE_ACTION_ALLOW;
	answer.lifetime = FAR_MS;
	answer.fields = SOCKGATE_F_ALL;
	EXPECT_EQ(1, scene_judge(s, call, &answer));
	EXPECT_EQ(0, s->outcome.error);
	EXPECT_EQ(0, scene_judge(s, call, &agent_deny));
	EXPECT_EQ(0, s->outcome.error);
}

FIXTURE_TEARDOWN(hostile)
{
	if (!self->s.agent)
		ASSERT_EQ(0, scene_agent(&self->s));
	check_honest(_metadata, &self->s, &self->call);
	EXPECT_EQ(0, scene_strike(&self->s));
	if (self->own_module)
		EXPECT_EQ(0, gate_unload());
}

/* Allows all there is, until there is another policy. */
static const struct answer all_for_ever = {
	.action = SOCKGATE_ACTION_ALLOW, .lifetime = UINT32_MAX,
};

static uint32_t cached(struct gate *g)
{
	struct gate_status st;

	return gate_status(g, &st) ? UINT32_MAX : st.cached;
}

/* ---- too late -------------------------------------------------------------------- */

/* An answer to a question that has ended changes nothing, then or later. */
static void check_late(struct __test_metadata *_metadata, struct scene *s,
		       uint64_t id)
{
	uint64_t late = gate_count(&s->gate, SOCKGATE_N_LATE);
	uint64_t answered = gate_count(&s->gate, SOCKGATE_N_ANSWERED);

	EXPECT_EQ(ENOENT, agent_answer(s->agent, id, &all_for_ever));
	EXPECT_EQ(-ENOENT, agent_open_exe(s->agent, id));
	EXPECT_EQ(late + 1, gate_count(&s->gate, SOCKGATE_N_LATE));
	EXPECT_EQ(answered, gate_count(&s->gate, SOCKGATE_N_ANSWERED));
	EXPECT_EQ(0, cached(&s->gate));
}

TEST_F(hostile, after_another_answer)
{
	struct scene *s = &self->s;

	ASSERT_EQ(1, scene_judge(s, &self->call, &agent_deny));
	EXPECT_EQ(EACCES, s->outcome.error);
	check_late(_metadata, s, s->ask.id);
}

TEST_F(hostile, after_the_deadline)
{
	struct scene *s = &self->s;

	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, 50));
	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
	EXPECT_EQ(EACCES, s->outcome.error);
	check_late(_metadata, s, s->ask.id);
	EXPECT_EQ(1, gate_failures(&s->gate, SOCKGATE_REASON_DEADLINE));
}

TEST_F(hostile, after_the_caller_was_killed)
{
	struct scene *s = &self->s;
	struct worker w;

	ASSERT_EQ(0, worker_start(&w, NULL));
	ASSERT_EQ(0, scene_hold(s, &w, &self->call));
	worker_end(&w);
	ASSERT_EQ(0, gate_wait_pending(&s->gate, 0));
	check_late(_metadata, s, s->ask.id);
}

/* The deadline and the answer at the same moment: one of them counts, not both. */
TEST_F(hostile, at_the_deadline)
{
	uint64_t answered = 0, late = 0, wrong = 0, i;
	struct scene *s = &self->s;
	int err;

	ASSERT_EQ(0, gate_set_row(&s->gate, SOCKGATE_REASON_DEADLINE,
				  SOCKGATE_ACTION_DENY, ECONNREFUSED));
	/* A tick is 4 ms: the question may end with the next one. */
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, 1));
	for (i = 0; i < 200 || !answered || !late; i++) {
		ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
		err = agent_answer(s->agent, s->ask.id, &agent_allow);
		ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
		answered += !err;
		late += err == ENOENT;
		wrong += s->outcome.error != (err ? ECONNREFUSED : 0);
	}
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(i, answered + late);
	EXPECT_EQ(answered, gate_count(&s->gate, SOCKGATE_N_ANSWERED));
	EXPECT_EQ(answered, gate_count(&s->gate, SOCKGATE_N_HELD_ALLOW));
	EXPECT_EQ(late, gate_count(&s->gate, SOCKGATE_N_LATE));
	EXPECT_EQ(late, gate_failures(&s->gate, SOCKGATE_REASON_DEADLINE));
}

/* ---- twice ----------------------------------------------------------------------- */

/* Two sockets of one agent, and a thread for the second. */
struct rival {
	struct agent *agent;
	const struct answer *answer;
	pthread_barrier_t *start;
	uint64_t id;
	int err;
};

static void *contradict(void *arg)
{
	struct rival *r = arg;

	pthread_barrier_wait(r->start);
	r->err = agent_answer(r->agent, r->id, r->answer);
	return NULL;
}

/* It comes to either socket. */
static int next_of_two(struct scene *s, struct agent *second)
{
	struct pollfd p[2] = {
		{ .fd = agent_fd(s->agent), .events = POLLIN },
		{ .fd = agent_fd(second), .events = POLLIN },
	};

	if (poll(p, 2, -1) < 0)
		return -1;
	return agent_next(p[0].revents ? s->agent : second, &s->ask, 0);
}

/* One is taken, and the caller gets that one. */
TEST_F(hostile, two_answers_at_once)
{
	struct scene *s = &self->s;
	struct rival r = { .answer = &agent_deny };
	pthread_barrier_t start;
	unsigned int i, n_wrong = 0;
	pthread_t thread;
	int err;

	r.start = &start;
	r.agent = agent_open(s->gate.genl, &err);
	ASSERT_NE(NULL, r.agent);
	ASSERT_EQ(0, pthread_barrier_init(&start, NULL, 2));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, worker_tell(&s->worker, &self->call));
		ASSERT_EQ(1, next_of_two(s, r.agent));
		r.id = s->ask.id;
		ASSERT_EQ(0, pthread_create(&thread, NULL, contradict, &r));
		pthread_barrier_wait(&start);
		err = agent_answer(s->agent, s->ask.id, &agent_allow);
		ASSERT_EQ(0, pthread_join(thread, NULL));
		ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
		if (!err)
			n_wrong += r.err != ENOENT || s->outcome.error;
		else
			n_wrong += err != ENOENT || r.err ||
				   s->outcome.error != EACCES;
	}
	EXPECT_EQ(0, n_wrong);
	EXPECT_EQ(i, gate_count(&s->gate, SOCKGATE_N_ANSWERED));
	EXPECT_EQ(i, gate_count(&s->gate, SOCKGATE_N_LATE));
	agent_close(r.agent);
}

/* ---- to whom it was not asked ------------------------------------------------------ */

/* Numbers that differ in little from one that is asked. */
TEST_F(hostile, ids_beside_one)
{
	struct scene *s = &self->s;
	unsigned int bit;

	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	for (bit = 0; bit < 64; bit++) {
		EXPECT_EQ(ENOENT, agent_answer(s->agent, s->ask.id ^ 1ULL << bit,
					       &all_for_ever));
		EXPECT_EQ(-ENOENT, agent_open_exe(s->agent,
						  s->ask.id ^ 1ULL << bit));
	}
	EXPECT_EQ(64, gate_count(&s->gate, SOCKGATE_N_LATE));
	EXPECT_EQ(0, gate_wait_pending(&s->gate, 1));
	EXPECT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_deny));
	ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
	EXPECT_EQ(EACCES, s->outcome.error);
	EXPECT_EQ(0, cached(&s->gate));
}

static _Atomic uint64_t *last_id;	/* shared with an agent elsewhere */

static void only_note(struct agent *a, const struct ask *ask)
{
	(void)a;
	*last_id = ask->id;
}

/* What one agent was asked the next one cannot answer, though it knows the number. */
TEST_F(hostile, id_of_an_agent_before)
{
	struct scene *s = &self->s;
	pid_t before;

	last_id = mmap(NULL, sizeof(*last_id), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, last_id);
	agent_close(s->agent);
	s->agent = NULL;
	ASSERT_EQ(0, gate_set_row(&s->gate, SOCKGATE_REASON_AGENT_GONE,
				  SOCKGATE_ACTION_DENY, EPERM));
	before = agent_fork(s->gate.genl, only_note, 1);
	ASSERT_LT(0, before);
	ASSERT_EQ(0, worker_tell(&s->worker, &self->call));
	while (!*last_id)
		gate_nap();
	kill(before, SIGKILL);
	ASSERT_EQ(before, waitpid(before, NULL, 0));
	ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
	EXPECT_EQ(EPERM, s->outcome.error);
	ASSERT_EQ(0, scene_agent(s));
	check_late(_metadata, s, *last_id);
	EXPECT_EQ(1, gate_failures(&s->gate, SOCKGATE_REASON_AGENT_GONE));
}

/* The same process on a new socket, which has the old one's number. */
TEST_F(hostile, id_of_a_registration_before)
{
	struct scene *s = &self->s;
	uint64_t id;

	ASSERT_EQ(0, gate_set_row(&s->gate, SOCKGATE_REASON_AGENT_GONE,
				  SOCKGATE_ACTION_DENY, EPERM));
	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	id = s->ask.id;
	agent_close(s->agent);
	ASSERT_EQ(0, scene_agent(s));
	ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
	EXPECT_EQ(EPERM, s->outcome.error);
	check_late(_metadata, s, id);
}

/* ---- absurd verdicts ---------------------------------------------------------------- */

/* A prefix longer than the address is all of it. */
TEST_F(hostile, prefix_beyond_the_address)
{
	static const uint8_t prefix[] = { 32, 33, 64, 127, 128 };
	struct answer answer = {
		.action = SOCKGATE_ACTION_ALLOW, .lifetime = FAR_MS,
		.fields = SOCKGATE_F_RADDR | SOCKGATE_F_LADDR,
	};
	struct call beside = scene_connect(&self->s, BESIDE);
	struct scene *s = &self->s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(prefix); i++) {
		answer.generation = (uint32_t)i;
		answer.rprefix = prefix[i];
		answer.lprefix = prefix[i];
		ASSERT_EQ(0, agent_set_generation(s->agent, (uint32_t)i));
		EXPECT_EQ(1, scene_judge(s, &self->call, &answer));
		EXPECT_EQ(0, scene_judge(s, &self->call, &agent_deny));
		EXPECT_EQ(1, scene_judge(s, &beside, &agent_deny));
		EXPECT_EQ(EACCES, s->outcome.error);
	}
}

/* Beyond any family it makes no sense, be it used or not: it is not even kept. */
TEST_F(hostile, prefix_of_no_family)
{
	struct scene *s = &self->s;
	struct answer answer = all_for_ever;
	unsigned int prefix;

	for (prefix = 129; prefix < 256; prefix += 42) {
		answer.lprefix = (uint8_t)(prefix % 2 ? 0 : prefix);
		answer.rprefix = (uint8_t)(prefix % 2 ? prefix : 0);
		ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
		EXPECT_EQ(EINVAL, agent_answer(s->agent, s->ask.id, &answer));
		ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
		EXPECT_EQ(EACCES, s->outcome.error);
	}
	EXPECT_EQ(4, gate_failures(&s->gate, SOCKGATE_REASON_BAD_ANSWER));
	EXPECT_EQ(4, gate_count(&s->gate, SOCKGATE_N_ANSWERED));
	EXPECT_EQ(0, cached(&s->gate));
}

/* What an action has no use for is not looked at, and a failure is not remembered. */
TEST_F(hostile, senseless_beside_the_point)
{
	static const struct {
		struct answer answer;
		int error;
		uint32_t cached;
	} cases[] = {
		{ { .action = SOCKGATE_ACTION_ALLOW, .error = 512, .reason = 255 },
		  0, 0 },
		{ { .action = SOCKGATE_ACTION_DENY, .error = EPERM, .reason = 255 },
		  EPERM, 0 },
		{ { .action = SOCKGATE_ACTION_FAIL, .error = UINT32_MAX,
		    .lifetime = UINT32_MAX,
		    .reason = SOCKGATE_REASON_UNVERIFIABLE },
		  EACCES, 0 },
		{ { .action = SOCKGATE_ACTION_DENY, .error = ECONNREFUSED,
		    .lifetime = UINT32_MAX, .fields = SOCKGATE_F_ALL,
		    .reason = 255 },
		  ECONNREFUSED, 1 },
	};
	struct scene *s = &self->s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(1, scene_judge(s, &self->call, &cases[i].answer));
		EXPECT_EQ(cases[i].error, s->outcome.error);
		EXPECT_EQ(cases[i].cached, cached(&s->gate));
	}
}

/* A tag that was right when it was asked, and is not when it is answered. */
TEST_F(hostile, tag_outside_a_new_mask)
{
	struct scene *s = &self->s;
	struct answer answer = all_for_ever;

	self->own_module = true;
	answer.tag = 0x80;
	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_MARK_MASK, 0xff00));
	EXPECT_EQ(EINVAL, agent_answer(s->agent, s->ask.id, &answer));
	ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
	EXPECT_EQ(EACCES, s->outcome.error);
	EXPECT_EQ(0, s->outcome.mark);
	EXPECT_EQ(1, gate_failures(&s->gate, SOCKGATE_REASON_BAD_ANSWER));
	EXPECT_EQ(0, cached(&s->gate));
}

/* ---- lifetimes ----------------------------------------------------------------------- */

/* The shortest there is ends, and leaves one verdict behind, not one for each. */
TEST_F(hostile, a_millisecond)
{
	struct answer answer = {
		.action = SOCKGATE_ACTION_ALLOW, .lifetime = 1,
		.fields = SOCKGATE_F_ALL,
	};
	struct scene *s = &self->s;
	int asked = 0, n;

	while (asked < 10) {
		n = scene_judge(s, &self->call, &answer);
		ASSERT_LE(0, n);
		EXPECT_EQ(0, s->outcome.error);
		asked += n;
	}
	EXPECT_EQ(1, cached(&s->gate));
	EXPECT_EQ(0, gate_count(&s->gate, SOCKGATE_N_STALE));
}

/*
 * The longest does not lie in the past, and refuses all that this machine does; it
 * ends with the policy all the same.
 */
TEST_F(hostile, refused_for_ever)
{
	static const uint32_t lifetime[] = {
		FAR_MS, INT32_MAX, INT32_MAX + 1U, UINT32_MAX,
	};
	struct answer answer = {
		.action = SOCKGATE_ACTION_DENY, .error = ECONNREFUSED,
	};
	struct call beside = scene_send(&self->s, "::1");
	struct scene *s = &self->s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lifetime); i++) {
		answer.lifetime = lifetime[i];
		answer.generation = (uint32_t)i;
		ASSERT_EQ(0, agent_set_generation(s->agent, (uint32_t)i));
		EXPECT_EQ(1, scene_judge(s, &self->call, &answer));
		EXPECT_EQ(0, scene_judge(s, &beside, &agent_allow));
		EXPECT_EQ(ECONNREFUSED, s->outcome.error);
		EXPECT_EQ(0, gate_count(&s->gate, SOCKGATE_N_STALE));
	}
	ASSERT_EQ(0, agent_set_generation(s->agent, (uint32_t)i));
	answer = agent_allow;
	answer.generation = (uint32_t)i;
	EXPECT_EQ(1, scene_judge(s, &beside, &answer));
	EXPECT_EQ(0, s->outcome.error);
}

#define TRACING "/sys/kernel/tracing"
#define PROBE "hostile_lifetime"

static int trace_write(const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), TRACING "/%s", file);
	return file_write(path, text);
}

/*
 * See what this process has the kernel turn into ticks.  Interrupts that come while
 * it runs do so too, with times that are short.
 */
static int trace_begin(void)
{
	char filter[64];
	int err;

	if (mount("tracefs", TRACING, "tracefs", 0, NULL) && errno != EBUSY)
		return errno;
	snprintf(filter, sizeof(filter), "common_pid == %d && ms > 1000000", getpid());
	err = trace_write("kprobe_events",
			  "p:" PROBE " __msecs_to_jiffies ms=$arg1:u32");
	err = err ?: trace_write("events/kprobes/" PROBE "/filter", filter);
	return err ?: trace_write("events/kprobes/" PROBE "/enable", "1");
}

static void trace_end(void)
{
	trace_write("events/kprobes/" PROBE "/enable", "0");
	trace_write("kprobe_events", "-:" PROBE);
}

/* The last that was seen, -1: none. */
static int64_t trace_last(void)
{
	FILE *f = fopen(TRACING "/trace", "re");
	int64_t last = -1;
	char line[256];
	const char *at;

	while (f && fgets(line, sizeof(line), f)) {
		at = strstr(line, PROBE) ? strstr(line, "ms=") : NULL;
		if (at)
			last = strtoll(at + 3, NULL, 10);
	}
	if (f)
		fclose(f);
	return last;
}

/*
 * Milliseconds above INT_MAX are no time to the kernel, but for ever.  Nobody can
 * wait for the end of it: what is turned into ticks is looked at instead.
 */
TEST_F(hostile, longest_lifetime_has_an_end)
{
	static const struct {
		uint32_t lifetime, ms;
	} cases[] = {
		{ 7654321, 7654321 },
		{ INT32_MAX, INT32_MAX },
		{ INT32_MAX + 1U, INT32_MAX },
		{ UINT32_MAX, INT32_MAX },
	};
	struct scene *s = &self->s;
	struct answer answer = { .action = SOCKGATE_ACTION_ALLOW };
	int64_t seen[ARRAY_SIZE(cases)];
	int err = trace_begin();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases) && !err; i++) {
		answer.lifetime = cases[i].lifetime;
		answer.generation = (uint32_t)i + 1;
		err = agent_set_generation(s->agent, answer.generation);
		if (!err && scene_judge(s, &self->call, &answer) != 1)
			err = -1;
		seen[i] = trace_last();
	}
	trace_end();
	ASSERT_EQ(0, err);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		EXPECT_EQ(cases[i].ms, seen[i]);
}

/* ---- generations ----------------------------------------------------------------------- */

/*
 * A verdict of a policy to come holds for what was asked, the call and then each of its
 * packets, and for nothing when that policy comes.
 */
TEST_F(hostile, generation_of_the_future)
{
	static const uint32_t generation[] = { 1, 1000, INT32_MAX, UINT32_MAX };
	struct answer answer = all_for_ever;
	struct scene *s = &self->s;
	int asked = 0, n;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(generation); i++) {
		answer.generation = generation[i];
		n = scene_judge(s, &self->call, &answer);
		EXPECT_LT(1, n);
		EXPECT_EQ(0, s->outcome.error);
		asked += n;
		EXPECT_EQ(asked, gate_count(&s->gate, SOCKGATE_N_STALE));
		ASSERT_EQ(0, agent_set_generation(s->agent, generation[i]));
		EXPECT_EQ(0, cached(&s->gate));
		EXPECT_EQ(1, scene_judge(s, &self->call, &agent_deny));
		EXPECT_EQ(EACCES, s->outcome.error);
	}
}

/* Nor does one of the past hold again when its number does. */
TEST_F(hostile, generation_that_returns)
{
	static const uint32_t back[] = { 0, UINT32_MAX, 1 };
	struct answer answer = all_for_ever;
	struct scene *s = &self->s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(back); i++) {
		answer.generation = back[i];
		ASSERT_EQ(0, agent_set_generation(s->agent, back[i]));
		EXPECT_EQ(1, scene_judge(s, &self->call, &answer));
		EXPECT_EQ(0, scene_judge(s, &self->call, &agent_deny));
		ASSERT_EQ(0, agent_set_generation(s->agent, back[i] + 1));
		ASSERT_EQ(0, agent_set_generation(s->agent, back[i]));
		EXPECT_EQ(1, scene_judge(s, &self->call, &agent_deny));
		EXPECT_EQ(EACCES, s->outcome.error);
	}
}

/* ---- too much, and too little ------------------------------------------------------------ */

#define FLOOD 32
#define CALLERS 4
#define CALLS 25U

static int start_callers(FIXTURE_DATA(hostile) *self, struct worker *w,
			 unsigned int times)
{
	int i, err = 0;

	self->call.times = times;
	for (i = 0; i < CALLERS && !err; i++) {
		err = worker_start(&w[i], NULL);
		err = err ?: worker_tell(&w[i], &self->call);
	}
	self->call.times = 0;
	return err;
}

/* What all of them came to: how many calls worked; -1 if one gave another error. */
static int hear_callers(struct worker *w, int error)
{
	struct outcome o;
	int i, worked = 0;

	for (i = 0; i < CALLERS; i++) {
		if (worker_hear(&w[i], &o) || o.unready || (o.error && o.error != error))
			worked = -1;
		if (worked >= 0)
			worked += (int)o.worked;
		worker_end(&w[i]);
	}
	return worked;
}

/* Before the right answer come many to what nobody asked. */
static void serve_flood(struct agent *a, const struct ask *ask)
{
	uint64_t i;

	for (i = 1; i <= FLOOD; i++)
		agent_answer(a, ask->id + (i << 40), &all_for_ever);
	agent_answer(a, ask->id, &agent_allow);
}

TEST_F(hostile, flood_of_answers)
{
	struct scene *s = &self->s;
	struct worker w[CALLERS];
	uint64_t asked;
	pid_t agent;

	agent_close(s->agent);
	s->agent = NULL;
	agent = agent_fork(s->gate.genl, serve_flood, 1);
	ASSERT_LT(0, agent);
	ASSERT_EQ(0, start_callers(self, w, CALLS));
	EXPECT_EQ(CALLERS * CALLS, hear_callers(w, 0));
	kill(agent, SIGKILL);
	ASSERT_EQ(agent, waitpid(agent, NULL, 0));
	asked = gate_count(&s->gate, SOCKGATE_N_ASKED);
	EXPECT_EQ(CALLERS * CALLS, asked);
	EXPECT_EQ(asked, gate_count(&s->gate, SOCKGATE_N_ANSWERED));
	EXPECT_EQ(asked, gate_count(&s->gate, SOCKGATE_N_HELD_ALLOW));
	EXPECT_EQ(asked * FLOOD, gate_count(&s->gate, SOCKGATE_N_LATE));
}

/* It comes and goes as fast as it can; who calls meanwhile gets a row, and at once. */
static void come_and_go(struct genl *genl)
{
	struct pollfd p = { .events = POLLIN };
	struct agent *a;
	unsigned int n;
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (n = 0;; n++) {
		a = agent_open(genl, &err);
		if (!a)
			_exit(err);
		/* Every other time it stays until something is asked. */
		p.fd = agent_fd(a);
		if (n % 2)
			poll(&p, 1, -1);
		agent_close(a);
	}
}

TEST_F(hostile, comes_and_goes)
{
	struct scene *s = &self->s;
	struct worker w[CALLERS];
	struct gate_status st;
	uint64_t failed;
	pid_t agent;

	agent_close(s->agent);
	s->agent = NULL;
	ASSERT_EQ(0, gate_set_row(&s->gate, SOCKGATE_REASON_NO_AGENT,
				  SOCKGATE_ACTION_DENY, EPERM));
	ASSERT_EQ(0, gate_set_row(&s->gate, SOCKGATE_REASON_AGENT_GONE,
				  SOCKGATE_ACTION_DENY, EPERM));
	agent = fork();
	if (!agent)
		come_and_go(s->gate.genl);
	ASSERT_LT(0, agent);
	ASSERT_EQ(0, start_callers(self, w, 10 * CALLS));
	EXPECT_EQ(0, hear_callers(w, EPERM));
	EXPECT_EQ(0, waitpid(agent, NULL, WNOHANG));
	kill(agent, SIGKILL);
	ASSERT_EQ(agent, waitpid(agent, NULL, 0));
	ASSERT_EQ(0, gate_status(&s->gate, &st));
	failed = st.n[SOCKGATE_N_REASON + SOCKGATE_REASON_NO_AGENT] +
		 st.n[SOCKGATE_N_REASON + SOCKGATE_REASON_AGENT_GONE];
	EXPECT_EQ(10 * CALLERS * CALLS, failed);
	EXPECT_EQ(failed, st.n[SOCKGATE_N_FAIL_DENY]);
	EXPECT_LT(0, st.n[SOCKGATE_N_REASON + SOCKGATE_REASON_AGENT_GONE]);
	EXPECT_EQ(0, st.n[SOCKGATE_N_ANSWERED]);
}

/* Questions that it never read: those callers, too, know at once when it is gone. */
TEST_F(hostile, dies_with_questions_unread)
{
	struct scene *s = &self->s;
	struct worker w[CALLERS];
	int ready[2], err = -1;
	pid_t agent;
	char none;

	agent_close(s->agent);
	s->agent = NULL;
	ASSERT_EQ(0, gate_set_row(&s->gate, SOCKGATE_REASON_AGENT_GONE,
				  SOCKGATE_ACTION_DENY, EPERM));
	ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
	agent = fork();
	if (!agent) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(!agent_open(s->gate.genl, &err) ||
		      write(ready[1], "x", 1) != 1 || pause());
	}
	ASSERT_EQ(1, read(ready[0], &none, 1));
	ASSERT_EQ(0, start_callers(self, w, 1));
	ASSERT_EQ(0, gate_wait_pending(&s->gate, CALLERS));
	kill(agent, SIGKILL);
	ASSERT_EQ(agent, waitpid(agent, NULL, 0));
	EXPECT_EQ(0, hear_callers(w, EPERM));
	EXPECT_EQ(CALLERS, gate_failures(&s->gate, SOCKGATE_REASON_AGENT_GONE));
	EXPECT_EQ(0, gate_wait_pending(&s->gate, 0));
}

/* Closes each descriptor that was handed over; returns how many. */
static int close_handed(int fd)
{
	const struct nlattr *attr[SOCKGATE_A_MAX + 1];
	char buf[4096] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nlh = (struct nlmsghdr *)buf;
	int n = 0;

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
		if (nlh->nlmsg_type != NLMSG_ERROR && !genl_parse(nlh, attr) &&
		    attr[SOCKGATE_A_FD])
			n += !close((int)mnl_attr_get_u32(attr[SOCKGATE_A_FD]));
	return n;
}

#define OPENED 200
#define MORE (1 << 20)

/* An executable whose reply its socket cannot take is not opened. */
TEST_F(hostile, never_reads_what_it_opens)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct scene *s = &self->s;
	int files = child_open_files(), fd = agent_fd(s->agent), i, small = 1, more = MORE;
	struct nlmsghdr *nlh;

	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)));
	for (i = 0; i < OPENED; i++) {
		nlh = genl_begin(s->gate.genl, buf, SOCKGATE_CMD_OPEN_EXE, 0);
		mnl_attr_put_u64(nlh, SOCKGATE_A_ID, s->ask.id);
		ASSERT_EQ((ssize_t)nlh->nlmsg_len,
			  send(fd, nlh, nlh->nlmsg_len, 0));
	}
	i = child_open_files() - files;
	EXPECT_LT(0, i);
	EXPECT_GT(OPENED, i);
	EXPECT_EQ(i, close_handed(fd));
	EXPECT_EQ(files, child_open_files());
	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &more, sizeof(more)));
	EXPECT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_allow));
	ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
	EXPECT_EQ(0, s->outcome.error);
}

TEST_HARNESS_MAIN
