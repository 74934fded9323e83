// SPDX-License-Identifier: GPL-2.0-only
#include "cli.h"

/* Opening it for writing is all that it takes. */
int cmd_upgrade(const struct cli *cli, int argc, char **argv)
{
	struct sigdb *db;

	(void)argv;
	if (argc != 1)
		return cli_usage("upgrade: takes no words");
	db = cli_open(cli, true);
	if (!db)
		return CLI_FAILED;
	sigdb_close(db);
	return CLI_OK;
}
