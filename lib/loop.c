// SPDX-License-Identifier: GPL-2.0-only
#include "loop.h"

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <event2/event.h>
#include <systemd/sd-daemon.h>

#include "log.h"

static void on_hup(evutil_socket_t number, short what, void *arg)
{
	struct loop *l = arg;

	(void)number, (void)what;
	l->reload(l->arg);
}

static void on_term(evutil_socket_t number, short what, void *arg)
{
	struct loop *l = arg;

	(void)what;
	log_info("ending: %s", strsignal((int)number));
	event_base_loopbreak(l->base);
}

static bool watch(struct loop *l, int number, event_callback_fn fn, struct event **event)
{
	*event = evsignal_new(l->base, number, fn, l);
	return *event && !event_add(*event, NULL);
}

int loop_open(struct loop *l, void (*reload)(void *arg), void *arg)
{
	l->reload = reload;
	l->arg = arg;
	l->base = event_base_new();
	if (!l->base || (reload && !watch(l, SIGHUP, on_hup, &l->hup)))
		return -1;
	if (watch(l, SIGTERM, on_term, &l->term) && watch(l, SIGINT, on_term, &l->interrupt))
		return 0;
	return -1;
}

int loop_run(struct loop *l)
{
	int rc;

	sd_notify(0, "READY=1");
	rc = event_base_dispatch(l->base) < 0 ? -1 : 0;
	sd_notify(0, "STOPPING=1");
	return rc;
}

static void forget(struct event *event)
{
	if (event)
		event_free(event);
}

void loop_close(struct loop *l)
{
	forget(l->interrupt);
	forget(l->term);
	forget(l->hup);
	if (l->base)
		event_base_free(l->base);
}
