// SPDX-License-Identifier: GPL-2.0-only
/* What happens when no verdict can be had: the failure table and its failsafes. */
#include "kselftest_harness.h"
#include "server.h"

#include <poll.h>
#include <sys/stat.h>
#include <time.h>

#define LOOP4 "127.0.0.1"
#define LOOP6 "::1"
/* Addresses of this machine that are not loopback, see net_other_addresses(). */
#define FAR4 "192.0.2.1"
#define FAR4_TOO "198.51.100.1"
#define FAR6 "2001:db8::1"

/* ---- every row ------------------------------------------------------------------ */

FIXTURE(row) {
	struct scene s;
};

FIXTURE_VARIANT(row) {
	uint8_t reason;
	uint8_t action;		/* by default */
};

#define ROW(name, action_) FIXTURE_VARIANT_ADD(row, name) { \
	.reason = SOCKGATE_REASON_##name, .action = SOCKGATE_ACTION_##action_ }

ROW(NO_AGENT, FAILSAFE);
ROW(AGENT_GONE, FAILSAFE);
ROW(AGENT_BUSY, DENY);
ROW(DEADLINE, DENY);
ROW(TABLE_FULL, DENY);
ROW(NO_MEMORY, DENY);
ROW(CHANGED, DENY);
ROW(UNLOAD, FAILSAFE);
ROW(UNVERIFIABLE, DENY);
ROW(SERVER_AWAY, FAILSAFE);
ROW(BAD_ANSWER, DENY);

FIXTURE_SETUP(row)
{
	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, net_other_addresses());
}

FIXTURE_TEARDOWN(row)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

/* How a caller fares whose request fails for this reason, by the agent's word. */
static int fail_to(struct scene *s, const char *to, uint8_t reason)
{
	const struct answer answer = {
		.action = SOCKGATE_ACTION_FAIL,
		.reason = reason,
	};
	struct call call = scene_connect(s, to);

	return scene_judge(s, &call, &answer) == 1 && !s->outcome.unready ?
	       s->outcome.error : -1;
}

TEST_F(row, by_default)
{
	bool failsafe = variant->action == SOCKGATE_ACTION_FAILSAFE;
	struct gate_status st;

	ASSERT_EQ(0, gate_status(&self->s.gate, &st));
	EXPECT_EQ(variant->reason, st.row[variant->reason].reason);
	EXPECT_EQ(variant->action, st.row[variant->reason].action);
	EXPECT_EQ(EACCES, st.row[variant->reason].error);
	ASSERT_EQ(0, scene_agent(&self->s));
	EXPECT_EQ(failsafe ? 0 : EACCES,
		  fail_to(&self->s, LOOP4, variant->reason));
	EXPECT_EQ(EACCES, fail_to(&self->s, FAR4, variant->reason));
	EXPECT_EQ(2, gate_failures(&self->s.gate, variant->reason));
}

TEST_F(row, settable_while_loaded)
{
	struct gate *g = &self->s.gate;
	uint8_t reason = variant->reason;
	struct gate_status st;

	ASSERT_EQ(0, scene_agent(&self->s));
	ASSERT_EQ(0, gate_set_row(g, reason, SOCKGATE_ACTION_ALLOW, EACCES));
	EXPECT_EQ(0, fail_to(&self->s, FAR4, reason));
	ASSERT_EQ(0, gate_set_row(g, reason, SOCKGATE_ACTION_DENY, EPERM));
	EXPECT_EQ(EPERM, fail_to(&self->s, LOOP4, reason));
	ASSERT_EQ(0, gate_set_row(g, reason, SOCKGATE_ACTION_FAILSAFE,
				  ECONNREFUSED));
	EXPECT_EQ(0, fail_to(&self->s, LOOP4, reason));
	EXPECT_EQ(ECONNREFUSED, fail_to(&self->s, FAR4, reason));
	ASSERT_EQ(0, gate_status(g, &st));
	EXPECT_EQ(ECONNREFUSED, st.row[reason].error);
	EXPECT_EQ(4, st.n[SOCKGATE_N_REASON + reason]);
	EXPECT_EQ(2, st.n[SOCKGATE_N_FAIL_ALLOW]);
	EXPECT_EQ(2, st.n[SOCKGATE_N_FAIL_DENY]);
}

