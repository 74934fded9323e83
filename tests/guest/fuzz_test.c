// SPDX-License-Identifier: GPL-2.0-only
/*
 * A million messages that are almost right, from whoever may send them and whoever
 * may not: errors, never harm.
 *
 * FUZZ_SEED repeats a run, whose seed is printed; FUZZ_MESSAGES is another number of
 * messages: with much less than 100000 not all is reached that has to be.
 */
#include "kselftest_harness.h"
#include "child.h"
#include "fuzz.h"
#include "scene.h"

#include <fcntl.h>
#include <linux/genetlink.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>

#define TO "127.0.0.1"
#define MESSAGES 1000000UL
#define BATCH 64U
#define ROOM (256U * 1024)	/* of a batch; the lie at its end is one more */
/* An error has the message with it that it is about. */
#define REPLY_MAX (FUZZ_MESSAGE_MAX + 1024U)
#define NOBODY_ID 65534
#define ERRORS 140		/* above all errno */
#define CALLERS 4
#define DEADLINE_LIMIT 100000U
#define PENDING_LIMIT 65536U
#define CACHED_LIMIT 1048576U
/* 1400 are usual; a leak of 9 bytes in each message would be more. */
#define SLAB_GROWTH_KB 8192
#define SETTLE_MS 10000

enum who {
	WHO_NOBODY,		/* another uid, without capabilities */
	WHO_NAMESPACE_ROOT,	/* all of them, in a user namespace of its own */
	WHO_BORROWER,		/* nobody with a socket that root has opened */
	WHO_ADMIN,
	WHO_AGENT,
	WHO_END,
};

static const char *const names[WHO_END] = {
	"nobody", "namespace root", "borrower", "administrator", "agent",
};

/* What a sender tells: in shared memory. */
struct report {
	uint64_t sent, errors[ERRORS];
	uint64_t wrong, lost;	/* answered as they should not be, not just once */
	int error;		/* of the first that is wrong */
	uint8_t cmd;
	int broken;		/* errno of a system call that failed */
	uint64_t unsound;	/* states of the module */
	uint64_t opened;	/* executables */
	int kept;		/* descriptors it did not have before */
};

struct shared {
	struct fuzz_seen seen;
	struct report report[WHO_END];
};

struct sent {
	uint32_t len;
	uint16_t flags;
	uint8_t cmd;
	unsigned int replies;
};

struct sender {
	struct fuzz fuzz;
	struct fuzz aside;	/* of what depends on when a question comes */
	struct report *report;
	enum who who;
	int fd;
	uint32_t first;		/* number of the batch's first message */
	unsigned int n, n_todo;
	struct sent sent[BATCH];
	uint64_t todo[BATCH];	/* questions that get a right answer */
};

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

/* ---- what is right --------------------------------------------------------------- */

/* What generic netlink says itself comes first; then nobody is told anything. */
static bool right_for_nobody(const struct sent *m, int error)
{
	bool ours = m->cmd > SOCKGATE_CMD_UNSPEC && m->cmd <= SOCKGATE_CMD_MAX &&
		    m->cmd != SOCKGATE_CMD_ASK;

	if (m->len < NLMSG_HDRLEN + GENL_HDRLEN)
		return error == EINVAL;
	if (!ours)
		return error == EOPNOTSUPP || error == EINVAL;
	/* Not in this way; some kernels see that first. */
	if ((m->flags & NLM_F_DUMP) == NLM_F_DUMP || m->cmd == SOCKGATE_CMD_GET_CACHE)
		return error == EOPNOTSUPP || error == EPERM;
	return error == EPERM;
}

static bool right_for_root(int error)
{
	switch (error) {
	case 0:
	case EPERM:
	case ENOENT:
	case E2BIG:
	case EBUSY:
	case EEXIST:
	case EINVAL:
	case ERANGE:
	case EOPNOTSUPP:
		return true;
	}
	return false;
}

static void note_error(struct sender *s, struct sent *m, int error)
{
	bool right = s->who < WHO_ADMIN ? right_for_nobody(m, error) :
					  right_for_root(error);

	m->replies++;
	s->report->errors[error < 0 || error >= ERRORS ? ERRORS - 1 : error]++;
	if (right)
		return;
	if (!s->report->wrong++) {
		s->report->error = error;
		s->report->cmd = m->cmd;
	}
}

