// SPDX-License-Identifier: GPL-2.0-only
/* Everything here runs in one thread, the one of the event loop. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <event2/event.h>

/* Out of memory costs a connection, not the server. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "addr.h"
#include "audit.h"
#include "control.h"
#include "fetcher.h"
#include "judge.h"
#include "listeners.h"
#include "loader.h"
#include "log.h"
#include "manager_link.h"
#include "operator.h"
#include "server.h"
#include "session.h"

#define MAX_OPERATORS 64
/* An agent that connects again may not have noticed that the old one is dead. */
#define MAX_PER_HOST 4
/*
 * Connections that have not said hello: anybody can make those.  One source has a
 * share of them; if there are too many of all, the oldest makes room, since it had
 * most time.
 */
#define MAX_STRANGERS 1024
#define MAX_STRANGERS_PER_SOURCE 32
#define PING_INTERVAL_S 30
#define BACKLOG 1024

/* A session or an operator: answers of the audit log find it by number. */
struct link {
	uint64_t id;
	struct session *session;
	struct operator *operator;
	bool stranger;			/* an agent that has not said hello */
	struct in6_addr source;		/* of a stranger: what counts as one */
	struct link *prev, *next;	/* among the strangers */
	UT_hash_handle hh;
};

/* The body may end the connection of @l, but no other. */
#define for_each_link(s, l, next)					\
	for ((l) = (s)->links; (l) && ((next) = (l)->hh.next, 1); (l) = (next))

#define COUNTERS_MAX 64

struct server {
	struct event_base *base;
	const struct server_conf *conf;
	SSL_CTX *tls;
	SSL_CTX *services_tls;		/* as a client of signature services */
	struct identity_cache *identities;
	struct judge *judge;
	struct loader *loader;
	struct manager_link *manager;	/* NULL: the policy is our own */
	struct audit *audit;
	struct fetcher *fetcher;	/* NULL: nothing is fetched */
	struct session_env session_env;
	struct operator_env operator_env;
	struct listeners listeners;
	int control_fd;
	struct event *control;
	struct event *tick;		/* every second */
	struct link *links;		/* in the order of connection */
	struct link *strangers;		/* the oldest first */
	unsigned int n_strangers, sessions, operators;
	uint64_t last_id;
	time_t started;
	unsigned int seconds;
	bool listening;
	bool renewed;			/* signatures, since the last tick */
	bool has_queued;		/* a policy's text, for the audit log */
	uint8_t queued[SHA256_SIZE];	/* which one, last */
	struct session_counters n;
	uint64_t n_accepted, n_full, n_replaced, n_crowded, n_pushed_out;
	char host[sizeof(((struct utsname *)0)->nodename)];
	/* What the last status points to. */
	struct audit_status audit_status;
	Sockgate__Counter counter[COUNTERS_MAX];
	Sockgate__Counter *counters[COUNTERS_MAX];
	Sockgate__Peer *peer;
	Sockgate__Peer **peers;
};

static uint64_t wall_s(void)
{
	return (uint64_t)time(NULL);
}

/* ---- links ---- */

static struct link *find(struct server *s, uint64_t id)
{
	struct link *l;

	HASH_FIND(hh, s->links, &id, sizeof(id), l);
	return l;
}

static struct link *new_link(struct server *s)
{
	struct link *l = calloc(1, sizeof(*l));

	if (l)
		l->id = ++s->last_id;
	return l;
}

static void free_link(struct link *l)
{
	if (l->session)
		session_free(l->session);
	if (l->operator)
		operator_free(l->operator);
	free(l);
}

/* Without a connection (there was no memory for it), it goes at once. */
static void add_link(struct server *s, struct link *l)
{
	if (l->session || l->operator)
		HASH_ADD(hh, s->links, id, sizeof(l->id), l);
	if (!l->hh.tbl) {
		free_link(l);
		return;
	}
	if (l->operator) {
		s->operators++;
		return;
	}
	l->stranger = true;
	DL_APPEND(s->strangers, l);
	s->n_strangers++;
}

static void no_stranger(struct server *s, struct link *l)
{
	l->stranger = false;
	DL_DELETE(s->strangers, l);
	s->n_strangers--;
}

