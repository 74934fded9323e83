// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <linux/sockgate.h>

#include "names.h"
#include "sockgate.pb-c.h"

static void every_number_and_back(void **state)
{
	(void)state;
	for (int i = 1; i <= SOCKGATE_EVENT_MAX; i++)
		assert_int_equal(events_from_name(name_event((unsigned int)i)),
				 1 << i);
	for (int i = 1; i <= SOCKGATE_REASON_MAX; i++)
		assert_int_equal(reason_from_name(name_reason((unsigned int)i)), i);
	for (int i = 0; i < 256; i++)
		assert_int_equal(protocol_from_name(name_protocol((unsigned int)i)), i);
	assert_int_equal(failure_from_name("allow"), SOCKGATE_ACTION_ALLOW);
	assert_int_equal(failure_from_name("DENY"), SOCKGATE_ACTION_DENY);
	assert_int_equal(failure_from_name("failsafe"), SOCKGATE_ACTION_FAILSAFE);
	assert_int_equal(error_from_name(name_error(EACCES)), EACCES);
	assert_int_equal(error_from_name(name_error(EPERM)), EPERM);
	assert_int_equal(error_from_name("econnrefused"), ECONNREFUSED);
}

static void known_words(void **state)
{
	(void)state;
	assert_string_equal(name_event(SOCKGATE_EVENT_CONNECT), "connect");
	assert_int_equal(events_from_name("connect"), 1 << SOCKGATE_EVENT_CONNECT);
	assert_int_equal(events_from_name("SYN_SENT"), 1 << SOCKGATE_EVENT_CONNECT |
			 1 << SOCKGATE_EVENT_SEND);
	assert_string_equal(name_event_state(SOCKGATE_EVENT_CONNECT, IPPROTO_TCP),
			    "SYN_SENT");
	assert_string_equal(name_event_state(SOCKGATE_EVENT_CONNECT, IPPROTO_UDP),
			    "connect");
	assert_string_equal(name_event_state(SOCKGATE_EVENT_LISTEN, IPPROTO_TCP),
			    "listen");
	assert_string_equal(name_event_state(SOCKGATE_EVENT_ESTABLISHED, IPPROTO_TCP),
			    "ESTABLISHED");
	assert_string_equal(name_event_state(SOCKGATE_EVENT_CLOSE, IPPROTO_TCP),
			    "CLOSE");
	assert_string_equal(name_event_state(SOCKGATE_EVENT_CLOSE, IPPROTO_UDP),
			    "close");
	assert_int_equal(events_from_name("ESTABLISHED"),
			 1 << SOCKGATE_EVENT_ESTABLISHED);
	assert_int_equal(events_from_name("CLOSE"), 1 << SOCKGATE_EVENT_CLOSE);
	assert_string_equal(name_protocol(SOCKGATE_PROTOCOL_PACKET), "packet");
	assert_int_equal(protocol_from_name("OTHER"), SOCKGATE_PROTOCOL_OTHER);
	assert_string_equal(name_protocol(IPPROTO_TCP), "tcp");
	assert_string_equal(name_protocol(47), "47");
	assert_string_equal(name_reason(SOCKGATE_REASON_SERVER_AWAY), "server_away");
	assert_string_equal(name_evidence(SOCKGATE__EVIDENCE__EVIDENCE_TOO_LARGE),
			    "too_large");
	assert_string_equal(name_source(SOCKGATE__IDENTITY__SOURCE__PACKAGE_FILE),
			    "package_file");
	assert_string_equal(name_source(SOCKGATE__IDENTITY__SOURCE__BUILD_ID), "build_id");
	assert_string_equal(name_source(SOCKGATE__IDENTITY__SOURCE__HASH_ONLY),
			    "hash_only");
	assert_string_equal(name_counter(SOCKGATE_N_HELD_DENY), "held_deny");
	assert_string_equal(name_counter(SOCKGATE_N_REASON + SOCKGATE_REASON_DEADLINE),
			    "reason_deadline");
	assert_string_equal(name_hook(SOCKGATE_HOOK_SENDMSG), "sendmsg");
}

