// SPDX-License-Identifier: GPL-2.0-only
#include "cmd_import.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "categories.h"
#include "csv_file.h"
#include "dpkg.h"
#include "progress.h"

#define GRACE_HOURS_MAX 8760

/* Where nobody has made the folder of the default path yet, it is made. */
struct sigdb *import_open(const struct cli *cli)
{
	if (strcmp(cli->database, SIGDB_DEFAULT_PATH) == 0 &&
	    mkdir("/var/lib/sockgate", 0755) && errno != EEXIST) {
		cli_fail("/var/lib/sockgate: %m");
		return NULL;
	}
	return cli_open(cli, true);
}

/* ---- dpkg ---------------------------------------------------------------- */

static int report_dpkg(const struct dpkg_report *r, bool json, double seconds)
{
	if (json)
		return cli_print(json_pack(
			"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:f}",
			"packages", (json_int_t)r->packages,
			"executables", (json_int_t)r->executables,
			"hashed", (json_int_t)r->hashed,
			"hashed_bytes", (json_int_t)r->bytes,
			"signatures", (json_int_t)r->counts.found,
			"added", (json_int_t)r->counts.added,
			"removed", (json_int_t)r->counts.removed,
			"changed_files", (json_int_t)r->changed,
			"unreadable_files", (json_int_t)r->unreadable,
			"have_tags", r->have_tags, "have_origins", r->have_origins,
			"seconds", seconds));
	printf("%llu packages, %llu executables (%llu read, %.1f MB) in %.1f s\n"
	       "%llu signatures: %llu new, %llu removed\n",
	       (unsigned long long)r->packages, (unsigned long long)r->executables,
	       (unsigned long long)r->hashed, (double)r->bytes / 1e6, seconds,
	       (unsigned long long)r->counts.found, (unsigned long long)r->counts.added,
	       (unsigned long long)r->counts.removed);
	if (r->changed)
		printf("%llu files left out: not as their packages brought them\n",
		       (unsigned long long)r->changed);
	if (r->unreadable)
		printf("%llu files left out: could not be read\n",
		       (unsigned long long)r->unreadable);
	return CLI_OK;
}

static void note_gaps(const struct dpkg_report *r)
{
	if (!r->have_tags)
		progress_note("the package index has no tags (\"apt-get update\" brings "
			      "them): categories are those of the archive's sections");
	if (!r->have_origins)
		progress_note("no package index: the origin of most packages is not "
			      "known, so their trust is 2");
}

static double now_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int run_dpkg(const struct cli *cli, struct dpkg_import *job, const char *map_file,
		    bool json)
{
	double start = now_seconds();
	struct dpkg_report report;
	struct categories *map;
	struct sigdb *db;
	char why[1024];
	int ret;

	map = categories_load(map_file, why, sizeof(why));
	if (!map)
		return cli_fail("%s", why);
	db = import_open(cli);
	if (!db) {
		categories_free(map);
		return CLI_FAILED;
	}
	interrupt_catch();
	job->map = map;
	job->now = time(NULL);
	if (dpkg_import(db, job, &report, why, sizeof(why))) {
		ret = cli_fail("%s", why);
	} else {
		note_gaps(&report);
		ret = report_dpkg(&report, json, now_seconds() - start);
	}
	sigdb_close(db);
	categories_free(map);
	return ret;
}

static int import_dpkg(const struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "root", required_argument, NULL, 'r' },
		{ "admindir", required_argument, NULL, 'a' },
		{ "map", required_argument, NULL, 'm' },
		{ "keep", no_argument, NULL, 'k' },
		{ "grace", required_argument, NULL, 'g' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	struct dpkg_import job = { .keep = false };
	const char *map_file = NULL;
	unsigned long hours;
	bool json = false;
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "j", options, NULL)) != -1) {
		switch (c) {
		case 'r':
			job.machine.root = optarg;
			break;
		case 'a':
			job.machine.admindir = optarg;
			break;
		case 'm':
			map_file = optarg;
			break;
		case 'k':
			job.keep = true;
			break;
		case 'g':
			hours = strtoul(optarg, &end, 10);
			if (*optarg < '0' || *optarg > '9' || *end || hours > GRACE_HOURS_MAX)
				return cli_usage("import dpkg: --grace is from 0 to %d hours",
						 GRACE_HOURS_MAX);
			job.grace_s = (unsigned int)hours * 3600;
			break;
		case 'j':
			json = true;
			break;
		default:
			return cli_usage("import dpkg: wrong option");
		}
	}
	job.patterns = argv + optind;
	job.pattern_count = (size_t)(argc - optind);
	return run_dpkg(cli, &job, map_file, json);
}

/* ---- csv ----------------------------------------------------------------- */

static int report_csv(const struct csv_report *r, bool json)
{
	if (json)
		return cli_print(json_pack("{s:I, s:I, s:I}",
					   "rows", (json_int_t)r->rows,
					   "added", (json_int_t)r->counts.added,
					   "removed", (json_int_t)r->counts.removed));
	printf("%llu rows: %llu new, %llu removed\n", (unsigned long long)r->rows,
	       (unsigned long long)r->counts.added,
	       (unsigned long long)r->counts.removed);
	return CLI_OK;
}

static int run_csv(const struct cli *cli, const char *file, bool replace, bool json)
{
	bool from_stdin = strcmp(file, "-") == 0;
	FILE *in = from_stdin ? stdin : fopen(file, "re");
	struct csv_report report;
	struct sigdb *db;
	char why[1024];
	int ret = CLI_FAILED;

	if (!in)
		return cli_fail("%s: %m", file);
	db = import_open(cli);
	if (db) {
		interrupt_catch();
		if (csv_import(db, in, from_stdin ? "stdin" : file, replace, &report, why,
			       sizeof(why)))
			cli_fail("%s", why);
		else
			ret = report_csv(&report, json);
		sigdb_close(db);
	}
	if (!from_stdin)
		fclose(in);
	return ret;
}

static int import_csv(const struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "replace", no_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	bool replace = false, json = false;
	int c;

	while ((c = getopt_long(argc, argv, "j", options, NULL)) != -1) {
		if (c == 'r')
			replace = true;
		else if (c == 'j')
			json = true;
		else
			return cli_usage("import csv: wrong option");
	}
	if (argc - optind != 1)
		return cli_usage("import csv: expected one file, or - for stdin");
	return run_csv(cli, argv[optind], replace, json);
}

int cmd_import(const struct cli *cli, int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "dpkg") == 0)
		return import_dpkg(cli, argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "csv") == 0)
		return import_csv(cli, argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "rpm") == 0)
		return import_rpm(cli, argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "list") == 0)
		return import_list(cli, argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "nsrl") == 0)
		return import_nsrl(cli, argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "feed") == 0)
		return import_feed(cli, argc - 1, argv + 1);
	return cli_usage("import: expected dpkg, rpm, csv, list, nsrl or feed");
}