static void remove_link(struct server *s, struct link *l)
{
	if (l->stranger)
		no_stranger(s, l);
	else if (l->session)
		s->sessions--;
	else
		s->operators--;
	HASH_DEL(s->links, l);
}

/* Those that are gone free themselves. */
static void session_gone(struct session *session, void *arg)
{
	struct link *l = find(arg, session_id(session));

	remove_link(arg, l);
	free(l);
}

static void operator_gone(struct operator *operator, void *arg)
{
	struct link *l = find(arg, operator_id(operator));

	remove_link(arg, l);
	free(l);
}

/* The oldest session of a host that has too many makes room. */
static void make_room_for(struct server *s, const char *host)
{
	struct link *l, *next, *oldest = NULL;
	unsigned int n = 0;

	for_each_link(s, l, next) {
		if (!l->session || l->stranger || strcmp(session_host(l->session), host))
			continue;
		if (!oldest)
			oldest = l;
		n++;
	}
	if (n < MAX_PER_HOST)
		return;
	log_info("agent %s: its oldest connection of %u makes room", host, n);
	s->n_replaced++;
	remove_link(s, oldest);
	free_link(oldest);
}

static const char *session_hello(struct session *session, void *arg)
{
	struct server *s = arg;

	make_room_for(s, session_host(session));
	if (s->sessions >= s->conf->max_agents) {
		s->n_full++;
		return "this server has as many agents as it may have (max_agents)";
	}
	no_stranger(s, find(s, session_id(session)));
	s->sessions++;
	return NULL;
}

/* ---- the audit log ---- */

static void on_stored(uint64_t owner, uint64_t sequence, size_t size, void *arg)
{
	struct link *l = find(arg, owner);

	if (l && l->session)
		session_stored(l->session, sequence, size);
}

static void on_committed(const Sockgate__Records *records, void *arg)
{
	struct server *s = arg;
	struct link *l, *next;

	if (!s->operators)
		return;
	for_each_link(s, l, next) {
		if (l->operator)
			operator_committed(l->operator, records);
	}
}

static void on_found(uint64_t owner, uint64_t id, Sockgate__Records *part,
		     const char *why, void *arg)
{
	struct link *l = find(arg, owner);

	if (l && l->operator)
		operator_found(l->operator, id, part, why);
	else if (part)
		sockgate__records__free_unpacked(part, NULL);
}

static void on_explained(uint64_t owner, uint64_t id, Sockgate__Explanation *e,
			 const char *why, void *arg)
{
	struct link *l = find(arg, owner);

	if (l && l->operator)
		operator_explained(l->operator, id, e, why);
	else if (e)
		sockgate__explanation__free_unpacked(e, NULL);
}

static void on_policy(uint64_t owner, uint64_t id, uint64_t generation,
		      const char *text, const char *why, void *arg)
{
	struct link *l = find(arg, owner);

	if (l && l->operator)
		operator_policy(l->operator, id, generation, text, why);
}

static const struct audit_ops audit_ops = {
	.stored = on_stored,
	.committed = on_committed,
	.found = on_found,
	.explained = on_explained,
	.policy = on_policy,
};

/* ---- the policy ---- */

/* The text only if it is another one: generations come often, texts are long. */
static void keep_policy(struct server *s)
{
	const struct policy *policy = judge_policy(s->judge);
	bool same = s->has_queued && !memcmp(s->queued, policy->sha256, SHA256_SIZE);

	if (audit_policy(s->audit, judge_generation(s->judge), same ? NULL : policy->text)) {
		log_warn("audit: the policy cannot be kept");
		return;
	}
	s->has_queued = true;
	memcpy(s->queued, policy->sha256, SHA256_SIZE);
}

/* Store what is in force now, so that it can be explained, and announce it. */
static void new_generation(struct server *s)
{
	struct link *l, *next;

	keep_policy(s);
	for_each_link(s, l, next) {
		if (l->session)
			session_policy_changed(l->session);
	}
}

void server_reload(struct server *server)
{
	if (loader_reload(server->loader))
		log_warn("the policy is not loaded again");
}

