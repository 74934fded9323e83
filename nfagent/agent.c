// SPDX-License-Identifier: GPL-2.0-only
/*
 * The wiring: the desk's ports lead to kernel, threads, server and records; all
 * that comes back goes to the desk.  Everything here runs in the event loop, but
 * on_recall() and the clock that it reads.
 */
#include "agent.h"

#include <event2/event.h>
#include <event2/util.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "arguments.h"
#include "cgroup.h"
#include "cgroups.h"
#include "console.h"
#include "context.h"
#include "counts.h"
#include "desk.h"
#include "hash.h"
#include "identity.h"
#include "kernel.h"
#include "limit.h"
#include "log.h"
#include "moment.h"
#include "names.h"
#include "pool.h"
#include "probe.h"
#include "records.h"
#include "resolvers.h"
#include "sender.h"
#include "server.h"
#include "spool.h"
#include "tls.h"
#include "user.h"

#define READERS 4
#define RESOLVERS 4
#define ARGUMENT_READERS 8	/* what they read can hang */
#define ARGUMENT_JOBS 256
#define MAX_JOBS 65536
#define OF_SCRIPT (1ULL << 63)	/* in the number of a hash: that of the script */
#define MAX_FILES 4096		/* executables that are being hashed */
#define MAX_USERS 65536
#define MAX_OPEN 256		/* executables kept open for as long as a question */
#define PART_MS 10		/* so no more than 3 MB in a second */
#define SPOOL_MEMORY (16U << 20)
#define SECOND_MS 1000
#define FLUSH_MS 50
#define KERNEL_CHECK_SECONDS 5
#define BLIND_CHECK_SECONDS 60

struct agent {
	struct settings *settings;
	struct event_base *base;
	struct kernel *kernel;
	struct console *console;
	struct pool *readers, *hashers, *resolver_pool, *spool_pool;
	struct pool *argument_pool, *content_pool;
	struct sender *sender;
	unsigned int n_open;
	struct arguments *arguments;
	struct program_conf program;
	struct hash_cache *hashes;
	struct identity_conf identity;
	struct cgroups *cgroups;
	struct user_conf user_conf;
	struct users *users;
	struct spool *spool;
	struct records *records;
	struct desk *desk;
	struct failure_table failures;	/* see follow_kernel() */
	SSL_CTX *tls;
	struct server *server;
	struct resolvers *resolvers;
	struct event *term, *interrupt;
	struct event *tick;		/* the desk's deadlines */
	uint64_t tick_due_us;		/* 0: not set */
	struct event *flush;		/* records of cache hits */
	struct event *send;		/* records to the server */
	struct event *hits;		/* there are some */
	int hits_fd;
	struct event *second;
	unsigned int seconds;
	uint32_t blind;			/* hooks, by bit */
	uint32_t events;		/* that the policy names */
	bool module_gone;
	uint64_t batch_last;		/* sent, and not committed; 0: none */
	uint64_t started_us;
	char context[64];
};

/* A question on its way to the name service: the number and where it goes. */
struct errand {
	struct agent *agent;
	uint64_t number;
};

static struct errand *errand_new(struct agent *agent, uint64_t number)
{
	struct errand *e = malloc(sizeof(*e));

	if (e)
		*e = (struct errand){ agent, number };
	return e;
}

/* ---- timers ---- */

static void wait_us(struct event *timer, uint64_t us)
{
	struct timeval tv = { (time_t)(us / 1000000),
			      (suseconds_t)(us % 1000000) };

	event_add(timer, &tv);
}

/* Asks the desk when it wants to be called next. */
static void desk_turn(struct agent *a, struct moment now)
{
	uint64_t wait = desk_tick(a->desk, now);

	a->tick_due_us = wait ? now.us + wait : 0;
	if (wait)
		wait_us(a->tick, wait);
	else
		event_del(a->tick);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	desk_turn(arg, moment_now());
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
	struct agent *a = arg;

	(void)fd;
	(void)what;
	desk_flush(a->desk);
}

static void on_send(evutil_socket_t fd, short what, void *arg)
{
	struct agent *a = arg;

	(void)fd;
	(void)what;
	spool_flush(a->spool);
}

