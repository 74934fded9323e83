// SPDX-License-Identifier: GPL-2.0-only
/*
 * signatures-tool - rows for a signature database, what a command costs, what a lookup costs.
 *
 *     signatures-tool rows COUNT                 CSV to standard output
 *     signatures-tool cost COMMAND...            "CPU-SECONDS SECONDS PEAK-KIB" on stdout
 *     signatures-tool lookup DB COUNT LOOKUPS    "NAME NANOSECONDS" for each way of asking
 *
 * Times of lookups are of the processor, of this thread; the rounds of all ways take
 * turns, and the median of each is printed.
 */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sha256.h"
#include "sigdb/sigdb.h"

#define ROUNDS 7

/* As many executables as a package may have, and a few versions of each. */
#define PER_APPLICATION 20

static _Noreturn void die(const char *why)
{
	fprintf(stderr, "signatures-tool: %s\n", why);
	exit(1);
}

static uint64_t number(const char *text)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || !value)
		die("expected a number above 0");
	return value;
}

/* The hash of row @n; hashes of numbers past the last row are known to nobody. */
static void hash_of(uint64_t n, uint8_t out[SHA256_SIZE])
{
	if (sha256_memory(&n, sizeof(n), out))
		die("no SHA-256");
}

/* ---- rows ---------------------------------------------------------------- */

static int rows(uint64_t count)
{
	char hex[SHA256_TEXT_SIZE];
	uint8_t hash[SHA256_SIZE];

	puts("sha256,name,version,category,vendor,trust,threat,verdict");
	for (uint64_t i = 0; i < count; i++) {
		uint64_t app = i / PER_APPLICATION;

		hash_of(i, hash);
		hex_encode(hash, sizeof(hash), hex);
		printf("%s,application-%" PRIu64 ",1.%" PRIu64 ".%" PRIu64
		       ",Category %" PRIu64 ",Vendor %" PRIu64 ",3,0,\n", hex, app / 4,
		       app % 4, app % 10, app / 4 % 31, app / 4 % 997);
	}
	return fflush(stdout) || ferror(stdout) ? 1 : 0;
}

/* ---- cost ---------------------------------------------------------------- */

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int cost(char **argv)
{
	double begin = now(CLOCK_MONOTONIC);
	struct rusage usage;
	int status;
	pid_t pid = fork();

	if (pid < 0)
		die("no process");
	if (!pid) {
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execvp(argv[0], argv);
		die("cannot be run");
	}
	if (wait4(pid, &status, 0, &usage) < 0)
		die("lost the process");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		die("the command failed");
	printf("%.3f %.3f %ld\n", seconds(&usage.ru_utime) + seconds(&usage.ru_stime),
	       now(CLOCK_MONOTONIC) - begin, usage.ru_maxrss);
	return 0;
}

/* ---- lookups ------------------------------------------------------------- */

struct lookups {
	sqlite3_stmt *bare;
	struct sigdb *db;
	uint8_t (*known)[SHA256_SIZE];
	uint8_t (*unknown)[SHA256_SIZE];
	uint64_t count;
};

typedef void (*way_fn)(const struct lookups *l);

static void ask_bare(const struct lookups *l, uint8_t (*hash)[SHA256_SIZE], int expected)
{
	for (uint64_t i = 0; i < l->count; i++) {
		sqlite3_bind_blob(l->bare, 1, hash[i], SHA256_SIZE, SQLITE_STATIC);
		if (sqlite3_step(l->bare) != expected)
			die("a bare SELECT has another answer than expected");
		sqlite3_reset(l->bare);
	}
}

static void ask(const struct lookups *l, uint8_t (*hash)[SHA256_SIZE], bool named,
		enum sigdb_result expected)
{
	struct sigdb_question q = { 0 };
	struct sigdb_answer a;

	if (named) {
		q.path = "/usr/bin/some-program";
		q.file_name = "some-program";
	}
	for (uint64_t i = 0; i < l->count; i++) {
		q.sha256 = hash[i];
		if (sigdb_lookup(l->db, &q, &a) != expected)
			die("a lookup has another answer than expected");
	}
}

static void bare_known(const struct lookups *l)
{
	ask_bare(l, l->known, SQLITE_ROW);
}

static void bare_unknown(const struct lookups *l)
{
	ask_bare(l, l->unknown, SQLITE_DONE);
}

static void known(const struct lookups *l)
{
	ask(l, l->known, true, SIGDB_KNOWN);
}

static void unknown(const struct lookups *l)
{
	ask(l, l->unknown, false, SIGDB_UNKNOWN);
}

static void unknown_named(const struct lookups *l)
{
	ask(l, l->unknown, true, SIGDB_UNKNOWN);
}

static const struct {
	const char *name;
	way_fn run;
} ways[] = {
	{ "known.bare", bare_known },
	{ "known", known },
	{ "unknown.bare", bare_unknown },
	{ "unknown", unknown },
	{ "unknown.named", unknown_named },
};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

/* Spread over all of the table; the same in each run. */
static void choose(struct lookups *l, uint64_t rows_count)
{
	uint64_t state = 0x9e3779b97f4a7c15;

	l->known = calloc(l->count, SHA256_SIZE);
	l->unknown = calloc(l->count, SHA256_SIZE);
	if (!l->known || !l->unknown)
		die("out of memory");
	for (uint64_t i = 0; i < l->count; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		hash_of(state % rows_count, l->known[i]);
		hash_of(rows_count + state % rows_count, l->unknown[i]);
	}
}

static int ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void measure(const struct lookups *l)
{
	double took[WAYS][ROUNDS];

	for (int round = -1; round < ROUNDS; round++)
		for (size_t w = 0; w < WAYS; w++) {
			double begin = now(CLOCK_THREAD_CPUTIME_ID);

			ways[w].run(l);
			/* The one before the first only fills the caches. */
			if (round >= 0)
				took[w][round] = now(CLOCK_THREAD_CPUTIME_ID) - begin;
		}
	for (size_t w = 0; w < WAYS; w++) {
		qsort(took[w], ROUNDS, sizeof(double), ascending);
		printf("%s %.0f\n", ways[w].name,
		       took[w][ROUNDS / 2] / (double)l->count * 1e9);
	}
}

static int lookup(const char *path, uint64_t rows_count, uint64_t count)
{
	static const char sql[] =
		"SELECT application, trust, threat FROM hash_signature WHERE sha256 = ?1";
	struct lookups l = { .count = count };
	sqlite3 *sql_db;
	char why[1024];

	l.db = sigdb_open(path, false, why, sizeof(why));
	if (!l.db)
		die(why);
	if (sqlite3_open_v2(path, &sql_db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK ||
	    sqlite3_prepare_v3(sql_db, sql, -1, SQLITE_PREPARE_PERSISTENT, &l.bare,
			       NULL) != SQLITE_OK)
		die(sqlite3_errmsg(sql_db));
	choose(&l, rows_count);
	measure(&l);
	sqlite3_finalize(l.bare);
	sqlite3_close(sql_db);
	sigdb_close(l.db);
	free(l.known);
	free(l.unknown);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "rows") == 0)
		return rows(number(argv[2]));
	if (argc > 2 && strcmp(argv[1], "cost") == 0)
		return cost(argv + 2);
	if (argc == 5 && strcmp(argv[1], "lookup") == 0)
		return lookup(argv[2], number(argv[3]), number(argv[4]));
	die("expected rows COUNT, cost COMMAND... or lookup DB COUNT LOOKUPS");
}
