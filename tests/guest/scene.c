// SPDX-License-Identifier: GPL-2.0-only
#include "scene.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static const struct scene bare = { .tcp = -1, .udp = -1, .worker.fd = -1 };

static int start_listening(struct scene *s)
{
	s->tcp = net_listen(SOCK_STREAM, &s->tcp_port);
	s->udp = net_listen(SOCK_DGRAM, &s->udp_port);
	if (s->tcp < 0)
		return -s->tcp;
	return s->udp < 0 ? -s->udp : 0;
}

int scene_control(struct scene *s)
{
	int err;

	*s = bare;
	err = gate_away(&s->gate);
	err = err ?: start_listening(s);
	return err ?: worker_start(&s->worker, NULL);
}

/*
 * Our sockets' packets are judged like any, and an agent's are not: to make them it is
 * one.  The worker must not have the agent's socket, not even until it execs: what is
 * asked there would have no answer.
 */
static int listen_as_agent(struct scene *s)
{
	int err = scene_agent(s);

	if (!err)
		err = agent_set_generation(s->agent, 0);
	if (!err)
		err = start_listening(s);
	agent_close(s->agent);
	s->agent = NULL;
	return err;
}

int scene_set(struct scene *s)
{
	int err;

	*s = bare;
	err = gate_up(&s->gate);
	if (!err)
		err = listen_as_agent(s);
	if (!err)
		err = worker_start(&s->worker, NULL);
	return err ?: gate_begin(&s->gate);
}

int scene_agent(struct scene *s)
{
	int err = 0;

	s->agent = agent_open(s->gate.genl, &err);
	return err;
}

int scene_set_patient(struct scene *s)
{
	int err = scene_set(s);

	if (!err)
		err = scene_agent(s);
	return err ?: gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, FAR_MS);
}

int scene_strike(struct scene *s)
{
	worker_end(&s->worker);
	agent_close(s->agent);
	if (s->tcp >= 0)
		close(s->tcp);
	if (s->udp >= 0)
		close(s->udp);
	return gate_down(&s->gate);
}

struct call scene_connect(const struct scene *s, const char *to)
{
	struct call c = {
		.kind = CALL_CONNECT,
		.protocol = IPPROTO_TCP,
		.to = net_addr(to, s->tcp_port),
	};

	c.family = c.to.family;
	return c;
}

struct call scene_send(const struct scene *s, const char *to)
{
	struct call c = {
		.kind = CALL_SEND,
		.protocol = IPPROTO_UDP,
		.to = net_addr(to, s->udp_port),
	};

	c.family = c.to.family;
	return c;
}

/* Until the worker has reported. */
static int serve(struct scene *s, struct worker *w, const struct answer *answer)
{
	struct pollfd p[2] = {
		{ .fd = w->fd, .events = POLLIN },
		{ .fd = agent_fd(s->agent), .events = POLLIN },
	};
	int asked = 0;

	while (!p[0].revents) {
		if (poll(p, 2, -1) < 0)
			return -1;
		while (agent_next(s->agent, &s->ask, 0) == 1) {
			asked++;
			if (agent_answer(s->agent, s->ask.id, answer))
				return -1;
		}
	}
	return worker_hear(w, &s->outcome) ? -1 : asked;
}

int scene_judge_worker(struct scene *s, struct worker *w,
		       const struct call *call, const struct answer *answer)
{
	if (worker_tell(w, call))
		return -1;
	if (s->agent)
		return serve(s, w, answer);
	return worker_hear(w, &s->outcome) ? -1 : 0;
}

int scene_judge(struct scene *s, const struct call *call,
		const struct answer *answer)
{
	return scene_judge_worker(s, &s->worker, call, answer);
}

int scene_hold(struct scene *s, struct worker *w, const struct call *call)
{
	if (worker_tell(w, call))
		return -1;
	return agent_next(s->agent, &s->ask, -1) == 1 ? 0 : -1;
}

double scene_ms(const struct scene *s)
{
	return (double)(s->outcome.end_ns - s->outcome.begin_ns) / 1e6;
}
