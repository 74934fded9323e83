// SPDX-License-Identifier: GPL-2.0-only
/* The log as the server uses it: through the event loop, on real files. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <event2/event.h>
#include <sqlite3.h>

#include "audit.h"
#include "query.h"
#include "search.h"
#include "test_loop.h"

static char dir[] = "/tmp/audit-test-XXXXXX";
static char path[128];
static struct event_base *base;
static struct audit *audit;
static uint64_t generation;

/* What came back. */
static uint64_t stored_upto, stored_calls, committed_records, found_records;
static bool found_end;
static bool rests;		/* nobody asks for more by himself */
static char found_why[512];
static Sockgate__Explanation *explanation;
static char explained_why[512];
static bool explained;

static void on_stored(uint64_t owner, uint64_t sequence, size_t size, void *arg)
{
	(void)arg, (void)size;
	assert_int_equal(owner, 7);
	assert_true(sequence > stored_upto);
	stored_upto = sequence;
	stored_calls++;
}

static void on_committed(const Sockgate__Records *records, void *arg)
{
	(void)arg;
	committed_records += records->n_record;
}

static void on_found(uint64_t owner, uint64_t id, Sockgate__Records *part,
		     const char *why, void *arg)
{
	(void)arg;
	assert_int_equal(owner, 7);
	assert_int_equal(id, 99);
	found_end = !part || part->end;
	if (!part) {
		snprintf(found_why, sizeof(found_why), "%s", why);
		return;
	}
	found_records += part->n_record;
	if (!part->end && !rests)
		audit_more(audit, owner, id);
	sockgate__records__free_unpacked(part, NULL);
}

static void on_explained(uint64_t owner, uint64_t id, Sockgate__Explanation *e,
			 const char *why, void *arg)
{
	(void)arg, (void)owner;
	assert_int_equal(id, 98);
	explanation = e;
	explained = true;
	snprintf(explained_why, sizeof(explained_why), "%s", why);
}

static const struct audit_ops ops = {
	.stored = on_stored,
	.committed = on_committed,
	.found = on_found,
	.explained = on_explained,
};

static const struct audit_bounds no_bounds;

static void open_bounded(const struct audit_bounds *bounds)
{
	char why[512];

	stored_upto = stored_calls = committed_records = 0;
	audit = audit_open(base, path, bounds, &ops, NULL, &generation, why,
			   sizeof(why));
	if (!audit)
		fail_msg("%s", why);
}

static void open_audit(void)
{
	open_bounded(&no_bounds);
}

static void set_text(char **field, const char *text)
{
	*field = strdup(text);
	assert_non_null(*field);
}

static void set_bytes(ProtobufCBinaryData *field, const char *bytes, size_t size)
{
	field->data = calloc(1, size);
	assert_non_null(field->data);
	memcpy(field->data, bytes, strlen(bytes));
	field->len = size;
}

/* What runs, and where. */
static void add_program(Sockgate__Record *r)
{
	Sockgate__Process *p = r->process;
	Sockgate__Place *place = malloc(sizeof(*place));

	assert_non_null(place);
	sockgate__place__init(place);
	r->place = place;
	p->classes = SOCKGATE__CLASS__CLASS_SCRIPT | SOCKGATE__CLASS__CLASS_PRELOAD;
	set_text(&p->script, "/opt/tool.py");
	set_bytes(&p->script_sha256, "x", 32);
	set_bytes(&p->build_id, "\1\2\3\4", 4);
	set_text(&place->service, "web.service");
	set_text(&place->container, "c0");
	set_text(&place->image, "img:1");
	set_text(&place->app, "snap:x.y");
}