static void soon(struct event *timer)
{
	if (!event_pending(timer, EV_TIMEOUT, NULL))
		wait_us(timer, FLUSH_MS * 1000ULL);
}

/* ---- the desk's ports ---- */

static void port_answer(const struct answer *answer, void *arg)
{
	struct agent *a = arg;

	kernel_answer(a->kernel, answer);
}

static bool identified(uint64_t number, struct identity *id, void *arg)
{
	struct agent *a = arg;

	if (a->desk)
		return desk_identified(a->desk, number, id, moment_now());
	identity_free(id);
	return false;
}

static void hashed(uint64_t number, const struct hash_result *hash, void *arg)
{
	struct agent *a = arg;

	if (!a->desk)
		return;
	if (number & OF_SCRIPT)
		desk_script(a->desk, number & ~OF_SCRIPT, hash, moment_now());
	else
		desk_hashed(a->desk, number, hash, moment_now());
}

static struct program *read_program(const struct program_task *task, void *arg)
{
	const struct agent *a = arg;

	return program_read(&a->program, task);
}

static void hash_script(struct agent *a, uint64_t number, const struct desk_script *script)
{
	struct hash_result hash;

	if (!hash_known(a->hashes, &script->file, &hash)) {
		hash_get(a->hashes, number | OF_SCRIPT, script->uid, &script->file,
			 script->fd);
		return;
	}
	close(script->fd);
	desk_script(a->desk, number, &hash, moment_now());
}

static void took_program(uint64_t number, struct program *program, void *arg)
{
	struct agent *a = arg;
	struct desk_script script;

	if (!a->desk)
		program_free(program);
	else if (desk_program(a->desk, number, program, &script, moment_now()))
		hash_script(a, number, &script);
}

static void port_identify(uint64_t number, const struct ask *ask, void *arg)
{
	struct agent *a = arg;

	identity_learn(&a->identity, number, ask);
}

/* Who cannot be read now is not waited for. */
static enum program_wait port_program(uint64_t number, const struct ask *ask,
				      uint32_t facts, struct identity *id, void *arg)
{
	struct agent *a = arg;
	const struct program_task task = {
		.process = ask->process,
		.path = id->facts.path,
		.arguments = id->facts.arguments,
		.size = id->facts.arguments_size,
		.facts = facts,
	};

	id->program = program_known(&a->program, &task);
	if (id->program || !arguments_get(a->arguments, number, ask->uid, &task))
		return PROGRAM_THERE;
	return program_matters(&a->program, &task) ? PROGRAM_FOR_POLICY :
						     PROGRAM_FOR_RECORD;
}

static void port_forget(uint64_t number, const struct ask *ask, void *arg)
{
	struct agent *a = arg;

	identity_forget(&a->identity, number, ask);
}

static void port_forget_script(uint64_t number, const struct sockgate_file *file,
			       void *arg)
{
	struct agent *a = arg;

	hash_forget(a->hashes, number | OF_SCRIPT, file);
}

static void resolved(const struct user *user, void *arg)
{
	struct errand *e = arg;

	if (e->agent->desk)
		desk_resolved(e->agent->desk, e->number, user, moment_now());
	free(e);
}

static void port_resolve(uint64_t number, uint32_t uid, void *arg)
{
	static const struct user nobody;
	struct agent *a = arg;
	struct errand *e = errand_new(a, number);

	if (e)
		users_get(a->users, uid, moment_now().us / 1000, resolved, e);
	else
		desk_resolved(a->desk, number, &nobody, moment_now());
}

static int port_ask(uint64_t number, Sockgate__Question *question, void *arg)
{
	struct agent *a = arg;

	return server_ask(a->server, number, question);
}

static int set_events(struct agent *a, uint32_t events)
{
	const struct kernel_config config = { .events = &events };

	return kernel_configure(a->kernel, &config);
}

static void cry_blind(const struct agent *a, unsigned int hook)
{
	if (a->blind & 1U << hook)
		log_warnx("THE KERNEL'S HOOK \"%s\" IS BLIND: such calls are not controlled on this machine",
			  name_hook(hook));
}

