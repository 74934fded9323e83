// SPDX-License-Identifier: GPL-2.0-only
/* Both ends in one event loop: TLS over the loopback, and a local socket pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <openssl/err.h>

#include "addr.h"
#include "channel.h"
#include "frame.h"
#include "test_certs.h"

/* What is done to a channel in one of its callbacks. */
enum act { ACT_NOTHING, ACT_FREE, ACT_ANSWER_AND_FREE };

struct side {
	struct channel *ch;
	struct tls_peer peer;
	unsigned int ups, messages, downs;
	uint64_t last_id;
	char why[512];
	enum act at_up, at_message, at_down;
};

static struct event_base *base;
static struct side a, b;

static void send_ping(struct channel *ch, uint64_t id, int expected_errno)
{
	Sockgate__Ping ping = SOCKGATE__PING__INIT;
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_PING;
	msg.ping = &ping;
	errno = 0;
	assert_int_equal(channel_send(ch, &msg), expected_errno ? -1 : 0);
	assert_int_equal(errno, expected_errno);
}

static void act(struct side *s, enum act what)
{
	if (what == ACT_NOTHING)
		return;
	if (what == ACT_ANSWER_AND_FREE)
		send_ping(s->ch, 1000, 0);
	channel_free(s->ch);
	s->ch = NULL;
}

static void on_up(struct channel *ch, const struct tls_peer *peer, void *arg)
{
	struct side *s = arg;

	assert_ptr_equal(ch, s->ch);
	if (peer)
		s->peer = *peer;
	s->ups++;
	act(s, s->at_up);
}

static void on_message(struct channel *ch, Sockgate__Message *msg, void *arg)
{
	struct side *s = arg;

	assert_ptr_equal(ch, s->ch);
	assert_int_equal(s->ups, 1);
	s->messages++;
	s->last_id = msg->id;
	act(s, s->at_message);
}

static void on_down(struct channel *ch, const char *why, void *arg)
{
	struct side *s = arg;

	assert_ptr_equal(ch, s->ch);
	s->downs++;
	snprintf(s->why, sizeof(s->why), "%s", why);
	send_ping(ch, 1, ENOTCONN);
	act(s, s->at_down);
}

static const struct channel_ops ops = {
	.up = on_up, .message = on_message, .down = on_down,
};

/* Runs the loop until *@counter is @value; fails if nothing happens for long. */
static void run_until(const unsigned int *counter, unsigned int value)
{
	const struct timeval limit = { .tv_sec = 20 };

	event_base_loopexit(base, &limit);
	while (*counter < value) {
		event_base_loop(base, EVLOOP_ONCE);
		if (event_base_got_exit(base))
			fail_msg("nothing happened for 20 s");
	}
	assert_int_equal(*counter, value);
}

