// SPDX-License-Identifier: GPL-2.0-only
#include "hash_list.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "line.h"
#include "progress.h"
#include "text.h"

/* The levels of schema.sql. */
#define THREAT_UNWANTED 2

struct reader {
	struct sigdb *db;
	struct store *store;
	struct hash_list_report *report;
	const char *name;
	uint64_t line;
	char *why;
	size_t why_size;
};

static int bad(struct reader *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int bad(struct reader *r, const char *fmt, ...)
{
	va_list args;
	int used;

	used = snprintf(r->why, r->why_size, "%s:%llu: ", r->name,
			(unsigned long long)r->line);
	if (used < 0 || (size_t)used >= r->why_size)
		return -1;
	va_start(args, fmt);
	vsnprintf(r->why + used, r->why_size - (size_t)used, fmt, args);
	va_end(args);
	return -1;
}

static int store_failed(struct reader *r)
{
	snprintf(r->why, r->why_size, "%s", interrupted() ?
		 "interrupted; nothing was changed" : sigdb_error(r->db));
	return -1;
}

/* What is merely unwanted is not pronounced unsafe: that is for a policy to say. */
static int store_line(struct reader *r, const uint8_t *sha256, const char *said)
{
	bool unwanted = strncmp(said, "PUA.", 4) == 0;
	char name[sizeof(((struct sigdb_answer *)0)->name)];
	const struct store_identity identity = {
		.name = name,
		.version = "",
		.category = unwanted ? "Unwanted" : "Malware",
		.vendor = "",
		.origin = "",
	};
	struct store_signature sig = {
		.verdict = unwanted ? STORE_NO_VERDICT : STORE_UNSAFE,
		.threat = unwanted ? THREAT_UNWANTED : SIGDB_LEVEL_MAX,
		.line = r->line,
	};

	sigdb_text_clean(said, name, sizeof(name));
	sig.application = store_application(r->store, &identity);
	if (sig.application < 0 || store_hash(r->store, sha256, &sig))
		return store_failed(r);
	r->report->rows++;
	return 0;
}

static bool is_hex(const char *text)
{
	return *text && !text[strspn(text, "0123456789abcdefABCDEF")];
}

static bool is_size(const char *text)
{
	return strcmp(text, "*") == 0 || (*text && !text[strspn(text, "0123456789")]);
}

static int take_line(struct reader *r, char *line)
{
	uint8_t sha256[SHA256_SIZE];
	const char *hash, *size, *name;

	r->line++;
	line[strcspn(line, "\r\n")] = '\0';
	if (!*line || *line == '#')
		return 0;
	hash = strsep(&line, ":");
	size = strsep(&line, ":");
	name = strsep(&line, ":");
	if (!size || !name || !*name || !is_size(size) || !is_hex(hash))
		return bad(r, "expected HASH:SIZE:NAME");
	switch (strlen(hash)) {
	case 32:
		r->report->md5++;
		return 0;
	case 40:
		r->report->sha1++;
		return 0;
	case 64:
		hex_decode(hash, sha256, sizeof(sha256));
		return store_line(r, sha256, name);
	default:
		return bad(r, "expected a hash of 32 (MD5), 40 (SHA-1) or 64 (SHA-256) "
			   "digits, not of %zu", strlen(hash));
	}
}

static uint64_t size_of(FILE *in)
{
	struct stat st;

	return fstat(fileno(in), &st) || !S_ISREG(st.st_mode) ? 0 : (uint64_t)st.st_size;
}

static int read_lines(struct reader *r, FILE *in)
{
	char *line = NULL;
	size_t room = 0;
	uint64_t done = 0;
	ssize_t len = 0;
	int ret = 0;

	progress_begin("bytes", size_of(in));
	while (!ret && !interrupted() && (len = line_read(&line, &room, in)) > 0) {
		if (strlen(line) != (size_t)len) {
			r->line++;
			ret = bad(r, "a NUL byte; expected text");
			break;
		}
		ret = take_line(r, line);
		done += (uint64_t)len;
		progress_set(done);
	}
	progress_end();
	if (!ret && len < 0)
		ret = bad(r, "%s", strerror(errno));
	free(line);
	if (!ret && interrupted())
		return store_failed(r);
	return ret;
}

static int finish(struct reader *r)
{
	struct hash_list_report *report = r->report;
	struct store_twice twice;

	if (!report->rows) {
		snprintf(r->why, r->why_size, "%s: no SHA-256 in it (%llu MD5, %llu SHA-1), "
			 "and an executable is known by nothing else", r->name,
			 (unsigned long long)report->md5,
			 (unsigned long long)report->sha1);
		return -1;
	}
	if (store_flush(r->store, &twice) || store_sweep(r->store, NULL))
		return store_failed(r);
	report->again = twice.count;
	return 0;
}

int hash_list_import(struct sigdb *db, FILE *in, const char *name, const char *label,
		     struct hash_list_report *report, char *why, size_t why_size)
{
	struct reader r = {
		.db = db,
		.report = report,
		.name = name,
		.why = why,
		.why_size = why_size,
	};

	memset(report, 0, sizeof(*report));
	r.store = store_begin(db, label, STORE_RANK_LIST);
	if (!r.store)
		return store_failed(&r);
	if (read_lines(&r, in) || finish(&r)) {
		store_rollback(r.store);
		return -1;
	}
	return store_commit(r.store, &report->counts) ? store_failed(&r) : 0;
}
