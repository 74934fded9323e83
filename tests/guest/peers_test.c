// SPDX-License-Identifier: GPL-2.0-only
/* Peers: who connects to a listener, and whose datagrams come to a socket. */
#include "kselftest_harness.h"
#include "server.h"
#include "uring.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#define V4 "127.0.0.1"

static int patience_ms = AT_ONCE_MS;	/* of clients that start from now on */

/* Connects and sends a byte; 0 if it could, ETIMEDOUT if nobody answered. */
static int greet(const struct addr *to)
{
	int fd = socket(to->family, SOCK_STREAM | SOCK_NONBLOCK, 0), error;
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	connect(fd, &to->sa, to->len);
	if (poll(&p, 1, patience_ms) != 1)
		return ETIMEDOUT;
	error = net_error(fd);
	if (!error && send(fd, "x", 1, MSG_NOSIGNAL) != 1)
		error = errno;
	p.events = POLLIN;
	/* Until the server has closed: so it has read. */
	poll(&p, 1, AT_ONCE_MS);
	return error;
}

/* Sends one and waits for the answer to it. */
static int tell_by(int fd, const struct addr *to)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (sendto(fd, "x", 1, 0, &to->sa, to->len) != 1)
		return errno;
	return poll(&p, 1, patience_ms) == 1 ? 0 : ETIMEDOUT;
}

static int tell(const struct addr *to)
{
	return tell_by(socket(to->family, SOCK_DGRAM, 0), to);
}

#define LITE_PORT 4732

static int server_lite(int says)
{
	struct addr peer = net_addr("::", LITE_PORT);
	int fd = socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDPLITE);

	if (fd < 0 || bind(fd, &peer.sa, peer.len) || server_say(says, LITE_PORT))
		return CHILD_LOST;
	return server_answer(fd, says);
}

static int tell_lite(const struct addr *to)
{
	return tell_by(socket(to->family, SOCK_DGRAM, IPPROTO_UDPLITE), to);
}

#define STREAM server_stream, greet, SOCKGATE_EVENT_ACCEPT, IPPROTO_TCP
#define LITE server_lite, tell_lite, SOCKGATE_EVENT_RECEIVE, IPPROTO_UDPLITE
#define DATAGRAMS server_datagrams, tell, SOCKGATE_EVENT_RECEIVE, IPPROTO_UDP

FIXTURE(peer) {
	struct scene s;
	struct script script;
	struct server server;
};

FIXTURE_VARIANT(peer) {
	const char *to, *from;
	size_t len;
	server_fn server;
	child_fn client;
	uint8_t event, protocol;
};

FIXTURE_VARIANT_ADD(peer, tcp4) { V4, V4, 4, STREAM };
FIXTURE_VARIANT_ADD(peer, tcp6) { "::1", "::1", 16, STREAM };
FIXTURE_VARIANT_ADD(peer, tcp_mapped) { "::ffff:127.0.0.1", V4, 4, STREAM };
FIXTURE_VARIANT_ADD(peer, udp4) { V4, V4, 4, DATAGRAMS };
FIXTURE_VARIANT_ADD(peer, udp6) { "::1", "::1", 16, DATAGRAMS };
FIXTURE_VARIANT_ADD(peer, udplite4) { V4, V4, 4, LITE };
FIXTURE_VARIANT_ADD(peer, udplite6) { "::1", "::1", 16, LITE };
FIXTURE_VARIANT_ADD(peer, udp_mapped) { "::ffff:127.0.0.1", V4, 4, DATAGRAMS };

FIXTURE_SETUP(peer)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->script = script_allowing();
	ASSERT_EQ(0, server_start(&self->s, &self->script, variant->server,
				  &self->server, variant->to));
}

FIXTURE_TEARDOWN(peer)
{
	server_end(&self->server);
	EXPECT_EQ(0, scene_strike(&self->s));
}

TEST_F(peer, not_asked)
{
	pid_t pid = child_start(variant->client, &self->server.at);

	EXPECT_EQ('x', server_heard(&self->s, &self->script, &self->server, AT_ONCE_MS));
	EXPECT_EQ(0, script_end(&self->s, &self->script, pid));
	EXPECT_EQ(0, self->script.asked[variant->event]);
}

