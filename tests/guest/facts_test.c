// SPDX-License-Identifier: GPL-2.0-only
/*
 * What comes with the descriptor of an executable: it is what /proc says of a process
 * that is held, of that very process and file, and costs nobody a wait.
 */
#include "kselftest_harness.h"
#include "child.h"
#include "page.h"
#include "scene.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define V4 "127.0.0.1"
#define DIR "/dev/shm/facts_test"
#define PATIENCE_MS 20000
#define LONG_ARGUMENT 100000
#define NAME_LENGTH 200

FIXTURE(facts) {
	struct scene s;
	struct addr to;
	struct ask ask;
	const struct facts *facts;
};

FIXTURE_SETUP(facts)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->to = net_addr(V4, self->s.tcp_port);
	self->facts = agent_facts(self->s.agent);
	ASSERT_TRUE(!mkdir(DIR, 0755) || errno == EEXIST);
	ASSERT_EQ(0, mount("none", DIR, "tmpfs", 0, NULL));
}

FIXTURE_TEARDOWN(facts)
{
	EXPECT_EQ(0, scene_strike(&self->s));
	umount2(DIR "/over", MNT_DETACH);
	EXPECT_EQ(0, umount2(DIR, MNT_DETACH));
	rmdir(DIR);
}

/* Opens the executable of the next question.  Returns 0, or an errno. */
static int look(FIXTURE_DATA(facts) *self)
{
	int fd;

	if (agent_next(self->s.agent, &self->ask, PATIENCE_MS) != 1)
		return ETIMEDOUT;
	fd = agent_open_exe(self->s.agent, self->ask.id);
	if (fd < 0)
		return -fd;
	return close(fd) ? errno : 0;
}

static int let_go(FIXTURE_DATA(facts) *self)
{
	return agent_answer(self->s.agent, self->ask.id, &agent_allow);
}

