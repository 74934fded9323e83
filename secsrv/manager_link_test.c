// SPDX-License-Identifier: GPL-2.0-only
/* A whole server whose policy comes from a manager, which is this test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <event2/event.h>

#include "channel.h"
#include "control.h"
#include "server.h"
#include "signed_policy.h"
#include "test_certs.h"
#include "test_loop.h"

#define BODY(name) SOCKGATE__MESSAGE__BODY_##name

#define FIRST "default = \"allow\"; rules = ();\n"
#define SECOND "default = \"deny\"; rules = ( { name = \"two\"; port = 22; action = \"allow\"; } );\n"
#define THIRD "default = \"deny\"; rules = ( { name = \"three\"; port = 22; action = \"allow\"; } );\n"

static struct event_base *base;
static struct pki_pair ca;
static struct test_certs server_certs, manager_certs, impostor_certs;
static char dir[64], policy_file[96], note_file[96], control[96];
static char key[96], public[96], stranger_key[96], stranger_public[96];
static struct server_conf conf;
static struct server *server;

/* ---- the manager ---- */

static struct {
	int fd;
	struct event *event;
	SSL_CTX *tls, *impostor;
	struct channel *ch;
	bool as_impostor, up;
	unsigned int connections, registers, reports, refused_handshakes;
	uint64_t latest, push_id;
	char host[64];
	/* What the server has said last. */
	uint64_t number, refused;
	uint8_t sha256[SHA256_SIZE];
	char reason[512];
} manager;

static void send_from_manager(uint64_t id, Sockgate__Message__BodyCase what, void *body)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	msg.id = id;
	msg.body_case = what;
	msg.hello = body;	/* one pointer of the union */
	assert_int_equal(channel_send(manager.ch, &msg), 0);
}

static void take_report(const Sockgate__PolicyReport *m)
{
	manager.number = m->number;
	manager.refused = m->refused;
	assert_int_equal(m->sha256.len, SHA256_SIZE);
	memcpy(manager.sha256, m->sha256.data, SHA256_SIZE);
	snprintf(manager.reason, sizeof(manager.reason), "%s", m->reason);
}

static void manager_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	Sockgate__PolicyRegistered registered = SOCKGATE__POLICY_REGISTERED__INIT;

	(void)ch, (void)arg;
	switch (msg->body_case) {
	case BODY(POLICY_REGISTER):
		assert_int_equal(msg->policy_register->protocol, 1);
		snprintf(manager.host, sizeof(manager.host), "%s", msg->policy_register->host);
		take_report(msg->policy_register->report);
		registered.version = (char *)"0.1.0";
		registered.host = (char *)"mgr1";
		registered.latest = manager.latest;
		send_from_manager(msg->id, BODY(POLICY_REGISTERED), &registered);
		manager.registers++;
		break;
	case BODY(POLICY_REPORT):
		take_report(msg->policy_report);
		manager.reports++;
		break;
	default:
		fail_msg("unexpected message %d", (int)msg->body_case);
	}
}

static void manager_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	(void)ch, (void)arg;
	assert_int_equal(peer->role, TLS_ROLE_SERVER);
	manager.up = true;
}

static void manager_down(struct channel *ch, const char *why, void *arg)
{
	(void)why, (void)arg;
	if (!manager.up)
		manager.refused_handshakes++;
	channel_free(ch);
	manager.ch = NULL;
}

static const struct channel_ops manager_ops = {
	.up = manager_up, .message = manager_message, .down = manager_down,
};

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what, (void)arg;
	assert_true(client >= 0);
	manager.up = false;
	manager.connections++;
	manager.ch = channel_accept_tls(base, manager.as_impostor ? manager.impostor :
					manager.tls, client, TLS_ROLE_SERVER, &manager_ops,
					NULL);
	assert_non_null(manager.ch);
}

static void manager_hang_up(void)
{
	channel_free(manager.ch);
	manager.ch = NULL;
}

static struct signed_policy make(uint64_t number, const char *text, const char *by)
{
	struct signed_policy p = {
		.number = number, .time = 1800000000, .author = "alice@mgr1",
		.comment = "why not", .text = strdup(text),
	};
	char why[512];

	assert_non_null(p.text);
	if (signed_policy_sign(&p, by, why, sizeof(why)))
		fail_msg("%s", why);
	return p;
}