static bool is_in_force(const struct server *s, const struct policy *policy)
{
	return !memcmp(judge_policy(s->judge)->sha256, policy->sha256, SHA256_SIZE);
}

/* The same text again, as a version: no decision is another one. */
static void put_in_force(struct server *s, struct policy *policy, const char *name,
			 const struct signed_policy *version)
{
	if (version && is_in_force(s, policy)) {
		policy_free(policy);
		return;
	}
	judge_put(s->judge, policy, name, wall_s());
	new_generation(s);
}

static void tell_manager(struct server *s, const struct signed_policy *version,
			 const struct policy_error *err)
{
	if (!s->manager)
		return;
	if (version)
		manager_link_loaded(s->manager, version, err);
	else if (!err)
		manager_link_report(s->manager);
}

static void on_loaded(uint64_t owner, uint64_t id, struct policy *policy,
		      const char *name, const struct policy_error *err,
		      const struct signed_policy *version, void *arg)
{
	Sockgate__PolicyLoaded loaded = SOCKGATE__POLICY_LOADED__INIT;
	struct server *s = arg;
	struct link *l;

	if (policy)
		put_in_force(s, policy, name, version);
	else
		judge_reject(s->judge, err);
	tell_manager(s, version, policy ? NULL : err);
	l = find(s, owner);
	if (!l || !l->operator)
		return;
	loaded.generation = judge_generation(s->judge);
	loaded.rules = judge_policy(s->judge)->rules;
	operator_loaded(l->operator, id, policy ? &loaded : NULL, err);
}

static void fill_policy(Sockgate__PolicyText *out, void *arg)
{
	struct server *s = arg;

	out->generation = judge_generation(s->judge);
	out->file = (char *)judge_policy_file(s->judge);
	out->text = judge_policy(s->judge)->text;
}

static int load_policy(uint64_t owner, uint64_t id, const Sockgate__PolicyLoad *load,
		       void *arg)
{
	struct server *s = arg;

	if (s->manager && !load->force) {
		errno = EPERM;
		return -1;
	}
	return loader_text(s->loader, owner, id, load->text, *load->file ?
			   load->file : judge_policy_file(s->judge));
}

static int load_version(struct signed_policy *version, void *arg)
{
	struct server *s = arg;
	char note[MANAGER_NOTE_SIZE];

	manager_note(version, note);
	return loader_version(s->loader, version, s->conf->policy_note, note);
}

static const uint8_t *in_force(void *arg)
{
	struct server *s = arg;

	return judge_policy(s->judge)->sha256;
}

static const struct manager_link_ops link_ops = {
	.load = load_version, .in_force = in_force,
};

/* ---- status ---- */

static void count(struct server *s, Sockgate__Status *out, const char *name,
		  uint64_t value)
{
	Sockgate__Counter *c = &s->counter[out->n_counter];

	if (out->n_counter == COUNTERS_MAX)
		return;
	sockgate__counter__init(c);
	c->name = (char *)name;
	c->value = value;
	s->counters[out->n_counter++] = c;
}

static void add_fetched(struct server *s, Sockgate__Status *out)
{
	const struct fetcher_counters *f = fetcher_counters(s->fetcher);

	count(s, out, "executables_asked_for", f->n_asked);
	count(s, out, "executables_scanned", f->n_scanned);
	count(s, out, "executables_put_off", f->n_put_off);
	count(s, out, "executables_over_quota", f->n_over_quota);
	count(s, out, "executables_missing", f->n_missing);
	count(s, out, "executables_too_large", f->n_too_large);
	count(s, out, "executables_false", f->n_false);
	count(s, out, "executables_not_scanned", f->n_failed);
}

