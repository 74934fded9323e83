// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "conf.h"
#include "control.h"
#include "server_conf.h"
#include "sigdb/scan.h"
#include "sigdb/serve_conf.h"
#include "sigdb/sigdb.h"

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

static void read_services(struct server_conf *s)
{
	struct services_conf *services = &s->identity.services;
	unsigned int n = conf_count(s->conf, "signatures.services");
	char path[48];

	if (!n || n > SERVICES_MAX) {
		conf_reject(s->conf, "signatures.services", "needs 1 to %d services: "
			    "services = ( { address = \"192.0.2.1:6611\"; name = \"sig1\"; } );",
			    SERVICES_MAX);
		return;
	}
	services->n = n;
	for (unsigned int i = 0; i < n; i++) {
		struct service_address *a = &services->list[i];

		snprintf(path, sizeof(path), "signatures.services.[%u].address", i);
		conf_addr(s->conf, path, NULL, SERVE_PORT_DEFAULT, &a->addr, &a->len);
		snprintf(path, sizeof(path), "signatures.services.[%u].name", i);
		conf_string(s->conf, path, NULL, &a->name);
		if (a->len)
			addr_format((struct sockaddr *)&a->addr, a->text);
	}
}

/* The path of a database, or a group that says more. */
static void read_signatures(struct server_conf *s)
{
	struct identity_conf *id = &s->identity;

	read_number(s, "signatures.remember", 65536, 1, 10000000, &id->cache.max);
	read_number(s, "signatures.remember_s", 3600, 1, 86400 * 365,
		    &id->cache.lifetime_s);
	read_number(s, "signatures.remember_unknown_s", 300, 1, 86400 * 365,
		    &id->cache.unknown_lifetime_s);
	read_number(s, "signatures.wait_ms", 1000, 10, 60000, &id->services.wait_ms);
	read_number(s, "signatures.silence_ms", 3000, 100, 60000,
		    &id->services.each.silence_ms);
	id->services.each.attempt_ms = id->services.each.silence_ms;
	if (!conf_is_group(s->conf, "signatures")) {
		conf_string(s->conf, "signatures", SIGDB_DEFAULT_PATH, &id->file);
		return;
	}
	conf_string(s->conf, "signatures.file", SIGDB_DEFAULT_PATH, &id->file);
	if (!conf_has(s->conf, "signatures.services"))
		return;
	if (conf_has(s->conf, "signatures.file"))
		conf_reject(s->conf, "signatures.services",
			    "`signatures' names a file or services, not both");
	read_services(s);
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
	conf_listen(c, "0.0.0.0:6610", SERVER_PORT_DEFAULT, &conf->listen);
	conf_string(c, "control", CONTROL_SERVER_SOCKET, &conf->control);
	conf_string(c, "tls.ca", "/etc/sockgate/server/ca.pem", &conf->tls.ca);
	conf_string(c, "tls.cert", "/etc/sockgate/server/cert.pem", &conf->tls.cert);
	conf_string(c, "tls.key", "/etc/sockgate/server/key.pem", &conf->tls.key);
	conf_string(c, "policy", "/etc/sockgate/policy.conf", &conf->policy);
	read_signatures(conf);
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
	conf_string(c, "scan_rules", "", &conf->scan_rules);
	conf_string(c, "scanner", "sigdb", &conf->scanner);
	if (*conf->scan_rules && conf->identity.services.n)
		conf_reject(c, "scan_rules", "scan_rules: executables are scanned where the "
			    "database is; take it away, or have the database here");
	read_number(conf, "fetch_max_mb", 64, 1, SCAN_SIZE_MAX >> 20, &conf->fetch_max_mb);
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