static bool leads_to(uint32_t pid, const char *path)
{
	char link[32], to[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%u/exe", pid);
	n = readlink(link, to, sizeof(to) - 1);
	if (n < 0)
		return false;
	to[n] = '\0';
	return !strcmp(to, path);
}

/* As much as is told. */
static bool same_arguments(uint32_t pid, const struct facts *f)
{
	char path[32], line[SOCKGATE_ARGUMENTS_SIZE];
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	n = fread(line, 1, sizeof(line), file);
	fclose(file);
	return f->has_arguments && n == f->n_arguments &&
	       !memcmp(line, f->arguments, n);
}

static int connect_as(const struct addr *to, int type)
{
	int fd = socket(AF_INET, type, 0);

	return connect(fd, &to->sa, to->len) ? errno : 0;
}

static int connects(const struct addr *to)
{
	return connect_as(to, SOCK_STREAM);
}

TEST_F(facts, are_what_proc_says)
{
	pid_t pid = child_start(connects, &self->to);

	ASSERT_EQ(0, look(self));
	EXPECT_EQ((uint32_t)pid, self->ask.process.pid);
	EXPECT_TRUE(leads_to((uint32_t)pid, self->facts->path));
	EXPECT_EQ((uint32_t)getpid(), self->facts->parent);
	EXPECT_TRUE(leads_to((uint32_t)getpid(), self->facts->parent_path));
	EXPECT_TRUE(same_arguments((uint32_t)pid, self->facts));
	EXPECT_TRUE(self->facts->mounted);
	EXPECT_EQ(0, let_go(self));
	EXPECT_EQ(0, child_end(pid));
}

/* ---- the file -------------------------------------------------------------------------- */

/* Has a worker connect, and looks who it is. */
static int look_at_worker(FIXTURE_DATA(facts) *self, struct worker *w)
{
	const struct call call = scene_connect(&self->s, V4);
	struct outcome outcome;
	int err = worker_tell(w, &call) ?: look(self) ?: let_go(self) ?:
		  worker_hear(w, &outcome);

	return err ?: outcome.error;
}

TEST_F(facts, follow_a_file_that_is_renamed_and_deleted)
{
	struct worker w;

	ASSERT_EQ(0, worker_place(DIR "/one"));
	ASSERT_EQ(0, worker_start(&w, DIR "/one"));
	EXPECT_EQ(0, look_at_worker(self, &w));
	EXPECT_STREQ(DIR "/one", self->facts->path);
	ASSERT_EQ(0, rename(DIR "/one", DIR "/two"));
	EXPECT_EQ(0, look_at_worker(self, &w));
	EXPECT_STREQ(DIR "/two", self->facts->path);
	ASSERT_EQ(0, unlink(DIR "/two"));
	EXPECT_EQ(0, look_at_worker(self, &w));
	EXPECT_STREQ(DIR "/two (deleted)", self->facts->path);
	EXPECT_TRUE(self->facts->mounted);
	worker_end(&w);
}

/* Directories with names of NAME_LENGTH, as many as a path that exec takes has room for. */
static int make_deep(char *path)
{
	while (strlen(path) + NAME_LENGTH + sizeof("/worker") < PATH_MAX - 64) {
		size_t n = strlen(path);

		path[n] = '/';
		memset(path + n + 1, 'd', NAME_LENGTH - 1);
		path[n + NAME_LENGTH] = '\0';
		if (mkdir(path, 0755))
			return errno;
	}
	strcat(path, "/worker");
	return worker_place(path);
}

TEST_F(facts, have_no_path_that_is_too_long)
{
	char path[PATH_MAX] = DIR "/top", longer[PATH_MAX] = DIR "/";
	struct worker w;

	ASSERT_EQ(0, mkdir(path, 0755));
	ASSERT_EQ(0, make_deep(path));
	ASSERT_EQ(0, worker_start(&w, path));
	EXPECT_EQ(0, look_at_worker(self, &w));
	EXPECT_STREQ(path, self->facts->path);
	memset(longer + strlen(longer), 'l', 255);
	ASSERT_EQ(0, rename(DIR "/top", longer));
	EXPECT_EQ(0, look_at_worker(self, &w));
	EXPECT_STREQ("", self->facts->path);
	EXPECT_FALSE(self->facts->mounted);
	EXPECT_EQ((uint32_t)getpid(), self->facts->parent);
	worker_end(&w);
}

TEST_F(facts, name_the_file_system_and_what_is_behind)
{
	struct worker w;

	ASSERT_EQ(0, worker_place(DIR "/worker"));
	ASSERT_EQ(0, worker_start(&w, DIR "/worker"));
	EXPECT_EQ(0, look_at_worker(self, &w));
	EXPECT_STREQ("tmpfs", self->facts->fs);
	EXPECT_STREQ("", self->facts->layer);
	worker_end(&w);

	ASSERT_EQ(0, mkdir(DIR "/lower", 0755));
	ASSERT_EQ(0, mkdir(DIR "/over", 0755));
	ASSERT_EQ(0, mkdir(DIR "/empty", 0755));
	ASSERT_EQ(0, worker_place(DIR "/lower/worker"));
	ASSERT_EQ(0, mount("none", DIR "/over", "overlay", 0,
			   "lowerdir=" DIR "/lower:" DIR "/empty"));
	ASSERT_EQ(0, worker_start(&w, DIR "/over/worker"));
	EXPECT_EQ(0, look_at_worker(self, &w));
	EXPECT_STREQ(DIR "/over/worker", self->facts->path);
	EXPECT_STREQ("overlay", self->facts->fs);
	EXPECT_STREQ("tmpfs", self->facts->layer);
	worker_end(&w);
}

/* brief, wherever it is called from. */
static const char *brief(void)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", worker_program());
	strcpy(strrchr(path, '/') + 1, "brief");
	return path;
}

static int becomes_brief(const char *program, const struct addr *to,
			 const char *fd)
{
	char port[16];

	snprintf(port, sizeof(port), "%d", ntohs(to->in.sin_port));
	execl(program, program, port, fd, NULL);
	return CHILD_LOST;
}

/* Which nobody else sees. */
static int becomes_a_stranger(const struct addr *to)
{
	char fd[16];

	snprintf(fd, sizeof(fd), "%d", open("/dev/null", O_WRONLY));
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/mnt", "tmpfs", 0, NULL) ||
	    file_copy(brief(), "/mnt/brief", ""))
		return CHILD_LOST;
	return becomes_brief("/mnt/brief", to, fd);
}

TEST_F(facts, say_that_a_file_is_not_mounted_here)
{
	const struct addr to = net_addr(V4, self->s.udp_port);
	pid_t pid = child_start(becomes_a_stranger, &to);

	ASSERT_EQ(0, look(self));
	/* As it is there. */
	EXPECT_STREQ("/mnt/brief", self->facts->path);
	EXPECT_FALSE(self->facts->mounted);
	EXPECT_STREQ("tmpfs", self->facts->fs);
	EXPECT_EQ(0, let_go(self));
	EXPECT_EQ(0, child_end(pid));
}

