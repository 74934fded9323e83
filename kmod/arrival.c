// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the policy judges peers: the segment that opens a connection to a listener
 * waits before the protocol sees it.  So a peer that is refused gets no handshake,
 * and no process is held for it.  (What has no connection: receive.c.)
 *
 * The hook is the last but one of what this host receives: what the machine's
 * own rules drop is not asked about, and conntrack confirms only what passes.
 *
 * A listener that is flooded holds SG_ARRIVALS_MAX segments.  What comes beyond
 * them passes, which costs the kernel what it always does (SYN cookies); the
 * connection, if one is ever made of it, is judged by its first packet, as
 * everything that leaves is (packet.c).
 *
 * Locking: netfilter runs the hooks under RCU, mostly in softirqs.
 */
#include <linux/file.h>
#include <linux/ip.h>
#include <linux/netfilter.h>
#include <linux/rcupdate.h>
#include <linux/tcp.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <net/tcp_states.h>

#include "agent.h"
#include "arrival.h"
#include "cache.h"
#include "count.h"
#include "event.h"
#include "hold.h"
#include "judge.h"
#include "park.h"
#include "scope.h"
#include "sock.h"

static bool closing;

/* What one packet is judged by. */
struct arriving {
	struct sk_buff *skb;
	const struct nf_hook_state *state;
	struct sock *sk;
	struct sg_sock *rec;
	int offset;		/* of the transport header */
	u8 family;
	__be16 sport;
	__be16 dport;
};

/*
 * Fragments of IPv6 come by here before they are put together: the first one is
 * judged for all, and without it the others are nothing.
 */
static int protocol_of(struct arriving *a)
{
	unsigned short fragment = 0;
	int protocol;

	if (a->family == AF_INET) {
		a->offset = ip_hdrlen(a->skb);
		return ip_hdr(a->skb)->protocol;
	}
	a->offset = 0;
	protocol = ipv6_find_hdr(a->skb, &a->offset, -1, &fragment, NULL);
	return fragment ? IPPROTO_NONE : protocol;
}

static struct sock *listener4(const struct arriving *a, int doff)
{
	const struct iphdr *ip = ip_hdr(a->skb);
	struct net *net = a->state->net;

	return __inet_lookup_listener(net, net->ipv4.tcp_death_row.hashinfo,
				      a->skb, doff, ip->saddr, a->sport,
				      ip->daddr, ntohs(a->dport),
				      inet_iif(a->skb), inet_sdif(a->skb));
}

static struct sock *listener6(const struct arriving *a, int doff)
{
#if IS_ENABLED(CONFIG_IPV6)
	const struct ipv6hdr *ip = ipv6_hdr(a->skb);
	struct net *net = a->state->net;

	return inet6_lookup_listener(net, net->ipv4.tcp_death_row.hashinfo,
				     a->skb, doff, &ip->saddr, a->sport,
				     &ip->daddr, ntohs(a->dport),
				     inet6_iif(a->skb), inet6_sdif(a->skb));
#else
	return NULL;
#endif
}

/* A listener is freed under RCU: it is not held. */
static struct sock *find_listener(struct arriving *a)
{
	struct tcphdr buffer;
	const struct tcphdr *th = skb_header_pointer(a->skb, a->offset,
						     sizeof(buffer), &buffer);
	int doff;

	if (!th || !th->syn || th->ack)
		return NULL;
	/* Given to a socket by somebody's rule: it cannot be kept here. */
	if (a->skb->sk && skb_sk_is_prefetched(a->skb))
		return NULL;
	a->sport = th->source;
	a->dport = th->dest;
	doff = a->offset + __tcp_hdrlen(th);
	return a->family == AF_INET ? listener4(a, doff) : listener6(a, doff);
}

static struct file *key_of(const struct arriving *a, struct sg_key *key)
{
	struct file *exe = sg_sock_owner(a->rec, key);

	key->protocol = IPPROTO_TCP;
	sg_event_arrival(key, a->skb, a->family, SOCKGATE_EVENT_ACCEPT, a->dport);
	return exe;
}

static unsigned int settle(const struct arriving *a, const struct sg_key *key,
			   const struct sg_verdict *verdict)
{
	int err = sg_settle(a->sk, key, verdict);

	if (!err)
		return NF_ACCEPT;
	sg_count(SOCKGATE_N_PACKET_DENIED);
	return NF_DROP;
}

