// SPDX-License-Identifier: GPL-2.0-only
/* Messages that make no sense, and senders that may not: errors, never harm. */
#include "kselftest_harness.h"
#include "scene.h"

#include <linux/genetlink.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/syscall.h>

#define TO "127.0.0.1"
#define ROOM 65536

FIXTURE(netlink) {
	struct scene s;
	struct call call;
	char buf[ROOM] __attribute__((aligned(NLMSG_ALIGNTO)));
};

FIXTURE_SETUP(netlink)
{
	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, scene_agent(&self->s));
	self->call = scene_connect(&self->s, TO);
}

/* After whatever a test did, the next caller is served as ever. */
FIXTURE_TEARDOWN(netlink)
{
	if (self->s.agent) {
		EXPECT_EQ(0, gate_wait_pending(&self->s.gate, 0));
		EXPECT_EQ(1, scene_judge(&self->s, &self->call, &agent_allow));
		EXPECT_EQ(0, self->s.outcome.error);
	}
	EXPECT_EQ(0, scene_strike(&self->s));
}

static struct nlmsghdr *begin(FIXTURE_DATA(netlink) *self, uint8_t cmd)
{
	return genl_begin(self->s.gate.genl, self->buf, cmd, 0);
}

/* Of the administrator's socket. */
static int call(FIXTURE_DATA(netlink) *self, struct nlmsghdr *nlh)
{
	return genl_call(self->s.gate.genl, nlh, NULL, NULL) ? errno : 0;
}

/* Whether nothing was set or counted between two looks. */
static bool unchanged(const struct gate_status *before,
		      const struct gate_status *after)
{
	struct gate_status b = *before, a = *after;

	/* Sending the messages calls a hook. */
	memset(b.hook, 0, sizeof(b.hook));
	memset(a.hook, 0, sizeof(a.hook));
	return !memcmp(&b, &a, sizeof(b));
}

/* ---- shapes -------------------------------------------------------------------- */

TEST_F(netlink, unknown_command)
{
	unsigned int cmd;

	for (cmd = 0; cmd < 256; cmd++) {
		if (cmd >= SOCKGATE_CMD_REGISTER && cmd <= SOCKGATE_CMD_MAX &&
		    cmd != SOCKGATE_CMD_ASK && cmd != SOCKGATE_CMD_GET_CACHE)
			continue;
		EXPECT_EQ(EOPNOTSUPP, call(self, begin(self, (uint8_t)cmd)));
	}
}

TEST_F(netlink, no_attributes)
{
	static const uint8_t cmds[] = {
		SOCKGATE_CMD_ANSWER,
		SOCKGATE_CMD_OPEN_EXE,
		SOCKGATE_CMD_SET_GENERATION,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++)
		EXPECT_EQ(EINVAL, agent_call(self->s.agent, begin(self, cmds[i])));
	/* Nothing to set is not wrong. */
	EXPECT_EQ(0, call(self, begin(self, SOCKGATE_CMD_SET_CONFIG)));
}

/* The attribute of each command at each wrong size. */
TEST_F(netlink, wrong_size)
{
	static const struct {
		uint8_t cmd;
		uint16_t attr;
		size_t size;
		int err;	/* then: there is no such request */
	} cases[] = {
		{ SOCKGATE_CMD_ANSWER, SOCKGATE_A_ANSWER,
		  sizeof(struct sockgate_answer), ENOENT },
		{ SOCKGATE_CMD_OPEN_EXE, SOCKGATE_A_ID, 8, ENOENT },
		{ SOCKGATE_CMD_SET_GENERATION, SOCKGATE_A_GENERATION, 4, 0 },
	};
	static const char zeros[2 * sizeof(struct sockgate_answer)];
	struct nlmsghdr *nlh;
	size_t i, size;
	int err;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size = 0; size <= sizeof(zeros); size++) {
			nlh = begin(self, cases[i].cmd);
			mnl_attr_put(nlh, cases[i].attr, size, zeros);
			err = size == cases[i].size ? cases[i].err : EINVAL;
			EXPECT_EQ(err, agent_call(self->s.agent, nlh)) {
				TH_LOG("command %d, %zu bytes", cases[i].cmd,
				       size);
			}
		}
	}
}

