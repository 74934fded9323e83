// SPDX-License-Identifier: GPL-2.0-only
/*
 * All interception of packets (hook.c has that of calls): two places in
 * netfilter's chains.  What leaves is judged before anybody else sees it; what
 * arrives, after the machine's own rules and just before conntrack confirms it.
 * The second place is taken when a policy asks about peers for the first time: a
 * machine where none does pays nothing for what it receives.
 *
 * Locking: arrivals_lock covers whether the second place is taken.
 *
 * Unloading: `closing` makes both pass everything; sg_hold_close() lets go what is
 * parked, through hooks that are still there; then they go.
 */
#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/net_namespace.h>

#include "arrival.h"
#include "chain.h"
#include "packet.h"

static const struct nf_hook_ops leaving[] = {
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

static const struct nf_hook_ops arriving[] = {
	{
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

static int __net_init open_leaving(struct net *net)
{
	return nf_register_net_hooks(net, leaving, ARRAY_SIZE(leaving));
}

static void __net_exit close_leaving(struct net *net)
{
	nf_unregister_net_hooks(net, leaving, ARRAY_SIZE(leaving));
}

static struct pernet_operations leaving_everywhere = {
	.init = open_leaving,
	.exit = close_leaving,
};

static int __net_init open_arriving(struct net *net)
{
	return nf_register_net_hooks(net, arriving, ARRAY_SIZE(arriving));
}

static void __net_exit close_arriving(struct net *net)
{
	nf_unregister_net_hooks(net, arriving, ARRAY_SIZE(arriving));
}

static struct pernet_operations arriving_everywhere = {
	.init = open_arriving,
	.exit = close_arriving,
};

static DEFINE_MUTEX(arrivals_lock);
static bool arrivals;

/**
 * sg_chain_see_arrivals() - have what arrives judged, from now on
 *
 * Until the module goes: somebody may be parked there.
 *
 * Return: 0 or an error.
 */
int sg_chain_see_arrivals(void)
{
	int err = 0;

	mutex_lock(&arrivals_lock);
	if (!arrivals)
		err = register_pernet_subsys(&arriving_everywhere);
	if (!err)
		arrivals = true;
	mutex_unlock(&arrivals_lock);
	return err;
}

int __init sg_chain_init(void)
{
	return register_pernet_subsys(&leaving_everywhere);
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
	if (arrivals)
		unregister_pernet_subsys(&arriving_everywhere);
	unregister_pernet_subsys(&leaving_everywhere);
}
