// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <linux/sockgate.h>

#include "ctl/record.h"

static uint8_t remote[] = { 192, 0, 2, 7 };
static uint8_t local6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };
static uint8_t hash[32] = { 0xab };

static Sockgate__Event event;
static Sockgate__Process process;
static Sockgate__User user;
static Sockgate__Identity identity;
static Sockgate__Decision decision;
static Sockgate__Record record;

static int set_up(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	sockgate__event__init(&event);
	sockgate__process__init(&process);
	sockgate__user__init(&user);
	sockgate__identity__init(&identity);
	sockgate__decision__init(&decision);
	sockgate__record__init(&record);
	event.kind = SOCKGATE__EVENT_KIND__EVENT_CONNECT;
	event.protocol = IPPROTO_TCP;
	event.remote_address.data = remote;
	event.remote_address.len = sizeof(remote);
	event.remote_port = 443;
	process.name = (char *)"curl";
	process.path = (char *)"/usr/bin/curl";
	process.sha256.data = hash;
	process.sha256.len = sizeof(hash);
	process.evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
	user.uid = 1000;
	user.name = (char *)"alice";
	identity.name = (char *)"cURL";
	identity.version = (char *)"7.88.1";
	identity.vendor = (char *)"curl project";
	identity.category = (char *)"web";
	identity.source = SOCKGATE__IDENTITY__SOURCE__HASH;
	decision.action = SOCKGATE__ACTION__ACTION_DENY;
	decision.error = EACCES;
	decision.decision_id = (char *)"d1";
	decision.rule = (char *)"no-curl";
	decision.fields = SOCKGATE__FIELD__FIELD_EVENT |
			  SOCKGATE__FIELD__FIELD_REMOTE_ADDRESS;
	decision.remote_prefix = 24;
	decision.identity = &identity;
	record.time_us = 1750000000123456;
	record.event = &event;
	record.process = &process;
	record.user = &user;
	record.decision = &decision;
	record.outcome = SOCKGATE__OUTCOME__OUTCOME_SERVER;
	record.latency_us = 1234;
	record.host = (char *)"web1";
	return 0;
}

static void whole_row(void **state)
{
	static const char *const expected[COLUMNS] = {
		"2025-06-15 15:06:40.123", "web1", "alice", "cURL (7.88.1)",
		"curl project", "web", "SYN_SENT", "tcp", "192.0.2.7:443", "deny",
		"no-curl", "1.2", "d1",
	};
	struct record_row row;

	(void)state;
	record_row(&record, &row);
	for (int i = 0; i < COLUMNS; i++)
		assert_string_equal(row.cell[i], expected[i]);
}

static void empty_record(void **state)
{
	Sockgate__Record empty = SOCKGATE__RECORD__INIT;
	struct record_row row;
	json_t *json;

	(void)state;
	record_row(&empty, &row);
	assert_string_equal(row.cell[COLUMN_HOST], "-");
	assert_string_equal(row.cell[COLUMN_DECISION], "unknown");
	assert_string_equal(row.cell[COLUMN_REMOTE], "-");
	assert_string_equal(row.cell[COLUMN_APPLICATION], "- (?)");
	json = record_json(&empty);
	assert_non_null(json);
	json_decref(json);
}

static void decisions(void **state)
{
	struct record_row row;

	(void)state;
	decision.action = SOCKGATE__ACTION__ACTION_ALLOW;
	assert_string_equal(record_verdict(&record), "allow");
	decision.audit = true;
	assert_string_equal(record_verdict(&record), "audit");
	decision.action = SOCKGATE__ACTION__ACTION_UNSPEC;
	assert_string_equal(record_verdict(&record), "deny");
	decision.failed = true;
	decision.missing = (char *)"user";
	record_row(&record, &row);
	assert_string_equal(row.cell[COLUMN_RULE], "no-curl (no user)");
	record.outcome = SOCKGATE__OUTCOME__OUTCOME_FAILURE;
	record.reason = (char *)"server_away";
	record_row(&record, &row);
	assert_string_equal(row.cell[COLUMN_RULE], "failure: server_away");
	assert_string_equal(row.cell[COLUMN_DECISION], "unknown");
}

/* A row of the failure table may let the caller through. */
static void failures(void **state)
{
	struct record_row row;
	json_t *json;

	(void)state;
	record.outcome = SOCKGATE__OUTCOME__OUTCOME_FAILURE;
	record.reason = (char *)"server_away";
	record.decision = NULL;
	record.effect = SOCKGATE__ACTION__ACTION_ALLOW;
	record_row(&record, &row);
	assert_string_equal(row.cell[COLUMN_DECISION], "allow");
	assert_string_equal(row.cell[COLUMN_RULE], "failure: server_away");
	record.effect = SOCKGATE__ACTION__ACTION_DENY;
	json = record_json(&record);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json_object_get(
		json, "decision"), "verdict")), "deny");
	assert_true(json_is_null(json_object_get(json_object_get(json, "decision"),
						 "error")));
	json_decref(json);
}

