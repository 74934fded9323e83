/* SPDX-License-Identifier: GPL-2.0-only */
/* The spool's files: numbered records, appended, read in order, dropped. */
#ifndef NFAGENT_SEGMENTS_H
#define NFAGENT_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENTS_INSTANCE_SIZE 16
#define SEGMENTS_RECORD_MAX (64U << 10)

/*
 * A directory of segment files.  Each starts with a header
 *
 *	"SGSPOOL1", instance (16 bytes), sequence of its first record (le64)
 *
 * and goes on with frames
 *
 *	length (le32), CRC-32 (le32) of what follows, sequence (le64), record
 *
 * Within a file sequences are without gaps.  What a crash left torn at the end
 * is cut off when the directory is opened.  After a crash the sequence jumps
 * ahead: numbers that were used but never reached the disk are not used again.
 * Not thread-safe; one thread at a time.
 */
struct segments;

/* A record in a list; @data follows the structure. */
struct spool_record {
	struct spool_record *next;
	uint64_t sequence;
	uint32_t len;
	uint8_t data[];
};

struct segments_limits {
	uint64_t max_bytes;	/* of all files; then the oldest go */
	uint64_t segment_bytes;	/* when a new file is begun */
};

/*
 * segments_open - open or make the directory
 * @fresh: instance to use if the directory holds none
 * @why:   on failure a sentence
 * Symbolic links are not followed, a second process is refused.
 * Returns NULL on failure.
 */
struct segments *segments_open(const char *dir,
			       const struct segments_limits *limits,
			       const uint8_t fresh[SEGMENTS_INSTANCE_SIZE],
			       char *why, size_t why_size);

/* Leaves a note that nothing was torn, unless @crash (tests). */
void segments_close(struct segments *s, bool crash);

const uint8_t *segments_instance(const struct segments *s);
uint64_t segments_next_sequence(const struct segments *s);
uint64_t segments_bytes(const struct segments *s);

/* Records dropped unread to stay within max_bytes, or damaged. */
uint64_t segments_lost(const struct segments *s);

/*
 * segments_append - write a list of records and wait until the disk has them
 * Returns 0, or -1 with errno: then none of them is in the files.
 */
int segments_append(struct segments *s, const struct spool_record *list);

/* Drop the files in which every record's sequence is at most @sequence. */
void segments_drop(struct segments *s, uint64_t sequence);

/*
 * segments_read - the records after @sequence, oldest first
 * @max_records, @max_bytes: of one call; at least one record is returned
 * @list: to be freed; NULL if there is none
 * Returns 0, or -1 with errno: they could not be read now, and may be later.
 * What is damaged is passed over and counted as lost; its file is kept as
 * NAME.bad when the rest of it is dropped.
 */
int segments_read(struct segments *s, uint64_t sequence,
		  unsigned int max_records, size_t max_bytes,
		  struct spool_record **list);

struct spool_record *spool_record_new(uint64_t sequence, const uint8_t *data,
				      uint32_t len);
void spool_records_free(struct spool_record *list);

#endif
