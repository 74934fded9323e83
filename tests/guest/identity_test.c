// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that live a few milliseconds are identified: 1,000 of them, run from
 * many programs, none wrong, none unknown.
 */
#include "kselftest_harness.h"
#include "brief.h"
#include "scene.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define PROGRAMS 50
#define RUNS 1000
#define AT_ONCE 4
#define DIR "/dev/shm/identity_test"
/* Each program ends with a line that no other has. */
#define LINE "program %04d\n"
#define LINE_SIZE 13

/* What the kernel said of one process, and what it said itself. */
struct life {
	pid_t pid;
	int program;
	unsigned int asked;
	struct ask ask;
	struct stat exe;		/* of the descriptor that OPEN_EXE gave */
	char line[LINE_SIZE + 1];	/* that file's last */
	unsigned long long start_ticks;
	struct brief_report report;
	bool reported;
};

FIXTURE(identity) {
	struct scene s;
	struct stat program[PROGRAMS];
	struct life *life;
	int reports[2];
};

static void program_path(char *path, size_t size, int i)
{
	snprintf(path, size, DIR "/brief%d", i);
}

static int make_program(int i, struct stat *st)
{
	char path[64], line[32], from[PATH_MAX];
	int err;

	program_path(path, sizeof(path), i);
	snprintf(line, sizeof(line), LINE, i);
	snprintf(from, sizeof(from), "%.*sbrief",
		 (int)(strrchr(worker_program(), '/') + 1 - worker_program()),
		 worker_program());
	err = file_copy(from, path, line);
	return err ?: stat(path, st) ? errno : 0;
}

FIXTURE_SETUP(identity)
{
	int i;

	ASSERT_EQ(0, scene_set(&self->s));
	ASSERT_EQ(0, scene_agent(&self->s));
	self->life = calloc(RUNS, sizeof(*self->life));
	ASSERT_NE(NULL, self->life);
	ASSERT_TRUE(!mkdir(DIR, 0755) || errno == EEXIST);
	for (i = 0; i < PROGRAMS; i++)
		ASSERT_EQ(0, make_program(i, &self->program[i]));
	ASSERT_EQ(0, pipe2(self->reports, O_CLOEXEC | O_NONBLOCK));
}

FIXTURE_TEARDOWN(identity)
{
	char path[64];
	int i;

	EXPECT_EQ(0, scene_strike(&self->s));
	for (i = 0; i < PROGRAMS; i++) {
		program_path(path, sizeof(path), i);
		unlink(path);
	}
	rmdir(DIR);
	free(self->life);
}

static pid_t run(const FIXTURE_DATA(identity) *self, int program)
{
	char path[64], port[16], fd[16];
	pid_t pid;

	program_path(path, sizeof(path), program);
	snprintf(port, sizeof(port), "%d", self->s.udp_port);
	snprintf(fd, sizeof(fd), "%d", self->reports[1]);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fcntl(self->reports[1], F_SETFD, 0);
	execl(path, path, port, fd, NULL);
	_exit(127);
}

static struct life *life_of(FIXTURE_DATA(identity) *self, pid_t pid, int n)
{
	int i;

	/* The newest first: a pid may come again. */
	for (i = n - 1; i >= 0; i--)
		if (self->life[i].pid == pid)
			return &self->life[i];
	return NULL;
}

/* Field 22 of /proc/PID/stat, in clock ticks since boot. */
static unsigned long long start_of(pid_t pid)
{
	unsigned long long start = 0;
	char path[32], line[1024], *p = NULL;
	int field;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fgets(line, sizeof(line), f))
		p = strrchr(line, ')');
	fclose(f);
	for (field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (p)
		start = strtoull(p, NULL, 10);
	return start;
}

static void look_at_exe(struct agent *a, struct life *life)
{
	int fd = agent_open_exe(a, life->ask.id);

	if (fd < 0)
		return;
	if (!fstat(fd, &life->exe) && life->exe.st_size > LINE_SIZE &&
	    pread(fd, life->line, LINE_SIZE,
		  life->exe.st_size - LINE_SIZE) != LINE_SIZE)
		life->line[0] = '\0';
	close(fd);
}

