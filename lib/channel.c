// SPDX-License-Identifier: GPL-2.0-only
/*
 * A channel goes through its states in one direction only:
 *
 *     CONNECTING -> HANDSHAKE -> UP -> DOWN       (server named by an address)
 *                   HANDSHAKE -> UP -> DOWN       (accepted, TLS)
 *     STARTING  ----------------> UP -> DOWN      (local socket)
 *
 * and from any of them to LINGERING when the owner frees it with bytes queued.
 * One timer serves whatever the state is waiting for.
 *
 * An owner may free its channel inside a callback: the memory is kept until the
 * function that called back has returned (busy).
 */
#include "channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>

#include "addr.h"
#include "frame.h"

/* Seconds from the start of the connection until both sides are known. */
#define HANDSHAKE_LIMIT 10
/* Seconds that a freed channel may take to get rid of what is queued. */
#define LINGER_LIMIT 5

enum state {
	STATE_STARTING,
	STATE_CONNECTING,
	STATE_HANDSHAKE,
	STATE_UP,
	STATE_DOWN,
	STATE_LINGERING,
};

struct channel {
	struct event_base *base;
	struct event *timer;
	struct event *connecting;	/* tells when connect(2) is through */
	struct bufferevent *bev;	/* from HANDSHAKE on */
	SSL *ssl;			/* our reference; NULL: local socket */
	const struct channel_ops *ops;
	void *arg;
	int fd;				/* -1 once the bufferevent owns it */
	enum state state;
	unsigned int idle_limit;
	unsigned int busy;
	bool freed;
	char address[ADDR_TEXT_SIZE];
};

static void destroy(struct channel *ch)
{
	if (ch->connecting)
		event_free(ch->connecting);
	if (ch->timer)
		event_free(ch->timer);
	if (ch->bev)
		bufferevent_free(ch->bev);	/* and the descriptor */
	SSL_free(ch->ssl);
	if (ch->fd >= 0)
		close(ch->fd);
	free(ch);
}

static void enter(struct channel *ch)
{
	ch->busy++;
}

static void leave(struct channel *ch)
{
	if (--ch->busy == 0 && ch->freed)
		destroy(ch);
}

static void set_timer(struct channel *ch, unsigned int seconds)
{
	struct timeval tv = { .tv_sec = seconds };

	if (seconds)
		event_add(ch->timer, &tv);
	else
		event_del(ch->timer);
}

static void __attribute__((format(printf, 2, 3)))
go_down(struct channel *ch, const char *fmt, ...)
{
	char why[512];
	va_list ap;

	if (ch->freed || ch->state == STATE_DOWN)
		return;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);

	ch->state = STATE_DOWN;
	event_del(ch->timer);
	if (ch->bev)
		bufferevent_disable(ch->bev, EV_READ | EV_WRITE);
	ch->ops->down(ch, why, ch->arg);
}

static void go_up(struct channel *ch, const struct tls_peer *peer)
{
	ch->state = STATE_UP;
	set_timer(ch, ch->idle_limit);
	/*
	 * Enabled before the owner is told: it may free the channel there.
	 * Nothing is read before we are back in the event loop.
	 */
	if (bufferevent_enable(ch->bev, EV_READ | EV_WRITE))
		go_down(ch, "cannot watch the connection");
	else
		ch->ops->up(ch, peer, ch->arg);
}

static void handshake_done(struct channel *ch)
{
	struct tls_peer peer;

	if (tls_peer_of(ch->ssl, &peer))
		go_down(ch, "the peer's certificate names no role and host");
	else
		go_up(ch, &peer);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	enum frame_result result = FRAME_OK;
	struct channel *ch = arg;
	Sockgate__Message *msg;

	if (ch->state == STATE_LINGERING) {
		evbuffer_drain(in, evbuffer_get_length(in));
		return;
	}
	enter(ch);
	if (ch->state == STATE_UP)
		set_timer(ch, ch->idle_limit);
	while (!ch->freed && ch->state == STATE_UP && result == FRAME_OK) {
		result = frame_get(in, &msg);
		if (result != FRAME_OK)
			break;
		ch->ops->message(ch, msg, ch->arg);
		sockgate__message__free_unpacked(msg, NULL);
	}
	if (result == FRAME_TOO_LARGE || result == FRAME_MALFORMED)
		go_down(ch, "%s", frame_strerror(result));
	leave(ch);
}

/* Why libevent reports an error; @error is errno as it was then. */
static void fail(struct channel *ch, int error)
{
	unsigned long code = 0;
	char why[384];

	if (ch->ssl)
		code = bufferevent_get_openssl_error(ch->bev);
	if (ch->ssl && (code || SSL_get_verify_result(ch->ssl) != X509_V_OK)) {
		tls_explain(ch->ssl, code, why, sizeof(why));
		go_down(ch, "%s", why);
	} else if (error) {
		go_down(ch, "%s", strerror(error));
	} else {
		go_down(ch, "the connection was cut");
	}
}

