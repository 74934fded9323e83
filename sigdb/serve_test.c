// SPDX-License-Identifier: GPL-2.0-only
/* A whole service, with security servers and the command as clients, in one event loop. */
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/wait.h>
#include <event2/event.h>

#include "channel.h"
#include "conf.h"
#include "control.h"
#include "remote.h"
#include "serve.h"
#include "sighting.h"
#include "store.h"
#include "test_certs.h"
#include "test_loop.h"
#include "wire.h"

#define BODY(name) SOCKGATE__MESSAGE__BODY_##name

static struct event_base *base;
static struct pki_pair ca, other_ca;
static struct test_certs service_certs, server_certs, agent_certs, stranger_certs;
static SSL_CTX *server_tls, *agent_tls, *stranger_tls;
static char conf_file[128];
static struct serve_conf conf;
static struct serve *serve;

/* ---- a client: a security server, or the command ---- */

struct client {
	struct channel *ch;
	/* Of the last message of each kind. */
	uint64_t id, version, lookups, known;
	struct sigdb_answer answer;
	size_t steps;
	unsigned int answers, changes, errors, stored, pongs, statuses, servers;
	char step[64], text[256], why[512];
	bool up, down;
};

static void take_answer(struct client *c, const Sockgate__SignatureAnswer *a)
{
	assert_int_equal(wire_take_answer(a, &c->answer), 0);
	c->answers++;
	c->steps = a->n_step;
	if (a->n_step)
		snprintf(c->step, sizeof(c->step), "%s", a->step[0]->by);
}