/* ---- a sender -------------------------------------------------------------------- */

static void note_question(struct sender *s, const struct nlattr *a)
{
	struct sockgate_ask ask;

	memcpy(&ask, mnl_attr_get_payload(a), sizeof(ask));
	fuzz_note(&s->fuzz, ask.id);
	/* The others are left to chance. */
	if (s->n_todo < BATCH / 2 && fuzz_draw(&s->aside, 2))
		s->todo[s->n_todo++] = ask.id;
}

static bool row_right(const struct sockgate_failure *row)
{
	return (row->action == SOCKGATE_ACTION_ALLOW ||
		row->action == SOCKGATE_ACTION_DENY ||
		row->action == SOCKGATE_ACTION_FAILSAFE) &&
	       (row->error == EACCES || row->error == EPERM ||
		row->error == ECONNREFUSED);
}

static bool failsafe_right(const struct sockgate_failsafe *f)
{
	return f->events && f->events < 1U << __SOCKGATE_EVENT_MAX &&
	       f->prefix <= (f->family == AF_INET ? 32 :
			     f->family == AF_INET6 ? 128 : 0) &&
	       f->lport_min <= f->lport_max && f->rport_min <= f->rport_max;
}

static bool lists_right(const struct nlattr *rows, const struct nlattr *list)
{
	size_t i, n_rows = mnl_attr_get_payload_len(rows) /
			   sizeof(struct sockgate_failure);
	size_t n = mnl_attr_get_payload_len(list) / sizeof(struct sockgate_failsafe);
	struct sockgate_failsafe f;
	struct sockgate_failure row;

	for (i = 0; i < n_rows; i++) {
		memcpy(&row, (char *)mnl_attr_get_payload(rows) + i * sizeof(row),
		       sizeof(row));
		if (row.reason != i || !row_right(&row))
			return false;
	}
	for (i = 0; i < n; i++) {
		memcpy(&f, (char *)mnl_attr_get_payload(list) + i * sizeof(f),
		       sizeof(f));
		if (!failsafe_right(&f))
			return false;
	}
	return n_rows == __SOCKGATE_REASON_MAX && n <= SOCKGATE_MAX_FAILSAFES;
}

static bool within(const struct nlattr *a, uint32_t min, uint32_t max)
{
	uint32_t value = a ? mnl_attr_get_u32(a) : 0;

	return a && value >= min && value <= max;
}

/* Whatever was sent, all that is in force is what may be. */
static bool status_right(const struct nlattr *const attr[])
{
	return within(attr[SOCKGATE_A_DEADLINE], 1, DEADLINE_LIMIT) &&
	       within(attr[SOCKGATE_A_MAX_PENDING], 1, PENDING_LIMIT) &&
	       within(attr[SOCKGATE_A_MAX_CACHED], 0, CACHED_LIMIT) &&
	       attr[SOCKGATE_A_EVENTS] && attr[SOCKGATE_A_MARK_MASK] &&
	       !(mnl_attr_get_u32(attr[SOCKGATE_A_EVENTS]) &
		 ~SOCKGATE_EVENTS_OPTIONAL) &&
	       attr[SOCKGATE_A_FAILURES] && attr[SOCKGATE_A_FAILSAFES] &&
	       lists_right(attr[SOCKGATE_A_FAILURES], attr[SOCKGATE_A_FAILSAFES]);
}

/* Returns false if it is not what it should be. */
static bool take_message(struct sender *s, const struct nlmsghdr *nlh)
{
	const struct nlattr *attr[SOCKGATE_A_MAX + 1];

	if (genl_parse(nlh, attr))
		return false;
	if (attr[SOCKGATE_A_ASK])
		note_question(s, attr[SOCKGATE_A_ASK]);
	if (attr[SOCKGATE_A_FD] &&
	    !close((int)mnl_attr_get_u32(attr[SOCKGATE_A_FD])))
		s->report->opened++;
	if (attr[SOCKGATE_A_GENERATION]) {
		s->fuzz.seen->generation =
			mnl_attr_get_u32(attr[SOCKGATE_A_GENERATION]);
		s->report->unsound += !status_right(attr);
	}
	return s->who >= WHO_ADMIN;
}

