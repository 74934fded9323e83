// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tag of a verdict in the mark of packets: what nftables and conntrack of the
 * host see of it, and what the application can do about it.
 */
#include "kselftest_harness.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>

#define V4 "127.0.0.1"

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

	/* Marks are everybody's until a module has given its first tag. */
	gate_unload();
	ASSERT_EQ(0, scene_set_patient(&self->s));
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
	const uint32_t mark = MESSAGE_MARK;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char byte;

	if (set_mark(fd, OWN_MARK) || connect(fd, &to->sa, to->len) ||
	    send(fd, "o", 1, 0) != 1)
		return 1;
	if (set_mark(fd, LATER_MARK) || send(fd, "l", 1, 0) != 1)
		return 2;
	if (net_send_control(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
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

/* ---- routes ----------------------------------------------------------------------- */

/*
 * A machine that two cables lead to, the second one for what is tagged.  Answers
 * take either, which is that machine's affair.
 */
#define THERE "10.50.0.9"
#define TAG 0x5a

static const char lay_cables[] =
	"ip netns del there 2>/dev/null; ip netns add there && "
	"for cable in 1 2; do"
	" ip link add way$cable type veth peer name way$cable netns there &&"
	" ip addr add 10.9.$cable.1/24 dev way$cable &&"
	" ip link set way$cable up &&"
	" ip -n there addr add 10.9.$cable.2/24 dev way$cable &&"
	" ip -n there link set way$cable up || exit 1;"
	"done && "
	"ip -n there addr add " THERE "/32 dev lo && ip -n there link set lo up && "
	"ip -n there route replace 10.9.1.0/24 dev way1 src " THERE " && "
	"ip -n there route replace 10.9.2.0/24 dev way2 src " THERE " && "
	"ip netns exec there sysctl -qw net.ipv4.conf.all.rp_filter=0"
	" net.ipv4.conf.way1.rp_filter=0 net.ipv4.conf.way2.rp_filter=0 && "
	"sysctl -qw net.ipv4.conf.all.rp_filter=0"
	" net.ipv4.conf.way1.rp_filter=0 net.ipv4.conf.way2.rp_filter=0 && "
	"ip route add " THERE " via 10.9.1.2 && "
	"ip route add " THERE " via 10.9.2.2 table 100 && "
	"ip rule add fwmark 0x5a/0xff lookup 100";

static const char take_cables[] =
	"ip rule del fwmark 0x5a/0xff; ip link del way1; ip link del way2; "
	"ip netns del there";

/* By the card that it really leaves by. */
static const char count_ways[] =
	"table inet marks {\n"
	" counter way1 {}\n counter way2 {}\n"
	" chain out {\n"
	"  type filter hook postrouting priority filter;\n"
	"  oifname way1 ip daddr " THERE " counter name way1\n"
	"  oifname way2 ip daddr " THERE " counter name way2\n"
	" }\n}\n";

static int stream_there(int says)
{
	return net_enter("there") ? CHILD_LOST : server_echo(says);
}

static int datagrams_there(int says)
{
	return net_enter("there") ? CHILD_LOST : server_datagrams(says);
}

static int converse_udp(const struct addr *to)
{
	return net_converse(to, SOCK_DGRAM);
}

static int converse_udp_nonblocking(const struct addr *to)
{
	return net_converse(to, SOCK_DGRAM | SOCK_NONBLOCK);
}

static int converse_tcp(const struct addr *to)
{
	return net_converse(to, SOCK_STREAM);
}

static int converse_tcp_nonblocking(const struct addr *to)
{
	return net_converse(to, SOCK_STREAM | SOCK_NONBLOCK);
}

FIXTURE(routed) {
	struct scene s;
	struct script script;
	struct server server;
};

FIXTURE_VARIANT(routed) {
	server_fn server;
	child_fn client;
};

FIXTURE_VARIANT_ADD(routed, udp) { datagrams_there, converse_udp };
FIXTURE_VARIANT_ADD(routed, udp_nonblocking) {
	datagrams_there, converse_udp_nonblocking
};
FIXTURE_VARIANT_ADD(routed, tcp) { stream_there, converse_tcp };
FIXTURE_VARIANT_ADD(routed, tcp_nonblocking) {
	stream_there, converse_tcp_nonblocking
};

FIXTURE_SETUP(routed)
{
	ASSERT_EQ(0, system(lay_cables));
	ASSERT_EQ(0, nft(count_ways));
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->script = script_allowing();
	ASSERT_EQ(0, server_start(&self->s, &self->script, variant->server,
				  &self->server, THERE));
}

FIXTURE_TEARDOWN(routed)
{
	server_end(&self->server);
	EXPECT_EQ(0, system("nft delete table inet marks"));
	EXPECT_EQ(0, system(take_cables));
	EXPECT_EQ(0, scene_strike(&self->s));
}

TEST_F(routed, without_a_tag)
{
	EXPECT_EQ(0, script_run(&self->s, &self->script, variant->client,
				&self->server.at));
	EXPECT_LE(NET_ROUNDS, counted("way1"));
	EXPECT_EQ(0, counted("way2"));
}

/* Every packet, though the first may have had a route before its verdict. */
TEST_F(routed, by_the_tag)
{
	struct answer tagged = agent_allow;

	tagged.tag = TAG;
	self->script.answer[SOCKGATE_EVENT_CONNECT] = &tagged;
	EXPECT_EQ(0, script_run(&self->s, &self->script, variant->client,
				&self->server.at));
	EXPECT_EQ(1, self->script.asked[SOCKGATE_EVENT_CONNECT]);
	EXPECT_LE(NET_ROUNDS, counted("way2"));
	EXPECT_EQ(0, counted("way1"));
}

TEST_HARNESS_MAIN
