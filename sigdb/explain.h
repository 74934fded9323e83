/* SPDX-License-Identifier: GPL-2.0-only */
/* How a lookup comes to its answer: every signature that was looked at. */
#ifndef SOCKGATE_SIGDB_EXPLAIN_H
#define SOCKGATE_SIGDB_EXPLAIN_H

#include "sigdb.h"

/* What became of it. */
enum explain_outcome {
	EXPLAIN_ALL,		/* it gives the whole answer */
	EXPLAIN_IDENTITY,	/* it says what it is; the levels are another's */
	EXPLAIN_LEVELS,		/* it gives trust, threat and verdict only */
	EXPLAIN_OUTRANKED,	/* one that comes before it says the same things */
	EXPLAIN_HAS_HASH,	/* a claim, but the content has a signature */
	EXPLAIN_KNOWN_NAME,	/* a claim, but that application is known by hashes */
	EXPLAIN_KNOWN_FILE,	/* a claim, but a file of that name is known by its hash */
};

struct explain_row {
	const char *by;		/* "hash", "package file", "build-id", "file name" */
	const char *source;	/* where it comes from: "csv", "dpkg", ... */
	const char *verdict;	/* "safe", "unsafe" or "" */
	const char *name;	/* "" if it has no identity */
	const char *version;
	int trust;
	int threat;
	enum explain_outcome outcome;
};

/* Returns 0, or anything else to end it. */
typedef int (*explain_fn)(const struct explain_row *row, void *arg);

/*
 * sigdb_explain - tell of each signature that is about an executable
 * @fn: called for each, in the order in which they count; the texts are valid and
 *      without control characters, and last until it returns
 * Returns 0, what @fn returned, or -1 with the reason in sigdb_error().
 */
int sigdb_explain(struct sigdb *db, const struct sigdb_question *q, explain_fn fn,
		  void *arg);

/* A sentence for people, without its full stop. */
const char *explain_outcome_text(enum explain_outcome outcome);

/* A word for programs. */
const char *explain_outcome_name(enum explain_outcome outcome);

#endif