static void finish(struct channel *ch)
{
	enter(ch);
	ch->freed = true;
	leave(ch);
}

static void on_event(struct bufferevent *bev, short events, void *arg)
{
	struct channel *ch = arg;
	int error = EVUTIL_SOCKET_ERROR();

	if (ch->state == STATE_LINGERING) {
		if (events & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
			finish(ch);
		return;
	}
	enter(ch);
	if (events & BEV_EVENT_CONNECTED)
		handshake_done(ch);
	else if (events & BEV_EVENT_ERROR)
		fail(ch, error);
	else if (!(events & BEV_EVENT_EOF))
		;
	else if (ch->state == STATE_HANDSHAKE)
		go_down(ch, "the peer ended the connection during the handshake");
	else if (evbuffer_get_length(bufferevent_get_input(bev)))
		go_down(ch, "the peer ended the connection inside a message");
	else
		go_down(ch, "the peer ended the connection");
	leave(ch);
}

/*
 * The owner is gone.  Closing now would reset the connection if the peer had sent
 * anything unread, and with it destroy what is on its way: say that nothing more
 * comes, and wait for the peer to close.
 */
static void close_gently(struct channel *ch)
{
	if (ch->ssl)
		SSL_shutdown(ch->ssl);
	ERR_clear_error();
	shutdown(bufferevent_getfd(ch->bev), SHUT_WR);
}

/* All is handed to the kernel. */
static void on_drained(struct bufferevent *bev, void *arg)
{
	struct channel *ch = arg;

	(void)bev;
	if (ch->state == STATE_LINGERING) {
		close_gently(ch);
		return;
	}
	if (ch->state != STATE_UP || !ch->ops->drained)
		return;
	enter(ch);
	ch->ops->drained(ch, ch->arg);
	leave(ch);
}

static struct bufferevent *new_tls_bufferevent(struct channel *ch,
					       enum bufferevent_ssl_state how,
					       int options)
{
	int fd = ch->fd;

	/* The bufferevent gets a reference of its own. */
	if (!SSL_up_ref(ch->ssl))
		return NULL;
	/*
	 * If this fails, libevent may have closed the descriptor already or
	 * not: losing one is better than closing somebody else's.
	 */
	ch->fd = -1;
	return bufferevent_openssl_socket_new(ch->base, fd, ch->ssl, how, options);
}

static bool start_bufferevent(struct channel *ch, enum bufferevent_ssl_state how)
{
	const int options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;

	if (ch->ssl)
		ch->bev = new_tls_bufferevent(ch, how, options);
	else
		ch->bev = bufferevent_socket_new(ch->base, ch->fd, options);
	if (!ch->bev)
		return false;
	ch->fd = -1;
	bufferevent_setcb(ch->bev, on_read, on_drained, on_event, ch);
	return true;
}

static void begin_handshake(struct channel *ch)
{
	ch->state = STATE_HANDSHAKE;
	if (!start_bufferevent(ch, BUFFEREVENT_SSL_CONNECTING))
		go_down(ch, "cannot start TLS: out of memory");
}

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
	struct channel *ch = arg;
	socklen_t len = sizeof(int);
	int error = 0;

	(void)what;
	enter(ch);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		error = errno;
	if (error)
		go_down(ch, "cannot connect to %s: %s", ch->address, strerror(error));
	else
		begin_handshake(ch);
	leave(ch);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct channel *ch = arg;

	(void)fd, (void)what;
	enter(ch);
	switch (ch->state) {
	case STATE_STARTING:
		go_up(ch, NULL);
		break;
	case STATE_CONNECTING:
		go_down(ch, "cannot connect to %s: no answer for %u s", ch->address,
			HANDSHAKE_LIMIT);
		break;
	case STATE_HANDSHAKE:
		go_down(ch, "the TLS handshake took longer than %u s",
			HANDSHAKE_LIMIT);
		break;
	case STATE_UP:
		go_down(ch, "the peer was silent for %u s", ch->idle_limit);
		break;
	case STATE_LINGERING:
		ch->freed = true;
		break;
	case STATE_DOWN:
		break;
	}
	leave(ch);
}

