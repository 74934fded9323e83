// SPDX-License-Identifier: GPL-2.0-only
/* The desk, between a kernel and a server that only this file is. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <fcntl.h>

#include "desk.h"

#define GENERATION 900

static struct world {
	struct desk *desk;
	uint64_t number;	/* of the last question to be learned about */
	uint64_t asked_number;
	unsigned int answers, asked, records, generations, forgotten;
	unsigned int programs;	/* how often one was wanted */
	uint32_t facts;		/* ... and what of it */
	enum program_wait program_wait;	/* what comes of that */
	char path[32];		/* in the last record */
	char command_line[32];
	uint32_t generation;	/* that the kernel was told */
	uint32_t events;	/* so were these, how often, and when */
	unsigned int event_sets, generations_before;
	uint64_t now_us;	/* when a cached answer is out */
	uint32_t latency_us;
	bool foreign, asked_foreign;
	struct answer answer;
	bool deaf;		/* the server takes no question */
	unsigned int scripts_forgotten;
	uint32_t classes;	/* of the last that was asked or recorded */
	char script[64];
	Sockgate__Evidence script_evidence;
	Sockgate__Outcome outcome;
	uint8_t reason;
	Sockgate__Action effect;
	struct failure_table failures;
} w;

static void on_answer(const struct answer *answer, void *arg)
{
	(void)arg;
	w.answers++;
	w.answer = *answer;
}

static void on_identify(uint64_t number, const struct ask *ask, void *arg)
{
	(void)ask;
	(void)arg;
	w.number = number;
}

static enum program_wait on_program(uint64_t number, const struct ask *ask, uint32_t facts,
				    struct identity *id, void *arg)
{
	(void)number;
	(void)ask;
	(void)id;
	(void)arg;
	w.programs++;
	w.facts = facts;
	return w.program_wait;
}

static void on_forget(uint64_t number, const struct ask *ask, void *arg)
{
	(void)number;
	(void)ask;
	(void)arg;
	w.forgotten++;
}

static void on_resolve(uint64_t number, uint32_t uid, void *arg)
{
	(void)number;
	(void)uid;
	(void)arg;
}

static void note_program(const Sockgate__Process *p)
{
	w.classes = p->classes;
	w.script_evidence = p->script_evidence;
	snprintf(w.script, sizeof(w.script), "%s", p->script);
	assert_int_equal(p->script_sha256.len, p->script_evidence ==
			 SOCKGATE__EVIDENCE__EVIDENCE_CONTENT ? HASH_SIZE : 0);
}

static int on_ask(uint64_t number, Sockgate__Question *question, void *arg)
{
	(void)arg;
	assert_non_null(question->process);
	if (w.deaf)
		return -1;
	w.asked++;
	w.asked_foreign = question->process->foreign_path;
	note_program(question->process);
	w.asked_number = number;
	return 0;
}

static void on_events(uint32_t events, void *arg)
{
	(void)arg;
	w.events = events;
	w.event_sets++;
	w.generations_before = w.generations;
}

static void on_generation(uint32_t generation, void *arg)
{
	(void)arg;
	w.generation = generation;
	w.generations++;
}

static void on_record(const struct ending *ending, void *arg)
{
	(void)arg;
	w.records++;
	w.outcome = ending->outcome;
	w.reason = ending->reason;
	w.effect = ending->effect;
	w.latency_us = ending->latency_us;
	snprintf(w.path, sizeof(w.path), "%s", ending->process->path);
	w.foreign = ending->process->foreign_path;
	snprintf(w.command_line, sizeof(w.command_line), "%s",
		 ending->process->command_line);
	note_program(ending->process);
}

static void on_forget_script(uint64_t number, const struct sockgate_file *file, void *arg)
{
	(void)number;
	(void)arg;
	assert_int_equal(file->ino, 8);
	w.scripts_forgotten++;
}

static uint64_t on_now_us(void *arg)
{
	(void)arg;
	return w.now_us;
}

static const struct desk_ports ports = {
	on_answer, on_identify, on_program, on_forget, on_resolve, on_ask, on_events,
	on_generation, on_record, on_now_us, on_forget_script,
};

static struct program *a_program(const char *line, uint32_t classes)
{
	struct program *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->fd = -1;
	p->classes = classes;
	p->command_line = strdup(line);
	return p;
}

/* Any file does: what is in it is somebody else's to say. */
static struct program *a_script(void)
{
	struct program *p = a_program("sh x.sh", CLASS(SCRIPT));

	p->script = strdup("/x.sh");
	p->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(p->fd >= 0);
	p->file.ino = 8;
	return p;
}

static struct moment at(uint64_t ms)
{
	return (struct moment){ .us = ms * 1000 };
}

static int start(void **state)
{
	static const struct desk_conf conf = {
		.deadline_ms = 5000, .user_wait_ms = 200, .mark_mask = 0xff00,
		.max_questions = 2, .max_decisions = 8,
		.cache_in_agent = true, .cache_in_kernel = true,
		.failures = &w.failures,
	};

	(void)state;
	memset(&w, 0, sizeof(w));
	w.desk = desk_new(&conf, &ports, NULL, 1);
	if (!w.desk)
		return -1;
	desk_policy(w.desk, GENERATION, 0, 0, true);
	desk_server(w.desk, SERVER_UP, at(0));
	return 0;
}

