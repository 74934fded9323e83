// SPDX-License-Identifier: GPL-2.0-only
/*
 * A content goes into memory that is sealed when it is whole.  A thread compares its
 * hash and has sigdb scan it, which is another process, and puts what it finds into the
 * database; the change is noticed there like any other.
 */
#include "fetcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Out of memory must not end the program: it is just tried again. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "log.h"
#include "pool.h"
#include "sigdb/command.h"
#include "sigdb/sighting.h"

#define HOST_SIZE 256

enum outcome {
	SCANNED,
	MISSING,
	TOO_SLOW,
	TOO_LARGE,
	FALSE_CONTENT,
	FAILED,
};

struct flight {
	struct job job;
	struct fetcher *fetcher;
	uint64_t id, session;
	uint8_t sha256[SHA256_SIZE];
	char host[HOST_SIZE];
	int fd;
	uint64_t size;
	int64_t since_s, heard_s;
	bool whole;			/* the thread has it, or is to have it */
	enum outcome outcome;		/* of the thread */
	char said[512];
	struct flight *prev, *next;
};

/* Zero-padded: compared as bytes. */
struct key {
	uint8_t sha256[SHA256_SIZE];
	char host[HOST_SIZE];
};

struct tried {
	struct key key;
	int64_t until_s, wait_s;
	UT_hash_handle hh;
};

/* What a host has used up since then. */
struct host {
	char name[HOST_SIZE];
	int64_t since_s;
	unsigned int quota, lines;
	UT_hash_handle hh;
};

struct fetcher {
	struct fetcher_conf conf;
	struct pool *pool;
	struct sightings *notes;	/* NULL: could not be opened */
	int64_t notes_s;		/* not tried again before then */
	struct flight *flights;
	unsigned int n_flights;
	struct tried *tried;		/* the oldest first */
	struct host *hosts;		/* the oldest first */
	uint64_t last_id;
	int64_t now_s;			/* as last told */
	struct stat rules_st;
	uint8_t rules[SHA256_SIZE];	/* of their text */
	bool has_rules, complained;
	struct fetcher_counters n;
};

/* ---- what was tried ------------------------------------------------------ */

static void fill_key(struct key *key, const uint8_t *sha256, const char *host)
{
	memset(key, 0, sizeof(*key));
	memcpy(key->sha256, sha256, SHA256_SIZE);
	memcpy(key->host, host, strnlen(host, sizeof(key->host) - 1));
}

static void drop_tried(struct fetcher *f, struct tried *t)
{
	HASH_DEL(f->tried, t);
	free(t);
}

static struct tried *find_tried(struct fetcher *f, const uint8_t *sha256, const char *host)
{
	struct tried *t;
	struct key key;

	fill_key(&key, sha256, host);
	HASH_FIND(hh, f->tried, &key, sizeof(key), t);
	return t;
}

/*
 * What failed here, as while the database is locked, is soon tried again; but as the
 * reason may be the content, twice as late each time.
 */
static int64_t next_wait(const struct tried *before, enum outcome outcome)
{
	if (outcome != FAILED)
		return FETCHER_AGAIN_S;
	if (!before)
		return FETCHER_LATER_MS / 1000;
	return 2 * before->wait_s < FETCHER_AGAIN_S ? 2 * before->wait_s : FETCHER_AGAIN_S;
}

static void note_tried(struct fetcher *f, const struct flight *flight, enum outcome outcome,
		       int64_t now_s)
{
	struct tried *t = find_tried(f, flight->sha256, flight->host);
	int64_t wait_s = next_wait(t, outcome);

	if (t)
		drop_tried(f, t);
	if (HASH_COUNT(f->tried) >= FETCHER_TRIED_MAX)
		drop_tried(f, f->tried);
	t = calloc(1, sizeof(*t));
	if (!t)
		return;
	fill_key(&t->key, flight->sha256, flight->host);
	t->wait_s = wait_s;
	t->until_s = now_s + wait_s;
	HASH_ADD(hh, f->tried, key, sizeof(t->key), t);
	if (!t->hh.tbl)
		free(t);
}

