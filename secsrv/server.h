/* SPDX-License-Identifier: GPL-2.0-only */
/* The security server: listeners, sessions, operators, and what they share. */
#ifndef SECSRV_SERVER_H
#define SECSRV_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "server_conf.h"

struct event_base;
struct server;

/*
 * server_new - open everything and listen
 * @base: the event loop, which the caller runs
 * @conf: outlives the server
 * @why:  on failure a sentence
 */
struct server *server_new(struct event_base *base, const struct server_conf *conf,
			  char *why, size_t why_size);

/* End all connections, write what waits for the audit log, close everything. */
void server_free(struct server *server);

/* Load the policy file again; what is wrong is logged and in the status. */
void server_reload(struct server *server);

/* The port of the first listener (it may have been given as 0). */
uint16_t server_port(const struct server *server);

#endif