static void run_what_is_ready(void)
{
	for (int i = 0; i < 20; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static int set_up(void **state)
{
	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	base = event_base_new();
	return base ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	channel_free(a.ch);
	channel_free(b.ch);
	run_what_is_ready();
	event_base_free(base);
	ERR_clear_error();
	return 0;
}

static void open_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void local_pair(void)
{
	int fds[2];

	open_pair(fds);
	a.ch = channel_local(base, fds[0], &ops, &a);
	b.ch = channel_local(base, fds[1], &ops, &b);
	assert_true(a.ch && b.ch);
	send_ping(a.ch, 1, ENOTCONN);
	assert_int_equal(a.ups, 0);
	run_until(&a.ups, 1);
	run_until(&b.ups, 1);
}

static void local_messages(void **state)
{
	(void)state;
	local_pair();
	for (uint64_t id = 1; id <= 100; id++)
		send_ping(a.ch, id, 0);
	run_until(&b.messages, 100);
	assert_int_equal(b.last_id, 100);
	send_ping(b.ch, 7, 0);
	run_until(&a.messages, 1);
	assert_int_equal(a.last_id, 7);
	channel_free(a.ch);
	a.ch = NULL;
	run_until(&b.downs, 1);
	assert_string_equal(b.why, "the peer ended the connection");
	run_what_is_ready();
	assert_int_equal(b.downs, 1);
}

static void freed_in_up(void **state)
{
	int fds[2];

	(void)state;
	open_pair(fds);
	a.at_up = ACT_FREE;
	a.ch = channel_local(base, fds[0], &ops, &a);
	b.ch = channel_local(base, fds[1], &ops, &b);
	run_until(&b.downs, 1);
	assert_null(a.ch);
	assert_int_equal(a.downs, 0);
}

static void freed_in_message(void **state)
{
	(void)state;
	local_pair();
	b.at_message = ACT_FREE;
	send_ping(a.ch, 1, 0);
	send_ping(a.ch, 2, 0);
	run_until(&a.downs, 1);
	assert_int_equal(b.messages, 1);
	assert_int_equal(b.downs, 0);
}

static void freed_in_down(void **state)
{
	(void)state;
	local_pair();
	b.at_down = ACT_FREE;
	channel_free(a.ch);
	a.ch = NULL;
	run_until(&b.downs, 1);
	assert_null(b.ch);
}

/* The last word arrives though the peer's own were not all read. */
static void last_word_before_free(void **state)
{
	(void)state;
	local_pair();
	b.at_message = ACT_ANSWER_AND_FREE;
	for (uint64_t id = 1; id <= 10; id++)
		send_ping(a.ch, id, 0);
	run_until(&a.messages, 1);
	assert_int_equal(a.last_id, 1000);
	run_until(&a.downs, 1);
	assert_int_equal(b.messages, 1);
}

static void write_raw(int fd, const void *data, size_t size)
{
	assert_int_equal(write(fd, data, size), size);
}

static int raw_peer_of_a(void)
{
	int fds[2];

	open_pair(fds);
	a.ch = channel_local(base, fds[0], &ops, &a);
	assert_non_null(a.ch);
	run_until(&a.ups, 1);
	return fds[1];
}

static void oversize_frame(void **state)
{
	uint32_t head = htonl(FRAME_LIMIT + 1);
	int fd = raw_peer_of_a();

	(void)state;
	write_raw(fd, &head, sizeof(head));
	run_until(&a.downs, 1);
	assert_string_equal(a.why, frame_strerror(FRAME_TOO_LARGE));
	close(fd);
	run_what_is_ready();
	assert_int_equal(a.downs, 1);
}

static void malformed_frame(void **state)
{
	static const uint8_t bad[] = { 0, 0, 0, 2, 0xff, 0xff };
	int fd = raw_peer_of_a();

	(void)state;
	write_raw(fd, bad, sizeof(bad));
	run_until(&a.downs, 1);
	assert_string_equal(a.why, frame_strerror(FRAME_MALFORMED));
	assert_int_equal(a.messages, 0);
	close(fd);
}

static void end_inside_a_frame(void **state)
{
	static const uint8_t cut[] = { 0, 0, 0, 9, 8 };
	int fd = raw_peer_of_a();

	(void)state;
	write_raw(fd, cut, sizeof(cut));
	close(fd);
	run_until(&a.downs, 1);
	assert_string_equal(a.why, "the peer ended the connection inside a message");
}

static void backlog_is_bounded(void **state)
{
	char *text = malloc(FRAME_LIMIT / 2);
	Sockgate__Error error = SOCKGATE__ERROR__INIT;
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	int fd = raw_peer_of_a(), sent = 0;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', FRAME_LIMIT / 2 - 1);
	text[FRAME_LIMIT / 2 - 1] = '\0';
	error.text = text;
	msg.body_case = SOCKGATE__MESSAGE__BODY_ERROR;
	msg.error = &error;
	while (!channel_send(a.ch, &msg) && sent < 100)
		sent++;
	assert_int_equal(errno, ENOBUFS);
	assert_in_range(sent, 8, 17);
	assert_in_range(channel_backlog(a.ch), CHANNEL_BACKLOG,
			CHANNEL_BACKLOG + FRAME_LIMIT);
	close(fd);
	run_until(&a.downs, 1);
	free(text);
}

static void idle_limit(void **state)
{
	(void)state;
	local_pair();
	channel_set_idle_limit(a.ch, 1);
	run_until(&a.downs, 1);
	assert_string_equal(a.why, "the peer was silent for 1 s");
	assert_int_equal(b.downs, 0);
}

static void idle_limit_before_up(void **state)
{
	int fds[2];

	(void)state;
	open_pair(fds);
	a.ch = channel_local(base, fds[0], &ops, &a);
	assert_non_null(a.ch);
	channel_set_idle_limit(a.ch, 1);
	run_until(&a.downs, 1);
	assert_int_equal(a.ups, 1);
	assert_string_equal(a.why, "the peer was silent for 1 s");
	close(fds[1]);
}

/* ---- TLS ---- */

static struct pki_pair ca;
static struct test_certs agent_certs, server_certs;
static SSL_CTX *agent_ctx, *server_ctx;

static SSL_CTX *must_context(bool server, enum tls_role role, const struct test_certs *c)
{
	struct tls_files files = test_certs_files(c);
	char why[512] = "";
	SSL_CTX *ctx = tls_context(server, role, &files, why, sizeof(why));

	test_must(ctx != NULL, why);
	return ctx;
}

static int make_contexts(void **state)
{
	(void)state;
	ca = test_ca("test CA");
	agent_certs = test_certs_make(&ca, TLS_ROLE_AGENT, "web1");
	server_certs = test_certs_make(&ca, TLS_ROLE_SERVER, "sec1");
	agent_ctx = must_context(false, TLS_ROLE_AGENT, &agent_certs);
	server_ctx = must_context(true, TLS_ROLE_SERVER, &server_certs);
	return 0;
}

static int free_contexts(void **state)
{
	(void)state;
	SSL_CTX_free(agent_ctx);
	SSL_CTX_free(server_ctx);
	test_certs_remove(&agent_certs);
	test_certs_remove(&server_certs);
	pki_free(&ca);
	return 0;
}

static int listen_on_loopback(struct sockaddr_in *sin)
{
	socklen_t len = sizeof(*sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(sin, 0, sizeof(*sin));
	sin->sin_family = AF_INET;
	sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)sin, len), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)sin, &len), 0);
	return fd;
}