/* An answer is one attribute of one kind. */
TEST_F(netlink, answer_and_more)
{
	static const struct sockgate_answer answer = {
		.id = 1, .action = SOCKGATE_ACTION_ALLOW,
	};
	struct nlmsghdr *nlh = begin(self, SOCKGATE_CMD_ANSWER);

	mnl_attr_put(nlh, SOCKGATE_A_ASK, sizeof(answer), &answer);
	EXPECT_EQ(EINVAL, agent_call(self->s.agent, nlh));
	nlh = begin(self, SOCKGATE_CMD_ANSWER);
	mnl_attr_put(nlh, SOCKGATE_A_ANSWER | NLA_F_NESTED, sizeof(answer),
		     &answer);
	EXPECT_EQ(EINVAL, agent_call(self->s.agent, nlh));
	nlh = begin(self, SOCKGATE_CMD_ANSWER);
	mnl_attr_put(nlh, SOCKGATE_A_ANSWER, sizeof(answer), &answer);
	mnl_attr_put_u64(nlh, SOCKGATE_A_ID, 1);
	EXPECT_EQ(EINVAL, agent_call(self->s.agent, nlh));
}

/* A length that leads out of the message, or into itself. */
TEST_F(netlink, attribute_length)
{
	static const uint16_t lengths[] = { 0, 1, 3, 13, 200, 0xffff };
	static const struct sockgate_answer answer;
	struct nlmsghdr *nlh;
	struct nlattr *a;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		nlh = begin(self, SOCKGATE_CMD_OPEN_EXE);
		a = mnl_nlmsg_get_payload_tail(nlh);
		mnl_attr_put_u64(nlh, SOCKGATE_A_ID, 1);
		a->nla_len = lengths[i];
		EXPECT_EQ(EINVAL, agent_call(self->s.agent, nlh));
		nlh = begin(self, SOCKGATE_CMD_ANSWER);
		a = mnl_nlmsg_get_payload_tail(nlh);
		mnl_attr_put(nlh, SOCKGATE_A_ANSWER, sizeof(answer), &answer);
		a->nla_len = lengths[i];
		EXPECT_EQ(EINVAL, agent_call(self->s.agent, nlh));
	}
}

TEST_F(netlink, unknown_attribute)
{
	struct nlmsghdr *nlh = begin(self, SOCKGATE_CMD_SET_GENERATION);

	mnl_attr_put_u32(nlh, SOCKGATE_A_GENERATION, 0);
	mnl_attr_put_u32(nlh, SOCKGATE_A_MAX + 1, 0);
	EXPECT_EQ(EINVAL, agent_call(self->s.agent, nlh));
	nlh = begin(self, SOCKGATE_CMD_SET_GENERATION);
	mnl_attr_put_u32(nlh, SOCKGATE_A_GENERATION, 0);
	mnl_attr_put_u32(nlh, 0x3fff, 0);
	EXPECT_EQ(EINVAL, agent_call(self->s.agent, nlh));
}

/* A message shorter than its headers. */
TEST_F(netlink, short_message)
{
	struct nlmsghdr *nlh = begin(self, SOCKGATE_CMD_GET_STATUS);

	nlh->nlmsg_len = NLMSG_HDRLEN;
	EXPECT_EQ(EINVAL, call(self, nlh));
	nlh = begin(self, SOCKGATE_CMD_GET_STATUS);
	nlh->nlmsg_len = NLMSG_HDRLEN + 1;
	EXPECT_EQ(EINVAL, call(self, nlh));
}

