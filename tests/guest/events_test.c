// SPDX-License-Identifier: GPL-2.0-only
/* The events that a policy may ask for: open, bind, peers, and states. */
#include "kselftest_harness.h"
#include "scene.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <signal.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define V4 "127.0.0.1"
#define FAR_MS 100000U
#define SOON_MS 300		/* long enough for what is not to happen */
#define AT_ONCE_MS 5000		/* and for what is */
#define NOT_THAT 200		/* exit status: the test itself went wrong */
#define EVENT(name) (1U << SOCKGATE_EVENT_##name)
#define EVENTS_MAX __SOCKGATE_EVENT_MAX

/* What to answer by event (NULL: nothing yet), and what was asked. */
struct script {
	const struct answer *answer[EVENTS_MAX];
	unsigned int asked[EVENTS_MAX];
	struct ask last[EVENTS_MAX];
	bool elsewhere;		/* somebody connected to OTHER, at MPTCP_PORT */
};

#define OTHER "192.0.2.1"	/* of net_other_addresses() */
#define MPTCP_PORT 4712

static const struct answer remember = {
	.action = SOCKGATE_ACTION_ALLOW, .lifetime = FAR_MS,
	.fields = SOCKGATE_F_ALL,
};

static const struct answer refuse = {
	.action = SOCKGATE_ACTION_DENY, .error = EPERM,
};

static struct script allowing(void)
{
	struct script script = { 0 };
	size_t i;

	for (i = 0; i < EVENTS_MAX; i++)
		script.answer[i] = &remember;
	return script;
}

typedef int (*program_fn)(const struct addr *to);

static pid_t start(program_fn program, const struct addr *to)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(program(to));
}

static void answer(struct scene *s, struct script *script, const struct ask *ask)
{
	const struct answer *a = script->answer[ask->event];

	script->asked[ask->event]++;
	script->last[ask->event] = *ask;
	if (ask->event == SOCKGATE_EVENT_CONNECT && ask->rport == MPTCP_PORT &&
	    net_same(OTHER, ask->raddr, 4))
		script->elsewhere = true;
	if (a)
		agent_answer(s->agent, ask->id, a);
}

/* Whatever is asked for so long. */
static void serve(struct scene *s, struct script *script, int ms)
{
	while (agent_next(s->agent, &s->ask, ms) == 1)
		answer(s, script, &s->ask);
}

/* Until the program ends: its exit status. */
static int serve_until_end(struct scene *s, struct script *script, pid_t pid)
{
	int status, ms;

	for (ms = 0; ms < AT_ONCE_MS; ms++) {
		serve(s, script, 1);
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : NOT_THAT;
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return NOT_THAT;
}

static int run(struct scene *s, struct script *script, program_fn program,
	       const struct addr *to)
{
	return serve_until_end(s, script, start(program, to));
}

FIXTURE(events) {
	struct scene s;
	struct script script;
};

FIXTURE_SETUP(events)
{
	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, scene_agent(&self->s));
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_DEADLINE, FAR_MS));
	self->script = allowing();
}

FIXTURE_TEARDOWN(events)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

static int ask_about(struct scene *s, uint32_t events)
{
	return gate_set_u32(&s->gate, SOCKGATE_A_EVENTS, events);
}

/* ---- open ---------------------------------------------------------------------- */

static int open_tcp4(const struct addr *to)
{
	(void)to;
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int open_tcp6(const struct addr *to)
{
	(void)to;
	return socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0) < 0 ? errno : 0;
}

static int open_udp(const struct addr *to)
{
	(void)to;
	return socket(AF_INET, SOCK_DGRAM, 0) < 0 ? errno : 0;
}

static int open_raw(const struct addr *to)
{
	(void)to;
	return socket(AF_INET, SOCK_RAW, IPPROTO_TCP) < 0 ? errno : 0;
}

static int open_icmp(const struct addr *to)
{
	(void)to;
	return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) < 0 ? errno : 0;
}

static int open_mptcp(const struct addr *to)
{
	(void)to;
	return socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP) < 0 ? errno : 0;
}

static int open_packet(const struct addr *to)
{
	(void)to;
	return socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IPV6)) < 0 ? errno : 0;
}

static int open_xdp(const struct addr *to)
{
	(void)to;
	return socket(AF_XDP, SOCK_RAW, 0) < 0 ? errno : 0;
}

FIXTURE(open) {
	struct scene s;
	struct script script;
};

