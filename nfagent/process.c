// SPDX-License-Identifier: GPL-2.0-only
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "utf8.h"

#define DELETED " (deleted)"

ssize_t process_read_file(const char *file, char *buf, size_t size)
{
	ssize_t got = 0;
	size_t n = 0;
	int fd;

	fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -1;
	while (n < size) {
		got = read(fd, buf + n, size - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	close(fd);
	return got < 0 ? -1 : (ssize_t)n;
}

void process_clean_text(char *text)
{
	size_t len;

	for (; *text; text += len ? len : 1) {
		len = utf8_char(text, NULL);
		if (!len || (unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

/* Without its mark for a file that is gone. */
char *process_told_path(const char *text, bool *deleted)
{
	size_t len = strlen(text), mark = strlen(DELETED);
	char *path;

	/*
	 * A file may really be called so.  It is treated as gone all the same:
	 * then its name counts for nothing, which is the safe side.
	 */
	*deleted = len > mark && !strcmp(text + len - mark, DELETED);
	path = strndup(text, *deleted ? len - mark : len);
	if (path)
		process_clean_text(path);
	return path;
}

char *process_path(const char *link, bool *deleted)
{
	char buf[PATH_MAX + sizeof(DELETED)];
	ssize_t n;

	*deleted = false;
	n = readlink(link, buf, sizeof(buf) - 1);
	if (n < 0)
		return NULL;
	buf[n] = '\0';
	return process_told_path(buf, deleted);
}

/* Fields 4 and 22 of /proc/PID/stat, see proc(5). */
static int read_stat(const char *dir, uint32_t *parent, uint64_t *start_ticks)
{
	char path[PATH_MAX], buf[1024], *p;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/stat", dir);
	n = process_read_file(path, buf, sizeof(buf) - 1);
	if (n <= 0)
		return -1;
	buf[n] = '\0';
	/* The name in parentheses may hold anything, parentheses too. */
	p = strrchr(buf, ')');
	if (!p)
		return -1;
	if (sscanf(p + 1, " %*c %" SCNu32 " %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
		   parent, start_ticks) != 2)
		return -1;
	return 0;
}

/* Joined by spaces. */
char *process_told_arguments(const void *bytes, size_t n)
{
	const char *from = bytes;
	char *text;

	while (n > 0 && !from[n - 1])
		n--;
	text = malloc(n + 1);
	if (!text)
		return NULL;
	memcpy(text, from, n);
	for (size_t i = 0; i < n; i++)
		if (!text[i])
			text[i] = ' ';
	text[n] = '\0';
	process_clean_text(text);
	return text;
}

void process_take_arguments(struct process_facts *facts, const void *bytes, size_t n)
{
	facts->command_line = process_told_arguments(bytes, n);
	facts->arguments = malloc(n + 1);
	if (!facts->arguments)
		return;
	memcpy(facts->arguments, bytes, n);
	facts->arguments[n] = '\0';
	facts->arguments_size = n;
}

static char *read_command_line(const char *dir)
{
	char path[PATH_MAX], buf[SOCKGATE_ARGUMENTS_SIZE];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/cmdline", dir);
	n = process_read_file(path, buf, sizeof(buf));
	return n < 0 ? NULL : process_told_arguments(buf, (size_t)n);
}

static bool same_process(const struct sockgate_process *process,
			 uint64_t start_ticks)
{
	uint64_t tick_ns = 1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK);

	return process->start_ns / tick_ns == start_ticks;
}

void process_read(const char *proc, const struct sockgate_process *process,
		  struct process_facts *facts)
{
	char dir[256], link[PATH_MAX];
	uint64_t start_ticks;
	uint32_t parent;
	bool gone;

	memset(facts, 0, sizeof(*facts));
	snprintf(dir, sizeof(dir), "%s/%" PRIu32, proc, process->pid);
	if (read_stat(dir, &parent, &start_ticks) ||
	    !same_process(process, start_ticks))
		return;
	snprintf(link, sizeof(link), "%s/exe", dir);
	facts->path = process_path(link, &facts->deleted);
	facts->parent_pid = parent;
	snprintf(link, sizeof(link), "%s/%" PRIu32 "/exe", proc, parent);
	facts->parent_path = process_path(link, &gone);
}

bool process_is(const char *proc, const struct sockgate_process *process)
{
	uint64_t start_ticks;
	uint32_t parent;
	char dir[256];

	snprintf(dir, sizeof(dir), "%s/%" PRIu32, proc, process->pid);
	return !read_stat(dir, &parent, &start_ticks) &&
	       same_process(process, start_ticks);
}

char *process_command_line(const char *proc,
			   const struct sockgate_process *process)
{
	char dir[256];

	if (!process_is(proc, process))
		return NULL;
	snprintf(dir, sizeof(dir), "%s/%" PRIu32, proc, process->pid);
	return read_command_line(dir);
}

void process_facts_free(struct process_facts *facts)
{
	free(facts->path);
	free(facts->command_line);
	free(facts->arguments);
	free(facts->parent_path);
	memset(facts, 0, sizeof(*facts));
}