static int stop(void **state)
{
	(void)state;
	desk_free(w.desk);
	return 0;
}

static struct ask an_ask(uint64_t id)
{
	return (struct ask){
		.id = id,
		.exe = { .ino = 7, .ctime_ns = 99, .size = 10, .dev = 1 },
		.process = { .start_ns = 5, .exec_id = 1, .pid = 100 },
		.raddr = { 10, 1, 2, 3 }, .raddr_len = 4, .rport = 443,
		.uid = 1000, .remaining_ms = 10000,
		.event = SOCKGATE_EVENT_CONNECT, .family = AF_INET,
		.protocol = IPPROTO_TCP,
	};
}

static struct identity *an_identity(void)
{
	struct identity *id = identity_blank();

	assert_non_null(id);
	id->facts.path = strdup("/usr/bin/curl");
	id->facts.command_line = strdup("curl -v");
	assert_non_null(id->facts.path);
	id->hashed = true;
	id->hash.evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
	memset(id->hash.sha256, 0xab, HASH_SIZE);
	return id;
}

/* The kernel could not tell them. */
static struct identity *without_arguments(void)
{
	struct identity *id = an_identity();

	free(id->facts.command_line);
	id->facts.command_line = NULL;
	return id;
}

static const struct user alice = { "alice", "corp.example" };

/* From the kernel's question to the server's. */
static void ask_and_learn(uint64_t id, uint64_t ms)
{
	struct ask ask = an_ask(id);

	desk_ask(w.desk, &ask, at(ms));
	desk_resolved(w.desk, w.number, &alice, at(ms));
	desk_identified(w.desk, w.number, an_identity(), at(ms));
}

static Sockgate__Decision a_decision(Sockgate__Action action)
{
	Sockgate__Decision d = SOCKGATE__DECISION__INIT;

	d.action = action;
	d.error = action == SOCKGATE__ACTION__ACTION_DENY ? ECONNREFUSED : 0;
	d.lifetime_ms = 60000;
	d.fields = SOCKGATE__FIELD__FIELD_CONTENT;
	d.generation = GENERATION;
	return d;
}

static void test_allowed(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_ALLOW);

	(void)state;
	d.tag = 0x12;
	ask_and_learn(42, 0);
	assert_int_equal(w.asked, 1);
	assert_int_equal(w.answers, 0);
	desk_decided(w.desk, w.asked_number, &d, at(3));
	assert_int_equal(w.answers, 1);
	assert_int_equal(w.answer.id, 42);
	assert_int_equal(w.answer.action, SOCKGATE_ACTION_ALLOW);
	assert_int_equal(w.answer.tag, 0x1200);
	assert_int_equal(w.answer.lifetime_ms, 60000);
	assert_int_equal(w.answer.scope.fields, SOCKGATE_F_EXE);
	assert_int_equal(w.outcome, SOCKGATE__OUTCOME__OUTCOME_SERVER);
	assert_int_equal(w.effect, SOCKGATE__ACTION__ACTION_ALLOW);
	/* A second answer finds nobody. */
	desk_decided(w.desk, w.asked_number, &d, at(4));
	assert_int_equal(w.answers, 1);
	assert_int_equal(desk_counts(w.desk)->late, 1);
}

static void test_denied(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_DENY);

	(void)state;
	ask_and_learn(1, 0);
	desk_decided(w.desk, w.asked_number, &d, at(3));
	assert_int_equal(w.answer.action, SOCKGATE_ACTION_DENY);
	assert_int_equal(w.answer.error, ECONNREFUSED);
	assert_int_equal(w.effect, SOCKGATE__ACTION__ACTION_DENY);
}

/* A decision that says nothing must not open the gate. */
static void test_decision_without_action(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_UNSPEC);

	(void)state;
	ask_and_learn(1, 0);
	desk_decided(w.desk, w.asked_number, &d, at(3));
	assert_int_equal(w.answer.action, SOCKGATE_ACTION_FAIL);
	assert_int_equal(w.answer.reason, SOCKGATE_REASON_BAD_ANSWER);
}

static void test_second_question_is_answered_from_the_cache(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_ALLOW);
	struct ask ask = an_ask(2);

	(void)state;
	ask_and_learn(1, 0);
	desk_decided(w.desk, w.asked_number, &d, at(3));
	assert_int_equal(w.latency_us, 3000);
	w.now_us = 1003007;
	desk_ask(w.desk, &ask, at(1003));
	assert_int_equal(w.asked, 1);
	assert_int_equal(w.answers, 2);
	assert_int_equal(w.answer.id, 2);
	/* The kernel keeps it for what is left, not for longer. */
	assert_int_equal(w.answer.lifetime_ms, 59000);
	desk_flush(w.desk);
	assert_int_equal(w.records, 2);
	assert_int_equal(w.outcome, SOCKGATE__OUTCOME__OUTCOME_AGENT_CACHE);
	assert_int_equal(w.latency_us, 7);
	assert_int_equal(w.effect, SOCKGATE__ACTION__ACTION_ALLOW);
	/* Another policy: what was cached is void. */
	desk_policy(w.desk, GENERATION + 1, 0, 0, false);
	assert_int_equal(w.generations, 2);
	desk_ask(w.desk, &ask, at(1004));
	assert_int_equal(w.answers, 2);
}