FIXTURE_VARIANT(open) {
	program_fn program;
	uint8_t family, protocol;
	uint16_t rport;
	bool always;
};

#define OPEN(name, family_, protocol_, rport_, always_) \
	FIXTURE_VARIANT_ADD(open, name) { \
		.program = open_##name, .family = family_, \
		.protocol = protocol_, .rport = rport_, .always = always_, \
	}

OPEN(tcp4, AF_INET, IPPROTO_TCP, 0, false);
OPEN(tcp6, AF_INET6, IPPROTO_TCP, 0, false);
OPEN(udp, AF_INET, IPPROTO_UDP, 0, false);
OPEN(raw, AF_INET, IPPROTO_RAW, 0, false);
OPEN(icmp, AF_INET, IPPROTO_ICMP, 0, false);
OPEN(mptcp, AF_INET, IPPROTO_TCP, 0, false);
OPEN(packet, AF_PACKET, SOCKGATE_PROTOCOL_PACKET, ETH_P_IPV6, true);
OPEN(xdp, AF_XDP, SOCKGATE_PROTOCOL_PACKET, 0, true);

FIXTURE_SETUP(open)
{
	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, scene_agent(&self->s));
	self->script = allowing();
}

FIXTURE_TEARDOWN(open)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

TEST_F(open, asked_if_wanted)
{
	const struct ask *ask = &self->script.last[SOCKGATE_EVENT_OPEN];

	EXPECT_EQ(0, run(&self->s, &self->script, variant->program, NULL));
	EXPECT_EQ(variant->always, self->script.asked[SOCKGATE_EVENT_OPEN]);

	ASSERT_EQ(0, ask_about(&self->s, EVENT(OPEN)));
	self->script = allowing();
	EXPECT_EQ(0, run(&self->s, &self->script, variant->program, NULL));
	EXPECT_EQ(1, self->script.asked[SOCKGATE_EVENT_OPEN]);
	EXPECT_EQ(variant->family, ask->family);
	EXPECT_EQ(variant->protocol, ask->protocol);
	EXPECT_EQ(variant->rport, ask->rport);
	EXPECT_EQ(0, ask->lport);
	EXPECT_EQ(0, ask->laddr_len + ask->raddr_len);
}

TEST_F(open, refused)
{
	ASSERT_EQ(0, ask_about(&self->s, EVENT(OPEN)));
	self->script.answer[SOCKGATE_EVENT_OPEN] = &refuse;
	EXPECT_EQ(EPERM, run(&self->s, &self->script, variant->program, NULL));
	self->script.answer[SOCKGATE_EVENT_OPEN] = &agent_deny;
	EXPECT_EQ(EACCES, run(&self->s, &self->script, variant->program, NULL));
}

static int open_local(const struct addr *to)
{
	(void)to;
	if (socket(AF_UNIX, SOCK_STREAM, 0) < 0 ||
	    socket(AF_NETLINK, SOCK_RAW, 0) < 0)
		return errno;
	return 0;
}

TEST_F(events, open_of_what_stays)
{
	ASSERT_EQ(0, ask_about(&self->s, SOCKGATE_EVENTS_OPTIONAL));
	EXPECT_EQ(0, run(&self->s, &self->script, open_local, NULL));
	EXPECT_EQ(0, gate_count(&self->s.gate, SOCKGATE_N_ASKED));
}

static int open_vsock(const struct addr *to)
{
	(void)to;
	return socket(AF_VSOCK, SOCK_STREAM, 0) < 0 ? errno : 0;
}

TEST_F(events, open_of_a_family_that_is_not_known)
{
	const struct ask *ask = &self->script.last[SOCKGATE_EVENT_OPEN];
	int err = run(&self->s, &self->script, open_vsock, NULL);

	if (err == EAFNOSUPPORT)
		SKIP(return, "this kernel has no AF_VSOCK");
	ASSERT_EQ(0, err);
	EXPECT_EQ(1, self->script.asked[SOCKGATE_EVENT_OPEN]);
	EXPECT_EQ(AF_VSOCK, ask->family);
	EXPECT_EQ(SOCKGATE_PROTOCOL_OTHER, ask->protocol);
}

TEST_F(events, open_without_an_agent)
{
	agent_close(self->s.agent);
	self->s.agent = NULL;
	ASSERT_EQ(0, gate_set_row(&self->s.gate, SOCKGATE_REASON_NO_AGENT,
				  SOCKGATE_ACTION_DENY, ECONNREFUSED));
	pid_t pid = start(open_packet, NULL);
	int status;

	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(ECONNREFUSED, WEXITSTATUS(status));
}

