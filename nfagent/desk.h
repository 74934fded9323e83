/* SPDX-License-Identifier: GPL-2.0-only */
/* The desk: every question from being asked until it is answered. */
#ifndef NFAGENT_DESK_H
#define NFAGENT_DESK_H

#include <stdbool.h>
#include <stdint.h>

#include "ask.h"
#include "decisions.h"
#include "failure.h"
#include "identity.h"
#include "moment.h"
#include "recall.h"
#include "sockgate.pb-c.h"
#include "user.h"

/* Can a server be asked? */
enum server_state {
	SERVER_AWAY,		/* none answered; another try is to come */
	SERVER_CONNECTING,	/* a connection is being made */
	SERVER_UP,
};

/* What is still to come of what a process runs. */
enum program_wait {
	PROGRAM_THERE,		/* nothing */
	PROGRAM_FOR_RECORD,	/* nothing that a policy looks at */
	PROGRAM_FOR_POLICY,
};

/*
 * How a question ended, for the record.  The messages are the desk's, or NULL
 * where there is nothing to say.
 */
struct ending {
	const struct ask *ask;
	struct moment begun;
	uint32_t latency_us;
	Sockgate__Outcome outcome;
	uint8_t reason;		/* with OUTCOME_FAILURE */
	Sockgate__Action effect;	/* what the caller gets of the kernel */
	Sockgate__Decision *decision;
	Sockgate__Process *process;
	Sockgate__User *user;
	Sockgate__Place *place;
};

/*
 * What the desk needs of the world.  identify and resolve lead to exactly one
 * desk_identified() and desk_resolved() with the same number, at once or later;
 * none of them may call another function of the desk.  An identity that is not
 * hashed yet is followed by desk_hashed(), unless the question is forgotten.
 *
 * answer:     tell the kernel
 * identify:   learn who asks
 * program:    learn what the process runs, with what takes time and is asked for (Fact
 *             bits of the wire): puts it into the identity if it is there
 *             (PROGRAM_THERE), else desk_program() follows, later or never
 * forget:     nobody waits for what identify was asked for any more
 * forget_script: nor for the hash that desk_program() wanted
 * resolve:    learn who the user is
 * ask:        send to the server; returns 0, or -1 if it cannot be sent now
 * events:     tell the kernel which optional events to ask about
 * generation: tell the kernel that all verdicts of before are void
 * record:     keep what happened
 * now_us:     the monotonic clock, for what an answer took; called in any thread
 */
struct desk_ports {
	void (*answer)(const struct answer *answer, void *arg);
	void (*identify)(uint64_t number, const struct ask *ask, void *arg);
	enum program_wait (*program)(uint64_t number, const struct ask *ask, uint32_t facts,
				     struct identity *id, void *arg);
	void (*forget)(uint64_t number, const struct ask *ask, void *arg);
	void (*resolve)(uint64_t number, uint32_t uid, void *arg);
	int (*ask)(uint64_t number, Sockgate__Question *question, void *arg);
	void (*events)(uint32_t events, void *arg);
	void (*generation)(uint32_t generation, void *arg);
	void (*record)(const struct ending *ending, void *arg);
	uint64_t (*now_us)(void *arg);
	void (*forget_script)(uint64_t number, const struct sockgate_file *file,
			      void *arg);
};

struct desk_conf {
	uint32_t deadline_ms;	/* for a question, never past the kernel's own */
	uint32_t user_wait_ms;	/* for a name, of that */
	uint32_t mark_mask;	/* where the tag goes, at first */
	uint32_t events;	/* optional ones that the kernel asks about, at first */
	uint32_t facts;		/* that policies look at, at first */
	unsigned int max_questions;
	unsigned int max_decisions;
	uint64_t seed;		/* random, of the decision cache */
	const struct failure_table *failures;	/* the kernel's, as last seen */
	bool cache_in_agent;
	bool cache_in_kernel;
};

/* The kernel gives up at its deadline; the answer has to be there before. */
#define DESK_MARGIN_MS 50

/*
 * From the question, for what a process runs: where policies look at it, and where it
 * is a command line for the record.  The process can keep either from being read.
 */
