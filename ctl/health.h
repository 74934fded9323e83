/* SPDX-License-Identifier: GPL-2.0-only */
/* Is everything up that should be up on this machine? */
#ifndef CTL_HEALTH_H
#define CTL_HEALTH_H

#include <stdbool.h>
#include <time.h>

#include "kernel.h"
#include "sockgate.pb-c.h"

/* What was found; a why says why the part beside it is NULL. */
struct health_facts {
	/* What this machine should be. */
	bool want_workload, want_server, want_sigdb, want_manager;
	const struct kernel_status *kernel;
	const char *kernel_why;
	const Sockgate__Status *agent;
	const char *agent_why;
	const Sockgate__Status *server;
	const char *server_why;
	const Sockgate__Status *sigdb;
	const char *sigdb_why;
	const Sockgate__Status *manager;
	const char *manager_why;
	time_t now;
};

struct health_problem {
	char what[512];		/* is wrong */
	char remedy[256];	/* what to do, may be "" */
};

#define HEALTH_MAX 8

struct health {
	struct health_problem problem[HEALTH_MAX];
	unsigned int problems;	/* 0: all is up */
	struct health_problem warning[HEALTH_MAX];
	unsigned int warnings;	/* up, but somebody should look */
};

/* Pure: looks at nothing but @facts. */
void health_judge(const struct health_facts *facts, struct health *health);

#endif
