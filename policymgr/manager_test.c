// SPDX-License-Identifier: GPL-2.0-only
/* A whole manager, with servers and the command as clients, in one event loop. */
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
#include <time.h>
#include <unistd.h>
#include <event2/event.h>
#include <sqlite3.h>

#include "channel.h"
#include "control.h"
#include "manager.h"
#include "policy_store.h"
#include "signed_policy.h"
#include "test_certs.h"
#include "test_loop.h"

#define BODY(name) SOCKGATE__MESSAGE__BODY_##name
#define STATE(name) SOCKGATE__POLICY_STATE__POLICY_##name

#define GOOD "default = \"allow\"; rules = ();"
#define OTHER "default = \"deny\"; rules = ( { name = \"a\"; port = 22; action = \"allow\"; } );"

static struct event_base *base;
static struct pki_pair ca, other_ca;
static struct test_certs manager_certs;
static char dir[64], conf_file[96], store_file[96], key[96], public[96];
static char stranger_key[96], stranger_public[96];
static char control[96];
static struct manager_conf conf;
static struct manager *manager;

/* ---- a client: a server, or the command ---- */

struct client {
	struct test_certs certs;
	SSL_CTX *tls;
	const char *host;
	struct channel *ch;
	bool up, down, registered, committed, listed;
	uint64_t latest, number;
	unsigned int parts, wholes, errors, pings;
	unsigned int line;
	struct signed_policy_parts incoming;
	struct signed_policy got;	/* the last whole version, with its text */
	uint8_t runs[SHA256_SIZE];
	uint64_t accepted;
	bool cut;			/* ends the connection after the first part */
	char text[600], why[600];
	size_t n_server, n_version;
	Sockgate__PolicyServer *server[8];
	uint64_t versions[8];
};

static void say(struct client *c, uint64_t id, Sockgate__Message__BodyCase what, void *body)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	msg.id = id;
	msg.body_case = what;
	msg.hello = body;	/* one pointer of the union */
	assert_int_equal(channel_send(c->ch, &msg), 0);
}

static void forget_servers(struct client *c)
{
	for (size_t i = 0; i < c->n_server; i++)
		sockgate__policy_server__free_unpacked(c->server[i], NULL);
	c->n_server = 0;
}

static void take_servers(struct client *c, Sockgate__PolicyServers *m)
{
	forget_servers(c);
	assert_true(m->n_server <= 8);
	for (size_t i = 0; i < m->n_server; i++)
		c->server[c->n_server++] = m->server[i];
	m->n_server = 0;
	c->latest = m->latest;
	c->listed = true;
}

static void take_versions(struct client *c, const Sockgate__PolicyVersions *m)
{
	assert_true(m->n_version <= 8);
	c->n_version = m->n_version;
	for (size_t i = 0; i < m->n_version; i++)
		c->versions[i] = m->version[i]->number;
	c->listed = true;
}

static void take_version(struct client *c, uint64_t id, const Sockgate__PolicyVersion *m)
{
	int rc = signed_policy_add(&c->incoming, id, m, 40000000, c->why, sizeof(c->why));

	c->parts++;
	if (rc > 0)
		return;
	if (rc)
		fail_msg("%s", c->why);
	c->wholes++;
	signed_policy_free(&c->got);
	c->got = c->incoming.policy;
	memset(&c->incoming, 0, sizeof(c->incoming));
}

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct client *c = arg;

	(void)ch;
	switch (msg->body_case) {
	case BODY(POLICY_REGISTERED):
		c->registered = true;
		c->latest = msg->policy_registered->latest;
		break;
	case BODY(POLICY_VERSION):
		take_version(c, msg->id, msg->policy_version);
		if (c->cut) {
			channel_free(c->ch);
			c->ch = NULL;
			c->down = true;
		}
		break;
	case BODY(POLICY_COMMITTED):
		c->committed = true;
		c->number = msg->policy_committed->number;
		break;
	case BODY(POLICY_SERVERS):
		take_servers(c, msg->policy_servers);
		break;
	case BODY(POLICY_VERSIONS):
		take_versions(c, msg->policy_versions);
		break;
	case BODY(ERROR):
		c->errors++;
		c->line = msg->error->line;
		snprintf(c->text, sizeof(c->text), "%s", msg->error->text);
		break;
	default:
		break;
	}
}