static void test_foreign_path_is_told(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_ALLOW);
	struct identity *id = an_identity();
	struct ask ask = an_ask(1);

	(void)state;
	id->facts.foreign = true;
	desk_ask(w.desk, &ask, at(0));
	desk_resolved(w.desk, w.number, &alice, at(0));
	desk_identified(w.desk, w.number, id, at(0));
	assert_true(w.asked_foreign);
	desk_decided(w.desk, w.asked_number, &d, at(1));
	assert_true(w.foreign);
	w.foreign = false;
	desk_ask(w.desk, &ask, at(2));
	desk_flush(w.desk);
	assert_int_equal(w.records, 2);
	assert_true(w.foreign);
}

static void test_failed_decision_is_not_remembered(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_DENY);
	struct ask ask = an_ask(2);

	(void)state;
	d.failed = true;
	ask_and_learn(1, 0);
	desk_decided(w.desk, w.asked_number, &d, at(3));
	assert_int_equal(w.answer.lifetime_ms, 0);
	desk_ask(w.desk, &ask, at(4));
	assert_int_equal(w.answers, 1);
}

static void test_server_away(void **state)
{
	(void)state;
	desk_server(w.desk, SERVER_AWAY, at(0));
	ask_and_learn(1, 0);
	assert_int_equal(w.answers, 1);
	assert_int_equal(w.answer.action, SOCKGATE_ACTION_FAIL);
	assert_int_equal(w.answer.reason, SOCKGATE_REASON_SERVER_AWAY);
	assert_int_equal(w.outcome, SOCKGATE__OUTCOME__OUTCOME_FAILURE);
}

/* A failure is no refusal where the kernel's row lets the caller through. */
static void test_effect_of_a_failure(void **state)
{
	const struct sockgate_failure row = {
		.reason = SOCKGATE_REASON_SERVER_AWAY,
		.action = SOCKGATE_ACTION_ALLOW,
	};

	(void)state;
	desk_server(w.desk, SERVER_AWAY, at(0));
	ask_and_learn(1, 0);
	assert_int_equal(w.effect, SOCKGATE__ACTION__ACTION_DENY);
	failure_set_rows(&w.failures, &row, sizeof(row));
	ask_and_learn(2, 0);
	assert_int_equal(w.effect, SOCKGATE__ACTION__ACTION_ALLOW);
}

static void test_lost_connection_asks_again(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_ALLOW);

	(void)state;
	ask_and_learn(1, 0);
	desk_server(w.desk, SERVER_AWAY, at(10));
	assert_int_equal(w.answers, 0);
	desk_server(w.desk, SERVER_UP, at(20));
	assert_int_equal(w.asked, 2);
	desk_decided(w.desk, w.asked_number, &d, at(30));
	assert_int_equal(w.answer.action, SOCKGATE_ACTION_ALLOW);
	assert_int_equal(desk_counts(w.desk)->asked_again, 1);
}

static void test_silent_server(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_ALLOW);

	(void)state;
	ask_and_learn(1, 0);
	assert_true(desk_tick(w.desk, at(4999)));
	assert_int_equal(w.answers, 0);
	desk_tick(w.desk, at(5000));
	assert_int_equal(w.answers, 1);
	assert_int_equal(w.answer.reason, SOCKGATE_REASON_SERVER_AWAY);
	desk_decided(w.desk, w.asked_number, &d, at(5001));
	assert_int_equal(w.answers, 1);
	assert_int_equal(desk_pending(w.desk), 0);
}

static void test_kernels_deadline_is_kept(void **state)
{
	struct ask ask = an_ask(1);

	(void)state;
	ask.remaining_ms = 1000;
	desk_ask(w.desk, &ask, at(0));
	desk_resolved(w.desk, w.number, &alice, at(0));
	desk_identified(w.desk, w.number, an_identity(), at(0));
	desk_tick(w.desk, at(1000 - DESK_MARGIN_MS));
	assert_int_equal(w.answers, 1);
}

static void test_old_generation_is_asked_again(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_ALLOW);

	(void)state;
	ask_and_learn(1, 0);
	desk_policy(w.desk, GENERATION + 1, 0, 0, false);
	desk_decided(w.desk, w.asked_number, &d, at(1));
	assert_int_equal(w.answers, 0);
	assert_int_equal(w.asked, 2);
	d.generation = GENERATION + 1;
	desk_decided(w.desk, w.asked_number, &d, at(2));
	assert_int_equal(w.answers, 1);
	assert_int_equal(w.answer.action, SOCKGATE_ACTION_ALLOW);
}