static void forget_tried(struct fetcher *f)
{
	while (f->tried)
		drop_tried(f, f->tried);
}

/* ---- hosts --------------------------------------------------------------- */

static void drop_host(struct fetcher *f, struct host *h)
{
	HASH_DEL(f->hosts, h);
	free(h);
}

/* NULL: it has used up nothing in this hour. */
static struct host *find_host(struct fetcher *f, const char *name, int64_t now_s)
{
	struct host *h;

	HASH_FIND_STR(f->hosts, name, h);
	if (h && now_s - h->since_s >= FETCHER_HOST_S) {
		drop_host(f, h);
		h = NULL;
	}
	return h;
}

/* NULL: out of memory. */
static struct host *host_of(struct fetcher *f, const char *name, int64_t now_s)
{
	struct host *h = find_host(f, name, now_s);

	if (h)
		return h;
	if (HASH_COUNT(f->hosts) >= FETCHER_HOSTS_MAX)
		drop_host(f, f->hosts);
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	snprintf(h->name, sizeof(h->name), "%s", name);
	h->since_s = now_s;
	HASH_ADD_STR(f->hosts, name, h);
	if (h->hh.tbl)
		return h;
	free(h);
	return NULL;
}

static bool is_over_quota(struct fetcher *f, const char *name, int64_t now_s)
{
	const struct host *h = find_host(f, name, now_s);

	return h && h->quota >= FETCHER_HOST_QUOTA;
}

/* Once it is used up, an hour begins. */
static void use_quota(struct host *h, int64_t now_s)
{
	if (++h->quota != FETCHER_HOST_QUOTA)
		return;
	h->since_s = now_s;
	log_warnx("%s: too many executables with findings, or that do not come: none is asked for in the next hour",
		  h->name);
}

/* ---- the thread ---------------------------------------------------------- */

static void read_answer(struct flight *flight, FILE *in)
{
	char *line = NULL;
	size_t room = 0;
	const char *at;

	/* FILE: NAME... */
	if (getline(&line, &room, in) > 0) {
		line[strcspn(line, "\n")] = '\0';
		at = strstr(line, ": ");
		snprintf(flight->said, sizeof(flight->said), "%s", at ? at + 2 : line);
	}
	while (getline(&line, &room, in) > 0)
		;
	free(line);
}

static int scan(struct flight *flight)
{
	const struct fetcher_conf *conf = &flight->fetcher->conf;
	char hex[SHA256_TEXT_SIZE];
	struct words w = { 0 };
	struct command cmd;
	int rc = -1;

	hex_encode(flight->sha256, SHA256_SIZE, hex);
	words_add(&w, "%s", conf->scanner);
	words_add(&w, "-d");
	words_add(&w, "%s", conf->signatures);
	words_add(&w, "scan");
	words_add(&w, "--rules");
	words_add(&w, "%s", conf->rules);
	words_add(&w, "--sha256");
	words_add(&w, "%s", hex);
	words_add(&w, "/proc/self/fd/0");
	if (!command_open_with(&cmd, &w, flight->fd, false)) {
		read_answer(flight, cmd.out);
		rc = command_close(&cmd);
	}
	words_free(&w);
	return rc;
}

static void flight_run(struct job *job)
{
	struct flight *flight = (struct flight *)job;
	uint8_t sha256[SHA256_SIZE];

	flight->outcome = FAILED;
	if (fcntl(flight->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) ||
	    sha256_fd(flight->fd, UINT64_MAX, sha256, NULL))
		return;
	if (memcmp(sha256, flight->sha256, SHA256_SIZE) != 0)
		flight->outcome = FALSE_CONTENT;
	else if (!scan(flight))
		flight->outcome = SCANNED;
}