#define EVENT_BIT(name) (1U << SOCKGATE_EVENT_##name)
#define HOOK_BIT(name) (1U << SOCKGATE_HOOK_##name)
#define HOOKS_OPTIONAL (HOOK_BIT(REQUEST) | HOOK_BIT(RECEIVE))

/*
 * These events need hooks of their own, which the kernel refuses if somebody else
 * redirects that function.  All others are judged nevertheless.
 */
static const struct without {
	uint32_t events, blind;
} without[] = {
	{ 0, 0 },
	{ EVENT_BIT(RECEIVE), HOOK_BIT(RECEIVE) },
	{ EVENT_BIT(ACCEPT), HOOK_BIT(REQUEST) },
	{ EVENT_BIT(ACCEPT) | EVENT_BIT(RECEIVE), HOOKS_OPTIONAL },
};

/* Returns what the kernel cannot see of them, by hook. */
static uint32_t set_what_works(struct agent *a)
{
	for (size_t i = 0; i < sizeof(without) / sizeof(*without); i++)
		if (!set_events(a, a->events & ~without[i].events))
			return without[i].blind;
	log_warn("the kernel does not take the set of events 0x%x", a->events);
	return a->blind & HOOKS_OPTIONAL;
}

static void try_events(struct agent *a)
{
	uint32_t was = a->blind & HOOKS_OPTIONAL, is = set_what_works(a);

	a->blind = (a->blind & ~HOOKS_OPTIONAL) | is;
	for (unsigned int h = 0; h < __SOCKGATE_HOOK_MAX; h++)
		if (is & ~was & 1U << h)
			cry_blind(a, h);
}

static void port_events(uint32_t events, void *arg)
{
	struct agent *a = arg;

	a->events = events;
	try_events(a);
}

static void port_generation(uint32_t generation, void *arg)
{
	struct agent *a = arg;

	if (kernel_set_generation(a->kernel, generation))
		log_warn("the kernel does not take generation %u", generation);
}

static void port_record(const struct ending *ending, void *arg)
{
	struct agent *a = arg;

	records_add(a->records, ending);
	soon(a->send);
}

static uint64_t port_now_us(void *arg)
{
	(void)arg;
	return moment_now().us;
}

static const struct desk_ports ports = {
	.answer = port_answer,
	.identify = port_identify,
	.program = port_program,
	.forget = port_forget,
	.resolve = port_resolve,
	.ask = port_ask,
	.events = port_events,
	.generation = port_generation,
	.record = port_record,
	.now_us = port_now_us,
	.forget_script = port_forget_script,
};

/* ---- what comes from outside ---- */

/* In the thread that reads questions. */
static bool on_recall(const struct ask *ask, struct answer *answer, void *arg)
{
	struct agent *a = arg;
	enum recall_result result;
	uint64_t one = 1;

	result = desk_recall(a->desk, ask, moment_now(), answer);
	/* The counter cannot overflow: one write for each flush. */
	if (result == RECALL_FIRST && write(a->hits_fd, &one, sizeof(one)) < 0)
		abort();
	return result == RECALL_YES || result == RECALL_FIRST;
}

static void on_hits(evutil_socket_t fd, short what, void *arg)
{
	struct agent *a = arg;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof(n)) == sizeof(n))
		soon(a->flush);
}

static void on_ask(const struct ask *ask, void *arg)
{
	struct agent *a = arg;
	struct moment now = moment_now();
	unsigned int pending = desk_pending(a->desk);

	desk_ask(a->desk, ask, now);
	if (desk_pending(a->desk) > pending) {
		/* A new deadline: the first look is soon enough for all. */
		if (!a->tick_due_us ||
		    a->tick_due_us > now.us + DESK_MARGIN_MS * 1000ULL / 2) {
			a->tick_due_us = now.us + DESK_MARGIN_MS * 1000ULL / 2;
			wait_us(a->tick, DESK_MARGIN_MS * 1000ULL / 2);
		}
	} else {
		soon(a->flush);
	}
}

/*
 * Executables are kept open as long as a server might ask: also for questions that wait
 * for a connection being made.
 */
