// SPDX-License-Identifier: GPL-2.0-only
/* Callers that do not wait: their packets do, and nothing leaves without a verdict. */
#include "kselftest_harness.h"
#include "child.h"
#include "hand.h"
#include "scene.h"

#include <fcntl.h>
#include <netinet/ip.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>

#define V4 "127.0.0.1"

static int open_socket(const struct addr *to, int type)
{
	return socket(to->family, type | SOCK_CLOEXEC, 0);
}

static int wait_for_connection(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	struct addr peer = { .len = sizeof(peer.in6) };
	int error;

	if (poll(&p, 1, -1) != 1)
		return CHILD_LOST;
	error = net_error(fd);
	if (!error && getpeername(fd, &peer.sa, &peer.len))
		return errno;
	return error;
}

static int connect_nonblocking(const struct addr *to)
{
	int fd = open_socket(to, SOCK_STREAM | SOCK_NONBLOCK);

	if (!connect(fd, &to->sa, to->len) || errno != EINPROGRESS)
		return CHILD_LOST;
	return wait_for_connection(fd);
}

static int send_nonblocking(const struct addr *to)
{
	int fd = open_socket(to, SOCK_DGRAM | SOCK_NONBLOCK);

	return sendto(fd, "x", 1, 0, &to->sa, to->len) == 1 ? 0 : errno;
}

static int send_not_waiting(const struct addr *to)
{
	int fd = open_socket(to, SOCK_DGRAM);

	return sendto(fd, "x", 1, MSG_DONTWAIT, &to->sa, to->len) == 1 ? 0 : errno;
}

/* The error of the datagram that was dropped is the socket's next. */
static int connect_and_send(const struct addr *to, net_move_fn send_one)
{
	int fd = open_socket(to, SOCK_DGRAM | SOCK_NONBLOCK);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (connect(fd, &to->sa, to->len) || send_one(fd) != 1)
		return CHILD_LOST;
	return poll(&p, 1, CHILD_MS) == 1 ? net_error(fd) : 0;
}

static int send_connected(const struct addr *to)
{
	return connect_and_send(to, net_send_one);
}

static int sendfile_connected(const struct addr *to)
{
	return connect_and_send(to, net_sendfile_one);
}

static int splice_connected(const struct addr *to)
{
	return connect_and_send(to, net_splice_one);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* As POSIX has it: after EINTR the connection goes on (so does Python). */
static int connect_interrupted(const struct addr *to)
{
	const struct sigaction sa = { .sa_handler = on_alarm };
	const struct itimerval soon = { .it_interval.tv_usec = 50000,
					.it_value.tv_usec = 50000 };
	int fd = open_socket(to, SOCK_STREAM), rc;

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	rc = connect(fd, &to->sa, to->len);
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	if (!rc || errno != EINTR)
		return CHILD_LOST;
	return wait_for_connection(fd);
}

/* ---- by protocol and family ---------------------------------------------------- */

FIXTURE(leaving) {
	struct scene s;
	struct addr to;
};

FIXTURE_VARIANT(leaving) {
	child_fn program;
	const char *address;
	bool stream;
	bool told;	/* the application learns of a refusal */
	uint8_t event;
};

#define VARIANT(name, program_, address_, stream_, told_, event_) \
	FIXTURE_VARIANT_ADD(leaving, name) { \
		.program = program_, .address = address_, .stream = stream_, \
		.told = told_, .event = SOCKGATE_EVENT_##event_, \
	}

VARIANT(tcp4, connect_nonblocking, V4, true, true, CONNECT);
VARIANT(tcp6, connect_nonblocking, "::1", true, true, CONNECT);
VARIANT(tcp_mapped, connect_nonblocking, "::ffff:127.0.0.1", true, true, CONNECT);
VARIANT(udp4, send_nonblocking, V4, false, false, SEND);
VARIANT(udp6, send_nonblocking, "::1", false, false, SEND);
VARIANT(udp_mapped, send_nonblocking, "::ffff:127.0.0.1", false, false, SEND);
VARIANT(udp_dontwait, send_not_waiting, V4, false, false, SEND);
VARIANT(udp_connected4, send_connected, V4, false, true, CONNECT);
VARIANT(udp_connected6, send_connected, "::1", false, true, CONNECT);
VARIANT(udp_sendfile, sendfile_connected, V4, false, true, CONNECT);
VARIANT(udp_splice, splice_connected, V4, false, true, CONNECT);

FIXTURE_SETUP(leaving)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->to = net_addr(variant->address, variant->stream ?
				self->s.tcp_port : self->s.udp_port);
}