static void add_counters(struct server *s, Sockgate__Status *out)
{
	const struct judge_counters *j = judge_counters(s->judge);
	const struct identity_counters *id = identity_counters(s->identities);
	const struct audit_status *a = &s->audit_status;

	out->counter = s->counters;
	count(s, out, "questions", s->n.n_questions);
	count(s, out, "decided_allow", j->n_allowed);
	count(s, out, "decided_deny", j->n_denied);
	count(s, out, "decided_audit", j->n_audited);
	count(s, out, "failed_allow", j->n_failed_allow);
	count(s, out, "failed_deny", j->n_failed_deny);
	count(s, out, "questions_late", s->n.n_late);
	count(s, out, "malformed", s->n.n_malformed);
	count(s, out, "records_taken", s->n.n_records);
	count(s, out, "records_stored", a->n_stored);
	count(s, out, "records_repeated", a->n_repeated);
	count(s, out, "records_held_back", s->n.n_held_back);
	count(s, out, "records_waiting_bytes", a->waiting);
	count(s, out, "audit_backlog_full", a->n_refused);
	count(s, out, "audit_commits", a->n_commits);
	count(s, out, "identity_hits", id->cache.n_hit);
	count(s, out, "identity_misses", id->cache.n_missed);
	count(s, out, "identity_lookups", id->n_looked_up + id->services.n_answered);
	count(s, out, "identity_failed", id->n_failed);
	count(s, out, "identity_cached", id->cached);
	count(s, out, "identity_evicted", id->cache.n_evicted);
	count(s, out, "identity_expired", id->cache.n_expired);
	count(s, out, "signature_inquiries", id->services.n_asked);
	count(s, out, "signature_inquiries_another", id->services.n_another);
	count(s, out, "signature_inquiries_refused", id->services.n_refused);
	count(s, out, "signature_inquiries_timed_out", id->services.n_timeouts);
	count(s, out, "signature_inquiries_full", id->services.n_full);
	count(s, out, "signature_answers_late", id->services.n_late);
	count(s, out, "signature_answers_impossible", id->services.n_impossible);
	count(s, out, "signature_services_lost", id->services.n_losses);
	count(s, out, "sightings_not_noted", id->n_not_noted);
	if (s->fetcher)
		add_fetched(s, out);
	count(s, out, "policies_loaded", j->n_loaded);
	count(s, out, "policies_refused", j->n_rejected);
	count(s, out, "connections", s->n_accepted);
	count(s, out, "connections_rejected", s->n.n_rejected);
	count(s, out, "connections_no_room", s->n_full);
	count(s, out, "connections_replaced", s->n_replaced);
	count(s, out, "connections_of_crowded_source", s->n_crowded);
	count(s, out, "connections_pushed_out", s->n_pushed_out);
	count(s, out, "agents_too_slow", s->n.n_slow);
}

static void add_peers(struct server *s, Sockgate__Status *out)
{
	struct link *l, *next;

	free(s->peer);
	free(s->peers);
	s->peer = calloc(s->sessions + 1U, sizeof(*s->peer));
	s->peers = calloc(s->sessions + 1U, sizeof(Sockgate__Peer *));
	if (!s->peer || !s->peers)
		return;
	out->agent = s->peers;
	for_each_link(s, l, next) {
		Sockgate__Peer *peer = &s->peer[out->n_agent];

		if (l->session && session_describe(l->session, wall_s(), peer))
			s->peers[out->n_agent++] = peer;
	}
}

static time_t uptime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static void fill_status(Sockgate__Status *out, void *arg)
{
	struct server *s = arg;

	audit_status(s->audit, &s->audit_status);
	out->program = (char *)"secsrv";
	out->version = (char *)SOCKGATE_VERSION;
	out->host = s->host;
	out->uptime_s = (uint64_t)(uptime() - s->started);
	out->generation = judge_generation(s->judge);
	out->certificate_end = (uint64_t)tls_own_end(s->tls);
	out->policy_file = (char *)judge_policy_file(s->judge);
	out->policy_rules = judge_policy(s->judge)->rules;
	out->policy_error = (char *)judge_error(s->judge);
	out->audit_error = s->audit_status.error;
	if (s->manager)
		manager_link_describe(s->manager, out);
	out->signatures = (char *)identity_source(s->identities);
	out->signatures_error = (char *)identity_error(s->identities);
	add_peers(s, out);
	add_counters(s, out);
}

/* ---- time ---- */