static void keep_files(struct agent *a, enum server_state state)
{
	bool wanted = state != SERVER_UP || server_fetches(a->server);

	a->identity.open = wanted && a->settings->content_bytes ? &a->n_open : NULL;
	if (state != SERVER_UP)
		sender_stop(a->sender);
}

static void on_server_state(enum server_state state, void *arg)
{
	struct agent *a = arg;

	keep_files(a, state);
	desk_server(a->desk, state, moment_now());
	spool_connected(a->spool, state == SERVER_UP);
}

static void on_policy(uint64_t generation, uint32_t events, uint32_t facts, bool another,
		      void *arg)
{
	struct agent *a = arg;

	desk_policy(a->desk, generation, events, facts, another);
}

static void on_decided(uint64_t number, const Sockgate__Decision *decision,
		       void *arg)
{
	struct agent *a = arg;

	desk_decided(a->desk, number, decision, moment_now());
}

static void on_stored(uint64_t sequence, void *arg)
{
	struct agent *a = arg;

	if (sequence >= a->batch_last)
		a->batch_last = 0;
	spool_stored(a->spool, sequence);
}

static void on_refused(void *arg)
{
	struct agent *a = arg;

	spool_refused(a->spool);
}

static void on_content(uint64_t id, const Sockgate__ContentQuery *query, void *arg)
{
	struct sockgate_file file = { 0 };
	struct agent *a = arg;
	int fd = -1;

	if (query->sha256.len == HASH_SIZE)
		fd = desk_take_file(a->desk, query->question, query->sha256.data, &file);
	sender_add(a->sender, id, fd, &file, query->limit);
}

static int send_part(uint64_t id, Sockgate__ContentPart *part, void *arg)
{
	struct agent *a = arg;

	return server_send_part(a->server, id, part);
}

static const struct server_ops server_events = {
	.state = on_server_state,
	.policy = on_policy,
	.decided = on_decided,
	.stored = on_stored,
	.refused = on_refused,
	.content = on_content,
};

static int send_batch(const struct spool_record *list, void *arg)
{
	struct agent *a = arg;
	Sockgate__Records *records;
	int rc;

	/* If there is something in it that the server cannot read, it would be for ever. */
	records = a->batch_last ? records_unpack(a->records, list) :
				  records_wrap(list);
	if (!records)
		return -1;
	rc = server_send_records(a->server, records);
	records_message_free(records);
	while (list->next)
		list = list->next;
	if (!rc)
		a->batch_last = list->sequence;
	return rc;
}

static void on_record(const Sockgate__Record *record, void *arg)
{
	struct agent *a = arg;

	console_record(a->console, record);
}

static int open_exe(uint64_t ask_id, struct process_exe *exe, void *arg)
{
	struct agent *a = arg;

	return kernel_open_exe(a->kernel, ask_id, exe);
}

/*
 * What of the kernel's settings we go by.  An administrator may change them
 * under us: then tags and the effects in records are behind for as long as it
 * takes until the next look.
 */
static void follow_kernel(struct agent *a, const struct kernel_status *status)
{
	a->failures = status->failures;
	desk_mark_mask(a->desk, status->mark_mask);
}

static void set_failsafes(struct agent *a)
{
	struct settings *s = a->settings;
	struct failsafes list;
	struct kernel_config config = { .failsafes = list.row };

	failsafe_build(&list, s->failsafes, s->n_failsafes, s->resolv_conf);
	config.n_failsafes = list.n;
	if (list.trouble[0])
		log_warnx("%s", list.trouble);
	if (kernel_configure(a->kernel, &config))
		log_warn("the kernel does not take the failsafe list");
}

static void on_resolvers(void *arg)
{
	struct agent *a = arg;
	struct kernel_status status;

	set_failsafes(a);
	if (!kernel_status(a->kernel, &status))
		follow_kernel(a, &status);
}

/* The module may be removed under us: then nobody asks any more. */
static void check_kernel(struct agent *a)
{
	struct kernel_status status;

	if (!kernel_status(a->kernel, &status) &&
	    status.agent_pid == (uint32_t)getpid()) {
		follow_kernel(a, &status);
		return;
	}
	log_warnx("the kernel module has gone, or has another agent");
	a->module_gone = true;
	event_base_loopbreak(a->base);
}

