// SPDX-License-Identifier: GPL-2.0-only
/* The list of what is cached: what is told of a verdict, and while they come and go. */
#include "kselftest_harness.h"
#include "script.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <string.h>

#define TO "127.0.0.1"
#define MANY 2000
#define MORE 500
#define FIRST_PORT 1000
#define ROOM 65536

FIXTURE(list) {
	struct scene s;
	struct script script;
	struct answer answer;
	unsigned int told[65536];	/* how often, by port */
	struct sockgate_cached last;
	unsigned int n, messages;
	bool torn, done;
};

FIXTURE_SETUP(list)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->script = script_allowing();
	self->answer = script_remember;
	self->answer.fields = SOCKGATE_F_RADDR | SOCKGATE_F_RPORT;
	self->answer.rprefix = 32;
	self->script.answer[SOCKGATE_EVENT_CONNECT] = &self->answer;
}

FIXTURE_TEARDOWN(list)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

static int take(const struct nlattr *const attr[], void *arg)
{
	FIXTURE_DATA(list) *self = arg;

	if (!attr[SOCKGATE_A_ENTRY])
		return -1;
	memcpy(&self->last, mnl_attr_get_payload(attr[SOCKGATE_A_ENTRY]),
	       sizeof(self->last));
	self->told[ntohs(self->last.rport)]++;
	self->n++;
	return 0;
}

static void forget(FIXTURE_DATA(list) *self)
{
	memset(self->told, 0, sizeof(self->told));
	self->n = self->messages = 0;
	self->torn = self->done = false;
}

/* All of it.  Returns 0, or an errno. */
static int list(FIXTURE_DATA(list) *self)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 };
	struct genl *genl = self->s.gate.genl;

	forget(self);
	return genl_call(genl, genl_begin(genl, buf, SOCKGATE_CMD_GET_CACHE,
					  NLM_F_DUMP), take, self) ? errno : 0;
}

/* ---- one verdict ------------------------------------------------------------------ */

/* What the mask has not is not told: it is only the first caller's. */
TEST_F(list, of_one)
{
	static const uint8_t net[16] = { 127, 0 };
	struct scene *s = &self->s;
	struct call call = scene_connect(s, TO);

	self->answer.fields = SOCKGATE_F_EXE | SOCKGATE_F_UID |
			      SOCKGATE_F_RADDR | SOCKGATE_F_RPORT;
	self->answer.rprefix = 9;
	self->answer.tag = 0x21;
	ASSERT_EQ(1, scene_judge(s, &call, &self->answer));
	ASSERT_EQ(0, scene_judge(s, &call, &agent_deny));
	ASSERT_EQ(0, scene_judge(s, &call, &agent_deny));
	ASSERT_EQ(0, list(self));
	ASSERT_EQ(1, self->n);
	EXPECT_EQ(self->answer.fields | SOCKGATE_F_FAMILY, self->last.fields);
	EXPECT_STREQ("worker", self->last.program);
	EXPECT_EQ(s->ask.exe.ino, self->last.exe.ino);
	EXPECT_EQ(s->ask.exe.dev, self->last.exe.dev);
	EXPECT_EQ(s->ask.exe.ctime_ns, self->last.exe.ctime_ns);
	EXPECT_EQ(AF_INET, self->last.family);
	EXPECT_EQ(0, memcmp(net, self->last.raddr, sizeof(net)));
	EXPECT_EQ(9, self->last.rprefix);
	EXPECT_EQ(s->tcp_port, ntohs(self->last.rport));
	EXPECT_EQ(SOCKGATE_ACTION_ALLOW, self->last.action);
	EXPECT_EQ(0x21, self->last.tag);
	EXPECT_EQ(2, self->last.hits);
	EXPECT_LT(0, self->last.left_ms);
	EXPECT_GE(FAR_MS, self->last.left_ms);
	EXPECT_EQ(0, self->last.process.pid);
	EXPECT_EQ(0, self->last.process.start_ns);
	EXPECT_EQ(0, self->last.event);
	EXPECT_EQ(0, self->last.protocol);
	EXPECT_EQ(0, self->last.netns);
	EXPECT_EQ(0, self->last.cgroup);
}

