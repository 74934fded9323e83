/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a process runs, besides its executable.  Except for the mappings, all of it is
 * what the process says of itself: arguments and environment lie in its own memory.
 */
#ifndef NFAGENT_PROGRAM_H
#define NFAGENT_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/sockgate.h>

#include "interpreter.h"

struct program {
	char *command_line;	/* NULL: not learned */
	uint32_t classes;	/* CLASS(); 0: not learned */
	uint32_t unknown;	/* those of which it could not be learned */
	char *script;		/* full path; NULL: none, or not found */
	char *bundle;		/* "flatpak:ID" by its root; NULL: none */
	bool bundle_known;	/* ... or not learned */
	bool foreign;		/* the path leads elsewhere on this machine */
	int fd;			/* of the script, -1: it cannot be read */
	struct sockgate_file file;	/* what it is kept under: of this process only */
};

struct program_conf {
	const char *proc;	/* "/proc" */
	struct interpreters interpreters;
	/* patterns (fnmatch) of file systems whose content proves nothing */
	const char *const *unverifiable;
};

/* What is known of a process, and what else is asked for. */
struct program_task {
	struct sockgate_process process;
	const char *path;	/* of its executable; NULL: not known, so nothing is */
	const char *arguments;	/* as the kernel gave them; NULL: they are to be read */
	size_t size;		/* without one NUL more, which is behind them */
	uint32_t facts;		/* Fact bits of the wire */
};

/* A copy, with what it points at; NULL: out of memory. */
struct program_task *program_task_copy(const struct program_task *task);
void program_task_free(struct program_task *task);

/* program_matters - will there be what a policy looks at, and not a command line only? */
bool program_matters(const struct program_conf *conf, const struct program_task *task);

/*
 * program_known - what is known without asking the process
 * Returns NULL if program_read() has more to learn, or out of memory.
 */
struct program *program_known(const struct program_conf *conf,
			      const struct program_task *task);

/*
 * program_read - learn what a process runs
 * Reads the process's own memory, and looks its script up where it says: may block for
 * ever.  Returns NULL if the process is gone, or out of memory.
 */
struct program *program_read(const struct program_conf *conf,
			     const struct program_task *task);

/* A copy with a descriptor of its own; NULL: out of memory, or nothing to copy. */
struct program *program_copy(const struct program *p);
void program_free(struct program *p);

#endif
