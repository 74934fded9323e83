/* SPDX-License-Identifier: GPL-2.0-only */
/* Executables that nobody knows: fetched from an agent, scanned, once. */
#ifndef SECSRV_FETCHER_H
#define SECSRV_FETCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "sha256.h"
#include "sockgate.pb-c.h"

struct event_base;
struct fetcher;

/* Executables at a time, from being asked for until they are scanned. */
#define FETCHER_MAX 8
#define FETCHER_OF_HOST_MAX 2

/*
 * Without bytes for so long, an agent is no longer waited for; nor if beyond that time
 * they come more slowly than so many a second.
 */
#define FETCHER_SILENCE_S 30
#define FETCHER_RATE_MIN 131072

/*
 * What could not be had is not asked for again, of this host, before so long; what failed
 * here, after FETCHER_LATER_MS, and then twice as long each time, up to this.
 */
#define FETCHER_AGAIN_S 600
#define FETCHER_TRIED_MAX 4096

/* Notes of what was scanned that cannot be read are not tried again before so long. */
#define FETCHER_NOTES_S 10

/*
 * Each finding is a new signature, for which all decisions are forgotten; and what does
 * not come in time keeps a place.  After so many of both, a host's executables are not
 * asked for during the next hour.  Lines in the log about one host in an hour are bounded
 * as well; findings are not among them.
 */
#define FETCHER_HOST_S 3600
#define FETCHER_HOST_QUOTA 32
#define FETCHER_HOST_LINES 100
#define FETCHER_HOSTS_MAX 4096

/* A decision on what is to be asked for later lasts no longer than this. */
#define FETCHER_LATER_MS 10000

/*
 * rules:      the file with rules of YARA
 * signatures: path of the signature database
 * scanner:    the program sigdb, which is found as execvp(3) does
 * max_bytes:  of an executable
 */
struct fetcher_conf {
	const char *rules;
	const char *signatures;
	const char *scanner;
	uint64_t max_bytes;
};

struct fetcher_counters {
	uint64_t n_asked;
	uint64_t n_scanned;
	uint64_t n_put_off;	/* as many as may be were on their way */
	uint64_t n_over_quota;	/* not asked for: of a host that has used up its quota */
	uint64_t n_missing;	/* the agent could not send it, refused, or went away */
	uint64_t n_too_large;
	uint64_t n_false;	/* another content than was asked for */
	uint64_t n_failed;	/* could not be scanned */
};

/* What @conf points to outlives it.  NULL: out of memory. */
struct fetcher *fetcher_new(struct event_base *base, const struct fetcher_conf *conf);
void fetcher_free(struct fetcher *f);

enum fetcher_answer {
	FETCHER_NO,		/* it was scanned, is on its way, or is not to be had */
	FETCHER_ASK,		/* ask this session for it now */
	FETCHER_LATER,		/* too many at present, another host sends it, or it failed */
};

/*
 * fetcher_want - nobody knows this executable: is it to be asked for?
 * @session: who runs it
 * @id:      of the query, with FETCHER_ASK; then fetcher_take() or fetcher_gone()
 *           follows
 */
enum fetcher_answer fetcher_want(struct fetcher *f, uint64_t session, const char *host,
				 const uint8_t *sha256, int64_t now_s, uint64_t *id);

/* A part has come.  Returns false if nobody asked for it. */
bool fetcher_take(struct fetcher *f, uint64_t session, uint64_t id,
		  const Sockgate__ContentPart *part, int64_t now_s);

/* The session is over. */
void fetcher_gone(struct fetcher *f, uint64_t session, int64_t now_s);

/*
 * fetcher_refresh - to be called every second
 * Returns true if the rules are others than before: then what nobody knows should be
 * asked about again.
 */
bool fetcher_refresh(struct fetcher *f, int64_t now_s);

uint64_t fetcher_max_bytes(const struct fetcher *f);
const struct fetcher_counters *fetcher_counters(const struct fetcher *f);

#endif
