// SPDX-License-Identifier: GPL-2.0-only
#include "child.h"

#include <dirent.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate.h"

pid_t child_start(child_fn program, const struct addr *to)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(program(to));
}

int child_end(pid_t pid)
{
	int status, ms;

	for (ms = 0; ms < (int)CHILD_MS; ms++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : CHILD_LOST;
		gate_nap();
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return CHILD_LOST;
}

int child_open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}
