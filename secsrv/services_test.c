// SPDX-License-Identifier: GPL-2.0-only
/*
 * Identities by services: two of them on the loopback, over TLS, that do what a test
 * wants.
 */
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
#include "identity.h"
#include "sigdb/wire.h"
#include "test_certs.h"
#include "test_loop.h"

#define BODY(name) SOCKGATE__MESSAGE__BODY_##name
#define WAIT_MS 400
#define SILENCE_MS 400

/* What it does with a question. */
enum manner {
	ANSWERS,
	SAYS_NOTHING,		/* to questions; it is well */
	REFUSES,
	TELLS_NONSENSE,		/* an answer that no database can have given */
	HANGS,			/* says nothing to anything */
};

struct peer {
	struct event *listener;
	int fd;
	uint16_t port;
	SSL_CTX *tls;
	struct channel *ch;
	int raw;		/* the socket below the channel; -1: none */
	bool silent_start;	/* does not begin with its version */
	enum manner manner;
	uint64_t version;
	const char *application;	/* "": nothing is known */
	unsigned int connections, questions, reports, sightings, count;
	uint64_t question_id, report_id;
	char name[64], path[64], host[64];	/* of the last question, or report */
	uint8_t build_id[SIGDB_BUILD_ID_MAX];
	size_t build_id_size;
};

static struct event_base *base;
static struct pki_pair ca;
static struct test_certs server_certs, sig1_certs, sig2_certs;
static SSL_CTX *server_tls;
static struct peer peers[2];
static struct identity_conf conf;
static struct identity_cache *cache;
static unsigned int changes;

/* ---- a service ---- */

static void send_from(struct peer *p, uint64_t id, Sockgate__Message__BodyCase what,
		      void *body)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	msg.id = id;
	msg.body_case = what;
	msg.signature_answer = body;	/* one pointer of the union */
	assert_int_equal(channel_send(p->ch, &msg), 0);
}

static void send_answer(struct peer *p, uint64_t id)
{
	struct sigdb_answer a = { .source = *p->application ? SIGDB_HASH : SIGDB_NONE };
	Sockgate__SignatureAnswer body;
	Sockgate__Identity identity;

	snprintf(a.name, sizeof(a.name), "%s", p->application);
	wire_put_answer(&a, &identity, &body);
	if (p->manner == TELLS_NONSENSE)
		identity.trust = 99;
	send_from(p, id, BODY(SIGNATURE_ANSWER), &body);
}

static void send_version(struct peer *p)
{
	Sockgate__SignaturesChanged changed = SOCKGATE__SIGNATURES_CHANGED__INIT;

	changed.version = p->version;
	changed.protocol = WIRE_PROTOCOL;
	send_from(p, 0, BODY(SIGNATURES_CHANGED), &changed);
}

static void on_question(struct peer *p, uint64_t id, const Sockgate__SignatureQuery *q)
{
	Sockgate__Error error = SOCKGATE__ERROR__INIT;

	p->questions++;
	p->question_id = id;
	snprintf(p->name, sizeof(p->name), "%s", q->name);
	snprintf(p->path, sizeof(p->path), "%s", q->path);
	assert_true(q->build_id.len <= sizeof(p->build_id));
	p->build_id_size = q->build_id.len;
	if (p->build_id_size)
		memcpy(p->build_id, q->build_id.data, p->build_id_size);
	error.text = (char *)"not today";
	if (p->manner == REFUSES)
		send_from(p, id, BODY(ERROR), &error);
	else if (p->manner == ANSWERS || p->manner == TELLS_NONSENSE)
		send_answer(p, id);
}

