// SPDX-License-Identifier: GPL-2.0-only
/* Transports that are neither TCP nor UDP as such: MPTCP and SCTP. */
#include "kselftest_harness.h"
#include "server.h"

#include <fcntl.h>
#include <linux/mptcp.h>
#include <linux/sctp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/time.h>

#define V4 "127.0.0.1"
#define OTHER "192.0.2.1"	/* of net_other_addresses() */
#define MPTCP_PORT 4712
#define SCTP_PORT 4711
#define OWN_PORT 4721		/* of who opens an association and listens */

FIXTURE(transport) {
	struct scene s;
	struct script script;
};

FIXTURE_SETUP(transport)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
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

	if (fd < 0)
		return errno;
	if (!connect(fd, &to->sa, to->len) || errno != EINPROGRESS)
		return CHILD_LOST;
	return poll(&p, 1, AT_ONCE_MS) == 1 ? net_error(fd) : CHILD_LOST;
}

TEST_F(transport, mptcp_is_not_held_in_the_call)
{
	struct addr to = net_addr(V4, self->s.tcp_port);

	if (!net_has(SOCK_STREAM, IPPROTO_MPTCP))
		SKIP(return, "this kernel has no MPTCP");
	EXPECT_EQ(0, script_run(&self->s, &self->script, connect_mptcp, &to));
	EXPECT_EQ(1, self->script.asked[SOCKGATE_EVENT_CONNECT]);
	EXPECT_EQ(1, gate_count(&self->s.gate, SOCKGATE_N_PACKET_HELD_ALLOW));
	EXPECT_EQ(1, gate_count(&self->s.gate, SOCKGATE_N_DEFERRED));
}

TEST_F(transport, mptcp_refused)
{
	struct addr to = net_addr(V4, self->s.tcp_port);

	if (!net_has(SOCK_STREAM, IPPROTO_MPTCP))
		SKIP(return, "this kernel has no MPTCP");
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
	struct script *script = &self->script;
	struct scene *s = &self->s;
	struct server server;
	int ms;
	pid_t pid;

	if (!net_has(SOCK_STREAM, IPPROTO_MPTCP))
		SKIP(return, "this kernel has no MPTCP");
	ASSERT_EQ(0, net_other_addresses());
	ASSERT_EQ(0, system("ip mptcp limits set subflow 2 add_addr_accepted 2"));
	ASSERT_EQ(0, system("ip mptcp endpoint add " OTHER " signal"));
	ASSERT_EQ(0, server_start(s, script, mptcp_server, &server, V4));
	script->seen = note_elsewhere;
	pid = child_start(greet_mptcp, &server.at);
	ASSERT_EQ(1, agent_next(s->agent, &s->ask, -1));
	EXPECT_TRUE(net_same(V4, s->ask.raddr, 4));
	/* For this destination only, and no other may come before this is set. */
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_allow));
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

/* Its associations end with it: a goodbye could be refused, and keep the port. */
static int sctp_bound(int type, uint16_t port)
{
	const struct addr at = net_addr("0.0.0.0", port);
	const struct linger none = { .l_onoff = 1 };
	int fd = socket(AF_INET, type, IPPROTO_SCTP);

	if (fd < 0 || bind(fd, &at.sa, at.len) ||
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)))
		return -1;
	return fd;
}

/* Answers one byte of each association. */
static int sctp_server(int says)
{
	int fd = sctp_bound(SOCK_STREAM, SCTP_PORT), peer;
	char byte;

	if (listen(fd, 8) || server_say(says, SCTP_PORT))
		return CHILD_LOST;
	for (;;) {
		peer = accept(fd, NULL, NULL);
		if (recv(peer, &byte, 1, 0) == 1 &&
		    send(peer, "y", 1, MSG_NOSIGNAL) == 1)
			server_say(says, byte);
		/* Until the peer has its answer. */
		recv(peer, &byte, 1, 0);
		close(peer);
	}
}

