/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A process under test.  It does what it is told through a socket of its own
 * and reports; it is a program of its own, so it can be copied, replaced, and
 * can become another.
 *
 * SIGUSR1 has a handler that interrupts its calls, SIGUSR2 one with SA_RESTART.
 */
#ifndef GUEST_WORKER_H
#define GUEST_WORKER_H

#include <sys/types.h>

#include "call.h"

struct worker {
	pid_t pid;
	int fd;
};

/* worker_program - where the program is: beside the test */
const char *worker_program(void);

/*
 * worker_start - run it
 * @program: NULL: worker_program()
 * Returns 0, or an errno.
 */
int worker_start(struct worker *w, const char *program);

/* worker_tell, worker_hear - hand it a call; wait for what came of it */
int worker_tell(struct worker *w, const struct call *call);
int worker_hear(struct worker *w, struct outcome *outcome);

/* worker_heard - as worker_hear(), if it reports within that time: 1, else 0 */
int worker_heard(struct worker *w, struct outcome *outcome, int timeout_ms);

/* worker_end - kill it and wait for its end.  Returns the wait status. */
int worker_end(struct worker *w);

/* worker_wait_state - until /proc/PID/stat says this state ('S', 'T', ...) */
void worker_wait_state(const struct worker *w, char state);

/* worker_place - copy the program to @path.  Returns 0, or an errno. */
int worker_place(const char *path);

/* file_copy - copy a program and add a line of its own.  0, or an errno. */
int file_copy(const char *from, const char *to, const char *line);

/* file_write - write @text to an existing file.  Returns 0, or an errno. */
int file_write(const char *path, const char *text);

#endif
