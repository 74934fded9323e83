// SPDX-License-Identifier: GPL-2.0-only
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <yara.h>

#include "confined.h"
#include "handle.h"
#include "sighting.h"
#include "store.h"
#include "text.h"

struct scanner {
	YR_RULES *rules;
	uint8_t digest[SHA256_SIZE];	/* of the rules' text */
	char *why;			/* while they are compiled */
	size_t why_size;
};

/* What the rules that match make of it: the one with the highest threat counts. */
struct finding {
	char *matches;
	int threat;			/* -1: none matches */
	char name[128];
	char category[64];
};

/* ---- rules --------------------------------------------------------------- */

static void on_error(int level, const char *file, int line, const YR_RULE *rule,
		     const char *message, void *arg)
{
	struct scanner *s = arg;

	(void)rule;
	if (level == YARA_ERROR_LEVEL_ERROR && !*s->why)
		snprintf(s->why, s->why_size, "%s:%d: %s", file, line, message);
}

/* The file may name no others: what is remembered is by this text alone. */
static const char *no_include(const char *name, const char *from, const char *space,
			      void *arg)
{
	(void)name;
	(void)from;
	(void)space;
	(void)arg;
	return NULL;
}

static int compile(struct scanner *s, FILE *in, const char *path)
{
	YR_COMPILER *compiler;
	int ret = -1;

	if (yr_compiler_create(&compiler) != ERROR_SUCCESS)
		return -1;
	yr_compiler_set_callback(compiler, on_error, s);
	yr_compiler_set_include_callback(compiler, no_include, NULL, NULL);
	if (yr_compiler_add_file(compiler, in, NULL, path) == 0 &&
	    yr_compiler_get_rules(compiler, &s->rules) == ERROR_SUCCESS)
		ret = 0;
	yr_compiler_destroy(compiler);
	return ret;
}

struct scanner *scanner_new(const char *path, char *why, size_t why_size)
{
	struct scanner *s = calloc(1, sizeof(*s));
	FILE *in = fopen(path, "re");

	*why = '\0';
	if (!s || !in) {
		snprintf(why, why_size, "%s: %m", path);
		goto failed;
	}
	s->why = why;
	s->why_size = why_size;
	if (yr_initialize() != ERROR_SUCCESS) {
		snprintf(why, why_size, "out of memory");
		goto failed;
	}
	if (sha256_fd(fileno(in), UINT64_MAX, s->digest, NULL) || compile(s, in, path)) {
		if (!*why)
			snprintf(why, why_size, "%s: cannot be read as rules", path);
		yr_finalize();
		goto failed;
	}
	fclose(in);
	return s;
failed:
	if (in)
		fclose(in);
	free(s);
	return NULL;
}

void scanner_free(struct scanner *s)
{
	if (!s)
		return;
	yr_rules_destroy(s->rules);
	yr_finalize();
	free(s);
}

/* ---- one file ------------------------------------------------------------ */

static void take_rule(struct finding *f, YR_RULE *rule)
{
	const char *name = rule->identifier, *category = NULL;
	size_t used = strlen(f->matches);
	int64_t threat = SIGDB_THREAT_HARMFUL;
	YR_META *meta;

	snprintf(f->matches + used, SCAN_MATCHES_SIZE - used, "%s%s", used ? " " : "",
		 rule->identifier);
	yr_rule_metas_foreach(rule, meta) {
		if (meta->type == META_TYPE_INTEGER && strcmp(meta->identifier, "threat") == 0)
			threat = meta->integer;
		else if (meta->type == META_TYPE_STRING &&
			 strcmp(meta->identifier, "application") == 0)
			name = meta->string;
		else if (meta->type == META_TYPE_STRING &&
			 strcmp(meta->identifier, "category") == 0)
			category = meta->string;
	}
	if (threat < 0 || threat > SIGDB_LEVEL_MAX)
		threat = SIGDB_LEVEL_MAX;
	if (threat <= f->threat)
		return;
	f->threat = (int)threat;
	if (!category)
		category = threat >= SIGDB_THREAT_HARMFUL ? "Malware" : "Other";
	sigdb_text_clean(*name ? name : rule->identifier, f->name, sizeof(f->name));
	sigdb_text_clean(category, f->category, sizeof(f->category));
}

/*
 * What comes from a stranger is looked at in a process that can do nothing else, and
 * that says no more than which rules match: by their numbers, since the same memory is
 * at the same place there.  What they mean is read here.
 */
struct look {
	struct scanner *scanner;
	const void *bytes;
	size_t size;
	uint32_t *out;			/* numbers of rules */
	size_t count, max;
};

