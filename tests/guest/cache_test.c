// SPDX-License-Identifier: GPL-2.0-only
/* Verdicts that are remembered: for what, for how long, and for whom not. */
#include "kselftest_harness.h"
#include "scene.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define TO "127.0.0.1"
#define LONG_MS 600000U
#define PLACES 16	/* for masks, as in kmod/cache.c */
/*
 * On a file system of its own: overlayfs would show other inode numbers.  Not
 * tmpfs, where each process is another program.
 */
#define DIR "/run/cache_test"
#define PROGRAM DIR "/worker"
#define OTHER DIR "/other"
#define ON_TMPFS "/dev/shm/cache_test_worker"

FIXTURE(cache) {
	struct scene s;
	struct call call;
	struct answer answer;
};

FIXTURE_SETUP(cache)
{
	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, scene_agent(&self->s));
	self->call = scene_connect(&self->s, TO);
	self->answer = (struct answer){
		.action = SOCKGATE_ACTION_ALLOW,
		.lifetime = LONG_MS,
		.fields = SOCKGATE_F_ALL,
		.lprefix = 128,
		.rprefix = 128,
	};
}

FIXTURE_TEARDOWN(cache)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

/* Control: what is not to be remembered is asked each time. */
TEST_F(cache, no_lifetime)
{
	self->answer.lifetime = 0;
	EXPECT_EQ(1, scene_judge(&self->s, &self->call, &self->answer));
	EXPECT_EQ(1, scene_judge(&self->s, &self->call, &self->answer));
	EXPECT_EQ(0, gate_count(&self->s.gate, SOCKGATE_N_HIT_ALLOW));
}

TEST_F(cache, hit_allow)
{
	struct gate_status st;

	self->answer.tag = 0x21;
	EXPECT_EQ(1, scene_judge(&self->s, &self->call, &self->answer));
	EXPECT_EQ(0, scene_judge(&self->s, &self->call, &agent_deny));
	EXPECT_EQ(0, self->s.outcome.error);
	EXPECT_EQ(0x21, self->s.outcome.mark);
	ASSERT_EQ(0, gate_status(&self->s.gate, &st));
	EXPECT_EQ(1, st.n[SOCKGATE_N_ASKED]);
	EXPECT_EQ(1, st.n[SOCKGATE_N_HIT_ALLOW]);
	EXPECT_EQ(1, st.cached);
	EXPECT_EQ(0, st.pending);
}

TEST_F(cache, hit_deny)
{
	self->answer.action = SOCKGATE_ACTION_DENY;
	self->answer.error = ECONNREFUSED;
	EXPECT_EQ(1, scene_judge(&self->s, &self->call, &self->answer));
	EXPECT_EQ(0, scene_judge(&self->s, &self->call, &agent_allow));
	EXPECT_EQ(ECONNREFUSED, self->s.outcome.error);
	EXPECT_EQ(1, gate_count(&self->s.gate, SOCKGATE_N_HIT_DENY));
}

/* A failure is no verdict: it is not remembered. */
TEST_F(cache, failure)
{
	self->answer.action = SOCKGATE_ACTION_FAIL;
	self->answer.reason = SOCKGATE_REASON_UNVERIFIABLE;
	EXPECT_EQ(1, scene_judge(&self->s, &self->call, &self->answer));
	EXPECT_EQ(EACCES, self->s.outcome.error);
	EXPECT_EQ(1, scene_judge(&self->s, &self->call, &agent_allow));
	EXPECT_EQ(0, self->s.outcome.error);
}

TEST_F(cache, lifetime_over)
{
	int asked = 0;

	self->answer.lifetime = 300;
	EXPECT_EQ(1, scene_judge(&self->s, &self->call, &self->answer));
	while (!asked)
		asked = scene_judge(&self->s, &self->call, &agent_deny);
	EXPECT_EQ(1, asked);
	EXPECT_EQ(EACCES, self->s.outcome.error);
}

TEST_F(cache, new_generation)
{
	EXPECT_EQ(1, scene_judge(&self->s, &self->call, &self->answer));
	EXPECT_EQ(0, scene_judge(&self->s, &self->call, &self->answer));
	ASSERT_EQ(0, agent_set_generation(self->s.agent, 7));
	EXPECT_EQ(1, scene_judge(&self->s, &self->call, &agent_deny));
	EXPECT_EQ(EACCES, self->s.outcome.error);
	/* What the old policy said comes too late: no packet leaves by it. */
	EXPECT_LT(1, scene_judge(&self->s, &self->call, &self->answer));
	EXPECT_LT(1, gate_count(&self->s.gate, SOCKGATE_N_STALE));
	self->answer.generation = 7;
	EXPECT_EQ(1, scene_judge(&self->s, &self->call, &self->answer));
	EXPECT_EQ(0, scene_judge(&self->s, &self->call, &self->answer));
}