FIXTURE_TEARDOWN(leaving)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

static bool arrived(const struct scene *s, bool stream, int timeout_ms)
{
	struct pollfd p = { .fd = stream ? s->tcp : s->udp, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

static void wait_parked(struct scene *s, uint32_t n)
{
	while (gate_parked(&s->gate) != n)
		gate_nap();
}

TEST_F(leaving, allowed)
{
	struct scene *s = &self->s;
	pid_t pid = child_start(variant->program, &self->to);

	ASSERT_EQ(1, agent_next(s->agent, &s->ask, -1));
	EXPECT_EQ(variant->event, s->ask.event);
	EXPECT_EQ(pid, (pid_t)s->ask.process.pid);
	EXPECT_EQ(1, gate_parked(&s->gate));
	EXPECT_FALSE(arrived(s, variant->stream, 0));
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_allow));
	EXPECT_TRUE(arrived(s, variant->stream, CHILD_MS));
	if (variant->told && !variant->stream)
		kill(pid, SIGKILL);
	else
		EXPECT_EQ(0, child_end(pid));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_ASKED));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_PACKET_HELD_ALLOW));
	EXPECT_EQ(0, gate_parked(&s->gate));
}

TEST_F(leaving, denied)
{
	static const uint32_t errors[] = { EACCES, ECONNREFUSED, EPERM };
	struct answer deny = agent_deny;
	struct scene *s = &self->s;
	pid_t pid;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		deny.error = errors[i];
		pid = child_start(variant->program, &self->to);
		ASSERT_EQ(1, agent_next(s->agent, &s->ask, -1));
		ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &deny));
		EXPECT_EQ(variant->told ? (int)errors[i] : 0, child_end(pid));
		EXPECT_FALSE(arrived(s, variant->stream, 0));
	}
	EXPECT_EQ(i, gate_count(&s->gate, SOCKGATE_N_PACKET_HELD_DENY));
	EXPECT_EQ(0, gate_parked(&s->gate));
}

/* What is known to be refused is refused by the call itself. */
TEST_F(leaving, denied_and_known)
{
	struct answer deny = agent_deny;
	struct scene *s = &self->s;
	pid_t pid = child_start(variant->program, &self->to);

	deny.lifetime = FAR_MS;
	deny.fields = SOCKGATE_F_EXE;
	ASSERT_EQ(1, agent_next(s->agent, &s->ask, -1));
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &deny));
	child_end(pid);
	pid = child_start(variant->program, &self->to);
	EXPECT_EQ(variant->told ? CHILD_LOST : EACCES, child_end(pid));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_HIT_DENY));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_ASKED));
}

/* ---- what may happen meanwhile --------------------------------------------------- */

FIXTURE(packet) {
	struct scene s;
	struct addr to, udp;
};

FIXTURE_SETUP(packet)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->to = net_addr(V4, self->s.tcp_port);
	self->udp = net_addr(V4, self->s.udp_port);
}

FIXTURE_TEARDOWN(packet)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

TEST_F(packet, deadline)
{
	struct scene *s = &self->s;

	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, 100));
	EXPECT_EQ(EACCES, child_end(child_start(connect_nonblocking, &self->to)));
	EXPECT_EQ(1, gate_failures(&s->gate, SOCKGATE_REASON_DEADLINE));
}

/* The failsafe list lets loopback through, held packets too. */
TEST_F(packet, agent_gone)
{
	struct scene *s = &self->s;
	pid_t pid = child_start(connect_nonblocking, &self->to);

	ASSERT_EQ(1, agent_next(s->agent, &s->ask, -1));
	agent_close(s->agent);
	s->agent = NULL;
	/* The program has a copy of the agent's socket. */
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, FAR_MS));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	EXPECT_EQ(0, gate_wait_pending(&s->gate, 0));
	EXPECT_EQ(0, gate_parked(&s->gate));
}

