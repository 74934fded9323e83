// SPDX-License-Identifier: GPL-2.0-only
/* sockgate status */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "daemon.h"
#include "health.h"
#include "kernel.h"
#include "names.h"
#include "record.h"
#include "text.h"

#define WHY_SIZE 512
#define WAIT_MAX 86400
#define POLL_NS (200 * 1000 * 1000)

enum role { ROLE_AUTO, ROLE_WORKLOAD, ROLE_SERVER, ROLE_BOTH, ROLE_SIGDB };

/* What was found, and the memory that it is in. */
struct picture {
	struct health_facts facts;
	struct health health;
	struct kernel_status kernel;
	Sockgate__Status *agent, *server, *sigdb, *manager;
	char kernel_why[WHY_SIZE], agent_why[WHY_SIZE], server_why[WHY_SIZE];
	char sigdb_why[WHY_SIZE], manager_why[WHY_SIZE];
};

static Sockgate__Status *look_at(const char *path, const char *program, char *why,
				 size_t why_size)
{
	struct session *s = session_open(path, program, why, why_size);
	Sockgate__Status *status = NULL;

	if (s)
		status = daemon_status(s, why, why_size);
	session_close(s);
	return status;
}

static void forget(struct picture *p)
{
	if (p->agent)
		sockgate__status__free_unpacked(p->agent, NULL);
	if (p->server)
		sockgate__status__free_unpacked(p->server, NULL);
	if (p->sigdb)
		sockgate__status__free_unpacked(p->sigdb, NULL);
	if (p->manager)
		sockgate__status__free_unpacked(p->manager, NULL);
	p->agent = p->server = p->sigdb = p->manager = NULL;
}

/* A socket without a daemon was left by one that should be there. */
static bool left_a_trace(const char *path)
{
	/* Not being allowed to look is no reason to say that all is well. */
	return !access(path, F_OK) || (errno != ENOENT && errno != ENOTDIR);
}

static void look(const struct options *o, enum role role, struct picture *p)
{
	struct health_facts *f = &p->facts;

	memset(p, 0, sizeof(*p));
	if (!kernel_read(&p->kernel, p->kernel_why, sizeof(p->kernel_why)))
		f->kernel = &p->kernel;
	f->agent = p->agent = look_at(o->agent_socket, "nfagent", p->agent_why,
				      sizeof(p->agent_why));
	f->server = p->server = look_at(o->server_socket, "secsrv", p->server_why,
					sizeof(p->server_why));
	f->sigdb = p->sigdb = look_at(o->sigdb_socket, "sigdb", p->sigdb_why,
				      sizeof(p->sigdb_why));
	f->manager = p->manager = look_at(o->manager_socket, "policymgr", p->manager_why,
					  sizeof(p->manager_why));
	f->kernel_why = p->kernel_why;
	f->agent_why = p->agent_why;
	f->server_why = p->server_why;
	f->sigdb_why = p->sigdb_why;
	f->manager_why = p->manager_why;
	f->now = time(NULL);

	f->want_workload = role == ROLE_WORKLOAD || role == ROLE_BOTH;
	f->want_server = role == ROLE_SERVER || role == ROLE_BOTH;
	f->want_sigdb = role == ROLE_SIGDB;
	if (role == ROLE_AUTO) {
		f->want_workload = f->kernel || f->agent || left_a_trace(o->agent_socket);
		f->want_server = f->server || left_a_trace(o->server_socket);
		f->want_sigdb = f->sigdb || left_a_trace(o->sigdb_socket);
		f->want_manager = f->manager || left_a_trace(o->manager_socket);
	}
	health_judge(f, &p->health);
}

/* ---- text ---- */

