// SPDX-License-Identifier: GPL-2.0-only
/* "sigdb sightings" shows what nobody knows; "sigdb identify" says what it is. */
#include "cmd_import.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sighting.h"
#include "store.h"
#include "text.h"
#include "utf8.h"

#define SHOWN_DEFAULT 100

/* ---- showing ------------------------------------------------------------- */

static void time_text(int64_t seconds, char *out, size_t size)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(out, size, "?");
}

static int print_sighting(const struct sighting *one, void *arg)
{
	char hex[SHA256_TEXT_SIZE], first[32], last[32];
	char host[1024], path[4 * 4096];

	(void)arg;
	hex_encode(one->sha256, SHA256_SIZE, hex);
	time_text(one->first_s, first, sizeof(first));
	time_text(one->last_s, last, sizeof(last));
	printf("%s %s %s\n  %" PRIu64 " times from %s to %s\n", hex,
	       utf8_clean(one->host, host, sizeof(host)),
	       *one->path ? utf8_clean(one->path, path, sizeof(path)) : "-", one->count, first, last);
	return 0;
}

static int add_sighting(const struct sighting *one, void *arg)
{
	char hex[SHA256_TEXT_SIZE], first[32], last[32];

	hex_encode(one->sha256, SHA256_SIZE, hex);
	time_text(one->first_s, first, sizeof(first));
	time_text(one->last_s, last, sizeof(last));
	return json_array_append_new(arg, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}",
						    "sha256", hex, "host", one->host,
						    "path", one->path, "first", first,
						    "last", last, "count",
						    (json_int_t)one->count));
}

static int show(const struct cli *cli, const char *host, uint64_t limit, json_t *list)
{
	struct sightings *s;
	char why[1024];
	int ret;

	s = sightings_open(cli->database, false, why, sizeof(why));
	/* None were ever noted. */
	if (!s && errno == ENOENT)
		return CLI_OK;
	if (!s)
		return cli_fail("%s", why);
	ret = sightings_each(s, host, limit, list ? add_sighting : print_sighting, list);
	if (ret)
		cli_fail("%s", sightings_error(s));
	sightings_close(s);
	return ret ? CLI_FAILED : CLI_OK;
}

int cmd_sightings(const struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "host", required_argument, NULL, 'h' },
		{ "limit", required_argument, NULL, 'l' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t limit = SHOWN_DEFAULT;
	const char *host = NULL;
	bool json = false;
	json_t *list;
	char *end = NULL;
	int c, ret;

	while ((c = getopt_long(argc, argv, "j", options, NULL)) != -1) {
		if (c == 'h')
			host = optarg;
		else if (c == 'l')
			limit = strtoull(optarg, &end, 10);
		else if (c == 'j')
			json = true;
		else
			return cli_usage("sightings: wrong option");
	}
	if (argc != optind || (end && *end) || limit - 1 >= SIGHTINGS_MAX)
		return cli_usage("sightings: expected --limit 1 to %d, and no other words",
				 SIGHTINGS_MAX);
	list = json ? json_array() : NULL;
	ret = show(cli, host, limit, list);
	if (!ret && json)
		return cli_print(list);
	json_decref(list);
	return ret;
}

/* ---- saying what it is --------------------------------------------------- */

struct given {
	const char *name, *version, *category, *vendor;
	enum store_verdict verdict;
	int trust, threat;		/* -1: by the verdict */
};

/* As in a CSV file: the policy sees the levels only, so they follow the verdict. */
static const char *settle(struct given *g)
{
	bool unsafe = g->verdict == STORE_UNSAFE;

	if (!*g->name && g->verdict == STORE_NO_VERDICT)
		return "expected --name, --safe or --unsafe";
	if (!*g->name && (*g->version || *g->category || *g->vendor))
		return "expected --name with --version, --category or --vendor";
	if (g->trust < 0)
		g->trust = unsafe ? 0 : SIGDB_LEVEL_MAX;
	if (g->threat < 0)
		g->threat = unsafe ? SIGDB_LEVEL_MAX : 0;
	if (unsafe && (g->trust || g->threat < SIGDB_THREAT_HARMFUL))
		return "what is unsafe has trust 0 and a threat of 4 or 5";
	if (g->verdict == STORE_SAFE && g->threat >= SIGDB_THREAT_HARMFUL)
		return "what is safe has a threat below 4";
	return NULL;
}

