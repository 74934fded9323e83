/* SPDX-License-Identifier: GPL-2.0-only */
/* Filling the signature database: one transaction per import. */
#ifndef SOCKGATE_SIGDB_STORE_H
#define SOCKGATE_SIGDB_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "sigdb.h"

struct store;

/* The ranks of source.rank; the lower one wins. */
#define STORE_RANK_HAND		5	/* the administrator, one by one */
#define STORE_RANK_CSV		10	/* the administrator */
#define STORE_RANK_FEED		15	/* another database of his */
#define STORE_RANK_LIST		20	/* lists of what is harmful */
#define STORE_RANK_SCAN		25	/* rules that looked at the content */
#define STORE_RANK_PACKAGE	30	/* packages */
#define STORE_RANK_COLLECTION	40	/* what others have gathered */

struct store_identity {
	const char *name;	/* of the application; the rest may be "" */
	const char *version;
	const char *category;
	const char *vendor;
	const char *origin;
};

enum store_verdict {
	STORE_NO_VERDICT,
	STORE_SAFE,
	STORE_UNSAFE,
};

struct store_signature {
	int64_t application;	/* from store_application(); 0: none */
	enum store_verdict verdict;
	int trust;
	int threat;
	const char *file_name;	/* what the file was called; may be NULL */
	uint64_t line;		/* where it stands, for store_flush() */
};

struct store_claim {
	enum sigdb_claim kind;
	const void *value;	/* a path or a name, a string; or a build-id */
	size_t size;		/* of a build-id */
	int64_t application;
	int trust;		/* SIGDB_CLAIM_TRUST_MAX at most */
	int threat;
};

enum store_result {
	STORE_ERROR = -1,	/* sigdb_error() says why */
	STORE_NEW,
	STORE_AGAIN,		/* was there before this import */
	STORE_TWICE,		/* this import has it already: nothing was changed */
};

struct store_counts {
	uint64_t found;		/* different signatures in this import */
	uint64_t added;		/* of these, not there before */
	uint64_t removed;	/* by store_sweep() */
};

/*
 * store_begin - begin an import
 * @label: names where the signatures come from; an import replaces, or sweeps
 *         away, signatures of its own label only
 * Readers see nothing of it before store_commit().  While it lasts, an interrupt
 * (progress.h) ends what SQLite does.  Returns NULL on failure, with the reason in
 * sigdb_error().
 */
struct store *store_begin(struct sigdb *db, const char *label, int rank);

/* The application's number, made if it is not there; -1 on failure. */
int64_t store_application(struct store *st, const struct store_identity *id);

/*
 * store_hash - bring a signature; it is laid aside until store_flush()
 * Returns 0 or -1.
 */
int store_hash(struct store *st, const uint8_t *sha256,
	       const struct store_signature *sig);

/* Hashes that an import brought more than once. */
struct store_twice {
	uint64_t count;
	uint64_t line;		/* of the first that came too late */
};

/*
 * store_flush - put the hashes that were brought into the database
 * @twice: the first of several is taken; NULL: that is all
 * Once at the end of an import is best: it sorts.  The sweep and the commit do so
 * if nobody else did.  Returns 0 or -1.
 */
int store_flush(struct store *st, struct store_twice *twice);

enum store_result store_claim(struct store *st, const struct store_claim *claim);

/*
 * Take away what this label has of a hash, or of a claim (kind, value and size).  What
 * it has not is no error.  Return 0 or -1.
 */
int store_remove_hash(struct store *st, const uint8_t *sha256);
int store_remove_claim(struct store *st, const struct store_claim *claim);

/* The number of this import. */
int64_t store_run(const struct store *st);

/* A file that was hashed, as it was then. */
struct store_file {
	uint64_t device, inode, size;
	int64_t mtime_ns, ctime_ns;
	uint8_t sha256[SHA256_SIZE];
	uint8_t md5[16];
	uint8_t build_id[SIGDB_BUILD_ID_MAX];
	size_t build_id_size;	/* 0: it has none */
};

/* Returns 1 if the path was hashed before, 0 if not, -1 on failure. */
int store_file_get(struct store *st, const char *path, struct store_file *file);
int store_file_put(struct store *st, const char *path, const struct store_file *file);

/*
 * store_grace - what a sweep would remove stays for so long: old programs still run
 * @now_s: seconds since 1970
 * Of hashes only: a claim is about the file that is there now.  A sweep removes those
 * whose time is up.
 */
void store_grace(struct store *st, int64_t now_s, int64_t seconds);

/*
 * store_sweep - remove what this label had and this import did not bring
 * @application: only signatures of applications of this name; NULL: all
 * Returns 0 or -1.
 */
int store_sweep(struct store *st, const char *application);

/* Both end the import and free @st.  store_commit() returns 0 or -1. */
int store_commit(struct store *st, struct store_counts *counts);
void store_rollback(struct store *st);

#endif