/* Unloading lets go what waits, by the failsafe list, 20 times over. */
TEST_F_TIMEOUT(packet, unloaded, 120)
{
	struct scene *s = &self->s;
	pid_t pid[3];
	size_t i;
	int n;

	for (n = 0; n < 20; n++) {
		pid[0] = child_start(connect_nonblocking, &self->to);
		pid[1] = child_start(send_nonblocking, &self->udp);
		pid[2] = child_start(connect_interrupted, &self->to);
		wait_parked(s, ARRAY_SIZE(pid));
		ASSERT_EQ(0, gate_unload());
		for (i = 0; i < ARRAY_SIZE(pid); i++)
			EXPECT_EQ(0, child_end(pid[i]));
		agent_close(s->agent);
		ASSERT_EQ(0, gate_load());
		ASSERT_EQ(0, gate_reopen(&s->gate));
		ASSERT_EQ(0, scene_agent(s));
		ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, FAR_MS));
	}
}

static int send_many(const struct addr *to)
{
	int fd = open_socket(to, SOCK_DGRAM | SOCK_NONBLOCK), i, refused = 0;
	struct addr from = net_addr(V4, 0);

	/* From one port throughout: one question. */
	if (bind(fd, &from.sa, from.len))
		return CHILD_LOST;
	for (i = 0; i < 100; i++)
		refused += sendto(fd, "x", 1, 0, &to->sa, to->len) != 1;
	return refused;
}

/* What waits on one question is bounded; the rest is the table's row. */
TEST_F(packet, bounded)
{
	struct scene *s = &self->s;
	pid_t pid = child_start(send_many, &self->udp);
	char byte;
	int got;

	ASSERT_EQ(1, agent_next(s->agent, &s->ask, -1));
	EXPECT_EQ(100 - 64, child_end(pid));
	EXPECT_EQ(64, gate_parked(&s->gate));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_ASKED));
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_allow));
	for (got = 0; recv(s->udp, &byte, 1, MSG_DONTWAIT) == 1; got++)
		continue;
	EXPECT_EQ(64, got);
}

/* Its second connect() to a place that is allowed does not free the first. */
static int connect_twice(const struct addr *to)
{
	int fd = open_socket(to, SOCK_STREAM | SOCK_NONBLOCK);
	struct addr other = net_addr("127.0.0.2", ntohs(to->in.sin_port));

	if (!connect(fd, &to->sa, to->len) || errno != EINPROGRESS)
		return CHILD_LOST;
	if (!connect(fd, &other.sa, other.len) || errno != EALREADY)
		return CHILD_LOST + 1;
	return wait_for_connection(fd);
}

TEST_F(packet, second_connect)
{
	struct scene *s = &self->s;
	pid_t pid = child_start(connect_twice, &self->to);

	ASSERT_EQ(1, agent_next(s->agent, &s->ask, -1));
	EXPECT_TRUE(net_same(V4, s->ask.raddr, 4));
	/* In poll(), after both. */
	worker_wait_state(&(struct worker){ .pid = pid }, 'S');
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_deny));
	EXPECT_EQ(EACCES, child_end(pid));
	EXPECT_FALSE(arrived(s, true, 0));
}

/* Two threads, two places, one socket. */
#define ELSEWHERE "127.0.0.2"

static int shared_fd;

static void *connect_elsewhere(void *arg)
{
	const struct addr *to = arg;
	struct addr other = net_addr(ELSEWHERE, ntohs(to->in.sin_port));

	return (void *)(long)(connect(shared_fd, &other.sa, other.len) ? errno : 0);
}

/* Its exit status: what the thread met that goes elsewhere, 0 if it is there. */
static int connect_in_two_threads(const struct addr *to)
{
	struct addr peer = { .len = sizeof(peer.in6) };
	pthread_t thread;
	void *error;
	int rc;

	shared_fd = open_socket(to, SOCK_STREAM);
	if (pthread_create(&thread, NULL, connect_elsewhere, (void *)to))
		return CHILD_LOST;
	rc = connect(shared_fd, &to->sa, to->len) ? errno : 0;
	pthread_join(thread, &error);
	if ((!rc) == (!error) || getpeername(shared_fd, &peer.sa, &peer.len))
		return CHILD_LOST;
	if (peer.in.sin_addr.s_addr == to->in.sin_addr.s_addr)
		return rc ? CHILD_LOST : (int)(long)error;
	return error ? CHILD_LOST : 0;
}