static int greet_sctp(const struct addr *to)
{
	int fd = socket(to->family, SOCK_STREAM, IPPROTO_SCTP);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	if (connect(fd, &to->sa, to->len))
		return errno;
	if (send(fd, "x", 1, MSG_NOSIGNAL) != 1)
		return errno;
	if (poll(&p, 1, AT_ONCE_MS) != 1)
		return ETIMEDOUT;
	return recv(fd, &byte, 1, 0) == 1 ? 0 : ECONNABORTED;
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

/* ... of all associations in one socket. */
static int sctp_server_of_many(int says)
{
	int fd = sctp_bound(SOCK_SEQPACKET, SCTP_PORT);
	struct addr peer;
	char byte;

	if (listen(fd, 8) || server_say(says, SCTP_PORT))
		return CHILD_LOST;
	for (;;) {
		peer.len = sizeof(peer.in6);
		if (recvfrom(fd, &byte, 1, 0, &peer.sa, &peer.len) == 1 &&
		    sendto(fd, "y", 1, MSG_NOSIGNAL, &peer.sa, peer.len) == 1)
			server_say(says, byte);
	}
}

/* connect() that gives up. */
static int greet_sctp_soon(const struct addr *to)
{
	const struct timeval soon = { .tv_usec = SOON_MS * 1000 };
	int fd = socket(to->family, SOCK_STREAM, IPPROTO_SCTP);

	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon)))
		return CHILD_LOST;
	return connect(fd, &to->sa, to->len) ? errno : 0;
}

/* A peer is judged before it has an association. */
TEST_F(transport, sctp_received_by_a_socket_of_many)
{
	const struct ask *ask = &self->script.last[SOCKGATE_EVENT_RECEIVE];
	struct script *script = &self->script;
	struct answer deny = script_refuse;
	struct scene *s = &self->s;
	struct server server;

	if (!has_sctp())
		SKIP(return, "this kernel has no SCTP");
	deny.lifetime = FAR_MS;
	deny.fields = SOCKGATE_F_ALL;
	ASSERT_EQ(0, server_start(s, script, sctp_server_of_many, &server, V4));
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_EVENTS, EVENT(RECEIVE)));
	EXPECT_EQ(0, script_run(s, script, greet_sctp, &server.at));
	EXPECT_EQ('x', server_heard(s, script, &server, AT_ONCE_MS));
	EXPECT_EQ(1, script->asked[SOCKGATE_EVENT_RECEIVE]);
	EXPECT_EQ(server.pid, (pid_t)ask->process.pid);
	EXPECT_EQ(IPPROTO_SCTP, ask->protocol);
	EXPECT_EQ(SCTP_PORT, ask->lport);
	EXPECT_TRUE(net_same(V4, ask->raddr, 4));

	ASSERT_EQ(0, agent_set_generation(s->agent, 2));
	script->answer[SOCKGATE_EVENT_RECEIVE] = &deny;
	EXPECT_EQ(EINPROGRESS, script_run(s, script, greet_sctp_soon, &server.at));
	EXPECT_EQ(2, script->asked[SOCKGATE_EVENT_RECEIVE]);
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_PACKET_HELD_DENY));
	server_end(&server);
}

/* Bound to one address, and then to two more. */
static int add_addresses(const struct addr *first)
{
	struct sockaddr_in more[2] = {
		net_addr("127.0.0.2", OWN_PORT).in, net_addr("127.0.0.3", OWN_PORT).in
	};
	int fd = socket(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP);

	if (bind(fd, &first->sa, first->len))
		return CHILD_LOST;
	return setsockopt(fd, IPPROTO_SCTP, SCTP_SOCKOPT_BINDX_ADD, more,
			  sizeof(more)) ? errno : 0;
}

static uint32_t bound_to;		/* last bytes of the addresses, as they came */
static struct script *refuse_next;	/* bind(); or NULL */

static void note_bind(const struct ask *ask)
{
	if (ask->event != SOCKGATE_EVENT_BIND)
		return;
	bound_to = bound_to << 8 | ask->laddr[3];
	if (refuse_next)
		refuse_next->answer[SOCKGATE_EVENT_BIND] = &script_refuse;
}

