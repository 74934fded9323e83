/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Feeds: what one database tells others, in files that build upon each other.
 *
 * A feed file is a head of a few lines, a signature of it (Ed25519), an empty line and
 * rows of CSV.  The head names the feed, its serial number, the SHA-256 of the head
 * before, and size and SHA-256 of the rows.  So nobody can change one, leave one out,
 * repeat one, or put one of another history in between.
 */
#ifndef SOCKGATE_SIGDB_FEED_H
#define SOCKGATE_SIGDB_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ed25519.h"
#include "store.h"

#define FEED_NAME_SIZE 65
#define FEED_TEXT_SIZE 512

struct feed_head {
	char name[FEED_NAME_SIZE];
	uint64_t serial;		/* from 1 on */
	bool full;			/* it is all; else what has changed */
	uint8_t after[SHA256_SIZE];	/* of the head before; of the first it is 0 */
	uint64_t rows;
	uint64_t size;			/* of the rows, in bytes */
	uint8_t body[SHA256_SIZE];
};

/* Letters, digits and ".-_", not a dot first: it becomes a file's name. */
bool feed_name_valid(const char *name);

/* The head as it is signed.  Returns its length. */
size_t feed_head_text(const struct feed_head *head, char text[FEED_TEXT_SIZE]);

/* Exactly what feed_head_text() writes.  Returns 0 or -1. */
int feed_head_parse(const char *text, struct feed_head *head);

/* What the database knows of a feed.  Returns 1, 0 if nothing, -1 on failure. */
struct feed_state {
	uint64_t serial;
	uint8_t digest[SHA256_SIZE];
	int64_t run;
	bool has_key;			/* of an import */
	uint8_t key[ED25519_KEY_SIZE];
};
int feed_state_get(struct sigdb *db, const char *direction, const char *name,
		   struct feed_state *state);
int feed_state_put(struct sigdb *db, const char *direction, const char *name,
		   const struct feed_state *state);

struct feed_report {
	struct feed_head head;
	struct store_counts counts;	/* of an import */
	bool nothing;		/* nothing has changed; or it was imported before */
	char path[4096];	/* of the file that was written */
	bool recovered;		/* nothing was; that of an export that broke off is there */
};

/*
 * feed_export - write DIR/NAME-SERIAL.feed
 * @full: everything, not only what changed since the last one
 * The file is there, whole, or nothing has happened.  It gets its name when the database
 * has it noted: if the machine fails in between, the next export does that.  Returns 0,
 * or -1 with a sentence in @why.
 */
int feed_export(struct sigdb *db, const char *dir, const char *name, const char *key_file,
		bool full, struct feed_report *report, char *why, size_t why_size);

enum {
	FEED_SKIP_OLD = 1,	/* one that was imported before is passed over, not refused */
	FEED_RESTART = 2,	/* one with everything is taken, whatever its serial */
	FEED_NEW_KEY = 4,	/* so is one by another key than before */
};

/*
 * feed_import - take a feed file into the database
 * @how: bits
 * A feed is bound to the key by which it was first imported.
 * All or nothing.  Returns 0, or -1 with a sentence in @why.
 */
int feed_import(struct sigdb *db, const char *path, const char *key_file,
		unsigned int how, struct feed_report *report, char *why, size_t why_size);

#endif