static void start_tls(enum tls_role server_expects, const char *agent_expects)
{
	struct tls_peer expect = { .role = TLS_ROLE_SERVER };
	struct sockaddr_in sin;
	int listener = listen_on_loopback(&sin);

	snprintf(expect.host, sizeof(expect.host), "%s", agent_expects);
	a.ch = channel_connect_tls(base, agent_ctx, (struct sockaddr *)&sin,
				   sizeof(sin), &expect, &ops, &a);
	assert_non_null(a.ch);
	b.ch = channel_accept_tls(base, server_ctx, accept(listener, NULL, NULL),
				  server_expects, &ops, &b);
	assert_non_null(b.ch);
	close(listener);
}

static void tls_messages(void **state)
{
	(void)state;
	start_tls(TLS_ROLE_AGENT, "sec1");
	run_until(&a.ups, 1);
	run_until(&b.ups, 1);
	assert_string_equal(a.peer.host, "sec1");
	assert_string_equal(b.peer.host, "web1");
	assert_int_equal(b.peer.role, TLS_ROLE_AGENT);
	for (uint64_t id = 1; id <= 1000; id++)
		send_ping(a.ch, id, 0);
	run_until(&b.messages, 1000);
	send_ping(b.ch, 5, 0);
	run_until(&a.messages, 1);
	channel_free(b.ch);
	b.ch = NULL;
	run_until(&a.downs, 1);
	assert_string_equal(a.why, "the peer ended the connection");
}

static void tls_large_messages(void **state)
{
	char *text = malloc(FRAME_LIMIT / 2);
	Sockgate__Error error = SOCKGATE__ERROR__INIT;
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', FRAME_LIMIT / 2 - 1);
	text[FRAME_LIMIT / 2 - 1] = '\0';
	error.text = text;
	msg.body_case = SOCKGATE__MESSAGE__BODY_ERROR;
	msg.error = &error;
	start_tls(TLS_ROLE_AGENT, "sec1");
	run_until(&a.ups, 1);
	for (int i = 0; i < 10; i++)
		assert_int_equal(channel_send(a.ch, &msg), 0);
	/* All ten arrive though the sender is done with the channel. */
	channel_free(a.ch);
	a.ch = NULL;
	run_until(&b.messages, 10);
	run_until(&b.downs, 1);
	assert_string_equal(b.why, "the peer ended the connection");
	free(text);
}

static void tls_last_word(void **state)
{
	(void)state;
	start_tls(TLS_ROLE_AGENT, "");
	b.at_message = ACT_ANSWER_AND_FREE;
	run_until(&a.ups, 1);
	for (uint64_t id = 1; id <= 500; id++)
		send_ping(a.ch, id, 0);
	run_until(&a.messages, 1);
	assert_int_equal(a.last_id, 1000);
	run_until(&a.downs, 1);
}

static void tls_wrong_host(void **state)
{
	(void)state;
	start_tls(TLS_ROLE_AGENT, "sec2");
	run_until(&a.downs, 1);
	assert_int_equal(a.ups, 0);
	assert_non_null(strstr(a.why, "expected a server called sec2"));
	run_until(&b.downs, 1);
	assert_int_equal(b.ups, 0);
}

