/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's failure table, for records: what did a failure do to the caller? */
#ifndef NFAGENT_FAILURE_H
#define NFAGENT_FAILURE_H

#include <stdbool.h>
#include <stddef.h>

#include "ask.h"

/* As the kernel had it when it was last asked. */
struct failure_table {
	struct sockgate_failure row[__SOCKGATE_REASON_MAX];
	struct sockgate_failsafe failsafe[SOCKGATE_MAX_FAILSAFES];
	size_t n_failsafes;
};

/*
 * failure_set_rows, failure_set_failsafes - take over what the kernel says
 * @data, @size: attributes FAILURES and FAILSAFES of SOCKGATE_CMD_GET_STATUS;
 *               rows and entries that are newer than this program are left out
 */
void failure_set_rows(struct failure_table *table, const void *data,
		      size_t size);
void failure_set_failsafes(struct failure_table *table, const void *data,
			   size_t size);

/*
 * failure_allows - does the kernel let this caller through for @reason?
 * The same as kmod/failure.c does.  A row that the kernel did not tell denies.
 */
bool failure_allows(const struct failure_table *table, uint8_t reason,
		    const struct ask *ask);

#endif
