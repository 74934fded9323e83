// SPDX-License-Identifier: GPL-2.0-only
#include "feed.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "csv_file.h"
#include "ed25519.h"
#include "handle.h"

struct export {
	struct sigdb *db;
	const char *dir;
	const char *key_file;
	struct feed_report *report;
	struct feed_state last;		/* serial 0: none yet */
	FILE *body;
	char text[FEED_TEXT_SIZE];	/* the head */
	size_t length;
	char fresh[4096 + 8];		/* where the file is until the database knows of it */
	uint8_t signature[ED25519_SIGNATURE_SIZE];
	char *why;
	size_t why_size;
};

static int fail(struct export *ex)
{
	snprintf(ex->why, ex->why_size, "%s", sigdb_error(ex->db));
	return -1;
}

static int failed_to(struct export *ex, const char *doing, const char *what)
{
	snprintf(ex->why, ex->why_size, "%s %s: %m", doing, what);
	return -1;
}

static int exec(struct export *ex, const char *sql)
{
	if (sqlite3_exec(ex->db->sql, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	sigdb_fail(ex->db, "exporting");
	return fail(ex);
}

/* The number of the last import: what comes later is for the next feed. */
static int last_run(struct export *ex, int64_t *run)
{
	sqlite3_stmt *stmt;
	int ret = -1;

	if (sqlite3_prepare_v2(ex->db->sql, "SELECT last FROM import", -1, &stmt,
			       NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
		*run = sqlite3_column_int64(stmt, 0);
		ret = 0;
	} else {
		sigdb_fail(ex->db, "exporting");
		fail(ex);
	}
	sqlite3_finalize(stmt);
	return ret;
}

static int write_body(struct export *ex)
{
	struct feed_head *head = &ex->report->head;

	ex->body = tmpfile();
	if (!ex->body)
		return failed_to(ex, "making", "a temporary file");
	if (csv_put(ex->db, ex->body, true, head->full ? -1 : ex->last.run, &head->rows))
		return fail(ex);
	if (fflush(ex->body) || ferror(ex->body))
		return failed_to(ex, "writing", "a temporary file");
	if (sha256_fd(fileno(ex->body), UINT64_MAX, head->body, &head->size))
		return failed_to(ex, "reading", "a temporary file");
	return 0;
}

static int copy(FILE *from, FILE *to)
{
	static char chunk[65536];
	size_t len;

	rewind(from);
	while ((len = fread(chunk, 1, sizeof(chunk), from)) > 0)
		if (fwrite(chunk, 1, len, to) != len)
			return -1;
	return ferror(from) ? -1 : 0;
}

static int write_content(struct export *ex, FILE *out)
{
	char hex[2 * ED25519_SIGNATURE_SIZE + 1];

	hex_encode(ex->signature, ED25519_SIGNATURE_SIZE, hex);
	fprintf(out, "%ssignature %s\n\n", ex->text, hex);
	if (copy(ex->body, out) || fflush(out) || fsync(fileno(out)))
		return -1;
	return 0;
}

static int sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret = fd < 0 ? -1 : fsync(fd);

	if (fd >= 0)
		close(fd);
	return ret;
}

/* Whoever else may write to that directory leads it nowhere. */
static FILE *create(const char *path)
{
	int fd;
	FILE *out;

	if (unlink(path) && errno != ENOENT)
		return NULL;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out && fd >= 0)
		close(fd);
	return out;
}

static int name_file(struct export *ex, uint64_t serial)
{
	int len = snprintf(ex->report->path, sizeof(ex->report->path),
			   "%s/%s-%08" PRIu64 ".feed", ex->dir, ex->report->head.name, serial);

	if (len < 0 || (size_t)len >= sizeof(ex->report->path)) {
		errno = ENAMETOOLONG;
		return failed_to(ex, "writing to", ex->dir);
	}
	snprintf(ex->fresh, sizeof(ex->fresh), "%s.new", ex->report->path);
	return 0;
}

/* Under another name, which nobody looks for. */
static int write_file(struct export *ex)
{
	FILE *out = create(ex->fresh);
	int ret;

	if (!out)
		return failed_to(ex, "writing", ex->fresh);
	ret = write_content(ex, out);
	if (fclose(out) || ret || sync_dir(ex->dir)) {
		ret = failed_to(ex, "writing", ex->fresh);
		unlink(ex->fresh);
	}
	return ret;
}

/*
 * The database has it noted.  Were it there before, and the database did not come to know
 * of it, the next feed would have the same serial and be another one.
 */
static int put_in_place(struct export *ex)
{
	if (rename(ex->fresh, ex->report->path) || sync_dir(ex->dir))
		return failed_to(ex, "writing", ex->report->path);
	return 0;
}

/* Is it the file of the last feed?  By its head, which is up to its signature. */
static bool is_last(const struct export *ex)
{
	FILE *in = fopen(ex->fresh, "re");
	char text[FEED_TEXT_SIZE + 256], *end;
	uint8_t digest[SHA256_SIZE];
	size_t len;

	if (!in)
		return false;
	len = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	text[len] = '\0';
	end = strstr(text, "signature ");
	return end && !sha256_memory(text, (size_t)(end - text), digest) &&
	       memcmp(digest, ex->last.digest, SHA256_SIZE) == 0;
}

/* An export that broke off between the two steps is brought to its end. */
static int recover(struct export *ex)
{
	if (!ex->last.serial)
		return 0;
	if (name_file(ex, ex->last.serial))
		return -1;
	if (!access(ex->report->path, F_OK) || !is_last(ex))
		return 0;
	ex->report->recovered = true;
	return put_in_place(ex);
}

static int note(struct export *ex, int64_t run)
{
	const struct feed_head *head = &ex->report->head;
	struct feed_state now = { .serial = head->serial, .run = run };

	if (sha256_memory(ex->text, ex->length, now.digest))
		return failed_to(ex, "hashing", "the head");
	if (feed_state_put(ex->db, "out", head->name, &now))
		return fail(ex);
	return exec(ex, "DELETE FROM removed WHERE run <="
		    " (SELECT min(run) FROM feed WHERE direction = 'out')");
}

/* In a transaction. */
static int export(struct export *ex, bool full)
{
	struct feed_head *head = &ex->report->head;
	int64_t run;

	if (feed_state_get(ex->db, "out", head->name, &ex->last) < 0)
		return fail(ex);
	if (recover(ex))
		return -1;
	head->serial = ex->last.serial + 1;
	head->full = full || !ex->last.serial;
	memcpy(head->after, ex->last.digest, SHA256_SIZE);
	if (last_run(ex, &run) || write_body(ex))
		return -1;
	ex->report->nothing = !head->rows && !head->full;
	if (ex->report->nothing)
		return 0;
	if (name_file(ex, head->serial))
		return -1;
	ex->length = feed_head_text(head, ex->text);
	if (ed25519_sign(ex->key_file, ex->text, ex->length, ex->signature, ex->why,
			 ex->why_size) || write_file(ex))
		return -1;
	return note(ex, run);
}

int feed_export(struct sigdb *db, const char *dir, const char *name, const char *key_file,
		bool full, struct feed_report *report, char *why, size_t why_size)
{
	struct export ex = {
		.db = db,
		.dir = dir,
		.key_file = key_file,
		.report = report,
		.why = why,
		.why_size = why_size,
	};
	int ret;

	memset(report, 0, sizeof(*report));
	if (!feed_name_valid(name)) {
		snprintf(why, why_size, "\"%s\" is no name of a feed: expected up to %d "
			 "letters, digits and \".-_\"", name, FEED_NAME_SIZE - 1);
		return -1;
	}
	snprintf(report->head.name, sizeof(report->head.name), "%s", name);
	if (exec(&ex, "BEGIN IMMEDIATE"))
		return -1;
	ret = export(&ex, full);
	if (!ret)
		ret = exec(&ex, "COMMIT");
	if (!ret && !report->nothing)
		ret = put_in_place(&ex);
	if (ret)
		sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
	if (ex.body)
		fclose(ex.body);
	return ret;
}