static const char *check_texts(const struct given *g)
{
	const char *const text[] = { g->name, g->version, g->category, g->vendor };
	static const size_t size[] = { 128, 128, 64, 128 };

	for (int i = 0; i < 4; i++)
		if (strlen(text[i]) >= size[i] || !sigdb_text_valid(text[i]))
			return "a text is too long, or is not UTF-8 without control "
			       "characters";
	return NULL;
}

static int store_it(struct sigdb *db, const uint8_t *sha256, const struct given *g)
{
	const struct store_identity identity = {
		.name = g->name,
		.version = g->version,
		.category = g->category,
		.vendor = g->vendor,
		.origin = "",
	};
	struct store_signature sig = {
		.verdict = g->verdict,
		.trust = g->trust,
		.threat = g->threat,
	};
	struct store_counts counts;
	struct store *st = store_begin(db, "identify", STORE_RANK_HAND);

	if (!st)
		return -1;
	if (*g->name)
		sig.application = store_application(st, &identity);
	if (sig.application < 0 || store_hash(st, sha256, &sig)) {
		store_rollback(st);
		return -1;
	}
	return store_commit(st, &counts);
}

/* The signature counts already; that it is still among the unknown would be wrong. */
static int forget(const struct cli *cli, const uint8_t *sha256)
{
	struct sightings *s;
	char why[1024];
	int count;

	s = sightings_open(cli->database, false, why, sizeof(why));
	if (!s && errno == ENOENT)
		return CLI_OK;
	sightings_close(s);
	s = sightings_open(cli->database, true, why, sizeof(why));
	if (!s)
		return cli_fail("%s", why);
	count = sightings_forget(s, sha256);
	if (count < 0)
		cli_fail("%s", sightings_error(s));
	sightings_close(s);
	return count < 0 ? CLI_FAILED : CLI_OK;
}

static int identify(const struct cli *cli, const char *hex, const struct given *g)
{
	uint8_t sha256[SHA256_SIZE];
	struct sigdb *db;
	int ret;

	if (hex_decode(hex, sha256, sizeof(sha256)))
		return cli_usage("identify: expected a SHA-256, 64 hexadecimal digits");
	db = import_open(cli);
	if (!db)
		return CLI_FAILED;
	ret = store_it(db, sha256, g) ? cli_fail("%s", sigdb_error(db)) : CLI_OK;
	sigdb_close(db);
	return ret ? ret : forget(cli, sha256);
}

static int take_level(const char *text, int *level)
{
	if (*text < '0' || *text > '0' + SIGDB_LEVEL_MAX || text[1])
		return cli_usage("identify: expected a level from 0 to %d",
				 SIGDB_LEVEL_MAX);
	*level = *text - '0';
	return CLI_OK;
}

int cmd_identify(const struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "version", required_argument, NULL, 'v' },
		{ "category", required_argument, NULL, 'c' },
		{ "vendor", required_argument, NULL, 'V' },
		{ "trust", required_argument, NULL, 't' },
		{ "threat", required_argument, NULL, 'T' },
		{ "safe", no_argument, NULL, 's' },
		{ "unsafe", no_argument, NULL, 'u' },
		{ NULL, 0, NULL, 0 },
	};
	struct given g = {
		.name = "", .version = "", .category = "", .vendor = "",
		.trust = -1, .threat = -1,
	};
	const char *wrong;
	int c, ret = CLI_OK;

	while (!ret && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			g.name = optarg;
			break;
		case 'v':
			g.version = optarg;
			break;
		case 'c':
			g.category = optarg;
			break;
		case 'V':
			g.vendor = optarg;
			break;
		case 't':
			ret = take_level(optarg, &g.trust);
			break;
		case 'T':
			ret = take_level(optarg, &g.threat);
			break;
		case 's':
			g.verdict = STORE_SAFE;
			break;
		case 'u':
			g.verdict = STORE_UNSAFE;
			break;
		default:
			return cli_usage("identify: wrong option");
		}
	}
	if (ret)
		return ret;
	if (argc - optind != 1)
		return cli_usage("identify: expected one SHA-256");
	wrong = check_texts(&g);
	if (!wrong)
		wrong = settle(&g);
	if (wrong)
		return cli_usage("identify: %s", wrong);
	return identify(cli, argv[optind], &g);
}