/* OpenSSL and libevent write with write(2), which has no MSG_NOSIGNAL. */
static void ignore_sigpipe(void)
{
	struct sigaction sa;

	if (!sigaction(SIGPIPE, NULL, &sa) && sa.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
}

/* A channel that owns @fd and is in @state; NULL (with @fd closed) and errno. */
static struct channel *new_channel(struct event_base *base, int fd,
				   enum state state, const struct channel_ops *ops,
				   void *arg)
{
	struct channel *ch = calloc(1, sizeof(*ch));

	ignore_sigpipe();
	if (!ch) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	ch->base = base;
	ch->ops = ops;
	ch->arg = arg;
	ch->fd = fd;
	ch->state = state;
	ch->timer = event_new(base, -1, 0, on_timer, ch);
	if (!ch->timer || evutil_make_socket_nonblocking(fd)) {
		destroy(ch);
		errno = ENOMEM;
		return NULL;
	}
	return ch;
}

static bool make_ssl(struct channel *ch, SSL_CTX *ctx, const struct tls_peer *expect)
{
	ch->ssl = SSL_new(ctx);
	return ch->ssl && !tls_expect(ch->ssl, expect);
}

/* Small messages must not wait for the acknowledgement of others. */
static void no_delay(int fd)
{
	int one = 1;

	/* Not TCP in a test: slower is no failure. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static struct channel *give_up(struct channel *ch, int error)
{
	destroy(ch);
	errno = error;
	return NULL;
}

struct channel *channel_connect_tls(struct event_base *base, SSL_CTX *ctx,
				    const struct sockaddr *addr, int addr_len,
				    const struct tls_peer *expect,
				    const struct channel_ops *ops, void *arg)
{
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);
	struct channel *ch;

	if (fd < 0)
		return NULL;
	ch = new_channel(base, fd, STATE_CONNECTING, ops, arg);
	if (!ch)
		return NULL;
	no_delay(fd);
	addr_format(addr, ch->address);
	if (!make_ssl(ch, ctx, expect))
		return give_up(ch, ENOMEM);
	if (connect(fd, addr, (socklen_t)addr_len) && errno != EINPROGRESS)
		return give_up(ch, errno);
	ch->connecting = event_new(base, fd, EV_WRITE, on_connected, ch);
	if (!ch->connecting || event_add(ch->connecting, NULL))
		return give_up(ch, ENOMEM);
	set_timer(ch, HANDSHAKE_LIMIT);
	return ch;
}

struct channel *channel_accept_tls(struct event_base *base, SSL_CTX *ctx, int fd,
				   enum tls_role expect_role,
				   const struct channel_ops *ops, void *arg)
{
	struct tls_peer expect = { .role = expect_role };
	struct channel *ch = new_channel(base, fd, STATE_HANDSHAKE, ops, arg);

	if (!ch)
		return NULL;
	no_delay(fd);
	if (!make_ssl(ch, ctx, &expect) ||
	    !start_bufferevent(ch, BUFFEREVENT_SSL_ACCEPTING))
		return give_up(ch, ENOMEM);
	set_timer(ch, HANDSHAKE_LIMIT);
	return ch;
}

struct channel *channel_local(struct event_base *base, int fd,
			      const struct channel_ops *ops, void *arg)
{
	struct channel *ch = new_channel(base, fd, STATE_STARTING, ops, arg);

	if (!ch)
		return NULL;
	if (!start_bufferevent(ch, BUFFEREVENT_SSL_OPEN))
		return give_up(ch, ENOMEM);
	/* Told from the event loop: the owner has no pointer to it yet. */
	event_active(ch->timer, EV_TIMEOUT, 0);
	return ch;
}

int channel_send(struct channel *ch, const Sockgate__Message *msg)
{
	if (ch->state != STATE_UP || ch->freed) {
		errno = ENOTCONN;
		return -1;
	}
	if (channel_backlog(ch) >= CHANNEL_BACKLOG) {
		errno = ENOBUFS;
		return -1;
	}
	return frame_put(bufferevent_get_output(ch->bev), msg);
}

size_t channel_backlog(const struct channel *ch)
{
	return ch->bev ? evbuffer_get_length(bufferevent_get_output(ch->bev)) : 0;
}

size_t channel_unsent(const struct channel *ch)
{
	int queued = 0;

	if (ch->bev && ioctl(bufferevent_getfd(ch->bev), SIOCOUTQ, &queued))
		queued = 0;
	return channel_backlog(ch) + (size_t)queued;
}

void channel_set_idle_limit(struct channel *ch, unsigned int seconds)
{
	ch->idle_limit = seconds;
	if (ch->state == STATE_UP)
		set_timer(ch, seconds);
}

void channel_free(struct channel *ch)
{
	if (!ch)
		return;
	if (ch->state == STATE_UP && channel_backlog(ch)) {
		ch->state = STATE_LINGERING;
		set_timer(ch, LINGER_LIMIT);
		return;
	}
	enter(ch);
	ch->freed = true;
	leave(ch);
}