static void on_report(struct peer *p, uint64_t id, const Sockgate__SightingsReport *r)
{
	Sockgate__SightingsStored stored = SOCKGATE__SIGHTINGS_STORED__INIT;
	Sockgate__Error error = SOCKGATE__ERROR__INIT;

	p->reports++;
	p->report_id = id;
	p->sightings += (unsigned int)r->n_sighting;
	p->count = (unsigned int)r->sighting[0]->count;
	snprintf(p->host, sizeof(p->host), "%s", r->sighting[0]->host);
	snprintf(p->path, sizeof(p->path), "%s", r->sighting[0]->path);
	if (p->manner == ANSWERS)
		send_from(p, id, BODY(SIGHTINGS_STORED), &stored);
	else if (p->manner == REFUSES)
		send_from(p, id, BODY(ERROR), &error);
}

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	Sockgate__Pong pong = SOCKGATE__PONG__INIT;
	struct peer *p = arg;

	(void)ch;
	switch (msg->body_case) {
	case BODY(SIGNATURE_QUERY):
		on_question(p, msg->id, msg->signature_query);
		break;
	case BODY(SIGHTINGS_REPORT):
		on_report(p, msg->id, msg->sightings_report);
		break;
	case BODY(PING):
		if (p->manner != HANGS)
			send_from(p, msg->id, BODY(PONG), &pong);
		break;
	default:
		fail_msg("unexpected message %d", (int)msg->body_case);
	}
}

static void on_up(struct channel *ch, const struct tls_peer *who, void *arg)
{
	struct peer *p = arg;

	(void)ch;
	assert_string_equal(who->host, "sec1");
	p->connections++;
	if (p->silent_start)
		send_answer(p, 1);
	else
		send_version(p);
}

static void on_down(struct channel *ch, const char *why, void *arg)
{
	struct peer *p = arg;

	(void)why;
	if (p->ch == ch)
		p->ch = NULL;
	channel_free(ch);
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
	channel_free(p->ch);
	if (p->raw >= 0)
		close(p->raw);
	p->raw = dup(client);
	assert_true(p->raw >= 0);
	p->ch = channel_accept_tls(base, p->tls, client, TLS_ROLE_SERVER, &peer_ops, p);
	assert_non_null(p->ch);
}

/* On its port of before, if it had one. */
static void peer_start(struct peer *p)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(p->port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int one = 1;

	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(p->fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(p->fd, 8), 0);
	assert_int_equal(getsockname(p->fd, (struct sockaddr *)&sin, &len), 0);
	p->port = ntohs(sin.sin_port);
	p->listener = event_new(base, p->fd, EV_READ | EV_PERSIST, on_connection, p);
	event_add(p->listener, NULL);
}

static void peer_stop(struct peer *p)
{
	if (p->listener)
		event_free(p->listener);
	if (p->fd >= 0)
		close(p->fd);
	if (p->raw >= 0)
		close(p->raw);
	channel_free(p->ch);
	p->listener = NULL;
	p->fd = p->raw = -1;
	p->ch = NULL;
}

/* ---- the event loop ---- */

typedef bool (*condition_fn)(const void *arg);

/* Until it holds; fails after ten seconds. */
static void wait_until(condition_fn holds, const void *arg)
{
	test_loop_until(base, 10, holds(arg));
}

static bool first_is_up(const void *arg)
{
	(void)arg;
	return strstr(identity_source(cache), ":") &&
	       strstr(identity_source(cache), conf.services.list[0].text);
}

static bool second_is_up(const void *arg)
{
	(void)arg;
	return !strcmp(identity_source(cache), conf.services.list[1].text);
}

static bool nobody_is_up(const void *arg)
{
	(void)arg;
	return !*identity_source(cache);
}

static bool is_set(const void *arg)
{
	return *(const bool *)arg;
}

static bool is_positive(const void *arg)
{
	return *(const unsigned int *)arg;
}

static bool both_connected(const void *arg)
{
	(void)arg;
	return peers[0].connections && peers[1].connections && first_is_up(NULL);
}

static const struct services_counters *counters(void)
{
	return &identity_counters(cache)->services;
}

/* ---- a question ---- */

static uint8_t build_id[] = { 0xb1, 0x1d, 3, 4, 5, 6, 7, 8 };

struct question {
	struct identity_wait wait;
	Sockgate__Process process;
	uint8_t hash[SHA256_SIZE];
	enum identity_state state;
	bool done, available;
	Sockgate__Identity__Source source;
	char name[64];
};

static void take(struct question *q, const Sockgate__Identity *identity)
{
	q->done = true;
	q->available = identity;
	if (!identity)
		return;
	q->source = identity->source;
	snprintf(q->name, sizeof(q->name), "%s", identity->name);
}

