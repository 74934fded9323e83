// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each question of the kernel is answered exactly once: whoever takes it out
 * of desk->questions (finish()) answers it.  What comes back later, from a
 * thread or from the server, names it by number and finds nothing.
 */
#include "desk.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "wire.h"

/* A server that keeps deciding by an old policy is not understood. */
#define MAX_TRIES 5

enum question_state {
	LEARNING,		/* who is it? */
	ASKED,			/* the server has it */
	WAITING,		/* for a connection */
};

struct question {
	uint64_t number;
	struct ask ask;
	struct moment begun;
	uint64_t deadline_us;
	uint64_t learn_until_us;
	uint64_t user_until_us;
	uint64_t arguments_until_us;	/* what a process runs, for the record */
	uint64_t program_until_us;	/* ... for the policy */
	enum question_state state;
	unsigned int tries;
	struct identity *identity;	/* NULL: not learned yet */
	bool program_done;
	bool program_matters;		/* to the policy, and not for the record only */
	uint32_t facts;			/* that it was asked for */
	bool script_pending;		/* script_file is being hashed */
	struct sockgate_file script_file;
	bool user_done;
	struct user user;
	UT_hash_handle hh;
};

struct desk {
	struct desk_conf conf;
	struct desk_ports ports;
	void *arg;
	struct question *questions;
	struct recall *recall;
	uint64_t last_number;
	enum server_state server;
	uint64_t server_generation;
	uint32_t generation;
	struct desk_counts counts;
};

/* ---- the end of a question ---- */

static bool learned(const struct question *q)
{
	return q->identity && q->identity->hashed;
}

static void drop(struct desk *desk, struct question *q)
{
	HASH_DELETE(hh, desk->questions, q);
	if (!learned(q))
		desk->ports.forget(q->number, &q->ask, desk->arg);
	if (q->script_pending)
		desk->ports.forget_script(q->number, &q->script_file, desk->arg);
	identity_free(q->identity);
	free(q);
}

/*
 * What the kernel does with our answer, short of what only it knows: that the
 * executable has changed meanwhile, or that the answer comes too late.
 */
static Sockgate__Action effect_of(const struct desk *desk,
				  const struct ask *ask, uint8_t reason,
				  const Sockgate__Decision *decision)
{
	if (decision)
		return decision->action;
	return failure_allows(desk->conf.failures, reason, ask) ?
		       SOCKGATE__ACTION__ACTION_ALLOW :
		       SOCKGATE__ACTION__ACTION_DENY;
}

static void record(struct desk *desk, const struct question *q,
		   Sockgate__Outcome outcome, uint8_t reason,
		   Sockgate__Decision *decision, uint64_t now_us)
{
	struct wire wire;
	struct ending e = {
		.ask = &q->ask,
		.begun = q->begun,
		.latency_us = (uint32_t)(now_us - q->begun.us),
		.outcome = outcome,
		.reason = reason,
		.effect = effect_of(desk, &q->ask, reason, decision),
		.decision = decision,
		.process = &wire.process,
		.user = &wire.user,
		.place = &wire.place,
	};

	wire_fill(&wire, &q->ask, q->identity,
		  q->user_done ? &q->user : NULL);
	desk->ports.record(&e, desk->arg);
}

static void answer_failure(struct desk *desk, uint64_t id, uint8_t reason)
{
	struct answer a = {
		.id = id,
		.action = SOCKGATE_ACTION_FAIL,
		.reason = reason,
		.generation = desk->generation,
	};

	desk->counts.failed[reason]++;
	desk->ports.answer(&a, desk->arg);
}

static void fail(struct desk *desk, struct question *q, uint8_t reason,
		 uint64_t now_us)
{
	answer_failure(desk, q->ask.id, reason);
	record(desk, q, SOCKGATE__OUTCOME__OUTCOME_FAILURE, reason, NULL,
	       now_us);
	drop(desk, q);
}

/* For what never became a question of ours. */
static void turn_away(struct desk *desk, const struct ask *ask, uint8_t reason,
		      struct moment now)
{
	const struct question q = { .ask = *ask, .begun = now };

