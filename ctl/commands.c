// SPDX-License-Identifier: GPL-2.0-only
#include "commands.h"

#include <stdio.h>
#include <string.h>

static const struct command *const commands[] = {
	&command_status,
	&command_events,
	&command_explain,
	&command_policy,
	&command_cache,
	&command_failure,
	&command_config,
	&command_ca,
	&command_enroll,
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void overview(FILE *out)
{
	fprintf(out, "Usage: sockgate [-j] COMMAND ...\n\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
	fprintf(out, "  %-9s %s\n", "version", "the version of this program");
	fprintf(out, "\nHelp on one of them, with examples: sockgate COMMAND --help\n"
		     "\n"
		     "Examples:\n"
		     "  sockgate status\n"
		     "  sockgate events -f --denied\n"
		     "  sockgate policy check FILE && sockgate policy load FILE\n"
		     "\n"
		     "Ends with 0: done, or yes; 1: no, or it did not work; 2: the command\n"
		     "line is wrong; 3: a policy was pushed, but is not in force everywhere.\n");
}

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

int command_unknown(const char *name)
{
	if (*name)
		fprintf(stderr, "sockgate: `%s' is not a command\n\n", name);
	overview(stderr);
	return RESULT_USAGE;
}

/* What has no options, and so no help of its own. */
static bool is_plain(const char *name)
{
	return !strcmp(name, "help") || !strcmp(name, "version");
}

int command_help(const char *name)
{
	const struct command *command = name ? command_find(name) : NULL;

	if (command)
		fputs(command->help, stdout);
	else if (!name || is_plain(name))
		overview(stdout);
	else
		return command_unknown(name);
	return RESULT_OK;
}
