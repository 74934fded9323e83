// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new policy, and connections that are open: who may not go on is cut without
 * saying anything, who may is not disturbed.
 */
#include "kselftest_harness.h"
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define V4 "127.0.0.1"
#define V6 "::1"
#define SAME 100	/* connections that ask the same */
#define DISTINCT 100	/* ... that do not */
#define AT_A_TIME 64	/* questions of a review, as in kmod/park.h */
#define LOOKS 50	/* each after a pause of a millisecond; its own is ten */
#define MPTCP_PORT 4713
#define SCTP_PORT 4714

FIXTURE(review) {
	struct scene s;
	struct script script;
	struct answer allow, deny;
};

static void set_up(struct __test_metadata *_metadata, FIXTURE_DATA(review) *self)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->script = script_allowing();
	self->allow = script_remember;
	self->allow.lprefix = self->allow.rprefix = 128;
	self->deny = script_refuse;
}

static void tear_down(struct __test_metadata *_metadata,
		      FIXTURE_DATA(review) *self)
{
	if (self->s.agent)
		EXPECT_EQ(0, agent_set_generation(self->s.agent, 0));
	EXPECT_EQ(0, scene_strike(&self->s));
}

FIXTURE_SETUP(review)
{
	set_up(_metadata, self);
}

FIXTURE_TEARDOWN(review)
{
	tear_down(_metadata, self);
}

/* From now on answers are of this policy. */
static void set_policy(struct __test_metadata *_metadata,
		       FIXTURE_DATA(review) *self, uint32_t generation,
		       const struct answer *answer)
{
	size_t i;

	self->allow.generation = self->deny.generation = generation;
	for (i = 0; i < ARRAY_SIZE(self->script.answer); i++)
		self->script.answer[i] = answer;
	ASSERT_EQ(0, agent_set_generation(self->s.agent, generation));
}

static int says_fd = -1;	/* of a child, to the test */

/* Waits for the end of a connection that nothing is sent on: the error of it. */
static int wait_for_end(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLRDHUP };

	if (poll(&p, 1, 2 * AT_ONCE_MS) != 1)
		return CHILD_LOST;
	return net_error(fd);
}

static int be_idle(const struct addr *to, int type, int protocol)
{
	int fd = socket(to->family, type | SOCK_CLOEXEC, protocol);

	if (fd < 0 || connect(fd, &to->sa, to->len) || server_say(says_fd, 1))
		return CHILD_LOST;
	return wait_for_end(fd);
}

static int idle_stream(const struct addr *to)
{
	return be_idle(to, SOCK_STREAM, 0);
}

static int idle_datagrams(const struct addr *to)
{
	return be_idle(to, SOCK_DGRAM, 0);
}

/* Runs until it says that it is ready; its questions are answered. */
static pid_t start(struct __test_metadata *_metadata, FIXTURE_DATA(review) *self,
		   child_fn program, const struct addr *to, struct server *ears)
{
	int fds[2], got;

	ASSERT_EQ(0, pipe(fds));
	says_fd = fds[1];
	ears->pid = fork();
	if (!ears->pid) {
		close(agent_fd(self->s.agent));
		_exit(program(to));
	}
	close(fds[1]);
	ears->says = fds[0];
	got = server_heard(&self->s, &self->script, ears, AT_ONCE_MS);
	EXPECT_EQ(1, got);
	return ears->pid;
}

/* The other end of a connection to our listener. */
static int other_end(const struct scene *s)
{
	return accept(s->tcp, NULL, NULL);
}

/* ---- what is cut ------------------------------------------------------------------ */

FIXTURE(idle) {
	FIXTURE_DATA(review) r;
};

FIXTURE_VARIANT(idle) {
	const char *to;
};

FIXTURE_VARIANT_ADD(idle, ipv4) { V4 };
FIXTURE_VARIANT_ADD(idle, ipv6) { V6 };
FIXTURE_VARIANT_ADD(idle, mapped) { "::ffff:127.0.0.1" };