static void ping_sessions(struct server *s)
{
	struct link *l, *next;

	for_each_link(s, l, next) {
		if (l->session)
			session_ping(l->session);
	}
}

/* accept() ran out of something: try again, since others may have left. */
static void set_listening(struct server *s, bool on)
{
	s->listening = on;
	listeners_enable(&s->listeners, on);
	if (on)
		event_add(s->control, NULL);
	else
		event_del(s->control);
}

static void refresh_signatures(struct server *s)
{
	s->renewed = judge_refresh(s->judge, wall_s());
	if (s->renewed)
		new_generation(s);
}

/*
 * A service says so: agents and kernels forget at once.  If it goes on saying so, the
 * tick finds it.
 */
static void on_signatures(void *arg)
{
	struct server *s = arg;

	if (!s->renewed)
		refresh_signatures(s);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd, (void)what;
	refresh_signatures(s);
	loader_tick(s->loader);
	if (s->fetcher && fetcher_refresh(s->fetcher, (int64_t)wall_s())) {
		log_info("the rules to scan by have changed");
		judge_renew(s->judge, wall_s());
		new_generation(s);
	}
	if (++s->seconds % PING_INTERVAL_S == 0)
		ping_sessions(s);
	if (!s->listening)
		set_listening(s, true);
}

/* ---- connections ---- */

static bool is_crowded(const struct server *s, const struct in6_addr *source)
{
	const struct link *l;
	unsigned int n = 0;

	DL_FOREACH(s->strangers, l)
		n += IN6_ARE_ADDR_EQUAL(&l->source, source);
	return n >= MAX_STRANGERS_PER_SOURCE;
}

static void push_out(struct server *s, struct link *l)
{
	s->n_pushed_out++;
	remove_link(s, l);
	free_link(l);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
		      struct sockaddr *addr, int len, void *arg)
{
	struct in6_addr source = addr_source(addr);
	struct server *s = arg;
	char from[ADDR_TEXT_SIZE];
	struct link *l = NULL;

	(void)listener, (void)len;
	addr_format(addr, from);
	s->n_accepted++;
	if (is_crowded(s, &source))
		s->n_crowded++;
	else
		l = new_link(s);
	if (!l) {
		close(fd);
		return;
	}
	if (s->n_strangers >= MAX_STRANGERS)
		push_out(s, s->strangers);
	l->source = source;
	l->session = session_new(&s->session_env, fd, l->id, from);
	add_link(s, l);
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	(void)listener;
	log_warn("cannot accept connections for a moment");
	set_listening(arg, false);
}

static void on_control(evutil_socket_t listener, short what, void *arg)
{
	int fd = control_accept(listener);
	struct server *s = arg;
	struct link *l;

	(void)what;
	if (fd < 0) {
		if (errno == EAGAIN)
			return;
		log_warn("control socket: connection refused");
		if (errno != EPERM)
			set_listening(s, false);
		return;
	}
	l = s->operators < MAX_OPERATORS ? new_link(s) : NULL;
	if (!l) {
		close(fd);
		return;
	}
	l->operator = operator_new(&s->operator_env, fd, l->id);
	add_link(s, l);
}

/* ---- start and end ---- */

static int open_control(struct server *s, char *why, size_t why_size)
{
	s->control_fd = control_listen(s->conf->control, why, why_size);
	if (s->control_fd < 0)
		return -1;
	s->control = event_new(s->base, s->control_fd, EV_READ | EV_PERSIST,
			       on_control, s);
	if (s->control && !event_add(s->control, NULL))
		return 0;
	snprintf(why, why_size, "out of memory");
	return -1;
}

static int start_tick(struct server *s, char *why, size_t why_size)
{
	struct timeval second = { .tv_sec = 1 };

	s->tick = event_new(s->base, -1, EV_PERSIST, on_tick, s);
	if (s->tick && !event_add(s->tick, &second))
		return 0;
	snprintf(why, why_size, "out of memory");
	return -1;
}

