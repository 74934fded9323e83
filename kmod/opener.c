// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets whose packets pass by the chain (packet sockets, and every family that is
 * not known to stay): whoever uses one needs leave to have opened it, whether it did
 * so or got it from another program.  The leave is a grant in the socket's record, and
 * as good as any: another policy, or an agent where there was none, is asked again.
 *
 * Without a record nobody has had leave: the socket is older than the module.
 *
 * What such a socket does without a call that is hooked is not seen: a ring that is
 * mapped, and poll(), by which AF_XDP sends.
 */
#include <linux/if_packet.h>
#include <linux/net.h>
#include <linux/sched.h>
#include <linux/socket.h>
#include <net/sock.h>

#include "agent.h"
#include "event.h"
#include "judge.h"
#include "opener.h"
#include "sock.h"

/**
 * sg_opener_passes() - whether the caller has leave to use a socket
 * @sk: of a family whose packets do not pass the gate
 *
 * Safe in the ftrace callback.
 *
 * Return: false if sg_opener_use() has to look at it.
 */
bool sg_opener_passes(const struct sock *sk)
{
	const struct sg_sock *rec;

	if (sg_event_stays(sk->sk_family) || !current->mm ||
	    sk->sk_kern_sock || sg_agent_is_current())
		return true;
	rec = sg_sock_find(sk);
	return rec && sg_event_by_current(&rec->owner) &&
	       sg_sock_good(sg_sock_granted(rec, &rec->owner));
}

/* The type of frames, as socket() has it. */
static int frames_of(struct socket *sock)
{
	struct sockaddr_storage addr = {};
	const struct sockaddr_ll *ll = (const void *)&addr;

	/* The older kind has no place for it in its name. */
	if (sock->sk->sk_family != AF_PACKET || sock->type == SOCK_PACKET ||
	    kernel_getsockname(sock, (struct sockaddr *)&addr) < 0)
		return 0;
	return (__force int)ll->sll_protocol;
}

/* Held whatever the socket is: no packet of it is there to be held later. */
static int use(struct socket *sock, int frames)
{
	struct sock *sk = sock->sk;
	struct sg_sock *rec = sg_sock_find(sk);
	struct sg_key key;

	if (sg_agent_is_current() ||
	    !sg_event_open(&key, sk, sk->sk_family, frames))
		return 0;
	if (rec && sg_sock_adopt(rec, &key) &&
	    sg_sock_good(sg_sock_granted(rec, &key)))
		return 0;
	return sg_judge(&key, sk, true);
}

/**
 * sg_opener_use() - the caller uses a socket, whoever has opened it
 * @sock: the socket; if its packets pass the gate nothing is done
 *
 * Return: 0 to go on, else the errno for the caller.
 */
int sg_opener_use(struct socket *sock)
{
	if (sg_event_gated(sock->sk->sk_family))
		return 0;
	return use(sock, frames_of(sock));
}

/**
 * sg_opener_read() - the same for who receives by it
 * @sock: the socket; if its packets pass the gate nothing is done
 *
 * One that is older than the module may go on listening until somebody can be asked: a
 * DHCP client that runs, whoever it runs as, loses nothing by our coming.
 *
 * Return: 0 to go on, else the errno for the caller.
 */
int sg_opener_read(struct socket *sock)
{
	if (!sg_sock_find(sock->sk) && !sg_agent_present())
		return 0;
	return sg_opener_use(sock);
}

/* What a bind() makes it, or 0: it leaves that as it is. */
static int frames_bound(const struct socket *sock, const struct sockaddr *addr,
			int addr_len)
{
	const struct sockaddr_ll *ll = (const void *)addr;

	if (sock->sk->sk_family != AF_PACKET || sock->type == SOCK_PACKET ||
	    addr_len < (int)sizeof(*ll))
		return 0;
	return (__force int)ll->sll_protocol;
}

/**
 * sg_opener_bind() - the same for bind(), which can ask for another type of frames
 * @sock:     the socket
 * @addr:     the address that is asked for, in kernel memory
 * @addr_len: its length as the caller gave it
 *
 * Return: 0 to go on, else the errno for the caller.
 */
int sg_opener_bind(struct socket *sock, const struct sockaddr *addr,
		   int addr_len)
{
	if (sg_event_gated(sock->sk->sk_family))
		return 0;
	return use(sock, frames_bound(sock, addr, addr_len) ?: frames_of(sock));
}
