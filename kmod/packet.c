// SPDX-License-Identifier: GPL-2.0-only
/*
 * The backstop: netfilter hooks, in every network namespace, first in the chain
 * of what this host sends.  A packet of a program's socket passes if a verdict
 * covers it, and is parked or dropped otherwise, however it came about: a caller
 * that must not wait, a path that passes by the hooks of hook.c, a socket older
 * than the module.
 *
 * What belongs to no program is the kernel's own and passes: neighbour
 * discovery, resets, and sockets that the kernel made for itself.
 *
 * A TCP segment that opens a connection is judged by its destination.  The ones
 * after it cost a lookup only, as long as they go there: a routing header or a source
 * route, set while it is open, may send them elsewhere.  Every datagram is compared
 * with what was granted.
 *
 * Locking: netfilter runs the hooks under RCU, in softirqs and in processes.
 */
#include <linux/file.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/sctp.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "agent.h"
#include "cache.h"
#include "count.h"
#include "event.h"
#include "failure.h"
#include "hold.h"
#include "judge.h"
#include "mark.h"
#include "packet.h"
#include "park.h"
#include "scan.h"
#include "sock.h"

static bool closing;

/* What one packet is judged by. */
struct leaving {
	struct sk_buff *skb;
	const struct nf_hook_state *state;
	struct sock *sk;	/* a full socket; for a SYN-ACK its listener */
	struct sg_sock *rec;
	u32 generation;		/* in force before anything was looked up */
	u8 family;
	bool stream;
	bool opening;		/* a segment that opens a connection, or an INIT */
	bool open;		/* one of a connection */
};

/* Its socket may be a listener, which opens associations as well. */
static bool opens_sctp(const struct sk_buff *skb)
{
	const int at = sg_event_transport(skb) + sizeof(struct sctphdr);
	struct sctp_chunkhdr *chunk, buffer;

	chunk = skb_header_pointer(skb, at, sizeof(buffer), &buffer);
	return chunk && chunk->type == SCTP_CID_INIT;
}

static bool is_opening(const struct sock *sk, const struct sk_buff *skb)
{
	if (!skb_transport_header_was_set(skb))
		return false;
	if (sk->sk_protocol == IPPROTO_SCTP)
		return opens_sctp(skb);
	return sg_event_is_stream(sk) &&
	       tcp_hdr(skb)->syn && !tcp_hdr(skb)->ack;
}

/* IPsec sends it through the chain again, as its own: it has been judged. */
static bool is_transformed(const struct sk_buff *skb, u8 family)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (family == AF_INET6)
		return IP6CB(skb)->flags & IP6SKB_XFRM_TRANSFORMED;
#endif
	return IPCB(skb)->flags & IPSKB_XFRM_TRANSFORMED;
}

/* No program's: neither one that has it open, nor one for which the kernel has it. */
static bool of_kernel(struct leaving *l)
{
	return !l->rec && l->sk->sk_kern_sock &&
	       !sg_scan_connection(l->sk, &l->rec);
}

static bool describe(struct leaving *l, struct sk_buff *skb,
		     const struct nf_hook_state *state)
{
	struct sock *sk = sk_to_full_sk(state->sk);

	if (!sk || !sk_fullsock(sk))
		return false;
	l->skb = skb;
	l->state = state;
	l->sk = sk;
	l->generation = sg_cache_generation();
	l->rec = sg_sock_find(sk);
	l->family = state->pf == NFPROTO_IPV4 ? AF_INET : AF_INET6;
	l->stream = sg_event_is_stream(sk);
	l->opening = is_opening(sk, skb);
	l->open = l->stream && !l->opening && sk->sk_state != TCP_LISTEN;
	return !is_transformed(skb, l->family) && !of_kernel(l);
}

/* The application cannot change the tag: not by SO_MARK, not per message. */
static unsigned int tagged(const struct leaving *l)
{
	u32 mask = sg_mark_kept();
	u32 tag = READ_ONCE(l->rec->tag) & mask;
	int err;

	if ((l->skb->mark & mask) == tag)
		return NF_ACCEPT;
	sg_mark_set(l->sk, tag);
	l->skb->mark = (l->skb->mark & ~mask) | tag;
	err = l->family == AF_INET ?
	      ip_route_me_harder(l->state->net, l->state->sk, l->skb,
				 RTN_UNSPEC) :
	      nf_ip6_route_me_harder(l->state->net, l->state->sk, l->skb);
	return err ? NF_DROP_ERR(err) : NF_ACCEPT;
}