/* ---- bind ---------------------------------------------------------------------- */

static int bind_there(const struct addr *to)
{
	int fd = socket(to->family, SOCK_STREAM, 0);

	return bind(fd, &to->sa, to->len) ? errno : 0;
}

static void expect_bind(struct __test_metadata *_metadata,
			FIXTURE_DATA(events) *self, const char *at,
			const char *as, size_t len)
{
	const struct ask *ask = &self->script.last[SOCKGATE_EVENT_BIND];
	struct addr to = net_addr(at, 1717);

	self->script = allowing();
	EXPECT_EQ(0, run(&self->s, &self->script, bind_there, &to));
	EXPECT_EQ(1, self->script.asked[SOCKGATE_EVENT_BIND]);
	EXPECT_EQ(1717, ask->lport);
	EXPECT_EQ(len, ask->laddr_len);
	EXPECT_TRUE(net_same(as, ask->laddr, len));
	EXPECT_EQ(0, ask->raddr_len);
}

TEST_F(events, bind)
{
	struct addr to = net_addr(V4, 1717);

	EXPECT_EQ(0, run(&self->s, &self->script, bind_there, &to));
	EXPECT_EQ(0, self->script.asked[SOCKGATE_EVENT_BIND]);

	ASSERT_EQ(0, ask_about(&self->s, EVENT(BIND)));
	expect_bind(_metadata, self, V4, V4, 4);
	expect_bind(_metadata, self, "::1", "::1", 16);
	expect_bind(_metadata, self, "::ffff:127.0.0.1", V4, 4);

	self->script.answer[SOCKGATE_EVENT_BIND] = &refuse;
	to = net_addr(V4, 1718);
	EXPECT_EQ(EPERM, run(&self->s, &self->script, bind_there, &to));
}

/* ---- peers --------------------------------------------------------------------- */

/* A server of its own: the test's is the agent's, and exempt. */
struct server {
	pid_t pid;
	int go, says;		/* pipes to it and from it */
	struct addr at;
};

static int serve_stream(int fd, int says)
{
	char byte;
	int got;

	for (;;) {
		int peer = accept(fd, NULL, NULL);

		if (peer < 0)
			return errno;
		got = recv(peer, &byte, 1, 0) == 1 ? byte : 0;
		if (write(says, &got, sizeof(got)) < 0)
			return errno;
		close(peer);
	}
}

static int serve_datagrams(int fd, int says)
{
	struct addr peer;
	char byte;
	int got;

	for (;;) {
		peer.len = sizeof(peer.in6);
		if (recvfrom(fd, &byte, 1, 0, &peer.sa, &peer.len) != 1)
			return errno;
		got = byte;
		if (write(says, &got, sizeof(got)) < 0 ||
		    sendto(fd, "r", 1, 0, &peer.sa, peer.len) != 1)
			return errno;
	}
}

static int server_main(int type, int says)
{
	uint16_t port;
	int fd = net_listen(type, &port), n = port;

	if (fd < 0 || write(says, &n, sizeof(n)) < 0)
		return NOT_THAT;
	return type == SOCK_STREAM ? serve_stream(fd, says) :
				     serve_datagrams(fd, says);
}

/* What the server says within the time, or -1. */
static int heard(struct scene *s, struct script *script, struct server *server,
		 int ms)
{
	struct pollfd p = { .fd = server->says, .events = POLLIN };
	int got;

	for (; ms > 0; ms -= 2) {
		serve(s, script, 1);
		if (poll(&p, 1, 1) == 1)
			return read(server->says, &got, sizeof(got)) ==
			       sizeof(got) ? got : -1;
	}
	return -1;
}

static int server_start(struct scene *s, struct script *script, int type,
			struct server *server, const char *address)
{
	int fds[2], port;

	if (pipe(fds))
		return errno;
	server->says = fds[0];
	server->pid = fork();
	if (!server->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Or the agent would be there as long as the server is. */
		close(agent_fd(s->agent));
		_exit(server_main(type, fds[1]));
	}
	close(fds[1]);
	port = heard(s, script, server, AT_ONCE_MS);
	if (port < 0)
		return ETIMEDOUT;
	server->at = net_addr(address, (uint16_t)port);
	return 0;
}

static void server_end(struct server *server)
{
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	close(server->says);
}