static int judge_two_threads(struct scene *s, const struct addr *to,
			     const char *allowed)
{
	pid_t pid = child_start(connect_in_two_threads, to);
	struct ask ask[2];
	int i;

	for (i = 0; i < 2; i++)
		if (agent_next(s->agent, &ask[i], -1) != 1)
			return CHILD_LOST;
	for (i = 0; i < 2; i++)
		agent_answer(s->agent, ask[i].id,
			     net_same(allowed, ask[i].raddr, 4) ? &agent_allow :
								  &agent_deny);
	return child_end(pid);
}

TEST_F(packet, second_connect_by_another_thread)
{
	EXPECT_EQ(EACCES, judge_two_threads(&self->s, &self->to, V4));
	EXPECT_EQ(0, judge_two_threads(&self->s, &self->to, ELSEWHERE));
}

/* The descriptor of a connection that fell back leads to the kernel's own socket. */
static int unmake_smc_and_connect(const struct addr *to)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct addr other = net_addr(ELSEWHERE, ntohs(to->in.sin_port));
	int fd = socket(AF_SMC, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, &to->sa, to->len) || send(fd, "x", 1, MSG_NOSIGNAL) != 1 ||
	    connect(fd, &none, sizeof(none)))
		return CHILD_LOST;
	return connect(fd, &other.sa, other.len) ? errno : 0;
}

TEST_F(packet, smc_that_is_unmade_and_goes_elsewhere)
{
	struct scene *s = &self->s;
	pid_t pid = child_start(unmake_smc_and_connect, &self->to);

	/* The kernel may have to load it first. */
	ASSERT_EQ(1, agent_next(s->agent, &s->ask, -1));
	EXPECT_TRUE(net_same(V4, s->ask.raddr, 4));
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_allow));
	ASSERT_EQ(1, agent_next(s->agent, &s->ask, CHILD_MS));
	EXPECT_EQ(SOCKGATE_EVENT_CONNECT, s->ask.event);
	EXPECT_TRUE(net_same(ELSEWHERE, s->ask.raddr, 4));
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_deny));
	EXPECT_EQ(EACCES, child_end(pid));
}

/* A datagram whose header says that it goes to 127.0.0.2; the call says V4. */
static int send_with_another_header(const struct addr *to)
{
	struct {
		struct iphdr ip;
		struct { uint16_t source, dest, len, check; } udp;
		char byte;
	} __attribute__((packed)) packet = {
		.ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP,
			.tot_len = htons(sizeof(packet)),
			.saddr = to->in.sin_addr.s_addr,
			.daddr = net_addr(ELSEWHERE, 0).in.sin_addr.s_addr },
		.udp = { .dest = to->in.sin_port, .len = htons(9) },
		.byte = 'x',
	};
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	return sendto(fd, &packet, sizeof(packet), 0, &to->sa, to->len) > 0 ? 0 :
									errno;
}

static bool judge_header(struct scene *s, const struct addr *to,
			 const struct answer *elsewhere)
{
	pid_t pid = child_start(send_with_another_header, to);
	bool both;

	if (agent_next(s->agent, &s->ask, -1) != 1)
		return false;
	both = net_same(V4, s->ask.raddr, 4) && s->ask.protocol == IPPROTO_RAW;
	agent_answer(s->agent, s->ask.id, &agent_allow);
	if (agent_next(s->agent, &s->ask, -1) != 1)
		return false;
	both = both && net_same(ELSEWHERE, s->ask.raddr, 4);
	agent_answer(s->agent, s->ask.id, elsewhere);
	return both && !child_end(pid);
}

TEST_F(packet, header_that_names_another_place)
{
	EXPECT_TRUE(judge_header(&self->s, &self->udp, &agent_deny));
	EXPECT_FALSE(arrived(&self->s, false, 0));
	EXPECT_TRUE(judge_header(&self->s, &self->udp, &agent_allow));
	EXPECT_TRUE(arrived(&self->s, false, CHILD_MS));
}