static void on_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	struct client *c = arg;

	(void)ch, (void)peer;
	c->up = true;
}

static void on_down(struct channel *ch, const char *why, void *arg)
{
	struct client *c = arg;

	(void)ch;
	c->down = true;
	snprintf(c->why, sizeof(c->why), "%s", why);
}

static const struct channel_ops ops = {
	.up = on_up, .message = on_message, .down = on_down,
};

#define wait_flag(f) test_loop_until(base, 20, (f))
#define wait_count(c, n) test_loop_until(base, 20, (c) >= (n))

/* ---- the manager ---- */

/* A process keeps the lock of a socket until it ends: each manager has one of its own. */
static void start(void)
{
	static unsigned int n;
	char why[512];

	snprintf(control, sizeof(control), "%s/%u.sock", dir, ++n);
	conf.control = control;
	manager = manager_new(base, &conf, why, sizeof(why));
	if (!manager)
		fail_msg("%s", why);
}

static void stop(void)
{
	if (manager)
		manager_free(manager);
	manager = NULL;
	/* What the clients still have in the loop sees the end. */
	event_base_loop(base, EVLOOP_NONBLOCK);
}

/* ---- servers ---- */

static void dial(struct client *c)
{
	struct tls_peer expect = { .role = TLS_ROLE_MANAGER };
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(manager_port(manager)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	c->up = c->down = c->registered = false;
	c->ch = channel_connect_tls(base, c->tls, (struct sockaddr *)&addr, sizeof(addr),
				    &expect, &ops, c);
	assert_non_null(c->ch);
}

static void make_client(struct client *c, const struct pki_pair *by, enum tls_role role,
			const char *host)
{
	struct tls_files files;
	char why[512];

	memset(c, 0, sizeof(*c));
	c->host = host;
	c->certs = test_certs_make(by, role, host);
	files = test_certs_files(&c->certs);
	c->tls = tls_context(false, role, &files, why, sizeof(why));
	if (!c->tls)
		fail_msg("%s", why);
}

static void hang_up(struct client *c)
{
	channel_free(c->ch);
	c->ch = NULL;
	signed_policy_parts_free(&c->incoming);
}

static void end_client(struct client *c)
{
	hang_up(c);
	signed_policy_free(&c->got);
	forget_servers(c);
	if (c->tls) {
		SSL_CTX_free(c->tls);
		test_certs_remove(&c->certs);
	}
}

static void register_as(struct client *c, const char *host)
{
	Sockgate__PolicyRegister m = SOCKGATE__POLICY_REGISTER__INIT;
	Sockgate__PolicyReport report = SOCKGATE__POLICY_REPORT__INIT;

	report.number = c->accepted;
	report.sha256.data = c->runs;
	report.sha256.len = SHA256_SIZE;
	m.protocol = 1;
	m.version = (char *)"0.1.0";
	m.host = (char *)host;
	m.report = &report;
	say(c, 1, BODY(POLICY_REGISTER), &m);
}

static void connect_server(struct client *c)
{
	dial(c);
	wait_flag(c->up);
	register_as(c, c->host);
	wait_flag(c->registered);
}

static void report(struct client *c, uint64_t refused, const char *reason)
{
	Sockgate__PolicyReport m = SOCKGATE__POLICY_REPORT__INIT;

	m.number = c->accepted;
	m.sha256.data = c->runs;
	m.sha256.len = SHA256_SIZE;
	m.refused = refused;
	m.reason = (char *)reason;
	say(c, 0, BODY(POLICY_REPORT), &m);
}

static void apply(struct client *c)
{
	c->accepted = c->got.number;
	memcpy(c->runs, c->got.sha256, SHA256_SIZE);
	report(c, 0, "");
}

/* ---- the command ---- */

static void dial_control(struct client *c)
{
	char why[256];
	int fd = control_connect(conf.control, "policymgr", why, sizeof(why));

	memset(c, 0, sizeof(*c));
	if (fd < 0)
		fail_msg("%s", why);
	c->ch = channel_local(base, fd, &ops, c);
	assert_non_null(c->ch);
	wait_flag(c->up);
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

static void send_version(struct client *c, uint64_t id, const struct signed_policy *p,
			 unsigned int parts)
{
	Sockgate__PolicyVersion part;
	size_t sent = 0;

	do {
		signed_policy_message(p, &sent, &part);
		say(c, id, BODY(POLICY_VERSION), &part);
	} while (part.more && --parts);
}

/* Returns false if it is refused; then c->text says why. */
static bool push(struct client *c, struct signed_policy p)
{
	unsigned int errors = c->errors;

	c->committed = false;
	send_version(c, p.number + 100, &p, 1000);
	signed_policy_free(&p);
	test_loop_until(base, 100, c->committed || c->errors != errors);
	return c->committed;
}

static void list_servers(struct client *c)
{
	Sockgate__PolicyServersQuery query = SOCKGATE__POLICY_SERVERS_QUERY__INIT;

	c->listed = false;
	say(c, 5, BODY(POLICY_SERVERS_QUERY), &query);
	wait_flag(c->listed);
}

/* Until the only server, or the one of this place, is in a state. */
static const Sockgate__PolicyServer *wait_state(struct client *c, size_t place,
						Sockgate__PolicyState state)
{
	for (int i = 0; i < 500; i++) {
		list_servers(c);
		assert_true(c->n_server > place);
		if (c->server[place]->state == state)
			return c->server[place];
	}
	fail_msg("%s is in state %d, not %d", c->server[place]->host,
		 (int)c->server[place]->state, (int)state);
	return NULL;
}

/* ---- the tests ---- */

static void a_version_goes_to_all_and_is_acknowledged(void **state)
{
	struct client command, one, two;
	char why[256];

	(void)state;
	make_client(&one, &ca, TLS_ROLE_SERVER, "sec1");
	make_client(&two, &ca, TLS_ROLE_SERVER, "sec2");
	connect_server(&one);
	connect_server(&two);
	assert_int_equal(one.latest, 0);
	dial_control(&command);
	assert_true(push(&command, make(1, GOOD, key)));
	assert_int_equal(command.number, 1);
	wait_count(one.wholes, 1);
	wait_count(two.wholes, 1);
	assert_string_equal(one.got.text, GOOD);
	assert_string_equal(two.got.comment, "why not");
	assert_int_equal(signed_policy_verify(&one.got, public, why, sizeof(why)), 0);
	/* Nobody has said anything yet. */
	list_servers(&command);
	assert_int_equal(command.n_server, 2);
	assert_int_equal(command.server[0]->state, STATE(BEHIND));
	apply(&one);
	wait_state(&command, 0, STATE(CURRENT));
	report(&two, 1, "policy:3: no such thing");
	wait_state(&command, 1, STATE(REFUSED));
	assert_int_equal(command.server[1]->number, 0);
	assert_int_equal(command.server[1]->refused, 1);
	assert_string_equal(command.server[1]->reason, "policy:3: no such thing");
	/* What was refused is not sent again; what comes after it is. */
	assert_true(push(&command, make(2, OTHER, key)));
	wait_count(two.wholes, 2);
	assert_int_equal(two.got.number, 2);
	apply(&two);
	wait_state(&command, 1, STATE(CURRENT));
	assert_int_equal(command.server[1]->refused, 0);
	end_client(&command);
	end_client(&one);
	end_client(&two);
}

/* Only the newest, and only once. */
static void one_that_was_away_catches_up(void **state)
{
	struct client command, one;

	(void)state;
	make_client(&one, &ca, TLS_ROLE_SERVER, "sec1");
	connect_server(&one);
	dial_control(&command);
	assert_true(push(&command, make(1, GOOD, key)));
	wait_count(one.wholes, 1);
	apply(&one);
	wait_state(&command, 0, STATE(CURRENT));
	assert_int_equal(command.server[0]->away_since, 0);
	hang_up(&one);
	do
		list_servers(&command);
	while (!command.server[0]->away_since);
	assert_true(push(&command, make(2, OTHER, key)));
	assert_true(push(&command, make(3, GOOD, key)));
	list_servers(&command);
	assert_int_equal(command.server[0]->state, STATE(BEHIND));
	connect_server(&one);
	assert_int_equal(one.latest, 3);
	wait_count(one.wholes, 2);
	assert_int_equal(one.got.number, 3);
	apply(&one);
	wait_state(&command, 0, STATE(CURRENT));
	hang_up(&one);
	/* It has it: after another start nothing comes, and the answer to a ping does. */
	connect_server(&one);
	list_servers(&command);
	list_servers(&command);
	assert_int_equal(one.wholes, 2);
	end_client(&command);
	end_client(&one);
}

/* As after a crash between the commit and the push. */
static void what_was_committed_is_pushed_after_a_restart(void **state)
{
	struct signed_policy p = make(1, GOOD, key);
	struct policy_store *store;
	struct client command, one;
	char why[512];

	(void)state;
	stop();
	store = policy_store_open(store_file, why, sizeof(why));
	assert_non_null(store);
	assert_int_equal(policy_store_add(store, &p), 0);
	policy_store_close(store);
	signed_policy_free(&p);
	start();
	make_client(&one, &ca, TLS_ROLE_SERVER, "sec1");
	connect_server(&one);
	assert_int_equal(one.latest, 1);
	wait_count(one.wholes, 1);
	assert_string_equal(one.got.text, GOOD);
	apply(&one);
	dial_control(&command);
	wait_state(&command, 0, STATE(CURRENT));
	end_client(&command);
	hang_up(&one);
	stop();
	start();
	/* It is remembered, as away, and gets nothing twice. */
	dial_control(&command);
	list_servers(&command);
	assert_int_equal(command.n_server, 1);
	assert_int_equal(command.server[0]->state, STATE(CURRENT));
	assert_true(command.server[0]->away_since > 0);
	connect_server(&one);
	list_servers(&command);
	list_servers(&command);
	assert_int_equal(command.server[0]->away_since, 0);
	assert_int_equal(one.wholes, 1);
	end_client(&command);
	end_client(&one);
}

static void no_version_is_made_of(struct client *c, struct signed_policy p, const char *why)
{
	assert_false(push(c, p));
	if (!strstr(c->text, why))
		fail_msg("`%s' has no `%s'", c->text, why);
}

static void nothing_wrong_becomes_a_version(void **state)
{
	Sockgate__PolicyVersionsQuery query = SOCKGATE__POLICY_VERSIONS_QUERY__INIT;
	struct signed_policy p;
	struct client command;

	(void)state;
	dial_control(&command);
	no_version_is_made_of(&command, make(1, GOOD, stranger_key), "was not signed by");
	no_version_is_made_of(&command, make(1, "default = \"allow\";\nrules = ( { } );", key),
			      "rule");
	assert_int_equal(command.line, 2);
	p = make(1, GOOD, key);
	p.text[0] = 'D';
	no_version_is_made_of(&command, p, "not the one that was signed");
	p = make(1, GOOD, key);
	p.comment[0] = 'W';
	no_version_is_made_of(&command, p, "was not signed by");
	say(&command, 9, BODY(POLICY_VERSIONS_QUERY), &query);
	wait_flag(command.listed);
	assert_int_equal(command.n_version, 0);
	end_client(&command);
}

static void numbers_only_go_up(void **state)
{
	Sockgate__PolicyVersionsQuery query = SOCKGATE__POLICY_VERSIONS_QUERY__INIT;
	struct client command;

	(void)state;
	dial_control(&command);
	assert_true(push(&command, make(5, GOOD, key)));
	no_version_is_made_of(&command, make(5, OTHER, key), "is there already");
	no_version_is_made_of(&command, make(4, OTHER, key), "5 is the newest");
	assert_true(push(&command, make(6, GOOD, key)));
	say(&command, 9, BODY(POLICY_VERSIONS_QUERY), &query);
	wait_flag(command.listed);
	assert_int_equal(command.n_version, 2);
	assert_int_equal(command.versions[0], 6);
	assert_int_equal(command.versions[1], 5);
	end_client(&command);
}

/* By whatever program: the tables refuse it. */
static void versions_stay_as_they_are(void **state)
{
	static const char *const changes[] = {
		"UPDATE version SET text = 'x'", "DELETE FROM version",
		"INSERT OR REPLACE INTO version SELECT number, 0, '', '', 0, '', '', '' "
		"FROM version",
	};
	struct client command;
	sqlite3 *db;

	(void)state;
	dial_control(&command);
	assert_true(push(&command, make(1, GOOD, key)));
	assert_int_equal(sqlite3_open(store_file, &db), SQLITE_OK);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		assert_int_equal(sqlite3_exec(db, changes[i], NULL, NULL, NULL),
				 SQLITE_CONSTRAINT);
	sqlite3_close(db);
	end_client(&command);
}

/* A client of TLS 1.3 is up before it is told that it is refused. */
static void is_refused(struct client *c)
{
	dial(c);
	wait_flag(c->up);
	register_as(c, c->host);
	wait_flag(c->down);
	assert_false(c->registered);
}

static void wrong_certificates_are_refused(void **state)
{
	struct tls_files own = test_certs_files(&manager_certs);
	struct client agent, stranger;
	char why[512];

	(void)state;
	make_client(&agent, &ca, TLS_ROLE_AGENT, "web1");
	is_refused(&agent);
	/* A manager's own is for serving only. */
	assert_null(tls_context(false, TLS_ROLE_MANAGER, &own, why, sizeof(why)));
	make_client(&stranger, &other_ca, TLS_ROLE_SERVER, "sec1");
	dial(&stranger);
	wait_flag(stranger.down);
	assert_false(stranger.up);
	end_client(&agent);
	end_client(&stranger);
}

static void nobody_registers_another_host(void **state)
{
	struct client command, one;

	(void)state;
	make_client(&one, &ca, TLS_ROLE_SERVER, "sec1");
	dial(&one);
	wait_flag(one.up);
	register_as(&one, "sec2");
	wait_flag(one.down);
	assert_non_null(strstr(one.text, "another host"));
	dial_control(&command);
	list_servers(&command);
	assert_int_equal(command.n_server, 0);
	end_client(&command);
	end_client(&one);
}

static char *long_policy(void)
{
	size_t size = 3 * SIGNED_POLICY_PART + 100;
	char *text = malloc(size + 1);

	assert_non_null(text);
	memset(text, ' ', size);
	memcpy(text, GOOD, strlen(GOOD));
	text[size] = '\0';
	return text;
}

/* The command is cut after the first of the parts. */
static void half_a_version_is_none(void **state)
{
	char *text = long_policy();
	struct signed_policy p = make(1, text, key);
	struct client command;

	(void)state;
	dial_control(&command);
	send_version(&command, 3, &p, 1);
	list_servers(&command);
	assert_int_equal(command.latest, 0);
	end_client(&command);
	dial_control(&command);
	list_servers(&command);
	assert_int_equal(command.latest, 0);
	assert_true(push(&command, make(1, text, key)));
	end_client(&command);
	signed_policy_free(&p);
	free(text);
}

/* A server is cut after the first of the parts, and gets all of them the next time. */
static void a_cut_push_begins_anew(void **state)
{
	char *text = long_policy();
	struct client command, one;

	(void)state;
	make_client(&one, &ca, TLS_ROLE_SERVER, "sec1");
	connect_server(&one);
	one.cut = true;
	dial_control(&command);
	assert_true(push(&command, make(1, text, key)));
	wait_flag(one.down);
	assert_int_equal(one.parts, 1);
	assert_int_equal(one.wholes, 0);
	one.cut = false;
	hang_up(&one);
	connect_server(&one);
	wait_count(one.wholes, 1);
	assert_int_equal(one.parts, 5);
	assert_string_equal(one.got.text, text);
	apply(&one);
	wait_state(&command, 0, STATE(CURRENT));
	end_client(&command);
	end_client(&one);
	free(text);
}

static void what_was_loaded_by_force_is_drift(void **state)
{
	struct client command, one;

	(void)state;
	make_client(&one, &ca, TLS_ROLE_SERVER, "sec1");
	connect_server(&one);
	dial_control(&command);
	assert_true(push(&command, make(1, GOOD, key)));
	wait_count(one.wholes, 1);
	apply(&one);
	wait_state(&command, 0, STATE(CURRENT));
	one.runs[0] ^= 1;
	report(&one, 0, "");
	wait_state(&command, 0, STATE(DRIFT));
	/* It is not undone by itself, but by the next version. */
	hang_up(&one);
	connect_server(&one);
	wait_state(&command, 0, STATE(DRIFT));
	assert_int_equal(one.wholes, 1);
	assert_true(push(&command, make(2, GOOD, key)));
	wait_count(one.wholes, 2);
	apply(&one);
	wait_state(&command, 0, STATE(CURRENT));
	/* A number that was never given here is drift as well. */
	one.accepted = 9;
	report(&one, 0, "");
	wait_state(&command, 0, STATE(DRIFT));
	end_client(&command);
	end_client(&one);
}

/* The older one may be dead without anybody having noticed. */
static void the_newer_connection_of_a_server_counts(void **state)
{
	struct client command, one, again;

	(void)state;
	make_client(&one, &ca, TLS_ROLE_SERVER, "sec1");
	make_client(&again, &ca, TLS_ROLE_SERVER, "sec1");
	connect_server(&one);
	connect_server(&again);
	wait_flag(one.down);
	dial_control(&command);
	list_servers(&command);
	assert_int_equal(command.n_server, 1);
	assert_int_equal(command.server[0]->away_since, 0);
	assert_true(push(&command, make(1, GOOD, key)));
	wait_count(again.wholes, 1);
	end_client(&command);
	end_client(&one);
	end_client(&again);
}

/* As many as there may be, and more: they say nothing. */
static void strangers_keep_nobody_out(void **state)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(manager_port(manager)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct client one, two;
	int fd[80];

	(void)state;
	make_client(&one, &ca, TLS_ROLE_SERVER, "sec1");
	make_client(&two, &ca, TLS_ROLE_SERVER, "sec2");
	connect_server(&one);
	for (int i = 0; i < 80; i++) {
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(fd[i], (struct sockaddr *)&addr, sizeof(addr)), 0);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	connect_server(&two);
	assert_false(one.down);
	for (int i = 0; i < 80; i++)
		close(fd[i]);
	end_client(&one);
	end_client(&two);
}

static void forget(struct client *c, const char *host)
{
	Sockgate__PolicyServersQuery query = SOCKGATE__POLICY_SERVERS_QUERY__INIT;

	query.forget = (char *)host;
	c->listed = false;
	say(c, 6, BODY(POLICY_SERVERS_QUERY), &query);
}

/* What an SQL statement says of the store: a number. */
static unsigned int ask_store(const char *sql)
{
	sqlite3_stmt *statement = NULL;
	sqlite3 *handle = NULL;
	unsigned int n = 0;
	int rc;

	assert_int_equal(sqlite3_open(store_file, &handle), SQLITE_OK);
	sqlite3_busy_timeout(handle, 5000);
	assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &statement, NULL), SQLITE_OK);
	rc = sqlite3_step(statement);
	assert_true(rc == SQLITE_ROW || rc == SQLITE_DONE);
	if (rc == SQLITE_ROW)
		n = (unsigned int)sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(handle);
	return n;
}

