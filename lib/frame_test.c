// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <event2/buffer.h>

#include "frame.h"

static struct evbuffer *buf;

static int make_buffer(void **state)
{
	(void)state;
	buf = evbuffer_new();
	return buf ? 0 : -1;
}

static int free_buffer(void **state)
{
	(void)state;
	evbuffer_free(buf);
	return 0;
}

static void put_hello(uint64_t id, char *host)
{
	Sockgate__Hello hello = SOCKGATE__HELLO__INIT;
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	hello.protocol = 1;
	hello.host = host;
	msg.id = id;
	msg.body_case = SOCKGATE__MESSAGE__BODY_HELLO;
	msg.hello = &hello;
	assert_int_equal(frame_put(buf, &msg), 0);
}

static void get_hello(uint64_t id, const char *host)
{
	Sockgate__Message *msg;

	assert_int_equal(frame_get(buf, &msg), FRAME_OK);
	assert_int_equal(msg->id, id);
	assert_int_equal(msg->body_case, SOCKGATE__MESSAGE__BODY_HELLO);
	assert_string_equal(msg->hello->host, host);
	sockgate__message__free_unpacked(msg, NULL);
}

static void round_trip(void **state)
{
	Sockgate__Message *msg;

	(void)state;
	put_hello(1, (char *)"web1");
	put_hello(UINT64_MAX, (char *)"");
	get_hello(1, "web1");
	get_hello(UINT64_MAX, "");
	assert_int_equal(frame_get(buf, &msg), FRAME_PARTIAL);
	assert_int_equal(evbuffer_get_length(buf), 0);
}

static void cut_at_every_byte(void **state)
{
	Sockgate__Message *msg;
	uint8_t bytes[256];
	size_t size;

	(void)state;
	put_hello(7, (char *)"web1.example.org");
	size = (size_t)evbuffer_remove(buf, bytes, sizeof(bytes));
	assert_true(size > 8);
	for (size_t cut = 0; cut < size; cut++) {
		assert_int_equal(evbuffer_add(buf, bytes, cut), 0);
		assert_int_equal(frame_get(buf, &msg), FRAME_PARTIAL);
		assert_null(msg);
		assert_int_equal(evbuffer_get_length(buf), cut);
		assert_int_equal(evbuffer_add(buf, bytes + cut, size - cut), 0);
		get_hello(7, "web1.example.org");
		assert_int_equal(evbuffer_get_length(buf), 0);
	}
}

static void byte_by_byte_in_pieces(void **state)
{
	struct evbuffer *piece = evbuffer_new();
	Sockgate__Message *msg;
	uint8_t bytes[256];
	size_t size;

	(void)state;
	put_hello(9, (char *)"web1");
	size = (size_t)evbuffer_remove(buf, bytes, sizeof(bytes));
	for (size_t i = 0; i < size; i++) {
		assert_int_equal(frame_get(buf, &msg), FRAME_PARTIAL);
		/* A chain of its own for each byte. */
		assert_int_equal(evbuffer_add(piece, bytes + i, 1), 0);
		assert_int_equal(evbuffer_add_buffer(buf, piece), 0);
	}
	get_hello(9, "web1");
	evbuffer_free(piece);
}

static void oversize_announcements(void **state)
{
	static const uint32_t sizes[] = { FRAME_LIMIT + 1, 0x7fffffff, 0x80000000,
					  0xfffffffc, 0xffffffff };
	Sockgate__Message *msg;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t head = htonl(sizes[i]);

		/* Known from the head alone: nobody waits for the rest. */
		assert_int_equal(evbuffer_add(buf, &head, sizeof(head)), 0);
		assert_int_equal(frame_get(buf, &msg), FRAME_TOO_LARGE);
		assert_null(msg);
		evbuffer_drain(buf, sizeof(head));
	}
}