/*
 * Until the packet waits for the answer to the call's question.  That it is
 * parked is no sign: it is so a moment before it joins, and an answer in that
 * moment, which nobody remembers, makes it ask again.
 */
static void wait_joined(struct scene *s)
{
	while (gate_count(&s->gate, SOCKGATE_N_JOINED) != 1)
		gate_nap();
}

TEST_F(packet, interrupted_and_allowed)
{
	struct scene *s = &self->s;
	pid_t pid = child_start(connect_interrupted, &self->to);

	ASSERT_EQ(1, agent_next(s->agent, &s->ask, -1));
	wait_joined(s);
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_allow));
	EXPECT_EQ(0, child_end(pid));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_ASKED));
}

TEST_F(packet, interrupted_and_denied)
{
	struct scene *s = &self->s;
	pid_t pid = child_start(connect_interrupted, &self->to);

	ASSERT_EQ(1, agent_next(s->agent, &s->ask, -1));
	wait_joined(s);
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_deny));
	EXPECT_EQ(EACCES, child_end(pid));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_ASKED));
}

/* ---- whose socket it is ------------------------------------------------------------ */

FIXTURE(handed) {
	struct scene s;
	struct addr to;
	int peer;	/* the listener's side */
};

FIXTURE_VARIANT(handed) {
	hand_fn hand;
	const char *use;
	bool sends;
	bool smc;	/* of AF_SMC, which falls back to TCP */
};

#define HANDED(by, name, use_, sends_) \
	FIXTURE_VARIANT_ADD(handed, by##_##name) { \
		.hand = hand_##by, .use = use_, .sends = sends_, \
	}
#define HANDED_SMC(by, name, use_, sends_) \
	FIXTURE_VARIANT_ADD(handed, smc_##by##_##name) { \
		.hand = hand_##by, .use = use_, .sends = sends_, .smc = true, \
	}

/* However it is handed over, the use is the same hook's: not all of both. */
HANDED(by_exec, send, "send", true);
HANDED(by_exec, sendfile, "sendfile", true);
HANDED(by_exec, splice, "splice", true);
HANDED(by_exec, read, "read", false);
HANDED(by_exec, splice_from, "splice-from", false);
HANDED(by_message, send, "send", true);
HANDED(by_message, sendfile, "sendfile", true);
HANDED(by_message, splice_from, "splice-from", false);
HANDED(by_pidfd, send, "send", true);
HANDED(by_pidfd, splice, "splice", true);
HANDED(by_pidfd, splice_from, "splice-from", false);
HANDED_SMC(by_exec, send, "send", true);
HANDED_SMC(by_exec, splice_from, "splice-from", false);
HANDED_SMC(by_message, read, "read", false);
HANDED_SMC(by_pidfd, sendfile, "sendfile", true);

FIXTURE_SETUP(handed)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->to = net_addr(V4, self->s.tcp_port);
	self->peer = -1;
}

FIXTURE_TEARDOWN(handed)
{
	close(self->peer);
	EXPECT_EQ(0, scene_strike(&self->s));
}

/*
 * The first program connects, by leave, and another uses its socket, on which a
 * byte has come.  Exit status of that.
 */
static int hand_over(FIXTURE_DATA(handed) *self, const FIXTURE_VARIANT(handed) *v,
		     const struct answer *second)
{
	struct scene *s = &self->s;
	pid_t pid = fork();
	uint64_t ino;
	int fd;

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = v->smc ? socket(AF_SMC, SOCK_STREAM | SOCK_CLOEXEC, 0) :
			      open_socket(&self->to, SOCK_STREAM);
		_exit(connect(fd, &self->to.sa, self->to.len) ?
		      CHILD_LOST : v->hand(fd, v->use));
	}
	if (agent_next(s->agent, &s->ask, -1) != 1 ||
	    agent_answer(s->agent, s->ask.id, &agent_allow))
		return CHILD_LOST;
	self->peer = accept(s->tcp, NULL, NULL);
	if (send(self->peer, "y", 1, MSG_NOSIGNAL) != 1)
		return CHILD_LOST;
	ino = s->ask.exe.ino;
	/* A use that is not asked about has its exit status. */
	if (agent_next(s->agent, &s->ask, CHILD_MS) != 1)
		return child_end(pid);
	if (s->ask.exe.ino == ino || agent_answer(s->agent, s->ask.id, second))
		return CHILD_LOST;
	return child_end(pid);
}