/* Each write waits for the disk: a server must not have one by each of its reports. */
static void reports_are_written_once_a_second(void **state)
{
	struct timespec begin, end;
	struct client command, one;
	unsigned int writes, i;
	char reason[32];

	(void)state;
	ask_store("CREATE TABLE writes (host)");
	ask_store("CREATE TRIGGER counted AFTER INSERT ON server "
		  "BEGIN INSERT INTO writes VALUES (new.host); END");
	make_client(&one, &ca, TLS_ROLE_SERVER, "sec1");
	clock_gettime(CLOCK_MONOTONIC, &begin);
	connect_server(&one);
	dial_control(&command);
	for (i = 1; i <= 200; i++) {
		snprintf(reason, sizeof(reason), "reason %u", i);
		report(&one, i, reason);
	}
	do
		list_servers(&command);
	while (command.server[0]->refused != 200);
	writes = ask_store("SELECT count(*) FROM writes");
	clock_gettime(CLOCK_MONOTONIC, &end);
	/* The first one, and one by each tick that there can have been. */
	assert_in_range(writes, 1, 2 + end.tv_sec - begin.tv_sec);
	hang_up(&one);
	hang_up(&command);
	/* The last one is not lost. */
	stop();
	assert_int_equal(ask_store("SELECT refused FROM server"), 200);
	end_client(&one);
	end_client(&command);
}

