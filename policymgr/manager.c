// SPDX-License-Identifier: GPL-2.0-only
/* Everything here runs in one thread, the one of the event loop. */
#include "manager.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <event2/event.h>

#include "console.h"
#include "policy_store.h"
#include "registry.h"

#define COUNTERS 7

struct manager {
	struct event_base *base;
	const struct manager_conf *conf;
	struct policy_store *store;
	struct registry *registry;
	struct console *console;
	struct event *tick;		/* every second */
	time_t started;
	char host[sizeof(((struct utsname *)0)->nodename)];
	/* What the last status points to. */
	Sockgate__Counter counter[COUNTERS];
	Sockgate__Counter *counters[COUNTERS];
};

static time_t uptime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static void count(struct manager *m, Sockgate__Status *out, const char *name,
		  uint64_t value)
{
	Sockgate__Counter *c = &m->counter[out->n_counter];

	sockgate__counter__init(c);
	c->name = (char *)name;
	c->value = value;
	m->counters[out->n_counter++] = c;
}

/* How many servers there are, and how many of them are connected. */
struct crowd {
	uint64_t servers, connected;
};

static void count_server(const Sockgate__PolicyServer *server, void *arg)
{
	struct crowd *crowd = arg;

	crowd->servers++;
	crowd->connected += !server->away_since;
}

static void fill_status(Sockgate__Status *out, void *arg)
{
	struct manager *m = arg;
	const struct registry_counters *n = registry_counters(m->registry);
	struct crowd crowd = { 0 };

	registry_tell(m->registry, count_server, &crowd);
	out->program = (char *)"policymgr";
	out->version = (char *)SOCKGATE_VERSION;
	out->host = m->host;
	out->uptime_s = (uint64_t)(uptime() - m->started);
	out->certificate_end = (uint64_t)registry_certificate_end(m->registry);
	out->policy_version = policy_store_latest(m->store);
	out->counter = m->counters;
	count(m, out, "servers", crowd.servers);
	count(m, out, "servers_connected", crowd.connected);
	count(m, out, "versions_accepted", n->n_pushed);
	count(m, out, "versions_refused", n->n_refused);
	count(m, out, "connections", n->n_connections);
	count(m, out, "connections_no_room", n->n_no_room);
	count(m, out, "connections_pushed_out", n->n_pushed_out);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct manager *m = arg;

	(void)fd, (void)what;
	registry_tick(m->registry);
	console_tick(m->console);
}

static int start_tick(struct manager *m, char *why, size_t why_size)
{
	struct timeval second = { .tv_sec = 1 };

	m->tick = event_new(m->base, -1, EV_PERSIST, on_tick, m);
	if (m->tick && !event_add(m->tick, &second))
		return 0;
	snprintf(why, why_size, "out of memory");
	return -1;
}

static int open_all(struct manager *m, char *why, size_t why_size)
{
	const struct manager_conf *conf = m->conf;
	struct console_env env = {
		.base = m->base, .socket = conf->control, .key = conf->key,
		.status = fill_status, .arg = m,
	};

	if (ed25519_check(conf->key, why, why_size))
		return -1;
	m->store = policy_store_open(conf->store, why, why_size);
	if (!m->store)
		return -1;
	m->registry = registry_open(m->base, conf, m->store, m->host, why, why_size);
	if (!m->registry)
		return -1;
	env.store = m->store;
	env.registry = m->registry;
	m->console = console_open(&env, why, why_size);
	return m->console ? start_tick(m, why, why_size) : -1;
}

struct manager *manager_new(struct event_base *base, const struct manager_conf *conf,
			    char *why, size_t why_size)
{
	struct manager *m = calloc(1, sizeof(*m));
	struct utsname name;

	if (!m) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	m->base = base;
	m->conf = conf;
	m->started = uptime();
	if (!uname(&name))
		snprintf(m->host, sizeof(m->host), "%s", name.nodename);
	if (!open_all(m, why, why_size))
		return m;
	manager_free(m);
	return NULL;
}

void manager_free(struct manager *m)
{
	if (m->tick)
		event_free(m->tick);
	console_close(m->console);
	registry_close(m->registry);
	policy_store_close(m->store);
	free(m);
}

uint16_t manager_port(const struct manager *m)
{
	return registry_port(m->registry);
}