static Sockgate__Record *new_record(uint64_t sequence)
{
	Sockgate__Record *r = malloc(sizeof(*r));
	Sockgate__Event *e = malloc(sizeof(*e));
	Sockgate__Process *p = malloc(sizeof(*p));
	Sockgate__User *u = malloc(sizeof(*u));
	Sockgate__Decision *d = malloc(sizeof(*d));
	Sockgate__Identity *id = malloc(sizeof(*id));
	char text[32];

	assert_true(r && e && p && u && d && id);
	sockgate__record__init(r);
	sockgate__event__init(e);
	sockgate__process__init(p);
	sockgate__user__init(u);
	sockgate__decision__init(d);
	sockgate__identity__init(id);
	r->event = e;
	r->process = p;
	r->user = u;
	r->decision = d;
	d->identity = id;
	r->sequence = sequence;
	r->latency_us = 1234;
	r->outcome = SOCKGATE__OUTCOME__OUTCOME_SERVER;
	set_text(&r->host, "web1");
	e->kind = SOCKGATE__EVENT_KIND__EVENT_CONNECT;
	e->protocol = 6;
	e->remote_address.data = malloc(4);
	assert_non_null(e->remote_address.data);
	memcpy(e->remote_address.data, (uint8_t[]){ 10, 1, 2, 3 }, 4);
	e->remote_address.len = 4;
	e->remote_port = 443;
	set_text(&p->path, "/usr/bin/curl");
	p->evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
	p->sha256.data = calloc(1, 32);
	p->sha256.len = 32;
	set_text(&u->name, "root");
	set_text(&u->domain, "EXAMPLE");
	set_text(&id->name, sequence % 2 ? "curl" : "wget");
	id->source = SOCKGATE__IDENTITY__SOURCE__HASH;
	d->action = sequence % 2 ? SOCKGATE__ACTION__ACTION_ALLOW :
				   SOCKGATE__ACTION__ACTION_DENY;
	d->error = sequence % 2 ? 0 : EACCES;
	d->generation = 42;
	snprintf(text, sizeof(text), "decision-%llu", (unsigned long long)sequence);
	set_text(&d->decision_id, text);
	set_text(&d->rule, "some-rule");
	if (sequence == 5)
		add_program(r);
	return r;
}

static Sockgate__Records *new_records(uint64_t first, unsigned int n)
{
	Sockgate__Records *records = malloc(sizeof(*records));

	assert_non_null(records);
	sockgate__records__init(records);
	records->record = calloc(n, sizeof(Sockgate__Record *));
	assert_non_null(records->record);
	for (unsigned int i = 0; i < n; i++)
		records->record[records->n_record++] = new_record(first + i);
	return records;
}

static struct audit_source source = { .host = "web1", .instance = "0123456789abcde" };

/* @size may be more than it is, to fill a batch. */
static void submit_sized(uint64_t first, unsigned int n, size_t size)
{
	Sockgate__Records *records = new_records(first, n);

	assert_int_equal(audit_submit(audit, 7, &source, records, size), 0);
}

static void submit(uint64_t first, unsigned int n)
{
	submit_sized(first, n, 1000);
}

/* The status changes without an event, so look at it now and then too. */
static void until_(bool (*holds)(void), const char *what)
{
	struct test_loop loop;

	test_loop_begin(&loop, base, 20);
	while (!holds() && test_loop_turn(&loop))
		;
	test_loop_end(&loop);
	if (!holds())
		fail_msg("never: %s", what);
}
#define until(f) until_(f, #f)

static uint64_t expected;
static bool all_stored(void) { return stored_upto == expected; }
static bool query_ended(void) { return found_end; }
static bool part_came(void) { return found_records >= 500; }
static bool next_part_came(void) { return found_records >= 1000; }
static bool explanation_came(void) { return explained; }
static bool error_shown(void)
{
	struct audit_status status;

	audit_status(audit, &status);
	return *status.error;
}

static long count_rows(const char *sql)
{
	sqlite3_stmt *st;
	sqlite3 *db;
	long n;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return n;
}

static void test_stored_after_commit_and_once(void **state)
{
	struct audit_status status;

	(void)state;
	open_audit();
	submit(1, 10);
	submit(11, 10);
	expected = 20;
	until(all_stored);
	assert_int_equal(count_rows("SELECT count(*) FROM record"), 20);
	assert_int_equal(count_rows("SELECT count(*) FROM record WHERE host = "
		"'web1' AND event = 'connect' AND protocol = 'tcp' AND remote = "
		"'10.1.2.3:443' AND application = 'curl' AND user = 'root' AND "
		"domain = 'EXAMPLE' AND rule = 'some-rule' AND action = 'allow' "
		"AND latency_us = 1234 AND decision_id = 'decision-' || sequence"),
		10);
	/* The agent did not get the answer and sends them again, and more. */
	stored_upto = 0;
	submit(5, 20);
	expected = 24;
	until(all_stored);
	assert_int_equal(count_rows("SELECT count(*) FROM record"), 24);
	audit_status(audit, &status);
	assert_int_equal(status.n_stored, 24);
	assert_int_equal(status.n_repeated, 16);
	assert_int_equal(status.waiting, 0);
	assert_int_equal(committed_records, 40);
	/* Another host with the same instance is another spool. */
	source.host[3] = '2';
	stored_upto = 0;
	submit(1, 1);
	expected = 1;
	until(all_stored);
	assert_int_equal(count_rows("SELECT count(*) FROM record"), 25);
	source.host[3] = '1';
	audit_close(audit);
}

