/* SPDX-License-Identifier: GPL-2.0-only */
/* What a daemon has to say: to stderr, with journald's level prefix if asked. */
#ifndef SOCKGATE_LOG_H
#define SOCKGATE_LOG_H

#include <stdbool.h>

/*
 * log_open - name the program and set how much it says
 * @program: shown before each message; not copied
 * @debug:   also show log_debug()
 *
 * Messages carry journald's "<N>" prefix when stderr is the journal
 * (JOURNAL_STREAM is set), the program's name otherwise.  Never blocks for
 * long: it writes to stderr only.
 */
void log_open(const char *program, bool debug);

/* The names follow err(3): those without "x" add strerror(errno). */
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void fatal(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));
void fatalx(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

#endif