static void print_numbers(const char *label, const uint64_t *numbers,
			  unsigned int from, unsigned int to,
			  const char *(*name)(unsigned int), bool zeros)
{
	struct text_list list = { .out = stdout, .label = label };

	for (unsigned int i = from; i < to; i++)
		if (*name(i) != '?' && (zeros || numbers[i]))
			text_list_add(&list, "%s %" PRIu64, name(i), numbers[i]);
	text_list_end(&list);
}

static void print_failures(const struct kernel_status *k)
{
	struct text_list list = { .out = stdout, .label = "on failure" };

	for (unsigned int i = 0; i < k->n_failures; i++)
		if (k->failures[i].reason != SOCKGATE_REASON_UNSPEC)
			text_list_add(&list, "%s %s", name_reason(k->failures[i].reason),
				      name_failure(k->failures[i].action));
	text_list_end(&list);
	printf("  %-11s%u\n", "failsafes", k->n_failsafes);
}

static void print_events(const struct kernel_status *k)
{
	char text[NAME_EVENTS_SIZE];

	printf("  %-11sconnect, listen, send%s%s\n", "asks about",
	       k->events ? ", and as the policy wants " : "",
	       name_events(k->events, ", ", text, sizeof(text)));
}

static void print_kernel(const struct kernel_status *k)
{
	char version[sizeof(k->version)];

	printf("kernel module %s", text_clean(k->version, version, sizeof(version)));
	if (k->agent_pid)
		printf(", agent pid %" PRIu32, k->agent_pid);
	else
		printf(", no agent");
	printf(", policy generation %" PRIu32 "\n", k->generation);
	printf("  %-11s%" PRIu32 " of %" PRIu32 " for at most %" PRIu32 " ms\n", "held",
	       k->pending, k->max_pending, k->deadline_ms);
	printf("  %-11s%" PRIu32 " of %" PRIu32 ", %" PRIu32 " %s\n", "cached", k->cached,
	       k->max_cached, k->masks, k->masks == 1 ? "mask" : "masks");
	printf("  %-11s%" PRIu32 " known, %" PRIu32 " packets held\n", "sockets",
	       k->sockets, k->parked);
	printf("  %-11s0x%08" PRIx32 "\n", "mark mask", k->mark_mask);
	print_events(k);
	print_numbers("hooks", k->hooks, 0, __SOCKGATE_HOOK_MAX, name_hook, true);
	print_numbers("callers", k->counters, 0, SOCKGATE_N_ASKED, name_counter, true);
	print_numbers("requests", k->counters, SOCKGATE_N_ASKED, SOCKGATE_N_REASON,
		      name_counter, true);
	print_numbers("failures", k->counters, SOCKGATE_N_REASON, SOCKGATE_N_MAX,
		      name_counter, false);
	print_failures(k);
}

static void print_program(const Sockgate__Status *s)
{
	char program[64], version[64], host[300], up[64];

	printf("%s %s on %s, up %s", text_clean(s->program, program, sizeof(program)),
	       text_clean(s->version, version, sizeof(version)),
	       text_clean(s->host, host, sizeof(host)),
	       text_duration(s->uptime_s, up, sizeof(up)));
}

static void print_head(const Sockgate__Status *s)
{
	print_program(s);
	printf(", policy generation %" PRIu64 "\n", s->generation);
}

static void print_counters(const Sockgate__Status *s)
{
	struct text_list list = { .out = stdout, .label = "counters" };

	for (size_t i = 0; i < s->n_counter; i++)
		if (s->counter[i]->value)
			text_list_add(&list, "%s %" PRIu64, s->counter[i]->name,
				      s->counter[i]->value);
	text_list_end(&list);
}

static void print_certificate(const Sockgate__Status *s)
{
	char day[TEXT_DAY_SIZE];

	if (s->certificate_end)
		printf("  %-11s%s\n", "cert ends",
		       text_day((time_t)s->certificate_end, day));
}

static void print_agent(const Sockgate__Status *s)
{
	char server[300];

	print_head(s);
	if (*s->server)
		printf("  %-11s%s\n", "server", text_clean(s->server, server,
							    sizeof(server)));
	print_certificate(s);
	print_counters(s);
}

