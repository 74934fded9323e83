// SPDX-License-Identifier: GPL-2.0-only
#include "gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_SIZE 8192

/* Where the lab says the module for this kernel is. */
static const char *module_path(void)
{
	const char *path = getenv("LAB_MODULE");

	return path ? path : "build/kmod/sockgate.ko";
}

int gate_load(void)
{
	int fd = open(module_path(), O_RDONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0) {
		err = errno;
		fprintf(stderr, "# %s: %s\n", module_path(), strerror(err));
		return err;
	}
	if (syscall(SYS_finit_module, fd, "", 0))
		err = errno;
	close(fd);
	return err;
}

int gate_unload(void)
{
	return syscall(SYS_delete_module, "sockgate", O_NONBLOCK) ? errno : 0;
}

static int open_control(struct gate *g)
{
	char why[256];

	g->genl = genl_open(why, sizeof(why));
	if (g->genl)
		return 0;
	fprintf(stderr, "# %s\n", why);
	return ENOENT;
}

int gate_away(struct gate *g)
{
	int err;

	*g = (struct gate){ 0 };
	if (klog_begin(&g->log))
		return errno;
	err = gate_unload();
	return err == ENOENT ? 0 : err;
}

int gate_reopen(struct gate *g)
{
	genl_close(g->genl);
	return open_control(g);
}

int gate_down(struct gate *g)
{
	genl_close(g->genl);
	return klog_end(&g->log);
}

static uint32_t u32_of(const struct nlattr *a)
{
	return a ? mnl_attr_get_u32(a) : 0;
}

/* Copies an array, as much of it as there is room for; returns its bytes. */
static size_t copy(void *to, size_t size, const struct nlattr *a)
{
	size_t n = a ? mnl_attr_get_payload_len(a) : 0;

	if (n > size)
		n = size;
	if (n)
		memcpy(to, mnl_attr_get_payload(a), n);
	return n;
}

static int take_status(const struct nlattr *const attr[], void *arg)
{
	struct gate_status *s = arg;

	s->deadline = u32_of(attr[SOCKGATE_A_DEADLINE]);
	s->max_pending = u32_of(attr[SOCKGATE_A_MAX_PENDING]);
	s->max_cached = u32_of(attr[SOCKGATE_A_MAX_CACHED]);
	s->mark_mask = u32_of(attr[SOCKGATE_A_MARK_MASK]);
	s->events = u32_of(attr[SOCKGATE_A_EVENTS]);
	s->generation = u32_of(attr[SOCKGATE_A_GENERATION]);
	s->agent_pid = u32_of(attr[SOCKGATE_A_AGENT_PID]);
	s->pending = u32_of(attr[SOCKGATE_A_PENDING]);
	s->cached = u32_of(attr[SOCKGATE_A_CACHED]);
	s->masks = u32_of(attr[SOCKGATE_A_MASKS]);
	s->sockets = u32_of(attr[SOCKGATE_A_SOCKETS]);
	s->parked = u32_of(attr[SOCKGATE_A_PARKED]);
	copy(s->n, sizeof(s->n), attr[SOCKGATE_A_COUNTERS]);
	copy(s->hook, sizeof(s->hook), attr[SOCKGATE_A_HOOKS]);
	copy(s->row, sizeof(s->row), attr[SOCKGATE_A_FAILURES]);
	s->n_failsafes = copy(s->failsafe, sizeof(s->failsafe),
			      attr[SOCKGATE_A_FAILSAFES]) /
			 sizeof(s->failsafe[0]);
	copy(s->version, sizeof(s->version) - 1, attr[SOCKGATE_A_VERSION_STR]);
	return 0;
}

int gate_status(struct gate *g, struct gate_status *s)
{
	char buf[MNL_NLMSG_HDRLEN + 64] __attribute__((aligned(4)));
	struct nlmsghdr *nlh = genl_begin(g->genl, buf, SOCKGATE_CMD_GET_STATUS, 0);

	*s = (struct gate_status){ 0 };
	if (genl_call(g->genl, nlh, take_status, s))
		return errno;
	for (int i = 0; i < SOCKGATE_N_MAX; i++)
		s->n[i] -= g->base[i];
	return 0;
}

int gate_begin(struct gate *g)
{
	struct gate_status s;
	int err = gate_status(g, &s);

	for (int i = 0; !err && i < SOCKGATE_N_MAX; i++)
		g->base[i] += s.n[i];
	return err;
}

uint64_t gate_count(struct gate *g, enum sockgate_counter counter)
{
	struct gate_status s;

	return gate_status(g, &s) ? UINT64_MAX : s.n[counter];
}

uint32_t gate_parked(struct gate *g)
{
	struct gate_status st;

	return gate_status(g, &st) ? UINT32_MAX : st.parked;
}