TEST_F(list, of_a_refusal_for_anything)
{
	struct call call = scene_connect(&self->s, TO);
	struct answer deny = script_refuse;
	static const uint8_t none[16];

	deny.lifetime = FAR_MS;
	ASSERT_EQ(1, scene_judge(&self->s, &call, &deny));
	ASSERT_EQ(0, list(self));
	ASSERT_EQ(1, self->n);
	EXPECT_EQ(0, self->last.fields);
	EXPECT_EQ(SOCKGATE_ACTION_DENY, self->last.action);
	EXPECT_EQ(EPERM, self->last.error);
	/* Nor whose it was. */
	EXPECT_STREQ("", self->last.program);
	EXPECT_EQ(0, self->last.exe.ino);
	EXPECT_EQ(0, memcmp(none, self->last.raddr, sizeof(none)));
	EXPECT_EQ(0, self->last.rport);
}

/* What would be found no more is not told: its time, or its policy, is over. */
TEST_F(list, of_what_is_over)
{
	struct call call = scene_connect(&self->s, TO);

	self->answer.lifetime = 300;
	ASSERT_EQ(1, scene_judge(&self->s, &call, &self->answer));
	ASSERT_EQ(0, list(self));
	EXPECT_EQ(1, self->n);
	do {
		ASSERT_EQ(0, list(self));
		gate_nap();
	} while (self->n);
	self->answer.lifetime = FAR_MS;
	ASSERT_EQ(1, scene_judge(&self->s, &call, &self->answer));
	ASSERT_EQ(0, list(self));
	EXPECT_EQ(1, self->n);
	ASSERT_EQ(0, agent_set_generation(self->s.agent, 3));
	ASSERT_EQ(0, list(self));
	EXPECT_EQ(0, self->n);
	ASSERT_EQ(0, agent_set_generation(self->s.agent, 0));
}

/* ---- many ------------------------------------------------------------------------- */

/* One question for each port from that of the address. */
static int ask_for(const struct addr *to, unsigned int n)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint16_t port = ntohs(to->in.sin_port);
	struct addr at = *to;
	unsigned int i;

	for (i = 0; i < n; i++) {
		at.in.sin_port = htons((uint16_t)(port + i));
		if (connect(fd, &at.sa, at.len))
			return 1;
	}
	return 0;
}

static int ask_for_many(const struct addr *to)
{
	return ask_for(to, MANY);
}

static int ask_for_more(const struct addr *to)
{
	return ask_for(to, MORE);
}

static int cache(FIXTURE_DATA(list) *self, child_fn fill, uint16_t port)
{
	const struct addr to = net_addr(TO, port);

	return script_run(&self->s, &self->script, fill, &to);
}

/* How many ports from one on were not told exactly so often. */
static unsigned int not_told(const FIXTURE_DATA(list) *self, unsigned int port,
			     unsigned int n, unsigned int times)
{
	unsigned int i, wrong = 0;

	for (i = port; i < port + n; i++)
		wrong += self->told[i] != times;
	return wrong;
}

TEST_F(list, of_none)
{
	ASSERT_EQ(0, list(self));
	EXPECT_EQ(0, self->n);
}

TEST_F(list, of_many)
{
	struct gate_status st;

	ASSERT_EQ(0, cache(self, ask_for_many, FIRST_PORT));
	ASSERT_EQ(0, list(self));
	EXPECT_EQ(MANY, self->n);
	EXPECT_EQ(0, not_told(self, FIRST_PORT, MANY, 1));
	ASSERT_EQ(0, gate_status(&self->s.gate, &st));
	EXPECT_EQ(MANY, st.cached);
	EXPECT_EQ(1, st.masks);
}

/* ---- part by part ----------------------------------------------------------------- */