	answer_failure(desk, ask->id, reason);
	record(desk, &q, SOCKGATE__OUTCOME__OUTCOME_FAILURE, reason, NULL,
	       now.us);
}

/* ---- a decision ---- */

static void remember(struct desk *desk, const struct question *q,
		     struct verdict *v, const Sockgate__Decision *decision,
		     uint64_t now_us)
{
	if (!desk->conf.cache_in_agent ||
	    verdict_keep(v, decision, &q->ask, q->identity, &q->user))
		return;
	v->expires_ms = now_us / 1000 + decision->lifetime_ms;
	recall_add(desk->recall, &q->ask, v);
}

static void answer_verdict(struct desk *desk, uint64_t id,
			   const struct verdict *v, uint64_t lifetime_ms)
{
	struct answer a;

	verdict_answer(v, id, desk->generation,
		       desk->conf.cache_in_kernel ? lifetime_ms : 0, &a);
	desk->ports.answer(&a, desk->arg);
}

static void apply(struct desk *desk, struct question *q,
		  const Sockgate__Decision *decision, uint64_t now_us)
{
	struct verdict *v = verdict_new();
	bool keep;

	if (!v) {
		fail(desk, q, SOCKGATE_REASON_NO_MEMORY, now_us);
		return;
	}
	if (verdict_read(v, decision, &q->ask, desk->conf.mark_mask)) {
		verdict_put(v);
		fail(desk, q, SOCKGATE_REASON_BAD_ANSWER, now_us);
		return;
	}
	keep = verdict_lasts(decision, q->identity, &q->user);
	desk->counts.decided++;
	answer_verdict(desk, q->ask.id, v, keep ? decision->lifetime_ms : 0);
	if (keep)
		remember(desk, q, v, decision, now_us);
	verdict_put(v);
	record(desk, q, SOCKGATE__OUTCOME__OUTCOME_SERVER, 0,
	       (Sockgate__Decision *)decision, now_us);
	drop(desk, q);
}

/* ---- asking the server ---- */

static int send_question(struct desk *desk, struct question *q,
			 uint64_t now_us)
{
	Sockgate__Question message = SOCKGATE__QUESTION__INIT;
	struct wire wire;

	wire_fill(&wire, &q->ask, q->identity, &q->user);
	message.event = &wire.event;
	message.process = &wire.process;
	message.user = &wire.user;
	message.place = &wire.place;
	message.budget_ms = q->deadline_us > now_us ?
			    (uint32_t)((q->deadline_us - now_us) / 1000) : 0;
	if (desk->ports.ask(q->number, &message, desk->arg))
		return -1;
	if (q->tries++)
		desk->counts.asked_again++;
	q->state = ASKED;
	return 0;
}

/*
 * A question that a server has had before waits for the next connection as
 * long as it may; a new one waits only for a connection that is being made.
 */
static void ask_server(struct desk *desk, struct question *q, uint64_t now_us)
{
	if (desk->server == SERVER_UP && !send_question(desk, q, now_us))
		return;
	q->state = WAITING;
	if (desk->server == SERVER_AWAY && !q->tries)
		fail(desk, q, SOCKGATE_REASON_SERVER_AWAY, now_us);
}

static uint64_t program_until(const struct question *q)
{
	return q->program_matters ? q->program_until_us : q->arguments_until_us;
}

/* What is nice to know is waited for as long as that takes, at most. */
static bool waits(const struct question *q, uint64_t now_us)
{
	return (!q->user_done && now_us < q->user_until_us) ||
	       (!q->program_done && now_us < program_until(q)) ||
	       (q->script_pending && now_us < q->learn_until_us);
}

