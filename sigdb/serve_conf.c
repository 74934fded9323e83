// SPDX-License-Identifier: GPL-2.0-only
#include "serve_conf.h"

#include <stdio.h>
#include <string.h>

#include "conf.h"
#include "control.h"
#include "sigdb.h"

int serve_conf_load(struct serve_conf *conf, const char *file, char *why,
		    size_t why_size)
{
	int64_t max_clients;
	struct conf *c;

	memset(conf, 0, sizeof(*conf));
	c = conf_open(file, why, why_size);
	if (!c)
		return -1;
	conf->conf = c;
	conf_listen(c, "0.0.0.0:6611", SERVE_PORT_DEFAULT, &conf->listen);
	conf_string(c, "control", CONTROL_SIGDB_SOCKET, &conf->control);
	conf_string(c, "tls.ca", "/etc/sockgate/sigdb/ca.pem", &conf->tls.ca);
	conf_string(c, "tls.cert", "/etc/sockgate/sigdb/cert.pem", &conf->tls.cert);
	conf_string(c, "tls.key", "/etc/sockgate/sigdb/key.pem", &conf->tls.key);
	conf_string(c, "database", SIGDB_DEFAULT_PATH, &conf->database);
	conf_int(c, "max_clients", 64, 1, 1024, &max_clients);
	conf->max_clients = (unsigned int)max_clients;
	if (!conf_finish(c, why, why_size))
		return 0;
	serve_conf_free(conf);
	return -1;
}

void serve_conf_free(struct serve_conf *conf)
{
	conf_close(conf->conf);
	conf->conf = NULL;
}
