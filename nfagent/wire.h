/* SPDX-License-Identifier: GPL-2.0-only */
/* A question as the server gets it: messages that point into what we know. */
#ifndef NFAGENT_WIRE_H
#define NFAGENT_WIRE_H

#include "ask.h"
#include "identity.h"
#include "sockgate.pb-c.h"
#include "user.h"

/* Nothing in here is owned: it lives as long as what it was made from. */
struct wire {
	Sockgate__Event event;
	Sockgate__Process process;
	Sockgate__User user;
	Sockgate__Place place;
};

void wire_event(Sockgate__Event *event, const struct ask *ask);

/* @id, @user: NULL if not known; then only what the kernel said is there. */
void wire_fill(struct wire *wire, const struct ask *ask,
	       const struct identity *id, const struct user *user);

#endif
