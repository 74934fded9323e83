/* SPDX-License-Identifier: GPL-2.0-only */
/* The signature database: what a hash or a file name says of an executable. */
#ifndef SOCKGATE_SIGDB_H
#define SOCKGATE_SIGDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "build_id.h"
#include "sha256.h"

#define SIGDB_DEFAULT_PATH "/var/lib/sockgate/signatures.db"

/* Both scales end here; what their steps mean is in schema.sql and sigdb(5). */
#define SIGDB_LEVEL_MAX 5
#define SIGDB_THREAT_HARMFUL 4	/* from here on, by sigdb(5) */

/* The most that a claim may be trusted: anybody can make one. */
#define SIGDB_CLAIM_TRUST_MAX 1

#define SIGDB_BUILD_ID_MIN BUILD_ID_MIN
#define SIGDB_BUILD_ID_MAX BUILD_ID_MAX
#define SIGDB_PATH_MAX 4095	/* bytes, without the final NUL */

struct sigdb;

/* What an answer rests on; these are the numbers of Identity.Source on the wire. */
enum sigdb_source {
	SIGDB_NONE = 0,		/* nothing is known */
	SIGDB_HASH = 1,		/* identity by content */
	SIGDB_FILE_NAME = 2,	/* identity by name only */
	SIGDB_HASH_ONLY = 3,	/* content known as safe or unsafe, not what it is */
	SIGDB_PACKAGE_FILE = 4,	/* identity by the path only */
	SIGDB_BUILD_ID = 5,	/* identity by what the content says of itself only */
};

/* The kinds of claims, in the order in which they are believed. */
enum sigdb_claim {
	SIGDB_CLAIM_PACKAGE_FILE = 1,
	SIGDB_CLAIM_BUILD_ID = 2,
	SIGDB_CLAIM_FILE_NAME = 3,
};

/* What is asked about: an executable.  What is not known is NULL. */
struct sigdb_question {
	const uint8_t *sha256;		/* of its content; NULL: not verified */
	const char *path;		/* absolute, where the machine has it */
	const uint8_t *build_id;
	size_t build_id_size;
	const char *file_name;		/* last component of its path */
};

/*
 * An answer is a plain copy that belongs to the caller: it holds no pointers,
 * needs no freeing, and outlives the handle.  Every string is valid UTF-8
 * without control characters, and ends with NUL.
 */
struct sigdb_answer {
	enum sigdb_source source;
	bool unsafe;		/* the content was pronounced unsafe */
	uint8_t trust;		/* 0 none ... 5 vouched for by the administrator */
	uint8_t threat;		/* 0 none known ... 5 known to be malicious */
	char name[128];		/* the application; empty for NONE and HASH_ONLY */
	char version[128];
	char category[64];
	char vendor[128];
};

enum sigdb_result {
	SIGDB_ERROR = -1,	/* could not be learned: never to be read as unknown */
	SIGDB_UNKNOWN = 0,
	SIGDB_KNOWN = 1,
};

/*
 * sigdb_open - open the database for lookups, or for changes too
 * @path:  the file; with @write it is made, with its tables, if there is none
 * @why:   on failure a sentence that names the file and what to do
 *
 * A handle is used by one thread at a time.  Any number of processes may look up
 * while another one imports: they go on seeing the state before the import until
 * it is complete.  A read-only user needs permission to read the file and its
 * companions FILE-wal and FILE-shm, nothing else.  Returns NULL on failure.
 */
struct sigdb *sigdb_open(const char *path, bool write, char *why, size_t why_size);

/* Release the handle; NULL is allowed. */
void sigdb_close(struct sigdb *db);

/*
 * sigdb_lookup - what is known of an executable
 * @answer: always filled in; zero (NONE) unless SIGDB_KNOWN is returned
 *
 * A signature by hash always wins.  What the file claims to be, by its path, its
 * build-id or its name, counts in this order, and only for content that was
 * verified, has no signature of its own, and if the application that is claimed is
 * not known by any hash (nor, for a file name, that name): what is known by its
 * hashes can never be claimed.
 */
enum sigdb_result sigdb_lookup(struct sigdb *db, const struct sigdb_question *q,
			       struct sigdb_answer *answer);

/*
 * sigdb_limit - bound what a lookup may do
 * @steps: of SQLite's machine; one that needs more fails.  An index leads to what
 *         is asked for, so a lookup takes a few hundred.
 */
void sigdb_limit(struct sigdb *db, int steps);

/*
 * sigdb_changes - a number that differs from last time if signatures changed
 * @counter: compare it with an earlier one of the same handle only
 *
 * For caches above: it costs about as much as one lookup.  Returns 0, or -1 if it
 * cannot be learned or if another file has taken the database's place (then open
 * it again).
 */
int sigdb_changes(struct sigdb *db, uint64_t *counter);

/*
 * sigdb_error - a sentence for the last SIGDB_ERROR or -1, which names the file
 * It belongs to the handle and lasts until the next call with it.
 */
const char *sigdb_error(const struct sigdb *db);

/* "hash", "file name", "hash only", "package file", "build-id", "none". */
const char *sigdb_source_name(enum sigdb_source source);

#endif
