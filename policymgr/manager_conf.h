/* SPDX-License-Identifier: GPL-2.0-only */
/* policymgr's configuration file; see policymgr.conf(5). */
#ifndef POLICYMGR_MANAGER_CONF_H
#define POLICYMGR_MANAGER_CONF_H

#include <stddef.h>
#include <sys/socket.h>

#include "tls.h"

#define MANAGER_CONF_DEFAULT "/etc/sockgate/policymgr.conf"
#define MANAGER_PORT_DEFAULT 6650

struct manager_conf {
	struct conf *conf;		/* the strings below belong to it */
	struct sockaddr_storage addr;
	socklen_t addr_len;
	const char *control;
	struct tls_files tls;
	const char *key;		/* public: by which versions are signed */
	const char *store;
	unsigned int max_servers;
};

/*
 * manager_conf_load - read the file
 * @why: on failure "FILE:LINE: reason"
 * Returns 0; or -1 with nothing to release.
 */
int manager_conf_load(struct manager_conf *conf, const char *file, char *why,
		      size_t why_size);
void manager_conf_free(struct manager_conf *conf);

#endif
