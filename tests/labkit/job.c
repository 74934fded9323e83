// SPDX-License-Identifier: GPL-2.0-only
#include "job.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct job {
	struct job *next;
	uint32_t chan;
	uint8_t origin;
	bool over; /* EXIT was said; what still comes (from children left behind) is thrown away */
	pid_t pid;
	int fd[2]; /* its standard output and error; -1: ended. A terminal has one for both. */
	bool terminal;
	size_t unacked;
};

static struct job *jobs;

static void enter_terminal(int master)
{
	int fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);

	if (fd < 0 || setsid() < 0 || ioctl(fd, TIOCSCTTY, 0) < 0) {
		perror("lab: init: terminal");
		_exit(125);
	}
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
}

static void enter_pipes(int out, int err)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	setsid();
	dup2(null, 0);
	dup2(out, 1);
	dup2(err, 2);
}

/* In the child: becomes the command. */
static void become(const struct wire_exec *e)
{
	static char *enter[] = { "ip", "netns", "exec", WIRE_INTERNET };
	char **argv = e->argv;
	sigset_t none;
	int n = 0;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (chdir(e->cwd) < 0 && chdir("/") < 0)
		_exit(125);
	for (char **v = e->envp; *v; v++)
		if (strncmp(*v, "LAB_MACHINE=", 12))
			putenv(*v);
	if (e->internet) {
		while (argv[n])
			n++;
		argv = calloc(n + 5, sizeof(*argv));
		if (!argv)
			_exit(125);
		memcpy(argv, enter, sizeof(enter));
		memcpy(argv + 4, e->argv, n * sizeof(*argv));
	}
	execvp(argv[0], argv);
	fprintf(stderr, "lab: %s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static bool spawn_terminal(struct job *j, const struct wire_exec *e)
{
	struct winsize size = { .ws_row = e->rows, .ws_col = e->cols };
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || unlockpt(fd) < 0)
		return false;
	ioctl(fd, TIOCSWINSZ, &size);
	j->terminal = true;
	j->fd[0] = fd;
	j->pid = fork();
	if (j->pid == 0) {
		enter_terminal(fd);
		become(e);
	}
	return j->pid > 0;
}

static bool spawn_pipes(struct job *j, const struct wire_exec *e)
{
	int out[2], err[2];

	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		return false;
	j->fd[0] = out[0];
	j->fd[1] = err[0];
	j->pid = fork();
	if (j->pid == 0) {
		enter_pipes(out[1], err[1]);
		become(e);
	}
	close(out[1]);
	close(err[1]);
	return j->pid > 0;
}

void job_start(uint32_t chan, uint8_t origin, const char *body, size_t size, job_say *say)
{
	static const char failed[] = "lab: init could not start the command\n";
	struct job *j = calloc(1, sizeof(*j));
	struct wire_exec e;
	bool ok = j && wire_unpack_exec(&e, body, size);

	if (ok) {
		*j = (struct job){ .chan = chan, .origin = origin, .fd = { -1, -1 }, .next = jobs };
		ok = e.terminal ? spawn_terminal(j, &e) : spawn_pipes(j, &e);
		free(e.argv);
	}
	if (!ok) {
		say(chan, origin, WIRE_ERR, failed, sizeof(failed) - 1);
		say(chan, origin, WIRE_EXIT, "125", 4);
		free(j);
		return;
	}
	for (int i = 0; i < 2; i++)
		if (j->fd[i] >= 0)
			fcntl(j->fd[i], F_SETFL, O_NONBLOCK | fcntl(j->fd[i], F_GETFL));
	jobs = j;
}

static struct job *by_chan(uint32_t chan)
{
	for (struct job *j = jobs; j; j = j->next)
		if (j->chan == chan && !j->over)
			return j;
	return NULL;
}

void job_frame(uint32_t chan, enum wire_type type, const char *body, size_t size)
{
	struct job *j = by_chan(chan);
	struct winsize s = { 0 };

	if (!j)
		return;
	switch (type) {
	case WIRE_ACK:
		j->unacked -= strtoul(body, NULL, 10);
		break;
	case WIRE_IN:
		if (j->terminal && write(j->fd[0], body, size) < 0)
			perror("lab: terminal");
		break;
	case WIRE_SIZE:
		if (j->terminal && sscanf(body, "%hu %hu", &s.ws_row, &s.ws_col) == 2)
			ioctl(j->fd[0], TIOCSWINSZ, &s);
		break;
	case WIRE_KILL:
		kill(-j->pid, j->terminal ? SIGHUP : SIGTERM);
		break;
	default:
		break;
	}
}

/* Reads once; false: nothing there now. */
static bool read_once(struct job *j, int which, job_say *say)
{
	char buf[WIRE_CHUNK];
	ssize_t n = read(j->fd[which], buf, sizeof(buf));

	if (n > 0 && !j->over) {
		j->unacked += n;
		say(j->chan, j->origin, which ? WIRE_ERR : WIRE_OUT, buf, n);
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		close(j->fd[which]);
		j->fd[which] = -1;
	}
	return n > 0;
}

static void drop_finished(void)
{
	for (struct job **p = &jobs; *p;) {
		struct job *j = *p;

		if (j->over && j->fd[0] < 0 && j->fd[1] < 0) {
			*p = j->next;
			free(j);
		} else {
			p = &j->next;
		}
	}
}

void job_ended(pid_t pid, int status, job_say *say)
{
	char text[16];

	for (struct job *j = jobs; j; j = j->next) {
		if (j->pid != pid || j->over)
			continue;
		for (int i = 0; i < 2; i++)
			while (j->fd[i] >= 0 && read_once(j, i, say))
				;
		snprintf(text, sizeof(text), "%d",
			 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
		say(j->chan, j->origin, WIRE_EXIT, text, strlen(text) + 1);
		j->over = true;
	}
	drop_finished();
}

int job_poll(struct pollfd *p, int n)
{
	int used = 0;

	for (struct job *j = jobs; j; j = j->next)
		for (int i = 0; i < 2; i++)
			if (j->fd[i] >= 0 && used < n && (j->over || j->unacked < WIRE_WINDOW))
				p[used++] = (struct pollfd){ .fd = j->fd[i], .events = POLLIN };
	return used;
}

void job_ready(const struct pollfd *p, job_say *say)
{
	for (struct job *j = jobs; j; j = j->next)
		for (int i = 0; i < 2; i++)
			if (j->fd[i] == p->fd)
				read_once(j, i, say);
	drop_finished();
}