uint64_t gate_failures(struct gate *g, enum sockgate_reason reason)
{
	return gate_count(g, SOCKGATE_N_REASON + reason);
}

void gate_nap(void)
{
	static const struct timespec ms = { .tv_nsec = 1000000 };

	nanosleep(&ms, NULL);
}

int gate_wait_pending(struct gate *g, uint32_t n)
{
	struct gate_status s;
	int err;

	while (!(err = gate_status(g, &s)) && s.pending != n)
		gate_nap();
	return err;
}

int gate_wait_count(struct gate *g, enum sockgate_counter counter, uint64_t n)
{
	struct gate_status s;
	int err;

	while (!(err = gate_status(g, &s)) && s.n[counter] < n)
		gate_nap();
	return err;
}

static int set(struct gate *g, uint16_t attr, const void *data, size_t size)
{
	char buf[MESSAGE_SIZE] __attribute__((aligned(4)));
	struct nlmsghdr *nlh = genl_begin(g->genl, buf, SOCKGATE_CMD_SET_CONFIG, 0);

	mnl_attr_put(nlh, attr, size, data);
	return genl_call(g->genl, nlh, NULL, NULL) ? errno : 0;
}

int gate_set_u32(struct gate *g, uint16_t attr, uint32_t value)
{
	return set(g, attr, &value, sizeof(value));
}

int gate_set_row(struct gate *g, uint8_t reason, uint8_t action, uint16_t error)
{
	const struct sockgate_failure row = {
		.reason = reason,
		.action = action,
		.error = error,
	};

	return set(g, SOCKGATE_A_FAILURES, &row, sizeof(row));
}

int gate_set_failsafes(struct gate *g, const struct sockgate_failsafe *list,
		       size_t n)
{
	return set(g, SOCKGATE_A_FAILSAFES, list, n * sizeof(*list));
}

/*
 * Loading takes a second, since ftrace looks through all it has for every hook.  So
 * the tests of a program share a module, and each finds it as it is when loaded.
 */
static struct shared {
	pid_t program;
	struct gate_status fresh;
} *shared;

__attribute__((constructor)) static void begin_program(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		abort();
	shared->program = getpid();
}

/* Whoever runs us hears of a module that will not go, or leaves something behind. */
__attribute__((destructor)) static void end_program(void)
{
	int err;

	if (getpid() != shared->program)
		return;
	err = gate_unload();
	if (!err || err == ENOENT)
		return;
	fprintf(stderr, "# unload: %s\n", strerror(err));
	_exit(EXIT_FAILURE);
}

static int put_back(struct gate *g, const struct gate_status *to)
{
	char buf[MESSAGE_SIZE] __attribute__((aligned(4)));
	struct nlmsghdr *nlh = genl_begin(g->genl, buf, SOCKGATE_CMD_SET_CONFIG, 0);

	mnl_attr_put_u32(nlh, SOCKGATE_A_DEADLINE, to->deadline);
	mnl_attr_put_u32(nlh, SOCKGATE_A_MAX_PENDING, to->max_pending);
	mnl_attr_put_u32(nlh, SOCKGATE_A_MAX_CACHED, to->max_cached);
	mnl_attr_put_u32(nlh, SOCKGATE_A_EVENTS, to->events);
	mnl_attr_put(nlh, SOCKGATE_A_FAILURES, sizeof(to->row[0]) * SOCKGATE_REASON_MAX,
		     &to->row[1]);
	mnl_attr_put(nlh, SOCKGATE_A_FAILSAFES,
		     to->n_failsafes * sizeof(to->failsafe[0]), to->failsafe);
	return genl_call(g->genl, nlh, NULL, NULL) ? errno : 0;
}

/*
 * A mask that was ever set is the module's, even if it is the one that it had: whoever
 * sets one, or gives a tag, has to ask for a module of its own.
 */
static int settle(struct gate *g)
{
	struct gate_status s;
	int err = gate_set_u32(g, SOCKGATE_A_MAX_CACHED, 0);

	while (!err) {
		err = gate_status(g, &s);
		if (!err && !s.pending && !s.parked && !s.cached && !s.agent_pid)
			break;
		gate_nap();
	}
	if (!err && s.mark_mask != shared->fresh.mark_mask)
		err = gate_set_u32(g, SOCKGATE_A_MARK_MASK, shared->fresh.mark_mask);
	return err ?: put_back(g, &shared->fresh);
}

int gate_up(struct gate *g)
{
	int loaded, err;

	*g = (struct gate){ 0 };
	if (klog_begin(&g->log))
		return errno;
	loaded = gate_load();
	if (loaded && loaded != EEXIST)
		return loaded;
	err = open_control(g);
	if (err)
		return err;
	return loaded ? settle(g) : gate_status(g, &shared->fresh);
}
