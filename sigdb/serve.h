/* SPDX-License-Identifier: GPL-2.0-only */
/* The signature database as a service: security servers ask it over TLS. */
#ifndef SOCKGATE_SIGDB_SERVE_H
#define SOCKGATE_SIGDB_SERVE_H

#include <stddef.h>
#include <stdint.h>

#include "serve_conf.h"

struct event_base;
struct serve;

/*
 * serve_new - open everything and listen
 * @base: the event loop, which the caller runs
 * @conf: outlives the service
 * @why:  on failure a sentence
 */
struct serve *serve_new(struct event_base *base, const struct serve_conf *conf,
			char *why, size_t why_size);

/* End all connections, write the sightings that wait, close everything. */
void serve_free(struct serve *s);

/* Look now whether the database has changed; done every second anyway. */
void serve_refresh(struct serve *s);

/* The port of the first listener (it may have been given as 0). */
uint16_t serve_port(const struct serve *s);

#endif
