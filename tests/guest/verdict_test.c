// SPDX-License-Identifier: GPL-2.0-only
/* What a caller gets for each verdict, by event, protocol and address family. */
#include "kselftest_harness.h"
#include "scene.h"

#include <linux/limits.h>

/* ---- every event that is asked about ---------------------------------------- */

FIXTURE(verdict) {
	struct scene s;
	struct call call;
};

FIXTURE_VARIANT(verdict) {
	enum call_kind kind;
	sa_family_t family;	/* of the socket */
	int protocol;
	const char *address;	/* remote; of LISTEN local */
	uint8_t event, asked_family;
	int asked_protocol;
	const char *asked_address;
};

#define VARIANT(name, kind_, family_, protocol_, address_, event_, asked_, asked_addr) \
	FIXTURE_VARIANT_ADD(verdict, name) { \
		.kind = CALL_##kind_, .family = family_, \
		.protocol = IPPROTO_##protocol_, .address = address_, \
		.event = SOCKGATE_EVENT_##event_, .asked_family = asked_, \
		.asked_protocol = IPPROTO_##protocol_ == IPPROTO_MPTCP ? \
				  IPPROTO_TCP : IPPROTO_##protocol_, \
		.asked_address = asked_addr, \
	}

#define V4 "127.0.0.1"
#define V6 "::1"
#define MAPPED "::ffff:127.0.0.1"

VARIANT(connect_tcp4, CONNECT, AF_INET, TCP, V4, CONNECT, AF_INET, V4);
VARIANT(connect_tcp6, CONNECT, AF_INET6, TCP, V6, CONNECT, AF_INET6, V6);
VARIANT(connect_tcp_mapped, CONNECT, AF_INET6, TCP, MAPPED, CONNECT, AF_INET, V4);
VARIANT(connect_tcp_any4, CONNECT, AF_INET, TCP, "0.0.0.0", CONNECT, AF_INET, V4);
VARIANT(connect_tcp_any6, CONNECT, AF_INET6, TCP, "::", CONNECT, AF_INET6, V6);
VARIANT(connect_mptcp4, CONNECT, AF_INET, MPTCP, V4, CONNECT, AF_INET, V4);
VARIANT(connect_udp4, CONNECT, AF_INET, UDP, V4, CONNECT, AF_INET, V4);
VARIANT(connect_udp6, CONNECT, AF_INET6, UDP, V6, CONNECT, AF_INET6, V6);
VARIANT(connect_udp_mapped, CONNECT, AF_INET6, UDP, MAPPED, CONNECT, AF_INET, V4);
VARIANT(uring_tcp4, URING, AF_INET, TCP, V4, CONNECT, AF_INET, V4);
VARIANT(uring_tcp6, URING, AF_INET6, TCP, V6, CONNECT, AF_INET6, V6);
VARIANT(uring_async_tcp4, URING_ASYNC, AF_INET, TCP, V4, CONNECT, AF_INET, V4);
VARIANT(listen_tcp4, LISTEN, AF_INET, TCP, V4, LISTEN, AF_INET, V4);
VARIANT(listen_tcp6, LISTEN, AF_INET6, TCP, V6, LISTEN, AF_INET6, V6);
VARIANT(listen_tcp_mapped, LISTEN, AF_INET6, TCP, MAPPED, LISTEN, AF_INET, V4);
VARIANT(listen_tcp_any4, LISTEN, AF_INET, TCP, "0.0.0.0", LISTEN, AF_INET, NULL);
VARIANT(listen_tcp_any6, LISTEN, AF_INET6, TCP, "::", LISTEN, AF_INET6, NULL);
VARIANT(listen_mptcp4, LISTEN, AF_INET, MPTCP, V4, LISTEN, AF_INET, V4);
VARIANT(send_udp4, SEND, AF_INET, UDP, V4, SEND, AF_INET, V4);
VARIANT(send_udp6, SEND, AF_INET6, UDP, V6, SEND, AF_INET6, V6);
VARIANT(send_udp_mapped, SEND, AF_INET6, UDP, MAPPED, SEND, AF_INET, V4);
VARIANT(send_udp_4_on_6, SEND, AF_INET6, UDP, V4, SEND, AF_INET, V4);
VARIANT(send_udp_any4, SEND, AF_INET, UDP, "0.0.0.0", SEND, AF_INET, V4);
VARIANT(send_udp_any6, SEND, AF_INET6, UDP, "::", SEND, AF_INET6, V6);
VARIANT(fastopen_tcp4, FASTOPEN, AF_INET, TCP, V4, CONNECT, AF_INET, V4);
VARIANT(fastopen_tcp6, FASTOPEN, AF_INET6, TCP, V6, CONNECT, AF_INET6, V6);
VARIANT(fastopen_tcp_mapped, FASTOPEN, AF_INET6, TCP, MAPPED, CONNECT, AF_INET, V4);