static int on_match(YR_SCAN_CONTEXT *context, int message, void *data, void *arg)
{
	struct look *l = arg;

	(void)context;
	if (message == CALLBACK_MSG_RULE_MATCHING && l->count < l->max)
		l->out[l->count++] = (uint32_t)((YR_RULE *)data -
						l->scanner->rules->rules_table);
	return CALLBACK_CONTINUE;
}

static ssize_t look_at(void *arg, void *out, size_t size)
{
	struct look *l = arg;

	l->out = out;
	l->max = size / sizeof(*l->out);
	if (yr_rules_scan_mem(l->scanner->rules, l->bytes, l->size,
			      SCAN_FLAGS_REPORT_RULES_MATCHING, on_match, l,
			      SCAN_SECONDS_MAX) != ERROR_SUCCESS)
		return -1;
	return (ssize_t)(l->count * sizeof(*l->out));
}

static void take_numbers(struct scanner *s, const uint32_t *number, size_t count,
			 struct finding *f)
{
	uint32_t at = 0;
	YR_RULE *rule;

	yr_rules_foreach(s->rules, rule) {
		for (size_t i = 0; i < count; i++)
			if (number[i] == at) {
				take_rule(f, rule);
				break;
			}
		at++;
	}
}

/* The bytes that were hashed are the bytes that are scanned. */
static int scan_bytes(struct scanner *s, const void *bytes, size_t size, struct finding *f,
		      const char **why)
{
	struct look look = { .scanner = s, .bytes = bytes, .size = size };
	uint32_t number[SCAN_MATCHES_MAX];
	ssize_t len = confined_run(look_at, &look, number, sizeof(number),
				   SCAN_SECONDS_MAX, why);

	if (len < 0)
		return -1;
	take_numbers(s, number, (size_t)len / sizeof(*number), f);
	return 0;
}

/* Into memory of ours, freed by the caller: a mapping could change, or end. */
static void *read_file(const char *path, size_t *size, const char **why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *bytes = NULL;
	ssize_t len = 0;
	struct stat st;

	*why = NULL;
	if (fd < 0 || fstat(fd, &st))
		goto out;
	if (!S_ISREG(st.st_mode) || st.st_size > SCAN_SIZE_MAX) {
		*why = S_ISREG(st.st_mode) ? "is too large" : "is no file";
		goto out;
	}
	bytes = malloc((size_t)st.st_size + 1);
	for (*size = 0; bytes && *size < (size_t)st.st_size; *size += (size_t)len) {
		len = read(fd, bytes + *size, (size_t)st.st_size - *size);
		if (len <= 0)
			break;
	}
	if (bytes && len < 0) {
		free(bytes);
		bytes = NULL;
	}
out:
	if (!bytes && !*why)
		*why = strerror(errno);
	if (fd >= 0)
		close(fd);
	return bytes;
}

/* ---- remembering --------------------------------------------------------- */

/*
 * What changes no signature is noted beside them: a note among them would look like a
 * change, for which all that was decided is forgotten.  Without those notes, which may
 * be lost, it is scanned again.
 */
static bool is_noted_beside(const struct sigdb *db, const struct scanner *s,
			    const uint8_t *sha256)
{
	struct sightings *notes;
	char why[1024];
	bool found;

	notes = sightings_open(db->path, false, why, sizeof(why));
	if (!notes)
		return false;
	found = sightings_scanned(notes, sha256, s->digest) > 0;
	sightings_close(notes);
	return found;
}

static int note_beside(struct sigdb *db, const struct scanner *s, const uint8_t *sha256)
{
	struct sightings *notes;
	char why[1024];
	int ret;

	notes = sightings_open(db->path, true, why, sizeof(why));
	if (!notes)
		return sigdb_failf(db, "%s", why);
	ret = sightings_note_scan(notes, sha256, s->digest, time(NULL));
	if (ret)
		sigdb_failf(db, "%s", sightings_error(notes));
	sightings_close(notes);
	return ret;
}