/* ---- the failsafes, with nobody to ask -------------------------------------------- */

FIXTURE(failsafe) {
	struct scene s;
	struct call call;
};

FIXTURE_VARIANT(failsafe) {
	enum call_kind kind;
	int protocol;
	const char *to, *from;
	uint16_t to_port, from_port;
	uint32_t uid;
	int error;
};

#define CASE(name, kind_, protocol_, ...) \
	FIXTURE_VARIANT_ADD(failsafe, name) { .kind = CALL_##kind_, \
		.protocol = IPPROTO_##protocol_, __VA_ARGS__ }

CASE(loopback4, CONNECT, TCP, .to = LOOP4);
CASE(loopback4_all_of_it, SEND, UDP, .to = "127.200.3.4");
CASE(loopback6, CONNECT, TCP, .to = LOOP6);
CASE(loopback_any_user, CONNECT, TCP, .to = LOOP4, .uid = 4242);
CASE(loopback_fastopen, FASTOPEN, TCP, .to = LOOP4);
CASE(loopback_listen, LISTEN, TCP, .from = LOOP4, .from_port = 7000);
CASE(far4, CONNECT, TCP, .to = FAR4, .error = EACCES);
CASE(far6, CONNECT, TCP, .to = FAR6, .error = EACCES);
CASE(far_mapped, CONNECT, TCP, .to = "::ffff:192.0.2.1", .error = EACCES);
CASE(far_fastopen, FASTOPEN, TCP, .to = FAR4, .error = EACCES);
CASE(far_send, SEND, UDP, .to = FAR4, .error = EACCES);
CASE(far_connect_udp, CONNECT, UDP, .to = FAR4, .error = EACCES);
CASE(beside_loopback4, SEND, UDP, .to = "126.255.255.255", .to_port = 9,
     .error = EACCES);
CASE(beside_loopback6, SEND, UDP, .to = "::2", .to_port = 9, .error = EACCES);
CASE(listen_anywhere, LISTEN, TCP, .from = "0.0.0.0", .from_port = 7000,
     .error = EACCES);
CASE(listen_anywhere6, LISTEN, TCP, .from = "::", .from_port = 7000,
     .error = EACCES);
CASE(listen_far, LISTEN, TCP, .from = FAR4, .from_port = 7000, .error = EACCES);
CASE(ssh, LISTEN, TCP, .from = "0.0.0.0", .from_port = 22);
CASE(ssh6, LISTEN, TCP, .from = "::", .from_port = 22);
CASE(ssh_far, LISTEN, TCP, .from = FAR4, .from_port = 22);
CASE(ssh_not_by_roots_neighbour, LISTEN, TCP, .from = "0.0.0.0",
     .from_port = 22, .uid = 4242, .error = EACCES);
CASE(ssh_port_to_connect_from, CONNECT, TCP, .to = FAR4, .from = FAR4,
     .from_port = 22, .error = EACCES);
CASE(dhcp, SEND, UDP, .to = FAR4, .to_port = 67, .from = FAR4, .from_port = 68);
CASE(dhcp_connected, CONNECT, UDP, .to = FAR4, .to_port = 67, .from = FAR4,
     .from_port = 68);
CASE(dhcp_other_source, SEND, UDP, .to = FAR4, .to_port = 67, .error = EACCES);
CASE(dhcp_other_port, SEND, UDP, .to = FAR4, .to_port = 69, .from = FAR4,
     .from_port = 68, .error = EACCES);
CASE(dhcp_by_tcp, CONNECT, TCP, .to = FAR4, .to_port = 67, .from = FAR4,
     .from_port = 68, .error = EACCES);
CASE(dhcp6, SEND, UDP, .to = FAR6, .to_port = 547, .from = FAR6,
     .from_port = 546);
CASE(dhcp6_ports_by_ipv4, SEND, UDP, .to = FAR4, .to_port = 547, .from = FAR4,
     .from_port = 546, .error = EACCES);

static struct call failsafe_call(const struct scene *s,
				 const FIXTURE_VARIANT(failsafe) *v)
{
	struct call c = {
		.kind = v->kind,
		.protocol = v->protocol,
		.uid = v->uid,
	};

	if (v->from)
		c.from = net_addr(v->from, v->from_port);
	if (v->to)
		c.to = net_addr(v->to, v->to_port ?: v->protocol == IPPROTO_UDP ?
					       s->udp_port : s->tcp_port);
	c.family = v->to ? c.to.family : c.from.family;
	return c;
}

FIXTURE_SETUP(failsafe)
{
	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, net_other_addresses());
	self->call = failsafe_call(&self->s, variant);
}

