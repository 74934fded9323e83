/* SPDX-License-Identifier: GPL-2.0-only */
/* The local socket: what `sockgate status` and `sockgate events` ask. */
#ifndef NFAGENT_CONSOLE_H
#define NFAGENT_CONSOLE_H

#include <stddef.h>

#include "records.h"
#include "sockgate.pb-c.h"

struct event_base;
struct console;

#define CONSOLE_MAX_CLIENTS 16

/* Counters of a status, added by name. */
#define CONSOLE_MAX_COUNTERS 96
struct console_status {
	Sockgate__Status *status;
	Sockgate__Counter counter[CONSOLE_MAX_COUNTERS];
	Sockgate__Counter *list[CONSOLE_MAX_COUNTERS];
};
void console_count(struct console_status *s, const char *name, uint64_t value);

/*
 * console_open - listen on the control socket
 * @fill: fills in a status; what it points to must live until it returns to
 *        the event loop
 * Returns NULL with a sentence in @why.
 */
typedef void (*console_fill_fn)(struct console_status *status, void *arg);
struct console *console_open(struct event_base *base, const char *path,
			     console_fill_fn fill, void *arg, char *why,
			     size_t why_size);
void console_close(struct console *c);

/* Where past events come from; may be set once the records exist. */
void console_set_records(struct console *c, const struct records *records);

/* A record was made: to those who follow. */
void console_record(struct console *c, const Sockgate__Record *record);

#endif
