// SPDX-License-Identifier: GPL-2.0-only
/* Transports that are neither TCP nor UDP as such: MPTCP and SCTP. */
#include "kselftest_harness.h"
#include "server.h"

#include <poll.h>
#include <stdlib.h>

#define V4 "127.0.0.1"
#define OTHER "192.0.2.1"	/* of net_other_addresses() */
#define MPTCP_PORT 4712
#define SCTP_PORT 4711

FIXTURE(transport) {
	struct scene s;
	struct script script;
};

FIXTURE_SETUP(transport)
{
	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, scene_agent(&self->s));
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_DEADLINE, FAR_MS));
	self->script = script_allowing();
}

FIXTURE_TEARDOWN(transport)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

/* ---- connections of MPTCP -------------------------------------------------------- */

static int connect_mptcp(const struct addr *to)
{
	int fd = socket(to->family, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_MPTCP);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t size = sizeof(int);
	int error = CHILD_LOST;

	if (fd < 0)
		return errno;
	if (!connect(fd, &to->sa, to->len) || errno != EINPROGRESS)
		return CHILD_LOST;
	if (poll(&p, 1, AT_ONCE_MS) == 1)
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	return error;
}

TEST_F(transport, mptcp_is_not_held_in_the_call)
{
	struct addr to = net_addr(V4, self->s.tcp_port);

	EXPECT_EQ(0, script_run(&self->s, &self->script, connect_mptcp, &to));
	EXPECT_EQ(1, self->script.asked[SOCKGATE_EVENT_CONNECT]);
	EXPECT_EQ(1, gate_count(&self->s.gate, SOCKGATE_N_PACKET_HELD_ALLOW));
	EXPECT_EQ(1, gate_count(&self->s.gate, SOCKGATE_N_DEFERRED));
}

TEST_F(transport, mptcp_refused)
{
	struct addr to = net_addr(V4, self->s.tcp_port);

	self->script.answer[SOCKGATE_EVENT_CONNECT] = &script_refuse;
	EXPECT_EQ(EPERM, script_run(&self->s, &self->script, connect_mptcp, &to));
	EXPECT_EQ(1, gate_count(&self->s.gate, SOCKGATE_N_PACKET_HELD_DENY));
}

static int greet_mptcp(const struct addr *to)
{
	int fd = socket(to->family, SOCK_STREAM, IPPROTO_MPTCP);
	struct pollfd p = { .fd = fd, .events = 0 };

	if (connect(fd, &to->sa, to->len) ||
	    send(fd, "x", 1, MSG_NOSIGNAL) != 1)
		return errno;
	/* The other address is told, and the kernel goes there by itself. */
	poll(&p, 1, AT_ONCE_MS / 2);
	return 0;
}

static int mptcp_server(int says)
{
	struct addr at = net_addr("0.0.0.0", MPTCP_PORT);
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP), peer;
	char byte;

	if (fd < 0 || bind(fd, &at.sa, at.len) || listen(fd, 8) ||
	    server_say(says, MPTCP_PORT))
		return CHILD_LOST;
	for (;;) {
		peer = accept(fd, NULL, NULL);
		while (recv(peer, &byte, 1, 0) == 1)
			if (send(peer, "y", 1, MSG_NOSIGNAL) != 1)
				return errno;
		close(peer);
	}
}

static bool elsewhere;		/* somebody connected to OTHER */

static void note_elsewhere(const struct ask *ask)
{
	if (ask->event == SOCKGATE_EVENT_CONNECT && ask->rport == MPTCP_PORT &&
	    net_same(OTHER, ask->raddr, 4))
		elsewhere = true;
}

