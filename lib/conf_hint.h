/* SPDX-License-Identifier: GPL-2.0-only */
/* What is probably wrong where libconfig says no more than "syntax error". */
#ifndef SOCKGATE_CONF_HINT_H
#define SOCKGATE_CONF_HINT_H

#include <stddef.h>

/*
 * conf_hint - guess what is wrong, and what to do
 * @text: that libconfig refused, @size bytes
 * @line: where, as libconfig says
 * @hint: gets a clause without a full stop
 * Pure.  Returns the line to look at: @line, or the one before it where it began.
 */
unsigned int conf_hint(const char *text, size_t size, unsigned int line, char *hint,
		       size_t hint_size);

#endif
