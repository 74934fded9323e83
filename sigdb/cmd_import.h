/* SPDX-License-Identifier: GPL-2.0-only */
/* The kinds of "sigdb import" and "export"; each gets its own name as argv[0]. */
#ifndef SOCKGATE_SIGDB_CMD_IMPORT_H
#define SOCKGATE_SIGDB_CMD_IMPORT_H

#include "cli.h"

int export_feed(const struct cli *cli, int argc, char **argv);

int import_list(const struct cli *cli, int argc, char **argv);
int import_rpm(const struct cli *cli, int argc, char **argv);
int import_feed(const struct cli *cli, int argc, char **argv);
int import_nsrl(const struct cli *cli, int argc, char **argv);

/* The database, made with its folder if it is the default one; NULL after a message. */
struct sigdb *import_open(const struct cli *cli);

#endif