static void on_identity(struct identity_wait *wait, const Sockgate__Identity *identity)
{
	take((struct question *)wait, identity);
}

static const char *asking = "web1";

static void ask_about(struct question *q, uint8_t content, const char *name,
		      unsigned int wait_ms, uint64_t now_s)
{
	Sockgate__Identity identity;
	struct inquiry *inquiry;

	memset(q->hash, content, sizeof(q->hash));
	sockgate__process__init(&q->process);
	q->process.evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
	q->process.sha256.data = q->hash;
	q->process.sha256.len = sizeof(q->hash);
	q->process.name = (char *)name;
	q->process.path = (char *)"/usr/bin/thing";
	q->process.build_id.data = build_id;
	q->process.build_id.len = sizeof(build_id);
	q->wait.done = on_identity;
	q->wait.host = asking;
	q->wait.process = &q->process;
	q->state = identity_lookup(cache, asking, &q->process, wait_ms, now_s, &identity,
				   &inquiry);
	if (q->state == IDENTITY_AWAITED)
		identity_await(cache, inquiry, &q->wait);
	else
		take(q, q->state == IDENTITY_FOUND ? &identity : NULL);
}

static void ask_at(struct question *q, uint8_t content, unsigned int wait_ms,
		   uint64_t now_s)
{
	memset(q, 0, sizeof(*q));
	ask_about(q, content, "thing", wait_ms, now_s);
}

static void ask(struct question *q, uint8_t content)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ask_at(q, content, 0, (uint64_t)ts.tv_sec);
}

static void answered(struct question *q)
{
	wait_until(is_set, &q->done);
}

#define assert_is(q, what)				\
	do {						\
		answered(q);				\
		assert_true((q)->available);		\
		assert_string_equal((q)->name, what);	\
	} while (0)

/* ---- tests ---- */

static void test_first_of_the_list_is_asked_once(void **state)
{
	struct question q, r, s;

	(void)state;
	wait_until(both_connected, NULL);
	ask(&q, 1);
	assert_int_equal(q.state, IDENTITY_AWAITED);
	/* The same is not asked again while it is on its way. */
	ask(&r, 1);
	assert_int_equal(r.state, IDENTITY_AWAITED);
	assert_is(&q, "first");
	assert_is(&r, "first");
	ask(&s, 1);
	assert_int_equal(s.state, IDENTITY_FOUND);
	assert_string_equal(s.name, "first");
	assert_int_equal(peers[0].questions, 1);
	assert_int_equal(peers[1].questions, 0);
	assert_string_equal(peers[0].name, "thing");
	assert_string_equal(peers[0].path, "/usr/bin/thing");
	assert_int_equal(peers[0].build_id_size, sizeof(build_id));
	assert_memory_equal(peers[0].build_id, build_id, sizeof(build_id));
	assert_int_equal(identity_counters(cache)->cache.n_hit, 1);
	assert_int_equal(identity_counters(cache)->cache.n_missed, 2);
}

static void test_many_are_asked_at_a_time(void **state)
{
	struct question q[100];

	(void)state;
	wait_until(both_connected, NULL);
	for (int i = 0; i < 100; i++)
		ask(&q[i], (uint8_t)i);
	for (int i = 99; i >= 0; i--)
		assert_is(&q[i], "first");
	assert_int_equal(peers[0].questions, 100);
	assert_int_equal(identity_counters(cache)->cached, 8);
	assert_int_equal(identity_counters(cache)->cache.n_evicted, 92);
}

/* What was asked of the one that ends is asked of the next. */
static void test_next_takes_over_and_first_takes_back(void **state)
{
	struct question q, r, s;

	(void)state;
	wait_until(both_connected, NULL);
	peers[0].manner = SAYS_NOTHING;
	ask(&q, 1);
	wait_until(is_positive, &peers[0].questions);
	peer_stop(&peers[0]);
	assert_is(&q, "second");
	assert_int_equal(counters()->n_timeouts, 0);
	wait_until(second_is_up, NULL);
	ask(&r, 2);
	assert_is(&r, "second");
	peers[0].manner = ANSWERS;
	peer_start(&peers[0]);
	wait_until(first_is_up, NULL);
	ask(&s, 3);
	assert_is(&s, "first");
	assert_int_equal(counters()->n_losses, 1);
}