static bool take(struct sender *s, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	uint32_t i = nlh->nlmsg_seq - s->first;
	bool listed = nlh->nlmsg_type == NLMSG_DONE;

	if (nlh->nlmsg_type != NLMSG_ERROR && !listed)
		return take_message(s, nlh);
	if (i >= s->n)
		return false;
	note_error(s, &s->sent[i], listed ? 0 : -e->error);
	return true;
}

/* A listing has several in one. */
static bool take_all(struct sender *s, const struct nlmsghdr *nlh, int size)
{
	bool all = mnl_nlmsg_ok(nlh, size);

	for (; mnl_nlmsg_ok(nlh, size); nlh = mnl_nlmsg_next(nlh, &size))
		all &= take(s, nlh);
	return all;
}

static char replies[BATCH][REPLY_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));

/* All that has come.  The kernel answers before send(2) returns. */
static int collect(struct sender *s)
{
	struct mmsghdr got[BATCH];
	struct iovec room[BATCH];
	int i, n;

	memset(got, 0, sizeof(got));
	for (i = 0; i < (int)BATCH; i++) {
		room[i] = (struct iovec){ replies[i], REPLY_MAX };
		got[i].msg_hdr.msg_iov = &room[i];
		got[i].msg_hdr.msg_iovlen = 1;
	}
	while ((n = recvmmsg(s->fd, got, BATCH, MSG_DONTWAIT, NULL)) > 0)
		for (i = 0; i < n; i++)
			if (!take_all(s, (struct nlmsghdr *)replies[i],
				      (int)got[i].msg_len))
				s->report->lost++;
	return errno == EAGAIN ? 0 : errno;
}

static char batch[ROOM] __attribute__((aligned(NLMSG_ALIGNTO)));

static size_t next_message(struct sender *s, void *buf)
{
	uint32_t seq = s->first + s->n;

	if (s->n_todo)
		return fuzz_answer(&s->aside, buf, seq, s->todo[--s->n_todo]);
	return fuzz_message(&s->fuzz, buf, seq);
}

/* Returns the bytes of it. */
static size_t make_batch(struct sender *s, uint64_t most)
{
	size_t size = 0, message = 0;
	struct nlmsghdr *nlh;

	s->first += s->n;
	s->n = 0;
	while (s->n < BATCH && s->n < most &&
	       size + 2UL * FUZZ_MESSAGE_MAX <= ROOM) {
		nlh = (struct nlmsghdr *)(batch + size);
		message = next_message(s, nlh);
		s->sent[s->n++] = (struct sent){
			.len = nlh->nlmsg_len,
			.flags = nlh->nlmsg_flags,
			/* Behind a cut, it stands there still. */
			.cmd = ((uint8_t *)nlh)[NLMSG_HDRLEN],
		};
		size += message;
	}
	/* What follows a length that leads nowhere is not looked at. */
	if (!fuzz_draw(&s->aside, 8)) {
		nlh = (struct nlmsghdr *)(batch + size);
		size += fuzz_message(&s->aside, nlh, s->first + s->n);
		fuzz_lie(&s->aside, nlh);
	}
	return size;
}

static int send_batch(struct sender *s, uint64_t most)
{
	size_t size = make_batch(s, most);
	unsigned int i;
	int err;

	if (send(s->fd, batch, size, 0) < 0)
		return errno;
	err = collect(s);
	for (i = 0; i < s->n; i++)
		s->report->lost += s->sent[i].replies != 1;
	s->report->sent += s->n;
	return err;
}

static int open_socket(void)
{
	int size = 4 << 20, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
					NETLINK_GENERIC);

	/* Nobody has to do without. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return fd;
}

static bool become(enum who who)
{
	if (who < WHO_ADMIN && syscall(SYS_setresuid, NOBODY_ID, NOBODY_ID, NOBODY_ID))
		return false;
	if (who == WHO_NAMESPACE_ROOT && unshare(CLONE_NEWUSER))
		return false;
	/* Becoming somebody else takes it back. */
	return !prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* ---- all of them ----------------------------------------------------------------- */

FIXTURE(fuzz) {
	struct scene s;
	struct shared *shared;
	struct worker caller[CALLERS];
	pid_t pid[WHO_END];
	int stay[2];		/* the agent stays until this is closed */
	uint64_t seed, share;	/* each sender's */
	uint16_t family;
};

