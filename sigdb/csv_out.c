// SPDX-License-Identifier: GPL-2.0-only
/* The other direction of csv_file.c. */
#include "csv_file.h"

#include <csv.h>
#include <string.h>

#include "handle.h"
#include "sha256.h"

/*
 * What is written: what changed since import ?1 (before the first: all), and, if ?2 is
 * not 0, what has gone since.  One row for each hash: of two sources what a lookup
 * takes, see sigdb.c.
 */
static const char hashes_sql[] =
	"SELECT h.sha256,"
	"  (SELECT i.file_name FROM hash_signature i JOIN source s ON s.id = i.source"
	"    WHERE i.sha256 = h.sha256 AND i.file_name IS NOT NULL"
	"    ORDER BY s.rank, s.id LIMIT 1),"
	"  (SELECT i.verdict FROM hash_signature i JOIN source s ON s.id = i.source"
	"    WHERE i.sha256 = h.sha256 ORDER BY s.rank, s.id LIMIT 1)"
	" FROM (SELECT sha256 FROM hash_signature WHERE changed > ?1"
	"  UNION SELECT value FROM removed WHERE kind = 0 AND run > ?1 AND ?2) h"
	" ORDER BY h.sha256";

/* One row for each claim, of the first source that makes it; none: it has gone. */
static const char claims_sql[] =
	"SELECT k.kind, k.value, a.name, a.version, a.category, a.vendor, c.trust,"
	"       c.threat"
	" FROM (SELECT kind, value FROM claim WHERE changed > ?1"
	"  UNION SELECT kind, value FROM removed WHERE kind > 0 AND run > ?1 AND ?2) k"
	" LEFT JOIN claim c ON c.kind = k.kind AND c.value = k.value AND c.source ="
	"   (SELECT i.source FROM claim i JOIN source s ON s.id = i.source"
	"     WHERE i.kind = k.kind AND i.value = k.value ORDER BY s.rank, s.id LIMIT 1)"
	" LEFT JOIN application a ON a.id = c.application"
	" ORDER BY k.kind, k.value";

struct writer {
	struct sigdb *db;
	FILE *out;
	int64_t since;
	bool feed;
	uint64_t rows;
};

static void write_field(FILE *out, const char *text, char end)
{
	if (text)
		csv_fwrite(out, text, strlen(text));
	fputc(end, out);
}

/* The rest of a row that removes, after its key: no name ... verdict. */
static void write_removal(const struct writer *w)
{
	fputs(",,,,,,,remove\n", w->out);
}

static int write_hash(const struct writer *w, sqlite3_stmt *row)
{
	const uint8_t *sha256 = sqlite3_column_blob(row, 0);
	const struct sigdb_question question = { .sha256 = sha256 };
	char hex[SHA256_TEXT_SIZE];
	struct sigdb_answer a;
	enum sigdb_result result;
	FILE *out = w->out;

	if (sqlite3_column_bytes(row, 0) != SHA256_SIZE)
		return sigdb_failf(w->db, "damaged: a hash has the wrong length");
	result = sigdb_lookup(w->db, &question, &a);
	if (result == SIGDB_ERROR)
		return -1;
	hex_encode(sha256, SHA256_SIZE, hex);
	fprintf(out, "%s,,,", hex);
	if (result == SIGDB_UNKNOWN) {
		fputc(',', out);
		write_removal(w);
		return 0;
	}
	write_field(out, (const char *)sqlite3_column_text(row, 1), ',');
	write_field(out, *a.name ? a.name : NULL, ',');
	write_field(out, *a.version ? a.version : NULL, ',');
	write_field(out, *a.category ? a.category : NULL, ',');
	write_field(out, *a.vendor ? a.vendor : NULL, ',');
	fprintf(out, "%u,%u,", a.trust, a.threat);
	write_field(out, (const char *)sqlite3_column_text(row, 2), w->feed ? ',' : '\n');
	if (w->feed)
		fputc('\n', out);
	return 0;
}

/* The value of a claim, with the commas around the columns that it may be in. */
static int write_value(const struct writer *w, sqlite3_stmt *row)
{
	FILE *out = w->out;
	char hex[2 * SIGDB_BUILD_ID_MAX + 1];
	int size = sqlite3_column_bytes(row, 1);

	switch (sqlite3_column_int(row, 0)) {
	case SIGDB_CLAIM_PACKAGE_FILE:
		fputc(',', out);
		write_field(out, (const char *)sqlite3_column_text(row, 1), ',');
		fputs(",,", out);
		return 0;
	case SIGDB_CLAIM_BUILD_ID:
		if (size > SIGDB_BUILD_ID_MAX)
			return sigdb_failf(w->db, "damaged: a build-id is too long");
		hex_encode(sqlite3_column_blob(row, 1), (size_t)size, hex);
		fprintf(out, ",,%s,,", hex);
		return 0;
	default:
		fputs(",,,", out);
		write_field(out, (const char *)sqlite3_column_text(row, 1), ',');
		return 0;
	}
}

static int write_claim(const struct writer *w, sqlite3_stmt *row)
{
	if (write_value(w, row))
		return -1;
	if (sqlite3_column_type(row, 2) == SQLITE_NULL) {
		write_removal(w);
		return 0;
	}
	for (int i = 2; i < 6; i++)
		write_field(w->out, (const char *)sqlite3_column_text(row, i), ',');
	fprintf(w->out, "%d,%d,%s\n", sqlite3_column_int(row, 6),
		sqlite3_column_int(row, 7), w->feed ? "," : "");
	return 0;
}

typedef int (*write_fn)(const struct writer *w, sqlite3_stmt *row);

static int write_rows(struct writer *w, const char *sql, write_fn write)
{
	sqlite3_stmt *stmt;
	int rc, ret = 0;

	if (sqlite3_prepare_v2(w->db->sql, sql, -1, &stmt, NULL) != SQLITE_OK)
		return sigdb_fail(w->db, "exporting");
	sqlite3_bind_int64(stmt, 1, w->since);
	sqlite3_bind_int(stmt, 2, w->feed);
	while (!ret && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		ret = write(w, stmt);
		w->rows++;
	}
	if (!ret && rc != SQLITE_DONE)
		ret = sigdb_fail(w->db, "exporting");
	sqlite3_finalize(stmt);
	return ret;
}

int csv_put(struct sigdb *db, FILE *out, bool feed, int64_t since, uint64_t *rows)
{
	struct writer w = { .db = db, .out = out, .feed = feed, .since = since };

	fprintf(out, "sha256,path,build_id,file_name,name,version,category,vendor,trust,"
		"threat,verdict%s\n", feed ? ",change" : "");
	if (write_rows(&w, hashes_sql, write_hash) ||
	    write_rows(&w, claims_sql, write_claim))
		return -1;
	*rows = w.rows;
	return 0;
}

int csv_export(struct sigdb *db, FILE *out, char *why, size_t why_size)
{
	uint64_t rows;
	int ret;

	/* One transaction, so that the rows are of one state. */
	if (sqlite3_exec(db->sql, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		ret = sigdb_fail(db, "exporting");
	else
		ret = csv_put(db, out, false, -1, &rows);
	sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
	if (ret)
		snprintf(why, why_size, "%s", sigdb_error(db));
	else if (fflush(out) || ferror(out))
		snprintf(why, why_size, "writing: %m");
	else
		return 0;
	return -1;
}