/* What the listener's side gets of it until the end: bytes. */
static int received(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;
	int n = 0;

	while (poll(&p, 1, CHILD_MS) == 1 && read(fd, &byte, 1) == 1)
		n++;
	return n;
}

TEST_F(handed, to_another_program_and_denied)
{
	EXPECT_EQ(EACCES, hand_over(self, variant, &agent_deny));
	EXPECT_EQ(0, received(self->peer));
}

TEST_F(handed, to_another_program_and_allowed)
{
	EXPECT_EQ(0, hand_over(self, variant, &agent_allow));
	EXPECT_EQ(variant->sends, received(self->peer));
	EXPECT_EQ(2, gate_count(&self->s.gate, SOCKGATE_N_ASKED));
}

/*
 * One user connects; a child of the same program sends, as another.  Exit status:
 * the errno of that, 0 if it could.
 */
static int lend(const struct addr *to, uid_t from, uid_t by)
{
	int fd = open_socket(to, SOCK_STREAM);
	pid_t pid;

	if (seteuid(0) || setresuid(from, from, 0) ||
	    connect(fd, &to->sa, to->len))
		return CHILD_LOST;
	pid = fork();
	if (pid)
		return child_end(pid);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (seteuid(0) || setresuid(by, by, by))
		_exit(CHILD_LOST);
	_exit(send(fd, "x", 1, MSG_NOSIGNAL) == 1 ? 0 : errno);
}

static int lend_to_another_user(const struct addr *to)
{
	return lend(to, 1001, 1002);
}

static int lend_to_the_same_user(const struct addr *to)
{
	return lend(to, 1001, 1001);
}

static int lend_as_root(const struct addr *to)
{
	return lend(to, 0, 1002);
}

/* Denies whatever user 1002 asks.  Returns the exit status. */
static int judge_users(struct scene *s, const struct addr *to,
		       child_fn program)
{
	pid_t pid = child_start(program, to);
	int status, ms;

	for (ms = 0; ms < (int)CHILD_MS; ms++) {
		if (agent_next(s->agent, &s->ask, 1) == 1)
			agent_answer(s->agent, s->ask.id, s->ask.uid == 1002 ?
				     &agent_deny : &agent_allow);
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : CHILD_LOST;
	}
	return child_end(pid);
}

TEST_F(packet, lent_to_another_user_is_judged)
{
	EXPECT_EQ(EACCES, judge_users(&self->s, &self->to, lend_to_another_user));
	EXPECT_EQ(2, gate_count(&self->s.gate, SOCKGATE_N_ASKED));
}

TEST_F(packet, lent_to_the_same_user_is_not)
{
	EXPECT_EQ(0, judge_users(&self->s, &self->to, lend_to_the_same_user));
	EXPECT_EQ(1, gate_count(&self->s.gate, SOCKGATE_N_ASKED));
}

/* As servers do that give up their rights for each connection. */
TEST_F(packet, lent_by_root_is_roots)
{
	EXPECT_EQ(0, judge_users(&self->s, &self->to, lend_as_root));
	EXPECT_EQ(1, gate_count(&self->s.gate, SOCKGATE_N_ASKED));
}

/* Datagrams of one socket: the second goes where the first went, the third is another user's. */
static int send_as_another_user(const struct addr *to)
{
	int fd = open_socket(to, SOCK_DGRAM), i;

	for (i = 0; i < 2; i++)
		if (sendto(fd, "x", 1, 0, &to->sa, to->len) != 1)
			return CHILD_LOST;
	if (setresuid(1002, 1002, 1002))
		return CHILD_LOST;
	return sendto(fd, "x", 1, 0, &to->sa, to->len) == 1 ? 0 : errno;
}

TEST_F(packet, datagram_of_another_user_is_judged)
{
	EXPECT_EQ(EACCES, judge_users(&self->s, &self->to, send_as_another_user));
	EXPECT_EQ(2, gate_count(&self->s.gate, SOCKGATE_N_ASKED));
}

