/* SPDX-License-Identifier: GPL-2.0-only */
/* The content of one executable: read in parts, and vouched for. */
#ifndef NFAGENT_CONTENT_H
#define NFAGENT_CONTENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <linux/sockgate.h>

#include "build_id.h"
#include "sockgate.pb-c.h"

#define HASH_SIZE 32

struct hash_result {
	Sockgate__Evidence evidence;
	uint8_t sha256[HASH_SIZE];	/* with EVIDENCE_CONTENT */
	/*
	 * The file was changed so shortly before that another change could
	 * carry the same ctime: good for this question, not to be remembered.
	 */
	bool unsettled;
	/* What the content says of itself: a claim; none: 0. */
	uint8_t build_id_size;
	uint8_t build_id[BUILD_ID_MAX];
};

/* A file on its way from open to hashed. */
struct content {
	int fd;			/* read with pread(), its offset stays */
	struct sockgate_file file;
	uint64_t limit;
	unsigned int tries;
	struct stat before;
	struct sha256_parts *parts;	/* NULL: this try has not begun */
	int64_t begun_ns;
	struct hash_result result;	/* when it is finished */
};

/*
 * content_init - get ready to read
 * @fd:    the reader's from here
 * @file:  what it must be: another size or ctime is EVIDENCE_UNSTABLE, and so
 *         is a change while it is read (after one more try)
 * @limit: bytes; a larger file is EVIDENCE_TOO_LARGE, unread
 */
void content_init(struct content *c, int fd, const struct sockgate_file *file,
		  uint64_t limit);

/*
 * content_read - read on for about @bytes
 * @now_ns: CLOCK_REALTIME
 * Blocks for as long as that takes.  Returns true when it is finished; it never
 * fails: what goes wrong is EVIDENCE_UNREADABLE.
 */
bool content_read(struct content *c, uint64_t bytes, int64_t now_ns);

/* Bytes still to be read. */
uint64_t content_left(const struct content *c);

/* Closes the descriptor. */
void content_close(struct content *c);

#endif