/* A database, or the service that has one; of an older secsrv nothing. */
static void print_signatures(const Sockgate__Status *s)
{
	char text[512];

	if (*s->signatures)
		printf("  %-11s%s\n", "signatures",
		       text_clean(s->signatures, text, sizeof(text)));
}

static void print_sigdb(const Sockgate__Status *s)
{
	print_program(s);
	printf(", signatures version %016" PRIx64 "\n", s->signatures_version);
	print_signatures(s);
	printf("  %-11s%" PRIu32 " connected\n", "servers", s->clients);
	print_certificate(s);
	print_counters(s);
}

static void print_peer(const Sockgate__Peer *p)
{
	char host[300], address[100], version[64], context[64], up[64];
	char kernel[64];

	printf("  %-11s%s  %s  %s  %s  kernel %s  connected %s  %" PRIu64 " questions\n", "agent",
	       text_clean(p->host, host, sizeof(host)),
	       text_clean(p->address, address, sizeof(address)),
	       text_clean(p->version, version, sizeof(version)),
	       text_clean(p->context, context, sizeof(context)),
	       text_clean(*p->kernel ? p->kernel : "?", kernel, sizeof(kernel)),
	       text_duration(p->connected_s, up, sizeof(up)), p->questions);
}

static void print_server(const Sockgate__Status *s)
{
	char file[512];

	print_head(s);
	printf("  %-11s%" PRIu32 " %s from %s\n", "policy", s->policy_rules,
	       s->policy_rules == 1 ? "rule" : "rules",
	       text_clean(s->policy_file, file, sizeof(file)));
	if (*s->manager)
		printf("  %-11s%s, version %" PRIu64 "%s\n", "manager",
		       text_clean(s->manager, file, sizeof(file)), s->policy_version,
		       s->policy_drift ? ", which is not in force" : "");
	print_signatures(s);
	print_certificate(s);
	for (size_t i = 0; i < s->n_agent; i++)
		print_peer(s->agent[i]);
	if (!s->n_agent)
		printf("  %-11s%s\n", "agents", "none is connected");
	print_counters(s);
}

static void print_manager(const Sockgate__Status *s)
{
	print_program(s);
	printf("version %" PRIu64 "\n", s->policy_version);
	print_certificate(s);
	print_counters(s);
}

static void print_list(const struct health_problem *list, unsigned int count,
		       enum colour colour, const char *label)
{
	bool colours = text_colours_wanted(stdout);

	for (unsigned int i = 0; i < count; i++)
		printf("%s%s%s: %s%s%s\n", text_colour(colour, colours), label,
		       text_colour(COLOUR_NONE, colours), list[i].what,
		       *list[i].remedy ? "; " : "", list[i].remedy);
}

static void print_text(const struct picture *p)
{
	const struct health *h = &p->health;

	if (p->facts.kernel)
		print_kernel(p->facts.kernel);
	if (p->agent)
		print_agent(p->agent);
	if (p->server)
		print_server(p->server);
	if (p->sigdb)
		print_sigdb(p->sigdb);
	if (p->manager)
		print_manager(p->manager);
	print_list(h->warning, h->warnings, COLOUR_NOTE, "warning");
	print_list(h->problem, h->problems, COLOUR_BAD, "not up");
	if (!h->problems)
		printf("%sup%s\n", text_colour(COLOUR_GOOD, text_colours_wanted(stdout)),
		       text_colour(COLOUR_NONE, text_colours_wanted(stdout)));
}

/* ---- JSON ---- */

static json_t *list_json(const struct health_problem *list, unsigned int count)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < count; i++)
		json_array_append_new(array, json_pack("{s:o, s:o}",
			"what", text_json(list[i].what),
			"remedy", text_json(list[i].remedy)));
	return array;
}

