// SPDX-License-Identifier: GPL-2.0-only
#include "script.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

const struct answer script_remember = {
	.action = SOCKGATE_ACTION_ALLOW, .lifetime = FAR_MS,
	.fields = SOCKGATE_F_ALL,
};

const struct answer script_refuse = {
	.action = SOCKGATE_ACTION_DENY, .error = EPERM,
};

struct script script_allowing(void)
{
	struct script script = { 0 };
	size_t i;

	for (i = 0; i < __SOCKGATE_EVENT_MAX; i++)
		script.answer[i] = &script_remember;
	return script;
}

static void answer(struct scene *s, struct script *script, const struct ask *ask)
{
	const struct answer *a = script->answer[ask->event];

	script->asked[ask->event]++;
	script->last[ask->event] = *ask;
	if (script->seen)
		script->seen(ask);
	if (a)
		agent_answer(s->agent, ask->id, a);
}

void script_serve(struct scene *s, struct script *script, int ms)
{
	while (agent_next(s->agent, &s->ask, ms) == 1)
		answer(s, script, &s->ask);
}

int script_end(struct scene *s, struct script *script, pid_t pid)
{
	int status, ms;

	for (ms = 0; ms < AT_ONCE_MS; ms++) {
		script_serve(s, script, 1);
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : CHILD_LOST;
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return CHILD_LOST;
}

int script_run(struct scene *s, struct script *script, child_fn program,
	       const struct addr *to)
{
	return script_end(s, script, child_start(program, to));
}