TEST_F(transport, sctp_further_addresses)
{
	const struct addr first = net_addr(V4, OWN_PORT);
	struct script *script = &self->script;
	struct scene *s = &self->s;

	if (!has_sctp())
		SKIP(return, "this kernel has no SCTP");
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_EVENTS, EVENT(BIND)));
	script->answer[SOCKGATE_EVENT_BIND] = &agent_allow;
	script->seen = note_bind;
	EXPECT_EQ(0, script_run(s, script, add_addresses, &first));
	EXPECT_EQ(0x010203, bound_to);
	EXPECT_EQ(OWN_PORT, script->last[SOCKGATE_EVENT_BIND].lport);
	EXPECT_EQ(IPPROTO_SCTP, script->last[SOCKGATE_EVENT_BIND].protocol);

	/* The first may, the second may not, and the third is not asked about. */
	bound_to = 0;
	refuse_next = script;
	EXPECT_EQ(EPERM, script_run(s, script, add_addresses, &first));
	EXPECT_EQ(0x0102, bound_to);
}

/* ---- associations ---------------------------------------------------------------- */

/* As it is, and in UDP (RFC 6951). */
FIXTURE(association) {
	struct scene s;
	struct script script;
	struct server server;
};

FIXTURE_VARIANT(association) {
	const char *needs;	/* a file that there is */
	const char *furnish, *strip;
};

FIXTURE_VARIANT_ADD(association, bare) { "/", "true", "true" };
FIXTURE_VARIANT_ADD(association, in_udp) {
	"/proc/sys/net/sctp/udp_port",
	"sysctl -qw net.sctp.udp_port=9899 net.sctp.encap_port=9899",
	"sysctl -qw net.sctp.udp_port=0 net.sctp.encap_port=0",
};

/* SCTP came earlier than its way of being carried. */
static bool absent(const FIXTURE_VARIANT(association) *v)
{
	return !has_sctp() || access(v->needs, F_OK);
}

FIXTURE_SETUP(association)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->script = script_allowing();
	self->server.pid = 0;
	if (absent(variant))
		return;
	ASSERT_EQ(0, system(variant->furnish));
}

FIXTURE_TEARDOWN(association)
{
	if (self->server.pid)
		server_end(&self->server);
	EXPECT_EQ(0, scene_strike(&self->s));
	if (!absent(variant))
		EXPECT_EQ(0, system(variant->strip));
}

static int open_one_to_many(bool listens)
{
	const struct timeval limit = { .tv_sec = AT_ONCE_MS / 1000 };
	int fd = sctp_bound(SOCK_SEQPACKET, OWN_PORT);

	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) ||
	    (listens && listen(fd, 8)))
		return -1;
	return fd;
}

/* An association that no call of connect() or sendto() opens; its id, or -1. */
static int connectx(int fd, const struct addr *to)
{
	return setsockopt(fd, IPPROTO_SCTP, SCTP_SOCKOPT_CONNECTX, &to->sa, to->len);
}

/* To an association, which is no address that sendmsg() could be judged by. */
static int send_by_id(int fd, int id)
{
	const struct sctp_sndinfo info = { .snd_assoc_id = id };

	return net_send_control(fd, IPPROTO_SCTP, SCTP_SNDINFO, &info, sizeof(info)) ?
	       errno : 0;
}

static int peel_off(int fd, int id)
{
	sctp_peeloff_arg_t arg = { .associd = id };
	socklen_t size = sizeof(arg);

	/* It returns the descriptor as well. */
	return getsockopt(fd, IPPROTO_SCTP, SCTP_SOCKOPT_PEELOFF, &arg, &size) < 0 ?
	       -1 : arg.sd;
}

/* The error that a socket is told of at once; ETIMEDOUT: of none. */
static int told(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, AT_ONCE_MS) == 1 ? net_error(fd) : ETIMEDOUT;
}

static int open_while_listening(const struct addr *to)
{
	int fd = open_one_to_many(true), id = connectx(fd, to);
	char byte;

	if (id < 0 || send_by_id(fd, id))
		return errno;
	return recv(fd, &byte, 1, 0) == 1 ? 0 : errno;
}

static int open_and_peel(const struct addr *to, bool listens)
{
	int fd = open_one_to_many(listens), id = connectx(fd, to);

	if (id < 0)
		return CHILD_LOST;
	fd = peel_off(fd, id);
	if (send(fd, "x", 1, MSG_NOSIGNAL) != 1)
		return errno;
	return told(fd);
}

static int peel(const struct addr *to)
{
	return open_and_peel(to, false);
}

static int peel_while_listening(const struct addr *to)
{
	return open_and_peel(to, true);
}

