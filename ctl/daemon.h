/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemons that may run on this machine. */
#ifndef CTL_DAEMON_H
#define CTL_DAEMON_H

#include <stdbool.h>
#include <stddef.h>

#include "options.h"
#include "session.h"

/*
 * daemon_open - secsrv if it runs here, else nfagent
 * @is_server: which of them it is; may be NULL
 * Returns NULL with a sentence about both in @why.
 */
struct session *daemon_open(const struct options *o, bool *is_server, char *why,
			    size_t why_size);

/*
 * daemon_status - ask for a status
 * Returns it, for sockgate__status__free_unpacked(), or NULL with @why.
 */
Sockgate__Status *daemon_status(struct session *s, char *why, size_t why_size);

#endif
