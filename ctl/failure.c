// SPDX-License-Identifier: GPL-2.0-only
/* sockgate failure */
#include <errno.h>
#include <string.h>

#include "commands.h"
#include "kernel.h"
#include "names.h"
#include "text.h"

static int print_json(const struct kernel_status *k)
{
	json_t *json = json_pack("{s:o, s:o}", "failures", kernel_failures_json(k),
				 "failsafes", kernel_failsafes_json(k));
	bool ok = json && !json_dumpf(json, stdout, JSON_INDENT(2)) &&
		  putchar('\n') != EOF;

	json_decref(json);
	return ok ? RESULT_OK : RESULT_NO;
}

static void print_text(const struct kernel_status *k)
{
	char text[256];

	printf("%-14s %-9s %s\n", "REASON", "ACTION", "ERROR");
	for (unsigned int i = 0; i < k->n_failures; i++) {
		const struct sockgate_failure *f = &k->failures[i];

		if (f->reason == SOCKGATE_REASON_UNSPEC)
			continue;
		printf("%-14s %-9s %s\n", name_reason(f->reason),
		       name_failure(f->action),
		       f->action == SOCKGATE_ACTION_ALLOW ? "-" : name_error(f->error));
	}
	printf("\nfailsafes: what may talk where the action is failsafe\n");
	for (unsigned int i = 0; i < k->n_failsafes; i++) {
		kernel_failsafe_text(&k->failsafes[i], text, sizeof(text));
		printf("  %s\n", text);
	}
	if (!k->n_failsafes)
		printf("  none\n");
}

static int show(struct options *o)
{
	struct kernel_status k;
	char why[512];

	if (kernel_read(&k, why, sizeof(why)))
		return options_failed(o, "%s", why);
	if (o->json)
		return print_json(&k);
	print_text(&k);
	return RESULT_OK;
}

/* The errno that a row has now: it stays unless another is given. */
static uint16_t error_of(const struct kernel_status *k, int reason)
{
	for (unsigned int i = 0; i < k->n_failures; i++)
		if (k->failures[i].reason == reason && k->failures[i].error)
			return k->failures[i].error;
	return EACCES;
}

static int set(struct options *o, int argc, char **argv)
{
	int reason = reason_from_name(argv[0]), action = failure_from_name(argv[1]);
	int error = argc > 2 ? error_from_name(argv[2]) : 0;
	struct sockgate_failure row = { 0 };
	struct kernel_status k;
	char why[512];

	if (reason < 0)
		return options_usage(o, "`%s' is not a reason; `sockgate failure' lists "
				     "them", argv[0]);
	if (action < 0)
		return options_usage(o, "`%s' is not an action: allow, deny or failsafe",
				     argv[1]);
	if (error < 0)
		return options_usage(o, "`%s' is not an error: EACCES, ECONNREFUSED or "
				     "EPERM", argv[2]);
	if (kernel_read(&k, why, sizeof(why)))
		return options_failed(o, "%s", why);
	row.reason = (uint8_t)reason;
	row.action = (uint8_t)action;
	row.error = error ? (uint16_t)error : error_of(&k, reason);
	if (kernel_set_failure(&row, why, sizeof(why)))
		return options_failed(o, "%s", why);
	return RESULT_OK;
}

static int run(struct options *o, int argc, char **argv)
{
	int operands;

	if (!options_only_common(o, argc, argv))
		return RESULT_USAGE;
	operands = argc - optind;
	if (!operands || (operands == 1 && !strcmp(argv[optind], "show")))
		return show(o);
	if (!strcmp(argv[optind], "set") && (operands == 3 || operands == 4))
		return set(o, operands - 1, argv + optind + 1);
	return options_usage(o, "it takes nothing, or set REASON ACTION [ERRNO]");
}

const struct command command_failure = {
	.name = "failure",
	.summary = "what the kernel does when there is no verdict",
	.help =
"Usage: sockgate failure [-j]\n"
"       sockgate failure set REASON allow|deny|failsafe [ERRNO]\n"
"\n"
"Shows the kernel's failure table and the failsafe list, or changes one row until the\n"
"module is unloaded (an agent that starts sets what its configuration says).  ERRNO\n"
"is EACCES, ECONNREFUSED or EPERM; without it the row keeps its own.\n"
"\n"
"  -j, --json   as JSON\n"
"\n"
"Example:\n"
"  sockgate failure set server_away failsafe\n",
	.run = run,
};