static void sets_of_events(void **state)
{
	char text[NAME_EVENTS_SIZE], little[8];

	(void)state;
	assert_string_equal(name_events(0, ",", text, sizeof(text)), "");
	assert_string_equal(name_events(1U << SOCKGATE_EVENT_CLOSE, ",", text,
					sizeof(text)), "close");
	assert_string_equal(name_events(1U << SOCKGATE_EVENT_CLOSE |
					1U << SOCKGATE_EVENT_OPEN, ", ", text,
					sizeof(text)), "open, close");
	/* All of them, and a bit that is none. */
	name_events(~0U, ", ", text, sizeof(text));
	assert_string_equal(strrchr(text, ' '), " close");
	name_events(~0U, ",", little, sizeof(little));
	assert_int_equal(strlen(little), sizeof(little) - 1);
}

static void sets_of_classes(void **state)
{
	char text[NAME_CLASSES_SIZE], little[8];

	(void)state;
	assert_string_equal(name_classes(0, ",", text, sizeof(text)), "");
	assert_string_equal(name_classes(SOCKGATE__CLASS__CLASS_SCRIPT |
					 SOCKGATE__CLASS__CLASS_JIT, ", ", text,
					 sizeof(text)), "script, jit");
	name_classes(~0U, ", ", text, sizeof(text));
	assert_string_equal(strrchr(text, ' '), " unverifiable");
	name_classes(~0U, ",", little, sizeof(little));
	assert_int_equal(strlen(little), sizeof(little) - 1);
	assert_int_equal(class_from_name("binary"), SOCKGATE__CLASS__CLASS_BINARY);
	assert_int_equal(class_from_name("Unverifiable"),
			 SOCKGATE__CLASS__CLASS_UNVERIFIABLE);
	assert_int_equal(class_from_name("scripts"), -1);
	assert_int_equal(class_from_name(""), -1);
}

static void unknown(void **state)
{
	(void)state;
	assert_string_equal(name_event(0), "?");
	assert_string_equal(name_event(1000), "?");
	assert_string_equal(name_reason(0), "?");
	assert_string_equal(name_reason(1000), "?");
	assert_string_equal(name_failure(SOCKGATE_ACTION_FAIL), "?");
	assert_string_equal(name_error(ENOENT), "?");
	assert_string_equal(name_evidence(0), "?");
	assert_string_equal(name_counter(SOCKGATE_N_MAX), "?");
	assert_string_equal(name_counter(SOCKGATE_N_REASON), "?");
	assert_string_equal(name_source(6), "?");
	assert_string_equal(name_hook(1000), "?");
	assert_int_equal(events_from_name(""), -1);
	assert_int_equal(events_from_name("?"), -1);
	assert_int_equal(reason_from_name("?"), -1);
	assert_int_equal(reason_from_name("reason_deadline"), -1);
	assert_int_equal(failure_from_name("fail"), -1);
	assert_int_equal(error_from_name("ENOENT"), -1);
	assert_int_equal(protocol_from_name("256"), -1);
	assert_int_equal(protocol_from_name("-1"), -1);
	assert_int_equal(protocol_from_name("6x"), -1);
	assert_int_equal(protocol_from_name(""), -1);
	assert_int_equal(protocol_from_name("99999999999999999999"), -1);
}

static void several_numbers_at_once(void **state)
{
	const char *a = name_protocol(2), *b = name_protocol(3);

	(void)state;
	assert_string_equal(a, "2");
	assert_string_equal(b, "3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_number_and_back),
		cmocka_unit_test(known_words),
		cmocka_unit_test(sets_of_events),
		cmocka_unit_test(sets_of_classes),
		cmocka_unit_test(unknown),
		cmocka_unit_test(several_numbers_at_once),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