static void largest_frame(void **state)
{
	uint32_t head = htonl(FRAME_LIMIT);
	Sockgate__Message *msg;
	uint8_t *body = malloc(FRAME_LIMIT);

	(void)state;
	assert_non_null(body);
	/* Field 1000, bytes, fills the frame: unknown, and so skipped. */
	memset(body, 0, FRAME_LIMIT);
	body[0] = 0xc2;
	body[1] = 0x3e;
	body[2] = ((FRAME_LIMIT - 5) & 0x7f) | 0x80;
	body[3] = (((FRAME_LIMIT - 5) >> 7) & 0x7f) | 0x80;
	body[4] = (FRAME_LIMIT - 5) >> 14;
	assert_int_equal(evbuffer_add(buf, &head, sizeof(head)), 0);
	assert_int_equal(evbuffer_add(buf, body, FRAME_LIMIT - 1), 0);
	assert_int_equal(frame_get(buf, &msg), FRAME_PARTIAL);
	assert_int_equal(evbuffer_add(buf, body, 1), 0);
	assert_int_equal(frame_get(buf, &msg), FRAME_OK);
	assert_int_equal(msg->body_case, SOCKGATE__MESSAGE__BODY__NOT_SET);
	sockgate__message__free_unpacked(msg, NULL);
	free(body);
}

static void too_large_to_send(void **state)
{
	char *host = malloc(FRAME_LIMIT + 1);
	Sockgate__Hello hello = SOCKGATE__HELLO__INIT;
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;

	(void)state;
	assert_non_null(host);
	memset(host, 'x', FRAME_LIMIT);
	host[FRAME_LIMIT] = '\0';
	hello.host = host;
	msg.body_case = SOCKGATE__MESSAGE__BODY_HELLO;
	msg.hello = &hello;
	assert_int_equal(frame_put(buf, &msg), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(evbuffer_get_length(buf), 0);
	free(host);
}

/* A fixed xorshift: the same garbage on every machine. */
static uint32_t next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static void garbage(void **state)
{
	uint32_t x = 2463534242U;
	unsigned int malformed = 0;
	Sockgate__Message *msg;
	uint8_t body[64];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		size_t size = next_random(&x) % sizeof(body);
		uint32_t head = htonl((uint32_t)size);
		enum frame_result result;

		for (size_t j = 0; j < size; j++)
			body[j] = (uint8_t)next_random(&x);
		assert_int_equal(evbuffer_add(buf, &head, sizeof(head)), 0);
		assert_int_equal(evbuffer_add(buf, body, size), 0);
		result = frame_get(buf, &msg);
		assert_true(result == FRAME_OK || result == FRAME_MALFORMED);
		malformed += result == FRAME_MALFORMED;
		if (result == FRAME_OK)
			sockgate__message__free_unpacked(msg, NULL);
		assert_int_equal(evbuffer_get_length(buf), 0);
	}
	assert_true(malformed > 10000);
}

/* Every byte of a right message changed in turn: decoded or refused, no crash. */
static void flipped_bytes(void **state)
{
	Sockgate__Message *msg;
	uint8_t bytes[256];
	size_t size;

	(void)state;
	put_hello(7, (char *)"web1.example.org");
	size = (size_t)evbuffer_remove(buf, bytes, sizeof(bytes));
	for (size_t i = sizeof(uint32_t); i < size; i++) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			bytes[i] ^= 1U << bit;
			assert_int_equal(evbuffer_add(buf, bytes, size), 0);
			if (frame_get(buf, &msg) == FRAME_OK)
				sockgate__message__free_unpacked(msg, NULL);
			assert_int_equal(evbuffer_get_length(buf), 0);
			bytes[i] ^= 1U << bit;
		}
	}
}

/* Half a million empty records in one frame would be 100 MB in memory. */
static void small_frame_large_message(void **state)
{
	const uint32_t records = 400000, inner = 2 * records;
	uint32_t head = htonl(inner + 4);
	const uint8_t outer[] = { 0x3a, (inner & 0x7f) | 0x80, ((inner >> 7) & 0x7f) | 0x80,
				  (uint8_t)(inner >> 14) };
	const uint8_t record[] = { 0x0a, 0x00 };
	Sockgate__Message *msg;

	(void)state;
	assert_int_equal(evbuffer_add(buf, &head, sizeof(head)), 0);
	assert_int_equal(evbuffer_add(buf, outer, sizeof(outer)), 0);
	for (uint32_t i = 0; i < records; i++)
		assert_int_equal(evbuffer_add(buf, record, sizeof(record)), 0);
	assert_int_equal(frame_get(buf, &msg), FRAME_MALFORMED);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_buffer, free_buffer)
	const struct CMUnitTest tests[] = {
		TEST(round_trip),
		TEST(cut_at_every_byte),
		TEST(byte_by_byte_in_pieces),
		TEST(oversize_announcements),
		TEST(largest_frame),
		TEST(too_large_to_send),
		TEST(garbage),
		TEST(flipped_bytes),
		TEST(small_frame_large_message),
	};

	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
