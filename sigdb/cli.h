/* SPDX-License-Identifier: GPL-2.0-only */
/* What the subcommands of the sigdb program share. */
#ifndef SOCKGATE_SIGDB_CLI_H
#define SOCKGATE_SIGDB_CLI_H

#include <jansson.h>
#include <stdbool.h>

#include "sigdb.h"

enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,		/* or: the answer is no */
	CLI_USAGE = 2,
};

struct cli {
	const char *database;
};

/* Each gets its own name as argv[0]; each is in a file of its own. */
int cmd_import(const struct cli *cli, int argc, char **argv);
int cmd_lookup(const struct cli *cli, int argc, char **argv);
int cmd_stats(const struct cli *cli, int argc, char **argv);
int cmd_export(const struct cli *cli, int argc, char **argv);
int cmd_sightings(const struct cli *cli, int argc, char **argv);
int cmd_identify(const struct cli *cli, int argc, char **argv);
int cmd_serve(const struct cli *cli, int argc, char **argv);
int cmd_scan(const struct cli *cli, int argc, char **argv);
int cmd_upgrade(const struct cli *cli, int argc, char **argv);

/* Open the database or say why not; NULL on failure. */
struct sigdb *cli_open(const struct cli *cli, bool write);

/* A sentence to stderr.  Returns CLI_FAILED. */
int cli_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same, with a pointer to --help.  Returns CLI_USAGE. */
int cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * cli_print - print JSON and drop the reference to it
 * @json: NULL: it could not be made
 * Returns CLI_OK or CLI_FAILED.
 */
int cli_print(json_t *json);

#endif
