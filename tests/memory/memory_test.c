// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation of the module's fails once: the first, then the second, and so on
 * until none is left to fail.  Whatever fails, the caller meets what the failure table
 * says, or what the kernel says that has no memory; nothing is left behind; and the
 * next call works.  What fails, and how it is told to, is tests/fault.
 */
#include "kselftest_harness.h"
#include "server.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/syscall.h>

#define HERE "127.0.0.1"
#define FAULT "/sys/kernel/debug/sockgate_fault"
#define FAULTS_MAX 500U		/* more than anything allocates */
/* Nobody waits for a connection that is to fail: it is over, or never will be. */
#define SILENCE_MS 2000

/* ---- what fails ------------------------------------------------------------------- */

static int fault_fd;
static pid_t program;

/* Before the module comes: of one that is there it learns nothing.  0, or an errno. */
static int fault_load(void)
{
	char path[PATH_MAX];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s", getenv("LAB_MODULE"));
	strcpy(strrchr(path, '/') + 1, "fault.ko");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (syscall(SYS_finit_module, fd, "", 0))
		err = errno;
	close(fd);
	if (err)
		return err;
	fault_fd = open(FAULT, O_RDWR | O_CLOEXEC);
	return fault_fd < 0 ? errno : 0;
}

/* The tests of a program share a module, and what makes it fail. */
__attribute__((constructor)) static void fault_begin(void)
{
	int err = fault_load();

	program = getpid();
	if (!err)
		return;
	if (err != ENOENT) {
		fprintf(stderr, "# fault.ko: %s\n", strerror(err));
		_exit(EXIT_FAILURE);
	}
	printf("1..0 # SKIP this kernel does not ask whether an allocation is to fail\n");
	fflush(stdout);
	_exit(0);
}

__attribute__((destructor)) static void fault_end(void)
{
	if (getpid() != program)
		return;
	close(fault_fd);
	syscall(SYS_delete_module, "fault", O_NONBLOCK);
}

static int fault_arm(unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	return pwrite(fault_fd, text, strlen(text), 0) < 0 ? errno : 0;
}

/* Returns whether it has come to that. */
static bool fault_disarm(void)
{
	char left[16] = "1";

	if (pread(fault_fd, left, sizeof(left) - 1, 0) < 0 || fault_arm(0))
		return false;
	return !atoi(left);
}

/* Whichever process it is. */
static const struct answer allow_program = {
	.action = SOCKGATE_ACTION_ALLOW, .lifetime = FAR_MS,
	.fields = SOCKGATE_F_EXE | SOCKGATE_F_EVENT,
};

static const struct answer refuse_for_good = {
	.action = SOCKGATE_ACTION_DENY, .error = EPERM, .lifetime = FAR_MS,
	.fields = SOCKGATE_F_ALL,
};

/* Whatever has no memory may say so, or has lost what would have come of it. */
static bool is_memory(int error)
{
	/* The kernel's words for no inode, and for no memory to note a port. */
	return error == ENOMEM || error == ENOBUFS || error == ENFILE ||
	       error == EADDRINUSE;
}

static bool is_answer_to_fault(int error)
{
	return !error || is_memory(error) || error == EACCES ||
	       error == ETIMEDOUT || error == ECONNRESET;
}

/* ---- what the callers do ---------------------------------------------------------- */

static int error_of(long result)
{
	return result < 0 ? errno : 0;
}

static int connected(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, ms) == 1 ? net_error(fd) : ETIMEDOUT;
}

static int by_socket(const struct addr *to, int type, int protocol)
{
	int fd = socket(to->family, type | SOCK_CLOEXEC, protocol);

	return fd < 0 ? -errno : fd;
}

static int do_connect(int fd, const struct addr *to)
{
	return error_of(connect(fd, &to->sa, to->len));
}

static int do_connect_nonblocking(int fd, const struct addr *to)
{
	int err = do_connect(fd, to);

	return err == EINPROGRESS ? connected(fd, SILENCE_MS) : err;
}

static int do_send(int fd, const struct addr *to)
{
	return error_of(sendto(fd, "x", 1, 0, &to->sa, to->len));
}

static int do_send_nonblocking(int fd, const struct addr *to)
{
	return error_of(sendto(fd, "x", 1, MSG_DONTWAIT, &to->sa, to->len));
}

