// SPDX-License-Identifier: GPL-2.0-only
/*
 * echo - what the libraries cost without a security server: TLS 1.3 with both sides
 * authenticated, libevent, and for each message another one of a given size.
 *
 *     echo CA CERT KEY ANSWER-BYTES
 *
 * Listens on a port of its own choice of 127.0.0.1 and prints it.  Nothing is decoded.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "limit.h"
#include "sockgate.pb-c.h"
#include "tls.h"

static struct event_base *base;
static SSL_CTX *tls;
static uint8_t *answer;
static size_t answer_size;

/* One that decodes: @size bytes with its length before it, most of it text. */
static void make_answer(size_t size)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Error error = SOCKGATE__ERROR__INIT;
	uint32_t head;

	error.text = calloc(1, size + 1);
	if (!error.text)
		err(1, "memory");
	msg.body_case = SOCKGATE__MESSAGE__BODY_ERROR;
	msg.error = &error;
	while (sizeof(head) + sockgate__message__get_packed_size(&msg) < size)
		error.text[strlen(error.text)] = 'x';
	answer_size = sizeof(head) + sockgate__message__get_packed_size(&msg);
	answer = malloc(answer_size);
	if (!answer)
		err(1, "memory");
	head = htonl((uint32_t)(answer_size - sizeof(head)));
	memcpy(answer, &head, sizeof(head));
	sockgate__message__pack(&msg, answer + sizeof(head));
	free(error.text);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	uint32_t head;

	(void)arg;
	while (evbuffer_copyout(in, &head, sizeof(head)) == sizeof(head)) {
		size_t size = sizeof(head) + ntohl(head);

		if (evbuffer_get_length(in) < size)
			return;
		evbuffer_drain(in, size);
		bufferevent_write(bev, answer, answer_size);
	}
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)arg;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		bufferevent_free(bev);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
		      struct sockaddr *addr, int len, void *arg)
{
	struct tls_peer expect = { .role = TLS_ROLE_AGENT };
	SSL *ssl = SSL_new(tls);
	struct bufferevent *bev;
	int one = 1;

	(void)listener, (void)addr, (void)len, (void)arg;
	if (!ssl || tls_expect(ssl, &expect) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		errx(1, "cannot take a connection");
	bev = bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
					     BEV_OPT_CLOSE_ON_FREE);
	if (!bev)
		errx(1, "cannot take a connection");
	bufferevent_setcb(bev, on_read, NULL, on_event, NULL);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	struct evconnlistener *listener;
	socklen_t len = sizeof(addr);
	struct tls_files files;
	char why[256];

	if (argc != 5)
		errx(2, "usage: echo CA CERT KEY ANSWER-BYTES");
	files = (struct tls_files){ argv[1], argv[2], argv[3] };
	make_answer(strtoul(argv[4], NULL, 10));
	signal(SIGPIPE, SIG_IGN);
	limit_raise_files();
	base = event_base_new();
	tls = tls_context(true, TLS_ROLE_SERVER, &files, why, sizeof(why));
	if (!base || !tls)
		errx(1, "%s", tls ? "memory" : why);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE,
					   1024, (struct sockaddr *)&addr, sizeof(addr));
	if (!listener || getsockname(evconnlistener_get_fd(listener),
				     (struct sockaddr *)&addr, &len))
		err(1, "cannot listen");
	printf("%u\n", ntohs(addr.sin_port));
	fflush(stdout);
	return event_base_dispatch(base) < 0;
}
