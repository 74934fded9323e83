// SPDX-License-Identifier: GPL-2.0-only
/* The events of a socket's life that a policy may ask for: open, bind, and states. */
#include "kselftest_harness.h"
#include "script.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define V4 "127.0.0.1"

FIXTURE(events) {
	struct scene s;
	struct script script;
};

FIXTURE_SETUP(events)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->script = script_allowing();
}

FIXTURE_TEARDOWN(events)
{
	EXPECT_EQ(0, scene_strike(&self->s));
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
	child_fn program;
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
	self->script = script_allowing();
}

FIXTURE_TEARDOWN(open)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

static bool absent(const FIXTURE_VARIANT(open) *v)
{
	return v->program == open_mptcp && !net_has(SOCK_STREAM, IPPROTO_MPTCP);
}

TEST_F(open, asked_if_wanted)
{
	const struct ask *ask = &self->script.last[SOCKGATE_EVENT_OPEN];

	if (absent(variant))
		SKIP(return, "this kernel has no MPTCP");
	EXPECT_EQ(0, script_run(&self->s, &self->script, variant->program, NULL));
	EXPECT_EQ(variant->always, self->script.asked[SOCKGATE_EVENT_OPEN]);

	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_EVENTS, EVENT(OPEN)));
	self->script = script_allowing();
	EXPECT_EQ(0, script_run(&self->s, &self->script, variant->program, NULL));
	EXPECT_EQ(1, self->script.asked[SOCKGATE_EVENT_OPEN]);
	EXPECT_EQ(variant->family, ask->family);
	EXPECT_EQ(variant->protocol, ask->protocol);
	EXPECT_EQ(variant->rport, ask->rport);
	EXPECT_EQ(0, ask->lport);
	EXPECT_EQ(0, ask->laddr_len + ask->raddr_len);
}

TEST_F(open, refused)
{
	if (absent(variant))
		SKIP(return, "this kernel has no MPTCP");
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_EVENTS, EVENT(OPEN)));
	self->script.answer[SOCKGATE_EVENT_OPEN] = &script_refuse;
	EXPECT_EQ(EPERM, script_run(&self->s, &self->script, variant->program, NULL));
	self->script.answer[SOCKGATE_EVENT_OPEN] = &agent_deny;
	EXPECT_EQ(EACCES, script_run(&self->s, &self->script, variant->program, NULL));
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
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_EVENTS, SOCKGATE_EVENTS_OPTIONAL));
	EXPECT_EQ(0, script_run(&self->s, &self->script, open_local, NULL));
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
	int err = script_run(&self->s, &self->script, open_vsock, NULL);

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
	pid_t pid = child_start(open_packet, NULL);
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

	self->script = script_allowing();
	EXPECT_EQ(0, script_run(&self->s, &self->script, bind_there, &to));
	EXPECT_EQ(1, self->script.asked[SOCKGATE_EVENT_BIND]);
	EXPECT_EQ(1717, ask->lport);
	EXPECT_EQ(len, ask->laddr_len);
	EXPECT_TRUE(net_same(as, ask->laddr, len));
	EXPECT_EQ(0, ask->raddr_len);
}

TEST_F(events, bind)
{
	struct addr to = net_addr(V4, 1717);

	EXPECT_EQ(0, script_run(&self->s, &self->script, bind_there, &to));
	EXPECT_EQ(0, self->script.asked[SOCKGATE_EVENT_BIND]);

	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_EVENTS, EVENT(BIND)));
	expect_bind(_metadata, self, V4, V4, 4);
	expect_bind(_metadata, self, "::1", "::1", 16);
	expect_bind(_metadata, self, "::ffff:127.0.0.1", V4, 4);

	self->script.answer[SOCKGATE_EVENT_BIND] = &script_refuse;
	to = net_addr(V4, 1718);
	EXPECT_EQ(EPERM, script_run(&self->s, &self->script, bind_there, &to));
}

/* ---- what gives no leave --------------------------------------------------------- */

#define TAG 0x5a

static uint32_t mark_of(int fd)
{
	socklen_t size = sizeof(uint32_t);
	uint32_t mark = UINT32_MAX;

	getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &size);
	return mark;
}

/* Opens, binds, receives and sends: the errno of that, or a mark that it got. */
static int answer_one(const struct addr *at)
{
	int fd = socket(at->family, SOCK_DGRAM, 0);
	struct addr from = { .len = sizeof(from.in6) };
	char byte;

	if (bind(fd, &at->sa, at->len) ||
	    recvfrom(fd, &byte, 1, 0, &from.sa, &from.len) != 1)
		return CHILD_LOST;
	if (mark_of(fd))
		return TAG;
	if (sendto(fd, &byte, 1, 0, &from.sa, from.len) != 1)
		return errno;
	return mark_of(fd) ? TAG : 0;
}

FIXTURE(aside) {
	struct scene s;
	struct script script;
	struct answer allow;
	struct addr at;
};

FIXTURE_VARIANT(aside) {
	uint8_t event;
};

FIXTURE_VARIANT_ADD(aside, open) { SOCKGATE_EVENT_OPEN };
FIXTURE_VARIANT_ADD(aside, bind) { SOCKGATE_EVENT_BIND };
FIXTURE_VARIANT_ADD(aside, receive) { SOCKGATE_EVENT_RECEIVE };

