// SPDX-License-Identifier: GPL-2.0-only
#include "manager_conf.h"

#include <stdio.h>
#include <string.h>

#include "conf.h"
#include "control.h"

int manager_conf_load(struct manager_conf *conf, const char *file, char *why,
		      size_t why_size)
{
	int64_t max_servers;
	struct conf *c;

	memset(conf, 0, sizeof(*conf));
	c = conf_open(file, why, why_size);
	if (!c)
		return -1;
	conf->conf = c;
	conf_addr(c, "listen", "0.0.0.0:6650", MANAGER_PORT_DEFAULT, &conf->addr,
		  &conf->addr_len);
	conf_string(c, "control", CONTROL_MANAGER_SOCKET, &conf->control);
	conf_string(c, "tls.ca", "/etc/sockgate/manager/ca.pem", &conf->tls.ca);
	conf_string(c, "tls.cert", "/etc/sockgate/manager/cert.pem", &conf->tls.cert);
	conf_string(c, "tls.key", "/etc/sockgate/manager/key.pem", &conf->tls.key);
	conf_string(c, "policy_key", "/etc/sockgate/manager/policy.key.pub", &conf->key);
	conf_string(c, "store", "/var/lib/sockgate/policies.sqlite", &conf->store);
	conf_int(c, "max_servers", 1024, 1, 10000, &max_servers);
	conf->max_servers = (unsigned int)max_servers;
	if (!conf_finish(c, why, why_size))
		return 0;
	manager_conf_free(conf);
	return -1;
}

void manager_conf_free(struct manager_conf *conf)
{
	conf_close(conf->conf);
	conf->conf = NULL;
}