static void test_events_before_the_generation(void **state)
{
	(void)state;
	/* Told at the start, whatever the kernel had. */
	assert_int_equal(w.event_sets, 1);
	assert_int_equal(w.generations_before, 0);
	desk_policy(w.desk, GENERATION + 1, 1U << SOCKGATE_EVENT_ACCEPT, 0, false);
	assert_int_equal(w.events, 1U << SOCKGATE_EVENT_ACCEPT);
	assert_int_equal(w.generations_before, 1);
	assert_int_equal(w.generations, 2);
	desk_policy(w.desk, GENERATION + 1, 1U << SOCKGATE_EVENT_ACCEPT, 0, false);
	assert_int_equal(w.event_sets, 2);
	assert_int_equal(w.generations, 2);
	desk_policy(w.desk, GENERATION + 2, 0, 0, false);
	assert_int_equal(w.events, 0);
	assert_int_equal(w.generations_before, 2);
}

/* A decision was faster than the announcement of its policy. */
static void test_events_after_their_generation(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_ALLOW);

	(void)state;
	ask_and_learn(1, 0);
	d.generation = GENERATION + 1;
	desk_decided(w.desk, w.asked_number, &d, at(1));
	assert_int_equal(w.events, 0);
	desk_policy(w.desk, GENERATION + 1, 1U << SOCKGATE_EVENT_BIND, 0, false);
	assert_int_equal(w.events, 1U << SOCKGATE_EVENT_BIND);
}

static void test_events_stay_without_server(void **state)
{
	(void)state;
	desk_policy(w.desk, GENERATION + 1, 1U << SOCKGATE_EVENT_CLOSE, 0, false);
	desk_server(w.desk, SERVER_AWAY, at(1));
	assert_int_equal(w.event_sets, 2);
	assert_int_equal(w.events, 1U << SOCKGATE_EVENT_CLOSE);
}

static void test_slow_directory_is_not_waited_for(void **state)
{
	struct ask ask = an_ask(1);

	(void)state;
	desk_ask(w.desk, &ask, at(0));
	desk_identified(w.desk, w.number, an_identity(), at(0));
	desk_tick(w.desk, at(199));
	assert_int_equal(w.asked, 0);
	desk_tick(w.desk, at(200));
	assert_int_equal(w.asked, 1);
	assert_int_equal(desk_counts(w.desk)->no_user, 1);
}

/* The identity comes when the timer is set already: then the wait is no longer. */
static void test_slow_directory_and_late_identity(void **state)
{
	struct ask ask = an_ask(1);

	(void)state;
	desk_ask(w.desk, &ask, at(0));
	assert_int_equal(desk_tick(w.desk, at(25)), 75000);
	assert_int_equal(desk_tick(w.desk, at(100)), 100000);
	w.program_wait = PROGRAM_FOR_RECORD;
	desk_identified(w.desk, w.number, without_arguments(), at(160));
	assert_int_equal(w.asked, 0);
	desk_tick(w.desk, at(200));
	assert_int_equal(w.asked, 1);
}

static void test_nothing_learned_is_unverifiable(void **state)
{
	struct ask ask = an_ask(1);

	(void)state;
	desk_ask(w.desk, &ask, at(0));
	desk_resolved(w.desk, w.number, &alice, at(0));
	desk_identified(w.desk, w.number, NULL, at(0));
	assert_int_equal(w.asked, 0);
	assert_int_equal(w.answer.reason, SOCKGATE_REASON_UNVERIFIABLE);
}

/* Not for a policy to guess by its name: the kernel's row says what happens. */
static void test_without_content_is_unverifiable(void **state)
{
	const Sockgate__Evidence none[] = {
		SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE,
		SOCKGATE__EVIDENCE__EVIDENCE_UNSTABLE,
		SOCKGATE__EVIDENCE__EVIDENCE_TOO_LARGE,
	};
	struct identity *id;
	struct ask ask;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		id = an_identity();
		id->hash.evidence = none[i];
		ask = an_ask(i + 1);
		desk_ask(w.desk, &ask, at(0));
		/* The user's name is not waited for. */
		desk_identified(w.desk, w.number, id, at(0));
		assert_int_equal(w.answers, i + 1);
		assert_int_equal(w.answer.action, SOCKGATE_ACTION_FAIL);
		assert_int_equal(w.answer.reason,
				 SOCKGATE_REASON_UNVERIFIABLE);
		assert_string_equal(w.path, "/usr/bin/curl");
	}
	assert_int_equal(w.asked, 0);
}

static void test_questions_are_bounded(void **state)
{
	struct ask ask;

	(void)state;
	for (uint64_t id = 1; id <= 3; id++) {
		ask = an_ask(id);
		desk_ask(w.desk, &ask, at(0));
	}
	assert_int_equal(w.answers, 1);
	assert_int_equal(w.answer.id, 3);
	assert_int_equal(w.answer.reason, SOCKGATE_REASON_TABLE_FULL);
	assert_int_equal(w.records, 1);
	assert_int_equal(w.reason, SOCKGATE_REASON_TABLE_FULL);
	assert_int_equal(w.effect, SOCKGATE__ACTION__ACTION_DENY);
}

