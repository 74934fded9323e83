// SPDX-License-Identifier: GPL-2.0-only
/* The connection, with a server on the loopback that does what a test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <event2/event.h>

#include "channel.h"
#include "server.h"
#include "test_certs.h"

/* A security server as far as an agent sees it. */
struct peer {
	struct event *listener;
	int fd;
	uint16_t port;
	SSL_CTX *tls;
	struct channel *ch;
	bool mute;		/* connected, and says nothing */
	bool refuses;		/* answers Hello with an error */
	bool fetches;
	uint64_t generation;
	unsigned int hellos, questions, pings, records, parts;
	uint64_t question_id;
};

static const uint8_t instance[16] = "instance-number";

#define PART_SIZE 32768

static struct event_base *base;
static struct pki_pair ca;
static struct test_certs agent_certs;
static struct peer peers[2];
static struct server_conf conf;
static struct server *server;

/* What the agent's side was told. */
static struct {
	enum server_state state;
	unsigned int states, policies, decided, failed, stored, refused, content;
	uint64_t generation, number, sequence;
	uint32_t events, facts;
	bool another;
	enum server_state until;	/* stop the loop in this state */
} told;

static void send_to_agent(struct peer *p, Sockgate__Message *msg)
{
	assert_int_equal(channel_send(p->ch, msg), 0);
}

static void welcome(struct peer *p, uint64_t id)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Welcome body = SOCKGATE__WELCOME__INIT;
	Sockgate__Error error = SOCKGATE__ERROR__INIT;

	msg.id = id;
	if (p->refuses) {
		error.text = (char *)"not today";
		msg.body_case = SOCKGATE__MESSAGE__BODY_ERROR;
		msg.error = &error;
	} else {
		body.generation = p->generation;
		body.fetches = p->fetches;
		body.events = 1U << SOCKGATE__EVENT_KIND__EVENT_OPEN;
		body.facts = SOCKGATE__FACT__FACT_APP;
		msg.body_case = SOCKGATE__MESSAGE__BODY_WELCOME;
		msg.welcome = &body;
	}
	send_to_agent(p, &msg);
}

static void on_hello(struct peer *p, const Sockgate__Message *msg)
{
	p->hellos++;
	assert_string_equal(msg->hello->host, "workload");
	assert_int_equal(msg->hello->protocol, 1);
	assert_int_equal(msg->hello->instance.len, 16);
	if (!p->mute)
		welcome(p, msg->id);
}

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct peer *p = arg;

	(void)ch;
	switch (msg->body_case) {
	case SOCKGATE__MESSAGE__BODY_HELLO:
		on_hello(p, msg);
		break;
	case SOCKGATE__MESSAGE__BODY_QUESTION:
		p->questions++;
		p->question_id = msg->id;
		event_base_loopbreak(base);
		break;
	case SOCKGATE__MESSAGE__BODY_RECORDS:
		p->records += (unsigned int)msg->records->n_record;
		event_base_loopbreak(base);
		break;
	case SOCKGATE__MESSAGE__BODY_CONTENT_PART:
		p->parts++;
		event_base_loopbreak(base);
		break;
	case SOCKGATE__MESSAGE__BODY_PING:
		p->pings++;
		break;
	default:
		fail_msg("unexpected message %d", (int)msg->body_case);
	}
}

static void on_up(struct channel *ch, const struct tls_peer *who, void *arg)
{
	(void)ch;
	(void)arg;
	assert_string_equal(who->host, "workload");
}

static void on_down(struct channel *ch, const char *why, void *arg)
{
	struct peer *p = arg;

	(void)why;
	channel_free(ch);
	p->ch = NULL;
}

static const struct channel_ops peer_ops = {
	.up = on_up, .message = on_message, .down = on_down,
};

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
	struct peer *p = arg;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	assert_true(client >= 0);
	if (p->ch)
		channel_free(p->ch);
	p->ch = channel_accept_tls(base, p->tls, client, TLS_ROLE_AGENT,
				   &peer_ops, p);
	assert_non_null(p->ch);
}

