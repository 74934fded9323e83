// SPDX-License-Identifier: GPL-2.0-only
/* sockgate cache */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cached.h"
#include "commands.h"
#include "kernel.h"
#include "text.h"

struct filter {
	const char *program;	/* NULL: any */
	bool denied;
};

static bool wanted(const struct sockgate_cached *c, const struct filter *f)
{
	/* As much of a long name as the kernel keeps. */
	if (f->program && strncmp(c->program, f->program, sizeof(c->program) - 1))
		return false;
	return !f->denied || c->action == SOCKGATE_ACTION_DENY;
}

static size_t keep_wanted(struct sockgate_cached *list, size_t n, const struct filter *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (wanted(&list[i], f))
			list[kept++] = list[i];
	return kept;
}

static void print_text(const struct sockgate_cached *list, size_t n,
		       const struct kernel_status *k)
{
	char verdict[CACHED_VERDICT_SIZE], left[64], text[CACHED_FOR_SIZE];

	if (n)
		printf("%-17s %-10s %-12s %10s  %s\n", "VERDICT", "TAG", "LEFT", "HITS",
		       "FOR");
	for (size_t i = 0; i < n; i++)
		printf("%-17s 0x%08" PRIx32 " %-12s %10" PRIu64 "  %s\n",
		       cached_verdict(&list[i], verdict, sizeof(verdict)), list[i].tag,
		       text_duration(list[i].left_ms / 1000, left, sizeof(left)),
		       (uint64_t)list[i].hits,
		       cached_for(&list[i], text, sizeof(text)));
	printf("%s%zu shown; %" PRIu32 " cached of at most %" PRIu32 ", %" PRIu32
	       " %s, %" PRIu64 " evicted, policy generation %" PRIu32 "\n", n ? "\n" : "",
	       n, k->cached, k->max_cached, k->masks, k->masks == 1 ? "mask" : "masks",
	       k->counters[SOCKGATE_N_EVICTED], k->generation);
}

static bool print_json(const struct sockgate_cached *list, size_t n,
		       const struct kernel_status *k)
{
	json_t *entries = json_array(), *json;
	bool ok;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(entries, cached_json(&list[i]));
	json = json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}",
			 "cached", (json_int_t)k->cached,
			 "max_cached", (json_int_t)k->max_cached,
			 "masks", (json_int_t)k->masks,
			 "evicted", (json_int_t)k->counters[SOCKGATE_N_EVICTED],
			 "generation", (json_int_t)k->generation,
			 "entries", entries);
	ok = json && json_array_size(entries) == n &&
	     !json_dumpf(json, stdout, JSON_INDENT(2)) && putchar('\n') != EOF;
	json_decref(json);
	return ok;
}

static int show(struct options *o, const struct filter *f)
{
	struct sockgate_cached *list = NULL;
	struct kernel_status k;
	char why[512];
	bool ok = true;
	size_t n = 0;

	if (kernel_cache(&list, &n, why, sizeof(why)) ||
	    kernel_read(&k, why, sizeof(why))) {
		free(list);
		return options_failed(o, "%s", why);
	}
	n = keep_wanted(list, n, f);
	if (n)
		qsort(list, n, sizeof(*list), cached_compare);
	if (o->json)
		ok = print_json(list, n, &k);
	else
		print_text(list, n, &k);
	free(list);
	return ok ? RESULT_OK : RESULT_NO;
}

static int run(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "program", required_argument, NULL, 'p' },
		{ "denied", no_argument, NULL, 'd' },
		{ 0 },
	};
	struct filter f = { 0 };
	int c;

	while ((c = options_next(o, argc, argv, "", longs)) != -1) {
		if (c == 'p')
			f.program = optarg;
		else if (c == 'd')
			f.denied = true;
		else
			return RESULT_USAGE;
	}
	if (optind < argc)
		return options_usage(o, "`%s' is one word too many", argv[optind]);
	return show(o, &f);
}

const struct command command_cache = {
	.name = "cache",
	.summary = "the verdicts that the kernel remembers",
	.help =
"Usage: sockgate cache [--program NAME] [--denied] [-j]\n"
"\n"
"Lists the verdicts that the kernel module has cached: each answers every event that\n"
"agrees in the fields under FOR, without a question.  What is not named there may be\n"
"anything.  HITS is how many it has answered, LEFT how long it goes on, if the policy\n"
"does not change before that.\n"
"\n"
"      --program NAME  those of executables whose file has this name\n"
"      --denied        what is refused only\n"
"  -j, --json          as JSON\n"
"\n"
"Examples:\n"
"  sockgate cache --program curl\n"
"  sockgate cache -j | jq '[.entries[] | select(.hits == 0)] | length'\n",
	.run = run,
};
