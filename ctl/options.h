/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line: what all commands share. */
#ifndef CTL_OPTIONS_H
#define CTL_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>

/* What `sockgate' ends with. */
enum {
	RESULT_OK = 0,
	RESULT_NO = 1,		/* the answer is no, or it did not work */
	RESULT_USAGE = 2,	/* the command line is wrong */
	RESULT_PARTLY = 3,	/* it is done, but not everywhere */
};

struct options;

struct command {
	const char *name;
	const char *summary;	/* one line, for `sockgate --help' */
	const char *help;	/* for `sockgate NAME --help' */
	int (*run)(struct options *o, int argc, char **argv);
};

struct options {
	const struct command *command;
	const char *agent_socket;
	const char *server_socket;
	const char *sigdb_socket;
	const char *manager_socket;
	bool json;
};

/* Defaults, and what the environment says. */
void options_init(struct options *o);

/*
 * options_next - the next option of a command, as getopt_long(3)
 * @shorts: of this command only ("f:" ...), may be ""
 * @longs:  of this command only, ends with a zeroed element; may be NULL
 * Options that all commands share are dealt with inside; --help ends the
 * process.  Returns the option, -1 at the end, '?' for a wrong one (which was
 * told).  Then the operands start at argv[optind].
 */
int options_next(struct options *o, int argc, char **argv, const char *shorts,
		 const struct option *longs);

/* Takes a command that has no option of its own.  Returns false on a wrong one. */
bool options_only_common(struct options *o, int argc, char **argv);

/* Says what is wrong and where help is.  Returns RESULT_USAGE. */
int options_usage(const struct options *o, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Says what did not work.  Returns RESULT_NO. */
int options_failed(const struct options *o, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
