// SPDX-License-Identifier: GPL-2.0-only
/*
 * On a socket of its own beside lib/genl.c, because a test wants to see the
 * error of each answer while questions keep coming.
 */
#include "agent.h"

#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define RECEIVE_SIZE (64 * 1024)
#define SOCKET_BUFFER (4 << 20)
#define NOTHING_CAME (-2)

const struct answer agent_allow = { .action = SOCKGATE_ACTION_ALLOW };
const struct answer agent_deny = { .action = SOCKGATE_ACTION_DENY,
				   .error = EACCES };

struct queued {
	struct queued *next;
	struct ask ask;
};

struct agent {
	struct mnl_socket *nl;
	struct genl *genl;
	struct queued *first, **last;	/* came while an answer was under way */
	int fd_reply;			/* of OPEN_EXE */
	struct facts facts;		/* likewise */
	uint32_t seq;
	char buf[RECEIVE_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
};

static size_t address_len(const uint8_t addr[16], uint8_t family)
{
	static const uint8_t none[16];

	return !memcmp(addr, none, sizeof(none)) ? 0 : family == AF_INET ? 4 : 16;
}

static int read_ask(struct ask *ask, const struct nlattr *const attr[])
{
	struct sockgate_ask q;

	if (!attr[SOCKGATE_A_ASK])
		return -1;
	/* genl_parse() has checked that it fits. */
	memcpy(&q, mnl_attr_get_payload(attr[SOCKGATE_A_ASK]), sizeof(q));
	*ask = (struct ask){
		.id = q.id,
		.event = q.event,
		.family = q.family,
		.protocol = q.protocol,
		.lport = ntohs(q.lport),
		.rport = ntohs(q.rport),
		.uid = q.uid,
		.cgroup = q.cgroup,
		.netns = q.netns,
		.remaining = q.remaining_ms,
		.exe = q.exe,
		.process = q.process,
		.laddr_len = address_len(q.laddr, q.family),
		.raddr_len = address_len(q.raddr, q.family),
	};
	memcpy(ask->laddr, q.laddr, sizeof(ask->laddr));
	memcpy(ask->raddr, q.raddr, sizeof(ask->raddr));
	memcpy(ask->comm, q.comm, sizeof(ask->comm));
	return 0;
}

static int enqueue(struct agent *a, const struct nlattr *const attr[])
{
	struct queued *q = calloc(1, sizeof(*q));

	if (!q)
		return -1;
	if (read_ask(&q->ask, attr)) {
		free(q);
		errno = EBADMSG;
		return -1;
	}
	*a->last = q;
	a->last = &q->next;
	return 0;
}

static bool dequeue(struct agent *a, struct ask *ask)
{
	struct queued *q = a->first;

	if (!q)
		return false;
	*ask = q->ask;
	a->first = q->next;
	if (!a->first)
		a->last = &a->first;
	free(q);
	return true;
}

static void take_string(char *to, const struct nlattr *a)
{
	if (a)
		strcpy(to, mnl_attr_get_str(a));
}

/* genl_parse() has checked that all of it fits. */
static void take_exe(struct agent *a, const struct nlattr *const attr[])
{
	const struct nlattr *arguments = attr[SOCKGATE_A_ARGUMENTS];
	struct facts *f = &a->facts;

	a->fd_reply = (int)mnl_attr_get_u32(attr[SOCKGATE_A_FD]);
	memset(f, 0, sizeof(*f));
	take_string(f->path, attr[SOCKGATE_A_PATH]);
	take_string(f->parent_path, attr[SOCKGATE_A_PARENT_PATH]);
	take_string(f->fs, attr[SOCKGATE_A_FS]);
	take_string(f->layer, attr[SOCKGATE_A_LAYER]);
	f->mounted = attr[SOCKGATE_A_MOUNTED];
	if (attr[SOCKGATE_A_PARENT_PID])
		f->parent = mnl_attr_get_u32(attr[SOCKGATE_A_PARENT_PID]);
	f->has_arguments = arguments;
	if (!arguments)
		return;
	f->n_arguments = mnl_attr_get_payload_len(arguments);
	memcpy(f->arguments, mnl_attr_get_payload(arguments), f->n_arguments);
}

/* Returns 1 if this is the acknowledgement waited for, with *@err set. */
static int take(struct agent *a, const struct nlmsghdr *nlh, int *err)
{
	const struct nlattr *attr[SOCKGATE_A_MAX + 1];
	const struct genlmsghdr *head = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

		if (nlh->nlmsg_seq != a->seq)
			return 0;
		*err = -e->error;
		return 1;
	}
	if (genl_parse(nlh, attr))
		return -1;
	if (head->cmd == SOCKGATE_CMD_ASK)
		return enqueue(a, attr);
	if (head->cmd == SOCKGATE_CMD_OPEN_EXE && attr[SOCKGATE_A_FD])
		take_exe(a, attr);
	return 0;
}