TEST_F(peer, allowed)
{
	const struct ask *ask = &self->script.last[variant->event];
	pid_t pid;

	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_EVENTS, 1U << variant->event));
	pid = child_start(variant->client, &self->server.at);
	EXPECT_EQ('x', server_heard(&self->s, &self->script, &self->server, AT_ONCE_MS));
	EXPECT_EQ(0, script_end(&self->s, &self->script, pid));
	EXPECT_EQ(1, self->script.asked[variant->event]);
	EXPECT_EQ(self->server.pid, (pid_t)ask->process.pid);
	EXPECT_EQ(ntohs(self->server.at.in.sin_port), ask->lport);
	EXPECT_EQ(0, ask->rport);
	EXPECT_EQ(variant->len, ask->raddr_len);
	EXPECT_TRUE(net_same(variant->from, ask->raddr, variant->len));
	EXPECT_EQ(variant->protocol, ask->protocol);
	/* The second time it is known. */
	pid = child_start(variant->client, &self->server.at);
	EXPECT_EQ('x', server_heard(&self->s, &self->script, &self->server, AT_ONCE_MS));
	EXPECT_EQ(0, script_end(&self->s, &self->script, pid));
	EXPECT_EQ(1, self->script.asked[variant->event]);
}

TEST_F(peer, refused)
{
	struct answer deny = script_refuse;
	int i;

	deny.lifetime = FAR_MS;
	deny.fields = SOCKGATE_F_ALL;
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_EVENTS, 1U << variant->event));
	self->script.answer[variant->event] = &deny;
	patience_ms = SOON_MS;
	for (i = 0; i < 2; i++) {
		pid_t pid = child_start(variant->client, &self->server.at);

		EXPECT_EQ(ETIMEDOUT,
			  script_end(&self->s, &self->script, pid));
	}
	EXPECT_EQ(-1, server_heard(&self->s, &self->script, &self->server, SOON_MS));
	EXPECT_EQ(1, self->script.asked[variant->event]);
	EXPECT_EQ(1, gate_count(&self->s.gate, SOCKGATE_N_PACKET_HELD_DENY));
	EXPECT_LE(1, gate_count(&self->s.gate, SOCKGATE_N_PACKET_DENIED));
}

/* Held: neither side knows of it, until the answer. */
TEST_F(peer, held)
{
	struct script *script = &self->script;
	struct scene *s = &self->s;
	pid_t pid;

	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_EVENTS, 1U << variant->event));
	script->answer[variant->event] = NULL;
	pid = child_start(variant->client, &self->server.at);
	while (!script->asked[variant->event])
		script_serve(s, script, 1);
	EXPECT_LE(1, gate_parked(&s->gate));
	EXPECT_EQ(-1, server_heard(s, script, &self->server, SOON_MS / 3));
	ASSERT_EQ(0, agent_answer(s->agent, script->last[variant->event].id,
				  &script_remember));
	EXPECT_EQ('x', server_heard(s, script, &self->server, AT_ONCE_MS));
	EXPECT_EQ(0, script_end(s, script, pid));
	EXPECT_EQ(0, gate_parked(&s->gate));
}

/* A verdict that is not remembered is asked for at the handshake and after it. */
TEST_F(peer, not_remembered)
{
	pid_t pid;

	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_EVENTS, 1U << variant->event));
	self->script.answer[variant->event] = &agent_allow;
	pid = child_start(variant->client, &self->server.at);
	EXPECT_EQ('x', server_heard(&self->s, &self->script, &self->server, AT_ONCE_MS));
	EXPECT_EQ(0, script_end(&self->s, &self->script, pid));
	if (variant->event == SOCKGATE_EVENT_RECEIVE) {
		EXPECT_EQ(1, self->script.asked[variant->event]);
		return;
	}
	/* After it by the first packet, or the first read, or both at once. */
	EXPECT_LE(2, self->script.asked[variant->event]);
	EXPECT_GE(3, self->script.asked[variant->event]);
}