static int patience_ms = AT_ONCE_MS;	/* of clients that start from now on */

/* Connects and sends a byte; 0 if it could, ETIMEDOUT if nobody answered. */
static int greet(const struct addr *to)
{
	int fd = socket(to->family, SOCK_STREAM | SOCK_NONBLOCK, 0), error = 0;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t size = sizeof(error);

	connect(fd, &to->sa, to->len);
	if (poll(&p, 1, patience_ms) != 1)
		return ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (!error && send(fd, "x", 1, MSG_NOSIGNAL) != 1)
		error = errno;
	p.events = POLLIN;
	/* Until the server has closed: so it has read. */
	poll(&p, 1, AT_ONCE_MS);
	return error;
}

FIXTURE(peer) {
	struct scene s;
	struct script script;
	struct server server;
};

FIXTURE_VARIANT(peer) {
	const char *to, *from;
	size_t len;
	int type;
};

FIXTURE_VARIANT_ADD(peer, tcp4) { V4, V4, 4, SOCK_STREAM };
FIXTURE_VARIANT_ADD(peer, tcp6) { "::1", "::1", 16, SOCK_STREAM };
FIXTURE_VARIANT_ADD(peer, tcp_mapped) { "::ffff:127.0.0.1", V4, 4, SOCK_STREAM };
FIXTURE_VARIANT_ADD(peer, udp4) { V4, V4, 4, SOCK_DGRAM };
FIXTURE_VARIANT_ADD(peer, udp6) { "::1", "::1", 16, SOCK_DGRAM };
FIXTURE_VARIANT_ADD(peer, udp_mapped) { "::ffff:127.0.0.1", V4, 4, SOCK_DGRAM };

FIXTURE_SETUP(peer)
{
	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, scene_agent(&self->s));
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_DEADLINE, FAR_MS));
	self->script = allowing();
	ASSERT_EQ(0, server_start(&self->s, &self->script, variant->type,
				  &self->server, variant->to));
}

FIXTURE_TEARDOWN(peer)
{
	server_end(&self->server);
	EXPECT_EQ(0, scene_strike(&self->s));
}

/* Sends one and waits for the answer to it. */
static int tell(const struct addr *to)
{
	int fd = socket(to->family, SOCK_DGRAM, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (sendto(fd, "x", 1, 0, &to->sa, to->len) != 1)
		return errno;
	return poll(&p, 1, patience_ms) == 1 ? 0 : ETIMEDOUT;
}

#define CLIENT (variant->type == SOCK_STREAM ? greet : tell)
#define PEER_EVENT (variant->type == SOCK_STREAM ? SOCKGATE_EVENT_ACCEPT : \
						   SOCKGATE_EVENT_RECEIVE)

TEST_F(peer, not_asked)
{
	pid_t pid = start(CLIENT, &self->server.at);

	EXPECT_EQ('x', heard(&self->s, &self->script, &self->server, AT_ONCE_MS));
	EXPECT_EQ(0, serve_until_end(&self->s, &self->script, pid));
	EXPECT_EQ(0, self->script.asked[PEER_EVENT]);
}

TEST_F(peer, allowed)
{
	const struct ask *ask = &self->script.last[PEER_EVENT];
	pid_t pid;

	ASSERT_EQ(0, ask_about(&self->s, 1U << PEER_EVENT));
	pid = start(CLIENT, &self->server.at);
	EXPECT_EQ('x', heard(&self->s, &self->script, &self->server, AT_ONCE_MS));
	EXPECT_EQ(0, serve_until_end(&self->s, &self->script, pid));
	EXPECT_EQ(1, self->script.asked[PEER_EVENT]);
	EXPECT_EQ(self->server.pid, (pid_t)ask->process.pid);
	EXPECT_EQ(ntohs(self->server.at.in.sin_port), ask->lport);
	EXPECT_EQ(0, ask->rport);
	EXPECT_EQ(variant->len, ask->raddr_len);
	EXPECT_TRUE(net_same(variant->from, ask->raddr, variant->len));
	EXPECT_EQ(variant->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP,
		  ask->protocol);
	/* The second time it is known. */
	pid = start(CLIENT, &self->server.at);
	EXPECT_EQ('x', heard(&self->s, &self->script, &self->server, AT_ONCE_MS));
	EXPECT_EQ(0, serve_until_end(&self->s, &self->script, pid));
	EXPECT_EQ(1, self->script.asked[PEER_EVENT]);
}

