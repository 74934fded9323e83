/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the agent have counted, by the names that people see. */
#ifndef NFAGENT_COUNTS_H
#define NFAGENT_COUNTS_H

#include <stdint.h>

#include "console.h"
#include "desk.h"
#include "hash.h"
#include "kernel.h"
#include "records.h"
#include "sender.h"
#include "spool.h"
#include "user.h"

void counts_desk(struct console_status *s, const struct desk *desk);
void counts_hashes(struct console_status *s, const struct hash_cache *hashes);
void counts_contents(struct console_status *s, const struct sender *sender);
void counts_users(struct console_status *s, const struct users *users);
void counts_records(struct console_status *s, struct spool *spool,
		    const struct records *records);

/* @blind: bit (1 << enum sockgate_hook) of those that saw nothing */
void counts_kernel(struct console_status *s, const struct kernel *kernel,
		   uint32_t blind);

#endif