/* ---- flights ------------------------------------------------------------- */

static void count(struct fetcher *f, enum outcome outcome)
{
	uint64_t *const counter[] = {
		[SCANNED] = &f->n.n_scanned,
		[MISSING] = &f->n.n_missing,
		[TOO_SLOW] = &f->n.n_missing,
		[TOO_LARGE] = &f->n.n_too_large,
		[FALSE_CONTENT] = &f->n.n_false,
		[FAILED] = &f->n.n_failed,
	};

	++*counter[outcome];
}

static void flight_free(struct flight *flight)
{
	if (flight->fd >= 0)
		close(flight->fd);
	free(flight);
}

/* One that makes a signature: it says so of what makes none. */
static bool is_finding(const struct flight *flight, enum outcome outcome)
{
	return outcome == SCANNED && !strstr(flight->said, "no rule matches") &&
	       !strstr(flight->said, "(scanned before)");
}

static void tell(const struct flight *flight, bool finding, struct host *h, const char *why)
{
	const char *more = "";
	char hex[SHA256_TEXT_SIZE];

	if (!finding && h && h->lines >= FETCHER_HOST_LINES)
		return;
	if (!finding && h && ++h->lines == FETCHER_HOST_LINES)
		more = "; for the rest of this hour only its findings are told";
	hex_encode(flight->sha256, SHA256_SIZE, hex);
	log_info("unknown executable %s of %s: %s%s", hex, flight->host, why, more);
}

static void end(struct flight *flight, enum outcome outcome, const char *why, int64_t now_s)
{
	bool finding = is_finding(flight, outcome);
	struct fetcher *f = flight->fetcher;
	struct host *h = host_of(f, flight->host, now_s);

	tell(flight, finding, h, why);
	if (h && (finding || outcome == TOO_SLOW))
		use_quota(h, now_s);
	count(f, outcome);
	/* That it was scanned is remembered by others; but they may have been unable to. */
	note_tried(f, flight, outcome, now_s);
	DL_DELETE(f->flights, flight);
	f->n_flights--;
	flight_free(flight);
}

static void flight_done(struct job *job)
{
	static const char *const why[] = {
		[FALSE_CONTENT] = "the agent sent another content",
		[FAILED] = "could not be scanned",
	};
	struct flight *flight = (struct flight *)job;

	end(flight, flight->outcome, flight->outcome == SCANNED ? flight->said :
						  why[flight->outcome], flight->fetcher->now_s);
}

