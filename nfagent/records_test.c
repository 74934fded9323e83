// SPDX-License-Identifier: GPL-2.0-only
/* From the spool's bytes to the message that the server gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "records.h"

static struct records *records;

static int set_up(void **state)
{
	(void)state;
	records = records_new(NULL, "host", NULL, NULL);
	return records ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	records_free(records);
	return 0;
}

static struct spool_record *good(uint64_t sequence)
{
	Sockgate__Record r = SOCKGATE__RECORD__INIT;
	uint8_t data[64];

	/* What it was called before counts for nothing. */
	r.sequence = 999;
	r.latency_us = 5;
	return spool_record_new(sequence, data,
				(uint32_t)sockgate__record__pack(&r, data));
}

/* With a text that makes it so long, at least. */
static struct spool_record *named(uint64_t sequence, size_t len)
{
	Sockgate__Record r = SOCKGATE__RECORD__INIT;
	uint8_t data[1024];
	char reason[512];

	memset(reason, 'r', len);
	reason[len] = '\0';
	r.sequence = sequence;
	r.reason = reason;
	return spool_record_new(sequence, data,
				(uint32_t)sockgate__record__pack(&r, data));
}

static struct spool_record *bad(uint64_t sequence)
{
	return spool_record_new(sequence, (const uint8_t *)"\xff\xff\xff", 3);
}

/* One that makes no sense is told and counted: it must not just be missing. */
static void test_unreadable_record_is_told(void **state)
{
	struct spool_record *list = good(7);
	Sockgate__Records *message;

	(void)state;
	list->next = bad(8);
	for (int i = 0; i < 2; i++) {
		message = records_unpack(records, list);
		assert_non_null(message);
		assert_int_equal(message->n_record, 2);
		assert_int_equal(message->record[0]->sequence, 7);
		assert_int_equal(message->record[0]->latency_us, 5);
		assert_int_equal(message->record[1]->sequence, 8);
		assert_string_equal(message->record[1]->reason,
				    RECORDS_UNREADABLE);
		records_message_free(message);
	}
	/* Sent twice, it is still one. */
	assert_int_equal(records_unreadable(records), 1);
	spool_records_free(list);
}

/* To the server it makes no difference. */
static void test_wrapped_as_unpacked(void **state)
{
	struct spool_record *list = named(1, 3);
	uint8_t wrapped[2048], unpacked[2048];
	Sockgate__Records *message;
	size_t n;

	(void)state;
	list->next = named(2, 200);
	list->next->next = named(3, 500);
	message = records_unpack(records, list);
	assert_int_equal(message->record[2]->sequence, 3);
	n = sockgate__records__pack(message, unpacked);
	assert_true(n > 703);
	records_message_free(message);
	message = records_wrap(list);
	assert_non_null(message);
	assert_int_equal(sockgate__records__get_packed_size(message), n);
	assert_int_equal(sockgate__records__pack(message, wrapped), n);
	assert_memory_equal(wrapped, unpacked, n);
	records_message_free(message);
	spool_records_free(list);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_unreadable_record_is_told),
		TEST(test_wrapped_as_unpacked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