static void on_second(evutil_socket_t fd, short what, void *arg)
{
	struct agent *a = arg;

	(void)fd;
	(void)what;
	spool_tick(a->spool);
	if (++a->seconds % KERNEL_CHECK_SECONDS == 0)
		check_kernel(a);
	/* Whoever was in the way may have gone; the kernel says each time who is. */
	if (a->seconds % BLIND_CHECK_SECONDS == 0 && a->blind & HOOKS_OPTIONAL)
		try_events(a);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct agent *a = arg;

	(void)fd;
	(void)what;
	event_base_loopbreak(a->base);
}

/* ---- status ---- */

static void fill_status(struct console_status *s, void *arg)
{
	struct agent *a = arg;
	Sockgate__Status *status = s->status;

	desk_flush(a->desk);
	status->program = (char *)"nfagent";
	status->version = (char *)SOCKGATE_VERSION;
	status->host = (char *)a->settings->server.host;
	status->uptime_s = (moment_now().us - a->started_us) / 1000000;
	status->generation = desk_server_generation(a->desk);
	status->certificate_end = (uint64_t)tls_own_end(a->tls);
	status->server = (char *)server_in_use(a->server);
	status->server_error = (char *)server_error(a->server);
	counts_desk(s, a->desk);
	counts_hashes(s, a->hashes);
	counts_users(s, a->users);
	console_count(s, "command_lines_refused",
		      arguments_counts(a->arguments)->refused);
	counts_contents(s, a->sender);
	counts_records(s, a->spool, a->records);
	counts_kernel(s, a->kernel, a->blind);
	console_count(s, "server_losses", server_losses(a->server));
}

/* ---- start ---- */

static int configure_kernel(struct agent *a, char *why, size_t why_size)
{
	struct settings *s = a->settings;
	struct kernel_config config = {
		.deadline_ms = s->kernel.has_deadline ?
			       &s->kernel.deadline_ms : NULL,
		.max_pending = s->kernel.has_pending ?
			       &s->kernel.max_pending : NULL,
		.max_cached = s->kernel.has_cached ?
			      &s->kernel.max_cached : NULL,
		.mark_mask = s->kernel.has_mask ? &s->kernel.mark_mask : NULL,
		.failures = s->failures,
		.n_failures = s->n_failures,
	};

	if (kernel_configure(a->kernel, &config)) {
		snprintf(why, why_size, "the kernel module refuses the "
			 "settings of the configuration");
		return -1;
	}
	set_failsafes(a);
	return 0;
}

static int start_threads(struct agent *a)
{
	struct settings *s = a->settings;

	a->readers = pool_new(a->base, READERS, MAX_JOBS);
	a->hashers = pool_new(a->base, s->hash_threads, s->hash_threads);
	a->resolver_pool = pool_new(a->base, RESOLVERS, MAX_JOBS);
	a->argument_pool = pool_new(a->base, ARGUMENT_READERS, ARGUMENT_READERS);
	a->spool_pool = pool_new(a->base, 1, 1);
	a->content_pool = pool_new(a->base, 1, 1);
	return a->readers && a->hashers && a->resolver_pool &&
	       a->argument_pool && a->spool_pool && a->content_pool ? 0 : -1;
}

static struct cgroups *open_cgroups(void)
{
	int root = cgroup_open_hierarchy("/proc/self/mountinfo");

	if (root >= 0)
		return cgroups_new(root);
	log_warn("no version 2 cgroup hierarchy: units and containers will not be known");
	return NULL;
}