#define DESK_PROGRAM_MS 1000
#define DESK_ARGUMENTS_MS 100

/* What is left to the server of a deadline when learning took long. */
#define DESK_SERVER_MS 250

struct desk_counts {
	uint64_t asked;			/* by the kernel, and not cached */
	uint64_t decided;		/* answered by the server */
	uint64_t failed[__SOCKGATE_REASON_MAX];
	uint64_t asked_again;		/* lost connection, or old generation */
	uint64_t late;			/* decisions for nobody */
	uint64_t no_user;		/* asked without a user's name */
};

struct desk;

/*
 * desk_new
 * @generation: the kernel's current one; the desk counts on from there
 */
struct desk *desk_new(const struct desk_conf *conf,
		      const struct desk_ports *ports, void *arg,
		      uint32_t generation);

/* Questions still open are left to the kernel's failure table. */
void desk_free(struct desk *desk);

/*
 * desk_recall - answer from the decision cache, if that has the answer
 * The one thing that may be called in another thread than the rest.
 * RECALL_FIRST: somebody has to call desk_flush() some time.
 */
enum recall_result desk_recall(struct desk *desk, const struct ask *ask,
			       struct moment now, struct answer *answer);

/* The kernel asks. */
void desk_ask(struct desk *desk, const struct ask *ask, struct moment now);

/*
 * desk_identified - what was learned
 * @id: the desk's from here; NULL: nothing could be learned
 * Returns whether the question is still there, and waits for the hash.
 */
bool desk_identified(struct desk *desk, uint64_t number, struct identity *id,
		     struct moment now);
void desk_hashed(struct desk *desk, uint64_t number,
		 const struct hash_result *hash, struct moment now);

/* A script whose hash is wanted, by desk_script(). */
struct desk_script {
	int fd;			/* the caller's */
	uint32_t uid;
	struct sockgate_file file;
};

/*
 * desk_program - what it runs
 * @program: the desk's from here; NULL: it cannot be had
 * Returns whether there is a script to be hashed: then @script says which.
 */
bool desk_program(struct desk *desk, uint64_t number, struct program *program,
		  struct desk_script *script, struct moment now);
void desk_script(struct desk *desk, uint64_t number, const struct hash_result *hash,
		 struct moment now);
void desk_resolved(struct desk *desk, uint64_t number, const struct user *user,
		   struct moment now);

/*
 * desk_take_file - the executable of a question that the server has
 * @sha256: what it was hashed to, HASH_SIZE bytes
 * @file:   how it was then
 * Returns a descriptor, the caller's from here; -1 if the question is over, has another
 * hash, or its file was not kept open.
 */
int desk_take_file(struct desk *desk, uint64_t number, const uint8_t *sha256,
		   struct sockgate_file *file);

/* @decision stays the caller's; NULL: the server could not make one. */
void desk_decided(struct desk *desk, uint64_t number,
		  const Sockgate__Decision *decision, struct moment now);

/*
 * desk_server - the state of the connection has changed
 * Leaving SERVER_UP means that what was asked is lost: it is asked again.
 */
void desk_server(struct desk *desk, enum server_state state, struct moment now);

/*
 * desk_policy - the server says which policy is in force
 * @events:  the optional events that it names
 * @facts:   what it looks at, of what is learned for that only
 * @another: it is another server: whatever its number, what was cached may be
 *           wrong
 */
void desk_policy(struct desk *desk, uint64_t generation, uint32_t events,
		 uint32_t facts, bool another);

/*
 * desk_mark_mask - where tags go from now on
 * Another mask voids what was remembered: its tags are in the old place.
 */
void desk_mark_mask(struct desk *desk, uint32_t mark_mask);

/* Deadlines.  Returns the microseconds until the next one, 0 if none. */
uint64_t desk_tick(struct desk *desk, struct moment now);

/* Makes the records of cache hits, which the hot path puts off. */
void desk_flush(struct desk *desk);

unsigned int desk_pending(const struct desk *desk);
uint64_t desk_server_generation(const struct desk *desk);
const struct desk_counts *desk_counts(const struct desk *desk);
struct recall_counts desk_recall_counts(const struct desk *desk);

#endif