static json_t *counters_json(const Sockgate__Status *s)
{
	json_t *object = json_object();

	/* Names that are not UTF-8 are refused by jansson, and left out. */
	for (size_t i = 0; i < s->n_counter; i++)
		json_object_set_new(object, s->counter[i]->name,
				    json_integer((json_int_t)s->counter[i]->value));
	return object;
}

static json_t *end_json(uint64_t end)
{
	char text[40];

	if (!end)
		return json_null();
	return json_string(record_time((int64_t)end * 1000000, true, text, sizeof(text)));
}

static json_t *head_json(const Sockgate__Status *s)
{
	return json_pack("{s:o, s:o, s:o, s:I, s:I, s:o, s:o}",
			 "program", text_json(s->program),
			 "version", text_json(s->version), "host", text_json(s->host),
			 "uptime_s", (json_int_t)s->uptime_s,
			 "generation", (json_int_t)s->generation,
			 "certificate_end", end_json(s->certificate_end),
			 "counters", counters_json(s));
}

static json_t *agent_json(const Sockgate__Status *s)
{
	json_t *object = head_json(s);

	json_object_set_new(object, "server", text_json(s->server));
	json_object_set_new(object, "server_error", text_json(s->server_error));
	return object;
}

static json_t *server_json(const Sockgate__Status *s)
{
	json_t *object = head_json(s), *agents = json_array();

	for (size_t i = 0; i < s->n_agent; i++) {
		const Sockgate__Peer *p = s->agent[i];

		json_array_append_new(agents, json_pack(
			"{s:o, s:o, s:o, s:o, s:o, s:I, s:I}",
			"host", text_json(p->host), "address", text_json(p->address),
			"version", text_json(p->version),
			"context", text_json(p->context),
			"kernel", text_json(p->kernel),
			"connected_s", (json_int_t)p->connected_s,
			"questions", (json_int_t)p->questions));
	}
	json_object_set_new(object, "policy_file", text_json(s->policy_file));
	json_object_set_new(object, "policy_rules", json_integer(s->policy_rules));
	json_object_set_new(object, "policy_error", text_json(s->policy_error));
	json_object_set_new(object, "audit_error", text_json(s->audit_error));
	json_object_set_new(object, "manager", text_json(s->manager));
	json_object_set_new(object, "manager_error", text_json(s->manager_error));
	json_object_set_new(object, "policy_version",
			    json_integer((json_int_t)s->policy_version));
	json_object_set_new(object, "policy_drift", json_boolean(s->policy_drift));
	json_object_set_new(object, "signatures", text_json(s->signatures));
	json_object_set_new(object, "signatures_error", text_json(s->signatures_error));
	json_object_set_new(object, "agents", agents);
	return object;
}

static json_t *manager_json(const Sockgate__Status *s)
{
	json_t *object = head_json(s);

	json_object_set_new(object, "policy_version",
			    json_integer((json_int_t)s->policy_version));
	return object;
}

static json_t *sigdb_json(const Sockgate__Status *s)
{
	json_t *object = head_json(s);
	char version[20];

	/* It has no policy, and a number of 64 bits is more than JSON's readers take. */
	json_object_del(object, "generation");
	snprintf(version, sizeof(version), "%016" PRIx64, s->signatures_version);
	json_object_set_new(object, "signatures", text_json(s->signatures));
	json_object_set_new(object, "signatures_error", text_json(s->signatures_error));
	json_object_set_new(object, "signatures_version", json_string(version));
	json_object_set_new(object, "servers", json_integer(s->clients));
	return object;
}