static int connect_refused(const struct addr *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_SCTP);

	if (!connect(fd, &to->sa, to->len) || errno != EINPROGRESS)
		return CHILD_LOST;
	return told(fd);
}

static int connectx_refused(const struct addr *to)
{
	int fd = socket(AF_INET, SOCK_SEQPACKET | SOCK_NONBLOCK, IPPROTO_SCTP);

	if (connectx(fd, to) >= 0 || errno != EINPROGRESS)
		return CHILD_LOST;
	return told(fd);
}

static bool asked_to_go(const struct ask *ask)
{
	return ask->protocol == IPPROTO_SCTP && ask->rport == SCTP_PORT &&
	       net_same(V4, ask->raddr, 4);
}

static void serve_until_asked(struct scene *s, struct script *script, uint8_t event)
{
	int ms;

	for (ms = 0; ms < AT_ONCE_MS && !script->asked[event]; ms++)
		script_serve(s, script, 1);
}

TEST_F(association, of_a_listener_and_allowed)
{
	struct script *script = &self->script;
	struct scene *s = &self->s;
	pid_t pid;

	if (absent(variant))
		SKIP(return, "this kernel has no SCTP, or not in UDP");
	ASSERT_EQ(0, server_start(s, script, sctp_server, &self->server, V4));
	pid = child_start(open_while_listening, &self->server.at);
	EXPECT_EQ('x', server_heard(s, script, &self->server, AT_ONCE_MS));
	EXPECT_EQ(0, script_end(s, script, pid));
	EXPECT_EQ(1, script->asked[SOCKGATE_EVENT_SEND]);
	EXPECT_TRUE(asked_to_go(&script->last[SOCKGATE_EVENT_SEND]));
	EXPECT_EQ(0, script->asked[SOCKGATE_EVENT_CONNECT]);
	/* The server's and its own. */
	EXPECT_EQ(2, script->asked[SOCKGATE_EVENT_LISTEN]);
}

/* It may listen. */
TEST_F(association, of_a_listener_and_refused)
{
	struct script *script = &self->script;
	struct scene *s = &self->s;
	pid_t pid;

	if (absent(variant))
		SKIP(return, "this kernel has no SCTP, or not in UDP");
	ASSERT_EQ(0, server_start(s, script, sctp_server, &self->server, V4));
	script->answer[SOCKGATE_EVENT_SEND] = &script_refuse;
	pid = child_start(open_while_listening, &self->server.at);
	serve_until_asked(s, script, SOCKGATE_EVENT_SEND);
	EXPECT_LE(1, script->asked[SOCKGATE_EVENT_SEND]);
	EXPECT_TRUE(asked_to_go(&script->last[SOCKGATE_EVENT_SEND]));
	EXPECT_EQ(-1, server_heard(s, script, &self->server, SOON_MS));
	EXPECT_LE(1, gate_count(&s->gate, SOCKGATE_N_PACKET_HELD_DENY));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Not by a timeout. */
TEST_F(association, refused_at_once)
{
	struct script *script = &self->script;
	struct scene *s = &self->s;

	if (absent(variant))
		SKIP(return, "this kernel has no SCTP, or not in UDP");
	ASSERT_EQ(0, server_start(s, script, sctp_server, &self->server, V4));
	script->answer[SOCKGATE_EVENT_CONNECT] = &script_refuse;
	script->answer[SOCKGATE_EVENT_SEND] = &script_refuse;
	EXPECT_EQ(EPERM, script_run(s, script, connect_refused, &self->server.at));
	EXPECT_EQ(EPERM, script_run(s, script, connectx_refused, &self->server.at));
	EXPECT_LE(2, script->asked[SOCKGATE_EVENT_SEND]);
	EXPECT_TRUE(asked_to_go(&script->last[SOCKGATE_EVENT_SEND]));
	EXPECT_EQ(-1, server_heard(s, script, &self->server, SOON_MS));
}

/* What a program opened is judged by where it goes, also in a socket of its own. */
TEST_F(association, peeled_off)
{
	const child_fn programs[] = { peel, peel_while_listening };
	struct script *script = &self->script;
	struct scene *s = &self->s;
	size_t i;

	if (absent(variant))
		SKIP(return, "this kernel has no SCTP, or not in UDP");
	ASSERT_EQ(0, server_start(s, script, sctp_server, &self->server, V4));
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_EVENTS, EVENT(ACCEPT)));
	script->answer[SOCKGATE_EVENT_CONNECT] = &script_refuse;
	script->answer[SOCKGATE_EVENT_ACCEPT] = &script_refuse;
	for (i = 0; i < ARRAY_SIZE(programs); i++) {
		EXPECT_EQ(EPERM, script_run(s, script, programs[i], &self->server.at));
		EXPECT_EQ(i + 1, script->asked[SOCKGATE_EVENT_SEND]);
		EXPECT_LE(i + 1, script->asked[SOCKGATE_EVENT_CONNECT]);
		EXPECT_TRUE(asked_to_go(&script->last[SOCKGATE_EVENT_CONNECT]));
	}
}