/* Bytes from a generator with a fixed seed, in the family's name. */
TEST_F(netlink, noise)
{
	uint32_t seed = 2463534242, i, j, size;
	struct nlmsghdr *nlh;

	for (i = 0; i < 5000; i++) {
		seed ^= seed << 13, seed ^= seed >> 17, seed ^= seed << 5;
		/* REGISTER of a second socket is no noise. */
		nlh = begin(self, 2 + seed % SOCKGATE_CMD_MAX);
		size = seed >> 8 & 0xff;
		for (j = 0; j < size; j++) {
			seed ^= seed << 13, seed ^= seed >> 17, seed ^= seed << 5;
			((char *)nlh)[nlh->nlmsg_len + j] = (char)seed;
		}
		/* Often a plausible first attribute, so that more is looked at. */
		if (size >= 8 && i % 2) {
			struct nlattr *a = mnl_nlmsg_get_payload_offset(nlh,
					sizeof(struct genlmsghdr));
			a->nla_len = 4 + seed % 12;
			a->nla_type = 1 + (seed >> 4) % SOCKGATE_A_MAX;
		}
		nlh->nlmsg_len += size;
		agent_call(self->s.agent, nlh);
	}
	/* It may have set what may be set; it must not have broken anything. */
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_DEADLINE, 10000));
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_MAX_PENDING, 4096));
}

/* ---- answers --------------------------------------------------------------------- */

TEST_F(netlink, answer_to_nothing)
{
	static const uint64_t ids[] = { 0, 1, 77, UINT64_MAX };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ids); i++)
		EXPECT_EQ(ENOENT, agent_answer(self->s.agent, ids[i], &agent_allow));
	EXPECT_EQ(i, gate_count(&self->s.gate, SOCKGATE_N_LATE));
	EXPECT_EQ(-ENOENT, agent_open_exe(self->s.agent, 1));
}

/* The first of two answers counts. */
TEST_F(netlink, two_answers)
{
	struct scene *s = &self->s;

	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	EXPECT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_deny));
	EXPECT_EQ(ENOENT, agent_answer(s->agent, s->ask.id, &agent_allow));
	ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
	EXPECT_EQ(EACCES, s->outcome.error);
	EXPECT_EQ(1, gate_count(&s->gate, SOCKGATE_N_LATE));
	EXPECT_EQ(-ENOENT, agent_open_exe(s->agent, s->ask.id));
}

/*
 * What makes no sense is refused with EINVAL, and the caller gets the row for it
 * at once rather than wait for the deadline.
 */
static const struct answer senseless[] = {
	{ .action = SOCKGATE_ACTION_UNSPEC },
	{ .action = SOCKGATE_ACTION_FAILSAFE },
	{ .action = SOCKGATE_ACTION_MAX + 1 },
	{ .action = 255 },
	{ .action = SOCKGATE_ACTION_DENY },
	{ .action = SOCKGATE_ACTION_DENY, .error = EAGAIN },
	{ .action = SOCKGATE_ACTION_DENY, .error = 512 /* ERESTARTSYS */ },
	{ .action = SOCKGATE_ACTION_DENY, .error = EACCES + 65536 },
	{ .action = SOCKGATE_ACTION_DENY, .error = (uint32_t)-EACCES },
	{ .action = SOCKGATE_ACTION_ALLOW, .fields = SOCKGATE_F_ALL + 1 },
	{ .action = SOCKGATE_ACTION_ALLOW, .fields = UINT32_MAX },
	{ .action = SOCKGATE_ACTION_ALLOW, .fields = SOCKGATE_F_RADDR,
	  .rprefix = 129 },
	{ .action = SOCKGATE_ACTION_ALLOW, .fields = SOCKGATE_F_LADDR,
	  .lprefix = 255 },
	{ .action = SOCKGATE_ACTION_ALLOW, .tag = 0x100 },
	{ .action = SOCKGATE_ACTION_ALLOW, .tag = UINT32_MAX },
	{ .action = SOCKGATE_ACTION_FAIL },
	{ .action = SOCKGATE_ACTION_FAIL, .reason = SOCKGATE_REASON_MAX + 1 },
	{ .action = SOCKGATE_ACTION_FAIL, .reason = 255 },
};

