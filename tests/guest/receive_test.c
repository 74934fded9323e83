// SPDX-License-Identifier: GPL-2.0-only
/* What several sockets receive at once, and who is asked about of them. */
#include "kselftest_harness.h"
#include "server.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <net/if.h>

#define GROUP4 "239.1.2.3"
#define GROUP6 "ff15::1:2:3"
#define DEVICE "groups"		/* of multicast */
#define ADDRESS4 "192.0.2.7"
#define ADDRESS6 "2001:db8:7::7"
#define PORT 4731
#define EXPERIMENT 253		/* RFC 3692 */
#define SIZE 8			/* of what is sent: a header of ICMP, for its filter */
#define SERVERS 2

static const int on = 1;

/* ---- servers: each says a byte of every message that it gets -------------------- */

/* @skip: a raw socket of IPv4 gets the header as well. */
static int say_all(int fd, int says, size_t skip)
{
	char message[64];

	if (server_say(says, PORT))
		return CHILD_LOST;
	for (;;) {
		ssize_t n = recv(fd, message, sizeof(message), 0);

		if (n != (ssize_t)skip + SIZE || server_say(says, message[skip]))
			return CHILD_LOST;
	}
}

/* One of several at the same port. */
static int bound(int option, const char *text)
{
	struct addr at = net_addr(text, PORT);
	int fd = socket(at.family, SOCK_DGRAM, 0);

	if (setsockopt(fd, SOL_SOCKET, option, &on, sizeof(on)) ||
	    bind(fd, &at.sa, at.len))
		return -1;
	return fd;
}

static int of_group4(int says)
{
	struct ip_mreqn group = { .imr_ifindex = (int)if_nametoindex(DEVICE) };
	int fd = bound(SO_REUSEADDR, "0.0.0.0");

	group.imr_multiaddr = net_addr(GROUP4, 0).in.sin_addr;
	if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)))
		return CHILD_LOST;
	return say_all(fd, says, 0);
}

static int of_group6(int says)
{
	struct ipv6_mreq group = { .ipv6mr_interface = if_nametoindex(DEVICE) };
	int fd = bound(SO_REUSEADDR, "::");

	group.ipv6mr_multiaddr = net_addr(GROUP6, 0).in6.sin6_addr;
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group, sizeof(group)))
		return CHILD_LOST;
	return say_all(fd, says, 0);
}

static int of_all(int says)
{
	return say_all(bound(SO_REUSEADDR, "0.0.0.0"), says, 0);
}

static int of_raw4(int says)
{
	return say_all(socket(AF_INET, SOCK_RAW, EXPERIMENT), says, 20);
}

static int of_raw6(int says)
{
	return say_all(socket(AF_INET6, SOCK_RAW, EXPERIMENT), says, 0);
}

static int of_raw_icmp(int says)
{
	return say_all(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), says, 20);
}

/* ---- clients: connected, so that they receive nothing of all this --------------- */

static const char *client_at = "127.0.0.1";

static int tell(const struct addr *to, int type, int protocol)
{
	struct ip_mreqn by4 = { .imr_ifindex = (int)if_nametoindex(DEVICE) };
	const struct addr from = net_addr(client_at, 0);
	int by6 = by4.imr_ifindex, fd = socket(to->family, type, protocol), err;

	if (to->family == AF_INET)
		err = setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by4, sizeof(by4));
	else
		err = setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &by6, sizeof(by6));
	if (err || setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)))
		return CHILD_LOST;
	if (bind(fd, &from.sa, from.len) || connect(fd, &to->sa, to->len) ||
	    send(fd, "xxxxxxxx", SIZE, 0) != SIZE)
		return errno;
	return 0;
}

static int tell_udp(const struct addr *to)
{
	return tell(to, SOCK_DGRAM, 0);
}

static int tell_raw(const struct addr *to)
{
	return tell(to, SOCK_RAW, EXPERIMENT);
}

static int tell_icmp(const struct addr *to)
{
	return tell(to, SOCK_RAW, IPPROTO_ICMP);
}

/* ---- several that are to have the same packet ------------------------------------ */

FIXTURE(several) {
	struct scene s;
	struct script script;
	struct server server[SERVERS];
};

FIXTURE_VARIANT(several) {
	server_fn server;
	child_fn client;
	const char *to, *from;
	size_t len;
	uint8_t protocol;
	uint16_t port;
};

FIXTURE_VARIANT_ADD(several, multicast4) {
	of_group4, tell_udp, GROUP4, ADDRESS4, 4, IPPROTO_UDP, PORT };
FIXTURE_VARIANT_ADD(several, multicast6) {
	of_group6, tell_udp, GROUP6, ADDRESS6, 16, IPPROTO_UDP, PORT };
FIXTURE_VARIANT_ADD(several, broadcast) {
	of_all, tell_udp, "127.255.255.255", "127.0.0.1", 4, IPPROTO_UDP, PORT };
FIXTURE_VARIANT_ADD(several, raw4) {
	of_raw4, tell_raw, "127.0.0.1", "127.0.0.1", 4, IPPROTO_RAW, 0 };
