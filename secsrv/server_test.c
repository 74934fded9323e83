// SPDX-License-Identifier: GPL-2.0-only
/* A whole server, with agents and operators as clients, in one event loop. */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <cmocka.h>
#include <event2/event.h>
#include <sqlite3.h>

#include "channel.h"
#include "conf.h"
#include "control.h"
#include "question.h"
#include "policy.h"
#include "server.h"
#include "sigdb/sigdb.h"
#include "test_certs.h"
#include "test_loop.h"

#define BODY(name) SOCKGATE__MESSAGE__BODY_##name

static struct event_base *base;
static struct pki_pair ca, other_ca;
static struct test_certs server_certs, agent_certs, stranger_certs;
static SSL_CTX *agent_tls, *stranger_tls, *second_server_tls;
static char dir[] = "/tmp/server-test-XXXXXX";
static char conf_file[64], policy_file[64];
static struct server_conf conf;
static struct server *server;

/* ---- a client: an agent, or the command ---- */

struct client {
	struct channel *ch;
	/* Of the last message of each kind. */
	uint64_t id, generation, stored, questions, refused;
	Sockgate__Action action;
	uint32_t fields, line, named, facts;
	unsigned int messages, decisions, errors, welcomes, changes, records;
	unsigned int agents, steps, parts;
	unsigned int queries, decisions_before;
	uint64_t query, queried;
	uint32_t lifetime_ms;
	bool fetches;
	size_t policy_size;
	time_t certificate_end;
	char kernel[64], rule[64], decision_id[64], text[600], policy_error[600], why[512];
	bool up, down, end, more;
};

static void take_status(struct client *c, const Sockgate__Status *s)
{
	c->agents = (unsigned int)s->n_agent;
	if (s->n_agent)
		snprintf(c->kernel, sizeof(c->kernel), "%s", s->agent[0]->kernel);
	c->generation = s->generation;
	c->certificate_end = (time_t)s->certificate_end;
	snprintf(c->policy_error, sizeof(c->policy_error), "%s", s->policy_error);
	for (size_t i = 0; i < s->n_counter; i++) {
		if (!strcmp(s->counter[i]->name, "questions"))
			c->questions = s->counter[i]->value;
	}
}

static void take_decision(struct client *c, const Sockgate__Decision *d)
{
	c->decisions++;
	c->action = d->action;
	c->fields = d->fields;
	c->lifetime_ms = d->lifetime_ms;
	snprintf(c->rule, sizeof(c->rule), "%s", d->rule);
	snprintf(c->decision_id, sizeof(c->decision_id), "%s", d->decision_id);
}