TEST_F(peer, refused)
{
	struct answer deny = refuse;
	int i;

	deny.lifetime = FAR_MS;
	deny.fields = SOCKGATE_F_ALL;
	ASSERT_EQ(0, ask_about(&self->s, 1U << PEER_EVENT));
	self->script.answer[PEER_EVENT] = &deny;
	patience_ms = SOON_MS;
	for (i = 0; i < 2; i++) {
		pid_t pid = start(CLIENT, &self->server.at);

		EXPECT_EQ(ETIMEDOUT,
			  serve_until_end(&self->s, &self->script, pid));
	}
	EXPECT_EQ(-1, heard(&self->s, &self->script, &self->server, SOON_MS));
	EXPECT_EQ(1, self->script.asked[PEER_EVENT]);
	EXPECT_EQ(1, gate_count(&self->s.gate, SOCKGATE_N_PACKET_HELD_DENY));
	EXPECT_LE(1, gate_count(&self->s.gate, SOCKGATE_N_PACKET_DENIED));
}

static uint32_t parked(struct scene *s)
{
	struct gate_status st;

	return gate_status(&s->gate, &st) ? UINT32_MAX : st.parked;
}

/* Held: neither side knows of it, until the answer. */
TEST_F(peer, held)
{
	struct script *script = &self->script;
	struct scene *s = &self->s;
	pid_t pid;

	ASSERT_EQ(0, ask_about(s, 1U << PEER_EVENT));
	script->answer[PEER_EVENT] = NULL;
	pid = start(CLIENT, &self->server.at);
	while (!script->asked[PEER_EVENT])
		serve(s, script, 1);
	EXPECT_LE(1, parked(s));
	EXPECT_EQ(-1, heard(s, script, &self->server, SOON_MS / 3));
	ASSERT_EQ(0, agent_answer(s->agent, script->last[PEER_EVENT].id,
				  &remember));
	EXPECT_EQ('x', heard(s, script, &self->server, AT_ONCE_MS));
	EXPECT_EQ(0, serve_until_end(s, script, pid));
	EXPECT_EQ(0, parked(s));
}

/* A verdict that is not remembered is asked for at the handshake and after it. */
TEST_F(peer, not_remembered)
{
	pid_t pid;

	ASSERT_EQ(0, ask_about(&self->s, 1U << PEER_EVENT));
	self->script.answer[PEER_EVENT] = &agent_allow;
	pid = start(CLIENT, &self->server.at);
	EXPECT_EQ('x', heard(&self->s, &self->script, &self->server, AT_ONCE_MS));
	EXPECT_EQ(0, serve_until_end(&self->s, &self->script, pid));
	if (variant->type == SOCK_DGRAM) {
		EXPECT_EQ(1, self->script.asked[PEER_EVENT]);
		return;
	}
	/* After it by the first packet, or the first read, or both at once. */
	EXPECT_LE(2, self->script.asked[PEER_EVENT]);
	EXPECT_GE(3, self->script.asked[PEER_EVENT]);
}

TEST_F(peer, without_an_agent)
{
	struct scene *s = &self->s;
	pid_t pid;
	int status;

	ASSERT_EQ(0, ask_about(s, 1U << PEER_EVENT));
	agent_close(s->agent);
	s->agent = NULL;
	ASSERT_EQ(0, gate_set_row(&s->gate, SOCKGATE_REASON_NO_AGENT,
				  SOCKGATE_ACTION_FAILSAFE, EACCES));
	const struct sockgate_failsafe list[] = {
		{ .events = EVENT(CONNECT) | EVENT(SEND) | EVENT(LISTEN),
		  .uid = SOCKGATE_UID_ANY },
	};
	ASSERT_EQ(0, gate_set_failsafes(&s->gate, list, 1));
	patience_ms = SOON_MS;
	pid = start(CLIENT, &self->server.at);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(ETIMEDOUT, WEXITSTATUS(status));
}

#define ARRIVALS_MAX 128	/* SG_ARRIVALS_MAX of the module */
#define FLOOD 300
#define QUEUE_TIMEOUT_MS 100

/* From as many addresses as there are sockets. */
static int flood_begin(const struct addr *to, int fds[FLOOD])
{
	struct addr from = net_addr(V4, 0);
	int i;

	for (i = 0; i < FLOOD; i++) {
		from.in.sin_addr.s_addr = htonl(0x7f010000U + (uint32_t)i + 1);
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (fds[i] < 0 || bind(fds[i], &from.sa, from.len))
			return errno;
		if (!connect(fds[i], &to->sa, to->len) || errno != EINPROGRESS)
			return EPROTO;
	}
	return 0;
}