static int start_identity(struct agent *a)
{
	struct settings *s = a->settings;

	unsigned long files = limit_raise_files();
	struct hash_conf hashes = {
		.max = s->hashes_max,
		.limit = s->hash_bytes,
		.threads = s->hash_threads,
		/* The other half is for everything else. */
		.files = files / 2 < MAX_FILES ? (unsigned int)files / 2 :
						 MAX_FILES,
		.told = hashed,
		.arg = a,
	};
	const struct arguments_conf arguments = {
		.threads = ARGUMENT_READERS,
		.max = ARGUMENT_JOBS,
		.read = read_program,
		.told = took_program,
		.arg = a,
	};

	a->hashes = hash_cache_new(a->hashers, &hashes);
	a->cgroups = open_cgroups();
	a->identity = (struct identity_conf){
		.readers = a->readers,
		.hashes = a->hashes,
		.open_exe = open_exe,
		.learned = identified,
		.arg = a,
		.cgroups = a->cgroups,
		.unverifiable = s->unverifiable,
		.max_open = MAX_OPEN,
	};
	a->user_conf = (struct user_conf){
		.passwd = "/etc/passwd",
		.host_domain = s->domain,
		.directories = s->directories,
		.max_cached = MAX_USERS,
		.nss = &user_nss_system,
	};
	if (!s->directories[0] && !access("/etc/sssd/sssd.conf", F_OK))
		log_warnx("sssd is configured here but directory_domains is not: the domain of its users will not be known");
	a->program = (struct program_conf){
		.proc = "/proc",
		.interpreters = { s->interpreters },
		.unverifiable = s->unverifiable,
	};
	a->users = users_new(a->resolver_pool, &a->user_conf);
	a->arguments = arguments_new(a->argument_pool, &arguments);
	return a->hashes && a->users && a->arguments ? 0 : -1;
}

static int start_records(struct agent *a, char *why, size_t why_size)
{
	struct spool_conf conf = {
		.dir = a->settings->spool,
		.max_bytes = a->settings->spool_bytes,
		.max_memory = SPOOL_MEMORY,
	};
	uint8_t fresh[SEGMENTS_INSTANCE_SIZE];

	evutil_secure_rng_get_bytes(fresh, sizeof(fresh));
	a->spool = spool_open(a->spool_pool, &conf, fresh, send_batch, a, why,
			      why_size);
	if (!a->spool)
		return -1;
	a->records = records_new(a->spool, a->settings->server.host, on_record,
				 a);
	if (!a->records)
		return -1;
	console_set_records(a->console, a->records);
	return 0;
}

static int start_desk(struct agent *a)
{
	struct kernel_status status;

	if (kernel_status(a->kernel, &status))
		return -1;
	a->failures = status.failures;
	a->settings->desk.failures = &a->failures;
	a->settings->desk.mark_mask = status.mark_mask;
	a->settings->desk.events = status.events;
	evutil_secure_rng_get_bytes(&a->settings->desk.seed,
				    sizeof(a->settings->desk.seed));
	a->desk = desk_new(&a->settings->desk, &ports, a, status.generation);
	return a->desk ? 0 : -1;
}

static struct event *timer(struct agent *a, short what, event_callback_fn fn)
{
	return event_new(a->base, -1, what, fn, a);
}

static int start_events(struct agent *a)
{
	struct timeval second = { SECOND_MS / 1000, 0 };

	a->tick = timer(a, 0, on_tick);
	a->flush = timer(a, 0, on_flush);
	a->send = timer(a, 0, on_send);
	a->hits_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (a->hits_fd < 0)
		return -1;
	a->hits = event_new(a->base, a->hits_fd, EV_READ | EV_PERSIST, on_hits,
			    a);
	a->second = timer(a, EV_PERSIST, on_second);
	a->term = evsignal_new(a->base, SIGTERM, on_signal, a);
	a->interrupt = evsignal_new(a->base, SIGINT, on_signal, a);
	if (!a->tick || !a->flush || !a->send || !a->hits || !a->second ||
	    !a->term || !a->interrupt)
		return -1;
	return event_add(a->hits, NULL) || event_add(a->second, &second) ||
	       event_add(a->term, NULL) || event_add(a->interrupt, NULL) ?
		       -1 : 0;
}

static int start_server(struct agent *a)
{
	const struct sender_conf contents = {
		.limit = a->settings->content_bytes, .interval_ms = PART_MS,
		.send = send_part, .arg = a,
	};
	struct server_conf *conf = &a->settings->server;
	char cpu[13];

	a->sender = sender_new(a->base, a->content_pool, &contents);
	if (!a->sender)
		return -1;
	context_cpu(cpu);
	context_detect("", cpu, a->context, sizeof(a->context));
	conf->tls = a->tls;
	conf->context = a->context;
	conf->instance = spool_instance(a->spool);
	a->server = server_new(a->base, conf, &server_events, a);
	return a->server ? 0 : -1;
}

