/* SPDX-License-Identifier: GPL-2.0-only */
/* How far long work has come, on stderr; and Ctrl-C, which ends it cleanly. */
#ifndef SOCKGATE_SIGDB_PROGRESS_H
#define SOCKGATE_SIGDB_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * progress_begin - @total units of work are coming; 0: nobody knows how many
 * @unit: what is counted, in the plural; not copied
 * On a terminal a bar is drawn, elsewhere a line is printed at each tenth.
 */
void progress_begin(const char *unit, uint64_t total);

/* So many are done; cheap enough to be called for every one. */
void progress_set(uint64_t done);

/* Take the bar away. */
void progress_end(void);

/* Print one line to stderr, above the bar if there is one. */
void progress_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * From here on SIGINT and SIGTERM only set what interrupted() tells; a second one
 * ends the program at once, which harms nothing but loses the work.
 */
void interrupt_catch(void);
bool interrupted(void);

#endif
