// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions that may end a visit do so last, and callers touch nothing afterwards.
 *
 * A version is checked by a thread, since that of a long policy takes seconds; whether its
 * number is free is found out in the event loop, right before it is committed.
 */
#include "console.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <event2/event.h>
#include <utlist.h>

#include "channel.h"
#include "control.h"
#include "log.h"
#include "pool.h"
#include "secsrv/policy.h"

#define VISITS_MAX 64
#define CHECKS_MAX 8
#define LIST_MAX 1000		/* versions in one answer */
#define LIST_PART 200		/* versions or servers in one message */

#define BODY(name) SOCKGATE__MESSAGE__BODY_##name

/* One connection. */
struct visit {
	struct console *console;
	struct channel *ch;
	uint64_t id;
	struct signed_policy_parts push;	/* on its way in */
	struct signed_policy show;		/* on its way out; no text: none is */
	uint64_t show_id;
	size_t sent;
	struct visit *prev, *next;
};

struct console {
	struct console_env env;
	struct pool *pool;
	int fd;
	struct event *event;
	struct visit *visits;
	unsigned int n_visits;
	uint64_t last_id;
	bool listening, closing;
};

/* A version that is being checked. */
struct check {
	struct job job;			/* first: a job is its check */
	struct console *console;
	uint64_t visit, id;
	char key[4096];
	struct signed_policy policy;
	char file[256];			/* where it is wrong, "": elsewhere */
	unsigned int line;
	char why[600];			/* "": it is right */
};

static void end(struct visit *v)
{
	struct console *c = v->console;

	DL_DELETE(c->visits, v);
	c->n_visits--;
	channel_free(v->ch);
	signed_policy_parts_free(&v->push);
	signed_policy_free(&v->show);
	free(v);
}

/* Returns -1 if the visit has ended. */
static int send_message(struct visit *v, uint64_t id, Sockgate__Message *msg)
{
	msg->id = id;
	if (!channel_send(v->ch, msg) || errno == ENOTCONN)
		return 0;
	log_warn("control socket: cannot answer");
	end(v);
	return -1;
}

static int send_error(struct visit *v, uint64_t id, const char *file, unsigned int line,
		      const char *text)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Error error = SOCKGATE__ERROR__INIT;

	error.file = (char *)file;
	error.line = line;
	error.text = (char *)text;
	msg.body_case = BODY(ERROR);
	msg.error = &error;
	return send_message(v, id, &msg);
}

static void refuse(struct visit *v, uint64_t id, const char *text)
{
	send_error(v, id, "", 0, text);
}

/* ---- a new version ---- */

static struct visit *find(const struct console *c, uint64_t id)
{
	struct visit *v;

	DL_SEARCH_SCALAR(c->visits, v, id, id);
	return v;
}

/* The same as `sockgate policy check`. */
static void check_rules(struct check *check)
{
	struct policy_error err = { 0 };
	struct policy *policy = policy_parse(check->policy.text, check->policy.size, "policy",
					     &err);

	if (!policy || policy_warn(policy, &err)) {
		snprintf(check->file, sizeof(check->file), "%s", err.file);
		check->line = err.line;
		snprintf(check->why, sizeof(check->why), "%s", err.reason);
	}
	policy_free(policy);
}

static void run_check(struct job *job)
{
	struct check *check = (struct check *)job;

	if (!signed_policy_verify(&check->policy, check->key, check->why,
				  sizeof(check->why)) &&
	    !signed_policy_check_text(&check->policy, check->why, sizeof(check->why)))
		check_rules(check);
}

/* Returns 0 when it is on the disk. */
static int commit(struct check *check)
{
	struct policy_store *store = check->console->env.store;
	uint64_t latest = policy_store_latest(store);

	if (check->policy.number <= latest) {
		snprintf(check->why, sizeof(check->why), "version %" PRIu64 " is there "
			 "already, and %" PRIu64 " is the newest: somebody else has pushed "
			 "meanwhile; look at it, and push again", check->policy.number,
			 latest);
		return -1;
	}
	if (!policy_store_add(store, &check->policy))
		return 0;
	snprintf(check->why, sizeof(check->why), "%s", policy_store_error(store));
	return -1;
}

static void tell(struct check *check)
{
	Sockgate__PolicyCommitted committed = SOCKGATE__POLICY_COMMITTED__INIT;
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	struct visit *v = find(check->console, check->visit);

	if (!v)
		return;
	if (*check->why) {
		send_error(v, check->id, check->file, check->line, check->why);
		return;
	}
	committed.number = check->policy.number;
	msg.body_case = BODY(POLICY_COMMITTED);
	msg.policy_committed = &committed;
	send_message(v, check->id, &msg);
}