FIXTURE_TEARDOWN(failsafe)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}


TEST_F(failsafe, without_agent)
{
	struct scene *s = &self->s;
	struct gate_status st;

	ASSERT_EQ(0, scene_judge(s, &self->call, NULL));
	EXPECT_EQ(0, s->outcome.unready);
	EXPECT_EQ(variant->error, s->outcome.error);
	ASSERT_EQ(0, gate_status(&s->gate, &st));
	EXPECT_EQ(1, st.n[SOCKGATE_N_REASON + SOCKGATE_REASON_NO_AGENT]);
	EXPECT_EQ(variant->error ? 1 : 0, st.n[SOCKGATE_N_FAIL_DENY]);
	EXPECT_EQ(variant->error ? 0 : 1, st.n[SOCKGATE_N_FAIL_ALLOW]);
	EXPECT_EQ(0, st.n[SOCKGATE_N_ASKED]);
}

/* ---- a list of one's own -------------------------------------------------------------- */

FIXTURE(list) {
	struct scene s;
};

FIXTURE_SETUP(list)
{
	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, net_other_addresses());
}

FIXTURE_TEARDOWN(list)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

static int try(struct scene *s, struct worker *w, struct call call)
{
	if (scene_judge_worker(s, w, &call, NULL))
		return -1;
	return s->outcome.unready ? -1 : s->outcome.error;
}

#define CONNECTS (1U << SOCKGATE_EVENT_CONNECT)

TEST_F(list, replaces_the_default)
{
	const struct sockgate_failsafe only = {
		.addr = { 198, 51, 100, 0 }, .family = AF_INET, .prefix = 24,
		.events = CONNECTS, .uid = SOCKGATE_UID_ANY,
		.rport_min = self->s.tcp_port, .rport_max = self->s.tcp_port,
	};
	struct scene *s = &self->s;
	struct gate_status st;

	ASSERT_EQ(0, gate_set_failsafes(&s->gate, &only, 1));
	ASSERT_EQ(0, gate_status(&s->gate, &st));
	ASSERT_EQ(1, st.n_failsafes);
	EXPECT_EQ(0, memcmp(&only, &st.failsafe[0], sizeof(only)));
	EXPECT_EQ(0, try(s, &s->worker, scene_connect(s, FAR4_TOO)));
	EXPECT_EQ(EACCES, try(s, &s->worker, scene_connect(s, FAR4)));
	EXPECT_EQ(EACCES, try(s, &s->worker, scene_connect(s, LOOP4)));
	EXPECT_EQ(EACCES, try(s, &s->worker, scene_send(s, FAR4_TOO)));
}

TEST_F(list, empty)
{
	struct scene *s = &self->s;
	struct gate_status st;

	ASSERT_EQ(0, gate_set_failsafes(&s->gate, NULL, 0));
	ASSERT_EQ(0, gate_status(&s->gate, &st));
	EXPECT_EQ(0, st.n_failsafes);
	EXPECT_EQ(EACCES, try(s, &s->worker, scene_connect(s, LOOP4)));
}