static int do_listen(int fd, const struct addr *to)
{
	(void)to;
	return error_of(listen(fd, 1));
}

static int do_bind(int fd, const struct addr *to)
{
	const struct addr any = net_addr(to->family == AF_INET ? "0.0.0.0" : "::", 0);

	return error_of(bind(fd, &any.sa, any.len));
}

static struct script script_saying(const struct answer *answer)
{
	struct script script = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(script.answer); i++)
		script.answer[i] = answer;
	return script;
}

/* What was begun ends: somebody may be told of something still. */
static int settle(struct scene *s, struct script *script)
{
	struct gate_status st;
	int err;

	do {
		script_serve(s, script, 1);
		err = gate_status(&s->gate, &st);
	} while (!err && (st.pending || st.parked));
	return err;
}

FIXTURE(call) {
	struct scene s;
	struct script script;
};

FIXTURE_VARIANT(call) {
	int type, protocol;
	int (*act)(int fd, const struct addr *to);
	uint32_t events;
	bool absent;		/* from some kernels */
	bool known;		/* the verdict is cached */
	bool asks;		/* a request of the module's is among what fails */
};

#define CALL(name, act_, type_, ...) FIXTURE_VARIANT_ADD(call, name) { \
	.act = act_, .type = type_, __VA_ARGS__ }

CALL(open, do_connect, SOCK_STREAM, .events = EVENT(OPEN), .asks = true);
CALL(bind, do_bind, SOCK_STREAM, .events = EVENT(BIND), .asks = true);
CALL(connect_held, do_connect, SOCK_STREAM, .asks = true);
CALL(connect_cached, do_connect, SOCK_STREAM, .known = true);
CALL(connect_parked, do_connect_nonblocking, SOCK_STREAM | SOCK_NONBLOCK, .asks = true);
CALL(listen, do_listen, SOCK_STREAM, .asks = true);
CALL(udp_held, do_send, SOCK_DGRAM, .asks = true);
CALL(udp_cached, do_send, SOCK_DGRAM, .known = true);
CALL(udp_parked, do_send_nonblocking, SOCK_DGRAM, .asks = true);
CALL(sctp, do_connect, SOCK_STREAM, .protocol = IPPROTO_SCTP, .absent = true, .asks = true);
CALL(mptcp, do_connect, SOCK_STREAM, .protocol = IPPROTO_MPTCP, .absent = true, .asks = true);

FIXTURE_SETUP(call)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_EVENTS, variant->events));
	self->script = script_saying(variant->known ? &allow_program : &agent_allow);
}

FIXTURE_TEARDOWN(call)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

static const FIXTURE_VARIANT(call) *doing;

static int attempt(const struct addr *to)
{
	int fd = by_socket(to, doing->type, doing->protocol);

	return fd < 0 ? -fd : doing->act(fd, to);
}

static struct addr target(const struct scene *s, const FIXTURE_VARIANT(call) *variant)
{
	bool datagrams = (variant->type & SOCK_DGRAM) == SOCK_DGRAM;

	return net_addr(HERE, datagrams ? s->udp_port : s->tcp_port);
}

TEST_F_TIMEOUT(call, each_allocation_fails, 120)
{
	struct addr to = target(&self->s, variant);
	bool failed = true;
	int listener = -1, error;
	unsigned int n;

	if (variant->absent && !net_has(SOCK_STREAM, variant->protocol))
		SKIP(return, "this kernel has no such protocol");
	if (variant->protocol == IPPROTO_SCTP) {
		listener = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
		ASSERT_EQ(0, bind(listener, &to.sa, to.len));
		ASSERT_EQ(0, listen(listener, NET_BACKLOG));
	}
	doing = variant;
	ASSERT_EQ(0, script_run(&self->s, &self->script, attempt, &to)) {
		TH_LOG("it does not even work without a fault");
	}
	for (n = 1; failed; n++) {
		ASSERT_GT(FAULTS_MAX, n);
		ASSERT_EQ(0, fault_arm(n));
		error = script_run(&self->s, &self->script, attempt, &to);
		failed = fault_disarm();
		EXPECT_TRUE(failed ? is_answer_to_fault(error) : !error) {
			TH_LOG("allocation %u fails: error %d", n, error);
		}
		EXPECT_EQ(0, settle(&self->s, &self->script));
		EXPECT_EQ(0, script_run(&self->s, &self->script, attempt, &to)) {
			TH_LOG("after allocation %u failed", n);
		}
	}
	TH_LOG("%u allocations", n - 2);
	EXPECT_LT(2, n);
	EXPECT_EQ(variant->asks,
		  gate_failures(&self->s.gate, SOCKGATE_REASON_NO_MEMORY) > 0);
	close(listener);
}

