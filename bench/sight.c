// SPDX-License-Identifier: GPL-2.0-only
/*
 * sight - what an executable costs the agent that it has never seen, and what one that it
 * has.
 *
 *     sight FILE
 *
 * Prints "FIRST-NS LATER-NS", processor time: of all that is done from the question for
 * its hash to the answer (its threads included), and of a question for one that is known,
 * each the median of several.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <event2/event.h>

#include "nfagent/hash.h"
#include "nfagent/test_file.h"

#define ROUNDS 7
#define KNOWN 100000

static struct event_base *base;
static bool told;

static void on_hash(uint64_t number, const struct hash_result *result, void *arg)
{
	(void)number, (void)arg;
	if (result->evidence != SOCKGATE__EVIDENCE__EVIDENCE_CONTENT)
		errx(1, "the file could not be read");
	if (result->unsettled)
		errx(1, "the file has just been written: what is known of it is not kept");
	told = true;
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t))
		err(1, "clock");
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t first(struct hash_cache *cache, const struct sockgate_file *key,
		      const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	uint64_t begin = cpu_ns();

	if (fd < 0)
		err(1, "%s", file);
	told = false;
	hash_get(cache, 1, 0, key, fd);
	while (!told)
		if (event_base_loop(base, EVLOOP_ONCE) < 0)
			errx(1, "the event loop failed");
	return cpu_ns() - begin;
}

static uint64_t later(struct hash_cache *cache, const struct sockgate_file *key)
{
	uint64_t begin = cpu_ns();
	struct hash_result result;

	for (int i = 0; i < KNOWN; i++)
		if (!hash_known(cache, key, &result))
			errx(1, "the file is not known");
	return (cpu_ns() - begin) / KNOWN;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static uint64_t median(uint64_t value[ROUNDS])
{
	qsort(value, ROUNDS, sizeof(*value), by_value);
	return value[ROUNDS / 2];
}

int main(int argc, char **argv)
{
	const struct hash_conf conf = {
		.max = 16, .limit = UINT64_MAX, .threads = 1, .files = 16,
		.told = on_hash,
	};
	uint64_t once[ROUNDS], again[ROUNDS];
	struct sockgate_file key;
	struct stat st;

	if (argc != 2)
		errx(2, "usage: sight FILE");
	if (stat(argv[1], &st))
		err(1, "%s", argv[1]);
	key = test_file_key(&st);
	base = event_base_new();
	for (int i = 0; i < ROUNDS; i++) {
		struct pool *pool = base ? pool_new(base, 1, 16) : NULL;
		struct hash_cache *cache = pool ? hash_cache_new(pool, &conf) : NULL;

		if (!cache)
			errx(1, "memory");
		once[i] = first(cache, &key, argv[1]);
		again[i] = later(cache, &key);
		pool_free(pool);
		hash_cache_free(cache);
	}
	printf("%" PRIu64 " %" PRIu64 "\n", median(once), median(again));
	return 0;
}
