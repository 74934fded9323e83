/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Text on its way to a terminal or into JSON.  Names of programs, hosts and
 * users come from whoever is watched: they must not drive the terminal.
 */
#ifndef CTL_TEXT_H
#define CTL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <jansson.h>

/*
 * text_clean - copy a string so that it can be shown
 * Control characters and bytes that are not UTF-8 become "\xNN"; what does not
 * fit is cut, never inside such a group.  Returns @out.
 */
char *text_clean(const char *text, char *out, size_t size);

/* Columns that a text_clean()ed string takes: its code points. */
size_t text_width(const char *clean);

/* For json_dumpf(): 8.601 ms stay that, and do not become 8.6010000000000009. */
#define TEXT_JSON_REALS JSON_REAL_PRECISION(12)

/* A JSON string; bytes that are not UTF-8 become U+FFFD.  NULL: no memory. */
json_t *text_json(const char *text);

/* "2 d 3 h", "4 min 5 s", "1 min", "7 s" */
char *text_duration(uint64_t seconds, char *out, size_t size);

/* "2027-01-31", in UTC. */
#define TEXT_DAY_SIZE 32
char *text_day(time_t time, char out[TEXT_DAY_SIZE]);

/*
 * text_number - a whole number, decimal or 0x..., within bounds
 * Returns false if it is not one.
 */
bool text_number(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* A list that is printed as "  label   a, b, c", wrapped and indented. */
struct text_list {
	FILE *out;
	const char *label;
	size_t column;		/* 0: nothing was printed yet */
};

/* text_list_add - print one more item; the text is cleaned */
void text_list_add(struct text_list *list, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* text_list_end - end the line, if there is one */
void text_list_end(struct text_list *list);

enum colour { COLOUR_NONE, COLOUR_GOOD, COLOUR_BAD, COLOUR_NOTE };

/* The sequence that starts a colour (COLOUR_NONE: ends it), "" if @on is false. */
const char *text_colour(enum colour colour, bool on);

/* Colours only on a terminal that wants them (no NO_COLOR, TERM not dumb). */
bool text_colours_wanted(FILE *out);

#endif
