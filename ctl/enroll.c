// SPDX-License-Identifier: GPL-2.0-only
/* sockgate enroll */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ca_dir.h"
#include "commands.h"
#include "record.h"
#include "text.h"

#define DAY 86400
#define DAYS_MAX 3650
#define SKEW 3600	/* as in ca.c */

static void print_json(const struct tls_peer *subject, const struct ca_files *files)
{
	char until[40];
	json_t *json = json_pack("{s:o, s:s, s:s, s:o, s:o, s:o}",
				 "host", text_json(subject->host),
				 "role", tls_role_name(subject->role), "until",
				 record_time((int64_t)files->until * 1000000, true,
					     until, sizeof(until)),
				 "key", text_json(files->key),
				 "cert", text_json(files->cert),
				 "ca", text_json(files->ca));

	if (json && !json_dumpf(json, stdout, JSON_INDENT(2)))
		putchar('\n');
	json_decref(json);
}

static void print_text(const struct tls_peer *subject, const struct ca_files *files)
{
	const char *role = tls_role_name(subject->role);
	char day[TEXT_DAY_SIZE];

	printf("%s is enrolled as %s until %s%s.  Copy to /etc/sockgate/%s/ there:\n"
	       "  %s\n  %s\n  %s\n"
	       "for example:\n"
	       "  ssh root@%s install -d -m 700 /etc/sockgate/%s\n"
	       "  scp -p %s/*.pem root@%s:/etc/sockgate/%s/\n"
	       "Then remove %s here: it belongs on that machine only.\n",
	       subject->host, role, text_day(files->until, day),
	       files->cut ? ", no longer than its CA" : "", role, files->key,
	       files->cert, files->ca, subject->host, role, files->dir, subject->host,
	       role, files->key);
}

static int enroll(struct options *o, const char *dir, const struct tls_peer *subject,
		  uint64_t days, bool force)
{
	struct ca_files files;
	time_t now = time(NULL);
	char why[2 * PATH_MAX];

	if (ca_dir_enroll(dir, subject, now - SKEW, now + (time_t)days * DAY, force,
			  &files, why, sizeof(why)))
		return options_failed(o, "%s", why);
	if (o->json)
		print_json(subject, &files);
	else
		print_text(subject, &files);
	return RESULT_OK;
}

static int run(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "role", required_argument, NULL, 'r' },
		{ "dir", required_argument, NULL, 'D' },
		{ "days", required_argument, NULL, 'd' },
		{ "force", no_argument, NULL, 'f' },
		{ 0 },
	};
	struct tls_peer subject = { .role = TLS_ROLE_AGENT };
	const char *dir = CA_DIR_DEFAULT;
	uint64_t days = PKI_LEAF_DAYS;
	bool force = false;
	int c;

	while ((c = options_next(o, argc, argv, "", longs)) != -1) {
		if (c == 'D')
			dir = optarg;
		else if (c == 'f')
			force = true;
		else if (c == 'r')
			subject.role = tls_role_from_name(optarg);
		else if (c != 'd')
			return RESULT_USAGE;
		else if (!text_number(optarg, 1, DAYS_MAX, &days))
			return options_usage(o, "--days takes a number from 1 to %d, not "
					     "`%s'", DAYS_MAX, optarg);
	}
	if (subject.role == TLS_ROLE_NONE)
		return options_usage(o, "--role takes agent, server, sigdb or manager");
	if (optind + 1 != argc)
		return options_usage(o, "it takes one host name");
	if ((size_t)snprintf(subject.host, sizeof(subject.host), "%s", argv[optind]) >=
	    sizeof(subject.host))
		return options_usage(o, "a host name has at most %zu bytes",
				     sizeof(subject.host) - 1);
	return enroll(o, dir, &subject, days, force);
}

const struct command command_enroll = {
	.name = "enroll",
	.summary = "make the certificate of a host",
	.help =
"Usage: sockgate enroll HOST [--role agent|server|sigdb|manager] [--dir DIR] [--days N]\n"
"                       [--force] [-j]\n"
"\n"
"Writes key.pem, cert.pem and ca.pem into DIR/HOST, and says where they belong.  The\n"
"certificate says which host its holder may speak for, and in which role.\n"
"\n"
"      --role ROLE  agent (default), server, sigdb for a signature service, or manager,\n"
"                   for policymgr\n"
"      --dir DIR    of the CA (default " CA_DIR_DEFAULT ")\n"
"      --days N     how long it is valid (default 365), but no longer than the CA\n"
"      --force      replace a certificate that is there\n"
"  -j, --json       as JSON\n"
"\n"
"Examples:\n"
"  sockgate enroll sec1 --role server\n"
"  sockgate enroll sig1 --role sigdb\n"
"  for h in web1 web2; do sockgate enroll $h; done\n",
	.run = run,
};
