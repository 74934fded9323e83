// SPDX-License-Identifier: GPL-2.0-only
#include "registry.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <utlist.h>

#include "addr.h"
#include "listeners.h"
#include "log.h"
#include "registrant.h"

#define PING_INTERVAL_S 30
#define BACKLOG 128
/*
 * Connections beside those of max_servers: anybody can make those.  If there are too
 * many, the oldest that has not registered makes room, since it had most time.
 */
#define STRANGERS_MAX 64

#define STATE(name) SOCKGATE__POLICY_STATE__POLICY_##name

/* Of what one server reports, in a second: it may report as fast as it can. */
#define LINES_MAX 4

/* A server that has registered at some time. */
struct known {
	struct server_record record, stored;
	bool pending;			/* the two differ; the next second writes it */
	bool written;			/* in this second */
	unsigned int lines;		/* logged in this second */
	struct registrant *registrant;	/* NULL: it is away */
	struct known *prev, *next;
};

struct connection {
	struct registrant *registrant;
	struct connection *prev, *next;
};

struct registry {
	struct event_base *base;
	const struct manager_conf *conf;
	struct policy_store *store;
	SSL_CTX *tls;
	struct registrant_env env;
	struct evconnlistener *listener;
	struct known *known;		/* by name */
	unsigned int n_known;
	struct connection *connections;	/* the oldest first */
	unsigned int n_connections;
	struct shared_policy *newest;	/* NULL: there is none */
	unsigned int seconds;
	bool listening;
	int64_t complained_s;		/* when a refused connection was last logged */
	struct registry_counters n;
};

/* ---- what is known ---- */

static struct known *find(const struct registry *r, const char *host)
{
	struct known *k;

	DL_FOREACH(r->known, k)
		if (!strcmp(k->record.host, host))
			return k;
	return NULL;
}

static int by_name(const struct known *a, const struct known *b)
{
	return strcmp(a->record.host, b->record.host);
}

static struct known *add_known(struct registry *r, const struct server_record *record)
{
	struct known *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->record = k->stored = *record;
	DL_INSERT_INORDER(r->known, k, by_name);
	r->n_known++;
	return k;
}

/* What it is to us: by what it says it runs, and by what was made here. */
static int state_of(const struct registry *r, const struct server_record *record)
{
	uint64_t latest = policy_store_latest(r->store);
	struct signed_policy p;

	/* One that is not here, or whose text is another, is none of ours. */
	if (record->number &&
	    (policy_store_get(r->store, record->number, false, &p) != 1 ||
	     memcmp(p.sha256, record->sha256, SHA256_SIZE) != 0))
		return STATE(DRIFT);
	if (latest && record->refused == latest)
		return STATE(REFUSED);
	return record->number && record->number == latest ? STATE(CURRENT) : STATE(BEHIND);
}

/* Waits for the disk, and so must not be done as often as a server likes. */
static void write_record(struct registry *r, struct known *k)
{
	k->written = true;
	if (policy_store_put_server(r->store, &k->record)) {
		log_warnx("%s", policy_store_error(r->store));
		return;
	}
	k->stored = k->record;
	k->pending = false;
}

/* That it is still there is not worth a write of its own. */
static bool differs(const struct known *k)
{
	const struct server_record *a = &k->stored, *b = &k->record;

	return strcmp(a->host, b->host) != 0 || strcmp(a->address, b->address) != 0 ||
	       strcmp(a->version, b->version) != 0 || a->number != b->number ||
	       memcmp(a->sha256, b->sha256, sizeof(a->sha256)) != 0 ||
	       a->refused != b->refused || strcmp(a->reason, b->reason) != 0 ||
	       a->state != b->state || a->since != b->since;
}

static void keep(struct registry *r, struct known *k)
{
	struct server_record *record = &k->record;
	int state = state_of(r, record);
	time_t now = time(NULL);

	if (k->registrant)
		record->seen = now;
	if (state != record->state)
		record->since = now;
	record->state = state;
	k->pending |= differs(k);
	if (k->pending && !k->written)
		write_record(r, k);
}

static bool may_log(struct known *k)
{
	return k->lines++ < LINES_MAX;
}

/* What is shown to people must not be able to play with their terminal. */
static void copy_word(char *out, size_t size, const char *text)
{
	size_t i;

	for (i = 0; i + 1 < size && text[i]; i++)
		out[i] = isgraph((unsigned char)text[i]) ? text[i] : '_';
	out[i] = '\0';
}

static void take_report(struct registry *r, struct known *k,
			const Sockgate__PolicyReport *m)
{
	struct server_record *record = &k->record;

	if (m->refused && m->refused != record->refused) {
		r->n.n_refused++;
		if (may_log(k))
			log_warnx("server %s refuses version %" PRIu64 ": %s", record->host,
				  m->refused, m->reason);
	} else if (m->number > record->number) {
		r->n.n_pushed++;
		if (may_log(k))
			log_info("server %s runs version %" PRIu64, record->host, m->number);
	}
	if (m->number != record->number)
		record->since = time(NULL);
	record->number = m->number;
	memcpy(record->sha256, m->sha256.data, SHA256_SIZE);
	record->refused = m->refused;
	snprintf(record->reason, sizeof(record->reason), "%s", m->reason);
	keep(r, k);
	if (record->state == STATE(DRIFT) && may_log(k))
		log_warnx("server %s has a policy in force that is none of ours",
			  record->host);
}

