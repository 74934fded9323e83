/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Executables that nobody knows, and where they were seen.  They are in a database of
 * their own beside that of the signatures, which so stays as it is, for readers to
 * remember, while these are written all the time.
 */
#ifndef SOCKGATE_SIGDB_SIGHTING_H
#define SOCKGATE_SIGDB_SIGHTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sha256.h"

/* Beyond these the ones that were not seen for longest are forgotten. */
#define SIGHTINGS_MAX 100000
#define SIGHTINGS_PER_HOST_MAX 10000

/* What was seen more often is counted no further. */
#define SIGHTINGS_COUNT_MAX 1000000000000000

struct sightings;

struct sighting {
	uint8_t sha256[SHA256_SIZE];
	const char *host;
	const char *path;	/* the last one; "" if it says nothing */
	int64_t first_s;	/* seconds since 1970 */
	int64_t last_s;
	uint64_t count;
};

/*
 * sightings_open - @signatures: the path of the signature database
 * @write: it is made if there is none; without, that is an error with errno ENOENT
 * Returns NULL on failure, with a sentence in @why.
 */
struct sightings *sightings_open(const char *signatures, bool write, char *why,
				 size_t why_size);
void sightings_close(struct sightings *s);

/* Fail at once where another one has it locked. */
void sightings_never_wait(struct sightings *s);

/* Is another file at its path by now, or none?  Of one that is only read. */
bool sightings_replaced(const struct sightings *s);

/*
 * sightings_add - add a batch to what was seen before, in one transaction
 * Names are cleaned and cut.  Returns 0 or -1.
 */
int sightings_add(struct sightings *s, const struct sighting *list, size_t count);

/*
 * sightings_each - those of a host (NULL: of all), the latest first
 * What @fn gets lasts until it returns; anything but 0 from it ends it.  Returns 0,
 * what @fn returned, or -1.
 */
typedef int (*sightings_fn)(const struct sighting *sighting, void *arg);
int sightings_each(struct sightings *s, const char *host, uint64_t limit,
		   sightings_fn fn, void *arg);

/* Forget a hash, of all hosts.  Returns how many there were, or -1. */
int sightings_forget(struct sightings *s, const uint8_t *sha256);

/*
 * What was scanned by rules of YARA that found nothing, so that it is not once more.
 * @rules: SHA-256 of their text
 * Returns 1 if it was, 0 if not, -1 if that cannot be found out.
 */
int sightings_scanned(struct sightings *s, const uint8_t *sha256, const uint8_t *rules);
int sightings_note_scan(struct sightings *s, const uint8_t *sha256, const uint8_t *rules,
			int64_t now_s);

/* A sentence for the last -1. */
const char *sightings_error(const struct sightings *s);

#endif