FIXTURE_VARIANT_ADD(several, raw6) {
	of_raw6, tell_raw, "::1", "::1", 16, IPPROTO_RAW, 0 };
FIXTURE_VARIANT_ADD(several, icmp) {
	of_raw_icmp, tell_icmp, "127.0.0.1", "127.0.0.1", 4, IPPROTO_ICMP, 0 };

FIXTURE_SETUP(several)
{
	int i;

	client_at = variant->from;
	ASSERT_EQ(0, system("ip link show " DEVICE " >/dev/null 2>&1 || "
			    "ip link add " DEVICE " up type dummy"));
	ASSERT_EQ(0, system("ip addr replace " ADDRESS4 "/24 dev " DEVICE));
	ASSERT_EQ(0, system("ip addr replace " ADDRESS6 "/64 dev " DEVICE " nodad"));
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->script = script_allowing();
	for (i = 0; i < SERVERS; i++)
		ASSERT_EQ(0, server_start(&self->s, &self->script, variant->server,
					  &self->server[i], variant->to));
}

FIXTURE_TEARDOWN(several)
{
	int i;

	for (i = 0; i < SERVERS; i++)
		server_end(&self->server[i]);
	EXPECT_EQ(0, scene_strike(&self->s));
}

static struct ask asks[SERVERS];	/* that were seen of them */
static int seen;

static void note(const struct ask *ask)
{
	if (ask->event == SOCKGATE_EVENT_RECEIVE && seen < SERVERS)
		asks[seen++] = *ask;
}

/* The question about a server, or NULL. */
static const struct ask *ask_about(const struct server *server)
{
	int i;

	for (i = 0; i < seen; i++)
		if ((pid_t)asks[i].process.pid == server->pid)
			return &asks[i];
	return NULL;
}

/* Each is asked about for itself; who is refused gets nothing, the other all. */
TEST_F(several, one_is_refused)
{
	struct script *script = &self->script;
	struct server *server = self->server;
	struct answer deny = script_refuse;
	const struct ask *ask, *other;
	struct scene *s = &self->s;
	int i, ms;

	deny.lifetime = FAR_MS;
	deny.fields = SOCKGATE_F_ALL;
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_EVENTS, EVENT(RECEIVE)));
	script->answer[SOCKGATE_EVENT_RECEIVE] = NULL;
	script->seen = note;
	ASSERT_EQ(0, script_run(s, script, variant->client, &server[0].at));
	for (ms = 0; ms < AT_ONCE_MS && seen < SERVERS; ms++)
		script_serve(s, script, 1);
	ask = ask_about(&server[0]);
	other = ask_about(&server[1]);
	ASSERT_TRUE(ask && other);
	EXPECT_EQ(variant->protocol, ask->protocol);
	EXPECT_EQ(variant->port, ask->lport);
	EXPECT_EQ(0, ask->rport);
	EXPECT_EQ(variant->len, ask->raddr_len);
	EXPECT_TRUE(net_same(variant->from, ask->raddr, variant->len));
	EXPECT_EQ(SERVERS, gate_parked(&s->gate));
	/* Neither has it while it waits. */
	for (i = 0; i < SERVERS; i++)
		EXPECT_EQ(-1, server_heard(s, script, &server[i], SOON_MS / 3));
	ASSERT_EQ(0, agent_answer(s->agent, ask->id, &deny));
	ASSERT_EQ(0, agent_answer(s->agent, other->id, &script_remember));
	EXPECT_EQ('x', server_heard(s, script, &server[1], AT_ONCE_MS));
	EXPECT_EQ(-1, server_heard(s, script, &server[0], SOON_MS / 3));
	EXPECT_EQ(0, gate_parked(&s->gate));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_PACKET_HELD_DENY));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_PACKET_HELD_ALLOW));

	/* And so with the next, which nobody is asked about. */
	ASSERT_EQ(0, script_run(s, script, variant->client, &server[0].at));
	EXPECT_EQ('x', server_heard(s, script, &server[1], AT_ONCE_MS));
	EXPECT_EQ(-1, server_heard(s, script, &server[0], SOON_MS / 3));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_PACKET_DENIED));
}

/* Where no policy asks, all have it; and where one did and does no more. */
TEST_F(several, not_asked)
{
	struct script *script = &self->script;
	struct scene *s = &self->s;
	int i, round;

	for (round = 0; round < 2; round++) {
		ASSERT_EQ(0, script_run(s, script, variant->client,
					&self->server[0].at));
		for (i = 0; i < SERVERS; i++)
			EXPECT_EQ('x', server_heard(s, script, &self->server[i],
						    AT_ONCE_MS));
		ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_EVENTS, EVENT(RECEIVE)));
		ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_EVENTS, 0));
	}
	EXPECT_EQ(0, script->asked[SOCKGATE_EVENT_RECEIVE]);
}