/* The policy changes while a caller is held. */
TEST_F(cache, new_generation_while_held)
{
	struct scene *s = &self->s;

	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	ASSERT_EQ(0, agent_set_generation(s->agent, 1));
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &self->answer));
	/* The call goes on, its packet is asked about again. */
	ASSERT_EQ(1, agent_next(s->agent, &s->ask, -1));
	self->answer.generation = 1;
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &self->answer));
	ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
	EXPECT_EQ(0, s->outcome.error);
	EXPECT_EQ(0, scene_judge(s, &self->call, &self->answer));
}

TEST_F(cache, eviction)
{
	struct gate_status st;
	uint16_t port;

	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_MAX_CACHED, 4));
	for (port = 1; port <= 10; port++) {
		self->call.to = net_addr(TO, port);
		EXPECT_EQ(1, scene_judge(&self->s, &self->call, &self->answer));
	}
	ASSERT_EQ(0, gate_status(&self->s.gate, &st));
	EXPECT_EQ(4, st.cached);
	EXPECT_EQ(6, st.n[SOCKGATE_N_EVICTED]);
	/* The newest is there, the oldest is not. */
	EXPECT_EQ(0, scene_judge(&self->s, &self->call, &self->answer));
	self->call.to = net_addr(TO, 1);
	EXPECT_EQ(1, scene_judge(&self->s, &self->call, &self->answer));
	/* Fewer from now on; then none. */
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_MAX_CACHED, 2));
	ASSERT_EQ(0, gate_status(&self->s.gate, &st));
	EXPECT_EQ(2, st.cached);
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_MAX_CACHED, 0));
	EXPECT_EQ(1, scene_judge(&self->s, &self->call, &self->answer));
	EXPECT_EQ(1, scene_judge(&self->s, &self->call, &self->answer));
	ASSERT_EQ(0, gate_status(&self->s.gate, &st));
	EXPECT_EQ(0, st.cached);
}

/* More kinds of mask than there is room for: nothing is answered too widely. */
TEST_F(cache, more_masks_than_places)
{
	struct gate_status st;
	unsigned int prefix;

	self->answer.fields = SOCKGATE_F_RADDR | SOCKGATE_F_RPORT;
	for (prefix = 1; prefix <= 32; prefix++) {
		self->answer.rprefix = (uint8_t)prefix;
		self->call.to = net_addr(TO, (uint16_t)prefix);
		EXPECT_EQ(1, scene_judge(&self->s, &self->call, &self->answer));
		EXPECT_EQ(0, scene_judge(&self->s, &self->call, &agent_deny));
	}
	ASSERT_EQ(0, gate_status(&self->s.gate, &st));
	EXPECT_EQ(32, st.cached);
	self->call.to = net_addr("127.255.0.1", 32);
	EXPECT_EQ(1, scene_judge(&self->s, &self->call, &agent_allow));
	self->call.to = net_addr("127.255.0.1", 8);
	EXPECT_EQ(0, scene_judge(&self->s, &self->call, &agent_allow));
}

/* One that looks at everything has the place that is there for it. */
TEST_F(cache, as_many_masks_as_places)
{
	struct gate_status st;
	unsigned int prefix;

	self->answer.lprefix = self->answer.rprefix = 128;
	EXPECT_EQ(1, scene_judge(&self->s, &self->call, &self->answer));
	self->answer.fields = SOCKGATE_F_RADDR | SOCKGATE_F_RPORT;
	for (prefix = 1; prefix < PLACES; prefix++) {
		self->answer.rprefix = (uint8_t)prefix;
		self->call.to = net_addr(TO, (uint16_t)prefix);
		EXPECT_EQ(1, scene_judge(&self->s, &self->call, &self->answer));
	}
	ASSERT_EQ(0, gate_status(&self->s.gate, &st));
	EXPECT_EQ(PLACES, st.masks);
}

/* ---- one field at a time -------------------------------------------------------- */

/*
 * The first call is asked about and the answer remembered under @fields; then
 * the second is asked again, or not.
 */
FIXTURE(mask) {
	struct scene s;
};

FIXTURE_VARIANT(mask) {
	uint32_t fields;
	uint8_t prefix;
	const char *first, *second;	/* destinations, TCP unless told */
	uint16_t first_port, second_port;	/* 0: the listener's */
	bool second_udp, second_other_process, second_other_user;
	int asked_again;
};

