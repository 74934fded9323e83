/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel module says of itself, and changing what can be changed. */
#ifndef CTL_KERNEL_H
#define CTL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include <linux/sockgate.h>

struct nlattr;

struct kernel_status {
	char version[128];
	uint32_t agent_pid;		/* 0: none is registered */
	uint32_t generation;
	uint32_t deadline_ms;
	uint32_t pending, max_pending;
	uint32_t cached, max_cached, masks;
	uint32_t sockets, parked;
	uint32_t mark_mask;
	uint32_t events;		/* optional ones that are asked about */
	uint64_t counters[SOCKGATE_N_MAX];
	uint64_t hooks[__SOCKGATE_HOOK_MAX];
	struct sockgate_failure failures[__SOCKGATE_REASON_MAX];
	unsigned int n_failures;
	struct sockgate_failsafe failsafes[SOCKGATE_MAX_FAILSAFES];
	unsigned int n_failsafes;
};

/*
 * kernel_parse - from the attributes of a status reply (see lib/genl.h)
 * What is absent is 0; elements that are newer than this program are left out.
 */
void kernel_parse(const struct nlattr *const attr[], struct kernel_status *status);

/* kernel_read - ask the module.  Returns 0, or -1 with a sentence in @why. */
int kernel_read(struct kernel_status *status, char *why, size_t why_size);

/*
 * kernel_set_number, kernel_set_failure - change one thing
 * @attr: SOCKGATE_A_DEADLINE, _MAX_PENDING, _MAX_CACHED or _MARK_MASK
 * Returns 0, or -1 with a sentence in @why.
 */
int kernel_set_number(uint16_t attr, uint32_t value, char *why, size_t why_size);
int kernel_set_failure(const struct sockgate_failure *row, char *why,
		       size_t why_size);

/*
 * kernel_cache - the verdicts that are remembered, of one policy
 * @cached: gets an array of @n, for free(); NULL if there are none
 * Returns 0, or -1 with a sentence in @why.
 */
int kernel_cache(struct sockgate_cached **cached, size_t *n, char *why,
		 size_t why_size);

/* One failsafe as a line of text; @size of 256 is enough. */
void kernel_failsafe_text(const struct sockgate_failsafe *f, char *text,
			  size_t size);

/* A set of events as a list of words; NULL if there is no memory. */
json_t *kernel_events_json(uint32_t events);

/* Parts of the JSON output; NULL if there is no memory. */
json_t *kernel_json(const struct kernel_status *status);
json_t *kernel_failures_json(const struct kernel_status *status);
json_t *kernel_failsafes_json(const struct kernel_status *status);

#endif
