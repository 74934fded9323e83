// SPDX-License-Identifier: GPL-2.0-only
/*
 * libcsv cuts the file into fields.  It is fed line by line, so that a message can
 * name the line on which a row begins.
 */
#include "csv_file.h"

#include <csv.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "line.h"
#include "progress.h"
#include "sha256.h"
#include "text.h"

enum column {
	SHA256,
	PATH,
	BUILD_ID,
	FILE_NAME,
	NAME,
	VERSION,
	CATEGORY,
	VENDOR,
	TRUST,
	THREAT,
	VERDICT,
	CHANGE,		/* in a feed only */
	COLUMNS,
};

static const char *const column_name[COLUMNS] = {
	"sha256", "path", "build_id", "file_name", "name", "version", "category", "vendor", "trust",
	"threat", "verdict", "change",
};

/* Bytes with the final NUL; 0: checked otherwise. */
static const size_t column_size[COLUMNS] = {
	[PATH] = SIGDB_PATH_MAX + 1,
	[BUILD_ID] = 2 * SIGDB_BUILD_ID_MAX + 1,
	[FILE_NAME] = 256,
	[NAME] = sizeof(((struct sigdb_answer *)0)->name),
	[VERSION] = sizeof(((struct sigdb_answer *)0)->version),
	[CATEGORY] = sizeof(((struct sigdb_answer *)0)->category),
	[VENDOR] = sizeof(((struct sigdb_answer *)0)->vendor),
};

#define FIELDS_MAX 32

struct reader {
	struct sigdb *db;
	struct store *store;
	const char *name;
	unsigned long line;		/* the one that is being read */
	unsigned long row_line;		/* on which the row began */
	size_t row_bytes;
	bool feed;			/* rows may also remove */
	bool have_header;
	int order[FIELDS_MAX];		/* which column each field is */
	int columns;			/* fields of the header */
	int fields;			/* of this row so far */
	char *field[FIELDS_MAX];
	uint64_t rows;
	bool failed;
	char *why;
	size_t why_size;
};

/* ---- errors -------------------------------------------------------------- */