static void query(const char *application, const char *id,
		  Sockgate__Action action, uint32_t last, uint64_t want)
{
	Sockgate__EventsQuery q = SOCKGATE__EVENTS_QUERY__INIT;

	q.application = (char *)application;
	q.decision_id = (char *)id;
	q.action = action;
	q.last = last;
	found_records = 0;
	found_end = false;
	assert_int_equal(audit_query(audit, 7, 99, &q), 0);
	until(query_ended);
	assert_int_equal(found_records, want);
}

static void test_queries(void **state)
{
	(void)state;
	open_audit();
	submit(1, 2000);
	expected = 2000;
	until(all_stored);
	query("", "", 0, 0, 50);
	query("", "", 0, 1999, 1999);
	query("CURL", "", 0, 5000, 1000);
	query("", "", SOCKGATE__ACTION__ACTION_DENY, 5000, 1000);
	query("curl", "", SOCKGATE__ACTION__ACTION_DENY, 5000, 0);
	query("", "decision-77", 0, 5000, 1);
	audit_close(audit);
}

static void test_explain_with_the_policy_of_that_time(void **state)
{
	(void)state;
	open_audit();
	assert_int_equal(audit_policy(audit, 40, "rules = ("
		"{ name = \"udp\"; protocol = \"udp\"; action = \"deny\"; },"
		"{ name = \"old\"; application = \"curl\"; action = \"allow\"; });"),
		0);
	/* Not kept twice, but found under all. */
	assert_int_equal(audit_policy(audit, 41, NULL), 0);
	assert_int_equal(audit_policy(audit, 42, "rules = ("
		"{ name = \"udp\"; protocol = \"udp\"; action = \"deny\"; },"
		"{ name = \"old\"; application = \"curl\"; action = \"allow\"; });"),
		0);
	assert_int_equal(audit_policy(audit, 43, "rules = ();"), 0);
	submit(1, 1);
	expected = 1;
	until(all_stored);
	assert_int_equal(count_rows("SELECT count(*) FROM policy WHERE text IS "
				    "NULL"), 2);
	explained = false;
	assert_int_equal(audit_explain(audit, 7, 98, "decision-1"), 0);
	until(explanation_came);
	assert_non_null(explanation);
	assert_int_equal(explanation->n_step, 2);
	assert_string_equal(explanation->step[0]->why,
			    "does not match: protocol is tcp, not \"udp\"");
	assert_string_equal(explanation->step[1]->rule, "old");
	assert_string_equal(explanation->step[1]->why, "matches");
	assert_non_null(strstr(explanation->rule_text, "application = \"curl\""));
	sockgate__explanation__free_unpacked(explanation, NULL);
	explained = false;
	assert_int_equal(audit_explain(audit, 7, 98, "nonsense"), 0);
	until(explanation_came);
	assert_null(explanation);
	assert_non_null(strstr(explained_why, "nonsense"));
	audit_close(audit);
	/* The next start goes on from the last generation. */
	open_audit();
	assert_int_equal(generation, 43);
	audit_close(audit);
}

/* ---- what a query finds is what query_matches() lets through ---- */

/* All that the filters look at, in all that it can be; the caller frees it. */
static Sockgate__Records *varied_records(void)
{
	static const char *const names[] = { "curl", "CURL", "wget", "" };
	Sockgate__Records *records = new_records(1, 144);

	for (size_t i = 0; i < records->n_record; i++) {
		Sockgate__Record *r = records->record[i];
		Sockgate__Decision *d = r->decision;

		r->effect = (Sockgate__Action)(i % 3);
		r->outcome = (Sockgate__Outcome)(1 + i / 3 % 3);
		d->action = (Sockgate__Action)(i / 9 % 2 + 1);
		free(d->identity->name);
		set_text(&d->identity->name, names[i / 18 % 4]);
		set_text(&r->process->name, i / 72 % 2 ? "Curl" : "other");
		if (r->event)
			r->event->kind = (Sockgate__EventKind)(i * 5 % 11);
		if (i % 7)
			continue;
		sockgate__decision__free_unpacked(d, NULL);
		r->decision = NULL;
	}
	return records;
}

