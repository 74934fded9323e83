// SPDX-License-Identifier: GPL-2.0-only
/*
 * The whole agent, between a kernel and a server that only this file is.  The
 * functions of kernel.h are defined here, so that the real ones are not linked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <event2/event.h>

#include "agent.h"
#include "channel.h"
#include "kernel.h"
#include "log.h"
#include "records.h"
#include "test_certs.h"
#include "test_file.h"

#define GENERATION 7
#define CALLER "/bin/ls"

struct kernel {
	struct event_base *base;
	kernel_ask_fn fn;
	kernel_recall_fn recall;
	void *arg;
	struct event *asks;
	struct event *listener;
	struct channel *server;
};

/* The kernel module, as far as the agent sees it, and the security server. */
static struct {
	struct kernel *kernel;
	uint32_t mark_mask;
	uint32_t events;
	uint64_t seen;
	uint64_t asked;
	unsigned int answers;
	struct answer answer;
	int fd;			/* the server listens there */
	SSL_CTX *tls;
	Sockgate__Decision decision;
	unsigned int records, unreadable;
	Sockgate__Action effect;
	Sockgate__Outcome outcome;
	bool fetches;
	bool wrong_hash;		/* the server asks for another */
	FILE *content;			/* what it was sent */
	bool content_ended;
	Sockgate__Missing missing;
} world;

static struct pki_pair ca;
static struct test_certs certs;
static char dir[64];
static struct settings *settings;
static struct agent *agent;

/* ---- the security server ---- */

static void send_to_agent(Sockgate__Message *msg)
{
	assert_int_equal(channel_send(world.kernel->server, msg), 0);
}

static void welcome(uint64_t id)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Welcome body = SOCKGATE__WELCOME__INIT;

	body.generation = GENERATION;
	body.events = 1U << SOCKGATE_EVENT_ACCEPT;
	body.fetches = world.fetches;
	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_WELCOME;
	msg.welcome = &body;
	send_to_agent(&msg);
}

static void decide(uint64_t id)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_DECISION;
	msg.decision = &world.decision;
	send_to_agent(&msg);
}

static void fetch(uint64_t question, Sockgate__Process *process)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__ContentQuery query = SOCKGATE__CONTENT_QUERY__INIT;

	query.question = question;
	query.sha256 = process->sha256;
	query.limit = UINT64_MAX;
	if (world.wrong_hash)
		query.sha256.data[0] ^= 1;
	msg.id = 5;
	msg.body_case = SOCKGATE__MESSAGE__BODY_CONTENT_QUERY;
	msg.content_query = &query;
	send_to_agent(&msg);
}

static void take_part(uint64_t id, const Sockgate__ContentPart *part)
{
	assert_int_equal(id, 5);
	world.missing = part->missing;
	if (part->data.len)
		assert_int_equal(fwrite(part->data.data, part->data.len, 1, world.content), 1);
	if (!part->end)
		return;
	world.content_ended = true;
	event_base_loopbreak(world.kernel->base);
}

static void take_record(uint64_t id, const Sockgate__Records *records)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__RecordsStored stored = SOCKGATE__RECORDS_STORED__INIT;

	stored.sequence = records->record[records->n_record - 1]->sequence;
	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_RECORDS_STORED;
	msg.records_stored = &stored;
	send_to_agent(&msg);
	world.records += (unsigned int)records->n_record;
	for (size_t i = 0; i < records->n_record; i++)
		world.unreadable += !strcmp(records->record[i]->reason,
					    RECORDS_UNREADABLE);
	world.effect = records->record[0]->effect;
	world.outcome = records->record[0]->outcome;
	event_base_loopbreak(world.kernel->base);
}

static void take_question(Sockgate__Message *msg)
{
	if (world.content)
		fetch(msg->id, msg->question->process);
	decide(msg->id);
}

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	(void)ch;
	(void)arg;
	if (msg->body_case == SOCKGATE__MESSAGE__BODY_HELLO)
		welcome(msg->id);
	else if (msg->body_case == SOCKGATE__MESSAGE__BODY_QUESTION)
		take_question(msg);
	else if (msg->body_case == SOCKGATE__MESSAGE__BODY_CONTENT_PART)
		take_part(msg->id, msg->content_part);
	else if (msg->body_case == SOCKGATE__MESSAGE__BODY_RECORDS)
		take_record(msg->id, msg->records);
}