static void bad(struct reader *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Only the first is told. */
static void bad(struct reader *r, const char *fmt, ...)
{
	va_list args;
	int used;

	if (r->failed)
		return;
	r->failed = true;
	used = snprintf(r->why, r->why_size, "%s:%lu: ", r->name, r->row_line);
	if (used < 0 || (size_t)used >= r->why_size)
		return;
	va_start(args, fmt);
	vsnprintf(r->why + used, r->why_size - (size_t)used, fmt, args);
	va_end(args);
}

/* ---- the header ---------------------------------------------------------- */

static int column_of(const struct reader *r, const char *word)
{
	int known = r->feed ? COLUMNS : CHANGE;

	for (int i = 0; i < known; i++)
		if (strcmp(column_name[i], word) == 0)
			return i;
	return -1;
}

static void take_header(struct reader *r)
{
	bool seen[COLUMNS] = { false };

	for (int i = 0; i < r->fields; i++) {
		int column = column_of(r, r->field[i]);

		if (column < 0) {
			bad(r, "column \"%.64s\" is unknown; expected a header with some of "
			    "sha256,path,build_id,file_name,name,version,category,vendor,"
			    "trust,threat,verdict", r->field[i]);
			return;
		}
		if (seen[column]) {
			bad(r, "column %s is there twice", column_name[column]);
			return;
		}
		seen[column] = true;
		r->order[i] = column;
	}
	if (!seen[SHA256] && !seen[PATH] && !seen[BUILD_ID] && !seen[FILE_NAME])
		bad(r, "the header names none of sha256, path, build_id and file_name");
	r->columns = r->fields;
	r->have_header = true;
}

/* ---- a row --------------------------------------------------------------- */

struct row {
	const char *value[COLUMNS];	/* "" if not given */
	uint8_t sha256[SHA256_SIZE];
	uint8_t build_id[SIGDB_BUILD_ID_MAX];
	bool have_hash;
	enum column key;		/* the column that it is a signature of */
	struct store_claim claim;	/* kind, value and size; without a hash */
	struct store_signature sig;
	bool remove;
};

static int check_text(struct reader *r, const struct row *row, enum column c)
{
	const char *value = row->value[c];

	if (!sigdb_text_valid(value)) {
		bad(r, "column %s: expected UTF-8 text without control characters",
		    column_name[c]);
		return -1;
	}
	if (column_size[c] && strlen(value) >= column_size[c]) {
		bad(r, "column %s: expected at most %zu bytes, not %zu", column_name[c],
		    column_size[c] - 1, strlen(value));
		return -1;
	}
	return 0;
}

static int take_hash(struct reader *r, struct row *row)
{
	const char *value = row->value[SHA256];

	if (!*value)
		return 0;
	if (hex_decode(value, row->sha256, sizeof(row->sha256))) {
		bad(r, "column sha256: expected 64 hexadecimal digits, not \"%.80s\"",
		    value);
		return -1;
	}
	row->have_hash = true;
	return 0;
}

static int take_build_id(struct reader *r, struct row *row)
{
	const char *value = row->value[BUILD_ID];
	size_t size = strlen(value) / 2;

	if (size < SIGDB_BUILD_ID_MIN || hex_decode(value, row->build_id, size)) {
		bad(r, "column build_id: expected %d to %d hexadecimal digits, two for "
		    "each byte, not \"%.80s\"", 2 * SIGDB_BUILD_ID_MIN,
		    2 * SIGDB_BUILD_ID_MAX, value);
		return -1;
	}
	row->claim.value = row->build_id;
	row->claim.size = size;
	return 0;
}

static int take_path(struct reader *r, struct row *row)
{
	const char *value = row->value[PATH];

	if (value[0] != '/' || !value[1]) {
		bad(r, "column path: expected an absolute path, not \"%.128s\"", value);
		return -1;
	}
	row->claim.value = value;
	return 0;
}

/* A row is one signature: of a hash, or what a file may claim, one thing of it. */
static int take_claim(struct reader *r, struct row *row)
{
	static const enum sigdb_claim kinds[COLUMNS] = {
		[PATH] = SIGDB_CLAIM_PACKAGE_FILE,
		[BUILD_ID] = SIGDB_CLAIM_BUILD_ID,
		[FILE_NAME] = SIGDB_CLAIM_FILE_NAME,
	};

	row->key = SHA256;
	for (enum column c = PATH; c <= FILE_NAME; c++) {
		if (!*row->value[c] || (row->have_hash && c == FILE_NAME))
			continue;
		if (row->have_hash || row->claim.kind) {
			bad(r, "column %s: column %s has a value too, and a row is one "
			    "signature", column_name[c], column_name[row->key]);
			return -1;
		}
		row->key = c;
		row->claim.kind = kinds[c];
	}
	row->claim.value = row->value[FILE_NAME];
	if (row->claim.kind == SIGDB_CLAIM_PACKAGE_FILE)
		return take_path(r, row);
	return row->claim.kind == SIGDB_CLAIM_BUILD_ID ? take_build_id(r, row) : 0;
}

static int take_verdict(struct reader *r, struct row *row)
{
	const char *value = row->value[VERDICT];

	if (!*value)
		row->sig.verdict = STORE_NO_VERDICT;
	else if (strcmp(value, "safe") == 0)
		row->sig.verdict = STORE_SAFE;
	else if (strcmp(value, "unsafe") == 0)
		row->sig.verdict = STORE_UNSAFE;
	else {
		bad(r, "column verdict: expected safe or unsafe, not \"%.64s\"", value);
		return -1;
	}
	return 0;
}

static int take_level(struct reader *r, const struct row *row, enum column c, int max,
		      int otherwise, int *level)
{
	const char *value = row->value[c];

	*level = otherwise;
	if (!*value)
		return 0;
	if (value[1] || *value < '0' || *value > '0' + max) {
		bad(r, "column %s: expected a number 0 to %d%s, not \"%.64s\"",
		    column_name[c], max, max == SIGDB_CLAIM_TRUST_MAX ?
		    " (without a hash: anybody can claim it)" : "", value);
		return -1;
	}
	*level = *value - '0';
	return 0;
}

/* The policy sees the levels only, so they must not deny the verdict. */
static int check_levels(struct reader *r, const struct row *row)
{
	bool harmful = row->sig.threat >= SIGDB_THREAT_HARMFUL;

	if (row->sig.verdict == STORE_UNSAFE && row->sig.trust)
		bad(r, "column trust: an unsafe hash has trust 0, not %d", row->sig.trust);
	else if (row->sig.verdict == STORE_UNSAFE && !harmful)
		bad(r, "column threat: an unsafe hash has a threat of %d or 5, not %d",
		    SIGDB_THREAT_HARMFUL, row->sig.threat);
	else if (row->sig.verdict == STORE_SAFE && harmful)
		bad(r, "column threat: a safe hash has a threat below %d, not %d",
		    SIGDB_THREAT_HARMFUL, row->sig.threat);
	return r->failed ? -1 : 0;
}

static int take_levels(struct reader *r, struct row *row)
{
	bool unsafe = row->sig.verdict == STORE_UNSAFE;
	int most = row->have_hash ? SIGDB_LEVEL_MAX : SIGDB_CLAIM_TRUST_MAX;

	if (take_level(r, row, TRUST, most, unsafe ? 0 : most, &row->sig.trust) ||
	    take_level(r, row, THREAT, SIGDB_LEVEL_MAX, unsafe ? SIGDB_LEVEL_MAX : 0,
		       &row->sig.threat))
		return -1;
	return check_levels(r, row);
}

/* What is given must make a signature together. */
static int check_together(struct reader *r, const struct row *row)
{
	const char *const *value = row->value;

	if (!row->have_hash && !row->claim.kind)
		bad(r, "expected a value in column sha256, path, build_id or file_name");
	else if (strchr(value[FILE_NAME], '/'))
		bad(r, "column file_name: expected a name without a path, not \"%.128s\"",
		    value[FILE_NAME]);
	else if (!row->have_hash && *value[VERDICT])
		bad(r, "column verdict: only a hash can be safe or unsafe; expected a "
		    "value in column sha256");
	else if (!*value[NAME] && (*value[VERSION] || *value[CATEGORY] || *value[VENDOR]))
		bad(r, "column name: expected the application's name, as version, "
		    "category or vendor is given");
	else if (!*value[NAME] && !*value[VERDICT])
		bad(r, "expected a value in column name or verdict");
	return r->failed ? -1 : 0;
}

/* A row that removes has nothing but the key. */
static int take_change(struct reader *r, struct row *row)
{
	row->remove = strcmp(row->value[CHANGE], "remove") == 0;
	if (!row->remove && *row->value[CHANGE])
		bad(r, "column change: expected remove or nothing, not \"%.64s\"",
		    row->value[CHANGE]);
	for (int i = NAME; row->remove && i < CHANGE; i++)
		if (*row->value[i])
			bad(r, "column %s: expected no value, as the row removes",
			    column_name[i]);
	if (row->remove && !row->have_hash && !row->claim.kind)
		bad(r, "expected a value in column sha256, path, build_id or file_name");
	return r->failed ? -1 : 0;
}

static int read_row(struct reader *r, struct row *row)
{
	memset(row, 0, sizeof(*row));
	for (int i = 0; i < COLUMNS; i++)
		row->value[i] = "";
	for (int i = 0; i < r->fields; i++)
		row->value[r->order[i]] = r->field[i];
	for (int i = 0; i < COLUMNS; i++)
		if (check_text(r, row, (enum column)i))
			return -1;
	if (take_hash(r, row) || take_claim(r, row) || take_change(r, row))
		return -1;
	if (row->remove)
		return 0;
	if (check_together(r, row) || take_verdict(r, row) || take_levels(r, row))
		return -1;
	row->sig.file_name = *row->value[FILE_NAME] ? row->value[FILE_NAME] : NULL;
	return 0;
}

static void store_failed(struct reader *r)
{
	r->failed = true;
	snprintf(r->why, r->why_size, "%s", interrupted() ?
		 "interrupted; nothing was changed" : sigdb_error(r->db));
}

/* Of a hash it shows at the end only: see flush_hashes(). */
static enum store_result store_signature(struct reader *r, struct row *row)
{
	if (row->have_hash)
		return store_hash(r->store, row->sha256, &row->sig) ? STORE_ERROR : STORE_NEW;
	row->claim.application = row->sig.application;
	row->claim.trust = row->sig.trust;
	row->claim.threat = row->sig.threat;
	return store_claim(r->store, &row->claim);
}

static void twice(struct reader *r, enum column c)
{
	bad(r, "column %s: the same value is on an earlier line; which one is meant?",
	    column_name[c]);
}

static void store_row(struct reader *r, struct row *row)
{
	const struct store_identity identity = {
		.name = row->value[NAME],
		.version = row->value[VERSION],
		.category = row->value[CATEGORY],
		.vendor = row->value[VENDOR],
		.origin = "",
	};
	enum store_result result;

	if (*identity.name) {
		row->sig.application = store_application(r->store, &identity);
		if (row->sig.application < 0) {
			store_failed(r);
			return;
		}
	}
	row->sig.line = r->row_line;
	result = store_signature(r, row);
	if (result == STORE_ERROR)
		store_failed(r);
	else if (result == STORE_TWICE)
		twice(r, row->key);
	else
		r->rows++;
}

static void remove_row(struct reader *r, const struct row *row)
{
	int ret = row->have_hash ? store_remove_hash(r->store, row->sha256) :
				   store_remove_claim(r->store, &row->claim);

	if (ret)
		store_failed(r);
	else
		r->rows++;
}

static void take_row(struct reader *r)
{
	struct row row;

	if (!r->have_header) {
		take_header(r);
		return;
	}
	if (r->fields != r->columns) {
		bad(r, "expected %d fields as in the header, not %d", r->columns, r->fields);
		return;
	}
	if (read_row(r, &row))
		return;
	if (row.remove)
		remove_row(r, &row);
	else
		store_row(r, &row);
}

/* ---- the file ------------------------------------------------------------ */

static void on_field(void *data, size_t len, void *arg)
{
	struct reader *r = arg;
	char *copy;

	if (r->failed)
		return;
	if (r->fields == FIELDS_MAX) {
		bad(r, "more than %d fields", FIELDS_MAX);
		return;
	}
	copy = strndup(data ? data : "", len);
	if (!copy)
		bad(r, "out of memory");
	else
		r->field[r->fields++] = copy;
}

static void free_fields(struct reader *r)
{
	for (int i = 0; i < r->fields; i++)
		free(r->field[i]);
	r->fields = 0;
}

static void on_row(int end, void *arg)
{
	struct reader *r = arg;

	(void)end;
	if (!r->failed)
		take_row(r);
	free_fields(r);
	r->row_bytes = 0;
}

static void feed(struct reader *r, struct csv_parser *parser, const char *text,
		 size_t len)
{
	r->line++;
	if (!r->row_bytes)
		r->row_line = r->line;
	r->row_bytes += len;
	if (r->row_bytes > CSV_ROW_MAX)
		bad(r, "a row of more than %u bytes; is a closing quote missing?",
		    CSV_ROW_MAX);
	else if (memchr(text, '\0', len))
		bad(r, "a NUL byte; expected text");
	else if (csv_parse(parser, text, len, on_field, on_row, r) != len)
		bad(r, "%s", csv_error(parser) == CSV_ENOMEM ? "out of memory" :
		    "expected a quote only around a field, and twice within it");
	/* A blank line makes no row. */
	if (strspn(text, " \t\r\n") == len && !r->fields)
		r->row_bytes = 0;
}

static uint64_t size_of(FILE *in)
{
	struct stat st;

	if (fstat(fileno(in), &st) || !S_ISREG(st.st_mode))
		return 0;
	return (uint64_t)st.st_size;
}

static int read_lines(struct reader *r, struct csv_parser *parser, FILE *in)
{
	static const char mark[] = "\357\273\277";
	char *line = NULL;
	size_t room = 0;
	uint64_t done = 0;
	ssize_t len = 0;

	while (!r->failed && !interrupted() && (len = line_read(&line, &room, in)) > 0) {
		/* Some programs begin UTF-8 text with a byte order mark. */
		size_t skip = !done && strncmp(line, mark, 3) == 0 ? 3 : 0;

		feed(r, parser, line + skip, (size_t)len - skip);
		done += (uint64_t)len;
		progress_set(done);
	}
	if (len < 0)
		bad(r, "%s", strerror(errno));
	free(line);
	if (interrupted() && !r->failed) {
		r->failed = true;
		snprintf(r->why, r->why_size, "interrupted; nothing was changed");
	}
	return r->failed ? -1 : 0;
}

static int read_file(struct reader *r, FILE *in)
{
	struct csv_parser parser;

	if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL)) {
		bad(r, "out of memory");
		return -1;
	}
	progress_begin("bytes", size_of(in));
	if (!read_lines(r, &parser, in) && csv_fini(&parser, on_field, on_row, r))
		bad(r, "the file ends within quotes");
	progress_end();
	csv_free(&parser);
	free_fields(r);
	if (!r->failed && !r->have_header)
		bad(r, "empty; expected a header line and rows");
	return r->failed ? -1 : 0;
}