static void check_done(struct job *job)
{
	struct check *check = (struct check *)job;
	struct console *c = check->console;

	if (c->closing || !job->ran)
		goto out;
	if (!*check->why && !commit(check))
		log_info("version %" PRIu64 " by %s: %s", check->policy.number,
			 check->policy.author, check->policy.comment);
	else
		log_warnx("a version is refused: %s", check->why);
	tell(check);
	if (!*check->why)
		registry_new_version(c->env.registry);
out:
	signed_policy_free(&check->policy);
	free(check);
}

/* Takes over what has come. */
static const char *submit(struct visit *v, uint64_t id)
{
	struct check *check = calloc(1, sizeof(*check));

	if (!check)
		return "out of memory";
	check->job.run = run_check;
	check->job.done = check_done;
	check->console = v->console;
	check->visit = v->id;
	check->id = id;
	snprintf(check->key, sizeof(check->key), "%s", v->console->env.key);
	check->policy = v->push.policy;
	memset(&v->push, 0, sizeof(v->push));
	if (!pool_submit(v->console->pool, &check->job))
		return NULL;
	signed_policy_free(&check->policy);
	free(check);
	return "too many versions are being checked: try again";
}

static void take_part(struct visit *v, uint64_t id, const Sockgate__PolicyVersion *part)
{
	char text[512];
	const char *why = text;
	int rc = signed_policy_add(&v->push, id, part, POLICY_SIZE_MAX, text, sizeof(text));

	if (rc > 0)
		return;
	if (!rc)
		why = submit(v, id);
	if (why)
		refuse(v, id, why);
}

/* ---- versions there are ---- */

/* Returns -1 if the visit has ended. */
static int send_shown(struct visit *v)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__PolicyVersion part;
	bool more;

	signed_policy_message(&v->show, &v->sent, &part);
	more = part.more;
	msg.body_case = BODY(POLICY_VERSION);
	msg.policy_version = &part;
	if (send_message(v, v->show_id, &msg))
		return -1;
	if (!more)
		signed_policy_free(&v->show);
	return 0;
}

static void show(struct visit *v, uint64_t id, uint64_t number)
{
	struct policy_store *store = v->console->env.store;
	char why[96];
	int rc;

	if (v->show.text) {
		refuse(v, id, "a version is being sent already");
		return;
	}
	if (!number)
		number = policy_store_latest(store);
	rc = policy_store_get(store, number, true, &v->show);
	if (rc == 1) {
		v->show_id = id;
		v->sent = 0;
		send_shown(v);
		return;
	}
	if (number)
		snprintf(why, sizeof(why), "there is no version %" PRIu64, number);
	else
		snprintf(why, sizeof(why), "there is no version yet");
	refuse(v, id, rc ? policy_store_error(store) : why);
}

/* A list that goes out in several messages. */
struct listing {
	struct visit *v;		/* NULL: it has ended */
	uint64_t id;
	size_t n;
	Sockgate__PolicyVersion version[LIST_PART];
	Sockgate__PolicyVersion *versions[LIST_PART];
	struct signed_policy policy[LIST_PART];
	Sockgate__PolicyServer server[LIST_PART];
	Sockgate__PolicyServer *servers[LIST_PART];
};

static int send_versions(struct listing *l, bool more)
{
	Sockgate__PolicyVersions versions = SOCKGATE__POLICY_VERSIONS__INIT;
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	versions.version = l->versions;
	versions.n_version = l->n;
	versions.more = more;
	msg.body_case = BODY(POLICY_VERSIONS);
	msg.policy_versions = &versions;
	l->n = 0;
	if (send_message(l->v, l->id, &msg))
		l->v = NULL;
	return l->v ? 0 : -1;
}

static int list_version(const struct signed_policy *p, void *arg)
{
	struct listing *l = arg;
	size_t sent = 0;

	if (l->n == LIST_PART && send_versions(l, true))
		return -1;
	l->policy[l->n] = *p;
	signed_policy_message(&l->policy[l->n], &sent, &l->version[l->n]);
	l->versions[l->n] = &l->version[l->n];
	l->n++;
	return 0;
}

static void list(struct visit *v, uint64_t id, uint32_t last)
{
	struct policy_store *store = v->console->env.store;
	struct listing *l = calloc(1, sizeof(*l));

	if (!l) {
		refuse(v, id, "out of memory");
		return;
	}
	l->v = v;
	l->id = id;
	if (!last || last > LIST_MAX)
		last = LIST_MAX;
	if (!policy_store_list(store, last, list_version, l))
		send_versions(l, false);
	else if (l->v)
		refuse(v, id, policy_store_error(store));
	free(l);
}

/* ---- servers ---- */

static void send_servers(struct listing *l, bool more)
{
	Sockgate__PolicyServers servers = SOCKGATE__POLICY_SERVERS__INIT;
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	servers.latest = policy_store_latest(l->v->console->env.store);
	servers.server = l->servers;
	servers.n_server = l->n;
	servers.more = more;
	msg.body_case = BODY(POLICY_SERVERS);
	msg.policy_servers = &servers;
	l->n = 0;
	if (send_message(l->v, l->id, &msg))
		l->v = NULL;
}