/* ---- registrants ---- */

static void drop(struct registry *r, struct connection *c)
{
	struct known *k = find(r, registrant_host(c->registrant));

	if (k && k->registrant == c->registrant) {
		k->pending = true;	/* when it was seen last */
		keep(r, k);
		k->registrant = NULL;
	}
	DL_DELETE(r->connections, c);
	r->n_connections--;
	free(c);
}

static void gone(struct registrant *registrant, void *arg)
{
	struct registry *r = arg;
	struct connection *c;

	DL_SEARCH_SCALAR(r->connections, c, registrant, registrant);
	drop(r, c);
}

/* One that connects again may not have noticed that the old connection is dead. */
static void replace(struct registry *r, struct registrant *old)
{
	struct connection *c;

	log_info("server %s: its older connection makes room", registrant_host(old));
	DL_SEARCH_SCALAR(r->connections, c, registrant, old);
	drop(r, c);
	registrant_free(old);
}

static const char *registered(struct registrant *registrant,
			      const Sockgate__PolicyRegister *m, void *arg)
{
	struct server_record fresh = { 0 };
	struct registry *r = arg;
	struct known *k = find(r, registrant_host(registrant));

	if (!k && r->n_known >= r->conf->max_servers)
		return "this manager has as many servers as it may have (max_servers)";
	snprintf(fresh.host, sizeof(fresh.host), "%s", registrant_host(registrant));
	if (!k)
		k = add_known(r, &fresh);
	if (!k)
		return "out of memory";
	if (k->registrant)
		replace(r, k->registrant);
	k->registrant = registrant;
	snprintf(k->record.address, sizeof(k->record.address), "%s",
		 registrant_from(registrant));
	copy_word(k->record.version, sizeof(k->record.version), m->version);
	log_info("server %s (%s) registered: version %s, policy version %" PRIu64,
		 k->record.host, k->record.address, k->record.version, m->report->number);
	take_report(r, k, m->report);
	return NULL;
}

static void reported(struct registrant *registrant, const Sockgate__PolicyReport *m,
		     void *arg)
{
	struct known *k = find(arg, registrant_host(registrant));

	if (k)
		take_report(arg, k, m);
}

static struct shared_policy *due(const struct registrant *registrant, void *arg)
{
	struct registry *r = arg;
	const struct known *k = find(r, registrant_host(registrant));
	uint64_t newest = r->newest ? r->newest->policy.number : 0;

	if (!k || newest <= k->record.number || newest == k->record.refused)
		return NULL;
	return r->newest;
}

static uint64_t latest(void *arg)
{
	struct registry *r = arg;

	return policy_store_latest(r->store);
}

/* ---- versions ---- */

static int read_newest(struct registry *r)
{
	uint64_t number = policy_store_latest(r->store);
	struct shared_policy *shared;

	if (!number)
		return 0;
	shared = calloc(1, sizeof(*shared));
	if (!shared || policy_store_get(r->store, number, true, &shared->policy) != 1) {
		free(shared);
		return -1;
	}
	shared->users = 1;
	shared_policy_put(r->newest);
	r->newest = shared;
	return 0;
}

void registry_new_version(struct registry *r)
{
	struct connection *c, *next;
	struct known *k;

	if (read_newest(r)) {
		log_warnx("%s; servers get it when policymgr is restarted",
			  policy_store_error(r->store));
		return;
	}
	DL_FOREACH(r->known, k)
		keep(r, k);
	/* The body may end the connection of @c, but no other. */
	DL_FOREACH_SAFE(r->connections, c, next)
		registrant_push(c->registrant);
}

/* ---- telling ---- */

void registry_tell(const struct registry *r,
		   void (*take)(const Sockgate__PolicyServer *server, void *arg), void *arg)
{
	const struct known *k;

	DL_FOREACH(r->known, k) {
		Sockgate__PolicyServer server = SOCKGATE__POLICY_SERVER__INIT;
		const struct server_record *record = &k->record;

		server.host = (char *)record->host;
		server.address = (char *)record->address;
		server.version = (char *)record->version;
		server.state = (Sockgate__PolicyState)record->state;
		server.since = record->since;
		server.away_since = k->registrant ? 0 : record->seen;
		server.number = record->number;
		server.sha256.data = (uint8_t *)record->sha256;
		server.sha256.len = SHA256_SIZE;
		server.refused = record->refused;
		server.reason = (char *)record->reason;
		take(&server, arg);
	}
}