static void test_tag_that_does_not_fit(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_ALLOW);

	(void)state;
	d.tag = 0x100;
	ask_and_learn(1, 0);
	desk_decided(w.desk, w.asked_number, &d, at(1));
	assert_int_equal(w.answer.reason, SOCKGATE_REASON_BAD_ANSWER);
}

/* A remembered tag is in the old place: it is decided again. */
static void test_mask_changed_by_an_administrator(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_ALLOW);
	unsigned int before;

	(void)state;
	d.tag = 0x12;
	ask_and_learn(1, 0);
	desk_decided(w.desk, w.asked_number, &d, at(1));
	before = w.generations;
	desk_mark_mask(w.desk, 0xff00);
	assert_int_equal(w.generations, before);
	desk_mark_mask(w.desk, 0xff000000);
	assert_int_equal(w.generations, before + 1);
	ask_and_learn(2, 2);
	assert_int_equal(w.asked, 2);
	desk_decided(w.desk, w.asked_number, &d, at(3));
	assert_int_equal(w.answer.tag, 0x12000000);
}

/* A server that never catches up with its own policy. */
static void test_old_generation_for_ever(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_ALLOW);

	(void)state;
	ask_and_learn(1, 0);
	desk_policy(w.desk, GENERATION + 1, 0, 0, false);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(w.answers, 0);
		desk_decided(w.desk, w.asked_number, &d, at(1));
	}
	assert_int_equal(w.answers, 1);
	assert_int_equal(w.answer.reason, SOCKGATE_REASON_BAD_ANSWER);
}

/* The decision is by a policy that has not been announced yet. */
static void test_newer_generation_is_taken(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_ALLOW);

	(void)state;
	ask_and_learn(1, 0);
	d.generation = GENERATION + 1;
	desk_decided(w.desk, w.asked_number, &d, at(1));
	assert_int_equal(w.answer.action, SOCKGATE_ACTION_ALLOW);
	assert_int_equal(w.answer.generation, w.generation);
	assert_int_equal(w.generations, 2);
}

static void test_decision_on_unknown_user_is_not_remembered(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_DENY);
	struct ask ask = an_ask(1);

	(void)state;
	d.fields = SOCKGATE__FIELD__FIELD_USER;
	desk_ask(w.desk, &ask, at(0));
	desk_identified(w.desk, w.number, an_identity(), at(0));
	desk_tick(w.desk, at(200));
	desk_decided(w.desk, w.asked_number, &d, at(201));
	assert_int_equal(w.answers, 1);
	assert_int_equal(w.answer.lifetime_ms, 0);
	assert_int_equal(desk_recall_counts(w.desk).decisions, 0);
}

/* Another change of the file could hide behind the same key. */
static void test_decision_on_a_fresh_file_is_not_remembered(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_ALLOW);
	struct identity *id = an_identity();
	struct ask ask = an_ask(1);

	(void)state;
	id->hash.unsettled = true;
	desk_ask(w.desk, &ask, at(0));
	desk_resolved(w.desk, w.number, &alice, at(0));
	desk_identified(w.desk, w.number, id, at(0));
	desk_decided(w.desk, w.asked_number, &d, at(1));
	assert_int_equal(w.answer.action, SOCKGATE_ACTION_ALLOW);
	assert_int_equal(w.answer.lifetime_ms, 0);
}

static void test_error_in_place_of_a_decision(void **state)
{
	(void)state;
	ask_and_learn(1, 0);
	desk_decided(w.desk, w.asked_number, NULL, at(1));
	assert_int_equal(w.answer.reason, SOCKGATE_REASON_BAD_ANSWER);
}

/* A connection is being made: a new question waits for it, but not for ever. */
static void test_waits_for_a_connection_being_made(void **state)
{
	(void)state;
	desk_server(w.desk, SERVER_AWAY, at(0));
	desk_server(w.desk, SERVER_CONNECTING, at(0));
	ask_and_learn(1, 0);
	assert_int_equal(w.answers, 0);
	desk_server(w.desk, SERVER_UP, at(50));
	assert_int_equal(w.asked, 1);
	desk_server(w.desk, SERVER_CONNECTING, at(60));
	ask_and_learn(2, 60);
	desk_server(w.desk, SERVER_AWAY, at(70));
	/* The new one is told at once; the one that was asked hopes on. */
	assert_int_equal(w.answers, 1);
	assert_int_equal(w.answer.id, 2);
	desk_tick(w.desk, at(5000));
	assert_int_equal(w.answers, 2);
	assert_int_equal(w.answer.id, 1);
	assert_int_equal(w.answer.reason, SOCKGATE_REASON_SERVER_AWAY);
}