FIXTURE_SETUP(idle)
{
	set_up(_metadata, &self->r);
}

FIXTURE_TEARDOWN(idle)
{
	tear_down(_metadata, &self->r);
}

TEST_F(idle, opened)
{
	FIXTURE_DATA(review) *r = &self->r;
	struct scene *s = &r->s;
	struct addr to = net_addr(variant->to, s->tcp_port);
	struct server ears;
	pid_t pid;
	int peer;

	pid = start(_metadata, r, idle_stream, &to, &ears);
	peer = other_end(s);
	ASSERT_LE(0, peer);
	EXPECT_EQ(1, r->script.asked[SOCKGATE_EVENT_CONNECT]);
	set_policy(_metadata, r, 1, &r->deny);
	EXPECT_EQ(EPERM, script_end(s, &r->script, pid));
	EXPECT_EQ(2, r->script.asked[SOCKGATE_EVENT_CONNECT]);
	/* Its peer hears of it. */
	EXPECT_EQ(ECONNRESET, wait_for_end(peer));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_CUT));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_REVIEWED));
	close(peer);
	close(ears.says);
}

TEST_F(idle, connected_datagrams)
{
	FIXTURE_DATA(review) *r = &self->r;
	struct addr to = net_addr(variant->to, r->s.udp_port);
	struct server ears;
	pid_t pid = start(_metadata, r, idle_datagrams, &to, &ears);

	set_policy(_metadata, r, 1, &r->deny);
	EXPECT_EQ(EPERM, script_end(&r->s, &r->script, pid));
	EXPECT_EQ(2, r->script.asked[SOCKGATE_EVENT_CONNECT]);
	close(ears.says);
}

/* Says the error that the first connection of a listener ended with. */
static int say_how_it_ends(int fd, int says)
{
	int peer = accept(fd, NULL, NULL);

	if (peer < 0 || server_say(says, 0))
		return CHILD_LOST;
	server_say(says, wait_for_end(peer));
	return 0;
}

static int idle_server(int says)
{
	int fd = server_listen(says, SOCK_STREAM);

	return fd < 0 ? CHILD_LOST : say_how_it_ends(fd, says);
}

/* Whoever answers must not wait for what is asked. */
static int connect_as_agent(const struct addr *to)
{
	int fd = socket(to->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return connect(fd, &to->sa, to->len) && errno != EINPROGRESS ? -1 : fd;
}

FIXTURE(accepted) {
	FIXTURE_DATA(review) r;
};

FIXTURE_VARIANT(accepted) {
	uint32_t events;
	uint8_t asked;
};

FIXTURE_VARIANT_ADD(accepted, by_listener) { 0, SOCKGATE_EVENT_LISTEN };
FIXTURE_VARIANT_ADD(accepted, by_peer) { EVENT(ACCEPT), SOCKGATE_EVENT_ACCEPT };

FIXTURE_SETUP(accepted)
{
	set_up(_metadata, &self->r);
	ASSERT_EQ(0, gate_set_u32(&self->r.s.gate, SOCKGATE_A_EVENTS,
				  variant->events));
}

FIXTURE_TEARDOWN(accepted)
{
	tear_down(_metadata, &self->r);
}

TEST_F(accepted, idle)
{
	FIXTURE_DATA(review) *r = &self->r;
	struct script *script = &r->script;
	struct scene *s = &r->s;
	struct server server;
	unsigned int asked;
	int fd;

	ASSERT_EQ(0, server_start(s, script, idle_server, &server, V4));
	fd = connect_as_agent(&server.at);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, server_heard(s, script, &server, AT_ONCE_MS));
	asked = script->asked[variant->asked];
	set_policy(_metadata, r, 1, &r->deny);
	EXPECT_EQ(EPERM, server_heard(s, script, &server, AT_ONCE_MS));
	EXPECT_EQ(asked + 1, script->asked[variant->asked]);
	EXPECT_EQ(ECONNRESET, wait_for_end(fd));
	close(fd);
	server_end(&server);
}

