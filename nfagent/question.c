// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each question of the kernel is answered exactly once: whoever takes it out
 * of desk->questions (finish()) answers it.  What comes back later, from a
 * thread or from the server, names it by number and finds nothing.
 */
#include "question.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
	enum question_state state;
	unsigned int tries;
	struct identity *identity;	/* NULL: not learned yet */
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

static void drop(struct desk *desk, struct question *q)
{
	HASH_DELETE(hh, desk->questions, q);
	identity_free(q->identity);
	free(q);
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

/* ---- from decision to verdict ---- */

/* Moves the tag into the mask; false if it does not fit there. */
static bool place_tag(uint32_t mask, uint32_t tag, uint32_t *placed)
{
	unsigned int shift = mask ? (unsigned int)__builtin_ctz(mask) : 0;

	*placed = tag << shift;
	return !(*placed & ~mask) && *placed >> shift == tag;
}

/* What is not allowed by name is denied. */
static bool read_action(const Sockgate__Decision *decision, struct verdict *v)
{
	switch (decision->action) {
	case SOCKGATE__ACTION__ACTION_ALLOW:
		v->action = SOCKGATE_ACTION_ALLOW;
		return true;
	case SOCKGATE__ACTION__ACTION_DENY:
		v->action = SOCKGATE_ACTION_DENY;
		v->error = decision->error;
		if (v->error != ECONNREFUSED && v->error != EPERM)
			v->error = EACCES;
		return true;
	default:
		return false;
	}
}

/*
 * A decision that looked at something which was not to be had holds for this
 * question only: the next one may know more.
 */
static bool may_remember(const struct question *q,
			 const Sockgate__Decision *decision)
{
	const struct hash_result *hash = &q->identity->hash;
	uint32_t fields = decision->fields;

	if (!decision->lifetime_ms || decision->failed)
		return false;
	if ((fields & SOCKGATE__FIELD__FIELD_USER) &&
	    (!q->user.name[0] || !q->user.domain[0]))
		return false;
	if ((fields & SOCKGATE__FIELD__FIELD_PROCESS) &&
	    !q->identity->facts.path)
		return false;
	if (!(fields & (SOCKGATE__FIELD__FIELD_CONTENT |
			SOCKGATE__FIELD__FIELD_PROCESS)))
		return true;
	if (hash->evidence == SOCKGATE__EVIDENCE__EVIDENCE_TOO_LARGE)
		return true;
	return hash->evidence == SOCKGATE__EVIDENCE__EVIDENCE_CONTENT &&
	       !hash->unsettled;
}

/* Copies of the messages, for records of later hits; -1 if out of memory. */
static int copy_messages(struct verdict *v, const struct question *q,
			 const Sockgate__Decision *decision)
{
	struct wire wire;

	wire_fill(&wire, &q->ask, q->identity, &q->user);
#define COPY(type, to, from) do {					\
		size_t len_ = sockgate__##type##__get_packed_size(from);	\
		uint8_t *buf_ = malloc(len_ ? len_ : 1);		\
		if (!buf_)						\
			return -1;					\
		sockgate__##type##__pack(from, buf_);			\
		(to) = sockgate__##type##__unpack(NULL, len_, buf_);	\
		free(buf_);						\
		if (!(to))						\
			return -1;					\
	} while (0)
	COPY(decision, v->decision, decision);
	COPY(process, v->process, &wire.process);
	COPY(user, v->user, &wire.user);
	COPY(place, v->place, &wire.place);
#undef COPY
	return 0;
}

