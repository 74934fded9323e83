// SPDX-License-Identifier: GPL-2.0-only
/* Each message is one write(2): lines of several threads never mix. */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#define LINE_SIZE 4096

static const char *program_name = "sockgate";
static bool show_debug;
static bool to_journal;

/* JOURNAL_STREAM is inherited by children whose stderr went elsewhere. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st))
		return false;
	snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	return !strcmp(stream, ours);
}

void log_open(const char *program, bool debug)
{
	program_name = program;
	show_debug = debug;
	to_journal = stderr_is_journal();
}

/* What others named (programs, hosts) must not break lines or drive terminals. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static void __attribute__((format(printf, 3, 0)))
say(int level, int error, const char *fmt, va_list ap)
{
	char line[LINE_SIZE];
	size_t used, room = sizeof(line) - 1;	/* one byte for the newline */
	int n;

	if (to_journal)
		n = snprintf(line, room, "<%d>", level);
	else
		n = snprintf(line, room, "%s: ", program_name);
	used = n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;

	n = vsnprintf(line + used, room - used, fmt, ap);
	if (n > 0)
		used = used + n < room ? used + n : room - 1;
	if (error) {
		n = snprintf(line + used, room - used, ": %s", strerror(error));
		if (n > 0)
			used = used + n < room ? used + n : room - 1;
	}
	line[used] = '\0';
	make_printable(line);
	line[used++] = '\n';
	/* Nobody is left to be told that stderr is gone. */
	if (write(STDERR_FILENO, line, used) < 0)
		return;
}

#define SAY(level, error)				\
	do {						\
		int saved_errno = errno;		\
		va_list ap;				\
							\
		va_start(ap, fmt);			\
		say(level, error, fmt, ap);		\
		va_end(ap);				\
		errno = saved_errno;			\
	} while (0)

void log_warn(const char *fmt, ...)
{
	SAY(LOG_WARNING, errno);
}

void log_warnx(const char *fmt, ...)
{
	SAY(LOG_WARNING, 0);
}

void log_info(const char *fmt, ...)
{
	SAY(LOG_INFO, 0);
}

void log_debug(const char *fmt, ...)
{
	if (show_debug)
		SAY(LOG_DEBUG, 0);
}

void fatal(const char *fmt, ...)
{
	SAY(LOG_CRIT, errno);
	exit(1);
}

void fatalx(const char *fmt, ...)
{
	SAY(LOG_CRIT, 0);
	exit(1);
}
