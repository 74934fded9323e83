/* SPDX-License-Identifier: GPL-2.0-only */
/* A connection that carries messages: TLS between machines, local socket at home. */
#ifndef SOCKGATE_CHANNEL_H
#define SOCKGATE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <openssl/ssl.h>

#include "sockgate.pb-c.h"
#include "tls.h"

/*
 * The first channel of a process makes it ignore SIGPIPE, unless it has a handler
 * of its own: a peer that goes away must not end the process.
 */
struct channel;
struct event_base;
struct sockaddr;

/*
 * What the owner is told.  Each callback may call channel_free() on its own
 * channel; nothing of it is touched afterwards.
 *
 * up:      handshake done, peer known (NULL peer on a local socket)
 * message: one message; the channel frees it afterwards
 * drained: all that was queued has gone to the kernel; may be NULL
 * down:    the connection is over, once, with the reason as a sentence; the
 *          owner still has to call channel_free()
 */
struct channel_ops {
	void (*up)(struct channel *ch, const struct tls_peer *peer, void *arg);
	void (*message)(struct channel *ch, Sockgate__Message *msg, void *arg);
	void (*down)(struct channel *ch, const char *why, void *arg);
	void (*drained)(struct channel *ch, void *arg);
};

/*
 * channel_connect_tls - start a connection to a server
 * @ctx:      from tls_context(false, ...)
 * @addr:     numeric address; names are never resolved here
 * @expect:   role and host that the peer's certificate must carry
 * Returns NULL with errno if it could not even be started; everything later is
 * told by ->down.
 */
struct channel *channel_connect_tls(struct event_base *base, SSL_CTX *ctx,
				    const struct sockaddr *addr, int addr_len,
				    const struct tls_peer *expect,
				    const struct channel_ops *ops, void *arg);

/*
 * channel_accept_tls - take over an accepted socket
 * @expect_role: the role that the peer's certificate must carry
 * The channel owns @fd from here, on failure too.
 */
struct channel *channel_accept_tls(struct event_base *base, SSL_CTX *ctx, int fd,
				   enum tls_role expect_role,
				   const struct channel_ops *ops, void *arg);

/*
 * channel_local - a connected local (AF_UNIX) socket, either side
 * The channel owns @fd from here, on failure too.
 */
struct channel *channel_local(struct event_base *base, int fd,
			      const struct channel_ops *ops, void *arg);

/*
 * channel_send - queue one message
 * Returns 0; -1 with EMSGSIZE, ENOMEM, ENOTCONN (not up, or down), or ENOBUFS
 * when the peer reads too slowly and CHANNEL_BACKLOG bytes are waiting.
 */
#define CHANNEL_BACKLOG (8U << 20)
int channel_send(struct channel *ch, const Sockgate__Message *msg);

/* Bytes queued and not yet sent. */
size_t channel_backlog(const struct channel *ch);

/* The same, and what the kernel has of it that the peer has not acknowledged. */
size_t channel_unsent(const struct channel *ch);

/* Seconds without a byte from the peer after which ->down is told (0: never). */
void channel_set_idle_limit(struct channel *ch, unsigned int seconds);

/*
 * Send what is queued, if the peer takes it within 5 s, then close; no callback
 * follows.  For that the event loop has to go on running.  NULL is ignored.
 */
void channel_free(struct channel *ch);

#endif
