/* SPDX-License-Identifier: GPL-2.0-only */
/* What libconfig 1.5 would read wrongly without a word, or not survive. */
#ifndef SOCKGATE_CONF_TEXT_H
#define SOCKGATE_CONF_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <libconfig.h>

/*
 * conf_text_read - a whole file as text
 * @file:  "-" for the standard input
 * @limit: bytes; a longer file is refused
 * Returns memory to free(), with a NUL after its *@size bytes; NULL with errno
 * and a sentence in @why.
 */
char *conf_text_read(const char *file, size_t limit, size_t *size, char *why,
		     size_t why_size);

/*
 * conf_text_check - look at a text before libconfig parses it
 * @text:     ends with a NUL after its @size bytes
 * @includes: may it use @include?  (Refuse that to text from elsewhere: libconfig
 *            ends the process if the file named is a directory.)
 * @line:     where the problem is
 *
 * Refused are a NUL byte (the rest would be ignored), a string that is not closed
 * (libconfig names a line far from where it begins), and a number that does not fit into
 * 32 bits and has no L after it (it would be cut).  Decimal numbers are
 * signed, hexadecimal ones are not.  Returns 0, or -1 with a sentence in @why.
 */
int conf_text_check(const char *text, size_t size, bool includes,
		    unsigned int *line, char *why, size_t why_size);

/*
 * conf_text_parse - check a text and parse it
 * @lib: set up by config_init()
 * As conf_text_check(); an error of syntax is told in the same way.
 */
int conf_text_parse(config_t *lib, const char *text, size_t size, bool includes,
		    unsigned int *line, char *why, size_t why_size);

#endif