static void peer_listen(struct peer *p)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(p->port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int one = 1;

	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(p->fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(p->fd, 8), 0);
	assert_int_equal(getsockname(p->fd, (struct sockaddr *)&sin, &len), 0);
	p->port = ntohs(sin.sin_port);
	p->listener = event_new(base, p->fd, EV_READ | EV_PERSIST,
				on_connection, p);
	event_add(p->listener, NULL);
}

static void peer_stop(struct peer *p)
{
	if (p->listener)
		event_free(p->listener);
	if (p->fd >= 0)
		close(p->fd);
	channel_free(p->ch);
	p->listener = NULL;
	p->fd = -1;
	p->ch = NULL;
}

static void on_state(enum server_state state, void *arg)
{
	(void)arg;
	told.state = state;
	told.states++;
	if (state == told.until)
		event_base_loopbreak(base);
}

static void on_policy(uint64_t generation, uint32_t events, uint32_t facts, bool another,
		      void *arg)
{
	(void)arg;
	told.policies++;
	told.generation = generation;
	told.events = events;
	told.facts = facts;
	told.another = another;
	if (told.state == SERVER_UP)
		event_base_loopbreak(base);
}

static void on_decided(uint64_t number, const Sockgate__Decision *decision,
		       void *arg)
{
	(void)arg;
	told.decided += !!decision;
	told.failed += !decision;
	told.number = number;
	event_base_loopbreak(base);
}

static void on_stored(uint64_t sequence, void *arg)
{
	(void)arg;
	told.stored++;
	told.sequence = sequence;
	event_base_loopbreak(base);
}

static void on_refused(void *arg)
{
	(void)arg;
	told.refused++;
	event_base_loopbreak(base);
}

static void on_content(uint64_t id, const Sockgate__ContentQuery *query, void *arg)
{
	(void)arg;
	told.content++;
	told.number = id;
	told.sequence = query->question;
	event_base_loopbreak(base);
}

static const struct server_ops ops = { on_state, on_policy, on_decided,
				       on_stored, on_refused, on_content };

/* Runs until a callback ends the loop; a test that hangs fails. */
static void run(void)
{
	struct timeval limit = { 10, 0 };

	event_base_loopexit(base, &limit);
	event_base_dispatch(base);
	assert_true(event_base_got_break(base));
}

static void run_until(enum server_state state)
{
	told.until = state;
	run();
	assert_int_equal(told.state, state);
}

static void make_peer(struct peer *p, const char *host, uint64_t generation)
{
	struct test_certs certs = test_certs_make(&ca, TLS_ROLE_SERVER, host);
	struct tls_files files = { certs.ca, certs.cert, certs.key };
	char why[256];

	memset(p, 0, sizeof(*p));
	p->fd = -1;
	p->generation = generation;
	p->tls = tls_context(true, TLS_ROLE_SERVER, &files, why, sizeof(why));
	test_must(p->tls != NULL, why);
	test_certs_remove(&certs);
}

static void add_address(unsigned int i, const char *name)
{
	struct server_address *a = &conf.list[i];
	struct sockaddr_in *sin = (struct sockaddr_in *)&a->addr;

	sin->sin_family = AF_INET;
	sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin->sin_port = htons(peers[i].port);
	a->len = sizeof(*sin);
	a->name = name;
	snprintf(a->text, sizeof(a->text), "127.0.0.1:%u", peers[i].port);
}

static int set_up(void **state)
{
	struct tls_files files;
	char why[256];

	(void)state;
	memset(&told, 0, sizeof(told));
	memset(&conf, 0, sizeof(conf));
	base = event_base_new();
	ca = test_ca("test");
	agent_certs = test_certs_make(&ca, TLS_ROLE_AGENT, "workload");
	files = (struct tls_files){ agent_certs.ca, agent_certs.cert,
				    agent_certs.key };
	make_peer(&peers[0], "one", 100);
	make_peer(&peers[1], "two", 50);
	peer_listen(&peers[0]);
	peer_listen(&peers[1]);
	add_address(0, "one");
	add_address(1, "two");
	conf.n = 2;
	conf.tls = tls_context(false, TLS_ROLE_AGENT, &files, why, sizeof(why));
	test_must(conf.tls != NULL, why);
	conf.host = "workload";
	conf.context = "test";
	conf.instance = instance;
	conf.silence_ms = 1500;
	conf.attempt_ms = 5000;
	server = NULL;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	server_free(server);
	for (int i = 0; i < 2; i++) {
		peer_stop(&peers[i]);
		SSL_CTX_free(peers[i].tls);
	}
	SSL_CTX_free(conf.tls);
	test_certs_remove(&agent_certs);
	pki_free(&ca);
	event_base_free(base);
	return 0;
}