static void on_up(struct channel *ch, const struct tls_peer *who, void *arg)
{
	(void)ch;
	(void)who;
	(void)arg;
}

static void on_down(struct channel *ch, const char *why, void *arg)
{
	struct kernel *k = arg;

	(void)why;
	channel_free(ch);
	k->server = NULL;
}

static const struct channel_ops server_ops = {
	.up = on_up, .message = on_message, .down = on_down,
};

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
	struct kernel *k = arg;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	assert_true(client >= 0);
	k->server = channel_accept_tls(k->base, world.tls, client,
				       TLS_ROLE_AGENT, &server_ops, k);
	assert_non_null(k->server);
}

/* ---- the kernel ---- */

static struct ask an_ask(uint64_t id)
{
	struct ask ask = {
		.id = id,
		.process = { .pid = (uint32_t)getpid() },
		.raddr = { 192, 0, 2, 9 }, .raddr_len = 4, .rport = 443,
		.remaining_ms = 10000,
		.event = SOCKGATE_EVENT_CONNECT, .family = AF_INET,
		.protocol = IPPROTO_TCP,
	};
	struct stat st;

	assert_int_equal(stat(CALLER, &st), 0);
	ask.exe = test_file_key(&st);
	return ask;
}

static void on_call(evutil_socket_t fd, short what, void *arg)
{
	struct kernel *k = arg;
	struct ask ask = an_ask(++world.asked);
	struct answer answer;

	(void)fd;
	(void)what;
	if (k->recall(&ask, &answer, k->arg))
		kernel_answer(k, &answer);
	else
		k->fn(&ask, k->arg);
}

struct kernel *kernel_open(char *why, size_t why_size)
{
	(void)why;
	(void)why_size;
	world.kernel = calloc(1, sizeof(*world.kernel));
	return world.kernel;
}

void kernel_close(struct kernel *k)
{
	if (!k)
		return;
	if (k->asks)
		event_free(k->asks);
	if (k->listener)
		event_free(k->listener);
	/* A channel with something left to send would outlive us. */
	while (k->server && channel_backlog(k->server))
		event_base_loop(k->base, EVLOOP_ONCE);
	channel_free(k->server);
	free(k);
	world.kernel = NULL;
}

void kernel_recall(struct kernel *k, kernel_recall_fn fn)
{
	k->recall = fn;
}

void kernel_stop(struct kernel *k)
{
	if (k && k->asks)
		event_del(k->asks);
}

int kernel_register(struct kernel *k, struct event_base *base, kernel_ask_fn fn,
		    void *arg, char *why, size_t why_size)
{
	struct timeval at_once = { 0, 0 };

	(void)why;
	(void)why_size;
	k->base = base;
	k->fn = fn;
	k->arg = arg;
	k->asks = event_new(base, -1, 0, on_call, k);
	k->listener = event_new(base, world.fd, EV_READ | EV_PERSIST,
				on_connection, k);
	return event_add(k->asks, &at_once) || event_add(k->listener, NULL);
}

void kernel_answer(struct kernel *k, const struct answer *answer)
{
	world.answers++;
	world.answer = *answer;
	event_base_loopbreak(k->base);
}

int kernel_open_exe(struct kernel *k, uint64_t ask_id, struct process_exe *exe)
{
	(void)k;
	(void)ask_id;
	*exe = (struct process_exe){
		.fd = open(CALLER, O_RDONLY | O_CLOEXEC), .mounted = true,
		.fs = "ext4", .facts.path = strdup(CALLER),
	};
	return exe->fd < 0 ? -1 : 0;
}

int kernel_set_generation(struct kernel *k, uint32_t generation)
{
	(void)k;
	(void)generation;
	return 0;
}

int kernel_configure(struct kernel *k, const struct kernel_config *config)
{
	(void)k;
	if (config->mark_mask)
		world.mark_mask = *config->mark_mask;
	if (config->events)
		world.events = *config->events;
	return 0;
}

int kernel_status(struct kernel *k, struct kernel_status *status)
{
	(void)k;
	memset(status, 0, sizeof(*status));
	status->generation = 1;
	status->agent_pid = (uint32_t)getpid();
	status->mark_mask = world.mark_mask;
	status->events = world.events;
	/* Every hook sees every call. */
	world.seen++;
	for (unsigned int h = 0; h < __SOCKGATE_HOOK_MAX; h++)
		status->hooks[h] = world.seen;
	return 0;
}