/* @parts: no more than these */
static void push(struct signed_policy p, unsigned int parts)
{
	Sockgate__PolicyVersion part;
	size_t sent = 0;

	manager.push_id++;
	do {
		signed_policy_message(&p, &sent, &part);
		send_from_manager(manager.push_id, BODY(POLICY_VERSION), &part);
	} while (part.more && --parts);
	signed_policy_free(&p);
}

/* ---- the command ---- */

struct command {
	struct channel *ch;
	bool up, answered, down;
	char error[600], text[1200], manager[100], manager_error[600];
	uint64_t generation, version;
	bool drift;
};

static void command_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	struct command *c = arg;

	(void)ch, (void)peer;
	c->up = true;
}

static void command_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct command *c = arg;

	(void)ch;
	c->answered = true;
	if (msg->body_case == BODY(ERROR)) {
		snprintf(c->error, sizeof(c->error), "%s", msg->error->text);
	} else if (msg->body_case == BODY(POLICY_TEXT)) {
		snprintf(c->text, sizeof(c->text), "%s", msg->policy_text->text);
		c->generation = msg->policy_text->generation;
	} else if (msg->body_case == BODY(STATUS)) {
		snprintf(c->manager, sizeof(c->manager), "%s", msg->status->manager);
		snprintf(c->manager_error, sizeof(c->manager_error), "%s",
			 msg->status->manager_error);
		c->version = msg->status->policy_version;
		c->drift = msg->status->policy_drift;
	}
}

static void command_down(struct channel *ch, const char *why, void *arg)
{
	struct command *c = arg;

	(void)ch, (void)why;
	c->down = true;
}

static const struct channel_ops command_ops = {
	.up = command_up, .message = command_message, .down = command_down,
};

#define wait_flag(f) test_loop_until(base, 20, (f))
#define wait_count(c, n) test_loop_until(base, 20, (c) >= (n))

static void ask(struct command *c, Sockgate__Message__BodyCase what, void *body)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	char why[256];
	int fd = control_connect(conf.control, "secsrv", why, sizeof(why));

	if (fd < 0)
		fail_msg("%s", why);
	memset(c, 0, sizeof(*c));
	c->ch = channel_local(base, fd, &command_ops, c);
	assert_non_null(c->ch);
	wait_flag(c->up);
	msg.id = 1;
	msg.body_case = what;
	msg.hello = body;	/* one pointer of the union */
	assert_int_equal(channel_send(c->ch, &msg), 0);
	wait_flag(c->answered);
	channel_free(c->ch);
}

static void in_force(struct command *c)
{
	Sockgate__PolicyQuery query = SOCKGATE__POLICY_QUERY__INIT;

	ask(c, BODY(POLICY_QUERY), &query);
}

static void check_in_force(const char *text)
{
	struct command c;

	in_force(&c);
	assert_string_equal(c.text, text);
}

static void status(struct command *c)
{
	Sockgate__StatusQuery query = SOCKGATE__STATUS_QUERY__INIT;

	ask(c, BODY(STATUS_QUERY), &query);
}

static void load(struct command *c, const char *text, bool force)
{
	Sockgate__PolicyLoad m = SOCKGATE__POLICY_LOAD__INIT;

	m.text = (char *)text;
	m.force = force;
	ask(c, BODY(POLICY_LOAD), &m);
}

/* ---- the server ---- */

/* A process keeps the lock of a socket until it ends: each server has one of its own. */
static void start(void)
{
	static unsigned int n;
	char why[512];

	snprintf(control, sizeof(control), "%s/%u.sock", dir, ++n);
	conf.control = control;
	server = server_new(base, &conf, why, sizeof(why));
	if (!server)
		fail_msg("%s", why);
}

