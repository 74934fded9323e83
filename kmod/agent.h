/* SPDX-License-Identifier: GPL-2.0-only */
/* The process that answers: at most one, with several sockets. */
#ifndef SOCKGATE_AGENT_H
#define SOCKGATE_AGENT_H

#include <linux/types.h>

struct sg_key;

int sg_agent_init(void);
void sg_agent_exit(void);

int sg_agent_register(u32 portid);
u32 sg_agent_next_socket(void);
bool sg_agent_has_socket(u32 portid);
bool sg_agent_present(void);
bool sg_agent_is_current(void);
bool sg_agent_is(const struct sg_key *key);
u32 sg_agent_pid(void);

#endif