#define MASK(name, ...) FIXTURE_VARIANT_ADD(mask, name) { __VA_ARGS__ }

MASK(nothing_covers_all, .first = TO, .second = "::1", .second_udp = true);
MASK(event, .fields = SOCKGATE_F_EVENT, .first = TO, .second = "::1");
MASK(event_differs, .fields = SOCKGATE_F_EVENT, .first = TO, .second = TO,
     .second_udp = true, .asked_again = 1);
MASK(protocol_differs, .fields = SOCKGATE_F_PROTOCOL, .first = TO, .second = TO,
     .second_udp = true, .asked_again = 1);
MASK(family_differs, .fields = SOCKGATE_F_FAMILY, .first = TO, .second = "::1",
     .asked_again = 1);
MASK(family_of_mapped, .fields = SOCKGATE_F_FAMILY, .first = TO,
     .second = "::ffff:127.0.0.1");
MASK(port_left_out, .fields = SOCKGATE_F_RADDR, .prefix = 32, .first = TO,
     .second = TO, .second_port = 9);
MASK(port_differs, .fields = SOCKGATE_F_RPORT, .first = TO, .second = TO,
     .second_port = 9, .asked_again = 1);
MASK(prefix_8, .fields = SOCKGATE_F_RADDR, .prefix = 8, .first = TO,
     .second = "127.9.9.9");
MASK(prefix_9_inside, .fields = SOCKGATE_F_RADDR, .prefix = 9, .first = TO,
     .second = "127.127.255.255");
MASK(prefix_9_outside, .fields = SOCKGATE_F_RADDR, .prefix = 9, .first = TO,
     .second = "127.128.0.0", .asked_again = 1);
MASK(prefix_31_inside, .fields = SOCKGATE_F_RADDR, .prefix = 31,
     .first = "127.0.0.2", .second = "127.0.0.3");
MASK(prefix_31_outside, .fields = SOCKGATE_F_RADDR, .prefix = 31,
     .first = "127.0.0.2", .second = "127.0.0.4", .asked_again = 1);
MASK(prefix_32, .fields = SOCKGATE_F_RADDR, .prefix = 32, .first = TO,
     .second = "127.0.0.2", .asked_again = 1);
MASK(prefix_0_is_its_family_only, .fields = SOCKGATE_F_RADDR, .first = TO,
     .second = "::1", .asked_again = 1);
MASK(prefix_0, .fields = SOCKGATE_F_RADDR, .first = TO, .second = "127.77.0.1");
MASK(prefix6_127, .fields = SOCKGATE_F_RADDR, .prefix = 127, .first = "::2",
     .second = "::3");
MASK(prefix6_128, .fields = SOCKGATE_F_RADDR, .prefix = 128, .first = "::2",
     .second = "::3", .asked_again = 1);
MASK(exe, .fields = SOCKGATE_F_EXE, .first = TO, .second = TO,
     .second_other_process = true);
MASK(process_differs, .fields = SOCKGATE_F_PROCESS, .first = TO, .second = TO,
     .second_other_process = true, .asked_again = 1);
MASK(user_left_out, .fields = SOCKGATE_F_EXE, .first = TO, .second = TO,
     .second_other_user = true);
MASK(user_differs, .fields = SOCKGATE_F_UID, .first = TO, .second = TO,
     .second_other_user = true, .asked_again = 1);
MASK(rest_is_the_same, .fields = SOCKGATE_F_CGROUP | SOCKGATE_F_NETNS |
     SOCKGATE_F_LADDR | SOCKGATE_F_LPORT, .first = TO, .second = "127.0.0.2",
     .second_other_process = true);

FIXTURE_SETUP(mask)
{
	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, scene_agent(&self->s));
}

FIXTURE_TEARDOWN(mask)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

static struct call mask_call(const struct scene *s, const char *to,
			     uint16_t port, bool udp)
{
	struct call c = udp ? scene_send(s, to) : scene_connect(s, to);

	if (port)
		c.to = net_addr(to, port);
	return c;
}

TEST_F(mask, covers)
{
	const struct answer answer = {
		.action = SOCKGATE_ACTION_ALLOW,
		.lifetime = LONG_MS,
		.fields = variant->fields,
		.rprefix = variant->prefix,
	};
	struct call first = mask_call(&self->s, variant->first,
				      variant->first_port, false);
	struct call second = mask_call(&self->s, variant->second,
				       variant->second_port, variant->second_udp);
	struct worker other;

	ASSERT_EQ(0, worker_start(&other, NULL));
	second.uid = variant->second_other_user ? 4242 : 0;
	EXPECT_EQ(1, scene_judge(&self->s, &first, &answer));
	EXPECT_EQ(variant->asked_again,
		  scene_judge_worker(&self->s, variant->second_other_process ?
					       &other : &self->s.worker,
				     &second, &agent_allow));
	/* Control: the same again is never asked. */
	first.uid = 0;
	if (!variant->second_other_user)
		EXPECT_EQ(0, scene_judge(&self->s, &first, &agent_deny));
	worker_end(&other);
}

