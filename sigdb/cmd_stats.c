// SPDX-License-Identifier: GPL-2.0-only
#include "cli.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "handle.h"
#include "utf8.h"

/* Each line of the table: a word, what it counts, how many. */
static const char stats_sql[] =
	"SELECT 'total', 'hash signatures', count(*) FROM hash_signature"
	" UNION ALL SELECT 'total', 'claims by package file', count(*)"
	"  FROM claim WHERE kind = 1"
	" UNION ALL SELECT 'total', 'claims by build-id', count(*)"
	"  FROM claim WHERE kind = 2"
	" UNION ALL SELECT 'total', 'claims by file name', count(*)"
	"  FROM claim WHERE kind = 3"
	" UNION ALL SELECT 'total', 'applications', count(*) FROM application"
	" UNION ALL SELECT 'total', 'known by verdict only', count(*)"
	"  FROM hash_signature WHERE application IS NULL"
	" UNION ALL SELECT 'total', 'unsafe', count(*)"
	"  FROM hash_signature WHERE verdict = 'unsafe'"
	" UNION ALL SELECT 'source', s.label,"
	"  (SELECT count(*) FROM hash_signature h WHERE h.source = s.id)"
	"  + (SELECT count(*) FROM claim c WHERE c.source = s.id) FROM source s"
	" UNION ALL SELECT * FROM (SELECT 'category', category, count(*) AS many"
	"  FROM application GROUP BY category ORDER BY many DESC, category)";

/* Is the file sound?  Reads all of it. */
static int check(struct sigdb *db)
{
	sqlite3_stmt *stmt;
	int ret = -1;

	if (sqlite3_prepare_v2(db->sql, "PRAGMA quick_check(1)", -1, &stmt, NULL) !=
	    SQLITE_OK)
		return sigdb_fail(db, "checking");
	if (sqlite3_step(stmt) != SQLITE_ROW)
		sigdb_fail(db, "checking");
	else if (strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0)
		sigdb_failf(db, "damaged (%s); move it away and import again",
			    sqlite3_column_text(stmt, 0));
	else
		ret = 0;
	sqlite3_finalize(stmt);
	return ret;
}

static void print_line(sqlite3_stmt *row)
{
	const char *name = (const char *)sqlite3_column_text(row, 1);
	char clean[1024];

	printf("%-9s %-32s %10lld\n", sqlite3_column_text(row, 0),
	       utf8_clean(name ? name : "", clean, sizeof(clean)),
	       (long long)sqlite3_column_int64(row, 2));
}

static int add_line(sqlite3_stmt *row, json_t *list)
{
	return json_array_append_new(list,
		json_pack("{s:s, s:s, s:I}",
			  "kind", (const char *)sqlite3_column_text(row, 0),
			  "name", (const char *)sqlite3_column_text(row, 1),
			  "count", (json_int_t)sqlite3_column_int64(row, 2)));
}

static int show(struct sigdb *db, json_t *list)
{
	sqlite3_stmt *stmt;
	int rc, ret = 0;

	if (sqlite3_prepare_v2(db->sql, stats_sql, -1, &stmt, NULL) != SQLITE_OK)
		return sigdb_fail(db, "counting");
	while (!ret && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (list)
			ret = add_line(stmt, list);
		else
			print_line(stmt);
	}
	if (ret)
		sigdb_failf(db, "out of memory");
	else if (rc != SQLITE_DONE)
		ret = sigdb_fail(db, "counting");
	sqlite3_finalize(stmt);
	return ret;
}

int cmd_stats(const struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	json_t *list = NULL;
	struct sigdb *db;
	int c, ret;

	while ((c = getopt_long(argc, argv, "j", options, NULL)) != -1) {
		if (c != 'j')
			return cli_usage("stats: wrong option");
		if (!list)
			list = json_array();
	}
	db = cli_open(cli, false);
	ret = !db || check(db) || show(db, list) ? CLI_FAILED : CLI_OK;
	if (db && ret)
		cli_fail("%s", sigdb_error(db));
	if (!ret && list)
		ret = cli_print(list);
	else
		json_decref(list);
	sigdb_close(db);
	return ret;
}
