/* SPDX-License-Identifier: GPL-2.0-only */
/* What becomes of an association that gets a socket of its own. */
#ifndef SOCKGATE_COMPAT_SCTP_H
#define SOCKGATE_COMPAT_SCTP_H

#include <net/inet_sock.h>
#include <net/sctp/structs.h>

/* Only who takes an association makes a cookie, and gets it back. */
static inline bool sg_sctp_opened_here(const struct sctp_association *asoc)
{
	return !asoc->c.expiration;
}

/*
 * security_sctp_sk_clone() is told the association; on 5.10 only the endpoint, but
 * the new socket has its peer's port already.  Of two associations with the same port
 * one that was opened here counts: then the socket is judged by where it goes, and not
 * as one that a listener took.  The caller holds the socket's lock.
 */
#ifdef SG_HAVE_SCTP_CLONE_ASOC
#define sg_sctp_cloned sctp_association

static inline bool sg_sctp_clone_opened_here(const struct sctp_association *asoc,
					     const struct sock *newsk)
{
	return sg_sctp_opened_here(asoc);
}
#else
#define sg_sctp_cloned sctp_endpoint

static inline bool sg_sctp_clone_opened_here(const struct sctp_endpoint *ep,
					     const struct sock *newsk)
{
	const struct sctp_association *asoc;

	list_for_each_entry(asoc, &ep->asocs, asocs)
		if (htons(asoc->peer.port) == inet_sk(newsk)->inet_dport &&
		    sg_sctp_opened_here(asoc))
			return true;
	return false;
}
#endif

/* 5.11 carries SCTP in UDP (RFC 6951), and says so of a packet. */
static inline bool sg_sctp_in_udp(const struct sk_buff *skb)
{
#ifdef SG_HAVE_SCTP_ENCAP
	return SCTP_INPUT_CB(skb)->encap_port;
#else
	return false;
#endif
}

#endif