/* ---- what others than the caller allocate ------------------------------------------ */

/* A peer, who waits for the answer to what it sends; but not for ever. */
static int greet(const struct addr *to, int type)
{
	const struct timeval patience = { .tv_sec = SILENCE_MS / 1000 };
	int fd = by_socket(to, type, 0), err;
	char byte;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		return CHILD_LOST;
	err = do_connect(fd, to);
	err = err ?: error_of(send(fd, "x", 1, MSG_NOSIGNAL));
	if (err)
		return err;
	switch (recv(fd, &byte, 1, 0)) {
	case 0:
		return ECONNRESET;
	case 1:
		return 0;
	}
	return errno == EAGAIN ? ETIMEDOUT : errno;
}

static int greet_by_stream(const struct addr *to)
{
	return greet(to, SOCK_STREAM);
}

static int greet_by_datagram(const struct addr *to)
{
	return greet(to, SOCK_DGRAM);
}

/* Answers on, though one of its answers has failed. */
static int answer_datagrams(int says)
{
	int fd = server_listen(says, SOCK_DGRAM);
	struct addr peer;
	char byte;

	while (fd >= 0) {
		peer.len = sizeof(peer.in6);
		if (recvfrom(fd, &byte, 1, 0, &peer.sa, &peer.len) == 1)
			sendto(fd, &byte, 1, 0, &peer.sa, peer.len);
	}
	return CHILD_LOST;
}

FIXTURE(elsewhere) {
	struct scene s;
	struct script script;
	struct server server;
	uint32_t generation;
	bool reviewed;
};

FIXTURE_VARIANT(elsewhere) {
	server_fn server;
	child_fn peer;
	uint32_t events;
	bool review;		/* under another policy, while it is open */
};

FIXTURE_VARIANT_ADD(elsewhere, accept) { .server = server_echo, .peer = greet_by_stream,
	.events = EVENT(ACCEPT) };
FIXTURE_VARIANT_ADD(elsewhere, receive) { .server = answer_datagrams,
	.peer = greet_by_datagram, .events = EVENT(RECEIVE) };
FIXTURE_VARIANT_ADD(elsewhere, report) { .server = server_echo, .peer = greet_by_stream,
	.events = EVENT(ESTABLISHED) | EVENT(CLOSE) };
FIXTURE_VARIANT_ADD(elsewhere, review) { .server = server_echo, .peer = greet_by_stream,
	.review = true };

/* Another policy for each question: what is open is asked about, while it says more. */
static FIXTURE_DATA(elsewhere) *reviewing;

static void change_policy(const struct ask *ask)
{
	(void)ask;
	if (reviewing->reviewed)
		return;
	reviewing->reviewed = true;
	agent_set_generation(reviewing->s.agent, ++reviewing->generation);
}

FIXTURE_SETUP(elsewhere)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_EVENTS, variant->events));
	self->script = script_saying(&agent_allow);
	ASSERT_EQ(0, server_start(&self->s, &self->script, variant->server, &self->server,
				  HERE));
	if (variant->review)
		self->script.seen = change_policy;
	reviewing = self;
}

FIXTURE_TEARDOWN(elsewhere)
{
	server_end(&self->server);
	EXPECT_EQ(0, scene_strike(&self->s));
}

static int converse(FIXTURE_DATA(elsewhere) *self, child_fn peer)
{
	self->reviewed = false;
	return script_run(&self->s, &self->script, peer, &self->server.at);
}

