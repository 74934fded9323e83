// SPDX-License-Identifier: GPL-2.0-only
#include "cmd_import.h"

#include <getopt.h>
#include <stdio.h>

#include "scan.h"
#include "utf8.h"

static int show(const char *path, const struct scan_result *r, json_t *list)
{
	char hex[SHA256_TEXT_SIZE], clean[4 * 4096];

	hex_encode(r->sha256, SHA256_SIZE, hex);
	if (list)
		return json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b}",
							     "file", path, "sha256", hex,
							     "matches", r->matches,
							     "remembered", r->remembered));
	printf("%s: %s%s\n", utf8_clean(path, clean, sizeof(clean)), *r->matches ? r->matches : "no rule matches",
	       r->remembered ? " (scanned before)" : "");
	return 0;
}

static int scan_all(struct sigdb *db, struct scanner *scanner, const uint8_t *sha256,
		    char **file, int count, json_t *list)
{
	struct scan_result result;
	int ret = CLI_OK;
	char why[1024];

	for (int i = 0; i < count; i++)
		if (scan_file(db, scanner, file[i], sha256, &result, why,
			      sizeof(why)))
			ret = cli_fail("%s", why);
		else if (show(file[i], &result, list))
			ret = cli_fail("out of memory");
	return ret;
}

int cmd_scan(const struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "rules", required_argument, NULL, 'r' },
		{ "sha256", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	const char *rules = NULL, *hex = NULL;
	uint8_t sha256[SHA256_SIZE];
	struct scanner *scanner;
	struct sigdb *db;
	bool json = false;
	char why[1024];
	json_t *list;
	int c, ret = CLI_FAILED;

	while ((c = getopt_long(argc, argv, "j", options, NULL)) != -1) {
		if (c == 'r')
			rules = optarg;
		else if (c == 's')
			hex = optarg;
		else if (c == 'j')
			json = true;
		else
			return cli_usage("scan: wrong option");
	}
	if (!rules || optind == argc)
		return cli_usage("scan: expected --rules and files");
	if (hex && (argc - optind != 1 || hex_decode(hex, sha256, SHA256_SIZE)))
		return cli_usage("scan: --sha256 is about one file, and has 64 digits");
	scanner = scanner_new(rules, why, sizeof(why));
	if (!scanner)
		return cli_fail("%s", why);
	list = json ? json_array() : NULL;
	db = import_open(cli);
	if (db)
		ret = scan_all(db, scanner, hex ? sha256 : NULL, argv + optind,
			       argc - optind, list);
	if (db && list)
		ret |= cli_print(list);
	else
		json_decref(list);
	sigdb_close(db);
	scanner_free(scanner);
	return ret;
}