/* All steps of a query, until its last part; returns how many records it had. */
static uint64_t search_all(struct audit_db *db, const Sockgate__EventsQuery *q,
			   unsigned int *steps, uint64_t *first)
{
	struct search *s = search_new(q);
	Sockgate__Records *part;
	uint64_t n = 0, last = 0;
	bool end = false;

	assert_non_null(s);
	for (*steps = 0; !end; ++*steps) {
		assert_int_equal(search_step(s, db, &part), 0);
		if (!part)
			continue;
		for (size_t i = 0; i < part->n_record; i++) {
			assert_true(part->record[i]->sequence > last);
			last = part->record[i]->sequence;
			if (!n++)
				*first = last;
		}
		end = part->end;
		sockgate__records__free_unpacked(part, NULL);
	}
	search_free(s);
	return n;
}

static void check_query(struct audit_db *db, const Sockgate__Records *records,
			const Sockgate__EventsQuery *q)
{
	uint64_t want = 0, found, first;
	unsigned int steps;

	for (size_t i = 0; i < records->n_record; i++)
		want += query_matches(q, records->record[i]);
	found = search_all(db, q, &steps, &first);
	print_message("%s %s %s %d %x: %llu\n", q->host, q->application,
		      q->decision_id, q->action, q->events,
		      (unsigned long long)found);
	assert_int_equal(found, want);
}

static void test_one_meaning_of_a_query(void **state)
{
	static const char *const apps[] = { "", "curl", "OTHER", "none" };
	static const char *const hosts[] = { "", "WEB1", "web2" };
	static const char *const ids[] = { "", "decision-9", "DECISION-9" };
	static const uint32_t events[] = {
		0, 1U << SOCKGATE__EVENT_KIND__EVENT_SEND,
		1U << SOCKGATE__EVENT_KIND__EVENT_OPEN |
		1U << SOCKGATE__EVENT_KIND__EVENT_CLOSE, 1,
	};
	Sockgate__Records *records = varied_records();
	Sockgate__EventsQuery q = SOCKGATE__EVENTS_QUERY__INIT;
	struct audit_db *db;
	uint64_t added = 0;
	char why[512];

	(void)state;
	db = audit_db_open(path, why, sizeof(why));
	assert_non_null(db);
	assert_int_equal(audit_db_begin(db), 0);
	assert_int_equal(audit_db_put_records(db, &source, records, 1, &added), 0);
	assert_int_equal(audit_db_commit(db), 0);
	q.last = 1000;
	for (int i = 0; i < 4 * 3 * 3 * 3 * 4; i++) {
		q.application = (char *)apps[i % 4];
		q.host = (char *)hosts[i / 4 % 3];
		q.decision_id = (char *)ids[i / 12 % 3];
		q.action = (Sockgate__Action)(i / 36 % 3);
		q.events = events[i / 108];
		check_query(db, records, &q);
	}
	audit_db_close(db);
	sockgate__records__free_unpacked(records, NULL);
}

/* ---- a query does a little at a time ---- */

static void put(struct audit_db *db, uint64_t first, unsigned int n)
{
	Sockgate__Records *records = new_records(first, n);
	uint64_t added = 0;

	assert_int_equal(audit_db_begin(db), 0);
	assert_int_equal(audit_db_put_records(db, &source, records, 1, &added), 0);
	assert_int_equal(audit_db_commit(db), 0);
	assert_int_equal(added, n);
	sockgate__records__free_unpacked(records, NULL);
}

static void test_long_query_goes_step_by_step(void **state)
{
	Sockgate__EventsQuery q = SOCKGATE__EVENTS_QUERY__INIT;
	struct audit_db *db;
	unsigned int steps;
	uint64_t first = 0;
	char why[512];

	(void)state;
	db = audit_db_open(path, why, sizeof(why));
	assert_non_null(db);
	for (uint64_t at = 1; at < 45001; at += 9000)
		put(db, at, 9000);
	/* Three ranges of rows, of which only the oldest has it. */
	q.decision_id = (char *)"decision-3";
	assert_int_equal(search_all(db, &q, &steps, &first), 1);
	assert_int_equal(steps, 3);
	assert_int_equal(first, 3);
	/* No more rows are looked at than are wanted. */
	q.decision_id = (char *)"";
	assert_int_equal(search_all(db, &q, &steps, &first), 50);
	assert_int_equal(steps, 1);
	assert_int_equal(first, 44951);
	q.last = 30000;
	q.action = SOCKGATE__ACTION__ACTION_DENY;
	assert_int_equal(search_all(db, &q, &steps, &first), 22500);
	assert_int_equal(first, 2);
	audit_db_close(db);
}

static size_t step(struct search *s, struct audit_db *db, bool *end)
{
	Sockgate__Records *part;
	size_t n;

	assert_int_equal(search_step(s, db, &part), 0);
	assert_non_null(part);
	n = part->n_record;
	*end = part->end;
	sockgate__records__free_unpacked(part, NULL);
	return n;
}