TEST_F(peer, without_an_agent)
{
	struct scene *s = &self->s;
	pid_t pid;
	int status;

	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_EVENTS, 1U << variant->event));
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
	pid = child_start(variant->client, &self->server.at);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(ETIMEDOUT, WEXITSTATUS(status));
}

/* ---- a proxy --------------------------------------------------------------------- */

#define ELSEWHERE "203.0.113.5"	/* where it stands in for whoever is there */
#define ELSEWHERE_PORT 4742
#define PROXY_PORT 4741

static const char take_over[] =
	"ip route replace " ELSEWHERE " dev lo src 127.0.0.1 && "
	"ip rule add fwmark 1 lookup 100 && "
	"ip route replace local 0.0.0.0/0 dev lo table 100 && "
	"nft add table ip proxy '{ chain out { type route hook output priority mangle; "
	"ip daddr " ELSEWHERE " meta mark set 1; }; "
	"chain in { type filter hook prerouting priority mangle; "
	"ip daddr " ELSEWHERE " meta l4proto tcp tproxy to :4741 accept; }; }'";
static const char give_back[] =
	"nft delete table ip proxy; ip route flush table 100; "
	"ip rule del fwmark 1; ip route del " ELSEWHERE " dev lo";

static int server_proxy(int says)
{
	const struct addr at = net_addr("0.0.0.0", PROXY_PORT);
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (setsockopt(fd, SOL_IP, IP_TRANSPARENT, &on, sizeof(on)) ||
	    bind(fd, &at.sa, at.len) || listen(fd, 8) ||
	    server_say(says, ELSEWHERE_PORT))
		return CHILD_LOST;
	return server_accept(fd, says);
}

FIXTURE(proxy) {
	struct scene s;
	struct script script;
	struct server server;
};

FIXTURE_SETUP(proxy)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->script = script_allowing();
	ASSERT_EQ(0, system(take_over));
	ASSERT_EQ(0, server_start(&self->s, &self->script, server_proxy,
				  &self->server, ELSEWHERE));
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_EVENTS, EVENT(ACCEPT)));
}

FIXTURE_TEARDOWN(proxy)
{
	server_end(&self->server);
	EXPECT_EQ(0, system(give_back));
	EXPECT_EQ(0, scene_strike(&self->s));
}

/*
 * It is bound to nothing of what its peers ask for.  A verdict that is not remembered
 * serves no second segment: the one that waited has to get there.
 */
TEST_F(proxy, gets_what_waited)
{
	const struct ask *ask = &self->script.last[SOCKGATE_EVENT_ACCEPT];
	struct script *script = &self->script;
	struct scene *s = &self->s;
	pid_t pid;

	script->answer[SOCKGATE_EVENT_ACCEPT] = &agent_allow;
	pid = child_start(greet, &self->server.at);
	EXPECT_EQ('x', server_heard(s, script, &self->server, AT_ONCE_MS));
	EXPECT_EQ(0, script_end(s, script, pid));
	EXPECT_EQ(self->server.pid, (pid_t)ask->process.pid);
	EXPECT_EQ(ELSEWHERE_PORT, ask->lport);
	/* And once more by the first packet, or the first read, or both. */
	EXPECT_LE(2, script->asked[SOCKGATE_EVENT_ACCEPT]);
	EXPECT_GE(3, script->asked[SOCKGATE_EVENT_ACCEPT]);
}

TEST_F(proxy, gets_nothing_that_is_refused)
{
	struct script *script = &self->script;
	struct scene *s = &self->s;
	pid_t pid;

	patience_ms = SOON_MS;
	script->answer[SOCKGATE_EVENT_ACCEPT] = &script_refuse;
	pid = child_start(greet, &self->server.at);
	EXPECT_EQ(ETIMEDOUT, script_end(s, script, pid));
	EXPECT_EQ(-1, server_heard(s, script, &self->server, SOON_MS));
}

/* ---- accept() by io_uring -------------------------------------------------------- */

#define COMPLETED 'a'

static enum uring_by accept_by;