static void tls_wrong_role(void **state)
{
	(void)state;
	start_tls(TLS_ROLE_SERVER, "sec1");
	run_until(&b.downs, 1);
	assert_int_equal(b.ups, 0);
	assert_non_null(strstr(b.why, "is for agent web1, expected a server"));
	/* The client is up before it reads the alert. */
	run_until(&a.downs, 1);
	assert_int_equal(a.messages, 0);
}

static void tls_freed_in_each_callback(void **state)
{
	(void)state;
	start_tls(TLS_ROLE_AGENT, "sec1");
	b.at_up = ACT_FREE;
	a.at_down = ACT_FREE;
	run_until(&a.downs, 1);
	assert_null(a.ch);
	assert_null(b.ch);

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	start_tls(TLS_ROLE_AGENT, "sec1");
	b.at_message = ACT_FREE;
	run_until(&a.ups, 1);
	send_ping(a.ch, 1, 0);
	send_ping(a.ch, 2, 0);
	run_until(&a.downs, 1);
	assert_int_equal(b.messages, 1);
}

static void tls_freed_during_handshake(void **state)
{
	(void)state;
	start_tls(TLS_ROLE_AGENT, "sec1");
	channel_free(b.ch);
	b.ch = NULL;
	run_until(&a.downs, 1);
	assert_int_equal(a.ups, 0);
}

static void not_tls_at_all(void **state)
{
	int fds[2];

	(void)state;
	open_pair(fds);
	b.ch = channel_accept_tls(base, server_ctx, fds[0], TLS_ROLE_AGENT, &ops, &b);
	assert_non_null(b.ch);
	write_raw(fds[1], "GET / HTTP/1.1\r\n\r\n", 18);
	run_until(&b.downs, 1);
	assert_int_equal(b.ups, 0);
	assert_non_null(strstr(b.why, "TLS: "));
	close(fds[1]);
}

static void nothing_said_in_handshake(void **state)
{
	int fds[2];

	(void)state;
	open_pair(fds);
	b.ch = channel_accept_tls(base, server_ctx, fds[0], TLS_ROLE_AGENT, &ops, &b);
	assert_non_null(b.ch);
	run_what_is_ready();
	close(fds[1]);
	run_until(&b.downs, 1);
	assert_non_null(strstr(b.why, "during the handshake"));
}

static void connection_refused(void **state)
{
	struct tls_peer expect = { .role = TLS_ROLE_SERVER };
	struct sockaddr_in sin;
	char text[ADDR_TEXT_SIZE], expected[200];

	(void)state;
	close(listen_on_loopback(&sin));
	a.ch = channel_connect_tls(base, agent_ctx, (struct sockaddr *)&sin,
				   sizeof(sin), &expect, &ops, &a);
	/* The loopback may refuse at once. */
	if (!a.ch) {
		assert_int_equal(errno, ECONNREFUSED);
		return;
	}
	run_until(&a.downs, 1);
	addr_format((struct sockaddr *)&sin, text);
	snprintf(expected, sizeof(expected), "cannot connect to %s: Connection refused",
		 text);
	assert_string_equal(a.why, expected);
}

/* No descriptor is left behind, and none closed twice, by any of the above. */
static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int fds_before;

static int set_up_counted(void **state)
{
	fds_before = count_fds();
	return set_up(state);
}

static int tear_down_counted(void **state)
{
	int rc = tear_down(state);

	if (count_fds() != fds_before) {
		fprintf(stderr, "%d descriptors before, %d after\n", fds_before,
			count_fds());
		return -1;
	}
	return rc;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up_counted, tear_down_counted)
	const struct CMUnitTest tests[] = {
		TEST(local_messages),
		TEST(freed_in_up),
		TEST(freed_in_message),
		TEST(freed_in_down),
		TEST(last_word_before_free),
		TEST(oversize_frame),
		TEST(malformed_frame),
		TEST(end_inside_a_frame),
		TEST(backlog_is_bounded),
		TEST(idle_limit),
		TEST(idle_limit_before_up),
		TEST(tls_messages),
		TEST(tls_large_messages),
		TEST(tls_last_word),
		TEST(tls_wrong_host),
		TEST(tls_wrong_role),
		TEST(tls_freed_in_each_callback),
		TEST(tls_freed_during_handshake),
		TEST(not_tls_at_all),
		TEST(nothing_said_in_handshake),
		TEST(connection_refused),
	};

	return cmocka_run_group_tests_name("channel", tests, make_contexts,
					   free_contexts);
}
