/* SPDX-License-Identifier: GPL-2.0-only */
/* The configuration of `sigdb serve'; see sigdb.conf(5). */
#ifndef SOCKGATE_SIGDB_SERVE_CONF_H
#define SOCKGATE_SIGDB_SERVE_CONF_H

#include <stddef.h>

#include "conf.h"
#include "tls.h"

#define SERVE_CONF_DEFAULT "/etc/sockgate/sigdb.conf"
#define SERVE_PORT_DEFAULT 6611

struct serve_conf {
	struct conf *conf;		/* the strings below belong to it */
	struct conf_listen listen;
	const char *control;
	struct tls_files tls;
	const char *database;
	unsigned int max_clients;
};

/*
 * serve_conf_load - read the file
 * @why: on failure "FILE:LINE: reason"
 * Returns 0; or -1 with nothing to release.
 */
int serve_conf_load(struct serve_conf *conf, const char *file, char *why,
		    size_t why_size);
void serve_conf_free(struct serve_conf *conf);

#endif
