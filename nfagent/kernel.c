// SPDX-License-Identifier: GPL-2.0-only
/*
 * Three kinds of sockets: the registered one gets questions and sends answers;
 * "control" waits for replies, in the event loop; threads that open executables
 * take one each out of a stack under its lock.
 *
 * A thread of its own reads questions: it costs less than to be told of each by
 * the event loop, and what is known already does not wait for what the loop is
 * doing.  Questions that it cannot answer wait for the loop in k->waiting; if
 * there are too many, it reads no more, and the kernel sees that we are busy.
 */
#include "kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "genl.h"
#include "log.h"

#define MAX_OPENERS 16
#define MAX_WAITING 256

struct waiting {
	unsigned int n;
	struct ask ask[MAX_WAITING];
};

struct kernel {
	struct genl *asks;
	struct genl *control;
	kernel_ask_fn fn;
	kernel_recall_fn recall;
	void *arg;
	pthread_t reader;
	bool reading;
	struct event *event;
	int fd;				/* tells the loop that some wait */
	pthread_mutex_t waiting_lock;
	pthread_cond_t room;
	_Atomic bool stop;		/* set under the lock */
	struct waiting *waiting;	/* the reader adds to this one */
	struct waiting *taken;		/* the loop has this one */
	struct waiting both[2];
	struct kernel_counts counts;
	pthread_mutex_t lock;		/* of the stack */
	struct genl *openers[MAX_OPENERS];
	unsigned int n_openers;
};

/* ---- questions ---- */

static void get_bytes(const struct nlattr *a, void *to, size_t size)
{
	memcpy(to, mnl_attr_get_payload(a), size);
}

static bool is_inet(uint8_t family)
{
	return family == AF_INET || family == AF_INET6;
}

/* Returns the length of the address, 0 if there is none. */
static uint8_t get_address(uint8_t to[16], const uint8_t from[16],
			   uint8_t family, bool always)
{
	uint32_t word[4];

	if (!is_inet(family))
		return 0;
	memcpy(word, from, sizeof(word));
	if (family == AF_INET)
		word[1] = word[2] = word[3] = 0;
	memcpy(to, word, sizeof(word));
	if (!always && !(word[0] | word[1] | word[2] | word[3]))
		return 0;
	return family == AF_INET ? 4 : 16;
}

/* Whoever comes has an address, be it 0.0.0.0 as that of a DHCP client. */
static bool has_peer(const struct ask *ask)
{
	return ask->event == SOCKGATE_EVENT_ACCEPT ||
	       ask->event == SOCKGATE_EVENT_RECEIVE;
}

int ask_parse(struct ask *ask, const struct nlattr *const attr[])
{
	struct sockgate_ask a;

	if (!attr[SOCKGATE_A_ASK])
		return -1;
	get_bytes(attr[SOCKGATE_A_ASK], &a, sizeof(a));
	if (a.event == SOCKGATE_EVENT_UNSPEC || a.event > SOCKGATE_EVENT_MAX)
		return -1;
	*ask = (struct ask){
		.id = a.id,
		.cgroup = a.cgroup,
		.netns = a.netns,
		.exe = a.exe,
		.process = a.process,
		.uid = a.uid,
		.remaining_ms = a.remaining_ms,
		.lport = ntohs(a.lport),
		.rport = ntohs(a.rport),
		.event = a.event,
		.family = a.family,
		.protocol = a.protocol,
	};
	if (!is_inet(a.family) && !ask_opens_past_the_gate(ask))
		return -1;
	ask->laddr_len = get_address(ask->laddr, a.laddr, a.family, false);
	ask->raddr_len = get_address(ask->raddr, a.raddr, a.family,
				     has_peer(ask));
	memcpy(ask->comm, a.comm, sizeof(a.comm));	/* has one byte more */
	return 0;
}

/* Called by the reader. */
static void leave_to_loop(struct kernel *k, const struct ask *ask)
{
	uint64_t one = 1;
	bool tell = false;

	pthread_mutex_lock(&k->waiting_lock);
	while (k->waiting->n == MAX_WAITING && !k->stop)
		pthread_cond_wait(&k->room, &k->waiting_lock);
	if (!k->stop) {
		tell = !k->waiting->n;
		k->waiting->ask[k->waiting->n++] = *ask;
	}
	pthread_mutex_unlock(&k->waiting_lock);
	/* The counter cannot overflow: one write each time they are taken. */
	if (tell && write(k->fd, &one, sizeof(one)) < 0)
		abort();
}