FIXTURE_SETUP(fuzz)
{
	char buf[64] __attribute__((aligned(NLMSG_ALIGNTO)));
	uint64_t seed = 0;
	int i;

	for (i = 0; i < CALLERS; i++)
		self->caller[i].fd = -1;
	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, pipe2(self->stay, O_CLOEXEC));
	self->family = genl_begin(self->s.gate.genl, buf, 0, 0)->nlmsg_type;
	ASSERT_EQ(sizeof(seed), getrandom(&seed, sizeof(seed), 0));
	self->seed = number_of("FUZZ_SEED", seed);
	/* Three in one test, all five in the other. */
	self->share = number_of("FUZZ_MESSAGES", MESSAGES) / (WHO_ADMIN + WHO_END);
	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	TH_LOG("FUZZ_SEED=0x%llx", (unsigned long long)self->seed);
}

FIXTURE_TEARDOWN(fuzz)
{
	int i;

	for (i = 0; i < CALLERS; i++)
		worker_end(&self->caller[i]);
	EXPECT_EQ(0, scene_strike(&self->s));
}

static void run_sender(FIXTURE_DATA(fuzz) *self, struct sender *s)
{
	int files = child_open_files();

	while (s->report->sent < self->share && !s->report->broken)
		s->report->broken = send_batch(s, self->share - s->report->sent);
	s->report->kept = child_open_files() - files;
}

/* The agent's process: it is gone when it ends. */
static int be_agent(FIXTURE_DATA(fuzz) *self, struct sender *s)
{
	struct agent *a;
	char none;
	int err;

	close(self->stay[1]);
	a = agent_open(self->s.gate.genl, &err);
	if (!a)
		return err;
	s->fd = agent_fd(a);
	run_sender(self, s);
	return read(self->stay[0], &none, 1) ? EPIPE : 0;
}

static int be_sender(FIXTURE_DATA(fuzz) *self, enum who who)
{
	struct shared *shared = self->shared;
	static struct sender s;

	s = (struct sender){
		.fuzz = fuzz_begin(self->seed, who, self->family, &shared->seen),
		.aside = fuzz_begin(self->seed, WHO_END + who, self->family,
				    &shared->seen),
		.report = &shared->report[who],
		.who = who,
		.fd = who == WHO_BORROWER ? open_socket() : -1,
		.first = 1,
	};
	if (!become(who))
		return errno;
	if (who == WHO_AGENT)
		return be_agent(self, &s);
	if (who != WHO_BORROWER)
		s.fd = open_socket();
	run_sender(self, &s);
	return 0;
}

static pid_t start_sender(FIXTURE_DATA(fuzz) *self, enum who who)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	_exit(be_sender(self, who));
}

/* From @first on, and before @end. */
static void start_senders(struct __test_metadata *_metadata,
			  FIXTURE_DATA(fuzz) *self, int first, int end)
{
	for (; first < end; first++) {
		self->pid[first] = start_sender(self, (enum who)first);
		ASSERT_LT(0, self->pid[first]);
	}
}

/* How often each error came, for whoever has to find out what was reached. */
static void show(struct __test_metadata *_metadata, const struct report *r,
		 enum who who)
{
	char text[512] = "";
	size_t at = 0;
	int i;

	for (i = 0; i < ERRORS && at < sizeof(text); i++)
		if (r->errors[i])
			at += (size_t)snprintf(text + at, sizeof(text) - at, " %s %llu",
					       strerrorname_np(i) ?: "?",
					       (unsigned long long)r->errors[i]);
	TH_LOG("%s: %llu sent:%s", names[who], (unsigned long long)r->sent, text);
}

static void end_senders(struct __test_metadata *_metadata,
			FIXTURE_DATA(fuzz) *self, int first, int end)
{
	const struct report *r;
	int status;

	for (; first < end; first++) {
		r = &self->shared->report[first];
		ASSERT_EQ(self->pid[first], waitpid(self->pid[first], &status, 0));
		show(_metadata, r, (enum who)first);
		EXPECT_EQ(0, status);
		EXPECT_EQ(0, r->broken);
		EXPECT_EQ(self->share, r->sent);
		EXPECT_EQ(0, r->lost);
		EXPECT_EQ(0, r->unsound);
		EXPECT_EQ(0, r->kept);
		EXPECT_EQ(0, r->wrong) {
			TH_LOG("%s: command %u got error %d", names[first], r->cmd,
			       r->error);
		}
	}
}