static void stop(void)
{
	if (server)
		server_free(server);
	server = NULL;
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static void digest(const char *text, uint8_t sha256[SHA256_SIZE])
{
	assert_int_equal(sha256_memory(text, strlen(text), sha256), 0);
}

static void check_runs(uint64_t number, const char *text)
{
	uint8_t sha256[SHA256_SIZE];

	digest(text, sha256);
	assert_int_equal(manager.number, number);
	assert_memory_equal(manager.sha256, sha256, SHA256_SIZE);
}

/* ---- the tests ---- */

static void it_registers_and_says_what_it_runs(void **state)
{
	struct command c;

	(void)state;
	wait_count(manager.registers, 1);
	assert_string_equal(manager.host, "sec1");
	check_runs(0, FIRST);
	status(&c);
	assert_string_equal(c.manager, conf.manager[0].text);
	assert_int_equal(c.version, 0);
	assert_false(c.drift);
}

static void read_file(const char *file, char *text, size_t size)
{
	FILE *f = fopen(file, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, size - 1, f);
	text[n] = '\0';
	fclose(f);
}

static void a_version_is_put_in_force_and_remembered(void **state)
{
	char text[2000];

	(void)state;
	wait_count(manager.registers, 1);
	push(make(3, SECOND, key), 1000);
	wait_count(manager.reports, 1);
	check_runs(3, SECOND);
	assert_int_equal(manager.refused, 0);
	check_in_force(SECOND);
	read_file(policy_file, text, sizeof(text));
	assert_string_equal(text, SECOND);
	stop();
	start();
	wait_count(manager.registers, 2);
	check_runs(3, SECOND);
	check_in_force(SECOND);
}

static void refuses(struct signed_policy p, const char *why)
{
	unsigned int reports = manager.reports;
	uint64_t number = p.number;

	push(p, 1000);
	wait_count(manager.reports, reports + 1);
	assert_int_equal(manager.refused, number);
	if (!strstr(manager.reason, why))
		fail_msg("`%s' has no `%s'", manager.reason, why);
}

static void what_is_not_signed_by_the_key_is_refused(void **state)
{
	struct signed_policy p;

	(void)state;
	wait_count(manager.registers, 1);
	refuses(make(1, SECOND, stranger_key), "was not signed by the key");
	wait_count(manager.registers, 2);
	/* It is still known then. */
	assert_int_equal(manager.refused, 1);
	/* Nor one whose number was raised, or whose text is another. */
	p = make(1, SECOND, key);
	p.number = 7;
	refuses(p, "was not signed by the key");
	wait_count(manager.registers, 3);
	p = make(8, SECOND, key);
	memcpy(p.text, "DEFAULT", 7);
	refuses(p, "not the one that was signed");
	check_runs(0, FIRST);
	check_in_force(FIRST);
	assert_int_equal(access(note_file, F_OK), -1);
	/* All that does not keep a true one out. */
	push(make(1, SECOND, key), 1000);
	wait_count(manager.reports, 4);
	check_runs(1, SECOND);
}

/* Verifying takes time: many at once are not verified. */
static void what_is_not_signed_ends_the_connection(void **state)
{
	(void)state;
	wait_count(manager.registers, 1);
	for (uint64_t number = 1; number <= 20; number++)
		push(make(number, SECOND, stranger_key), 1000);
	wait_count(manager.registers, 2);
	assert_int_equal(manager.reports, 1);
	assert_int_equal(manager.refused, 1);
	push(make(1, SECOND, key), 1000);
	wait_count(manager.reports, 2);
	check_runs(1, SECOND);
}

static void an_old_version_is_refused_after_a_restart_too(void **state)
{
	(void)state;
	wait_count(manager.registers, 1);
	push(make(5, SECOND, key), 1000);
	wait_count(manager.reports, 1);
	refuses(make(4, THIRD, key), "is not newer than version 5");
	refuses(make(5, THIRD, key), "is not newer than version 5");
	stop();
	start();
	wait_count(manager.registers, 2);
	refuses(make(4, THIRD, key), "is not newer than version 5");
	check_in_force(SECOND);
	/* Its text under a newer number is a rollback. */
	push(make(6, THIRD, key), 1000);
	wait_count(manager.reports, 5);
	check_runs(6, THIRD);
}

/* Nor is a text put in force that is: agents would forget what they know for nothing. */
static void nothing_is_applied_twice(void **state)
{
	struct command before, after;

	(void)state;
	wait_count(manager.registers, 1);
	push(make(1, SECOND, key), 1000);
	wait_count(manager.reports, 1);
	in_force(&before);
	push(make(1, SECOND, key), 1000);
	wait_count(manager.reports, 2);
	check_runs(1, SECOND);
	assert_int_equal(manager.refused, 0);
	push(make(2, SECOND, key), 1000);
	wait_count(manager.reports, 3);
	check_runs(2, SECOND);
	in_force(&after);
	assert_int_equal(after.generation, before.generation);
}

static void a_policy_with_an_error_is_refused_with_its_line(void **state)
{
	struct command c;

	(void)state;
	wait_count(manager.registers, 1);
	refuses(make(1, "default = \"allow\";\nrules = ( { name = \"a\"; } );", key),
		"version 1:2: ");
	check_in_force(FIRST);
	/* On the next connection it may be tried again: this may be another secsrv. */
	manager_hang_up();
	wait_count(manager.registers, 2);
	assert_int_equal(manager.refused, 0);
	status(&c);
	assert_int_equal(c.version, 0);
}

static char *long_policy(void)
{
	size_t size = 2 * SIGNED_POLICY_PART + 100;
	char *text = malloc(size + 1);

	assert_non_null(text);
	memset(text, ' ', size);
	memcpy(text, SECOND, strlen(SECOND));
	text[size] = '\0';
	return text;
}

static void a_version_that_is_cut_is_none(void **state)
{
	char *text = long_policy();

	(void)state;
	wait_count(manager.registers, 1);
	push(make(1, text, key), 2);
	manager_hang_up();
	wait_count(manager.registers, 2);
	check_runs(0, FIRST);
	/* What follows is not taken for the rest of it. */
	push(make(2, THIRD, key), 1000);
	wait_count(manager.reports, 1);
	check_runs(2, THIRD);
	push(make(3, text, key), 1000);
	wait_count(manager.reports, 2);
	check_runs(3, text);
	free(text);
}

static void a_peer_that_is_no_manager_gets_nothing(void **state)
{
	struct command c;

	(void)state;
	wait_count(manager.registers, 1);
	push(make(1, SECOND, key), 1000);
	wait_count(manager.reports, 1);
	manager.as_impostor = true;
	manager_hang_up();
	wait_count(manager.refused_handshakes, 1);
	assert_int_equal(manager.registers, 1);
	/* The policy stays; the status says why there is no manager. */
	check_in_force(SECOND);
	status(&c);
	assert_string_equal(c.manager, "");
	assert_non_null(strstr(c.manager_error, "is for server mgr1, expected a manager"));
	manager.as_impostor = false;
	wait_count(manager.registers, 2);
	check_runs(1, SECOND);
}

static void only_force_loads_another_and_that_is_drift(void **state)
{
	struct command c;

	(void)state;
	wait_count(manager.registers, 1);
	push(make(1, SECOND, key), 1000);
	wait_count(manager.reports, 1);
	load(&c, THIRD, false);
	assert_non_null(strstr(c.error, "comes from a policy manager"));
	check_in_force(SECOND);
	load(&c, THIRD, true);
	assert_string_equal(c.error, "");
	wait_count(manager.reports, 2);
	check_runs(1, THIRD);
	status(&c);
	assert_true(c.drift);
	/* Until the next version, whatever happens meanwhile. */
	stop();
	start();
	wait_count(manager.registers, 2);
	check_runs(1, THIRD);
	push(make(2, SECOND, key), 1000);
	wait_count(manager.reports, 3);
	check_runs(2, SECOND);
	status(&c);
	assert_false(c.drift);
}

/* A note that somebody has changed could let an old version in, or keep all out. */
static void a_note_that_is_not_signed_does_not_count(void **state)
{
	char note[2000], *at;
	FILE *f;

	(void)state;
	wait_count(manager.registers, 1);
	push(make(3, SECOND, key), 1000);
	wait_count(manager.reports, 1);
	stop();
	read_file(note_file, note, sizeof(note));
	at = strstr(note, "number 3");
	assert_non_null(at);
	at[7] = '9';
	f = fopen(note_file, "w");
	assert_non_null(f);
	fputs(note, f);
	assert_int_equal(fclose(f), 0);
	start();
	wait_count(manager.registers, 2);
	check_runs(0, SECOND);
}

/* ---- set-up ---- */

static void write_text(const char *file, const char *text)
{
	FILE *f = fopen(file, "w");

	test_must(f && fputs(text, f) >= 0 && !fclose(f), file);
}

static uint16_t open_manager(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);

	memset(&manager, 0, sizeof(manager));
	manager.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	test_must(manager.fd >= 0 && !bind(manager.fd, (struct sockaddr *)&addr, len) &&
		  !listen(manager.fd, 5) &&
		  !getsockname(manager.fd, (struct sockaddr *)&addr, &len), "listen");
	manager.event = event_new(base, manager.fd, EV_READ | EV_PERSIST, on_connection, NULL);
	event_add(manager.event, NULL);
	return ntohs(addr.sin_port);
}

