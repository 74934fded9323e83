/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel module, seen from the agent. */
#ifndef NFAGENT_KERNEL_H
#define NFAGENT_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ask.h"
#include "failure.h"
#include "process.h"

struct event_base;
struct nlattr;
struct kernel;

struct kernel_counts {
	_Atomic uint64_t overruns;	/* the kernel had more than we read */
	_Atomic uint64_t malformed;
	_Atomic uint64_t unsent;	/* answers the socket did not take */
};

/* What SET_CONFIG takes; what is not given stays as it is. */
struct kernel_config {
	const uint32_t *deadline_ms;
	const uint32_t *max_pending;
	const uint32_t *max_cached;
	const uint32_t *mark_mask;
	const uint32_t *events;		/* the optional ones to be asked about */
	const struct sockgate_failure *failures;
	size_t n_failures;
	const struct sockgate_failsafe *failsafes;	/* NULL: keep the list */
	size_t n_failsafes;
};

/* Of GET_STATUS, what the agent looks at. */
struct kernel_status {
	uint32_t generation;
	uint32_t agent_pid;	/* 0: none */
	uint32_t deadline_ms;
	uint32_t mark_mask;
	uint32_t events;	/* the optional ones that are asked about */
	uint64_t hooks[__SOCKGATE_HOOK_MAX];
	struct failure_table failures;
};

/* Returns NULL with a sentence in @why, e.g. that the module is not loaded. */
struct kernel *kernel_open(char *why, size_t why_size);
void kernel_close(struct kernel *k);

/*
 * kernel_register - become the agent
 * @fn: called in the event loop for each question that was not answered before
 * Returns 0, or -1 with a sentence in @why.
 */
typedef void (*kernel_ask_fn)(const struct ask *ask, void *arg);
int kernel_register(struct kernel *k, struct event_base *base,
		    kernel_ask_fn fn, void *arg, char *why, size_t why_size);

/*
 * kernel_recall - what answers a question at once, if it can; before
 *                 kernel_register(), whose @arg it gets
 * @fn: called in the thread that reads questions; false leaves the question to
 *      the event loop
 */
typedef bool (*kernel_recall_fn)(const struct ask *ask, struct answer *answer,
				 void *arg);
void kernel_recall(struct kernel *k, kernel_recall_fn fn);

/* No function is called from here on. */
void kernel_stop(struct kernel *k);

/* In any thread.  Sent without waiting; a failure is counted and left to the kernel's deadline. */
void kernel_answer(struct kernel *k, const struct answer *answer);

/*
 * kernel_open_exe - the file that a held caller runs, and what there is to know of both
 * @exe: filled in; the descriptor and the strings are the caller's
 * May be called in any thread.  Returns 0, or -1 with errno: ENOENT (it no longer
 * waits), EOPNOTSUPP (nothing an agent should read).
 */
int kernel_open_exe(struct kernel *k, uint64_t ask_id, struct process_exe *exe);

/* These wait for the kernel's reply.  They return 0, or -1 with errno. */
int kernel_set_generation(struct kernel *k, uint32_t generation);
int kernel_configure(struct kernel *k, const struct kernel_config *config);
int kernel_status(struct kernel *k, struct kernel_status *status);

const struct kernel_counts *kernel_counts(const struct kernel *k);

/*
 * ask_parse - an ask out of the attributes of SOCKGATE_CMD_ASK
 * Returns 0, or -1 if a required one is missing, the event is unknown, or the family
 * is none that it can have.
 */
int ask_parse(struct ask *ask, const struct nlattr *const attr[]);

/*
 * exe_parse - what comes with an executable, out of the attributes of the reply to
 *             SOCKGATE_CMD_OPEN_EXE; what has no room is left out
 * Returns 0, or -1 without a descriptor.
 */
int exe_parse(struct process_exe *exe, const struct nlattr *const attr[]);

#endif