static int open_identities(struct server *s, char *why, size_t why_size)
{
	const struct server_conf *conf = s->conf;

	if (conf->identity.services.n) {
		s->services_tls = tls_context(false, TLS_ROLE_SERVER, &conf->tls, why,
					      why_size);
		if (!s->services_tls)
			return -1;
	}
	s->identities = identity_open(s->base, s->services_tls, &conf->identity,
				      on_signatures, s, why, why_size);
	return s->identities ? 0 : -1;
}

static int open_fetcher(struct server *s, char *why, size_t why_size)
{
	const struct fetcher_conf conf = {
		.rules = s->conf->scan_rules,
		.signatures = s->conf->identity.file,
		.scanner = s->conf->scanner,
		.max_bytes = (uint64_t)s->conf->fetch_max_mb << 20,
	};

	if (!*conf.rules)
		return 0;
	s->fetcher = fetcher_new(s->base, &conf);
	if (s->fetcher)
		return 0;
	snprintf(why, why_size, "cannot start a thread");
	return -1;
}

static int open_all(struct server *s, char *why, size_t why_size)
{
	const struct server_conf *conf = s->conf;
	const struct listeners_conf listening = {
		.at = &conf->listen, .backlog = BACKLOG, .accept = on_accept,
		.failed = on_accept_error, .arg = s,
	};
	uint64_t generation = 0;

	s->tls = tls_context(true, TLS_ROLE_SERVER, &conf->tls, why, why_size);
	if (!s->tls)
		return -1;
	s->audit = audit_open(s->base, conf->audit, &conf->audit_bounds,
			      &audit_ops, s, &generation, why, why_size);
	if (!s->audit)
		return -1;
	if (open_identities(s, why, why_size))
		return -1;
	s->judge = judge_open(conf->policy, s->identities, generation, wall_s(), why,
			      why_size);
	if (!s->judge)
		return -1;
	s->loader = loader_open(s->base, conf->policy, on_loaded, s);
	if (!s->loader) {
		snprintf(why, why_size, "cannot start a thread");
		return -1;
	}
	if (conf->managers) {
		s->manager = manager_link_new(s->base, conf, &link_ops, s, why, why_size);
		if (!s->manager)
			return -1;
	}
	new_generation(s);
	if (open_fetcher(s, why, why_size))
		return -1;
	if (open_control(s, why, why_size) || start_tick(s, why, why_size))
		return -1;
	s->session_env = (struct session_env){
		.base = s->base, .tls = s->tls, .judge = s->judge,
		.audit = s->audit, .fetcher = s->fetcher, .n = &s->n, .host = s->host,
		.hello = session_hello, .gone = session_gone, .arg = s,
	};
	s->operator_env = (struct operator_env){
		.base = s->base, .audit = s->audit, .status = fill_status,
		.policy = fill_policy, .load = load_policy, .gone = operator_gone, .arg = s,
	};
	if (listeners_open(&s->listeners, s->base, &listening, why, why_size))
		return -1;
	s->listening = true;
	return 0;
}

struct server *server_new(struct event_base *base, const struct server_conf *conf,
			  char *why, size_t why_size)
{
	struct server *s = calloc(1, sizeof(*s));
	struct utsname name;

	if (!s) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	s->base = base;
	s->conf = conf;
	s->control_fd = -1;
	s->started = uptime();
	if (!uname(&name))
		snprintf(s->host, sizeof(s->host), "%s", name.nodename);
	if (!open_all(s, why, why_size))
		return s;
	server_free(s);
	return NULL;
}

void server_free(struct server *server)
{
	struct link *l, *next;

	listeners_close(&server->listeners);
	if (server->tick)
		event_free(server->tick);
	if (server->control)
		event_free(server->control);
	if (server->control_fd >= 0)
		close(server->control_fd);
	for_each_link(server, l, next) {
		remove_link(server, l);
		free_link(l);
	}
	manager_link_free(server->manager);
	fetcher_free(server->fetcher);
	loader_close(server->loader);
	judge_close(server->judge);
	identity_close(server->identities);
	audit_close(server->audit);
	SSL_CTX_free(server->services_tls);
	SSL_CTX_free(server->tls);
	free(server->peer);
	free(server->peers);
	free(server);
}

uint16_t server_port(const struct server *server)
{
	return listener_port(server->listeners.one[0]);
}
