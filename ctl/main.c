// SPDX-License-Identifier: GPL-2.0-only
/* sockgate: one command for people and scripts. */
#include <stdio.h>
#include <string.h>

#include "commands.h"

static int flushed(int result)
{
	if (!fflush(stdout) && !ferror(stdout))
		return result;
	return result ? result : RESULT_NO;
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
		return flushed(command_help(argc > 1 ? argv[1] : NULL));
	if (!strcmp(name, "-V") || !strcmp(name, "--version") || !strcmp(name, "version")) {
		printf(options.json ? "{\"version\": \"%s\"}\n" : "sockgate %s\n",
		       SOCKGATE_VERSION);
		return flushed(RESULT_OK);
	}
	options.command = command_find(name);
	if (!options.command)
		return command_unknown(name);
	/* getopt(3) puts this before what it has to say. */
	snprintf(title, sizeof(title), "sockgate %s", name);
	argv[0] = title;
	return flushed(options.command->run(&options, argc, argv));
}