/* Goes on to the server when everything is learned, or no longer waited for. */
static void advance(struct desk *desk, struct question *q, uint64_t now_us)
{
	if (q->state != LEARNING)
		return;
	if (!learned(q)) {
		if (now_us >= q->learn_until_us)
			fail(desk, q, SOCKGATE_REASON_DEADLINE, now_us);
		return;
	}
	/* A path alone is anybody's to choose: no policy is to go by it. */
	if (q->identity->hash.evidence != SOCKGATE__EVIDENCE__EVIDENCE_CONTENT) {
		fail(desk, q, SOCKGATE_REASON_UNVERIFIABLE, now_us);
		return;
	}
	if (waits(q, now_us))
		return;
	desk->counts.no_user += !q->user.name[0];
	ask_server(desk, q, now_us);
}

/* ---- the entries ---- */

struct desk *desk_new(const struct desk_conf *conf,
		      const struct desk_ports *ports, void *arg,
		      uint32_t generation)
{
	const struct recall_conf recall = {
		.max_decisions = conf->max_decisions,
		.seed = conf->seed,
		.cache_in_kernel = conf->cache_in_kernel,
		.now_us = ports->now_us,
		.arg = arg,
	};
	struct desk *desk = calloc(1, sizeof(*desk));

	if (!desk)
		return NULL;
	desk->conf = *conf;
	desk->ports = *ports;
	desk->arg = arg;
	desk->generation = generation;
	desk->recall = recall_new(&recall, generation, conf->events);
	if (!desk->recall) {
		free(desk);
		return NULL;
	}
	return desk;
}

void desk_free(struct desk *desk)
{
	struct question *q, *next;

	if (!desk)
		return;
	HASH_ITER(hh, desk->questions, q, next)
		drop(desk, q);
	recall_free(desk->recall);
	free(desk);
}

enum recall_result desk_recall(struct desk *desk, const struct ask *ask,
			       struct moment now, struct answer *answer)
{
	if (!desk->conf.cache_in_agent)
		return RECALL_NO;
	return recall_find(desk->recall, ask, now, answer);
}

/* Returns true if the decision cache had the answer. */
static bool answer_from_cache(struct desk *desk, const struct ask *ask,
			      struct moment now)
{
	enum recall_result result;
	struct answer answer;

	result = desk_recall(desk, ask, now, &answer);
	if (result == RECALL_FULL) {
		desk_flush(desk);
		result = desk_recall(desk, ask, now, &answer);
	}
	if (result != RECALL_YES && result != RECALL_FIRST)
		return false;
	desk->ports.answer(&answer, desk->arg);
	return true;
}

static uint64_t learning_until(const struct question *q, uint64_t ms)
{
	uint64_t until_us = q->begun.us + ms * 1000;

	return until_us < q->learn_until_us ? until_us : q->learn_until_us;
}

static struct question *question_new(struct desk *desk, const struct ask *ask,
				     struct moment now)
{
	uint64_t budget_ms = desk->conf.deadline_ms, kernel_ms;
	struct question *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	kernel_ms = ask->remaining_ms > DESK_MARGIN_MS ?
		    ask->remaining_ms - DESK_MARGIN_MS : 0;
	if (budget_ms > kernel_ms)
		budget_ms = kernel_ms;
	q->number = ++desk->last_number;
	q->ask = *ask;
	q->begun = now;
	q->deadline_us = now.us + budget_ms * 1000;
	q->learn_until_us = q->deadline_us - (budget_ms < 2 * DESK_SERVER_MS ?
			    budget_ms / 2 : DESK_SERVER_MS) * 1000;
	q->user_until_us = learning_until(q, desk->conf.user_wait_ms);
	q->arguments_until_us = learning_until(q, DESK_ARGUMENTS_MS);
	q->program_until_us = learning_until(q, DESK_PROGRAM_MS);
	HASH_ADD(hh, desk->questions, number, sizeof(q->number), q);
	if (!q->hh.tbl) {
		free(q);
		return NULL;
	}
	return q;
}