/* Takes one association, in a socket of its own, and answers there. */
static int peeling_server(int says)
{
	int fd = sctp_bound(SOCK_SEQPACKET, SCTP_PORT);
	uint32_t ids[2] = { 0 };	/* how many, and the first */
	socklen_t size = sizeof(ids);
	char byte;

	if (listen(fd, 8) || server_say(says, SCTP_PORT) || recv(fd, &byte, 1, 0) != 1 ||
	    getsockopt(fd, IPPROTO_SCTP, SCTP_GET_ASSOC_ID_LIST, ids, &size) ||
	    ids[0] != 1)
		return CHILD_LOST;
	fd = peel_off(fd, (int)ids[1]);
	if (send(fd, "y", 1, MSG_NOSIGNAL) != 1 || server_say(says, 'y'))
		return errno;
	return recv(fd, &byte, 1, 0) != 1;
}

/* What came to a listener is its listener's there too. */
TEST_F(association, taken_and_peeled_off)
{
	struct script *script = &self->script;
	struct scene *s = &self->s;
	pid_t pid;

	if (absent(variant))
		SKIP(return, "this kernel has no SCTP, or not in UDP");
	ASSERT_EQ(0, server_start(s, script, peeling_server, &self->server, V4));
	pid = child_start(greet_sctp, &self->server.at);
	EXPECT_EQ('y', server_heard(s, script, &self->server, AT_ONCE_MS));
	EXPECT_EQ(0, script_end(s, script, pid));
	EXPECT_EQ(1, script->asked[SOCKGATE_EVENT_LISTEN]);
	EXPECT_EQ(1, script->asked[SOCKGATE_EVENT_CONNECT]);
	EXPECT_EQ(0, script->asked[SOCKGATE_EVENT_SEND]);
}

TEST_F(association, peer_of_a_peeled_off_one)
{
	const struct ask *ask = &self->script.last[SOCKGATE_EVENT_ACCEPT];
	struct script *script = &self->script;
	struct scene *s = &self->s;

	if (absent(variant))
		SKIP(return, "this kernel has no SCTP, or not in UDP");
	ASSERT_EQ(0, server_start(s, script, peeling_server, &self->server, V4));
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_EVENTS, EVENT(ACCEPT)));
	script->answer[SOCKGATE_EVENT_ACCEPT] = &script_refuse;
	EXPECT_NE(0, script_run(s, script, greet_sctp, &self->server.at));
	EXPECT_LE(1, script->asked[SOCKGATE_EVENT_ACCEPT]);
	EXPECT_EQ(self->server.pid, (pid_t)ask->process.pid);
	EXPECT_TRUE(net_same(V4, ask->raddr, 4));
}

/* ---- sessions of MPTCP older than the module -------------------------------------- */

#define THIRD "198.51.100.1"	/* of net_other_addresses() too */

enum end { CLIENT, SERVER };

static int said[2];	/* the server's port; then by each end that there is a session */
static int orders[2][2], heard_by[2][2];	/* of each end */

FIXTURE(older) {
	struct scene s;
	struct script script;
	struct addr at;		/* where the server listens */
	pid_t pid[2];
};

static int say(uint16_t what)
{
	return write(said[1], &what, sizeof(what)) == sizeof(what) ? 0 : -1;
}