/* With nobody there, nobody waits. */
static void test_without_any_it_is_not_available(void **state)
{
	struct question q;

	(void)state;
	wait_until(both_connected, NULL);
	peer_stop(&peers[0]);
	peer_stop(&peers[1]);
	wait_until(nobody_is_up, NULL);
	ask(&q, 1);
	answered(&q);
	assert_false(q.available);
	ask(&q, 1);
	while (q.state == IDENTITY_AWAITED) {
		answered(&q);
		assert_false(q.available);
		ask(&q, 1);
	}
	assert_int_equal(q.state, IDENTITY_UNAVAILABLE);
	assert_true(*identity_error(cache));
	assert_true(identity_counters(cache)->n_failed >= 2);
	/* And nothing of it is remembered. */
	peer_start(&peers[1]);
	wait_until(second_is_up, NULL);
	/* The first is still told of. */
	assert_non_null(strstr(identity_error(cache), "(sig1)"));
	ask(&q, 1);
	assert_is(&q, "second");
	peer_start(&peers[0]);
	wait_until(first_is_up, NULL);
	assert_string_equal(identity_error(cache), "");
}

/* A question that comes before the first connection waits for it. */
static void test_question_waits_for_the_first_connection(void **state)
{
	struct question q;

	(void)state;
	ask(&q, 1);
	assert_int_equal(q.state, IDENTITY_AWAITED);
	answered(&q);
	assert_true(q.available);
}

/* It is well, but slow: half of the time is its own. */
static void test_a_slow_one_is_not_waited_for(void **state)
{
	struct question q, r;

	(void)state;
	wait_until(both_connected, NULL);
	peers[0].manner = SAYS_NOTHING;
	ask(&q, 1);
	assert_is(&q, "second");
	assert_int_equal(peers[0].questions, 1);
	assert_int_equal(counters()->n_another, 1);
	assert_int_equal(counters()->n_timeouts, 0);
	/* What it says too late harms nobody. */
	send_answer(&peers[0], peers[0].question_id);
	peers[0].manner = ANSWERS;
	ask(&r, 2);
	assert_is(&r, "first");
}

/* Both are slow: then it is not available, and what comes later serves the next. */
static void test_late_answer_serves_the_next(void **state)
{
	struct question q, r;

	(void)state;
	wait_until(both_connected, NULL);
	peers[0].manner = peers[1].manner = SAYS_NOTHING;
	ask(&q, 1);
	answered(&q);
	assert_false(q.available);
	assert_int_equal(counters()->n_timeouts, 1);
	assert_int_equal(peers[1].questions, 1);
	ask(&r, 1);
	assert_int_equal(r.state, IDENTITY_AWAITED);
	send_answer(&peers[0], peers[0].question_id);
	assert_is(&r, "first");
	assert_int_equal(peers[0].questions, 1);
}

/* Who can wait less does, and takes nothing from who can wait longer. */
static void test_each_waits_for_its_own_time(void **state)
{
	struct question q, r;

	(void)state;
	wait_until(both_connected, NULL);
	peers[0].manner = peers[1].manner = SAYS_NOTHING;
	conf.services.wait_ms = 600000;
	ask_at(&q, 1, 600000, 1);
	ask_at(&r, 1, 20, 1);
	answered(&r);
	assert_false(r.available);
	assert_false(q.done);
	assert_int_equal(counters()->n_timeouts, 1);
	send_answer(&peers[0], peers[0].question_id);
	assert_is(&q, "first");
	conf.services.wait_ms = WAIT_MS;
}

static bool first_is_asked_again(const void *arg)
{
	struct question *q = (struct question *)arg;

	if (q->done)
		ask(q, 1);
	return peers[0].questions == 2;
}

/* The service has lost the question, perhaps: who asks later does not wait in vain. */
static void test_what_was_lost_is_asked_again(void **state)
{
	struct question q;

	(void)state;
	wait_until(both_connected, NULL);
	peers[0].manner = peers[1].manner = SAYS_NOTHING;
	ask(&q, 1);
	wait_until(first_is_asked_again, &q);
	peers[0].manner = ANSWERS;
	send_answer(&peers[0], peers[0].question_id);
	answered(&q);
}