static int on_message(uint8_t cmd, const struct nlattr *const attr[], void *arg)
{
	struct kernel *k = arg;
	struct answer answer;
	struct ask ask;

	if (cmd != SOCKGATE_CMD_ASK)
		return 0;
	if (ask_parse(&ask, attr))
		k->counts.malformed++;
	else if (k->recall && k->recall(&ask, &answer, k->arg))
		kernel_answer(k, &answer);
	else
		leave_to_loop(k, &ask);
	return 0;
}

static void *read_questions(void *arg)
{
	struct kernel *k = arg;

	while (!k->stop) {
		if (genl_receive(k->asks, on_message, k) >= 0)
			continue;
		if (errno == ENOBUFS)
			k->counts.overruns++;
		else
			k->counts.malformed++;
	}
	return NULL;
}

static void on_waiting(evutil_socket_t fd, short what, void *arg)
{
	struct kernel *k = arg;
	struct waiting *taken;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return;
	pthread_mutex_lock(&k->waiting_lock);
	taken = k->waiting;
	k->waiting = k->taken;
	k->waiting->n = 0;
	k->taken = taken;
	pthread_cond_signal(&k->room);
	pthread_mutex_unlock(&k->waiting_lock);
	for (unsigned int i = 0; i < taken->n; i++)
		k->fn(&taken->ask[i], k->arg);
}

/* Signals are the event loop's: the reader must not be the one to get them. */
static int start_reader(struct kernel *k)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	errno = pthread_create(&k->reader, NULL, read_questions, k);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	k->reading = !errno;
	return errno ? -1 : 0;
}

void kernel_recall(struct kernel *k, kernel_recall_fn fn)
{
	k->recall = fn;
}

void kernel_stop(struct kernel *k)
{
	if (!k || !k->reading)
		return;
	pthread_mutex_lock(&k->waiting_lock);
	k->stop = true;
	pthread_cond_signal(&k->room);
	pthread_mutex_unlock(&k->waiting_lock);
	/* 16 bytes that the kernel sends back. */
	if (genl_wake(k->asks))
		abort();
	pthread_join(k->reader, NULL);
	k->reading = false;
	event_del(k->event);
}

/* ---- answers ---- */

void kernel_answer(struct kernel *k, const struct answer *a)
{
	char buf[64] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 };
	struct nlmsghdr *nlh = genl_begin(k->asks, buf, SOCKGATE_CMD_ANSWER, 0);
	const struct sockgate_answer answer = {
		.id = a->id,
		.lifetime_ms = a->lifetime_ms,
		.generation = a->generation,
		.fields = a->scope.fields,
		.tag = a->tag,
		.error = a->error,
		.action = a->action,
		.reason = a->reason,
		.lprefix = a->scope.lprefix,
		.rprefix = a->scope.rprefix,
	};

	mnl_attr_put(nlh, SOCKGATE_A_ANSWER, sizeof(answer), &answer);
	if (genl_send(k->asks, nlh))
		k->counts.unsent++;
}

/* ---- the rest ---- */

struct kernel *kernel_open(char *why, size_t why_size)
{
	struct kernel *k = calloc(1, sizeof(*k));

	if (!k) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&k->lock, NULL);
	pthread_mutex_init(&k->waiting_lock, NULL);
	pthread_cond_init(&k->room, NULL);
	k->waiting = &k->both[0];
	k->taken = &k->both[1];
	k->fd = -1;
	k->control = genl_open(why, why_size);
	if (k->control)
		k->asks = genl_open(why, why_size);
	if (!k->asks) {
		kernel_close(k);
		return NULL;
	}
	return k;
}

