/* SPDX-License-Identifier: GPL-2.0-only */
/* What /proc says of a held process. */
#ifndef NFAGENT_PROCESS_H
#define NFAGENT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/sockgate.h>

#define PROCESS_COMMAND_LINE_MAX 4096

/* Strings are NULL where they could not be learned. */
struct process_facts {
	char *path;
	bool deleted;
	bool foreign;		/* the path leads elsewhere on this machine */
	char *command_line;	/* comes by itself: see process_command_line() */
	uint32_t parent_pid;	/* 0: not learned */
	char *parent_path;
};

/*
 * process_read - learn about a process
 * @proc:    "/proc"
 * @process: a process of this id that started at another time is another one,
 *           and nothing is learned from it
 * @exe_fd:  the executable as the kernel gave it, or -1: then the path comes
 *           from the exe link
 * Reads files of /proc that keep nobody waiting; still, for threads.  Whatever
 * cannot be read is left out.
 */
void process_read(const char *proc, const struct sockgate_process *process,
		  int exe_fd, struct process_facts *facts);

/*
 * process_command_line - its arguments, joined by spaces
 * Read from the process's own memory: may block for ever.  Returns a string to be
 * freed, or NULL.
 */
char *process_command_line(const char *proc,
			   const struct sockgate_process *process);

void process_facts_free(struct process_facts *facts);

/*
 * process_path - where a link of /proc leads, without its mark for a file that
 *                is gone
 * Returns a string to be freed, or NULL with errno.
 */
char *process_path(const char *link, bool *deleted);

/*
 * process_clean_text - put '?' for what is not UTF-8 and for control characters
 * The wire carries UTF-8 only, and no terminal or log is to be steered by a
 * file's name.
 */
void process_clean_text(char *text);

#endif