static unsigned int park(const struct arriving *a, const struct sg_key *key,
			 struct file *exe)
{
	struct sg_parked *packet = sg_park_arrival(a->skb, a->state, a->sk,
						   a->rec);
	struct sg_verdict verdict;

	/* Without room: the connection can still be judged once it is made. */
	if (!packet)
		return NF_ACCEPT;
	if (sg_hold_packet(key, exe, packet, &verdict))
		return NF_STOLEN;
	sg_unpark(packet);
	if (verdict.action == SOCKGATE_ACTION_FAIL &&
	    verdict.reason == SOCKGATE_REASON_TABLE_FULL)
		return NF_ACCEPT;
	return settle(a, key, &verdict);
}

static unsigned int judge(const struct arriving *a)
{
	struct sg_verdict verdict;
	unsigned int result;
	struct sg_key key;
	struct file *exe = key_of(a, &key);

	if (sg_cache_lookup(&key, &verdict)) {
		result = settle(a, &key, &verdict);
	} else if (!sg_agent_present()) {
		verdict = sg_verdict_fail(SOCKGATE_REASON_NO_AGENT);
		result = settle(a, &key, &verdict);
	} else {
		result = park(a, &key, exe);
	}
	if (exe)
		fput(exe);
	return result;
}

/* Without a record it is the kernel's own, or its answer is refused. */
static unsigned int judge_at(struct arriving *a, struct sock *sk)
{
	a->sk = sk;
	a->rec = sg_sock_find(sk);
	if (!a->rec || READ_ONCE(a->rec->exempt))
		return NF_ACCEPT;
	return judge(a);
}

static unsigned int to_listener(struct arriving *a)
{
	struct sock *sk = find_listener(a);

	return sk ? judge_at(a, sk) : NF_ACCEPT;
}

/**
 * sg_arrival_arrive() - the hook of what this host receives
 * @priv:  unused
 * @skb:   the packet
 * @state: of the hook
 *
 * Return: netfilter's verdict.
 */
unsigned int sg_arrival_arrive(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state)
{
	struct arriving a = {
		.skb = skb,
		.state = state,
		.family = state->pf == NFPROTO_IPV4 ? AF_INET : AF_INET6,
	};

	if (!sg_scope_has(SOCKGATE_EVENT_ACCEPT) || READ_ONCE(closing) ||
	    protocol_of(&a) != IPPROTO_TCP)
		return NF_ACCEPT;
	return to_listener(&a);
}

/* How many hooks there are up to ours, and it; 0: it is gone. */
static unsigned int hooks_done(const struct nf_hook_entries *hooks)
{
	unsigned int i;

	for (i = 0; hooks && i < hooks->num_hook_entries; i++)
		if (hooks->hooks[i].hook == sg_arrival_arrive)
			return i + 1;
	return 0;
}

/**
 * sg_arrival_resume() - a packet goes on after our hook
 * @packet: what kept it; its device is there
 *
 * Under RCU, bottom halves off.
 */
void sg_arrival_resume(struct sg_parked *packet)
{
	struct net *net = sock_net(packet->sk);
	bool ipv4 = packet->family == AF_INET;
	const struct nf_hook_entries *hooks;
	struct sk_buff *skb = packet->skb;
	struct nf_hook_state state;
	unsigned int done;

	hooks = ipv4 ? rcu_dereference(net->nf.hooks_ipv4[NF_INET_LOCAL_IN]) :
		       rcu_dereference(net->nf.hooks_ipv6[NF_INET_LOCAL_IN]);
	done = hooks_done(hooks);
	if (!done) {
		kfree_skb(skb);
		return;
	}
	nf_hook_state_init(&state, NF_INET_LOCAL_IN,
			   ipv4 ? NFPROTO_IPV4 : NFPROTO_IPV6, skb->dev, NULL,
			   NULL, net, packet->okfn);
	if (nf_hook_slow(skb, &state, hooks, done) == 1)
		packet->okfn(net, NULL, skb);
}

/**
 * sg_arrival_close() - judge no packet any more
 */
void sg_arrival_close(void)
{
	WRITE_ONCE(closing, true);
}