static void check_hooks(struct agent *a)
{
	struct kernel_status before, after;

	if (kernel_status(a->kernel, &before))
		return;
	probe_knock();
	if (kernel_status(a->kernel, &after))
		return;
	a->blind = probe_blind(before.hooks, after.hooks);
	for (unsigned int h = 0; h < __SOCKGATE_HOOK_MAX; h++)
		cry_blind(a, h);
}

/* Rung by rung; whoever fails has said why, or memory was short. */
static int start(struct agent *a, char *why, size_t why_size)
{
	struct settings *s = a->settings;

	snprintf(why, why_size, "out of memory");
	a->base = event_base_new();
	if (!a->base)
		return -1;
	a->tls = tls_context(false, TLS_ROLE_AGENT, &s->tls, why, why_size);
	if (!a->tls)
		return -1;
	a->kernel = kernel_open(why, why_size);
	if (!a->kernel)
		return -1;
	a->console = console_open(a->base, s->control, fill_status, a, why,
				  why_size);
	if (!a->console)
		return -1;
	if (start_threads(a) || start_identity(a) || start_events(a) ||
	    start_records(a, why, why_size))
		return -1;
	/* The desk begins with what the kernel has then. */
	if (configure_kernel(a, why, why_size))
		return -1;
	if (start_desk(a)) {
		snprintf(why, why_size, "the kernel module does not answer");
		return -1;
	}
	if (start_server(a))
		return -1;
	kernel_recall(a->kernel, on_recall);
	if (kernel_register(a->kernel, a->base, on_ask, a, why, why_size))
		return -1;
	a->resolvers = resolvers_watch(a->base, s->resolv_conf, on_resolvers,
				       a);
	if (!a->resolvers)
		log_warn("%s is not watched", s->resolv_conf);
	check_hooks(a);
	return 0;
}

struct agent *agent_start(struct settings *settings, char *why,
			  size_t why_size)
{
	struct agent *a = calloc(1, sizeof(*a));

	if (!a) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	a->settings = settings;
	a->hits_fd = -1;
	a->started_us = moment_now().us;
	if (!start(a, why, why_size))
		return a;
	agent_stop(a);
	return NULL;
}

int agent_run(struct agent *a)
{
	if (event_base_dispatch(a->base) < 0)
		return -1;
	return a->module_gone ? -1 : 0;
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

/*
 * A thread that a directory keeps waiting cannot be ended: what it may still
 * touch is left to the end of the process.
 */
void agent_stop(struct agent *a)
{
	unsigned int hung = 0;

	resolvers_free(a->resolvers);
	kernel_stop(a->kernel);
	if (a->desk)
		desk_flush(a->desk);
	/* Errands that end from here on find that there is no desk any more. */
	desk_free(a->desk);
	a->desk = NULL;
	/* So does a batch of records that is being read for the server. */
	if (a->spool)
		spool_connected(a->spool, false);
	if (a->sender)
		sender_stop(a->sender);
	server_free(a->server);
	a->server = NULL;
	hung += pool_free(a->readers);
	hung += pool_free(a->hashers);
	hung += pool_free(a->resolver_pool);
	hung += pool_free(a->argument_pool);
	hung += pool_free(a->content_pool);
	if (!hung) {
		sender_free(a->sender);
		arguments_free(a->arguments);
		users_free(a->users);
		hash_cache_free(a->hashes);
		cgroups_free(a->cgroups);
	}
	pool_free(a->spool_pool);
	records_free(a->records);
	spool_close(a->spool);
	free_event(a->tick);
	free_event(a->flush);
	free_event(a->send);
	free_event(a->hits);
	if (a->hits_fd >= 0)
		close(a->hits_fd);
	free_event(a->second);
	free_event(a->term);
	free_event(a->interrupt);
	console_close(a->console);
	if (hung)
		return;
	kernel_close(a->kernel);
	if (a->base)
		event_base_free(a->base);
	SSL_CTX_free(a->tls);
	free(a);
}