/* What comes while a query is answered is in it, if the query follows. */
static void test_query_that_follows_misses_nothing(void **state)
{
	Sockgate__EventsQuery q = SOCKGATE__EVENTS_QUERY__INIT;
	struct audit_db *db;
	struct search *s;
	char why[512];
	bool end;

	(void)state;
	db = audit_db_open(path, why, sizeof(why));
	assert_non_null(db);
	put(db, 1, 100);
	q.follow = true;
	q.last = 10;
	s = search_new(&q);
	assert_non_null(s);
	assert_int_equal(step(s, db, &end), 10);
	assert_false(end);
	put(db, 101, 20);
	assert_int_equal(step(s, db, &end), 20);
	assert_false(end);
	put(db, 121, 1);
	assert_int_equal(step(s, db, &end), 1);
	assert_false(end);
	assert_int_equal(step(s, db, &end), 0);
	assert_true(end);
	search_free(s);
	/* One that does not is of the moment when it began. */
	q.follow = false;
	q.last = 600;
	put(db, 122, 900);
	s = search_new(&q);
	assert_non_null(s);
	assert_int_equal(step(s, db, &end), 500);
	assert_false(end);
	put(db, 1022, 10);
	assert_int_equal(step(s, db, &end), 100);
	assert_true(end);
	search_free(s);
	audit_db_close(db);
}

/* A part rests until more is asked for, and goes with its owner. */
static void test_part_after_part(void **state)
{
	Sockgate__EventsQuery q = SOCKGATE__EVENTS_QUERY__INIT;

	(void)state;
	open_audit();
	submit(1, 1200);
	expected = 1200;
	until(all_stored);
	q.last = 1200;
	found_records = 0;
	rests = true;
	assert_int_equal(audit_query(audit, 7, 99, &q), 0);
	until(part_came);
	/* Whatever else the thread does, there is no other part. */
	stored_upto = 0;
	submit(1201, 1);
	expected = 1201;
	until(all_stored);
	assert_int_equal(found_records, 500);
	audit_more(audit, 7, 99);
	until(next_part_came);
	audit_forget(audit, 7);
	audit_more(audit, 7, 99);
	stored_upto = 0;
	submit(1202, 1);
	expected = 1202;
	until(all_stored);
	assert_int_equal(found_records, 1000);
	rests = false;
	audit_close(audit);
}

/* ---- logs of other versions ---- */

