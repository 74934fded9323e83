/* SPDX-License-Identifier: GPL-2.0-only */
/* What is known of a held process: by the kernel's word, or by /proc. */
#ifndef NFAGENT_PROCESS_H
#define NFAGENT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/sockgate.h>

/* Strings are NULL where they could not be learned. */
struct process_facts {
	char *path;
	bool deleted;
	bool foreign;		/* the path leads elsewhere on this machine */
	char *command_line;	/* may come by itself: see program.h */
	char *arguments;	/* what that was made of, as the kernel gave it: each with */
	size_t arguments_size;	/* a NUL, and one more behind; not told of a /proc */
	uint32_t parent_pid;	/* 0: not learned */
	char *parent_path;
};

/*
 * The executable of a held process as the kernel gives it, and what it says of both:
 * see SOCKGATE_CMD_OPEN_EXE.
 */
struct process_exe {
	int fd;				/* -1: not given, and nothing was said */
	bool mounted;			/* at its path, where we are */
	char fs[SOCKGATE_TYPE_SIZE];
	char layer[SOCKGATE_TYPE_SIZE];	/* behind it; empty: none */
	struct process_facts facts;	/* but for foreign */
};

/* The strings that the kernel gives, as they are kept; NULL: no memory. */
char *process_told_path(const char *text, bool *deleted);
char *process_told_arguments(const void *bytes, size_t n);

/* process_take_arguments - the command line that the kernel gives, both ways */
void process_take_arguments(struct process_facts *facts, const void *bytes, size_t n);

/*
 * process_read_file - a file of /proc, or as much as there is room for
 * Returns how many bytes, or -1 if it could not be read to there.
 */
ssize_t process_read_file(const char *file, char *buf, size_t size);

/*
 * process_path - where a link of /proc leads, without its mark for a file that is gone
 * Returns a string to be freed, or NULL with errno.
 */
char *process_path(const char *link, bool *deleted);

/*
 * process_read - learn about a process whose executable the kernel does not give
 * @proc:    "/proc"
 * @process: a process of this id that started at another time is another one,
 *           and nothing is learned from it
 * Reads files of /proc that keep nobody waiting; still, for threads.  Whatever
 * cannot be read is left out.
 */
void process_read(const char *proc, const struct sockgate_process *process,
		  struct process_facts *facts);

/*
 * process_command_line - its arguments, joined by spaces
 * Read from the process's own memory: may block for ever.  Returns a string to be
 * freed, or NULL.
 */
char *process_command_line(const char *proc,
			   const struct sockgate_process *process);

/* process_is - is it still there, and no other of its id? */
bool process_is(const char *proc, const struct sockgate_process *process);

void process_facts_free(struct process_facts *facts);

/*
 * process_clean_text - put '?' for what is not UTF-8 and for control characters
 * The wire carries UTF-8 only, and no terminal or log is to be steered by a
 * file's name.
 */
void process_clean_text(char *text);

#endif
