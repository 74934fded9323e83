/* SPDX-License-Identifier: GPL-2.0-only */
/* The addresses at which a daemon takes connections. */
#ifndef SOCKGATE_LISTENERS_H
#define SOCKGATE_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <event2/listener.h>

#include "conf.h"

/* Zero-initialised before it is opened. */
struct listeners {
	struct evconnlistener *one[CONF_LISTEN_MAX];
	unsigned int n;
};

struct listeners_conf {
	const struct conf_listen *at;
	int backlog;			/* connections that nobody has taken yet */
	evconnlistener_cb accept;
	evconnlistener_errorcb failed;	/* accept(2) ran out of something */
	void *arg;			/* of both */
};

/*
 * listeners_open - listen at all of them
 * @why: on failure a sentence that names the address
 * Returns 0; or -1, and what was opened until then is for listeners_close().
 */
int listeners_open(struct listeners *l, struct event_base *base,
		   const struct listeners_conf *conf, char *why, size_t why_size);
void listeners_close(struct listeners *l);

/* Take connections, or let them wait. */
void listeners_enable(struct listeners *l, bool on);

/* The port of one (it may have been given as 0); 0 if that cannot be said. */
uint16_t listener_port(struct evconnlistener *listener);

#endif
