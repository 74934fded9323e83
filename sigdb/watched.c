// SPDX-License-Identifier: GPL-2.0-only
#include "watched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "handle.h"
#include "log.h"

#define LOOKUP_STEPS 50000

struct watched {
	char *path;
	struct sigdb *db;		/* NULL: could not be opened again */
	uint64_t changes;
	uint64_t version;
	bool complained;
	char error[512];
};

/* Once, until it works again. */
static void complain(struct watched *w, const char *why)
{
	snprintf(w->error, sizeof(w->error), "%s", why);
	if (!w->complained)
		log_warnx("signature database: %s", why);
	w->complained = true;
}

static void works(struct watched *w)
{
	w->complained = false;
	w->error[0] = '\0';
}

/* The last import and the file that has it. */
static uint64_t version_of(struct watched *w)
{
	sqlite3_stmt *stmt;
	uint64_t last = 0;
	struct stat st;

	if (sqlite3_prepare_v2(w->db->sql, "SELECT last FROM import", -1, &stmt, NULL) ==
	    SQLITE_OK) {
		if (sqlite3_step(stmt) == SQLITE_ROW)
			last = (uint64_t)sqlite3_column_int64(stmt, 0);
		sqlite3_finalize(stmt);
	}
	if (stat(w->path, &st))
		return last;
	return ((uint64_t)st.st_dev * 0x100000001b3 ^ st.st_ino) * 0x9e3779b97f4a7c15 + last;
}

/* Whatever was changed, the number is another one. */
static void renew_version(struct watched *w)
{
	uint64_t version = version_of(w);

	w->version = version == w->version ? version + (1ULL << 63) : version;
}

static bool reopen(struct watched *w, char *why, size_t why_size)
{
	sigdb_close(w->db);
	w->db = sigdb_open(w->path, false, why, why_size);
	if (!w->db)
		return false;
	sigdb_limit(w->db, LOOKUP_STEPS);
	if (!sigdb_changes(w->db, &w->changes))
		return true;
	snprintf(why, why_size, "%s", sigdb_error(w->db));
	sigdb_close(w->db);
	w->db = NULL;
	return false;
}

static bool open_first(struct watched *w, char *why, size_t why_size)
{
	struct sigdb *made;

	if (reopen(w, why, why_size))
		return true;
	/* Perhaps there is none yet. */
	made = sigdb_open(w->path, true, why, why_size);
	if (!made)
		return false;
	sigdb_close(made);
	return reopen(w, why, why_size);
}

struct watched *watched_open(const char *path, char *why, size_t why_size)
{
	struct watched *w = calloc(1, sizeof(*w));

	if (w)
		w->path = strdup(path);
	if (!w || !w->path) {
		snprintf(why, why_size, "out of memory");
		watched_close(w);
		return NULL;
	}
	if (!open_first(w, why, why_size)) {
		watched_close(w);
		return NULL;
	}
	w->version = version_of(w);
	return w;
}

void watched_close(struct watched *w)
{
	if (!w)
		return;
	sigdb_close(w->db);
	free(w->path);
	free(w);
}

enum sigdb_result watched_lookup(struct watched *w, const struct sigdb_question *q,
				 struct sigdb_answer *answer)
{
	enum sigdb_result result;

	if (!w->db) {
		memset(answer, 0, sizeof(*answer));
		return SIGDB_ERROR;
	}
	result = sigdb_lookup(w->db, q, answer);
	if (result == SIGDB_ERROR)
		complain(w, sigdb_error(w->db));
	return result;
}

int watched_explain(struct watched *w, const struct sigdb_question *q, explain_fn fn,
		    void *arg)
{
	int ret;

	if (!w->db)
		return -1;
	ret = sigdb_explain(w->db, q, fn, arg);
	if (ret < 0)
		complain(w, sigdb_error(w->db));
	return ret;
}

bool watched_refresh(struct watched *w)
{
	uint64_t changes;
	char why[512];

	if (w->db && !sigdb_changes(w->db, &changes)) {
		works(w);
		if (changes == w->changes)
			return false;
		w->changes = changes;
	} else if (reopen(w, why, sizeof(why))) {
		works(w);
	} else {
		complain(w, why);
		return false;
	}
	renew_version(w);
	return true;
}

uint64_t watched_version(const struct watched *w)
{
	return w->version;
}

const char *watched_error(const struct watched *w)
{
	return w->error;
}