/* What it keeps from being read costs nobody but itself. */
static void test_a_program_that_hides(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_ALLOW);
	struct ask ask = an_ask(1);

	(void)state;
	desk_ask(w.desk, &ask, at(0));
	desk_resolved(w.desk, w.number, &alice, at(0));
	w.program_wait = PROGRAM_FOR_POLICY;
	desk_identified(w.desk, w.number, without_arguments(), at(0));
	assert_int_equal(w.programs, 1);
	/* By then it is known whether more than the record lacks it. */
	assert_int_equal(desk_tick(w.desk, at(DESK_ARGUMENTS_MS - 1)), 1000);
	desk_tick(w.desk, at(DESK_ARGUMENTS_MS));
	assert_int_equal(desk_tick(w.desk, at(DESK_PROGRAM_MS - 1)), 1000);
	assert_int_equal(w.asked, 0);
	desk_tick(w.desk, at(DESK_PROGRAM_MS));
	assert_int_equal(w.asked, 1);
	/* In time for the record they may still be. */
	assert_int_equal(w.classes, 0);
	desk_program(w.desk, w.number, a_program("late", CLASS(BINARY)), NULL, at(1150));
	desk_decided(w.desk, w.asked_number, &d, at(1200));
	assert_int_equal(w.answer.action, SOCKGATE_ACTION_ALLOW);
	assert_string_equal(w.command_line, "late");
	/* Then they are nobody's. */
	desk_program(w.desk, w.number, a_program("too late", 0), NULL, at(1300));
}

static const struct hash_result of_script = {
	.evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT,
	.sha256 = { 0xcd },
};

static const struct hash_result of_executable = {
	.evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT,
	.sha256 = { 0xab },
};

/* Whichever comes first: the server hears of all three. */
static void test_a_script_is_waited_for(void **state)
{
	struct desk_script script;
	struct ask ask = an_ask(1);

	(void)state;
	w.program_wait = PROGRAM_FOR_POLICY;
	for (unsigned int order = 0; order < 2; order++) {
		struct identity *id = an_identity();

		id->hashed = order;
		desk_ask(w.desk, &ask, at(0));
		desk_resolved(w.desk, w.number, &alice, at(0));
		desk_identified(w.desk, w.number, id, at(0));
		assert_true(desk_program(w.desk, w.number, a_script(), &script, at(0)));
		assert_int_equal(script.uid, 1000);
		assert_int_equal(script.file.ino, 8);
		assert_int_equal(close(script.fd), 0);
		if (!order)
			desk_hashed(w.desk, w.number, &of_executable, at(0));
		desk_tick(w.desk, at(DESK_PROGRAM_MS + 1));
		assert_int_equal(w.asked, order);
		desk_script(w.desk, w.number, &of_script, at(1200));
		assert_int_equal(w.asked, order + 1);
		assert_string_equal(w.script, "/x.sh");
		assert_int_equal(w.script_evidence, SOCKGATE__EVIDENCE__EVIDENCE_CONTENT);
		assert_int_equal(w.scripts_forgotten, 0);
	}
}

/* The executable is known: what a script lacks is for the policy to judge. */
static void test_a_script_that_takes_too_long(void **state)
{
	struct desk_script script;
	struct ask ask = an_ask(1);

	(void)state;
	desk_ask(w.desk, &ask, at(0));
	desk_resolved(w.desk, w.number, &alice, at(0));
	w.program_wait = PROGRAM_FOR_POLICY;
	desk_identified(w.desk, w.number, an_identity(), at(0));
	assert_true(desk_program(w.desk, w.number, a_script(), &script, at(0)));
	close(script.fd);
	desk_tick(w.desk, at(5000 - DESK_SERVER_MS));
	assert_int_equal(w.asked, 1);
	assert_int_equal(w.classes, CLASS(SCRIPT));
	assert_int_equal(w.script_evidence, SOCKGATE__EVIDENCE__EVIDENCE_UNSPEC);
	desk_tick(w.desk, at(5000));
	assert_int_equal(w.answers, 1);
	assert_int_equal(w.scripts_forgotten, 1);
}

static void test_a_script_that_cannot_be_read(void **state)
{
	struct program *program = a_program("sh -", CLASS(SCRIPT) | CLASS(UNVERIFIABLE));
	struct desk_script script;
	struct ask ask = an_ask(1);

	(void)state;
	desk_ask(w.desk, &ask, at(0));
	desk_resolved(w.desk, w.number, &alice, at(0));
	w.program_wait = PROGRAM_FOR_POLICY;
	desk_identified(w.desk, w.number, an_identity(), at(0));
	assert_false(desk_program(w.desk, w.number, program, &script, at(0)));
	assert_int_equal(w.asked, 1);
	assert_int_equal(w.script_evidence, SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE);
}

/* For the record alone nobody is kept waiting so long. */
static void test_arguments_that_hang(void **state)
{
	struct ask ask = an_ask(1);

	(void)state;
	desk_ask(w.desk, &ask, at(0));
	desk_resolved(w.desk, w.number, &alice, at(0));
	w.program_wait = PROGRAM_FOR_RECORD;
	desk_identified(w.desk, w.number, without_arguments(), at(0));
	assert_int_equal(desk_tick(w.desk, at(DESK_ARGUMENTS_MS - 1)), 1000);
	assert_int_equal(w.asked, 0);
	desk_tick(w.desk, at(DESK_ARGUMENTS_MS));
	assert_int_equal(w.asked, 1);
}