static void test_one_that_hangs_is_left(void **state)
{
	struct question q;

	(void)state;
	wait_until(both_connected, NULL);
	peers[0].manner = HANGS;
	wait_until(second_is_up, NULL);
	ask(&q, 1);
	assert_is(&q, "second");
	assert_int_equal(peers[0].questions, 0);
}

static void test_refusal_asks_the_next(void **state)
{
	struct question q;

	(void)state;
	wait_until(both_connected, NULL);
	peers[0].manner = REFUSES;
	ask(&q, 1);
	assert_is(&q, "second");
	peers[1].manner = REFUSES;
	ask(&q, 2);
	answered(&q);
	assert_false(q.available);
	assert_int_equal(counters()->n_refused, 3);
	assert_int_equal(counters()->n_timeouts, 0);
}

static void test_nonsense_asks_the_next(void **state)
{
	struct question q;

	(void)state;
	wait_until(both_connected, NULL);
	peers[0].manner = TELLS_NONSENSE;
	ask(&q, 1);
	assert_is(&q, "second");
	assert_int_equal(counters()->n_impossible, 1);
}

/* What is no message at all ends the connection, and the next is asked. */
static void test_garbage_ends_the_connection(void **state)
{
	static const char garbage[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
	struct question q;

	(void)state;
	wait_until(both_connected, NULL);
	peers[0].manner = SAYS_NOTHING;
	ask(&q, 1);
	wait_until(is_positive, &peers[0].questions);
	assert_int_equal(write(peers[0].raw, garbage, sizeof(garbage)), sizeof(garbage));
	assert_is(&q, "second");
	assert_int_equal(counters()->n_losses, 1);
}

static bool first_was_there(const void *arg)
{
	(void)arg;
	return peers[0].connections >= 3;
}

/* One that does not say which database it has is none. */
static void test_it_speaks_first(void **state)
{
	struct question q;

	(void)state;
	wait_until(both_connected, NULL);
	peer_stop(&peers[0]);
	wait_until(second_is_up, NULL);
	peers[0].silent_start = true;
	peer_start(&peers[0]);
	wait_until(first_was_there, NULL);
	assert_true(second_is_up(NULL));
	ask(&q, 1);
	assert_is(&q, "second");
	assert_int_equal(peers[0].questions, 0);
}

/* A server's certificate makes nobody a service, nor does another service's name. */
static void wrong_peer(const struct test_certs *certs)
{
	struct tls_files files = test_certs_files(certs);
	struct question q;
	SSL_CTX *right = peers[0].tls;
	char why[512];

	peer_stop(&peers[0]);
	wait_until(second_is_up, NULL);
	peers[0].tls = tls_context(true, TLS_ROLE_SIGDB, &files, why, sizeof(why));
	if (!peers[0].tls)
		peers[0].tls = tls_context(true, TLS_ROLE_SERVER, &files, why, sizeof(why));
	assert_non_null(peers[0].tls);
	peers[0].connections = 0;
	peer_start(&peers[0]);
	ask(&q, 1);
	assert_is(&q, "second");
	peer_stop(&peers[1]);
	wait_until(nobody_is_up, NULL);
	do {
		ask(&q, 2);
		answered(&q);
		assert_false(q.available);
	} while (q.state == IDENTITY_AWAITED);
	assert_int_equal(peers[0].connections, 0);
	assert_int_equal(peers[0].questions, 0);
	if (!strstr(identity_error(cache), "expected a sigdb called sig1"))
		fail_msg("%s", identity_error(cache));
	peer_stop(&peers[0]);
	SSL_CTX_free(peers[0].tls);
	peers[0].tls = right;
}

static void test_wrong_role(void **state)
{
	(void)state;
	wait_until(both_connected, NULL);
	wrong_peer(&server_certs);
}

static void test_wrong_name(void **state)
{
	(void)state;
	wait_until(both_connected, NULL);
	wrong_peer(&sig2_certs);
}

/* Without a restart, and at once. */
static void test_a_change_is_heard_of(void **state)
{
	struct question q;

	(void)state;
	wait_until(both_connected, NULL);
	ask(&q, 1);
	assert_is(&q, "first");
	assert_false(identity_refresh(cache));
	peers[0].application = "renamed";
	peers[0].version++;
	send_version(&peers[0]);
	wait_until(is_positive, &changes);
	assert_true(identity_refresh(cache));
	assert_false(identity_refresh(cache));
	ask(&q, 1);
	assert_int_equal(q.state, IDENTITY_AWAITED);
	assert_is(&q, "renamed");
	assert_int_equal(changes, 1);
}

static bool first_is_back(const void *arg)
{
	(void)arg;
	return peers[0].connections == 2 && first_is_up(NULL);
}

/* A connection that is made again is no change; a change meanwhile is one. */
static void test_a_change_while_it_was_away(void **state)
{
	struct question q;

	(void)state;
	wait_until(both_connected, NULL);
	ask(&q, 1);
	assert_is(&q, "first");
	peer_stop(&peers[0]);
	wait_until(second_is_up, NULL);
	peer_start(&peers[0]);
	wait_until(first_is_back, NULL);
	assert_int_equal(changes, 0);
	ask(&q, 1);
	assert_int_equal(q.state, IDENTITY_FOUND);
	peer_stop(&peers[0]);
	wait_until(second_is_up, NULL);
	peers[0].version++;
	peer_start(&peers[0]);
	wait_until(is_positive, &changes);
	ask(&q, 1);
	assert_int_equal(q.state, IDENTITY_AWAITED);
	answered(&q);
}

/* Nothing is known of it: that is an answer, and remembered for a time of its own. */
static void test_negative_answers_are_remembered(void **state)
{
	struct question q;
	struct timespec ts;
	uint64_t now_s;

	(void)state;
	wait_until(both_connected, NULL);
	peers[0].application = "";
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now_s = (uint64_t)ts.tv_sec;
	ask_at(&q, 1, 0, now_s);
	assert_is(&q, "");
	assert_int_equal(q.source, SOCKGATE__IDENTITY__SOURCE__NONE);
	ask_at(&q, 1, 0, now_s + 50);
	assert_int_equal(q.state, IDENTITY_FOUND);
	assert_int_equal(peers[0].questions, 1);
	ask_at(&q, 1, 0, now_s + 200);
	assert_int_equal(q.state, IDENTITY_AWAITED);
	assert_is(&q, "");
	assert_int_equal(peers[0].questions, 2);
	assert_int_equal(identity_counters(cache)->cache.n_expired, 1);
}

/* So many that a service does not answer, and no more, for all and for each. */
static void test_bound_of_what_is_on_its_way(void **state)
{
	char host[16];
	struct question *q = calloc(SERVICES_INQUIRIES_MAX + 1, sizeof(*q));

	(void)state;
	assert_non_null(q);
	wait_until(both_connected, NULL);
	peers[0].manner = peers[1].manner = SAYS_NOTHING;
	conf.services.wait_ms = 600000;
	asking = host;
	for (unsigned int i = 0; i <= SERVICES_INQUIRIES_MAX; i++) {
		snprintf(host, sizeof(host), "host-%u", i / SERVICES_PER_HOST_MAX);
		snprintf(q[i].name, sizeof(q[i].name), "thing-%u", i);
		ask_about(&q[i], 1, q[i].name, 0, 1);
		assert_int_equal(q[i].state, i < SERVICES_INQUIRIES_MAX ?
				 IDENTITY_AWAITED : IDENTITY_UNAVAILABLE);
	}
	assert_int_equal(counters()->n_full, 1);
	/* Those that are on their way are asked no more than once. */
	ask_about(&q[SERVICES_INQUIRIES_MAX], 1, "thing-5", 0, 1);
	assert_int_equal(q[SERVICES_INQUIRIES_MAX].state, IDENTITY_AWAITED);
	for (unsigned int i = 0; i <= SERVICES_INQUIRIES_MAX; i++)
		identity_cancel(&q[i].wait);
	asking = "web1";
	free(q);
}

static bool second_is_there(const void *arg)
{
	(void)arg;
	return !*identity_error(cache);
}

/* One host with made-up hashes leaves room for the others. */
static void test_share_of_a_host(void **state)
{
	struct question q;

	(void)state;
	wait_until(both_connected, NULL);
	peers[0].manner = peers[1].manner = SAYS_NOTHING;
	for (unsigned int i = 0; i <= SERVICES_PER_HOST_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "thing-%u", i);
		memset(&q, 0, sizeof(q));
		ask_about(&q, 1, name, 600000, 1);
		assert_int_equal(q.state, i < SERVICES_PER_HOST_MAX ? IDENTITY_AWAITED :
				 IDENTITY_UNAVAILABLE);
		/* Nobody need wait for it. */
		identity_cancel(&q.wait);
	}
	assert_int_equal(counters()->n_full, 1);
	asking = "web2";
	peers[0].manner = ANSWERS;
	ask(&q, 2);
	asking = "web1";
	assert_is(&q, "first");
}