/* Only this user. */
TEST_F(list, user)
{
	const struct sockgate_failsafe only = { .events = CONNECTS, .uid = 4242 };
	struct scene *s = &self->s;
	struct call call = scene_connect(s, FAR4);

	ASSERT_EQ(0, gate_set_failsafes(&s->gate, &only, 1));
	EXPECT_EQ(EACCES, try(s, &s->worker, call));
	call.uid = 4242;
	EXPECT_EQ(0, try(s, &s->worker, call));
}

/* Only this executable, by the file key; written to, it is another. */
TEST_F(list, executable)
{
	const char *path = "/dev/shm/failure_test_worker";
	struct sockgate_failsafe only = {
		.events = CONNECTS,
		.uid = SOCKGATE_UID_ANY,
	};
	struct scene *s = &self->s;
	struct worker w;

	ASSERT_EQ(0, worker_place(path));
	ASSERT_EQ(0, scene_agent(s));
	ASSERT_EQ(0, worker_start(&w, path));
	struct call call = scene_connect(s, FAR4);

	ASSERT_EQ(1, scene_judge_worker(s, &w, &call, &agent_allow));
	only.exe = s->ask.exe;
	agent_close(s->agent);
	s->agent = NULL;
	ASSERT_EQ(0, gate_set_failsafes(&s->gate, &only, 1));
	EXPECT_EQ(0, try(s, &w, call));
	EXPECT_EQ(EACCES, try(s, &s->worker, call));
	worker_end(&w);
	ASSERT_EQ(0, file_copy(worker_program(), path, "changed\n"));
	ASSERT_EQ(0, worker_start(&w, path));
	EXPECT_EQ(EACCES, try(s, &w, call));
	worker_end(&w);
	unlink(path);
}

/* With an agent that answers, the list gives nothing away. */
TEST_F(list, not_while_an_agent_answers)
{
	struct scene *s = &self->s;
	struct call call = scene_connect(s, LOOP4);

	ASSERT_EQ(0, scene_agent(s));
	EXPECT_EQ(1, scene_judge(s, &call, &agent_deny));
	EXPECT_EQ(EACCES, s->outcome.error);
}

/* ---- how long it holds ------------------------------------------------------------------ */

#define LAPSE_MS 200
#define TICK_MS 10	/* the kernel's clock is that coarse */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Connects and sends, byte by byte, until it may not: the errno of that. */
static int send_for_ever(const struct addr *to, int type)
{
	int fd = socket(to->family, type | SOCK_CLOEXEC, 0);

	if (connect(fd, &to->sa, to->len))
		return errno;
	while (send(fd, "x", 1, MSG_NOSIGNAL) == 1)
		gate_nap();
	return errno;
}

static int send_stream(const struct addr *to)
{
	return send_for_ever(to, SOCK_STREAM);
}

static int send_datagrams(const struct addr *to)
{
	return send_for_ever(to, SOCK_DGRAM);
}

FIXTURE(held_good) {
	struct scene s;
	pid_t pid;
	int peer;	/* gets what it sends */
};

FIXTURE_VARIANT(held_good) {
	child_fn program;
	bool stream;
};

FIXTURE_VARIANT_ADD(held_good, tcp) { send_stream, true };
FIXTURE_VARIANT_ADD(held_good, udp) { send_datagrams, false };

FIXTURE_SETUP(held_good)
{
	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, net_other_addresses());
	ASSERT_EQ(0, scene_agent(&self->s));
	self->peer = -1;
}

FIXTURE_TEARDOWN(held_good)
{
	if (self->pid > 0) {
		kill(self->pid, SIGKILL);
		waitpid(self->pid, NULL, 0);
	}
	if (variant->stream && self->peer >= 0)
		close(self->peer);
	EXPECT_EQ(0, scene_strike(&self->s));
}

