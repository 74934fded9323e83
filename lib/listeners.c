// SPDX-License-Identifier: GPL-2.0-only
#include "listeners.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <event2/event.h>

#include "addr.h"
#include "log.h"

static struct evconnlistener *open_one(struct event_base *base,
				       const struct listeners_conf *conf,
				       const struct sockaddr *addr, socklen_t len)
{
	unsigned int flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
		LEV_OPT_REUSEABLE;

	/* "[::]" beside "0.0.0.0" is no conflict. */
	if (addr->sa_family == AF_INET6)
		flags |= LEV_OPT_BIND_IPV6ONLY;
	return evconnlistener_new_bind(base, conf->accept, conf->arg, flags, conf->backlog,
				       addr, (int)len);
}

int listeners_open(struct listeners *l, struct event_base *base,
		   const struct listeners_conf *conf, char *why, size_t why_size)
{
	const struct conf_listen *at = conf->at;
	char text[ADDR_TEXT_SIZE];

	for (unsigned int i = 0; i < at->n; i++) {
		const struct sockaddr *addr = (const struct sockaddr *)&at->list[i].addr;

		addr_format(addr, text);
		l->one[i] = open_one(base, conf, addr, at->list[i].len);
		if (!l->one[i]) {
			snprintf(why, why_size, "cannot listen on %s: %s", text,
				 strerror(errno));
			return -1;
		}
		l->n++;
		evconnlistener_set_error_cb(l->one[i], conf->failed);
		log_info("listening on %s", text);
	}
	return 0;
}

void listeners_close(struct listeners *l)
{
	while (l->n)
		evconnlistener_free(l->one[--l->n]);
}

void listeners_enable(struct listeners *l, bool on)
{
	for (unsigned int i = 0; i < l->n; i++) {
		if (on)
			evconnlistener_enable(l->one[i]);
		else
			evconnlistener_disable(l->one[i]);
	}
}

uint16_t listener_port(struct evconnlistener *listener)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} addr = { 0 };
	socklen_t len = sizeof(addr);

	if (getsockname(evconnlistener_get_fd(listener), &addr.any, &len))
		return 0;
	return ntohs(addr.any.sa_family == AF_INET6 ? addr.in6.sin6_port : addr.in.sin_port);
}