static bool is_mptcp(int fd)
{
	struct mptcp_info info = { 0 };
	socklen_t size = sizeof(info);

	return !getsockopt(fd, SOL_MPTCP, MPTCP_INFO, &info, &size) &&
	       !(info.mptcpi_flags & MPTCP_INFO_FLAG_FALLBACK);
}

/* More than the peer, which does not read, has room for. */
static int fill_and_close(int fd)
{
	static char page[4096];

	while (send(fd, page, sizeof(page), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		continue;
	return errno == EAGAIN ? 0 : errno;
}

static int obey(int fd, enum end end)
{
	char order;

	if (read(orders[end][0], &order, 1) != 1)
		return CHILD_LOST;
	if (order == 'f')
		exit(fill_and_close(fd));
	return send(fd, &order, 1, MSG_NOSIGNAL) == 1 ? 0 : errno;
}

static int hear(int fd, enum end end)
{
	char byte;

	if (recv(fd, &byte, 1, 0) != 1)
		return ECONNABORTED;
	return write(heard_by[end][1], &byte, 1) == 1 ? 0 : errno;
}

/* Sends what it is told to, and says what it hears.  Exit status: what ended it. */
static int converse(int fd, enum end end)
{
	struct pollfd p[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = orders[end][0], .events = POLLIN },
	};
	int err = is_mptcp(fd) ? 0 : CHILD_LOST;

	err = err ?: say(0);
	while (!err && poll(p, ARRAY_SIZE(p), -1) > 0) {
		if (p[0].revents)
			err = hear(fd, end);
		if (!err && p[1].revents)
			err = obey(fd, end);
	}
	return err;
}

static int client_of_session(const struct addr *to)
{
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);

	return connect(fd, &to->sa, to->len) ? errno : converse(fd, CLIENT);
}

static int server_of_session(const struct addr *to)
{
	struct addr at = net_addr("0.0.0.0", 0);
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);

	(void)to;
	if (bind(fd, &at.sa, at.len) || listen(fd, 8) ||
	    getsockname(fd, &at.sa, &at.len) || say(ntohs(at.in.sin_port)))
		return errno;
	return converse(accept(fd, NULL, NULL), SERVER);
}

static int await_said(void)
{
	uint16_t what;

	return read(said[0], &what, sizeof(what)) == sizeof(what) ? what : -1;
}

static void order(enum end end, char what)
{
	if (write(orders[end][1], &what, 1) != 1)
		abort();
}

/* Whether a byte comes to that end; questions are answered, if there is an agent. */
static bool heard(FIXTURE_DATA(older) *self, enum end end, int ms)
{
	struct pollfd p = { .fd = heard_by[end][0], .events = POLLIN };
	char byte;

	for (; ms > 0; ms -= 2) {
		if (self->s.agent)
			script_serve(&self->s, &self->script, 1);
		if (poll(&p, 1, self->s.agent ? 1 : 2) == 1)
			return read(p.fd, &byte, 1) == 1;
	}
	return false;
}

FIXTURE_SETUP(older)
{
	enum end end;

	ASSERT_EQ(0, scene_control(&self->s));
	ASSERT_EQ(0, net_other_addresses());
	ASSERT_EQ(0, system("ip mptcp limits set subflow 2 add_addr_accepted 2"));
	self->script = script_allowing();
	ASSERT_EQ(0, pipe(said));
	for (end = CLIENT; end <= SERVER; end++) {
		ASSERT_EQ(0, pipe(orders[end]));
		ASSERT_EQ(0, pipe(heard_by[end]));
	}
	self->pid[SERVER] = child_start(server_of_session, NULL);
	self->at = net_addr(OTHER, (uint16_t)await_said());
	self->pid[CLIENT] = child_start(client_of_session, &self->at);
	ASSERT_EQ(0, await_said());
	ASSERT_EQ(0, await_said());
	order(CLIENT, 'x');
	ASSERT_TRUE(heard(self, SERVER, AT_ONCE_MS));
	order(SERVER, 'x');
	ASSERT_TRUE(heard(self, CLIENT, AT_ONCE_MS));
}

FIXTURE_TEARDOWN(older)
{
	enum end end;

	for (end = CLIENT; end <= SERVER; end++) {
		if (self->pid[end] <= 0)
			continue;
		kill(self->pid[end], SIGKILL);
		waitpid(self->pid[end], NULL, 0);
	}
	EXPECT_EQ(0, scene_strike(&self->s));
}