/* ---- the process ------------------------------------------------------------------------ */

/* Its child connects when it is gone. */
static int leaves_a_child(const struct addr *to)
{
	pid_t me = getpid(), child = fork();

	if (child)
		return child < 0 ? CHILD_LOST : 0;
	while (getppid() == me)
		gate_nap();
	_exit(connects(to));
}

TEST_F(facts, name_who_is_the_parent_now)
{
	pid_t pid;

	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 0));
	pid = child_start(leaves_a_child, &self->to);
	ASSERT_EQ(0, child_end(pid));
	ASSERT_EQ(0, look(self));
	EXPECT_NE(0, self->facts->parent);
	EXPECT_NE((uint32_t)pid, self->facts->parent);
	EXPECT_TRUE(leads_to(self->facts->parent, self->facts->parent_path));
	EXPECT_EQ(0, let_go(self));
}

static int connects_and_stays(const struct addr *to)
{
	return connect_as(to, SOCK_STREAM | SOCK_NONBLOCK) == EINPROGRESS ?
	       pause() : CHILD_LOST;
}

static int connects_and_goes(const struct addr *to)
{
	return connect_as(to, SOCK_STREAM | SOCK_NONBLOCK) == EINPROGRESS ?
	       0 : CHILD_LOST;
}

static int connects_and_becomes_another(const struct addr *to)
{
	if (connect_as(to, SOCK_STREAM | SOCK_NONBLOCK) != EINPROGRESS)
		return CHILD_LOST;
	execl("/bin/sleep", "sleep", "1000", NULL);
	return CHILD_LOST;
}

static int end(pid_t pid)
{
	kill(pid, SIGKILL);
	return waitpid(pid, NULL, 0) == pid ? 0 : errno;
}

/* Nobody was held: there was nobody to take the command line from. */
TEST_F(facts, of_a_packet_have_no_arguments)
{
	pid_t pid = child_start(connects_and_stays, &self->to);

	ASSERT_EQ(0, look(self));
	EXPECT_TRUE(leads_to((uint32_t)pid, self->facts->path));
	EXPECT_EQ((uint32_t)getpid(), self->facts->parent);
	EXPECT_FALSE(self->facts->has_arguments);
	EXPECT_EQ(0, let_go(self));
	EXPECT_EQ(0, end(pid));
}

TEST_F(facts, of_who_is_gone_are_those_of_the_file)
{
	pid_t pid = child_start(connects_and_goes, &self->to);

	ASSERT_EQ(0, child_end(pid));
	ASSERT_EQ(0, look(self));
	EXPECT_TRUE(leads_to((uint32_t)getpid(), self->facts->path));
	EXPECT_EQ(0, self->facts->parent);
	EXPECT_STREQ("", self->facts->parent_path);
	EXPECT_FALSE(self->facts->has_arguments);
	EXPECT_EQ(0, let_go(self));
}

/* The question is about what it was. */
TEST_F(facts, of_who_has_become_another_are_what_it_was)
{
	pid_t pid = child_start(connects_and_becomes_another, &self->to);

	char own[PATH_MAX] = "";

	ASSERT_LT(0, readlink("/proc/self/exe", own, sizeof(own) - 1));
	while (leads_to((uint32_t)pid, own))
		gate_nap();
	ASSERT_EQ(0, look(self));
	EXPECT_TRUE(leads_to((uint32_t)getpid(), self->facts->path));
	EXPECT_FALSE(leads_to((uint32_t)pid, self->facts->path));
	EXPECT_EQ((uint32_t)getpid(), self->facts->parent);
	EXPECT_EQ(0, let_go(self));
	EXPECT_EQ(0, end(pid));
}

/* ---- the command line ------------------------------------------------------------------- */

static int becomes_verbose(const struct addr *to)
{
	char *fd = malloc(LONG_ARGUMENT);
	int n;

	if (!fd)
		return CHILD_LOST;
	n = sprintf(fd, "%d ", open("/dev/null", O_WRONLY));
	memset(fd + n, 'x', (size_t)(LONG_ARGUMENT - 1 - n));
	fd[LONG_ARGUMENT - 1] = '\0';
	return becomes_brief(brief(), to, fd);
}