void kernel_close(struct kernel *k)
{
	if (!k)
		return;
	kernel_stop(k);
	if (k->event)
		event_free(k->event);
	if (k->fd >= 0)
		close(k->fd);
	genl_close(k->asks);
	genl_close(k->control);
	while (k->n_openers)
		genl_close(k->openers[--k->n_openers]);
	pthread_cond_destroy(&k->room);
	pthread_mutex_destroy(&k->waiting_lock);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

static int watch_waiting(struct kernel *k, struct event_base *base)
{
	k->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (k->fd < 0)
		return -1;
	k->event = event_new(base, k->fd, EV_READ | EV_PERSIST, on_waiting, k);
	errno = ENOMEM;
	return k->event && !event_add(k->event, NULL) ? 0 : -1;
}

int kernel_register(struct kernel *k, struct event_base *base,
		    kernel_ask_fn fn, void *arg, char *why, size_t why_size)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 };
	struct nlmsghdr *nlh;

	k->fn = fn;
	k->arg = arg;
	nlh = genl_begin(k->asks, buf, SOCKGATE_CMD_REGISTER, 0);
	if (!watch_waiting(k, base) && !genl_call(k->asks, nlh, NULL, NULL) &&
	    !start_reader(k))
		return 0;
	snprintf(why, why_size, errno == EBUSY ?
		 "another agent is registered with the kernel module (%s)" :
		 errno == EPERM ?
		 "the kernel module refuses us: run as root, in the initial network namespace (%s)" :
		 "cannot register with the kernel module: %s", strerror(errno));
	return -1;
}

static char *path_in(const struct nlattr *a, bool *deleted)
{
	return a ? process_told_path(mnl_attr_get_str(a), deleted) : NULL;
}

static void get_type(const struct nlattr *a, char type[SOCKGATE_TYPE_SIZE])
{
	if (a)
		snprintf(type, SOCKGATE_TYPE_SIZE, "%s", mnl_attr_get_str(a));
}

static void get_facts(const struct nlattr *const attr[],
		      struct process_facts *facts)
{
	const struct nlattr *arguments = attr[SOCKGATE_A_ARGUMENTS];
	bool gone;

	facts->path = path_in(attr[SOCKGATE_A_PATH], &facts->deleted);
	facts->parent_path = path_in(attr[SOCKGATE_A_PARENT_PATH], &gone);
	if (attr[SOCKGATE_A_PARENT_PID])
		get_bytes(attr[SOCKGATE_A_PARENT_PID], &facts->parent_pid,
			  sizeof(facts->parent_pid));
	if (arguments)
		process_take_arguments(facts, mnl_attr_get_payload(arguments),
				       mnl_attr_get_payload_len(arguments));
}

int exe_parse(struct process_exe *exe, const struct nlattr *const attr[])
{
	int32_t fd;

	memset(exe, 0, sizeof(*exe));
	exe->fd = -1;
	if (!attr[SOCKGATE_A_FD])
		return -1;
	get_bytes(attr[SOCKGATE_A_FD], &fd, sizeof(fd));
	exe->fd = fd;
	exe->mounted = attr[SOCKGATE_A_MOUNTED];
	get_type(attr[SOCKGATE_A_FS], exe->fs);
	get_type(attr[SOCKGATE_A_LAYER], exe->layer);
	get_facts(attr, &exe->facts);
	return 0;
}

static int take_exe(const struct nlattr *const attr[], void *arg)
{
	errno = EBADMSG;
	return exe_parse(arg, attr);
}

static struct genl *take_opener(struct kernel *k)
{
	struct genl *g = NULL;
	char why[256];

	pthread_mutex_lock(&k->lock);
	if (k->n_openers)
		g = k->openers[--k->n_openers];
	pthread_mutex_unlock(&k->lock);
	return g ? g : genl_open(why, sizeof(why));
}

static void give_opener_back(struct kernel *k, struct genl *g)
{
	pthread_mutex_lock(&k->lock);
	if (k->n_openers < MAX_OPENERS) {
		k->openers[k->n_openers++] = g;
		g = NULL;
	}
	pthread_mutex_unlock(&k->lock);
	genl_close(g);
}

