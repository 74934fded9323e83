/* SPDX-License-Identifier: GPL-2.0-only */
/* The policy manager: store, servers, console, and what they share. */
#ifndef POLICYMGR_MANAGER_H
#define POLICYMGR_MANAGER_H

#include <stddef.h>
#include <stdint.h>

#include "manager_conf.h"

struct event_base;
struct manager;

/*
 * manager_new - open everything and listen
 * @base: the event loop, which the caller runs
 * @conf: outlives the manager
 * @why:  on failure a sentence
 */
struct manager *manager_new(struct event_base *base, const struct manager_conf *conf,
			    char *why, size_t why_size);
void manager_free(struct manager *m);

/* The port for servers (it may have been given as 0). */
uint16_t manager_port(const struct manager *m);

#endif