TEST_F(facts, have_the_beginning_of_a_long_command_line)
{
	const struct addr to = net_addr(V4, self->s.udp_port);
	pid_t pid = child_start(becomes_verbose, &to);

	ASSERT_EQ(0, look(self));
	EXPECT_EQ(SOCKGATE_ARGUMENTS_SIZE, self->facts->n_arguments);
	EXPECT_TRUE(same_arguments((uint32_t)pid, self->facts));
	EXPECT_EQ(0, let_go(self));
	EXPECT_EQ(0, child_end(pid));
}

/* Root may say where it is: what a program without privileges does with its stack. */
static int move_arguments(const char *from, const char *end)
{
	return prctl(PR_SET_MM, PR_SET_MM_ARG_START, from, 0, 0) ||
	       prctl(PR_SET_MM, PR_SET_MM_ARG_END, end, 0, 0);
}

static char *new_page(void)
{
	char *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return page == MAP_FAILED ? NULL : page;
}

static int connects_elsewhere(const struct addr *to)
{
	char *page = new_page();

	if (!page || move_arguments(page, page + sizeof("a\0-b")))
		return CHILD_LOST;
	memcpy(page, "a\0-b", sizeof("a\0-b"));
	return connects(to);
}

static int connects_without_memory(const struct addr *to)
{
	char *page = new_page();

	if (!page || move_arguments(page, page + 100) ||
	    munmap(page, PAGE_BYTES))
		return CHILD_LOST;
	return connects(to);
}

static int connects_by_hostile_memory(const struct addr *to)
{
	char *page;

	if (page_missing(&page) < 0 || move_arguments(page, page + 100))
		return CHILD_LOST;
	return connects(to);
}

/* Its last byte is there, and the page before it not. */
static int connects_by_half_hostile_memory(const struct addr *to)
{
	char *page, *next;

	if (page_missing(&page) < 0)
		return CHILD_LOST;
	next = mmap(page + PAGE_BYTES, PAGE_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_FIXED, -1, 0);
	if (next == MAP_FAILED || move_arguments(page, next + 100))
		return CHILD_LOST;
	return connects(to);
}

/* As setproctitle(3) does: no NUL at the end. */
static int connects_with_a_title(const struct addr *to)
{
	char *page = new_page();

	if (!page || move_arguments(page, page + 5))
		return CHILD_LOST;
	memcpy(page, "title and more", 14);
	return connects(to);
}

FIXTURE(hostile) {
	struct scene s;
	struct addr to;
	struct ask ask;
	const struct facts *facts;
};

FIXTURE_VARIANT(hostile) {
	child_fn program;
	bool told;
};

#define VARIANT(name, ...) \
	FIXTURE_VARIANT_ADD(hostile, name) { __VA_ARGS__ }

/* *INDENT-OFF* */
VARIANT(elsewhere, connects_elsewhere, true);
VARIANT(unmapped, connects_without_memory, false);
VARIANT(userfaultfd, connects_by_hostile_memory, false);
VARIANT(half_userfaultfd, connects_by_half_hostile_memory, false);
VARIANT(title, connects_with_a_title, false);
/* *INDENT-ON* */

FIXTURE_SETUP(hostile)
{
	ASSERT_EQ(0, scene_set_patient(&self->s));
	self->to = net_addr(V4, self->s.tcp_port);
	self->facts = agent_facts(self->s.agent);
}

FIXTURE_TEARDOWN(hostile)
{
	EXPECT_EQ(0, scene_strike(&self->s));
}

/* It is asked about all the same, and neither it nor the agent waits for its memory. */
TEST_F(hostile, command_line)
{
	pid_t pid = child_start(variant->program, &self->to);
	int fd;

	ASSERT_EQ(1, agent_next(self->s.agent, &self->ask, PATIENCE_MS));
	fd = agent_open_exe(self->s.agent, self->ask.id);
	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_EQ(variant->told, self->facts->has_arguments);
	if (variant->told) {
		EXPECT_EQ(sizeof("a\0-b"), self->facts->n_arguments);
		EXPECT_EQ(0, memcmp("a\0-b", self->facts->arguments,
				    sizeof("a\0-b")));
	}
	EXPECT_EQ((uint32_t)getpid(), self->facts->parent);
	EXPECT_EQ(0, agent_answer(self->s.agent, self->ask.id, &agent_allow));
	EXPECT_EQ(0, child_end(pid));
}

TEST_HARNESS_MAIN
