/* SPDX-License-Identifier: GPL-2.0-only */
/* secsrv's own configuration file; see secsrv(8). */
#ifndef SECSRV_SERVER_CONF_H
#define SECSRV_SERVER_CONF_H

#include <stddef.h>
#include <sys/socket.h>

#include "addr.h"
#include "audit.h"
#include "conf.h"
#include "identity.h"
#include "tls.h"

#define SERVER_CONF_DEFAULT "/etc/sockgate/secsrv.conf"
#define SERVER_PORT_DEFAULT 6610
#define SERVER_MANAGER_PORT 6650

#define SERVER_MANAGERS_MAX 8

/* An address of a policy manager, and the name in its certificate. */
struct server_manager {
	struct sockaddr_storage addr;
	socklen_t len;
	char text[ADDR_TEXT_SIZE];
	const char *name;
};

struct server_conf {
	struct conf *conf;		/* the strings below belong to it */
	struct conf_listen listen;
	const char *control;
	struct tls_files tls;
	const char *policy;
	struct identity_conf identity;
	const char *audit;
	struct audit_bounds audit_bounds;
	unsigned int max_agents;
	struct server_manager manager[SERVER_MANAGERS_MAX];
	unsigned int managers;		/* 0: the policy is this machine's own */
	const char *policy_key;		/* public: by which versions are signed */
	const char *policy_note;	/* which version was accepted last */
	const char *scan_rules;		/* empty: nothing is fetched */
	const char *scanner;
	unsigned int fetch_max_mb;
};

/*
 * server_conf_load - read the file
 * @why: on failure "FILE:LINE: reason"
 * Returns 0; or -1 with nothing to release.
 */
int server_conf_load(struct server_conf *conf, const char *file, char *why,
		     size_t why_size);
void server_conf_free(struct server_conf *conf);

#endif