/* What waits at its sockets when the module goes is theirs, if the table says so. */
TEST_F(several, waits_while_the_module_goes)
{
	struct script *script = &self->script;
	struct scene *s = &self->s;
	int i, ms;

	ASSERT_EQ(0, gate_set_row(&s->gate, SOCKGATE_REASON_UNLOAD,
				  SOCKGATE_ACTION_ALLOW, EACCES));
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_EVENTS, EVENT(RECEIVE)));
	script->answer[SOCKGATE_EVENT_RECEIVE] = NULL;
	script->seen = note;
	ASSERT_EQ(0, script_run(s, script, variant->client, &self->server[0].at));
	for (ms = 0; ms < AT_ONCE_MS && seen < SERVERS; ms++)
		script_serve(s, script, 1);
	ASSERT_EQ(SERVERS, seen);
	ASSERT_EQ(0, gate_unload());
	for (i = 0; i < SERVERS; i++)
		EXPECT_EQ('x', server_heard(s, script, &self->server[i], AT_ONCE_MS));
	/* As the other tests expect to find it. */
	agent_close(s->agent);
	ASSERT_EQ(0, gate_load());
	ASSERT_EQ(0, gate_reopen(&s->gate));
	ASSERT_EQ(0, scene_agent(s));
}

/* ---- one of several -------------------------------------------------------------- */

/* Always the second that has bound. */
static int of_second(int says)
{
	struct sock_filter second[] = { BPF_STMT(BPF_RET | BPF_K, 1) };
	struct sock_fprog choose = { 1, second };
	int fd = bound(SO_REUSEPORT, "0.0.0.0");

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &choose,
		       sizeof(choose)))
		return CHILD_LOST;
	return say_all(fd, says, 0);
}

FIXTURE(chosen) {
	struct scene s;
	struct script script;
	struct server server[SERVERS];
};

FIXTURE_SETUP(chosen)
{
	int i;

	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->script = script_allowing();
	for (i = 0; i < SERVERS; i++)
		ASSERT_EQ(0, server_start(&self->s, &self->script, of_second,
					  &self->server[i], "127.0.0.1"));
}

FIXTURE_TEARDOWN(chosen)
{
	int i;

	for (i = 0; i < SERVERS; i++)
		server_end(&self->server[i]);
	EXPECT_EQ(0, scene_strike(&self->s));
}

/* Whoever a filter of theirs chooses is asked about, and nobody else. */
TEST_F(chosen, by_a_filter)
{
	struct script *script = &self->script;
	struct server *server = self->server;
	struct scene *s = &self->s;

	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_EVENTS, EVENT(RECEIVE)));
	ASSERT_EQ(0, script_run(s, script, tell_udp, &server[0].at));
	EXPECT_EQ('x', server_heard(s, script, &server[1], AT_ONCE_MS));
	EXPECT_EQ(1, script->asked[SOCKGATE_EVENT_RECEIVE]);
	EXPECT_EQ(server[1].pid,
		  (pid_t)script->last[SOCKGATE_EVENT_RECEIVE].process.pid);
}

/* ---- a peer that was chosen before there was a verdict --------------------------- */

#define PEER_PORT 4733

static int of_peer(int says)
{
	const struct addr at = net_addr("127.0.0.1", PORT);
	const struct addr peer = net_addr("127.0.0.1", PEER_PORT);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	if (bind(fd, &at.sa, at.len) || connect(fd, &peer.sa, peer.len) ||
	    fcntl(fd, F_SETFL, 0))
		return CHILD_LOST;
	return say_all(fd, says, 0);
}

static int tell_as_peer(const struct addr *to)
{
	const struct addr from = net_addr("127.0.0.1", PEER_PORT);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (bind(fd, &from.sa, from.len))
		return CHILD_LOST;
	return sendto(fd, "xxxxxxxx", SIZE, 0, &to->sa, to->len) == SIZE ? 0 : errno;
}

FIXTURE(deferred) {
	struct scene s;
	struct script script;
	struct server server;
};

FIXTURE_SETUP(deferred)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->script = script_allowing();
	/* Nothing is sent there, and so nothing asked. */
	ASSERT_EQ(0, server_start(&self->s, &self->script, of_peer, &self->server,
				  "127.0.0.1"));
	ASSERT_EQ(0, self->script.asked[SOCKGATE_EVENT_CONNECT]);
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_EVENTS, EVENT(RECEIVE)));
}

FIXTURE_TEARDOWN(deferred)
{
	server_end(&self->server);
	EXPECT_EQ(0, scene_strike(&self->s));
}

TEST_F(deferred, allowed)
{
	ASSERT_EQ(0, script_run(&self->s, &self->script, tell_as_peer,
				&self->server.at));
	EXPECT_EQ('x', server_heard(&self->s, &self->script, &self->server,
				    AT_ONCE_MS));
	EXPECT_EQ(1, self->script.asked[SOCKGATE_EVENT_RECEIVE]);
}

TEST_F(deferred, refused)
{
	self->script.answer[SOCKGATE_EVENT_RECEIVE] = &script_refuse;
	ASSERT_EQ(0, script_run(&self->s, &self->script, tell_as_peer,
				&self->server.at));
	EXPECT_EQ(-1, server_heard(&self->s, &self->script, &self->server, SOON_MS));
	EXPECT_EQ(1, self->script.asked[SOCKGATE_EVENT_RECEIVE]);
}

TEST_HARNESS_MAIN