/* ---- who it is ------------------------------------------------------------------- */

static int place_program(void)
{
	if (mkdir(DIR, 0755) && errno != EEXIST)
		return -1;
	return mount("ramfs", DIR, "ramfs", 0, "mode=755") ? -1 :
	       worker_place(PROGRAM);
}

FIXTURE(program) {
	struct scene s;
	struct worker w;
	struct call call;
	struct answer answer;
};

FIXTURE_VARIANT(program) {
	uint32_t fields;
};

FIXTURE_VARIANT_ADD(program, by_executable) { .fields = SOCKGATE_F_EXE };
FIXTURE_VARIANT_ADD(program, by_process) { .fields = SOCKGATE_F_PROCESS };
FIXTURE_VARIANT_ADD(program, by_both) {
	.fields = SOCKGATE_F_EXE | SOCKGATE_F_PROCESS,
};

FIXTURE_SETUP(program)
{
	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, scene_agent(&self->s));
	ASSERT_EQ(0, place_program());
	ASSERT_EQ(0, worker_start(&self->w, PROGRAM));
	self->call = scene_connect(&self->s, TO);
	self->answer = (struct answer){
		.action = SOCKGATE_ACTION_ALLOW,
		.lifetime = LONG_MS,
		.fields = variant->fields,
	};
}

FIXTURE_TEARDOWN(program)
{
	worker_end(&self->w);
	EXPECT_EQ(0, scene_strike(&self->s));
	/* A socket that closes may still have its owner's file. */
	EXPECT_EQ(0, umount2(DIR, MNT_DETACH));
}

static int judge(FIXTURE_DATA(program) *self)
{
	return scene_judge_worker(&self->s, &self->w, &self->call,
				  &self->answer);
}

static void become(struct __test_metadata *_metadata,
		   FIXTURE_DATA(program) *self, const char *path)
{
	struct call exec = { .kind = CALL_EXEC };

	snprintf(exec.program, sizeof(exec.program), "%s", path);
	ASSERT_EQ(0, worker_tell(&self->w, &exec));
}

/* Another program in the same process does not inherit the verdict. */
TEST_F(program, exec_of_another)
{
	struct sockgate_process before;
	struct sockgate_file exe;
	struct stat st;

	ASSERT_EQ(0, file_copy(PROGRAM, OTHER, "another\n"));
	ASSERT_EQ(1, judge(self));
	ASSERT_EQ(0, judge(self));
	before = self->s.ask.process;
	exe = self->s.ask.exe;
	become(_metadata, self, OTHER);
	self->answer.action = SOCKGATE_ACTION_DENY;
	self->answer.error = EPERM;
	ASSERT_EQ(1, judge(self));
	EXPECT_EQ(EPERM, self->s.outcome.error);
	EXPECT_EQ(before.pid, self->s.ask.process.pid);
	EXPECT_EQ(before.start_ns, self->s.ask.process.start_ns);
	EXPECT_LT(before.exec_id, self->s.ask.process.exec_id);
	EXPECT_NE(exe.ino, self->s.ask.exe.ino);
	ASSERT_EQ(0, stat(OTHER, &st));
	EXPECT_EQ(st.st_ino, self->s.ask.exe.ino);
	EXPECT_EQ(st.st_size, (off_t)self->s.ask.exe.size);
	/* And back: by executable the first verdict still stands. */
	become(_metadata, self, PROGRAM);
	EXPECT_EQ(variant->fields == SOCKGATE_F_EXE ? 0 : 1, judge(self));
}

/* The very same program once more is another process, the same executable. */
TEST_F(program, exec_of_the_same)
{
	ASSERT_EQ(1, judge(self));
	become(_metadata, self, PROGRAM);
	EXPECT_EQ(variant->fields == SOCKGATE_F_EXE ? 0 : 1, judge(self));
	EXPECT_EQ(0, judge(self));
}

/* A file of tmpfs can change without a sign of it once nobody runs it. */
TEST_F(program, exec_of_the_same_on_tmpfs)
{
	ASSERT_EQ(0, worker_place(ON_TMPFS));
	become(_metadata, self, ON_TMPFS);
	EXPECT_EQ(1, judge(self));
	EXPECT_EQ(0, judge(self));
	become(_metadata, self, ON_TMPFS);
	EXPECT_EQ(1, judge(self));
	EXPECT_EQ(0, judge(self));
	EXPECT_EQ(0, unlink(ON_TMPFS));
}

