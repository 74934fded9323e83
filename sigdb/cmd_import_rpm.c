// SPDX-License-Identifier: GPL-2.0-only
#include "cmd_import.h"

#include <getopt.h>

#include "categories.h"
#include "progress.h"
#include "rpm.h"

static int report_rpm(const struct rpm_report *r, bool json)
{
	if (json)
		return cli_print(json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}",
					   "packages", (json_int_t)r->packages,
					   "executables", (json_int_t)r->executables,
					   "weak", (json_int_t)r->weak,
					   "signatures", (json_int_t)r->counts.found,
					   "added", (json_int_t)r->counts.added,
					   "removed", (json_int_t)r->counts.removed));
	printf("%llu packages, %llu executables\n"
	       "%llu signatures: %llu new, %llu removed\n",
	       (unsigned long long)r->packages, (unsigned long long)r->executables,
	       (unsigned long long)r->counts.found, (unsigned long long)r->counts.added,
	       (unsigned long long)r->counts.removed);
	if (r->weak)
		printf("%llu files left out: their packages have no SHA-256 of them\n",
		       (unsigned long long)r->weak);
	return CLI_OK;
}

static int run_rpm(const struct cli *cli, struct rpm_import *job, const char *map_file,
		   bool json)
{
	struct rpm_report report;
	struct categories *map;
	struct sigdb *db;
	char why[1024];
	int ret = CLI_FAILED;

	map = categories_load(map_file, why, sizeof(why));
	if (!map)
		return cli_fail("%s", why);
	job->map = map;
	db = import_open(cli);
	if (db) {
		interrupt_catch();
		ret = rpm_import(db, job, &report, why, sizeof(why)) ?
		      cli_fail("%s", why) : report_rpm(&report, json);
		sigdb_close(db);
	}
	categories_free(map);
	return ret;
}

/* What is wrong with the options together, or NULL. */
static const char *check(const struct rpm_import *job, bool keep, bool replace)
{
	if (job->file_count && (job->root || job->dbpath || keep))
		return "--root, --dbpath and --keep are about what is installed, not about "
		       "package files";
	if (!job->file_count && replace)
		return "--replace is about package files";
	return NULL;
}

int import_rpm(const struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "root", required_argument, NULL, 'r' },
		{ "dbpath", required_argument, NULL, 'd' },
		{ "map", required_argument, NULL, 'm' },
		{ "keep", no_argument, NULL, 'k' },
		{ "replace", no_argument, NULL, 'R' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	struct rpm_import job = { .root = NULL };
	const char *map_file = NULL, *wrong;
	bool json = false, keep = false, replace = false;
	int c;

	while ((c = getopt_long(argc, argv, "j", options, NULL)) != -1) {
		switch (c) {
		case 'r':
			job.root = optarg;
			break;
		case 'd':
			job.dbpath = optarg;
			break;
		case 'm':
			map_file = optarg;
			break;
		case 'k':
			keep = true;
			break;
		case 'R':
			replace = true;
			break;
		case 'j':
			json = true;
			break;
		default:
			return cli_usage("import rpm: wrong option");
		}
	}
	job.files = argv + optind;
	job.file_count = (size_t)(argc - optind);
	wrong = check(&job, keep, replace);
	if (wrong)
		return cli_usage("import rpm: %s", wrong);
	job.sweep = job.file_count ? replace : !keep;
	return run_rpm(cli, &job, map_file, json);
}