/* Says when each accept completes, and then what came. */
static int server_ring(int says)
{
	int fd = server_listen(says, SOCK_STREAM), peer;
	char byte;

	if (fd < 0)
		return CHILD_LOST;
	for (;;) {
		peer = uring_accept(fd, accept_by);
		if (peer < 0 || server_say(says, COMPLETED))
			return CHILD_LOST;
		if (server_say(says, recv(peer, &byte, 1, 0) == 1 ? byte : 0))
			return errno;
		close(peer);
	}
}

FIXTURE(ring) {
	struct scene s;
	struct script script;
	struct server server;
};

FIXTURE_VARIANT(ring) {
	enum uring_by by;
};

FIXTURE_VARIANT_ADD(ring, inline) { URING_INLINE };
FIXTURE_VARIANT_ADD(ring, worker) { URING_WORKER };
FIXTURE_VARIANT_ADD(ring, poller) { URING_POLLER };

FIXTURE_SETUP(ring)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->script = script_allowing();
	accept_by = variant->by;
	ASSERT_EQ(0, server_start(&self->s, &self->script, server_ring,
				  &self->server, V4));
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_EVENTS, EVENT(ACCEPT)));
	/* Not before the question, and not until it is answered. */
	self->script.answer[SOCKGATE_EVENT_ACCEPT] = NULL;
}

FIXTURE_TEARDOWN(ring)
{
	server_end(&self->server);
	EXPECT_EQ(0, scene_strike(&self->s));
}

/* A client whose question is asked, while nothing completes.  Its process id. */
static pid_t greet_and_wait(struct scene *s, struct script *script,
			    struct server *server)
{
	pid_t pid = child_start(greet, &server->at);
	int ms;

	for (ms = 0; ms < AT_ONCE_MS && !script->asked[SOCKGATE_EVENT_ACCEPT]; ms++)
		script_serve(s, script, 1);
	return server_heard(s, script, server, SOON_MS / 3) == -1 ? pid : -pid;
}

TEST_F(ring, allowed)
{
	const struct ask *ask = &self->script.last[SOCKGATE_EVENT_ACCEPT];
	struct script *script = &self->script;
	struct scene *s = &self->s;
	pid_t pid = greet_and_wait(s, script, &self->server);

	ASSERT_LT(0, pid);
	ASSERT_EQ(1, script->asked[SOCKGATE_EVENT_ACCEPT]);
	EXPECT_EQ(self->server.pid, (pid_t)ask->process.pid);
	EXPECT_TRUE(net_same(V4, ask->raddr, 4));
	ASSERT_EQ(0, agent_answer(s->agent, ask->id, &script_remember));
	EXPECT_EQ(COMPLETED, server_heard(s, script, &self->server, AT_ONCE_MS));
	EXPECT_EQ('x', server_heard(s, script, &self->server, AT_ONCE_MS));
	EXPECT_EQ(0, script_end(s, script, pid));
}

TEST_F(ring, refused)
{
	const struct ask *ask = &self->script.last[SOCKGATE_EVENT_ACCEPT];
	struct script *script = &self->script;
	struct scene *s = &self->s;
	struct answer deny = script_refuse;
	pid_t pid;

	deny.lifetime = FAR_MS;
	deny.fields = SOCKGATE_F_ALL;
	patience_ms = SOON_MS;
	pid = greet_and_wait(s, script, &self->server);
	ASSERT_LT(0, pid);
	ASSERT_EQ(1, script->asked[SOCKGATE_EVENT_ACCEPT]);
	ASSERT_EQ(0, agent_answer(s->agent, ask->id, &deny));
	EXPECT_EQ(ETIMEDOUT, script_end(s, script, pid));
	EXPECT_EQ(-1, server_heard(s, script, &self->server, SOON_MS));
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_PACKET_HELD_DENY));
}

/* ---- floods ----------------------------------------------------------------------- */

#define ARRIVALS_MAX 128	/* SG_ARRIVALS_MAX of the module */
#define FLOOD 300
#define QUEUE_TIMEOUT_MS 100