/* Of a connection of TCP. */
static bool goes_to_peer(const struct sk_buff *skb, const struct sock *sk,
			 u8 pf)
{
	if (pf == NFPROTO_IPV4)
		return ip_hdr(skb)->daddr == inet_sk(sk)->inet_daddr;
#if IS_ENABLED(CONFIG_IPV6)
	return ipv6_addr_equal(&ipv6_hdr(skb)->daddr, &sk->sk_v6_daddr);
#else
	return false;
#endif
}

/*
 * Where a connection may go if it stands.  Its socket may have become another that did
 * not say so by a packet (TCP_REPAIR); what was a listener's is unmade first.
 */
static bool goes_where_it_stands(const struct sk_buff *skb,
				 const struct sock *sk,
				 const struct sg_sock *rec, u8 pf)
{
	const struct sg_remote *peer = &rec->peer;

	if (!peer->family)
		return READ_ONCE(rec->accepted) && goes_to_peer(skb, sk, pf);
	if (peer->family != pf || peer->port != inet_sk(sk)->inet_dport)
		return false;
	if (pf == NFPROTO_IPV4)
		return ip_hdr(skb)->daddr == *(const __be32 *)peer->addr;
	return !memcmp(&ipv6_hdr(skb)->daddr, peer->addr, sizeof(peer->addr));
}

static bool stands(const struct leaving *l, enum sg_grant how)
{
	return READ_ONCE(l->rec->standing) == how &&
	       goes_where_it_stands(l->skb, l->sk, l->rec, l->state->pf);
}

/*
 * A listener is no connection, and has what was granted to it.  Where else a listener's
 * connection may send once says nothing of its peer.
 */
static unsigned int pass(const struct leaving *l, const struct sg_key *key,
			 enum sg_grant how)
{
	const bool opened = key->event == SOCKGATE_EVENT_CONNECT;
	struct sg_remote peer;

	if (l->stream && l->sk->sk_state != TCP_LISTEN && !stands(l, how) &&
	    !(opened && READ_ONCE(l->rec->accepted))) {
		sg_sock_remote(key, &peer);
		sg_sock_stand(l->rec, opened ? &peer : NULL, how);
	}
	return tagged(l);
}

/* What a listener took is its listener's, until it opens one of its own. */
static bool accepted(const struct leaving *l)
{
	return READ_ONCE(l->rec->accepted) && !l->opening &&
	       (!l->open || goes_to_peer(l->skb, l->sk, l->state->pf));
}

/* A connection of MPTCP may go where its leader may. */
static enum sg_grant granted_to_leader(const struct leaving *l,
				       const struct sg_key *key)
{
	const struct sg_sock *leader = l->rec->leader;
	enum sg_grant how = leader ? sg_sock_granted(leader, key) :
				     SG_GRANT_NONE;

	if (how)
		sg_sock_grant(l->rec, key, READ_ONCE(leader->tag), how,
			      l->generation, READ_ONCE(leader->until));
	return how;
}

static enum sg_grant granted(const struct leaving *l, const struct sg_key *key)
{
	enum sg_grant how = SG_GRANT_NONE;

	/* One of DCCP may be another than its listener took. */
	if (accepted(l) && l->sk->sk_protocol != IPPROTO_DCCP)
		how = sg_sock_standing(l->rec);
	return how ?: sg_sock_granted(l->rec, key) ?:
		      granted_to_leader(l, key);
}

/* Where it goes: all that a grant is compared with. */
static void key_where(const struct leaving *l, struct sg_key *key)
{
	sg_event_packet(key, l->sk, l->skb, l->family);
	if (accepted(l) || (l->sk->sk_state == TCP_LISTEN && !l->opening))
		sg_event_accepted(key, l->sk);
}

/* And whose it is.  Returns what the owner runs, a reference, or NULL. */
static struct file *key_whole(const struct leaving *l, struct sg_key *key)
{
	struct file *exe = sg_sock_owner(l->rec, key);

	key_where(l, key);
	return exe;
}

static unsigned int settle(const struct leaving *l, const struct sg_key *key,
			   const struct sg_verdict *verdict)
{
	int err = sg_settle_leaving(l->sk, key, l->skb, l->family, verdict, true);

	if (!err)
		return pass(l, key, granted(l, key));
	sg_count(SOCKGATE_N_PACKET_DENIED);
	return NF_DROP_ERR(err);
}

static unsigned int fail(const struct leaving *l, const struct sg_key *key,
			 enum sockgate_reason reason)
{
	const struct sg_verdict verdict = sg_verdict_fail(reason);