/* Has any text of rules had something to say of it? */
static int has_finding(struct sigdb *db, const uint8_t *sha256, bool *found)
{
	sqlite3_stmt *stmt;
	int rc;

	if (sqlite3_prepare_v2(db->sql, "SELECT 1 FROM scan WHERE sha256 = ?1", -1, &stmt,
			       NULL) != SQLITE_OK)
		return sigdb_fail(db, "looking for its scans");
	sqlite3_bind_blob(stmt, 1, sha256, SHA256_SIZE, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	*found = rc == SQLITE_ROW;
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 :
						       sigdb_fail(db, "looking for its scans");
}

/* Returns 1 if it was scanned by these rules, 0 if not, -1 on failure. */
static int recall(struct sigdb *db, const struct scanner *s, struct scan_result *result)
{
	sqlite3_stmt *stmt;
	int rc, ret = 0;

	if (sqlite3_prepare_v2(db->sql, "SELECT matches FROM scan WHERE sha256 = ?1"
			       " AND rules = ?2", -1, &stmt, NULL) != SQLITE_OK)
		return sigdb_fail(db, "looking for its scans");
	sqlite3_bind_blob(stmt, 1, result->sha256, SHA256_SIZE, SQLITE_STATIC);
	sqlite3_bind_blob(stmt, 2, s->digest, SHA256_SIZE, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		snprintf(result->matches, sizeof(result->matches), "%s",
			 sqlite3_column_text(stmt, 0));
		ret = 1;
	} else if (rc != SQLITE_DONE) {
		ret = sigdb_fail(db, "looking for its scans");
	}
	sqlite3_finalize(stmt);
	return ret ? ret : is_noted_beside(db, s, result->sha256);
}

static int note(struct sigdb *db, const struct scanner *s, const struct scan_result *result)
{
	sqlite3_stmt *stmt;
	int rc;

	if (sqlite3_prepare_v2(db->sql, "REPLACE INTO scan (sha256, rules, time, matches)"
			       " VALUES (?1, ?2, ?3, ?4)", -1, &stmt, NULL) != SQLITE_OK)
		return sigdb_fail(db, "noting a scan");
	sqlite3_bind_blob(stmt, 1, result->sha256, SHA256_SIZE, SQLITE_STATIC);
	sqlite3_bind_blob(stmt, 2, s->digest, SHA256_SIZE, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 3, time(NULL));
	sqlite3_bind_text(stmt, 4, result->matches, -1, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? 0 : sigdb_fail(db, "noting a scan");
}

static int sign(struct store *st, const uint8_t *sha256, const struct finding *f)
{
	bool unsafe = f->threat >= SIGDB_THREAT_HARMFUL;
	const struct store_identity identity = {
		.name = f->name,
		.version = "",
		.category = f->category,
		.vendor = "",
		.origin = "",
	};
	struct store_signature sig = {
		.verdict = unsafe ? STORE_UNSAFE : STORE_NO_VERDICT,
		.threat = f->threat,
	};

	if (f->threat < 0)
		return store_remove_hash(st, sha256);
	sig.application = store_application(st, &identity);
	return sig.application < 0 ? -1 : store_hash(st, sha256, &sig);
}

static int keep(struct sigdb *db, const struct scanner *s, const struct scan_result *result,
		const struct finding *f)
{
	struct store_counts counts;
	struct store *st;
	bool found = false;

	if (has_finding(db, result->sha256, &found))
		return -1;
	if (f->threat < 0 && !found)
		return note_beside(db, s, result->sha256);
	st = store_begin(db, "yara", STORE_RANK_SCAN);
	if (!st)
		return -1;
	if (sign(st, result->sha256, f) || note(db, s, result)) {
		store_rollback(st);
		return -1;
	}
	return store_commit(st, &counts);
}

int scan_file(struct sigdb *db, struct scanner *s, const char *path, const uint8_t *sha256,
	      struct scan_result *result, char *why, size_t why_size)
{
	struct finding f = { .threat = -1 };
	const char *reason;
	size_t size;
	void *bytes;
	int ret;

	memset(result, 0, sizeof(*result));
	f.matches = result->matches;
	bytes = read_file(path, &size, &reason);
	if (!bytes) {
		snprintf(why, why_size, "%s: %s", path, reason);
		return -1;
	}
	if (sha256_memory(bytes, size, result->sha256) ||
	    (sha256 && memcmp(sha256, result->sha256, SHA256_SIZE) != 0)) {
		snprintf(why, why_size, "%s: has another content than was said", path);
		free(bytes);
		return -1;
	}
	ret = recall(db, s, result);
	result->remembered = ret == 1;
	if (!ret && scan_bytes(s, bytes, size, &f, &reason)) {
		snprintf(why, why_size, "%s: %s", path, reason);
		free(bytes);
		return -1;
	}
	free(bytes);
	if (!ret)
		ret = keep(db, s, result, &f);
	else if (ret > 0 && !*result->matches)
		ret = note_beside(db, s, result->sha256);
	if (ret < 0)
		snprintf(why, why_size, "%s", sigdb_error(db));
	return ret < 0 ? -1 : 0;
}