/* From this many addresses. */
static int flood_begin(const struct addr *to, int fds[FLOOD], uint32_t peers)
{
	struct addr from = net_addr(V4, 0);
	int i;

	for (i = 0; i < FLOOD; i++) {
		from.in.sin_addr.s_addr = htonl(0x7f010001U + (uint32_t)i % peers);
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

FIXTURE(flood) {
	struct scene s;
	struct script script;
};

FIXTURE_SETUP(flood)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->script = script_allowing();
}

FIXTURE_TEARDOWN(flood)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

/*
 * A flood holds a bounded number of segments.  What comes beyond them gets a
 * handshake, and is cut by its verdict all the same; others are not hurt.
 */
TEST_F(flood, of_peers)
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

	ASSERT_EQ(0, server_start(s, script, server_stream, &server, V4));
	ASSERT_EQ(0, server_start(s, script, server_stream, &other, V4));
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_EVENTS, EVENT(ACCEPT)));
	ASSERT_EQ(0, flood_begin(&server.at, fds, FLOOD));
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

	pid = child_start(greet, &other.at);
	EXPECT_EQ('x', server_heard(s, script, &other, AT_ONCE_MS));
	EXPECT_EQ(0, script_end(s, script, pid));

	script->answer[SOCKGATE_EVENT_ACCEPT] = &deny;
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, agent_answer(s->agent, ids[i], &deny));
	for (i = 0; i < FLOOD; i++)
		if (events[i] == POLLOUT)
			send(fds[i], "x", 1, MSG_NOSIGNAL);
	for (ms = 0; ms < AT_ONCE_MS && connected(fds, events); ms++)
		script_serve(s, script, 1);
	EXPECT_EQ(0, connected(fds, events));
	while ((n = server_heard(s, script, &server, SOON_MS)) >= 0)
		EXPECT_NE('x', n);
	for (i = 0; i < FLOOD; i++)
		close(fds[i]);
	server_end(&server);
	server_end(&other);
}

/* Peers cannot fill the table, though the listener is root's: callers have room. */
TEST_F(flood, leaves_room_for_callers)
{
	struct script *script = &self->script;
	struct call call = scene_connect(&self->s, V4);
	struct scene *s = &self->s;
	struct server server;
	int fds[FLOOD], i, n = 0;

	ASSERT_EQ(0, server_start(s, script, server_stream, &server, V4));
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_EVENTS, EVENT(ACCEPT)));
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_MAX_PENDING, 8));
	ASSERT_EQ(0, flood_begin(&server.at, fds, FLOOD));
	while (agent_next(s->agent, &s->ask, QUEUE_TIMEOUT_MS) == 1) {
		EXPECT_EQ(SOCKGATE_EVENT_ACCEPT, s->ask.event);
		n++;
	}
	EXPECT_EQ(8 / 4, n);
	/* The last of them may be on their way still. */
	ASSERT_EQ(0, gate_wait_count(&s->gate, SOCKGATE_N_REASON +
				     SOCKGATE_REASON_TABLE_FULL, FLOOD - n));
	call.uid = 4242;
	ASSERT_EQ(0, worker_tell(&s->worker, &call));
	ASSERT_EQ(1, agent_next(s->agent, &s->ask, AT_ONCE_MS));
	EXPECT_EQ(SOCKGATE_EVENT_CONNECT, s->ask.event);
	EXPECT_EQ(s->worker.pid, (pid_t)s->ask.process.pid);
	for (i = 0; i < FLOOD; i++)
		close(fds[i]);
	server_end(&server);
}

/* ---- readers that do not wait, of who came beyond the bound ------------------------ */

#define TURNED_AWAY 0x100	/* what a reader says: this, a byte, or FAILED + errno */
#define FAILED 0x1000
#define IDS 1024

typedef ssize_t (*read_fn)(int fd, char *byte);

static read_fn read_one;
static enum uring_by read_by;

static ssize_t read_nonblocking(int fd, char *byte)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return read(fd, byte, 1);
}

static ssize_t read_not_waiting(int fd, char *byte)
{
	return recv(fd, byte, 1, MSG_DONTWAIT);
}

static ssize_t read_by_splice(int fd, char *byte)
{
	int ends[2];
	ssize_t n;

	if (pipe(ends))
		return -1;
	n = splice(fd, NULL, ends[1], NULL, 1, SPLICE_F_NONBLOCK);
	return n == 1 ? read(ends[0], byte, 1) : n;
}

