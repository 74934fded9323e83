// SPDX-License-Identifier: GPL-2.0-only
/* sockgate ca */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ca_dir.h"
#include "commands.h"
#include "text.h"

#define DAY 86400
#define NAME_DEFAULT "sockgate CA"
#define DAYS_MAX 36500
/* Clocks of machines differ: what is made now must be valid there. */
#define SKEW 3600

static int init(struct options *o, const char *dir, const char *name, uint64_t days)
{
	time_t now = time(NULL);
	char why[512];

	if (ca_dir_init(dir, name, now - SKEW, now + (time_t)days * DAY, why,
			sizeof(why)))
		return options_failed(o, "%s", why);
	if (o->json) {
		json_t *json = json_pack("{s:o, s:o}", "dir", text_json(dir), "name",
					 text_json(name));

		if (json && !json_dumpf(json, stdout, 0))
			putchar('\n');
		json_decref(json);
		return RESULT_OK;
	}
	printf("%s/ca.pem      the certificate, valid for %llu days\n"
	       "%s/ca-key.pem  its key: whoever has it can be any host; keep it here,\n"
	       "and a copy where no network leads\n"
	       "next: sockgate enroll HOST --role server, sockgate enroll HOST\n",
	       dir, (unsigned long long)days, dir);
	return RESULT_OK;
}

static int run(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "dir", required_argument, NULL, 'D' },
		{ "name", required_argument, NULL, 'N' },
		{ "days", required_argument, NULL, 'd' },
		{ 0 },
	};
	const char *dir = CA_DIR_DEFAULT, *name = NAME_DEFAULT;
	uint64_t days = PKI_CA_DAYS;
	int c;

	while ((c = options_next(o, argc, argv, "", longs)) != -1) {
		if (c == 'D')
			dir = optarg;
		else if (c == 'N')
			name = optarg;
		else if (c != 'd')
			return RESULT_USAGE;
		else if (!text_number(optarg, 1, DAYS_MAX, &days))
			return options_usage(o, "--days takes a number from 1 to %d, not "
					     "`%s'", DAYS_MAX, optarg);
	}
	if (optind + 1 != argc || strcmp(argv[optind], "init") != 0)
		return options_usage(o, "it takes init");
	return init(o, dir, name, days);
}

const struct command command_ca = {
	.name = "ca",
	.summary = "make the authority that says which host is which",
	.help =
"Usage: sockgate ca init [--dir DIR] [--name NAME] [--days N] [-j]\n"
"\n"
"Makes a key and a self-signed certificate, with which `sockgate enroll' makes those\n"
"of agents and servers.  Never replaces one that is there.\n"
"\n"
"      --dir DIR    where (default " CA_DIR_DEFAULT ")\n"
"      --name NAME  its common name (default \"" NAME_DEFAULT "\")\n"
"      --days N     how long it is valid (default 3650)\n"
"  -j, --json       as JSON\n"
"\n"
"Example:\n"
"  sockgate ca init --name \"Example Inc. sockgate CA\"\n",
	.run = run,
};