static void remember(struct desk *desk, const struct question *q,
		     struct verdict *v, const Sockgate__Decision *decision,
		     uint64_t now_us)
{
	if (!desk->conf.cache_in_agent || copy_messages(v, q, decision))
		return;
	v->expires_ms = now_us / 1000 + decision->lifetime_ms;
	v->exe = q->ask.exe;
	v->uid = q->ask.uid;
	v->cgroup = q->ask.cgroup;
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
	v->scope = scope_of_decision(decision, &q->ask);
	if (!read_action(decision, v) ||
	    !place_tag(desk->conf.mark_mask, decision->tag, &v->tag)) {
		verdict_put(v);
		fail(desk, q, SOCKGATE_REASON_BAD_ANSWER, now_us);
		return;
	}
	keep = may_remember(q, decision);
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

/* Goes on to the server when everything is learned, or no longer waited for. */
static void advance(struct desk *desk, struct question *q, uint64_t now_us)
{
	if (q->state != LEARNING)
		return;
	if (!q->identity && now_us >= q->learn_until_us)
		q->identity = identity_blank();
	if (!q->identity)
		return;
	if (!q->user_done && now_us < q->user_until_us)
		return;
	desk->counts.no_user += !q->user.name[0];
	if (q->identity->hash.evidence != SOCKGATE__EVIDENCE__EVIDENCE_CONTENT) {
		desk->counts.no_identity++;
		if (!q->identity->facts.path) {
			fail(desk, q, SOCKGATE_REASON_UNVERIFIABLE, now_us);
			return;
		}
	}
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
	};
	struct desk *desk = calloc(1, sizeof(*desk));

	if (!desk)
		return NULL;
	desk->conf = *conf;
	desk->ports = *ports;
	desk->arg = arg;
	desk->generation = generation;
	desk->recall = recall_new(&recall, generation);
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
	/* Half for learning: the server's failure actions are better than ours. */
	q->learn_until_us = now.us + budget_ms * 1000 / 2;
	q->user_until_us = now.us + desk->conf.user_wait_ms * 1000ULL;
	if (q->user_until_us > q->learn_until_us)
		q->user_until_us = q->learn_until_us;
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
		answer_failure(desk, ask->id, SOCKGATE_REASON_TABLE_FULL);
		return;
	}
	q = question_new(desk, ask, now);
	if (!q) {
		answer_failure(desk, ask->id, SOCKGATE_REASON_NO_MEMORY);
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

void desk_identified(struct desk *desk, uint64_t number, struct identity *id,
		     struct moment now)
{
	struct question *q = find(desk, number);

	if (!q || q->identity) {
		identity_free(id);
		return;
	}
	q->identity = id ? id : identity_blank();
	if (!q->identity) {
		fail(desk, q, SOCKGATE_REASON_NO_MEMORY, now.us);
		return;
	}
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
		desk_policy(desk, decision->generation, false);
	if (decision->generation == desk->server_generation)
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

void desk_policy(struct desk *desk, uint64_t generation, bool another)
{
	if (!another && generation == desk->server_generation)
		return;
	desk->server_generation = generation;
	/* 0 is what a kernel starts with. */
	if (!++desk->generation)
		desk->generation = 1;
	recall_void(desk->recall, desk->generation);
	desk->ports.generation(desk->generation, desk->arg);
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
	return q->identity && !q->user_done ? q->user_until_us :
					      q->learn_until_us;
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
		.outcome = SOCKGATE__OUTCOME__OUTCOME_AGENT_CACHE,
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
		wire.process.evidence = v->process->evidence;
		wire.process.sha256 = v->process->sha256;
	}
	if (v->process->pid == ask->process.pid &&
	    v->process->start_ns == ask->process.start_ns &&
	    v->process->exec_id == ask->process.exec_id) {
		wire.process.command_line = v->process->command_line;
		wire.process.parent_pid = v->process->parent_pid;
		wire.process.parent_path = v->process->parent_path;
	}
	if (v->uid == ask->uid)
		wire.user = *v->user;
	if (v->cgroup == ask->cgroup) {
		wire.place = *v->place;
		wire.place.netns = ask->netns;
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

uint32_t desk_generation(const struct desk *desk)
{
	return desk->generation;
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