static int connected(const int fds[FLOOD], short *events)
{
	struct pollfd p[FLOOD];
	int i, n = 0;

	for (i = 0; i < FLOOD; i++)
		p[i] = (struct pollfd){ .fd = fds[i], .events = POLLOUT };
	poll(p, FLOOD, 0);
	for (i = 0; i < FLOOD; i++) {
		events[i] = p[i].revents;
		n += p[i].revents == POLLOUT;
	}
	return n;
}

/*
 * A flood holds a bounded number of segments.  What comes beyond them gets a
 * handshake, and is cut by its verdict all the same; others are not hurt.
 */
TEST_F(events, flood_of_peers)
{
	const struct answer deny = {
		.action = SOCKGATE_ACTION_DENY, .error = EPERM,
		.lifetime = FAR_MS,
		.fields = SOCKGATE_F_EVENT | SOCKGATE_F_LPORT,
	};
	struct server server, other;
	struct script *script = &self->script;
	struct scene *s = &self->s;
	struct gate_status st;
	short events[FLOOD];
	uint64_t ids[FLOOD];
	int fds[FLOOD], i, n = 0, ms;
	pid_t pid;

	ASSERT_EQ(0, server_start(s, script, SOCK_STREAM, &server, V4));
	ASSERT_EQ(0, server_start(s, script, SOCK_STREAM, &other, V4));
	ASSERT_EQ(0, ask_about(s, EVENT(ACCEPT)));
	ASSERT_EQ(0, flood_begin(&server.at, fds));
	while (agent_next(s->agent, &s->ask, QUEUE_TIMEOUT_MS) == 1 && n < FLOOD)
		ids[n++] = s->ask.id;
	/*
	 * Fewer, if they call a second time already.  One is the server's own,
	 * which reads from the first that got through.
	 */
	EXPECT_GE(ARRIVALS_MAX + 1, n);
	ASSERT_EQ(0, gate_status(&s->gate, &st));
	EXPECT_EQ(ARRIVALS_MAX, st.parked);
	EXPECT_GE(ARRIVALS_MAX + 1, st.pending);
	EXPECT_LE(FLOOD - ARRIVALS_MAX, connected(fds, events));

	pid = start(greet, &other.at);
	EXPECT_EQ('x', heard(s, script, &other, AT_ONCE_MS));
	EXPECT_EQ(0, serve_until_end(s, script, pid));

	script->answer[SOCKGATE_EVENT_ACCEPT] = &deny;
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, agent_answer(s->agent, ids[i], &deny));
	for (i = 0; i < FLOOD; i++)
		if (events[i] == POLLOUT)
			send(fds[i], "x", 1, MSG_NOSIGNAL);
	for (ms = 0; ms < AT_ONCE_MS && connected(fds, events); ms++)
		serve(s, script, 1);
	EXPECT_EQ(0, connected(fds, events));
	while ((n = heard(s, script, &server, SOON_MS)) >= 0)
		EXPECT_NE('x', n);
	for (i = 0; i < FLOOD; i++)
		close(fds[i]);
	server_end(&server);
	server_end(&other);
}

/* ---- states -------------------------------------------------------------------- */

/* Connects, then waits for the connection to end: its error, or 0. */
static int stay(const struct addr *to)
{
	int fd = socket(to->family, SOCK_STREAM, 0), error = 0;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	socklen_t size = sizeof(error);

	if (connect(fd, &to->sa, to->len))
		return errno;
	if (poll(&p, 1, SOON_MS) == 1)
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	return error;
}

TEST_F(events, states)
{
	struct addr to = net_addr(V4, self->s.tcp_port);
	const struct ask *up = &self->script.last[SOCKGATE_EVENT_ESTABLISHED];
	const struct ask *down = &self->script.last[SOCKGATE_EVENT_CLOSE];

	ASSERT_EQ(0, ask_about(&self->s, EVENT(ESTABLISHED) | EVENT(CLOSE)));
	EXPECT_EQ(0, run(&self->s, &self->script, stay, &to));
	serve(&self->s, &self->script, SOON_MS);
	EXPECT_EQ(1, self->script.asked[SOCKGATE_EVENT_ESTABLISHED]);
	EXPECT_EQ(1, self->script.asked[SOCKGATE_EVENT_CLOSE]);
	EXPECT_EQ(2, gate_count(&self->s.gate, SOCKGATE_N_REPORTED));
	EXPECT_EQ(self->s.tcp_port, up->rport);
	EXPECT_NE(0, up->lport);
	EXPECT_TRUE(net_same(V4, up->raddr, 4));
	EXPECT_TRUE(net_same(V4, up->laddr, 4));
	EXPECT_EQ(up->lport, down->lport);
	EXPECT_EQ(up->rport, down->rport);
	EXPECT_EQ(up->process.pid, down->process.pid);
}

