/* SPDX-License-Identifier: GPL-2.0-only */
/* A daemon's event loop, from its start until a signal ends it. */
#ifndef SOCKGATE_LOOP_H
#define SOCKGATE_LOOP_H

struct event;
struct event_base;

/* Zero-initialised before it is opened. */
struct loop {
	struct event_base *base;
	struct event *hup, *term, *interrupt;
	void (*reload)(void *arg);
	void *arg;
};

/*
 * loop_open - make the event loop, and take SIGTERM and SIGINT, which end it
 * @reload: on SIGHUP; NULL: that signal is left alone
 * Signals that come from now on are seen once it runs.  Returns 0, or -1 (no memory).
 */
int loop_open(struct loop *l, void (*reload)(void *arg), void *arg);

/*
 * loop_run - until a signal comes; systemd is told that we are ready, and that we stop
 * Returns 0, or -1 if the loop failed.
 */
int loop_run(struct loop *l);

void loop_close(struct loop *l);

#endif