/* A service answers what it was asked, not what it guesses. */
static void test_only_who_was_asked_can_answer(void **state)
{
	struct question q;

	(void)state;
	wait_until(both_connected, NULL);
	wait_until(second_is_there, NULL);
	peers[0].manner = SAYS_NOTHING;
	peers[1].manner = REFUSES;
	conf.services.wait_ms = 600000;
	ask(&q, 1);
	wait_until(is_positive, &peers[0].questions);
	send_answer(&peers[1], peers[0].question_id);
	/* What comes after it has come: so has that. */
	peers[1].version++;
	send_version(&peers[1]);
	wait_until(is_positive, &changes);
	assert_false(q.done);
	send_answer(&peers[0], peers[0].question_id);
	assert_is(&q, "first");
	conf.services.wait_ms = WAIT_MS;
}

static void test_who_no_longer_waits_is_not_told(void **state)
{
	struct question q, r;

	(void)state;
	wait_until(both_connected, NULL);
	ask(&q, 1);
	ask(&r, 1);
	identity_cancel(&q.wait);
	assert_is(&r, "first");
	assert_false(q.done);
}

/* ---- sightings ---- */

static void refresh(int times)
{
	while (times--)
		identity_refresh(cache);
}

static void test_sightings_are_reported(void **state)
{
	struct question q;

	(void)state;
	wait_until(both_connected, NULL);
	peers[0].application = "";
	for (int i = 0; i < 3; i++) {
		ask(&q, 7);
		answered(&q);
	}
	refresh(10);
	wait_until(is_positive, &peers[0].reports);
	assert_int_equal(peers[0].sightings, 1);
	assert_int_equal(peers[0].count, 3);
	assert_string_equal(peers[0].host, "web1");
	assert_string_equal(peers[0].path, "/usr/bin/thing");
	/* Once. */
	ask(&q, 9);
	answered(&q);
	refresh(20);
	assert_int_equal(peers[0].sightings, 1);
	assert_int_equal(identity_counters(cache)->n_not_noted, 0);
}