static int load(struct scene *s)
{
	int err = gate_load();

	err = err ?: gate_reopen(&s->gate);
	err = err ?: scene_agent(s);
	return err ?: gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, FAR_MS);
}

static bool asked_of_client(FIXTURE_DATA(older) *self)
{
	const struct ask *ask = &self->script.last[SOCKGATE_EVENT_CONNECT];

	return (pid_t)ask->process.pid == self->pid[CLIENT] &&
	       net_same(OTHER, ask->raddr, 4) &&
	       ask->rport == ntohs(self->at.in.sin_port);
}

static bool asked_of_server(FIXTURE_DATA(older) *self)
{
	const struct ask *ask = &self->script.last[SOCKGATE_EVENT_LISTEN];

	return (pid_t)ask->process.pid == self->pid[SERVER] &&
	       ask->lport == ntohs(self->at.in.sin_port);
}

TEST_F(older, mptcp_allowed)
{
	struct script *script = &self->script;
	struct scene *s = &self->s;

	ASSERT_EQ(0, load(s));
	order(CLIENT, 'x');
	EXPECT_TRUE(heard(self, SERVER, AT_ONCE_MS));
	EXPECT_EQ(1, script->asked[SOCKGATE_EVENT_CONNECT]);
	EXPECT_TRUE(asked_of_client(self));
	order(SERVER, 'x');
	EXPECT_TRUE(heard(self, CLIENT, AT_ONCE_MS));
	EXPECT_EQ(1, script->asked[SOCKGATE_EVENT_LISTEN]);
	EXPECT_TRUE(asked_of_server(self));
	EXPECT_EQ(1, script->asked[SOCKGATE_EVENT_CONNECT]);
	EXPECT_EQ(0, gate_failures(&s->gate, SOCKGATE_REASON_UNJUDGED));
}

TEST_F(older, mptcp_connected_and_denied)
{
	ASSERT_EQ(0, load(&self->s));
	self->script.answer[SOCKGATE_EVENT_CONNECT] = &script_refuse;
	order(CLIENT, 'x');
	serve_until_asked(&self->s, &self->script, SOCKGATE_EVENT_CONNECT);
	EXPECT_TRUE(asked_of_client(self));
	EXPECT_FALSE(heard(self, SERVER, SOON_MS));
	EXPECT_LE(1, gate_count(&self->s.gate, SOCKGATE_N_PACKET_HELD_DENY));
}

TEST_F(older, mptcp_accepted_and_denied)
{
	ASSERT_EQ(0, load(&self->s));
	self->script.answer[SOCKGATE_EVENT_LISTEN] = &script_refuse;
	order(SERVER, 'x');
	serve_until_asked(&self->s, &self->script, SOCKGATE_EVENT_LISTEN);
	EXPECT_TRUE(asked_of_server(self));
	EXPECT_FALSE(heard(self, CLIENT, SOON_MS));
	EXPECT_LE(1, gate_count(&self->s.gate, SOCKGATE_N_PACKET_HELD_DENY));
}

/* Whether what one end sends is refused, and does not come to the other. */
static bool refused_without_an_agent(FIXTURE_DATA(older) *self, enum end end)
{
	struct scene *s = &self->s;

	if (load(s))
		return false;
	agent_close(s->agent);
	s->agent = NULL;
	order(end, 'x');
	return !gate_wait_count(&s->gate, SOCKGATE_N_PACKET_DENIED, 1) &&
	       !heard(self, end == CLIENT ? SERVER : CLIENT, SOON_MS);
}

TEST_F(older, mptcp_connected_without_an_agent)
{
	EXPECT_TRUE(refused_without_an_agent(self, CLIENT));
}

TEST_F(older, mptcp_accepted_without_an_agent)
{
	EXPECT_TRUE(refused_without_an_agent(self, SERVER));
}