/* The agent has no verdict on the connection, and the row lets it through. */
static int let_through(FIXTURE_DATA(held_good) *self,
		       const FIXTURE_VARIANT(held_good) *v, const char *address,
		       uint8_t action)
{
	static const struct answer away = {
		.action = SOCKGATE_ACTION_FAIL,
		.reason = SOCKGATE_REASON_SERVER_AWAY,
	};
	struct scene *s = &self->s;
	struct addr to = net_addr(address, v->stream ? s->tcp_port : s->udp_port);
	int err = gate_set_row(&s->gate, SOCKGATE_REASON_SERVER_AWAY, action,
			       EACCES);

	if (err)
		return err;
	self->pid = child_start(v->program, &to);
	if (agent_next(s->agent, &s->ask, -1) != 1)
		return EPROTO;
	err = agent_answer(s->agent, s->ask.id, &away);
	if (err)
		return err;
	self->peer = v->stream ? accept(s->tcp, NULL, NULL) : s->udp;
	return self->peer < 0 ? errno : 0;
}

/* Takes what it sends: at least so many bytes, and for so long. */
static int take(int fd, int n, int ms)
{
	int64_t until = now_ms() + ms;
	char byte;

	while (n > 0 || now_ms() < until) {
		if (recv(fd, &byte, 1, 0) != 1)
			return -1;
		n--;
	}
	return 0;
}

TEST_F(held_good, until_it_lapses)
{
	struct scene *s = &self->s;
	struct script script = script_allowing();
	int64_t begin = now_ms();

	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, LAPSE_MS));
	ASSERT_EQ(0, let_through(self, variant, FAR4, SOCKGATE_ACTION_ALLOW));
	ASSERT_EQ(1, agent_next(s->agent, &s->ask, CHILD_MS));
	EXPECT_LE(LAPSE_MS - TICK_MS, now_ms() - begin);
	EXPECT_EQ(SOCKGATE_EVENT_CONNECT, s->ask.event);
	EXPECT_EQ(self->pid, (pid_t)s->ask.process.pid);
	/* Now there is a verdict; if it comes too late for this one, for the next. */
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, FAR_MS));
	agent_answer(s->agent, s->ask.id, &script_refuse);
	script.answer[SOCKGATE_EVENT_CONNECT] = &script_refuse;
	EXPECT_NE(CHILD_LOST, script_end(s, &script, self->pid));
	self->pid = 0;
}

TEST_F(held_good, and_not_asked_about_before)
{
	struct scene *s = &self->s;

	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, FAR_MS));
	ASSERT_EQ(0, let_through(self, variant, FAR4, SOCKGATE_ACTION_ALLOW));
	ASSERT_EQ(0, take(self->peer, 100, LAPSE_MS));
	EXPECT_EQ(0, agent_next(s->agent, &s->ask, 0));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_ASKED));
}

/* The security server's own connection may be among it. */
TEST_F(held_good, for_good_if_listed)
{
	struct scene *s = &self->s;

	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, LAPSE_MS));
	ASSERT_EQ(0, let_through(self, variant, LOOP4, SOCKGATE_ACTION_FAILSAFE));
	ASSERT_EQ(0, take(self->peer, 100, 2 * LAPSE_MS));
	EXPECT_EQ(0, agent_next(s->agent, &s->ask, 0));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_ASKED));
}

/* ---- a listener on all addresses ----------------------------------------------------------- */

#define FAST_OPEN "/proc/sys/net/ipv4/tcp_fastopen"
#define FAST_OPEN_FOR_ALL "1543"	/* 0x607: everybody, and without a cookie */
#define FAST_OPEN_DEFAULT "1"

static int outcome_of(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, SOON_MS) == 1 ? net_error(fd) : ETIMEDOUT;
}