/* Reads one datagram; as take(), or NOTHING_CAME. */
static int receive(struct agent *a, int *err, int timeout_ms)
{
	struct pollfd p = { .fd = agent_fd(a), .events = POLLIN };
	struct nlmsghdr *nlh = (struct nlmsghdr *)a->buf;
	int rest, n = poll(&p, 1, timeout_ms), found = 0;

	if (n <= 0)
		return n ? -1 : NOTHING_CAME;
	rest = (int)mnl_socket_recvfrom(a->nl, a->buf, sizeof(a->buf));
	if (rest < 0)
		return -1;
	for (; mnl_nlmsg_ok(nlh, rest); nlh = mnl_nlmsg_next(nlh, &rest)) {
		n = take(a, nlh, err);
		if (n < 0)
			return -1;
		found |= n;
	}
	return found;
}

int agent_call(struct agent *a, struct nlmsghdr *nlh)
{
	int err = 0, n = 0;

	nlh->nlmsg_flags |= NLM_F_ACK;
	a->seq = nlh->nlmsg_seq;
	if (mnl_socket_sendto(a->nl, nlh, nlh->nlmsg_len) < 0)
		return errno;
	while (!n)
		n = receive(a, &err, -1);
	return n < 0 ? errno : err;
}

struct agent *agent_open(struct genl *genl, int *err)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct agent *a = calloc(1, sizeof(*a));
	int size = SOCKET_BUFFER;

	*err = ENOMEM;
	if (!a)
		return NULL;
	a->genl = genl;
	a->last = &a->first;
	a->nl = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!a->nl || mnl_socket_bind(a->nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(agent_fd(a), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		*err = errno;
	else
		*err = agent_call(a, genl_begin(genl, buf, SOCKGATE_CMD_REGISTER, 0));
	if (!*err)
		return a;
	agent_close(a);
	return NULL;
}

void agent_close(struct agent *a)
{
	struct ask ask;

	if (!a)
		return;
	while (dequeue(a, &ask))
		;
	if (a->nl)
		mnl_socket_close(a->nl);
	free(a);
}

int agent_fd(const struct agent *a)
{
	return mnl_socket_get_fd(a->nl);
}

int agent_next(struct agent *a, struct ask *ask, int timeout_ms)
{
	int err = 0, n;

	while (!dequeue(a, ask)) {
		n = receive(a, &err, timeout_ms);
		if (n < 0)
			return n == NOTHING_CAME ? 0 : -1;
	}
	return 1;
}

int agent_answer(struct agent *a, uint64_t id, const struct answer *answer)
{
	char buf[512] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nlh = genl_begin(a->genl, buf, SOCKGATE_CMD_ANSWER, 0);
	const struct sockgate_answer message = {
		.id = id,
		.lifetime_ms = answer->lifetime,
		.generation = answer->generation,
		.fields = answer->fields,
		.tag = answer->tag,
		.error = answer->error,
		.action = answer->action,
		.reason = answer->reason,
		.lprefix = answer->lprefix,
		.rprefix = answer->rprefix,
	};

	mnl_attr_put(nlh, SOCKGATE_A_ANSWER, sizeof(message), &message);
	return agent_call(a, nlh);
}

int agent_open_exe(struct agent *a, uint64_t id)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nlh = genl_begin(a->genl, buf, SOCKGATE_CMD_OPEN_EXE, 0);
	int err;

	mnl_attr_put_u64(nlh, SOCKGATE_A_ID, id);
	a->fd_reply = -ENODATA;
	err = agent_call(a, nlh);
	return err ? -err : a->fd_reply;
}

const struct facts *agent_facts(const struct agent *a)
{
	return &a->facts;
}

int agent_set_generation(struct agent *a, uint32_t generation)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nlh;

	nlh = genl_begin(a->genl, buf, SOCKGATE_CMD_SET_GENERATION, 0);
	mnl_attr_put_u32(nlh, SOCKGATE_A_GENERATION, generation);
	return agent_call(a, nlh);
}

void agent_serve_allow(struct agent *a, const struct ask *ask)
{
	agent_answer(a, ask->id, &agent_allow);
}

static void serve(struct genl *genl, agent_serve_fn fn, unsigned int every,
		  int ready)
{
	unsigned int n = 0;
	struct ask ask;
	int err;
	struct agent *a = agent_open(genl, &err);

	if (write(ready, &err, sizeof(err)) != sizeof(err) || !a)
		return;
	close(ready);
	/* ENOBUFS: we were too slow, those callers hang; go on. */
	while (agent_next(a, &ask, -1) > 0 || errno == ENOBUFS)
		if (every && ++n % every == 0)
			fn(a, &ask);
}

pid_t agent_fork(struct genl *genl, agent_serve_fn fn, unsigned int every)
{
	int ready[2], err = EPIPE;
	pid_t pid;

	if (pipe(ready))
		return -errno;
	pid = fork();
	if (!pid) {
		close(ready[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(genl, fn, every, ready[1]);
		_exit(0);
	}
	close(ready[1]);
	if (pid < 0)
		err = errno;
	else if (read(ready[0], &err, sizeof(err)) != sizeof(err))
		err = EPIPE;
	close(ready[0]);
	if (!err)
		return pid;
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return -err;
}