/* What it points to stays where it is: nothing changes while a list is made. */
static void list_server(const Sockgate__PolicyServer *server, void *arg)
{
	struct listing *l = arg;

	if (l->v && l->n == LIST_PART)
		send_servers(l, true);
	if (!l->v)
		return;
	l->server[l->n] = *server;
	l->servers[l->n] = &l->server[l->n];
	l->n++;
}

static void servers(struct visit *v, uint64_t id, const Sockgate__PolicyServersQuery *q)
{
	struct registry *registry = v->console->env.registry;
	struct listing *l;
	char why[512];

	if (*q->forget && registry_forget(registry, q->forget, why, sizeof(why))) {
		refuse(v, id, why);
		return;
	}
	l = calloc(1, sizeof(*l));
	if (!l) {
		refuse(v, id, "out of memory");
		return;
	}
	l->v = v;
	l->id = id;
	registry_tell(registry, list_server, l);
	if (l->v)
		send_servers(l, false);
	free(l);
}

/* ---- the channel ---- */

static void status(struct visit *v, uint64_t id)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Status out = SOCKGATE__STATUS__INIT;

	v->console->env.status(&out, v->console->env.arg);
	msg.body_case = BODY(STATUS);
	msg.status = &out;
	send_message(v, id, &msg);
}

static void on_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	(void)ch, (void)peer, (void)arg;
}

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct visit *v = arg;

	(void)ch;
	switch (msg->body_case) {
	case BODY(STATUS_QUERY):
		status(v, msg->id);
		break;
	case BODY(POLICY_VERSION):
		take_part(v, msg->id, msg->policy_version);
		break;
	case BODY(POLICY_VERSIONS_QUERY):
		list(v, msg->id, msg->policy_versions_query->last);
		break;
	case BODY(POLICY_VERSION_QUERY):
		show(v, msg->id, msg->policy_version_query->number);
		break;
	case BODY(POLICY_SERVERS_QUERY):
		servers(v, msg->id, msg->policy_servers_query);
		break;
	default:
		refuse(v, msg->id, "policymgr does not answer this message");
		break;
	}
}

static void on_drained(struct channel *ch, void *arg)
{
	struct visit *v = arg;

	(void)ch;
	if (v->show.text)
		send_shown(v);
}

static void on_down(struct channel *ch, const char *why, void *arg)
{
	(void)ch, (void)why;
	end(arg);
}

static const struct channel_ops ops = {
	.up = on_up, .message = on_message, .down = on_down, .drained = on_drained,
};

static void welcome(struct console *c, int fd)
{
	struct visit *v = c->n_visits < VISITS_MAX ? calloc(1, sizeof(*v)) : NULL;

	if (!v) {
		close(fd);
		return;
	}
	v->console = c;
	v->id = ++c->last_id;
	v->ch = channel_local(c->env.base, fd, &ops, v);
	if (!v->ch) {
		free(v);
		return;
	}
	DL_APPEND(c->visits, v);
	c->n_visits++;
}

static void on_control(evutil_socket_t listener, short what, void *arg)
{
	int fd = control_accept(listener);
	struct console *c = arg;

	(void)what;
	if (fd >= 0) {
		welcome(c, fd);
		return;
	}
	if (errno == EAGAIN)
		return;
	log_warn("control socket: connection refused");
	if (errno == EPERM)
		return;
	/* It ran out of something: others may leave. */
	event_del(c->event);
	c->listening = false;
}

void console_tick(struct console *c)
{
	if (!c->listening)
		c->listening = !event_add(c->event, NULL);
}

struct console *console_open(const struct console_env *env, char *why, size_t why_size)
{
	struct console *c = calloc(1, sizeof(*c));

	if (!c) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	c->env = *env;
	c->fd = control_listen(env->socket, why, why_size);
	if (c->fd < 0)
		goto fail;
	snprintf(why, why_size, "out of memory");
	/* One thread: they come into the store in the order in which they came. */
	c->pool = pool_new(env->base, 1, CHECKS_MAX);
	c->event = event_new(env->base, c->fd, EV_READ | EV_PERSIST, on_control, c);
	if (!c->pool || !c->event || event_add(c->event, NULL))
		goto fail;
	c->listening = true;
	return c;
fail:
	console_close(c);
	return NULL;
}

void console_close(struct console *c)
{
	struct visit *v, *next;

	if (!c)
		return;
	c->closing = true;
	if (c->event)
		event_free(c->event);
	if (c->fd >= 0)
		close(c->fd);
	DL_FOREACH_SAFE(c->visits, v, next)
		end(v);
	/* What hangs keeps what it needs until the process ends. */
	if (c->pool && pool_free(c->pool))
		return;
	free(c);
}