static void take_status(struct client *c, const Sockgate__Status *s)
{
	assert_string_equal(s->program, "sigdb");
	c->statuses++;
	c->servers = s->clients;
	for (size_t i = 0; i < s->n_counter; i++)
		if (!strcmp(s->counter[i]->name, "lookups_known"))
			c->known = s->counter[i]->value;
}

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct client *c = arg;

	(void)ch;
	c->id = msg->id;
	switch (msg->body_case) {
	case BODY(SIGNATURE_ANSWER):
		take_answer(c, msg->signature_answer);
		break;
	case BODY(SIGNATURES_CHANGED):
		assert_int_equal(msg->signatures_changed->protocol, WIRE_PROTOCOL);
		c->version = msg->signatures_changed->version;
		c->changes++;
		break;
	case BODY(SIGHTINGS_STORED):
		c->stored++;
		break;
	case BODY(ERROR):
		c->errors++;
		snprintf(c->text, sizeof(c->text), "%s", msg->error->text);
		break;
	case BODY(PONG):
		c->pongs++;
		break;
	case BODY(STATUS):
		take_status(c, msg->status);
		break;
	default:
		fail_msg("unexpected message %d", (int)msg->body_case);
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

/* Until @count is @want or @flag is set; fails after a while. */
static void wait_for(const unsigned int *count, unsigned int want, const bool *flag)
{
	test_loop_until(base, 10, (count && *count >= want) || (flag && *flag));
}

static void dial(struct client *c, SSL_CTX *tls, enum tls_role role)
{
	struct tls_peer expect = { .role = role, .host = "sig1" };
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(serve_port(serve)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	memset(c, 0, sizeof(*c));
	c->ch = channel_connect_tls(base, tls, (struct sockaddr *)&addr, sizeof(addr),
				    &expect, &ops, c);
	assert_non_null(c->ch);
}

/* A security server that is connected and has been told the version. */
static void connect_server(struct client *c)
{
	dial(c, server_tls, TLS_ROLE_SIGDB);
	wait_for(&c->changes, 1, &c->down);
	if (c->down)
		fail_msg("%s", c->why);
}

static void hang_up(struct client *c)
{
	channel_free(c->ch);
	c->ch = NULL;
}

static void say(struct client *c, uint64_t id, Sockgate__Message__BodyCase what, void *body)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	msg.id = id;
	msg.body_case = what;
	msg.signature_query = body;	/* one pointer of the union */
	assert_int_equal(channel_send(c->ch, &msg), 0);
}

static uint8_t curl[SHA256_SIZE] = { 1, 1 }, nobody[SHA256_SIZE] = { 9, 9 };

static void inquire(struct client *c, uint64_t id, const uint8_t *sha256, bool explain)
{
	struct sigdb_question q = { .sha256 = sha256, .file_name = "thing" };
	Sockgate__SignatureQuery query;

	wire_put_question(&q, &query);
	query.explain = explain;
	say(c, id, BODY(SIGNATURE_QUERY), &query);
}

/* ---- the service ---- */

/* Imports content @sha256 as curl of @version. */
static void import(struct fixture *f, const uint8_t *sha256, const char *version)
{
	struct store_identity id = { "curl", version, "Web", "Debian", "" };
	struct store_signature sig = { .trust = 4 };
	struct store *st = store_begin(f->db, "csv", STORE_RANK_CSV);
	struct store_counts counts;

	assert_non_null(st);
	sig.application = store_application(st, &id);
	assert_int_equal(store_hash(st, sha256, &sig), 0);
	assert_int_equal(store_commit(st, &counts), 0);
}

static void write_conf(struct fixture *f)
{
	static unsigned int starts;
	FILE *out;

	snprintf(conf_file, sizeof(conf_file), "%s/conf", f->dir);
	out = fopen(conf_file, "w");
	assert_non_null(out);
	/* The lock of a control socket is held until the process ends. */
	fprintf(out, "listen = \"127.0.0.1\";\ncontrol = \"%s/c%u.sock\";\n"
		"tls = { ca = \"%s\"; cert = \"%s\"; key = \"%s\"; };\n"
		"database = \"%s\";\nmax_clients = 2;\n", f->dir, ++starts,
		service_certs.ca, service_certs.cert, service_certs.key, f->db_path);
	assert_int_equal(fclose(out), 0);
}

static void start_service(struct fixture *f)
{
	char why[1024];

	write_conf(f);
	if (serve_conf_load(&conf, conf_file, why, sizeof(why)))
		fail_msg("%s", why);
	((struct sockaddr_in *)&conf.listen.list[0].addr)->sin_port = 0;
	serve = serve_new(base, &conf, why, sizeof(why));
	if (!serve)
		fail_msg("%s", why);
}

static int start(void **state)
{
	fixture_setup(state);
	import(*state, curl, "8");
	start_service(*state);
	return 0;
}

static int stop(void **state)
{
	serve_free(serve);
	serve_conf_free(&conf);
	/* Channels that linger. */
	event_base_loop(base, EVLOOP_NONBLOCK);
	return fixture_teardown(state);
}

/* ---- tests ---- */

static void test_answers_with_ids(void **state)
{
	struct client c;

	(void)state;
	connect_server(&c);
	inquire(&c, 7, nobody, false);
	inquire(&c, 8, curl, false);
	wait_for(&c.answers, 2, &c.down);
	assert_int_equal(c.id, 8);
	assert_int_equal(c.answer.source, SIGDB_HASH);
	assert_string_equal(c.answer.name, "curl");
	assert_string_equal(c.answer.version, "8");
	assert_string_equal(c.answer.vendor, "Debian");
	assert_int_equal(c.answer.trust, 4);
	assert_int_equal(c.steps, 0);
	inquire(&c, 9, nobody, false);
	wait_for(&c.answers, 3, &c.down);
	assert_int_equal(c.answer.source, SIGDB_NONE);
	hang_up(&c);
}

static void test_explains_if_asked(void **state)
{
	struct client c;

	(void)state;
	connect_server(&c);
	inquire(&c, 1, curl, true);
	wait_for(&c.answers, 1, &c.down);
	assert_int_equal(c.steps, 1);
	assert_string_equal(c.step, "hash");
	hang_up(&c);
}

static void test_tells_of_a_change_at_once(void **state)
{
	struct fixture *f = *state;
	struct client c, d;
	uint64_t before;

	connect_server(&c);
	connect_server(&d);
	before = c.version;
	assert_true(d.version == before);
	import(f, nobody, "9");
	serve_refresh(serve);
	wait_for(&c.changes, 2, &c.down);
	wait_for(&d.changes, 2, &d.down);
	assert_true(c.version != before);
	assert_true(c.version == d.version);
	inquire(&c, 2, nobody, false);
	wait_for(&c.answers, 1, &c.down);
	assert_string_equal(c.answer.version, "9");
	hang_up(&c);
	hang_up(&d);
}

/* So that a restart costs nobody what is remembered. */
static void test_version_is_the_databases(void **state)
{
	struct client c, d;

	connect_server(&c);
	hang_up(&c);
	serve_free(serve);
	serve_conf_free(&conf);
	start_service(*state);
	connect_server(&d);
	assert_true(c.version == d.version);
	hang_up(&d);
}

/* Another database in the place of this one, which counts its imports alike. */
static void replace_database(struct fixture *f)
{
	char aside[160], companion[160];

	sigdb_close(f->db);
	snprintf(aside, sizeof(aside), "%s.old", f->db_path);
	assert_int_equal(rename(f->db_path, aside), 0);
	snprintf(companion, sizeof(companion), "%s-wal", f->db_path);
	unlink(companion);
	snprintf(companion, sizeof(companion), "%s-shm", f->db_path);
	unlink(companion);
	f->db = sigdb_open(f->db_path, true, f->why, sizeof(f->why));
	assert_non_null(f->db);
	import(f, curl, "other");
}

static void test_another_database_is_noticed(void **state)
{
	struct client c;
	uint64_t before;

	connect_server(&c);
	before = c.version;
	replace_database(*state);
	serve_refresh(serve);
	wait_for(&c.changes, 2, &c.down);
	assert_true(c.version != before);
	inquire(&c, 2, curl, false);
	wait_for(&c.answers, 1, &c.down);
	assert_string_equal(c.answer.version, "other");
	hang_up(&c);
}

static void test_another_database_after_a_restart(void **state)
{
	struct client c, d;

	connect_server(&c);
	hang_up(&c);
	serve_free(serve);
	serve_conf_free(&conf);
	replace_database(*state);
	start_service(*state);
	connect_server(&d);
	assert_true(c.version != d.version);
	hang_up(&d);
}

static void refuse(SSL_CTX *tls, enum tls_role role, const char *expect)
{
	struct client c, good;

	dial(&c, tls, role);
	wait_for(NULL, 0, &c.down);
	assert_int_equal(c.changes, 0);
	if (!strstr(c.why, expect))
		fail_msg("%s", c.why);
	hang_up(&c);
	/* And nobody else suffers from it. */
	connect_server(&good);
	hang_up(&good);
}

static void test_only_servers_are_clients(void **state)
{
	(void)state;
	refuse(agent_tls, TLS_ROLE_SIGDB, "");
	refuse(stranger_tls, TLS_ROLE_SIGDB, "");
	/* And who takes it for a security server is told who it is. */
	refuse(server_tls, TLS_ROLE_SERVER, "is for sigdb sig1");
}

static void test_as_many_as_may_be(void **state)
{
	struct client c[3];

	(void)state;
	connect_server(&c[0]);
	connect_server(&c[1]);
	dial(&c[2], server_tls, TLS_ROLE_SIGDB);
	wait_for(NULL, 0, &c[2].down);
	for (int i = 0; i < 3; i++)
		hang_up(&c[i]);
}

/* A connection that says nothing, from an address of this machine. */
static int stranger(const char *from)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(inet_pton(AF_INET, from, &addr.sin_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	addr.sin_port = htons(serve_port(serve));
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* Who can make many connections from one place leaves room for the others. */
static void test_a_source_has_its_share(void **state)
{
	int other = stranger("127.0.0.3"), fd[60], closed = 0;
	struct client c;
	char byte;

	(void)state;
	for (int i = 0; i < 60; i++)
		fd[i] = stranger("127.0.0.2");
	/* They are accepted in the order in which they came, and this one the last. */
	connect_server(&c);
	hang_up(&c);
	for (int i = 0; i < 60; i++) {
		closed += recv(fd[i], &byte, 1, MSG_DONTWAIT) >= 0 || errno == ECONNRESET;
		close(fd[i]);
	}
	assert_int_equal(closed, 60 - 32);
	assert_int_equal(recv(other, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	close(other);
}

static void test_what_makes_no_sense_is_an_error(void **state)
{
	Sockgate__SignatureQuery query = SOCKGATE__SIGNATURE_QUERY__INIT;
	Sockgate__SightingsReport report = SOCKGATE__SIGHTINGS_REPORT__INIT;
	Sockgate__StatusQuery status = SOCKGATE__STATUS_QUERY__INIT;
	uint8_t shorter[5] = { 0 };
	struct client c;

	(void)state;
	connect_server(&c);
	query.sha256.data = shorter;
	query.sha256.len = sizeof(shorter);
	say(&c, 5, BODY(SIGNATURE_QUERY), &query);
	wait_for(&c.errors, 1, &c.down);
	assert_int_equal(c.id, 5);
	say(&c, 6, BODY(SIGHTINGS_REPORT), &report);
	wait_for(&c.errors, 2, &c.down);
	say(&c, 7, BODY(STATUS_QUERY), &status);
	wait_for(&c.errors, 3, &c.down);
	inquire(&c, 8, curl, false);
	wait_for(&c.answers, 1, &c.down);
	hang_up(&c);
}

static int count_step(const struct explain_row *row, void *arg)
{
	assert_string_equal(row->by, "hash");
	assert_int_equal(row->outcome, EXPLAIN_ALL);
	++*(int *)arg;
	return 0;
}

static int add_sighting(const struct sighting *one, void *arg)
{
	char *text = arg;
	size_t used = strlen(text);

	snprintf(text + used, 512 - used, "%u %s %s %llu\n", one->sha256[0], one->host,
		 one->path, (unsigned long long)one->count);
	return 0;
}

static int take_times(const struct sighting *one, void *arg)
{
	*(struct sighting *)arg = *one;
	return 0;
}

/* What was seen in times to come would be the last to be forgotten. */
static void test_sightings_that_exaggerate_are_cut(void **state)
{
	Sockgate__SightingsReport report = SOCKGATE__SIGHTINGS_REPORT__INIT;
	Sockgate__Sighting one = SOCKGATE__SIGHTING__INIT, *list[] = { &one };
	struct fixture *f = *state;
	int64_t now_s = time(NULL);
	struct sighting taken;
	struct sightings *s;
	struct client c;

	connect_server(&c);
	one.sha256.data = nobody;
	one.sha256.len = sizeof(nobody);
	one.host = (char *)"web1";
	one.first_s = INT64_MIN;
	one.last_s = INT64_MAX;
	one.count = INT64_MAX;
	report.n_sighting = 1;
	report.sighting = list;
	for (unsigned int i = 1; i <= 2; i++) {
		say(&c, i, BODY(SIGHTINGS_REPORT), &report);
		wait_for(&c.stored, i, &c.down);
	}
	s = sightings_open(f->db_path, false, f->why, sizeof(f->why));
	assert_non_null(s);
	assert_int_equal(sightings_each(s, NULL, 10, take_times, &taken), 0);
	sightings_close(s);
	assert_int_equal(taken.first_s, 0);
	assert_in_range(taken.last_s, now_s, time(NULL));
	assert_int_equal(taken.count, 2 * WIRE_COUNT_MAX);
	hang_up(&c);
}

static void test_sightings_are_written_before_they_are_acknowledged(void **state)
{
	Sockgate__SightingsReport report = SOCKGATE__SIGHTINGS_REPORT__INIT;
	Sockgate__Sighting one = SOCKGATE__SIGHTING__INIT, *list[] = { &one };
	struct fixture *f = *state;
	struct sightings *s;
	char text[512] = "";
	struct client c;

	connect_server(&c);
	one.sha256.data = nobody;
	one.sha256.len = sizeof(nobody);
	one.host = (char *)"web1";
	one.path = (char *)"/tmp/thing";
	one.first_s = 5;
	one.last_s = 7;
	one.count = 3;
	report.n_sighting = 1;
	report.sighting = list;
	say(&c, 11, BODY(SIGHTINGS_REPORT), &report);
	wait_for(&c.stored, 1, &c.down);
	assert_int_equal(c.id, 11);
	s = sightings_open(f->db_path, false, f->why, sizeof(f->why));
	assert_non_null(s);
	assert_int_equal(sightings_each(s, NULL, 10, add_sighting, text), 0);
	sightings_close(s);
	assert_string_equal(text, "9 web1 /tmp/thing 3\n");
	hang_up(&c);
}

static void test_sightings_that_cannot_be_written_are_not_acknowledged(void **state)
{
	Sockgate__SightingsReport report = SOCKGATE__SIGHTINGS_REPORT__INIT;
	Sockgate__Sighting one = SOCKGATE__SIGHTING__INIT, *list[] = { &one };
	struct fixture *f = *state;
	char path[160];
	struct client c;

	/* A folder is no database. */
	snprintf(path, sizeof(path), "%s.sightings", f->db_path);
	assert_int_equal(mkdir(path, 0700), 0);
	connect_server(&c);
	one.sha256.data = nobody;
	one.sha256.len = sizeof(nobody);
	one.host = (char *)"web1";
	one.count = 1;
	report.n_sighting = 1;
	report.sighting = list;
	say(&c, 11, BODY(SIGHTINGS_REPORT), &report);
	wait_for(&c.errors, 1, &c.down);
	assert_int_equal(c.stored, 0);
	hang_up(&c);
}

/* In the place of the command: a process that waits for each answer. */
static int run_command(const char *name, const struct test_certs *certs)
{
	struct tls_files files = test_certs_files(certs);
	struct sigdb_question q = { .sha256 = curl };
	struct sigdb_answer a;
	char address[32], why[512];
	struct remote *r;
	int steps = 0;

	snprintf(address, sizeof(address), "127.0.0.1:%u", serve_port(serve));
	r = remote_open(address, name, &files, why, sizeof(why));
	if (!r)
		return strstr(why, "sig2") ? 7 : 8;
	if (remote_lookup(r, &q, &a) != SIGDB_KNOWN || strcmp(a.version, "8") != 0)
		return 9;
	if (remote_explain(r, &q, count_step, &steps) || steps != 1)
		return 10;
	q.sha256 = nobody;
	if (remote_lookup(r, &q, &a) != SIGDB_UNKNOWN || *a.name)
		return 11;
	q.path = "not absolute";
	if (remote_lookup(r, &q, &a) != SIGDB_ERROR || !strstr(remote_error(r), "absolute"))
		return 12;
	remote_close(r);
	return 0;
}

static int command(const char *name, const struct test_certs *certs)
{
	pid_t pid = fork();
	int status = -1;

	assert_true(pid >= 0);
	if (!pid)
		_exit(run_command(name, certs));
	test_loop_until(base, 20, waitpid(pid, &status, WNOHANG) != 0);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_the_command_asks(void **state)
{
	(void)state;
	assert_int_equal(command("sig1", &server_certs), 0);
	assert_int_equal(command(NULL, &server_certs), 0);
	assert_int_equal(command("sig2", &server_certs), 7);
	assert_int_equal(command("sig1", &agent_certs), 8);
}

static void test_status_and_ping(void **state)
{
	Sockgate__StatusQuery status = SOCKGATE__STATUS_QUERY__INIT;
	Sockgate__Ping ping = SOCKGATE__PING__INIT;
	struct client c, o = { 0 };
	char why[256];
	int fd;

	(void)state;
	connect_server(&c);
	say(&c, 3, BODY(PING), &ping);
	wait_for(&c.pongs, 1, &c.down);
	inquire(&c, 4, curl, false);
	wait_for(&c.answers, 1, &c.down);
	fd = control_connect(conf.control, "sigdb", why, sizeof(why));
	assert_true(fd >= 0);
	o.ch = channel_local(base, fd, &ops, &o);
	wait_for(NULL, 0, &o.up);
	say(&o, 1, BODY(STATUS_QUERY), &status);
	wait_for(&o.statuses, 1, &o.down);
	assert_int_equal(o.servers, 1);
	assert_int_equal(o.known, 1);
	hang_up(&o);
	hang_up(&c);
}

/* ---- what comes from elsewhere ---- */

static void test_impossible_answers_are_refused(void **state)
{
	struct sigdb_answer good = { .source = SIGDB_HASH, .trust = 4, .name = "curl" }, a, out;
	static char longer[200];
	Sockgate__SignatureAnswer msg;
	Sockgate__Identity id;

	(void)state;
	wire_put_answer(&good, &id, &msg);
	assert_int_equal(wire_take_answer(&msg, &out), 0);
	assert_memory_equal(&out, &good, sizeof(out));
	id.trust = 6;
	assert_int_equal(wire_take_answer(&msg, &out), -1);
	assert_string_equal(out.name, "");
	id.trust = 4;
	memset(longer, 'x', sizeof(longer) - 1);
	id.name = longer;
	assert_int_equal(wire_take_answer(&msg, &out), -1);
	id.name = (char *)"cu\033[rl";
	assert_int_equal(wire_take_answer(&msg, &out), -1);
	id.name = (char *)"";
	assert_int_equal(wire_take_answer(&msg, &out), -1);
	msg.identity = NULL;
	assert_int_equal(wire_take_answer(&msg, &out), -1);
	/* Nothing is known, but its trust is 4. */
	a = (struct sigdb_answer){ .source = SIGDB_NONE, .trust = 4 };
	wire_put_answer(&a, &id, &msg);
	assert_int_equal(wire_take_answer(&msg, &out), -1);
	/* A mere claim that is trusted. */
	a = (struct sigdb_answer){ .source = SIGDB_FILE_NAME, .trust = 4, .name = "curl" };
	wire_put_answer(&a, &id, &msg);
	assert_int_equal(wire_take_answer(&msg, &out), -1);
	a.source = (enum sigdb_source)77;
	wire_put_answer(&a, &id, &msg);
	assert_int_equal(wire_take_answer(&msg, &out), -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

static SSL_CTX *client(const struct test_certs *certs, enum tls_role role)
{
	struct tls_files files = test_certs_files(certs);
	char why[512];
	SSL_CTX *ctx = tls_context(false, role, &files, why, sizeof(why));

	test_must(ctx != NULL, why);
	return ctx;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answers_with_ids),
		TEST(test_explains_if_asked),
		TEST(test_tells_of_a_change_at_once),
		TEST(test_version_is_the_databases),
		TEST(test_another_database_is_noticed),
		TEST(test_another_database_after_a_restart),
		TEST(test_only_servers_are_clients),
		TEST(test_as_many_as_may_be),
		TEST(test_a_source_has_its_share),
		TEST(test_what_makes_no_sense_is_an_error),
		TEST(test_sightings_are_written_before_they_are_acknowledged),
		TEST(test_sightings_that_exaggerate_are_cut),
		TEST(test_sightings_that_cannot_be_written_are_not_acknowledged),
		TEST(test_the_command_asks),
		TEST(test_status_and_ping),
		cmocka_unit_test(test_impossible_answers_are_refused),
	};
	int failed;

	base = event_base_new();
	ca = test_ca("test CA");
	other_ca = test_ca("another CA");
	service_certs = test_certs_make(&ca, TLS_ROLE_SIGDB, "sig1");
	server_certs = test_certs_make(&ca, TLS_ROLE_SERVER, "sec1");
	agent_certs = test_certs_make(&ca, TLS_ROLE_AGENT, "web1");
	stranger_certs = test_certs_make(&other_ca, TLS_ROLE_SERVER, "sec1");
	server_tls = client(&server_certs, TLS_ROLE_SERVER);
	agent_tls = client(&agent_certs, TLS_ROLE_AGENT);
	stranger_tls = client(&stranger_certs, TLS_ROLE_SERVER);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	SSL_CTX_free(server_tls);
	SSL_CTX_free(agent_tls);
	SSL_CTX_free(stranger_tls);
	test_certs_remove(&service_certs);
	test_certs_remove(&server_certs);
	test_certs_remove(&agent_certs);
	test_certs_remove(&stranger_certs);
	pki_free(&ca);
	pki_free(&other_ca);
	event_base_free(base);
	return failed;
}