TEST_F(events, established_and_cut)
{
	struct addr to = net_addr(V4, self->s.tcp_port);
	int i;

	ASSERT_EQ(0, ask_about(&self->s, EVENT(ESTABLISHED)));
	self->script.answer[SOCKGATE_EVENT_ESTABLISHED] = &refuse;
	EXPECT_EQ(EPERM, run(&self->s, &self->script, stay, &to));
	/* And when it is known beforehand. */
	struct answer known = refuse;

	known.lifetime = FAR_MS;
	known.fields = SOCKGATE_F_EVENT | SOCKGATE_F_EXE;
	known.error = ECONNREFUSED;
	self->script.answer[SOCKGATE_EVENT_ESTABLISHED] = &known;
	for (i = 0; i < 2; i++)
		EXPECT_EQ(ECONNREFUSED,
			  run(&self->s, &self->script, stay, &to));
	EXPECT_EQ(2, self->script.asked[SOCKGATE_EVENT_ESTABLISHED]);
}

/* Without an answer nothing is cut. */
TEST_F(events, established_and_no_answer)
{
	struct addr to = net_addr(V4, self->s.tcp_port);

	ASSERT_EQ(0, ask_about(&self->s, EVENT(ESTABLISHED)));
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_DEADLINE, 50));
	self->script.answer[SOCKGATE_EVENT_ESTABLISHED] = NULL;
	EXPECT_EQ(0, run(&self->s, &self->script, stay, &to));
	EXPECT_EQ(1, gate_failures(&self->s.gate, SOCKGATE_REASON_DEADLINE));
}

/* ---- connections of MPTCP -------------------------------------------------------- */

static int connect_mptcp(const struct addr *to)
{
	int fd = socket(to->family, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_MPTCP);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t size = sizeof(int);
	int error = NOT_THAT;

	if (fd < 0)
		return errno;
	if (!connect(fd, &to->sa, to->len) || errno != EINPROGRESS)
		return NOT_THAT;
	if (poll(&p, 1, AT_ONCE_MS) == 1)
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	return error;
}

TEST_F(events, mptcp_is_not_held_in_the_call)
{
	struct addr to = net_addr(V4, self->s.tcp_port);

	EXPECT_EQ(0, run(&self->s, &self->script, connect_mptcp, &to));
	EXPECT_EQ(1, self->script.asked[SOCKGATE_EVENT_CONNECT]);
	EXPECT_EQ(1, gate_count(&self->s.gate, SOCKGATE_N_PACKET_HELD_ALLOW));
	EXPECT_EQ(1, gate_count(&self->s.gate, SOCKGATE_N_DEFERRED));
}

TEST_F(events, mptcp_refused)
{
	struct addr to = net_addr(V4, self->s.tcp_port);

	self->script.answer[SOCKGATE_EVENT_CONNECT] = &refuse;
	EXPECT_EQ(EPERM, run(&self->s, &self->script, connect_mptcp, &to));
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
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP), n = MPTCP_PORT, peer;
	char byte;

	if (fd < 0 || bind(fd, &at.sa, at.len) || listen(fd, 8) ||
	    write(says, &n, sizeof(n)) < 0)
		return NOT_THAT;
	for (;;) {
		peer = accept(fd, NULL, NULL);
		while (recv(peer, &byte, 1, 0) == 1)
			if (send(peer, "y", 1, MSG_NOSIGNAL) != 1)
				return errno;
		close(peer);
	}
}