/* What the kernel adds to a session is judged by where it goes, as its owner's. */
TEST_F(transport, mptcp_further_connection)
{
	const struct ask *ask = &self->script.last[SOCKGATE_EVENT_CONNECT];
	struct script *script = &self->script;
	struct scene *s = &self->s;
	struct server server;
	int ms;
	pid_t pid;

	ASSERT_EQ(0, net_other_addresses());
	ASSERT_EQ(0, system("ip mptcp limits set subflow 2 add_addr_accepted 2"));
	ASSERT_EQ(0, system("ip mptcp endpoint add " OTHER " signal"));
	ASSERT_EQ(0, server_start(s, script, mptcp_server, &server, V4));
	script->seen = note_elsewhere;
	/* For this destination only. */
	script->answer[SOCKGATE_EVENT_CONNECT] = &agent_allow;
	pid = child_start(greet_mptcp, &server.at);
	while (!script->asked[SOCKGATE_EVENT_CONNECT])
		script_serve(s, script, 1);
	EXPECT_TRUE(net_same(V4, ask->raddr, 4));
	script->answer[SOCKGATE_EVENT_CONNECT] = &script_refuse;
	/* Both ends are on this machine, and the server tries it as well. */
	for (ms = 0; ms < AT_ONCE_MS && !elsewhere; ms++)
		script_serve(s, script, 1);
	EXPECT_TRUE(elsewhere);
	EXPECT_EQ(0, script_end(s, script, pid));
	EXPECT_LE(1, gate_count(&s->gate, SOCKGATE_N_PACKET_HELD_DENY));
	EXPECT_EQ(0, system("! ss -tnH dst " OTHER " | grep -q ESTAB"));
	server_end(&server);
	EXPECT_EQ(0, system("ip mptcp endpoint flush"));
}

/* ---- SCTP ----------------------------------------------------------------------- */

static int sctp_server(int says)
{
	struct addr at = net_addr("0.0.0.0", SCTP_PORT);
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);

	if (fd < 0 || bind(fd, &at.sa, at.len) || listen(fd, 8) ||
	    server_say(says, SCTP_PORT))
		return CHILD_LOST;
	return server_accept(fd, says);
}

static int greet_sctp(const struct addr *to)
{
	int fd = socket(to->family, SOCK_STREAM, IPPROTO_SCTP);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (connect(fd, &to->sa, to->len))
		return errno;
	if (send(fd, "x", 1, MSG_NOSIGNAL) != 1)
		return errno;
	return poll(&p, 1, AT_ONCE_MS) == 1 ? 0 : ETIMEDOUT;
}

/* Implicitly, by the first message. */
static int tell_sctp(const struct addr *to)
{
	int fd = socket(to->family, SOCK_SEQPACKET | SOCK_NONBLOCK, IPPROTO_SCTP);

	if (sendto(fd, "x", 1, 0, &to->sa, to->len) != 1)
		return errno;
	return 0;
}

static bool has_sctp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

TEST_F(transport, sctp)
{
	struct script *script = &self->script;
	struct scene *s = &self->s;
	struct server server;
	pid_t pid;

	if (!has_sctp())
		SKIP(return, "this kernel has no SCTP");
	ASSERT_EQ(0, server_start(s, script, sctp_server, &server, V4));
	EXPECT_EQ(1, script->asked[SOCKGATE_EVENT_LISTEN]);
	EXPECT_EQ(IPPROTO_SCTP, script->last[SOCKGATE_EVENT_LISTEN].protocol);

	pid = child_start(greet_sctp, &server.at);
	EXPECT_EQ('x', server_heard(s, script, &server, AT_ONCE_MS));
	EXPECT_EQ(0, script_end(s, script, pid));
	EXPECT_EQ(1, script->asked[SOCKGATE_EVENT_CONNECT]);
	EXPECT_EQ(IPPROTO_SCTP, script->last[SOCKGATE_EVENT_CONNECT].protocol);
	EXPECT_EQ(SCTP_PORT, script->last[SOCKGATE_EVENT_CONNECT].rport);

	script->answer[SOCKGATE_EVENT_CONNECT] = &script_refuse;
	script->answer[SOCKGATE_EVENT_SEND] = &script_refuse;
	EXPECT_EQ(EPERM, script_run(s, script, greet_sctp, &server.at));
	script_run(s, script, tell_sctp, &server.at);
	EXPECT_EQ(1, script->asked[SOCKGATE_EVENT_SEND]);
	EXPECT_EQ(-1, server_heard(s, script, &server, SOON_MS));
	server_end(&server);
}

TEST_HARNESS_MAIN
