/* SPDX-License-Identifier: GPL-2.0-only */
/* One record of what happened, as a line for people and as JSON. */
#ifndef CTL_RECORD_H
#define CTL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <jansson.h>

#include "sockgate.pb-c.h"

enum column {
	COLUMN_TIME,
	COLUMN_HOST,
	COLUMN_USER,
	COLUMN_APPLICATION,
	COLUMN_VENDOR,
	COLUMN_CATEGORY,
	COLUMN_EVENT,
	COLUMN_PROTOCOL,
	COLUMN_REMOTE,
	COLUMN_DECISION,
	COLUMN_RULE,
	COLUMN_MS,
	COLUMN_ID,
	COLUMNS,
};

#define CELL_SIZE 160

/* What one line shows, cleaned for a terminal; "-" where nothing is known. */
struct record_row {
	char cell[COLUMNS][CELL_SIZE];
};

/* @r may lack any of its parts: it comes from another machine. */
void record_row(const Sockgate__Record *r, struct record_row *row);

/* The row of headings. */
void record_heading(struct record_row *row);

/*
 * Columns grow with what they have to hold and never shrink, so that lines stay
 * aligned while they arrive one by one.
 */
struct record_table {
	size_t width[COLUMNS];
};
void record_widen(struct record_table *table, const struct record_row *row);

/* Prints a row; the decision in colour if @colours. */
void record_print(const struct record_table *table, const struct record_row *row,
		  bool colours, FILE *out);

/*
 * What the caller got: "allow", "audit" (the same, and to be noticed), "deny", or
 * "unknown" where the failure table decided and the agent does not say how.
 */
const char *record_verdict(const Sockgate__Record *r);

/*
 * record_ethertype - "0x0800": what a packet socket was opened for
 * It stands in the place of the remote port.  Returns false, and leaves @text alone,
 * for any other event.
 */
bool record_ethertype(const Sockgate__Event *e, char *text, size_t size);

/*
 * record_fields - what a decision looked at: "event, remote address (24 bits)"
 * Returns @text.
 */
char *record_fields(const Sockgate__Decision *d, char *text, size_t size);

/* "2026-01-31 12:34:56.789" in local time; in UTC with "T" and "Z" if @utc. */
char *record_time(int64_t time_us, bool utc, char *text, size_t size);

/* The whole record as an object; NULL if there is no memory. */
json_t *record_json(const Sockgate__Record *r);

#endif