void desk_ask(struct desk *desk, const struct ask *ask, struct moment now)
{
	struct question *q;
	uint64_t number;

	if (answer_from_cache(desk, ask, now))
		return;
	desk->counts.asked++;
	if (HASH_COUNT(desk->questions) >= desk->conf.max_questions) {
		turn_away(desk, ask, SOCKGATE_REASON_TABLE_FULL, now);
		return;
	}
	q = question_new(desk, ask, now);
	if (!q) {
		turn_away(desk, ask, SOCKGATE_REASON_NO_MEMORY, now);
		return;
	}
	number = q->number;
	/* Either may come back at once, and the question may be over then. */
	desk->ports.resolve(number, ask->uid, desk->arg);
	desk->ports.identify(number, ask, desk->arg);
}

static struct question *find(struct desk *desk, uint64_t number)
{
	struct question *q;

	HASH_FIND(hh, desk->questions, &number, sizeof(number), q);
	return q;
}

/* Too late for the server it is still for the record. */
static void join_program(struct identity *id, struct program *program)
{
	id->program = program;
	if (!program || id->facts.command_line)
		return;
	id->facts.command_line = program->command_line;
	program->command_line = NULL;
}

static void learn_program(struct desk *desk, struct question *q)
{
	enum program_wait wait;

	program_free(q->identity->program);
	q->identity->program = NULL;
	q->facts = desk->conf.facts;
	wait = desk->ports.program(q->number, &q->ask, q->facts, q->identity, desk->arg);
	q->program_done = wait == PROGRAM_THERE;
	q->program_matters = wait == PROGRAM_FOR_POLICY;
}

bool desk_identified(struct desk *desk, uint64_t number, struct identity *id,
		     struct moment now)
{
	struct question *q = find(desk, number);

	if (!q || q->identity) {
		identity_free(id);
		return false;
	}
	if (!id) {
		fail(desk, q, SOCKGATE_REASON_UNVERIFIABLE, now.us);
		return false;
	}
	q->identity = id;
	learn_program(desk, q);
	if (!id->hashed)
		return true;
	advance(desk, q, now.us);
	return false;
}

void desk_hashed(struct desk *desk, uint64_t number,
		 const struct hash_result *hash, struct moment now)
{
	struct question *q = find(desk, number);

	if (!q || !q->identity || q->identity->hashed)
		return;
	q->identity->hash = *hash;
	q->identity->hashed = true;
	advance(desk, q, now.us);
}

/* Returns whether there is one to be hashed. */
static bool take_script(struct question *q, struct program *program,
			struct desk_script *script)
{
	if (!program || !(program->classes & (CLASS(SCRIPT) | CLASS(LOADER))))
		return false;
	if (program->fd < 0) {
		q->identity->script.evidence = SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE;
		return false;
	}
	*script = (struct desk_script){ program->fd, q->ask.uid, program->file };
	program->fd = -1;
	q->script_file = program->file;
	q->script_pending = true;
	return true;
}

bool desk_program(struct desk *desk, uint64_t number, struct program *program,
		  struct desk_script *script, struct moment now)
{
	struct question *q = find(desk, number);
	bool wanted;

	if (!q || !q->identity || q->program_done) {
		program_free(program);
		return false;
	}
	q->program_done = true;
	/* A server that has been asked wants no more. */
	wanted = q->state == LEARNING && take_script(q, program, script);
	join_program(q->identity, program);
	advance(desk, q, now.us);
	if (wanted && !find(desk, number)) {
		close(script->fd);
		return false;
	}
	return wanted;
}

void desk_script(struct desk *desk, uint64_t number, const struct hash_result *hash,
		 struct moment now)
{
	struct question *q = find(desk, number);

	if (!q || !q->script_pending)
		return;
	q->script_pending = false;
	q->identity->script = *hash;
	advance(desk, q, now.us);
}

void desk_resolved(struct desk *desk, uint64_t number, const struct user *user,
		   struct moment now)
{
	struct question *q = find(desk, number);

	if (!q || q->state != LEARNING)
		return;
	q->user = *user;
	q->user_done = true;
	advance(desk, q, now.us);
}

int desk_take_file(struct desk *desk, uint64_t number, const uint8_t *sha256,
		   struct sockgate_file *file)
{
	struct question *q = find(desk, number);

