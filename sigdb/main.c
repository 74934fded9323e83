// SPDX-License-Identifier: GPL-2.0-only
/* sigdb: fill the signature database and ask it. */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "serve_conf.h"
#include "utf8.h"

static const struct {
	const char *name;
	int (*run)(const struct cli *cli, int argc, char **argv);
} commands[] = {
	{ "import", cmd_import },
	{ "lookup", cmd_lookup },
	{ "stats", cmd_stats },
	{ "export", cmd_export },
	{ "sightings", cmd_sightings },
	{ "identify", cmd_identify },
	{ "scan", cmd_scan },
	{ "upgrade", cmd_upgrade },
	{ "serve", cmd_serve },
};

static const char help[] =
	"usage: sigdb [-d DB] import dpkg [--root DIR] [--admindir DIR] [--map FILE]\n"
	"                                 [--keep] [--grace HOURS] [-j] [PACKAGE...]\n"
	"       sigdb [-d DB] import csv [--replace] [-j] FILE|-\n"
	"       sigdb [-d DB] import rpm [--root DIR] [--dbpath DIR] [--map FILE] [--keep] [-j]\n"
	"       sigdb [-d DB] import rpm [--map FILE] [--replace] [-j] FILE.rpm...\n"
	"       sigdb [-d DB] import list [--label NAME] [-j] FILE\n"
	"       sigdb [-d DB] import nsrl [--product P] [--manufacturer P] [--system P]\n"
	"                                 [--type P] [--file P] [--label NAME]\n"
	"                                 [--trust N] [--threat N] [-j] RDS\n"
	"       sigdb [-d DB] lookup [--explain] [-j] FILE|SHA256|NAME...\n"
	"       sigdb lookup --service ADDRESS [--service-name NAME] [--certificates DIR]\n"
	"                    [--explain] [-j] FILE|SHA256...\n"
	"       sigdb [-d DB] stats [-j]\n"
	"       sigdb [-d DB] export csv\n"
	"       sigdb [-d DB] export feed --key PRIVATE --name NAME [--full] [-j] DIR\n"
	"       sigdb [-d DB] import feed --key PUBLIC [--skip-old] [--restart] [--new-key]\n"
	"                               [-j] FILE...\n"
	"       sigdb [-d DB] sightings [--host HOST] [--limit N] [-j]\n"
	"       sigdb [-d DB] identify SHA256 [--name NAME] [--version V] [--category C]\n"
	"                              [--vendor V] [--trust N] [--threat N]\n"
	"                              [--safe|--unsafe]\n"
	"       sigdb [-d DB] scan --rules FILE [--sha256 HASH] [-j] FILE...\n"
	"       sigdb [-d DB] upgrade\n"
	"       sigdb [-d DB] serve [-n] [--debug] [-c FILE]\n"
	"\n"
	"  -d, --database DB   default " SIGDB_DEFAULT_PATH "\n"
	"  -j, --json          print JSON\n"
	"  -V, --version\n"
	"\n"
	"  --root DIR          the packages installed below DIR, not on this machine\n"
	"  --admindir DIR      dpkg's database, if not /var/lib/dpkg\n"
	"  --dbpath DIR        rpm's database, below the root\n"
	"  --map FILE          another mapping from tags to categories and vendors\n"
	"  --keep              keep the signatures of what is no longer installed\n"
	"  --grace HOURS       for so long, those of what an upgrade has replaced\n"
	"  --explain           show every signature that was looked at, and why it counts\n"
	"                      or does not\n"
	"  --service ADDRESS   ask the service there, as the security server on this machine\n"
	"  --service-name NAME which its certificate must name\n"
	"  --certificates DIR  of the security server, default /etc/sockgate/server\n"
	"  --replace           remove what earlier files brought and these do not\n"
	"  --product P, ...    only what fits the shell pattern; may be given several times\n"
	"  --key FILE          of Ed25519, in PEM\n"
	"  --full              everything, not only what changed since the last feed\n"
	"  --skip-old          pass over feeds that were imported before\n"
	"  --restart           a feed of everything may have a serial that was imported before\n"
	"  --new-key           the feed may be of another key than before\n"
	"  --sha256 HASH       what is not this content is not scanned\n"
	"  -c, --config FILE   default " SERVE_CONF_DEFAULT "\n"
	"  -n, --check         check configuration and certificates, then exit\n"
	"  --debug             say more\n"
	"  --label NAME        of the source: another import of it replaces this one\n"
	"\n"
	"A FILE has a slash in it; 64 hexadecimal digits are a SHA256; all else is a NAME.\n"
	"Exit status: 0 done, or all known; 1 failed, or something unknown; 2 wrong usage.\n"
	"\n"
	"examples:\n"
	"  sigdb import dpkg                  what is installed on this machine\n"
	"  sigdb import dpkg aria2 curl       only these packages\n"
	"  sigdb import dpkg --root /srv/image\n"
	"  sigdb import csv --replace blocklist.csv\n"
	"  sigdb import list main.hsb\n"
	"  sigdb import nsrl --system '*Linux*' RDS_2025.03.1_modern.db\n"
	"  sigdb lookup /usr/bin/curl ./download\n"
	"  sigdb lookup -j curl\n"
	"  sigdb lookup --explain ./download\n"
	"\n"
	"See sigdb(8), sigdb(5), categories.conf(5).\n";

/* A name in it, or a word of the command line, must not drive the terminal. */
static void complain(const char *fmt, va_list args)
{
	char text[2048], clean[4 * sizeof(text)];

	vsnprintf(text, sizeof(text), fmt, args);
	fprintf(stderr, "sigdb: %s\n", utf8_clean(text, clean, sizeof(clean)));
}

int cli_fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
	return CLI_FAILED;
}

int cli_usage(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
	fputs("Try \"sigdb --help\".\n", stderr);
	return CLI_USAGE;
}

struct sigdb *cli_open(const struct cli *cli, bool write)
{
	char why[1024];
	struct sigdb *db = sigdb_open(cli->database, write, why, sizeof(why));

	if (!db)
		cli_fail("%s", why);
	return db;
}

int cli_print(json_t *json)
{
	int ret;

	if (!json)
		return cli_fail("out of memory");
	ret = json_dumpf(json, stdout, JSON_INDENT(2));
	json_decref(json);
	putchar('\n');
	if (ret || fflush(stdout))
		return cli_fail("writing: %m");
	return CLI_OK;
}

static int run(const struct cli *cli, int argc, char **argv)
{
	if (!argc)
		return cli_usage("expected a command, such as import or lookup");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[0], commands[i].name) == 0) {
			optind = 0;
			return commands[i].run(cli, argc, argv);
		}
	return cli_usage("\"%s\" is unknown; expected a command, such as import or lookup",
			 argv[0]);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "database", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct cli cli = { .database = SIGDB_DEFAULT_PATH };
	int c;

	while ((c = getopt_long(argc, argv, "+d:hV", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			cli.database = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			return CLI_OK;
		case 'V':
			puts("sigdb " SOCKGATE_VERSION);
			return CLI_OK;
		default:
			fputs("Try \"sigdb --help\".\n", stderr);
			return CLI_USAGE;
		}
	}
	/* "sigdb import --help" helps as well. */
	for (int i = optind; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0) {
			fputs(help, stdout);
			return CLI_OK;
		}
	return run(&cli, argc - optind, argv + optind);
}
