// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interception of packets that leave: one place in netfilter's chains, before
 * anybody else sees them.  (What arrives passes hook.c, and no chain of ours: most of
 * it is for connections that are open, and would pay for the walk.)
 *
 * Unloading: `closing` makes it pass everything; sg_hold_close() lets go what is
 * parked, through a hook that is still there; then it goes.
 */
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/net_namespace.h>

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
}

/*
 * After sg_hold_close() and the last answer nothing is parked, but for what somebody
 * has taken out and not let go yet: a caller whose question could not be sent, or the
 * end of the agent.  They are waited for later; a chain without us serves them as well.
 */
void sg_chain_exit(void)
{
	unregister_pernet_subsys(&namespaces);
}