TEST_F_TIMEOUT(elsewhere, each_allocation_fails, 240)
{
	bool failed = true;
	unsigned int n;
	int error;

	ASSERT_EQ(0, converse(self, variant->peer));
	for (n = 1; failed; n++) {
		ASSERT_GT(FAULTS_MAX, n);
		ASSERT_EQ(0, fault_arm(n));
		error = converse(self, variant->peer);
		failed = fault_disarm();
		EXPECT_TRUE(failed ? is_answer_to_fault(error) : !error) {
			TH_LOG("allocation %u fails: error %d", n, error);
		}
		EXPECT_EQ(0, settle(&self->s, &self->script));
		EXPECT_EQ(0, converse(self, variant->peer)) {
			TH_LOG("after allocation %u failed", n);
		}
	}
	TH_LOG("%u allocations", n - 2);
	EXPECT_LT(4, n);
}

/* ---- the agent's commands ----------------------------------------------------------- */

FIXTURE(command) {
	struct scene s;
	struct ask ask;
	uint32_t generation;
};

FIXTURE_VARIANT(command) {
	int (*act)(FIXTURE_DATA(command) *self);
	bool held;		/* somebody waits for an answer */
	bool parked;		/* his packet does */
	bool once;		/* it makes no sense twice */
};

static int get_status(FIXTURE_DATA(command) *self)
{
	struct gate_status st;

	return gate_status(&self->s.gate, &st);
}

static int set_failsafes(FIXTURE_DATA(command) *self)
{
	const struct sockgate_failsafe any = {
		.events = EVENT(CONNECT) | EVENT(SEND), .uid = SOCKGATE_UID_ANY,
		.family = AF_INET,
	};

	return gate_set_failsafes(&self->s.gate, &any, 1);
}

static int set_generation(FIXTURE_DATA(command) *self)
{
	return agent_set_generation(self->s.agent, ++self->generation);
}

static int open_exe(FIXTURE_DATA(command) *self)
{
	int fd = agent_open_exe(self->s.agent, self->ask.id);

	if (fd < 0)
		return -fd;
	close(fd);
	return 0;
}

static int answer_with(FIXTURE_DATA(command) *self, struct answer answer)
{
	/* A mask of its own each time. */
	answer.fields = SOCKGATE_F_EXE | SOCKGATE_F_PROCESS | SOCKGATE_F_RPORT;
	answer.generation = self->generation;
	return agent_answer(self->s.agent, self->ask.id, &answer);
}

static int answer_allow(FIXTURE_DATA(command) *self)
{
	return answer_with(self, script_remember);
}

static int answer_deny(FIXTURE_DATA(command) *self)
{
	return answer_with(self, refuse_for_good);
}

#define COMMAND(name, act_, ...) FIXTURE_VARIANT_ADD(command, name) { \
	.act = act_, __VA_ARGS__ }

COMMAND(status, get_status);
COMMAND(failsafes, set_failsafes);
COMMAND(open_exe, open_exe, .held = true);
COMMAND(allow, answer_allow, .held = true, .once = true);
COMMAND(deny, answer_deny, .held = true, .once = true);
COMMAND(allow_parked, answer_allow, .held = true, .parked = true, .once = true);
COMMAND(deny_parked, answer_deny, .held = true, .parked = true, .once = true);

FIXTURE_SETUP(command)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
}

FIXTURE_TEARDOWN(command)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

static int connect_held(const struct addr *to)
{
	int fd = by_socket(to, SOCK_STREAM, 0);

	return fd < 0 ? CHILD_LOST : do_connect(fd, to);
}

static int connect_parked(const struct addr *to)
{
	int fd = by_socket(to, SOCK_STREAM | SOCK_NONBLOCK, 0);

	return fd < 0 ? CHILD_LOST : do_connect_nonblocking(fd, to);
}

/* One that waits for an answer. */
static pid_t start_waiting(struct __test_metadata *_metadata, FIXTURE_DATA(command) *self,
			   bool parked)
{
	const struct addr to = net_addr(HERE, self->s.tcp_port);
	pid_t pid;

	/* Nothing is remembered of the one before. */
	EXPECT_EQ(0, set_generation(self));
	pid = child_start(parked ? connect_parked : connect_held, &to);
	EXPECT_EQ(1, agent_next(self->s.agent, &self->ask, AT_ONCE_MS));
	return pid;
}

