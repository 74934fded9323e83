/* SPDX-License-Identifier: GPL-2.0-only */
/* Content signatures: what YARA rules say of a file, and remembering it. */
#ifndef SOCKGATE_SIGDB_SCAN_H
#define SOCKGATE_SIGDB_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sha256.h"

struct sigdb;

/* A larger file is refused, and one that takes longer. */
#define SCAN_SIZE_MAX (256U << 20)
#define SCAN_SECONDS_MAX 60

#define SCAN_MATCHES_SIZE 1024
#define SCAN_MATCHES_MAX 1024	/* rules that are looked at, of those that match */

struct scanner;

/*
 * scanner_new - compile the rules of a file
 * Returns NULL with a sentence in @why that names file and line.
 */
struct scanner *scanner_new(const char *rules, char *why, size_t why_size);
void scanner_free(struct scanner *scanner);

struct scan_result {
	uint8_t sha256[SHA256_SIZE];
	bool remembered;	/* scanned before, by the same rules */
	char matches[SCAN_MATCHES_SIZE];	/* names of the rules, with spaces between */
};

/*
 * scan_file - scan a file, unless it was by these very rules, and keep the result
 * @sha256: what its content has to be; NULL: whatever it is
 * What the rules say becomes a signature of the file's hash, see sigdb(8).  Returns 0,
 * or -1 with a sentence in @why; then nothing was changed.
 */
int scan_file(struct sigdb *db, struct scanner *scanner, const char *path,
	      const uint8_t *sha256, struct scan_result *result, char *why,
	      size_t why_size);

#endif