static SSL_CTX *context(const struct test_certs *certs, enum tls_role role)
{
	struct tls_files files = test_certs_files(certs);
	char why[512];
	SSL_CTX *tls = tls_context(true, role, &files, why, sizeof(why));

	test_must(tls != NULL, why);
	return tls;
}

static void write_conf(uint16_t port)
{
	char file[96], why[512], text[4000];

	snprintf(file, sizeof(file), "%s/conf", dir);
	snprintf(text, sizeof(text), "listen = \"127.0.0.1\";\n"
		 "tls = { ca = \"%s\"; cert = \"%s\"; key = \"%s\"; };\n"
		 "policy = \"%s\"; signatures = \"%s/signatures\"; audit = \"%s/audit\";\n"
		 "policy_manager = ( { address = \"127.0.0.1:%u\"; name = \"mgr1\"; } );\n"
		 "policy_key = \"%s\"; policy_note = \"%s\";\n", server_certs.ca,
		 server_certs.cert, server_certs.key, policy_file, dir, dir, port, public,
		 note_file);
	write_text(file, text);
	test_must(!server_conf_load(&conf, file, why, sizeof(why)), why);
	/* Any port. */
	((struct sockaddr_in *)&conf.listen.list[0].addr)->sin_port = 0;
}

static int set_up(void **state)
{
	char why[512];

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/manager-link-test-XXXXXX");
	test_must(mkdtemp(dir) != NULL, "mkdtemp");
	snprintf(policy_file, sizeof(policy_file), "%s/policy", dir);
	snprintf(note_file, sizeof(note_file), "%s/note", dir);
	snprintf(key, sizeof(key), "%s/key", dir);
	snprintf(public, sizeof(public), "%s/key.pub", dir);
	snprintf(stranger_key, sizeof(stranger_key), "%s/key2", dir);
	snprintf(stranger_public, sizeof(stranger_public), "%s/key2.pub", dir);
	test_must(!ed25519_make(key, public, why, sizeof(why)) &&
		  !ed25519_make(stranger_key, stranger_public, why, sizeof(why)), why);
	write_text(policy_file, FIRST);
	base = event_base_new();
	write_conf(open_manager());
	manager.tls = context(&manager_certs, TLS_ROLE_MANAGER);
	manager.impostor = context(&impostor_certs, TLS_ROLE_SERVER);
	start();
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	stop();
	manager_hang_up();
	event_free(manager.event);
	close(manager.fd);
	event_base_loop(base, EVLOOP_NONBLOCK);
	SSL_CTX_free(manager.tls);
	SSL_CTX_free(manager.impostor);
	server_conf_free(&conf);
	event_base_free(base);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(it_registers_and_says_what_it_runs),
		TEST(a_version_is_put_in_force_and_remembered),
		TEST(what_is_not_signed_by_the_key_is_refused),
		TEST(what_is_not_signed_ends_the_connection),
		TEST(an_old_version_is_refused_after_a_restart_too),
		TEST(nothing_is_applied_twice),
		TEST(a_policy_with_an_error_is_refused_with_its_line),
		TEST(a_version_that_is_cut_is_none),
		TEST(a_peer_that_is_no_manager_gets_nothing),
		TEST(only_force_loads_another_and_that_is_drift),
		TEST(a_note_that_is_not_signed_does_not_count),
	};
	int rc;

	ca = test_ca("test");
	server_certs = test_certs_make(&ca, TLS_ROLE_SERVER, "sec1");
	manager_certs = test_certs_make(&ca, TLS_ROLE_MANAGER, "mgr1");
	impostor_certs = test_certs_make(&ca, TLS_ROLE_SERVER, "mgr1");
	rc = cmocka_run_group_tests_name("manager_link", tests, NULL, NULL);
	test_certs_remove(&server_certs);
	test_certs_remove(&manager_certs);
	test_certs_remove(&impostor_certs);
	pki_free(&ca);
	return rc;
}