static struct call make_call(const struct scene *s,
			     const FIXTURE_VARIANT(verdict) *v)
{
	struct call c = {
		.kind = v->kind,
		.family = v->family,
		.protocol = v->protocol,
	};

	if (v->kind == CALL_LISTEN)
		c.from = net_addr(v->address, 0);
	else
		c.to = net_addr(v->address, v->protocol == IPPROTO_UDP ?
						s->udp_port : s->tcp_port);
	return c;
}

FIXTURE_SETUP(verdict)
{
	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, scene_agent(&self->s));
	self->call = make_call(&self->s, variant);
}

FIXTURE_TEARDOWN(verdict)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

/* Whoever uses a ring goes on; the packet waits. */
static bool by_packet(const FIXTURE_VARIANT(verdict) *v)
{
	return v->kind == CALL_URING || v->kind == CALL_URING_ASYNC;
}

static void check_ask(struct __test_metadata *_metadata, const struct scene *s,
		      const FIXTURE_VARIANT(verdict) *v)
{
	const struct ask *ask = &s->ask;
	bool listen = v->kind == CALL_LISTEN;
	uint16_t port = v->protocol == IPPROTO_UDP ? s->udp_port : s->tcp_port;

	EXPECT_EQ(v->event, ask->event);
	EXPECT_EQ(v->asked_family, ask->family);
	EXPECT_EQ(v->asked_protocol, ask->protocol);
	EXPECT_EQ(s->worker.pid, (pid_t)ask->process.pid);
	if (!by_packet(v)) {
		EXPECT_EQ(s->worker.pid, (pid_t)ask->process.tid);
		EXPECT_STREQ("worker", ask->comm);
	}
	EXPECT_EQ(0, ask->uid);
	EXPECT_NE(0, ask->remaining);
	if (v->asked_address && !listen)
		EXPECT_TRUE(net_same(v->asked_address, ask->raddr, ask->raddr_len));
	if (v->asked_address && listen)
		EXPECT_TRUE(net_same(v->asked_address, ask->laddr, ask->laddr_len));
	if (!v->asked_address)
		EXPECT_EQ(0, ask->laddr_len);
	EXPECT_EQ(listen ? 0 : port, ask->rport);
	if (listen)
		EXPECT_NE(0, ask->lport);
	if (listen)
		EXPECT_EQ(0, ask->raddr_len);
}

static bool absent(const FIXTURE_VARIANT(verdict) *v)
{
	return v->protocol == IPPROTO_MPTCP &&
	       !net_has(SOCK_STREAM, IPPROTO_MPTCP);
}

TEST_F(verdict, allowed)
{
	bool packet = by_packet(variant);

	if (absent(variant))
		SKIP(return, "this kernel has no MPTCP");
	ASSERT_EQ(1, scene_judge(&self->s, &self->call, &agent_allow));
	check_ask(_metadata, &self->s, variant);
	EXPECT_EQ(0, self->s.outcome.unready);
	EXPECT_EQ(0, self->s.outcome.error);
	EXPECT_EQ(1, self->s.outcome.worked);
	EXPECT_EQ(1, gate_count(&self->s.gate,
				packet ? SOCKGATE_N_PACKET_HELD_ALLOW :
					 SOCKGATE_N_HELD_ALLOW));
	EXPECT_EQ(1, gate_count(&self->s.gate, SOCKGATE_N_ASKED));
	EXPECT_EQ(1, gate_count(&self->s.gate, SOCKGATE_N_ANSWERED));
}

