// SPDX-License-Identifier: GPL-2.0-only
/* "sigdb export feed" and "sigdb import feed". */
#include "cmd_import.h"

#include <getopt.h>

#include "feed.h"
#include "progress.h"
#include "utf8.h"

static json_t *report_json(const struct feed_report *r)
{
	return json_pack("{s:s, s:I, s:b, s:I, s:b, s:s}", "feed", r->head.name,
			 "serial", (json_int_t)r->head.serial, "full", r->head.full,
			 "rows", (json_int_t)r->head.rows, "nothing", r->nothing,
			 "file", r->path);
}

static int show_export(const struct feed_report *r, bool json)
{
	char path[4 * sizeof(r->path)];

	utf8_clean(r->path, path, sizeof(path));
	if (json)
		return cli_print(report_json(r));
	if (r->nothing && r->recovered)
		printf("%s: serial %llu, of an export that broke off\n", path,
		       (unsigned long long)r->head.serial - 1);
	else if (r->nothing)
		printf("nothing has changed since serial %llu\n",
		       (unsigned long long)r->head.serial - 1);
	else
		printf("%s: serial %llu, %s, %llu rows\n", path,
		       (unsigned long long)r->head.serial,
		       r->head.full ? "full" : "changes",
		       (unsigned long long)r->head.rows);
	return CLI_OK;
}

int export_feed(const struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "key", required_argument, NULL, 'k' },
		{ "name", required_argument, NULL, 'n' },
		{ "full", no_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	const char *key = NULL, *name = NULL;
	bool full = false, json = false;
	struct feed_report report;
	struct sigdb *db;
	char why[1024];
	int c, ret;

	while ((c = getopt_long(argc, argv, "j", options, NULL)) != -1) {
		if (c == 'k')
			key = optarg;
		else if (c == 'n')
			name = optarg;
		else if (c == 'f')
			full = true;
		else if (c == 'j')
			json = true;
		else
			return cli_usage("export feed: wrong option");
	}
	if (!key || !name || argc - optind != 1)
		return cli_usage("export feed: expected --key, --name and one folder");
	db = cli_open(cli, true);
	if (!db)
		return CLI_FAILED;
	ret = feed_export(db, argv[optind], name, key, full, &report, why, sizeof(why)) ?
	      cli_fail("%s", why) : show_export(&report, json);
	sigdb_close(db);
	return ret;
}

static int show_import(const struct feed_report *r, const char *path, json_t *list)
{
	char clean[4 * 4096];
	json_t *object;

	if (list) {
		object = report_json(r);
		json_object_set_new(object, "file", json_string(path));
		json_object_set_new(object, "added",
				    json_integer((json_int_t)r->counts.added));
		json_object_set_new(object, "removed",
				    json_integer((json_int_t)r->counts.removed));
		return json_array_append_new(list, object) ? cli_fail("out of memory") :
							     CLI_OK;
	}
	utf8_clean(path, clean, sizeof(clean));
	if (r->nothing)
		printf("%s: serial %llu was imported before\n", clean,
		       (unsigned long long)r->head.serial);
	else
		printf("%s: serial %llu, %llu rows: %llu new, %llu removed\n", clean,
		       (unsigned long long)r->head.serial,
		       (unsigned long long)r->head.rows,
		       (unsigned long long)r->counts.added,
		       (unsigned long long)r->counts.removed);
	return CLI_OK;
}

/* The first that is refused ends it: those after it would be, too. */
static int import_files(const struct cli *cli, const char *key, unsigned int how, char **file,
			int count, json_t *list)
{
	struct feed_report report;
	struct sigdb *db;
	char why[1024];
	int ret = CLI_OK;

	db = import_open(cli);
	if (!db)
		return CLI_FAILED;
	interrupt_catch();
	for (int i = 0; !ret && i < count; i++)
		ret = feed_import(db, file[i], key, how, &report, why, sizeof(why)) ?
		      cli_fail("%s", why) : show_import(&report, file[i], list);
	sigdb_close(db);
	return ret;
}

int import_feed(const struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "key", required_argument, NULL, 'k' },
		{ "skip-old", no_argument, NULL, 's' },
		{ "restart", no_argument, NULL, 'r' },
		{ "new-key", no_argument, NULL, 'n' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned int how = 0;
	const char *key = NULL;
	bool json = false;
	json_t *list;
	int c, ret;

	while ((c = getopt_long(argc, argv, "j", options, NULL)) != -1) {
		if (c == 'k')
			key = optarg;
		else if (c == 's')
			how |= FEED_SKIP_OLD;
		else if (c == 'r')
			how |= FEED_RESTART;
		else if (c == 'n')
			how |= FEED_NEW_KEY;
		else if (c == 'j')
			json = true;
		else
			return cli_usage("import feed: wrong option");
	}
	if (!key || argc == optind)
		return cli_usage("import feed: expected --key and files");
	list = json ? json_array() : NULL;
	ret = import_files(cli, key, how, argv + optind, argc - optind, list);
	if (list)
		ret |= cli_print(list);
	return ret;
}
