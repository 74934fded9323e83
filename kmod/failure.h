/* SPDX-License-Identifier: GPL-2.0-only */
/* What happens when no verdict can be had. */
#ifndef SOCKGATE_FAILURE_H
#define SOCKGATE_FAILURE_H

#include <linux/sockgate.h>

#include "event.h"

struct sk_buff;

int sg_failure_init(void);
void sg_failure_exit(void);

int sg_failure_apply(enum sockgate_reason reason, const struct sg_key *key);
bool sg_failure_by_list(enum sockgate_reason reason);

int sg_failure_check_rows(const struct sockgate_failure *rows, size_t n);
void sg_failure_set_rows(const struct sockgate_failure *rows, size_t n);
void sg_failure_get_rows(struct sockgate_failure rows[__SOCKGATE_REASON_MAX]);

struct sg_failsafes;
struct sg_failsafes *sg_failsafes_make(const struct sockgate_failsafe *list,
				       size_t n);
void sg_failsafes_free(struct sg_failsafes *list);
void sg_failsafes_install(struct sg_failsafes *list);
int sg_failsafes_put(struct sk_buff *skb, int attr);

#endif