static void make_log(const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static const char version_1[] =
	"CREATE TABLE instance (id INTEGER PRIMARY KEY, host TEXT NOT NULL,"
	" instance BLOB NOT NULL, UNIQUE (host, instance));"
	"CREATE TABLE record (id INTEGER PRIMARY KEY, instance INTEGER NOT NULL,"
	" sequence INTEGER NOT NULL, received_us INTEGER NOT NULL,"
	" time_us INTEGER NOT NULL, host TEXT NOT NULL, event TEXT, protocol TEXT,"
	" local TEXT, remote TEXT, application TEXT, version TEXT, category TEXT,"
	" vendor TEXT, path TEXT, sha256 BLOB, evidence TEXT, pid INTEGER,"
	" uid INTEGER, user TEXT, domain TEXT, action TEXT, error TEXT,"
	" audit INTEGER, rule TEXT, decision_id TEXT, generation INTEGER,"
	" missing TEXT, outcome INTEGER, reason TEXT, latency_us INTEGER,"
	" record BLOB NOT NULL, UNIQUE (instance, sequence));"
	"CREATE INDEX record_decision ON record (decision_id);"
	"CREATE INDEX record_host ON record (host);"
	"CREATE INDEX record_application ON record (application COLLATE NOCASE);"
	"CREATE TABLE policy (generation INTEGER PRIMARY KEY,"
	" loaded_us INTEGER NOT NULL, text TEXT);"
	"INSERT INTO record (instance, sequence, received_us, time_us, host,"
	" application, path, action, outcome, record) VALUES"
	" (1, 1, 1, 1, 'web1', 'cURL', '/usr/bin/curl', 'deny', 1, x''),"
	" (1, 2, 1, 1, 'web1', NULL, '/opt/a b/tool', NULL, 3, x''),"
	" (1, 3, 1, 1, 'web1', '', '/tool', 'allow', 2, x''),"
	" (1, 4, 1, 1, 'web1', NULL, NULL, NULL, 3, x'');"
	"PRAGMA application_id = 1936154997; PRAGMA user_version = 1;";

static void test_log_of_version_1_is_taken_over(void **state)
{
	(void)state;
	make_log(version_1);
	open_audit();
	submit(5, 10);
	expected = 14;
	until(all_stored);
	query("cURL", "", 0, 100, 6);
	query("tool", "", 0, 100, 2);
	query("", "", SOCKGATE__ACTION__ACTION_DENY, 100, 6);
	query("", "", SOCKGATE__ACTION__ACTION_ALLOW, 100, 6);
	audit_close(audit);
	assert_int_equal(count_rows("SELECT count(*) FROM record WHERE called = "
				    "'' AND effect IS NULL AND sequence = 4"), 1);
	/* And is one of the present version from then on. */
	open_audit();
	audit_close(audit);
}

/* What version 2 said, and nothing else that was learned since. */
static void test_log_of_version_2_is_taken_over(void **state)
{
	(void)state;
	make_log(version_1);
	make_log("ALTER TABLE record ADD COLUMN effect TEXT;"
		 "ALTER TABLE record ADD COLUMN called TEXT;"
		 "ALTER TABLE record ADD COLUMN source TEXT;"
		 "ALTER TABLE record ADD COLUMN trust INTEGER;"
		 "ALTER TABLE record ADD COLUMN threat INTEGER;"
		 "UPDATE record SET effect = 'deny', called = 'old';"
		 "PRAGMA user_version = 2;");
	open_audit();
	submit(5, 1);
	expected = 5;
	until(all_stored);
	query("old", "", 0, 100, 4);
	audit_close(audit);
	assert_int_equal(count_rows("SELECT count(*) FROM record WHERE script IS NULL "
				    "AND class IS NULL AND unit IS NULL"), 4);
	assert_int_equal(count_rows("SELECT count(*) FROM record WHERE hex(build_id) = "
				    "'01020304' AND class = 'script,preload' AND "
				    "script = '/opt/tool.py' AND length(script_sha256) = 32 "
				    "AND unit = 'web.service' AND container = 'c0' AND "
				    "image = 'img:1' AND app = 'snap:x.y' AND trust = 0"), 1);
	assert_int_equal(count_rows("SELECT user_version FROM pragma_user_version"), 3);
	open_audit();
	audit_close(audit);
}

static void test_log_of_a_newer_version_is_refused(void **state)
{
	char why[512];

	(void)state;
	make_log("CREATE TABLE x (y); PRAGMA application_id = 1936154997;"
		 "PRAGMA user_version = 99;");
	assert_null(audit_open(base, path, &no_bounds, &ops, NULL, &generation, why,
			       sizeof(why)));
	assert_non_null(strstr(why, "version 99"));
	assert_non_null(strstr(why, "move it away"));
}

/* ---- a full disk ---- */

static void fill_disk(const char *file)
{
	static const char zeros[4096];
	int fd = open(file, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	while (write(fd, zeros, sizeof(zeros)) > 0)
		continue;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static void test_full_disk_loses_nothing(void **state)
{
	char disk[64], filler[96], saved[128];
	struct audit_status status;

	(void)state;
	snprintf(disk, sizeof(disk), "%s/disk", dir);
	assert_int_equal(mkdir(disk, 0700), 0);
	if (mount("tmpfs", disk, "tmpfs", 0, "size=2m")) {
		print_message("needs to mount a tmpfs: %s\n", strerror(errno));
		rmdir(disk);
		skip();
	}
	snprintf(saved, sizeof(saved), "%s", path);
	snprintf(path, sizeof(path), "%s/a.sqlite", disk);
	snprintf(filler, sizeof(filler), "%s/filler", disk);
	open_audit();
	submit(1, 10);
	expected = 10;
	until(all_stored);

	fill_disk(filler);
	/* Two batches: the second is in the queue while the first one fails. */
	submit_sized(11, 2000, 9U << 20);
	submit(2011, 5);
	until(error_shown);
	assert_int_equal(stored_upto, 10);
	audit_status(audit, &status);
	print_message("%s\n", status.error);
	assert_non_null(strstr(status.error, path));
	assert_int_equal(count_rows("SELECT count(*) FROM record"), 10);
	/* Questions are answered meanwhile, and more records are taken. */
	query("", "", 0, 100, 10);
	submit(2016, 5);
	query("", "", 0, 100, 10);
	assert_int_equal(stored_upto, 10);

	assert_int_equal(unlink(filler), 0);
	expected = 2020;
	until(all_stored);
	assert_int_equal(count_rows("SELECT count(*) FROM record"), 2020);
	audit_status(audit, &status);
	assert_string_equal(status.error, "");
	assert_int_equal(status.waiting, 0);

	/* Full when the server ends: what was acknowledged is there. */
	fill_disk(filler);
	submit(2021, 2000);
	audit_close(audit);
	assert_int_equal(unlink(filler), 0);
	assert_int_equal(count_rows("SELECT count(*) FROM record"), 2020);
	assert_int_equal(umount2(disk, MNT_DETACH), 0);
	rmdir(disk);
	snprintf(path, sizeof(path), "%s", saved);
}

static void test_backlog_has_a_limit(void **state)
{
	Sockgate__Records *records = new_records(1, 1);

	(void)state;
	open_audit();
	assert_int_equal(audit_submit(audit, 7, &source, records,
				      AUDIT_BACKLOG_MAX + 1), -1);
	assert_int_equal(errno, ENOBUFS);
	sockgate__records__free_unpacked(records, NULL);
	audit_close(audit);
}

static void test_not_our_file(void **state)
{
	char why[512];
	sqlite3 *db;
	int fd;

	(void)state;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE x (y)", NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	assert_null(audit_open(base, path, &no_bounds, &ops, NULL, &generation, why,
			       sizeof(why)));
	assert_non_null(strstr(why, "is not an audit log"));
	assert_int_equal(count_rows("SELECT count(*) FROM sqlite_master"), 1);
	fd = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "this is no database at all, is it?", 34), 34);
	close(fd);
	assert_null(audit_open(base, path, &no_bounds, &ops, NULL, &generation, why,
			       sizeof(why)));
	assert_non_null(strstr(why, path));
	assert_null(audit_open(base, "/nonexistent/a.sqlite", &no_bounds, &ops, NULL,
			       &generation, why, sizeof(why)));
	assert_non_null(strstr(why, "/nonexistent/a.sqlite"));
}