/* ---- what goes on ----------------------------------------------------------------- */

/* A byte there and back, as often as it is told to. */
static int talk(const struct addr *to)
{
	int fd = socket(to->family, SOCK_STREAM | SOCK_CLOEXEC, 0), n;
	char byte = 'x';

	if (connect(fd, &to->sa, to->len) || server_say(says_fd, 1))
		return CHILD_LOST;
	for (n = 0; n < 3 * NET_ROUNDS; n++)
		if (recv(fd, &byte, 1, 0) != 1 || send(fd, &byte, 1, 0) != 1)
			return errno;
	return 0;
}

static bool rounds(int peer)
{
	struct pollfd p = { .fd = peer, .events = POLLIN };
	char byte = 'y';
	int i;

	for (i = 0; i < NET_ROUNDS; i++)
		if (send(peer, &byte, 1, 0) != 1 ||
		    poll(&p, 1, AT_ONCE_MS) != 1 || recv(peer, &byte, 1, 0) != 1)
			return false;
	return true;
}

/* Nothing of it waits, neither while it is asked about nor afterwards. */
TEST_F(review, goes_on_while_it_is_asked_about)
{
	struct addr to = net_addr(V4, self->s.tcp_port);
	struct scene *s = &self->s;
	struct server ears;
	pid_t pid = start(_metadata, self, talk, &to, &ears);
	int peer = other_end(s);

	ASSERT_TRUE(rounds(peer));
	ASSERT_EQ(0, gate_begin(&s->gate));
	set_policy(_metadata, self, 1, &self->allow);
	ASSERT_EQ(1, agent_next(s->agent, &s->ask, AT_ONCE_MS));
	EXPECT_EQ(SOCKGATE_EVENT_CONNECT, s->ask.event);
	EXPECT_EQ(s->tcp_port, s->ask.rport);
	EXPECT_TRUE(net_same(V4, s->ask.raddr, 4));
	ASSERT_TRUE(rounds(peer));
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &self->allow));
	ASSERT_TRUE(rounds(peer));
	EXPECT_EQ(0, script_end(s, &self->script, pid));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_ASKED));
	EXPECT_EQ(0, gate_count(&s->gate, SOCKGATE_N_PACKET_HELD_ALLOW));
	EXPECT_EQ(0, gate_count(&s->gate, SOCKGATE_N_CUT));
	close(peer);
	close(ears.says);
}

/* No verdict ends nothing; the next packet is judged. */
TEST_F(review, without_a_verdict)
{
	const struct answer fail = {
		.action = SOCKGATE_ACTION_FAIL,
		.reason = SOCKGATE_REASON_UNVERIFIABLE,
	};
	struct addr to = net_addr(V4, self->s.tcp_port);
	struct scene *s = &self->s;
	struct server ears;
	pid_t pid = start(_metadata, self, talk, &to, &ears);
	int peer = other_end(s);

	ASSERT_TRUE(rounds(peer));
	set_policy(_metadata, self, 1, &self->allow);
	ASSERT_EQ(1, agent_next(s->agent, &s->ask, AT_ONCE_MS));
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &fail));
	EXPECT_EQ(0, agent_next(s->agent, &s->ask, SOON_MS));
	ASSERT_EQ(1, send(peer, "y", 1, 0));
	ASSERT_EQ(1, agent_next(s->agent, &s->ask, AT_ONCE_MS));
	EXPECT_EQ(SOCKGATE_EVENT_CONNECT, s->ask.event);
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &self->deny));
	EXPECT_EQ(EPERM, script_end(s, &self->script, pid));
	close(peer);
	close(ears.says);
}

