// SPDX-License-Identifier: GPL-2.0-only
/*
 * All interception of packets (hook.c has that of calls): two places in
 * netfilter's chains.  What leaves is judged before anybody else sees it; what
 * arrives, after the machine's own rules and just before conntrack confirms it.
 *
 * Unloading: `closing` makes both pass everything; sg_hold_close() lets go what is
 * parked, through hooks that are still there; then they go.
 */
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/net_namespace.h>

#include "arrival.h"
#include "chain.h"
#include "packet.h"

static const struct nf_hook_ops ops[] = {
	{
		.hook = sg_packet_leave,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = NF_IP_PRI_FIRST,
	}, {
		.hook = sg_packet_leave,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = NF_IP6_PRI_FIRST,
	}, {
		.hook = sg_arrival_arrive,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP_PRI_CONNTRACK_CONFIRM - 1,
	}, {
		.hook = sg_arrival_arrive,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP_PRI_CONNTRACK_CONFIRM - 1,
	},
};

static int __net_init open_namespace(struct net *net)
{
	return nf_register_net_hooks(net, ops, ARRAY_SIZE(ops));
}

static void __net_exit close_namespace(struct net *net)
{
	nf_unregister_net_hooks(net, ops, ARRAY_SIZE(ops));
}

static struct pernet_operations namespaces = {
	.init = open_namespace,
	.exit = close_namespace,
};

int __init sg_chain_init(void)
{
	return register_pernet_subsys(&namespaces);
}

/**
 * sg_chain_close() - judge no packet any more
 */
void sg_chain_close(void)
{
	sg_packet_close();
	sg_arrival_close();
}

/*
 * After sg_hold_close() and the last answer nothing is parked, but for what somebody
 * has taken out and not let go yet: a caller whose question could not be sent, or the
 * end of the agent.  They are waited for later; what arrives is then dropped.
 */
void sg_chain_exit(void)
{
	unregister_pernet_subsys(&namespaces);
}