/* Nor is what is known already written at all. */
static void a_report_of_nothing_new_is_not_written(void **state)
{
	struct client command, one;
	unsigned int before;

	(void)state;
	make_client(&one, &ca, TLS_ROLE_SERVER, "sec1");
	connect_server(&one);
	dial_control(&command);
	ask_store("CREATE TABLE writes (host)");
	ask_store("CREATE TRIGGER counted AFTER INSERT ON server "
		  "BEGIN INSERT INTO writes VALUES (new.host); END");
	report(&one, 7, "no");
	while (!(before = ask_store("SELECT count(*) FROM writes")))
		list_servers(&command);
	report(&one, 7, "no");
	report(&one, 8, "no");
	/* By the time that the last is written, so would be the one before. */
	while (ask_store("SELECT max(refused) FROM server") != 8)
		list_servers(&command);
	assert_int_equal(before, 1);
	assert_int_equal(ask_store("SELECT count(*) FROM writes"), 2);
	end_client(&one);
	end_client(&command);
}

static void only_one_that_is_away_is_forgotten(void **state)
{
	struct client command, one;

	(void)state;
	make_client(&one, &ca, TLS_ROLE_SERVER, "sec1");
	connect_server(&one);
	dial_control(&command);
	forget(&command, "sec1");
	wait_count(command.errors, 1);
	assert_non_null(strstr(command.text, "is connected"));
	hang_up(&one);
	do
		list_servers(&command);
	while (!command.server[0]->away_since);
	forget(&command, "sec1");
	wait_flag(command.listed);
	assert_int_equal(command.n_server, 0);
	stop();
	end_client(&command);
	start();
	dial_control(&command);
	list_servers(&command);
	assert_int_equal(command.n_server, 0);
	end_client(&command);
	end_client(&one);
}