/* ---- who may not ------------------------------------------------------------------ */

/* Whether nothing was set or counted between two looks; sending calls a hook. */
static bool unchanged(struct gate_status *before, struct gate_status *after)
{
	memset(before->hook, 0, sizeof(before->hook));
	memset(after->hook, 0, sizeof(after->hook));
	return !memcmp(before, after, sizeof(*before));
}

static ptrdiff_t first_difference(const struct gate_status *a,
				  const struct gate_status *b)
{
	ptrdiff_t i = 0;

	while (((const char *)a)[i] == ((const char *)b)[i])
		i++;
	return i;
}

/* Not even to the question that is open. */
TEST_F_TIMEOUT(fuzz, unprivileged, 150)
{
	struct call call = scene_connect(&self->s, TO);
	struct gate_status before, after;
	struct scene *s = &self->s;

	ASSERT_EQ(0, scene_agent(s));
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, DEADLINE_LIMIT));
	ASSERT_EQ(0, scene_hold(s, &s->worker, &call));
	self->shared->seen.id[0] = s->ask.id;
	ASSERT_EQ(0, gate_status(&s->gate, &before));
	EXPECT_EQ(1, before.pending);
	start_senders(_metadata, self, 0, WHO_ADMIN);
	end_senders(_metadata, self, 0, WHO_ADMIN);
	ASSERT_EQ(0, gate_status(&s->gate, &after));
	EXPECT_TRUE(unchanged(&before, &after)) {
		TH_LOG("byte %td of the status: %u sockets, then %u",
		       first_difference(&before, &after), before.sockets, after.sockets);
	}
	EXPECT_EQ(0, agent_answer(s->agent, s->ask.id, &agent_allow));
	ASSERT_EQ(0, worker_hear(&s->worker, &s->outcome));
	EXPECT_EQ(0, s->outcome.error);
}

/* ---- everybody -------------------------------------------------------------------- */

static int start_callers(FIXTURE_DATA(fuzz) *self)
{
	struct call call[2] = {
		scene_send(&self->s, TO), scene_connect(&self->s, TO),
	};
	int i, err = 0;

	/* Nobody accepts: it has to be refused, or the queue would fill. */
	call[1].to = net_addr(TO, 1);
	for (i = 0; i < CALLERS && !err; i++) {
		call[i % 2].times = UINT32_MAX;
		call[i % 2].uid = i < 2 ? 0 : 4242;
		err = worker_start(&self->caller[i], NULL);
		err = err ?: worker_tell(&self->caller[i], &call[i % 2]);
	}
	return err;
}

static void end_callers(FIXTURE_DATA(fuzz) *self)
{
	int i;

	for (i = 0; i < CALLERS; i++)
		worker_end(&self->caller[i]);
}

static int wait_agent(FIXTURE_DATA(fuzz) *self)
{
	struct gate_status st;
	int err;

	while (!(err = gate_status(&self->s.gate, &st)) &&
	       (pid_t)st.agent_pid != self->pid[WHO_AGENT])
		gate_nap();
	return err;
}

static int take_status(const struct nlattr *const attr[], void *arg)
{
	*(bool *)arg = status_right(attr);
	return 0;
}

static void check_status(struct __test_metadata *_metadata, struct gate *g)
{
	char buf[64] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct gate_status st;
	bool right = false;

	ASSERT_EQ(0, genl_call(g->genl, genl_begin(g->genl, buf,
						   SOCKGATE_CMD_GET_STATUS, 0),
			       take_status, &right));
	EXPECT_TRUE(right);
	ASSERT_EQ(0, gate_status(g, &st));
	EXPECT_GE(st.max_cached, st.cached);
	EXPECT_EQ(0, st.agent_pid);
	EXPECT_EQ(0, st.pending);
	EXPECT_EQ(0, st.parked);
}

