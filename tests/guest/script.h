/* SPDX-License-Identifier: GPL-2.0-only */
/* An agent that answers by event, and remembers what it was asked. */
#ifndef GUEST_SCRIPT_H
#define GUEST_SCRIPT_H

#include "child.h"
#include "scene.h"

#define SOON_MS 300		/* long enough for what is not to happen */
#define AT_ONCE_MS 5000		/* and for what is */
#define EVENT(name) (1U << SOCKGATE_EVENT_##name)

struct script {
	const struct answer *answer[__SOCKGATE_EVENT_MAX];	/* NULL: none yet */
	unsigned int asked[__SOCKGATE_EVENT_MAX];
	struct ask last[__SOCKGATE_EVENT_MAX];
	void (*seen)(const struct ask *ask);	/* of each; may be NULL */
};

/* Allow and remember for good; deny with EPERM and do not remember. */
extern const struct answer script_remember, script_refuse;

/* script_allowing - one that allows and remembers everything */
struct script script_allowing(void);

/* script_serve - answer whatever is asked until nothing is for @ms */
void script_serve(struct scene *s, struct script *script, int ms);

/*
 * script_end - the same until a child ends: its exit status
 * CHILD_LOST if it does not within AT_ONCE_MS; then it is killed.
 */
int script_end(struct scene *s, struct script *script, pid_t pid);

/* script_run - start a child and the same */
int script_run(struct scene *s, struct script *script, child_fn program,
	       const struct addr *to);

#endif