/* ---- set-up ---- */

static void write_conf(void)
{
	FILE *f = fopen(conf_file, "w");
	char why[512];

	test_must(f != NULL, conf_file);
	if (!f)
		return;
	fprintf(f, "listen = \"127.0.0.1\";\n"
		"tls = { ca = \"%s\"; cert = \"%s\"; key = \"%s\"; };\n"
		"policy_key = \"%s\"; store = \"%s\"; max_servers = 4;\n", manager_certs.ca,
		manager_certs.cert, manager_certs.key, public, store_file);
	test_must(!ferror(f), conf_file);
	fclose(f);
	test_must(!manager_conf_load(&conf, conf_file, why, sizeof(why)), why);
	/* Any port. */
	((struct sockaddr_in *)&conf.addr)->sin_port = 0;
}

static int set_up(void **state)
{
	char why[512];

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/manager-test-XXXXXX");
	test_must(mkdtemp(dir) != NULL, "mkdtemp");
	snprintf(conf_file, sizeof(conf_file), "%s/conf", dir);
	snprintf(store_file, sizeof(store_file), "%s/store", dir);
	snprintf(key, sizeof(key), "%s/key", dir);
	snprintf(public, sizeof(public), "%s/key.pub", dir);
	snprintf(stranger_key, sizeof(stranger_key), "%s/key2", dir);
	snprintf(stranger_public, sizeof(stranger_public), "%s/key2.pub", dir);
	test_must(!ed25519_make(key, public, why, sizeof(why)) &&
		  !ed25519_make(stranger_key, stranger_public, why, sizeof(why)), why);
	base = event_base_new();
	write_conf();
	start();
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	stop();
	manager_conf_free(&conf);
	event_base_free(base);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_version_goes_to_all_and_is_acknowledged),
		TEST(one_that_was_away_catches_up),
		TEST(what_was_committed_is_pushed_after_a_restart),
		TEST(nothing_wrong_becomes_a_version),
		TEST(numbers_only_go_up),
		TEST(versions_stay_as_they_are),
		TEST(wrong_certificates_are_refused),
		TEST(nobody_registers_another_host),
		TEST(half_a_version_is_none),
		TEST(a_cut_push_begins_anew),
		TEST(what_was_loaded_by_force_is_drift),
		TEST(the_newer_connection_of_a_server_counts),
		TEST(strangers_keep_nobody_out),
		TEST(reports_are_written_once_a_second),
		TEST(a_report_of_nothing_new_is_not_written),
		TEST(only_one_that_is_away_is_forgotten),
	};
	int rc;

	ca = test_ca("test");
	other_ca = test_ca("other");
	manager_certs = test_certs_make(&ca, TLS_ROLE_MANAGER, "mgr1");
	rc = cmocka_run_group_tests_name("manager", tests, NULL, NULL);
	test_certs_remove(&manager_certs);
	pki_free(&ca);
	pki_free(&other_ca);
	return rc;
}
