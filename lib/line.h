/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading lines, with the end of a file told apart from a failure. */
#ifndef SOCKGATE_LINE_H
#define SOCKGATE_LINE_H

#include <stdio.h>
#include <sys/types.h>

/*
 * line_read - getline(3), which says -1 for three things
 * @line, @room: as there; free(@line) is due in the end
 * Returns the length of the line, with its newline if it has one; 0 at the end of the
 * file; -1 with errno if it could not be read (ENOMEM, or of read(2)).
 */
ssize_t line_read(char **line, size_t *room, FILE *in);

#endif