TEST_F(netlink, senseless_answer)
{
	struct scene *s = &self->s;
	struct answer answer;
	size_t i;

	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, 100000));
	ASSERT_EQ(0, gate_set_row(&s->gate, SOCKGATE_REASON_BAD_ANSWER,
				  SOCKGATE_ACTION_DENY, ECONNREFUSED));
	for (i = 0; i < ARRAY_SIZE(senseless); i++) {
		answer = senseless[i];
		answer.lifetime = 100000;
		ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
		EXPECT_EQ(EINVAL, agent_answer(s->agent, s->ask.id, &answer)) {
			TH_LOG("answer %zu", i);
		}
		ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
		EXPECT_EQ(ECONNREFUSED, s->outcome.error);
	}
	EXPECT_EQ(i, gate_failures(&s->gate, SOCKGATE_REASON_BAD_ANSWER));
	EXPECT_EQ(i, gate_count(&s->gate, SOCKGATE_N_ASKED));
}

/* ---- who may ------------------------------------------------------------------------ */

/* An administrator is not the agent. */
TEST_F(netlink, answer_by_another)
{
	struct sockgate_answer allow = { .action = SOCKGATE_ACTION_ALLOW };
	struct nlmsghdr *nlh;
	struct scene *s = &self->s;

	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	allow.id = s->ask.id;
	nlh = begin(self, SOCKGATE_CMD_ANSWER);
	mnl_attr_put(nlh, SOCKGATE_A_ANSWER, sizeof(allow), &allow);
	EXPECT_EQ(EPERM, call(self, nlh));
	EXPECT_EQ(0, gate_wait_pending(&s->gate, 1));
	EXPECT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_deny));
	ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
	EXPECT_EQ(EACCES, s->outcome.error);
}

/* Nobody but the kernel gets a message into a socket of lib/genl.c, not even root. */
TEST_F(netlink, message_of_another)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	struct nlmsghdr *nlh = begin(self, SOCKGATE_CMD_ASK);
	socklen_t len = sizeof(to);
	int fd;

	ASSERT_EQ(0, getsockname(genl_fd(self->s.gate.genl),
				 (struct sockaddr *)&to, &len));
	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, sendto(fd, nlh, nlh->nlmsg_len, 0,
			     (struct sockaddr *)&to, sizeof(to)));
	EXPECT_EQ(ECONNREFUSED, errno);
	close(fd);
}

#define CALLERS 16

/*
 * Reads all the questions that came, then answers them: as long as there are some,
 * the socket takes no acknowledgement.  Returns how many, or -1.
 */
static int answer_all(struct agent *a)
{
	struct ask ask[CALLERS];
	int i, n = 0, got;

	do {
		got = agent_next(a, &ask[n], 0);
		n += got > 0;
	} while (got > 0 || (got < 0 && errno == ENOBUFS));
	for (i = 0; i < n; i++)
		if (agent_answer(a, ask[i].id, &agent_allow))
			return -1;
	return got < 0 ? -1 : n;
}

/* The agent does not read: the questions that its socket cannot take fail at once. */
TEST_F(netlink, busy_agent)
{
	struct outcome outcome[CALLERS] = { 0 };
	unsigned int i, allowed = 0, refused = 0;
	struct worker w[CALLERS];
	int one = 1;

	ASSERT_EQ(0, gate_set_row(&self->s.gate, SOCKGATE_REASON_AGENT_BUSY,
				  SOCKGATE_ACTION_DENY, EPERM));
	ASSERT_EQ(0, gate_begin(&self->s.gate));
	ASSERT_EQ(0, setsockopt(agent_fd(self->s.agent), SOL_SOCKET, SO_RCVBUF,
				&one, sizeof(one)));
	for (i = 0; i < CALLERS; i++) {
		ASSERT_EQ(0, worker_start(&w[i], NULL));
		ASSERT_EQ(0, worker_tell(&w[i], &self->call));
		ASSERT_EQ(0, gate_wait_count(&self->s.gate, SOCKGATE_N_ASKED,
					     i + 1));
		/* Its question is sent, or has failed. */
		worker_wait_state(&w[i], 'S');
	}
	/* Nobody reads, and yet the last of them knows. */
	ASSERT_EQ(0, worker_hear(&w[CALLERS - 1], &outcome[CALLERS - 1]));
	EXPECT_EQ(EPERM, outcome[CALLERS - 1].error);
	EXPECT_LT(0, answer_all(self->s.agent));
	for (i = 0; i < CALLERS; i++) {
		if (i < CALLERS - 1)
			ASSERT_EQ(0, worker_hear(&w[i], &outcome[i]));
		EXPECT_EQ(0, outcome[i].unready);
		allowed += !outcome[i].error;
		refused += outcome[i].error == EPERM;
		worker_end(&w[i]);
	}
	EXPECT_LT(0, allowed);
	EXPECT_EQ(CALLERS, allowed + refused);
	EXPECT_EQ(refused, gate_failures(&self->s.gate,
					 SOCKGATE_REASON_AGENT_BUSY));
}

