// SPDX-License-Identifier: GPL-2.0-only
/*
 * What IPsec carries comes by the gate twice, the second time as ESP: it is judged
 * once, by where it goes.
 */
#include "kselftest_harness.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>

/* Where TCP and UDP have their ports, ESP has this.  One could take it for 53. */
#define SPI "0x12120035"
#define SPI_BACK "0x12120036"

/* With HERE and THERE, which are addresses, and FLAG, of both. */
static const char lay_cable[] =
	"there() { ip -n there \"$@\"; }; "
	"add_state() { $1 xfrm state add src $2 dst $3 spi $4 proto esp"
	" mode transport enc 'ecb(cipher_null)' ''"
	" auth 'hmac(sha1)' 0x0123456789012345678901234567890123456789; }; "
	"add_policy() { $1 xfrm policy add src $2 dst $3 dir $4"
	" tmpl proto esp mode transport; }; "
	"ip netns del there 2>/dev/null; ip netns add there && "
	"ip link add way1 type veth peer name way1 netns there && "
	"ip addr add $HERE/24 dev way1 $FLAG && ip link set way1 up && "
	"there addr add $THERE/24 dev way1 $FLAG && there link set way1 up && "
	"for side in ip there; do"
	" add_state $side $HERE $THERE " SPI " &&"
	" add_state $side $THERE $HERE " SPI_BACK " || exit 1;"
	"done && "
	"add_policy ip $HERE $THERE out && add_policy ip $THERE $HERE in && "
	"add_policy there $HERE $THERE in && add_policy there $THERE $HERE out && "
	"nft add table inet ways '{ counter carried {}; chain out {"
	" type filter hook output priority mangle; meta l4proto esp counter name carried; }; }'";

static const char take_cable[] =
	"ip xfrm policy flush; ip xfrm state flush; ip link del way1; "
	"ip netns del there; nft delete table inet ways";

static int stream_there(int says)
{
	return net_enter("there") ? CHILD_LOST : server_echo(says);
}

static int datagrams_there(int says)
{
	return net_enter("there") ? CHILD_LOST : server_datagrams(says);
}

/* Its first packet waits, and goes through the chain by itself. */
static int converse_tcp(const struct addr *to)
{
	return net_converse(to, SOCK_STREAM | SOCK_NONBLOCK);
}

static int converse_udp(const struct addr *to)
{
	return net_converse(to, SOCK_DGRAM | SOCK_NONBLOCK);
}

FIXTURE(esp) {
	struct scene s;
	struct script script;
	struct server server;
	bool there;		/* the kernel has ESP */
};

FIXTURE_VARIANT(esp) {
	const char *module, *here, *to, *flag;
	server_fn server;
	child_fn client;
	uint8_t protocol;
};

#define IPV4 "modprobe esp4", "10.9.1.1", "10.9.1.2", ""
#define IPV6 "modprobe esp6", "fd00:9:1::1", "fd00:9:1::2", "nodad"
#define STREAM stream_there, converse_tcp, IPPROTO_TCP
#define DATAGRAMS datagrams_there, converse_udp, IPPROTO_UDP

FIXTURE_VARIANT_ADD(esp, tcp4) { IPV4, STREAM };
FIXTURE_VARIANT_ADD(esp, tcp6) { IPV6, STREAM };
FIXTURE_VARIANT_ADD(esp, udp4) { IPV4, DATAGRAMS };
FIXTURE_VARIANT_ADD(esp, udp6) { IPV6, DATAGRAMS };

FIXTURE_SETUP(esp)
{
	self->there = !system(variant->module);
	if (!self->there)
		return;
	setenv("HERE", variant->here, 1);
	setenv("THERE", variant->to, 1);
	setenv("FLAG", variant->flag, 1);
	ASSERT_EQ(0, system(lay_cable));
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->script = script_allowing();
	ASSERT_EQ(0, server_start(&self->s, &self->script, variant->server,
				  &self->server, variant->to));
}

FIXTURE_TEARDOWN(esp)
{
	if (!self->there)
		return;
	server_end(&self->server);
	EXPECT_EQ(0, scene_strike(&self->s));
	EXPECT_EQ(0, system(take_cable));
}

/* How many packets left this machine as ESP; -1 if nobody counted. */
static int counted(void)
{
	FILE *f = popen("nft list counter inet ways carried | grep -o 'packets [0-9]*'", "r");
	int n = -1;

	if (f && fscanf(f, "packets %d", &n) != 1)
		n = -1;
	if (f)
		pclose(f);
	return n;
}

TEST_F(esp, judged_once)
{
	const struct ask *ask = &self->script.last[SOCKGATE_EVENT_CONNECT];
	struct script *script = &self->script;

	if (!self->there)
		SKIP(return, "this kernel has no ESP");
	EXPECT_EQ(0, script_run(&self->s, script, variant->client, &self->server.at));
	EXPECT_LE(NET_ROUNDS, counted());
	EXPECT_EQ(1, script->asked[SOCKGATE_EVENT_CONNECT]);
	EXPECT_EQ(variant->protocol, ask->protocol);
	EXPECT_EQ(ntohs(self->server.at.in.sin_port), ask->rport);
	EXPECT_TRUE(net_same(variant->to, ask->raddr, ask->raddr_len));
	/* The server's, as it began, and its answers. */
	EXPECT_EQ(variant->protocol == IPPROTO_TCP,
		  script->asked[SOCKGATE_EVENT_LISTEN]);
	EXPECT_EQ(variant->protocol == IPPROTO_UDP,
		  script->asked[SOCKGATE_EVENT_SEND]);
	EXPECT_EQ(2, gate_count(&self->s.gate, SOCKGATE_N_ASKED));
}

TEST_F(esp, refused)
{
	struct script *script = &self->script;

	if (!self->there)
		SKIP(return, "this kernel has no ESP");
	script->answer[SOCKGATE_EVENT_CONNECT] = &script_refuse;
	EXPECT_EQ(EPERM, script_run(&self->s, script, variant->client,
				    &self->server.at));
	EXPECT_EQ(0, counted());
}

TEST_HARNESS_MAIN