static int read_and_say(int says, int fd)
{
	char byte = 0;
	ssize_t n = read_one(fd, &byte);
	int what = n >= 0 ? byte : errno == EAGAIN ? TURNED_AWAY : FAILED + errno;

	return server_say(says, what) ? CHILD_LOST : what;
}

/* Of its first connection, at each edge, until it gets something; after an error again. */
static int server_edges(int says)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	int fd = server_listen(says, SOCK_STREAM), poller = epoll_create1(0), peer;
	int what = TURNED_AWAY;

	peer = accept(fd, NULL, NULL);
	if (peer < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, peer, &e))
		return CHILD_LOST;
	while (what == TURNED_AWAY && epoll_wait(poller, &e, 1, -1) == 1)
		what = read_and_say(says, peer);
	if (what > FAILED)
		read_and_say(says, peer);
	return pause();
}

static ssize_t read_by_ring(int fd, char *byte)
{
	const struct io_uring_sqe sqe = {
		.opcode = IORING_OP_RECV,
		.fd = fd,
		.addr = (uintptr_t)byte,
		.len = 1,
	};
	int res = 0, err = uring_do(&sqe, read_by, &res);

	errno = err ?: res < 0 ? -res : 0;
	return errno ? -1 : res;
}

static int server_ring_reads(int says)
{
	int fd = server_listen(says, SOCK_STREAM), peer = accept(fd, NULL, NULL);

	if (peer < 0)
		return CHILD_LOST;
	read_one = read_by_ring;
	read_and_say(says, peer);
	return pause();
}

static uint64_t ids[IDS];
static int n_ids;

static void collect(const struct ask *ask)
{
	if (n_ids < IDS)
		ids[n_ids++] = ask->id;
}

FIXTURE(reader) {
	struct scene s;
	struct script script;
	struct server server;
	int fds[FLOOD];
	short events[FLOOD];
};

FIXTURE_VARIANT(reader) {
	server_fn server;
	read_fn read;
	enum uring_by by;
	uint32_t peers;	/* whom the flood comes from */
	bool told;	/* in the meantime */
};

#define READER(name, read_, peers_) \
	FIXTURE_VARIANT_ADD(reader, name) { \
		.server = server_edges, .read = read_, .peers = peers_, \
		.told = true, \
	}
#define RING(name, by_) \
	FIXTURE_VARIANT_ADD(reader, name) { \
		.server = server_ring_reads, .by = by_, .peers = FLOOD, \
	}

READER(nonblocking, read_nonblocking, FLOOD);
READER(not_waiting, read_not_waiting, FLOOD);
READER(splice, read_by_splice, FLOOD);
/* More than can wait on one question; who reads does. */
READER(of_one_peer, read_nonblocking, 1);
RING(ring_inline, URING_INLINE);
RING(ring_worker, URING_WORKER);
RING(ring_poller, URING_POLLER);

FIXTURE_SETUP(reader)
{
	struct script *script = &self->script;
	struct scene *s = &self->s;
	int ms;

	ASSERT_EQ(0, scene_set_patient(s));
	*script = script_allowing();
	read_one = variant->read;
	read_by = variant->by;
	ASSERT_EQ(0, server_start(s, script, variant->server, &self->server, V4));
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_EVENTS, EVENT(ACCEPT)));
	n_ids = 0;
	script->seen = collect;
	script->answer[SOCKGATE_EVENT_ACCEPT] = NULL;
	ASSERT_EQ(0, flood_begin(&self->server.at, self->fds, variant->peers));
	for (ms = 0; ms < AT_ONCE_MS; ms++) {
		script_serve(s, script, 1);
		if (connected(self->fds, self->events) >= FLOOD - ARRIVALS_MAX)
			break;
	}
	ASSERT_GT(AT_ONCE_MS, ms);
}

FIXTURE_TEARDOWN(reader)
{
	int i;

	for (i = 0; i < FLOOD; i++)
		close(self->fds[i]);
	server_end(&self->server);
	EXPECT_EQ(0, scene_strike(&self->s));
}

