// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tag of a verdict in the mark of packets: what nftables and conntrack of the
 * host see of it, and what the application can do about it.
 */
#include "kselftest_harness.h"
#include "child.h"
#include "scene.h"

#include <poll.h>
#include <stdio.h>

#define V4 "127.0.0.1"
#define FAR_MS 100000U

/* What the application wants in its mark: at first, later, and in one message. */
#define OWN_MARK 0x010001ffU
#define LATER_MARK 0x020002ffU
#define MESSAGE_MARK 0x030003ffU

FIXTURE(tagged) {
	struct scene s;
	struct addr udp;
	uint32_t mask, tag;
};

FIXTURE_VARIANT(tagged) {
	uint32_t mask;		/* 0: as it is by default */
	uint32_t tag;
};

FIXTURE_VARIANT_ADD(tagged, default_mask) { 0, 0x5a };
FIXTURE_VARIANT_ADD(tagged, another_mask) { 0x00ff0000, 0x005a0000 };

FIXTURE_SETUP(tagged)
{
	struct gate_status status;

	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, scene_agent(&self->s));
	ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_DEADLINE, FAR_MS));
	if (variant->mask)
		ASSERT_EQ(0, gate_set_u32(&self->s.gate, SOCKGATE_A_MARK_MASK,
					  variant->mask));
	ASSERT_EQ(0, gate_status(&self->s.gate, &status));
	self->mask = status.mark_mask;
	self->tag = variant->tag;
	self->udp = net_addr(V4, self->s.udp_port);
}

FIXTURE_TEARDOWN(tagged)
{
	system("nft delete table inet marks");
	EXPECT_EQ(0, scene_strike(&self->s));
}

static int nft(const char *rules)
{
	FILE *f = popen("nft -f -", "w");

	if (!f || fputs(rules, f) < 0)
		return -1;
	return pclose(f);
}

/* How many packets that counter saw; -1 if there is none. */
static int counted(const char *name)
{
	char command[128];
	int n = -1;
	FILE *f;

	snprintf(command, sizeof(command),
		 "nft list counter inet marks %s | grep -o 'packets [0-9]*'", name);
	f = popen(command, "r");
	if (f && fscanf(f, "packets %d", &n) != 1)
		n = -1;
	if (f)
		pclose(f);
	return n;
}

/*
 * Counters of what leaves by that match: with each mark that the application
 * wanted (the tag in its place), and without the tag; and of the answers to it
 * that arrive on a connection whose ct mark has the tag.
 */
static int count_marks(const char *match, uint32_t mask, uint32_t tag)
{
	char rules[2048];

	snprintf(rules, sizeof(rules),
		 "table inet marks {\n"
		 " counter own {}\n counter later {}\n counter message {}\n"
		 " counter tagged {}\n counter untagged {}\n counter answered {}\n"
		 " chain out {\n"
		 "  type filter hook output priority mangle;\n"
		 "  %s meta mark 0x%x counter name own\n"
		 "  %s meta mark 0x%x counter name later\n"
		 "  %s meta mark 0x%x counter name message\n"
		 "  %s meta mark & 0x%x == 0x%x counter name tagged\n"
		 "  %s meta mark & 0x%x != 0x%x counter name untagged\n"
		 "  %s ct mark set meta mark\n"
		 " }\n chain in {\n"
		 "  type filter hook input priority filter;\n"
		 "  ct direction reply ct mark & 0x%x == 0x%x counter name answered\n"
		 " }\n}\n",
		 match, (OWN_MARK & ~mask) | tag, match, (LATER_MARK & ~mask) | tag,
		 match, (MESSAGE_MARK & ~mask) | tag, match, mask, tag, match, mask,
		 tag, match, mask, tag);
	return nft(rules);
}

static int set_mark(int fd, uint32_t mark)
{
	return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

/* Waits for an answer, so that all that it sent has been seen. */
static int send_datagrams(const struct addr *to)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char byte;

	if (set_mark(fd, OWN_MARK) || connect(fd, &to->sa, to->len) ||
	    send(fd, "o", 1, 0) != 1)
		return 1;
	if (set_mark(fd, LATER_MARK) || send(fd, "l", 1, 0) != 1)
		return 2;
	if (net_send_control(fd, SO_MARK, MESSAGE_MARK))
		return 3;
	return recv(fd, &byte, 1, 0) == 1 ? 0 : 4;
}

