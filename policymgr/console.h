/* SPDX-License-Identifier: GPL-2.0-only */
/* The connections of the `sockgate` command, through the local socket. */
#ifndef POLICYMGR_CONSOLE_H
#define POLICYMGR_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

#include "policy_store.h"
#include "registry.h"
#include "sockgate.pb-c.h"

struct event_base;
struct console;

struct console_env {
	struct event_base *base;
	const char *socket;
	const char *key;		/* public: by which versions are signed */
	struct policy_store *store;
	struct registry *registry;
	/* Fill in @out; its pointers are good until the callback is called again. */
	void (*status)(Sockgate__Status *out, void *arg);
	void *arg;
};

/*
 * console_open - listen on the local socket
 * @env: copied
 * @why: on failure a sentence
 */
struct console *console_open(const struct console_env *env, char *why, size_t why_size);
/* A version that is being checked is not made any more. */
void console_close(struct console *c);

/* Every second. */
void console_tick(struct console *c);

#endif