static bool second_has_it(const void *arg)
{
	(void)arg;
	refresh(10);
	return peers[1].sightings;
}

/* Not acknowledged: whoever is there next gets it. */
static void test_sightings_are_sent_again(void **state)
{
	struct question q;

	(void)state;
	wait_until(both_connected, NULL);
	peers[0].application = peers[1].application = "";
	ask(&q, 7);
	answered(&q);
	peers[0].manner = SAYS_NOTHING;
	refresh(10);
	wait_until(is_positive, &peers[0].reports);
	peer_stop(&peers[0]);
	wait_until(second_has_it, NULL);
	assert_int_equal(peers[1].count, 1);
	assert_int_equal(identity_counters(cache)->n_not_noted, 0);
}

static bool is_lost(const void *arg)
{
	(void)arg;
	return identity_counters(cache)->n_not_noted;
}

static void test_refused_sightings_are_counted(void **state)
{
	struct question q;

	(void)state;
	wait_until(both_connected, NULL);
	peers[0].application = "";
	ask(&q, 7);
	answered(&q);
	peers[0].manner = REFUSES;
	refresh(10);
	wait_until(is_lost, NULL);
	assert_int_equal(identity_counters(cache)->n_not_noted, 1);
}

/* ---- before and after ---- */

static SSL_CTX *service_tls(const struct test_certs *certs)
{
	struct tls_files files = test_certs_files(certs);
	char why[512];
	SSL_CTX *ctx = tls_context(true, TLS_ROLE_SIGDB, &files, why, sizeof(why));

	test_must(ctx != NULL, why);
	return ctx;
}

