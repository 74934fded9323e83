// SPDX-License-Identifier: GPL-2.0-only
/* A whole server with an agent, whose signatures are those of a service, in one loop. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <cmocka.h>
#include <event2/event.h>

#include "channel.h"
#include "server.h"
#include "sigdb/serve.h"
#include "sigdb/sighting.h"
#include "sigdb/store.h"
#include "test_certs.h"
#include "test_loop.h"

#define BODY(name) SOCKGATE__MESSAGE__BODY_##name

static struct event_base *base;
static struct pki_pair ca;
static struct test_certs server_certs, sigdb_certs, agent_certs;
static SSL_CTX *agent_tls;
static char dir[64], file[128], database[128];
static struct serve_conf serve_conf;
static struct serve *serve;
static struct server_conf conf;
static struct server *server;
static uint16_t port;
static struct sigdb *db;
static uint8_t content[32] = { 1, 2, 3 };
static const char *path = "/usr/bin/thing";

/* ---- an agent ---- */

struct agent {
	struct channel *ch;
	unsigned int welcomes, decisions, changes;
	uint64_t generation;
	bool up, failed;
	Sockgate__Action action;
	uint32_t lifetime_ms;
	char rule[64], missing[64], application[64];
};

static struct agent agent;

static void take_decision(struct agent *a, const Sockgate__Decision *d)
{
	a->decisions++;
	a->action = d->action;
	a->failed = d->failed;
	a->lifetime_ms = d->lifetime_ms;
	snprintf(a->rule, sizeof(a->rule), "%s", d->rule);
	snprintf(a->missing, sizeof(a->missing), "%s", d->missing);
	snprintf(a->application, sizeof(a->application), "%s",
		 d->identity ? d->identity->name : "not known");
}

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct agent *a = arg;

	(void)ch;
	switch (msg->body_case) {
	case BODY(WELCOME):
		a->welcomes++;
		a->generation = msg->welcome->generation;
		break;
	case BODY(DECISION):
		take_decision(a, msg->decision);
		break;
	case BODY(POLICY_CHANGED):
		assert_true(msg->policy_changed->generation > a->generation);
		a->generation = msg->policy_changed->generation;
		a->changes++;
		break;
	default:
		fail_msg("unexpected message %d", (int)msg->body_case);
	}
}

static void on_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	struct agent *a = arg;

	(void)ch, (void)peer;
	a->up = true;
}

static void on_down(struct channel *ch, const char *why, void *arg)
{
	(void)ch, (void)arg;
	fail_msg("%s", why);
}

static const struct channel_ops ops = {
	.up = on_up, .message = on_message, .down = on_down,
};

static void run_until(const unsigned int *count, unsigned int want, const bool *flag)
{
	test_loop_until(base, 10, (count && *count >= want) || (flag && *flag));
}

static void say(uint64_t id, Sockgate__Message__BodyCase what, void *body)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	msg.id = id;
	msg.body_case = what;
	msg.hello = body;	/* one pointer of the union */
	assert_int_equal(channel_send(agent.ch, &msg), 0);
}