static bool print_json(const struct picture *p)
{
	const struct health *h = &p->health;
	json_t *json = json_pack(
		"{s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "up", !h->problems,
		"problems", list_json(h->problem, h->problems),
		"warnings", list_json(h->warning, h->warnings),
		"kernel", p->facts.kernel ? kernel_json(p->facts.kernel) : json_null(),
		"agent", p->agent ? agent_json(p->agent) : json_null(),
		"server", p->server ? server_json(p->server) : json_null(),
		"sigdb", p->sigdb ? sigdb_json(p->sigdb) : json_null(),
		"manager", p->manager ? manager_json(p->manager) : json_null());
	bool ok = json && !json_dumpf(json, stdout, JSON_INDENT(2)) &&
		  putchar('\n') != EOF;

	json_decref(json);
	return ok;
}

/* ---- the command ---- */

static time_t monotonic_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void look_until_up(const struct options *o, enum role role, uint64_t wait,
			  struct picture *p)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	time_t end = monotonic_seconds() + (time_t)wait;

	look(o, role, p);
	while (p->health.problems && monotonic_seconds() < end) {
		nanosleep(&pause, NULL);
		forget(p);
		look(o, role, p);
	}
}

static bool read_role(const char *text, enum role *role)
{
	static const char *const names[] = { "auto", "workload", "server", "both", "sigdb" };

	for (int i = ROLE_AUTO; i <= ROLE_SIGDB; i++) {
		if (!strcmp(text, names[i])) {
			*role = (enum role)i;
			return true;
		}
	}
	return false;
}

static int run(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "wait", required_argument, NULL, 'w' },
		{ "role", required_argument, NULL, 'r' },
		{ 0 },
	};
	enum role role = ROLE_AUTO;
	struct picture p;
	uint64_t wait = 0;
	bool ok = true;
	int c;

	while ((c = options_next(o, argc, argv, "w:", longs)) != -1) {
		if (c != 'w' && c != 'r')
			return RESULT_USAGE;
		if (c == 'w' && !text_number(optarg, 0, WAIT_MAX, &wait))
			return options_usage(o, "--wait takes seconds from 0 to %d, not "
					     "`%s'", WAIT_MAX, optarg);
		if (c == 'r' && !read_role(optarg, &role))
			return options_usage(o, "--role takes auto, workload, server, "
					     "both or sigdb, not `%s'", optarg);
	}
	if (optind < argc)
		return options_usage(o, "`%s' is one word too many", argv[optind]);
	look_until_up(o, role, wait, &p);
	if (o->json)
		ok = print_json(&p);
	else
		print_text(&p);
	forget(&p);
	return ok && !p.health.problems ? RESULT_OK : RESULT_NO;
}

const struct command command_status = {
	.name = "status",
	.summary = "what runs on this machine, and whether all of it is up",
	.help =
"Usage: sockgate status [--wait SECONDS] [--role ROLE] [-j]\n"
"\n"
"Shows the kernel module, nfagent, secsrv, a signature service and policymgr as far\n"
"as they are on this machine.\n"
"Ends with 0 if everything that should be up is up: on a workload the module is\n"
"loaded, an agent registered and connected to a security server; on a security\n"
"server a policy is in force, records are being stored and signatures can be asked;\n"
"a signature service can read its database.  Otherwise it ends with 1 and a line says\n"
"what is wrong and what to do.\n"
"\n"
"  -w, --wait SECONDS  wait until all is up, but not longer\n"
"      --role ROLE     what this machine should be: workload, server, both or\n"
"                      sigdb; auto (default): whatever has left a trace here\n"
"  -j, --json          as JSON\n"
"      --agent-socket FILE, --server-socket FILE, --sigdb-socket FILE,\n"
"      --manager-socket FILE\n"
"                      where the daemons listen (or SOCKGATE_AGENT_SOCKET,\n"
"                      SOCKGATE_SERVER_SOCKET, SOCKGATE_SIGDB_SOCKET,\n"
"                      SOCKGATE_MANAGER_SOCKET in the\n"
"                      environment)\n"
"\n"
"Examples:\n"
"  sockgate status\n"
"  sockgate status --wait 30 --role workload && start-the-application\n"
"  sockgate status -j | jq .kernel.counters\n",
	.run = run,
};