static void start(void)
{
	server = server_new(base, &conf, &ops, NULL);
	assert_non_null(server);
	assert_int_equal(told.state, SERVER_CONNECTING);
}

static int ask(uint64_t number)
{
	Sockgate__Question question = SOCKGATE__QUESTION__INIT;

	return server_ask(server, number, &question);
}

static void test_first_of_the_list(void **state)
{
	(void)state;
	start();
	assert_int_equal(ask(1), -1);	/* not yet */
	run_until(SERVER_UP);
	assert_int_equal(told.generation, 100);
	assert_true(told.another);
	assert_string_equal(server_in_use(server), conf.list[0].text);
	assert_string_equal(server_error(server), "");
}

static void test_question_and_decision(void **state)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Decision decision = SOCKGATE__DECISION__INIT;
	Sockgate__Error error = SOCKGATE__ERROR__INIT;

	(void)state;
	start();
	run_until(SERVER_UP);
	assert_int_equal(ask(7), 0);
	run();
	assert_int_equal(peers[0].question_id, 7);
	msg.id = 7;
	msg.body_case = SOCKGATE__MESSAGE__BODY_DECISION;
	msg.decision = &decision;
	send_to_agent(&peers[0], &msg);
	run();
	assert_int_equal(told.decided, 1);
	assert_int_equal(told.number, 7);
	/* An error in place of a decision is an answer too. */
	error.text = (char *)"no";
	msg.id = 8;
	msg.body_case = SOCKGATE__MESSAGE__BODY_ERROR;
	msg.error = &error;
	send_to_agent(&peers[0], &msg);
	run();
	assert_int_equal(told.failed, 1);
	assert_int_equal(told.number, 8);
}

static void test_policy_changed(void **state)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__PolicyChanged body = SOCKGATE__POLICY_CHANGED__INIT;

	(void)state;
	start();
	run_until(SERVER_UP);
	assert_int_equal(told.events, 1U << SOCKGATE__EVENT_KIND__EVENT_OPEN);
	assert_int_equal(told.facts, SOCKGATE__FACT__FACT_APP);
	body.generation = 101;
	body.events = 1U << SOCKGATE__EVENT_KIND__EVENT_ACCEPT;
	body.facts = SOCKGATE__FACT__FACT_JIT;
	msg.body_case = SOCKGATE__MESSAGE__BODY_POLICY_CHANGED;
	msg.policy_changed = &body;
	send_to_agent(&peers[0], &msg);
	run();
	assert_int_equal(told.generation, 101);
	assert_int_equal(told.events, 1U << SOCKGATE__EVENT_KIND__EVENT_ACCEPT);
	assert_int_equal(told.facts, SOCKGATE__FACT__FACT_JIT);
	assert_false(told.another);
}

static void test_records(void **state)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Records records = SOCKGATE__RECORDS__INIT;
	Sockgate__RecordsStored stored = SOCKGATE__RECORDS_STORED__INIT;
	Sockgate__Record one = SOCKGATE__RECORD__INIT;
	Sockgate__Record *list[1] = { &one };

	(void)state;
	start();
	assert_int_equal(server_send_records(server, &records), -1);
	run_until(SERVER_UP);
	records.record = list;
	records.n_record = 1;
	assert_int_equal(server_send_records(server, &records), 0);
	run();
	assert_int_equal(peers[0].records, 1);
	stored.sequence = 12;
	msg.body_case = SOCKGATE__MESSAGE__BODY_RECORDS_STORED;
	msg.records_stored = &stored;
	send_to_agent(&peers[0], &msg);
	run();
	assert_int_equal(told.sequence, 12);
}