static void unknown_things(void **state)
{
	struct record_row row;

	(void)state;
	identity.name = (char *)"";
	user.name = (char *)"";
	identity.source = SOCKGATE__IDENTITY__SOURCE__NONE;
	event.kind = SOCKGATE__EVENT_KIND__EVENT_LISTEN;
	event.remote_address.len = 0;
	event.local_address.data = local6;
	event.local_address.len = sizeof(local6);
	event.local_port = 80;
	record_row(&record, &row);
	assert_string_equal(row.cell[COLUMN_APPLICATION], "curl (?)");
	identity.source = SOCKGATE__IDENTITY__SOURCE__HASH_ONLY;
	record_row(&record, &row);
	assert_string_equal(row.cell[COLUMN_APPLICATION], "curl (hash only)");
	assert_string_equal(row.cell[COLUMN_USER], "1000");
	assert_string_equal(row.cell[COLUMN_EVENT], "listen");
	assert_string_equal(row.cell[COLUMN_REMOTE], "on [2001:db8::1]:80");
}

/* Who came, and where to. */
static void peers(void **state)
{
	struct record_row row;

	(void)state;
	event.kind = SOCKGATE__EVENT_KIND__EVENT_ACCEPT;
	event.remote_port = 0;
	event.local_port = 22;
	record_row(&record, &row);
	assert_string_equal(row.cell[COLUMN_EVENT], "accept");
	assert_string_equal(row.cell[COLUMN_REMOTE], "192.0.2.7 on 22");
	event.kind = SOCKGATE__EVENT_KIND__EVENT_ESTABLISHED;
	event.remote_port = 443;
	record_row(&record, &row);
	assert_string_equal(row.cell[COLUMN_EVENT], "ESTABLISHED");
	assert_string_equal(row.cell[COLUMN_REMOTE], "192.0.2.7:443");
	event.kind = SOCKGATE__EVENT_KIND__EVENT_CLOSE;
	record_row(&record, &row);
	assert_string_equal(row.cell[COLUMN_EVENT], "CLOSE");
}

static void sockets_past_the_gate(void **state)
{
	char text[16] = "";
	struct record_row row;

	(void)state;
	event.kind = SOCKGATE__EVENT_KIND__EVENT_OPEN;
	event.protocol = SOCKGATE_PROTOCOL_PACKET;
	event.remote_address.len = 0;
	event.remote_port = 0x0800;
	record_row(&record, &row);
	assert_string_equal(row.cell[COLUMN_PROTOCOL], "packet");
	assert_string_equal(row.cell[COLUMN_REMOTE], "ethertype 0x0800");
	event.protocol = SOCKGATE_PROTOCOL_OTHER;
	event.remote_port = 0;
	record_row(&record, &row);
	assert_string_equal(row.cell[COLUMN_PROTOCOL], "other");
	assert_string_equal(row.cell[COLUMN_REMOTE], "-");
	/* The same number in the header of a datagram has a port, or none. */
	event.kind = SOCKGATE__EVENT_KIND__EVENT_SEND;
	event.protocol = SOCKGATE_PROTOCOL_PACKET;
	assert_false(record_ethertype(&event, text, sizeof(text)));
	assert_string_equal(text, "");
}

static void hostile_names(void **state)
{
	char name[1000];
	struct record_row row;

	(void)state;
	memset(name, 'x', sizeof(name));
	name[0] = '\033';
	name[sizeof(name) - 1] = '\0';
	identity.name = name;
	record_row(&record, &row);
	assert_int_equal(strncmp(row.cell[COLUMN_APPLICATION], "\\x1bxxx", 7), 0);
	assert_true(strlen(row.cell[COLUMN_APPLICATION]) < CELL_SIZE);
}

static void print(const struct record_table *table, const struct record_row *row,
		  bool colours, char *text, size_t size)
{
	FILE *out = fmemopen(text, size, "w");

	assert_non_null(out);
	record_print(table, row, colours, out);
	fclose(out);
}

/* Where the column that starts with @word starts. */
static ptrdiff_t place_of(const char *line, const char *word)
{
	const char *at = strstr(line, word);

	assert_non_null(at);
	return at - line;
}

static void columns_are_aligned(void **state)
{
	struct record_table table = { 0 };
	struct record_row heading, row;
	char first[1024], second[1024], coloured[1024];

	(void)state;
	identity.version = (char *)"7.88.1-10+deb12u14";
	record_heading(&heading);
	record_row(&record, &row);
	record_widen(&table, &heading);
	record_widen(&table, &row);
	print(&table, &heading, false, first, sizeof(first));
	print(&table, &row, false, second, sizeof(second));
	print(&table, &row, true, coloured, sizeof(coloured));
	assert_int_equal(place_of(first, "VENDOR"), place_of(second, "curl project"));
	assert_int_equal(place_of(first, "RULE"), place_of(second, "no-curl"));
	assert_int_equal(place_of(first, "ID\n"), place_of(second, "d1\n"));
	/* Numbers end where their heading ends. */
	assert_int_equal(place_of(first, "MS") + 2, place_of(second, "1.2") + 3);
	assert_null(strchr(second, '\033'));
	assert_non_null(strstr(coloured, "\033[1;31mdeny\033[0m"));
}