/* Each errno in turn, in one guest's module: nothing is remembered between. */
TEST_F(verdict, denied)
{
	static const uint32_t errors[] = { EACCES, ECONNREFUSED, EPERM };
	struct answer deny = agent_deny;
	size_t i;

	if (absent(variant))
		SKIP(return, "this kernel has no MPTCP");
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		deny.error = errors[i];
		ASSERT_EQ(1, scene_judge(&self->s, &self->call, &deny));
		check_ask(_metadata, &self->s, variant);
		EXPECT_EQ(0, self->s.outcome.unready);
		EXPECT_EQ((int)errors[i], self->s.outcome.error);
		EXPECT_EQ(0, self->s.outcome.worked);
	}
	EXPECT_EQ(i, gate_count(&self->s.gate,
				by_packet(variant) ?
					SOCKGATE_N_PACKET_HELD_DENY :
					SOCKGATE_N_HELD_DENY));
	EXPECT_EQ(i, gate_count(&self->s.gate, SOCKGATE_N_ASKED));
}

/* The same call without the module: it is the module that refuses above. */
TEST_F(verdict, control)
{
	struct scene *s = &self->s;

	if (absent(variant))
		SKIP(return, "this kernel has no MPTCP");
	agent_close(s->agent);
	s->agent = NULL;
	ASSERT_EQ(0, gate_unload());
	ASSERT_EQ(0, scene_judge(s, &self->call, NULL));
	EXPECT_EQ(0, s->outcome.unready);
	EXPECT_EQ(0, s->outcome.error);
	EXPECT_EQ(1, s->outcome.worked);
}

/* ---- what is not asked about ------------------------------------------------- */

FIXTURE(unasked) {
	struct scene s;
};

FIXTURE_SETUP(unasked)
{
	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, scene_agent(&self->s));
}

FIXTURE_TEARDOWN(unasked)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

/* One question for the connect(), none for what is sent on it. */
TEST_F(unasked, send_on_connected_udp)
{
	struct call call = scene_send(&self->s, V4);

	call.kind = CALL_CONNECTED_SEND;
	ASSERT_EQ(1, scene_judge(&self->s, &call, &agent_allow));
	EXPECT_EQ(SOCKGATE_EVENT_CONNECT, self->s.ask.event);
	EXPECT_EQ(0, self->s.outcome.error);
}

TEST_F(unasked, send_on_connected_tcp)
{
	struct call call = scene_connect(&self->s, V4);

	call.kind = CALL_CONNECTED_SEND;
	ASSERT_EQ(1, scene_judge(&self->s, &call, &agent_allow));
	EXPECT_EQ(0, self->s.outcome.error);
}

TEST_F(unasked, connect_to_no_family_dissolves)
{
	struct call call = scene_send(&self->s, V4);

	call.kind = CALL_DISSOLVE;
	ASSERT_EQ(1, scene_judge(&self->s, &call, &agent_allow));
	EXPECT_EQ(0, self->s.outcome.error);
}

TEST_F(unasked, unix_sockets)
{
	const struct call call = { .kind = CALL_UNIX, .family = AF_UNIX };

	ASSERT_EQ(0, scene_judge(&self->s, &call, &agent_deny));
	EXPECT_EQ(0, self->s.outcome.error);
	EXPECT_EQ(1, self->s.outcome.worked);
	EXPECT_EQ(0, gate_count(&self->s.gate, SOCKGATE_N_ASKED));
}