/* One that nobody asked for yet is not taken. */
static void test_a_program_before_the_identity(void **state)
{
	struct ask ask = an_ask(1);

	(void)state;
	desk_ask(w.desk, &ask, at(0));
	desk_resolved(w.desk, w.number, &alice, at(0));
	assert_false(desk_program(w.desk, w.number, a_script(), NULL, at(0)));
	w.program_wait = PROGRAM_FOR_POLICY;
	desk_identified(w.desk, w.number, an_identity(), at(0));
	assert_int_equal(w.asked, 0);
	desk_program(w.desk, w.number, a_program("curl", CLASS(BINARY)), NULL, at(1));
	assert_int_equal(w.asked, 1);
	assert_int_equal(w.classes, CLASS(BINARY));
}

/* A policy looks at more than the one before, which a question was learned for. */
static void test_more_is_asked_for(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_DENY);
	struct ask ask = an_ask(1);

	(void)state;
	w.program_wait = PROGRAM_FOR_POLICY;
	desk_policy(w.desk, GENERATION, 0, 2, false);
	desk_ask(w.desk, &ask, at(0));
	desk_resolved(w.desk, w.number, &alice, at(0));
	desk_identified(w.desk, w.number, an_identity(), at(0));
	assert_int_equal(w.facts, 2);
	desk_program(w.desk, w.number, a_program("curl", CLASS(BINARY)), NULL, at(0));
	assert_int_equal(w.asked, 1);
	desk_policy(w.desk, GENERATION + 1, 0, 3, false);
	/* What the rules lacked may be that. */
	d.generation = GENERATION + 1;
	d.failed = true;
	desk_decided(w.desk, w.asked_number, &d, at(1));
	assert_int_equal(w.answers, 0);
	assert_int_equal(w.programs, 2);
	assert_int_equal(w.facts, 3);
	assert_int_equal(w.asked, 1);
	desk_program(w.desk, w.number, a_program("curl", CLASS(BINARY) | CLASS(JIT)), NULL,
		     at(2));
	assert_int_equal(w.asked, 2);
	assert_int_equal(w.classes, CLASS(BINARY) | CLASS(JIT));
	/* It has all of it now: what it lacks still, it lacks. */
	desk_decided(w.desk, w.asked_number, &d, at(3));
	assert_int_equal(w.programs, 2);
	assert_int_equal(w.answers, 1);
	assert_int_equal(w.answer.action, SOCKGATE_ACTION_DENY);
}

static void test_less_is_asked_for(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_DENY);

	(void)state;
	desk_policy(w.desk, GENERATION, 0, 3, false);
	ask_and_learn(1, 0);
	desk_policy(w.desk, GENERATION + 1, 0, 1, false);
	d.generation = GENERATION + 1;
	d.failed = true;
	desk_decided(w.desk, w.asked_number, &d, at(1));
	assert_int_equal(w.programs, 1);
	assert_int_equal(w.answers, 1);
	ask_and_learn(2, 2);
	assert_int_equal(w.facts, 1);
}

static void test_a_program_that_nobody_reads(void **state)
{
	struct ask ask = an_ask(1);

	(void)state;
	desk_ask(w.desk, &ask, at(0));
	desk_resolved(w.desk, w.number, &alice, at(0));
	desk_identified(w.desk, w.number, without_arguments(), at(0));
	assert_int_equal(w.programs, 1);
	assert_int_equal(w.asked, 1);
	/* It is not waited for, and so not taken. */
	assert_false(desk_program(w.desk, w.number, a_program("of somebody", CLASS(BINARY)),
				  NULL, at(1)));
	assert_int_equal(w.classes, 0);
}

static void test_a_program_with_the_identity(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_ALLOW);

	(void)state;
	ask_and_learn(1, 0);
	assert_int_equal(w.asked, 1);
	desk_decided(w.desk, w.asked_number, &d, at(1));
	assert_string_equal(w.command_line, "curl -v");
}

/* A channel whose buffer is full takes the question later. */
static void test_deaf_server(void **state)
{
	(void)state;
	w.deaf = true;
	ask_and_learn(1, 0);
	assert_int_equal(w.asked, 0);
	assert_int_equal(w.answers, 0);
	w.deaf = false;
	desk_server(w.desk, SERVER_UP, at(10));
	assert_int_equal(w.asked, 1);
}

static void ask_and_learn_path(uint64_t id)
{
	struct identity *known = an_identity();
	struct ask ask = an_ask(id);

	known->hashed = false;
	desk_ask(w.desk, &ask, at(0));
	desk_resolved(w.desk, w.number, &alice, at(0));
	assert_true(desk_identified(w.desk, w.number, known, at(0)));
	assert_int_equal(w.asked, 0);
}

/* It is waited for as long as a server could still answer. */
static void test_slow_hash(void **state)
{
	struct hash_result hash = {
		.evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT,
	};
	const uint64_t last = 5000 - DESK_SERVER_MS;

	(void)state;
	ask_and_learn_path(1);
	assert_int_equal(desk_tick(w.desk, at(last - 1)), 1000);
	assert_int_equal(w.answers, 0);
	desk_hashed(w.desk, w.number, &hash, at(last - 1));
	assert_int_equal(w.asked, 1);
	assert_int_equal(w.forgotten, 0);
	/* A second one is nobody's. */
	desk_hashed(w.desk, w.number, &hash, at(last));
	assert_int_equal(w.asked, 1);
}