/* What the kernel adds to a session is judged by where it goes, as its owner's. */
TEST_F(events, mptcp_further_connection)
{
	const struct ask *ask = &self->script.last[SOCKGATE_EVENT_CONNECT];
	struct script *script = &self->script;
	struct scene *s = &self->s;
	struct server server;
	int fds[2], ms;
	pid_t pid;

	ASSERT_EQ(0, net_other_addresses());
	ASSERT_EQ(0, system("ip mptcp limits set subflow 2 add_addr_accepted 2"));
	ASSERT_EQ(0, system("ip mptcp endpoint add " OTHER " signal"));
	ASSERT_EQ(0, pipe(fds));
	server.says = fds[0];
	server.pid = fork();
	if (!server.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(mptcp_server(fds[1]));
	}
	ASSERT_EQ(MPTCP_PORT, heard(s, script, &server, AT_ONCE_MS));
	server.at = net_addr(V4, MPTCP_PORT);
	/* For this destination only. */
	script->answer[SOCKGATE_EVENT_CONNECT] = &agent_allow;
	pid = start(greet_mptcp, &server.at);
	while (!script->asked[SOCKGATE_EVENT_CONNECT])
		serve(s, script, 1);
	EXPECT_TRUE(net_same(V4, ask->raddr, 4));
	script->answer[SOCKGATE_EVENT_CONNECT] = &refuse;
	/* Both ends are on this machine, and the server tries it as well. */
	for (ms = 0; ms < AT_ONCE_MS && !script->elsewhere; ms++)
		serve(s, script, 1);
	EXPECT_TRUE(script->elsewhere);
	EXPECT_EQ(0, serve_until_end(s, script, pid));
	EXPECT_LE(1, gate_count(&s->gate, SOCKGATE_N_PACKET_HELD_DENY));
	EXPECT_EQ(0, system("! ss -tnH dst " OTHER " | grep -q ESTAB"));
	server_end(&server);
	EXPECT_EQ(0, system("ip mptcp endpoint flush"));
}

/* ---- SCTP ----------------------------------------------------------------------- */

static int sctp_server(int says)
{
	struct addr at = net_addr("0.0.0.0", 4711);
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP), n = 4711;

	if (fd < 0 || bind(fd, &at.sa, at.len) || listen(fd, 8) ||
	    write(says, &n, sizeof(n)) < 0)
		return NOT_THAT;
	return serve_stream(fd, says);
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

TEST_F(events, sctp)
{
	struct script *script = &self->script;
	struct scene *s = &self->s;
	struct server server;
	int fds[2];
	pid_t pid;

	if (!has_sctp())
		SKIP(return, "this kernel has no SCTP");
	ASSERT_EQ(0, pipe(fds));
	server.says = fds[0];
	server.pid = fork();
	if (!server.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(agent_fd(s->agent));
		_exit(sctp_server(fds[1]));
	}
	ASSERT_EQ(4711, heard(s, script, &server, AT_ONCE_MS));
	server.at = net_addr(V4, 4711);
	EXPECT_EQ(1, script->asked[SOCKGATE_EVENT_LISTEN]);
	EXPECT_EQ(IPPROTO_SCTP, script->last[SOCKGATE_EVENT_LISTEN].protocol);

	pid = start(greet_sctp, &server.at);
	EXPECT_EQ('x', heard(s, script, &server, AT_ONCE_MS));
	EXPECT_EQ(0, serve_until_end(s, script, pid));
	EXPECT_EQ(1, script->asked[SOCKGATE_EVENT_CONNECT]);
	EXPECT_EQ(IPPROTO_SCTP, script->last[SOCKGATE_EVENT_CONNECT].protocol);
	EXPECT_EQ(4711, script->last[SOCKGATE_EVENT_CONNECT].rport);

	script->answer[SOCKGATE_EVENT_CONNECT] = &refuse;
	script->answer[SOCKGATE_EVENT_SEND] = &refuse;
	EXPECT_EQ(EPERM, run(s, script, greet_sctp, &server.at));
	run(s, script, tell_sctp, &server.at);
	EXPECT_EQ(1, script->asked[SOCKGATE_EVENT_SEND]);
	EXPECT_EQ(-1, heard(s, script, &server, SOON_MS));
	server_end(&server);
}

/* ---- posing as another program ---------------------------------------------------- */

static int pose(const struct addr *to)
{
	int fd = open("/bin/true", O_RDONLY | O_CLOEXEC);

	(void)to;
	if (fd < 0)
		return NOT_THAT;
	return prctl(PR_SET_MM, PR_SET_MM_EXE_FILE, fd, 0, 0) ? errno : 0;
}

TEST_F(events, nobody_poses_as_another_program)
{
	EXPECT_EQ(EPERM, run(&self->s, &self->script, pose, NULL));
	EXPECT_EQ(1, gate_count(&self->s.gate, SOCKGATE_N_IMPOSTOR));
}

TEST_HARNESS_MAIN