/* The third goes elsewhere. */
static int send_elsewhere(const struct addr *to)
{
	struct addr other = net_addr("127.0.0.2", 9);
	int fd = open_socket(to, SOCK_DGRAM), i;

	for (i = 0; i < 2; i++)
		if (sendto(fd, "x", 1, 0, &to->sa, to->len) != 1)
			return CHILD_LOST;
	if (sendto(fd, "x", 1, 0, &other.sa, other.len) != 1)
		return errno;
	return sendto(fd, "x", 1, 0, &to->sa, to->len) == 1 ? 0 : errno;
}

TEST_F(packet, datagram_that_goes_elsewhere_is_judged)
{
	EXPECT_EQ(0, judge_users(&self->s, &self->to, send_elsewhere));
	/* What is remembered of a socket is one place. */
	EXPECT_EQ(3, gate_count(&self->s.gate, SOCKGATE_N_ASKED));
}

/* ---- listening ------------------------------------------------------------------------- */

#define REFUSED_PORT 8080
#define RACES 1000

static int racing = -1;
static int race_on;

static void *binder(void *arg)
{
	struct addr at = net_addr("0.0.0.0", REFUSED_PORT);
	int delay, n = 0;

	for (;;) {
		while (!__atomic_load_n(&race_on, __ATOMIC_ACQUIRE))
			continue;
		for (delay = n++ % 400; delay; delay--)
			__asm__ volatile("");
		bind(racing, &at.sa, at.len);
		__atomic_store_n(&race_on, 0, __ATOMIC_RELEASE);
	}
	return arg;
}