	return settle(l, key, &verdict);
}

static unsigned int park(const struct leaving *l, const struct sg_key *key,
			 struct file *exe)
{
	struct sg_parked *packet = sg_park(l->skb, l->state, key->uid);
	struct sg_verdict verdict;

	if (!packet)
		return fail(l, key, SOCKGATE_REASON_TABLE_FULL);
	if (sg_hold_packet(key, exe, packet, &verdict))
		return NF_STOLEN;
	sg_unpark(packet);
	return settle(l, key, &verdict);
}

/*
 * What ends a connection tells its peer that it is over, and nothing else: so does
 * what cuts one that may not go on (cut.c).  One that never might has no peer.
 */
static bool resets(const struct leaving *l)
{
	return l->open && READ_ONCE(l->rec->stood) &&
	       skb_transport_header_was_set(l->skb) && tcp_hdr(l->skb)->rst &&
	       goes_where_it_stands(l->skb, l->sk, l->rec, l->state->pf);
}

/* A socket that the agent made before it registered. */
static bool agents_own(const struct leaving *l, const struct sg_key *key)
{
	if (!sg_agent_is(key))
		return false;
	WRITE_ONCE(l->rec->exempt, true);
	return true;
}

/*
 * A security server on the agent's own machine: what it says to the agent must
 * not wait for the agent.  Whoever else the agent connects to reaches nobody else
 * by that.
 */
static bool answers_agent(const struct leaving *l)
{
	const struct sg_sock *rec;
	bool exempt = false;
	struct sock *sk;

	if (!l->stream || l->opening || !skb_transport_header_was_set(l->skb))
		return false;
	if (l->sk->sk_state != TCP_LISTEN && !READ_ONCE(l->rec->accepted))
		return false;
	sk = sg_sock_of_segment(l->state->net, l->skb, l->family);
	if (!sk)
		return false;
	rec = sg_sock_find(sk);
	if (rec)
		exempt = READ_ONCE(rec->exempt);
	sock_gen_put(sk);
	if (exempt && l->sk->sk_state != TCP_LISTEN)
		WRITE_ONCE(l->rec->exempt, true);
	return exempt;
}

/* Nothing that was granted covers it. */
static unsigned int judge(const struct leaving *l)
{
	struct sg_verdict verdict;
	unsigned int result;
	struct sg_key key;
	struct file *exe = key_whole(l, &key);

	if (agents_own(l, &key) || answers_agent(l))
		result = NF_ACCEPT;
	else if (sg_judge_known(&key, &verdict))
		result = settle(l, &key, &verdict);
	else
		result = park(l, &key, exe);
	if (exe)
		fput(exe);
	return result;
}

/*
 * Its verdict was settled before it was let go; see sg_park_release().  This is not
 * under the socket's lock: what is said of a connection here could be said of another
 * that was made of the socket meanwhile.  Its next packet will say it.
 */
static unsigned int released(const struct leaving *l)
{
	struct sg_key key = {};
	enum sg_grant how;

	if (l->sk->sk_state != TCP_LISTEN)
		return tagged(l);
	key_where(l, &key);
	how = granted(l, &key);
	/* Another call may have replaced the grant since. */
	return how ? pass(l, &key, how) : tagged(l);
}

/* Nobody knows whose it is. */
static unsigned int nobody(const struct leaving *l)
{
	struct sg_key key = { .uid = SOCKGATE_UID_ANY };
	int err;

	sg_event_packet(&key, l->sk, l->skb, l->family);
	err = sg_failure_apply(SOCKGATE_REASON_UNJUDGED, &key);
	if (!err)
		return NF_ACCEPT;
	sg_count(SOCKGATE_N_PACKET_DENIED);
	return NF_DROP_ERR(err);
}

static noinline unsigned int leave(struct sk_buff *skb,
				   const struct nf_hook_state *state)
{
	struct sg_key key = {};
	enum sg_grant how;
	struct leaving l;

	if (!describe(&l, skb, state))
		return NF_ACCEPT;
	if (!l.rec)
		return nobody(&l);
	if (READ_ONCE(l.rec->exempt))
		return NF_ACCEPT;
	if (sg_park_passing(skb)) {
		/* Once for each release. */
		this_cpu_write(sg_passing, NULL);
		return released(&l);
	}
	if (resets(&l) || (l.open && sg_sock_good(sg_sock_standing(l.rec)) &&
			   goes_where_it_stands(skb, l.sk, l.rec, state->pf)))
		return tagged(&l);
	key_where(&l, &key);
	how = granted(&l, &key);
	return sg_sock_good(how) ? pass(&l, &key, how) : judge(&l);
}