static struct flight *flight_new(struct fetcher *f, uint64_t session, const char *host,
				 const uint8_t *sha256, int64_t now_s)
{
	struct flight *flight = calloc(1, sizeof(*flight));

	if (!flight)
		return NULL;
	flight->fd = memfd_create("fetched", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (flight->fd < 0) {
		free(flight);
		return NULL;
	}
	flight->job.run = flight_run;
	flight->job.done = flight_done;
	flight->fetcher = f;
	flight->outcome = FAILED;	/* if the thread never has it */
	flight->id = ++f->last_id;
	flight->session = session;
	flight->since_s = flight->heard_s = now_s;
	memcpy(flight->sha256, sha256, SHA256_SIZE);
	snprintf(flight->host, sizeof(flight->host), "%s", host);
	DL_APPEND(f->flights, flight);
	f->n_flights++;
	f->n.n_asked++;
	return flight;
}

/* Is it on its way, from whatever host? */
static const struct flight *on_its_way(const struct fetcher *f, const uint8_t *sha256)
{
	const struct flight *flight;

	DL_FOREACH(f->flights, flight)
		if (memcmp(flight->sha256, sha256, SHA256_SIZE) == 0)
			return flight;
	return NULL;
}

static bool has_room(const struct fetcher *f, const char *host)
{
	const struct flight *flight;
	unsigned int of_host = 0;

	DL_FOREACH(f->flights, flight)
		of_host += strcmp(flight->host, host) == 0;
	return f->n_flights < FETCHER_MAX && of_host < FETCHER_OF_HOST_MAX;
}

static void close_notes(struct fetcher *f)
{
	sightings_close(f->notes);
	f->notes = NULL;
}

/*
 * This is the event loop: it never waits for whoever writes them.  What cannot be found
 * out counts as not scanned, and costs another scan.
 */
static bool is_scanned(struct fetcher *f, const uint8_t *sha256, int64_t now_s)
{
	char why[1024];
	int rc = -1;

	if (now_s < f->notes_s)
		return false;
	if (!f->notes) {
		f->notes = sightings_open(f->conf.signatures, false, why, sizeof(why));
		/* So far nothing was noted. */
		if (!f->notes && errno == ENOENT)
			return false;
		if (f->notes)
			sightings_never_wait(f->notes);
	}
	if (f->notes)
		rc = sightings_scanned(f->notes, sha256, f->rules);
	if (rc < 0) {
		close_notes(f);
		f->notes_s = now_s + FETCHER_NOTES_S;
	}
	return rc > 0;
}

enum fetcher_answer fetcher_want(struct fetcher *f, uint64_t session, const char *host,
				 const uint8_t *sha256, int64_t now_s, uint64_t *id)
{
	const struct flight *other = on_its_way(f, sha256);
	const struct tried *t = find_tried(f, sha256, host);
	struct flight *flight;

	f->now_s = now_s;
	/* What one host promises must not keep another from being asked soon. */
	if (f->has_rules && other && strcmp(other->host, host) != 0)
		return FETCHER_LATER;
	if (!f->has_rules || other)
		return FETCHER_NO;
	if (t && now_s < t->until_s)
		return t->wait_s < FETCHER_AGAIN_S ? FETCHER_LATER : FETCHER_NO;
	if (is_scanned(f, sha256, now_s))
		return FETCHER_NO;
	if (is_over_quota(f, host, now_s)) {
		f->n.n_over_quota++;
		return FETCHER_NO;
	}
	if (!has_room(f, host)) {
		f->n.n_put_off++;
		return FETCHER_LATER;
	}
	flight = flight_new(f, session, host, sha256, now_s);
	if (!flight)
		return FETCHER_LATER;
	*id = flight->id;
	return FETCHER_ASK;
}

static struct flight *find(struct fetcher *f, uint64_t session, uint64_t id)
{
	struct flight *flight;

	DL_FOREACH(f->flights, flight)
		if (flight->id == id && flight->session == session && !flight->whole)
			return flight;
	return NULL;
}

static int add(struct flight *flight, const Sockgate__ContentPart *part)
{
	size_t done = 0;

	while (done < part->data.len) {
		ssize_t n = pwrite(flight->fd, part->data.data + done, part->data.len - done,
				   (off_t)(flight->size + done));

		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	flight->size += done;
	return 0;
}

static const char *missing_text(Sockgate__Missing missing)
{
	switch (missing) {
	case SOCKGATE__MISSING__MISSING_REFUSED:
		return "the agent does not send what runs there (content_max_bytes)";
	case SOCKGATE__MISSING__MISSING_TOO_LARGE:
		return "too large";
	case SOCKGATE__MISSING__MISSING_BUSY:
		return "the agent is busy";
	default:
		return "the agent has it no more";
	}
}

bool fetcher_take(struct fetcher *f, uint64_t session, uint64_t id,
		  const Sockgate__ContentPart *part, int64_t now_s)
{
	struct flight *flight = find(f, session, id);

	f->now_s = now_s;
	if (!flight)
		return false;
	/* A part that is empty says nothing. */
	if (part->data.len)
		flight->heard_s = now_s;
	if (part->missing)
		end(flight, part->missing == SOCKGATE__MISSING__MISSING_TOO_LARGE ?
			    TOO_LARGE : MISSING, missing_text(part->missing), now_s);
	else if (part->data.len > f->conf.max_bytes - flight->size)
		end(flight, TOO_LARGE, "too large", now_s);
	else if (add(flight, part))
		end(flight, FAILED, "no memory for it", now_s);
	else if (part->end) {
		flight->whole = true;
		if (pool_submit(f->pool, &flight->job))
			end(flight, FAILED, "too many to be scanned", now_s);
	}
	return true;
}

void fetcher_gone(struct fetcher *f, uint64_t session, int64_t now_s)
{
	struct flight *flight, *next;

	DL_FOREACH_SAFE(f->flights, flight, next)
		if (!flight->whole && flight->session == session)
			end(flight, MISSING, "the agent has gone", now_s);
}

static void end_slow(struct fetcher *f, int64_t now_s)
{
	struct flight *flight, *next;

	DL_FOREACH_SAFE(f->flights, flight, next) {
		int64_t may_s = FETCHER_SILENCE_S + (int64_t)(flight->size / FETCHER_RATE_MIN);

		if (flight->whole)
			continue;
		if (now_s - flight->heard_s > FETCHER_SILENCE_S)
			end(flight, TOO_SLOW, "the agent says nothing more", now_s);
		else if (now_s - flight->since_s > may_s)
			end(flight, TOO_SLOW, "the agent sends it too slowly", now_s);
	}
}

/* ---- the rules ----------------------------------------------------------- */

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int read_rules(struct fetcher *f, uint8_t *digest)
{
	int fd = open(f->conf.rules, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int ret = -1;

	if (fd < 0)
		return -1;
	errno = EINVAL;
	if (!fstat(fd, &f->rules_st) && S_ISREG(f->rules_st.st_mode))
		ret = sha256_fd(fd, UINT64_MAX, digest, NULL);
	close(fd);
	return ret;
}

/* Returns true if they are others. */
static bool look_at_rules(struct fetcher *f)
{
	uint8_t digest[SHA256_SIZE];
	struct stat st;
	bool other;

	if (f->has_rules && !stat(f->conf.rules, &st) && same_file(&st, &f->rules_st))
		return false;
	if (read_rules(f, digest)) {
		if (!f->complained)
			log_warn("%s: unknown executables are not fetched", f->conf.rules);
		f->complained = true;
		f->has_rules = false;
		return false;
	}
	other = !f->has_rules || memcmp(digest, f->rules, SHA256_SIZE) != 0;
	memcpy(f->rules, digest, SHA256_SIZE);
	f->has_rules = true;
	f->complained = false;
	if (other)
		forget_tried(f);
	return other;
}

bool fetcher_refresh(struct fetcher *f, int64_t now_s)
{
	f->now_s = now_s;
	end_slow(f, now_s);
	if (f->notes && sightings_replaced(f->notes))
		close_notes(f);
	return look_at_rules(f);
}

/* ---- beginning and end --------------------------------------------------- */

struct fetcher *fetcher_new(struct event_base *base, const struct fetcher_conf *conf)
{
	struct fetcher *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->conf = *conf;
	f->pool = pool_new(base, 1, FETCHER_MAX);
	if (!f->pool) {
		free(f);
		return NULL;
	}
	look_at_rules(f);
	return f;
}

void fetcher_free(struct fetcher *f)
{
	struct flight *flight, *next;

	if (!f)
		return;
	/* A scan that goes on has the structure until the process ends. */
	if (pool_free(f->pool))
		return;
	DL_FOREACH_SAFE(f->flights, flight, next)
		flight_free(flight);
	forget_tried(f);
	while (f->hosts)
		drop_host(f, f->hosts);
	sightings_close(f->notes);
	free(f);
}

uint64_t fetcher_max_bytes(const struct fetcher *f)
{
	return f->conf.max_bytes;
}

const struct fetcher_counters *fetcher_counters(const struct fetcher *f)
{
	return &f->n;
}