static void send_all(FIXTURE_DATA(reader) *self)
{
	int i;

	for (i = 0; i < FLOOD; i++)
		if (self->events[i] == POLLOUT)
			send(self->fds[i], "x", 1, MSG_NOSIGNAL);
}

static int heard(FIXTURE_DATA(reader) *self, int ms)
{
	return server_heard(&self->s, &self->script, &self->server, ms);
}

static uint64_t reads(struct scene *s)
{
	struct gate_status st;

	return gate_status(&s->gate, &st) ? 0 : st.hook[SOCKGATE_HOOK_RECVMSG];
}

/* It has data, and reads nothing; nor does it try again and again. */
static void expect_turned_away(struct __test_metadata *_metadata,
			       FIXTURE_DATA(reader) *self, bool told)
{
	uint64_t before;

	send_all(self);
	if (told)
		EXPECT_EQ(TURNED_AWAY, heard(self, AT_ONCE_MS));
	EXPECT_EQ(-1, heard(self, SOON_MS));
	before = reads(&self->s);
	EXPECT_EQ(-1, heard(self, SOON_MS));
	EXPECT_GT(before + 20, reads(&self->s));
	if (told)
		EXPECT_EQ(1, gate_count(&self->s.gate, SOCKGATE_N_READ_DEFERRED));
}

static void answer_all(FIXTURE_DATA(reader) *self, const struct answer *answer)
{
	int i, n = n_ids;

	self->script.answer[SOCKGATE_EVENT_ACCEPT] = answer;
	for (i = 0; i < n; i++)
		agent_answer(self->s.agent, ids[i], answer);
}

TEST_F(reader, allowed)
{
	expect_turned_away(_metadata, self, variant->told);
	answer_all(self, &agent_allow);
	EXPECT_EQ('x', heard(self, AT_ONCE_MS));
}

/* Whatever is tried, what came is not read; though the verdict is not remembered. */
TEST_F(reader, denied)
{
	expect_turned_away(_metadata, self, variant->told);
	answer_all(self, &script_refuse);
	EXPECT_EQ(FAILED + EPERM, heard(self, AT_ONCE_MS));
	if (!variant->told)
		return;
	EXPECT_EQ(FAILED + EPERM, heard(self, AT_ONCE_MS));
	EXPECT_EQ(0, gate_wait_count(&self->s.gate, SOCKGATE_N_CUT, 1));
}

/* The table's row is told once, and the connection asked about again. */
TEST_F(reader, no_verdict)
{
	const struct answer fail = {
		.action = SOCKGATE_ACTION_FAIL, .reason = SOCKGATE_REASON_DEADLINE,
	};

	expect_turned_away(_metadata, self, variant->told);
	answer_all(self, &fail);
	EXPECT_EQ(FAILED + EACCES, heard(self, AT_ONCE_MS));
	if (!variant->told)
		return;
	self->script.answer[SOCKGATE_EVENT_ACCEPT] = NULL;
	EXPECT_EQ(TURNED_AWAY, heard(self, AT_ONCE_MS));
}

/* Nobody can be asked: the row is told at once. */
TEST_F(reader, without_an_agent)
{
	const struct sockgate_failsafe list[] = {
		{ .events = EVENT(CONNECT) | EVENT(SEND) | EVENT(LISTEN),
		  .uid = SOCKGATE_UID_ANY },
	};
	struct pollfd p = { .fd = self->server.says, .events = POLLIN };
	struct scene *s = &self->s;
	int what = 0;

	ASSERT_EQ(0, gate_set_failsafes(&s->gate, list, 1));
	agent_close(s->agent);
	s->agent = NULL;
	send_all(self);
	ASSERT_EQ(1, poll(&p, 1, AT_ONCE_MS));
	ASSERT_EQ((ssize_t)sizeof(what), read(p.fd, &what, sizeof(what)));
	EXPECT_EQ(FAILED + EACCES, what);
	if (variant->told)
		EXPECT_EQ(0, gate_count(&s->gate, SOCKGATE_N_READ_DEFERRED));
}

TEST_HARNESS_MAIN