int registry_forget(struct registry *r, const char *host, char *why, size_t why_size)
{
	struct known *k = find(r, host);

	if (!k) {
		snprintf(why, why_size, "there is no server %s", host);
		return -1;
	}
	if (k->registrant) {
		snprintf(why, why_size, "server %s is connected; it would be back at once",
			 host);
		return -1;
	}
	if (policy_store_forget_server(r->store, host)) {
		snprintf(why, why_size, "%s", policy_store_error(r->store));
		return -1;
	}
	DL_DELETE(r->known, k);
	r->n_known--;
	free(k);
	return 0;
}

/* ---- connections ---- */

/* Returns false if all that are here have registered. */
static bool push_out_stranger(struct registry *r)
{
	struct registrant *registrant;
	struct connection *c;

	DL_FOREACH(r->connections, c) {
		registrant = c->registrant;
		if (registrant_is_registered(registrant))
			continue;
		r->n.n_pushed_out++;
		drop(r, c);
		registrant_free(registrant);
		return true;
	}
	return false;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
		      struct sockaddr *addr, int len, void *arg)
{
	struct registry *r = arg;
	struct connection *c = NULL;
	char from[ADDR_TEXT_SIZE];

	(void)listener, (void)len;
	addr_format(addr, from);
	r->n.n_connections++;
	if (r->n_connections < r->conf->max_servers + STRANGERS_MAX || push_out_stranger(r))
		c = calloc(1, sizeof(*c));
	if (!c) {
		r->n.n_no_room++;
		close(fd);
		return;
	}
	c->registrant = registrant_new(&r->env, fd, from);
	if (!c->registrant) {
		free(c);
		return;
	}
	DL_APPEND(r->connections, c);
	r->n_connections++;
}

/* accept() ran out of something: try again, since others may have left. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	struct registry *r = arg;

	log_warn("cannot accept connections for a moment");
	evconnlistener_disable(listener);
	r->listening = false;
}

static void new_second(struct registry *r, struct known *k)
{
	k->written = false;
	k->lines = 0;
	if (k->pending)
		write_record(r, k);
}

void registry_tick(struct registry *r)
{
	struct connection *c, *next;
	struct known *k;

	DL_FOREACH(r->known, k)
		new_second(r, k);
	if (!r->listening)
		r->listening = !evconnlistener_enable(r->listener);
	if (++r->seconds % PING_INTERVAL_S)
		return;
	DL_FOREACH_SAFE(r->connections, c, next)
		registrant_ping(c->registrant);
}

/* ---- start and end ---- */

static int take_record(const struct server_record *record, void *arg)
{
	return add_known(arg, record) ? 0 : -1;
}

static int listen_on(struct registry *r, char *why, size_t why_size)
{
	const struct sockaddr *addr = (const struct sockaddr *)&r->conf->addr;
	char text[ADDR_TEXT_SIZE];

	addr_format(addr, text);
	r->listener = evconnlistener_new_bind(r->base, on_accept, r, LEV_OPT_CLOSE_ON_FREE |
					      LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
					      BACKLOG, addr, (int)r->conf->addr_len);
	if (!r->listener) {
		snprintf(why, why_size, "cannot listen on %s: %s", text, strerror(errno));
		return -1;
	}
	evconnlistener_set_error_cb(r->listener, on_accept_error);
	r->listening = true;
	log_info("listening on %s", text);
	return 0;
}

static int open_all(struct registry *r, const char *host, char *why, size_t why_size)
{
	r->tls = tls_context(true, TLS_ROLE_MANAGER, &r->conf->tls, why, why_size);
	if (!r->tls)
		return -1;
	if (read_newest(r) || policy_store_servers(r->store, take_record, r)) {
		snprintf(why, why_size, "%s", policy_store_error(r->store));
		return -1;
	}
	r->env = (struct registrant_env){
		.base = r->base, .tls = r->tls, .host = host, .registered = registered,
		.reported = reported, .gone = gone, .due = due, .latest = latest,
		.complained_s = &r->complained_s, .arg = r,
	};
	return listen_on(r, why, why_size);
}

struct registry *registry_open(struct event_base *base, const struct manager_conf *conf,
			       struct policy_store *store, const char *host, char *why,
			       size_t why_size)
{
	struct registry *r = calloc(1, sizeof(*r));

	if (!r) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	r->base = base;
	r->conf = conf;
	r->store = store;
	if (!open_all(r, host, why, why_size))
		return r;
	registry_close(r);
	return NULL;
}

void registry_close(struct registry *r)
{
	struct connection *c, *next;
	struct known *k, *next_known;

	if (!r)
		return;
	if (r->listener)
		evconnlistener_free(r->listener);
	DL_FOREACH_SAFE(r->connections, c, next) {
		struct registrant *registrant = c->registrant;

		drop(r, c);
		registrant_free(registrant);
	}
	DL_FOREACH_SAFE(r->known, k, next_known) {
		if (k->pending)
			write_record(r, k);
		free(k);
	}
	shared_policy_put(r->newest);
	SSL_CTX_free(r->tls);
	free(r);
}

const struct registry_counters *registry_counters(const struct registry *r)
{
	return &r->n;
}

time_t registry_certificate_end(const struct registry *r)
{
	return tls_own_end(r->tls);
}

uint16_t registry_port(const struct registry *r)
{
	return listener_port(r->listener);
}