TEST_F(netlink, second_agent)
{
	struct agent *more[SOCKGATE_MAX_SOCKETS];
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	int err, i;

	EXPECT_EQ(-EBUSY, agent_fork(self->s.gate.genl, NULL, 0));
	/* The same process may have more sockets, up to the limit. */
	for (i = 1; i < SOCKGATE_MAX_SOCKETS; i++) {
		more[i] = agent_open(self->s.gate.genl, &err);
		ASSERT_NE(NULL, more[i]);
	}
	EXPECT_EQ(NULL, agent_open(self->s.gate.genl, &err));
	EXPECT_EQ(ENOSPC, err);
	for (i = 1; i < SOCKGATE_MAX_SOCKETS; i++)
		agent_close(more[i]);
	EXPECT_EQ(EEXIST, agent_call(self->s.agent,
				     genl_begin(self->s.gate.genl, buf,
						SOCKGATE_CMD_REGISTER, 0)));
}

/* What a child may not do, each command in turn; returns how many it could. */
static int all_commands(struct genl *genl)
{
	char buf[512] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nlh;
	int cmd, could = 0;

	for (cmd = SOCKGATE_CMD_REGISTER; cmd <= SOCKGATE_CMD_MAX; cmd++) {
		if (cmd == SOCKGATE_CMD_ASK)
			continue;
		nlh = genl_begin(genl, buf, (uint8_t)cmd,
				 cmd == SOCKGATE_CMD_GET_CACHE ? NLM_F_DUMP : 0);
		mnl_attr_put_u64(nlh, SOCKGATE_A_ID, 1);
		mnl_attr_put_u32(nlh, SOCKGATE_A_GENERATION, 9);
		mnl_attr_put_u32(nlh, SOCKGATE_A_DEADLINE, 1);
		if (!genl_call(genl, nlh, NULL, NULL) || errno != EPERM)
			could++;
	}
	return could;
}

/* Opens its own socket as what it has become; exits with what it could do. */
static pid_t child_of(bool (*become)(void))
{
	pid_t pid = fork();
	struct genl *genl;
	char why[256];

	if (pid)
		return pid;
	if (!become())
		_exit(100);
	genl = genl_open(why, sizeof(why));
	_exit(genl ? all_commands(genl) : 101);
}

static bool become_nobody(void)
{
	return !syscall(SYS_setresuid, 65534, 65534, 65534);
}

static bool become_namespace_root(void)
{
	return become_nobody() && !unshare(CLONE_NEWUSER);
}

static bool become_network_root(void)
{
	return !unshare(CLONE_NEWUSER | CLONE_NEWNET);
}

