/* SPDX-License-Identifier: GPL-2.0-only */
/* Tells the signature database of executables that it does not know, some at a time. */
#ifndef SECSRV_REPORTER_H
#define SECSRV_REPORTER_H

#include <stdint.h>

/* Different executables between two writes; more are not told. */
#define REPORTER_MAX 4096

struct reporter;

/*
 * reporter_new - @signatures: the path of the signature database
 * Everything that may wait is done by a thread of its own.  NULL: out of memory.
 */
struct reporter *reporter_new(const char *signatures);

/* Writes what there is, and frees it; NULL is allowed. */
void reporter_free(struct reporter *r);

/*
 * reporter_note - an executable was seen that nobody knows
 * @path: "" if it says nothing
 * Returns without waiting for anything.
 */
void reporter_note(struct reporter *r, const uint8_t *sha256, const char *host,
		   const char *path, int64_t now_s);

/* To be called now and then: hands over what there is, if the thread is idle. */
void reporter_flush(struct reporter *r);

/* How many could not be told. */
uint64_t reporter_lost(const struct reporter *r);

#endif