static void never_narrower(void **state)
{
	struct record_table table = { 0 };
	struct record_row row;
	size_t width;

	(void)state;
	identity.name = (char *)"an application with quite a long name";
	record_row(&record, &row);
	record_widen(&table, &row);
	width = table.width[COLUMN_APPLICATION];
	identity.name = (char *)"x";
	record_row(&record, &row);
	record_widen(&table, &row);
	assert_int_equal(table.width[COLUMN_APPLICATION], width);
}

static void fields(void **state)
{
	char text[300], little[12];

	(void)state;
	assert_string_equal(record_fields(&decision, text, sizeof(text)),
			    "event, remote address (24 bits)");
	decision.fields = 0;
	assert_string_equal(record_fields(&decision, text, sizeof(text)),
			    "nothing of the request");
	decision.fields = ~0U;
	record_fields(&decision, little, sizeof(little));
	assert_int_equal(strlen(little), sizeof(little) - 1);
}

static void times(void **state)
{
	char text[40];

	(void)state;
	assert_string_equal(record_time(0, true, text, sizeof(text)),
			    "1970-01-01T00:00:00.000Z");
	assert_string_equal(record_time(-1, true, text, sizeof(text)),
			    "1969-12-31T23:59:59.999Z");
	assert_string_equal(record_time(1750000000999999, false, text, sizeof(text)),
			    "2025-06-15 15:06:40.999");
	record_time(INT64_MAX, true, text, sizeof(text));
	record_time(INT64_MIN, true, text, sizeof(text));
}

static const char *at(json_t *json, const char *group, const char *name)
{
	json_t *object = group ? json_object_get(json, group) : json;

	return json_string_value(json_object_get(object, name));
}

static void as_json(void **state)
{
	json_t *json;
	char *line;

	(void)state;
	process.command_line = (char *)"curl \xff \n";
	process.foreign_path = true;
	json = record_json(&record);
	assert_non_null(json);
	assert_string_equal(at(json, NULL, "time"), "2025-06-15T15:06:40.123Z");
	assert_string_equal(at(json, NULL, "outcome"), "server");
	assert_string_equal(at(json, "event", "state"), "SYN_SENT");
	assert_string_equal(at(json, "event", "remote_address"), "192.0.2.7");
	assert_true(json_is_null(json_object_get(json_object_get(json, "event"),
						 "local_address")));
	assert_string_equal(at(json, "decision", "verdict"), "deny");
	assert_string_equal(at(json, "decision", "error"), "EACCES");
	assert_string_equal(at(json, "decision", "id"), "d1");
	assert_string_equal(at(json, "application", "version"), "7.88.1");
	assert_string_equal(at(json, "application", "source"), "hash");
	assert_string_equal(at(json, "process", "evidence"), "content");
	assert_true(json_is_true(json_object_get(json_object_get(json, "process"),
						 "foreign_path")));
	assert_int_equal(strlen(at(json, "process", "sha256")), 64);
	assert_string_equal(at(json, "process", "command_line"),
			    "curl \xef\xbf\xbd \n");
	line = json_dumps(json, JSON_COMPACT);
	assert_non_null(line);
	assert_null(strchr(line, '\n'));
	free(line);
	json_decref(json);
}

/* What an interpreter runs; and what is not known is not none. */
static void what_runs(void **state)
{
	uint8_t of_script[32] = { 0xcd };
	struct record_row row;
	json_t *json, *runs;

	(void)state;
	process.script = (char *)"/opt/a\033b.py";
	process.classes = 0x42;
	process.script_sha256.data = of_script;
	process.script_sha256.len = sizeof(of_script);
	process.script_evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
	record_row(&record, &row);
	assert_non_null(strstr(row.cell[COLUMN_APPLICATION], ": a"));
	assert_null(strchr(row.cell[COLUMN_APPLICATION], '\033'));
	json = record_json(&record);
	assert_non_null(json);
	runs = json_object_get(json_object_get(json, "process"), "runs");
	assert_int_equal(strlen(at(runs, NULL, "sha256")), 64);
	assert_string_equal(at(runs, NULL, "evidence"), "content");
	assert_int_equal(json_array_size(json_object_get(runs, "classes")), 2);
	assert_string_equal(json_string_value(json_array_get(
		json_object_get(runs, "classes"), 1)), "preload");
	json_decref(json);
	process.classes = 0;
	json = record_json(&record);
	runs = json_object_get(json_object_get(json, "process"), "runs");
	assert_true(json_is_null(json_object_get(runs, "classes")));
	json_decref(json);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, set_up)
	const struct CMUnitTest tests[] = {
		TEST(whole_row),
		TEST(empty_record),
		TEST(decisions),
		TEST(failures),
		TEST(unknown_things),
		TEST(peers),
		TEST(sockets_past_the_gate),
		TEST(hostile_names),
		TEST(columns_are_aligned),
		TEST(never_narrower),
		TEST(fields),
		TEST(times),
		TEST(as_json),
		TEST(what_runs),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
