// SPDX-License-Identifier: GPL-2.0-only
#include "cmd_import.h"

#include <getopt.h>
#include <string.h>

#include "nsrl.h"
#include "progress.h"

/* A set of known software says what a file is, not that it is good: schema.sql. */
#define TRUST_KNOWN_ORIGIN 3

static int report_nsrl(const struct nsrl_report *r, bool json)
{
	if (json)
		return cli_print(json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}",
					   "products", (json_int_t)r->products,
					   "rows", (json_int_t)r->rows,
					   "bad_rows", (json_int_t)r->bad,
					   "signatures", (json_int_t)r->counts.found,
					   "added", (json_int_t)r->counts.added,
					   "removed", (json_int_t)r->counts.removed));
	printf("%llu products, %llu files\n%llu signatures: %llu new, %llu removed\n",
	       (unsigned long long)r->products, (unsigned long long)r->rows,
	       (unsigned long long)r->counts.found, (unsigned long long)r->counts.added,
	       (unsigned long long)r->counts.removed);
	if (r->bad)
		printf("%llu files left out: without a SHA-256\n",
		       (unsigned long long)r->bad);
	return CLI_OK;
}

static int run_nsrl(const struct cli *cli, const struct nsrl_import *job, bool json)
{
	struct nsrl_report report;
	struct sigdb *db;
	char why[1024];
	int ret;

	db = import_open(cli);
	if (!db)
		return CLI_FAILED;
	interrupt_catch();
	ret = nsrl_import(db, job, &report, why, sizeof(why)) ?
	      cli_fail("%s", why) : report_nsrl(&report, json);
	sigdb_close(db);
	return ret;
}

static int take_level(const char *option, const char *text, int *level)
{
	if (*text < '0' || *text > '0' + SIGDB_LEVEL_MAX || text[1])
		return cli_usage("import nsrl: --%s: expected a number 0 to %d", option,
				 SIGDB_LEVEL_MAX);
	*level = *text - '0';
	return CLI_OK;
}

static int take_pattern(struct nsrl_import *job, int filter, const char *pattern)
{
	if (job->patterns[filter] == NSRL_PATTERNS_MAX)
		return cli_usage("import nsrl: more than %d patterns of one kind",
				 NSRL_PATTERNS_MAX);
	job->pattern[filter][job->patterns[filter]++] = pattern;
	return CLI_OK;
}

int import_nsrl(const struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "product", required_argument, NULL, NSRL_PRODUCT },
		{ "manufacturer", required_argument, NULL, NSRL_MANUFACTURER },
		{ "system", required_argument, NULL, NSRL_SYSTEM },
		{ "type", required_argument, NULL, NSRL_TYPE },
		{ "file", required_argument, NULL, NSRL_FILE },
		{ "label", required_argument, NULL, 'l' },
		{ "trust", required_argument, NULL, 't' },
		{ "threat", required_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	struct nsrl_import job = { .label = "nsrl", .trust = TRUST_KNOWN_ORIGIN };
	char label[280];
	bool json = false;
	int c, ret = CLI_OK;

	while (!ret && (c = getopt_long(argc, argv, "j", options, NULL)) != -1) {
		switch (c) {
		case 'l':
			snprintf(label, sizeof(label), "nsrl:%s", optarg);
			job.label = label;
			break;
		case 't':
			ret = take_level("trust", optarg, &job.trust);
			break;
		case 'h':
			ret = take_level("threat", optarg, &job.threat);
			break;
		case 'j':
			json = true;
			break;
		case '?':
			return cli_usage("import nsrl: wrong option");
		default:
			ret = take_pattern(&job, c, optarg);
		}
	}
	if (ret)
		return ret;
	if (argc - optind != 1)
		return cli_usage("import nsrl: expected the database of an RDS");
	job.path = argv[optind];
	return run_nsrl(cli, &job, json);
}
