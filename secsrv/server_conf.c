// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "conf.h"
#include "control.h"
#include "server_conf.h"
#include "sigdb/sigdb.h"

static void read_listen(struct server_conf *s)
{
	unsigned int n;
	char path[32];

	/* One address, or a list of them. */
	if (!conf_has(s->conf, "listen.[0]")) {
		conf_addr(s->conf, "listen", "0.0.0.0:6610", SERVER_PORT_DEFAULT,
			  &s->listen[0].addr, &s->listen[0].len);
		s->listens = 1;
		return;
	}
	n = conf_count(s->conf, "listen");
	if (n > SERVER_LISTEN_MAX) {
		conf_reject(s->conf, "listen", "listen: no more than %d addresses",
			    SERVER_LISTEN_MAX);
		return;
	}
	for (unsigned int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "listen.[%u]", i);
		conf_addr(s->conf, path, NULL, SERVER_PORT_DEFAULT,
			  &s->listen[i].addr, &s->listen[i].len);
	}
	s->listens = n;
}

static void read_managers(struct server_conf *s)
{
	unsigned int n = conf_count(s->conf, "policy_manager");
	char path[48];

	if (n > SERVER_MANAGERS_MAX) {
		conf_reject(s->conf, "policy_manager", "policy_manager: no more than %d",
			    SERVER_MANAGERS_MAX);
		return;
	}
	for (unsigned int i = 0; i < n; i++) {
		struct server_manager *m = &s->manager[i];

		snprintf(path, sizeof(path), "policy_manager.[%u].address", i);
		conf_addr(s->conf, path, NULL, SERVER_MANAGER_PORT, &m->addr, &m->len);
		addr_format((const struct sockaddr *)&m->addr, m->text);
		snprintf(path, sizeof(path), "policy_manager.[%u].name", i);
		conf_string(s->conf, path, NULL, &m->name);
	}
	s->managers = n;
}

static void read_number(struct server_conf *s, const char *path, int64_t def,
			int64_t min, int64_t max, unsigned int *out)
{
	int64_t value = def;

	conf_int(s->conf, path, def, min, max, &value);
	*out = (unsigned int)value;
}

int server_conf_load(struct server_conf *conf, const char *file, char *why,
		     size_t why_size)
{
	unsigned int megabytes;
	struct conf *c;

	memset(conf, 0, sizeof(*conf));
	c = conf_open(file, why, why_size);
	if (!c)
		return -1;
	conf->conf = c;
	read_listen(conf);
	conf_string(c, "control", CONTROL_SERVER_SOCKET, &conf->control);
	conf_string(c, "tls.ca", "/etc/sockgate/server/ca.pem", &conf->tls.ca);
	conf_string(c, "tls.cert", "/etc/sockgate/server/cert.pem", &conf->tls.cert);
	conf_string(c, "tls.key", "/etc/sockgate/server/key.pem", &conf->tls.key);
	conf_string(c, "policy", "/etc/sockgate/policy.conf", &conf->policy);
	conf_string(c, "signatures", SIGDB_DEFAULT_PATH,
		    &conf->signatures);
	conf_string(c, "audit", "/var/lib/sockgate/audit.sqlite", &conf->audit);
	read_number(conf, "audit_keep_days", 0, 0, 36500,
		    &conf->audit_bounds.keep_days);
	read_number(conf, "audit_max_mb", 10240, 0, 100000000, &megabytes);
	conf->audit_bounds.max_bytes = (int64_t)megabytes << 20;
	read_number(conf, "max_agents", 4096, 1, 100000, &conf->max_agents);
	read_managers(conf);
	conf_string(c, "policy_key", "/etc/sockgate/server/policy.key.pub",
		    &conf->policy_key);
	conf_string(c, "policy_note", "/var/lib/sockgate/policy.version",
		    &conf->policy_note);
	if (!conf_finish(c, why, why_size))
		return 0;
	server_conf_free(conf);
	return -1;
}

void server_conf_free(struct server_conf *conf)
{
	conf_close(conf->conf);
	conf->conf = NULL;
}