static bool race_once(void)
{
	struct addr at = net_addr("0.0.0.0", 0);
	int one = 1, rc;

	racing = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(racing, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	__atomic_store_n(&race_on, 1, __ATOMIC_RELEASE);
	rc = listen(racing, 1);
	while (__atomic_load_n(&race_on, __ATOMIC_ACQUIRE))
		continue;
	getsockname(racing, &at.sa, &at.len);
	close(racing);
	return !rc && ntohs(at.in.sin_port) == REFUSED_PORT;
}

static int listen_while_binding(const struct addr *to)
{
	pthread_t thread;
	int i, won = 0;

	(void)to;
	pthread_create(&thread, NULL, binder, NULL);
	for (i = 0; i < RACES; i++)
		won += race_once();
	return won > CHILD_LOST ? CHILD_LOST : won;
}

/* Any port but one: another thread binds to that one while listen() is judged. */
TEST_F_TIMEOUT(packet, listen_at_a_port_that_was_not_judged, 120)
{
	struct scene *s = &self->s;
	struct answer answer;
	pid_t pid = child_start(listen_while_binding, &self->to);
	int status;

	while (!waitpid(pid, &status, WNOHANG)) {
		if (agent_next(s->agent, &s->ask, 20) != 1)
			continue;
		answer = s->ask.lport == REFUSED_PORT ? agent_deny : agent_allow;
		answer.lifetime = FAR_MS;
		answer.fields = SOCKGATE_F_EVENT | SOCKGATE_F_LPORT;
		agent_answer(s->agent, s->ask.id, &answer);
	}
	EXPECT_EQ(0, WEXITSTATUS(status));
}

/* ---- questions and agents --------------------------------------------------------------- */

/* Whoever misses the answer in the cache finds the question still there. */
TEST_F_TIMEOUT(packet, burst_on_a_cached_answer, 100)
{
	struct call call = scene_connect(&self->s, V4);
	struct answer answer = agent_allow;
	struct scene *s = &self->s;
	uint32_t i;

	call.threads = 200;
	answer.lifetime = FAR_MS;
	answer.fields = SOCKGATE_F_PROCESS;
	for (i = 1; i <= 20; i++) {
		ASSERT_EQ(0, agent_set_generation(s->agent, i));
		answer.generation = i;
		ASSERT_LE(0, scene_judge(s, &call, &answer));
		EXPECT_EQ(i, gate_count(&s->gate, SOCKGATE_N_ASKED));
	}
}

static void keep_socket_in_a_child(struct genl *genl, int ready)
{
	int err;
	pid_t pid;

	if (!agent_open(genl, &err))
		_exit(1);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, 0);
		for (;;)
			pause();
	}
	if (write(ready, &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
	pause();
}

/* A dead agent is none, though a child of it holds its socket. */
TEST_F(packet, child_of_a_dead_agent)
{
	struct call call = scene_connect(&self->s, V4);
	struct scene *s = &self->s;
	int ready[2];
	pid_t pid, child;

	agent_close(s->agent);
	s->agent = NULL;
	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	if (!pid)
		keep_socket_in_a_child(s->gate.genl, ready[1]);
	ASSERT_EQ((ssize_t)sizeof(child), read(ready[0], &child, sizeof(child)));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ASSERT_EQ(0, scene_judge(s, &call, NULL));
	EXPECT_EQ(0, s->outcome.error);
	EXPECT_GT((double)CHILD_MS, scene_ms(s));
	kill(child, SIGKILL);
}

/* ---- sockets older than the module ------------------------------------------------------- */

static int old_ready[2], old_go[2];
static net_move_fn old_send;

/* Connected before there was a module; sends when told, and waits for an error or an end. */
static int send_on_old(const struct addr *to)
{
	int fd = open_socket(to, SOCK_STREAM);
	struct pollfd p[] = { { .fd = fd }, { .fd = old_go[0], .events = POLLIN } };
	char byte = 'x';

	if (connect(fd, &to->sa, to->len) || write(old_ready[1], &byte, 1) != 1 ||
	    read(old_go[0], &byte, 1) != 1)
		return CHILD_LOST;
	if (old_send(fd) != 1)
		return errno;
	return poll(p, 2, CHILD_MS) >= 1 ? net_error(fd) : CHILD_LOST;
}

FIXTURE(old) {
	struct scene s;
	struct addr to;
	pid_t pid;
	int fd;
};

FIXTURE_VARIANT(old) {
	net_move_fn send;
};

FIXTURE_VARIANT_ADD(old, send) { net_send_one };
FIXTURE_VARIANT_ADD(old, sendfile) { net_sendfile_one };
FIXTURE_VARIANT_ADD(old, splice) { net_splice_one };

FIXTURE_SETUP(old)
{
	struct scene *s = &self->s;
	char byte;

	ASSERT_EQ(0, scene_control(s));
	self->to = net_addr(V4, s->tcp_port);
	ASSERT_EQ(0, pipe(old_ready));
	ASSERT_EQ(0, pipe(old_go));
	old_send = variant->send;
	self->pid = child_start(send_on_old, &self->to);
	ASSERT_EQ(1, read(old_ready[0], &byte, 1));
	self->fd = accept(s->tcp, NULL, NULL);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, gate_load());
	ASSERT_EQ(0, gate_reopen(&s->gate));
	ASSERT_EQ(0, scene_agent(s));
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, FAR_MS));
	ASSERT_EQ(1, write(old_go[1], "x", 1));
}

FIXTURE_TEARDOWN(old)
{
	close(self->fd);
	EXPECT_EQ(0, scene_strike(&self->s));
}

TEST_F(old, asked_and_allowed)
{
	struct scene *s = &self->s;
	char byte;

	ASSERT_EQ(1, agent_next(s->agent, &s->ask, -1));
	EXPECT_EQ(self->pid, (pid_t)s->ask.process.pid);
	EXPECT_EQ(SOCKGATE_EVENT_CONNECT, s->ask.event);
	EXPECT_EQ(s->tcp_port, s->ask.rport);
	EXPECT_EQ(-1, recv(self->fd, &byte, 1, MSG_DONTWAIT));
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_allow));
	EXPECT_EQ(1, recv(self->fd, &byte, 1, 0));
	ASSERT_EQ(1, write(old_go[1], "x", 1));
	EXPECT_EQ(0, child_end(self->pid));
}

TEST_F(old, asked_and_denied)
{
	struct scene *s = &self->s;
	char byte;

	ASSERT_EQ(1, agent_next(s->agent, &s->ask, -1));
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_deny));
	EXPECT_EQ(EACCES, child_end(self->pid));
	EXPECT_GE(0, recv(self->fd, &byte, 1, MSG_DONTWAIT));
}

TEST_HARNESS_MAIN
