/* SPDX-License-Identifier: GPL-2.0-only */
/* All parts of the agent, put together. */
#ifndef NFAGENT_AGENT_H
#define NFAGENT_AGENT_H

#include <stddef.h>

#include "settings.h"

struct agent;

/*
 * agent_start - register with the kernel, open everything else
 * @settings: kept by reference
 * Returns NULL with a sentence in @why.
 */
struct agent *agent_start(struct settings *settings, char *why,
			  size_t why_size);

/* Runs until SIGTERM or SIGINT.  Returns 0, or -1: the module has gone. */
int agent_run(struct agent *agent);

/* Records are written out; callers still held get the failure table. */
void agent_stop(struct agent *agent);

#endif
