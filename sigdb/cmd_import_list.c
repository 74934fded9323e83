// SPDX-License-Identifier: GPL-2.0-only
#include "cmd_import.h"

#include <getopt.h>
#include <string.h>

#include "hash_list.h"
#include "progress.h"

static int report_list(const struct hash_list_report *r, bool json)
{
	if (json)
		return cli_print(json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}",
					   "rows", (json_int_t)r->rows,
					   "again", (json_int_t)r->again,
					   "md5", (json_int_t)r->md5,
					   "sha1", (json_int_t)r->sha1,
					   "added", (json_int_t)r->counts.added,
					   "removed", (json_int_t)r->counts.removed));
	printf("%llu rows: %llu new, %llu removed\n", (unsigned long long)r->rows,
	       (unsigned long long)r->counts.added,
	       (unsigned long long)r->counts.removed);
	if (r->again)
		printf("%llu rows of a hash that an earlier one has: left out\n",
		       (unsigned long long)r->again);
	if (r->md5)
		printf("%llu rows left out: MD5, and executables are known by SHA-256\n",
		       (unsigned long long)r->md5);
	if (r->sha1)
		printf("%llu rows left out: SHA-1, and executables are known by SHA-256\n",
		       (unsigned long long)r->sha1);
	return CLI_OK;
}

/* A list and its next edition have one name, wherever they lie. */
static void make_label(const char *file, char *out, size_t size)
{
	const char *slash = strrchr(file, '/');

	snprintf(out, size, "list:%s", slash ? slash + 1 : file);
}

static int run_list(const struct cli *cli, const char *file, const char *label, bool json)
{
	struct hash_list_report report;
	FILE *in = fopen(file, "re");
	char made[300], why[1024];
	struct sigdb *db;
	int ret = CLI_FAILED;

	if (!in)
		return cli_fail("%s: %m", file);
	make_label(label ? label : file, made, sizeof(made));
	db = import_open(cli);
	if (db) {
		interrupt_catch();
		ret = hash_list_import(db, in, file, made, &report, why, sizeof(why)) ?
		      cli_fail("%s", why) : report_list(&report, json);
		sigdb_close(db);
	}
	fclose(in);
	return ret;
}

int import_list(const struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "label", required_argument, NULL, 'l' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	const char *label = NULL;
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "j", options, NULL)) != -1) {
		if (c == 'l')
			label = optarg;
		else if (c == 'j')
			json = true;
		else
			return cli_usage("import list: wrong option");
	}
	if (argc - optind != 1)
		return cli_usage("import list: expected one file");
	return run_list(cli, argv[optind], label, json);
}