static int could(bool (*become)(void))
{
	int status;
	pid_t pid = child_of(become);

	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

TEST_F(netlink, unprivileged)
{
	struct gate_status before, after;

	ASSERT_EQ(0, gate_status(&self->s.gate, &before));
	EXPECT_EQ(0, could(become_nobody));
	ASSERT_EQ(0, gate_status(&self->s.gate, &after));
	EXPECT_TRUE(unchanged(&before, &after));
}

/* Root of a user namespace of its own is nobody here. */
TEST_F(netlink, namespace_root)
{
	struct gate_status before, after;

	ASSERT_EQ(0, gate_status(&self->s.gate, &before));
	EXPECT_EQ(0, could(become_namespace_root));
	ASSERT_EQ(0, gate_status(&self->s.gate, &after));
	EXPECT_TRUE(unchanged(&before, &after));
}

/* The family is not even there in another network namespace. */
TEST_F(netlink, other_network_namespace)
{
	EXPECT_EQ(101, could(become_network_root));
}

/* ---- configuration --------------------------------------------------------------------- */

TEST_F(netlink, config_ranges)
{
	static const struct {
		uint16_t attr;
		uint32_t value;
		int err;
	} values[] = {
		{ SOCKGATE_A_DEADLINE, 0, ERANGE },
		{ SOCKGATE_A_DEADLINE, 1, 0 },
		{ SOCKGATE_A_DEADLINE, 100000, 0 },
		{ SOCKGATE_A_DEADLINE, 100001, ERANGE },
		{ SOCKGATE_A_DEADLINE, UINT32_MAX, ERANGE },
		{ SOCKGATE_A_MAX_PENDING, 0, ERANGE },
		{ SOCKGATE_A_MAX_PENDING, 1, 0 },
		{ SOCKGATE_A_MAX_PENDING, 65536, 0 },
		{ SOCKGATE_A_MAX_PENDING, 65537, ERANGE },
		{ SOCKGATE_A_MAX_CACHED, 0, 0 },
		{ SOCKGATE_A_MAX_CACHED, 1048576, 0 },
		{ SOCKGATE_A_MAX_CACHED, 1048577, ERANGE },
		{ SOCKGATE_A_MARK_MASK, 0, 0 },
		{ SOCKGATE_A_MARK_MASK, UINT32_MAX, 0 },
	};
	struct gate_status s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(values); i++)
		EXPECT_EQ(values[i].err, gate_set_u32(&self->s.gate,
						      values[i].attr,
						      values[i].value)) {
			TH_LOG("value %zu", i);
		}
	ASSERT_EQ(0, gate_status(&self->s.gate, &s));
	EXPECT_EQ(100000, s.deadline);
	EXPECT_EQ(65536, s.max_pending);
	EXPECT_EQ(1048576, s.max_cached);
	EXPECT_EQ(UINT32_MAX, s.mark_mask);
}

TEST_F(netlink, config_rows)
{
	static const struct sockgate_failure bad[] = {
		{ SOCKGATE_REASON_UNSPEC, SOCKGATE_ACTION_DENY, EPERM },
		{ SOCKGATE_REASON_MAX + 1, SOCKGATE_ACTION_DENY, EPERM },
		{ 255, SOCKGATE_ACTION_DENY, EPERM },
		{ SOCKGATE_REASON_DEADLINE, SOCKGATE_ACTION_UNSPEC, EPERM },
		{ SOCKGATE_REASON_DEADLINE, SOCKGATE_ACTION_FAIL, EPERM },
		{ SOCKGATE_REASON_DEADLINE, 200, EPERM },
		{ SOCKGATE_REASON_DEADLINE, SOCKGATE_ACTION_DENY, 0 },
		{ SOCKGATE_REASON_DEADLINE, SOCKGATE_ACTION_DENY, EINTR },
		{ SOCKGATE_REASON_DEADLINE, SOCKGATE_ACTION_DENY, 512 },
	};
	struct gate_status before, after;
	size_t i;

	ASSERT_EQ(0, gate_status(&self->s.gate, &before));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(EINVAL, gate_set_row(&self->s.gate, bad[i].reason,
					       bad[i].action, bad[i].error)) {
			TH_LOG("row %zu", i);
		}
	ASSERT_EQ(0, gate_status(&self->s.gate, &after));
	EXPECT_EQ(0, memcmp(before.row, after.row, sizeof(before.row)));
}

