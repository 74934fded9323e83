// SPDX-License-Identifier: GPL-2.0-only
/* sockgate config */
#include <inttypes.h>
#include <string.h>

#include "commands.h"
#include "kernel.h"
#include "text.h"

/* The bounds are those of nfagent.conf(5): what is tried here goes there next. */
static const struct {
	const char *name;
	uint16_t attr;
	uint32_t min, max;
	const char *takes;
} keys[] = {
	{ "deadline", SOCKGATE_A_DEADLINE, 100, 100000, "milliseconds from 100 to 100000" },
	{ "max-pending", SOCKGATE_A_MAX_PENDING, 1, 65536, "callers from 1 to 65536" },
	{ "max-cached", SOCKGATE_A_MAX_CACHED, 0, 1048576, "verdicts from 0 to 1048576" },
	{ "mark-mask", SOCKGATE_A_MARK_MASK, 0, UINT32_MAX, "32 bits, as 0xff000000" },
};
#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

static int show(struct options *o)
{
	struct kernel_status k;
	char why[512];

	if (kernel_read(&k, why, sizeof(why)))
		return options_failed(o, "%s", why);
	printf(o->json ?
	       "{\"deadline_ms\": %" PRIu32 ", \"max_pending\": %" PRIu32
	       ", \"max_cached\": %" PRIu32 ", \"mark_mask\": %" PRIu32 "}\n" :
	       "deadline    %" PRIu32 " ms\nmax-pending %" PRIu32 "\n"
	       "max-cached  %" PRIu32 "\nmark-mask   0x%08" PRIx32 "\n",
	       k.deadline_ms, k.max_pending, k.max_cached, k.mark_mask);
	return RESULT_OK;
}

static int set(struct options *o, const char *name, const char *text)
{
	char why[512];
	uint64_t value;

	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (strcmp(name, keys[i].name) != 0)
			continue;
		if (!text_number(text, keys[i].min, keys[i].max, &value))
			return options_usage(o, "%s takes %s, not `%s'", name,
					     keys[i].takes, text);
		if (kernel_set_number(keys[i].attr, (uint32_t)value, why, sizeof(why)))
			return options_failed(o, "%s %s: %s", name, text, why);
		return RESULT_OK;
	}
	return options_usage(o, "`%s' is none of deadline, max-pending, max-cached, "
			     "mark-mask", name);
}

static int run(struct options *o, int argc, char **argv)
{
	int operands;

	if (!options_only_common(o, argc, argv))
		return RESULT_USAGE;
	operands = argc - optind;
	if (!operands || (operands == 1 && !strcmp(argv[optind], "show")))
		return show(o);
	if (operands == 3 && !strcmp(argv[optind], "set"))
		return set(o, argv[optind + 1], argv[optind + 2]);
	return options_usage(o, "it takes show, or set NAME VALUE");
}

const struct command command_config = {
	.name = "config",
	.summary = "the kernel module's limits",
	.help =
"Usage: sockgate config [show] [-j]\n"
"       sockgate config set deadline MS\n"
"       sockgate config set max-pending N\n"
"       sockgate config set max-cached N\n"
"       sockgate config set mark-mask HEX\n"
"\n"
"deadline     how long a caller may be held, 100 to 100000 ms\n"
"max-pending  how many requests may be held at a time, 1 to 65536\n"
"max-cached   how many verdicts are remembered, 0 to 1048576\n"
"mark-mask    the bits of the socket mark that carry the application's tag\n"
"\n"
"Changes last until the module is unloaded; an agent that starts sets what its\n"
"configuration says.\n"
"\n"
"  -j, --json   as JSON\n"
"\n"
"Example:\n"
"  sockgate config set deadline 2000\n",
	.run = run,
};
