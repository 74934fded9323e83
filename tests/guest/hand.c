// SPDX-License-Identifier: GPL-2.0-only
#include "hand.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "child.h"
#include "worker.h"

static const char *evade(void)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", worker_program());
	snprintf(strrchr(path, '/') + 1, 16, "evade");
	return path;
}

int hand_by_exec(int fd, const char *use)
{
	if (dup2(fd, 3) != 3)
		return CHILD_LOST;
	execl(evade(), "evade", "inherit", "3", use, NULL);
	return CHILD_LOST;
}

int hand_by_message(int fd, const char *use)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return CHILD_LOST;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (dup2(ends[1], STDIN_FILENO) == STDIN_FILENO)
			execl(evade(), "evade", "take", use, NULL);
		_exit(CHILD_LOST);
	}
	return net_send_control(ends[0], SOL_SOCKET, SCM_RIGHTS, &fd, sizeof(fd)) ?
	       CHILD_LOST : child_end(pid);
}

int hand_by_pidfd(int fd, const char *use)
{
	char owner[16], number[16];
	pid_t pid;

	snprintf(owner, sizeof(owner), "%d", getpid());
	snprintf(number, sizeof(number), "%d", fd);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(evade(), "evade", "getfd", owner, number, use, NULL);
		_exit(CHILD_LOST);
	}
	return child_end(pid);
}