/* An address too short to be one is the protocol's to refuse. */
TEST_F(unasked, short_address)
{
	struct call call = scene_connect(&self->s, V4);

	call.kind = CALL_CONNECT_SHORT;
	ASSERT_EQ(0, scene_judge(&self->s, &call, &agent_deny));
	EXPECT_EQ(EINVAL, self->s.outcome.error);
	EXPECT_EQ(0, gate_count(&self->s.gate, SOCKGATE_N_ASKED));
}

/* The agent's own process is never held, or nobody would answer. */
TEST_F(unasked, the_agent_itself)
{
	struct addr to = net_addr(V4, self->s.tcp_port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, connect(fd, &to.sa, to.len));
	close(fd);
	EXPECT_EQ(1, gate_count(&self->s.gate, SOCKGATE_N_EXEMPT));
	EXPECT_EQ(0, gate_count(&self->s.gate, SOCKGATE_N_ASKED));
}

/* ---- what else a question says ----------------------------------------------- */

FIXTURE(question) {
	struct scene s;
};

FIXTURE_SETUP(question)
{
	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, scene_agent(&self->s));
}

FIXTURE_TEARDOWN(question)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

TEST_F(question, local_address_if_bound)
{
	struct call call = scene_connect(&self->s, V4);

	call.from = net_addr("127.0.0.9", 4321);
	ASSERT_EQ(1, scene_judge(&self->s, &call, &agent_allow));
	EXPECT_EQ(0, self->s.outcome.error);
	EXPECT_TRUE(net_same("127.0.0.9", self->s.ask.laddr, self->s.ask.laddr_len));
	EXPECT_EQ(4321, self->s.ask.lport);
}

/* 0.0.0.0 is the own address if one is chosen. */
TEST_F(question, any_address_from_a_bound_socket)
{
	struct call call = scene_connect(&self->s, "0.0.0.0");

	call.from = net_addr("127.0.0.9", 0);
	ASSERT_EQ(1, scene_judge(&self->s, &call, &agent_allow));
	EXPECT_EQ(0, self->s.outcome.error);
	EXPECT_TRUE(net_same("127.0.0.9", self->s.ask.raddr, self->s.ask.raddr_len));
}

/* :: is 127.0.0.1 for a socket bound to a mapped address (tcp_v6_connect()). */
TEST_F(question, any_address_from_a_mapped_socket)
{
	struct call tcp = scene_connect(&self->s, "::");
	struct call udp = scene_send(&self->s, "::");

	tcp.from = net_addr("::ffff:127.0.0.9", 0);
	udp.from = tcp.from;
	ASSERT_EQ(1, scene_judge(&self->s, &tcp, &agent_allow));
	EXPECT_EQ(0, self->s.outcome.error);
	EXPECT_EQ(AF_INET, self->s.ask.family);
	EXPECT_TRUE(net_same(V4, self->s.ask.raddr, self->s.ask.raddr_len));
	ASSERT_EQ(1, scene_judge(&self->s, &udp, &agent_allow));
	EXPECT_EQ(0, self->s.outcome.error);
	EXPECT_EQ(AF_INET, self->s.ask.family);
	EXPECT_TRUE(net_same(V4, self->s.ask.raddr, self->s.ask.raddr_len));
}

TEST_F(question, user_of_the_calling_thread)
{
	struct call call = scene_connect(&self->s, V4);

	call.uid = 4242;
	ASSERT_EQ(1, scene_judge(&self->s, &call, &agent_allow));
	EXPECT_EQ(4242, self->s.ask.uid);
}

/* The tag goes into the socket's mark, and nothing else of it. */
TEST_F(question, tag_of_the_answer)
{
	struct call call = scene_connect(&self->s, V4);
	struct answer answer = agent_allow;

	answer.tag = 0x5a;
	ASSERT_EQ(1, scene_judge(&self->s, &call, &answer));
	EXPECT_EQ(0, self->s.outcome.error);
	EXPECT_EQ(0x5a, self->s.outcome.mark);
}

TEST_HARNESS_MAIN