/*
 * States in which a full socket of TCP sends nothing that opens a connection.  What
 * is no full socket (a request, or one in TIME_WAIT) is in none of them, and has
 * nothing of what is looked at after its state.
 */
#define TCPF_OPEN (TCPF_ESTABLISHED | TCPF_FIN_WAIT1 | TCPF_FIN_WAIT2 | \
		   TCPF_CLOSE_WAIT | TCPF_LAST_ACK | TCPF_CLOSING)

static bool is_open(const struct sock *sk)
{
	return BIT(sk->sk_state) & TCPF_OPEN && sg_event_is_stream(sk);
}

static bool is_opening_segment(const struct sk_buff *skb, const struct sock *sk)
{
	return sk->sk_state == TCP_SYN_SENT && sg_event_is_stream(sk) &&
	       is_opening(sk, skb);
}

/* A datagram, or a segment that opens a connection. */
static bool remote_of(const struct sk_buff *skb, u8 protocol, u8 pf,
		      struct sg_remote *to)
{
	const struct udphdr *ports = udp_hdr(skb);

	/* TCP has its ports where UDP has them. */
	if (!skb_transport_header_was_set(skb) ||
	    skb_transport_offset(skb) + sizeof(*ports) > skb_headlen(skb))
		return false;
	to->port = ports->dest;
	to->family = pf;
	to->protocol = protocol;
	if (pf == NFPROTO_IPV4) {
		to->addr[0] = (__force u32)ip_hdr(skb)->daddr;
		to->addr[1] = 0;
	} else {
		memcpy(to->addr, &ipv6_hdr(skb)->daddr, sizeof(to->addr));
	}
	return true;
}

static bool has_mark(const struct sk_buff *skb, const struct sg_sock *rec)
{
	return !((skb->mark ^ READ_ONCE(rec->tag)) & sg_mark_kept());
}

/* To where the last verdict was about. */
static bool is_granted(const struct sk_buff *skb, struct sg_sock *rec,
		       u8 protocol, u8 pf)
{
	struct sg_remote to;

	if (!remote_of(skb, protocol, pf, &to) ||
	    !sg_sock_may_send(rec, &to, sg_cache_generation()))
		return false;
	if (protocol == IPPROTO_TCP)
		sg_sock_stand(rec, &to, SG_GRANT_VERDICT);
	return true;
}

/* Its listener may listen where it does. */
static bool is_answer(const struct sk_buff *skb, const struct sock *sk)
{
	const struct sock *listener = inet_reqsk(sk)->rsk_listener;
	const struct sg_sock *rec = listener ? sg_sock_find(listener) : NULL;

	return rec && listener->sk_state == TCP_LISTEN &&
	       sg_sock_may_listen(rec, listener) == SG_GRANT_VERDICT &&
	       has_mark(skb, rec);
}

/* What most packets are: of what may go on, with the mark that they are to have. */
static bool goes_on(const struct sk_buff *skb, const struct sock *sk, u8 pf)
{
	struct sg_sock *rec;

	if (sg_park_passing(skb))
		return false;
	if (sk->sk_state == TCP_NEW_SYN_RECV)
		return is_answer(skb, sk);
	/* Before its protocol is looked at. */
	if (!sk_fullsock(sk))
		return false;
	rec = sg_sock_find(sk);
	if (!rec || !has_mark(skb, rec))
		return false;
	if (is_open(sk))
		return READ_ONCE(rec->standing) == SG_GRANT_VERDICT &&
		       goes_where_it_stands(skb, sk, rec, pf);
	if (sg_event_is_udp(sk))
		return is_granted(skb, rec, IPPROTO_UDP, pf);
	return is_opening_segment(skb, sk) &&
	       is_granted(skb, rec, IPPROTO_TCP, pf);
}

/**
 * sg_packet_leave() - the hook of what this host sends
 * @priv:  unused
 * @skb:   the packet
 * @state: of the hook
 *
 * Return: netfilter's verdict.
 */
unsigned int sg_packet_leave(void *priv, struct sk_buff *skb,
			     const struct nf_hook_state *state)
{
	const struct sock *sk = state->sk;

	if (!sk || READ_ONCE(closing) || goes_on(skb, sk, state->pf))
		return NF_ACCEPT;
	return leave(skb, state);
}

/**
 * sg_packet_close() - judge no packet any more
 */
void sg_packet_close(void)
{
	WRITE_ONCE(closing, true);
}