FIXTURE(replaced) {
	struct scene s;
	struct worker w;
	struct call call;
	struct answer answer;
};

FIXTURE_SETUP(replaced)
{
	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, scene_agent(&self->s));
	ASSERT_EQ(0, place_program());
	ASSERT_EQ(0, worker_start(&self->w, PROGRAM));
	self->call = scene_connect(&self->s, TO);
	self->answer = (struct answer){
		.action = SOCKGATE_ACTION_ALLOW,
		.lifetime = LONG_MS,
		.fields = SOCKGATE_F_EXE,
	};
	ASSERT_EQ(1, scene_judge_worker(&self->s, &self->w, &self->call,
					&self->answer));
	ASSERT_EQ(0, scene_judge_worker(&self->s, &self->w, &self->call,
					&self->answer));
}

FIXTURE_TEARDOWN(replaced)
{
	worker_end(&self->w);
	EXPECT_EQ(0, scene_strike(&self->s));
	/* A socket that closes may still have its owner's file. */
	EXPECT_EQ(0, umount2(DIR, MNT_DETACH));
}

static int judge_replaced(FIXTURE_DATA(replaced) *self)
{
	return scene_judge_worker(&self->s, &self->w, &self->call,
				  &self->answer);
}

static void start_anew(struct __test_metadata *_metadata,
		       FIXTURE_DATA(replaced) *self)
{
	worker_end(&self->w);
	ASSERT_EQ(0, worker_start(&self->w, PROGRAM));
}

/* Control: started anew and not replaced, it is not asked about. */
TEST_F(replaced, not)
{
	start_anew(_metadata, self);
	EXPECT_EQ(0, judge_replaced(self));
}

/* As package managers do it. */
TEST_F(replaced, by_rename)
{
	struct sockgate_file was = self->s.ask.exe;
	struct stat st;

	ASSERT_EQ(0, file_copy(PROGRAM, OTHER, "new\n"));
	ASSERT_EQ(0, rename(OTHER, PROGRAM));
	start_anew(_metadata, self);
	EXPECT_EQ(1, judge_replaced(self));
	ASSERT_EQ(0, stat(PROGRAM, &st));
	EXPECT_EQ(st.st_ino, self->s.ask.exe.ino);
	EXPECT_NE(was.ino, self->s.ask.exe.ino);
}

/* The one that runs has another key too: its file was unlinked. */
TEST_F(replaced, while_it_runs)
{
	struct sockgate_file was = self->s.ask.exe;

	ASSERT_EQ(0, file_copy(PROGRAM, OTHER, "new\n"));
	ASSERT_EQ(0, rename(OTHER, PROGRAM));
	EXPECT_EQ(1, judge_replaced(self));
	EXPECT_EQ(was.ino, self->s.ask.exe.ino);
	EXPECT_LT(was.ctime_ns, self->s.ask.exe.ctime_ns);
}

TEST_F(replaced, in_place)
{
	struct sockgate_file was = self->s.ask.exe;

	worker_end(&self->w);
	ASSERT_EQ(0, file_copy(worker_program(), PROGRAM, "new\n"));
	ASSERT_EQ(0, worker_start(&self->w, PROGRAM));
	EXPECT_EQ(1, judge_replaced(self));
	EXPECT_EQ(was.ino, self->s.ask.exe.ino);
	EXPECT_LT(was.ctime_ns, self->s.ask.exe.ctime_ns);
	EXPECT_EQ(was.size + 4, self->s.ask.exe.size);
}

/* While the question is open: the verdict is not for this file any more. */
TEST_F(replaced, while_it_is_held)
{
	struct scene *s = &self->s;

	ASSERT_EQ(0, gate_set_row(&s->gate, SOCKGATE_REASON_CHANGED,
				  SOCKGATE_ACTION_DENY, EPERM));
	ASSERT_EQ(0, agent_set_generation(s->agent, 1));
	ASSERT_EQ(0, scene_hold(s, &self->w, &self->call));
	ASSERT_EQ(0, unlink(PROGRAM));
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &self->answer));
	ASSERT_EQ(0, worker_hear(&self->w, &s->outcome));
	EXPECT_EQ(EPERM, s->outcome.error);
	EXPECT_EQ(1, gate_failures(&s->gate, SOCKGATE_REASON_CHANGED));
}

TEST_HARNESS_MAIN