/* The fuzzer is of use only if it gets beyond the first check. */
static void check_reached(struct __test_metadata *_metadata,
			  FIXTURE_DATA(fuzz) *self)
{
	static const int of_agent[] = {
		0, ENOENT, E2BIG, EEXIST, EINVAL, ERANGE, EOPNOTSUPP,
	};
	static const int of_admin[] = { 0, EPERM, E2BIG, EBUSY, EINVAL, ERANGE };
	static const int counters[] = {
		SOCKGATE_N_ASKED, SOCKGATE_N_ANSWERED, SOCKGATE_N_LATE,
		SOCKGATE_N_STALE, SOCKGATE_N_HELD_ALLOW, SOCKGATE_N_HELD_DENY,
		SOCKGATE_N_HIT_ALLOW,
		SOCKGATE_N_REASON + SOCKGATE_REASON_BAD_ANSWER,
	};
	const struct report *r = self->shared->report;
	struct gate_status st;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(of_agent); i++)
		EXPECT_LT(0, r[WHO_AGENT].errors[of_agent[i]]) {
			TH_LOG("the agent never got error %d", of_agent[i]);
		}
	for (i = 0; i < ARRAY_SIZE(of_admin); i++)
		EXPECT_LT(0, r[WHO_ADMIN].errors[of_admin[i]]) {
			TH_LOG("the administrator never got error %d", of_admin[i]);
		}
	EXPECT_LT(0, r[WHO_AGENT].opened);
	ASSERT_EQ(0, gate_status(&self->s.gate, &st));
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		EXPECT_LT(0, st.n[counters[i]]) {
			TH_LOG("counter %d", counters[i]);
		}
}

static long slab_kb(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	long kb = -1;

	while (f && kb < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "Slab: %ld", &kb) != 1)
			kb = -1;
	if (f)
		fclose(f);
	return kb;
}

/* What is freed goes with a grace period. */
static long slab_settled(long most)
{
	long kb = slab_kb();
	int ms;

	for (ms = 0; ms < SETTLE_MS && kb > most; ms++) {
		gate_nap();
		kb = slab_kb();
	}
	return kb;
}

static void check_works(struct __test_metadata *_metadata, struct scene *s)
{
	struct call call = scene_connect(s, TO);
	struct gate_status st;

	ASSERT_EQ(0, scene_agent(s));
	/* These may be anything that is right, such as a millisecond. */
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_DEADLINE, DEADLINE_LIMIT));
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_MAX_PENDING, 64));
	ASSERT_EQ(0, gate_set_u32(&s->gate, SOCKGATE_A_EVENTS, 0));
	ASSERT_EQ(0, gate_status(&s->gate, &st));
	ASSERT_EQ(0, agent_set_generation(s->agent, st.generation + 1));
	/* What is open is asked about as well, since the policy is a new one. */
	EXPECT_LE(1, scene_judge(s, &call, &agent_deny));
	EXPECT_EQ(EACCES, s->outcome.error);
	EXPECT_LE(1, scene_judge(s, &call, &agent_allow));
	EXPECT_EQ(0, s->outcome.error);
	EXPECT_EQ(0, gate_wait_pending(&s->gate, 0));
	agent_close(s->agent);
	s->agent = NULL;
}

TEST_F_TIMEOUT(fuzz, storm, 240)
{
	struct gate *g = &self->s.gate;
	long slab = slab_kb(), grown;

	ASSERT_LT(0, slab);
	start_senders(_metadata, self, WHO_AGENT, WHO_END);
	ASSERT_EQ(0, wait_agent(self));
	ASSERT_EQ(0, start_callers(self));
	start_senders(_metadata, self, 0, WHO_AGENT);
	end_senders(_metadata, self, 0, WHO_AGENT);
	close(self->stay[1]);
	end_senders(_metadata, self, WHO_AGENT, WHO_END);
	end_callers(self);
	ASSERT_EQ(0, gate_wait_pending(g, 0));
	check_status(_metadata, g);
	check_reached(_metadata, self);
	check_works(_metadata, &self->s);
	/* Its mark mask and its counters are of use to nobody else. */
	EXPECT_EQ(0, gate_unload());
	grown = slab_settled(slab + SLAB_GROWTH_KB) - slab;
	TH_LOG("Slab grew by %ld kB", grown);
	EXPECT_GE(SLAB_GROWTH_KB, grown);
}

TEST_HARNESS_MAIN
