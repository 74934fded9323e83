// SPDX-License-Identifier: GPL-2.0-only
#include "options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "text.h"

#define OPTIONS_MAX 20

enum {
	OPT_AGENT_SOCKET = 0x1000, OPT_SERVER_SOCKET, OPT_SIGDB_SOCKET, OPT_MANAGER_SOCKET,
};

static const struct option common[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ "agent-socket", required_argument, NULL, OPT_AGENT_SOCKET },
	{ "server-socket", required_argument, NULL, OPT_SERVER_SOCKET },
	{ "sigdb-socket", required_argument, NULL, OPT_SIGDB_SOCKET },
	{ "manager-socket", required_argument, NULL, OPT_MANAGER_SOCKET },
};
#define COMMON_COUNT (sizeof(common) / sizeof(common[0]))

static const char *from_environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

void options_init(struct options *o)
{
	memset(o, 0, sizeof(*o));
	o->agent_socket = from_environment("SOCKGATE_AGENT_SOCKET",
					   CONTROL_AGENT_SOCKET);
	o->server_socket = from_environment("SOCKGATE_SERVER_SOCKET",
					    CONTROL_SERVER_SOCKET);
	o->sigdb_socket = from_environment("SOCKGATE_SIGDB_SOCKET", CONTROL_SIGDB_SOCKET);
	o->manager_socket = from_environment("SOCKGATE_MANAGER_SOCKET",
					     CONTROL_MANAGER_SOCKET);
}

/* Returns false if @c is not an option that all commands share. */
static bool take_common(struct options *o, int c)
{
	switch (c) {
	case 'j':
		o->json = true;
		return true;
	case 'h':
		fputs(o->command->help, stdout);
		exit(fflush(stdout) ? RESULT_NO : RESULT_OK);
	case OPT_AGENT_SOCKET:
		o->agent_socket = optarg;
		return true;
	case OPT_SERVER_SOCKET:
		o->server_socket = optarg;
		return true;
	case OPT_SIGDB_SOCKET:
		o->sigdb_socket = optarg;
		return true;
	case OPT_MANAGER_SOCKET:
		o->manager_socket = optarg;
		return true;
	default:
		return false;
	}
}

int options_next(struct options *o, int argc, char **argv, const char *shorts,
		 const struct option *longs)
{
	struct option all[OPTIONS_MAX] = { 0 };
	char all_shorts[64];
	size_t n = COMMON_COUNT;
	int c;

	memcpy(all, common, sizeof(common));
	for (; longs && longs->name && n < OPTIONS_MAX - 1; longs++)
		all[n++] = *longs;
	snprintf(all_shorts, sizeof(all_shorts), "jh%s", shorts);
	do {
		c = getopt_long(argc, argv, all_shorts, all, NULL);
	} while (c != -1 && take_common(o, c));
	if (c == '?')
		fprintf(stderr, "Try: sockgate %s --help\n", o->command->name);
	return c;
}

bool options_only_common(struct options *o, int argc, char **argv)
{
	return options_next(o, argc, argv, "", NULL) == -1;
}

/* A name in it, or a word of the command line, must not drive the terminal. */
static void complain(const struct options *o, const char *fmt, va_list ap)
{
	char text[2048], clean[4 * sizeof(text)];

	vsnprintf(text, sizeof(text), fmt, ap);
	fprintf(stderr, "sockgate %s: %s\n", o->command->name,
		text_clean(text, clean, sizeof(clean)));
}

int options_usage(const struct options *o, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(o, fmt, ap);
	va_end(ap);
	fprintf(stderr, "Try: sockgate %s --help\n", o->command->name);
	return RESULT_USAGE;
}

int options_failed(const struct options *o, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(o, fmt, ap);
	va_end(ap);
	return RESULT_NO;
}