static void test_goes_on_with_the_next(void **state)
{
	(void)state;
	peer_stop(&peers[0]);
	start();
	run_until(SERVER_UP);
	assert_string_equal(server_in_use(server), conf.list[1].text);
	assert_int_equal(told.generation, 50);
}

static void test_lost_and_found_elsewhere(void **state)
{
	(void)state;
	start();
	run_until(SERVER_UP);
	peer_stop(&peers[0]);
	run_until(SERVER_CONNECTING);
	assert_int_equal(server_losses(server), 1);
	assert_int_equal(ask(1), -1);
	run_until(SERVER_UP);
	assert_true(told.another);
	assert_int_equal(told.generation, 50);
}

static void test_all_away_then_back(void **state)
{
	(void)state;
	conf.n = 1;
	peer_stop(&peers[0]);
	start();
	run_until(SERVER_AWAY);
	assert_non_null(strstr(server_error(server), "refused"));
	peer_listen(&peers[0]);
	run_until(SERVER_UP);
	/* The same server, the same policy: what is cached stays good. */
	channel_free(peers[0].ch);
	peers[0].ch = NULL;
	run_until(SERVER_CONNECTING);
	run_until(SERVER_UP);
	assert_false(told.another);
}

/* Connected is not alive. */
static void test_mute_server_is_left(void **state)
{
	(void)state;
	peers[0].mute = true;
	conf.attempt_ms = 1000;
	start();
	run_until(SERVER_UP);
	assert_int_equal(peers[0].hellos, 1);
	assert_string_equal(server_in_use(server), conf.list[1].text);
}

static void test_hanging_server_is_left(void **state)
{
	(void)state;
	start();
	run_until(SERVER_UP);
	/* It takes pings and says nothing more. */
	run_until(SERVER_CONNECTING);
	assert_true(peers[0].pings > 0);
	run_until(SERVER_UP);
	assert_string_equal(server_in_use(server), conf.list[1].text);
}

static void test_refused_by_name(void **state)
{
	(void)state;
	peers[0].refuses = true;
	conf.n = 1;
	start();
	run_until(SERVER_AWAY);
	assert_non_null(strstr(server_error(server), "not today"));
}

/* A certificate for another host is no certificate. */
static void test_wrong_server(void **state)
{
	(void)state;
	conf.n = 1;
	conf.list[0].name = "two";
	start();
	run_until(SERVER_AWAY);
	assert_int_equal(peers[0].hellos, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* A part of a file goes only where nothing else is on its way. */
static void test_content(void **state)
{
	Sockgate__ContentQuery query = SOCKGATE__CONTENT_QUERY__INIT;
	Sockgate__ContentPart part = SOCKGATE__CONTENT_PART__INIT;
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	static uint8_t data[PART_SIZE];

	(void)state;
	peers[0].fetches = true;
	start();
	run_until(SERVER_UP);
	assert_true(server_fetches(server));
	msg.id = 33;
	msg.body_case = SOCKGATE__MESSAGE__BODY_CONTENT_QUERY;
	query.question = 5;
	msg.content_query = &query;
	send_to_agent(&peers[0], &msg);
	run();
	assert_int_equal(told.content, 1);
	assert_int_equal(told.number, 33);
	assert_int_equal(told.sequence, 5);
	part.data.data = data;
	part.data.len = sizeof(data);
	assert_int_equal(server_send_part(server, 33, &part), 0);
	assert_int_equal(server_send_part(server, 33, &part), -1);
	run();
	assert_int_equal(peers[0].parts, 1);
}

static void test_server_that_fetches_nothing(void **state)
{
	(void)state;
	start();
	run_until(SERVER_UP);
	assert_false(server_fetches(server));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_of_the_list),
		TEST(test_question_and_decision),
		TEST(test_policy_changed),
		TEST(test_records),
		TEST(test_goes_on_with_the_next),
		TEST(test_lost_and_found_elsewhere),
		TEST(test_all_away_then_back),
		TEST(test_mute_server_is_left),
		TEST(test_hanging_server_is_left),
		TEST(test_refused_by_name),
		TEST(test_wrong_server),
		TEST(test_content),
		TEST(test_server_that_fetches_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