/* As long as nobody can be asked it stands; the next agent says its policy. */
TEST_F(review, while_the_agent_is_away)
{
	struct addr to = net_addr(V4, self->s.tcp_port);
	struct scene *s = &self->s;
	struct server ears;
	pid_t pid = start(_metadata, self, talk, &to, &ears);
	int peer = other_end(s);

	ASSERT_TRUE(rounds(peer));
	ASSERT_EQ(0, gate_set_row(&s->gate, SOCKGATE_REASON_NO_AGENT,
				  SOCKGATE_ACTION_DENY, EACCES));
	set_policy(_metadata, self, 1, &self->deny);
	ASSERT_EQ(1, agent_next(s->agent, &s->ask, AT_ONCE_MS));
	agent_close(s->agent);
	s->agent = NULL;
	EXPECT_EQ(0, gate_wait_pending(&s->gate, 0));
	ASSERT_TRUE(rounds(peer));
	ASSERT_EQ(0, scene_agent(s));
	set_policy(_metadata, self, 2, &self->deny);
	EXPECT_EQ(EPERM, script_end(s, &self->script, pid));
	close(peer);
	close(ears.says);
}

/* Connected, and again elsewhere when it is told to. */
static int turn_elsewhere(const struct addr *to)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	const struct addr other = net_addr("127.0.0.2", ntohs(to->in.sin_port));
	int fd = socket(to->family, SOCK_STREAM | SOCK_CLOEXEC, 0), err;
	char byte;

	if (connect(fd, &to->sa, to->len) || server_say(says_fd, 1) ||
	    recv(fd, &byte, 1, 0) != 1)
		return CHILD_LOST;
	if (connect(fd, &none, sizeof(none)) ||
	    connect(fd, &other.sa, other.len) || server_say(says_fd, 2))
		return CHILD_LOST;
	err = recv(fd, &byte, 1, 0) == 1 ? 0 : errno;
	return err;
}

/* What was asked about one connection says nothing of another on the same socket. */
TEST_F(review, another_peer_meanwhile)
{
	struct addr to = net_addr(V4, self->s.tcp_port);
	struct scene *s = &self->s;
	struct server ears;
	pid_t pid = start(_metadata, self, turn_elsewhere, &to, &ears);
	int peer = other_end(s), next;
	struct ask first;

	set_policy(_metadata, self, 1, &self->allow);
	ASSERT_EQ(1, agent_next(s->agent, &first, AT_ONCE_MS));
	ASSERT_EQ(1, send(peer, "y", 1, 0));
	ASSERT_EQ(2, server_heard(s, &self->script, &ears, AT_ONCE_MS));
	next = other_end(s);
	ASSERT_EQ(0, agent_answer(s->agent, first.id, &self->deny));
	EXPECT_EQ(0, gate_count(&s->gate, SOCKGATE_N_CUT));
	ASSERT_EQ(1, send(next, "y", 1, 0));
	EXPECT_EQ(0, script_end(s, &self->script, pid));
	close(peer);
	close(next);
	close(ears.says);
}

/* ---- a verdict of the policy before ------------------------------------------------ */

/* Who was held gets it, and his first packet is asked about again. */
TEST_F(review, answer_of_the_old_policy)
{
	struct call call = scene_connect(&self->s, V4);
	struct scene *s = &self->s;

	ASSERT_EQ(0, scene_hold(s, &s->worker, &call));
	ASSERT_EQ(0, agent_set_generation(s->agent, 1));
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &self->allow));
	ASSERT_EQ(1, agent_next(s->agent, &s->ask, AT_ONCE_MS));
	EXPECT_EQ(SOCKGATE_EVENT_CONNECT, s->ask.event);
	self->deny.generation = 1;
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &self->deny));
	ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
	EXPECT_EQ(EPERM, s->outcome.error);
}

/* ---- how much is asked -------------------------------------------------------------- */

