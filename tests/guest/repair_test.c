// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCP_REPAIR: a connection that begins without a handshake, so that its first packet
 * says no more than that there is one.
 */
#include "kselftest_harness.h"
#include "child.h"
#include "page.h"
#include "scene.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>

#define V4 "127.0.0.1"
#define ELSEWHERE "127.0.0.2"

FIXTURE(repair) {
	struct scene s;
	struct addr to;
};

FIXTURE_SETUP(repair)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->to = net_addr(V4, self->s.tcp_port);
}

FIXTURE_TEARDOWN(repair)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

static int socket_for(const struct addr *to, int type)
{
	return socket(to->family, type | SOCK_CLOEXEC, 0);
}

static int repair(int fd, int on)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on));
}

static int listening_at[2];

/*
 * Listens, says where, and accepts one connection, on which a byte goes either way.
 * Returns its socket, or -1.
 */
static int accept_one(const struct addr *to)
{
	struct addr at = net_addr(V4, 0);
	int fd = socket_for(to, SOCK_STREAM);
	char byte;

	if (bind(fd, &at.sa, at.len) || listen(fd, 1) ||
	    getsockname(fd, &at.sa, &at.len) ||
	    write(listening_at[1], &at, sizeof(at)) != sizeof(at))
		return -1;
	fd = accept(fd, NULL, NULL);
	return recv(fd, &byte, 1, 0) == 1 && send(fd, "x", 1, 0) == 1 ? fd : -1;
}

/* The same, and unmakes it. */
static int accept_and_unmake(const struct addr *to)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	int fd = accept_one(to);

	return fd < 0 || connect(fd, &none, sizeof(none)) ? -1 : fd;
}

/* What its socket meets that is repaired, and sends; ECONNRESET if it got there. */
static int send_repaired(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (send(fd, "x", 1, MSG_NOSIGNAL) != 1)
		return errno;
	return poll(&p, 1, CHILD_MS) == 1 ? net_error(fd) : 0;
}

/*
 * What it accepted is unmade and becomes, without a handshake, a connection to
 * another place, whose first packet says no more than that there is one.  Exit
 * status: what it meets; ECONNRESET if it got there.
 */
static int take_elsewhere(const struct addr *to)
{
	struct addr other = net_addr(ELSEWHERE, ntohs(to->in.sin_port));
	int fd = accept_and_unmake(to);

	if (fd < 0)
		return CHILD_LOST;
	if (repair(fd, true) || fcntl(fd, F_SETFL, O_NONBLOCK) ||
	    connect(fd, &other.sa, other.len) || repair(fd, false))
		return CHILD_LOST + 1;
	return send_repaired(fd);
}

/* Opens the connection that it accepts.  Exit status of the program. */
static int judge_taken_elsewhere(struct scene *s, const struct addr *to,
				 const struct answer *answer)
{
	int fd = socket_for(to, SOCK_STREAM), rc;
	struct addr at;
	pid_t pid;

	if (pipe(listening_at))
		return CHILD_LOST;
	pid = child_start(take_elsewhere, to);
	if (agent_next(s->agent, &s->ask, CHILD_MS) != 1 ||
	    s->ask.event != SOCKGATE_EVENT_LISTEN ||
	    agent_answer(s->agent, s->ask.id, &agent_allow) ||
	    read(listening_at[0], &at, sizeof(at)) != sizeof(at) ||
	    connect(fd, &at.sa, at.len) || send(fd, "x", 1, 0) != 1)
		return CHILD_LOST;
	/* That it is unmade is told to its peer, by the listener's leave. */
	while (agent_next(s->agent, &s->ask, CHILD_MS) == 1 &&
	       s->ask.event == SOCKGATE_EVENT_LISTEN)
		agent_answer(s->agent, s->ask.id, &agent_allow);
	agent_answer(s->agent, s->ask.id, answer);
	rc = child_end(pid);
	close(fd);
	close(listening_at[0]);
	close(listening_at[1]);
	return rc;
}

static bool asked_for_elsewhere(const struct scene *s)
{
	return s->ask.event == SOCKGATE_EVENT_CONNECT &&
	       net_same(ELSEWHERE, s->ask.raddr, 4) &&
	       s->ask.rport == s->tcp_port;
}

TEST_F(repair, accepted_and_taken_elsewhere_denied)
{
	EXPECT_EQ(EACCES, judge_taken_elsewhere(&self->s, &self->to, &agent_deny));
	EXPECT_TRUE(asked_for_elsewhere(&self->s));
}

TEST_F(repair, accepted_and_taken_elsewhere_allowed)
{
	EXPECT_EQ(ECONNRESET,
		  judge_taken_elsewhere(&self->s, &self->to, &agent_allow));
	EXPECT_TRUE(asked_for_elsewhere(&self->s));
}

/*
 * What it accepted is unmade, and listens itself: whatever it answers is its own
 * listener's affair, not that of the one that it came from.
 */
