/* SPDX-License-Identifier: GPL-2.0-only */
/* An agent that a test scripts: it says what to answer, question by question. */
#ifndef GUEST_AGENT_H
#define GUEST_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/sockgate.h>

#include "gate.h"

struct agent;

/* A question, as it came. */
struct ask {
	uint64_t id, cgroup, netns;
	uint8_t event, family, protocol;
	uint8_t laddr[16], raddr[16];
	size_t laddr_len, raddr_len;	/* 0: absent */
	uint16_t lport, rport;		/* host order */
	uint32_t uid, remaining;
	struct sockgate_file exe;
	struct sockgate_process process;
	char comm[16];
};

/* An answer: struct sockgate_answer but for the id. */
struct answer {
	uint8_t action, reason, lprefix, rprefix;
	uint32_t error, lifetime, generation, fields, tag;
};

/* The answers that tests give most. */
extern const struct answer agent_allow, agent_deny;

/*
 * agent_open - make the calling process the agent
 * @genl: only tells which family to speak to
 * @err:  on failure the kernel's errno
 * May be called again for another socket of the same agent.  Returns NULL on
 * failure.
 */
struct agent *agent_open(struct genl *genl, int *err);
void agent_close(struct agent *a);
int agent_fd(const struct agent *a);

/*
 * agent_next - the next question
 * @timeout_ms: -1 waits for ever
 * Returns 1, 0 if none came, or -1 with errno.
 */
int agent_next(struct agent *a, struct ask *ask, int timeout_ms);

/* agent_answer - answer and wait for the kernel's word.  Returns 0 or an errno. */
int agent_answer(struct agent *a, uint64_t id, const struct answer *answer);

/* agent_open_exe - the file behind a question.  Returns a descriptor or -errno. */
int agent_open_exe(struct agent *a, uint64_t id);

/* What came with it; of what did not come strings are empty and numbers 0. */
struct facts {
	char path[SOCKGATE_PATH_SIZE], parent_path[SOCKGATE_PATH_SIZE];
	char fs[SOCKGATE_TYPE_SIZE], layer[SOCKGATE_TYPE_SIZE];
	uint32_t parent;
	bool mounted, has_arguments;
	size_t n_arguments;
	char arguments[SOCKGATE_ARGUMENTS_SIZE];
};

/* agent_facts - of the last agent_open_exe() */
const struct facts *agent_facts(const struct agent *a);

/* agent_set_generation - a new policy.  Returns 0 or an errno. */
int agent_set_generation(struct agent *a, uint32_t generation);

/*
 * agent_call - send any message on the agent's socket, as its owner
 * @nlh: from genl_begin()
 * Returns the kernel's errno, 0 for an acknowledgement.
 */
int agent_call(struct agent *a, struct nlmsghdr *nlh);

/*
 * agent_fork - an agent in a process of its own
 * @serve: answers one question, in that process
 * @every: serve only every n-th question, let the others hang; 0: none
 * Returns when it is registered, with its process id, or -errno.
 */
typedef void (*agent_serve_fn)(struct agent *a, const struct ask *ask);
pid_t agent_fork(struct genl *genl, agent_serve_fn serve, unsigned int every);

/* agent_serve_allow - for agent_fork(): allow, remember nothing */
void agent_serve_allow(struct agent *a, const struct ask *ask);

#endif