static void on_changed(void *arg)
{
	(void)arg;
	changes++;
}

static int set_up(void **state)
{
	static const char *const names[] = { "sig1", "sig2" };
	char why[512];

	(void)state;
	changes = 0;
	memset(&conf, 0, sizeof(conf));
	conf.cache = (struct answers_conf){ 8, 3600, 100 };
	conf.services.n = 2;
	conf.services.wait_ms = WAIT_MS;
	conf.services.each = (struct service_conf){ SILENCE_MS, SILENCE_MS };
	for (int i = 0; i < 2; i++) {
		struct service_address *a = &conf.services.list[i];
		struct sockaddr_in *sin = (struct sockaddr_in *)&a->addr;

		memset(&peers[i], 0, sizeof(peers[i]));
		peers[i].raw = -1;
		peers[i].tls = service_tls(i ? &sig2_certs : &sig1_certs);
		peers[i].application = i ? "second" : "first";
		peers[i].version = (uint64_t)i + 1;
		peer_start(&peers[i]);
		sin->sin_family = AF_INET;
		sin->sin_port = htons(peers[i].port);
		sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		a->len = sizeof(*sin);
		a->name = names[i];
		addr_format((struct sockaddr *)sin, a->text);
	}
	cache = identity_open(base, server_tls, &conf, on_changed, NULL, why, sizeof(why));
	if (!cache)
		fail_msg("%s", why);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	identity_close(cache);
	for (int i = 0; i < 2; i++) {
		peer_stop(&peers[i]);
		SSL_CTX_free(peers[i].tls);
	}
	event_base_loop(base, EVLOOP_NONBLOCK);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_of_the_list_is_asked_once),
		TEST(test_many_are_asked_at_a_time),
		TEST(test_next_takes_over_and_first_takes_back),
		TEST(test_without_any_it_is_not_available),
		TEST(test_question_waits_for_the_first_connection),
		TEST(test_a_slow_one_is_not_waited_for),
		TEST(test_late_answer_serves_the_next),
		TEST(test_each_waits_for_its_own_time),
		TEST(test_what_was_lost_is_asked_again),
		TEST(test_one_that_hangs_is_left),
		TEST(test_refusal_asks_the_next),
		TEST(test_nonsense_asks_the_next),
		TEST(test_garbage_ends_the_connection),
		TEST(test_it_speaks_first),
		TEST(test_wrong_role),
		TEST(test_wrong_name),
		TEST(test_a_change_is_heard_of),
		TEST(test_a_change_while_it_was_away),
		TEST(test_negative_answers_are_remembered),
		TEST(test_bound_of_what_is_on_its_way),
		TEST(test_share_of_a_host),
		TEST(test_only_who_was_asked_can_answer),
		TEST(test_who_no_longer_waits_is_not_told),
		TEST(test_sightings_are_reported),
		TEST(test_sightings_are_sent_again),
		TEST(test_refused_sightings_are_counted),
	};
	struct tls_files files;
	char why[512];
	int failed;

	base = event_base_new();
	ca = test_ca("test CA");
	server_certs = test_certs_make(&ca, TLS_ROLE_SERVER, "sec1");
	sig1_certs = test_certs_make(&ca, TLS_ROLE_SIGDB, "sig1");
	sig2_certs = test_certs_make(&ca, TLS_ROLE_SIGDB, "sig2");
	files = test_certs_files(&server_certs);
	server_tls = tls_context(false, TLS_ROLE_SERVER, &files, why, sizeof(why));
	test_must(server_tls != NULL, why);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	SSL_CTX_free(server_tls);
	test_certs_remove(&server_certs);
	test_certs_remove(&sig1_certs);
	test_certs_remove(&sig2_certs);
	pki_free(&ca);
	event_base_free(base);
	return failed;
}