TEST_F(netlink, config_failsafes)
{
	static const struct sockgate_failsafe bad[] = {
		{ .events = 0 },
		{ .events = 1U << __SOCKGATE_EVENT_MAX },
		{ .events = 4, .family = AF_UNIX },
		{ .events = 4, .family = AF_INET, .prefix = 33 },
		{ .events = 4, .family = AF_INET6, .prefix = 129 },
		{ .events = 4, .prefix = 8 },
		{ .events = 4, .rport_min = 2, .rport_max = 1 },
		{ .events = 4, .lport_min = 1, .lport_max = 0 },
		{ .events = 4, .family = AF_PACKET, .protocol = IPPROTO_UDP },
		{ .events = 4, .family = AF_PACKET, .prefix = 1,
		  .protocol = SOCKGATE_PROTOCOL_PACKET },
	};
	static const struct sockgate_failsafe past_the_gate[] = {
		{ .events = 2, .family = AF_PACKET,
		  .protocol = SOCKGATE_PROTOCOL_PACKET },
		{ .events = 2, .family = AF_VSOCK,
		  .protocol = SOCKGATE_PROTOCOL_OTHER },
	};
	static struct sockgate_failsafe many[SOCKGATE_MAX_FAILSAFES + 1];
	struct gate_status before, after;
	struct gate *g = &self->s.gate;
	size_t i;

	ASSERT_EQ(0, gate_status(g, &before));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(EINVAL, gate_set_failsafes(g, &bad[i], 1)) {
			TH_LOG("entry %zu", i);
		}
	for (i = 0; i < ARRAY_SIZE(many); i++)
		many[i].events = 4;
	EXPECT_EQ(E2BIG, gate_set_failsafes(g, many, ARRAY_SIZE(many)));
	ASSERT_EQ(0, gate_status(g, &after));
	EXPECT_EQ(before.n_failsafes, after.n_failsafes);
	EXPECT_EQ(0, memcmp(before.failsafe, after.failsafe,
			    sizeof(before.failsafe)));
	EXPECT_EQ(0, gate_set_failsafes(g, past_the_gate,
					ARRAY_SIZE(past_the_gate)));
	/* As many as there may be fit, and into the status too. */
	EXPECT_EQ(0, gate_set_failsafes(g, many, SOCKGATE_MAX_FAILSAFES));
	ASSERT_EQ(0, gate_status(g, &after));
	EXPECT_EQ(SOCKGATE_MAX_FAILSAFES, after.n_failsafes);
}

/* One attribute that is wrong, and none is taken. */
TEST_F(netlink, config_all_or_nothing)
{
	const struct sockgate_failure row = {
		SOCKGATE_REASON_DEADLINE, SOCKGATE_ACTION_ALLOW, EPERM,
	};
	const struct sockgate_failsafe wrong = { .events = 0 };
	struct gate_status before, after;
	struct nlmsghdr *nlh;
	int which;

	ASSERT_EQ(0, gate_status(&self->s.gate, &before));
	for (which = 0; which < 5; which++) {
		nlh = begin(self, SOCKGATE_CMD_SET_CONFIG);
		mnl_attr_put_u32(nlh, SOCKGATE_A_DEADLINE, which ? 77 : 0);
		mnl_attr_put_u32(nlh, SOCKGATE_A_MAX_PENDING, which == 1 ? 0 : 77);
		mnl_attr_put_u32(nlh, SOCKGATE_A_MAX_CACHED,
				 which == 2 ? UINT32_MAX : 77);
		mnl_attr_put_u32(nlh, SOCKGATE_A_MARK_MASK, 0x77);
		mnl_attr_put(nlh, SOCKGATE_A_FAILURES,
			     which == 3 ? sizeof(row) - 1 : sizeof(row), &row);
		mnl_attr_put(nlh, SOCKGATE_A_FAILSAFES,
			     which == 4 ? sizeof(wrong) : 0, &wrong);
		EXPECT_EQ(which < 3 ? ERANGE : EINVAL, call(self, nlh));
	}
	ASSERT_EQ(0, gate_status(&self->s.gate, &after));
	EXPECT_TRUE(unchanged(&before, &after));
}

/* ---- the executable -------------------------------------------------------------------- */

TEST_F(netlink, exe_is_read_only)
{
	struct scene *s = &self->s;
	struct nlmsghdr *nlh;
	int fd;

	ASSERT_EQ(0, scene_hold(s, &s->worker, &self->call));
	fd = agent_open_exe(s->agent, s->ask.id);
	EXPECT_LE(0, fd);
	EXPECT_EQ(-1, write(fd, "x", 1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	close(fd);
	nlh = begin(self, SOCKGATE_CMD_OPEN_EXE);
	mnl_attr_put_u64(nlh, SOCKGATE_A_ID, s->ask.id + 1);
	EXPECT_EQ(ENOENT, agent_call(s->agent, nlh));
	EXPECT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_allow));
	ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
}

TEST_HARNESS_MAIN