/* Ends when the last of them has; EPERM if all of them ended with that. */
static int connect_many(const struct addr *to, unsigned int n, bool distinct)
{
	struct addr at = *to;
	unsigned int i;
	int fd[SAME], err = EPERM;

	for (i = 0; i < n; i++) {
		at.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (distinct ? i : 0));
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd[i] < 0 || connect(fd[i], &at.sa, at.len))
			return CHILD_LOST;
	}
	if (server_say(says_fd, 1))
		return CHILD_LOST;
	for (i = 0; i < n && err == EPERM; i++)
		err = wait_for_end(fd[i]);
	return err;
}

static int connect_many_alike(const struct addr *to)
{
	return connect_many(to, SAME, false);
}

static int connect_many_distinct(const struct addr *to)
{
	return connect_many(to, DISTINCT, true);
}

TEST_F(review, one_question_for_all_that_ask_the_same)
{
	struct addr to = net_addr(V4, self->s.tcp_port);
	struct scene *s = &self->s;
	struct server ears;
	pid_t pid = start(_metadata, self, connect_many_alike, &to, &ears);

	ASSERT_EQ(0, gate_begin(&s->gate));
	self->deny.lifetime = FAR_MS;
	self->deny.fields = SOCKGATE_F_RPORT;
	set_policy(_metadata, self, 1, &self->deny);
	EXPECT_EQ(EPERM, script_end(s, &self->script, pid));
	EXPECT_EQ(SAME, gate_count(&s->gate, SOCKGATE_N_CUT));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_ASKED));
	EXPECT_EQ(SAME, gate_count(&s->gate, SOCKGATE_N_REVIEWED));
	close(ears.says);
}

static int go[2];		/* a pipe to it */

/* As many as the others, and then one more that does not wait. */
static int connect_one_more(const struct addr *to)
{
	struct pollfd p = { .events = POLLOUT };
	unsigned int i;
	char byte;

	for (i = 0; i < SAME; i++)
		if (connect(socket(AF_INET, SOCK_STREAM, 0), &to->sa, to->len))
			return CHILD_LOST;
	if (server_say(says_fd, 1) || read(go[0], &byte, 1) != 1)
		return CHILD_LOST;
	p.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (!connect(p.fd, &to->sa, to->len) || errno != EINPROGRESS)
		return CHILD_LOST;
	if (server_say(says_fd, 2) || poll(&p, 1, AT_ONCE_MS) != 1)
		return CHILD_LOST;
	return net_error(p.fd);
}

/* What is open takes no packet's place: a new connection waits beside it. */
TEST_F(review, leaves_room_for_packets)
{
	struct addr to = net_addr(V4, self->s.tcp_port);
	struct script *script = &self->script;
	struct scene *s = &self->s;
	struct server ears;
	int looks;
	pid_t pid;

	ASSERT_EQ(0, pipe(go));
	pid = start(_metadata, self, connect_one_more, &to, &ears);
	set_policy(_metadata, self, 1, NULL);
	for (looks = 0; looks < AT_ONCE_MS && gate_parked(&s->gate) < AT_A_TIME; looks++)
		script_serve(s, script, 1);
	ASSERT_EQ(AT_A_TIME, gate_parked(&s->gate));
	ASSERT_EQ(1, write(go[1], "", 1));
	ASSERT_EQ(2, server_heard(s, script, &ears, AT_ONCE_MS));
	EXPECT_EQ(AT_A_TIME + 1, gate_parked(&s->gate));
	script->answer[SOCKGATE_EVENT_CONNECT] = &self->allow;
	ASSERT_EQ(0, agent_answer(s->agent, script->last[SOCKGATE_EVENT_CONNECT].id,
				  &self->allow));
	EXPECT_EQ(0, script_end(s, script, pid));
	close(ears.says);
	close(go[0]);
	close(go[1]);
}