static void take_error(struct client *c, const Sockgate__Error *e)
{
	if (!c->errors++)
		c->refused = c->id;
	c->line = e->line;
	snprintf(c->text, sizeof(c->text), "%s", e->text);
}

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct client *c = arg;

	(void)ch;
	c->messages++;
	c->id = msg->id;
	switch (msg->body_case) {
	case BODY(WELCOME):
		c->welcomes++;
		c->generation = msg->welcome->generation;
		c->named = msg->welcome->events;
		c->facts = msg->welcome->facts;
		c->fetches = msg->welcome->fetches;
		break;
	case BODY(CONTENT_QUERY):
		c->queries++;
		c->decisions_before = c->decisions;
		c->query = msg->id;
		c->queried = msg->content_query->question;
		break;
	case BODY(DECISION):
		take_decision(c, msg->decision);
		break;
	case BODY(ERROR):
		take_error(c, msg->error);
		break;
	case BODY(POLICY_CHANGED):
		c->changes++;
		c->generation = msg->policy_changed->generation;
		c->named = msg->policy_changed->events;
		c->facts = msg->policy_changed->facts;
		break;
	case BODY(RECORDS_STORED):
		c->stored = msg->records_stored->sequence;
		break;
	case BODY(RECORDS):
		c->records += (unsigned int)msg->records->n_record;
		c->end = msg->records->end;
		break;
	case BODY(STATUS):
		take_status(c, msg->status);
		break;
	case BODY(EXPLANATION):
		c->steps = (unsigned int)msg->explanation->n_step;
		break;
	case BODY(POLICY_TEXT):
		snprintf(c->text, sizeof(c->text), "%s", msg->policy_text->text);
		c->policy_size += strlen(msg->policy_text->text);
		c->parts++;
		c->more = msg->policy_text->more;
		break;
	case BODY(POLICY_LOADED):
		c->generation = msg->policy_loaded->generation;
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

#define wait_flag(f) test_loop_until(base, 10, (f))
#define wait_count(c, n) test_loop_until(base, 10, (c) >= (n))
#define wait_number(v, n) test_loop_until(base, 10, (v) == (n))

static void dial(struct client *c, SSL_CTX *tls)
{
	struct tls_peer expect = { .role = TLS_ROLE_SERVER };
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(server_port(server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	memset(c, 0, sizeof(*c));
	c->ch = channel_connect_tls(base, tls, (struct sockaddr *)&addr,
				    sizeof(addr), &expect, &ops, c);
	assert_non_null(c->ch);
}

static void dial_control(struct client *c)
{
	char why[256];
	int fd = control_connect(conf.control, "secsrv", why, sizeof(why));

	memset(c, 0, sizeof(*c));
	if (fd < 0)
		fail_msg("%s", why);
	c->ch = channel_local(base, fd, &ops, c);
	assert_non_null(c->ch);
	wait_flag(c->up);
}

static void hang_up(struct client *c)
{
	channel_free(c->ch);
	c->ch = NULL;
}

static void say(struct client *c, uint64_t id, Sockgate__Message__BodyCase what,
		void *body)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	msg.id = id;
	msg.body_case = what;
	msg.hello = body;	/* one pointer of the union */
	assert_int_equal(channel_send(c->ch, &msg), 0);
}

static uint8_t instance[16] = "instance-number";

static void hello(struct client *c, const char *host)
{
	Sockgate__Hello h = SOCKGATE__HELLO__INIT;

	h.protocol = 1;
	h.version = (char *)"0.1.0";
	h.host = (char *)host;
	h.context = (char *)"kvm";
	h.kernel = (char *)"6.1.0 x";
	h.instance.data = instance;
	h.instance.len = sizeof(instance);
	say(c, 1, BODY(HELLO), &h);
}

static void greet(struct client *c)
{
	dial(c, agent_tls);
	wait_flag(c->up);
	hello(c, "web1");
	wait_count(c->welcomes, 1);
}

/* ---- a question: content unknown to the signatures, by root ---- */

struct asked {
	Sockgate__Question question;
	Sockgate__Event event;
	Sockgate__Process process;
	Sockgate__User user;
	uint8_t addr[4], hash[32];
};

static void make_question(struct asked *a)
{
	sockgate__question__init(&a->question);
	sockgate__event__init(&a->event);
	sockgate__process__init(&a->process);
	sockgate__user__init(&a->user);
	memset(a->hash, 0x11, sizeof(a->hash));
	memcpy(a->addr, "\x0a\x01\x02\x03", 4);
	a->question.event = &a->event;
	a->question.process = &a->process;
	a->question.user = &a->user;
	a->event.kind = SOCKGATE__EVENT_KIND__EVENT_CONNECT;
	a->event.protocol = IPPROTO_TCP;
	a->event.remote_port = 443;
	a->event.remote_address.data = a->addr;
	a->event.remote_address.len = 4;
	a->process.path = (char *)"/usr/bin/thing";
	a->process.name = (char *)"thing";
	a->process.evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
	a->process.sha256.data = a->hash;
	a->process.sha256.len = 32;
	a->user.name = (char *)"root";
	a->user.domain = (char *)"web1";
}

static void ask_of(struct client *c, uint64_t id, uint8_t content)
{
	struct asked a;

	make_question(&a);
	memset(a.hash, content, sizeof(a.hash));
	say(c, id, BODY(QUESTION), &a.question);
}

static void ask(struct client *c, uint64_t id)
{
	ask_of(c, id, 0x11);
}

static void send_records(struct client *c, uint64_t first, unsigned int n)
{
	Sockgate__Records records = SOCKGATE__RECORDS__INIT;
	Sockgate__Record *list[64], each[64];
	Sockgate__Decision decision = SOCKGATE__DECISION__INIT;
	Sockgate__Identity identity = SOCKGATE__IDENTITY__INIT;
	struct asked a;

	make_question(&a);
	decision.decision_id = c->decision_id;
	decision.rule = c->rule;
	decision.action = c->action;
	decision.generation = c->generation;
	decision.identity = &identity;
	for (unsigned int i = 0; i < n; i++) {
		list[i] = &each[i];
		sockgate__record__init(list[i]);
		list[i]->sequence = first + i;
		list[i]->event = &a.event;
		list[i]->process = &a.process;
		list[i]->user = &a.user;
		list[i]->decision = &decision;
		list[i]->host = (char *)"liar";
		list[i]->outcome = SOCKGATE__OUTCOME__OUTCOME_SERVER;
	}
	records.n_record = n;
	records.record = list;
	say(c, 0, BODY(RECORDS), &records);
}

/* As send_records(), but large: about 256 KB. */
static void send_large_records(struct client *c, uint64_t first)
{
	static char args[4097];
	Sockgate__Records records = SOCKGATE__RECORDS__INIT;
	Sockgate__Record *list[64], each[64];
	Sockgate__Process process = SOCKGATE__PROCESS__INIT;

	memset(args, 'x', sizeof(args) - 1);
	process.command_line = args;
	for (unsigned int i = 0; i < 64; i++) {
		list[i] = &each[i];
		sockgate__record__init(list[i]);
		list[i]->sequence = first + i;
		list[i]->process = &process;
	}
	records.n_record = 64;
	records.record = list;
	say(c, first, BODY(RECORDS), &records);
}

static void write_file(const char *file, const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static const char first_policy[] =
	"rules = (\n"
	"  { name = \"udp\"; protocol = \"udp\"; action = \"deny\"; },\n"
	"  { name = \"https\"; port = 443; action = \"allow\"; }\n"
	");\n";

static const char *more_conf = "";

/* The lock of a control socket is held until the process ends. */
static void write_conf(void)
{
	static unsigned int starts;
	char text[1024];

	snprintf(text, sizeof(text), "listen = \"127.0.0.1\";\n"
		 "control = \"%s/control%u.sock\";\n"
		 "tls = { ca = \"%s\"; cert = \"%s\"; key = \"%s\"; };\n"
		 "policy = \"%s\";\nsignatures = \"%s/sig.sqlite\";\n"
		 "audit = \"%s/audit.sqlite\";\n%s", dir, ++starts, server_certs.ca,
		 server_certs.cert, server_certs.key, policy_file, dir, dir, more_conf);
	write_file(conf_file, text);
}

static int start(void **state)
{
	char why[1024];

	(void)state;
	write_conf();
	write_file(policy_file, first_policy);
	if (server_conf_load(&conf, conf_file, why, sizeof(why)))
		fail_msg("%s", why);
	/* Any port that is free; a file cannot say so. */
	((struct sockaddr_in *)&conf.listen.list[0].addr)->sin_port = 0;
	server = server_new(base, &conf, why, sizeof(why));
	if (!server)
		fail_msg("%s", why);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	server_free(server);
	server = NULL;
	server_conf_free(&conf);
	/* Channels that linger. */
	event_base_loop(base, EVLOOP_NONBLOCK);
	return 0;
}

/* ---- tests ---- */

static void test_question_gets_its_decision(void **state)
{
	struct client c;

	(void)state;
	greet(&c);
	assert_true(c.generation > 1000000);
	ask(&c, 77);
	wait_count(c.decisions, 1);
	assert_int_equal(c.id, 77);
	assert_int_equal(c.action, SOCKGATE__ACTION__ACTION_ALLOW);
	assert_string_equal(c.rule, "https");
	assert_int_equal(strlen(c.decision_id), 16);
	assert_int_equal(c.fields, SOCKGATE__FIELD__FIELD_PROTOCOL |
			 SOCKGATE__FIELD__FIELD_EVENT |
			 SOCKGATE__FIELD__FIELD_REMOTE_PORT);
	/* Pipelined: all are answered. */
	for (uint64_t id = 100; id < 1100; id++)
		ask(&c, id);
	wait_count(c.decisions, 1001);
	assert_int_equal(c.errors, 0);
	hang_up(&c);
}

static void test_question_past_its_budget(void **state)
{
	Sockgate__Question q = SOCKGATE__QUESTION__INIT;

	(void)state;
	assert_false(question_is_late(&q, 1000000000));
	q.budget_ms = 5;
	assert_false(question_is_late(&q, 4999));
	assert_true(question_is_late(&q, 5000));
	assert_false(question_is_late(&q, -1000));
	q.budget_ms = UINT32_MAX;
	assert_false(question_is_late(&q, INT64_C(4294967294000)));
}

static void test_who_may_connect(void **state)
{
	struct client c;

	(void)state;
	/* A certificate of another CA. */
	dial(&c, stranger_tls);
	wait_flag(c.down);
	hang_up(&c);
	/* Our CA, but the role of a server. */
	dial(&c, second_server_tls);
	wait_flag(c.down);
	assert_int_equal(c.messages, 0);
	hang_up(&c);
	/* Another host than the certificate says. */
	dial(&c, agent_tls);
	wait_flag(c.up);
	hello(&c, "web2");
	wait_flag(c.down);
	assert_int_equal(c.errors, 1);
	assert_non_null(strstr(c.text, "another host"));
	hang_up(&c);
	/* No hello. */
	dial(&c, agent_tls);
	wait_flag(c.up);
	ask(&c, 5);
	wait_flag(c.down);
	assert_non_null(strstr(c.text, "hello"));
	assert_int_equal(c.decisions, 0);
	hang_up(&c);
}

static void test_malformed_questions_are_answered(void **state)
{
	static char large[70000];
	struct client c;
	struct asked a;

	(void)state;
	greet(&c);
	make_question(&a);
	a.event.remote_address.len = 3;
	say(&c, 1, BODY(QUESTION), &a.question);
	wait_count(c.errors, 1);
	assert_int_equal(c.id, 1);
	assert_non_null(strstr(c.text, "neither 4 nor 16"));
	make_question(&a);
	a.event.kind = 77;
	say(&c, 2, BODY(QUESTION), &a.question);
	wait_count(c.errors, 2);
	assert_non_null(strstr(c.text, "unknown kind of event"));
	make_question(&a);
	a.question.user = NULL;
	say(&c, 3, BODY(QUESTION), &a.question);
	wait_count(c.errors, 3);
	assert_non_null(strstr(c.text, "no user"));
	make_question(&a);
	a.process.sha256.len = 31;
	say(&c, 4, BODY(QUESTION), &a.question);
	wait_count(c.errors, 4);
	assert_non_null(strstr(c.text, "contradict"));
	make_question(&a);
	a.event.remote_port = 70000;
	say(&c, 5, BODY(QUESTION), &a.question);
	wait_count(c.errors, 5);
	make_question(&a);
	a.process.script_sha256 = a.process.sha256;
	say(&c, 7, BODY(QUESTION), &a.question);
	wait_count(c.errors, 6);
	assert_non_null(strstr(c.text, "of the script contradict"));
	make_question(&a);
	a.process.build_id.data = (uint8_t[65]){ 0 };
	a.process.build_id.len = 65;
	say(&c, 8, BODY(QUESTION), &a.question);
	wait_count(c.errors, 7);
	assert_non_null(strstr(c.text, "build-id"));
	make_question(&a);
	memset(large, 'x', sizeof(large) - 1);
	a.process.command_line = large;
	say(&c, 9, BODY(QUESTION), &a.question);
	wait_count(c.errors, 8);
	assert_non_null(strstr(c.text, "too large"));
	/* It goes on all the same. */
	ask(&c, 6);
	wait_count(c.decisions, 1);
	hang_up(&c);
}

static void test_records_are_acknowledged_and_shown(void **state)
{
	Sockgate__EventsQuery q = SOCKGATE__EVENTS_QUERY__INIT;
	Sockgate__ExplainQuery e = SOCKGATE__EXPLAIN_QUERY__INIT;
	struct client c, o;

	(void)state;
	instance[0]++;
	greet(&c);
	ask(&c, 9);
	wait_count(c.decisions, 1);
	send_records(&c, 1, 10);
	wait_number(c.stored, 10);
	/* Past events, then those that come. */
	dial_control(&o);
	q.follow = true;
	q.host = (char *)"web1";
	q.decision_id = c.decision_id;
	say(&o, 3, BODY(EVENTS_QUERY), &q);
	wait_count(o.records, 10);
	assert_false(o.end);
	send_records(&c, 11, 5);
	wait_count(o.records, 15);
	/* The host is that of the certificate, not the one in the record. */
	hang_up(&o);
	dial_control(&o);
	q.follow = false;
	q.host = (char *)"liar";
	say(&o, 4, BODY(EVENTS_QUERY), &q);
	wait_flag(o.end);
	assert_int_equal(o.records, 0);
	e.decision_id = c.decision_id;
	say(&o, 5, BODY(EXPLAIN_QUERY), &e);
	wait_count(o.steps, 2);
	e.decision_id = (char *)"no-such";
	say(&o, 6, BODY(EXPLAIN_QUERY), &e);
	wait_count(o.errors, 1);
	assert_non_null(strstr(o.text, "no-such"));
	/* Out of order: refused, not acknowledged. */
	send_records(&c, 0, 1);
	wait_count(c.errors, 1);
	assert_non_null(strstr(c.text, "sequences"));
	hang_up(&o);
	hang_up(&c);
}

/* More than may be queued for one connection: part by part, as it is read. */
static void test_long_answer_arrives(void **state)
{
	Sockgate__EventsQuery q = SOCKGATE__EVENTS_QUERY__INIT;
	const unsigned int batches = 50;
	struct client c, o;

	(void)state;
	instance[0]++;
	greet(&c);
	for (uint64_t i = 0; i < batches; i++) {
		send_large_records(&c, i * 64 + 1);
		wait_number(c.stored, i * 64 + 64);
	}
	dial_control(&o);
	q.last = batches * 64;
	q.host = (char *)"web1";
	say(&o, 1, BODY(EVENTS_QUERY), &q);
	wait_flag(o.end);
	assert_int_equal(o.records, batches * 64);
	assert_false(o.down);
	/* One at a time, and not without limit. */
	o.end = false;
	say(&o, 2, BODY(EVENTS_QUERY), &q);
	say(&o, 3, BODY(EVENTS_QUERY), &q);
	wait_count(o.errors, 1);
	wait_flag(o.end);
	assert_int_equal(o.records, 2 * batches * 64);
	q.last = 1000001;
	say(&o, 4, BODY(EVENTS_QUERY), &q);
	wait_count(o.errors, 2);
	assert_non_null(strstr(o.text, "1000000"));
	/* Who leaves in the middle of it harms nobody. */
	q.last = batches * 64;
	say(&o, 5, BODY(EVENTS_QUERY), &q);
	wait_count(o.records, 2 * batches * 64 + 1);
	hang_up(&o);
	ask(&c, 1);
	wait_count(c.decisions, 1);
	hang_up(&c);
}

/*
 * Somebody holds the database, so that nothing can be committed, while more
 * records come than may wait.  What was held back is sent again, and nothing
 * that comes after it is acknowledged before.
 */
static void test_records_without_room_are_held_back(void **state)
{
	const uint64_t batches = 40;
	uint64_t sent = 0;
	struct client c;
	sqlite3 *db;

	(void)state;
	instance[0]++;
	greet(&c);
	assert_int_equal(sqlite3_open(conf.audit, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL),
			 SQLITE_OK);
	for (; sent < batches * 64 && !c.errors; sent += 64) {
		send_large_records(&c, sent + 1);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	wait_count(c.errors, 1);
	assert_non_null(strstr(c.text, "send them again"));
	assert_int_equal(c.stored, 0);
	/* Small enough to fit, but not its turn. */
	send_records(&c, 5000, 1);
	wait_count(c.errors, 2);
	ask(&c, 1);
	wait_count(c.decisions, 1);
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	/* What was taken is stored; the rest is sent again, when the agent likes. */
	wait_number(c.stored, c.refused - 1);
	sent = c.stored;
	assert_true(sent > 0 && sent < 5000 && sent % 64 == 0);
	c.errors = 0;
	for (; sent < batches * 64; sent += 64) {
		send_large_records(&c, sent + 1);
		wait_number(c.stored, sent + 64);
	}
	assert_int_equal(c.errors, 0);
	hang_up(&c);
}

/* Sends @text in parts of so many bytes, each with the same id. */
static void load_in_parts(struct client *o, uint64_t id, char *text, size_t part)
{
	Sockgate__PolicyLoad load = SOCKGATE__POLICY_LOAD__INIT;
	size_t left = strlen(text);

	load.file = (char *)"long.conf";
	for (; left; text += part, left -= part) {
		char kept;

		part = part < left ? part : left;
		kept = text[part];
		text[part] = '\0';
		load.text = text;
		load.more = left > part;
		say(o, id, BODY(POLICY_LOAD), &load);
		text[part] = kept;
		while (channel_backlog(o->ch))
			event_base_loop(base, EVLOOP_ONCE);
	}
}

static char *long_policy(size_t size)
{
	const char *end = " */ rules = ( { name = \"long\"; port = 443; "
			  "action = \"deny\"; } );";
	char *text = malloc(size + 1);

	assert_non_null(text);
	memset(text, '.', size);
	text[0] = '/';
	text[1] = '*';
	memcpy(text + size - strlen(end), end, strlen(end) + 1);
	return text;
}

static void test_a_long_policy_comes_and_goes_in_parts(void **state)
{
	Sockgate__PolicyQuery pq = SOCKGATE__POLICY_QUERY__INIT;
	size_t size = (3U << 20) + 17;
	char *text = long_policy(size);
	struct client c, o;

	(void)state;
	greet(&c);
	dial_control(&o);
	load_in_parts(&o, 1, text, 700000);
	wait_count(c.changes, 1);
	ask(&c, 1);
	wait_count(c.decisions, 1);
	assert_string_equal(c.rule, "long");
	say(&o, 2, BODY(POLICY_QUERY), &pq);
	do
		event_base_loop(base, EVLOOP_ONCE);
	while (!o.parts || o.more);
	assert_true(o.parts > 1);
	assert_int_equal(o.policy_size, size);
	load_in_parts(&o, 3, text, size / 4);
	wait_count(c.changes, 2);
	assert_int_equal(o.errors, 0);
	free(text);
	/* What was in force before it comes back in the same way. */
	o.parts = 0;
	o.policy_size = 0;
	pq.back = 1;
	say(&o, 5, BODY(POLICY_QUERY), &pq);
	do
		event_base_loop(base, EVLOOP_ONCE);
	while (!o.parts || o.more);
	assert_string_equal(o.text, first_policy);
	pq.back = 1000;
	say(&o, 6, BODY(POLICY_QUERY), &pq);
	wait_count(o.errors, 1);
	assert_non_null(strstr(o.text, "no policy is kept that was in force 1000 changes ago"));
	o.errors = 0;
	/* What would be too large is refused once, at its end. */
	text = long_policy(POLICY_SIZE_MAX + 1);
	load_in_parts(&o, 4, text, 900000);
	wait_count(o.errors, 1);
	assert_non_null(strstr(o.text, "too large"));
	assert_int_equal(o.id, 4);
	free(text);
	hang_up(&o);
	hang_up(&c);
}

static void test_policy_by_command_and_signal(void **state)
{
	Sockgate__PolicyLoad load = SOCKGATE__POLICY_LOAD__INIT;
	Sockgate__StatusQuery sq = SOCKGATE__STATUS_QUERY__INIT;
	Sockgate__PolicyQuery pq = SOCKGATE__POLICY_QUERY__INIT;
	struct client c, o;
	uint64_t before;

	(void)state;
	greet(&c);
	before = c.generation;
	dial_control(&o);
	/* Broken: nothing changes. */
	load.file = (char *)"new.conf";
	load.text = (char *)"rules = (\n{ names = \"x\"; } );";
	say(&o, 1, BODY(POLICY_LOAD), &load);
	wait_count(o.errors, 1);
	assert_int_equal(o.line, 2);
	assert_non_null(strstr(o.text, "unknown key \"names\""));
	ask(&c, 1);
	wait_count(c.decisions, 1);
	assert_int_equal(c.action, SOCKGATE__ACTION__ACTION_ALLOW);
	assert_int_equal(c.changes, 0);
	say(&o, 2, BODY(STATUS_QUERY), &sq);
	wait_count(o.agents, 1);
	assert_int_equal(o.generation, before);
	assert_int_equal(o.questions, 1);
	assert_string_equal(o.kernel, "6.1.0_x");
	assert_in_range(o.certificate_end, time(NULL), time(NULL) + 3600);
	assert_non_null(strstr(o.policy_error, "new.conf:2: unknown key"));
	say(&o, 9, BODY(POLICY_QUERY), &pq);
	wait_number(o.id, 9);
	assert_string_equal(o.text, first_policy);
	/* Good: in force at once, announced, and in the file. */
	assert_int_equal(c.named, 0);
	assert_int_equal(c.facts, 0);
	load.text = (char *)"rules = ( { name = \"no\"; port = 443; "
			    "action = \"deny\"; }, { name = \"b\"; event = "
			    "[ \"bind\", \"send\" ]; class = \"jit\"; "
			    "action = \"deny\"; } );";
	say(&o, 3, BODY(POLICY_LOAD), &load);
	wait_count(c.changes, 1);
	assert_int_equal(c.named, 1U << SOCKGATE__EVENT_KIND__EVENT_BIND);
	assert_int_equal(c.facts, SOCKGATE__FACT__FACT_JIT);
	assert_true(c.generation > before);
	ask(&c, 2);
	wait_count(c.decisions, 2);
	assert_int_equal(c.action, SOCKGATE__ACTION__ACTION_DENY);
	assert_string_equal(c.rule, "no");
	/* What SIGHUP does, with the file that the command wrote. */
	server_reload(server);
	wait_count(c.changes, 2);
	ask(&c, 3);
	wait_count(c.decisions, 3);
	assert_string_equal(c.rule, "no");
	write_file(policy_file, "rules = ( broken");
	server_reload(server);
	for (uint64_t id = 100; !strstr(o.policy_error, "policy.conf:1"); id++) {
		assert_true(id < 10000);
		say(&o, id, BODY(STATUS_QUERY), &sq);
		wait_number(o.id, id);
	}
	ask(&c, 4);
	wait_count(c.decisions, 4);
	assert_string_equal(c.rule, "no");
	assert_int_equal(c.changes, 2);
	hang_up(&o);
	hang_up(&c);
	/* Who comes later is told at once. */
	greet(&c);
	assert_int_equal(c.changes, 0);
	assert_int_equal(c.named, 1U << SOCKGATE__EVENT_KIND__EVENT_BIND);
	assert_int_equal(c.facts, SOCKGATE__FACT__FACT_JIT);
	hang_up(&c);
}

static void test_generation_goes_on_after_a_restart(void **state)
{
	struct client c;
	uint64_t before;

	greet(&c);
	before = c.generation;
	hang_up(&c);
	stop(state);
	start(state);
	greet(&c);
	assert_true(c.generation > before);
	hang_up(&c);
}

static void test_a_host_may_connect_again_but_not_without_end(void **state)
{
	struct client c[5];

	(void)state;
	for (int i = 0; i < 5; i++)
		greet(&c[i]);
	wait_flag(c[0].down);
	for (int i = 1; i < 5; i++)
		assert_false(c[i].down);
	for (int i = 0; i < 5; i++)
		hang_up(&c[i]);
}

/* ---- connections that say nothing ---- */

#define STRANGERS 1200
static int strangers[STRANGERS];

/* From 127.0.@net.2 and up, so many a source. */
static void make_strangers(unsigned int n, unsigned int a_source, unsigned int net)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(server_port(server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	for (unsigned int i = 0; i < n; i++) {
		strangers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_true(strangers[i] >= 0);
		from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (net << 8) + 1 +
					     i / a_source);
		assert_int_equal(bind(strangers[i], (struct sockaddr *)&from,
				      sizeof(from)), 0);
		assert_int_equal(connect(strangers[i], (struct sockaddr *)&to,
					 sizeof(to)), 0);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
}

/* How many of them the server has closed; they are closed here too. */
static unsigned int drop_strangers(unsigned int n)
{
	unsigned int closed = 0;
	char byte;

	for (unsigned int i = 0; i < n; i++) {
		closed += recv(strangers[i], &byte, 1, MSG_DONTWAIT) == 0;
		close(strangers[i]);
	}
	return closed;
}

static void test_strangers_do_not_keep_agents_out(void **state)
{
	struct rlimit limit;
	struct client c, d;
	unsigned int n;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	conf.max_agents = 1;
	/* One source. */
	make_strangers(40, 40, 1);
	greet(&c);
	n = drop_strangers(40);
	assert_int_equal(n, 8);
	/* An agent too many is told. */
	dial(&d, agent_tls);
	wait_flag(d.up);
	hello(&d, "web1");
	wait_flag(d.down);
	assert_non_null(strstr(d.text, "max_agents"));
	hang_up(&d);
	hang_up(&c);
	conf.max_agents = 4096;
	/* Many sources. */
	make_strangers(STRANGERS, 20, 2);
	greet(&c);
	n = drop_strangers(STRANGERS);
	assert_true(n >= STRANGERS - 1024 && n < STRANGERS - 900);
	ask(&c, 1);
	wait_count(c.decisions, 1);
	hang_up(&c);
}

static void test_signatures_that_change_are_a_new_generation(void **state)
{
	struct client c;
	struct sigdb *db;
	char why[256], command[512];

	(void)state;
	greet(&c);
	db = sigdb_open(conf.identity.file, true, why, sizeof(why));
	assert_non_null(db);
	sigdb_close(db);
	/* As an import would: the file as a whole is what is watched. */
	snprintf(command, sizeof(command), "%s/moved", dir);
	assert_int_equal(rename(conf.identity.file, command), 0);
	db = sigdb_open(conf.identity.file, true, why, sizeof(why));
	assert_non_null(db);
	sigdb_close(db);
	unlink(command);
	wait_count(c.changes, 1);
	ask(&c, 1);
	wait_count(c.decisions, 1);
	hang_up(&c);
}

static void test_start_refuses_what_is_wrong(void **state)
{
	struct server_conf bad;
	char why[1024], file[64];

	(void)state;
	write_file(policy_file, "rules = (\n\n{ } );");
	assert_int_equal(server_conf_load(&bad, conf_file, why, sizeof(why)), 0);
	assert_null(server_new(base, &bad, why, sizeof(why)));
	assert_non_null(strstr(why, "policy.conf:3: a rule has no name"));
	unlink(policy_file);
	assert_null(server_new(base, &bad, why, sizeof(why)));
	assert_non_null(strstr(why, "policy.conf: cannot be opened"));
	server_conf_free(&bad);
	snprintf(file, sizeof(file), "%s/bad.conf", dir);
	write_file(file, "listen = \"127.0.0.1:1\";\npolicyy = \"x\";\n");
	assert_int_equal(server_conf_load(&bad, file, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "bad.conf:2"));
	write_file(file, "listen = [ \"127.0.0.1:1\", \"[::1]:2\" ];\n");
	assert_int_equal(server_conf_load(&bad, file, why, sizeof(why)), 0);
	assert_int_equal(bad.listen.n, 2);
	server_conf_free(&bad);
	unlink(file);
}

static SSL_CTX *client_tls(const struct test_certs *certs, enum tls_role role)
{
	struct tls_files files = test_certs_files(certs);
	char why[256];
	SSL_CTX *tls = tls_context(false, role, &files, why, sizeof(why));

	test_must(tls != NULL, why);
	return tls;
}

static int set_up(void **state)
{
	(void)state;
	base = event_base_new();
	test_must(base && mkdtemp(dir), "directory");
	ca = test_ca("ours");
	other_ca = test_ca("theirs");
	server_certs = test_certs_make(&ca, TLS_ROLE_SERVER, "secsrv");
	agent_certs = test_certs_make(&ca, TLS_ROLE_AGENT, "web1");
	stranger_certs = test_certs_make(&other_ca, TLS_ROLE_AGENT, "web1");
	agent_tls = client_tls(&agent_certs, TLS_ROLE_AGENT);
	stranger_tls = client_tls(&stranger_certs, TLS_ROLE_AGENT);
	second_server_tls = client_tls(&server_certs, TLS_ROLE_SERVER);
	snprintf(conf_file, sizeof(conf_file), "%s/secsrv.conf", dir);
	snprintf(policy_file, sizeof(policy_file), "%s/policy.conf", dir);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	SSL_CTX_free(agent_tls);
	SSL_CTX_free(stranger_tls);
	SSL_CTX_free(second_server_tls);
	test_certs_remove(&server_certs);
	test_certs_remove(&agent_certs);
	test_certs_remove(&stranger_certs);
	pki_free(&ca);
	pki_free(&other_ca);
	event_base_free(base);
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int start_fetching(void **state)
{
	static char text[256];
	char rules[96];
	int ret;

	snprintf(rules, sizeof(rules), "%s/rules.yar", dir);
	write_file(rules, "rule x { condition: true }");
	snprintf(text, sizeof(text), "scan_rules = \"%s\"; scanner = \"true\";\n", rules);
	more_conf = text;
	ret = start(state);
	more_conf = "";
	return ret;
}

/* Before the answer, since the agent has the file open for as long as it waits. */
static void test_what_nobody_knows_is_fetched_once(void **state)
{
	Sockgate__ContentPart part = SOCKGATE__CONTENT_PART__INIT;
	struct client c, other;

	(void)state;
	greet(&c);
	assert_true(c.fetches);
	ask(&c, 77);
	wait_count(c.decisions, 1);
	assert_int_equal(c.queries, 1);
	assert_int_equal(c.decisions_before, 0);
	assert_int_equal(c.queried, 77);
	ask(&c, 78);
	wait_count(c.decisions, 2);
	assert_int_equal(c.queries, 1);
	/* Another content than was asked for, and more of it than there is. */
	part.data.data = (uint8_t *)"?";
	part.data.len = 1;
	part.end = true;
	say(&c, c.query, BODY(CONTENT_PART), &part);
	say(&c, c.query, BODY(CONTENT_PART), &part);
	ask(&c, 79);
	wait_count(c.decisions, 3);
	assert_int_equal(c.queries, 1);
	assert_int_equal(c.errors, 0);
	/* Who goes away in the middle does not keep others from being asked. */
	ask_of(&c, 80, 0x22);
	wait_count(c.decisions, 4);
	assert_int_equal(c.queries, 2);
	greet(&other);
	ask_of(&other, 81, 0x22);
	wait_count(other.decisions, 1);
	assert_int_equal(other.queries, 0);
	hang_up(&c);
	hang_up(&other);
}

static void test_what_is_fetched_later_is_asked_about_soon(void **state)
{
	struct client c;

	(void)state;
	greet(&c);
	for (uint8_t i = 1; i <= 3; i++) {
		ask_of(&c, i, i);
		wait_count(c.decisions, i);
	}
	assert_int_equal(c.queries, 2);
	assert_in_range(c.lifetime_ms, 1, 10000);
	hang_up(&c);
}

#define server_test(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		server_test(test_question_gets_its_decision),
		cmocka_unit_test(test_question_past_its_budget),
		server_test(test_who_may_connect),
		server_test(test_malformed_questions_are_answered),
		server_test(test_records_are_acknowledged_and_shown),
		server_test(test_long_answer_arrives),
		server_test(test_records_without_room_are_held_back),
		server_test(test_policy_by_command_and_signal),
		server_test(test_a_long_policy_comes_and_goes_in_parts),
		server_test(test_generation_goes_on_after_a_restart),
		server_test(test_a_host_may_connect_again_but_not_without_end),
		server_test(test_strangers_do_not_keep_agents_out),
		server_test(test_signatures_that_change_are_a_new_generation),
		cmocka_unit_test_setup_teardown(test_what_nobody_knows_is_fetched_once,
						start_fetching, stop),
		cmocka_unit_test_setup_teardown(test_what_is_fetched_later_is_asked_about_soon,
						start_fetching, stop),
		cmocka_unit_test(test_start_refuses_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
