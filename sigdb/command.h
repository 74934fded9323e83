/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading what another program prints. */
#ifndef SOCKGATE_SIGDB_COMMAND_H
#define SOCKGATE_SIGDB_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* Words of a command line that grows; the words are owned. */
struct words {
	char **word;		/* ends with NULL, as execv() wants it */
	size_t count;
	size_t room;
	int failed;		/* out of memory: command_open() then fails */
};

void words_add(struct words *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void words_free(struct words *w);

struct command {
	pid_t pid;
	FILE *out;		/* what it prints */
	const char *name;
};

/*
 * command_open, command_open_with - start a program from PATH, in the C.UTF-8 locale
 * @in:    its input; without, it has none
 * @quiet: its errors go nowhere, not where ours go
 * Returns 0, or -1 with errno; ENOENT: there is no
 * such program.
 */
int command_open(struct command *cmd, const struct words *w, bool quiet);
int command_open_with(struct command *cmd, const struct words *w, int in, bool quiet);

/* Returns its exit status, or 128 + the signal that ended it. */
int command_close(struct command *cmd);

#endif