	if (!q || q->state != ASKED || memcmp(q->identity->hash.sha256, sha256, HASH_SIZE) != 0)
		return -1;
	*file = q->ask.exe;
	return identity_take_file(q->identity);
}

/* The policy may have lacked what nobody asked for when this was learned. */
static bool asks_for_more(const struct desk *desk, const struct question *q)
{
	return desk->conf.facts & ~q->facts && q->program_done && !q->script_pending;
}

static void learn_more(struct desk *desk, struct question *q, uint64_t now_us)
{
	q->state = LEARNING;
	learn_program(desk, q);
	advance(desk, q, now_us);
}

void desk_decided(struct desk *desk, uint64_t number,
		  const Sockgate__Decision *decision, struct moment now)
{
	struct question *q = find(desk, number);

	if (!q || q->state != ASKED) {
		desk->counts.late++;
		return;
	}
	if (!decision) {
		fail(desk, q, SOCKGATE_REASON_BAD_ANSWER, now.us);
		return;
	}
	if (decision->generation > desk->server_generation)
		desk_policy(desk, decision->generation, desk->conf.events,
			    desk->conf.facts, false);
	if (decision->failed && asks_for_more(desk, q))
		learn_more(desk, q, now.us);
	else if (decision->generation == desk->server_generation)
		apply(desk, q, decision, now.us);
	else if (q->tries >= MAX_TRIES)
		fail(desk, q, SOCKGATE_REASON_BAD_ANSWER, now.us);
	else
		ask_server(desk, q, now.us);
}

void desk_server(struct desk *desk, enum server_state state, struct moment now)
{
	struct question *q, *next;
	bool lost = desk->server == SERVER_UP;

	desk->server = state;
	HASH_ITER(hh, desk->questions, q, next) {
		if (lost && q->state == ASKED)
			q->state = WAITING;
		if (q->state == WAITING)
			ask_server(desk, q, now.us);
	}
}

/* Whatever is remembered, here and in the kernel, is void. */
static void begin_generation(struct desk *desk)
{
	/* 0 is what a kernel starts with. */
	if (!++desk->generation)
		desk->generation = 1;
	recall_void(desk->recall, desk->generation, desk->conf.events);
	desk->ports.generation(desk->generation, desk->arg);
}

/*
 * The events first.  What the new policy judges is asked about from then on, and
 * not only after one more message.  And what it does not is not looked up any more
 * when its verdicts come: some of those hold for whatever is judged.
 *
 * A decision may have told the generation before the announcement came with the
 * events.
 */
void desk_policy(struct desk *desk, uint64_t generation, uint32_t events,
		 uint32_t facts, bool another)
{
	desk->conf.facts = facts;
	if (!another && generation == desk->server_generation &&
	    events == desk->conf.events)
		return;
	desk->server_generation = generation;
	desk->conf.events = events;
	desk->ports.events(events, desk->arg);
	begin_generation(desk);
}

void desk_mark_mask(struct desk *desk, uint32_t mark_mask)
{
	if (mark_mask == desk->conf.mark_mask)
		return;
	desk->conf.mark_mask = mark_mask;
	begin_generation(desk);
}

static uint64_t sooner(uint64_t due, uint64_t until_us, uint64_t now_us)
{
	return now_us < until_us && until_us < due ? until_us : due;
}

/*
 * The next end of a wait, whatever is there by then: what comes meanwhile does not
 * set the timer again.
 */
static uint64_t learning_due(const struct question *q, uint64_t now_us)
{
	uint64_t due = q->learn_until_us;

	if (!q->user_done)
		due = sooner(due, q->user_until_us, now_us);
	if (!q->program_done) {
		due = sooner(due, q->arguments_until_us, now_us);
		due = sooner(due, q->program_until_us, now_us);
	}
	return due;
}