static void test_old_records_go(void **state)
{
	struct audit_db *db;
	uint64_t added = 0;
	Sockgate__Records *old = new_records(1, 3), *recent = new_records(4, 3);
	char why[512];
	bool more;

	/* NOLINTBEGIN(clang-analyzer-unix.Malloc): they are freed below */
	(void)state;
	db = audit_db_open(path, why, sizeof(why));
	assert_non_null(db);
	assert_int_equal(audit_db_begin(db), 0);
	assert_int_equal(audit_db_put_records(db, &source, old, 1000, &added), 0);
	assert_int_equal(audit_db_put_records(db, &source, recent, 2000, &added),
			 0);
	assert_int_equal(audit_db_commit(db), 0);
	assert_int_equal(added, 6);
	assert_int_equal(audit_db_prune(db, 1500, 0, 2, &more), 0);
	assert_true(more);
	assert_int_equal(count_rows("SELECT count(*) FROM record"), 4);
	assert_int_equal(audit_db_prune(db, 1500, 0, 100, &more), 0);
	assert_false(more);
	assert_int_equal(audit_db_prune(db, 0, 0, 100, &more), 0);
	assert_int_equal(audit_db_prune(db, 0, 100 << 20, 100, &more), 0);
	assert_int_equal(count_rows("SELECT count(*) FROM record"), 3);
	assert_int_equal(count_rows("SELECT min(sequence) FROM record"), 4);
	/* What is not committed is not there. */
	sockgate__records__free_unpacked(old, NULL);
	old = new_records(100, 5);
	assert_int_equal(audit_db_begin(db), 0);
	assert_int_equal(audit_db_put_records(db, &source, old, 3000, &added), 0);
	audit_db_rollback(db);
	assert_int_equal(count_rows("SELECT count(*) FROM record"), 3);
	audit_db_close(db);
	sockgate__records__free_unpacked(old, NULL);
	sockgate__records__free_unpacked(recent, NULL);
}
/* NOLINTEND(clang-analyzer-unix.Malloc) */

static bool has_room(void)
{
	return count_rows("SELECT count(*) FROM record") < 4500;
}

/* The log stays within its bound, by its oldest records. */
static void test_log_has_a_bound(void **state)
{
	const struct audit_bounds bounds = { .max_bytes = 2 << 20 };

	(void)state;
	open_audit();
	submit(1, 6000);
	expected = 6000;
	until(all_stored);
	audit_close(audit);
	open_bounded(&bounds);
	until(has_room);
	assert_int_equal(count_rows("SELECT count(*) FROM record WHERE sequence = 1"),
			 0);
	assert_int_equal(count_rows("SELECT count(*) FROM record WHERE sequence = "
				    "6000"), 1);
	audit_close(audit);
	assert_true(count_rows("SELECT (page_count - freelist_count) * page_size FROM "
			       "pragma_page_count, pragma_freelist_count, "
			       "pragma_page_size") <= bounds.max_bytes);
	assert_true(count_rows("SELECT count(*) FROM record") > 1000);
}

