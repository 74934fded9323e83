/* SPDX-License-Identifier: GPL-2.0-only */
/* What most tests need: the module, an agent (the test itself), a listener. */
#ifndef GUEST_SCENE_H
#define GUEST_SCENE_H

#include "agent.h"
#include "call.h"
#include "gate.h"
#include "worker.h"

#define FAR_MS 100000U		/* a deadline, or a lifetime, that does not come */

struct scene {
	struct gate gate;
	struct agent *agent;	/* NULL until scene_agent() */
	struct worker worker;
	int tcp, udp;		/* listening on all addresses */
	uint16_t tcp_port, udp_port;
	struct ask ask;		/* the last that scene_judge() answered */
	struct outcome outcome;	/* of the last scene_judge() or scene_hear() */
};

/* scene_set - everything but an agent.  Returns 0, or an errno. */
int scene_set(struct scene *s);

/* scene_control - the same without the module.  Returns 0, or an errno. */
int scene_control(struct scene *s);

/* scene_agent - the calling process becomes the agent.  Returns 0, or an errno. */
int scene_agent(struct scene *s);

/* scene_set_patient - all, and a question waits for FAR_MS.  Returns 0, or an errno. */
int scene_set_patient(struct scene *s);

/* scene_strike - take all down.  Returns what went wrong, 0 if nothing. */
int scene_strike(struct scene *s);

/* A call to one of our listeners. */
struct call scene_connect(const struct scene *s, const char *to);
struct call scene_send(const struct scene *s, const char *to);

/*
 * scene_judge - have the worker make a call, answering each question alike
 * Returns the number of questions, or -1 if worker or agent failed.
 */
int scene_judge(struct scene *s, const struct call *call,
		const struct answer *answer);
int scene_judge_worker(struct scene *s, struct worker *w,
		       const struct call *call, const struct answer *answer);

/*
 * scene_hold - have a worker make a call, up to its question
 * Returns 0 with s->ask filled in, or -1.
 */
int scene_hold(struct scene *s, struct worker *w, const struct call *call);

/* scene_ms - how long the last call took */
double scene_ms(const struct scene *s);

#endif
