// SPDX-License-Identifier: GPL-2.0-only
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void words_add(struct words *w, const char *fmt, ...)
{
	va_list args;
	int len;

	if (w->failed)
		return;
	if (w->count + 1 >= w->room) {
		size_t room = w->room ? w->room * 2 : 16;
		char **grown = reallocarray(w->word, room, sizeof(*grown));

		if (!grown) {
			w->failed = 1;
			return;
		}
		w->word = grown;
		w->room = room;
	}
	va_start(args, fmt);
	len = vasprintf(&w->word[w->count], fmt, args);
	va_end(args);
	if (len < 0)
		w->failed = 1;
	else
		w->count++;
	w->word[w->count] = NULL;
}

void words_free(struct words *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->word[i]);
	free(w->word);
	memset(w, 0, sizeof(*w));
}

/* Our environment, but with the one locale whose output we understand. */
static char **make_environment(void)
{
	static char locale[] = "LC_ALL=C.UTF-8";
	size_t count = 0, used = 0;
	char **env;

	while (environ[count])
		count++;
	env = calloc(count + 2, sizeof(*env));
	if (!env)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (strncmp(environ[i], "LC_ALL=", 7) != 0 &&
		    strncmp(environ[i], "LANGUAGE=", 9) != 0)
			env[used++] = environ[i];
	env[used] = locale;
	return env;
}

/*
 * Threads of a pool block all signals, and daemons ignore SIGPIPE: a program that inherits
 * that can neither be ended nor notice that nobody reads what it prints.
 * Returns 0 or an errno.
 */
static int reset_signals(posix_spawnattr_t *attr)
{
	sigset_t none, ordinary;
	int rc;

	sigemptyset(&none);
	sigemptyset(&ordinary);
	sigaddset(&ordinary, SIGPIPE);
	rc = posix_spawnattr_setsigmask(attr, &none);
	if (!rc)
		rc = posix_spawnattr_setsigdefault(attr, &ordinary);
	if (!rc)
		rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK |
					      POSIX_SPAWN_SETSIGDEF);
	return rc;
}

/* Returns 0 or an errno. */
static int spawn(pid_t *pid, char **argv, int in, int out, bool quiet)
{
	posix_spawn_file_actions_t actions;
	char **env = make_environment();
	posix_spawnattr_t attr;
	int rc;

	if (!env)
		return ENOMEM;
	rc = posix_spawn_file_actions_init(&actions);
	if (rc)
		goto free_env;
	rc = posix_spawnattr_init(&attr);
	if (rc)
		goto destroy_actions;
	rc = reset_signals(&attr);
	if (rc)
		goto destroy_attr;
	if (in < 0)
		rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
						      O_RDONLY, 0);
	else
		rc = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (!rc && quiet)
		rc = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO,
						      "/dev/null", O_WRONLY, 0);
	if (!rc)
		rc = posix_spawnp(pid, argv[0], &actions, &attr, argv, env);
destroy_attr:
	posix_spawnattr_destroy(&attr);
destroy_actions:
	posix_spawn_file_actions_destroy(&actions);
free_env:
	free(env);
	return rc;
}

int command_open_with(struct command *cmd, const struct words *w, int in, bool quiet)
{
	int fds[2], rc;

	if (w->failed) {
		errno = ENOMEM;
		return -1;
	}
	if (pipe2(fds, O_CLOEXEC))
		return -1;
	cmd->name = w->word[0];
	cmd->out = fdopen(fds[0], "r");
	rc = cmd->out ? spawn(&cmd->pid, w->word, in, fds[1], quiet) : errno;
	close(fds[1]);
	if (!rc)
		return 0;
	if (cmd->out)
		fclose(cmd->out);
	else
		close(fds[0]);
	errno = rc;
	return -1;
}

int command_open(struct command *cmd, const struct words *w, bool quiet)
{
	return command_open_with(cmd, w, -1, quiet);
}

int command_close(struct command *cmd)
{
	int status;

	fclose(cmd->out);
	while (waitpid(cmd->pid, &status, 0) < 0)
		if (errno != EINTR)
			return 127;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