static int listen_again(const struct addr *to)
{
	struct addr at = net_addr(V4, 0);
	struct pollfd p = { .fd = accept_and_unmake(to), .events = POLLIN };

	if (p.fd < 0 || bind(p.fd, &at.sa, at.len) || listen(p.fd, 1) ||
	    getsockname(p.fd, &at.sa, &at.len) ||
	    write(listening_at[1], &at, sizeof(at)) != sizeof(at))
		return CHILD_LOST;
	return poll(&p, 1, CHILD_MS) == 1 ? 0 : ETIMEDOUT;
}

/* Another policy, by which it may not listen any more, holds for it as well. */
TEST_F(repair, listens_where_it_was_accepted)
{
	const struct answer once = {
		.action = SOCKGATE_ACTION_ALLOW, .lifetime = FAR_MS,
		.fields = SOCKGATE_F_ALL,
	}, anew = { .action = SOCKGATE_ACTION_ALLOW, .generation = 1 };
	struct scene *s = &self->s;
	int fd = socket_for(&self->to, SOCK_STREAM);
	struct call call = scene_connect(s, V4);
	struct addr at;
	pid_t pid;

	ASSERT_EQ(0, pipe(listening_at));
	pid = child_start(listen_again, &self->to);
	ASSERT_EQ(1, agent_next(s->agent, &s->ask, CHILD_MS));
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &once));
	ASSERT_EQ((ssize_t)sizeof(at), read(listening_at[0], &at, sizeof(at)));
	ASSERT_EQ(0, connect(fd, &at.sa, at.len));
	ASSERT_EQ(1, send(fd, "x", 1, 0));
	ASSERT_EQ(1, agent_next(s->agent, &s->ask, CHILD_MS));
	ASSERT_EQ(SOCKGATE_EVENT_LISTEN, s->ask.event);
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &once));
	ASSERT_EQ((ssize_t)sizeof(at), read(listening_at[0], &at, sizeof(at)));
	ASSERT_EQ(0, agent_set_generation(s->agent, 1));
	/* Not by us: what answers the agent is not asked about. */
	call.to.in.sin_port = at.in.sin_port;
	ASSERT_EQ(0, scene_hold(s, &s->worker, &call));
	ASSERT_EQ(0, agent_answer(s->agent, s->ask.id, &anew));
	/* Its answer to that is asked about anew. */
	ASSERT_EQ(1, agent_next(s->agent, &s->ask, CHILD_MS));
	EXPECT_EQ(SOCKGATE_EVENT_LISTEN, s->ask.event);
	EXPECT_EQ(ntohs(at.in.sin_port), s->ask.lport);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- while others use it ---------------------------------------------------------- */

/*
 * A connection that is open, and a thread that holds its lock: it sends from memory
 * that is not there yet.  Others wait for the lock meanwhile, in this order: to unmake
 * it, to repair it, and to connect it elsewhere; that call came while it was open.
 */
struct shared {
	int fd;
	struct addr to;
	char *page;
};

static void *send_page(void *arg)
{
	struct shared *s = arg;

	return (void *)(send(s->fd, s->page, 1, MSG_NOSIGNAL) == 1 ? 0L : 1L);
}

static void *unmake(void *arg)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct shared *s = arg;

	return (void *)(long)connect(s->fd, &none, sizeof(none));
}

static void *begin_repair(void *arg)
{
	struct shared *s = arg;

	return (void *)(long)repair(s->fd, true);
}

static void *connect_there(void *arg)
{
	struct shared *s = arg;

	return (void *)(long)connect(s->fd, &s->to.sa, s->to.len);
}

/* By its stack: what is in "wchan" is 0 on some kernels. */
static bool waits_for_lock(pid_t tid)
{
	char path[64], stack[4096];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stack", tid);
	f = fopen(path, "re");
	if (f) {
		n = fread(stack, 1, sizeof(stack) - 1, f);
		fclose(f);
	}
	stack[n] = 0;
	return strstr(stack, "lock_sock");
}

struct step {
	void *(*run)(void *);
	struct shared *shared;
	pid_t tid;
	pthread_t thread;
};

static void *run_step(void *arg)
{
	struct step *step = arg;

	__atomic_store_n(&step->tid, gettid(), __ATOMIC_RELEASE);
	return step->run(step->shared);
}

/* Returns when it waits for the lock. */
static int start_step(struct step *step)
{
	pid_t tid;

	if (pthread_create(&step->thread, NULL, run_step, step))
		return -1;
	while (!(tid = __atomic_load_n(&step->tid, __ATOMIC_ACQUIRE)) ||
	       !waits_for_lock(tid))
		gate_nap();
	return 0;
}

