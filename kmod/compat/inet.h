/* SPDX-License-Identifier: GPL-2.0-only */
/* Sockets: how they are found, and what of them is called otherwise elsewhere. */
#ifndef SOCKGATE_COMPAT_INET_H
#define SOCKGATE_COMPAT_INET_H

#include <linux/bits.h>
#include <linux/random.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/net_namespace.h>
#include <net/sock.h>

/* Until 6.18 whoever looked for a socket of TCP named the table. */
#ifdef SG_HAVE_LOOKUP_HASHINFO
#define sg_lookup(function, in, ...) ({ \
	struct net *where = (in); \
	function(where, where->ipv4.tcp_death_row.hashinfo, __VA_ARGS__); \
})
#else
#define sg_lookup(function, in, ...) \
	function(in, __VA_ARGS__)
#endif

/* 5.14 made a function of it. */
#ifndef SG_HAVE_SK_ERROR_REPORT
static inline void sk_error_report(struct sock *sk)
{
	sk->sk_error_report(sk);
}
#endif

/*
 * Until 5.12 a network namespace got its number when a program of BPF first asked
 * for it, by a function that modules cannot call.  It is set once, by whoever comes
 * first: where that is us, to one that the kernel, which counts from 1, never gives.
 */
static inline u64 sg_net_cookie(struct net *net)
{
#ifdef SG_HAVE_NET_COOKIE_ATOMIC
	u64 cookie = atomic64_read(&net->net_cookie);

	if (likely(cookie))
		return cookie;
	cookie = get_random_u64() | BIT_ULL(63);
	return atomic64_cmpxchg(&net->net_cookie, 0, cookie) ?: cookie;
#else
	return net->net_cookie;
#endif
}

#endif
