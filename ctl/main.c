// SPDX-License-Identifier: GPL-2.0-only
/* sockgate: one command for people and scripts. */
#include <stdio.h>
#include <string.h>

#include "commands.h"

static const struct command *const commands[] = {
	&command_status,
	&command_events,
	&command_explain,
	&command_policy,
	&command_failure,
	&command_config,
	&command_ca,
	&command_enroll,
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *out)
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
		     "line is wrong.\n");
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static int flushed(int result)
{
	if (!fflush(stdout) && !ferror(stdout))
		return result;
	return result ? result : RESULT_NO;
}

static int help(const char *name)
{
	const struct command *command = name ? find(name) : NULL;

	if (command)
		fputs(command->help, stdout);
	else
		usage(stdout);
	return flushed(RESULT_OK);
}

int main(int argc, char **argv)
{
	struct options options;
	const char *name;
	char title[64];

	options_init(&options);
	for (argv++, argc--; argc && (!strcmp(*argv, "-j") || !strcmp(*argv, "--json"));
	     argv++, argc--)
		options.json = true;
	name = argc ? *argv : "";
	if (!strcmp(name, "-h") || !strcmp(name, "--help") || !strcmp(name, "help"))
		return help(argc > 1 ? argv[1] : NULL);
	if (!strcmp(name, "-V") || !strcmp(name, "--version") || !strcmp(name, "version")) {
		printf(options.json ? "{\"version\": \"%s\"}\n" : "sockgate %s\n",
		       SOCKGATE_VERSION);
		return flushed(RESULT_OK);
	}
	options.command = find(name);
	if (!options.command) {
		if (*name)
			fprintf(stderr, "sockgate: `%s' is not a command\n\n", name);
		usage(stderr);
		return RESULT_USAGE;
	}
	/* getopt(3) puts this before what it has to say. */
	snprintf(title, sizeof(title), "sockgate %s", name);
	argv[0] = title;
	return flushed(options.command->run(&options, argc, argv));
}