const struct kernel_counts *kernel_counts(const struct kernel *k)
{
	static const struct kernel_counts none;

	(void)k;
	return &none;
}

/* ---- tests ---- */

static uint16_t server_listen(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);

	world.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			  0);
	assert_int_equal(bind(world.fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(world.fd, 8), 0);
	assert_int_equal(getsockname(world.fd, (struct sockaddr *)&sin, &len),
			 0);
	return ntohs(sin.sin_port);
}

static void server_make(void)
{
	struct test_certs own = test_certs_make(&ca, TLS_ROLE_SERVER, "server");
	struct tls_files files = test_certs_files(&own);
	char why[256];

	world.tls = tls_context(true, TLS_ROLE_SERVER, &files, why,
				sizeof(why));
	test_must(world.tls != NULL, why);
	test_certs_remove(&own);
}

static void start(const char *more)
{
	char path[128], why[512] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/conf", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "servers = ( { address = \"127.0.0.1:%u\"; "
		"name = \"server\"; } );\n"
		"tls = { ca = \"%s\"; cert = \"%s\"; key = \"%s\"; };\n"
		"host = \"workload\"; control = \"%s/sock\";\n"
		"spool = \"%s/spool\"; resolv_conf = \"%s/resolv\";\n%s",
		server_listen(), certs.ca, certs.cert, certs.key, dir, dir,
		dir, more);
	fclose(f);
	settings = settings_read(path, why, sizeof(why));
	if (!settings)
		fail_msg("%s", why);
	agent = agent_start(settings, why, sizeof(why));
	if (!agent)
		fail_msg("%s", why);
}

/* Until the agent has answered the kernel, or sent a record. */
static void run(void)
{
	struct timeval limit = { 10, 0 };

	event_base_loopexit(world.kernel->base, &limit);
	assert_int_equal(agent_run(agent), 0);
	assert_true(event_base_got_break(world.kernel->base));
}

static void stop(void)
{
	agent_stop(agent);
	settings_free(settings);
	close(world.fd);
}

static int set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	strcpy(dir, "/tmp/agent-test.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	server_make();
	sockgate__decision__init(&world.decision);
	world.decision.action = SOCKGATE__ACTION__ACTION_ALLOW;
	world.decision.generation = GENERATION;
	world.decision.lifetime_ms = 60000;
	world.decision.fields = SOCKGATE__FIELD__FIELD_CONTENT;
	return 0;
}

static int tear_down(void **state)
{
	char command[96];

	(void)state;
	SSL_CTX_free(world.tls);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

/*
 * Told to end while the record of this very question is written and read: its
 * batch must find that there is no server any more.
 */
static void test_stopped_under_traffic(void **state)
{
	(void)state;
	start("");
	run();
	assert_int_equal(world.answer.id, 1);
	assert_int_equal(world.answer.action, SOCKGATE_ACTION_ALLOW);
	stop();
}

/* It asks about what the policy names, and not what the agent of before left. */
static void test_kernel_is_told_what_to_ask(void **state)
{
	(void)state;
	world.events = 1U << SOCKGATE_EVENT_CLOSE;
	start("");
	assert_int_equal(world.events, 1U << SOCKGATE_EVENT_CLOSE);
	run();
	assert_int_equal(world.events, 1U << SOCKGATE_EVENT_ACCEPT);
	stop();
}

/* The tag goes where the configuration puts it, not where it was before. */
static void test_tag_in_the_configured_mask(void **state)
{
	(void)state;
	world.mark_mask = 0xff;
	world.decision.tag = 0x12;
	start("kernel = { mark_mask = 0xff0000; };\n");
	run();
	assert_int_equal(world.answer.action, SOCKGATE_ACTION_ALLOW);
	assert_int_equal(world.answer.tag, 0x120000);
	stop();
}

static void test_record_says_what_the_caller_got(void **state)
{
	(void)state;
	world.decision.action = SOCKGATE__ACTION__ACTION_DENY;
	start("");
	run();
	assert_int_equal(world.answer.action, SOCKGATE_ACTION_DENY);
	run();
	assert_int_equal(world.records, 1);
	assert_int_equal(world.effect, SOCKGATE__ACTION__ACTION_DENY);
	stop();
}

/* Nobody but the cache is asked, and the record is not left waiting for more. */
static void test_recalled(void **state)
{
	struct timeval at_once = { 0, 0 };

	(void)state;
	world.decision.action = SOCKGATE__ACTION__ACTION_DENY;
	start("");
	run();
	run();
	assert_int_equal(world.records, 1);
	assert_int_equal(world.outcome, SOCKGATE__OUTCOME__OUTCOME_SERVER);
	event_add(world.kernel->asks, &at_once);
	run();
	assert_int_equal(world.answers, 2);
	assert_int_equal(world.answer.id, 2);
	assert_int_equal(world.answer.action, SOCKGATE_ACTION_DENY);
	run();
	assert_int_equal(world.records, 2);
	assert_int_equal(world.outcome, SOCKGATE__OUTCOME__OUTCOME_AGENT_CACHE);
	assert_int_equal(world.effect, SOCKGATE__ACTION__ACTION_DENY);
	stop();
}

static void leave_an_unreadable_record(void)
{
	struct segments_limits limits = { 1 << 20, 1 << 16 };
	uint8_t fresh[SEGMENTS_INSTANCE_SIZE] = { 1 };
	struct spool_record *record;
	struct segments *files;
	char path[128], why[512];

	snprintf(path, sizeof(path), "%s/spool", dir);
	files = segments_open(path, &limits, fresh, why, sizeof(why));
	test_must(files != NULL, why);
	record = spool_record_new(segments_next_sequence(files),
				  (const uint8_t *)"\xff\xff\xff", 3);
	assert_int_equal(segments_append(files, record), 0);
	spool_records_free(record);
	segments_close(files, false);
}

/* The server hangs up when it cannot read it.  What comes after is not lost by that. */
static void test_unreadable_record_does_not_stay(void **state)
{
	(void)state;
	leave_an_unreadable_record();
	start("");
	while (world.records < 2)
		run();
	assert_int_equal(world.unreadable, 1);
	stop();
}

/* Sent while its question is answered; the bytes are those that were hashed. */
static void fetched(const char *more, char **bytes, size_t *size)
{
	world.fetches = true;
	world.content = open_memstream(bytes, size);
	assert_non_null(world.content);
	start(more);
	while (!world.content_ended)
		run();
	assert_int_equal(world.answer.action, SOCKGATE_ACTION_ALLOW);
	stop();
	assert_int_equal(fclose(world.content), 0);
}

static void test_executable_is_sent(void **state)
{
	FILE *caller = fopen(CALLER, "r");
	char *bytes, *expected;
	struct stat st;
	size_t size;

	(void)state;
	fetched("", &bytes, &size);
	assert_int_equal(world.missing, SOCKGATE__MISSING__MISSING_NOTHING);
	assert_non_null(caller);
	assert_int_equal(fstat(fileno(caller), &st), 0);
	assert_int_equal(size, st.st_size);
	expected = malloc(size);
	assert_non_null(expected);
	assert_int_equal(fread(expected, size, 1, caller), 1);
	assert_memory_equal(bytes, expected, size);
	free(expected);
	free(bytes);
	fclose(caller);
}

static void test_executable_that_was_not_asked_about(void **state)
{
	char *bytes;
	size_t size;

	(void)state;
	world.wrong_hash = true;
	fetched("", &bytes, &size);
	assert_int_equal(world.missing, SOCKGATE__MISSING__MISSING_GONE);
	assert_int_equal(size, 0);
	free(bytes);
}

static void test_no_executable_leaves_the_machine(void **state)
{
	char *bytes;
	size_t size;

	(void)state;
	fetched("content_max_bytes = 0;\n", &bytes, &size);
	assert_int_equal(world.missing, SOCKGATE__MISSING__MISSING_REFUSED);
	assert_int_equal(size, 0);
	free(bytes);
}

static int make_certs(void **state)
{
	(void)state;
	log_open("agent_test", false);
	ca = test_ca("test");
	certs = test_certs_make(&ca, TLS_ROLE_AGENT, "workload");
	return 0;
}

static int remove_certs(void **state)
{
	(void)state;
	test_certs_remove(&certs);
	pki_free(&ca);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_stopped_under_traffic),
		TEST(test_kernel_is_told_what_to_ask),
		TEST(test_tag_in_the_configured_mask),
		TEST(test_record_says_what_the_caller_got),
		TEST(test_recalled),
		TEST(test_unreadable_record_does_not_stay),
		TEST(test_executable_is_sent),
		TEST(test_executable_that_was_not_asked_about),
		TEST(test_no_executable_leaves_the_machine),
	};

	return cmocka_run_group_tests(tests, make_certs, remove_certs);
}