/* What was learned before is told, and nobody hashes on for this one. */
static void test_hash_that_does_not_come(void **state)
{
	struct hash_result hash = {
		.evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT,
	};

	(void)state;
	ask_and_learn_path(1);
	desk_tick(w.desk, at(5000 - DESK_SERVER_MS));
	assert_int_equal(w.answers, 1);
	assert_int_equal(w.answer.reason, SOCKGATE_REASON_DEADLINE);
	assert_string_equal(w.path, "/usr/bin/curl");
	assert_int_equal(w.forgotten, 1);
	/* What comes after that is thrown away. */
	desk_hashed(w.desk, w.number, &hash, at(5000));
	assert_false(desk_identified(w.desk, w.number, an_identity(),
				     at(5000)));
	assert_int_equal(w.answers, 1);
}

/* Once, while the server has the question, and by the hash that it was told. */
static void test_file_of_a_question(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_ALLOW);
	uint8_t hash[HASH_SIZE], other[HASH_SIZE] = { 0 };
	struct identity *id = an_identity();
	struct ask ask = an_ask(1);
	struct sockgate_file file;
	unsigned int open_files = 1;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	memset(hash, 0xab, sizeof(hash));
	ask.exe.size = 77;
	id->fd = fd;
	id->open = &open_files;
	desk_ask(w.desk, &ask, at(0));
	desk_identified(w.desk, w.number, id, at(0));
	assert_int_equal(desk_take_file(w.desk, w.number, hash, &file), -1);
	desk_resolved(w.desk, w.number, &alice, at(0));
	assert_int_equal(w.asked, 1);
	assert_int_equal(desk_take_file(w.desk, w.asked_number, other, &file), -1);
	assert_int_equal(desk_take_file(w.desk, w.asked_number + 1, hash, &file), -1);
	assert_int_equal(desk_take_file(w.desk, w.asked_number, hash, &file), fd);
	assert_int_equal(file.size, 77);
	assert_int_equal(open_files, 0);
	assert_int_equal(desk_take_file(w.desk, w.asked_number, hash, &file), -1);
	desk_decided(w.desk, w.asked_number, &d, at(1));
	assert_int_equal(close(fd), 0);
}

static void test_file_is_closed_with_its_question(void **state)
{
	Sockgate__Decision d = a_decision(SOCKGATE__ACTION__ACTION_ALLOW);
	struct identity *id = an_identity();
	struct ask ask = an_ask(1);
	unsigned int open_files = 1;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	id->fd = fd;
	id->open = &open_files;
	desk_ask(w.desk, &ask, at(0));
	desk_resolved(w.desk, w.number, &alice, at(0));
	desk_identified(w.desk, w.number, id, at(0));
	desk_decided(w.desk, w.asked_number, &d, at(1));
	assert_int_equal(open_files, 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

#define desk_test(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		desk_test(test_allowed),
		desk_test(test_denied),
		desk_test(test_decision_without_action),
		desk_test(test_second_question_is_answered_from_the_cache),
		desk_test(test_foreign_path_is_told),
		desk_test(test_failed_decision_is_not_remembered),
		desk_test(test_server_away),
		desk_test(test_effect_of_a_failure),
		desk_test(test_lost_connection_asks_again),
		desk_test(test_silent_server),
		desk_test(test_kernels_deadline_is_kept),
		desk_test(test_old_generation_is_asked_again),
		desk_test(test_events_before_the_generation),
		desk_test(test_events_after_their_generation),
		desk_test(test_events_stay_without_server),
		desk_test(test_slow_directory_is_not_waited_for),
		desk_test(test_slow_directory_and_late_identity),
		desk_test(test_nothing_learned_is_unverifiable),
		desk_test(test_without_content_is_unverifiable),
		desk_test(test_questions_are_bounded),
		desk_test(test_tag_that_does_not_fit),
		desk_test(test_mask_changed_by_an_administrator),
		desk_test(test_old_generation_for_ever),
		desk_test(test_newer_generation_is_taken),
		desk_test(test_decision_on_unknown_user_is_not_remembered),
		desk_test(test_decision_on_a_fresh_file_is_not_remembered),
		desk_test(test_error_in_place_of_a_decision),
		desk_test(test_waits_for_a_connection_being_made),
		desk_test(test_a_program_that_hides),
		desk_test(test_arguments_that_hang),
		desk_test(test_a_script_is_waited_for),
		desk_test(test_a_script_that_takes_too_long),
		desk_test(test_a_script_that_cannot_be_read),
		desk_test(test_a_program_that_nobody_reads),
		desk_test(test_a_program_before_the_identity),
		desk_test(test_more_is_asked_for),
		desk_test(test_less_is_asked_for),
		desk_test(test_a_program_with_the_identity),
		desk_test(test_deaf_server),
		desk_test(test_slow_hash),
		desk_test(test_hash_that_does_not_come),
		desk_test(test_file_of_a_question),
		desk_test(test_file_is_closed_with_its_question),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
