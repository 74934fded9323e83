/* SPDX-License-Identifier: GPL-2.0-only */
/* Text that may be shown on a terminal and sent on the wire. */
#ifndef SOCKGATE_SIGDB_TEXT_H
#define SOCKGATE_SIGDB_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * sigdb_text_valid - is it UTF-8 (RFC 3629) without control characters?
 * Whatever the locale is.
 */
bool sigdb_text_valid(const char *text);

/*
 * sigdb_text_clean - make text valid and short enough, for input nobody can correct
 * @size: of @out, at least 1
 * A byte that is no part of valid text becomes '?'; what is too long is cut
 * between characters.
 */
void sigdb_text_clean(const char *text, char *out, size_t size);

#endif