FIXTURE_SETUP(aside)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_EVENTS,
				  1U << variant->event));
	self->at = net_addr(V4, 1719);
	self->allow = agent_allow;
	self->allow.tag = TAG;
	self->script = script_allowing();
	self->script.answer[variant->event] = &self->allow;
	self->script.answer[SOCKGATE_EVENT_SEND] = &agent_allow;
}

FIXTURE_TEARDOWN(aside)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

/* Has datagrams come to it until it ends: its exit status. */
static int be_answered(struct scene *s, struct script *script,
		       const struct addr *at)
{
	const struct addr to = net_addr("::ffff:" V4, ntohs(at->in.sin_port));
	pid_t pid = child_start(answer_one, at);
	int status, ms;

	for (ms = 0; ms < AT_ONCE_MS; ms++) {
		sendto(s->udp, "x", 1, 0, &to.sa, to.len);
		script_serve(s, script, 1);
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : CHILD_LOST;
	}
	return script_end(s, script, pid);
}

/* It may be made, or bound, or may receive: that is no leave to send, nor a tag. */
TEST_F(aside, is_no_leave)
{
	struct script *script = &self->script;

	EXPECT_EQ(0, be_answered(&self->s, script, &self->at));
	EXPECT_LE(1, script->asked[variant->event]);
	EXPECT_EQ(1, script->asked[SOCKGATE_EVENT_SEND]);
	script->answer[SOCKGATE_EVENT_SEND] = &script_refuse;
	EXPECT_EQ(EPERM, be_answered(&self->s, script, &self->at));
}

/* The same where it is known beforehand. */
TEST_F(aside, is_no_leave_when_known)
{
	struct script *script = &self->script;
	unsigned int asked;

	self->allow.lifetime = FAR_MS;
	self->allow.fields = SOCKGATE_F_EVENT | SOCKGATE_F_EXE;
	EXPECT_EQ(0, be_answered(&self->s, script, &self->at));
	asked = script->asked[variant->event];
	EXPECT_EQ(0, be_answered(&self->s, script, &self->at));
	EXPECT_EQ(asked, script->asked[variant->event]);
	EXPECT_EQ(2, script->asked[SOCKGATE_EVENT_SEND]);
}

/* ---- states -------------------------------------------------------------------- */

/* Connects, then waits for the connection to end: its error, or 0. */
static int stay(const struct addr *to)
{
	int fd = socket(to->family, SOCK_STREAM, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (connect(fd, &to->sa, to->len))
		return errno;
	return poll(&p, 1, SOON_MS) == 1 ? net_error(fd) : 0;
}

TEST_F(events, states)
{
	struct addr to = net_addr(V4, self->s.tcp_port);
	const struct ask *up = &self->script.last[SOCKGATE_EVENT_ESTABLISHED];
	const struct ask *down = &self->script.last[SOCKGATE_EVENT_CLOSE];

	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_EVENTS, EVENT(ESTABLISHED) | EVENT(CLOSE)));
	EXPECT_EQ(0, script_run(&self->s, &self->script, stay, &to));
	while (!self->script.asked[SOCKGATE_EVENT_CLOSE])
		script_serve(&self->s, &self->script, SOON_MS);
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

	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_EVENTS, EVENT(ESTABLISHED)));
	self->script.answer[SOCKGATE_EVENT_ESTABLISHED] = &script_refuse;
	EXPECT_EQ(EPERM, script_run(&self->s, &self->script, stay, &to));
	/* And when it is known beforehand. */
	struct answer known = script_refuse;

	known.lifetime = FAR_MS;
	known.fields = SOCKGATE_F_EVENT | SOCKGATE_F_EXE;
	known.error = ECONNREFUSED;
	self->script.answer[SOCKGATE_EVENT_ESTABLISHED] = &known;
	for (i = 0; i < 2; i++)
		EXPECT_EQ(ECONNREFUSED,
			  script_run(&self->s, &self->script, stay, &to));
	EXPECT_EQ(2, self->script.asked[SOCKGATE_EVENT_ESTABLISHED]);
}

/* Without an answer nothing is cut. */
TEST_F(events, established_and_no_answer)
{
	struct addr to = net_addr(V4, self->s.tcp_port);

	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_EVENTS, EVENT(ESTABLISHED)));
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_DEADLINE, 50));
	self->script.answer[SOCKGATE_EVENT_ESTABLISHED] = NULL;
	EXPECT_EQ(0, script_run(&self->s, &self->script, stay, &to));
	EXPECT_EQ(1, gate_failures(&self->s.gate, SOCKGATE_REASON_DEADLINE));
}

/* ---- posing as another program ---------------------------------------------------- */

static int pose(const struct addr *to)
{
	int fd = open("/bin/true", O_RDONLY | O_CLOEXEC);

	(void)to;
	if (fd < 0)
		return CHILD_LOST;
	return prctl(PR_SET_MM, PR_SET_MM_EXE_FILE, fd, 0, 0) ? errno : 0;
}

TEST_F(events, nobody_poses_as_another_program)
{
	EXPECT_EQ(EPERM, script_run(&self->s, &self->script, pose, NULL));
	EXPECT_EQ(1, gate_count(&self->s.gate, SOCKGATE_N_IMPOSTOR));
}

TEST_HARNESS_MAIN