/* What the kernel has yet to send for a program that has closed it. */
TEST_F(older, mptcp_of_nobody)
{
	struct scene *s = &self->s;
	int ms;

	kill(self->pid[SERVER], SIGSTOP);
	order(CLIENT, 'f');
	ASSERT_EQ(0, child_end(self->pid[CLIENT]));
	self->pid[CLIENT] = 0;
	ASSERT_EQ(0, load(s));
	kill(self->pid[SERVER], SIGCONT);
	for (ms = 0; ms < AT_ONCE_MS &&
	     !gate_failures(&s->gate, SOCKGATE_REASON_UNJUDGED); ms++)
		script_serve(s, &self->script, 1);
	EXPECT_LE(1, gate_failures(&s->gate, SOCKGATE_REASON_UNJUDGED));
	EXPECT_EQ(0, self->script.asked[SOCKGATE_EVENT_CONNECT]);
}

/* Whoever comes now meets the listener as it is. */
TEST_F(older, mptcp_listener)
{
	struct script *script = &self->script;
	struct scene *s = &self->s;
	pid_t pid;

	ASSERT_EQ(0, load(s));
	script->answer[SOCKGATE_EVENT_LISTEN] = &script_refuse;
	pid = child_start(connect_mptcp, &self->at);
	serve_until_asked(s, script, SOCKGATE_EVENT_LISTEN);
	EXPECT_TRUE(asked_of_server(self));
	script_serve(s, script, SOON_MS);
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#define THIRD_PORT 4741		/* where the kernel listens for a session's sake */

/* Which of a process's connections with the third address is looked for. */
static struct {
	pid_t pid;
	bool (*is_it)(uint16_t rport);
	bool asked;
} third;

static void note_third(const struct ask *ask)
{
	if (ask->event == SOCKGATE_EVENT_CONNECT && net_same(THIRD, ask->raddr, 4) &&
	    (pid_t)ask->process.pid == third.pid && third.is_it(ask->rport))
		third.asked = true;
}

/* Both ends are on this machine, and either one tells the other of the address. */
static bool asked_with_third(FIXTURE_DATA(older) *self, const char *endpoint, enum end end,
			     bool (*is_it)(uint16_t rport))
{
	struct script *script = &self->script;
	int ms;

	third.pid = self->pid[end];
	third.is_it = is_it;
	third.asked = false;
	script->seen = note_third;
	if (system(endpoint))
		return false;
	for (ms = 0; ms < AT_ONCE_MS && !third.asked; ms++)
		script_serve(&self->s, script, 1);
	return third.asked;
}

static uint16_t servers_port;

static bool is_to_server(uint16_t rport)
{
	return rport == servers_port;
}

TEST_F(older, mptcp_further_connection)
{
	struct script *script = &self->script;
	struct scene *s = &self->s;

	ASSERT_EQ(0, load(s));
	/* For this destination only. */
	script->answer[SOCKGATE_EVENT_CONNECT] = &agent_allow;
	order(CLIENT, 'x');
	EXPECT_TRUE(heard(self, SERVER, AT_ONCE_MS));
	script->answer[SOCKGATE_EVENT_CONNECT] = &script_refuse;
	servers_port = ntohs(self->at.in.sin_port);
	EXPECT_TRUE(asked_with_third(self, "ip mptcp endpoint add " THIRD " signal",
				     CLIENT, is_to_server));
	script_serve(s, script, SOON_MS);
	EXPECT_EQ(0, system("! ss -tnH dst " THIRD " | grep -q ESTAB"));
	EXPECT_EQ(0, system("ip mptcp endpoint flush"));
}

static bool is_not_to_kernel(uint16_t rport)
{
	return rport != THIRD_PORT;
}

/* The kernel's listener is nobody's, and what it took for a session is the session's. */
TEST_F(older, mptcp_taken_by_the_kernel)
{
	struct scene *s = &self->s;

	ASSERT_EQ(0, load(s));
	self->script.answer[SOCKGATE_EVENT_CONNECT] = &agent_allow;
	order(CLIENT, 'x');
	EXPECT_TRUE(heard(self, SERVER, AT_ONCE_MS));
	EXPECT_TRUE(asked_with_third(self, "ip mptcp endpoint add " THIRD " port 4741 signal",
				     SERVER, is_not_to_kernel));
	EXPECT_EQ(0, system("ss -tnH dst " THIRD ":4741 | grep -q ESTAB"));
	EXPECT_EQ(0, system("ip mptcp endpoint flush"));
}

TEST_HARNESS_MAIN