/* Returns when something is due next; 0: it is over. */
static uint64_t tick_one(struct desk *desk, struct question *q, uint64_t now_us)
{
	uint64_t number = q->number;

	if (now_us >= q->deadline_us) {
		fail(desk, q, q->state == LEARNING ?
			      SOCKGATE_REASON_DEADLINE :
			      SOCKGATE_REASON_SERVER_AWAY, now_us);
		return 0;
	}
	advance(desk, q, now_us);
	q = find(desk, number);
	if (!q)
		return 0;
	if (q->state != LEARNING)
		return q->deadline_us;
	return learning_due(q, now_us);
}

uint64_t desk_tick(struct desk *desk, struct moment now)
{
	struct question *q, *next;
	uint64_t due = 0, t;

	HASH_ITER(hh, desk->questions, q, next) {
		t = tick_one(desk, q, now.us);
		if (t && (!due || t < due))
			due = t;
	}
	if (!due)
		return 0;
	return due > now.us ? due - now.us : 1;
}

/* Two processes of one group may be in different bundles. */
static void forget_app(Sockgate__Place *place, const struct verdict *v, const struct ask *ask)
{
	if (v->process->pid == ask->process.pid &&
	    v->process->start_ns == ask->process.start_ns)
		return;
	place->app = (char *)protobuf_c_empty_string;
	place->learned &= ~(uint32_t)SOCKGATE__PLACE_FACT__PLACE_FACT_APP;
}

/*
 * The decision was made for another caller: of what was learned of that one,
 * only what must be the same for this one is told.
 */
static void record_hit(struct desk *desk, const struct recall_hit *hit)
{
	struct verdict *v = hit->verdict;
	const struct ask *ask = &hit->ask;
	struct wire wire;
	struct ending e = {
		.ask = ask,
		.begun = hit->begun,
		.latency_us = hit->latency_us,
		.outcome = SOCKGATE__OUTCOME__OUTCOME_AGENT_CACHE,
		.effect = v->decision->action,
		.decision = v->decision,
		.process = &wire.process,
		.user = &wire.user,
		.place = &wire.place,
	};

	wire_fill(&wire, ask, NULL, NULL);
	if (!memcmp(&v->exe, &ask->exe, sizeof(v->exe))) {
		wire.process.path = v->process->path;
		wire.process.name = v->process->name;
		wire.process.deleted = v->process->deleted;
		wire.process.foreign_path = v->process->foreign_path;
		wire.process.evidence = v->process->evidence;
		wire.process.sha256 = v->process->sha256;
		wire.process.build_id = v->process->build_id;
	}
	if (v->process->pid == ask->process.pid &&
	    v->process->start_ns == ask->process.start_ns &&
	    v->process->exec_id == ask->process.exec_id) {
		wire.process.command_line = v->process->command_line;
		wire.process.parent_pid = v->process->parent_pid;
		wire.process.parent_path = v->process->parent_path;
		wire.process.classes = v->process->classes;
		wire.process.classes_unknown = v->process->classes_unknown;
		wire.process.script = v->process->script;
		wire.process.script_sha256 = v->process->script_sha256;
		wire.process.script_evidence = v->process->script_evidence;
		wire.process.script_foreign_path = v->process->script_foreign_path;
	}
	if (v->uid == ask->uid)
		wire.user = *v->user;
	if (v->cgroup == ask->cgroup) {
		wire.place = *v->place;
		wire.place.netns = ask->netns;
		forget_app(&wire.place, v, ask);
	}
	desk->ports.record(&e, desk->arg);
}

void desk_flush(struct desk *desk)
{
	struct recall_hit *hits;
	unsigned int n = recall_take(desk->recall, &hits);

	for (unsigned int i = 0; i < n; i++) {
		record_hit(desk, &hits[i]);
		verdict_put(hits[i].verdict);
	}
}

unsigned int desk_pending(const struct desk *desk)
{
	return HASH_COUNT(desk->questions);
}

uint64_t desk_server_generation(const struct desk *desk)
{
	return desk->server_generation;
}

const struct desk_counts *desk_counts(const struct desk *desk)
{
	return &desk->counts;
}

struct recall_counts desk_recall_counts(const struct desk *desk)
{
	return recall_counts(desk->recall);
}