static void begin_list(struct __test_metadata *_metadata,
		       FIXTURE_DATA(list) *self)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 };
	struct genl *genl = self->s.gate.genl;

	forget(self);
	ASSERT_EQ(0, genl_send(genl, genl_begin(genl, buf, SOCKGATE_CMD_GET_CACHE,
						NLM_F_DUMP)));
}

/* The next message, of which there may be more in the socket. */
static void list_on(struct __test_metadata *_metadata, FIXTURE_DATA(list) *self)
{
	static char buf[ROOM] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlattr *attr[SOCKGATE_A_MAX + 1];
	const struct nlmsghdr *nlh = (struct nlmsghdr *)buf;
	int rest = (int)recv(genl_fd(self->s.gate.genl), buf, sizeof(buf), 0);

	ASSERT_LT(0, rest);
	self->messages++;
	for (; mnl_nlmsg_ok(nlh, rest); nlh = mnl_nlmsg_next(nlh, &rest)) {
		self->torn |= !!(nlh->nlmsg_flags & NLM_F_DUMP_INTR);
		self->done |= nlh->nlmsg_type == NLMSG_DONE;
		if (self->done)
			break;
		ASSERT_EQ(0, genl_parse(nlh, attr));
		ASSERT_EQ(0, take(attr, self));
	}
}

static void list_to_end(struct __test_metadata *_metadata,
			FIXTURE_DATA(list) *self)
{
	while (!self->done)
		list_on(_metadata, self);
}

/* Control: it takes several, or there would be nothing to begin again from. */
TEST_F(list, in_parts)
{
	ASSERT_EQ(0, cache(self, ask_for_many, FIRST_PORT));
	begin_list(_metadata, self);
	list_to_end(_metadata, self);
	EXPECT_EQ(0, not_told(self, FIRST_PORT, MANY, 1));
	EXPECT_LT(8, self->messages);
	EXPECT_FALSE(self->torn);
}

/*
 * Between two parts the oldest are evicted and new ones come: who stays is told once,
 * and nobody twice.
 */
TEST_F(list, while_they_come_and_go)
{
	unsigned int i, twice = 0;

	ASSERT_EQ(0, cache(self, ask_for_many, FIRST_PORT));
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_MAX_CACHED, MANY));
	begin_list(_metadata, self);
	list_on(_metadata, self);
	ASSERT_FALSE(self->done);
	ASSERT_EQ(0, cache(self, ask_for_more, FIRST_PORT + MANY));
	list_to_end(_metadata, self);
	EXPECT_FALSE(self->torn);
	EXPECT_EQ(MORE, gate_count(&self->s.gate, SOCKGATE_N_EVICTED));
	EXPECT_EQ(0, not_told(self, FIRST_PORT + MORE, MANY - MORE, 1));
	for (i = 0; i < ARRAY_SIZE(self->told); i++)
		twice += self->told[i] > 1;
	EXPECT_EQ(0, twice);
}

/* Those of two policies make no list: it says so, and lib/genl.c says so too. */
TEST_F(list, while_the_policy_changes)
{
	ASSERT_EQ(0, cache(self, ask_for_many, FIRST_PORT));
	begin_list(_metadata, self);
	list_on(_metadata, self);
	EXPECT_FALSE(self->torn);
	ASSERT_EQ(0, agent_set_generation(self->s.agent, 1));
	list_to_end(_metadata, self);
	EXPECT_TRUE(self->torn);
	EXPECT_GT(MANY, self->n);
	ASSERT_EQ(0, list(self));
	EXPECT_EQ(0, self->n);
	ASSERT_EQ(0, agent_set_generation(self->s.agent, 0));
}

/* ---- who may, and how --------------------------------------------------------------- */

TEST_F(list, not_without_dump)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 };
	struct genl *genl = self->s.gate.genl;

	EXPECT_EQ(-1, genl_call(genl, genl_begin(genl, buf, SOCKGATE_CMD_GET_CACHE, 0),
				take, self));
	EXPECT_EQ(EOPNOTSUPP, errno);
}

TEST_HARNESS_MAIN
