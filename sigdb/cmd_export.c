// SPDX-License-Identifier: GPL-2.0-only
#include "cmd_import.h"

#include <string.h>

#include "csv_file.h"

int cmd_export(const struct cli *cli, int argc, char **argv)
{
	struct sigdb *db;
	char why[1024];
	int ret;

	if (argc > 1 && strcmp(argv[1], "feed") == 0)
		return export_feed(cli, argc - 1, argv + 1);
	if (argc != 2 || strcmp(argv[1], "csv") != 0)
		return cli_usage("export: expected csv or feed");
	db = cli_open(cli, false);
	if (!db)
		return CLI_FAILED;
	ret = csv_export(db, stdout, why, sizeof(why));
	sigdb_close(db);
	return ret ? cli_fail("%s", why) : CLI_OK;
}