static int race(struct shared *shared, int faults)
{
	struct step steps[] = {
		{ .run = unmake, .shared = shared },
		{ .run = begin_repair, .shared = shared },
		{ .run = connect_there, .shared = shared },
	};
	struct uffd_msg fault;
	pthread_t sender;
	void *wrong;
	long bad;
	size_t i;

	if (pthread_create(&sender, NULL, send_page, shared) ||
	    read(faults, &fault, sizeof(fault)) != sizeof(fault))
		return -1;
	for (i = 0; i < ARRAY_SIZE(steps); i++)
		if (start_step(&steps[i]))
			return -1;
	if (page_give(faults, shared->page))
		return -1;
	pthread_join(sender, &wrong);
	bad = (long)wrong;
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		pthread_join(steps[i].thread, &wrong);
		bad |= (long)wrong;
	}
	return bad ? -1 : 0;
}

/* An open connection becomes one to another place.  Exit status as of take_elsewhere(). */
static int race_elsewhere(int fd, const struct addr *to)
{
	struct shared shared = {
		.fd = fd,
		.to = net_addr(ELSEWHERE, ntohs(to->in.sin_port)),
	};
	int faults = page_missing(&shared.page);

	if (faults < 0 || fcntl(fd, F_SETFL, O_NONBLOCK))
		return CHILD_LOST;
	if (race(&shared, faults))
		return CHILD_LOST + 1;
	if (repair(fd, false))
		return CHILD_LOST + 2;
	return send_repaired(fd);
}

static int connect_and_race(const struct addr *to)
{
	int fd = socket_for(to, SOCK_STREAM);

	if (connect(fd, &to->sa, to->len))
		return CHILD_LOST;
	return race_elsewhere(fd, to);
}

static int judge_race(struct scene *s, const struct addr *to,
		      const struct answer *answer)
{
	pid_t pid = child_start(connect_and_race, to);

	if (agent_next(s->agent, &s->ask, CHILD_MS) != 1 ||
	    agent_answer(s->agent, s->ask.id, &agent_allow))
		return CHILD_LOST;
	if (agent_next(s->agent, &s->ask, CHILD_MS) == 1)
		agent_answer(s->agent, s->ask.id, answer);
	return child_end(pid);
}

TEST_F(repair, connected_while_open_denied)
{
	EXPECT_EQ(EACCES, judge_race(&self->s, &self->to, &agent_deny));
	EXPECT_TRUE(asked_for_elsewhere(&self->s));
}

TEST_F(repair, connected_while_open_allowed)
{
	EXPECT_EQ(ECONNRESET, judge_race(&self->s, &self->to, &agent_allow));
	EXPECT_TRUE(asked_for_elsewhere(&self->s));
}

/* ---- what has answered the agent --------------------------------------------------- */

static int accept_and_race(const struct addr *to)
{
	int fd = accept_one(to);

	return fd < 0 ? CHILD_LOST : race_elsewhere(fd, to);
}

/*
 * Its leave to listen is of a policy that is past when we connect: what it says to us is
 * let through because we are the agent, and for nothing else.  Exit status of the program.
 */
static int judge_race_of_answering(struct scene *s, const struct addr *to,
				   const struct answer *answer)
{
	int fd = socket_for(to, SOCK_STREAM), rc;
	struct addr at;
	char byte;
	pid_t pid;

	if (pipe(listening_at))
		return CHILD_LOST;
	pid = child_start(accept_and_race, to);
	if (agent_next(s->agent, &s->ask, CHILD_MS) != 1 ||
	    s->ask.event != SOCKGATE_EVENT_LISTEN ||
	    agent_answer(s->agent, s->ask.id, &agent_allow) ||
	    read(listening_at[0], &at, sizeof(at)) != sizeof(at) ||
	    agent_set_generation(s->agent, 1) ||
	    connect(fd, &at.sa, at.len) || send(fd, "x", 1, 0) != 1 ||
	    recv(fd, &byte, 1, 0) != 1)
		return CHILD_LOST;
	/* What is open is asked about too, since the policy is a new one. */
	while (agent_next(s->agent, &s->ask, CHILD_MS) == 1) {
		bool elsewhere = asked_for_elsewhere(s);

		agent_answer(s->agent, s->ask.id, elsewhere ? answer : &agent_allow);
		if (elsewhere)
			break;
	}
	rc = child_end(pid);
	close(fd);
	close(listening_at[0]);
	close(listening_at[1]);
	return rc;
}

TEST_F(repair, answered_agent_and_taken_elsewhere_denied)
{
	EXPECT_EQ(EACCES, judge_race_of_answering(&self->s, &self->to, &agent_deny));
	EXPECT_TRUE(asked_for_elsewhere(&self->s));
}

TEST_F(repair, answered_agent_and_taken_elsewhere_allowed)
{
	struct answer allow = agent_allow;

	allow.generation = 1;
	EXPECT_EQ(ECONNRESET, judge_race_of_answering(&self->s, &self->to, &allow));
	EXPECT_TRUE(asked_for_elsewhere(&self->s));
}

TEST_HARNESS_MAIN