/* Without a fault, if the one that was made has lost it.  Returns what the caller got. */
static int end_waiting(FIXTURE_DATA(command) *self, pid_t pid,
		       const FIXTURE_VARIANT(command) *variant, int error)
{
	int err = 0;

	if (error || !variant->once)
		err = variant->once ? variant->act(self) : answer_allow(self);
	/* It was answered though its word did not come back. */
	if (err == ENOENT)
		err = 0;
	return err ? CHILD_LOST : child_end(pid);
}

TEST_F_TIMEOUT(command, each_allocation_fails, 120)
{
	const bool denies = variant->act == answer_deny;
	unsigned int n;
	bool failed = true;
	pid_t pid = 0;
	int error, got;

	for (n = 1; failed; n++) {
		ASSERT_GT(FAULTS_MAX, n);
		if (variant->held)
			pid = start_waiting(_metadata, self, variant->parked);
		ASSERT_EQ(0, fault_arm(n));
		error = variant->act(self);
		failed = fault_disarm();
		EXPECT_TRUE(!error || (failed && is_memory(error))) {
			TH_LOG("allocation %u fails: error %d", n, error);
		}
		if (!variant->held)
			continue;
		got = end_waiting(self, pid, variant, error);
		/* Without memory to cut a connection it meets a timeout. */
		EXPECT_TRUE(got == (denies ? EPERM : 0) || (failed && got == ETIMEDOUT)) {
			TH_LOG("allocation %u fails: the caller gets %d", n, got);
		}
	}
	TH_LOG("%u allocations", n - 2);
	EXPECT_LT(2, n);
	EXPECT_EQ(0, gate_wait_pending(&self->s.gate, 0));
}

/* ---- the module itself --------------------------------------------------------------- */

FIXTURE(module) {
	struct gate gate;
};

FIXTURE_SETUP(module)
{
	ASSERT_EQ(0, gate_away(&self->gate));
}

FIXTURE_TEARDOWN(module)
{
	gate_unload();
	EXPECT_EQ(0, gate_down(&self->gate));
}

/* How many functions of the kernel are redirected: NAME (1) R I ... */
static unsigned int hooks_placed(void)
{
	FILE *f = fopen("/sys/kernel/tracing/enabled_functions", "re");
	char line[512], *flags;
	unsigned int n = 0;

	while (f && fgets(line, sizeof(line), f)) {
		flags = strchr(line, ')');
		line[strcspn(line, "\t\n")] = '\0';
		n += flags && strchr(flags, 'I');
	}
	if (f)
		fclose(f);
	return n;
}

/* What begins with a failure ends with the module as it should be, or without it. */
TEST_F_TIMEOUT(module, each_allocation_of_loading_fails, 600)
{
	unsigned int n, refused = 0, hooks;
	bool failed = true;
	int error;

	ASSERT_EQ(0, gate_load());
	hooks = hooks_placed();
	EXPECT_LT(0, hooks);
	ASSERT_EQ(0, gate_unload());
	for (n = 1; failed; n++) {
		ASSERT_GT(FAULTS_MAX, n);
		ASSERT_EQ(0, fault_arm(n));
		error = gate_load();
		failed = fault_disarm();
		EXPECT_EQ(error ? 0 : hooks, hooks_placed()) {
			TH_LOG("allocation %u fails: error %d", n, error);
		}
		EXPECT_TRUE(!error || (failed && is_memory(error))) {
			TH_LOG("allocation %u fails: error %d", n, error);
		}
		refused += !!error;
		EXPECT_EQ(error ? ENOENT : 0, gate_unload());
	}
	TH_LOG("%u allocations, %u of them necessary", n - 2, refused);
	EXPECT_EQ(0, error);
	EXPECT_LT(0, refused);
}

/* It cannot be refused: whatever is not to be had, the module goes. */
TEST_F_TIMEOUT(module, each_allocation_of_unloading_fails, 600)
{
	bool failed = true;
	unsigned int n;

	for (n = 1; failed; n++) {
		ASSERT_GT(FAULTS_MAX, n);
		ASSERT_EQ(0, gate_load());
		ASSERT_EQ(0, fault_arm(n));
		EXPECT_EQ(0, gate_unload()) {
			TH_LOG("allocation %u fails", n);
		}
		failed = fault_disarm();
	}
	TH_LOG("%u allocations", n - 2);
	EXPECT_LT(2, n);
}

TEST_HARNESS_MAIN