/* The hashes of all rows at once. */
static int flush_hashes(struct reader *r)
{
	struct store_twice again;

	if (store_flush(r->store, &again)) {
		store_failed(r);
	} else if (again.count) {
		r->row_line = again.line;
		twice(r, SHA256);
	}
	return r->failed ? -1 : 0;
}

int csv_take(struct sigdb *db, struct store *store, FILE *in, const char *name,
	     bool feed, uint64_t *rows, char *why, size_t why_size)
{
	struct reader r = {
		.db = db,
		.store = store,
		.name = name,
		.feed = feed,
		.row_line = 1,
		.why = why,
		.why_size = why_size,
	};

	if (read_file(&r, in) || flush_hashes(&r))
		return -1;
	*rows = r.rows;
	return 0;
}

int csv_import(struct sigdb *db, FILE *in, const char *name, bool replace,
	       struct csv_report *report, char *why, size_t why_size)
{
	struct store *store;

	memset(report, 0, sizeof(*report));
	store = store_begin(db, "csv", STORE_RANK_CSV);
	if (!store) {
		snprintf(why, why_size, "%s", sigdb_error(db));
		return -1;
	}
	if (csv_take(db, store, in, name, false, &report->rows, why, why_size)) {
		store_rollback(store);
		return -1;
	}
	if (replace && store_sweep(store, NULL)) {
		snprintf(why, why_size, "%s", sigdb_error(db));
		store_rollback(store);
		return -1;
	}
	if (store_commit(store, &report->counts)) {
		snprintf(why, why_size, "%s", sigdb_error(db));
		return -1;
	}
	return 0;
}
