// SPDX-License-Identifier: GPL-2.0-only
/*
 * The full set has some hundred million files.  First the products are chosen, into a
 * table of ours in memory or a temporary file; then the files are read once, in
 * whatever order they have.
 */
#include "nsrl.h"

#include <fnmatch.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "progress.h"
#include "text.h"

/* A product is there once for each language, system and type; one row is enough. */
static const char choose_sql[] =
	"CREATE TEMP TABLE chosen AS"
	" SELECT p.package_id AS id, p.name AS name, p.version AS version,"
	"  coalesce(m.name, '') AS vendor, p.application_type AS type"
	" FROM PKG p LEFT JOIN MFG m ON m.manufacturer_id = p.manufacturer_id"
	" WHERE wanted(0, p.name) AND wanted(1, coalesce(m.name, ''))"
	"  AND wanted(3, p.application_type) AND (NOT filtered(2) OR EXISTS ("
	"   SELECT 1 FROM OS o WHERE o.operating_system_id = p.operating_system_id"
	"    AND wanted(2, o.name)))"
	" GROUP BY p.package_id;"
	"CREATE UNIQUE INDEX temp.chosen_id ON chosen (id)";

static const char files_sql[] =
	"SELECT f.sha256, f.file_name, c.name, c.version, c.vendor, c.type"
	" FROM FILE f CROSS JOIN temp.chosen c ON c.id = f.package_id"
	" WHERE wanted(4, f.file_name)";

struct reader {
	const struct nsrl_import *job;
	struct nsrl_report *report;
	struct sigdb *db;
	struct store *store;
	sqlite3 *set;
	char *why;
	size_t why_size;
};

static int failed(struct reader *r, const char *doing)
{
	if (interrupted())
		snprintf(r->why, r->why_size, "interrupted; nothing was changed");
	else
		snprintf(r->why, r->why_size, "%s: %s: %s; expected the database of an RDS "
			 "version 3", r->job->path, doing, sqlite3_errmsg(r->set));
	return -1;
}

static int store_failed(struct reader *r)
{
	snprintf(r->why, r->why_size, "%s", interrupted() ?
		 "interrupted; nothing was changed" : sigdb_error(r->db));
	return -1;
}

/* ---- what the filters let through ---------------------------------------- */

static void filtered(sqlite3_context *context, int count, sqlite3_value **value)
{
	const struct nsrl_import *job = sqlite3_user_data(context);

	(void)count;
	sqlite3_result_int(context, job->patterns[sqlite3_value_int(value[0])] > 0);
}

static void wanted(sqlite3_context *context, int count, sqlite3_value **value)
{
	const struct nsrl_import *job = sqlite3_user_data(context);
	int filter = sqlite3_value_int(value[0]);
	const char *text = (const char *)sqlite3_value_text(value[1]);
	int fits = !job->patterns[filter];

	(void)count;
	for (int i = 0; !fits && i < job->patterns[filter]; i++)
		fits = !fnmatch(job->pattern[filter][i], text ? text : "", FNM_CASEFOLD);
	sqlite3_result_int(context, fits);
}

static int look_for_interrupt(void *arg)
{
	(void)arg;
	return interrupted();
}

static int open_set(struct reader *r)
{
	int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
	void *job = (void *)(uintptr_t)r->job;

	if (sqlite3_open_v2(r->job->path, &r->set,
			    SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return failed(r, "opening it");
	sqlite3_db_config(r->set, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_progress_handler(r->set, 100000, look_for_interrupt, NULL);
	if (sqlite3_create_function(r->set, "wanted", 2, flags, job, wanted, NULL,
				    NULL) != SQLITE_OK ||
	    sqlite3_create_function(r->set, "filtered", 1, flags, job, filtered, NULL,
				    NULL) != SQLITE_OK)
		return failed(r, "opening it");
	return 0;
}

/* A number, or 0 if it cannot be learned: it is for the progress bar. */
static uint64_t number(struct reader *r, const char *sql)
{
	sqlite3_stmt *stmt;
	uint64_t value = 0;

	if (sqlite3_prepare_v2(r->set, sql, -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		value = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return value;
}

static int choose(struct reader *r)
{
	if (sqlite3_exec(r->set, choose_sql, NULL, NULL, NULL) != SQLITE_OK)
		return failed(r, "choosing the products");
	r->report->products = number(r, "SELECT count(*) FROM temp.chosen");
	if (r->report->products)
		return 0;
	snprintf(r->why, r->why_size, "%s: no product fits; nothing was changed",
		 r->job->path);
	return -1;
}

/* ---- the files ----------------------------------------------------------- */

static void clean(sqlite3_stmt *row, int column, char *out, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(row, column);

	sigdb_text_clean(text ? text : "", out, size);
}

static int take_file(struct reader *r, sqlite3_stmt *row)
{
	const char *hex = (const char *)sqlite3_column_text(row, 0);
	char file_name[256], name[128], version[128], vendor[128], category[64];
	const struct store_identity identity = {
		.name = name,
		.version = version,
		.category = category,
		.vendor = vendor,
		.origin = "NSRL",
	};
	struct store_signature sig = {
		.trust = r->job->trust,
		.threat = r->job->threat,
		.file_name = file_name,
	};
	uint8_t sha256[SHA256_SIZE];

	r->report->rows++;
	clean(row, 2, name, sizeof(name));
	if (!hex || hex_decode(hex, sha256, sizeof(sha256)) || !*name) {
		r->report->bad++;
		return 0;
	}
	clean(row, 1, file_name, sizeof(file_name));
	clean(row, 3, version, sizeof(version));
	clean(row, 4, vendor, sizeof(vendor));
	clean(row, 5, category, sizeof(category));
	sig.application = store_application(r->store, &identity);
	if (sig.application < 0 || store_hash(r->store, sha256, &sig))
		return store_failed(r);
	return 0;
}

static int take_files(struct reader *r)
{
	sqlite3_stmt *row;
	int rc, ret = 0;

	if (sqlite3_prepare_v2(r->set, files_sql, -1, &row, NULL) != SQLITE_OK)
		return failed(r, "reading the files");
	/* Of rows that the filters leave out nothing is seen: the bar may end early. */
	progress_begin("files", number(r, "SELECT max(rowid) FROM FILE"));
	while (!ret && (rc = sqlite3_step(row)) == SQLITE_ROW) {
		ret = interrupted() ? failed(r, "") : take_file(r, row);
		progress_set(r->report->rows);
	}
	progress_end();
	if (!ret && rc != SQLITE_DONE)
		ret = failed(r, "reading the files");
	sqlite3_finalize(row);
	return ret;
}

static int import_set(struct reader *r)
{
	r->store = store_begin(r->db, r->job->label, STORE_RANK_COLLECTION);
	if (!r->store)
		return store_failed(r);
	if (take_files(r)) {
		store_rollback(r->store);
		return -1;
	}
	if (store_sweep(r->store, NULL)) {
		store_failed(r);
		store_rollback(r->store);
		return -1;
	}
	return store_commit(r->store, &r->report->counts) ? store_failed(r) : 0;
}

int nsrl_import(struct sigdb *db, const struct nsrl_import *job,
		struct nsrl_report *report, char *why, size_t why_size)
{
	struct reader r = {
		.job = job,
		.report = report,
		.db = db,
		.why = why,
		.why_size = why_size,
	};
	int ret;

	memset(report, 0, sizeof(*report));
	ret = open_set(&r) || choose(&r) || import_set(&r) ? -1 : 0;
	sqlite3_close(r.set);
	return ret;
}