/* As the real agent does: look while the caller is held, then answer. */
static int serve(FIXTURE_DATA(identity) *self, int n)
{
	struct life *life;
	struct ask ask;

	while (agent_next(self->s.agent, &ask, 0) == 1) {
		life = life_of(self, (pid_t)ask.process.pid, n);
		if (!life)
			return -1;
		life->asked++;
		life->ask = ask;
		life->start_ticks = start_of(life->pid);
		look_at_exe(self->s.agent, life);
		if (agent_answer(self->s.agent, ask.id, &agent_allow))
			return -1;
	}
	return 0;
}

/* Returns how many reported. */
static int collect(FIXTURE_DATA(identity) *self, int n)
{
	struct brief_report r;
	struct life *life;
	int got = 0;

	while (read(self->reports[0], &r, sizeof(r)) == sizeof(r)) {
		life = life_of(self, r.pid, n);
		if (!life)
			continue;
		life->report = r;
		life->reported = true;
		waitpid(r.pid, NULL, 0);
		got++;
	}
	return got;
}

static int run_all(FIXTURE_DATA(identity) *self)
{
	struct pollfd p[2] = {
		{ .fd = agent_fd(self->s.agent), .events = POLLIN },
		{ .fd = self->reports[0], .events = POLLIN },
	};
	int started = 0, done = 0;

	while (done < RUNS) {
		while (started < RUNS && started - done < AT_ONCE) {
			struct life *life = &self->life[started];

			life->program = started * 7 % PROGRAMS;
			life->pid = run(self, life->program);
			if (life->pid < 0)
				return -1;
			started++;
		}
		if (poll(p, 2, -1) < 0 || serve(self, started))
			return -1;
		done += collect(self, started);
	}
	return 0;
}

static bool same_file(const struct sockgate_file *f, const struct stat *st)
{
	return f->ino == st->st_ino && f->size == (uint64_t)st->st_size &&
	       f->dev == (major(st->st_dev) << 20 | minor(st->st_dev)) &&
	       f->ctime_ns == st->st_ctim.tv_sec * 1000000000LL +
			      st->st_ctim.tv_nsec;
}

static bool same_report(const struct brief_report *r, const struct stat *st)
{
	return r->ino == st->st_ino && r->dev == st->st_dev &&
	       r->size == (uint64_t)st->st_size && !r->error;
}

static bool right(const struct life *life, const struct stat *program)
{
	char line[32], comm[16];

	snprintf(line, sizeof(line), LINE, life->program);
	snprintf(comm, sizeof(comm), "brief%d", life->program);
	return life->asked == 1 && life->reported &&
	       same_report(&life->report, program) &&
	       (pid_t)life->ask.process.pid == life->pid &&
	       (pid_t)life->ask.process.tid == life->pid &&
	       life->ask.process.start_ns / (1000000000 / (uint64_t)
			sysconf(_SC_CLK_TCK)) == life->start_ticks &&
	       !strcmp(life->ask.comm, comm) &&
	       same_file(&life->ask.exe, program) &&
	       life->exe.st_ino == program->st_ino &&
	       !strcmp(life->line, line);
}

TEST_F_TIMEOUT(identity, thousand_brief_processes, 240)
{
	int i, wrong = 0, unknown = 0;
	uint64_t ns = 0;

	ASSERT_EQ(0, run_all(self));
	for (i = 0; i < RUNS; i++) {
		const struct life *life = &self->life[i];

		unknown += !life->asked || !life->ask.exe.ino;
		wrong += !right(life, &self->program[life->program]);
		ns += life->report.end_ns - life->report.begin_ns;
	}
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(0, unknown);
	EXPECT_EQ(RUNS, gate_count(&self->s.gate, SOCKGATE_N_ASKED));
	EXPECT_EQ(RUNS, gate_count(&self->s.gate, SOCKGATE_N_HELD_ALLOW));
	TH_LOG("%d processes, %.1f ms each on average", RUNS,
	       (double)ns / RUNS / 1e6);
}

TEST_HARNESS_MAIN