static void test_old_policies_go(void **state)
{
	struct audit_db *db;
	char why[512], text[32];

	(void)state;
	db = audit_db_open(path, why, sizeof(why));
	assert_non_null(db);
	assert_int_equal(audit_db_begin(db), 0);
	for (uint64_t i = 1; i <= 1010; i++) {
		snprintf(text, sizeof(text), "# %llu", (unsigned long long)i);
		assert_int_equal(audit_db_put_policy(db, 10 * i, 1, text), 0);
		assert_int_equal(audit_db_put_policy(db, 10 * i + 1, 1, text), 0);
	}
	assert_int_equal(audit_db_commit(db), 0);
	assert_int_equal(count_rows("SELECT count(text) FROM policy"), 1000);
	assert_int_equal(count_rows("SELECT min(generation) FROM policy"), 110);
	assert_int_equal(audit_db_begin(db), 0);
	for (uint64_t i = 20000; i < 30200; i++)
		assert_int_equal(audit_db_put_policy(db, i, 1, text), 0);
	assert_int_equal(audit_db_commit(db), 0);
	assert_int_equal(count_rows("SELECT count(text) FROM policy"), 1000);
	assert_int_equal(count_rows("SELECT count(*) FROM policy WHERE text IS NULL"),
			 10000);
	assert_int_equal(count_rows("SELECT max(generation) FROM policy"), 30199);
	audit_db_close(db);
}

/* Of long ones as many as take 128 MB; what was before can be had. */
static void test_old_long_policies_go_sooner(void **state)
{
	const size_t size = 30000000;
	char *text = malloc(size + 1), why[512], *before;
	struct audit_db *db;
	uint64_t since;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', size);
	text[size] = '\0';
	db = audit_db_open(path, why, sizeof(why));
	assert_non_null(db);
	for (uint64_t i = 1; i <= 6; i++) {
		text[0] = (char)('0' + i);
		assert_int_equal(audit_db_begin(db), 0);
		assert_int_equal(audit_db_put_policy(db, 10 * i, 1, text), 0);
		/* The same again is no change. */
		assert_int_equal(audit_db_put_policy(db, 10 * i + 1, 1, text), 0);
		assert_int_equal(audit_db_commit(db), 0);
	}
	assert_int_equal(count_rows("SELECT count(text) FROM policy"), 4);
	before = audit_db_policy_before(db, 1, &since);
	assert_non_null(before);
	assert_int_equal(before[0], '5');
	assert_int_equal(since, 50);
	free(before);
	assert_null(audit_db_policy_before(db, 4, &since));
	audit_db_close(db);
	free(text);
}

static int remove_log(void **state)
{
	char name[160];

	(void)state;
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", path,
			 i == 0 ? "" : i == 1 ? "-wal" : "-shm");
		unlink(name);
	}
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	base = event_base_new();
	if (!base || !mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/audit.sqlite", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	event_base_free(base);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_stored_after_commit_and_once,
					  remove_log),
		cmocka_unit_test_teardown(test_queries, remove_log),
		cmocka_unit_test_teardown(
			test_explain_with_the_policy_of_that_time, remove_log),
		cmocka_unit_test_teardown(test_one_meaning_of_a_query, remove_log),
		cmocka_unit_test_teardown(test_long_query_goes_step_by_step,
					  remove_log),
		cmocka_unit_test_teardown(test_query_that_follows_misses_nothing,
					  remove_log),
		cmocka_unit_test_teardown(test_part_after_part, remove_log),
		cmocka_unit_test_teardown(test_log_of_version_1_is_taken_over,
					  remove_log),
		cmocka_unit_test_teardown(test_log_of_version_2_is_taken_over,
					  remove_log),
		cmocka_unit_test_teardown(test_log_of_a_newer_version_is_refused,
					  remove_log),
		cmocka_unit_test_teardown(test_full_disk_loses_nothing, remove_log),
		cmocka_unit_test_teardown(test_backlog_has_a_limit, remove_log),
		cmocka_unit_test_teardown(test_not_our_file, remove_log),
		cmocka_unit_test_teardown(test_old_records_go, remove_log),
		cmocka_unit_test_teardown(test_log_has_a_bound, remove_log),
		cmocka_unit_test_teardown(test_old_policies_go, remove_log),
		cmocka_unit_test_teardown(test_old_long_policies_go_sooner, remove_log),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