static void connect_agent(void)
{
	struct tls_peer expect = { .role = TLS_ROLE_SERVER };
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_port = htons(server_port(server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	static uint8_t instance[16] = "instance-number";
	Sockgate__Hello hello = SOCKGATE__HELLO__INIT;

	memset(&agent, 0, sizeof(agent));
	agent.ch = channel_connect_tls(base, agent_tls, (struct sockaddr *)&addr,
				       sizeof(addr), &expect, &ops, &agent);
	assert_non_null(agent.ch);
	run_until(NULL, 0, &agent.up);
	hello.protocol = 1;
	hello.host = (char *)"web1";
	hello.instance.data = instance;
	hello.instance.len = sizeof(instance);
	say(1, BODY(HELLO), &hello);
	run_until(&agent.welcomes, 1, NULL);
}

static void send_question(uint64_t id, unsigned int budget_ms)
{
	Sockgate__Question question = SOCKGATE__QUESTION__INIT;
	Sockgate__Event event = SOCKGATE__EVENT__INIT;
	Sockgate__Process process = SOCKGATE__PROCESS__INIT;
	Sockgate__User user = SOCKGATE__USER__INIT;

	question.event = &event;
	question.process = &process;
	question.user = &user;
	question.budget_ms = budget_ms;
	event.kind = SOCKGATE__EVENT_KIND__EVENT_CONNECT;
	event.protocol = IPPROTO_TCP;
	process.path = (char *)path;
	process.name = (char *)"thing";
	process.evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
	process.sha256.data = content;
	process.sha256.len = sizeof(content);
	user.name = (char *)"root";
	user.domain = (char *)"web1";
	say(id, BODY(QUESTION), &question);
}

static void ask(uint64_t id)
{
	unsigned int before = agent.decisions;

	send_question(id, 5000);
	run_until(&agent.decisions, before + 1, NULL);
}

/* ---- the service ---- */

static void import(const char *name)
{
	struct store_identity id = { name, "1", "Web", "Debian", "" };
	struct store_signature sig = { .trust = 4 };
	struct store *st = store_begin(db, "csv", STORE_RANK_CSV);
	struct store_counts counts;

	assert_non_null(st);
	sig.application = store_application(st, &id);
	assert_int_equal(store_hash(st, content, &sig), 0);
	assert_int_equal(store_commit(st, &counts), 0);
}

static void write_file(const char *name, const char *text)
{
	FILE *f;

	snprintf(file, sizeof(file), "%s/%s", dir, name);
	f = fopen(file, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* The lock of a control socket is held until the process ends. */
static unsigned int sockets;

static void start_service(void)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)&serve_conf.listen.list[0].addr;
	char text[1024], why[1024];

	snprintf(text, sizeof(text), "listen = \"127.0.0.1\";\n"
		 "control = \"%s/c%u\";\ndatabase = \"%s\";\n"
		 "tls = { ca = \"%s\"; cert = \"%s\"; key = \"%s\"; };\n", dir, ++sockets,
		 database, sigdb_certs.ca, sigdb_certs.cert, sigdb_certs.key);
	write_file("sigdb.conf", text);
	if (serve_conf_load(&serve_conf, file, why, sizeof(why)))
		fail_msg("%s", why);
	sin->sin_port = htons(port);
	serve = serve_new(base, &serve_conf, why, sizeof(why));
	if (!serve)
		fail_msg("%s", why);
	port = serve_port(serve);
}

static void stop_service(void)
{
	serve_free(serve);
	serve_conf_free(&serve_conf);
	serve = NULL;
}

/* ---- the server ---- */

/* With its agent; @settings: more of the signatures' group */
static void start_server(const char *settings)
{
	char text[1500], why[1024];

	snprintf(text, sizeof(text), "listen = \"127.0.0.1\";\ncontrol = \"%s/c%u\";\n"
		 "tls = { ca = \"%s\"; cert = \"%s\"; key = \"%s\"; };\n"
		 "policy = \"%s/policy\";\naudit = \"%s/a\";\n"
		 "signatures = { services = ( { address = \"127.0.0.1:%u\"; name = \"sig1\"; } );"
		 " %s };\n", dir, ++sockets, server_certs.ca, server_certs.cert,
		 server_certs.key, dir, dir, port, settings);
	write_file("secsrv.conf", text);
	if (server_conf_load(&conf, file, why, sizeof(why)))
		fail_msg("%s", why);
	((struct sockaddr_in *)&conf.listen.list[0].addr)->sin_port = 0;
	server = server_new(base, &conf, why, sizeof(why));
	if (!server)
		fail_msg("%s", why);
	connect_agent();
}

static void stop_server(void)
{
	channel_free(agent.ch);
	server_free(server);
	server_conf_free(&conf);
}

/* ---- tests ---- */

static void test_service_says_what_it_is(void **state)
{
	(void)state;
	ask(1);
	assert_string_equal(agent.application, "curl");
	assert_string_equal(agent.rule, "curl");
	assert_int_equal(agent.action, SOCKGATE__ACTION__ACTION_ALLOW);
	assert_false(agent.failed);
	assert_true(agent.lifetime_ms);
}

/* Agents, and through them kernels, forget what was decided. */
static void test_changed_signature_reaches_the_agent(void **state)
{
	(void)state;
	ask(1);
	assert_string_equal(agent.rule, "curl");
	import("torrent");
	serve_refresh(serve);
	run_until(&agent.changes, 1, NULL);
	ask(2);
	assert_string_equal(agent.application, "torrent");
	assert_string_equal(agent.rule, "p2p");
	assert_int_equal(agent.action, SOCKGATE__ACTION__ACTION_DENY);
	assert_false(agent.failed);
}

static unsigned int monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (unsigned int)(ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

/* How long until the agent hears of a change. */
static unsigned int change_ms(void)
{
	unsigned int changes = agent.changes, began;
	char name[16];

	snprintf(name, sizeof(name), "name-%u", changes);
	import(name);
	began = monotonic_ms();
	serve_refresh(serve);
	run_until(&agent.changes, changes + 1, NULL);
	return monotonic_ms() - began;
}

/* More than two ticks of the server without a change. */
static void be_quiet(void)
{
	struct timeval pause = { 2, 350000 };

	assert_int_equal(event_base_loopexit(base, &pause), 0);
	event_base_dispatch(base);
}

/*
 * Not when the server looks for changes by itself, which is every second: the pauses
 * are such that not all of the changes can come just before that.
 */
static void test_changes_reach_the_agent_at_once(void **state)
{
	unsigned int ms = 0;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		be_quiet();
		ms += change_ms();
	}
	assert_true(ms < 800);
}

/* The first; a service that goes on saying so is heard once a second. */
static void test_many_changes_are_one_a_second(void **state)
{
	unsigned int began = monotonic_ms();

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		change_ms();
	assert_true(monotonic_ms() - began >= 1900);
}

/* No field, no silence: a rule that needs it takes its failure action. */
static void test_without_the_service_rules_fail(void **state)
{
	(void)state;
	stop_service();
	ask(1);
	assert_true(agent.failed);
	assert_string_equal(agent.missing, "application");
	assert_string_equal(agent.rule, "p2p");
	assert_int_equal(agent.action, SOCKGATE__ACTION__ACTION_DENY);
	assert_string_equal(agent.application, "not known");
	/* Nothing of it is remembered, here or there. */
	assert_int_equal(agent.lifetime_ms, 0);
	start_service();
	do
		ask(2);
	while (agent.failed);
	assert_string_equal(agent.rule, "curl");
	assert_int_equal(agent.changes, 0);
}

/*
 * What needs no signature does not wait for a service that is not there yet: here it
 * has taken the connection, and says nothing.
 */
static void test_a_rule_by_file_does_not_wait(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned int began;

	(void)state;
	stop_service();
	stop_server();
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(fd, 8), 0);
	start_server("wait_ms = 60000; silence_ms = 60000;");
	path = "/usr/sbin/sigdb";
	began = monotonic_ms();
	send_question(2, 0);
	run_until(&agent.decisions, 1, NULL);
	assert_string_equal(agent.rule, "sigdb");
	assert_false(agent.failed);
	/* A handshake would be given up after ten seconds. */
	assert_true(monotonic_ms() - began < 8000);
	path = "/usr/bin/thing";
	close(fd);
	start_service();
}

/* What is remembered goes on being good. */
static void test_what_is_remembered_needs_no_service(void **state)
{
	(void)state;
	ask(1);
	stop_service();
	ask(2);
	assert_string_equal(agent.rule, "curl");
	assert_false(agent.failed);
	start_service();
}

/* An agent that goes while its question waits; and one that waits for nothing else. */
static void test_agent_goes_meanwhile(void **state)
{
	(void)state;
	send_question(1, 5000);
	send_question(2, 5000);
	channel_free(agent.ch);
	connect_agent();
	ask(3);
	assert_string_equal(agent.rule, "curl");
}

/* ---- the settings ---- */

/* Returns why it is refused, NULL if it is not. */
static const char *load(struct server_conf *out, const char *text)
{
	static char why[1024];

	write_file("other.conf", text);
	return server_conf_load(out, file, why, sizeof(why)) ? why : NULL;
}

static void test_a_file_or_services(void **state)
{
	struct server_conf c;
	const char *why;

	(void)state;
	assert_null(load(&c, ""));
	assert_string_equal(c.identity.file, SIGDB_DEFAULT_PATH);
	assert_int_equal(c.identity.services.n, 0);
	assert_int_equal(c.identity.cache.max, 65536);
	server_conf_free(&c);
	assert_null(load(&c, "signatures = \"/x.db\";"));
	assert_string_equal(c.identity.file, "/x.db");
	server_conf_free(&c);
	assert_null(load(&c, "signatures = { file = \"/y.db\"; remember = 10; };"));
	assert_string_equal(c.identity.file, "/y.db");
	assert_int_equal(c.identity.cache.max, 10);
	server_conf_free(&c);
	assert_null(load(&c, "signatures = { services = ("
			 "{ address = \"192.0.2.1\"; name = \"a\"; },"
			 "{ address = \"[2001:db8::1]:7\"; name = \"b\"; } );"
			 "remember_s = 7; remember_unknown_s = 8; wait_ms = 90; };"));
	assert_int_equal(c.identity.services.n, 2);
	assert_string_equal(c.identity.services.list[0].text, "192.0.2.1:6611");
	assert_string_equal(c.identity.services.list[1].name, "b");
	assert_int_equal(c.identity.cache.lifetime_s, 7);
	assert_int_equal(c.identity.cache.unknown_lifetime_s, 8);
	assert_int_equal(c.identity.services.wait_ms, 90);
	server_conf_free(&c);
	why = load(&c, "signatures = { services = (); };");
	assert_non_null(why);
	assert_non_null(strstr(why, "needs 1 to 8 services"));
	why = load(&c, "signatures = { file = \"x\"; services = ("
		   "{ address = \"192.0.2.1\"; name = \"a\"; } ); };");
	assert_non_null(why);
	assert_non_null(strstr(why, "not both"));
	why = load(&c, "signatures = { server = \"x\"; };");
	assert_non_null(why);
	assert_non_null(strstr(why, "unknown setting `server'"));
	why = load(&c, "signatures = 7;");
	assert_non_null(why);
	assert_non_null(strstr(why, "must be a string"));
	why = load(&c, "signatures = { services = ( { address = \"192.0.2.1\"; } ); };");
	assert_non_null(why);
	assert_non_null(strstr(why, "is required"));
}

/* ---- before and after ---- */

static int remove_one(const char *one, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(one);
}

static int set_up(void **state)
{
	char why[1024];

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/remote-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(database, sizeof(database), "%s/s.db", dir);
	db = sigdb_open(database, true, why, sizeof(why));
	if (!db)
		fail_msg("%s", why);
	import("curl");
	port = 0;
	start_service();
	write_file("policy", "rules = (\n"
		   "  { name = \"sigdb\"; file = \"/usr/sbin/sigdb\"; action = \"allow\"; },\n"
		   "  { name = \"p2p\"; application = \"torrent\"; action = \"deny\"; },\n"
		   "  { name = \"curl\"; application = \"curl\"; action = \"allow\"; }\n);\n");
	start_server("wait_ms = 2000;");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stop_server();
	stop_service();
	sigdb_close(db);
	event_base_loop(base, EVLOOP_NONBLOCK);
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_service_says_what_it_is),
		TEST(test_changed_signature_reaches_the_agent),
		TEST(test_changes_reach_the_agent_at_once),
		TEST(test_many_changes_are_one_a_second),
		TEST(test_without_the_service_rules_fail),
		TEST(test_a_rule_by_file_does_not_wait),
		TEST(test_what_is_remembered_needs_no_service),
		TEST(test_agent_goes_meanwhile),
		TEST(test_a_file_or_services),
	};
	struct tls_files files;
	char why[512];
	int failed;

	base = event_base_new();
	ca = test_ca("test CA");
	server_certs = test_certs_make(&ca, TLS_ROLE_SERVER, "sec1");
	sigdb_certs = test_certs_make(&ca, TLS_ROLE_SIGDB, "sig1");
	agent_certs = test_certs_make(&ca, TLS_ROLE_AGENT, "web1");
	files = test_certs_files(&agent_certs);
	agent_tls = tls_context(false, TLS_ROLE_AGENT, &files, why, sizeof(why));
	test_must(agent_tls != NULL, why);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	SSL_CTX_free(agent_tls);
	test_certs_remove(&server_certs);
	test_certs_remove(&sigdb_certs);
	test_certs_remove(&agent_certs);
	pki_free(&ca);
	event_base_free(base);
	return failed;
}
