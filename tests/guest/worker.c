// SPDX-License-Identifier: GPL-2.0-only
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate.h"

const char *worker_program(void)
{
	static char path[PATH_MAX];
	char self[PATH_MAX];
	ssize_t n;

	if (path[0])
		return path;
	n = readlink("/proc/self/exe", self, sizeof(self) - sizeof("worker"));
	if (n < 0)
		return "worker";
	self[n] = '\0';
	strcpy(strrchr(self, '/') + 1, "worker");
	strcpy(path, self);
	return path;
}

static void become(const char *program, int fd)
{
	char number[16];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fcntl(fd, F_SETFD, 0))
		_exit(126);
	snprintf(number, sizeof(number), "%d", fd);
	execl(program, "worker", number, NULL);
	_exit(127);
}

int worker_start(struct worker *w, const char *program)
{
	int pair[2];

	*w = (struct worker){ .fd = -1 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return errno;
	if (!program)
		program = worker_program();
	w->pid = fork();
	if (!w->pid)
		become(program, pair[1]);
	close(pair[1]);
	w->fd = pair[0];
	return w->pid < 0 ? errno : 0;
}

int worker_tell(struct worker *w, const struct call *call)
{
	return send(w->fd, call, sizeof(*call), MSG_NOSIGNAL) == sizeof(*call) ?
	       0 : EPIPE;
}

int worker_hear(struct worker *w, struct outcome *outcome)
{
	return recv(w->fd, outcome, sizeof(*outcome), 0) == sizeof(*outcome) ?
	       0 : EPIPE;
}

int worker_heard(struct worker *w, struct outcome *outcome, int timeout_ms)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1 && !worker_hear(w, outcome);
}

int worker_end(struct worker *w)
{
	int status = -1;

	if (w->pid > 0) {
		kill(w->pid, SIGKILL);
		waitpid(w->pid, &status, 0);
	}
	if (w->fd >= 0)
		close(w->fd);
	*w = (struct worker){ .fd = -1 };
	return status;
}

static char state_of(pid_t pid)
{
	char path[32], line[512], *end = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 'X';
	/* The name may contain anything; the state follows its last bracket. */
	if (fgets(line, sizeof(line), f))
		end = strrchr(line, ')');
	fclose(f);
	return end && end[1] ? end[2] : 'X';
}

void worker_wait_state(const struct worker *w, char state)
{
	while (state_of(w->pid) != state)
		gate_nap();
}

int file_copy(const char *from, const char *to, const char *line)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out, err = 0;
	struct stat st;

	if (in < 0)
		return errno;
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	if (out < 0 || fstat(in, &st) ||
	    sendfile(out, in, NULL, st.st_size) != st.st_size ||
	    write(out, line, strlen(line)) != (ssize_t)strlen(line))
		err = errno ?: EIO;
	if (out >= 0)
		close(out);
	close(in);
	return err;
}

int worker_place(const char *path)
{
	return file_copy(worker_program(), path, "");
}

int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		err = errno;
	close(fd);
	return err;
}