static bool allow_with_tag(struct scene *s, uint8_t event, uint32_t tag)
{
	struct answer answer = agent_allow;

	answer.tag = tag;
	return agent_next(s->agent, &s->ask, -1) == 1 && s->ask.event == event &&
	       !agent_answer(s->agent, s->ask.id, &answer);
}

/* Takes that many datagrams and answers the last. */
static int answer_datagrams(int fd, int n)
{
	struct addr from = { .len = sizeof(from.in6) };
	char byte;

	while (n--)
		if (recvfrom(fd, &byte, 1, 0, &from.sa, &from.len) != 1)
			return -1;
	return sendto(fd, &byte, 1, 0, &from.sa, from.len) == 1 ? 0 : -1;
}

TEST_F(tagged, datagrams)
{
	struct scene *s = &self->s;
	char match[32];
	pid_t pid;

	snprintf(match, sizeof(match), "udp dport %u", s->udp_port);
	ASSERT_EQ(0, count_marks(match, self->mask, self->tag));
	pid = child_start(send_datagrams, &self->udp);
	ASSERT_TRUE(allow_with_tag(s, SOCKGATE_EVENT_CONNECT, self->tag));
	ASSERT_EQ(0, answer_datagrams(s->udp, 3));
	EXPECT_EQ(0, child_end(pid));
	EXPECT_EQ(1, counted("own"));
	EXPECT_EQ(1, counted("later"));
	EXPECT_EQ(1, counted("message"));
	EXPECT_EQ(3, counted("tagged"));
	EXPECT_EQ(0, counted("untagged"));
	EXPECT_EQ(1, counted("answered"));
}

/* A mask that was set is not the application's, tag or no tag; else all bits are. */
TEST_F(tagged, not)
{
	struct scene *s = &self->s;
	char match[32];
	pid_t pid;

	snprintf(match, sizeof(match), "udp dport %u", s->udp_port);
	ASSERT_EQ(0, count_marks(match, variant->mask, 0));
	pid = child_start(send_datagrams, &self->udp);
	ASSERT_TRUE(allow_with_tag(s, SOCKGATE_EVENT_CONNECT, 0));
	ASSERT_EQ(0, answer_datagrams(s->udp, 3));
	EXPECT_EQ(0, child_end(pid));
	EXPECT_EQ(1, counted("own"));
	EXPECT_EQ(1, counted("later"));
	EXPECT_EQ(1, counted("message"));
}

/* Serves one connection; ends when the peer has closed it. */
static int serve_one(const struct addr *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	char byte;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &at->sa, at->len) || set_mark(fd, OWN_MARK) || listen(fd, 1))
		return 1;
	fd = accept(fd, NULL, NULL);
	if (fd < 0 || send(fd, "o", 1, 0) != 1 || recv(fd, &byte, 1, 0) != 1)
		return 2;
	if (set_mark(fd, LATER_MARK) || send(fd, "l", 1, 0) != 1)
		return 3;
	return recv(fd, &byte, 1, 0);
}

/* Asks for each of the two bytes; returns when the server has ended. */
static int be_served(const struct addr *at, pid_t server)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char byte[2];

	worker_wait_state(&(struct worker){ .pid = server }, 'S');
	if (connect(fd, &at->sa, at->len) || recv(fd, byte, 1, 0) != 1 ||
	    send(fd, "x", 1, 0) != 1 || recv(fd, byte + 1, 1, 0) != 1)
		return CHILD_LOST;
	close(fd);
	return child_end(server);
}

TEST_F(tagged, accepted_connections)
{
	const struct addr at = net_addr(V4, 4321);
	struct scene *s = &self->s;
	pid_t pid;

	ASSERT_EQ(0, count_marks("tcp sport 4321", self->mask, self->tag));
	pid = child_start(serve_one, &at);
	ASSERT_TRUE(allow_with_tag(s, SOCKGATE_EVENT_LISTEN, self->tag));
	EXPECT_EQ(0, be_served(&at, pid));
	/* Its SYN-ACK and a byte at least; a byte and the end after the change. */
	EXPECT_LE(2, counted("own"));
	EXPECT_LE(2, counted("later"));
	EXPECT_EQ(0, counted("untagged"));
	EXPECT_LE(1, counted("answered"));
}

TEST_HARNESS_MAIN