int kernel_open_exe(struct kernel *k, uint64_t ask_id, struct process_exe *exe)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 };
	struct genl *g = take_opener(k);
	struct nlmsghdr *nlh;
	int rc, err;

	if (!g) {
		errno = EMFILE;
		return -1;
	}
	nlh = genl_begin(g, buf, SOCKGATE_CMD_OPEN_EXE, 0);
	mnl_attr_put_u64(nlh, SOCKGATE_A_ID, ask_id);
	rc = genl_get(g, nlh, take_exe, exe);
	err = errno;
	/* After a timeout the reply of this call would be the next one's. */
	if (rc && err == ETIMEDOUT)
		genl_close(g);
	else
		give_opener_back(k, g);
	errno = err;
	return rc;
}

int kernel_set_generation(struct kernel *k, uint32_t generation)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 };
	struct nlmsghdr *nlh = genl_begin(k->control, buf,
					  SOCKGATE_CMD_SET_GENERATION, 0);

	mnl_attr_put_u32(nlh, SOCKGATE_A_GENERATION, generation);
	return genl_call(k->control, nlh, NULL, NULL);
}

static void put_number(struct nlmsghdr *nlh, uint16_t attr, const uint32_t *n)
{
	if (n)
		mnl_attr_put_u32(nlh, attr, *n);
}

int kernel_configure(struct kernel *k, const struct kernel_config *config)
{
	char buf[16384] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 };
	struct nlmsghdr *nlh = genl_begin(k->control, buf,
					  SOCKGATE_CMD_SET_CONFIG, 0);

	if (config->n_failsafes > SOCKGATE_MAX_FAILSAFES ||
	    config->n_failures > __SOCKGATE_REASON_MAX) {
		errno = E2BIG;
		return -1;
	}
	put_number(nlh, SOCKGATE_A_DEADLINE, config->deadline_ms);
	put_number(nlh, SOCKGATE_A_MAX_PENDING, config->max_pending);
	put_number(nlh, SOCKGATE_A_MAX_CACHED, config->max_cached);
	put_number(nlh, SOCKGATE_A_MARK_MASK, config->mark_mask);
	put_number(nlh, SOCKGATE_A_EVENTS, config->events);
	if (config->n_failures)
		mnl_attr_put(nlh, SOCKGATE_A_FAILURES,
			     config->n_failures * sizeof(*config->failures),
			     config->failures);
	if (config->failsafes)
		mnl_attr_put(nlh, SOCKGATE_A_FAILSAFES,
			     config->n_failsafes * sizeof(*config->failsafes),
			     config->failsafes);
	return genl_call(k->control, nlh, NULL, NULL);
}

static uint32_t number_of(const struct nlattr *a)
{
	return a ? mnl_attr_get_u32(a) : 0;
}

static int take_status(const struct nlattr *const attr[], void *arg)
{
	struct kernel_status *s = arg;
	const struct nlattr *hooks = attr[SOCKGATE_A_HOOKS];
	const struct nlattr *rows = attr[SOCKGATE_A_FAILURES];
	const struct nlattr *list = attr[SOCKGATE_A_FAILSAFES];
	size_t size;

	s->generation = number_of(attr[SOCKGATE_A_GENERATION]);
	s->agent_pid = number_of(attr[SOCKGATE_A_AGENT_PID]);
	s->deadline_ms = number_of(attr[SOCKGATE_A_DEADLINE]);
	s->mark_mask = number_of(attr[SOCKGATE_A_MARK_MASK]);
	s->events = number_of(attr[SOCKGATE_A_EVENTS]);
	if (hooks) {
		size = mnl_attr_get_payload_len(hooks);
		get_bytes(hooks, s->hooks, size < sizeof(s->hooks) ?
						   size : sizeof(s->hooks));
	}
	if (rows)
		failure_set_rows(&s->failures, mnl_attr_get_payload(rows),
				 mnl_attr_get_payload_len(rows));
	if (list)
		failure_set_failsafes(&s->failures, mnl_attr_get_payload(list),
				      mnl_attr_get_payload_len(list));
	return 0;
}

int kernel_status(struct kernel *k, struct kernel_status *status)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 };
	struct nlmsghdr *nlh = genl_begin(k->control, buf,
					  SOCKGATE_CMD_GET_STATUS, 0);

	memset(status, 0, sizeof(*status));
	return genl_call(k->control, nlh, take_status, status);
}

const struct kernel_counts *kernel_counts(const struct kernel *k)
{
	return &k->counts;
}