/* So many at a time, and each once. */
TEST_F(review, a_few_questions_at_a_time)
{
	struct addr to = net_addr(V4, self->s.tcp_port);
	struct scene *s = &self->s;
	struct gate_status st;
	struct server ears;
	pid_t pid = start(_metadata, self, connect_many_distinct, &to, &ears);
	int looks;

	ASSERT_EQ(0, gate_begin(&s->gate));
	self->deny.lifetime = FAR_MS;
	self->deny.fields = SOCKGATE_F_RADDR;
	self->deny.rprefix = 32;
	set_policy(_metadata, self, 1, &self->deny);
	ASSERT_EQ(0, gate_wait_pending(&s->gate, AT_A_TIME));
	/* Control: it would ask more if it could. */
	for (looks = 0; looks < LOOKS; looks++) {
		ASSERT_EQ(0, gate_status(&s->gate, &st));
		ASSERT_EQ(AT_A_TIME, st.pending);
		gate_nap();
	}
	EXPECT_EQ(EPERM, script_end(s, &self->script, pid));
	EXPECT_EQ(DISTINCT, gate_count(&s->gate, SOCKGATE_N_CUT));
	EXPECT_EQ(DISTINCT, gate_count(&s->gate, SOCKGATE_N_ASKED));
	EXPECT_EQ(DISTINCT, gate_count(&s->gate, SOCKGATE_N_REVIEWED));
	close(ears.says);
}

/* ---- other transports ----------------------------------------------------------------- */

static int mptcp_server(int says)
{
	struct addr at = net_addr("0.0.0.0", MPTCP_PORT);
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);

	if (fd < 0 || bind(fd, &at.sa, at.len) || listen(fd, 8) ||
	    server_say(says, MPTCP_PORT))
		return CHILD_LOST;
	return say_how_it_ends(fd, says);
}

static int idle_mptcp(const struct addr *to)
{
	return be_idle(to, SOCK_STREAM, IPPROTO_MPTCP);
}

/* Both of its connections: the session's, and the one that carries it. */
TEST_F(review, mptcp)
{
	struct script *script = &self->script;
	struct scene *s = &self->s;
	struct server server, ears;
	pid_t pid;

	ASSERT_EQ(0, server_start(s, script, mptcp_server, &server, V4));
	pid = start(_metadata, self, idle_mptcp, &server.at, &ears);
	ASSERT_EQ(0, server_heard(s, script, &server, AT_ONCE_MS));
	set_policy(_metadata, self, 1, &self->allow);
	script->answer[SOCKGATE_EVENT_CONNECT] = &self->deny;
	EXPECT_EQ(EPERM, script_end(s, script, pid));
	EXPECT_EQ(0, system("! ss -tnH dport = 4713 | grep -q ESTAB"));
	server_end(&server);
	close(ears.says);
}

static int sctp_server(int says)
{
	struct addr at = net_addr(V4, SCTP_PORT);
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP), peer;

	if (fd < 0 || bind(fd, &at.sa, at.len) || listen(fd, 8) ||
	    server_say(says, SCTP_PORT))
		return CHILD_LOST;
	peer = accept(fd, NULL, NULL);
	if (peer < 0 || server_say(says, 0))
		return CHILD_LOST;
	pause();
	return 0;
}

static int idle_sctp(const struct addr *to)
{
	return be_idle(to, SOCK_STREAM, IPPROTO_SCTP);
}

static bool has_sctp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* The application learns it; nothing of the association leaves any more. */
TEST_F(review, sctp)
{
	struct script *script = &self->script;
	struct scene *s = &self->s;
	struct server server, ears;
	pid_t pid;

	if (!has_sctp())
		SKIP(return, "this kernel has no SCTP");
	ASSERT_EQ(0, server_start(s, script, sctp_server, &server, V4));
	pid = start(_metadata, self, idle_sctp, &server.at, &ears);
	ASSERT_EQ(0, server_heard(s, script, &server, AT_ONCE_MS));
	set_policy(_metadata, self, 1, &self->allow);
	script->answer[SOCKGATE_EVENT_CONNECT] = &self->deny;
	EXPECT_EQ(EPERM, script_end(s, script, pid));
	server_end(&server);
	close(ears.says);
}

TEST_HARNESS_MAIN