/* Whether it is answered. */
static int connect_to(const struct addr *to)
{
	int fd = socket(to->family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (connect(fd, &to->sa, to->len) && errno != EINPROGRESS)
		return errno;
	return outcome_of(fd, POLLOUT);
}

/* With data in its first segment: the server has it, and ends, before an answer. */
static int open_fast(const struct addr *to)
{
	int fd = socket(to->family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (sendto(fd, "x", 1, MSG_FASTOPEN, &to->sa, to->len) != 1 &&
	    errno != EINPROGRESS)
		return errno;
	return outcome_of(fd, POLLIN);
}

FIXTURE(anywhere) {
	struct scene s;
	struct script script;
	struct server server;
};

FIXTURE_VARIANT(anywhere) {
	uint8_t reason;
	child_fn client;
};

FIXTURE_VARIANT_ADD(anywhere, no_agent) { SOCKGATE_REASON_NO_AGENT, connect_to };
FIXTURE_VARIANT_ADD(anywhere, no_agent_fast) { SOCKGATE_REASON_NO_AGENT, open_fast };
FIXTURE_VARIANT_ADD(anywhere, away) { SOCKGATE_REASON_SERVER_AWAY, connect_to };
FIXTURE_VARIANT_ADD(anywhere, away_fast) { SOCKGATE_REASON_SERVER_AWAY, open_fast };

/* Clients may go anywhere; a listener may answer from loopback. */
static const struct sockgate_failsafe from_loopback[] = {
	{ .events = 1U << SOCKGATE_EVENT_CONNECT, .uid = SOCKGATE_UID_ANY },
	{ .events = 1U << SOCKGATE_EVENT_LISTEN, .uid = SOCKGATE_UID_ANY,
	  .family = AF_INET, .addr = { 127 }, .prefix = 8 },
};

FIXTURE_SETUP(anywhere)
{
	struct scene *s = &self->s;

	ASSERT_EQ(0, file_write(FAST_OPEN, FAST_OPEN_FOR_ALL));
	ASSERT_EQ(0, scene_set(s));
	ASSERT_EQ(0, net_other_addresses());
	ASSERT_EQ(0, scene_agent(s));
	ASSERT_EQ(0, gate_set_failsafes(&s->gate, from_loopback,
					ARRAY_SIZE(from_loopback)));
	self->script = script_allowing();
	self->script.answer[SOCKGATE_EVENT_LISTEN] = &agent_allow;
	ASSERT_EQ(0, server_start(s, &self->script, server_stream, &self->server,
				  LOOP4));
}

FIXTURE_TEARDOWN(anywhere)
{
	server_end(&self->server);
	EXPECT_EQ(0, scene_strike(&self->s));
	EXPECT_EQ(0, file_write(FAST_OPEN, FAST_OPEN_DEFAULT));
}

/* What a client there meets. */
static int reach(FIXTURE_DATA(anywhere) *self, child_fn client, const char *address)
{
	struct scene *s = &self->s;
	struct addr to = net_addr(address, ntohs(self->server.at.in.sin_port));
	pid_t pid = child_start(client, &to);

	return s->agent ? script_end(s, &self->script, pid) : child_end(pid);
}

/* One peer was answered by the list; that is no leave for the next. */
TEST_F(anywhere, answers_from_where_it_may)
{
	static const struct answer away = {
		.action = SOCKGATE_ACTION_FAIL,
		.reason = SOCKGATE_REASON_SERVER_AWAY,
	};
	struct scene *s = &self->s;
	int i;

	EXPECT_EQ(0, reach(self, variant->client, FAR4));
	/* What it was allowed is void. */
	ASSERT_EQ(0, agent_set_generation(s->agent, 2));
	self->script.answer[SOCKGATE_EVENT_LISTEN] = &away;
	if (variant->reason == SOCKGATE_REASON_NO_AGENT) {
		agent_close(s->agent);
		s->agent = NULL;
	}
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, reach(self, connect_to, LOOP4));
		EXPECT_EQ(ETIMEDOUT, reach(self, variant->client, FAR4));
	}
}

TEST_HARNESS_MAIN
